"""How well positions along a direction tell a concept where other concepts are the same: evidence within strata.

Where concepts are correlated in the rows, a direction may look independent of one although an edit moves it, and the
other way round. Rows are therefore compared with rows alike in the preserved concepts alone:

    AUC       pairs of rows of one stratum, strata weighted by n₊ n₋ / (n₊ + n₋) (van Elteren 1960)
    R²        of the number's residual given the preserved concepts, predicted from the position's residual (squared
              partial correlation, at the train rows' slope)

A stratum holds the rows that agree in every preserved class, boolean and text and are near each other in preserved
numbers. What a smooth curve of preserved numbers explains is first taken out of the positions: quadratic splines, whose
line and parabola may differ between preserved classes, and products of two numbers. p-values shuffle rows within
strata.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints
from ..base.rank_tests import below_floor
from ..base.statistics import UNKNOWN, Interval, Z, bootstrap_ratio, permutation_p, ranks
from .targets import ConceptTarget

MAX_BINS = 10  # of a preserved number


MIN_ROWS_PER_BIN = 40  # a bin at least, where there are so many


MAX_KNOTS = 9  # where curves of a preserved number bend


MIN_ROWS_PER_KNOT = 15


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Rows that are alike in the preserved concepts."""

    groups: Ints
    """(n,) from 0; -1 where a preserved concept is unknown."""
    design: Doubles
    """(n, k) of the preserved concepts: groups of classes, numbers and curves of them."""
    numbers: bool
    """Whether a number is among them."""

    def without(self, positions: Floats) -> Doubles:
        """What the preserved numbers leave of positions (n,), by least squares; as they are without a number."""
        return residuals(positions, self.design) if self.numbers else np.asarray(positions, np.float64)

    def shuffles(self, repeats: int, rng: np.random.Generator) -> Ints:
        """Orders of the rows that change places within strata only: (repeats, n)."""
        n = len(self.groups)
        at = np.argsort(self.groups, kind="stable")
        result = np.tile(np.arange(n), (repeats, 1))
        for order in result:
            order[at] = np.lexsort((rng.random(n), self.groups))
        return result


