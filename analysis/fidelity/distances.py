"""How near samples are to real images in given features: Fréchet and kernel distances, precision and coverage.

The features are the caller's (a classifier's, an encoder's): figures compare models on one data set and features.
They are no FID, which has Inception's features; on 28 × 28 images in grey those mean little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Pixels, Seed, as_codes, as_rng, check_counts, rows_of, subsample
from ..base.distances import at_most, squared_gaps
from ..base.nearest import nearest
from ..base.parallel import one_blas_thread
from ..base.statistics import Interval, jackknife_interval, jackknife_parts, share_interval
from ..errors import AnalysisError

ROWS = 10_000


NEIGHBOURS = 5


MANIFOLD_ROWS = 4000  # of each side: the balls of k-NN depend on n, so that both sides have as many


SUBSET = 1000


SUBSETS = 100


RESAMPLES = 40


PARTS = 20  # of either side, that are left out


SPARE = 16  # neighbours beyond the k nearest, of which enough are left without a part


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Two sets of rows in one space of features; both distances are 0 where the distributions are one."""

    real: int
    """Real rows."""
    fake: int
    """Generated rows."""
    width: int
    """Features of a row."""
    frechet: Interval
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), extrapolated to infinitely many rows."""
    frechet_plain: float
    """As it is, which is too large by about a constant over n."""
    kernel: Interval
    """Unbiased MMD² with kernel (xᵀy / d + 1)³, mean over subsets."""
    subset: int
    """Rows of each subset."""
    precision: Interval
    """Samples within a real row's k-NN ball."""
    recall: Interval
    """Real rows within a sample's k-NN ball."""
    density: Interval
    """Mean number of real balls that a sample lies in, over k."""
    coverage: Interval
    """Real rows whose ball holds a sample."""
    k: int
    """Neighbours that a ball reaches to."""
    manifold_rows: int
    """Rows of each side that the last four were measured on."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Samples beside real rows, and real rows beside other real rows as the baseline."""

    kind: ClassVar[str] = "fidelity"

    features: str
    """Vector column that distances are measured in."""
    samples: Distances
    """Of samples from held-out real rows."""
    baseline: Distances | None
    """Real train rows in the samples' place; None without a split."""
    copying: Copying | None
    """How close samples lie to train rows; None where it was not asked."""
    modes: Modes
    """Of samples: how many there are where `repeats`, else only its lower end counts."""
    real_duplicates: Duplicates
    """Of the baseline's rows, or without one of the held-out ones."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    shown: Pixels | None = None
    """(m, h, w, c) of the samples `copying.sample_rows`, beside their nearest train rows."""
    real_pairs: Ints | None = None
    """(m, 2) held-out rows that lie nearest to a train row, and that one; table rows."""
    real_distances: Doubles | None = None
    """(m,) their distances."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    @property
    def repeats(self) -> bool:
        """Whether two samples are duplicates more often than two real rows: the intervals of the shares are apart."""
        return 1 / self.modes.number.high > self.real_duplicates.share.high

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        if self.shown is None or self.copying is None or self.real_pairs is None:
            return rows_of()
        return rows_of(self.copying.nearest, self.real_pairs)


