"""`latentgan compare RUN RUN`: run folders are encoded on the same images, once, and stand side by side."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from tiny_runs import tiny
from typer.testing import CliRunner

import analysis.app
from analysis import AnalysisError, load
from analysis.io.writing import allowing
from latentgan.data.source import ImageSource
from latentgan.errors import CheckpointError, ConfigError
from latentgan.inference.encode_runs import sample_rows, tables_of
from latentgan.training.loop import train

ROWS = 200
KEPT = 2 * ROWS + 144  # of all splits
OF_ANOTHER_MODEL = {"kind": "overview", "metadata": json.dumps({"checkpoint": "abc"})}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits: ImageSource) -> Path:
    """Two runs on digits, one a folder deeper; and copies that say that they are of other images, or larger ones."""
    where = tmp_path_factory.mktemp("runs")
    for path, latent in (("a", 4), ("deep/b", 5)):
        train(tiny(family={"latent": latent}, total_images=32), where / path, source=digits, show_progress=False)
    for name, change in (
        ("strange", {"fingerprint": "0" * 64, "data": {"source": "stripes"}}),
        ("large", {"spec": {"channels": 1, "height": 16, "width": 16, "classes": []}}),
    ):
        shutil.copytree(where / "a", where / name)
        about = where / name / "model/config.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | change))
    return where


def test_runs_are_encoded_once_on_the_same_images(call: Any, runs: Path, tmp_path: Path) -> None:
    arguments = ("compare", runs / "a", runs / "deep/b", "--rows", ROWS, "--out", tmp_path / "results")
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    body = json.loads(out)
    ranked_models = body["runs"]["ranked_models"]
    assert [row["compared"]["name"] for row in ranked_models] == [
        "a",
        "b",
        "pixels",
        "PCA 4 of pixels",
        "PCA 5 of pixels",
        "untrained.a",
        "untrained.b",
    ]
    assert [
        (row["compared"]["family"], row["compared"]["images_seen"], row["compared"]["width"])
        for row in ranked_models[:2]
    ] == [
        ("bigan", 32, 4),
        ("bigan", 32, 5),
    ]
    measures = {figure["measure"] for figure in ranked_models[0]["figures"]}
    assert len(measures) == 6 and body["runs"]["test_rows"] == body["runs"]["train_rows"] == ROWS
    assert body["pairs"][0]["names"] == ["a", "b"]
    ranking = load(tmp_path / "results")["model_comparison"].runs
    assert ranking.runs[1].figures[0].difference.n == ROWS and len(ranking.best_by_metric) == 5

    tables = [tmp_path / "results-tables" / f"{name}.parquet" for name in "ab"]
    split = [pq.read_table(path, columns=["id", "split"]).to_pylist() for path in tables]
    assert split[0] == split[1] and {row["split"] for row in split[0]} == {"train", "validation", "test"}
    assert len(split[0]) == KEPT
    times = [path.stat().st_mtime_ns for path in tables]
    assert tables_of([runs / "a", runs / "deep/b"], tables[0].parent, rows=ROWS) == tables
    assert [path.stat().st_mtime_ns for path in tables] == times
    tables_of([runs / "a"], tables[0].parent, rows=ROWS - 1)
    assert tables[0].stat().st_mtime_ns > times[0] and pq.read_metadata(tables[0]).num_rows == KEPT - 2

    code, out, err = call("compare", tables[1], runs / "a", "--rows", 60)
    assert code == 0 and "side by side" in out and "b.parquet" in out, err


def test_runs_of_other_images_or_sizes_get_one_sentence(call: Any, runs: Path, tmp_path: Path) -> None:
    for other, words in (
        ("strange", "on stripes: only runs of the same images stand side by side"),
        ("large", "takes images of 8×8 with 1 channel(s) and"),
    ):
        code, out, err = call("compare", runs / "a", runs / other, "--out", tmp_path / "results")
        assert code == 2 and out == "" and words in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_runs_are_compared_on_named_images(call: Any, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    code, stdout, err = call("compare", runs / "a", runs / "strange", "--data", "digits", "--rows", 60, "--out", out)
    assert code == 0 and "side by side" in stdout, err
    about = [pq.read_schema(tmp_path / f"results-tables/{name}.parquet").metadata for name in ("a", "strange")]
    names = [json.loads(metadata[b"latentgan"])["fingerprint"] for metadata in about]
    assert names[0] == names[1]
    code, _, err = call(
        "compare", out.with_name("results-tables") / "a.parquet", tmp_path / "a.parquet", "-d", "digits"
    )
    assert code == 2 and "neither a run folder nor a table" in err
    tables = [tmp_path / f"results-tables/{name}.parquet" for name in ("a", "strange")]
    code, _, err = call("compare", *tables, "--data", "digits")
    assert code == 2 and "only tables were given" in err and err.count("\n") == 1


def test_a_wrong_name_is_told_before_anything_is_encoded(call: Any, runs: Path, tmp_path: Path) -> None:
    code, _, err = call("compare", runs / "a", tmp_path / "nowhere", "--out", tmp_path / "results")
    assert code == 2 and "neither a run folder nor a table" in err and "encode digits" not in err
    assert not (tmp_path / "results-tables").exists()


@pytest.mark.parametrize(
    ("place", "content", "sentence"),
    [
        ("results", "a thesis", "is no folder, into which results go"),
        ("results/model_comparison.json", "{}", "is not what latentgan writes there"),
        ("results-tables/b.parquet", "a thesis", "is not what latentgan writes there"),
        ("results/overview.json", json.dumps(OF_ANOTHER_MODEL), "codes of another model"),
    ],
)
def test_what_is_in_the_way_is_told_before_encoding(
    place: str, content: str, sentence: str, call: Any, runs: Path, tmp_path: Path
) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    options = ["--force"] if "overview" in place else []
    code, _, err = call("compare", runs / "a", runs / "deep/b", "--out", tmp_path / "results", *options)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert path.read_text() == content
    assert [file for file in tmp_path.rglob("*.*") if file.is_file()] == ([path] if path.suffix else [])


@pytest.mark.parametrize(
    ("option", "name", "sentence"),
    [
        ("--code", "encoder.dense9", "did you mean 'encoder.dense1'?"),
        ("--label", "slant", "known are: 'label', 'split'"),
        ("--group", "person", "known are: 'label', 'split'"),
        ("--split", "fold", "known are: 'label', 'split'"),
    ],
)
def test_a_missing_column_is_told_before_encoding(
    option: str, name: str, sentence: str, call: Any, runs: Path, tmp_path: Path
) -> None:
    code, _, err = call("compare", runs / "a", runs / "deep/b", option, name, "--out", tmp_path / "results")
    assert code == 2
    assert f"{option} {name}: the table of" in err
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_tables_will_have_is_taken(call: Any, runs: Path, tmp_path: Path) -> None:
    code, out, err = call("compare", runs / "a", runs / "deep/b", "--code", "encoder.dense1", "--rows", 60)
    assert code == 0, err
    assert "side by side" in out


def test_a_table_of_other_images_is_told_before_encoding(
    call: Any, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = tables_of([runs / "a"], tmp_path, rows=50)
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"latentgan"]) | {"fingerprint": "0" * 64}
    pq.write_table(table.replace_schema_metadata({"latentgan": json.dumps(about)}), tmp_path / "other.parquet")
    capsys.readouterr()  # of the first table
    code, _, err = call("compare", runs / "a", tmp_path / "other.parquet", "--out", tmp_path / "results")
    assert code == 2
    assert "are of different images (their fingerprints differ)" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "results-tables").exists()


def test_a_file_that_is_no_table_is_told_before_encoding(call: Any, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "codes.parquet").write_text("a thesis")
    code, _, err = call("compare", runs / "a", tmp_path / "codes.parquet", "--out", tmp_path / "results")
    assert code == 2
    assert "codes.parquet" in err
    assert "encode digits" not in err
    assert not (tmp_path / "results-tables").exists()


def test_without_latentgan_run_folders_are_refused(runs: Path) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    analysis.app.register(app)
    done = CliRunner().invoke(app, ["compare", str(runs / "a"), str(runs / "deep/b")])
    assert isinstance(done.exception, AnalysisError) and "run folders need latentgan compare" in str(done.exception)


def test_tables_of_one_name_stay_apart(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no table")
    with pytest.raises(ConfigError, match="is not what latentgan writes there"):
        tables_of([runs / "a", runs / "a"], tmp_path, rows=50)
    assert (tmp_path / "a.parquet").read_bytes() == b"no table"
    with allowing(overwrite=True):
        assert tables_of([runs / "a", runs / "a"], tmp_path, rows=50) == [tmp_path / "a.parquet"] * 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a").symlink_to(runs / "deep/b")
    first, second = tables_of([runs / "a", tmp_path / "other/a"], tmp_path, rows=50)
    assert first != second and first.name.startswith("a-") and second.name.startswith("a-")
    with pytest.raises(CheckpointError, match="no trained model"):
        tables_of([tmp_path, runs / "a"], tmp_path)


def test_a_sample_keeps_every_split_and_the_images_of_its_rows(digits: ImageSource) -> None:
    source = replace(digits, attributes={"ink": np.arange(len(digits)) * 1.0}, attribute_kinds={"ink": "numeric"})
    subset = sample_rows(source, 100, seed=1)
    assert [len(subset.rows(name)) for name in ("train", "validation", "test")] == [100] * 3
    rows = subset.attributes["ink"].astype(int)
    np.testing.assert_array_equal(subset.images, digits.images[rows])
    np.testing.assert_array_equal(subset.ids, digits.ids[rows])
    assert subset.fingerprint == digits.fingerprint and "a sample of 100 of" in subset.notes[-1]
    assert sample_rows(digits, None, seed=1) is digits and sample_rows(digits, 5000, seed=1) is digits
