"""Geometry: planted dimensions come back within their intervals, whatever the rotation, scale and order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from analysis.errors import AnalysisError
from analysis.geometry.intrinsic_dimension import null_shape, participation_ratio, shape_of, skewness, two_nn


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def embedded(rng: np.random.Generator, n: int, dimension: int, width: int) -> np.ndarray:
    """Uniform rows in a cube of `dimension` dimensions, turned into `width` columns."""
    frame = np.linalg.qr(rng.normal(size=(width, width)))[0][:dimension]
    return rng.uniform(size=(n, dimension)) @ frame


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_a_planted_dimension_comes_back(dimension: int, rng: np.random.Generator) -> None:
    found = shape_of(embedded(rng, 4000, dimension, 20), rng=rng)
    assert found.two_nn.value == pytest.approx(dimension, rel=0.08)  # rows at the edge of a cube see less
    assert found.mle.value == pytest.approx(dimension, rel=0.1)
    assert found.participation.value == pytest.approx(dimension, rel=0.05) and found.width == 20


def test_intervals_hold_the_truth_as_often_as_they_say(rng: np.random.Generator) -> None:
    torus = [np.exp(2j * np.pi * rng.uniform(size=(500, 2))) for _ in range(120)]  # flat and without an edge
    shapes = [shape_of(np.hstack([z.real, z.imag]), rng=rng) for z in torus]
    assert np.mean([one.two_nn.low <= 2 <= one.two_nn.high for one in shapes]) >= 0.9
    assert np.mean([one.participation.low <= 4 <= one.participation.high for one in shapes]) >= 0.88
    assert np.mean([one.two_nn.value for one in shapes]) == pytest.approx(2, abs=0.04)


@pytest.mark.parametrize("name", ["two_nn", "mle"])
@pytest.mark.parametrize(("dimension", "edges"), [(10, "cube"), (20, "normal"), (2, "none")])
def test_a_dimension_is_held_whatever_the_edges(
    name: str, dimension: int, edges: str, rng: np.random.Generator
) -> None:
    angles = 2 * np.pi * rng.uniform(size=(40, 300, dimension))
    clouds = {"cube": angles, "normal": rng.normal(size=angles.shape), "none": np.exp(1j * angles)}[edges]
    rows = np.concatenate([clouds.real, clouds.imag], axis=2) if edges == "none" else clouds
    found = [getattr(shape_of(x, rng=rng), name) for x in rows]
    assert np.mean([one.low <= dimension <= one.high for one in found]) >= 0.9


def test_a_neighbourhood_as_wide_as_the_cloud_has_no_interval(rng: np.random.Generator) -> None:
    found = shape_of(rng.normal(size=(60, 3)), rng=rng).mle
    assert np.isnan([found.low, found.high]).all()
    assert found.reason.startswith("no interval: ")


def test_the_ratio_of_distances_by_hand() -> None:
    d, n = 3.0, 20_000
    ratios = (1 - (np.arange(n) + 0.5) / n) ** (-1 / d)  # the quantiles of P(μ > t) = t^−d
    found = two_nn(np.stack([np.ones(n), ratios], axis=1))
    assert found.value == pytest.approx(d, rel=1e-3) and found.low < d < found.high


def test_a_curved_sheet_has_two_dimensions(rng: np.random.Generator) -> None:
    t, height = rng.uniform(4, 14, 4000), rng.uniform(0, 20, 4000)
    roll = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1)
    found = shape_of(roll, rng=rng)
    assert found.two_nn.value == pytest.approx(2, abs=0.15) and found.participation.value > 2.5


@pytest.mark.parametrize("n", [60, 400, 4000])
def test_participation_does_not_depend_on_the_number_of_rows(n: int, rng: np.random.Generator) -> None:
    scales = np.r_[np.ones(10), np.full(30, 0.1)]
    truth = scales.__pow__(2).sum() ** 2 / (scales**4).sum()
    found = [participation_ratio(rng.normal(size=(n, 40)) * scales, rng=rng).value for _ in range(20)]
    assert np.mean(found) == pytest.approx(truth, rel=0.04)


def test_noise_fills_all_dimensions_and_is_its_own_baseline(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3000, 5))
    found, null = shape_of(x, rng=rng), {b.name: b.figure for b in null_shape(x, rng=rng)}
    assert set(null) == {"two_nn", "mle", "participation", "hubness", "rank_me", "spectral_decay"}
    assert "too few" in null.pop("spectral_decay").reason
    for name, figure in null.items():
        mine = getattr(found, name)
        assert abs(mine.value - figure.value) < 2 * (mine.half + figure.half)


def test_hubs_grow_with_dimension(rng: np.random.Generator) -> None:
    flat, high = (shape_of(rng.normal(size=(2000, d)), rng=rng) for d in (2, 50))
    assert abs(flat.hubness.value) < 0.6 and high.hubness.value > 2 and high.hubs > 2 * flat.hubs
    star = rng.normal(size=(1000, 60))
    star /= np.linalg.norm(star, axis=1, keepdims=True)
    star[0] = 0  # nearer to everybody than they are to each other
    assert shape_of(star, rng=rng).hubness.value > 20


def test_rotation_scale_and_order_change_nothing(rng: np.random.Generator) -> None:
    x = embedded(rng, 800, 3, 6) + 0.01 * rng.normal(size=(800, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain = shape_of(x, rng=np.random.default_rng(0))
    for other in (x @ turn * 40 + 5, rng.permutation(x)):
        found = shape_of(other, rng=np.random.default_rng(0))
        for name in ("two_nn", "mle", "participation", "hubness"):
            assert getattr(found, name).value == pytest.approx(getattr(plain, name).value, rel=0.02), name


def test_equal_rows_are_counted_and_left_out(rng: np.random.Generator) -> None:
    x = embedded(rng, 1000, 2, 4)
    found = shape_of(np.concatenate([x, x[:300]]), rng=rng)
    assert found.duplicates == 300 and found.two_nn.value == pytest.approx(2, rel=0.12)
    with pytest.raises(AnalysisError, match="only 1 of 60 rows differ"):
        shape_of(np.ones((60, 3)), rng=rng)
    with pytest.raises(AnalysisError, match="at least 50 rows"):
        shape_of(x[:20], rng=rng)


def test_skewness_is_scipys(rng: np.random.Generator) -> None:
    values = rng.exponential(size=500)
    assert skewness(values) == pytest.approx(skew(values)) and skewness(np.ones(5)) == 0
