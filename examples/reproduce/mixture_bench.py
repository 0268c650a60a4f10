"""Our Gaussian mixture against scikit-learn's: the same work in one run, ours first."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.mixture import GaussianMixture

from analysis.mixtures.em import fit_gaussians
from analysis.mixtures.gaussians import Gaussians

ITERATIONS = 10  # of EM, from one start
DRAWS = 3  # of codes, fitted from seeds
START_ROWS = 10_000  # for the first start, at least: fewer leave components with less rows than dimensions


def mixture_costs(n: int, *, from_seeds: bool = True) -> Iterator[tuple[str, float, float, str]]:
    """32 full Gaussians on n × 64 codes from 40 overlapping ones: ours over scikit-learn's.

    First ITERATIONS of EM from one start, which is the algorithm's speed: both then stand at the same likelihood.
    scikit-learn computes in the codes' type, in float32 twice as fast, and ours in float32 with float64 sums, whatever
    they are. Then either as it is made for use, from seeds of its own to where the mean log-likelihood gains less than
    1e-3: where that ends depends on the seeds, so that it is the mean of DRAWS draws of the codes in float32.
    """
    codes, held = (overlapping_codes(count, seed) for seed, count in enumerate((n, 10_000)))
    first = codes[: max(n // 6, START_ROWS)]
    begun, _ = fit_gaussians(first, 32, covariance="full", rng=np.random.default_rng(0), iterations=5)
    given = {"weights": begun.weights, "means": begun.means, "precisions": precisions(begun.covariances)}
    for kind, bound in ((np.float64, 0.2), (np.float32, 0.35)):
        start = {f"{name}_init": value.astype(kind) for name, value in given.items()}
        theirs = GaussianMixture(32, init_params="random_from_data", **start)  # k-means would be in vain
        title = f"{ITERATIONS} iterations on {kind.__name__}"
        yield from one_mixture(title, [(codes.astype(kind), held)], [theirs], ITERATIONS, -np.inf, begun, bound, 0.0005)
    for kind, draws, bound in ((np.float64, 1, 0.2), (np.float32, DRAWS, 0.35)) if from_seeds else ():
        pairs = [(overlapping_codes(n, 5 * i).astype(kind), overlapping_codes(10_000, 5 * i + 1)) for i in range(draws)]
        theirs = [GaussianMixture(32, random_state=draw) for draw in range(draws)]
        title = f"from seeds to the end on {kind.__name__}"
        yield from one_mixture(title, pairs, theirs, 100, 1e-3, None, bound, 0.03)


def precisions(covariances: np.ndarray) -> np.ndarray:
    """Return the inverses of covariances (k, d, d), symmetric to the last digit as scikit-learn wants them.

    The inverse of a symmetric matrix that is nearly flat in some direction is not, when it is computed as of any.
    """
    half = np.linalg.inv(np.linalg.cholesky(covariances))
    return np.swapaxes(half, 1, 2) @ half


def one_mixture(
    title: str,
    pairs: list[tuple[np.ndarray, np.ndarray]],
    theirs: list[GaussianMixture],
    steps: int,
    tolerance: float,
    start: Gaussians | None,
    bound: float,
    score_bound: float,
) -> list[tuple[str, float, float, str]]:
    """Rows for the ratio of seconds and for what our held-out log p is short of theirs, both over all pairs."""
    seconds, scores = [], []
    for draw, ((x, held), model) in enumerate(zip(pairs, theirs, strict=True)):
        rng, began = np.random.default_rng(draw), time.perf_counter()
        settings = {"covariance": "full", "start": start, "iterations": steps, "tolerance": tolerance}
        ours, _ = fit_gaussians(x, 32, rng=rng, **settings)
        ended = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model.set_params(max_iter=steps, tol=max(tolerance, 0.0)).fit(x)
        seconds.append((ended - began, time.perf_counter() - ended))
        scores.append((float(ours.responsibilities(held)[1].mean()), float(model.score(held))))
        print(
            f"32 full Gaussians on {len(x):,} × 64 codes, {title}: {seconds[-1][0]:.1f} s, held-out log p "
            f"{scores[-1][0]:.4f} a row; scikit-learn's GaussianMixture {seconds[-1][1]:.1f} s, "
            f"{model.n_iter_} iterations, {scores[-1][1]:.4f}"
        )
    (our_seconds, their_seconds), (our_score, their_score) = np.sum(seconds, 0), np.mean(scores, 0)
    return [
        (f"32 full Gaussians, {title} / scikit-learn's GaussianMixture", our_seconds / their_seconds, bound, "×"),
        ("  held-out log p a row, scikit-learn's − ours", their_score - our_score, score_bound, " "),
    ]


def overlapping_codes(n: int, seed: int) -> np.ndarray:
    """Draw (n, 64) float32 codes from 40 Gaussians of unequal axes, whose means are nearer than their widths."""
    planted, rng = np.random.default_rng(100), np.random.default_rng(seed)
    member, noise = rng.integers(40, size=n), rng.standard_normal((n, 64))
    codes = np.empty((n, 64), np.float32)
    for k in range(40):
        axes = np.linalg.qr(planted.standard_normal((64, 64)))[0] * np.geomspace(1, 0.2, 64)
        codes[member == k] = 0.1 * planted.standard_normal(64) + noise[member == k] @ axes.T
    return codes
