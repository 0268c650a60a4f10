"""Whether two sets of rows have one distribution: kernel test, sliced Wasserstein distance, one test a column.

Under the null all p-values are uniform (never 0): permutations exchange the rows of the two sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, as_codes, as_rng, check_counts, subsample
from ..base.distances import squared_gaps
from ..base.parallel import one_blas_thread
from ..base.statistics import discoveries, permutation_p
from ..errors import AnalysisError

ROWS = 1000  # of each side; the kernel matrix has (2 · ROWS)² entries


REPEATS = 199  # permutations


PROJECTIONS = 50  # directions of the sliced distance


BLOCK = 64  # permutations at once


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """How far two sets of rows, n and m of them, are apart."""

    n: int
    """Rows of the first set."""
    m: int
    """Rows of the second set."""
    mmd: float
    """Unbiased squared maximum mean discrepancy, about 0 where the two are one."""
    mmd_p: float
    """p of `mmd`, by permutations."""
    bandwidth: float
    """Of its Gaussian kernel: the median distance between rows."""
    wasserstein: float
    """Sliced W₂: root mean square over directions."""
    wasserstein_p: float
    """p of `wasserstein`, by permutations."""
    wasserstein_null: float
    """Its mean where rows are exchanged: what n and m rows of one distribution have."""
    ks: Doubles
    """(d,) Kolmogorov–Smirnov statistic of each column."""
    ks_p: Doubles
    """(d,) their p."""
    rejected: Ints
    """Columns that differ, by Benjamini and Hochberg at a false discovery rate of 0.05."""
    permutations: int
    """How many; p is at least 1 / (1 + permutations)."""


def two_sample(
    x: Floats,
    y: Floats,
    *,
    rng: Seed = 0,
    rows: int = ROWS,
    repeats: int = REPEATS,
    projections: int = PROJECTIONS,
) -> TwoSample:
    """Test whether two sets of rows have one distribution, by three statistics.

    Args:
        x: (n, d) rows.
        y: (m, d) rows.
        rng: draws rows, permutations and directions.
        rows: the most rows of each.
        repeats: number of permutations.
        projections: number of directions of the sliced distance.

    Returns:
        The statistics, each with its p-value.

    Raises:
        AnalysisError: for fewer than 10 rows on a side or unequal widths.

    Source:
        Gretton et al. 2012 (JMLR 13), eq. 3, median heuristic; Rabin et al. 2012 and Bonneel et al. 2015 for
        the sliced distance; Phipson & Smyth 2010 for p; Benjamini & Hochberg 1995.
    """
    rng = as_rng(rng)
    check_counts(repeats=repeats, projections=projections)
    check_counts(10, rows=rows)
    x, y = as_codes(x, "the first rows"), as_codes(y, "the second rows")
    if x.shape[1] != y.shape[1]:
        raise AnalysisError(f"two sets are compared column by column: one has {x.shape[1]}, the other {y.shape[1]}")
    if min(len(x), len(y)) < 10:
        raise AnalysisError(f"a comparison needs at least 10 rows on either side, not {len(x)} and {len(y)}")
    x, y = (a[subsample(np.arange(len(a)), rows, rng=rng)] for a in (x, y))
    n, m = len(x), len(y)
    both = np.concatenate([x, y]).astype(np.float64)
    with one_blas_thread():
        kernel, bandwidth = gaussian_kernel(both)
        mmds = _mmds(kernel, n, _memberships(n, m, repeats, rng))
        sliced = _sliced(both, _memberships(n, m, repeats, rng), n, projections, rng)
    ks, ks_p = column_tests(x, y)
    return TwoSample(
        n=n,
        m=m,
        mmd=float(mmds[0]),
        mmd_p=permutation_p(float(mmds[0]), mmds[1:]),
        bandwidth=bandwidth,
        wasserstein=float(sliced[0]),
        wasserstein_p=permutation_p(float(sliced[0]), sliced[1:]),
        wasserstein_null=float(sliced[1:].mean()),
        ks=ks,
        ks_p=ks_p,
        rejected=discoveries(ks_p),
        permutations=repeats,
    )


def _memberships(n: int, m: int, repeats: int, rng: np.random.Generator) -> Doubles:
    """1 where a row is of the first set, as it is and in `repeats` exchanges: (n + m, 1 + repeats)."""
    first = (np.arange(n + m) < n).astype(np.float64)
    return np.stack([first, *(rng.permutation(first) for _ in range(repeats))], axis=1)


def gaussian_kernel(x: Floats) -> tuple[Floats, float]:
    """exp(−|x − y|² / 2 s²) between all rows (n, d), and s, the median distance: (n, n) float32, float."""
    gaps = squared_gaps(x, x)
    s2 = float(np.median(gaps[np.triu_indices(len(x), 1)])) or 1.0
    gaps *= -0.5 / s2
    return np.exp(gaps, dtype=np.float32), s2**0.5


def _mmds(kernel: Floats, n: int, first: Doubles) -> Doubles:
    """Unbiased MMD² for each column of memberships: Σ over pairs within, less twice the mean between."""
    m = len(kernel) - n
    kernel = kernel.copy()
    np.fill_diagonal(kernel, 0)
    rows = kernel.sum(1, dtype=np.float64)
    total = float(rows.sum())
    result = []
    for start in range(0, first.shape[1], BLOCK):
        flags = first[:, start : start + BLOCK]
        inside = np.einsum("ij,ij->j", flags, (kernel @ flags.astype(np.float32)).astype(np.float64))
        within_first = rows @ flags
        across = within_first - inside
        within_second = total - within_first - across
        result.append(inside / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * across / (n * m))
    return np.concatenate(result)


def _sliced(x: Doubles, first: Doubles, n: int, projections: int, rng: np.random.Generator) -> Doubles:
    """Sliced W₂ for each column of memberships; every row is projected and sorted once for all of them.

    W₂² on a line is ∫(F⁻¹ − G⁻¹)², here over the quantiles at which either empirical function steps.
    """
    directions = rng.standard_normal((x.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    lines = x @ directions
    order = np.argsort(lines, axis=0, kind="stable")
    m = len(x) - n
    steps = np.union1d(np.arange(1, n + 1) / n, np.arange(1, m + 1) / m)
    widths, middles = np.diff(np.r_[0, steps]), (np.r_[0, steps[:-1]] + steps) / 2
    at = np.minimum((middles * n).astype(int), n - 1), np.minimum((middles * m).astype(int), m - 1)
    total = np.zeros(first.shape[1])
    for column in range(projections):
        ordered = lines[order[:, column], column]
        is_first = first[order[:, column]] > 0.5  # (n + m, repeats), each column with n true entries
        values = np.broadcast_to(ordered[:, None], is_first.shape).T
        first_values, second_values = (values[flags.T].reshape(first.shape[1], -1) for flags in (is_first, ~is_first))
        total += np.square(first_values[:, at[0]] - second_values[:, at[1]]) @ widths
    sliced: Doubles = np.sqrt(total / projections)
    return sliced


def column_tests(x: Floats, y: Floats) -> tuple[Doubles, Doubles]:
    """Two-sample Kolmogorov–Smirnov statistic and p of each column: (d,), (d,)."""
    from scipy.stats import ks_2samp

    result = [ks_2samp(x[:, j], y[:, j], method="auto") for j in range(x.shape[1])]
    return np.array([test.statistic for test in result]), np.array([test.pvalue for test in result])
