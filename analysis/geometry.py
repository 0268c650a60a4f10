"""The shape of a cloud of codes: how many dimensions it fills, and whether some rows are everybody's neighbours.

Euclidean distances; all figures but hubness' scale stay the same under rotation, scale and order of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Seed, as_codes, as_rng, subsample
from .neighbours import nearest
from .statistics import LEVEL, Baseline, Interval, bootstrap, jackknife, jackknife_interval

ROWS = 10_000
DISCARD = 0.1  # of the largest ratios, which the fit of TwoNN leaves out, as its authors do
MLE_RANGE = (10, 20)  # numbers of neighbours that the maximum-likelihood estimate averages over, as its authors do
HUB_NEIGHBOURS = 10
PAIRED = 2000  # rows of which all pairs are looked at
DRAWS = 200
INDEPENDENT = (
    0.65  # rows that count: mutual neighbours share a distance; the variance measured on tori is 1.4 to 1.55 times χ²'s
)


@dataclass(frozen=True)
class Shape:
    """Dimensions and hubs of (n, d) rows."""

    representation: str
    baseline: bool
    width: int  # d
    rows: int  # n looked at
    two_nn: Interval  # intrinsic dimension from the ratio of the two nearest distances
    mle: Interval  # intrinsic dimension by maximum likelihood
    participation: Interval  # (Σ λ)² / Σ λ² of the covariance: dimensions that hold variance
    hubness: Interval  # skewness of how often a row is among the 10 nearest of others; 0 has no hubs
    hubs: float  # share of all neighbour places that the 1 % of rows hold that are chosen most
    duplicates: int  # rows with an equal one, left out of the dimensions


@dataclass(frozen=True)
class Geometry:
    """The shape of a code, beside that of its yardsticks."""

    shapes: tuple[Shape, ...]
    null: tuple[Baseline, ...]  # of independent normal columns with the code's variances: TwoNN, MLE, hubness
    notes: tuple[str, ...]


def shape_of(
    x: Floats, *, rng: Seed = 0, rows: int = ROWS, representation: str = "code", baseline: bool = False
) -> Shape:
    """Measure (n, d) rows, of which at most `rows` are looked at.

    Raises: AnalysisError for fewer than 50 rows, or where fewer than 30 differ.
    """
    rng = as_rng(rng)
    x = as_codes(x, representation)
    if len(x) < 50:
        raise AnalysisError(f"the shape of a cloud needs at least 50 rows, and there are {len(x)}")
    x = x[subsample(np.arange(len(x)), rows, rng=rng)]
    k = min(MLE_RANGE[1], len(x) - 1)
    unique = np.unique(x, axis=0) if len(x) < 2 or _has_twins(x) else x
    if len(unique) < 30:
        raise AnalysisError(f"only {len(unique)} of {len(x)} rows differ: they have no dimension")
    distances = nearest(unique, unique, k=min(k, len(unique) - 1), own=True)[1]
    index = nearest(x, x, k=min(HUB_NEIGHBOURS, len(x) - 1), own=True)[0]
    counts = np.bincount(index.ravel(), minlength=len(x)).astype(np.float64)
    top = np.sort(counts)[::-1][: max(1, len(x) // 100)]
    return Shape(
        representation, baseline, x.shape[1], len(x), two_nn(distances), levina_bickel(distances),
        participation_ratio(x, rng=rng), bootstrap(skewness, counts, rng=rng, repeats=DRAWS),
        float(top.sum() / counts.sum()), len(x) - len(unique),
    )  # fmt: skip


def _has_twins(x: Floats) -> bool:
    return bool((nearest(x, x, k=1, own=True)[1] == 0).any())


def two_nn(distances: Doubles) -> Interval:
    """Intrinsic dimension d: μ = r₂ / r₁ has P(μ > t) = t^−d. Args: distances: (n, ≥ 2) to others, nearest first.

    The fit of −log(1 − F(μ)) = d log μ through the origin, without the DISCARD largest ratios (Facco et al. 2017,
    Sci. Rep. 7, 12140). As the likelihood of the n′ = (1 − DISCARD) n smallest of n exponentials, censored above,
    it is d = n′ / (Σ log μ_i + (n − n′) log μ_n′), and 2 n′ d / d̂ is χ² with 2 n′ degrees of freedom. That is the
    figure and its interval (Denti et al. 2022, Sci. Rep. 12, 20005): less varying than the slope, and exact.
    """
    from scipy.stats import chi2

    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    ratios = ratios[np.isfinite(ratios)]
    n = len(ratios)
    kept = max(1, round((1 - DISCARD) * n))
    total = float(ratios[:kept].sum() + (n - kept) * ratios[kept - 1])
    if total <= 0:
        return Interval(math.inf, math.nan, math.nan, n)
    value = kept / total
    effective = 2 * kept * INDEPENDENT
    low, high = chi2.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], effective) / effective
    return Interval(value, value * float(low), value * float(high), n)


def levina_bickel(distances: Doubles, *, least: int = MLE_RANGE[0]) -> Interval:
    """Intrinsic dimension by maximum likelihood. Args: distances: (n, k) to others, nearest first.

    1 / m̂_k = mean over rows of (k − 1)⁻¹ Σ_j<k log(r_k / r_j), the inverse averaged (MacKay & Ghahramani 2005)
    where Levina & Bickel 2004 average m̂; the mean over k from `least` to the number of columns. The interval is
    the jackknife's over 20 groups of rows.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(distances)
    use = np.isfinite(logs).all(1)
    logs = logs[use]
    most = logs.shape[1]
    sizes = np.arange(min(least, most), most + 1)
    sums = np.cumsum(logs, axis=1)
    inverse = np.stack([logs[:, k - 1] - sums[:, k - 2] / (k - 1) for k in sizes if k > 1], axis=1)

    def estimate(rows: Doubles) -> float:
        means = rows.mean(0)
        return float(np.mean(1 / means)) if (means > 0).all() else math.inf

    return jackknife(estimate, inverse)


