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

SAME = 1e-6  # of a unit vector that is left below which it lies within others, up to rounding


REGRESSION, PROJECTION = "regression", "projection"


WAYS = (REGRESSION, PROJECTION)  # how others are preserved, the default first


GONE = 1e-3  # share of a concept's standard deviation that the preserved ones leave, below which they tell all of it


BAR = 20.0  # condition number of unit directions up to which each says something of its own


@dataclass(frozen=True, kw_only=True)
class PreservedConcept:
    """A concept that a direction was made free of, before and after."""

    name: str
    dependent: bool  # left out: it nearly lies in the span of those before it
    cosine: tuple[float, float]  # of the two directions
    correlation: tuple[Interval, Interval]  # of the positions of test rows along them
    ranked: tuple[Interval, Interval]  # AUC or R² of this concept by the direction, on test rows
    moved: tuple[Interval, Interval] = (UNKNOWN, UNKNOWN)  # how far a dose moves this concept, see `moved`


@dataclass(frozen=True, kw_only=True)
class ConditionalConcept:
    """How a direction was made free of others."""

    concept: int  # the new direction's place in ConceptTable.concepts
    source: int  # the place of the direction that it was made of
    left: float  # by projection length of what was left of the unit vector; by regression share of the concept's
    # standard deviation that the preserved ones leave: 1 where it was free already
    condition: float  # condition number of the directions that were taken out, or of the preserved columns
    preserved: tuple[PreservedConcept, ...]
    by: str = PROJECTION  # one of WAYS
    moved: tuple[Interval, Interval] = (UNKNOWN, UNKNOWN)  # how far a dose moves the concept itself


@dataclass(frozen=True)
class OrthogonalDirection:
    """A direction without its part in the span of others, or beside others in one regression."""

    direction: Doubles  # (d,) unit vector, zeros where nothing is left
    left: float  # as of `ConditionalConcept`
    used: Bools  # (c,) conditions that were taken out; the others nearly depend on those before them
    condition: float  # condition number of the used ones

    @property
    def gone(self) -> bool:
        """Whether the direction itself nearly lies in the span, so that what is left is noise."""
        return not self.direction.any()


@dataclass(frozen=True)
class Span:
    """What conditions span."""

    basis: Doubles  # (d, r) orthonormal
    used: Bools  # (c,) conditions that span it; the others nearly depend on those before them
    condition: float  # condition number of the used ones

    def taken_out(self, v: Doubles) -> Doubles:
        """v − C⁺ C v of vectors (..., d): C⁺ C is the projector on the span, here Q Qᵀ of the basis Q."""
        for _ in range(2):  # twice, as rounding is all that the first pass leaves of a dependent one
            v = v - (v @ self.basis) @ self.basis.T
        return v


def span_of(conditions: Doubles, *, bar: float = BAR) -> Span:
    """Find the span of conditions (c, d), any lengths.

    A condition is used where, with those used before it, the condition number of the unit vectors stays up to `bar`.
    """
    c = unit(conditions.astype(np.float64))
    used, number = np.zeros(len(c), np.bool_), 1.0
    for i in range(len(c)):
        used[i] = True
        tried = _condition_number(c[used])
        used[i] = tried <= bar
        number = tried if used[i] else number
    return Span(np.linalg.qr(c[used].T)[0] if used.any() else np.zeros((c.shape[1], 0)), used, number)


def orthogonalise(direction: Doubles, conditions: Doubles, *, bar: float = BAR) -> OrthogonalDirection:
    """Take the span of `conditions` (c, d) out of `direction` (d,), any lengths; see `span_of` for `bar`.

    Raises: AnalysisError for a direction without length or of another width.
    """
    direction, conditions = as_point(direction, "direction"), as_numbers(conditions, "conditions").astype(np.float64)
    if not np.isfinite(conditions).all():
        raise AnalysisError("conditions have values that are not finite")
    if conditions.ndim != 2 or direction.shape != conditions.shape[1:]:
        raise AnalysisError(f"conditions of shape {conditions.shape} do not fit a direction of shape {direction.shape}")
    return without_span(direction, conditions, bar=bar)


