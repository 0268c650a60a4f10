"""The study of paths: geodesics of planted lengths, a planted discriminator, and no claim where space is flat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import Embeddings
from analysis.base.model import score_of
from analysis.errors import AnalysisError
from analysis.interpolation.geodesics import shell_of, shorten
from analysis.interpolation.interpolate import Interpolations, PathKind
from analysis.interpolation.pairs import drawn_pairs
from analysis.interpolation.paths import lerp, norm_preserving
from analysis.interpolation.study import study as study_interpolation
from analysis.interpolation.views import section as interpolations
from analysis.interpolation.views import tables as for_a_terminal
from analysis.report.context import ReportContext
from analysis.results import load_one, save
from analysis.table.study_options import Options


class Polar:
    """Codes (r, angle, nothing) as points of the plane, whose discriminator likes what is far from the middle."""

    scores = True

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        r, angle, _ = codes.astype(np.float64).T
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1).reshape(-1, 1, 2, 1).astype(np.float32)

    def score(self, codes: np.ndarray, images: np.ndarray, /) -> np.ndarray:
        assert len(codes) == len(images)
        return np.linalg.norm(images.reshape(len(images), -1), axis=1)


class Linear:
    """A decoder under which straight lines are the shortest."""

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        weights = np.random.default_rng(5).normal(size=(codes.shape[1], 6))
        return (codes @ weights).reshape(-1, 2, 3, 1).astype(np.float32)


def ring(folder: Path, *, prior: str = "normal", n: int = 120) -> Path:
    """Codes on an arc of radius 1, two classes by side, all of them test rows."""
    rng = np.random.default_rng(0)
    codes = np.stack([np.ones(n), rng.uniform(0, 2, n), rng.normal(size=n)], axis=1).astype(np.float32)
    columns = {
        "id": [f"ring/{i}" for i in range(n)],
        "split": ["test"] * n,
        "code": codes,
        "label": ["left" if angle > 1 else "a:b" for angle in codes[:, 1]],
        "pixels": np.rint(255 * Polar().decode(codes).reshape(n, 2).clip(0, 1)).astype(np.uint8),
    }
    parts = [{"name": "z", "kind": prior, "start": 0, "width": 3, "encoded": True}]
    return table_maker.write_table(folder / "ring.parquet", columns, {"parts": parts, "pixels_shape": [1, 2, 1]})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    return Embeddings(ring(tmp_path_factory.mktemp("ring")))


@pytest.fixture(scope="module")
def found(table: Embeddings) -> Interpolations:
    return study_interpolation(table, Polar(), Options(shown=3))


def kind(found: Interpolations, name: str) -> PathKind:
    return next(one for one in found.kinds if one.name == name)


def test_planted_arcs_are_shortened_to_their_chords(found: Interpolations) -> None:
    """A straight line of (r, angle) is an arc of length Δ; its chord has 2 sin(Δ / 2)."""
    line, short, blend = (kind(found, name) for name in ("lerp", "geodesic", "pixel blend"))
    assert short.ratio is not None and short.ratio.high < 0.99 and short.ratio.n == 24
    assert blend.ratio is not None and short.ratio.value == pytest.approx(blend.ratio.value, rel=0.005)
    assert short.length.value == pytest.approx(blend.length.value, rel=0.005)
    assert line.length.value > 1.03 * short.length.value
    assert blend.straightness.value == pytest.approx(1) and short.straightness.value > 0.995
    assert blend.off_norm is None and line.ratio is None and kind(found, "random pairs").ratio is None
    assert [one.name for one in found.kinds if not one.baseline] == ["lerp", "slerp", "norm", "geodesic"]


def test_a_planted_discriminator_is_heard_and_none_is_missed(found: Interpolations, table: Embeddings) -> None:
    """Arcs stay at distance 1 from the middle, chords dip below: less real, and least halfway."""
    line, short = kind(found, "lerp"), kind(found, "geodesic")
    assert line.score is not None and line.score.value == pytest.approx(1, abs=1e-4)
    assert short.score_gain is not None and short.score_gain.high < 0
    assert short.scores.shape == (11, 3) and short.scores[:, 0].argmin() == 5
    assert score_of(Linear()) is None

    class Without(Polar):
        scores = False

    silent = study_interpolation(table, Without(), Options(shown=3))
    assert all(one.score is None and one.score_gain is None and one.scores.shape == (0, 3) for one in silent.kinds)


def test_where_space_is_flat_no_kind_is_said_to_be_shorter(table: Embeddings) -> None:
    flat = study_interpolation(table, Linear(), Options(shown=3))
    short = kind(flat, "geodesic").ratio
    assert short is not None and short.value == pytest.approx(1, abs=1e-3)
    said = interpolations(ReportContext({"interpolation": flat})).blocks[0].text
    assert "as long as straight lines" in said and "shorter" not in said and "real, by" not in said


def test_the_report_says_it_in_one_sentence_and_shows_every_kind(found: Interpolations, tmp_path: Path) -> None:
    save(found, tmp_path)
    again = load_one(tmp_path, "interpolation")
    section = interpolations(ReportContext({"interpolation": again}))
    assert section.finding.count(". ") == 0
    assert len(section.finding.split()) <= 30
    compared_with_lines = section.blocks[0].text
    assert "geodesics are" in compared_with_lines and "shorter in images than straight lines" in compared_with_lines
    assert "less real" in compared_with_lines
    assert "less real, by \u2212" not in compared_with_lines
    traversals, compared = (block for block in section.blocks if type(block).__name__ == "Choice")
    assert traversals.options[0][0] == "Great circle" and len(traversals.options) == 5
    assert [name for name, _ in compared.options] == [
        "Length in images",
        "Straightness",
        "Off the prior's norm",
        "Discriminator",
        "Distance to real images",
    ]
    assert any(type(block).__name__ == "Lines" for block in section.blocks)
    old = replace(again, kinds=())
    shown = interpolations(ReportContext({"interpolation": old}))
    assert "n the same" not in shown.finding + getattr(shown.blocks[0], "text", "")
    (_, _, rows), (_, header, kinds) = list(for_a_terminal(again))
    assert len(rows) == 3 and len(kinds) == 6 and header[-1] == "n"


def test_any_kind_can_be_asked_for(table: Embeddings) -> None:
    for along in ("lerp", "norm", "geodesic"):
        found = study_interpolation(table, Polar(), Options(shown=2), along=along, steps=5, between=("images",))
        assert found.along == along and found.frames.shape[:2] == (2, 5) and found.midpoint is not None
        assert (found.frames == kind(found, along).frames).all()
        assert found.midpoint.n == (24 if along == "geodesic" else 200)
    with pytest.raises(AnalysisError, match="at least 3 steps"):
        study_interpolation(table, Polar(), Options(), steps=2)


def test_pairs_are_those_asked_for_in_turn(table: Embeddings) -> None:
    rng, rows = np.random.default_rng(1), np.arange(60)
    labels = table.column()
    asked = drawn_pairs(table, ("a:b:left", "ring/100:ring/3", "images"), rows, count=20, rng=rng)
    assert [labels.categories[labels.codes[row]] for row in asked.pairs[0]] == ["a:b", "left"]
    assert asked.pairs[1].tolist() == [100, 3] and len(asked.pairs) == 20
    assert asked.words == "images of a:b and left; images ring/100 and ring/3; any two images" and asked.notes
    default = drawn_pairs(table, (), rows, count=9, rng=rng)
    ends = labels.codes[default.pairs]
    assert (ends[:, 0] != ends[:, 1]).all() and default.words == "images of different classes"
    same = drawn_pairs(table, ("left:left",), rows, count=9, rng=rng).pairs
    assert (same[:, 0] != same[:, 1]).all()
    with pytest.raises(AnalysisError, match=r"called 'lift:a:b'; the nearest is 'left'"):
        drawn_pairs(table, ("lift:a:b",), rows, count=9, rng=rng)
    lone = np.flatnonzero(labels.codes == labels.categories.index("left"))[:1]
    with pytest.raises(AnalysisError, match="too few held-out images are 'left'"):
        drawn_pairs(table, ("left:left",), lone, count=9, rng=rng)


def test_many_paths_equal_single_ones() -> None:
    rng, polar = np.random.default_rng(2), Polar()
    start, end = (np.stack([np.ones(4), rng.uniform(0, 2.5, 4), rng.normal(size=4)], axis=1) for _ in range(2))
    codes = lerp(start, end, np.linspace(0, 1, 7))
    together = shorten(polar.decode, codes, free=np.array([True, True, False]))
    assert (together.codes[..., 2] == codes[..., 2]).all() and (together.codes[:, [0, -1]] == codes[:, [0, -1]]).all()
    for i in range(4):
        alone = shorten(polar.decode, codes[i : i + 1], free=np.array([True, True, False]))
        assert alone.codes[0] == pytest.approx(together.codes[i], abs=2e-3)
    calls: list[int] = []

    def counted(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return polar.decode(z)

    shorten(counted, codes, rounds=1)
    assert max(calls) == 4 * 5 * 3 and len(calls) < 12  # one call for all Jacobians of a round


def test_norms_are_kept_for_many_pairs_at_once() -> None:
    start, end = np.random.default_rng(3).normal(size=(2, 5, 8))
    paths = norm_preserving(start, end, np.linspace(0, 1, 6))
    assert paths.shape == (5, 6, 8)
    for i in range(5):
        assert paths[i] == pytest.approx(norm_preserving(start[i], end[i], np.linspace(0, 1, 6)))


@pytest.mark.parametrize("prior", ["normal", "uniform", "mixture"])
def test_draws_from_a_prior_lie_where_its_norm_is(prior: str) -> None:
    rng = np.random.default_rng(4)
    codes = {"normal": rng.normal(size=(4000, 50)), "uniform": rng.uniform(-1, 1, (4000, 50))}.get(
        prior, rng.normal(size=(4000, 50)) * 3 + 1
    )
    shell, _ = shell_of(prior, codes)
    signed = (np.linalg.norm(codes, axis=1) - shell.radius) / shell.deviation
    assert abs(signed.mean()) < 0.06 and signed.std() == pytest.approx(1, abs=0.06)
