"""How far two partitions of the same rows agree, from tables of counts, many tables at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Doubles, Ints
from .statistics import Interval, wilson


def contingency(categories: Ints, labels: Ints, *, rows: int, columns: int) -> Ints:
    """Count (category, label) pairs of (n,) rows, those without a label (-1) left out: (rows, columns)."""
    known = labels >= 0
    return np.bincount(categories[known] * columns + labels[known], minlength=rows * columns).reshape(rows, columns)


def nmi(counts: Ints) -> Doubles:
    """Normalised mutual information, 2 I / (H(part) + H(label)), of (r, k, c) tables: (r,); 0 where H is 0."""
    p = counts / counts.sum((1, 2), keepdims=True)
    rows, columns = p.sum(2), p.sum(1)
    entropies = _entropy(rows), _entropy(columns)
    mutual = entropies[0] + entropies[1] - _entropy(p.reshape(len(p), -1))
    total = entropies[0] + entropies[1]
    return np.where(total > 0, 2 * np.maximum(mutual, 0) / np.where(total > 0, total, 1), 0.0)


def _entropy(p: Doubles) -> Doubles:
    total: Doubles = -(p * np.log(np.where(p > 0, p, 1))).sum(1)
    return total


def ari(counts: Ints) -> Doubles:
    """Adjusted Rand index of (r, k, c) tables (Hubert & Arabie 1985): (r,)."""
    table = counts.astype(np.float64)
    both = (table * (table - 1) / 2).sum((1, 2))
    rows, columns = table.sum(2), table.sum(1)
    first, second = (rows * (rows - 1) / 2).sum(1), (columns * (columns - 1) / 2).sum(1)
    n = rows.sum(1)
    expected = first * second / (n * (n - 1) / 2)
    room = (first + second) / 2 - expected
    return np.where(room > 0, (both - expected) / np.where(room > 0, room, 1), 1.0)


def purity(counts: Ints) -> Doubles:
    """Share of rows that have their component's commonest label, of (r, k, c) tables: (r,)."""
    share: Doubles = counts.max(2).sum(1) / counts.sum((1, 2))
    return share


def resampled(counts: Ints, repeats: int, *, rng: np.random.Generator) -> Ints:
    """Tables of as many rows drawn from counts of any shape: (repeats, …)."""
    n = int(counts.sum())
    return rng.multinomial(n, (counts / n).ravel(), size=repeats).reshape(repeats, *counts.shape)


def purity_interval(counts: Ints, draws: Ints) -> Interval:
    """Purity of a (k, c) table, with a bootstrap over its draws (r, k, c); of a pure one Wilson's interval."""
    found = basic_interval(purity, counts, draws)
    return wilson(found.n, found.n) if found.value == 1 else found


def basic_interval(
    score: Callable[[Ints], Doubles], counts: Ints, draws: Ints, ends: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """Score counts of any shape, with the basic bootstrap over their draws (r, …), 2 v − quantile, kept around v.

    Not the quantiles themselves: resampling moves these scores as sampling itself does, so that the draws of an even
    usage all lie below its score, and their quantiles never hold the truth. Where a table (k, c) scores the most that
    there is, and so do draws, these say nothing of how few its rows are: low is then its score where the share of
    rows that Wilson's interval leaves open is spread by chance. Args: ends: of the score's scale.
    """
    value = float(score(counts[None])[0])
    low, high = (2 * value - np.quantile(score(draws), [0.975, 0.025])).tolist()
    if counts.ndim == 2 and low > ends[1] - 1e-9:
        n = int(counts.sum())
        sure = wilson(n, n).low
        spread = sure * counts + (1 - sure) * np.outer(counts.sum(1), counts.sum(0)) / n
        low = float(score(np.rint(1000 * spread[None]).astype(np.int64))[0])
    return Interval(value, min(max(low, ends[0]), value), max(min(high, ends[1]), value), int(counts.sum()))
