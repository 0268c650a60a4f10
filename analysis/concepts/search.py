"""Fit the directions of all concepts by all methods with their stability, and those that preserve other concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..base.arrays import AnyArray, Doubles, Floats, Ints, Singles, as_codes
from ..base.groups import cut, whole_order
from ..base.linear_models import fit_scaler
from ..base.pca import fit_pca
from ..base.statistics import UNKNOWN, Interval
from ..errors import AnalysisError
from .directions import METHODS, NUMERIC, find_directions, in_units, mean_differences, unit
from .joint_regression import columns_of
from .orthogonalization import (
    MIN_LENGTH_LEFT,
    PRESERVE_METHODS,
    PROJECTION,
    OrthogonalDirection,
    orthogonalise,
    regress,
    span_of,
)
from .scoring import Task
from .stability import RESAMPLES, Resamples, cosines_of, stabilities

MAX_COLUMNS = 512  # columns; wider representations go through a PCA fitted on train


MAX_SELECTION_ROWS = 10_000  # train rows that choose the best method


EDIT_METHOD = "mean difference"  # the method of edits and of conditional directions: it stays where the codes are


class Space(NamedTuple):
    """A representation's train and test rows, and the axes (w, d) of the PCA that narrowed it, if one did."""

    train: Floats
    test: Floats
    deviation: Singles  # (d,) of the representation's own columns on train rows; infinite where none differs
    axes: Doubles | None = None

    def along(self, directions: Doubles) -> tuple[Floats, Floats]:
        """Positions of train and test rows on (m, w) directions: (n, m), (n', m)."""
        axes = directions.T.astype(self.train.dtype)
        return self.train @ axes, self.test @ axes

    def whole(self, directions: Doubles) -> Doubles:
        """Directions (m, w) in the representation's own columns: (m, d)."""
        return directions if self.axes is None else directions @ self.axes

    def at_unit_variance(self, directions: Doubles, method: str) -> Doubles:
        """Directions (..., w) of a method as they are where every column has variance 1: (..., d), of any length.

        Cosines between these do not depend on the columns' units. Columns in larger units make a difference of means
        longer there, as it is a step, and a normal shorter, as it reads them.
        """
        varied = np.isfinite(self.deviation)
        scale = np.where(varied, self.deviation, 1).astype(np.float64)
        return self.whole(directions) * varied * (1 / scale if method == "mean difference" else scale)


def narrow(train: Floats, test: Floats, name: str, rng: np.random.Generator) -> tuple[Space, list[str]]:
    """Check (n, d) and (n', d) rows, and reduce codes of more than `MAX_COLUMNS` by PCA, with a note."""
    train, test = as_codes(train, f"train {name}"), as_codes(test, f"test {name}")
    if train.shape[1] <= MAX_COLUMNS:
        return Space(train, test, fit_scaler(train).scale), []
    pca = fit_pca(train, MAX_COLUMNS, rng=rng)
    sentences = [f"{train.shape[1]:,} columns of {name} reduced to {len(pca.axes)} by a PCA fitted on train"]
    return Space(pca.project(train), pca.project(test), fit_scaler(train).scale, pca.axes), sentences


@dataclass(frozen=True, kw_only=True)
class FittedDirection:
    """One direction, before it is scored on test rows."""

    task: int
    """Position of its task."""
    method: str
    """One of `directions.METHODS`."""
    axis: Doubles
    """(w,) unit vector."""
    stability: Interval
    """Cosine, at unit variance, of a resample's direction with that of the rows left out."""
    shuffled: Interval
    """The same for shuffled labels."""
    name: str
    source: int = -1
    """Of a conditional one: the place of the direction that it was made of."""
    orthogonal: OrthogonalDirection | None = None
    """Of a conditional one."""
    conditions: tuple[int, ...] = ()
    """Places of the directions that it preserves."""
    by: str = ""
    """One of PRESERVE_METHODS, of a conditional one."""


def targets_of(tasks: Sequence[Task], rows: Ints, method: str) -> AnyArray:
    """What `find_directions` takes: signs, or the numbers for ridge, of `rows` a column a task."""
    columns = [task.values(rows) if method == NUMERIC else task.signs(rows) for task in tasks]
    return np.stack(columns, axis=1)


