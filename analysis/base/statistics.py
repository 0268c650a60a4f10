"""Intervals and p-values: `Interval` is the one way in which this package states a figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AnalysisError
from .arrays import AnyArray, Bools, Doubles, Floats, Ints
from .baselines import Role, representation_role

LEVEL = 0.95


Z = 1.959963984540054  # normal quantile of 97.5 %


SIGNIFICANT = 0.05  # p, or q (false discovery rate), up to which a finding says that there is something


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; n counts what it was averaged over (test rows, draws, pairs)."""

    value: float
    """The estimate."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    n: int
    reason: str = ""
    """Where there is no interval, so that low and high are not numbers: "no interval: …", why."""

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    @property
    def symmetric(self) -> bool:
        """Whether '± half' tells the truth: the value lies in the interval's middle, to a tenth of its width."""
        return abs(self.value - (self.low + self.high) / 2) <= 0.1 * (self.high - self.low)

    def percent(self, digits: int = 1) -> str:
        """Write a fraction as '94.1 % ± 0.5' (half width, in points), or '100.0 % [87.5, 100.0]' if one-sided.

        Args:
            digits: behind the point.

        Returns:
            The text.
        """
        return f"{100 * self.value:.{digits}f} %{self._spread(100, digits)}"

    def plain(self, digits: int = 3) -> str:
        """Write as '0.941 ± 0.005', or '0.990 [0.940, 0.999]' where the interval is one-sided.

        Args:
            digits: behind the point.

        Returns:
            The text.
        """
        return f"{self.value:.{digits}f}{self._spread(1, digits)}"

    def _spread(self, scale: float, digits: int) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        if self.symmetric:
            return f" ± {scale * self.half:.{digits}f}"
        return f" [{scale * self.low:.{digits}f}, {scale * self.high:.{digits}f}]"

    def apart(self, other: Interval) -> bool:
        """Tell whether two intervals do not overlap.

        Args:
            other: interval.

        Returns:
            Whether one lies wholly above the other.
        """
        return self.low > other.high or other.low > self.high


def without_interval(value: float, n: int, why: str) -> Interval:
    """Return a figure that has no interval, and why; for one that is biased by what rows do not tell."""
    return Interval(value, math.nan, math.nan, n, f"no interval: {why}")


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline beside a figure, measured in the same way on something that learned nothing.

    Args:
        name: "pixels", "PCA 50 of pixels", "untrained.code", "shuffled", "random direction", ...
        figure: its figure.
        note: how it was measured.
        role: what it is; by default that of the representation of this name, else "chance".
    """

    name: str
    figure: Interval
    note: str = ""
    role: Role = ""  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not self.role:
            role = representation_role(self.name)
            object.__setattr__(self, "role", "chance" if role == "ours" else role)


UNKNOWN = Interval(math.nan, math.nan, math.nan, 0)


def percentiles(draws: Floats) -> tuple[float, float]:
    """The bounds between which the middle 95 % of resampled values lie."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(hits: int, n: int) -> Interval:
    """Wilson's score interval for a proportion (Wilson 1927); not degenerate at 0 or n hits."""
    return wilson_share(hits / n, n) if n else UNKNOWN


def wilson_share(p: float, n: int) -> Interval:
    """Wilson's interval for a share `p` of n rows; `p` n need not be whole (a mean over draws or neighbours)."""
    if n == 0:
        return UNKNOWN
    z2 = Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)), n)


def proportion(hits: Bools) -> Interval:
    """Mean of (n,) booleans with Wilson's interval, whose bounds never fall as hits rise, unlike a bootstrap's."""
    return wilson(int(np.count_nonzero(hits)), len(hits))


def bootstrap(
    statistic: Callable[..., float], *arrays: AnyArray, rng: np.random.Generator, repeats: int = 1000
) -> Interval:
    """Percentile bootstrap of `statistic(*arrays)` over their common rows, each (n, ...)."""
    n = len(arrays[0])
    if n == 0:
        return UNKNOWN
    draws = np.empty(repeats)
    for i in range(repeats):
        rows = rng.integers(n, size=n)
        draws[i] = statistic(*(array[rows] for array in arrays))
    low, high = percentiles(draws[np.isfinite(draws)]) if np.isfinite(draws).any() else (math.nan, math.nan)
    return Interval(float(statistic(*arrays)), low, high, n)


