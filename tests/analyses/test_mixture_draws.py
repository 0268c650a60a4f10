"""Codes drawn from mixtures that were fitted to codes: they lie where the group's codes lie, before and after disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings, load, save
from analysis.base.chunked import Stream
from analysis.mixtures.class_conditional import by_class
from analysis.mixtures.inverse_transform import code_transform
from analysis.mixtures.mixture import Mixture, mixture_result
from analysis.mixtures.model_selection import fit_mixture
from analysis.mixtures.study import study as study_mixture
from analysis.table.study_options import Options

CENTRES = np.array([[-6.0, 0, 2], [6, 0, 0], [0, 7, -2]])
SPREADS = np.array([[[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0.25]], np.diag([0.5, 1.5, 1]), np.diag([1, 1, 2.0])])
KEEP = np.array([True, False, True, True, False])  # the others are one-hot, by the group


def planted(rng: np.random.Generator, n: int, *, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, width): three Gaussians in columns 0, 2, 3; 1 and 4 say whether the group is the first."""
    group = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    codes = np.zeros((n, width), np.float32)
    for k in range(3):
        is_member = group == k
        codes[np.ix_(is_member, [0, 2, 3])] = rng.multivariate_normal(CENTRES[k], SPREADS[k], is_member.sum())
    codes[:, 1], codes[:, 4] = group == 0, group != 0
    return codes, group


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    rng = np.random.default_rng(0)
    codes, labels = planted(rng, 4000)
    fitted = fit_mixture(codes[:, KEEP], rng=rng, components=(3,), covariances=("full",), restarts=2)
    made = mixture_result(fitted, codes, np.arange(4000), rng=rng, columns=KEEP)
    pairs = (codes[:600], labels[:600]), (codes[600:900], labels[600:900])
    judged = by_class(*pairs, classes=("a", "b", "c"), rng=rng, columns=KEEP, components=(1, 2))
    return replace(made, by_class=judged)


def test_draws_have_the_components_moments(mixture: Mixture) -> None:
    assert mixture.means.shape == (3, 5)
    for k in range(3):
        drawn = mixture.draw(8000, component=k, rng=np.random.default_rng(k))
        assert drawn.shape == (8000, 5) and drawn.dtype == np.float32
        assert drawn[:, KEEP].mean(0) == pytest.approx(CENTRES[k], abs=0.15)
        assert np.cov(drawn[:, KEEP].T) == pytest.approx(SPREADS[k], abs=0.2)
        assert np.mean(drawn[:, 1] == (k == 0)) > 0.99 and (drawn[:, 1] + drawn[:, 4] == 1).all()
    every = mixture.draw(9000, rng=np.random.default_rng(5))
    near = np.linalg.norm(every[:, None, KEEP] - CENTRES, axis=2).argmin(1)
    assert np.bincount(near, minlength=3) / 9000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert not (np.diff(near) >= 0).all(), "components come in random order"


def test_draws_of_a_class_are_nearest_to_its_mean(mixture: Mixture) -> None:
    assert mixture.by_class is not None
    for k, name in enumerate("abc"):
        drawn = mixture.by_class.draw(1000, label=name, rng=np.random.default_rng(k))
        assert np.mean(np.linalg.norm(drawn[:, None, KEEP] - CENTRES, axis=2).argmin(1) == k) > 0.99
    with pytest.raises(AnalysisError, match="no mixture is of class 'd': there are 'a', 'b', 'c'"):
        mixture.by_class.draw(1, label="d", rng=np.random.default_rng(0))
    with pytest.raises(AnalysisError, match="no component 3: there are 3, from 0"):
        mixture.draw(1, component=3, rng=np.random.default_rng(0))


def test_saved_results_draw_the_same(mixture: Mixture, tmp_path: Path) -> None:
    save(mixture, tmp_path)
    loaded = load(tmp_path)["mixtures"]
    ours, theirs = (
        np.concatenate([result.draw(50, rng=rng), result.by_class.draw(9, label="b", rng=rng)])
        for result, rng in ((mixture, np.random.default_rng(1)), (loaded, np.random.default_rng(1)))
    )
    np.testing.assert_array_equal(ours, theirs)


