"""Directions made free of other concepts: the part of a direction that lies in their span is taken out.

v' = v − C⁺ C v, C the conditions' unit directions as rows and C⁺ the pseudo-inverse, which for one condition is
v − (v·c) c (Shen et al. 2020, InterFaceGAN, arXiv:2005.09635, §3.3). Conditions that nearly depend on those before
them are named and left out, as what little is theirs is noise more than a concept; `keeping` leaves out only what says
nothing, as an edit moves along none that is to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Bools, Doubles
from .directions import unit
from .statistics import Interval

SAME = 1e-6  # of a unit vector that is left below which it lies within others, up to rounding
BAR = 20.0  # condition number of unit directions up to which each says something of its own


@dataclass(frozen=True)
class Kept:
    """A concept that a direction was made free of, before and after."""

    name: str
    dependent: bool  # left out: it nearly lies in the span of those before it
    cosine: tuple[float, float]  # of the two directions
    correlation: tuple[Interval, Interval]  # of the positions of test rows along them; 0 is free of it
    ranked: tuple[Interval, Interval]  # AUC or R² of this concept by the direction, on test rows; chance is free of it


@dataclass(frozen=True)
class Freed:
    """How a direction was made free of others."""

    concept: int  # the new direction's place in ConceptTable.concepts
    source: int  # the place of the direction that it was made of
    left: float  # length of what was left of the unit vector: 1 where it was free already
    condition: float  # condition number of the directions that were taken out
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class Orthogonal:
    """A direction without its part in the span of others."""

    direction: Doubles  # (d,) unit vector, zeros where nothing is left
    left: float  # length of what was left of the unit vector
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


def orthogonalise(direction: Doubles, conditions: Doubles, *, bar: float = BAR) -> Orthogonal:
    """Take the span of `conditions` (c, d) out of `direction` (d,), any lengths; see `span_of` for `bar`.

    Raises: AnalysisError for a direction without length or of another width.
    """
    if conditions.ndim != 2 or direction.shape != conditions.shape[1:]:
        raise AnalysisError(f"conditions of shape {conditions.shape} do not fit a direction of shape {direction.shape}")
    v, span = unit(direction.astype(np.float64)), span_of(conditions, bar=bar)
    if not v.any():
        raise AnalysisError("a direction of length 0 cannot be made free of others")
    rest = span.taken_out(v)
    left = float(np.linalg.norm(rest))
    return Orthogonal(unit(rest) if left >= 1 / bar else np.zeros_like(v), left, span.used, span.condition)


def _condition_number(rows: Doubles) -> float:
    """Largest over least singular value of (c, d) rows; infinite where they depend on each other."""
    sizes = np.linalg.svd(rows, compute_uv=False)
    return float(sizes[0] / sizes[-1]) if len(rows) <= rows.shape[1] and sizes[-1] > 0 else float("inf")
