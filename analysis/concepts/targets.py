"""Concept targets of a table's columns: which rows have a concept, and which have not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Ints
from ..base.columns import Column
from ..errors import AnalysisError
from ..io.messages import listed

MIN_ROWS_PER_SIDE = 10
"""Least number of train rows on either side of a concept; half as many test rows."""


MAX_TARGETS_PER_COLUMN = 20
"""Largest number of values of one column that become concepts, the commonest first."""


@dataclass(frozen=True, kw_only=True)
class ConceptTarget:
    """A concept to look for: which rows have it."""

    name: str
    """ "label: 3", "bold", "thickness"."""
    column: str
    """Of the table: "label" or an attribute."""
    kind: str
    """ "class", "boolean", "numeric" or "text"."""
    signs: Ints
    """(n,) of all rows: 1 has it, -1 has not, 0 unknown."""
    note: str = ""
    """Of a number: "above the train median, 3.2"."""
    values: Doubles | None = None
    """(n,) of all rows: the number behind a numeric concept, NaN unknown."""


def concept_targets(column: Column, train: Ints) -> list[ConceptTarget]:
    """Turn a column into one-against-rest targets; a numeric one into above and below the train median."""
    present = column.present
    if column.kind == "numeric":
        values = column.values[train][present[train]]
        if len(values) == 0:
            return []
        median = float(np.median(values))
        signs = np.where(present, np.where(column.values > median, 1, -1), 0).astype(np.int64)
        note = f"above the train median, {median:.4g}"
        return [
            ConceptTarget(
                name=column.name, column=column.name, kind=column.kind, signs=signs, note=note, values=column.values
            )
        ]
    if column.kind == "boolean":
        return [_side_target(column.name, column, np.where(present, np.where(column.values > 0, 1, -1), 0), "")]
    counts = np.bincount(column.codes[train][present[train]], minlength=len(column.categories))
    targets = []
    for value in np.sort(np.argsort(-counts, kind="stable")[:MAX_TARGETS_PER_COLUMN]):
        signs = np.where(column.codes == value, 1, -1)
        targets.append(
            _side_target(f"{column.name}: {column.categories[value]}", column, np.where(present, signs, 0), "")
        )
    return targets[-1:] if len(column.categories) == 2 else targets


def _side_target(name: str, column: Column, signs: Ints, note: str) -> ConceptTarget:
    return ConceptTarget(name=name, column=column.name, kind=column.kind, signs=signs.astype(np.int64), note=note)


def places_of_names(targets: Sequence[ConceptTarget], wanted: Sequence[str]) -> list[int]:
    """Positions of the targets that names call: a target's, its value alone, or a column's for all of its targets.

    Raises:
        AnalysisError: a name is neither.
    """
    result: list[int] = []
    for name in wanted:
        places = [i for i, target in enumerate(targets) if name in (target.name, target.column)]
        by_value = [i for i, target in enumerate(targets) if name == target.name.split(": ", 1)[-1]]
        places = places or (by_value if len(by_value) == 1 else [])
        if not places:
            names = list(dict.fromkeys([*(target.name for target in targets), *(target.column for target in targets)]))
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise AnalysisError(f"no concept is called {name!r}; {hint}known are: {listed(names)}")
        result += [i for i in places if i not in result]
    return result


def with_enough_rows(
    targets: Sequence[ConceptTarget], train: Ints, test: Ints
) -> tuple[list[ConceptTarget], list[str]]:
    """Select the targets with enough rows on both sides, and note which were left out."""
    usable, left = [], []
    for target in targets:
        least = [min(sides(target.signs[rows])) for rows in (train, test)]
        if least[0] >= MIN_ROWS_PER_SIDE and least[1] >= MIN_ROWS_PER_SIDE // 2:
            usable.append(target)
        else:
            left.append(f"{target.name!r} ({least[0]} train, {least[1]} test)")
    sentences = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    reason = f"concepts need {MIN_ROWS_PER_SIDE} train and {MIN_ROWS_PER_SIDE // 2} test rows on either side"
    return usable, [f"left out: {sentences}; {reason}"] if left else []


def sides(signs: Ints) -> tuple[int, int]:
    """Number of rows with the concept, and without it."""
    return int(np.count_nonzero(signs > 0)), int(np.count_nonzero(signs < 0))