@dataclass(frozen=True, kw_only=True)
class Copying:
    """Whether samples lie nearer to the training rows than other real rows do."""

    closer: Interval
    """P(a held-out row is farther from train than a sample is); 0.5 copies nothing, 1 everything."""
    ratio: Interval
    """Median distance to the nearest train row, samples over held-out rows."""
    copies: int
    """Samples nearer to a train row than 99 % of held-out rows; 1 % is expected."""
    samples: int
    """Samples that were compared."""
    nearest: Ints
    """(m,) the nearest train row of the samples that are nearest to one, nearest first."""
    sample_rows: Ints
    """(m,) those samples; positions among the rows given, in `Fidelity` rows of the tables."""
    distances: Doubles
    """(m,) from those samples to their nearest train rows, ascending."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """How often two rows are duplicates."""

    share: Interval
    """P(two rows are duplicates)."""
    pairs: int
    """Duplicates found."""
    rows: int
    threshold: float
    """Distance up to which two rows are duplicates."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """How many different rows there are, by the share of pairs that are duplicates (birthday paradox).

    It tells of a source that repeats itself at a distance at which real rows do not. At a distance that real rows
    have to their nearest, their own number follows from how many rows there are.
    """

    number: Interval
    """1 / P(two rows are duplicates); inf where no pair is."""
    pairs: int
    """Duplicates found."""
    rows: int
    threshold: float
    """Distance up to which two rows are duplicates."""


def frechet_distance(x: Floats, y: Floats) -> float:
    """Return |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½, the Fréchet distance of two sets of rows.

    tr (Σ₁ Σ₂)^½ is the sum of the singular values of A Bᵀ, where AᵀA = Σ₁ and BᵀB = Σ₂: no matrix root, no
    imaginary parts, and exact for singular covariances. Covariances divide by n − 1.

    Args:
        x: (n, d) rows.
        y: (m, d) rows.

    Returns:
        The distance, 0 or more.

    Raises:
        AnalysisError: unequal widths, fewer than 2 rows on a side, or values that are not finite.

    Source:
        Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500).
    """
    x, y = _pair(x, y)
    first, other = _moments(x), _moments(y)
    return _frechet(first, other)


def _pair(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return two sets of rows (n, d), (m, d) as arrays that a distance can be measured between."""
    x, y = as_codes(x, "the first set of rows"), as_codes(y, "the second set of rows")
    if x.shape[1] != y.shape[1]:
        raise AnalysisError(f"a distance is between rows of one width: the first have {x.shape[1]}, not {y.shape[1]}")
    if min(len(x), len(y)) < 2:
        raise AnalysisError(f"a distance of distributions needs 2 rows on either side, not {len(x)} and {len(y)}")
    return x, y


def _moments(x: Floats) -> tuple[Doubles, Doubles, float]:
    """Mean (d,), a factor R (r, d) with RᵀR = Σ, and tr Σ."""
    rows = x.astype(np.float64)
    mean = rows.mean(0)
    rows -= mean
    trace = float(np.square(rows).sum()) / (len(rows) - 1)
    if len(rows) > rows.shape[1]:
        values, vectors = np.linalg.eigh(rows.T @ rows / (len(rows) - 1))
        return mean, np.sqrt(np.maximum(values, 0))[:, None] * vectors.T, trace
    return mean, rows / math.sqrt(len(rows) - 1), trace


def _frechet(first: tuple[Doubles, Doubles, float], other: tuple[Doubles, Doubles, float]) -> float:
    shared = np.linalg.svd(first[1] @ other[1].T, compute_uv=False)
    return float(np.square(first[0] - other[0]).sum() + first[2] + other[2] - 2 * shared.sum())