def test_reduced_codes_come_back_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(100, 5)))[0]
    codes = (planted(rng, 1500)[0] @ turn.T + rng.normal(0, 0.01, (1500, 100))).astype(np.float32)
    fitted = fit_mixture(codes, rng=rng, components=(3,), covariances=("diag",), restarts=2)
    save(mixture_result(fitted, codes, np.arange(1500), rng=rng), tmp_path)
    loaded = load(tmp_path)["mixtures"]
    for k in range(3):
        drawn, members = loaded.draw(4000, component=k, rng=rng), codes[loaded.assignments == k]
        assert drawn.mean(0) == pytest.approx(members.mean(0), abs=0.06)
        spread = loaded.back.inner(drawn).var(0)[:4]
        assert spread == pytest.approx(np.diagonal(loaded.covariances[k])[:4], rel=0.1)
        assert (drawn >= codes.min(0)).all() and (drawn <= codes.max(0)).all()


def test_the_way_back_from_a_stream_is_that_from_an_array() -> None:
    codes, group = planted(np.random.default_rng(0), 500)
    stream = Stream(lambda rows: iter((codes[rows[:200]], codes[rows[200:]])), np.arange(500), 5)
    members = [np.flatnonzero(group == k) for k in (0, 1, 7)]  # the last has none: its rows are any
    from_array, from_stream = (
        code_transform(x, KEEP, None, members, rng=np.random.default_rng(1)) for x in (codes, stream)
    )
    assert from_array.width == 5 and from_array.columns.tolist() == from_stream.columns.tolist() == [0, 2, 3]
    for name in ("low", "high", "other_columns"):
        np.testing.assert_array_equal(getattr(from_array, name), getattr(from_stream, name))
    assert (
        (from_array.other_columns[0] == [1, 0]).all()
        and (from_array.other_columns[1] == [0, 1]).all()
        and len(np.unique(from_array.other_columns[2])) == 2
    )


def test_results_of_earlier_versions_say_what_to_do(mixture: Mixture) -> None:
    with pytest.raises(AnalysisError, match="written before codes could be drawn"):
        replace(mixture, back=None).draw(1, rng=np.random.default_rng(0))


def test_the_study_decodes_what_anybody_can_draw_again(tmp_path: Path) -> None:
    """Images of components and classes are of whole codes, whose categories are those of the group."""
    rng = np.random.default_rng(0)
    codes, labels = planted(rng, 400)
    parts: list[dict[str, Any]] = [
        {"name": name, "kind": kind, "start": i, "width": 1, "encoded": True}
        for i, (name, kind) in enumerate(zip("abcde", ("normal", "categorical") * 2 + ("categorical",), strict=True))
    ]
    parts[3]["kind"] = "normal"
    columns = {"code": codes, "label": labels, "split": ["train", "test"] * 200}
    path = table_maker.write_table(tmp_path / "t.parquet", columns, {"format": 1, "parts": parts})
    given: list[np.ndarray] = []

    class Watching:
        def decode(self, codes: np.ndarray, /) -> np.ndarray:
            given.append(codes.copy())
            return np.zeros((len(codes), 1, 1, 1), np.float32)

    mixture = study_mixture(Embeddings(path), Watching(), Options(), components=(3,))
    assert mixture.by_class is not None and mixture.by_class.samples is not None and mixture.samples is not None
    assert mixture.samples.shape == (3, 12, 1, 1, 1) and len(given) == 2
    for drawn in given:
        assert set(np.unique(drawn[:, [1, 4]]).tolist()) == {0, 1} and (drawn[:, 1] + drawn[:, 4] == 1).all()
        assert np.array_equal(drawn[:, 1] == 1, drawn[:, 0] < -2.5)
