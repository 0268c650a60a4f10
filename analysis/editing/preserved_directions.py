"""Edit directions that preserve other concepts: what `edit` and `verify` follow where --preserve names some.

By regression, see `orthogonalization`, from the covariances in a table of concepts, so that no row is needed. A
direction without labels has no column to regress on: there, and where it is asked for, the directions of the preserved
concepts are projected out. A direction that `concepts --preserve` has found is taken as it is, with its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Doubles
from ..concepts.concept_table import ConceptTable
from ..concepts.directions import unit
from ..concepts.joint_regression import Joint
from ..concepts.orthogonalization import MIN_SHARE_LEFT, NEARLY_DEPENDENT, PROJECTION, conditional_directions
from ..errors import AnalysisError
from .verification import EditDirection


@dataclass(frozen=True, kw_only=True)
class PreservingDirections:
    """Edit directions that preserve others, and what the same estimators find for shuffled labels."""

    directions: tuple[EditDirection, ...]
    """(m,) one a chosen direction."""
    shuffled: Doubles | None
    """(m, r, d) steps of strength 1 along directions of shuffled labels; None where the table has no shuffles."""
    notes: tuple[str, ...]
    """Sentences on what nearly depends on what, and on what was projected out."""


def preserve_directions(
    table: ConceptTable,
    directions: Sequence[EditDirection],
    chosen: Sequence[int],
    preserved: Sequence[int],
    *,
    by: str,
    draws: int = 0,
) -> PreservingDirections:
    """Return the chosen edit directions such that the preserved ones stay unchanged.

    Args:
        table: concepts, with the covariances of codes and labels.
        directions: all directions of the table, see `edit_directions`.
        chosen: (m,) positions of those to edit along.
        preserved: (k,) positions of those to preserve.
        by: "regression" or "projection", see `orthogonalization.PRESERVE_METHODS`.
        draws: at most this many shuffles.

    Raises:
        AnalysisError: nothing is left of a direction, or the table is older than what regression needs.
    """
    joint, result, steps, notes = table.joint, list[EditDirection](), list[Doubles](), dict[str, None]()
    targets = [_target(table, directions[k]) for k in preserved]
    with_labels = [target[0] for target in targets if target is not None]
    if joint is None and preserved and by != PROJECTION and with_labels:
        raise AnalysisError(
            "the table of concepts is of an older version without covariances: run latentgan concepts again, "
            f"or preserve by {PROJECTION}"
        )
    for i in chosen:
        edit, target = directions[i], _target(table, directions[i])
        already = target[1] if target is not None else ()
        regressed = with_labels if by != PROJECTION and target is not None else []
        projected = [k for k, other in zip(preserved, targets, strict=True) if other is None or not regressed]
        stored = (
            _stored(table, directions, edit, [directions[k].name for k in preserved])
            if regressed and not projected
            else None
        )
        if stored is not None:
            edit = stored
        elif regressed and joint is not None and target is not None:
            edit, sentences = _regressed(joint, edit, target[0], tuple(dict.fromkeys([*already, *regressed])))
            notes |= dict.fromkeys(sentences)
        conditions = np.stack([directions[k].vector for k in projected]) if projected else None
        if conditions is not None:
            conditional = conditional_directions(
                edit.vector[None],
                conditions,
                names=[edit.name],
                preserved=[directions[k].name for k in projected],
            )
            edit = replace(edit, vector=conditional.directions[0])
            notes |= dict.fromkeys(conditional.notes)
            if by != PROJECTION:
                notes[_projected_note(directions, i, projected, target is not None)] = None
        if preserved and stored is None:
            edit = replace(edit, evidence=f"{edit.evidence}, nothing preserved" if edit.evidence else "")
        result.append(edit)
        if joint is not None:
            position = target[0] if target is not None else _best_predicted(joint, edit)
            shuffled = joint.shuffled_directions(position, tuple(dict.fromkeys([*already, *regressed])))[:draws]
            if conditions is not None:
                shuffled = unit(shuffled - shuffled @ np.linalg.pinv(conditions) @ conditions)
            length = joint.deviation(shuffled)
            steps.append(shuffled * np.where(np.isfinite(length), length, edit.length)[:, None])
    return PreservingDirections(
        directions=tuple(result), shuffled=np.stack(steps) if steps else None, notes=tuple(notes)
    )


def _target(table: ConceptTable, edit: EditDirection) -> tuple[int, tuple[int, ...]] | None:
    """Position of a direction's concept target, and of those that it preserves by regression; None without labels."""
    if table.joint is None or edit.column not in table.joint.columns:
        return None
    names = table.joint.names
    for conditional in table.conditional:
        if table.concepts[conditional.concept].name == edit.name:
            already = tuple(names.index(other.name) for other in conditional.preserved if other.name in names)
            source = names.index(table.concepts[conditional.source].name)
            return source, already if conditional.by != PROJECTION else ()
    return (names.index(edit.name), ()) if edit.name in names else None


def _best_predicted(joint: Joint, edit: EditDirection) -> int:
    """Position of the target whose shuffles serve a direction without labels: the one that it predicts best."""
    return joint.names.index(edit.target_score) if edit.target_score in joint.names else 0


def _stored(
    table: ConceptTable, directions: Sequence[EditDirection], edit: EditDirection, preserved: Sequence[str]
) -> EditDirection | None:
    """The direction that `concepts --preserve` found for the same concepts, under the name of `edit`; None without."""
    for conditional in table.conditional:
        same_concept = conditional.by != PROJECTION and table.concepts[conditional.source].name == edit.name
        if same_concept and {other.name for other in conditional.preserved} == set(preserved):
            return replace(directions[conditional.concept], name=edit.name, target=edit.target)
    return None


def _regressed(
    joint: Joint, edit: EditDirection, target: int, preserved: tuple[int, ...]
) -> tuple[EditDirection, list[str]]:
    """An edit along the coefficient of its target, regressed together with the preserved ones; and notes."""
    vector, left = joint.direction(target, preserved)
    names = [joint.names[k] for k in preserved]
    listed = " with ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    if left < MIN_SHARE_LEFT:
        raise AnalysisError(
            f"{edit.name!r} cannot change while {listed} is preserved: the rows of one are those of the other"
        )
    if not vector.any():
        raise AnalysisError(f"{edit.name!r} has no direction to edit along: no code differs")
    sentences = []
    if left < NEARLY_DEPENDENT:
        sentences.append(
            f"{edit.name!r} nearly follows from {listed}: only {100 * left**2:.1f} % of its variance is left where "
            "that is preserved, so the direction is of few rows"
        )
    columns = joint.number[[target, *preserved]]
    if (joint.known[np.ix_(columns, columns)] < len(joint.fitted)).any():
        sentences.append(
            f"some rows lack {edit.name!r} or what is preserved: each pair is taken over the rows that have both; "
            "`latentgan concepts --preserve` takes those that have all"
        )
    length = float(joint.deviation(vector))
    return replace(edit, vector=vector, length=length if length > 0 else edit.length), sentences


def _projected_note(
    directions: Sequence[EditDirection], edited: int, projected: Sequence[int], has_labels: bool
) -> str:
    """Say which directions were projected out although concepts are preserved by regression, and why.

    Args:
        directions: all of the table.
        edited: position of the one that is edited along.
        projected: positions of those that were projected out.
        has_labels: whether the edited one is of a column of labels.
    """
    names = ", ".join(repr(directions[k].name) for k in projected)
    without_labels = names if has_labels else repr(directions[edited].name)
    return f"no label defines {without_labels}, so that there is nothing to regress on: {names} projected out"
