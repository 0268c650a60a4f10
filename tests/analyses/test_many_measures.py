"""Runs, samples and models that are equal are called ahead, apart or alike in 5 % of cases, however many measures."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.base.statistics import Interval, difference_p, holm, unpaired
from analysis.model_comparison.similarity import Similarity
from analysis.model_comparison.views import verdict
from latentgan.selfcheck.claims.many_measures import equal_runs, one_better_run, samples_and_real_rows

TRIALS = 80
MAX_RATE = 0.05 + 1.645 * np.sqrt(0.05 * 0.95 / TRIALS)  # what 5 % leave open in so many trials


@pytest.fixture(scope="module")
def equal():
    return list(equal_runs(np.random.default_rng(0), TRIALS))


@pytest.mark.slow
@pytest.mark.parametrize("claim", range(4))
def test_equal_runs_are_told_apart_in_1_of_20(equal, claim):
    assert equal[claim].rate <= MAX_RATE, equal[claim]


def test_a_better_run_is_still_ahead():
    (claim,) = one_better_run(np.random.default_rng(0), 20)
    assert claim.rate >= 0.8


@pytest.mark.slow
def test_samples_and_real_rows_differ_in_nothing():
    claim = next(samples_and_real_rows(np.random.default_rng(0), 30))
    assert claim.hits <= 4


@pytest.mark.parametrize(("models", "alike"), [(1, True), (5, False)])
def test_the_best_of_many_models_must_be_more_alike(models, alike):
    similarity = Similarity(
        name="linear CKA", value=Interval(0.1, 0.01, 0.19, 200), shuffled=0.0, p_value=0.01, shuffles=99
    )
    assert ("no more alike" not in verdict(similarity, (), models)) is alike


def test_holm_by_hand():
    assert holm(np.array([0.02, np.nan, 0.01, 0.9])) == pytest.approx([0.04, np.nan, 0.03, 0.9], nan_ok=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_p_is_5_percent_where_an_interval_reaches_0(sign):
    difference = Interval(sign * 2.0, min(0.0, sign * 4.0), max(0.0, sign * 4.0), 100)
    assert difference_p(difference) == pytest.approx(0.05)


def test_a_difference_of_unequal_intervals_by_hand():
    difference = unpaired(Interval(0.9, 0.8, 0.95, 50), Interval(0.5, 0.4, 0.7, 80))
    assert (difference.low, difference.high) == pytest.approx((0.4 - np.hypot(0.1, 0.2), 0.4 + np.hypot(0.05, 0.1)))
