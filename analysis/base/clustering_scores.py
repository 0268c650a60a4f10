"""How far two partitions of the same rows agree, from tables of counts, many tables at once.

Intervals are for the score that very many rows of the same two partitions would have. They hold the score of these rows
too, which few rows bias, so that it may lie at an end of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .arrays import Doubles, Ints
from .statistics import UNKNOWN, Interval, Z, wilson_share

SPLITS = 40  # into halves, that say how often a component's commonest label is right on other rows


DRAWS = 100  # of tables


CELLS = 2_000_000  # numbers of tables at once


VERY_MANY = 10**9  # rows, of which a score has no bias


def contingency(categories: Ints, labels: Ints, *, rows: int, columns: int) -> Ints:
    """Count (category, label) pairs of (n,) rows, those without a label (-1) left out: (rows, columns)."""
    labelled = labels >= 0
    return np.bincount(categories[labelled] * columns + labels[labelled], minlength=rows * columns).reshape(
        rows, columns
    )


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


def purity_interval(counts: Ints, *, rng: np.random.Generator, repeats: int = SPLITS) -> Interval:
    """Purity of a (k, c) table, with an interval for the purity of very many rows of this partition.

    The purity of few rows is too high: of the labels in a component one is commonest by chance. The upper bound is
    Wilson's for the purity as it is. The lower one is Wilson's for the share of rows that have the label which is
    commonest among other rows of their component, half of them drawn at random: it is too low, if at all.

    Args:
        counts: (k, c) rows.
        repeats: halves that are drawn.
    Returns:
        The purity; n counts rows. Not a number where there are none.
    """
    n = int(counts.sum())
    if n == 0:
        return UNKNOWN
    value = float(purity(counts[None])[0])
    low = wilson_share(min(value, _out_of_sample(counts, repeats, rng=rng)), n).low
    return Interval(value, min(low, value), wilson_share(value, n).high, n)


def _out_of_sample(counts: Ints, splits: int, *, rng: np.random.Generator) -> float:
    """Share of the rows in one half that have the commonest label of the other half in their component."""
    hits, judged = 0.0, 0
    for row in counts[counts.sum(1) > 0]:
        size = int(row.sum())
        larger = splits // 2  # of an odd number of rows every other half has one more
        named = np.concatenate(
            [
                rng.multivariate_hypergeometric(row, (size + 1) // 2, size=larger),
                rng.multivariate_hypergeometric(row, size // 2, size=splits - larger),
            ]
        )
        commonest = (named == named.max(1, keepdims=True)) & (named > 0)
        unnamed = row - named
        hits += float(((unnamed * commonest).sum(1) / np.maximum(commonest.sum(1), 1)).sum())
        judged += int(unnamed.sum())
    return hits / judged if judged else 0.0


def partition_interval(
    score: Callable[[Ints], Doubles],
    counts: Ints,
    *,
    rng: np.random.Generator,
    ends: tuple[float, float] = (0.0, 1.0),
    repeats: int = DRAWS,
) -> Interval:
    """Score a (k, c) table, with an interval for the score of very many rows of these partitions.

    Few rows bias such a score: normalised mutual information is too high. Two estimates of the bias are made, the
    jackknife's and that of tables drawn from a blend of this one and of independence, which has no empty cells; the
    bounds are around the score less the larger and less the smaller of the two,

        1 − (1 − s) exp(± e / (1 − s)),   e² = (1.96 · jackknife error)² + (quantile of independent tables)²

    as the score of independent rows is a sum of squares, whose spread the jackknife does not see, and that of equal
    partitions has no rows to vary by. For the upper bound the error is at least the one that a score as high as this
    bound has near independence. Where no row disagrees the lower bound is the score of this table with a share
    of its rows spread by chance, that which `purity_interval` leaves open.

    Args:
        score: of tables (r, k, c): (r,).
        counts: (k, c) rows.
        ends: of the score's scale; the upper one is that of equal partitions.
        repeats: tables that are drawn.
    Returns:
        The score as it is, which the interval holds too; n counts rows. Not a number of fewer than two rows.
    """
    n = int(counts.sum())
    if n < 2:
        return UNKNOWN
    value = float(score(counts[None])[0])
    surely = _score_of_errors(score, counts, rng=rng)
    if value > ends[1] - 1e-9:
        return Interval(value, min(value, surely), value, n)
    bias, error = _jackknife(score, counts)
    shares = counts / n
    independent = np.outer(shares.sum(1), shares.sum(0))
    alone = score(_unrelated(counts, repeats, rng=rng))
    chance = float(alone.mean())
    share = min(max((value - chance) / (1 - chance), 0.0), 1.0) if chance < 1 else 0.0
    blend = share * shares + (1 - share) * independent
    inflation = float(score(_drawn(blend, n, repeats, rng=rng)).mean()) - float(score(_as_counts(blend)[None])[0])
    above, below = np.abs(np.quantile(alone, [0.975, 0.025]) - chance).tolist()
    least, most = value - max(bias, inflation, value - share), value - min(bias, inflation)
    low = min(surely, _towards_one(least, -math.hypot(Z * error, above)))
    high, rise = most, _rise(alone, counts)
    for _ in range(20):
        high = _towards_one(most, math.hypot(Z * max(error, math.sqrt(rise * max(high, 0.0)) * (1 - high)), below))
    return Interval(value, min(value, max(low, ends[0])), max(value, min(high, ends[1])), n)


def _jackknife(score: Callable[[Ints], Doubles], counts: Ints) -> tuple[float, float]:
    """Bias and standard error of a score by leaving out a row."""
    n, value = int(counts.sum()), float(score(counts[None])[0])
    if n < 2:
        return 0.0, 0.0
    cells = np.argwhere(counts > 0)
    size = max(1, CELLS // counts.size)
    left = np.empty(len(cells))
    for start in range(0, len(cells), size):
        part = cells[start : start + size]
        without = np.repeat(counts[None], len(part), axis=0)
        without[(np.arange(len(part)), *part.T)] -= 1
        left[start : start + size] = score(without)
    times = counts[tuple(cells.T)] / n
    mean = float(times @ left)
    return (n - 1) * (mean - value), math.sqrt((n - 1) * float(times @ np.square(left - mean)))


def _drawn(shares: Doubles, n: int, repeats: int, *, rng: np.random.Generator) -> Ints:
    """Draw (repeats, …) tables of n rows."""
    return rng.multinomial(n, shares.ravel() / shares.sum(), size=repeats).reshape(repeats, *shares.shape)


def _as_counts(shares: Doubles) -> Ints:
    """A table of very many rows in these shares."""
    return np.rint(shares * VERY_MANY).astype(np.int64)


def _unrelated(counts: Ints, repeats: int, *, rng: np.random.Generator) -> Ints:
    """Draw (repeats, k, c) tables with the sums of this one whose partitions have nothing to do with each other.

    Patefield's algorithm in scipy gives negative counts where a single row or column has any (seen in 1.17), so that
    it is asked about those that have some, and not at all where nothing is left to chance.
    """
    from scipy.stats import random_table

    rows, columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
    drawn: Ints = np.repeat(counts[None].astype(np.int64), repeats, axis=0)
    if min(len(rows), len(columns)) > 1:
        sums = counts.sum(1)[rows], counts.sum(0)[columns]
        drawn[:, rows[:, None], columns] = random_table(*sums).rvs(repeats, random_state=rng)
    return drawn


def _rise(alone: Doubles, counts: Ints) -> float:
    """How fast the variance of a score of this table rises with the score where it is near 0.

    There it is w Σ z² of some normal z, one for each degree of freedom or fewer, and its variance rises by 4 w. Few
    degrees of freedom are seen by the skewness of independent tables' scores, √(8 / degrees).
    """
    k, c = (np.count_nonzero(counts.sum(axis)) for axis in (1, 0))
    spread = float(alone.std())
    if spread == 0:
        return 0.0
    skewness = float(np.mean((alone - alone.mean()) ** 3)) / spread**3
    degrees = min(max(8 / max(skewness, 1e-3) ** 2, 1.0), float((k - 1) * (c - 1)))
    return 4 * spread / math.sqrt(2 * degrees)


def _score_of_errors(score: Callable[[Ints], Doubles], counts: Ints, *, rng: np.random.Generator) -> float:
    """Score a table with those rows spread by chance that may disagree unseen; infinite where some are seen to.

    None is seen where each component has one label, or each label is in one component.
    """
    pure = [table for table in (counts, counts.T) if np.count_nonzero(table, axis=1).max() == 1]
    if not pure:
        return math.inf
    sure = min(purity_interval(table, rng=rng).low for table in pure)
    shares = counts / counts.sum()
    spread = sure * shares + (1 - sure) * np.outer(shares.sum(1), shares.sum(0))
    return float(score(_as_counts(spread)[None])[0])


def _towards_one(value: float, step: float) -> float:
    """Move a score below 1 by about `step`, less the nearer 1 is and more the farther."""
    room = max(1 - value, 1e-9)
    return 1 - room * math.exp(min(-step / room, 700.0))


def perplexity(counts: Ints) -> Doubles:
    """Effective number of (r, k) counts, exp of the entropy of their shares: (r,)."""
    return np.exp(_entropy(counts / counts.sum(1, keepdims=True)))


def effective_number(counts: Ints, *, rng: np.random.Generator, repeats: int = DRAWS) -> Interval:
    """exp H of the shares of (k,) counts, with an interval for that of very many rows; n counts rows.

    Few rows make it too small. The bias is that of draws from these shares blended with even ones, which have as much
    weight as the categories seen once and one more: so much may be of categories that were not seen (Good 1953). As
    the entropy of an even usage varies by squares alone, which the jackknife does not see, that of even draws is added.
    """
    n, k = int(counts.sum()), len(counts)
    if n == 0:
        return UNKNOWN
    value = float(perplexity(counts[None])[0])
    bias, error = _jackknife(perplexity, counts)
    unseen = min(1.0, (np.count_nonzero(counts == 1) + 1) / n)
    blend = (1 - unseen) * counts / n + unseen / k
    resampled = perplexity(_drawn(blend, n, repeats, rng=rng))
    deflation = float(perplexity(_as_counts(blend)[None])[0]) - float(resampled.mean())
    even = perplexity(_drawn(np.full(k, 1 / k), n, repeats, rng=rng))
    fewer, more = np.abs(np.quantile(even, [0.025, 0.975]) - even.mean()).tolist()
    wide = Z * max(error, float(resampled.std()))
    low, high = (
        value + min(-bias, deflation) - math.hypot(wide, more),
        value + max(-bias, deflation) + math.hypot(wide, fewer),
    )
    return Interval(value, min(value, max(low, 1.0)), max(value, min(high, float(k))), n)
