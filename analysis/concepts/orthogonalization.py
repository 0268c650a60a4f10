"""Directions along which a concept changes while others stay: "a, preserving b".

By regression, unless projection is asked for: codes are regressed on a and the preserved concepts together, and the
direction is the coefficient of a: how codes of rows alike in b differ where a does. For preserved classes it is the
difference within classes, pooled. Where a and b are correlated in the rows, the plain direction of a holds part of b's,
and b's holds part of a's:

    z = a α + b β + …, correlation ρ of a and b      plain a ∝ α + ρ β, plain b ∝ β + ρ α, by regression ∝ α

By projection v' = v − C⁺ C v, where the rows of C are the plain unit directions of the preserved concepts and C⁺ is the
pseudo-inverse; for one concept that is v − (v·c) c (Shen et al. 2020, InterFaceGAN, arXiv:2005.09635, §3.3). It leaves
the code's position along c where it is. As c is ∝ β + ρ α above, an edit then moves b backwards about as far as the
plain one moved it forwards.

Conditions that nearly depend on those before them are named and left out, as what little is theirs is noise more than a
concept; `conditional_directions` leaves out only what is zero or an exact combination of others, as an edit must move
along no preserved direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, as_codes, as_numbers, as_point
from ..base.statistics import UNKNOWN, Interval
from ..errors import AnalysisError
from .directions import by_rows, unit

MIN_LENGTH_LEFT = 1e-6
"""A unit vector of which less is left lies within others, up to rounding."""


REGRESSION, PROJECTION = "regression", "projection"


PRESERVE_METHODS = (REGRESSION, PROJECTION)
"""How others are preserved, the default first."""


MIN_SHARE_LEFT = 1e-3
"""Preserved concepts that leave a smaller share of a concept's standard deviation determine it."""


MAX_CONDITION_NUMBER = 20.0
"""Condition number of unit directions up to which none nearly depends on the others."""


@dataclass(frozen=True, kw_only=True)
class PreservedConcept:
    """A concept that a conditional direction preserves; each pair is of the plain direction and the conditional one."""

    name: str
    """Of the preserved concept."""
    dependent: bool
    """Whether it was left out, as its direction nearly lies in the span of those before it."""
    cosine: tuple[float, float]
    """Of the direction with this concept's."""
    correlation: tuple[Interval, Interval]
    """Of the positions of test rows along the two."""
    ranked: tuple[Interval, Interval]
    """AUC or R² of this concept by the direction, on test rows."""
    moved: tuple[Interval, Interval] = (UNKNOWN, UNKNOWN)
    """How far an edit of strength 1 moves this concept, in its standard deviations; see `displacement`."""


@dataclass(frozen=True, kw_only=True)
class ConditionalConcept:
    """A direction of one concept that preserves others, and what it was made of."""

    concept: int
    """Position of the conditional direction in `ConceptTable.concepts`."""
    source: int
    """Position of the plain direction that it was made of."""
    left: float
    """By projection, length of what is left of the unit vector; by regression, share of the concept's standard
    deviation that the preserved ones leave. 1 where they were independent already."""
    condition: float
    """Condition number of the directions that were projected out, or of the preserved columns."""
    preserved: tuple[PreservedConcept, ...]
    """The concepts that it preserves."""
    by: str = PROJECTION
    """One of PRESERVE_METHODS."""
    moved: tuple[Interval, Interval] = (UNKNOWN, UNKNOWN)
    """How far an edit of strength 1 along the plain and the conditional direction moves the concept itself."""


@dataclass(frozen=True, kw_only=True)
class OrthogonalDirection:
    """A direction without its part in the span of others, or regressed together with others."""

    direction: Doubles
    """(d,) unit vector, zeros where nothing is left."""
    left: float
    """As of `ConditionalConcept`."""
    used: Bools
    """(c,) conditions that were taken out; the others nearly depend on those before them."""
    condition: float
    """Condition number of the used ones."""

    @property
    def gone(self) -> bool:
        """Whether the direction itself nearly lies in the span, so that what is left is noise."""
        return not self.direction.any()


@dataclass(frozen=True, kw_only=True)
class Span:
    """The space that the directions of conditions span."""

    basis: Doubles
    """(d, r) orthonormal."""
    used: Bools
    """(c,) conditions that span it; the others nearly depend on those before them."""
    condition: float
    """Condition number of the used ones."""

    def taken_out(self, v: Doubles) -> Doubles:
        """v − C⁺ C v of vectors (..., d): C⁺ C is the projector on the span, here Q Qᵀ of the basis Q."""
        for _ in range(2):  # twice, as rounding is all that the first pass leaves of a dependent one
            v = v - (v @ self.basis) @ self.basis.T
        return v


