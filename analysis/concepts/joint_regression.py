"""Covariances of codes and concepts, and of concepts with each other, on the rows that directions are fitted to.

Covariances of the concepts' columns (sides as ±1, numbers as they are) among each other and with the codes, each over
the rows where its columns are known; and the same with the codes after the concepts' rows were shuffled, all concepts
of a row together. From these follow, without the rows,

    the plain direction            cov(z, a), for sides a multiple of the difference of means
    a, preserving b by regression  the coefficient of a in the least squares of codes on a and b together,
                                   ∝ cov(z, a) − cov(z, b) C_bb⁻¹ C_ba

(Frisch–Waugh–Lovell). For b a class, whose columns are its sides against the rest, that is the difference within
classes, pooled by n₊ n₋ / n of each. Shuffled ones tell what the same estimators find where the concepts are noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints
from ..base.chunked import blocks
from ..base.groups import shuffled_whole
from .directions import unit
from .orthogonalization import MIN_SHARE_LEFT
from .targets import ConceptTarget

N_SHUFFLES = 40
"""Shuffles of the concepts' rows."""


MAX_COVARIANCE_COLUMNS = 512
"""Columns of codes up to which their own covariance is stored."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Correlation of two concepts of different columns, on the rows that directions were fitted to."""

    names: tuple[str, str]
    """Of the two concepts."""
    correlation: float
    """Pearson's, of sides as ±1 and numbers as they are."""
    rows: int
    """Number of rows where both are known."""

    @property
    def unbalanced(self) -> bool:
        """Whether they are correlated by more than unrelated ones would be by chance: |r| > 3 / √n, and above 0.1."""
        return abs(self.correlation) > max(0.1, 3 / math.sqrt(self.rows))


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Covariances on the rows that directions were fitted to; of c columns the first t are the targets' sides."""

    names: tuple[str, ...]
    """(t,) of the targets."""
    columns: tuple[str, ...]
    """(t,) column of the table that each target is of."""
    fitted: Ints
    """(n,) rows of the table."""
    number: Ints
    """(t,) position among the c columns of a target's number, or of its sides where it is none."""
    covariance: Doubles
    """(c, c) of the targets' columns, each over rows where both are known."""
    known: Ints
    """(c, c) number of rows where both are known."""
    cross: Doubles
    """(c, d) of the targets' columns with the codes."""
    shuffled: Doubles
    """(r, c, d) the same where the rows of all columns are shuffled together."""
    spread: Doubles
    """(d, d) covariance of the codes; (0, 0) where they are too wide."""
    groups: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,) group of every row of the table; (0,) without groups."""

    def deviation(self, directions: Doubles) -> Doubles:
        """Standard deviation of the codes' positions along unit vectors (..., d): (...); NaN where it is not known."""
        if not self.spread.size:
            return np.full(directions.shape[:-1], np.nan)
        result: Doubles = np.sqrt(np.maximum(((directions @ self.spread) * directions).sum(-1), 0.0))
        return result

    def together(self) -> tuple[Pair, ...]:
        """Pairs of targets of different columns, the most correlated first."""
        size = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        result = []
        for i in range(len(self.names)):
            for k in range(i):
                a, b = int(self.number[k]), int(self.number[i])
                n, whole = int(self.known[a, b]), size[a] * size[b]
                if self.columns[i] != self.columns[k] and n and whole > 0:
                    r = float(np.clip(self.covariance[a, b] / whole, -1, 1))
                    result.append(Pair(names=(self.names[k], self.names[i]), correlation=r, rows=n))
        return tuple(sorted(result, key=lambda pair: -abs(pair.correlation)))

    def shuffled_directions(self, place: int, preserved: Sequence[int] = ()) -> Doubles:
        """Unit vectors (r, d) that the same estimator finds for shuffled labels."""
        return unit(self._partial(self.shuffled, place, preserved)[0])

    def direction(self, place: int, preserved: Sequence[int]) -> tuple[Doubles, float]:
        """The direction of a target where the preserved ones stay, and how much of its column these leave.

        Returns:
            Unit vector (d,), zeros where nothing is left; and the standard deviation of the target's column where the
            preserved ones are given, as a share of all of it.
        """
        v, left = self._partial(self.cross, place, preserved)
        return unit(v) if left >= MIN_SHARE_LEFT else np.zeros_like(v), left

    def _partial(self, cross: Doubles, place: int, preserved: Sequence[int]) -> tuple[Doubles, float]:
        if not preserved:
            return cross[..., place, :], 1.0
        a, b = int(self.number[place]), self.number[list(preserved)]
        variance = float(self.covariance[a, a])
        inside, toward = self.covariance[np.ix_(b, b)], self.covariance[b, a]
        weights = np.linalg.pinv(inside, rcond=1e-8, hermitian=True) @ toward
        left = np.sqrt(max(0.0, 1 - float(toward @ weights) / variance)) if variance > 0 else 0.0
        result: Doubles = cross[..., a, :] - np.tensordot(weights, cross[..., b, :], (0, cross.ndim - 2))
        return result, float(left)