def participation_ratio(x: Floats, *, rng: np.random.Generator, rows: int = PAIRED) -> Interval:
    """(Σ λ)² / Σ λ² of the covariance's eigenvalues of (n, d) rows, = (tr C)² / tr C², on at most `rows` of them.

    Both traces are means over pairs of different rows, of |x|² |y|² and (xᵀy)², which no row's own square biases
    (as in Chen & Qin 2010): the figure does not grow with n. The interval is the jackknife's over 20 groups.
    """
    kept = x[rng.permutation(len(x))[:rows]].astype(np.float64)
    kept -= kept.mean(0)
    gram = kept @ kept.T
    norms, n = gram.diagonal().copy(), len(kept)
    np.fill_diagonal(gram, 0)
    member = (np.arange(n)[:, None] % min(20, n) == np.arange(min(20, n))).astype(np.float64)
    inside = member.T @ np.square(gram) @ member  # sums over pairs of groups
    first, second, size = member.T @ norms, member.T @ np.square(norms), member.sum(0)

    def ratio(products: Any, squares: Any) -> Any:
        return np.where(squares > 0, products / np.where(squares > 0, squares, 1), np.nan)

    value = ratio(first.sum() ** 2 - second.sum(), inside.sum())
    left = ratio(
        (first.sum() - first) ** 2 - (second.sum() - second), inside.sum() - 2 * inside.sum(1) + inside.diagonal()
    )
    return jackknife_interval(float(value), left[size > 0], n)


def skewness(values: Doubles) -> float:
    """Third standardised moment of (n,) values; 0 where all are the same."""
    gap = values - values.mean()
    spread = float(np.sqrt(np.mean(gap**2)))
    return float(np.mean(gap**3)) / spread**3 if spread > 0 else 0.0


def independent(x: Floats, *, rng: np.random.Generator) -> Floats:
    """Normal rows with the means and variances of (n, d) rows and no other structure: the shape of no shape."""
    drawn: Floats = rng.normal(x.mean(0), np.maximum(x.std(0), 1e-12), size=x.shape).astype(x.dtype)
    return drawn


def null_shape(x: Floats, *, rng: np.random.Generator, rows: int = ROWS) -> tuple[Baseline, ...]:
    """TwoNN, MLE, participation and hubness of independent normal columns with the variances of (n, d) rows."""
    found = shape_of(independent(x, rng=rng), rng=rng, rows=rows)
    note = "independent normal columns with the code's variances"
    names = ("two_nn", "mle", "participation", "hubness")
    return tuple(Baseline(name, getattr(found, name), note) for name in names)