def span_of(conditions: Doubles, *, bar: float = MAX_CONDITION_NUMBER) -> Span:
    """Find the span of conditions.

    A condition is used where, with those used before it, the condition number of the unit vectors stays up to `bar`.

    Args:
        conditions: (c, d) directions of any length.
        bar: largest condition number.
    """
    c = unit(conditions.astype(np.float64))
    used, number = np.zeros(len(c), np.bool_), 1.0
    for i in range(len(c)):
        used[i] = True
        tried = _condition_number(c[used])
        used[i] = tried <= bar
        number = tried if used[i] else number
    return Span(
        basis=np.linalg.qr(c[used].T)[0] if used.any() else np.zeros((c.shape[1], 0)), used=used, condition=number
    )


def orthogonalise(direction: Doubles, conditions: Doubles, *, bar: float = MAX_CONDITION_NUMBER) -> OrthogonalDirection:
    """Project the span of conditions out of a direction.

    Args:
        direction: (d,) of any length.
        conditions: (c, d) of any length.
        bar: largest condition number of the conditions that are used, see `span_of`.

    Returns:
        The unit vector (d,) that is left, and how much of the direction that is.

    Raises:
        AnalysisError: the direction has no length, or another width than the conditions.
    """
    direction, conditions = as_point(direction, "direction"), as_numbers(conditions, "conditions").astype(np.float64)
    if not np.isfinite(conditions).all():
        raise AnalysisError("conditions have values that are not finite")
    if conditions.ndim != 2 or direction.shape != conditions.shape[1:]:
        raise AnalysisError(f"conditions of shape {conditions.shape} do not fit a direction of shape {direction.shape}")
    return without_span(direction, conditions, bar=bar)


def without_span(direction: Doubles, conditions: Doubles, *, bar: float = MAX_CONDITION_NUMBER) -> OrthogonalDirection:
    """The same of a direction (d,) and checked conditions (c, d), of which there may be none."""
    v, span = unit(direction.astype(np.float64)), span_of(conditions, bar=bar)
    if not v.any():
        raise AnalysisError("a direction of length 0 cannot be orthogonalised")
    rest = span.taken_out(v)
    left = float(np.linalg.norm(rest))
    return OrthogonalDirection(
        direction=unit(rest) if left >= 1 / bar else np.zeros_like(v),
        left=left,
        used=span.used,
        condition=span.condition,
    )


def _condition_number(rows: Doubles) -> float:
    """Largest over least singular value of (c, d) rows; infinite where they depend on each other."""
    sizes = np.linalg.svd(rows, compute_uv=False)
    return float(sizes[0] / sizes[-1]) if len(rows) <= rows.shape[1] and sizes[-1] > 0 else float("inf")


