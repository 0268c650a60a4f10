"""Fitted probes as files: scikit-learn's predictions come back, and strangers are refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings
from analysis.probes.saved_probe import fit_probe, load_probe
from analysis.table.study_options import Options


@pytest.fixture
def table(tmp_path: Path) -> Embeddings:
    return Embeddings(table_maker.digits_table(tmp_path))


@pytest.mark.parametrize("column", ["code", "pixels"])
def test_saved_probe_equals_scikit_learn(tmp_path: Path, column: str) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    table = Embeddings(table_maker.digits_table(tmp_path), code=column)
    fit_probe(table, Options()).save(tmp_path / "probe.npz")
    probe = load_probe(tmp_path / "probe.npz")
    labels, train, test = table.column().codes, table.rows("train"), table.rows("test")
    train = train[labels[train] >= 0]
    x = table.vectors(column)
    scaler = StandardScaler().fit(x[train])
    theirs = LogisticRegression(C=probe.c, max_iter=2000, tol=1e-8).fit(scaler.transform(x[train]), labels[train])
    expected = theirs.predict_proba(scaler.transform(x[test]))
    found = probe.probabilities(x[test])
    assert found == pytest.approx(expected, abs=0.02)
    assert np.mean(found.argmax(1) == expected.argmax(1)) > 0.99
    known = labels[test] >= 0
    assert probe.accuracy.value == pytest.approx(np.mean(found.argmax(1)[known] == labels[test][known]))
    assert probe.accuracy.n == known.sum() and probe.accuracy.low < probe.accuracy.value < probe.accuracy.high


def test_wide_columns_pass_a_folded_pca(table: Embeddings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    whole = fit_probe(table, Options())
    monkeypatch.setattr("analysis.probes.saved_probe.WIDEST", 6)
    reduced = fit_probe(table, Options())
    assert reduced.weights.shape == whole.weights.shape and np.linalg.matrix_rank(reduced.weights, tol=1e-3) <= 6
    assert 0.5 < reduced.accuracy.value <= whole.accuracy.value + 0.02


def test_what_is_saved_comes_back_to_the_bit(table: Embeddings, tmp_path: Path) -> None:
    probe = fit_probe(table, Options())
    again = load_probe(probe.save(tmp_path / "deep" / "probe.npz"))
    assert all(np.array_equal(getattr(probe, name), getattr(again, name)) for name in ("mean", "scale", "weights"))
    assert (again.classes, again.column, again.accuracy) == (probe.classes, "code", probe.accuracy)


def test_strangers_and_damage_are_refused_in_a_sentence(table: Embeddings, tmp_path: Path) -> None:
    probe = fit_probe(table, Options())
    with pytest.raises(AnalysisError, match="fitted on other features"):
        probe.probabilities(np.zeros((2, 3), np.float32))
    with pytest.raises(AnalysisError, match=r"saved as \.npz"):
        probe.save(tmp_path / "probe.pkl")
    with pytest.raises(AnalysisError, match="no probe"):
        load_probe(tmp_path / "nowhere.npz")
    with pytest.raises(AnalysisError, match=r"--save FILE\.npz writes one"):
        load_probe(tmp_path / "nowhere.pkl")
    path = probe.save(tmp_path / "probe.npz")
    with np.load(path) as found:
        arrays = dict(found)
    about = json.loads(str(arrays["about"]))
    for change in (
        {"weights": arrays["weights"][:-1]},
        {"bias": arrays["bias"] * np.nan},
        {"about": np.array("[]")},
        {"about": np.array(json.dumps({**about, "format": 99}))},
        {"mean": np.array([{}], dtype=object)},
    ):
        np.savez(tmp_path / "bad.npz", **{**arrays, **change})
        with pytest.raises(AnalysisError, match="is no fitted probe of this version"):
            load_probe(tmp_path / "bad.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(AnalysisError, match="is no fitted probe of this version"):
        load_probe(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "objects.npz", **{**arrays, "mean": np.array([{}], dtype=object)})
    for name, why in (
        ("text.npz", r"is damaged or no \.npz file"),
        ("other.npz", "it holds other arrays than a probe's"),
        ("objects.npz", "holds Python objects"),
    ):
        with pytest.raises(AnalysisError, match=r"no fitted probe of this version \(.*" + why) as refused:
            load_probe(tmp_path / name)
        assert "allow_pickle" not in str(refused.value)
