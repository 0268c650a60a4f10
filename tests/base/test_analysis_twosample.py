"""Two samples and outliers: nothing is found where nothing is, shifts are, and statistics are those of naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, wasserstein_distance

from analysis.base.distances import squared_gaps
from analysis.base.statistics import discoveries
from analysis.errors import AnalysisError
from analysis.mixtures.model_selection import fit_mixture
from analysis.mixtures.outliers import outlier_scores, scored_by_halves
from analysis.prior_match.two_sample import _memberships, _sliced, two_sample


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_p_values_are_uniform_where_both_are_one(rng: np.random.Generator) -> None:
    found = [two_sample(*rng.normal(size=(2, 60, 4)), rng=rng, repeats=99, projections=20) for _ in range(150)]
    for p in ([one.mmd_p for one in found], [one.wasserstein_p for one in found]):
        assert kstest(p, "uniform").pvalue > 0.01 and min(p) > 0
    assert np.mean([len(one.rejected) > 0 for one in found]) <= 0.1
    assert abs(np.mean([one.mmd for one in found])) < 4 * np.std([one.mmd for one in found]) / np.sqrt(150)


def test_a_shift_of_one_column_is_found_and_named(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 500, 6))
    y[:, 2] += 0.8
    found = two_sample(x, y, rng=rng)
    assert found.mmd_p == found.wasserstein_p == 1 / 200 and found.rejected.tolist() == [2]
    assert found.wasserstein == pytest.approx(0.8 / np.sqrt(6), rel=0.25) and found.wasserstein > found.wasserstein_null


def test_a_change_of_shape_with_equal_moments_is_found(rng: np.random.Generator) -> None:
    ball = rng.normal(size=(800, 3))
    shell = rng.normal(size=(800, 3))
    shell *= np.sqrt(3) / np.linalg.norm(shell, axis=1, keepdims=True)
    found = two_sample(ball, shell, rng=rng)
    assert found.wasserstein_p < 0.01 and found.mmd_p < 0.05


def test_mmd_is_that_of_naive_loops(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(15, 3)) + 1
    found = two_sample(x, y, rng=rng, repeats=19)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / 2 / found.bandwidth**2))

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    across = sum(k(a, b) for a in x for b in y)
    by_hand = within[0] / (12 * 11) + within[1] / (15 * 14) - 2 * across / (12 * 15)
    assert found.mmd == pytest.approx(by_hand, abs=1e-6)
    both = np.concatenate([x, y])
    gaps = [np.linalg.norm(both[i] - both[j]) for i in range(27) for j in range(i)]
    assert found.bandwidth == pytest.approx(np.median(gaps))


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 33)])
def test_the_sliced_distance_is_that_of_each_line(n: int, m: int, rng: np.random.Generator) -> None:
    x = np.concatenate([rng.normal(size=(n, 1)), rng.normal(size=(m, 1)) * 2 + 1])
    found = _sliced(x, _memberships(n, m, 3, rng), n, 5, rng)
    one, other = np.repeat(np.sort(x[:n, 0]), m), np.repeat(np.sort(x[n:, 0]), n)
    assert found[0] == pytest.approx(np.sqrt(np.mean((one - other) ** 2)))
    assert found[0] >= wasserstein_distance(x[:n, 0], x[n:, 0])


def test_scale_rotation_and_order_of_rows_change_what_they_must(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 200, 3))
    y[:, 0] *= 2
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    plain = two_sample(x, y, rng=np.random.default_rng(0))
    turned = two_sample(x @ turn * 7, y @ turn * 7, rng=np.random.default_rng(0))
    mixed = two_sample(rng.permutation(x), rng.permutation(y), rng=np.random.default_rng(0))
    assert turned.mmd == pytest.approx(plain.mmd, abs=1e-6) and turned.bandwidth == pytest.approx(7 * plain.bandwidth)
    assert mixed.mmd == pytest.approx(plain.mmd, abs=1e-6)
    assert mixed.ks == pytest.approx(plain.ks)


def test_discoveries_by_hand() -> None:
    assert discoveries(np.array([0.01, 0.9, 0.02, 0.04, 0.03])).tolist() == [0, 2, 3, 4]
    assert discoveries(np.array([0.04, 0.9])).tolist() == []


def test_gaps_are_exact_far_from_the_origin(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(4, 3)) + 1e6, rng.normal(size=(5, 3)) + 1e6
    assert squared_gaps(x, y) == pytest.approx(((x[:, None] - y) ** 2).sum(2), rel=1e-6)


def test_what_cannot_be_compared_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="one has 3, the other 4"):
        two_sample(np.ones((20, 3)), np.ones((20, 4)), rng=rng)
    with pytest.raises(AnalysisError, match="at least 10 rows"):
        two_sample(np.ones((20, 3)), np.ones((5, 3)), rng=rng)


def test_usual_rows_score_uniformly(rng: np.random.Generator) -> None:
    fitted = fit_mixture(rng.normal(size=(600, 4)), rng=rng, components=(1, 2))
    usual = outlier_scores(fitted, rng.normal(size=(400, 4)), rng.normal(size=(999, 4)))
    assert kstest(usual.density_quantile, "uniform").pvalue > 0.001
    assert kstest(usual.mahalanobis_quantile, "uniform").pvalue > 0.001 and len(usual.unusual) == 0
    strange = rng.normal(size=(400, 4))
    strange[[7, 31]] = 9
    found = outlier_scores(fitted, strange, rng.normal(size=(9999, 4)), rows=np.arange(400) * 2)
    assert set(found.rows[:2].tolist()) == {14, 62} == set(found.unusual.tolist())
    assert (np.diff(found.log_density) >= 0).all()


def test_few_outliers_are_found_and_none_invented(rng: np.random.Generator) -> None:
    """As a study has them: every row is scored, by as many others, among which there are outliers too."""
    fitted = fit_mixture(rng.normal(size=(900, 6)), rng=rng, components=(1, 2))
    planted = rng.choice(900, 6, replace=False)
    codes = rng.normal(size=(900, 6))
    codes[planted] *= 20 / np.linalg.norm(codes[planted], axis=1, keepdims=True)
    found = scored_by_halves(fitted, codes, np.arange(900) * 3, rng=rng)
    assert set(found.unusual.tolist()) == set((3 * planted).tolist()) == set(found.rows[:6].tolist())
    assert sorted(found.rows.tolist()) == list(range(0, 2700, 3)) and (np.diff(found.log_density) >= 0).all()
    null = [scored_by_halves(fitted, rng.normal(size=(900, 6)), np.arange(900), rng=rng) for _ in range(40)]
    assert sum(len(one.unusual) > 0 for one in null) <= 6  # 2 by chance; 6 or more in 1.4 % of such tests
    far = codes.copy()
    far[0] = 1e20
    fitted = fit_mixture(rng.normal(size=(900, 6)), rng=rng, components=(1,), covariances=("full",))
    last = scored_by_halves(fitted, far.astype(np.float32), np.arange(900), rng=rng)
    assert last.rows[0] == 0 and last.log_density[0] == -np.inf and 0 in last.unusual


@pytest.mark.parametrize("tails", ["t3", "t5", "lognormal", "Laplace"])
def test_heavy_tails_are_no_outliers(tails: str, rng: np.random.Generator) -> None:
    def draw(n: int) -> np.ndarray:
        codes = rng.normal(size=(n, 4))
        if tails.startswith("t"):
            return np.asarray(codes / np.sqrt(rng.chisquare(int(tails[1:]), (n, 1)) / int(tails[1:])))
        return np.exp(codes) if tails == "lognormal" else rng.laplace(size=(n, 4))

    flagged = 0
    for _ in range(20):
        fitted = fit_mixture(draw(600), rng=rng, components=(1, 2, 4), covariances=("full",), restarts=1)
        flagged += len(scored_by_halves(fitted, draw(600), np.arange(600), rng=rng).unusual) > 0
    assert flagged <= 4  # 5 or more at a rate of 5 % in 0.3 % of such tests


def test_the_distance_is_mahalanobis_of_a_single_gaussian(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 3)) + 5
    fitted = fit_mixture(x, rng=rng, components=(1,), covariances=("full",))
    found = outlier_scores(fitted, x[:50], x)
    gap = x[:50] - x.mean(0)
    by_hand = np.sqrt(np.einsum("ij,jk,ik->i", gap, np.linalg.inv(np.cov(x.T)), gap))
    assert found.mahalanobis == pytest.approx(by_hand[found.rows], rel=0.01)