def tasks_for(tasks: Sequence[Task], method: str) -> list[int]:
    """Places of the tasks that a method is for: ridge reads numbers only."""
    return [i for i, task in enumerate(tasks) if task.numeric or method != NUMERIC]


def search(
    space: Space,
    tasks: Sequence[Task],
    methods: Sequence[str],
    *,
    preserved: Sequence[int],
    preserved_names: str,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    by: str = PRESERVE_METHODS[0],
    groups: Ints | None = None,
) -> tuple[list[FittedDirection], list[str]]:
    """Find every direction, method by method; last those that leave the tasks in `preserved` unchanged.

    `preserved_names` is what these tasks are called together.

    `by` is one of PRESERVE_METHODS. `groups` (n,) are drawn whole.
    """
    if by not in PRESERVE_METHODS:
        raise AnalysisError(f"concepts are preserved by {' or '.join(PRESERVE_METHODS)}, not by {by!r}")
    for method in methods:
        if method not in METHODS:
            raise AnalysisError(f"unknown method {method!r}: known are {', '.join(METHODS)}")
    drawn, result = Resamples(space.train, rng=rng, resamples=resamples, groups=groups), []
    for method in methods:
        if columns := tasks_for(tasks, method):
            targets = targets_of([tasks[i] for i in columns], tasks[0].train, method)
            classifier = drawn.fit(targets, method)
            if classifier is None:
                axes = mean_differences(space.train, targets)
            else:
                axes = in_units(classifier.weights.T, drawn.scaler.scale)
            resampled, null = stabilities(drawn, targets, method, classifier, space.at_unit_variance, rng)
            result += [
                FittedDirection(
                    task=i, method=method, axis=axis, stability=steady, shuffled=lost, name=tasks[i].target.name
                )
                for i, axis, steady, lost in zip(columns, axes, resampled, null, strict=True)
            ]
    condition_on = _projected if by == PROJECTION else _regressed
    conditional, notes = list[FittedDirection](), list[str]()
    if preserved:
        conditional, notes = condition_on(result, space, tasks, drawn, list(preserved), preserved_names)
    return [*result, *conditional], notes


def _edited_by(candidates: Sequence[FittedDirection]) -> tuple[str, dict[int, int]]:
    """The method whose directions are made conditional, and task -> place of its direction among the candidates."""
    method = EDIT_METHOD if any(candidate.method == EDIT_METHOD for candidate in candidates) else candidates[0].method
    return method, {candidate.task: i for i, candidate in enumerate(candidates) if candidate.method == method}


def _regressed(
    candidates: Sequence[FittedDirection],
    space: Space,
    tasks: Sequence[Task],
    drawn: Resamples,
    preserved: list[int],
    preserved_names: str,
) -> tuple[list[FittedDirection], list[str]]:
    """Regress codes on every other task together with the preserved ones; note those of which these leave nothing."""
    method, places = _edited_by(candidates)
    concept_places = [i for i in places if i not in preserved]
    if not concept_places:
        return [], [f"no direction preserves {preserved_names}: every concept is among them"]
    values, number = columns_of([task.target for task in tasks], tasks[0].train)
    columns, condition_columns = values[:, number[concept_places]], values[:, number[preserved]]
    directions, left = regress(space.train, columns, condition_columns)
    counts = drawn.counts.astype(np.float64)
    pairs = np.array(
        [
            [regress(space.train, columns, condition_columns, weights)[0] for weights in halves.T]
            for halves in (counts, counts == 0)
        ]
    )
    steady = cosines_of(unit(space.at_unit_variance(pairs, EDIT_METHOD)))
    condition = _condition(condition_columns)
    made, notes = [], list[str]()
    for k, i in enumerate(concept_places):
        name = tasks[i].target.name
        if not candidates[places[i]].axis.any():
            notes.append(f"{name!r} has no direction that could preserve {preserved_names}: no code differs")
        elif not directions[k].any():
            verbs = ("is", "determines") if len(preserved) == 1 else ("are", "determine")
            notes.append(
                f"nothing is left of {name!r} where {preserved_names} {verbs[0]} preserved, which {verbs[1]} it"
            )
        else:
            orthogonal = OrthogonalDirection(
                direction=unit(directions[k]),
                left=float(left[k]),
                used=np.ones(len(preserved), np.bool_),
                condition=condition,
            )
            conditions = tuple(places[k] for k in preserved)
            made.append(
                FittedDirection(
                    task=i,
                    method=method,
                    axis=orthogonal.direction,
                    stability=steady[k],
                    shuffled=UNKNOWN,
                    name=f"{name}, preserving {preserved_names}",
                    source=places[i],
                    orthogonal=orthogonal,
                    conditions=conditions,
                    by=PRESERVE_METHODS[0],
                )
            )
    return made, notes


