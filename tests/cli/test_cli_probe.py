"""Probes and paths as a user types them, on a run of a moment: read as papers do, save, name images, choose pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis import Embeddings
from analysis.probes.saved_probe import load_probe
from analysis.results import load, load_one
from latentgan import NumpyModel
from latentgan.data.source import ImageSource

Call = Callable[..., tuple[int, str, str]]
Trained = tuple[NumpyModel, Path]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, digits: ImageSource) -> tuple[list[Path], np.ndarray]:
    """Test images as files, and their rows."""
    folder, rows = tmp_path_factory.mktemp("pictures"), digits.rows("test")[:30]
    files = [folder / f"[b]{row}.png" for row in rows]
    for file, row in zip(files, rows, strict=True):
        Image.fromarray(digits.images[row, :, :, 0]).save(file)
    return files, rows


@pytest.mark.parametrize("column", ["code", "encoder.dense1", "discriminator.conv2"])
def test_a_saved_probe_names_files_as_it_names_the_tables_rows(
    call: Call, trained: Trained, pictures: tuple[list[Path], np.ndarray], tmp_path: Path, column: str
) -> None:
    (files, rows), path = pictures, tmp_path / "probe.npz"
    run, table = trained[1].parent / "run", Embeddings(trained[1])
    code, out, err = call("probe", trained[1], "--code", column, "--save", path)
    assert code == 0 and out == "" and f"wrote {path}" in err, err
    probe = load_probe(path)
    assert f"{column}: {probe.accuracy.percent()} of {probe.accuracy.n:,} test rows right" in err
    code, out, err = call("classify", run, *files, "--probe", path, "--json")
    body = json.loads(out)
    assert code == 0 and body["kind"] == "classes" and body["test_accuracy"]["n"] == probe.accuracy.n, err
    assert [image["file"] for image in body["images"]] == [str(file) for file in files]
    shares = probe.probabilities(table.vectors(column, rows))
    assert [image["label"] for image in body["images"]] == [probe.classes[k] for k in shares.argmax(1)]
    assert [image["probability"] for image in body["images"]] == pytest.approx(shares.max(1), abs=2e-3)
    code, out, err = call("classify", run, *files[:2], "--probe", path)
    first = f"{files[0]}  {body['images'][0]['label']}  {100 * body['images'][0]['probability']:.1f} %"
    assert code == 0 and out.splitlines()[0] == first and len(out.splitlines()) == 2
    assert f"the probe classifies {probe.accuracy.percent()} of {probe.accuracy.n:,} test images correctly" in err


def test_classifying_without_a_probe_is_refused(
    call: Call, trained: Trained, pictures: tuple[list[Path], np.ndarray], tmp_path: Path
) -> None:
    classify = ["classify", trained[1].parent / "run", pictures[0][0]]
    for extra, sentence in (
        ([], "family 'bigan' names no classes itself: give a probe"),
        (["--probe", tmp_path / "none.npz"], "no probe"),
    ):
        code, out, err = call(*classify, *extra)
        assert code == 2 and out == "" and sentence in err and err.count("\n") == 1, err
    code, _, err = call("probe", trained[1], "--save", tmp_path / "probe.npz", "--protocol", "knn")
    assert code == 2 and "leave out --protocol, --search and --out" in err and not (tmp_path / "probe.npz").exists()


def test_a_protocol_is_read_by_name_and_told_in_the_result(call: Call, trained: Trained, tmp_path: Path) -> None:
    code, out, err = call("probe", trained[1], "--protocol", "knn", "--rows", "300", "--out", tmp_path)
    assert code == 0 and "cosine-20" in out and "PCA 5 of pixels" in out and "a sample of 300 of" in out, err
    probes = load_one(tmp_path, "probes")
    assert probes.protocol.startswith("knn: ") and {probe.method for probe in probes.probes} == {
        "knn",
        "cosine-20",
        "cosine-200",
    }
    assert all(probe.shuffled is not None for probe in probes.probes if not probe.baseline)
    code, _, err = call("probe", trained[1], "--protocol", "dcgan-svm-4x4")
    assert code == 2 and "--features discriminator.conv1" in err and "--pool 4" in err
    code, _, err = call("probe", trained[1], "--protocol", "kn")
    assert code == 2 and "did you mean knn?" in err and "dcgan-svm-4x4" in err


def test_full_reads_every_row_and_rows_a_sample(call: Call, trained: Trained, tmp_path: Path) -> None:
    table = Embeddings(trained[1])
    for name, extra, train in (("some", [], 200), ("all", ["--full"], len(table.rows("train")))):
        command = ["probe", trained[1], "--protocol", "bigan-1nn", "--rows", "200", *extra, "--out", tmp_path / name]
        code, out, err = call(*command)
        probes = load(tmp_path / name)["probes"]
        assert code == 0 and {probe.n_train for probe in probes.probes} == {train}, err
        assert ("--full takes all" in out) == any("a sample of 200" in note for note in probes.notes) == (train == 200)
        test_rows = {probe.score.n for probe in probes.probes}
        assert test_rows == {200 if train == 200 else len(table.rows("test"))}


def test_paths_go_between_what_was_asked_for(call: Call, trained: Trained, tmp_path: Path) -> None:
    table = Embeddings(trained[1])
    ids = table.ids(np.array([12, 45]))
    walk = ["interpolate", trained[1], "--model", trained[1].parent / "run", "--along", "lerp", "--steps", "3"]
    options = ["--between", "3:8", "--between", f"{ids[0]}:{ids[1]}", "-n", "3", "--out", tmp_path]
    code, out, err = call(*walk, *options)
    assert code == 0 and "images of 3 and 8" in out, err
    result = load_one(tmp_path, "interpolation")
    assert result.between == f"images of 3 and 8; images {ids[0]} and {ids[1]}" and result.along == "lerp"
    assert result.frames.shape[:2] == (3, 3)
    assert [list(pair) for pair in result.labels[[0, 2]]] == [["3", "8"]] * 2 and result.pairs[1].tolist() == [12, 45]
    code, _, err = call(*walk, "--between", "3:nine")
    assert code == 2 and "3:nine" in err and err.count("\n") == 1
