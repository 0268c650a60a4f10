"""Mixtures: planted components come back, degenerate ones are said, scores agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from analysis.base.clustering_scores import ari, nmi, purity
from analysis.errors import AnalysisError
from analysis.mixtures.em import FLOOR, climb, fit_gaussians, maximise
from analysis.mixtures.gaussians import COVARIANCES, Gaussians
from analysis.mixtures.mixture import agreement, mixture_result, split_half_agreement
from analysis.mixtures.model_selection import _search, fit_mixture


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
    result = mixture_result(exact, codes, np.arange(1500), rng=rng, labels=truth, classes=("a", "b", "c"))
    assert result.agreement is not None and result.agreement.nmi.value > 0.98 and result.agreement.ari.low > 0.95
    assert result.agreement.shuffled_nmi < 0.02 and result.agreement.counts.sum() == 1500
    centres = np.sort(np.argmax(result.means, axis=1))
    assert centres.tolist() == [0, 1, 2] and result.means.max(1) == pytest.approx(np.full(3, 8), abs=0.3)
    assert (np.diff(result.weights) <= 0).all()


def test_one_gaussian_is_one_component(rng: np.random.Generator) -> None:
    assert len(fit_mixture(rng.normal(size=(1500, 3)), rng=rng).gaussians.weights) == 1


def test_correlated_codes_get_full_covariances(rng: np.random.Generator) -> None:
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


def test_directions_that_no_row_leaves_hide_no_groups(rng: np.random.Generator) -> None:
    x, member = blobs(rng, 3000, d=6, k=4)
    mixed = np.linalg.qr(rng.normal(size=(100, 6)))[0].T
    balanced = x - x.mean(1, keepdims=True)  # rows sum to 0
    for codes, expected_note in (
        (np.column_stack([x, np.zeros(len(x))]), "1 of 7 directions hold no variance"),
        (np.column_stack([x, x[:, 0], np.full(len(x), 0.1)]).astype(np.float32), "2 of 8 directions"),
        (balanced, "1 of 6 directions"),
        (x @ mixed, "100 columns reduced to 6 by PCA"),
    ):
        fitted = fit_mixture(codes, rng=np.random.default_rng(0), components=(1, 2, 4, 6), restarts=3)
        assert adjusted_rand_score(member, fitted.assign(codes)[0]) > 0.95, expected_note
        assert len(fitted.gaussians.weights) == 4 and any(expected_note in note for note in fitted.notes), fitted.notes


def test_degenerate_codes_are_fitted_and_said(rng: np.random.Generator) -> None:
    few = np.repeat(rng.normal(size=(4, 3)), 30, axis=0)  # four points, thirty times each
    assert np.isfinite(fit_mixture(few, rng=rng).log_density(few)).all()
    forced = fit_mixture(few, rng=rng, components=(4,), covariances=("full",))
    assert any("degenerat" in note for note in forced.notes)


def test_few_rows_get_a_diagonal_gaussian(rng: np.random.Generator) -> None:
    x, beyond = rng.normal(size=(60, 64)), rng.normal(size=(500, 64))
    fitted = fit_mixture(x, rng=rng)
    assert fitted.gaussians.covariance == "diag"
    assert fitted.log_density(beyond).mean() >= -64 / 2 * np.log(2 * np.pi) - 64 / 2 - 4  # the truth's, and little less


def test_flat_groups_are_kept_if_confirmed(rng: np.random.Generator) -> None:
    """Three groups of which one has a deviation of 1e-4 in a direction: the floor stands in for it, and it is said."""
    member, x = rng.integers(3, size=6000), rng.normal(size=(6000, 4))
    x[member == 0, 3] *= 1e-4
    x += 5 * np.eye(3, 4)[member]
    fitted = fit_mixture(x, rng=rng)
    assert len(fitted.gaussians.weights) == 3 and any("1 of 3 components" in note for note in fitted.notes)
    chosen = next(c for c in fitted.candidates if (c.components, c.covariance) == (3, "diag"))
    assert (
        chosen.degenerate == 1
        and chosen.confirmed
        and any("so that they stand: " in note and "3 diag" in note for note in fitted.notes)
    )
    assert adjusted_rand_score(member, fitted.assign(x)[0]) > 0.99


def test_noise_is_not_grouped_by_degenerate_components(rng: np.random.Generator) -> None:
    noise = rng.uniform(-1, 1, size=(200, 40))  # 160 rows to choose on: 4 full components have 41 · 4 rows to fill
    fitted = fit_mixture(noise, rng=rng)
    best = min(fitted.candidates, key=lambda candidate: candidate.bic)
    assert len(fitted.gaussians.weights) == 1 and best.degenerate
    assert any("not to be chosen" in note and f"{best.components} {best.covariance}" in note for note in fitted.notes)
    forced = fit_mixture(noise, rng=rng, components=(8,), covariances=("full",))
    assert len(forced.gaussians.weights) == 1 and any("of several components is degen" in note for note in forced.notes)


def test_wide_codes_are_reduced_and_come_back_whole(rng: np.random.Generator) -> None:
    codes, _ = blobs(rng, 700, d=100)
    fitted = fit_mixture(codes, rng=rng, components=(3,), covariances=("diag",))
    assert "reduced to 64" in fitted.notes[0]
    shown = mixture_result(
        fitted, codes, np.arange(700), rng=rng, decode=lambda z: np.clip(z[:, :4], 0, 1).reshape(-1, 2, 2, 1)
    )
    assert shown.means.shape == (3, 100) and shown.samples is not None and shown.samples.shape == (3, 12, 2, 2, 1)
    assert np.sort(shown.means.argmax(1)).tolist() == [0, 1, 2]


def test_split_halves_agree_on_planted_groups(rng: np.random.Generator) -> None:
    for codes, low, high in (
        (blobs(rng, 3000, d=5, k=4)[0], 0.98, 1.0),
        (rng.normal(size=(3000, 5)).astype(np.float32), -0.1, 0.4),
    ):
        train, other_rows = codes[:2000], codes[2000:]
        fitted = fit_mixture(train, rng=rng, components=(4,), covariances=("full",), keep_degenerate=True)
        split_half = split_half_agreement(train, other_rows, like=fitted, rng=rng)
        assert split_half is not None and low <= split_half.value <= high and split_half.n == 1000
        assert split_half.low <= split_half.value <= split_half.high and (split_half.high < 0.6 or low > 0.9)
    single = fit_mixture(codes, rng=rng, components=(1,))
    assert split_half_agreement(codes, codes, like=single, rng=rng) is None


def test_nearest_images_belong_to_their_component(rng: np.random.Generator) -> None:
    codes, _ = blobs(rng, 300)
    rows = np.arange(300) * 2
    result = mixture_result(fit_mixture(codes, rng=rng, components=(3,)), codes, rows, rng=rng, shown=5)
    component = dict(zip(rows.tolist(), result.assignments.tolist(), strict=True))
    assert all(component[row] == k for k in range(3) for row in result.nearest[k].tolist())
    assert result.confidence.min() > 0.3


def test_the_scores_are_scikit_learns(rng: np.random.Generator) -> None:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    part, truth = rng.integers(0, 5, 400), rng.integers(0, 3, 400)
    truth[:200] = part[:200] % 3
    counts = np.bincount(part * 3 + truth, minlength=15).reshape(1, 5, 3)
    assert nmi(counts)[0] == pytest.approx(normalized_mutual_info_score(truth, part))
    assert ari(counts)[0] == pytest.approx(adjusted_rand_score(truth, part))
    by_hand = sum(np.bincount(truth[part == k]).max() for k in range(5)) / 400
    assert purity(counts)[0] == pytest.approx(by_hand)


def test_agreement_interval_covers_unique_labels(
    rng: np.random.Generator,
) -> None:
    one = agreement(np.zeros(60, int), np.arange(60), components=1, classes=tuple(map(str, range(60))), rng=rng)
    assert one is not None and 0 <= one.purity.low <= one.purity.value <= one.purity.high


@pytest.mark.parametrize("n", [6, 600])
def test_perfect_agreement_of_few_rows_is_not_certain(n: int, rng: np.random.Generator) -> None:
    part = np.arange(n) % 3
    scores = agreement(part, part, components=3, classes=("a", "b", "c"), rng=rng)
    assert scores is not None
    for interval in (scores.nmi, scores.ari, scores.purity):
        assert interval.value == pytest.approx(1) and interval.high == pytest.approx(1)
        assert (0.05 <= interval.low <= 0.75) if n == 6 else (0.95 <= interval.low < 1)


def test_agreement_ignores_unlabelled_rows(rng: np.random.Generator) -> None:
    part, labels = rng.integers(0, 8, 500), rng.integers(0, 4, 500)
    labels[:100] = -1
    result = agreement(part, labels, components=8, classes=tuple("abcd"), rng=rng)
    assert result is not None and result.nmi.n == 400
    assert result.purity.value == pytest.approx(result.shuffled_purity, abs=0.06)
    assert result.ari.low < 0 < result.ari.high or abs(result.ari.value) < 0.02
    assert agreement(part, np.full(500, -1), components=8, classes=(), rng=rng) is None


def test_what_has_no_groups_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="all codes are the same"):
        fit_mixture(np.ones((50, 3)), rng=rng)
    with pytest.raises(AnalysisError, match="at least 10 rows"):
        fit_mixture(np.ones((5, 3)), rng=rng)
    with pytest.raises(AnalysisError, match="no covariance 'spherical': there are full, tied, diag"):
        fit_mixture(rng.normal(size=(50, 3)), rng=rng, covariances=("spherical",))
    with pytest.raises(AnalysisError, match="components must be a whole number of 1 or more, not 0"):
        fit_mixture(rng.normal(size=(50, 3)), rng=rng, components=(0,))


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_em_makes_the_steps_of_scikit_learn_from_the_same_start(covariance: str, rng: np.random.Generator) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    x = rng.normal(size=(700, 5)) @ rng.normal(size=(5, 5)) + 1.5 * np.eye(3, 5)[rng.integers(0, 3, 700)]
    x = (x - x.mean(0)) / x.std(0)  # columns as fit_gaussians has them
    begun = maximise(x, np.eye(3)[:, rng.integers(0, 3, 700)], covariance)
    ours, likelihood = climb(x, begun, iterations=5, tolerance=-np.inf)
    inverse = np.linalg.inv(begun.covariances)
    theirs = GaussianMixture(
        3,
        covariance_type=covariance,
        max_iter=5,
        tol=0,
        reg_covar=FLOOR,
        weights_init=begun.weights,
        means_init=begun.means,
        precisions_init={"full": inverse, "tied": inverse[0], "diag": np.diagonal(inverse, 0, 1, 2)}[covariance],
    )
    with pytest.warns(ConvergenceWarning):
        theirs.fit(x)
    found = {"full": ours.covariances, "tied": ours.covariances[0], "diag": np.diagonal(ours.covariances, 0, 1, 2)}
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-9)
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found[covariance], theirs.covariances_, rtol=1e-7, atol=1e-10)
    assert likelihood == pytest.approx(theirs.lower_bound_, abs=1e-10)
    assert ours.parameters == theirs._n_parameters()
    assert ours.responsibilities(x, precision=np.float64)[1] == pytest.approx(theirs.score_samples(x), abs=1e-9)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_single_precision_loses_nothing_that_matters(covariance: str, rng: np.random.Generator) -> None:
    x = blobs(rng, 2000, d=6)[0].astype(np.float64) * 0.6
    found = {
        kind: fit_gaussians(x, 5, covariance=covariance, rng=np.random.default_rng(1), precision=kind)[0]
        for kind in (np.float32, np.float64)
    }
    single, double = (found[kind].responsibilities(x, precision=np.float64)[1] for kind in (np.float32, np.float64))
    assert single == pytest.approx(double, abs=0.05) and single.mean() == pytest.approx(double.mean(), abs=1e-3)


def test_likelihood_never_falls(rng: np.random.Generator) -> None:
    x = blobs(rng, 4000, d=5, k=5)[0].astype(np.float64) / 4
    mixture = maximise(x, np.eye(6)[:, rng.integers(0, 6, len(x))], "full")
    steps = []
    for _ in range(12):
        mixture, before = climb(x, mixture, iterations=1)
        steps.append(before)
    assert (np.diff(steps) > -1e-9).all()
    whole, warm = (fit_gaussians(x, 6, covariance="full", rng=rng, sample=s)[0] for s in (4000, 1000))
    assert warm.responsibilities(x)[1].mean() == pytest.approx(whole.responsibilities(x)[1].mean(), abs=0.02)


def test_the_fit_turns_with_the_codes_and_knows_no_order_of_rows(rng: np.random.Generator) -> None:
    x = blobs(rng, 1500, d=4)[0].astype(np.float64)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    start = fit_gaussians(x, 3, covariance="full", rng=rng)[0]
    turned = Gaussians(start.weights, start.means @ turn, turn.T @ start.covariances @ turn, "full")
    # Double precision and no floor: standardised columns differ between the two, and so would the floor's size.
    settings = {"covariance": "full", "rng": rng, "precision": np.float64, "floor": 0.0}
    plain = fit_gaussians(x, 3, start=start, **settings)[0]
    other = fit_gaussians(x @ turn, 3, start=turned, **settings)[0]
    assert other.means == pytest.approx(plain.means @ turn, abs=1e-7)
    mixed = fit_gaussians(x[rng.permutation(len(x))] * 3, 3, start=scaled(start, 3), **settings)[0]
    assert mixed.means == pytest.approx(plain.means * 3, abs=1e-7)


def scaled(mixture: Gaussians, by: float) -> Gaussians:
    return Gaussians(mixture.weights, mixture.means * by, mixture.covariances * by**2, mixture.covariance)


def test_criteria_are_of_the_rows_that_they_are_said_to_be_of(rng: np.random.Generator) -> None:
    """BIC and AIC of the 200 rows that candidates are fitted on, held-out likelihood of 100 others, by scipy."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    codes, order = blobs(rng, 400, d=3)[0], np.random.default_rng(9).permutation(400)
    fitted, held = codes[order[:200]], codes[order[200:300]]
    tried = _search(codes, (1, 3, 12), COVARIANCES, 200, 1, np.random.default_rng(9), lambda text: None)
    for one, mixture, *_ in tried:
        parts = [
            np.log(w) + multivariate_normal(mean, spread).logpdf(np.concatenate([fitted, held]))
            for w, mean, spread in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        ]
        log_p = logsumexp(parts, axis=0)
        assert one.held_out == pytest.approx(log_p[200:].mean(), abs=1e-4)
        assert one.bic == pytest.approx(-2 * log_p[:200].sum() + mixture.parameters * np.log(200), abs=0.02)
        assert one.aic == pytest.approx(-2 * log_p[:200].sum() + 2 * mixture.parameters, abs=0.02)
        if (one.components, one.covariance) == (12, "full"):
            assert one.held_out < log_p[:200].mean() - 0.3, "too many components know their own rows only"
    public = fit_mixture(codes, rng=np.random.default_rng(9), components=(1, 3, 12), search=200, restarts=1).candidates
    assert public == tuple(one.candidate for one in tried)