def _condition(columns: Doubles) -> float:
    """Condition number of columns (n, k) at unit variance over rows that are known in all; infinite if dependent."""
    complete = columns[np.isfinite(columns).all(1)]
    spread = complete.std(0) if len(complete) else np.zeros(columns.shape[1])
    if not (spread > 0).all():
        return float("inf")
    sizes = np.linalg.svd((complete - complete.mean(0)) / spread, compute_uv=False)
    return float(sizes[0] / sizes[-1]) if sizes[-1] > 1e-9 * sizes[0] else float("inf")


def _projected(
    candidates: Sequence[FittedDirection],
    space: Space,
    tasks: Sequence[Task],
    drawn: Resamples,
    preserved: list[int],
    preserved_names: str,
) -> tuple[list[FittedDirection], list[str]]:
    """Project the preserved tasks' directions out of every other task's; note those of which nothing is left."""
    method, places = _edited_by(candidates)
    axes = np.stack([candidates[places[i]].axis for i in preserved])
    apart = [k for k, used in zip(preserved, span_of(axes).used, strict=True) if used]
    pairs = drawn.directions(targets_of(tasks, tasks[0].train, method), method)
    resampled_pairs = np.array(
        [
            [span_of(candidate[apart], bar=1 / MIN_LENGTH_LEFT).taken_out(candidate) for candidate in half]
            for half in pairs
        ]
    )
    made, concept_places = [], [i for i in places if i not in preserved]
    notes = [] if concept_places else [f"no direction preserves {preserved_names}: every concept is among them"]
    for i in concept_places:
        if not candidates[places[i]].axis.any():
            notes.append(
                f"{tasks[i].target.name!r} has no direction that could preserve {preserved_names}: no code differs"
            )
            continue
        orthogonal = orthogonalise(candidates[places[i]].axis, axes)
        if orthogonal.gone:
            whose = "its" if len(preserved) == 1 else "their"
            notes.append(
                f"nothing is left of {tasks[i].target.name!r} without {preserved_names}: it lies in {whose} span"
            )
            continue
        name = f"{tasks[i].target.name}, preserving {preserved_names} by projection"
        conditions = tuple(places[k] for k in preserved)
        steady = cosines_of(space.at_unit_variance(resampled_pairs[:, :, i : i + 1], method))[0]
        made.append(
            FittedDirection(
                task=i,
                method=method,
                axis=orthogonal.direction,
                stability=steady,
                shuffled=UNKNOWN,
                name=name,
                source=places[i],
                orthogonal=orthogonal,
                conditions=conditions,
                by=PROJECTION,
            )
        )
    return made, notes


def best_methods(
    space: Space, tasks: Sequence[Task], methods: Sequence[str], *, rng: np.random.Generator, groups: Ints | None = None
) -> list[str]:
    """Choose the best method of each task on held-out train rows; no test row takes part.

    Of at most `MAX_SELECTION_ROWS` train rows a fifth scores the methods, which are fitted to the rest. Rows of one
    group stay together.
    """
    order = whole_order(len(space.train), groups, rng=rng)[:MAX_SELECTION_ROWS]
    held, fit = cut(order, len(order) // 5, groups)
    inner = [Task(target=task.target, train=task.train[fit], test=task.train[held]) for task in tasks]
    subspace, best = Space(space.train[fit], space.train[held], space.deviation), [(-np.inf, methods[0])] * len(tasks)
    for method in methods if len(methods) > 1 else ():
        columns = [i for i in tasks_for(tasks, method) if inner[i].two_sided]
        if not columns:
            continue
        targets = targets_of([inner[i] for i in columns], inner[0].train, method)
        along = subspace.along(find_directions(subspace.train, targets, method=method))
        for place, i in enumerate(columns):
            value = inner[i].plain((along[0][:, place], along[1][:, place]))
            best[i] = max(best[i], (value, method), key=lambda pair: np.nan_to_num(pair[0], nan=-np.inf))
    return [method for _, method in best]
