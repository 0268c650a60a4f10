"""Asking a model for a class: `sample --label`, grids with a row a class, and `augment`, whose sets are read back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from latentgan import NumpyModel, configure, from_arrays, load_source, train
from latentgan.cli import app as cli
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DataError
from latentgan.families.base import load_family
from latentgan.inference.generate_dataset import BATCH, Plan, selected_codes, write_images, written_names

SMALL = {"latent": 3, "width": 4, "hidden": 16}
HOSTILE = ("../x", "a/b", "<script>", "", "NA", "train", ".hidden", "CON", "3", "3.0", "Cat", "cat", "=1+1", "-3", "ok")
ASKED = {
    "cgan": {},
    "aae_semi": {},
    "ali": {"conditional": True},
    "aae": {"labels": "decoder"},
    "latent_regressor": {"of": "cgan", "base": SMALL, "frozen": True},
}


def pictures(classes: tuple[str, ...] = ("a", "b", "c"), *, labels: bool = True) -> ImageSource:
    x = np.random.default_rng(0).integers(0, 256, (20 * len(classes), 8, 8, 1), dtype=np.uint8)
    if not labels:
        return from_arrays(x)
    return from_arrays(x, np.arange(len(x)) % len(classes), classes=classes)


def model(name: str = "cgan", classes: tuple[str, ...] = ("a", "b", "c"), **family: Any) -> NumpyModel:
    torch.manual_seed(0)
    fields = load_family(name).Config.model_fields
    settings = {k: v for k, v in SMALL.items() if k in fields} | family
    built = load_family(name)(configure(name, family=settings).family, pictures(classes).spec)
    return NumpyModel(built, about={"name": name})


def trained(folder: Path, name: str = "cgan", classes: tuple[str, ...] = ("a", "b", "c"), **family: Any) -> Path:
    training = {"total_images": 64, "batch_size": 16, "device": "cpu"}
    config = configure(name, family={**SMALL, **family}, training=training)
    return train(config, folder / f"{name}-run", source=pictures(classes), show_progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("augment"))


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; return exit code and standard error."""

    def run_(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["latentgan", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
            raise SystemExit(0)
        return int(stop.value.code or 0), capsys.readouterr().err

    return run_


def png(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(("name", "settings"), ASKED.items())
def test_conditional_families_draw_by_class_name(name, settings):
    conditional = model(name, **settings)
    assert conditional.classes == ("a", "b", "c")
    codes = conditional.draw(5, seed=2, label="b")
    (part,) = [p for p in conditional.family.prior.describe() if p["width"] == 3 and p["kind"] == "categorical"]
    columns = slice(part["start"], part["start"] + 3)
    assert (codes[:, columns] == [0, 1, 0]).all()
    rest = np.delete(codes, np.r_[columns], axis=1)
    assert (
        np.array_equal(rest, np.delete(conditional.draw(5, seed=2), np.r_[columns], axis=1))
        and len(np.unique(rest)) > 5
    )
    assert np.array_equal(conditional.sample(5, seed=2, label="b"), conditional.decode(codes))
    assert np.abs(conditional.sample(5, seed=2, label="b") - conditional.sample(5, seed=2, label="c")).max() > 0


@pytest.mark.parametrize(
    ("name", "settings"), [("bigan", {}), ("infogan", {"categorical": (3,)}), ("ali", {}), ("aae", {})]
)
def test_an_unconditional_family_names_others(name, settings):
    unconditional = model(name, **settings)
    assert unconditional.classes == ()
    with pytest.raises(ConfigError, match=r"is not conditioned on classes.*cgan and aae_semi.*family\.conditional"):
        unconditional.sample(3, label="a")


def test_classes_stand_in_rows_and_columns_share_their_noise():
    conditional = model()
    rows = conditional.sample_classes(4, seed=1)
    assert rows.shape == (12, 8, 8, 1)
    for k, label in enumerate("abc"):
        assert np.array_equal(rows[4 * k : 4 * k + 4], conditional.sample(4, seed=1, label=label))


def test_sample_writes_a_row_a_class(call, run, tmp_path):
    code, err = call("sample", run, "-n", 10, "--out", tmp_path / "all.png", "--seed", 4)
    assert code == 0 and "rows: 'a', 'b', 'c'" in err
    grid, drawn = png(tmp_path / "all.png"), NumpyModel.load(run, device="cpu").sample_classes(4, seed=4)
    assert grid.shape == (3 * 33 - 1, 4 * 33 - 1), "10 images are 4 columns of 3"
    tile = grid[33 : 33 + 32 : 4, 66 : 66 + 32 : 4]
    assert np.abs(tile.astype(int) - 255 * drawn[4 + 2, :, :, 0]).max() <= 1
    assert call("sample", run, "-n", 3, "--label", "b", "--out", tmp_path / "b", "--seed", 4)[0] == 0
    expected = NumpyModel.load(run, device="cpu").sample(3, seed=4, label="b")
    for i in range(3):
        assert np.abs(png(tmp_path / "b" / f"{i:06d}.png").astype(int) - 255 * expected[i, :, :, 0]).max() <= 1
    code, err = call("sample", run, "-n", 3, "--label", "b", "--out", tmp_path / "b.jpg")
    assert code == 2 and "is written as .png" in err and not (tmp_path / "b.jpg").exists()


@pytest.mark.parametrize("command", ["sample", "augment"])
def test_impossible_requests_exit_with_2(command, call, run, tmp_path):
    if command == "sample":
        code, err = call("sample", run, "--label", "d", "--out", tmp_path / "x.png")
        assert code == 2 and "no class is called 'd'" in err and "known are: 'a', 'b', 'c'" in err
    told_none = trained(tmp_path, "bigan")
    extra = ["--label", "a"] if command == "sample" else ["--per-class", 2]
    code, err = call(command, told_none, *extra, "--out", tmp_path / "out")
    assert code == 2 and "is not conditioned on classes" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_is_trained_on_again(call, run, tmp_path):
    out = tmp_path / "generated"
    code, err = call("augment", run, "--per-class", 7, "--out", out, "--seed", 3, "--device", "cpu")
    assert code == 0 and f"--data {out}" in err
    assert sorted(path.name for path in out.iterdir()) == ["a", "augment.json", "b", "c"]
    source, trained = load_source(out), NumpyModel.load(run, device="cpu")
    assert source.spec.classes == ("a", "b", "c") and np.bincount(source.labels).tolist() == [7, 7, 7]
    for k in range(3):
        (codes,) = selected_codes(trained, k, Plan(7, seed=3))
        assert np.array_equal(source.images[source.labels == k], np.rint(trained.decode(codes) * 255).astype(np.uint8))
    about = json.loads((out / "augment.json").read_text())
    assert about["per_class"] == 7 and about["seed"] == 3 and about["checkpoint"] == trained.about["sha256"]
    tiny = ["--set", "family.width=4", "--set", "training.total_images=32", "--set", "training.batch_size=8"]
    assert call("train", "cgan", "--data", out, "--out", tmp_path / "again", "--device", "cpu", *tiny)[0] == 0


def test_a_table_is_read_back_as_the_same_classes_and_images(call, run, tmp_path):
    for name in ("set.parquet", "folder"):
        assert call("augment", run, "--per-class", 300, "--out", tmp_path / name, "--device", "cpu")[0] == 0
    table, folder = load_source(tmp_path / "set.parquet"), load_source(tmp_path / "folder")
    assert table.spec == folder.spec and np.array_equal(table.labels, folder.labels)
    assert np.array_equal(table.images, folder.images)
    assert pq.ParquetFile(tmp_path / "set.parquet").num_row_groups == 6, "written batch by batch"


@pytest.mark.parametrize(("name", "settings"), [("cgan", {}), ("ali", {"conditional": True})])
def test_the_best_by_logit_are_kept(name, settings):
    conditional = model(name, **settings)
    if name == "ali":  # its last weights start at zero, where all scores are equal
        torch.nn.init.normal_(conditional.family.discriminator.logit.weight)
    every = np.concatenate(list(selected_codes(conditional, 1, Plan(600, seed=5))))
    kept_best = np.concatenate(list(selected_codes(conditional, 1, Plan(150, 0.25, seed=5))))
    family = conditional.family
    with torch.no_grad():
        z = torch.from_numpy(every)
        image = family.decode(z)
        scores = (family.discriminator(image, z[:, 3:]) if name == "cgan" else family.discriminator(image, z)).numpy()
    best = np.sort(np.argsort(-scores)[:150])
    assert kept_best.shape == (150, 6) and np.array_equal(kept_best, every[best])
    assert scores[best].min() >= np.delete(scores, best).max() and scores.std() > 0
    assert (kept_best[:, 3:] == [0, 1, 0]).all()


def test_draws_depend_on_seed_class_and_batch():
    conditional = model()
    draws = [
        np.concatenate(list(selected_codes(conditional, k, Plan(2 * BATCH, seed=s))))
        for k, s in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert np.array_equal(draws[0], draws[1])
    noise = np.concatenate([part[:, :3] for part in (draws[0], draws[2], draws[3])])
    assert len(np.unique(noise, axis=0)) == 6 * BATCH


def test_no_more_than_a_batch_is_held_at_once(tmp_path, monkeypatch):
    conditional, sizes, steps = model(), [], []
    decode, score = NumpyModel.decode, NumpyModel.score
    monkeypatch.setattr(NumpyModel, "decode", lambda self, z: sizes.append(len(z)) or decode(self, z))
    monkeypatch.setattr(NumpyModel, "score", lambda self, z: sizes.append(len(z)) or score(self, z))
    plan = Plan(300, 0.5)
    write_images(conditional, tmp_path / "out", plan, advance=steps.append)
    assert max(sizes) <= BATCH and sum(steps) == plan.steps(conditional) == 3 * 900


@pytest.mark.parametrize(
    ("per_class", "share", "drawn"), [(30, 0.3, 100), (100, 0.1, 1000), (7, 1.0, 7), (10, 0.99, 11)]
)
def test_a_share_says_how_many_are_drawn(per_class, share, drawn):
    assert Plan(per_class, share).drawn == drawn


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--per-class", 5, "--keep-best", 0], "--keep-best 0.0 is no share"),
        (["--per-class", 5, "--keep-best", 1.5], "no share above 0 and up to 1"),
        (["--per-class", 5, "--keep-best", "nan"], "no share"),
        (["--per-class", 5, "--keep-best", 1e-12], "more than 50,000,000 draws"),
        (["--per-class", 0], "--per-class"),
        (["--per-class", 5, "--out", "full"], "is not empty"),
        (["--per-class", 5, "--out", "full/file.txt"], "is a file"),
        (["--per-class", 5, "--out", "old.parquet"], "exists already"),
    ],
)
def test_mistakes_get_exit_code_2_and_leave_everything_as_it_was(arguments, sentence, call, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file.txt").write_text("mine")
    (tmp_path / "old.parquet").write_text("mine")
    out = [] if "--out" in arguments else ["--out", "new"]
    code, err = call("augment", run, *arguments, *out)
    assert code == 2 and sentence in err and "Traceback" not in err
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["full", "full/file.txt", "old.parquet"]
    assert (tmp_path / "old.parquet").read_text() == (tmp_path / "full" / "file.txt").read_text() == "mine"


def test_a_family_without_a_score_keeps_all_or_says_why_not(call, tmp_path):
    semi = trained(tmp_path, "aae_semi")
    code, err = call("augment", semi, "--per-class", 2, "--keep-best", 0.5, "--out", tmp_path / "out")
    assert code == 2 and "gives its images no score" in err and "cgan" in err
    assert call("augment", semi, "--per-class", 2, "--out", tmp_path / "out")[0] == 0


def test_given_images_are_scored_beside_their_codes():
    conditional = model()
    codes = conditional.draw(6, seed=1)
    images = np.random.default_rng(0).random((6, *conditional.decode(codes).shape[1:]), np.float32)
    with torch.no_grad():
        x = torch.from_numpy(2 * images - 1).permute(0, 3, 1, 2)
        expected = conditional.family.score(x, torch.from_numpy(codes)).numpy()
    assert conditional.scores and conditional.score(codes, images) == pytest.approx(expected, abs=1e-7)
    assert np.abs(conditional.score(codes) - expected).max() > 1e-5
    assert conditional.score(codes, conditional.decode(codes)) == pytest.approx(conditional.score(codes), abs=1e-7)


def test_a_fitted_encoder_has_its_games_critic():
    assert model("latent_regressor", of="dcgan").scores and not model("vae").scores


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_what_is_stopped_halfway_leaves_nothing(name, tmp_path, monkeypatch):
    conditional, decode = model(), NumpyModel.decode
    calls = []

    def full(self: NumpyModel, codes: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return decode(self, codes)

    monkeypatch.setattr(NumpyModel, "decode", full)
    with pytest.raises(DataError, match="No space left"):
        write_images(conditional, tmp_path / name, Plan(4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_hostile_labels_stay_in_place_and_are_read_back_apart(name, call, tmp_path):
    folder = tmp_path / "work"
    hostile = trained(folder, classes=HOSTILE)
    out = folder / name
    code, err = call("augment", hostile, "--per-class", 6, "--out", out, "--device", "cpu")
    assert code == 0 and "'NA' is written as 'class4-NA'" in " ".join(err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"], "nothing is written beside the folder"
    assert sorted(path.name for path in folder.iterdir()) == ["cgan-run", name]
    source = load_source(out)
    names = written_names(HOSTILE, out)
    assert sorted(source.spec.classes) == sorted(names) and len(names) == len(HOSTILE)
    counts = np.bincount(source.labels, minlength=len(names))
    assert (source.labels >= 0).all() and (counts == 6).all()
    model = NumpyModel.load(hostile, device="cpu")
    for position, written in enumerate(names):
        (codes,) = selected_codes(model, position, Plan(6))
        images = source.images[source.labels == source.spec.classes.index(written)]
        assert np.array_equal(images, np.rint(model.decode(codes) * 255).astype(np.uint8)), written
    if name == "out":
        written_files = {path.name for path in out.iterdir()} - {"augment.json"}
        assert (
            written_files == set(names)
            and {"3", "Cat", "ok"} <= written_files
            and "class0-x" in written_files
            and "class1-a-b" in written_files
        )
        assert json.loads((out / "augment.json").read_text())["classes"]["class0-x"] == "../x"


def test_names_equal_on_disk_are_kept_apart():
    names = written_names(("a", "A", "é", "e\u0301", "x" * 300, "class1-A", "\udc80", "x\ny"), Path("out"))
    assert len({name.casefold() for name in names}) == 8 and all(0 < len(name.encode()) < 120 for name in names)
    assert names[0] == "a" and all("\n" not in name and "/" not in name for name in names)


def test_a_hostile_name_does_not_break_the_sentence(call, tmp_path):
    hostile = trained(tmp_path, classes=("x\ny", "b\x1b[31m"))
    code, err = call("sample", hostile, "--label", "no", "--out", tmp_path / "x.png")
    assert code == 2 and err.count("\n") == 1 and "\x1b" not in err
