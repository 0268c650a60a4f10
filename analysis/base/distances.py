"""Squared distances between rows: fast by products, exact by differences, and bounds that tell where these are needed.

A product of rows in float32 or float64 is off by at most `rounding` times the squares of their lengths (Higham 2002,
Accuracy and Stability of Numerical Algorithms, §3.1), which is much where rows are far from their mean and near to
each other. Differences have no such loss.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import Bools, Doubles, Floats, Ints, Singles

HELD = 500_000  # differences that are held at once


def squared_gaps(x: Floats, y: Floats) -> Doubles:
    """|x − y|² of every pair of rows (n, d), (m, d), by products: (n, m) float64."""
    centre = y.mean(0, dtype=np.float64)
    a, b = x - centre, y - centre
    gaps: Doubles = np.einsum("ij,ij->i", a, a)[:, None] - 2 * a @ b.T + np.einsum("ij,ij->i", b, b)
    return np.maximum(gaps, 0)


def direct_gaps(x: Floats, y: Floats, i: Ints, j: Ints) -> Doubles:
    """|x_i − y_j|² of pairs of rows i, j (p,) by differences: (p,) float64."""
    out = np.empty(len(i))
    size = max(1, HELD // x.shape[1])
    for start in range(0, len(i), size):
        pairs = slice(start, start + size)
        gap = x[i[pairs]].astype(np.float64)
        gap -= y[j[pairs]]
        out[pairs] = np.einsum("ij,ij->i", gap, gap)
    return out


def rounding(width: int, kind: type[np.floating[Any]]) -> float:
    """What a gap by products of `width` columns may be off by, over the square of the two lengths' sum."""
    return 1.1 * (width + 16) * float(np.finfo(kind).eps)


def at_most(gaps: Doubles, limits: Doubles | float, x: Floats, y: Floats) -> Bools:
    """Whether `squared_gaps(x, y)` (n, m) are at most `limits`, broadcast; by differences where rounding decides."""
    limits = np.broadcast_to(limits, gaps.shape)
    centre = y.mean(0, dtype=np.float64)
    reach = sum(float(np.linalg.norm(z - centre, axis=1).max()) for z in (x, y))
    inside: Bools = gaps <= limits
    i, j = np.nonzero(np.abs(gaps - limits) <= rounding(x.shape[1], np.float64) * reach**2)
    inside[i, j] = direct_gaps(x, y, i, j) <= limits[i, j]
    return inside


class LowerBounds:
    """Lower bounds of squared distances to references (n, d), by one product in float32 or float64.

    With queries q and references r about the references' mean, −2 q·r + |r|² (1 − e) − 2 e |q| |r| is at most
    |q − r|² − |q|² (1 − e), whatever the rounding of `kind`, where e is `rounding`: two columns more on either side.
    Both are divided by a power of two, so that squares neither overflow nor vanish.

    Args:
        others: all queries.
        multiple: bounds are filled up with infinite ones to a multiple of it.
    """

    def __init__(
        self, references: Floats, others: Floats, *, kind: type[np.floating[Any]] = np.float32, multiple: int = 1
    ) -> None:
        self._centre, self._kind = references.mean(0, dtype=np.float64), kind
        largest = max(
            float(np.abs(end - self._centre).max()) for z in (references, others) for end in (z.min(0), z.max(0))
        )
        self._unit = math.ldexp(1.0, math.frexp(largest)[1]) if largest > 0 else 1.0
        self._error = rounding(references.shape[1], kind)
        rows, squares = self._own(references)
        n, d = rows.shape
        self._right = np.zeros((d + 2, n + -n % multiple), kind)
        np.multiply(rows.T, -2, out=self._right[:d, :n])
        self._right[d] = np.inf
        self._right[d, :n] = squares * (1 - self._error)
        self._right[d + 1, :n] = -2 * self._error * np.sqrt(squares)

    def _own(self, x: Floats) -> tuple[Singles, Doubles]:
        """Rows (m, d) about the mean, in units and in `kind`, and their squared lengths."""
        rows = x - self._centre
        rows /= self._unit
        result = rows.astype(self._kind)
        return result, np.einsum("ij,ij->i", result, result, dtype=np.float64)

    def __call__(self, queries: Floats) -> tuple[Singles, Doubles]:
        """Bounds (q, n or more) in `kind`, and what `limits` takes of the queries."""
        rows, squares = self._own(queries)
        left = np.column_stack([rows, np.ones(len(rows)), np.sqrt(squares)]).astype(self._kind)
        return left @ self._right, squares

    def limits(self, gaps: Doubles, squares: Doubles) -> Singles:
        """What bounds of references at squared distances of at most `gaps` (q,) do not exceed: (q,)."""
        least = 100 * float(np.finfo(self._kind).tiny) * len(self._right)  # what vanishing products may be off by
        limit = gaps / self._unit**2 * (1 + self._error) - squares * (1 - self._error) + least
        return np.nextafter(limit.astype(self._kind), self._kind(np.inf))
