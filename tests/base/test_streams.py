"""Rows larger than memory: streams give what arrays give, and a process of little memory reads a table of more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import little_memory
import numpy as np
import pytest
import table_maker

from analysis import Embeddings
from analysis.base.arrays import Singles
from analysis.base.chunked import Stream, blocks, by_blocks, moments
from analysis.base.linear_models import (
    PENALTIES,
    fit_linear,
    fit_ridge,
    fit_scaler,
    fit_scalers,
    hinge_loss,
    signs_of,
    softmax_loss,
)
from analysis.base.nearest import nearest
from analysis.base.pca import fit_pca
from analysis.errors import AnalysisError, TooLargeError
from analysis.fidelity.memorization import copying_and_others
from analysis.io.memory import room
from analysis.mixtures.em import fit_gaussians, maximise, step_in_blocks
from analysis.mixtures.gaussians import COVARIANCES, Gaussians
from analysis.mixtures.mixture import mixture_result
from analysis.mixtures.model_selection import fit_mixture
from analysis.mixtures.outliers import outlier_scores
from analysis.mixtures.study import study as study_mixture
from analysis.neighbours.study import study as study_neighbours
from analysis.probes.saved_probe import fit_probe
from analysis.probes.study import study as study_probes
from analysis.runner import run_all, run_study
from analysis.table.study_options import Options

ROOT = Path(__file__).resolve().parents[2]


def streamed(x: np.ndarray, piece: int = 700) -> Singles:
    """Rows that are read in pieces of an odd size."""

    def read(rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), piece):
            yield x[rows[start : start + piece]]

    return cast(Singles, Stream(read, np.arange(len(x)), x.shape[1]))


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Three clusters far from the origin, one wider than the others: (n, d) rows and the cluster of each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 4000)
    centres = rng.normal(size=(3, 8)) * 4 + 20
    x = centres[labels] + rng.normal(size=(4000, 8)) * np.array([1, 1, 2])[labels][:, None]
    return x.astype(np.float32), labels.astype(np.int64)


def test_a_stream_stands_for_its_array(groups: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = groups
    s = streamed(x)
    assert s.shape == x.shape and len(s) == len(x) and (np.asarray(s) == x).all()
    for name, dtype in (("mean", np.float64), ("std", np.float64)):
        assert getattr(s, name)(0, dtype=dtype) == pytest.approx(getattr(x, name)(0, dtype=dtype), rel=1e-9)
    for rows in (s, x, np.tile(x, (30, 1))):  # the last in several blocks
        mean, deviation = moments(rows)
        assert mean == pytest.approx(x.mean(0, dtype=np.float64), rel=1e-9)
        assert deviation == pytest.approx(x.std(0, dtype=np.float64), rel=1e-9)
    assert (s.min(0) == x.min(0)).all() and (s.max(0) == x.max(0)).all()
    mask, mixed = labels == 1, np.random.default_rng(1).permutation(len(x))[:500]
    assert (np.asarray(s[mask]) == x[mask]).all() and (np.asarray(s[mixed]) == x[mixed]).all()
    assert (np.asarray(s[:, x[0] > 20][mask]) == x[mask][:, x[0] > 20]).all()
    sizes = [len(part) for _, part in blocks(s[mask], 512)]
    assert max(sizes) == 512 and sum(sizes) == mask.sum()
    assert (np.concatenate([part for _, part in blocks(s[mixed], 100)]) == x[mixed]).all()
    assert (by_blocks(lambda rows: rows.sum(1), s) == by_blocks(lambda rows: rows.sum(1), x)).all()


def test_linear_readers_of_streams_are_those_of_arrays(groups: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = groups
    scaler = fit_scaler(x)
    ours = fit_scaler(streamed(x))
    assert ours.mean == pytest.approx(scaler.mean) and ours.scale == pytest.approx(scaler.scale)
    assert fit_scalers(streamed(x))[1].scale == pytest.approx(fit_scalers(x)[1].scale)
    for loss, wanted in ((softmax_loss, labels), (hinge_loss, signs_of(labels, 3))):
        whole = fit_linear(scaler(x), wanted, 3, loss=loss, c=0.01)
        parts = fit_linear(ours(streamed(x)), wanted, 3, loss=loss, c=0.01)
        assert parts.weights == pytest.approx(whole.weights, abs=2e-3)
        assert np.mean(parts(ours(streamed(x))).argmax(1) == whole(scaler(x)).argmax(1)) > 0.999
    target = x @ np.arange(8.0) + np.random.default_rng(2).normal(size=len(x))
    for one, other in zip(
        fit_ridge(scaler(x), target, penalties=PENALTIES),
        fit_ridge(ours(streamed(x)), target, penalties=PENALTIES),
        strict=True,
    ):
        assert other.weights == pytest.approx(one.weights, rel=1e-3, abs=1e-3)


def test_components_of_all_rows_are_those_of_the_array(groups: tuple[np.ndarray, np.ndarray]) -> None:
    x, _ = groups
    rng = np.random.default_rng(0)
    whole, parts = fit_pca(x, 3, rng=rng, sample=None), fit_pca(streamed(x), 3, rng=rng, sample=None)
    expected = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))[::-1]
    assert whole.variances == pytest.approx(expected[:3], rel=1e-4) and whole.total == pytest.approx(expected.sum())
    assert parts.axes == pytest.approx(whole.axes, abs=1e-4) and parts.variances == pytest.approx(whole.variances)
    assert np.asarray(parts.project(streamed(x))) == pytest.approx(whole.project(x), abs=1e-3)
    sampled = [fit_pca(z, 3, rng=np.random.default_rng(3), sample=500).axes for z in (x, streamed(x))]
    assert (sampled[0] == sampled[1]).all()


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_in_blocks_are_the_nearest(
    groups: tuple[np.ndarray, np.ndarray], k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = groups
    monkeypatch.setattr("analysis.base.nearest.REFERENCES", 24_000)
    index, distance = nearest(x[:300], x[300:], k=k)
    for asked, known in (
        (x[:300], streamed(x)[300:]),
        (streamed(x)[:300], x[300:]),
        (streamed(x)[:300], streamed(x)[300:]),
    ):
        found, far = nearest(asked, known, k=k)
        assert (found == index).mean() > 0.999 and far == pytest.approx(distance, rel=1e-4)
    own = nearest(streamed(x), streamed(x), k=k, exclude_self=True)
    assert (own[0] != np.arange(len(x))[:, None]).all()
    assert own[1] == pytest.approx(nearest(x, x, k=k, exclude_self=True)[1], rel=1e-4)


def test_copies_of_streamed_train_rows_are_those_of_the_array(
    groups: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = groups
    monkeypatch.setattr("analysis.base.nearest.REFERENCES", 4_000)
    (one, *pairs), (other, *again) = (copying_and_others(x[:900:3], z[:3000], x[3000:]) for z in (x, streamed(x)))
    assert one.copies == other.copies == 300 and (one.nearest == other.nearest).all()
    assert all((a == b).all() for a, b in zip(pairs, again, strict=True))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_step_in_blocks_is_a_step_and_em_ends_where_it_does(
    groups: tuple[np.ndarray, np.ndarray], covariance: str
) -> None:
    from analysis.mixtures.em import expect

    x, _ = groups
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    rng = np.random.default_rng(1)
    shapes = np.tile(np.eye(8) * 0.5, (3, 1, 1))
    begun = Gaussians(np.full(3, 1 / 3), rng.normal(size=(3, 8)) / 2, shapes, covariance)
    resp, score = expect(begun, x)
    whole, (parts, same) = maximise(x, resp, covariance), step_in_blocks(streamed(x), begun)
    assert same == pytest.approx(score, rel=1e-6)
    assert parts.weights == pytest.approx(whole.weights, rel=1e-5) and parts.means == pytest.approx(
        whole.means, abs=1e-5
    )
    assert parts.covariances == pytest.approx(whole.covariances, abs=1e-4)
    ends = [
        fit_gaussians(z, 3, covariance=covariance, rng=np.random.default_rng(2), start=begun)[0]
        for z in (x, streamed(x))
    ]
    assert ends[1].means == pytest.approx(ends[0].means, abs=1e-3)


def test_a_planted_mixture_is_found_in_a_stream(groups: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = groups
    whole, parts = (
        fit_mixture(z, rng=np.random.default_rng(3), components=(2, 3), restarts=2, search=1000)
        for z in (x, streamed(x))
    )
    assert len(parts.gaussians.weights) == 3 and parts.fitted_on == 4000
    assert parts.gaussians.means == pytest.approx(whole.gaussians.means, abs=1e-2)
    rows = np.arange(len(x))
    found = [
        mixture_result(one, z, rows, rng=np.random.default_rng(4), labels=labels, classes=("a", "b", "c"))
        for one, z in ((whole, x), (parts, streamed(x)))
    ]
    assert (found[0].assignments == found[1].assignments).mean() > 0.999 and (
        found[0].nearest == found[1].nearest
    ).all()
    assert found[1].agreement is not None and found[1].agreement.nmi.value > 0.95
    scores = [outlier_scores(parts, z[:2000], z[2000:]) for z in (x, streamed(x))]
    assert scores[0].log_density == pytest.approx(scores[1].log_density, rel=1e-4)


def test_studies_of_streams_say_what_studies_of_arrays_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_maker.digits_table(tmp_path, rows=900)
    options = Options(shown=4).full()

    def studies() -> list[Any]:
        table = Embeddings(path)
        found = [study(table, None, options) for study in (study_probes, study_neighbours)]
        found.append(study_mixture(table, None, options, components=(4,)))
        return [*found, fit_probe(table, options)]

    probes, near, mixture, fitted = studies()
    asked: list[int] = []
    monkeypatch.setattr("analysis.base.chunked.room", lambda: asked.append(1) or 0.0)
    probes_, near_, mixture_, fitted_ = studies()
    assert len(asked) > 20
    for one, other in zip(probes.probes, probes_.probes, strict=True):
        assert (one.representation, one.method) == (other.representation, other.method)
        assert other.score.value == pytest.approx(one.score.value, abs=0.006), one.representation
    for one, other in zip(near.tables, near_.tables, strict=True):
        assert one.rows.tolist() == other.rows.tolist() and other.agreement.value == pytest.approx(one.agreement.value)
    assert mixture_.agreement.nmi.value == pytest.approx(mixture.agreement.nmi.value, abs=0.02)
    assert any("do not fit in memory" in note for note in mixture_.notes)
    assert fitted_.accuracy.value == pytest.approx(fitted.accuracy.value, abs=0.006)


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    monkeypatch.setattr("analysis.table.embeddings.room", lambda: 10_000.0)
    with pytest.raises(
        AnalysisError, match=r"1,797 rows of 10 columns of 'code' do not fit in memory.*leave out --full"
    ):
        table.vectors("code")
    assert table.vectors("code", np.arange(20)).shape == (20, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process by what Linux says of it")
def test_a_process_of_little_memory_reads_a_table_of_more(tmp_path: Path) -> None:
    """The code column takes 56 MB, and the process may take 46 MB beyond what it has when it opens the table."""
    rng = np.random.default_rng(5)
    n, d = 140_000, 100
    labels = rng.integers(0, 3, n)
    codes = rng.standard_normal((n, d), np.float32)
    codes += 0.4 * rng.standard_normal((3, d), np.float32)[labels]
    split = np.array(["test"] * 1000 + ["validation"] * 1000 + ["train"] * (n - 2000))
    path = table_maker.write_table(
        tmp_path / "large.parquet",
        {"split": split.tolist(), "label": labels, "code": codes},
        group=n,
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    env |= {"ARROW_IO_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # a thread takes 8 MB for its stack
    env |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_MMAP_THRESHOLD_": "1000000"}  # what is freed is given back
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "helpers" / "little_memory.py"), str(path), "46000000"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    little, plenty = json.loads(done.stdout), little_memory.figures(Embeddings(path), streamed=False)
    assert plenty["probes"][0] > 0.9
    for name in ("mean", "variances", "weights"):
        assert little[name] == pytest.approx(plenty[name], rel=1e-3, abs=1e-4), name
    assert little["probes"] == pytest.approx(plenty["probes"], abs=0.003)
    assert little["near"] == plenty["near"]


def test_a_study_samples_what_it_must_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, rows=300))
    whole = run_study("label_efficiency", table, None, Options().full(), draws=2, per_class=(1,))
    assert not any("in place of --full" in note for note in whole.notes)
    asked, read = [], Embeddings.vectors

    def too_large_at_first(self: Embeddings, name: str, rows: Any = None) -> Singles:
        asked.append(name)
        if len(asked) == 1:
            raise TooLargeError("does not fit")
        return read(self, name, rows)

    monkeypatch.setattr(Embeddings, "vectors", too_large_at_first)
    found = run_study("label_efficiency", table, None, Options().full(), draws=2, per_class=(1,))
    assert found.notes[-1].startswith("a sample in place of --full") and found.curve
    asked.clear()
    with pytest.raises(AnalysisError, match="does not fit"):
        run_study("label_efficiency", table, None, Options(), draws=2, per_class=(1,))


def test_one_study_out_of_memory_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any) -> Any:
        raise MemoryError

    table = Embeddings(table_maker.digits_table(tmp_path, rows=300))
    monkeypatch.setattr("analysis.catalogue.ANALYZE", ("prior_match", "geometry", "neighbours"))
    for kind in ("prior_match", "geometry"):
        monkeypatch.setattr(f"analysis.{kind}.study.study", greedy)
    done = dict(run_all(table, None, Options(), out=tmp_path / "out"))
    assert "prior_match needs more memory than there is: leave out --full" in str(done["prior_match"])
    assert done["neighbours"].tables
    with pytest.raises(AnalysisError, match="geometry needs more memory"):
        run_study("geometry", table, None, Options())


def test_the_room_of_this_process_is_known() -> None:
    assert 0 < room() < 1e15
