"""Figures and their uncertainty: agreement with scikit-learn and scipy, coverage of intervals, null p-values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.base.arrays import as_codes, as_images, same_length, subsample
from analysis.base.statistics import (
    Interval,
    auc,
    auc_interval,
    bootstrap,
    bootstrap_mean,
    bootstrap_ratio,
    mean_interval,
    permutation_p,
    permuted_auc,
    proportion,
    r2_score,
    ranks,
    wilson,
)
from analysis.errors import AnalysisError


def test_auc_agrees_with_scikit_learn_at_ties(rng: np.random.Generator) -> None:
    from scipy.stats import rankdata
    from sklearn.metrics import r2_score as sklearn_r2
    from sklearn.metrics import roc_auc_score

    scores, positive = rng.integers(0, 9, 200).astype(float), rng.random(200) < 0.3
    assert ranks(scores) == pytest.approx(rankdata(scores))
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert r2_score(scores, scores + positive) == pytest.approx(sklearn_r2(scores, scores + positive))


def test_an_auc_of_one_sided_rows_is_refused() -> None:
    with pytest.raises(AnalysisError, match="positive and negative"):
        auc(np.arange(3.0), np.ones(3, bool))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.93])
def test_the_accuracy_interval_covers_the_truth(share: float, rng: np.random.Generator) -> None:
    found = [proportion(rng.random(400) < share) for _ in range(300)]
    assert 0.90 <= np.mean([i.low <= share <= i.high for i in found]) <= 0.99


def test_one_more_hit_never_lowers_the_bounds() -> None:
    found = [proportion(np.arange(27) < hits) for hits in range(28)]
    assert found[27].low > found[26].low and (found[26].value, found[26].n) == (26 / 27, 27)
    assert (np.diff([i.low for i in found]) > 0).all() and (np.diff([i.high for i in found]) >= 0).all()


def test_the_interval_of_many_rows_is_the_bootstraps(rng: np.random.Generator) -> None:
    hits = rng.random(300) < 0.8
    quick, slow = proportion(hits), bootstrap(np.mean, hits, rng=rng, repeats=4000)
    assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=0.01)


def test_no_misses_still_leave_a_width() -> None:
    perfect = proportion(np.ones(50, bool))
    assert perfect.value == perfect.high == 1 and 0.9 < perfect.low < 0.95
    assert math.isnan(wilson(0, 0).value)


@pytest.mark.parametrize("gap", [0.5, 2.0])
def test_the_auc_interval_covers_the_truth(gap: float, rng: np.random.Generator) -> None:
    truth = 0.5 * (1 + math.erf(gap / 2))  # Φ(gap / √2)
    positive = np.arange(150) < 50
    found = [auc_interval(rng.normal(size=150) + gap * positive, positive) for _ in range(300)]
    assert 0.90 <= np.mean([i.low <= truth <= i.high for i in found]) <= 0.995


def test_a_perfect_auc_keeps_a_width() -> None:
    found = auc_interval(np.arange(40.0), np.arange(40) >= 20)
    assert found.value == 1 and found.high == pytest.approx(1) and 0.8 < found.low < 0.98


def test_means_and_ratios_have_the_intervals_of_their_formulas(rng: np.random.Generator) -> None:
    values = rng.gamma(2, size=500)
    expected = 1.96 * values.std() / math.sqrt(500)
    assert bootstrap_mean(values, rng=rng).half == pytest.approx(expected, rel=0.1)
    ratio = bootstrap_ratio(values, 2 * values, rng=rng)
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.5, 0.5, 0.5))
    slow = bootstrap(lambda a, b: float(a.sum() / b.sum()), values, values**2, rng=rng, repeats=2000)
    quick = bootstrap_ratio(values, values**2, rng=rng)
    assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), rel=0.03)


def test_the_t_interval_is_scipys(rng: np.random.Generator) -> None:
    from scipy.stats import sem, t

    values = rng.normal(size=12)
    low, high = t.interval(0.95, 11, loc=values.mean(), scale=sem(values))
    found = mean_interval(values)
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 12)


def test_p_values_are_uniform_under_the_null(rng: np.random.Generator) -> None:
    from scipy.stats import kstest

    p = []
    for _ in range(300):
        scores, positive = rng.normal(size=60), np.arange(60) < 20
        p.append(permutation_p(auc(scores, positive), permuted_auc(scores, positive, repeats=99, rng=rng)))
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.09


def test_permuted_aucs_are_of_shuffled_labels(rng: np.random.Generator) -> None:
    scores = rng.normal(size=80)
    for share in (0.2, 0.8):
        positive = np.arange(80) < 80 * share
        quick = permuted_auc(scores, positive, repeats=2000, rng=rng)
        slow = [auc(scores, rng.permutation(positive)) for _ in range(2000)]
        assert quick.mean() == pytest.approx(0.5, abs=0.01)
        assert quick.std() == pytest.approx(np.std(slow), rel=0.1)


def test_permuted_aucs_keep_their_direction() -> None:
    scores = np.r_[np.zeros(19), 1.0]  # drawing the one high row as negative gives an AUC of 0, else 10/19
    values = permuted_auc(scores, np.arange(20) < 19, repeats=400, rng=np.random.default_rng(0))
    assert set(np.round(values, 6).tolist()) == {0.0, round(10 / 19, 6)}


@pytest.mark.parametrize("positives", [5, 7, 12])
def test_equal_aucs_are_equal_to_the_last_bit(positives: int) -> None:
    """A tie lost to rounding would make a p-value too small, where rows are few most of all."""
    rng, scores = np.random.default_rng(0), np.arange(17.0)
    positive = np.arange(17) < positives
    possible = {auc(scores, rng.permutation(positive)) for _ in range(4000)}
    assert set(permuted_auc(scores, positive, repeats=200, rng=rng).tolist()) <= possible


def test_a_p_value_is_never_zero() -> None:
    assert permutation_p(1.0, np.zeros(99)) == 0.01


def test_an_interval_speaks() -> None:
    figure = Interval(0.9412, 0.935, 0.946, 10_000)
    assert figure.percent() == "94.1 % ± 0.5" and figure.plain(2) == "0.94 ± 0.01"
    assert wilson(27, 27).percent() == "100.0 % [87.5, 100.0]" and "±" not in wilson(1, 30).plain()
    assert Interval(0.5, math.nan, math.nan, 1).percent() == "50.0 %"
    assert figure.apart(Interval(0.92, 0.91, 0.93, 10)) and not figure.apart(Interval(0.94, 0.93, 0.95, 10))


def test_codes_that_are_not_finite_are_refused_with_the_row() -> None:
    codes = np.zeros((5, 2))
    codes[3, 1] = np.nan
    with pytest.raises(AnalysisError, match="1 of 5 rows, first in row 3"):
        as_codes(codes)
    with pytest.raises(AnalysisError, match=r"\(rows, columns\)"):
        as_codes(np.zeros(4))
    with pytest.raises(AnalysisError, match="height"):
        as_images(np.zeros((2, 3)))
    with pytest.raises(AnalysisError, match="rows 2, labels 3"):
        same_length(rows=np.zeros(2), labels=np.zeros(3))


def test_a_subsample_is_ordered_and_no_larger_than_asked(rng: np.random.Generator) -> None:
    kept = subsample(np.arange(100), 10, rng=rng)
    assert len(set(kept.tolist())) == 10 and (np.diff(kept) > 0).all()
    assert len(subsample(np.arange(5), None, rng=rng)) == 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)