def bootstrap_mean(values: Floats, *, rng: np.random.Generator, repeats: int = 1000) -> Interval:
    """Percentile bootstrap of the mean of (n,) values over rows."""
    return bootstrap_ratio(values, np.ones(len(values)), rng=rng, repeats=repeats)


def bootstrap_ratio(above: Floats, below: Floats, *, rng: np.random.Generator, repeats: int = 1000) -> Interval:
    """Percentile bootstrap of sum(above) / sum(below) over common rows, each (n,)."""
    n = len(above)
    if n == 0:
        return UNKNOWN
    both = np.stack([above, below], axis=1).astype(np.float64)
    chunk = max(1, 2_000_000 // n)  # counts of `chunk` resamples at once: (chunk, n) doubles
    sums: list[Doubles] = []
    for start in range(0, repeats, chunk):
        m = min(chunk, repeats - start)
        rows = rng.integers(n, size=(m, n)) + n * np.arange(m)[:, None]
        counts = np.bincount(rows.ravel(), minlength=m * n).reshape(m, n)
        sums.append(counts @ both)
    total = np.concatenate(sums)
    low, high = percentiles(total[:, 0] / total[:, 1])
    return Interval(float(both[:, 0].sum() / both[:, 1].sum()), low, high, n)


def mean_interval(values: Floats) -> Interval:
    """Student's t interval for the mean of a few independent (n,) values, such as draws of labels."""
    from scipy.stats import t

    n = len(values)
    if n == 0:
        return UNKNOWN
    mean = float(np.mean(values))
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def r2_score(truth: Floats, predicted: Floats) -> float:
    """Share of variance explained, 1 − Σ(y − ŷ)² / Σ(y − mean y)²; NaN where y is constant."""
    spread = float(np.sum((truth - np.mean(truth)) ** 2))
    return 1 - float(np.sum((truth - predicted) ** 2)) / spread if spread > 0 else math.nan


def ranks(values: Floats) -> Doubles:
    """Rank (n,) values from 1; equal values share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    group = np.cumsum(first) - 1
    bounds = np.r_[np.flatnonzero(first), len(values)]
    shared = (bounds[:-1] + 1 + bounds[1:]) / 2
    out = np.empty(len(values))
    out[order] = shared[group]
    return out


def auc(scores: Floats, positive: Bools) -> float:
    """Area under the ROC curve: P(score of a positive row > of a negative one), ties counting a half."""
    m = int(np.count_nonzero(positive))
    n = len(positive) - m
    if m == 0 or n == 0:
        raise AnalysisError("an AUC needs positive and negative rows, and one of the two is missing")
    return float((ranks(scores)[positive].sum() - m * (m + 1) / 2) / (m * n))


def auc_interval(scores: Floats, positive: Bools, *, inflation: tuple[float, float] = (1.0, 1.0)) -> Interval:
    """AUC with a score interval whose variance is that of the placements, so that unequal spreads are covered.

    Solves |A − θ| = t · sd(θ) for θ. sd(θ)² has the shape of Hanley and McNeil's variance, as in Newcombe's method 5,
    and is scaled by c so that it is DeLong's variance of the placements at θ = A, but no less than Hanley and McNeil's.
    Near A = 1, where hardly any pair is out of order, placements say little of their own variance: c then moves to its
    largest possible value, that of θ (1 − θ) / min(m, n) (Birnbaum and Klose), by the weight (1 + e)⁻², where
    e = min(A, 1 − A) · min(m, n).

    Source:
        DeLong et al., Biometrics 44, 1988; Newcombe, Statist. Med. 25, 2006; Brunner and Munzel, Biom. J. 42, 2000, for
        the degrees of freedom of t; Birnbaum and Klose, Ann. Math. Statist. 28, 1957.
    """
    value = auc(scores, positive)
    m = int(np.count_nonzero(positive))
    n = len(positive) - m
    star, few = (m + n) / 2 - 1, min(m, n)

    def shape(theta: float) -> float:  # of Hanley and McNeil's variance, without its factor θ (1 − θ)
        return (1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta)) / (m * n)

    variance, quantile = _placement_variance(scores, positive)
    expected = value * (1 - value) * shape(value)
    design_effect = max(1.0, variance / expected) if expected > 0 else 1.0
    weight = 1 / (1 + few * min(value, 1 - value)) ** 2
    scale = (1 - weight) * design_effect + weight * max(1.0, 1 / (few * shape(value)))
    below, above = (max(quantile**2 * scale, Z**2 * least) for least in inflation)

    def deviation(theta: float, scale: float) -> float:
        return math.sqrt(max(0.0, scale * theta * (1 - theta) * shape(theta)))

    low = _bisect(lambda theta: value - theta - deviation(theta, below), 0.0, value)
    high = _bisect(lambda theta: theta - value - deviation(theta, above), 1.0, value)
    return Interval(value, low, high, m + n)


def _placement_variance(scores: Floats, positive: Bools) -> tuple[float, float]:
    """DeLong's variance of an AUC, and the quantile of t with Brunner and Munzel's degrees of freedom."""
    from scipy.stats import t

    overall, parts = ranks(scores), []
    for group in (positive, ~positive):
        placements = (overall[group] - ranks(scores[group])) / np.count_nonzero(~group)
        size = len(placements)
        parts.append((float(placements.var(ddof=1)) / size if size > 1 else 0.0, max(1, size - 1)))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0, Z
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return variance, float(t.ppf((1 + LEVEL) / 2, max(2.0, freedom)))


def _bisect(gap: Callable[[float], float], outer: float, inner: float) -> float:
    """Find where `gap` changes sign between `outer` (gap >= 0) and `inner` (gap <= 0)."""
    for _ in range(60):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if gap(middle) >= 0 else (outer, middle)
    return (outer + inner) / 2


def permutation_p(observed: float, null: Floats) -> float:
    """One-sided p-value (1 + #{null >= observed}) / (1 + n), never 0 (Phipson & Smyth 2010).

    Not a number where the figure is none; one of the null counts as no less.
    """
    if math.isnan(observed):
        return math.nan
    return float((1 + np.count_nonzero(~(np.asarray(null) < observed))) / (1 + len(null)))


def at_floor(p: float, shuffles: int) -> bool:
    """Whether none of so many shuffles did as well, so that p may be less than it says; never without shuffles."""
    return shuffles > 0 and p <= 1 / (shuffles + 1) + 1e-12


def false_discovery(p: Floats) -> Doubles:
    """Turn (m,) p-values into q-values: the least false discovery rate at which each is still called a discovery.

    q of the i-th smallest p is min over j >= i of m p_(j) / j (Benjamini & Hochberg 1995); NaN is not counted.
    """
    q = np.full(len(p), math.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    raised = np.asarray(p, np.float64)[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1)
    return q


def holm(p: Floats) -> Doubles:
    """Adjust (m,) p-values so that none is below a level by chance more often than the level says, however they depend.

    The i-th smallest becomes the largest of (m − j + 1) p_(j) over j ≤ i (Holm 1979); NaN is not counted.
    """
    adjusted = np.full(len(p), math.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    raised = np.asarray(p, np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted


def difference_p(difference: Interval, *, freedom: float = math.inf) -> float:
    """Two-sided p-value of a difference, 0.05 where its 95 % interval just reaches 0; not a number without an interval.

    Args:
        freedom: degrees of freedom of the Student's t that the interval was made by; infinite of a normal one.
    """
    from scipy.stats import t

    value = difference.value
    reach = value - difference.low if value > 0 else difference.high - value
    if not (math.isfinite(value) and math.isfinite(reach)):
        return math.nan
    if reach <= 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * t.sf(abs(value) / reach * t.ppf((1 + LEVEL) / 2, freedom), freedom))


def unpaired(interval: Interval, other: Interval) -> Interval:
    """The difference of two figures of different rows, from their intervals (MOVER: Zou & Donner 2008)."""
    value = interval.value - other.value
    low = value - math.hypot(interval.value - interval.low, other.high - other.value)
    high = value + math.hypot(interval.high - interval.value, other.value - other.low)
    return Interval(value, low, high, min(interval.n, other.n))


def permuted_auc(scores: Floats, positive: Bools, *, repeats: int, rng: np.random.Generator) -> Doubles:
    """AUCs of fixed `scores` against `repeats` shuffles of `positive`, the same ones for each column of scores.

    Args:
        scores: (n,) or (n, r).
        positive: (n,).

    Returns:
        (repeats,) or (repeats, r).
    """
    rank = ranks(scores) if scores.ndim == 1 else np.stack([ranks(column) for column in scores.T], axis=1)
    m, n = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    few = min(m, n)  # the smaller group's rank sum is enough
    sums = np.array([rank[rng.choice(m + n, size=few, replace=False)].sum(0) for _ in range(repeats)])
    won = sums - few * (few + 1) / 2  # pairs, a whole or half number, so that equal AUCs are equal to the last bit
    values: np.ndarray[Any, np.dtype[np.float64]] = (won if m <= n else m * n - won) / (m * n)
    return values


def correlation(x: Floats, y: Floats) -> Interval:
    """Pearson's correlation of (n,) and (n,) values with Fisher's interval; not a number where one is constant."""
    n = len(x)
    spread = float(np.std(x, dtype=np.float64)) * float(np.std(y, dtype=np.float64))
    if n < 4 or spread == 0:
        return Interval(math.nan, math.nan, math.nan, n)
    r = float(np.clip(np.mean((x - np.mean(x)) * (y - np.mean(y)), dtype=np.float64) / spread, -1, 1))
    if abs(r) == 1:
        return Interval(r, r, r, n)
    low, high = np.tanh(math.atanh(r) + Z / math.sqrt(n - 3) * np.array([-1, 1]))
    return Interval(r, float(low), float(high), n)


def jackknife(statistic: Callable[[AnyArray], float], values: AnyArray, *, groups: int = 20) -> Interval:
    """Delete-a-group jackknife of a statistic of (n, …) rows; row i is in group i mod `groups`.

    For statistics that equal rows would mislead, as a bootstrap draws them.
    """
    groups = min(groups, len(values))
    part = np.arange(len(values)) % groups
    left = np.array([statistic(values[part != g]) for g in range(groups)])
    return jackknife_interval(statistic(values), left, len(values))


def jackknife_interval(value: float, left: Floats, n: int) -> Interval:
    """Student's t interval of a figure from those without each group of rows, (groups,)."""
    from scipy.stats import t

    groups = len(left)
    if groups < 2 or not (np.isfinite(left).all() and math.isfinite(value)):
        return Interval(value, math.nan, math.nan, n)
    error = math.sqrt((groups - 1) / groups * float(np.square(left - left.mean()).sum()))
    half = float(t.ppf((1 + LEVEL) / 2, groups - 1)) * error
    return Interval(value, value - half, value + half, n)


def jackknife_parts(n: int, *, rng: np.random.Generator, parts: int = 20) -> Ints:
    """Parts of rows to leave out, one after the other, of equal size give or take a row: (n,) from 0."""
    return rng.permutation(n) % min(parts, n)


def share_interval(value: float, left: Floats, n: int, *, together: float = 1.0) -> Interval:
    """Interval for a share of n rows that depend on each other, from the shares without each part, (parts,).

    It holds the jackknife's, and Wilson's with the jackknife's variance, in which near 0 and 1, where all parts agree,
    n over `together` independent rows keep a width.
    """
    interval = jackknife_interval(value, left, n)
    if math.isnan(interval.low):
        return interval
    z2, worth = Z * Z, n / together
    centre = (value + z2 / (2 * worth)) / (1 + z2 / worth)
    half = math.sqrt(interval.half**2 + (z2 / (2 * worth)) ** 2) / (1 + z2 / worth)
    return Interval(value, max(0.0, min(interval.low, centre - half)), min(1.0, max(interval.high, centre + half)), n)


def discoveries(p: Doubles, rate: float = 0.05) -> Ints:
    """Which of (d,) p-values are discoveries at a false discovery rate (Benjamini & Hochberg 1995), ascending."""
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    return np.sort(order[: passed[-1] + 1]) if len(passed) else np.zeros(0, np.int64)
