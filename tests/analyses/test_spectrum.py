"""RankMe and α-ReQ against closed forms, planted spectra, and codes in which nothing has collapsed."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.geometry.spectrum import effective_rank, power_law_exponent, rank_me, spectral_decay


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_equal_directions_all_count() -> None:
    assert effective_rank(np.full(16, 3.0)) == pytest.approx(16, abs=1e-9)


def test_one_direction_counts_once() -> None:
    assert effective_rank(np.array([5.0, 0, 0, 0])) == pytest.approx(1, abs=1e-9)


def test_the_effective_rank_is_the_papers() -> None:
    singular = np.array([3.0, 2.0, 1.0])
    p = singular / singular.sum()
    assert effective_rank(singular**2) == pytest.approx(np.exp(-(p * np.log(p)).sum()), abs=1e-9)


def test_scale_shift_and_rotation_change_nothing(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 12)) * np.geomspace(1, 0.1, 12)
    turned = 7 * x @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 40
    assert rank_me(turned).value == pytest.approx(rank_me(x).value, rel=1e-6)
    assert spectral_decay(turned).value == pytest.approx(spectral_decay(x).value, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_a_planted_exponent_is_found(alpha: float) -> None:
    assert power_law_exponent(np.arange(1, 65.0) ** -alpha) == pytest.approx(alpha, abs=1e-9)


def test_a_planted_exponent_is_found_in_rows(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4_000, 40)) * np.arange(1, 41.0) ** -0.5
    assert spectral_decay(x).value == pytest.approx(1.0, abs=0.15)


def test_independent_columns_have_not_collapsed(rng: np.random.Generator) -> None:
    figure = rank_me(rng.normal(size=(1_000, 16)))
    assert figure.value > 15.9
    assert abs(spectral_decay(rng.normal(size=(1_000, 16))).value) < 0.15


def test_a_collapse_is_told_at_few_rows(rng: np.random.Generator) -> None:
    collapsed = rank_me(rng.normal(size=(60, 3)) @ rng.normal(size=(3, 16)))
    assert collapsed.high < rank_me(rng.normal(size=(60, 16))).low


def test_the_interval_holds_the_mean_of_other_rows() -> None:
    scales, n, trials = np.geomspace(1, 0.05, 24), 200, 200
    samples = [np.random.default_rng(seed).normal(size=(n, 24)) * scales for seed in range(trials)]
    for figure in (rank_me, spectral_decay):
        intervals = [figure(x) for x in samples]
        mean = float(np.mean([interval.value for interval in intervals]))
        assert np.mean([interval.low <= mean <= interval.high for interval in intervals]) >= 0.92


def test_few_columns_have_no_exponent(rng: np.random.Generator) -> None:
    figure = spectral_decay(rng.normal(size=(200, 5)))
    assert np.isnan(figure.value)
    assert "too few" in figure.reason


def test_equal_rows_have_no_rank() -> None:
    assert np.isnan(rank_me(np.ones((60, 4))).value)


def test_few_rows_raise_the_exponent_of_noise_alike() -> None:
    """Of 200 tables of noise, whose exponent is 0, hardly one lies apart from other noise of as many rows."""
    apart = 0
    for seed in range(200):
        rng = np.random.default_rng([7, seed])
        codes, noise = (spectral_decay(rng.normal(size=(60, 32))) for _ in range(2))
        assert codes.value > 0.3
        apart += codes.low > noise.high or noise.low > codes.high
    assert apart <= 10