def frechet_interval(x: Floats, y: Floats, *, rng: np.random.Generator, resamples: int = RESAMPLES) -> Interval:
    """The Fréchet distance at infinitely many rows, from halves and wholes (Chong & Forsyth 2020, FID∞).

    The bias is c / n to first order, so that F∞ = 2 F(n) − F(n / 2). Each split of the rows into halves gives two
    values; the interval is a jackknife's over 10 groups of rows.

    Args:
        x: (n, d) features of one side.
        y: (m, d) features of the other.
        rng: generator of the splits.
        resamples: a tenth of so many splits give the value; without each group of rows there is one split.
    Returns:
        The extrapolated distance with a 95 % interval; its n counts the smaller side.
    """

    def extrapolated(a: Floats, b: Floats, splits: int) -> float:
        whole = frechet_distance(a, b)
        halves = []
        for _ in range(splits):
            i, j = rng.permutation(len(a)), rng.permutation(len(b))
            for part in (slice(None, None, 2), slice(1, None, 2)):
                halves.append(frechet_distance(a[i[part]], b[j[part]]))
        return 2 * whole - float(np.mean(halves))

    x, y = x[rng.permutation(len(x))], y[rng.permutation(len(y))]
    value = extrapolated(x, y, max(1, resamples // 10))
    parts = np.arange(len(x)) % 10, np.arange(len(y)) % 10
    left = np.array([extrapolated(x[parts[0] != g], y[parts[1] != g], 1) for g in range(10)])
    return jackknife_interval(value, left, min(len(x), len(y)))


def kernel_distance(x: Floats, y: Floats) -> float:
    """Return the unbiased MMD² of two sets of rows with kernel (xᵀy / d + 1)³.

    Args:
        x: (n, d) rows.
        y: (m, d) rows.

    Returns:
        The distance, which may lie below 0.

    Raises:
        AnalysisError: unequal widths, fewer than 2 rows on a side, or values that are not finite.

    Source:
        Bińkowski et al. 2018 (arXiv:1801.01401).
    """
    x, y = _pair(x, y)
    a, b = x.astype(np.float64), y.astype(np.float64)
    n, m, d = len(a), len(b), a.shape[1]
    within = []
    for z, count in ((a, n), (b, m)):
        kernel = (z @ z.T / d + 1) ** 3
        within.append((float(kernel.sum()) - float(np.trace(kernel))) / (count * (count - 1)))
    return within[0] + within[1] - 2 * float(((a @ b.T / d + 1) ** 3).mean())


def kernel_interval(
    x: Floats, y: Floats, *, rng: np.random.Generator, subset: int = SUBSET, subsets: int = SUBSETS
) -> tuple[Interval, int]:
    """Mean kernel distance over subsets that fit, and their size.

    Each pair of subsets is drawn without replacement; the interval is Student's over the disjoint ones that fit,
    since overlapping subsets would vary too little together.

    Args:
        x: (n, d) features of one side.
        y: (m, d) features of the other.
        rng: generator of the subsets.
        subset: rows of a subset, at most a quarter of the smaller side.
        subsets: about a quarter of so many pairs of subsets give the value.
    Returns:
        The mean distance with a 95 % interval, whose n counts the smaller side, and the rows of a subset.
    """
    from ..base.statistics import mean_interval

    least = min(len(x), len(y))
    size = min(subset, least // 4)  # four disjoint ones at least
    fitting = least // size
    values: list[Doubles] = []
    for _ in range(max(1, subsets // fitting // 4)):
        i, j = rng.permutation(len(x)), rng.permutation(len(y))
        parts = [slice(start * size, (start + 1) * size) for start in range(fitting)]
        values.append(np.array([kernel_distance(x[i[p]], y[j[p]]) for p in parts]))
    once = mean_interval(values[0])
    value = float(np.mean(values))
    return Interval(value, value - once.half, value + once.half, least), size


def manifold_scores(
    real: Floats, fake: Floats, *, k: int = NEIGHBOURS, rng: np.random.Generator
) -> tuple[Interval, Interval, Interval, Interval]:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) of (n, d), (m, d) rows.

    A row's ball reaches to its k-th nearest other row of its own side. The balls of more rows are smaller, so that the
    intervals are for the mean of these scores over other rows, n and m of them; not for those of very many. Rows have
    their balls in common, and these vary too: both sides are left out in parts (a jackknife), with the balls of the
    rows that stay.

    Args:
        real: (n, d) features of real images.
        fake: (m, d) features of generated images.
        k: neighbours that a ball reaches to.
        rng: generator of the parts that are left out.
    Returns:
        Precision, recall, density and coverage, each with a 95 % interval.
    """
    n, m = len(real), len(fake)
    sides = tuple(jackknife_parts(len(z), rng=rng, parts=PARTS) for z in (real, fake))
    radii = [_radii(z, k, part) for z, part in zip((real, fake), sides, strict=True)]
    stay = [np.column_stack([np.ones(len(part), np.bool_), part[:, None] != np.arange(PARTS)]) for part in sides]
    balls, recalled, covered = np.zeros((m, 1 + PARTS)), *np.zeros((2, n, 1 + PARTS), np.bool_)
    block = max(1, 4_000_000 // n)
    for start in range(0, m, block):
        rows = slice(start, start + block)
        gaps = squared_gaps(fake[rows], real)
        for g in range(1 + PARTS):
            limits = radii[0][:, g], radii[1][rows, g, None]
            if g == 0:
                within, without = (at_most(gaps, limit, fake[rows], real) for limit in limits)
            else:
                within, without = (gaps <= limit for limit in limits)
            balls[rows, g] = within @ stay[0][:, g].astype(np.float32)
            covered[:, g] |= within[stay[1][rows, g]].any(0)
            recalled[:, g] |= without[stay[1][rows, g]].any(0)
    counts = [side.sum(0) for side in stay]
    precision, density = (((values * stay[1]).sum(0) / counts[1]) for values in (balls > 0, balls / k))
    recall, coverage = (((values & stay[0]).sum(0) / counts[0]) for values in (recalled, covered))
    thick = jackknife_interval(float(density[0]), density[1:], m)
    shares = [
        share_interval(float(share[0]), share[1:], rows, together=k)
        for share, rows in ((precision, m), (recall, n), (coverage, n))
    ]
    return shares[0], shares[1], Interval(thick.value, max(0.0, thick.low), thick.high, m), shares[2]


def _radii(x: Floats, k: int, part: Ints) -> Doubles:
    """Squared distance of each row to its k-th nearest other row, of all and without each part: (n, 1 + parts).

    Rounded up, so that one as far is within. Without a part it is found among the k + `SPARE` nearest of all.
    """
    index, distance = nearest(x, x, k=k + SPARE, exclude_self=True)
    k = min(k, distance.shape[1])
    out = np.empty((len(x), 1 + PARTS))
    out[:, 0] = distance[:, k - 1]
    for g in range(PARTS):
        number = np.cumsum(part[index] != g, axis=1)
        place = np.minimum((number < k).sum(1), distance.shape[1] - 1)
        out[:, 1 + g] = np.take_along_axis(distance, place[:, None], 1)[:, 0]
    return np.square(out) * (1 + 1e-9)


def compare_samples(real: Floats, fake: Floats, *, rng: Seed = 0, rows: int = ROWS, k: int = NEIGHBOURS) -> Distances:
    """Measure all distances between real and generated features.

    Args:
        real: (n, d) features of real images.
        fake: (m, d) features of generated images, by the same network.
        rng: generator or seed of the subsets.
        rows: at most so many rows of either side are used.
        k: neighbours that a ball of precision, recall, density and coverage reaches to.

    Returns:
        The distances, with their intervals.

    Raises:
        AnalysisError: unequal widths, or fewer than 50 rows on a side.
    """
    rng = as_rng(rng)
    check_counts(k=k)
    check_counts(50, rows=rows)
    real, fake = as_codes(real, "the real features"), as_codes(fake, "the samples' features")
    if real.shape[1] != fake.shape[1]:
        raise AnalysisError(
            f"features must be the same on both sides: {real.shape[1]} columns of real rows, {fake.shape[1]} of samples"
        )
    if min(len(real), len(fake)) < 50:
        raise AnalysisError(f"fidelity needs at least 50 rows on either side, not {len(real)} and {len(fake)}")
    x, y = (z[subsample(np.arange(len(z)), rows, rng=rng)].astype(np.float64) for z in (real, fake))
    fit = min(len(x), len(y), MANIFOLD_ROWS)
    a, b = (z[subsample(np.arange(len(z)), fit, rng=rng)] for z in (x, y))
    with one_blas_thread():
        kernel, subset = kernel_interval(x, y, rng=rng)
        precision, recall, density, coverage = manifold_scores(a, b, k=k, rng=rng)
        return Distances(
            real=len(x),
            fake=len(y),
            width=x.shape[1],
            frechet=frechet_interval(x, y, rng=rng),
            frechet_plain=frechet_distance(x, y),
            kernel=kernel,
            subset=subset,
            precision=precision,
            recall=recall,
            density=density,
            coverage=coverage,
            k=k,
            manifold_rows=fit,
        )


def warnings_of(distances: Distances) -> list[str]:
    """Warn where there are too few rows for a distance; [] where there are enough."""
    least, notes = min(distances.real, distances.fake), []
    if least <= distances.width:
        notes.append(
            f"{least:,} rows of {distances.width:,} features: covariances are singular, and Fréchet distances of so "
            "few rows compare only with others of as many"
        )
    elif least < 10 * distances.width:
        notes.append(
            f"{least:,} rows are few for covariances of {distances.width:,} features: ten times as many are usual"
        )
    if distances.subset < SUBSET:
        notes.append(f"kernel distances are of subsets of {distances.subset:,} rows, not the usual {SUBSET:,}")
    return notes
