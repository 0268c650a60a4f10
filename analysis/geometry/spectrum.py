"""The spectrum of a cloud of codes: label-free figures of how good a representation is.

RankMe     exp(−Σ p_k log p_k), p_k = σ_k / Σ σ        the effective number of directions; σ singular values of the rows
α-ReQ      λ_k ∝ k^−α                                  how fast the covariance's eigenvalues λ decay; best near 1

Both are read without labels, and compare networks that were trained alike: a RankMe far below the width says that
directions have collapsed, an α far above 1 that a few of them hold nearly all variance. Rows are centred, which the
papers' are not: the mean of pixels would be one large direction.

Both depend on the number of rows, and their intervals are for the mean over as many other rows. Sampling alone spreads
eigenvalues: 32 independent columns of equal variance, whose α is 0, have one of 0.65 in 60 rows, 0.29 in 300 and 0.16
in 1,000. So compare figures of as many rows, and with those of independent columns, which stand beside them.

Source: Garrido, Balestriero, Najman & LeCun: RankMe, ICML 2023, arXiv:2210.02885, equation 1; Agrawal, Mondal, Ghosh &
Richards: α-ReQ, NeurIPS 2022, section 3; Roy & Vetterli: The effective rank, EUSIPCO 2007.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.arrays import Doubles, Floats, as_codes
from ..base.statistics import Interval, jackknife_interval, without_interval

ROWS = 1_000
"""Rows whose spectrum is found, at most: both figures depend on how many there are, so that all have as many."""

PARTS = 10
"""Parts of the rows that the jackknife leaves out, one after the other."""

MIN_COLUMNS = 8
"""Columns below which a power law cannot be distinguished from anything else."""


def rank_me(x: Floats) -> Interval:
    """Effective number of directions of (n, d) rows, between 1 and min(n − 1, d), with its 95 % interval.

    Args:
        x: (n, d) codes; where there are more than `ROWS`, evenly spaced ones are looked at.

    Returns:
        The figure, with a jackknife's interval for its mean over as many other rows; not a number where all rows are
        the same.

    Raises:
        AnalysisError: x is no table of finite numbers of two rows or more.
    """
    return _of_spectrum(as_codes(x, rows=2), effective_rank)


def spectral_decay(x: Floats) -> Interval:
    """Exponent α of the power law that the eigenvalues of the covariance of (n, d) rows follow, with its 95 % interval.

    It is larger where rows are few, also of columns without any structure; compare with independent columns.

    Args:
        x: (n, d) codes; where there are more than `ROWS`, evenly spaced ones are looked at.

    Returns:
        The slope of least squares of −log λ_k on log k over the middle of the spectrum, with a jackknife's interval;
        without one where there are fewer than `MIN_COLUMNS` columns.

    Raises:
        AnalysisError: x is no table of finite numbers of two rows or more.
    """
    x = as_codes(x, rows=2)
    if x.shape[1] < MIN_COLUMNS:
        reason = f"{x.shape[1]} columns are too few to tell a power law, which takes {MIN_COLUMNS}"
        return without_interval(float("nan"), len(x), reason)
    return _of_spectrum(x, power_law_exponent)


def effective_rank(eigenvalues: Doubles) -> float:
    """RankMe of the eigenvalues (k,) of XᵀX; NaN where all are 0."""
    singular = np.sqrt(np.maximum(eigenvalues, 0.0))
    total = float(singular.sum())
    if total <= 0:
        return float("nan")
    share = singular[singular > 1e-12 * total] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def power_law_exponent(eigenvalues: Doubles) -> float:
    """Slope of −log λ_k on log k of eigenvalues (k,), without the largest tenth and the smaller half; NaN without any.

    The largest belong to what all rows share, and the smallest are what few rows leave of them.
    """
    ordered = np.sort(eigenvalues)[::-1]
    first, last = len(ordered) // 10, max(len(ordered) // 2, 4)
    middle = ordered[first:last]
    if len(middle) < 2 or middle[-1] <= 1e-12 * max(float(ordered[0]), 1e-300):
        return float("nan")
    k = np.log(np.arange(first + 1, first + 1 + len(middle)))
    centred = k - k.mean()
    return -float(centred @ np.log(middle)) / float(centred @ centred)


def _of_spectrum(x: Floats, figure: Callable[[Doubles], float]) -> Interval:
    spaced = x if len(x) <= ROWS else x[np.linspace(0, len(x) - 1, ROWS).astype(np.int64)]
    rows = np.asarray(spaced, np.float64)
    part = np.arange(len(rows)) % PARTS
    left = [figure(_eigenvalues(rows[part != k])) for k in range(PARTS)]
    return jackknife_interval(figure(_eigenvalues(rows)), np.array(left), len(rows))


def _eigenvalues(x: Doubles) -> Doubles:
    """Eigenvalues of the centred XᵀX of (n, d) rows, min(n, d) of them, from the smaller of its two Gram matrices."""
    centred = x - x.mean(0)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    values: Doubles = np.linalg.eigvalsh(gram)
    return np.maximum(values, 0.0)
