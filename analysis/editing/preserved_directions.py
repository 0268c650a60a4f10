"""Edit directions that preserve other concepts: what `edit` and `verify` follow where --preserve names some.

By regression, see `conditional`, from the covariances that a table of concepts keeps, so that no row is needed. What
no label told has no column to regress on: there, and where it is asked for, the directions of the preserved ones are
projected out. A direction that `concepts --preserve` has found is taken as it is, with its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Doubles
from ..concepts.concept_table import ConceptTable
from ..concepts.directions import unit
from ..concepts.joint_regression import Joint
from ..concepts.orthogonalization import GONE, NEAR, PROJECTION, conditional_directions
from ..errors import AnalysisError
from .verification import EditDirection


@dataclass(frozen=True)
class PreservingDirections:
    """Edit directions that preserve others, and what the same estimators find for shuffled labels."""

    moves: tuple[EditDirection, ...]
    shuffled: Doubles | None  # (m, r, d) steps of a standard deviation; None where the table keeps no shuffles
    notes: tuple[str, ...]


def preserve_directions(
    table: ConceptTable,
    moves: Sequence[EditDirection],
    chosen: Sequence[int],
    preserved: Sequence[int],
    *,
    by: str,
    draws: int = 0,
) -> PreservingDirections:
    """Return the chosen moves with directions that leave the preserved ones unchanged, positions of both among `moves`.

    Args: by: one of conditional.WAYS. draws: shuffles at most, which `EditDirection`s of labels have.
    Raises: AnalysisError where nothing is left of a direction, or the table is older than what regression needs.
    """
    joint, result, steps, notes = table.joint, list[EditDirection](), list[Doubles](), dict[str, None]()
    told = [_question(table, moves[k]) for k in preserved]
    by_label = [one[0] for one in told if one is not None]
    if joint is None and preserved and by != PROJECTION and by_label:
        raise AnalysisError(
            "the table of concepts is of an older version, which keeps no covariances: run latentgan concepts again, "
            f"or preserve by {PROJECTION}"
        )
    for i in chosen:
        one, own = moves[i], _question(table, moves[i])
        inside = own[1] if own is not None else ()
        regressed = by_label if by != PROJECTION and own is not None else []
        out = [k for k, question in zip(preserved, told, strict=True) if question is None or not regressed]
        before = _found_before(table, moves, one, [moves[k].name for k in preserved]) if regressed and not out else None
        if before is not None:
            one = before
        elif regressed and joint is not None and own is not None:
            one, said = _regressed(joint, one, own[0], tuple(dict.fromkeys([*inside, *regressed])))
            notes |= dict.fromkeys(said)
        conditions = np.stack([moves[k].direction for k in out]) if out else None
        if conditions is not None:
            fixed = conditional_directions(
                one.direction[None], conditions, names=[one.name], preserved=[moves[k].name for k in out]
            )
            one = replace(one, direction=fixed.directions[0])
            notes |= dict.fromkeys(fixed.notes)
            if by != PROJECTION:
                notes[_unlabelled(moves, i, out, own is not None)] = None
        if preserved and before is None:
            one = replace(one, evidence=f"{one.evidence}, without preserving anything" if one.evidence else "")
        result.append(one)
        if joint is not None:
            question = own[0] if own is not None else _claimed(joint, one)
            some = joint.shuffled_directions(question, tuple(dict.fromkeys([*inside, *regressed])))[:draws]
            if conditions is not None:
                some = unit(some - some @ np.linalg.pinv(conditions) @ conditions)
            length = joint.deviation(some)
            steps.append(some * np.where(np.isfinite(length), length, one.length)[:, None])
    return PreservingDirections(tuple(result), np.stack(steps) if steps else None, tuple(notes))


def _question(table: ConceptTable, move: EditDirection) -> tuple[int, tuple[int, ...]] | None:
    """The target of an edit direction and those that it preserves by regression; None for one without labels."""
    if table.joint is None or move.column not in table.joint.columns:
        return None
    names = table.joint.names
    for free in table.conditional:
        if table.concepts[free.concept].name == move.name:
            preserved = tuple(names.index(one.name) for one in free.preserved if one.name in names)
            return names.index(table.concepts[free.source].name), preserved if free.by != PROJECTION else ()
    return (names.index(move.name), ()) if move.name in names else None


def _claimed(joint: Joint, move: EditDirection) -> int:
    """The question whose shuffles stand for a direction that no label told: the one that it tells best."""
    return joint.names.index(move.claim) if move.claim in joint.names else 0


def _found_before(
    table: ConceptTable, moves: Sequence[EditDirection], move: EditDirection, preserved: Sequence[str]
) -> EditDirection | None:
    """The direction of `concepts --preserve` for the same concepts, under the name of the move; None without one."""
    for free in table.conditional:
        mine = free.by != PROJECTION and table.concepts[free.source].name == move.name
        if mine and {one.name for one in free.preserved} == set(preserved):
            return replace(moves[free.concept], name=move.name, says=move.says)
    return None


def _regressed(
    joint: Joint, move: EditDirection, question: int, preserved: tuple[int, ...]
) -> tuple[EditDirection, list[str]]:
    """A move along the coefficient of its question beside the preserved ones."""
    direction, left = joint.direction(question, preserved)
    names = [joint.names[k] for k in preserved]
    called = " with ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    if left < GONE:
        raise AnalysisError(
            f"{move.name!r} cannot change while {called} is preserved: the rows of one are those of the other"
        )
    if not direction.any():
        raise AnalysisError(f"{move.name!r} has no direction to edit along: no code differs")
    sentences = []
    if left < NEAR:
        sentences.append(
            f"{move.name!r} nearly follows from {called}: only {100 * left**2:.1f} % of its variance is left where "
            "that is preserved, so the direction is of few rows"
        )
    columns = joint.number[[question, *preserved]]
    if (joint.known[np.ix_(columns, columns)] < len(joint.fitted)).any():
        sentences.append(
            f"some rows lack {move.name!r} or what is preserved: each pair is taken over the rows that have both; "
            "`latentgan concepts --preserve` takes those that have all"
        )
    length = float(joint.deviation(direction))
    return replace(move, direction=direction, length=length if length > 0 else move.length), sentences


def _unlabelled(moves: Sequence[EditDirection], edited: int, out: Sequence[int], labelled: bool) -> str:
    """Say which directions were projected out although concepts are preserved by regression."""
    which = ", ".join(repr(moves[k].name) for k in out)
    whose = which if labelled else repr(moves[edited].name)
    return f"no label tells {whose}, so that there is nothing to regress on: {which} projected out"