def test_the_neighbours_of_the_best_number_are_tried_too(rng: np.random.Generator) -> None:
    codes = blobs(rng, 2500, d=6, k=6)[0]
    fitted = fit_mixture(codes, rng=rng)
    assert len(fitted.gaussians.weights) == 6
    tried = {c.components for c in fitted.candidates if c.covariance == fitted.gaussians.covariance}
    assert {5, 6, 7} <= tried and all(np.isfinite(c.aic) and c.aic < c.bic for c in fitted.candidates)
    asked = fit_mixture(codes, rng=rng, components=(2, 8))
    assert {c.components for c in asked.candidates} == {2, 8}


def test_one_shape_for_all_components_is_recognised(rng: np.random.Generator) -> None:
    shape = rng.normal(size=(5, 5))
    codes = rng.normal(size=(2000, 5)) @ shape + 9 * np.eye(4, 5)[rng.integers(0, 4, 2000)] @ shape
    gaussians = fit_mixture(codes, rng=rng).gaussians
    assert (len(gaussians.weights), gaussians.covariance) == (4, "tied")
    assert gaussians.covariances[0] == pytest.approx(shape.T @ shape, rel=0.25, abs=0.3)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_groups_with_equal_means_survive(covariance: str, monkeypatch):
    """Ten round groups of 64 numbers: memberships that begin as soft as groups of one mean need melt them into one."""
    rng = np.random.default_rng([64, 10, 1])
    member = rng.integers(10, size=8000)
    x = (rng.normal(size=(10, 64))[member] * 0.4 + rng.normal(size=(8000, 64))).astype(np.float32)

    def found() -> float:
        fitted, _ = fit_gaussians(x, 10, covariance=covariance, rng=np.random.default_rng(0), sample=2000)
        return adjusted_rand_score(member, fitted.responsibilities(x)[0].argmax(1))

    agreed = found()
    monkeypatch.setattr("analysis.mixtures.em.INITIAL_POWER", np.inf)
    assert agreed >= found() - 0.02 and agreed >= 0.4


def test_groups_that_differ_by_shape_are_found(monkeypatch):
    rng, k, d, n = np.random.default_rng(0), 20, 40, 9000
    member, x = rng.integers(k, size=n), rng.standard_normal((n, d)).astype(np.float32)
    for j in range(k):
        axes = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.geomspace(1, 0.2, d)
        x[member == j] = x[member == j] @ axes.T  # all groups have the mean 0

    def found() -> tuple[float, float]:
        fitted, _ = fit_gaussians(x, k, covariance="full", rng=np.random.default_rng(0), sample=2000, iterations=30)
        shares, log_p = fitted.responsibilities(x)
        return adjusted_rand_score(member, shares.argmax(1)), float(log_p.mean())

    agreed, likelihood = found()
    monkeypatch.setattr("analysis.mixtures.em.INITIAL_POWER", np.inf)  # memberships as they are from the first round on
    hard, lower = found()
    assert agreed >= 0.65 and hard <= 0.45  # four seeds: 0.77 to 0.86 and 0.25 to 0.35
    assert likelihood - lower >= 1.5  # 2.1 to 2.8
