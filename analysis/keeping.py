"""Edits that leave other concepts where they are: directions from which those of the kept concepts are projected out.

    v′ = v − C⁺C v,  then v′ / ‖v′‖        rows of C are the kept concepts' directions, C⁺ their pseudo-inverse

so that c·(z + α v′) = c·z for each kept c (conditional manipulation: Shen, Gu, Tang, Zhou: Interpreting the Latent
Space of GANs for Semantic Face Editing, CVPR 2020, arXiv:1907.10786, §2.2, whose closed form for two conditions divides
by 1 − cos² and so fails where they are the same direction; `conditional.orthogonalise` does not). Where concepts go
together in the rows this moves the kept ones backwards: `kept_moves` keeps them by regression unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, as_codes
from .conditional import SAME, Orthogonal, without_span
from .directions import unit

NEAR = 0.2  # below which little of it is its own: sin of 12°


@dataclass(frozen=True)
class Fixed:
    """Directions that keep the projections on other ones fixed."""

    directions: Doubles  # (m, d) of length 1, orthogonal to every kept direction; zero where nothing is left
    remaining: Doubles  # (m,) length of what is left of each direction: sin of its angle to the kept ones' span
    rank: int  # dimensions that the kept directions span
    notes: tuple[str, ...]  # sentences on what is nearly dependent, by name


def keep_fixed(
    directions: Floats, conditions: Floats, *, names: Sequence[str], kept: Sequence[str], least: float = NEAR
) -> Fixed:
    """Project the kept directions out of others, and name what depends on what.

    Args: directions: (m, d), of any length. conditions: (k, d), one a kept concept. names, kept: of both.
        least: what is left of a unit vector below which it is said to be nearly dependent.
    Raises: AnalysisError where nothing is left of a direction, since then no edit can keep what is to be kept.
    """
    units = unit(as_codes(directions, "directions").astype(np.float64))
    fixed = unit(as_codes(conditions, "conditions").astype(np.float64))
    if units.shape[1] != fixed.shape[1]:
        raise AnalysisError(
            f"directions have {units.shape[1]} columns and the kept ones {fixed.shape[1]}: give both of one code"
        )
    notes = _dependent_conditions(fixed, kept, least)
    freed: list[Orthogonal] = []
    for name, v in zip(names, units, strict=True):
        if not v.any():
            raise AnalysisError(f"{name!r} has no direction to edit along: no code differs")
        freed.append(_without(v, fixed))
        size, nearest = freed[-1].left, _nearest(v, fixed, kept)
        if freed[-1].gone:
            raise AnalysisError(f"{name!r} cannot change while {nearest} is kept: nothing of its direction is left")
        if size < least:
            notes.append(
                f"{name!r} is nearly dependent on {nearest}: only {100 * size**2:.1f} % of its variance is left when "
                "that is kept, so the edit is mostly of something else"
            )
    spanned = max((int(one.used.sum()) for one in freed), default=0)
    return Fixed(
        np.stack([one.direction for one in freed]), np.array([one.left for one in freed]), spanned, tuple(notes)
    )


def _without(v: Doubles, conditions: Doubles) -> Orthogonal:
    """`v` without the whole span of `conditions`, of which only what says nothing beside the others is left out."""
    return without_span(v, conditions, bar=1 / SAME)


def _dependent_conditions(conditions: Doubles, kept: Sequence[str], least: float) -> list[str]:
    """Name each kept direction of which little is left beside those before it, or that is none."""
    notes = []
    for i, (name, condition) in enumerate(zip(kept, conditions, strict=True)):
        if not condition.any():
            notes.append(f"the kept {name!r} has no direction, so that there is nothing to keep: no code differs")
        elif (size := _without(condition, conditions[:i]).left) < least:
            among = _nearest(condition, conditions[:i], kept[:i])
            counted = "it counts once" if size < SAME else f"{100 * size**2:.1f} % of it is its own"
            notes.append(f"the kept {name!r} is nearly dependent on {among}: {counted}")
    return notes


def _nearest(v: Doubles, conditions: Doubles, kept: Sequence[str]) -> str:
    """Name the kept directions that make up the projection of `v`, the larger first, those that matter."""
    weights = np.abs(np.linalg.pinv(conditions.T, rcond=SAME) @ v)
    order = [i for i in np.argsort(-weights, kind="stable").tolist() if weights[i] >= 0.2 * weights.max()]
    return " with ".join(repr(kept[i]) for i in order[:4])
