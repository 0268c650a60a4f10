"""Probe protocols by name: they read what they say, agree with scikit-learn, and tell what a table lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings
from analysis.base.linear_models import Rows
from analysis.probes.linear_probe import linear_probe
from analysis.probes.protocols import find_protocol
from analysis.probes.study import study as study_probes
from analysis.table.study_options import Options


def test_cosine_votes_are_scikit_learns() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, 500)
    x = rng.normal(size=(500, 6)).astype(np.float32)
    x[np.arange(500), y] += 1.5
    train, test = Rows(x[:400], y[:400]), Rows(x[400:], y[400:])
    for reader, k, t in (("cosine-20", 20, 0.07), ("cosine-200", 200, 0.1)):
        (found,) = linear_probe(train, test, rng=rng, methods=(reader,), validation=test)
        theirs = KNeighborsClassifier(k, metric="cosine", weights=lambda d, t=t: np.exp((1 - d) / t))
        assert found.score.value == pytest.approx(theirs.fit(*train).score(*test)) and found.setting == k
        assert found.shuffled is not None and found.shuffled.low < 0.4


def test_bigan_1nn_takes_the_encoders_last_layer(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    found = study_probes(table, None, Options(), protocol="bigan-1nn")
    names = [(one.representation, one.method) for one in found.probes]
    assert names[0] == ("encoder.hidden", "knn") and ("pixels", "knn") in names
    assert found.probes[0].score.n == 352 and found.protocol.startswith("bigan-1nn: One nearest neighbour")


def test_an_untrained_layer_that_is_not_there_is_told(tmp_path: Path) -> None:
    columns = table_maker.digits_columns(rows=300)
    del columns["untrained.encoder.hidden"], columns["pixels"]
    table = Embeddings(table_maker.write_table(tmp_path / "t.parquet", columns, table_maker.digits_metadata()))
    found = study_probes(table, None, Options(), protocol="bigan-1nn")
    assert [one.representation for one in found.probes] == ["encoder.hidden"]
    for said in ("no untrained network: the table has no column 'untrained.encoder.hidden'", "no raw-pixel baseline"):
        assert sum(note.startswith(said) for note in found.notes) == 1, found.notes


def test_missing_features_name_their_options(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    table.metadata["layers"] = ["encoder.hidden", "discriminator.conv1", "discriminator.conv2"]
    said = r"--features discriminator\.conv1 --features discriminator\.conv2 --pool 4 --out"
    with pytest.raises(AnalysisError, match=said):
        study_probes(table, None, Options(), protocol="dcgan-svm-4x4")
    with pytest.raises(AnalysisError, match="did you mean bigan-1nn"):
        find_protocol("bigan-1n")


def test_svm_protocol_joins_columns(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    found = study_probes(table, None, Options(), protocol="ali-svm-last4", draws=3)
    first = found.probes[0]
    assert first.representation == "encoder.hidden + code" and first.method == "svm" and first.score.n == 3
    assert first.width == table.width("encoder.hidden") + table.width("code") and first.score.value > 0.8
    assert any("not 1,000" in note for note in found.notes) == (first.n_train < 1000)
    assert first.shuffled is not None and first.shuffled.low < 0.1 < first.shuffled.high < 0.3 and first.shuffled.n == 5
    assert all(one.shuffled is None for one in found.probes[1:])


def convolved(folder: Path) -> Embeddings:
    """Digits with two convolutions of a discriminator, pooled to 4×4, that tell classes, and noise untrained."""
    rng, columns = np.random.default_rng(3), table_maker.digits_columns(4, rows=900)
    labels = table_maker.digits()[1][:900]
    for name, channels in (("discriminator.conv1", 2), ("discriminator.conv2", 4)):
        means = rng.normal(size=(10, 16 * channels))
        noise = rng.normal(size=(2, 900, 16 * channels)).astype(np.float32)
        columns |= {name: means[labels].astype(np.float32) + noise[0], f"untrained.{name}": noise[1]}
    layers = ["encoder.hidden", "discriminator.conv1", "discriminator.conv2"]
    metadata = {**table_maker.digits_metadata(4), "layers": layers, "preprocessing": {"pool": 4}}
    return Embeddings(table_maker.write_table(folder / "convolved.parquet", columns, metadata))


def rank() -> int:
    """Pixels of the train rows that are not the same in all: as many components have a variance."""
    images, _, split = table_maker.digits()
    train = images[:900][split[:900] == "train"].reshape(-1, 64)
    return int(np.linalg.matrix_rank(train - train.mean(0), tol=1e-3))


def test_dcgan_svm_joins_pooled_convolutions(tmp_path: Path) -> None:
    found = study_probes(convolved(tmp_path), None, Options(), protocol="dcgan-svm-4x4", draws=2)
    first, *rest = found.probes
    assert first.representation == "discriminator.conv1 + discriminator.conv2" and first.width == first.used == 96
    assert [one.representation for one in rest] == [
        "pixels",
        f"PCA {rank()} of pixels",
        "untrained.discriminator.conv1 + untrained.discriminator.conv2",
    ]
    assert first.score.value > 0.97 and rest[0].score.value > 0.85 and rest[1].score.value > 0.85
    assert rest[2].score.low < 0.1 < rest[2].score.high, "noise is at chance"
    assert first.shuffled is not None and first.shuffled.low < 0.1 < first.shuffled.high
    wide = f"discriminator.conv1 + discriminator.conv2 (96 columns) has {rank()} components"
    assert any(wide in note for note in found.notes) and first.n_train > 300


def test_each_layer_stands_beside_a_pca_of_its_width(tmp_path: Path) -> None:
    table = convolved(tmp_path)
    found = study_probes(table, None, Options(), protocol="knn")
    names = list(dict.fromkeys(one.representation for one in found.probes))
    own = ["code", "encoder.hidden", "discriminator.conv1", "discriminator.conv2"]
    untrained = [f"untrained.{name}" for name in own]
    assert names == [*own, "pixels", "PCA 4 of pixels", "PCA 32 of pixels", f"PCA {rank()} of pixels", *untrained]
    assert all(f"PCA {one.width} of" in one.representation for one in found.probes if "PCA" in one.representation)
    (note,) = (note for note in found.notes if f"has {rank()} components" in note)
    assert "encoder.hidden (96 columns), discriminator.conv2 (64 columns)" in note
    scores = {(one.representation, one.method): one.score.value for one in found.probes}
    assert scores[f"PCA {rank()} of pixels", "knn"] == pytest.approx(scores["pixels", "knn"]), "a rotation"
    assert {one.method for one in found.probes} == {"knn", "cosine-20", "cosine-200"}
    assert found.protocol.startswith("knn: Every column on its own") and found.target == "label"
    assert {one.target for one in found.probes} == {"label"}, "protocols read the label alone"


def test_one_pca_is_fitted_for_all_widths_and_is_each_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.base import pca

    fitted = []
    own = pca.fit_pca
    monkeypatch.setattr(pca, "fit_pca", lambda x, width, **more: fitted.append(width) or own(x, width, **more))
    table = convolved(tmp_path)
    study_probes(table, None, Options(), protocol="knn")
    assert fitted == [64]
    del fitted[:]
    x, rng = table.vectors("pixels"), np.random.default_rng(0)
    shared = pca.Components(lambda: x, 64, rng=rng)
    for width in (32, 4):
        np.testing.assert_allclose(shared(width).project(x), own(x, width, rng=rng).project(x), atol=1e-3)
    assert fitted == [32]


def test_wide_pixels_are_themselves_read_through_the_widest_pca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.probes.study.WIDEST", 40)
    monkeypatch.setattr("analysis.probes.linear_probe.WIDEST", 40)
    found = study_probes(convolved(tmp_path), None, Options(), protocol="linear")
    pcas = [one.representation for one in found.probes if "PCA" in one.representation]
    assert pcas == ["PCA 4 of pixels", "PCA 32 of pixels"]
    used = {one.representation: one.used for one in found.probes}
    assert used["pixels"] == used["discriminator.conv2"] == 40
    (note,) = (note for note in found.notes if "through which raw pixels are read" in note)
    assert "encoder.hidden (96 columns), discriminator.conv2 (64 columns)" in note
    assert {one.method for one in found.probes} == {"logistic"}
    scores = {one.representation: one for one in found.probes}
    assert scores["discriminator.conv1"].score.low > scores["untrained.discriminator.conv1"].score.high
    assert scores["discriminator.conv1"].shuffled is not None


def test_labels_that_no_train_row_has_are_not_probed(tmp_path: Path) -> None:
    found = table_maker.digits_columns(rows=400)
    columns = {"split": found["split"], "code": found["code"], "label": [f"image {i}" for i in range(400)]}
    table = Embeddings(table_maker.write_table(tmp_path / "own.parquet", columns))
    with pytest.raises(AnalysisError, match="no test row has a value that train rows have"):
        study_probes(table, None, Options(), methods=("knn",))