def joint_of(
    codes: Floats,
    targets: Sequence[ConceptTarget],
    rows: Ints,
    *,
    rng: np.random.Generator,
    mask: Bools,
    shuffles: int = N_SHUFFLES,
    groups: Ints | None = None,
) -> Joint:
    """Take the covariances of codes (n, d) of `rows`, (n,) of the table; of columns beyond `mask` they are 0.

    Rows of one of the groups (n,) are shuffled together.
    """
    values, number = columns_of(targets, rows)
    is_known = np.isfinite(values)
    x = np.where(is_known, values, 0.0)
    x -= is_known * (x.sum(0) / np.maximum(is_known.sum(0), 1))
    both = is_known.T.astype(np.float64) @ is_known
    covariance = _pairwise(x, is_known)
    n, centre = is_known.sum(0), np.zeros(codes.shape[1])
    for _, part in blocks(codes):
        centre += part.sum(0, dtype=np.float64)
    centre /= max(1, len(codes))
    wide = codes.shape[1] > MAX_COVARIANCE_COLUMNS
    every = np.arange(len(x))
    orders = [every, *(shuffled_whole(every, groups, rng=rng) for _ in range(shuffles))]
    single_codes = x.astype(np.float32)
    sums = np.zeros((len(orders), x.shape[1], codes.shape[1]))
    spread = np.zeros((0, 0)) if wide else np.zeros((codes.shape[1], codes.shape[1]))
    for start, part in blocks(codes):
        z = (part - centre).astype(np.float32) * mask
        for total, order in zip(sums, orders, strict=True):
            total += single_codes[order[start : start + len(z)]].T @ z
        spread = spread if wide else spread + z.T @ z
    cross = sums / np.maximum(n, 1)[:, None]
    return Joint(
        names=tuple(target.name for target in targets),
        columns=tuple(target.column for target in targets),
        fitted=np.asarray(rows, np.int64),
        number=number,
        covariance=covariance,
        known=both.astype(np.int64),
        cross=cross[0],
        shuffled=cross[1:],
        spread=spread / max(1, len(codes)),
    )


def columns_of(targets: Sequence[ConceptTarget], rows: Ints) -> tuple[Doubles, Ints]:
    """Sides of each target as ±1, then the numbers of those that have one, over their standard deviation.

    Returns:
        (n, c) with NaN for unknown, and (t,) the column by which a target is regressed on.
    """
    sides = [np.where(target.signs[rows] == 0, np.nan, target.signs[rows].astype(np.float64)) for target in targets]
    numbers: list[Doubles] = []
    place = np.arange(len(targets))
    for i, target in enumerate(targets):
        if target.values is not None:
            result = np.where(np.isfinite(target.values[rows]), target.values[rows], np.nan).astype(np.float64)
            size = float(np.nanstd(result)) if np.isfinite(result).any() else 0.0
            place[i] = len(targets) + len(numbers)
            numbers.append(result / (size or 1.0))
    return np.stack([*sides, *numbers], axis=1), place.astype(np.int64)


def _pairwise(x: Doubles, is_known: Bools) -> Doubles:
    """Covariances (c, c) over the rows where both columns are known; x is 0 elsewhere."""
    k = is_known.astype(np.float64)
    n = np.maximum(k.T @ k, 1)
    means = (x.T @ k) / n  # of column i over the rows where j is known too
    result: Doubles = (x.T @ x) / n - means * means.T
    return result
