"""Mixtures of Gaussians: densities in whitened blocks, float32 products beside float64 sums.

log p(x) = log Σ_k π_k N(x; μ_k, Σ_k),  log N = −½ (d log 2π + |Wᵀ(x − μ)|²) + log |W|,  Σ⁻¹ = W Wᵀ.
All components are whitened by one matrix product a block of rows, (rows, d) × (d, k d); the block is so small
that what comes out stays in the cache while it is squared and summed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.arrays import Doubles, Floats
from ..base.parallel import one_blas_thread, over_blocks

COVARIANCES = ("full", "tied", "diag")


TASK_ROWS = 4096  # rows of a thread's turn


BLOCK_CELLS = 500_000  # of a block's product, which is so many numbers: 2 MB in float32


STRIP_COLUMNS = 16  # columns of W at a time


@dataclass(frozen=True)
class Gaussians:
    """A mixture of k Gaussians in d dimensions."""

    weights: Doubles
    """(k,)."""
    means: Doubles
    """(k, d)."""
    covariances: Doubles
    """(k, d, d); all the same where covariance is "tied", diagonal where it is "diag"."""
    covariance: str
    """"full", "tied" or "diag"."""

    @property
    def parameters(self) -> int:
        """Free parameters."""
        k, d = self.means.shape
        return free_parameters(k, d, self.covariance)

    @cached_property
    def whitening(self) -> tuple[Doubles, Doubles]:
        """W of each component, (k, d, d), or one for all, (1, d, d); and log π + log |W| − d/2 log 2π, (k,)."""
        factors = np.linalg.cholesky(self.covariances[:1] if self.covariance == "tied" else self.covariances)
        size = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
        with np.errstate(divide="ignore"):  # a component may have lost its weight
            share = np.log(self.weights)
        constant = share - size - self.means.shape[1] / 2 * math.log(2 * math.pi)
        return np.linalg.inv(factors).swapaxes(1, 2), constant

    @cached_property
    def centre(self) -> Doubles:
        """The mixture's mean, (d,), from which rows are measured so that little cancels."""
        mean: Doubles = self.weights @ self.means
        return mean

    def gaps(self, x: Floats, *, precision: Any = np.float32) -> Doubles:
        """Squared Mahalanobis distances of (n, d) rows to each component: (n, k)."""
        out = np.empty((len(x), len(self.weights)))
        measure = self.measure(precision)

        def task(start: int) -> None:
            out[start : start + TASK_ROWS] = measure(x[start : start + TASK_ROWS])

        with one_blas_thread():
            list(over_blocks(task, range(0, len(x), TASK_ROWS), cells=x.size * len(self.weights)))
        return out

    def measure(self, precision: Any) -> Any:
        """Return the function that measures squared Mahalanobis distances, (m, d) rows -> (m, k)."""
        whiten, _ = self.whitening
        if self.covariance == "diag":
            return self._measure_diagonal(np.diagonal(whiten, axis1=1, axis2=2))
        k, d = self.means.shape
        if len(whiten) < k:
            return self._measure_tied(whiten[0])
        offset = np.einsum("ki,kij->kj", self.means - self.centre, whiten)
        parts = []  # W is an upper triangle: a strip of its columns needs only as much of a row
        for first in range(0, d, STRIP_COLUMNS):
            last = min(first + STRIP_COLUMNS, d)
            side = whiten[:, :last, first:last].swapaxes(1, 2)  # (k, strip, last), and what Wᵀ makes of the mean
            side = np.concatenate([side, -offset[:, first:last, None]], axis=2).reshape(-1, last + 1)
            parts.append((last, side.astype(precision)))
        block = max(1, BLOCK_CELLS // (k * min(STRIP_COLUMNS, d)))

        def measure(x: Floats) -> Doubles:
            out = np.empty((len(x), k))
            for start in range(0, len(x), block):
                rows = (x[start : start + block] - self.centre).T.astype(precision)  # rows in the last axis: long loops
                total, white = (
                    np.zeros((k, rows.shape[1])),
                    np.empty((k * min(STRIP_COLUMNS, d), rows.shape[1]), precision),
                )
                for last, weights in parts:
                    each = white[: len(weights)]
                    np.matmul(weights, np.concatenate([rows[:last], np.ones_like(rows[:1])]), out=each)
                    with np.errstate(over="ignore"):  # of a row far out of all
                        np.square(each, out=each)
                    total += np.add.reduce(each.reshape(k, -1, rows.shape[1]), axis=1)
                out[start : start + block] = total.T
            return out

        return measure

    def _measure_tied(self, whiten: Doubles) -> Any:
        """|Wᵀx|² − 2 xᵀW Wᵀμ + |Wᵀμ|² in float64: two small products whatever the number of components."""
        means = (self.means - self.centre) @ whiten
        norms = np.square(means).sum(1)

        def measure(x: Floats) -> Doubles:
            white = (x - self.centre) @ whiten
            result: Doubles = np.square(white).sum(1)[:, None] - 2 * white @ means.T + norms
            return np.maximum(result, 0)

        return measure

    def _measure_diagonal(self, whiten: Doubles) -> Any:
        """Σ_i (x_i − μ_i)² / σ_i² by products in float64, since squares of rows far out cancel."""
        precisions = np.square(whiten)
        means = self.means - self.centre
        middle, norms = (means * precisions).T, (np.square(means) * precisions).sum(1)

        def measure(x: Floats) -> Doubles:
            rows = (x - self.centre).astype(np.float64)
            result: Doubles = np.square(rows) @ precisions.T - 2 * rows @ middle + norms
            return np.maximum(result, 0)

        return measure

    def log_joint(self, x: Floats, *, precision: Any = np.float32) -> Doubles:
        """log π_k + log N(x; μ_k, Σ_k) of (n, d) rows: (n, k)."""
        joint = self.gaps(x, precision=precision)
        joint *= -0.5
        joint += self.whitening[1]
        return joint

    def responsibilities(self, x: Floats, *, precision: Any = np.float32) -> tuple[Doubles, Doubles]:
        """Posterior of each component (n, k), and log p(x) of each row (n,)."""
        joint = self.log_joint(x, precision=precision)
        return joint, normalise(joint)

    def sample(self, component: int, count: int, *, rng: np.random.Generator) -> Doubles:
        """Draw (count, d) rows from one component."""
        return rng.multivariate_normal(self.means[component], self.covariances[component], count, method="cholesky")

    def draw(self, count: int, *, rng: np.random.Generator) -> Doubles:
        """Draw (count, d) rows of any component, in random order."""
        counts = rng.multinomial(count, self.weights / self.weights.sum())
        return rng.permutation(np.concatenate([self.sample(k, int(n), rng=rng) for k, n in enumerate(counts)]))

    def reordered(self) -> Gaussians:
        """The same mixture with the heaviest component first."""
        rank = np.argsort(-self.weights, kind="stable")
        return Gaussians(self.weights[rank], self.means[rank], self.covariances[rank], self.covariance)


def free_parameters(k: int, d: int, covariance: str) -> int:
    """Free parameters of k Gaussians in d dimensions, for BIC and AIC."""
    spread = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d}[covariance]
    return k - 1 + k * d + spread


def normalise(joint: Doubles) -> Doubles:
    """Turn log-joints (n, k) into posteriors, in place; return log p(x), (n,).

    Of a row so far out that all of them overflow, log p is −inf and nothing tells the components apart.
    """
    top = joint.max(1, keepdims=True)
    joint -= np.where(np.isfinite(top), top, 0)
    if not np.isfinite(top).all():
        joint[~np.isfinite(top[:, 0])] = 0
    np.exp(joint, out=joint)
    total = joint.sum(1, keepdims=True)
    joint /= total
    log_p: Doubles = (np.log(total) + top)[:, 0]
    return log_p
