"""Stability of a direction: its cosine between a bootstrap resample of the train rows and the rows left out.

A resample gives row i a weight w_i ~ Poisson(1), independently (Chamandy et al. 2012): the bootstrap without a table of
draws. The cosine is that of two directions, one fitted to the resample and one to the rows with w_i = 0, which share
no row: 1 where the direction is always the same, 0 where there is nothing to find. Two resamples, or a resample and
all rows, share rows, and would have a cosine of 0.5 to 0.7 where there is nothing. It is taken where every column has
unit variance on the train rows: in the columns' own units the widest one would decide it alone.

All resamples are fitted at once as weighted products. Mean differences are exact. LDA and ridge need Σ w x xᵀ, logistic
normals and SVMs a fit each: exact up to a size. Beyond it, where there are `FIRST_ORDER_ROWS_PER_COLUMN` rows a
column, to first order,

    W_b = W − H⁻¹ ∇_b     ∇_b the gradient of the weighted rows at the fit of all rows, H the curvature there

(the score bootstrap, Kline & Santos 2012), one product a target; where rows are few for their columns, which makes that
optimistic, on fewer resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Floats, Ints, Pixels, Singles
from ..base.groups import poisson_counts, shuffled_whole
from ..base.linear_models import BLOCK, Linear, fit_linear, fit_scaler
from ..base.parallel import over_blocks
from ..base.statistics import Interval, percentiles
from .directions import LOSSES, PENALTIES, by_rows, fit_normals, in_units, numbers, unit

RESAMPLES = 40


MAX_REFIT_WORK = 1e8  # rows · columns · classifiers up to which iterative classifiers are refitted


MAX_COVARIANCE_WORK = 5e9  # rows · columns² · resamples up to which covariances are weighted


FIRST_ORDER_ROWS_PER_COLUMN = 50  # rows a column from which the first order is within 0.03 of refitted cosines


MIN_RESAMPLES = 8  # resamples


MAX_CELLS = (
    4_000_000  # floats of all covariances at once; refitted classifiers have a 32nd, as L-BFGS keeps 20 steps of them
)


class Resamples:
    """The resamples of one table's train rows, for all methods the same.

    Args:
        codes: (n, d) of train rows.
        rng: of the row weights.
        resamples: number of resamples, b; each is paired with the rows that it left out.
        groups: (n,) codes of rows that belong together. They have one weight, so that the two halves of a pair share no
            group.
    """

    def __init__(
        self, codes: Floats, *, rng: np.random.Generator, resamples: int = RESAMPLES, groups: Ints | None = None
    ) -> None:
        self.groups = groups
        self.scaler = fit_scaler(codes)
        self.x = self.scaler(codes)
        self._kept: dict[bytes, Doubles] = {}
        self.counts: Pixels = np.minimum(poisson_counts(len(codes), resamples, groups, rng=rng), 255).astype(np.uint8)

    def fit(self, targets: AnyArray, method: str) -> Linear | None:
        """The classifier of all rows, whose weights are the normals; None for mean differences, which need none."""
        return None if method == "mean difference" else fit_normals(self.x, targets, method)

    def directions(self, targets: AnyArray, method: str, classifier: Linear | None = None) -> Doubles:
        """Directions of targets (n, m), as of `find_directions`, on resamples and what each left out: (2, b, m, d).

        Args:
            targets: (n, m) signs, or numbers for ridge.
            method: one of `directions.METHODS`.
            classifier: the fit of all rows, if it was made already.
        """
        counts, exact = self._afforded(targets.shape[1], method)
        if not exact:
            normals = self._first_order(targets, method, counts, classifier)
        elif method in LOSSES:
            normals = self._refitted(targets, method, counts, classifier)
        else:
            normals = self._least_squares(targets, method, counts)
        scale = self.scaler.scale
        if method == "mean difference":
            result = unit(normals * np.where(np.isfinite(scale), scale, 0))
        else:
            result = in_units(normals, scale)
        return result.transpose(1, 0, 2).reshape(2, counts.shape[1], *result.shape[::2])

    def _afforded(self, classifiers: int, method: str) -> tuple[Pixels, bool]:
        """The resamples that are within the bounds on work and memory, and whether they are fitted exactly."""
        (n, d), drawn = self.x.shape, self.counts.shape[1]
        if method == "mean difference":
            return self.counts, True
        if method in LOSSES:
            afforded = int(min(MAX_REFIT_WORK / (2 * n), MAX_CELLS / 32) / (d * classifiers))
        else:
            afforded = int(min(MAX_COVARIANCE_WORK / (2 * n * d**2), MAX_CELLS / (2 * d**2)))
        if afforded >= drawn:
            return self.counts, True
        return (
            (self.counts, False)
            if n >= FIRST_ORDER_ROWS_PER_COLUMN * d
            else (self.counts[:, : max(MIN_RESAMPLES, afforded)], True)
        )

    def _least_squares(self, targets: AnyArray, method: str, counts: Pixels) -> Doubles:
        """cov(x, y), which mean differences are multiples of, or Σ⁻¹ of it: (m, 2b, d)."""
        values, has_target = numbers(targets, method)
        normals = np.empty((values.shape[1], 2 * counts.shape[1], self.x.shape[1]))
        for columns, rows in by_rows(has_target):
            x, weights, y = self.x[rows], counts[rows], values[np.ix_(rows, columns)]
            y = y - y.mean(0)
            total = np.maximum(both(weights).sum(0, dtype=np.float64), 1)
            sums = weighted_sums(x, np.column_stack([np.ones(len(x)), y]).astype(np.float32), weights)
            mean = sums[0] / total[:, None]
            shift = (y.T @ both(weights).astype(np.float64)) / total
            covariance = sums[1:] / total[:, None] - shift[:, :, None] * mean
            if method != "mean difference":
                second = self._products(rows, counts) / total[:, None, None] - mean[:, :, None] * mean[:, None, :]
                second += PENALTIES[method] * np.eye(x.shape[1])
                covariance = np.linalg.solve(second, covariance.transpose(1, 2, 0)).transpose(2, 0, 1)
            normals[columns] = covariance
        return normals

    def _products(self, rows: Bools, counts: Pixels) -> Doubles:
        """Σ w x xᵀ over `rows` (n,), kept for the next method that reads the same ones: (2b, d, d)."""
        key = np.packbits(rows).tobytes()
        if key not in self._kept:
            self._kept = {key: weighted_products(self.x[rows], counts[rows])}
        return self._kept[key]

    def _refitted(self, targets: Ints, method: str, counts: Pixels, classifier: Linear | None) -> Doubles:
        """Every classifier fitted again, all in one pass over the rows, from the fit of all rows: (m, 2b, d)."""
        (n, d), m = self.x.shape, targets.shape[1]
        weights = both(counts)
        weights *= n / np.maximum(weights.sum(0), 1)
        signs = (targets[:, :, None] * weights[:, None, :]).reshape(n, -1)
        first = classifier or fit_normals(self.x, targets, method)
        start = Linear(*(np.repeat(part, weights.shape[1], axis=-1) for part in (first.weights, first.bias)))
        classifier = fit_linear(
            self.x,
            signs,
            signs.shape[1],
            loss=LOSSES[method],
            c=1 / (PENALTIES[method] * n),
            start=start,
            iterations=60,
        )
        return classifier.weights.T.reshape(m, -1, d).astype(np.float64)

    def _first_order(self, targets: AnyArray, method: str, counts: Pixels, classifier: Linear | None) -> Doubles:
        """W − H⁻¹ ∇_b, the intercept being the last column: (m, 2b, d)."""
        n, d = self.x.shape
        classifier = classifier or fit_normals(self.x, targets, method)
        slopes, curvature, counted = _derivatives(classifier(self.x), targets, method)
        wide = np.column_stack([self.x, np.ones(n, np.float32)])
        penalty = PENALTIES[method] * np.append(np.ones(d), 0)
        sums, totals = weighted_sums(wide, slopes, counts), np.maximum(counted.T @ both(counts), 1)
        normals = np.empty((targets.shape[1], totals.shape[1], d))
        for i, fitted in enumerate(np.vstack([classifier.weights, classifier.bias]).T.astype(np.float64)):
            bend = (wide.T @ (wide * curvature[:, i, None])).astype(np.float64) / counted[:, i].sum() + np.diag(penalty)
            gradient = sums[i] / totals[i, :, None] + penalty * fitted
            normals[i] = (fitted - np.linalg.solve(bend, gradient.T).T)[:, :d]
        return normals


def _derivatives(scores: Singles, targets: AnyArray, method: str) -> tuple[Singles, Singles, Singles]:
    """First and second derivative of the loss of (n, m) scores, and the rows that its mean is over."""
    if method in LOSSES:
        slopes = LOSSES[method](scores, targets)[1]
        size = np.abs(slopes)
        bend = size * (1 - size) if method == "logistic" else 2.0 * (size > 0)
        return slopes, bend.astype(np.float32), np.ones_like(scores)
    values, has_target = numbers(targets, method)
    return (
        ((scores - values) * has_target).astype(np.float32),
        has_target.astype(np.float32),
        has_target.astype(np.float32),
    )


def both(counts: Pixels) -> Singles:
    """Weights of the resamples (n, b), then of the rows that each left out: (n, 2b)."""
    return np.hstack([counts, counts == 0]).astype(np.float32)


def weighted_sums(x: Singles, factors: Singles, counts: Pixels) -> Doubles:
    """Σ_i w_ib f_it x_i over rows x (n, d), factors (n, t), resamples and what they left out: (t, 2b, d)."""
    total = np.zeros((factors.shape[1], 2 * counts.shape[1], x.shape[1]))

    def block(begin: int) -> Singles:
        rows = slice(begin, begin + BLOCK)
        weights = both(counts[rows]).T
        return np.stack([weights @ (x[rows] * factor[:, None]) for factor in factors[rows].T])

    for part in over_blocks(block, range(0, len(x), BLOCK), cells=x.size):
        total += part
    return total


def weighted_products(x: Singles, counts: Pixels) -> Doubles:
    """Σ_i w_ib x_i x_iᵀ over rows x (n, d), resamples and what they left out: (2b, d, d)."""
    total = np.zeros((2 * counts.shape[1], x.shape[1], x.shape[1]))

    def block(begin: int) -> Singles:
        rows = x[begin : begin + BLOCK]
        return np.stack([(rows * weight[:, None]).T @ rows for weight in both(counts[begin : begin + BLOCK]).T])

    for part in over_blocks(block, range(0, len(x), BLOCK), cells=x.size):
        total += part
    return total


def cosines_of(pairs: Doubles) -> list[Interval]:
    """Median cosine of directions (2, b, m, d) with their partners, and the bounds of 95 % of them: m figures."""
    cosines = np.einsum("bmd,bmd->mb", *unit(pairs))
    return [Interval(float(np.median(row)), *percentiles(row), len(row)) for row in cosines]


def shuffled(targets: AnyArray, method: str, rng: np.random.Generator, groups: Ints | None = None) -> AnyArray:
    """Targets (n, m) with the known values of each column in another order, those of a group together."""
    mixed = targets.copy()
    has_target = numbers(targets, method)[1]
    for column, rows in zip(mixed.T, has_target.T, strict=True):
        column[rows] = shuffled_whole(column[rows], None if groups is None else groups[rows], rng=rng)
    return mixed


def stabilities(
    resamples: Resamples,
    targets: AnyArray,
    method: str,
    classifier: Linear | None,
    at_unit_variance: Callable[[Doubles, str], Doubles],
    rng: np.random.Generator,
) -> tuple[list[Interval], list[Interval]]:
    """Compute the stability of each target's direction, and that of its shuffled values.

    Logistic normals and SVMs of shuffled signs are those of LDA, as without a signal all three are linear in the signs.

    Args:
        resamples: of the train rows.
        targets: (n, m) signs, or numbers for ridge.
        method: one of `directions.METHODS`.
        classifier: the fit of all rows; None for mean differences.
        at_unit_variance: maps directions (..., w) of a method to columns of unit variance, where cosines are taken.
        rng: of the shuffle.

    Returns:
        m stabilities, and m of the shuffled targets.
    """
    kind = "LDA" if method in LOSSES else method
    null = resamples.directions(shuffled(targets, method, rng, resamples.groups), kind)
    resampled = resamples.directions(targets, method, classifier)
    each = [
        [cosines_of(at_unit_variance(pairs[:, :, i : i + 1], method))[0] for i in range(pairs.shape[2])]
        for pairs in (resampled, null)  # a target at a time, as all columns of a representation may be many
    ]
    return each[0], each[1]
