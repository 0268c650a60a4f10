"""The command line as a user types it: one sentence for every mistake, files where they belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentgan.cli import app as cli
from latentgan.errors import ConfigError
from latentgan.inference import stages

TINY = ["--set", "family.latent=4", "--set", "family.width=4", "--set", "family.hidden=16"]
SHORT = ["--set", "training.total_images=64", "--set", "training.batch_size=16"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    from latentgan import configure, train

    out = tmp_path_factory.mktemp("cli") / "run"
    config = configure(
        "bigan",
        family={"latent": 4, "width": 4, "hidden": 16},
        training={"total_images": 64, "batch_size": 16},
    )
    return train(config, out, show_progress=False)


@pytest.fixture(scope="module")
def conditional_run(tmp_path_factory) -> Path:
    from latentgan import configure, train

    config = configure(
        "cgan", family={"latent": 4, "width": 4, "hidden": 16}, training={"total_images": 64, "batch_size": 16}
    )
    return train(config, tmp_path_factory.mktemp("cli") / "cgan", show_progress=False)


def test_families_lists_parameters(call):
    code, out, _ = call("families")
    assert code == 0 and "bigan" in out and "1605.09782" in out
    code, out, _ = call("families", "bigan", "--json")
    rows = {row["key"]: row for row in json.loads(out)}
    assert rows["family.latent"]["default"] == "50" and rows["family.latent"]["range"] == "> 0"
    assert rows["family.network"]["type"] == "dcgan | resnet | mlp"
    assert rows["family.discriminator.learning_rate"]["default"] == "0.0002"
    assert all(row["meaning"] for row in rows.values())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "bigam", "--data", "digits", "--out", "x"], "did you mean bigan?"),
        (["train", "--data", "digits", "--out", "x"], "which family?"),
        (["train", "bigan", "--data", "digits"], "--out runs/bigan"),
        (["train", "bigan", "--out", "x", "--set", "family.latnet=3"], "did you mean family.latent?"),
        (["train", "bigan", "--out", "x", "--set", "trainign.seed=3"], "did you mean training?"),
        (["train", "bigan", "--out", "x", "--set", "family.latent=-3"], "family.latent = -3 is not possible"),
        (["train", "bigan", "--out", "x", "--set", "family.latent"], "is not of the form a.b=value"),
        (["train", "bigan", "--out", "x", "--data", "no/such/folder"], "no/such/folder"),
        (["train", "bigan", "--out", "x", "--device", "cuda:77"], "cuda:77"),
        (["train", "bigan", "--out", "x", "--config", "nowhere.toml"], "nowhere.toml"),
        (["train", "--resume", "nowhere"], "nowhere is not a run folder"),
        (["encode", "nowhere", "--out", "t.parquet"], "nowhere holds no trained model"),
        (["sample", "nowhere"], "nowhere holds no trained model"),
        (["probe", "nowhere.parquet"], "nowhere.parquet"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(call, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments)
    assert code == 2 and out == ""
    assert sentence in err and err.count("\n") == 1 and "Traceback" not in err
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_dry_run_prints_everything_and_writes_nothing(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("train", "bigan", "--dry-run", "--data", "digits", *TINY)
    assert code == 0
    for text in ("latent = 4", "generator", "1,797 images", "for 320,000 images at"):
        assert text in out
    assert list(tmp_path.iterdir()) == []


def test_train_and_the_next_step_that_it_names(call, tmp_path):
    code, _, err = call("train", "bigan", "--data", "digits", "--out", tmp_path / "run", "--seed", "3", *TINY, *SHORT)
    assert code == 0 and "latentgan encode" in err
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert "seed = 3" in (tmp_path / "run" / "run.toml").read_text()
    code, _, err = call("train", "bigan", "--out", tmp_path / "run")
    assert code == 2 and "--resume" in err
    assert call("train", "--resume", tmp_path / "run")[0] == 0
    for option in (["--seed", "4"], ["--dry-run"], ["--size", "8"], ["--skip-bad"]):
        assert call("train", "--resume", tmp_path / "run", *option)[0] == 2, option


def test_the_options_of_the_data_are_recorded(call, tmp_path):
    call("train", "bigan", "--data", "digits", "--size", "16", "--out", tmp_path / "run", *TINY, *SHORT)
    assert "size = 16" in (tmp_path / "run" / "run.toml").read_text()
    assert call("encode", tmp_path / "run", "--out", tmp_path / "t.parquet")[0] == 0


def test_sample_writes_a_grid_or_files_and_repeats_itself(call, run, tmp_path):
    for name in ("a.png", "b.png"):
        assert call("sample", run, "-n", "9", "--out", tmp_path / name, "--seed", "5")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    call("sample", run, "-n", "3", "--out", tmp_path / "folder")
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["000000.png", "000001.png", "000002.png"]


@pytest.mark.parametrize("command", ["sample", "augment"])
@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("codes.parquet/images", "codes.parquet is a file, where a folder of images is to be written"),
        ("notes", "notes is a file, where a folder of images is to be written"),
        ("images.npz", "images.npz is named like a file, where a folder of images is to be written"),
    ],
)
def test_a_file_is_no_folder_of_images(command, out, sentence, call, run, conditional_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("codes.parquet", "notes"):
        Path(name).write_text("mine")
    arguments = ("sample", run) if command == "sample" else ("augment", conditional_run, "--per-class", 2)
    code, printed, err = call(*arguments, "--out", out)
    assert code == 2
    assert printed == ""
    assert sentence in err
    assert "; name" in err or ": name" in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.parquet", "notes"]


def test_a_table_is_no_grid_of_samples(call, run, tmp_path):
    (tmp_path / "c.parquet").write_text("mine")
    code, _, err = call("sample", run, "--out", tmp_path / "c.parquet")
    assert code == 2
    assert "a grid of samples is written as .png, single images into a folder" in err
    assert (tmp_path / "c.parquet").read_text() == "mine"


def test_components_are_sampled_by_number(call, tmp_path):
    """Trained, sampled a row a component, given an encoder, encoded, read and reported."""
    small = [f"--set=family.{key}" for key in ("width=4", "minibatch_discrimination=0", "mixture.components=5")]
    run = tmp_path / "run"
    assert call("train", "deligan", "--data", "digits", "--out", run, *small, *SHORT)[0] == 0
    code, _, err = call("sample", run, "-n", "12", "--out", tmp_path / "rows.png")
    assert code == 0 and "rows: components 1 to 5" in err
    assert np.array(Image.open(tmp_path / "rows.png")).shape == (5 * 33 - 1, 3 * 33 - 1)
    for name in ("a.png", "b.png"):
        assert call("sample", run, "--component", "5", "-n", "4", "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    code, _, err = call("sample", run, "--component", "6", "--out", tmp_path / "c.png")
    assert code == 2 and "no component 6: this model's are numbered from 1 to 5" in err
    assert call("fit-encoder", run, "--out", tmp_path / "encoder", *SHORT)[0] == 0
    table, results = tmp_path / "t.parquet", tmp_path / "results"
    assert call("encode", tmp_path / "encoder", "--out", table)[0] == 0
    assert call("codes", table, "--model", tmp_path / "encoder", "--out", results)[0] == 0
    assert call("interpolate", table, "--model", tmp_path / "encoder", "--out", results)[0] == 0
    assert call("report", results, "--out", tmp_path / "report.html")[0] == 0
    assert "The 5 components of “z”" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_from_a_run_to_a_table_to_an_edited_image(call, run, tmp_path, digits):
    assert call("encode", run, "--out", tmp_path / "t.parquet")[0] == 0
    assert call("concepts", tmp_path / "t.parquet", "--out", tmp_path / "results")[0] == 0
    picture = tmp_path / "one.png"
    Image.fromarray(digits.images[1, :, :, 0]).resize((40, 40)).save(picture)
    out = tmp_path / "edits"
    done = call(
        "edit",
        run,
        picture,
        "--concept",
        "3",
        "--strength",
        "2",
        "--strength",
        "0",
        "--results",
        tmp_path / "results",
        "--out",
        out,
    )
    assert done[0] == 0, done
    names = sorted(p.name for p in out.iterdir())
    assert len(names) == 3 and any("strip" in n for n in names) and all(n.startswith("one_label--3") for n in names)
    zero = np.array(Image.open(next(out.glob("*+0.png"))))
    assert zero.shape == (8, 8)
    assert call("concepts", tmp_path / "t.parquet", "--preserve", "8", "--out", tmp_path / "results")[0] == 0
    conditional = "label: 3, preserving 8"
    assert call("edit", run, picture, "--concept", conditional, "--results", tmp_path / "results", "--out", out)[0] == 0
    assert len(list(out.glob("one_label--3--preserving-8*"))) == 6
    code, _, err = call("edit", run, picture, "--concept", "labl: 3", "--results", tmp_path / "results", "--out", out)
    assert code == 2 and "did you mean 'label: 3'" in err
    code, _, err = call("edit", run, tmp_path / "none.png", "--concept", "3", "--results", tmp_path / "results")
    assert code == 2 and "none.png does not exist" in err


def test_directions_of_another_model_are_refused(call, run, tmp_path):
    call("train", "bigan", "--data", "digits", "--out", tmp_path / "other", "--seed", "9", *TINY, *SHORT)
    call("encode", tmp_path / "other", "--out", tmp_path / "t.parquet")
    call("concepts", tmp_path / "t.parquet", "--out", tmp_path / "results")
    picture = tmp_path / "one.png"
    Image.new("L", (8, 8)).save(picture)
    code, _, err = call("edit", run, picture, "--concept", "3", "--results", tmp_path / "results", "--out", tmp_path)
    assert code == 2 and "codes of another model" in err


def test_what_cannot_be_written_is_named(call, run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call("sample", run, "--out", tmp_path / "file" / "samples.png")
    assert code == 2 and err.count("\n") == 1 and "file" in err
    code, _, err = call("sample", run, "--out", tmp_path / "file")
    assert code == 2 and err.count("\n") == 1


def test_a_table_needs_the_right_ending(call, run, tmp_path):
    code, _, err = call("encode", run, "--out", tmp_path / "table.csv")
    assert code == 2 and ".parquet" in err


def test_version(call):
    code, out, _ = call("--version")
    assert code == 0 and out.startswith("latentgan 0.")


@pytest.mark.slow
def test_the_demo_ends_with_a_report(call, tmp_path, monkeypatch):
    code, out, err = call("demo", "--quick", "--out", tmp_path / "demo")
    assert code == 0, err
    report = tmp_path / "demo" / "report.html"
    assert report.as_uri() in out
    assert 100_000 < report.stat().st_size <= 8_000_000
    weights = tmp_path / "demo" / "run" / "model" / "model.safetensors"
    written = weights.stat().st_mtime_ns

    def stop(*_arguments, **_keywords):
        raise ConfigError("encoding begins")

    monkeypatch.setattr(stages, "encode", stop)
    code, _, err = call("demo", "--quick", "--out", tmp_path / "demo")
    assert (code, weights.stat().st_mtime_ns) == (2, written) and "encoding begins" in err, "it uses the finished run"


@pytest.mark.parametrize(
    ("family", "ways"),
    [("bigan", []), ("cgan", ["sample", "augment", "fit-encoder"]), ("improved_gan", ["sample", "fit-encoder"])],
)
def test_a_run_without_an_encoder_is_told_what_else_it_can_do(family, ways):
    assert [way.split()[0] for way in cli.ways_on(family)] == ways
