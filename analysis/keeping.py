"""Edits that leave other concepts where they are: directions from which those of the kept concepts are projected out.

    v′ = v − C⁺C v,  then v′ / ‖v′‖        rows of C are the kept concepts' directions, C⁺ their pseudo-inverse

so that c·(z + α v′) = c·z for each kept c (conditional manipulation: Shen, Gu, Tang, Zhou: Interpreting the Latent
Space of GANs for Semantic Face Editing, CVPR 2020, arXiv:1907.10786, §2.2, whose closed form for two conditions divides
by 1 − cos² and so fails where they are the same direction; the pseudo-inverse does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, as_codes

SAME = 1e-6  # of a unit vector that is left below which it lies within others, up to rounding
NEAR = 0.2  # below which little of it is its own: sin of 12°


@dataclass(frozen=True)
class Kept:
    """Directions that keep the projections on other ones fixed."""

    directions: Doubles  # (m, d) of length 1, orthogonal to every kept direction; zero where nothing is left
    remaining: Doubles  # (m,) length of what is left of each direction: sin of its angle to the kept ones' span
    rank: int  # dimensions that the kept directions span
    notes: tuple[str, ...]  # sentences on what is nearly dependent, by name


def keep_fixed(
    directions: Floats, conditions: Floats, *, names: Sequence[str], kept: Sequence[str], least: float = NEAR
) -> Kept:
    """Project the kept directions out of others, and name what depends on what.

    Args: directions: (m, d), of any length. conditions: (k, d), one a kept concept. names, kept: of both.
        least: what is left of a unit vector below which it is said to be nearly dependent.
    Raises: AnalysisError where nothing is left of a direction, since then no edit can keep what is to be kept.
    """
    units, fixed = _unit(as_codes(directions, "directions")), _unit(as_codes(conditions, "conditions"))
    if units.shape[1] != fixed.shape[1]:
        raise AnalysisError(
            f"directions have {units.shape[1]} columns and the kept ones {fixed.shape[1]}: give both of one code"
        )
    notes = _dependent_conditions(fixed, kept, least)
    basis = _basis(fixed)
    left = units - units @ basis.T @ basis
    left -= left @ basis.T @ basis  # once more: rounding is all that the first pass leaves of a dependent one
    remaining = np.linalg.norm(left, axis=1)
    for name, v, size in zip(names, units, remaining.tolist(), strict=True):
        nearest = _nearest(v, fixed, kept)
        if size < SAME:
            raise AnalysisError(f"{name!r} cannot change while {nearest} is kept: nothing of its direction is left")
        if size < least:
            notes.append(
                f"{name!r} is nearly dependent on {nearest}: only {100 * size**2:.1f} % of its variance is left when "
                "that is kept, so the edit is mostly of something else"
            )
    return Kept(left / remaining[:, None], remaining, len(basis), tuple(notes))


def _unit(rows: Floats) -> Doubles:
    """Rows of length 1, in doubles; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Doubles = rows.astype(np.float64) / np.where(length > 0, length, 1)
    return scaled


def _basis(conditions: Doubles) -> Doubles:
    """Orthonormal rows (rank, d) with the same span as `conditions`; C⁺C is their projector."""
    _, sizes, rows = np.linalg.svd(conditions, full_matrices=False)
    basis: Doubles = rows[sizes > SAME * max(float(sizes.max(initial=0.0)), 1e-300)]
    return basis


def _dependent_conditions(conditions: Doubles, kept: Sequence[str], least: float) -> list[str]:
    """Name each kept direction of which little is left beside those before it."""
    notes = []
    for i in range(1, len(conditions)):
        before = _basis(conditions[:i])
        left = conditions[i] - conditions[i] @ before.T @ before
        if (size := float(np.linalg.norm(left))) < least:
            among = _nearest(conditions[i], conditions[:i], kept[:i])
            counted = "it counts once" if size < SAME else f"{100 * size**2:.1f} % of it is its own"
            notes.append(f"the kept {kept[i]!r} is nearly dependent on {among}: {counted}")
    return notes


def _nearest(v: Doubles, conditions: Doubles, kept: Sequence[str]) -> str:
    """Name the kept directions that make up the projection of `v`, the larger first, those that matter."""
    weights = np.abs(np.linalg.pinv(conditions.T, rcond=SAME) @ v)
    order = [i for i in np.argsort(-weights, kind="stable").tolist() if weights[i] >= 0.2 * weights.max()]
    return " with ".join(repr(kept[i]) for i in order[:4])
