"""Expectation–maximisation for Gaussian mixtures, shaped for BLAS: float32 products, float64 sums.

log p(x) = log Σ_k π_k N(x; μ_k, Σ_k),  log N = −½ (d log 2π + |Lᵀ(x − μ)|²) + log |L|,  Σ⁻¹ = L Lᵀ.
Columns are standardised before, which changes neither kind of mixture; results are in the rows' own units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Doubles, Floats, Ints, Singles
from .threads import one_blas_thread, over_blocks

FLOOR = 1e-5  # least variance in any direction, columns being standardised
BLOCK = 8192


@dataclass(frozen=True)
class Gaussians:
    """A mixture of k Gaussians in d dimensions."""

    weights: Doubles  # (k,)
    means: Doubles  # (k, d)
    covariances: Doubles  # (k, d, d); diagonal where covariance is "diag"
    covariance: str  # "full" or "diag"

    @property
    def parameters(self) -> int:
        """Free parameters, for BIC."""
        k, d = self.means.shape
        return int(k - 1 + k * d + k * (d * (d + 1) // 2 if self.covariance == "full" else d))

    def log_joint(self, x: Floats) -> Doubles:
        """log π_k + log N(x; μ_k, Σ_k) of (n, d) rows: (n, k)."""
        k, d = self.means.shape
        out = np.empty((len(x), k))

        def component(i: int) -> None:
            factor = np.linalg.cholesky(self.covariances[i])
            whiten = np.linalg.inv(factor).T.astype(np.float32)  # (d, d): |(x − μ) whiten|² is Mahalanobis
            constant = np.log(self.weights[i]) - np.log(np.diag(factor)).sum() - d / 2 * math.log(2 * math.pi)
            for start in range(0, len(x), BLOCK):
                gap = (x[start : start + BLOCK] - self.means[i]).astype(np.float32)
                gap = gap * np.diag(whiten) if self.covariance == "diag" else gap @ whiten
                out[start : start + BLOCK, i] = constant - 0.5 * np.einsum("ij,ij->i", gap, gap)

        list(over_blocks(component, range(k), cells=x.size * k))
        return out

    def responsibilities(self, x: Floats) -> tuple[Doubles, Doubles]:
        """Posterior of each component (n, k), and log p(x) of each row (n,)."""
        joint = self.log_joint(x)
        top = joint.max(1, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(1, keepdims=True)
        joint /= total
        return joint, (np.log(total) + top)[:, 0]

    def sample(self, component: int, count: int, *, rng: np.random.Generator) -> Doubles:
        """Draw (count, d) rows from one component."""
        return rng.multivariate_normal(self.means[component], self.covariances[component], count, method="cholesky")


def maximise(x: Singles, resp: Doubles, covariance: str, floor: float) -> Gaussians:
    """M-step: weighted means and covariances of (n, d) rows, each direction's variance at least `floor`."""
    d = x.shape[1]
    mass = resp.sum(0) + 1e-10
    light = resp.astype(np.float32)
    means = (light.T @ x).astype(np.float64) / mass[:, None]
    covariances = np.zeros((len(mass), d, d))

    def component(k: int) -> None:
        gap = (x - means[k]).astype(np.float32)
        if covariance == "diag":
            np.fill_diagonal(covariances[k], light[:, k] @ np.square(gap) / mass[k])
        else:
            covariances[k] = (gap * light[:, k : k + 1]).T @ gap / mass[k]
        covariances[k] = _positive((covariances[k] + covariances[k].T) / 2 + floor * np.eye(d), floor)

    list(over_blocks(component, range(len(mass)), cells=x.size * len(mass)))
    return Gaussians(mass / mass.sum(), means, covariances, covariance)


def _positive(covariance: Doubles, floor: float) -> Doubles:
    """Raise the eigenvalues that rounding has made negative (float32 sums of rows far out)."""
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        raised = np.maximum(values, max(floor, 1e-6 * float(values[-1])))
        covariance = (vectors * raised) @ vectors.T
        covariance = (covariance + covariance.T) / 2
    return covariance


