"""Linear CKA: the U-statistic of its authors, no bias by width, an interval that covers."""

from __future__ import annotations

import numpy as np
import pytest

import analysis.model_comparison.kernel_alignment as alignment
from analysis.model_comparison.kernel_alignment import cka_interval, linear_cka
from analysis.model_comparison.similarity import similarities


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def song(x: np.ndarray, y: np.ndarray) -> float:
    """CKA by kernels as in equation 4 of Song et al. (2012), which keeps n × n matrices."""

    def hsic(k: np.ndarray, other: np.ndarray) -> float:
        k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
        n, ones = len(k), np.ones(len(k))
        total = np.trace(k @ other) + (ones @ k @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
        return float(total - 2 / (n - 2) * (ones @ k @ other @ ones)) / (n * (n - 3))

    k, other = x @ x.T, y @ y.T
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


@pytest.mark.parametrize(("d", "e"), [(3, 5), (7, 90), (120, 90)])  # by columns, and by blocks of kernels
def test_cka_is_that_of_its_authors(d: int, e: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "BLOCK", 300)
    x = rng.normal(size=(40, d)) + 3
    y = x[:, :3] @ rng.normal(size=(3, e)) + rng.normal(size=(40, e))
    assert linear_cka(x, y) == pytest.approx(song(x, y), rel=1e-9)


def test_the_jackknife_leaves_each_row_out(rng: np.random.Generator) -> None:
    x = rng.normal(size=(30, 4))
    y = x @ rng.normal(size=(4, 6)) + 2 * rng.normal(size=(30, 6))
    sums = [alignment._Sums.of(*(alignment.centred(z) for z in pair)) for pair in ((x, y), (x, x), (y, y))]
    left = [alignment._ratio(*each) for each in zip(*(each.without_each() for each in sums), strict=True)]
    assert left == pytest.approx([song(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(30)], rel=1e-9)


@pytest.mark.parametrize("width", [2, 64, 506])
def test_independent_codes_of_any_width_have_none(width: int, rng: np.random.Generator) -> None:
    figures = [cka_interval(*rng.normal(size=(2, 500, width))) for _ in range(8)]
    assert np.mean([interval.value for interval in figures]) == pytest.approx(0, abs=0.003)


def test_maps_of_wide_noise_explain_nothing(rng: np.random.Generator) -> None:
    r2 = {
        measure.name: measure.value.value
        for measure in similarities(*rng.normal(size=(2, 500, 200)), rng=rng, shuffles=2)
    }
    assert r2["linear map R²"] == pytest.approx(0, abs=0.02)
    assert r2["orthogonal Procrustes R²"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("n", "width", "noise"), [(60, 2, 3.0), (60, 2, 0.3), (150, 40, 3.0), (150, 40, 0.5)])
def test_intervals_of_cka_cover(n: int, width: int, noise: float, rng: np.random.Generator) -> None:
    spread = np.geomspace(1, 0.1, width)
    below = np.linalg.norm(spread**2) * np.linalg.norm(spread**2 + noise**2)
    truth, held = float(np.square(spread**2).sum() / below), 0
    for _ in range(200):
        x = rng.normal(size=(n, width)) * spread
        interval = cka_interval(x, x + noise * rng.normal(size=(n, width)))
        held += interval.low <= truth <= interval.high
    assert held >= 182  # 93 %, less what 200 draws leave open


def test_the_same_arrangement_has_one_without_doubt(rng: np.random.Generator) -> None:
    x = rng.normal(size=(100, 5))
    interval = cka_interval(x, 3 * x @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + 1)
    assert (interval.value, interval.low, interval.high) == pytest.approx((1, 1, 1), abs=1e-6)
