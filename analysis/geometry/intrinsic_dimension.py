"""The shape of a cloud of codes: how many dimensions it fills, and whether some rows are everybody's neighbours.

Euclidean distances; all figures but hubness' scale stay the same under rotation, scale and order of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Seed, as_codes, as_rng, check_counts, rows_of, subsample
from ..base.nearest import nearest, without_parts
from ..base.statistics import LEVEL, UNKNOWN, Baseline, Interval, jackknife_interval, jackknife_parts, without_interval
from ..errors import AnalysisError
from .spectrum import rank_me, spectral_decay

ROWS = 10_000


DISCARD = 0.1  # of the largest ratios, which the fit of TwoNN leaves out, as its authors do


MLE_RANGE = (10, 20)  # numbers of neighbours that the maximum-likelihood estimate averages over, as its authors do


WIDE = 10  # times as many rows as neighbours, from which there is an interval of it


HUB_NEIGHBOURS = 10


PAIRED = 2000  # rows of which all pairs are looked at


SPARE = 12  # neighbours that are found beyond those needed, of which enough are left without a part of the rows


INDEPENDENT = (
    0.65  # rows that count: mutual neighbours share a distance; the variance measured on tori is 1.4 to 1.55 times χ²'s
)


CUBES = (1, 2, 3, 4, 6, 9, 13, 20, 32, 50, 100)


SIZES = (50, 150, 500, 1500, 5000, 10_000)
"""Dimensions and numbers of rows of simulated clouds: uniform in a cube, and normal. Below stands what is estimated of
the one of the two of which less is, for each dimension (down) and number of rows (across)."""


TWO_NN_OF_CUBES: Doubles = np.array(
    [
        [0.97, 0.99, 1.00, 1.00, 1.00, 1.00],
        [1.89, 1.93, 1.98, 1.98, 1.99, 2.00],
        [2.73, 2.82, 2.89, 2.92, 2.94, 2.97],
        [3.54, 3.66, 3.74, 3.80, 3.90, 3.88],
        [5.01, 5.23, 5.37, 5.50, 5.57, 5.63],
        [7.03, 7.34, 7.64, 7.81, 8.09, 8.18],
        [9.42, 10.03, 10.40, 10.60, 10.79, 11.13],
        [13.24, 14.14, 14.90, 15.21, 15.66, 15.85],
        [18.36, 20.16, 21.30, 22.10, 23.23, 23.00],
        [24.29, 27.10, 29.35, 30.74, 31.95, 32.89],
        [35.82, 40.57, 44.89, 47.56, 51.86, 53.25],
    ]
)


MLE_OF_CUBES: Doubles = np.array(
    [
        [0.94, 0.98, 0.99, 1.00, 1.00, 1.00],
        [1.75, 1.87, 1.93, 1.96, 1.97, 1.99],
        [2.50, 2.66, 2.77, 2.85, 2.89, 2.91],
        [3.18, 3.43, 3.58, 3.68, 3.77, 3.80],
        [4.42, 4.83, 5.09, 5.24, 5.42, 5.48],
        [6.05, 6.73, 7.14, 7.41, 7.67, 7.81],
        [7.72, 9.01, 9.72, 10.12, 10.43, 10.65],
        [10.03, 12.28, 13.58, 14.35, 14.96, 15.19],
        [13.13, 16.48, 19.03, 20.41, 21.74, 22.13],
        [16.78, 21.49, 25.14, 27.84, 29.84, 30.83],
        [24.36, 31.75, 37.58, 42.03, 46.25, 48.16],
    ]
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Dimensions and hubs of (n, d) rows."""

    representation: str
    """Name of what the rows are."""
    baseline: bool
    """Whether it is a baseline of the code."""
    width: int
    """d."""
    rows: int
    """n looked at."""
    two_nn: Interval
    """Intrinsic dimension from the ratio of the two nearest distances."""
    mle: Interval
    """Intrinsic dimension by maximum likelihood; both intervals allow for edges, see `with_edges`."""
    participation: Interval
    """(Σ λ)² / Σ λ² of the covariance: dimensions that hold variance."""
    hubness: Interval
    """Skewness of how often a row is among the 10 nearest of others; 0 has no hubs."""
    hubs: float
    """Share of all neighbour places that the 1 % of rows hold that are chosen most."""
    duplicates: int
    """Rows with an equal one, left out of the dimensions."""
    rank_me: Interval = UNKNOWN
    """Effective number of directions, between 1 and the width."""
    spectral_decay: Interval = UNKNOWN
    """Exponent α of the power law of the covariance's eigenvalues."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The shape of a code, beside that of its baselines."""

    kind: ClassVar[str] = "geometry"

    shapes: tuple[Shape, ...]
    """Of the code, then of its baselines."""
    null: tuple[Baseline, ...]
    """Of independent normal columns with the code's variances, a figure each."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def shape_of(
    x: Floats, *, rng: Seed = 0, rows: int = ROWS, representation: str = "code", baseline: bool = False
) -> Shape:
    """Measure the shape of a cloud of rows: intrinsic dimension, participation ratio, hubness.

    Args:
        x: (n, d) rows.
        rng: draws the rows and the parts that jackknives leave out.
        rows: the most rows.
        representation: name of what the rows are.
        baseline: whether it is one of the baselines.

    Returns:
        The figures, with their intervals.

    Raises:
        AnalysisError: for fewer than 50 rows, or if fewer than 30 differ.
    """
    rng = as_rng(rng)
    check_counts(50, rows=rows)
    x = as_codes(x, representation)
    if len(x) < 50:
        raise AnalysisError(f"the shape of a cloud needs at least 50 rows, and there are {len(x)}")
    x = x[subsample(np.arange(len(x)), rows, rng=rng)]
    k = min(MLE_RANGE[1], len(x) - 1)
    unique = np.unique(x, axis=0) if len(x) < 2 or _has_twins(x) else x
    if len(unique) < 30:
        raise AnalysisError(f"only {len(unique)} of {len(x)} rows differ: they have no dimension")
    index, distances = nearest(unique, unique, k=min(k + SPARE, len(unique) - 1), exclude_self=True)
    mle = levina_bickel(distances, index=index, k=min(k, len(unique) - 1), rng=rng)
    index = index if unique is x else nearest(x, x, k=min(HUB_NEIGHBOURS + SPARE, len(x) - 1), exclude_self=True)[0]
    hub_neighbours = index[:, :HUB_NEIGHBOURS]
    counts = np.bincount(hub_neighbours.ravel(), minlength=len(x)).astype(np.float64)
    top = np.sort(counts)[::-1][: max(1, len(x) // 100)]
    return Shape(
        representation=representation,
        baseline=baseline,
        width=x.shape[1],
        rows=len(x),
        two_nn=two_nn(distances),
        mle=mle,
        participation=participation_ratio(x, rng=rng),
        hubness=hubness(index, k=hub_neighbours.shape[1], rng=rng),
        hubs=float(top.sum() / counts.sum()),
        duplicates=len(x) - len(unique),
        rank_me=rank_me(x),
        spectral_decay=spectral_decay(x),
    )


def _has_twins(x: Floats) -> bool:
    return bool((nearest(x, x, k=1, exclude_self=True)[1] == 0).any())


def two_nn(distances: Doubles) -> Interval:
    """Intrinsic dimension d: μ = r₂ / r₁ has P(μ > t) = t^−d.

    The fit of −log(1 − F(μ)) = d log μ through the origin, without the DISCARD largest ratios (Facco et al. 2017,
    Sci. Rep. 7, 12140). As the likelihood of the n′ = (1 − DISCARD) n smallest of n exponentials, censored above,
    it is d = n′ / (Σ log μ_i + (n − n′) log μ_n′), and 2 n′ d / d̂ is χ² with 2 n′ degrees of freedom. That is the
    figure and its interval (Denti et al. 2022, Sci. Rep. 12, 20005): less varying than the slope, and exact; its upper
    bound is raised as of `with_edges`.

    Args:
        distances: (n, at least 2) to other rows, nearest first.
    """
    from scipy.stats import chi2

    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    ratios = ratios[np.isfinite(ratios)]
    n = len(ratios)
    n_kept = max(1, round((1 - DISCARD) * n))
    total = float(ratios[:n_kept].sum() + (n - n_kept) * ratios[n_kept - 1])
    if total <= 0:
        return Interval(math.inf, math.nan, math.nan, n)
    value = n_kept / total
    effective = 2 * n_kept * INDEPENDENT
    low, high = chi2.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], effective) / effective
    return with_edges(Interval(value, value * float(low), value * float(high), n), TWO_NN_OF_CUBES)


def levina_bickel(
    distances: Doubles,
    *,
    index: Ints | None = None,
    k: int = 0,
    rng: np.random.Generator | None = None,
    least: int = MLE_RANGE[0],
) -> Interval:
    """Intrinsic dimension by maximum likelihood.

    1 / m̂_k = mean over rows of (k − 1)⁻¹ Σ_j<k log(r_k / r_j), the inverse averaged (MacKay & Ghahramani 2005)
    where Levina & Bickel 2004 average m̂; the mean over k from `least` to the number of columns. Rows have neighbours
    in common: a jackknife leaves out parts of the rows, with the neighbours that stay; then as of `with_edges`. There
    is no interval where neighbours are many for the rows: the tangent plane is then no picture of the cloud.

    Args:
        distances: (n, m) to others, nearest first.
        index: (n, m) which rows these are; without them there is no interval.
        k: the most neighbours; all m of them where it is 0. A dozen more leave enough where parts are left out.
        rng: draws the parts.
        least: the fewest neighbours.
    """
    k = k or distances.shape[1]
    value = _levina_bickel(distances[:, :k], least)
    n = int(np.count_nonzero(_usable(distances[:, :k])))
    if index is None or rng is None:
        return Interval(value, math.nan, math.nan, n)
    if n < WIDE * k:
        return without_interval(value, n, f"{k} neighbours of {n:,} rows reach so far that a cloud's curvature counts")
    part = jackknife_parts(len(distances), rng=rng)
    left = [
        _levina_bickel(np.take_along_axis(distances[stay], columns, 1), least)
        for stay, columns in without_parts(index, part, k)
    ]
    return with_edges(jackknife_interval(value, np.array(left), n), MLE_OF_CUBES)


def _usable(distances: Doubles) -> Bools:
    """Rows (n, k) without a neighbour at no distance."""
    return np.asarray((distances > 0).all(1), np.bool_)


def _levina_bickel(distances: Doubles, least: int) -> float:
    logs = np.log(distances[_usable(distances)])
    most = logs.shape[1]
    sums = np.cumsum(logs, axis=1)
    sizes = np.arange(min(least, most), most + 1)
    means = np.array([(logs[:, k - 1] - sums[:, k - 2] / (k - 1)).mean() for k in sizes if k > 1])
    return float(np.mean(1 / means)) if len(means) and (means > 0).all() else math.inf


def with_edges(interval: Interval, of_cubes: Doubles) -> Interval:
    """Raise an interval's upper bound so that it holds the dimension of a cloud with edges, as a cube has, or none.

    Near an edge, and in the tails of a normal cloud, rows have fewer neighbours than their distances promise, and an
    estimate is too low; by how much no row tells. The lower bound is that of a cloud without edges. The upper one is
    the dimension of the cube or normal cloud, of as many rows, whose estimate is the upper bound. Neither allows for
    curvature within the distance of the nearest rows, nor for noise, which raise an estimate.

    Args:
        interval: an estimate, with the interval for its mean over other rows.
        of_cubes: (dimensions, sizes) what is estimated, see `CUBES`.
    """
    if not (math.isfinite(interval.value) and math.isfinite(interval.high)):
        return interval
    at = np.interp(math.log(max(interval.n, 1)), np.log(SIZES), np.arange(len(SIZES)))
    first = int(at)
    last = min(first + 1, len(SIZES) - 1)
    estimates = of_cubes[:, first] + (at - first) * (of_cubes[:, last] - of_cubes[:, first])
    ratio = float(np.interp(interval.high, estimates, np.array(CUBES) / estimates))
    beyond = interval.high / float(estimates[-1])  # the ratio rises on as it did between the last two
    if beyond > 1:
        rise = math.log(ratio * float(estimates[-2]) / CUBES[-2]) / math.log(float(estimates[-1] / estimates[-2]))
        ratio *= beyond**rise
    return replace(interval, high=max(interval.high, interval.high * ratio))


def hubness(index: Ints, *, k: int, rng: np.random.Generator) -> Interval:
    """Skewness of how often a row is among the k nearest of others, with an interval for its mean over other rows.

    Args:
        index: (n, m ≥ k) nearest other rows of each, nearest first.
        k: number of neighbours that count.
        rng: draws the parts that the jackknife leaves out.
    """
    n = len(index)
    counts = np.bincount(index[:, :k].ravel(), minlength=n).astype(np.float64)
    part, left = jackknife_parts(n, rng=rng), []
    for stay, columns in without_parts(index, part, k):
        chosen = np.take_along_axis(index[stay], columns, 1)
        left.append(skewness(np.bincount(chosen.ravel(), minlength=n)[stay].astype(np.float64)))
    return jackknife_interval(skewness(counts), np.array(left), n)


def participation_ratio(x: Floats, *, rng: np.random.Generator, rows: int = PAIRED) -> Interval:
    """(Σ λ)² / Σ λ² of the covariance's eigenvalues of (n, d) rows, = (tr C)² / tr C², on at most `rows` of them.

    Both traces are means over pairs of different rows, of |x|² |y|² and (xᵀy)², which no row's own square biases
    (as in Chen & Qin 2010): the figure does not grow with n. The interval is the jackknife's over 20 groups.
    """
    sample = x[rng.permutation(len(x))[:rows]].astype(np.float64)
    sample -= sample.mean(0)
    gram = sample @ sample.T
    norms, n = gram.diagonal().copy(), len(sample)
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
    """All figures of a `Shape` for independent normal columns with the variances of (n, d) rows."""
    result = shape_of(independent(x, rng=rng), rng=rng, rows=rows)
    note = "independent normal columns with the code's variances"
    names = ("two_nn", "mle", "participation", "hubness", "rank_me", "spectral_decay")
    return tuple(Baseline(name=name, figure=getattr(result, name), note=note) for name in names)