def without_span(direction: Doubles, conditions: Doubles, *, bar: float = BAR) -> OrthogonalDirection:
    """The same of a direction (d,) and checked conditions (c, d), of which there may be none."""
    v, span = unit(direction.astype(np.float64)), span_of(conditions, bar=bar)
    if not v.any():
        raise AnalysisError("a direction of length 0 cannot be made free of others")
    rest = span.taken_out(v)
    left = float(np.linalg.norm(rest))
    return OrthogonalDirection(unit(rest) if left >= 1 / bar else np.zeros_like(v), left, span.used, span.condition)


def _condition_number(rows: Doubles) -> float:
    """Largest over least singular value of (c, d) rows; infinite where they depend on each other."""
    sizes = np.linalg.svd(rows, compute_uv=False)
    return float(sizes[0] / sizes[-1]) if len(rows) <= rows.shape[1] and sizes[-1] > 0 else float("inf")


def regress(
    codes: Floats, columns: Doubles, preserved: Doubles, weights: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """Coefficients of each column in the least squares of codes on it and the preserved columns together.

    Args: codes: (n, d). columns: (n, m), each regressed alone with `preserved` (n, k); NaN is unknown, and rows with an
        unknown value take no part. weights: (n,) of the rows, 1 each unless given.
    Returns: (m, d) of any length, pointing to where the column grows, zeros where the preserved columns determine it;
        and the share of each column's standard deviation that they leave (m,).
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
        vanished = left[places] < GONE
        shift = (root * rest).T @ codes[rows].astype(np.float64)
        result[places] = np.where(vanished[:, None], 0.0, shift)
    return result, left


NEAR = 0.2  # below which little of it is its own: sin of 12°


@dataclass(frozen=True)
class ConditionalDirections:
    """Directions orthogonal to those of preserved concepts, so that positions along these stay fixed."""

    directions: Doubles  # (m, d) of length 1, orthogonal to every preserved direction; zero where nothing is left
    remaining: Doubles  # (m,) length of what is left of each direction: sin of its angle to the preserved ones' span
    rank: int  # dimensions that the preserved directions span
    notes: tuple[str, ...]  # sentences on what is nearly dependent, by name


def conditional_directions(
    directions: Floats, conditions: Floats, *, names: Sequence[str], preserved: Sequence[str], least: float = NEAR
) -> ConditionalDirections:
    """Project the preserved directions out of others, and name what depends on what.

    Args: directions: (m, d), of any length. conditions: (k, d), one a preserved concept. names, preserved: of both.
        least: what is left of a unit vector below which it is said to be nearly dependent.
    Raises: AnalysisError where nothing is left of a direction, since then no edit can preserve the others.
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
        np.stack([orthogonal.direction for orthogonal in results]),
        np.array([orthogonal.left for orthogonal in results]),
        spanned,
        tuple(notes),
    )


def _without(v: Doubles, conditions: Doubles) -> OrthogonalDirection:
    """`v` without the whole span of `conditions`, of which only what says nothing beside the others is left out."""
    return without_span(v, conditions, bar=1 / SAME)


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
            counted = "it counts once" if size < SAME else f"{100 * size**2:.1f} % of it is its own"
            notes.append(f"the preserved {name!r} is nearly dependent on {among}: {counted}")
    return notes


def _nearest(v: Doubles, conditions: Doubles, preserved: Sequence[str]) -> str:
    """Name the preserved directions that make up the projection of `v`, the larger first, those that matter."""
    weights = np.abs(np.linalg.pinv(conditions.T, rcond=SAME) @ v)
    order = [i for i in np.argsort(-weights, kind="stable").tolist() if weights[i] >= 0.2 * weights.max()]
    return " with ".join(repr(preserved[i]) for i in order[:4])