def strata_of(preserved: Sequence[ConceptTarget], rows: Ints) -> Strata:
    """Cut `rows` (n,) of the table into strata of the preserved concepts."""
    is_known = np.ones(len(rows), np.bool_)
    classes, numbers = [np.zeros(len(rows), np.int64)], []
    for target in preserved:
        if target.values is None:
            is_known &= target.signs[rows] != 0
            classes.append(target.signs[rows])
        else:
            is_known &= np.isfinite(target.values[rows])
            numbers.append(np.nan_to_num(target.values[rows].astype(np.float64)))
    plain = _numbered(np.stack(classes, axis=1))
    cells, design = [plain], [plain[:, None] == np.unique(plain[is_known])]
    lines: list[Doubles] = []
    for values in numbers:
        bins = int(np.clip(is_known.sum() // MIN_ROWS_PER_BIN, 2, MAX_BINS))
        edges = np.quantile(values[is_known], np.arange(1, bins) / bins) if is_known.any() else np.zeros(0)
        cells.append(np.searchsorted(edges, values))
        scaled = (values - values[is_known].mean()) / (values[is_known].std() or 1.0) if is_known.any() else values
        design += [_curve(scaled, is_known), *(scaled[:, None] * other for other in lines)]
        design += [_within(scaled, plain == group) for group in np.unique(plain[is_known])[1:]]
        lines.append(scaled[:, None])
    groups = _numbered(np.stack(cells, axis=1))
    return Strata(
        groups=np.where(is_known, groups, -1), design=np.hstack(design).astype(np.float64), numbers=bool(numbers)
    )


def _curve(scaled: Doubles, is_known: Bools) -> Doubles:
    """Columns whose sums are smooth curves of a number (n,): a line, a parabola, and its bends at quantiles.

    Splines of degree 2, of which a relation that is no parabola needs the bends.
    """
    knots = int(np.clip(is_known.sum() // MIN_ROWS_PER_KNOT, 0, MAX_KNOTS))
    places = np.quantile(scaled[is_known], np.arange(1, knots + 1) / (knots + 1)) if knots else np.zeros(0)
    bends = np.square(np.maximum(scaled[:, None] - np.unique(places), 0))
    return np.column_stack([scaled, np.square(scaled), bends])


def _within(scaled: Doubles, rows: Bools) -> Doubles:
    """Columns by which the line and the parabola of a number (n,) differ in one class; none where it has few rows."""
    columns = np.column_stack([scaled, np.square(scaled)]) * rows[:, None]
    return columns if np.count_nonzero(rows) >= MIN_ROWS_PER_BIN else columns[:, :0]


def _numbered(cells: Ints) -> Ints:
    result: Ints = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return result


def residuals(values: Floats, design: Doubles) -> Doubles:
    """What least squares on the columns of a design (n, k) leave of values (n,) or (n, m)."""
    y = np.asarray(values, np.float64)
    if not design.shape[1]:
        return y
    u, s, _ = np.linalg.svd(design, full_matrices=False)
    u = u[:, s > 1e-9 * s[0]] if len(s) and s[0] > 0 else u[:, :0]
    left: Doubles = y - u @ (u.T @ y)
    return left


def stratified_auc(scores: Floats, positive: Bools, groups: Ints) -> Interval:
    """AUC of pairs of rows within groups (n,), those below 0 left out, with its 95 % interval.

    The interval solves |A − θ| = z sd(θ), sd(θ)² = c θ (1 − θ), where c makes it the variance of the placements at A,
    but no less than that of rows without an effect.
    """
    value = variance = null = weight = 0.0
    n = 0
    for group in np.unique(groups[groups >= 0]):
        x, y = scores[(groups == group) & positive], scores[(groups == group) & ~positive]
        m, k = len(x), len(y)
        if not m or not k:
            continue
        w = m * k / (m + k)
        placed = ranks(np.concatenate([x, y]))
        above, below = placed[:m] - ranks(x), placed[m:] - ranks(y)  # rows of the other side that each lies above
        value += w * float(above.sum()) / (m * k)
        n, weight, null = n + m + k, weight + w, null + w * w * (m + k + 1) / (12 * m * k)
        total = sum(
            float(part.var(ddof=1)) / (len(part) * size**2) if len(part) > 1 else 1 / 12
            for part, size in ((above, k), (below, m))
        )
        variance += w * w * total
    if not n:
        return UNKNOWN
    value, variance, null = value / weight, variance / weight**2, null / weight**2
    inside = value * (1 - value)
    c = max(variance / inside if inside > 0 else 0.0, 4 * null)
    z2 = Z * Z * c
    centre, half = (value + z2 / 2) / (1 + z2), math.sqrt(z2 * inside + z2 * z2 / 4) / (1 + z2)
    return Interval(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)), n)


def auc_p_within(scores: Floats, positive: Bools, strata: Strata, repeats: int, rng: np.random.Generator) -> float:
    """p-value of a stratified AUC above 0.5: of rows shuffled within strata, and below their floor by its normal."""
    groups = strata.groups
    use = np.zeros(len(groups), np.bool_)
    placed, weight, variance = np.zeros(len(groups)), np.zeros(len(groups)), 0.0
    for group in np.unique(groups[groups >= 0]):
        inside = groups == group
        m, k = int((inside & positive).sum()), int((inside & ~positive).sum())
        if not m or not k:
            continue
        use |= inside
        r = ranks(scores[inside])
        placed[inside], weight[inside] = r - r.mean(), 1 / (m + k)  # w (A − ½) = Σ₊ (r − r̄) / (m + k)
        variance += m * k / ((m + k) * max(1, m + k - 1)) * float(np.square(r - r.mean()).sum()) / (m + k) ** 2
    if not use.any():
        return math.nan
    score = placed * weight
    observed = float(score[positive].sum())
    null = np.array([score[order][positive].sum() for order in strata.shuffles(repeats, rng)])
    z = observed / math.sqrt(variance) if variance > 0 else 0.0
    return below_floor(permutation_p(observed - 1e-12, null), repeats, _upper(z))


def partial_r2(
    train: tuple[Floats, Doubles, Doubles], test: tuple[Floats, Doubles, Doubles], rng: np.random.Generator
) -> Interval:
    """R² of what the design leaves of a number by what it leaves of positions; each side (positions, numbers, design).

    Rows that are not known are left out beforehand. The slope is that of the train rows.
    """
    (x, y), (a, b) = ((residuals(p, d), residuals(v, d)) for p, v, d in (train, test))
    slope = float(x @ y) / float(x @ x) if float(x @ x) > 0 else 0.0
    if not len(b) or not float(b @ b) > 0:
        return UNKNOWN
    error = bootstrap_ratio(np.square(b - slope * a), np.square(b), rng=rng, repeats=500)
    return Interval(1 - error.value, 1 - error.high, 1 - error.low, error.n)


def partial_p(
    positions: Floats, values: Doubles, strata: Strata, repeats: int, rng: np.random.Generator, *, sign: float
) -> float:
    """p-value of a partial correlation of that sign, of rows (n,) that are all known, shuffled within strata.

    Least squares took `rank` degrees of freedom from the residuals, which shuffles do not know: the product of two
    shuffled residuals varies less than that of two fresh ones, by (n − rank) / (n − 1), and is widened by as much.
    """
    a, b = residuals(positions, strata.design), residuals(values, strata.design)
    observed, tie = sign * float(a @ b), 1e-9 * float(np.abs(a) @ np.abs(b))
    n, rank = len(a), int(np.linalg.matrix_rank(strata.design)) if strata.design.size else 0
    wider = math.sqrt(max(1, n - 1) / max(1, n - rank))
    null = wider * np.array([sign * float(a @ b[order]) for order in strata.shuffles(repeats, rng)])
    size = wider * math.sqrt(float(a @ a) * float(b @ b) / max(1, n - 1))
    return below_floor(permutation_p(observed - tie, null), repeats, _upper(observed / size if size > 0 else 0.0))


def evidence_within(
    target: ConceptTarget,
    preserved: Sequence[ConceptTarget],
    rows: tuple[Ints, Ints],
    along: tuple[Floats, Floats],
    repeats: int,
    rng: np.random.Generator,
) -> tuple[Interval, Interval | None, float]:
    """Score positions within strata of the preserved concepts: AUC, partial R² of a number, and the p-value.

    Args:
        target: the concept.
        preserved: concepts that are alike within a stratum.
        rows: (n,) train and (n',) test rows of the table.
        along: their positions along the direction, (n,) and (n',).
        repeats: shuffles within strata behind the p-value.
        rng: of the shuffles and the bootstrap.

    Returns:
        AUC; partial R² of a number, else None; one-sided p-value of R² if there is one, else of the AUC.
    """
    strata, (_, scores) = strata_of(preserved, rows[1]), along
    signs, free = target.signs[rows[1]], strata.without(scores)
    groups = np.where(signs == 0, -1, strata.groups)
    area = stratified_auc(free, signs > 0, groups)
    if target.values is None:
        return area, None, auc_p_within(free, signs > 0, replace(strata, groups=groups), repeats, rng)
    sides, tested = [], UNKNOWN
    for signs_of_rows, positions in zip(rows, along, strict=True):
        cut, values = strata_of(preserved, signs_of_rows), target.values[signs_of_rows].astype(np.float64)
        use = (cut.groups >= 0) & np.isfinite(values)
        sides.append((np.asarray(positions)[use], values[use], cut.design[use]))
    if all(len(side[0]) > side[2].shape[1] + 2 for side in sides):
        tested = partial_r2(sides[0], sides[1], rng)
    use = (strata.groups >= 0) & np.isfinite(target.values[rows[1]])
    inside = Strata(groups=strata.groups[use], design=strata.design[use], numbers=strata.numbers)
    x, y, design = sides[0]
    sign = 1.0 if float(residuals(x, design) @ residuals(y, design)) >= 0 else -1.0
    p = partial_p(sides[1][0], sides[1][1], inside, repeats, rng, sign=sign) if use.any() else math.nan
    return area, tested, p


def _upper(z: float) -> float:
    """P(N(0, 1) ≥ z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))
