"""Whether rows that follow each other are alike, as frames of a video or rows in the order of time are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .arrays import Doubles, Floats, Ints
from .groups import MIN_GROUPS, blocks_of, middle_order, one_of_each

STRETCHES = 50  # of rows, whose means are compared


WIDEST = 20  # principal components that are looked at


ALIKE = 0.15  # correlation of neighbouring blocks above which they are not independent


def drift(x: Floats, classes: Ints) -> float:
    """How many times as much as those of independent rows the means of stretches of (n, d) rows vary, in their order.

    In the principal components of the rows about the mean of their class, so that rows sorted by class do not drift. It
    is 1 for independent rows, and about the number of rows that count as one where neighbours are alike.
    """
    n = len(x)
    if n < 4 * STRETCHES:
        return 1.0
    z = whitened(x, classes)
    stretch = np.arange(n) * STRETCHES // n
    sizes = np.bincount(stretch, minlength=STRETCHES).astype(np.float64)
    means = np.stack([np.bincount(stretch, weights=column, minlength=STRETCHES) for column in z.T]) / sizes
    return float(np.mean(means**2 * sizes)) * STRETCHES / (STRETCHES - 1) if z.shape[1] else 1.0


def neighbours_correlation(x: Floats) -> tuple[float, float]:
    """Mean correlation of each of (n, d) rows with the next, in their principal components; and its error by chance."""
    n = len(x)
    z = whitened(x, np.zeros(n, np.int64), most=max(1, n // 4))
    if n < 8 or not z.shape[1]:
        return 0.0, math.inf
    return float(np.mean(z[1:] * z[:-1])) + 1 / n, 1 / math.sqrt(n * z.shape[1])


def long_enough(n: int, blocks: int, read: Callable[[Ints], Floats], columns: Sequence[Doubles]) -> int:
    """How many blocks of n rows in their order are independent: `blocks`, or the first of its halves that is.

    Chance makes codes and a column go together where both are alike in neighbouring blocks; where one is not, their
    order tells nothing. Blocks grow until no column is alike when codes are.

    Args:
        n: rows.
        blocks: the most blocks.
        read: gives the codes (m, d) of rows.
        columns: (n,) values of each column that codes are asked about, NaN = unknown.
    """
    while blocks >= 2 * MIN_GROUPS and alike_blocks(n, blocks, read, columns):
        blocks //= 2
    return blocks


def alike_blocks(n: int, blocks: int, read: Callable[[Ints], Floats], columns: Sequence[Doubles]) -> bool:
    """Whether the middle rows of neighbouring blocks are alike, in codes and in a column; arguments as above."""
    groups = blocks_of(n, blocks)
    rows = one_of_each(np.arange(n), groups, middle_order(groups))
    correlation, error = neighbours_correlation(read(rows))
    if correlation < max(ALIKE, 3 * error):
        return False
    return any(_alike(column[rows]) for column in columns)


def _alike(values: Doubles) -> bool:
    finite = values[np.isfinite(values)]
    correlation, error = neighbours_correlation(finite[:, None]) if len(finite) else (0.0, math.inf)
    return correlation > max(ALIKE, 2 * error)


def whitened(x: Floats, classes: Ints, most: int = WIDEST) -> Doubles:
    """The leading principal components of rows about the mean of their class, of unit variance: (n, at most `most`)."""
    z = x.astype(np.float64)
    index = np.unique(classes, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(index)
    means = np.stack([np.bincount(index, weights=column) for column in z.T], axis=1) / counts[:, None]
    z = z - means[index]
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    components = np.argsort(-values)[:most]
    components = components[values[components] > 1e-9 * max(values.max(), 1e-300)]
    return np.asarray(z @ vectors[:, components] / np.sqrt(values[components]), np.float64)
