"""Mixtures: planted components come back, degenerate ones are said, scores agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import AnalysisError
from analysis.gaussians import Gaussians, fit_gaussians
from analysis.mixtures import agreement, fit_mixture, mixture_result
from analysis.partitions import ari, nmi, purity


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def blobs(rng: np.random.Generator, n: int = 900, d: int = 4, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + 8 * np.eye(k, d)[truth]).astype(np.float32), truth


def test_planted_components_are_counted_and_found(rng: np.random.Generator) -> None:
    codes, truth = blobs(rng, 1500)
    fitted = fit_mixture(codes, rng=rng)
    assert len(fitted.gaussians.weights) in (3, 4)  # 3 is not on the grid
    exact = fit_mixture(codes, rng=rng, components=(1, 2, 3, 4, 5))
    assert len(exact.gaussians.weights) == 3
    found = mixture_result(exact, codes, np.arange(1500), rng=rng, labels=truth, classes=("a", "b", "c"))
    assert found.agreement is not None and found.agreement.nmi.value > 0.98 and found.agreement.ari.low > 0.95
    assert found.agreement.shuffled_nmi < 0.02 and found.agreement.counts.sum() == 1500
    centres = np.sort(np.argmax(found.means, axis=1))
    assert centres.tolist() == [0, 1, 2] and found.means.max(1) == pytest.approx(np.full(3, 8), abs=0.3)
    assert (np.diff(found.weights) <= 0).all()


def test_one_gaussian_is_one_component(rng: np.random.Generator) -> None:
    assert len(fit_mixture(rng.normal(size=(1500, 3)), rng=rng).gaussians.weights) == 1


def test_correlated_codes_ask_for_full_covariances_and_round_ones_do_not(rng: np.random.Generator) -> None:
    long = rng.normal(size=(1000, 2)) @ np.array([[3, 3], [0, 0.3]])
    assert fit_mixture(long, rng=rng, components=(1,)).gaussians.covariance == "full"
    assert fit_mixture(rng.normal(size=(1000, 5)), rng=rng, components=(1,)).gaussians.covariance == "diag"


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_likelihoods_and_bic_agree_with_scikit_learn(covariance: str, rng: np.random.Generator) -> None:
    from sklearn.mixture import GaussianMixture

    codes = blobs(rng)[0] * [1, 20, 1, 0.1] + 50  # columns of unequal scale, far from the origin
    ours, _ = fit_gaussians(codes, 3, covariance=covariance, rng=rng, restarts=5, tolerance=1e-6)
    theirs = GaussianMixture(3, covariance_type=covariance, n_init=5, tol=1e-6, random_state=0).fit(codes)
    resp, log_p = ours.responsibilities(codes)
    assert log_p.mean() == pytest.approx(theirs.score(codes), abs=0.01)
    assert resp.sum(1) == pytest.approx(np.ones(len(codes)))
    assert -2 * log_p.sum() + ours.parameters * np.log(900) == pytest.approx(theirs.bic(codes), rel=2e-3)


def test_densities_are_scipys(rng: np.random.Generator) -> None:
    from scipy.stats import multivariate_normal

    cov = np.array([[2, 0.5], [0.5, 1]])
    mixture = Gaussians(np.array([0.3, 0.7]), np.array([[0, 0], [3.0, 1]]), np.stack([cov, np.eye(2)]), "full")
    x = rng.normal(size=(20, 2))
    expected = 0.3 * multivariate_normal([0, 0], cov).pdf(x) + 0.7 * multivariate_normal([3, 1]).pdf(x)
    assert mixture.responsibilities(x)[1] == pytest.approx(np.log(expected), abs=1e-5)
    drawn = mixture.sample(0, 20_000, rng=rng)
    assert np.cov(drawn.T) == pytest.approx(cov, abs=0.08)


def test_degenerate_codes_are_fitted_and_said(rng: np.random.Generator) -> None:
    flat = np.hstack([rng.normal(size=(400, 2)), np.zeros((400, 2))])
    fitted = fit_mixture(flat, rng=rng, components=(1, 2))
    assert all(candidate.floored for candidate in fitted.candidates)
    assert any("degenerat" in note for note in fitted.notes)
    assert np.isfinite(fitted.log_density(flat)).all()
    few = np.repeat(rng.normal(size=(4, 3)), 30, axis=0)  # four points, thirty times each
    assert np.isfinite(fit_mixture(few, rng=rng).log_density(few)).all()


def test_noise_is_not_grouped_by_degenerate_components(rng: np.random.Generator) -> None:
    noise = rng.uniform(-1, 1, size=(200, 40))  # 160 rows to choose on: 4 full components have 41 · 4 rows to fill
    fitted = fit_mixture(noise, rng=rng)
    best = min(fitted.candidates, key=lambda candidate: candidate.bic)
    assert len(fitted.gaussians.weights) == 1 and best.floored
    assert any("not to be chosen" in note and f"{best.components} {best.covariance}" in note for note in fitted.notes)
    forced = fit_mixture(noise, rng=rng, components=(8,), covariances=("full",))
    assert len(forced.gaussians.weights) == 1 and any("stands in" in note for note in forced.notes)


def test_wide_codes_are_reduced_and_come_back_whole(rng: np.random.Generator) -> None:
    codes, _ = blobs(rng, 700, d=100)
    fitted = fit_mixture(codes, rng=rng, components=(3,), covariances=("diag",))
    assert "reduced to 64" in fitted.notes[0]
    shown = mixture_result(
        fitted, codes, np.arange(700), rng=rng, decode=lambda z: np.clip(z[:, :4], 0, 1).reshape(-1, 2, 2, 1)
    )
    assert shown.means.shape == (3, 100) and shown.samples is not None and shown.samples.shape == (3, 12, 2, 2, 1)
    assert np.sort(shown.means.argmax(1)).tolist() == [0, 1, 2]


def test_nearest_images_belong_to_their_component(rng: np.random.Generator) -> None:
    codes, _ = blobs(rng, 300)
    rows = np.arange(300) * 2
    found = mixture_result(fit_mixture(codes, rng=rng, components=(3,)), codes, rows, rng=rng, shown=5)
    component = dict(zip(rows.tolist(), found.assignments.tolist(), strict=True))
    assert all(component[row] == k for k in range(3) for row in found.nearest[k].tolist())
    assert found.confidence.min() > 0.3


def test_the_scores_are_scikit_learns(rng: np.random.Generator) -> None:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    part, truth = rng.integers(0, 5, 400), rng.integers(0, 3, 400)
    truth[:200] = part[:200] % 3
    counts = np.bincount(part * 3 + truth, minlength=15).reshape(1, 5, 3)
    assert nmi(counts)[0] == pytest.approx(normalized_mutual_info_score(truth, part))
    assert ari(counts)[0] == pytest.approx(adjusted_rand_score(truth, part))
    by_hand = sum(np.bincount(truth[part == k]).max() for k in range(5)) / 400
    assert purity(counts)[0] == pytest.approx(by_hand)


def test_agreement_leaves_unlabelled_rows_out_and_says_what_chance_gives(rng: np.random.Generator) -> None:
    part, labels = rng.integers(0, 8, 500), rng.integers(0, 4, 500)
    labels[:100] = -1
    found = agreement(part, labels, components=8, classes=tuple("abcd"), rng=rng)
    assert found is not None and found.nmi.n == 400
    assert found.purity.value == pytest.approx(found.shuffled_purity, abs=0.06)
    assert found.ari.low < 0 < found.ari.high or abs(found.ari.value) < 0.02
    assert agreement(part, np.full(500, -1), components=8, classes=(), rng=rng) is None


def test_what_has_no_groups_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="all codes are the same"):
        fit_mixture(np.ones((50, 3)), rng=rng)
    with pytest.raises(AnalysisError, match="at least 10 rows"):
        fit_mixture(np.ones((5, 3)), rng=rng)