def regress(
    codes: Floats, columns: Doubles, preserved: Doubles, weights: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """Coefficients of each column in the least squares of codes on it and the preserved columns together.

    Rows with an unknown value take no part.

    Args:
        codes: (n, d).
        columns: (n, m), each regressed alone with the preserved ones; NaN unknown.
        preserved: (n, k) columns; NaN unknown.
        weights: (n,) of the rows; 1 each unless given.

    Returns:
        Directions (m, d) of any length, pointing to where the column grows, zeros where the preserved columns determine
        it; and the share of each column's standard deviation that they leave (m,).
    """
    weights = np.ones(len(codes)) if weights is None else weights
    usable = np.isfinite(preserved).all(axis=1) & (weights > 0)
    is_known = np.isfinite(columns) & np.reshape(usable, (-1, 1))
    result, left = np.zeros((columns.shape[1], codes.shape[1])), np.zeros(columns.shape[1])
    for places, rows in by_rows(is_known):
        if np.count_nonzero(rows) < 2:
            continue
        root = np.sqrt(weights[rows])[:, None]
        centred = np.hstack([preserved[rows], columns[np.ix_(rows, places)]])
        centred = root * (centred - np.average(centred, axis=0, weights=weights[rows]))
        u, s, _ = np.linalg.svd(centred[:, : preserved.shape[1]], full_matrices=False)
        u = u[:, s > 1e-6 * max(s[0], 1e-300)] if len(s) else u
        residual_columns = centred[:, preserved.shape[1] :]
        rest = residual_columns - u @ (u.T @ residual_columns)
        rest -= u @ (u.T @ rest)  # twice, as rounding is all that the first pass leaves of a dependent one
        sizes = np.linalg.norm(residual_columns, axis=0)
        left[places] = np.where(sizes > 0, np.linalg.norm(rest, axis=0) / np.where(sizes > 0, sizes, 1), 0)
        vanished = left[places] < MIN_SHARE_LEFT
        shift = (root * rest).T @ codes[rows].astype(np.float64)
        result[places] = np.where(vanished[:, None], 0.0, shift)
    return result, left


NEARLY_DEPENDENT = 0.2
"""A direction of which less is left nearly depends on others: sin of 12°."""


@dataclass(frozen=True, kw_only=True)
class ConditionalDirections:
    """Directions orthogonal to those of preserved concepts, so that positions along these stay fixed."""

    directions: Doubles
    """(m, d) unit vectors, orthogonal to every preserved direction."""
    remaining: Doubles
    """(m,) length of what is left of each direction: sine of its angle to the preserved ones' span."""
    rank: int
    """Dimensions that the preserved directions span."""
    notes: tuple[str, ...]
    """Sentences on what is nearly dependent, by name."""


def conditional_directions(
    directions: Floats,
    conditions: Floats,
    *,
    names: Sequence[str],
    preserved: Sequence[str],
    least: float = NEARLY_DEPENDENT,
) -> ConditionalDirections:
    """Project the preserved directions out of others, and name what depends on what.

    Args:
        directions: (m, d), of any length.
        conditions: (k, d), one a preserved concept, of any length.
        names: (m,) of the directions.
        preserved: (k,) names of the preserved concepts.
        least: a unit vector of which less is left is noted as nearly dependent.

    Returns:
        The directions that are left, and notes on what depends on what.

    Raises:
        AnalysisError: nothing is left of a direction, so that no edit can preserve the others.
    """
    units = unit(as_codes(directions, "directions").astype(np.float64))
    fixed = unit(as_codes(conditions, "conditions").astype(np.float64))
    if units.shape[1] != fixed.shape[1]:
        raise AnalysisError(
            f"directions have {units.shape[1]} columns and the preserved ones {fixed.shape[1]}: give both of one code"
        )
    notes = _dependent_conditions(fixed, preserved, least)
    results: list[OrthogonalDirection] = []
    for name, v in zip(names, units, strict=True):
        if not v.any():
            raise AnalysisError(f"{name!r} has no direction to edit along: no code differs")
        results.append(_without(v, fixed))
        size, nearest = results[-1].left, _nearest(v, fixed, preserved)
        if results[-1].gone:
            raise AnalysisError(
                f"{name!r} cannot change while {nearest} is preserved: nothing of its direction is left"
            )
        if size < least:
            notes.append(
                f"{name!r} is nearly dependent on {nearest}: only {100 * size**2:.1f} % of its variance is left when "
                "that is preserved, so the edit is mostly of something else"
            )
    spanned = max((int(orthogonal.used.sum()) for orthogonal in results), default=0)
    return ConditionalDirections(
        directions=np.stack([orthogonal.direction for orthogonal in results]),
        remaining=np.array([orthogonal.left for orthogonal in results]),
        rank=spanned,
        notes=tuple(notes),
    )


def _without(v: Doubles, conditions: Doubles) -> OrthogonalDirection:
    """`v` without the whole span of `conditions`, of which only what says nothing beside the others is left out."""
    return without_span(v, conditions, bar=1 / MIN_LENGTH_LEFT)


def _dependent_conditions(conditions: Doubles, preserved: Sequence[str], least: float) -> list[str]:
    """Warn about preserved directions that are zero or nearly linearly dependent on earlier ones."""
    notes = []
    for i, (name, condition) in enumerate(zip(preserved, conditions, strict=True)):
        if not condition.any():
            notes.append(
                f"the preserved {name!r} has no direction, so that there is nothing to preserve: no code differs"
            )
        elif (size := _without(condition, conditions[:i]).left) < least:
            among = _nearest(condition, conditions[:i], preserved[:i])
            counted = "it counts once" if size < MIN_LENGTH_LEFT else f"{100 * size**2:.1f} % of it is its own"
            notes.append(f"the preserved {name!r} is nearly dependent on {among}: {counted}")
    return notes


def _nearest(v: Doubles, conditions: Doubles, preserved: Sequence[str]) -> str:
    """Name the preserved directions that make up the projection of `v`, the larger first, those that matter."""
    weights = np.abs(np.linalg.pinv(conditions.T, rcond=MIN_LENGTH_LEFT) @ v)
    order = [i for i in np.argsort(-weights, kind="stable").tolist() if weights[i] >= 0.2 * weights.max()]
    return " with ".join(repr(preserved[i]) for i in order[:4])