def degenerate(mixture: Gaussians, n: int, floor: float) -> int:
    """Count components with fewer than d + 1 rows to themselves, or flat in some direction."""
    few = mixture.weights * n < mixture.means.shape[1] + 1
    values = np.linalg.eigvalsh(mixture.covariances)
    flat = values[:, 0] < np.maximum(3 * floor, 2e-6 * values[:, -1])
    return int(np.count_nonzero(few | flat))


def seed_means(x: Singles, k: int, *, rng: np.random.Generator, rounds: int = 10) -> Ints:
    """k-means++ seeding and a few rounds of Lloyd: the cluster of each row, (n,)."""
    norms = np.einsum("ij,ij->i", x, x)
    centres = x[rng.integers(len(x), size=1)]
    nearest = _gaps(x, norms, centres)[:, 0]
    for _ in range(k - 1):
        total = nearest.sum(dtype=np.float64)
        share = nearest.astype(np.float64) / total if total > 0 else np.full(len(x), 1 / len(x))
        centres = np.concatenate([centres, x[[rng.choice(len(x), p=share / share.sum())]]])
        nearest = np.minimum(nearest, _gaps(x, norms, centres[-1:])[:, 0])
    for _ in range(rounds):
        cluster = _gaps(x, norms, centres).argmin(1)
        member = (cluster[:, None] == np.arange(k)).astype(np.float32)
        count = member.sum(0)[:, None]
        centres = np.where(count > 0, member.T @ x / np.maximum(count, 1), centres)
    return np.asarray(_gaps(x, norms, centres).argmin(1), np.int64)


def _gaps(x: Singles, norms: Singles, centres: Singles) -> Singles:
    gaps: Singles = norms[:, None] - 2 * (x @ centres.T) + np.einsum("ij,ij->i", centres, centres)
    return np.maximum(gaps, 0)


def fit_gaussians(
    x: Floats,
    k: int,
    *,
    covariance: str,
    rng: np.random.Generator,
    restarts: int = 2,
    iterations: int = 100,
    tolerance: float = 1e-3,
    start: Gaussians | None = None,
) -> tuple[Gaussians, int]:
    """Fit k Gaussians to (n, d) rows; return them and how many are degenerate.

    Each restart runs 10 rounds from its own k-means++ seed; the likeliest goes on until the mean
    log-likelihood gains less than `tolerance`. A variance never falls below FLOOR of its column's.
    """
    with one_blas_thread():
        return _fit(x, k, covariance, rng, restarts, iterations, tolerance, start)


def _fit(
    x: Floats,
    k: int,
    covariance: str,
    rng: np.random.Generator,
    restarts: int,
    iterations: int,
    tolerance: float,
    start: Gaussians | None,
) -> tuple[Gaussians, int]:
    shift, spread = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    size = float(np.sqrt(np.square(spread).mean())) or 1.0  # of the columns together, for seeding
    spread = np.where(spread > 1e-6 * size, spread, size)
    square = np.outer(spread, spread)
    scaled = ((x - shift) / spread).astype(np.float32)
    if start is not None:
        runs = [Gaussians(start.weights, (start.means - shift) / spread, start.covariances / square, covariance)]
    else:
        seen = ((x - shift) / size).astype(np.float32)  # distances as they are in the code
        seeds = [seed_means(seen, k, rng=rng) for _ in range(restarts if k > 1 else 1)]
        runs = [maximise(scaled, np.eye(k)[seed], covariance, FLOOR) for seed in seeds]
        if len(runs) > 1:
            rough = [_climb(scaled, run, covariance, 10, tolerance) for run in runs]
            runs = [max(rough, key=lambda pair: pair[1])[0]]
    best, _ = _climb(scaled, runs[0], covariance, iterations, tolerance)
    count = degenerate(best, len(x), FLOOR)
    return Gaussians(best.weights, best.means * spread + shift, best.covariances * square, covariance), count


def _climb(
    x: Singles, mixture: Gaussians, covariance: str, iterations: int, tolerance: float
) -> tuple[Gaussians, float]:
    """Alternate E and M steps; return the mixture and the mean log-likelihood before its last step."""
    last = -math.inf
    for _ in range(iterations):
        resp, rows = mixture.responsibilities(x)
        now = float(rows.mean())
        mixture = maximise(x, resp, covariance, FLOOR)
        if now - last < tolerance:
            break
        last = now
    return mixture, now
