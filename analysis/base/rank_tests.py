"""p-values of rank tests below what permutations can show: exact where rows are few, by moments where they are many.

Mann-Whitney   W = Σ midranks of the smaller group; under the null that group is a simple random sample of the rows
Spearman       T = Σ r_i s_i of midranks r and s; under the null s is a random permutation

The exact distribution counts samples row by row, with ties as they are. For many rows the permutation distribution is
replaced by Pearson's type III with its first three moments, or by a normal one where it is not skewed to the right,
with a continuity correction of half a step: both are wider in the far tail than the bounded distribution itself.

Source: Streitberg & Röhmel: Exact distributions for permutation and rank tests, Statistical Software Newsletter 12,
1986; Mielke & Berry: Permutation Methods, 2nd ed., Springer 2007 (Pearson type III).
"""

from __future__ import annotations

import math

import numpy as np

from .arrays import Bools, Doubles, Floats, Ints
from .statistics import at_floor, ranks

EXACT_CELLS = 3e7  # rows · sample size · sums up to which the distribution is counted: a tenth of a second


def rank_sum_p(scores: Floats, positive: Bools) -> float | None:
    """Return the exact p-value of Mann and Whitney's one-sided test, ties included; None where rows are too many.

    Args:
        scores: (n,) numbers, of which the positive rows' are larger under the alternative.
        positive: (n,) rows of the first group.
    """
    doubled = np.rint(2 * ranks(scores)).astype(np.int64)
    n, few = len(doubled), int(min(np.count_nonzero(positive), np.count_nonzero(~positive)))
    if few == 0 or n * few * float(2 * few * n) > EXACT_CELLS:
        return None
    group = positive if np.count_nonzero(positive) == few else ~positive
    share = _sums_of_samples(doubled, few)
    total = int(doubled[group].sum())
    tail = share[total:] if group is positive else share[: total + 1]
    return float(min(1.0, tail.sum()))


def _sums_of_samples(values: Ints, size: int) -> Doubles:
    """Probability of each sum of a simple random sample of `size` from integer values (n,): (1 + largest sum,)."""
    share = np.zeros((size + 1, int(np.sort(values)[-size:].sum()) + 1))
    share[0, 0] = 1.0
    for i, value in enumerate(np.sort(values).tolist()):
        taken = np.minimum(1.0, (size - np.arange(size + 1)) / (len(values) - i))[:, None]  # P(row i | rows before it)
        moved = share * taken
        share -= moved
        share[1:, value:] += moved[:-1, : share.shape[1] - value]
    probabilities: Doubles = share[size]
    return probabilities


def permuted_product_p(x: Floats, y: Floats, *, step: float = 0.0) -> float:
    """Return the one-sided p-value of Σ x_i y_i among permutations of y, by its first three moments.

    Args:
        x: (n,) numbers.
        y: (n,) numbers.
        step: distance between neighbouring values of the sum, of which half is taken off; 0 for none.
    """
    x, y = (np.asarray(values, np.float64) - np.mean(values) for values in (x, y))
    n = len(x)
    variance = float(x @ x) * float(y @ y) / max(1, n - 1)
    if n < 3 or variance <= 0:
        return 1.0
    from scipy.stats import norm, pearson3

    z = (float(x @ y) - step / 2) / math.sqrt(variance)
    third = n / ((n - 1) * (n - 2)) * float((x**3).sum()) * float((y**3).sum())
    skew = third / variance**1.5
    return float(norm.sf(z) if skew <= 1e-9 else pearson3.sf(z, skew))


def auc_p(scores: Floats, positive: Bools, permuted: float, permutations: int) -> float:
    """Return the p-value of an AUC above 0.5: exact, or that of permutations and, at their floor, Mann and Whitney's.

    Args:
        scores: (n,) numbers.
        positive: (n,) rows that should rank above the others.
        permuted: p-value by so many permutations, used where rows are too many for an exact one.
        permutations: how many there were.
    """
    exact = rank_sum_p(scores, positive)
    return below_floor(permuted, permutations, many_ranks_p(scores, positive)) if exact is None else exact


def many_ranks_p(scores: Floats, positive: Bools) -> float:
    """Return Mann and Whitney's one-sided p-value by moments, for rows (n,) too many for `rank_sum_p`."""
    midranks = ranks(scores)
    gaps = np.diff(np.unique(np.rint(2 * midranks).astype(np.int64)))
    return permuted_product_p(midranks, positive.astype(np.float64), step=float(np.gcd.reduce(gaps)) / 2)


def spearman_p(x: Floats, y: Floats) -> float:
    """Return the one-sided p-value of Spearman's correlation of (n,) and (n,) numbers being above 0."""
    return permuted_product_p(ranks(x), ranks(y), step=0.25)


def below_floor(permuted: float, permutations: int, other: float) -> float:
    """Return a permutation p-value, or below its floor that of another test of the same null hypothesis.

    This holds its level: up to the floor by the other test, above it by the permutations.
    """
    return min(permuted, other) if at_floor(permuted, permutations) else permuted
