"""Concept vectors: directions in the code along which a label or attribute changes, each with its evidence.

For and against: a figure on rows that the direction has not seen, beside pixels, an untrained network, shuffled labels
and random directions; how rarely such a figure comes by chance, corrected for all concepts that are tried; whether the
direction is stable, that is whether other rows give the same one; and whether other estimators give the same one. The
last two do not depend on the units of the code's columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..base.arrays import (
    Bools,
    Doubles,
    Floats,
    Ints,
    Pixels,
    Seed,
    Singles,
    as_codes,
    as_rng,
    check_counts,
    rows_of,
    same_length,
)
from ..base.columns import Column
from ..base.decoding import decode_frames
from ..base.groups import as_groups, one_of_each, shuffled_whole
from ..base.labels import as_column, as_rows
from ..base.statistics import SIGNIFICANT, Baseline, Interval, correlation, false_discovery, mean_interval
from ..errors import AnalysisError
from .cross_fitting import FOLDS, affordable, cross_fit
from .directions import METHODS, NUMERIC, find_directions, unit
from .displacement import displacement_note, estimate_displacements
from .joint_regression import Joint, columns_of, joint_of
from .orthogonalization import PRESERVE_METHODS, ConditionalConcept, PreservedConcept
from .scoring import Task, by_mean, chance
from .search import (
    EDIT_METHOD,
    MAX_COLUMNS,
    FittedDirection,
    Space,
    best_methods,
    narrow,
    search,
    targets_of,
    tasks_for,
)
from .stability import RESAMPLES
from .stratified import evidence_within
from .targets import MIN_ROWS_PER_SIDE, ConceptTarget, concept_targets, places_of_names, sides, with_enough_rows
from .unsupervised import Unsupervised


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One direction, fitted on train rows and scored on test rows."""

    name: str
    """ "label: 3", "bold", "thickness", "font: Serif", "bold, preserving label"."""
    column: str
    """ "label" or the attribute."""
    kind: str
    """ "class", "boolean", "numeric" or "text"."""
    method: str
    """One of METHODS."""
    auc: Interval
    """Held-out (test) AUC of the projection; of a number, for rows above the train median."""
    r2: Interval | None
    """Of a number: held-out R² of the line through the train rows' positions."""
    p_value: float
    """One-sided, on test rows: Mann and Whitney's of the AUC; shuffled rows of R² (Spearman's below their floor)."""
    q_value: float
    """After Benjamini–Hochberg, see `_corrected`."""
    permutations: int
    """Shuffles of test rows, where the p-value comes from these."""
    baselines: tuple[Baseline, ...]
    """In the same figure: pixels, untrained, shuffled (fitted to shuffled labels), random direction, train mean."""
    stability: Interval
    """Median and middle 95 % of the cosine, at unit variance, of directions of resamples with those of other rows."""
    shuffled_stability: Interval
    """The same for shuffled labels."""
    scale: float
    """Standard deviation of the train rows' projections: an edit of strength 1."""
    positive: int
    """Train rows with the concept, or above the median."""
    negative: int
    """Train rows without it, or not above the median."""
    agreement: float
    """Mean cosine, at unit variance, with the other methods' directions; NaN where there is none."""
    chosen: bool
    """Whether it is the concept's best method, as held-out train rows say."""
    note: str
    """Of a number: "above the train median, 3.2"; else ""."""

    @property
    def score(self) -> Interval:
        """The figure that was tested: R² of a number, else AUC."""
        return self.auc if self.r2 is None else self.r2

    @property
    def metric(self) -> str:
        """What `score` is."""
        return "AUC" if self.r2 is None else "R²"

    @property
    def significant(self) -> bool:
        """Whether it predicts its concept better than chance: by q, and by its whole interval."""
        return self.q_value <= SIGNIFICANT and self.above_chance

    @property
    def above_chance(self) -> bool:
        """Whether all of the figure's interval is above chance, without which a small q claims nothing.

        Of an R² the figure itself is above 0, too: what is worse than the mean predicts nothing.
        """
        return self.score.low > self.chance and (self.r2 is None or self.r2.value > 0)

    @property
    def chance(self) -> float:
        """The figure that labels without any relation to the codes have: an AUC of 0.5, an R² of 0 or below.

        A direction and a line that are fitted to noise predict new rows worse than the mean does. Few rows of many
        numbers have an R² of -0.2 or less then, as the mean over shuffled labels says, which is among the baselines.
        """
        if self.r2 is None:
            return 0.5
        return min([0.0, *(baseline.figure.value for baseline in self.baselines if baseline.name == "shuffled")])


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Codes moved along directions and decoded beforehand, for sliders."""

    concepts: tuple[int, ...]
    """(m,) indices into ConceptTable.concepts."""
    strengths: Doubles
    """(s,) in standard deviations of the projection; 0 is the reconstruction."""
    rows: Ints
    """(r,) positions in the table of the images that are edited."""
    frames: Pixels
    """(m, r, s, h, w, c) image r edited along concept m at strength s."""


@dataclass(frozen=True, kw_only=True)
class ConceptTable:
    """All concepts of one table."""

    kind: ClassVar[str] = "concepts"

    concepts: tuple[Concept, ...]
    """(m,) every direction, method by method; conditional directions last."""
    directions: Doubles
    """(m, d) unit vectors in the code; zero in parts that are masked."""
    cosines: Doubles
    """(m, m) between directions."""
    edits: Edits | None
    """Edited images; None without a model that decodes."""
    notes: tuple[str, ...]
    """Sentences on rows, columns and concepts that were left out or reduced."""
    conditional: tuple[ConditionalConcept, ...] = ()
    """Directions that preserve other concepts."""
    unsupervised: tuple[Unsupervised, ...] = ()
    """Directions without labels, by method."""
    joint: Joint | None = None
    """Covariances of concepts and codes on train rows, also for shuffled labels; None in old tables."""

    @property
    def best(self) -> tuple[Concept, ...]:
        """The direction of each concept by its best method, in the order in which concepts were asked for."""
        chosen = {concept.name: concept for concept in self.concepts if concept.chosen}
        return tuple(
            chosen[name] for name in dict.fromkeys(concept.name for concept in self.concepts) if name in chosen
        )

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(*([self.edits.rows] if self.edits is not None else []))


def concept_table(
    train: Floats,
    test: Floats,
    targets: Sequence[ConceptTarget],
    train_rows: Ints,
    test_rows: Ints,
    *,
    rng: Seed = 0,
    baselines: Mapping[str, tuple[Floats, Floats]] | None = None,
    mask: Bools | None = None,
    methods: Sequence[str] = METHODS,
    preserve: Sequence[str] = (),
    preserve_by: str = PRESERVE_METHODS[0],
    permutations: int = 999,
    draws: int = 20,
    resamples: int = RESAMPLES,
    notes: Sequence[str] = (),
    groups: Ints | None = None,
) -> ConceptTable:
    """Fit and score a direction for every concept target by every method; ridge is for numbers only.

    Args:
        train: (n, d) codes of `train_rows`.
        test: (n', d) codes of `test_rows`.
        targets: concepts to look for.
        train_rows: (n,) rows of the targets that directions are fitted to.
        test_rows: (n',) rows of the targets that directions are scored on.
        rng: of resamples, shuffles and random directions.
        baselines: name → (train, test) representations in which the same is tried.
        mask: (d,) columns that are used; all unless given.
        methods: of METHODS.
        preserve: concepts, or columns, that directions of all others preserve, in addition to the plain directions;
            their evidence is within strata of the preserved ones.
        preserve_by: how, one of PRESERVE_METHODS.
        permutations: shuffles behind each p-value.
        draws: shuffled labels and random directions behind each baseline.
        resamples: behind each stability.
        notes: sentences for the result.
        groups: (n,) codes of train rows that belong together, which resamples and shuffles keep whole; test rows
            should be one of each group, and of other groups.

    Returns:
        Concepts with their directions, scores, p-values and baselines.

    Raises:
        AnalysisError: a method or a concept to preserve is unknown, or inputs do not fit each other.
    """
    rng = as_rng(rng)
    check_counts(permutations=permutations)
    train, test = as_codes(train, "train"), as_codes(test, "test")
    if train.shape[1] != test.shape[1]:
        raise AnalysisError(f"train has {train.shape[1]} columns, and test has {test.shape[1]}")
    train_rows, test_rows = as_rows(train_rows, "train_rows"), as_rows(test_rows, "test_rows")
    same_length(train=train, train_rows=train_rows)
    same_length(test=test, test_rows=test_rows)
    most = max(int(train_rows.max()), int(test_rows.max()))
    for target in targets:
        if len(target.signs) <= most:
            raise AnalysisError(
                f"{target.name!r} has {len(target.signs)} rows, and train_rows and test_rows go up to row {most}"
            )
        check_signs(target, train_rows, test_rows)
    mask = np.ones(train.shape[1], np.bool_) if mask is None else mask
    preserved = places_of_names(targets, preserve)
    same_length(codes=train, rows=train_rows)
    masked = (train, test) if mask.all() else (train[:, mask], test[:, mask])  # no copy of all columns
    space, width_notes = narrow(*masked, "codes", rng)
    tasks = [Task(target=target, train=train_rows, test=test_rows) for target in targets]
    result, left = search(
        space,
        tasks,
        methods,
        preserved=preserved,
        preserved_names=" and ".join(preserve),
        rng=rng,
        resamples=resamples,
        by=preserve_by,
        groups=groups,
    )
    best = best_methods(space, tasks, methods, rng=rng, groups=groups)
    baselines_of_each = _baselines(space, tasks, methods, baselines or {}, draws, rng, groups)
    concepts = _scored(space, tasks, result, preserved, baselines_of_each, best, permutations, rng)
    wide = np.zeros((len(result), len(mask)))
    wide[:, mask] = space.whole(np.stack([candidate.axis for candidate in result]))
    conditional_places = [i for i, candidate in enumerate(result) if candidate.orthogonal is not None]
    conditional = tuple(_conditional_concept(space, tasks, result, i, rng) for i in conditional_places)
    displacement = displacement_note(space.test, [_test_columns(tasks, result, i) for i in conditional_places])
    joint = joint_of(train, targets, train_rows, rng=rng.spawn(1)[0], mask=mask, groups=groups)
    return ConceptTable(
        concepts=concepts,
        directions=wide,
        cosines=wide @ wide.T,
        edits=None,
        notes=(*notes, *width_notes, *left, *filter(None, [displacement])),
        conditional=conditional,
        joint=joint,
    )


def _scored(
    space: Space,
    tasks: Sequence[Task],
    candidates: Sequence[FittedDirection],
    preserved: Sequence[int],
    baselines: Mapping[tuple[int, str], tuple[Baseline, ...]],
    best: Sequence[str],
    permutations: int,
    rng: np.random.Generator,
) -> tuple[Concept, ...]:
    """Score directions on test rows, those of one task by the same shuffles; then correct for their number."""
    concepts: dict[int, Concept] = {}
    for i, task in enumerate(tasks):
        of_task = [place for place, candidate in enumerate(candidates) if candidate.task == i]
        axes = np.stack([candidates[place].axis for place in of_task])
        along = space.along(axes)
        alike = unit(
            np.stack([space.at_unit_variance(candidates[place].axis, candidates[place].method) for place in of_task])
        )
        each = [(along[0][:, k], along[1][:, k]) for k in range(len(of_task))]
        aucs = [task.auc(test) for _, test in each]
        r2s = [task.r2(candidate, rng) if task.numeric else None for candidate in each]
        p_values = task.p_values(along, [auc.value for auc in aucs], permutations, rng)
        for k, place in enumerate(of_task):
            if candidates[place].orthogonal is not None:
                aucs[k], r2s[k], p_values[k] = evidence_within(
                    task.target,
                    [tasks[j].target for j in preserved],
                    (task.train, task.test),
                    each[k],
                    permutations,
                    rng,
                )
        more, fewer = sides(task.signs(task.train))
        first = [k for k, place in enumerate(of_task) if candidates[place].orthogonal is None]
        for k, place in enumerate(of_task):
            candidate, cosines_to_others = candidates[place], [alike[j] @ alike[k] for j in first if j != k]
            plain = candidate.orthogonal is None
            concepts[place] = Concept(
                name=candidate.name,
                column=task.target.column,
                kind=task.target.kind,
                method=candidate.method,
                auc=aucs[k],
                r2=r2s[k],
                p_value=p_values[k],
                q_value=math.nan,
                permutations=permutations,
                baselines=baselines[i, candidate.method] if plain else (),
                stability=candidate.stability,
                shuffled_stability=candidate.shuffled,
                scale=float(np.std(each[k][0], dtype=np.float64)),
                positive=more,
                negative=fewer,
                agreement=float(np.mean(cosines_to_others)) if plain and cosines_to_others else math.nan,
                chosen=plain and candidate.method == best[i],
                note=task.target.note,
            )
    return _corrected(
        [concepts[place] for place in range(len(candidates))],
        [candidate.orthogonal is None for candidate in candidates],
    )


def _corrected(concepts: Sequence[Concept], plain: Sequence[bool]) -> tuple[Concept, ...]:
    """Give every direction the q-value of its family of tests (Benjamini–Hochberg).

    Train rows choose a method for each concept, so that test rows test each concept once: the chosen directions are one
    family. Any other direction is corrected as if its method had been chosen for all concepts. Directions that were
    conditional ones are a family of their own.

    Args:
        concepts: (m,) without q-values.
        plain: (m,) which are not conditional.
    """
    q = np.full(len(concepts), math.nan)
    p = np.array([concept.p_value for concept in concepts])
    methods = np.array([concept.method if raw else "" for concept, raw in zip(concepts, plain, strict=True)])
    for method in dict.fromkeys(methods.tolist()):
        family = methods == method
        q[family] = false_discovery(p[family])
    chosen = np.array([concept.chosen for concept in concepts], np.bool_)
    q[chosen] = false_discovery(p[chosen])
    return tuple(replace(concept, q_value=float(value)) for concept, value in zip(concepts, q, strict=True))


def _baselines(
    space: Space,
    tasks: list[Task],
    methods: Sequence[str],
    baselines: Mapping[str, tuple[Floats, Floats]],
    draws: int,
    rng: np.random.Generator,
    groups: Ints | None = None,
) -> dict[tuple[int, str], tuple[Baseline, ...]]:
    """Baselines of each (task, method): the estimator on other representations, then chance; "" holds chance alone."""
    signs = targets_of(tasks, tasks[0].train, EDIT_METHOD)
    shuffled = (shuffled_whole(signs, groups, rng=rng) for _ in range(draws))
    mixed = np.stack([find_directions(space.train, targets, method=EDIT_METHOD) for targets in shuffled])
    aimless = np.repeat(unit(rng.normal(size=(draws, 1, mixed.shape[2]))), len(tasks), axis=1)
    lost = chance(tasks, space.train, space.test, mixed, "shuffled", either=False)
    random = chance(tasks, space.train, space.test, aimless, "random direction", either=True)
    result = {(i, ""): (lost[i], random[i], *by_mean(task, rng)) for i, task in enumerate(tasks)}
    baseline_figures: dict[tuple[int, str], list[Baseline]] = {}
    for name, (train, test) in baselines.items():
        other, _ = narrow(train, test, name, rng)
        for method in methods:
            columns = tasks_for(tasks, method)
            if not columns:
                continue
            targets = targets_of([tasks[i] for i in columns], tasks[0].train, method)
            along = other.along(find_directions(other.train, targets, method=method))
            for k, i in enumerate(columns):
                figure = tasks[i].figure((along[0][:, k], along[1][:, k]), rng)
                baseline_figures.setdefault((i, method), []).append(Baseline(name=name, figure=figure))
    for i in range(len(tasks)):
        result |= {(i, method): (*baseline_figures.get((i, method), ()), *result[i, ""]) for method in methods}
    return result


def _conditional_concept(
    space: Space, tasks: Sequence[Task], candidates: Sequence[FittedDirection], place: int, rng: np.random.Generator
) -> ConditionalConcept:
    """How a conditional direction relates to each preserved concept, before and after, on test rows."""
    candidate = candidates[place]
    if candidate.orthogonal is None:
        raise ValueError(f"{candidate.name!r} preserves nothing")
    pair = np.stack([candidates[candidate.source].axis, candidate.axis])
    train, test = space.along(pair)
    steps = pair * train.std(0, dtype=np.float64)[:, None]
    moved = list(zip(*estimate_displacements(space.test, _test_columns(tasks, candidates, place), steps), strict=True))
    preserved = []
    for k, condition in enumerate(candidate.conditions):
        axis, task = candidates[condition].axis, tasks[candidates[condition].task]
        position = space.test @ axis
        cosine = float(pair[0] @ axis), float(pair[1] @ axis)
        shared = correlation(test[:, 0], position), correlation(test[:, 1], position)
        ranked = task.figure((train[:, 0], test[:, 0]), rng), task.figure((train[:, 1], test[:, 1]), rng)
        preserved.append(
            PreservedConcept(
                name=candidates[condition].name,
                dependent=not bool(candidate.orthogonal.used[k]),
                cosine=cosine,
                correlation=shared,
                ranked=ranked,
                moved=moved[1 + k],
            )
        )
    return ConditionalConcept(
        concept=place,
        source=candidate.source,
        left=candidate.orthogonal.left,
        condition=candidate.orthogonal.condition,
        preserved=tuple(preserved),
        by=candidate.by,
        moved=moved[0],
    )


def _test_columns(tasks: Sequence[Task], candidates: Sequence[FittedDirection], place: int) -> Doubles:
    """Values of a conditional direction's concept, then of the preserved ones, on test rows: (n', 1 + c)."""
    numbers, place_of = columns_of([task.target for task in tasks], tasks[0].test)
    conditions = [candidates[condition].task for condition in candidates[place].conditions]
    values: Doubles = numbers[:, place_of[[candidates[place].task, *conditions]]]
    return values


def concept_vector(
    codes: npt.ArrayLike,
    positive: npt.ArrayLike,
    *,
    rng: Seed = 0,
    name: str = "concept",
    method: str = EDIT_METHOD,
    permutations: int = 999,
    groups: npt.ArrayLike | None = None,
) -> tuple[Concept, Doubles]:
    """Fit one direction on all rows, and score each row along a direction fitted on the other rows.

    Where rows are so many that fitting again for every shuffle of the labels would take long, a random 70 % of the rows
    fit the direction and the rest score it.

    Args:
        codes: (n, d) array, list or data frame.
        positive: (n,) which rows have the concept: booleans, 0 and 1, -1 and 1, two texts; or numbers, of which "ridge"
            takes the values and the other methods the sides of the median. Missing values are unknown.
        rng: seed or generator.
        name: what the concept is called.
        method: one of METHODS.
        permutations: shuffles behind p.
        groups: (n,) names or numbers of what rows belong to, such as clips or persons. The evidence is then that of one
            row of each, drawn at random, whose number counts groups; the direction is still that of all rows.

    Returns:
        The evidence, and the unit vector (d,).

    Raises:
        AnalysisError: inputs have other kinds or lengths, a side has fewer than 15 rows, or the method is unknown.
    """
    codes, rng = as_codes(codes), as_rng(rng)
    column = as_column(positive, name, numeric=method == NUMERIC)
    same_length(codes=codes, positive=column.values)
    if method == NUMERIC and column.kind != "numeric":
        raise AnalysisError(f"{NUMERIC} is for numbers, and {name!r} says which rows have it: take another method")
    check_counts(permutations=permutations)
    if groups is not None:
        n = len(codes)
        alone = one_of_each(np.arange(n), as_groups(groups, n), rng.permutation(n))
        concept, _ = _with_evidence(codes[alone], column.take(alone), method, permutations, rng)
        return concept, direction_of(codes, column, method, rng)
    return _with_evidence(codes, column, method, permutations, rng)


def direction_of(codes: Floats, column: Column, method: str, rng: np.random.Generator) -> Doubles:
    """The unit vector (d,) that a method finds by all rows with a value."""
    [target] = concept_targets(column, np.arange(len(codes)))
    space, _ = narrow(codes, codes, "codes", rng)
    rows = np.arange(len(codes))
    targets = targets_of([Task(target=target, train=rows, test=rows)], rows, method)
    direction: Doubles = space.whole(find_directions(space.train, targets, method=method))[0]
    return direction


def _with_evidence(
    codes: Floats, column: Column, method: str, permutations: int, rng: np.random.Generator
) -> tuple[Concept, Doubles]:
    """One direction and its evidence: by folds where they can be fitted again often enough, else by a split."""
    if affordable(int(column.present.sum()), min(codes.shape[1], MAX_COLUMNS), permutations, method):
        return _cross_fitted(codes, column, method, permutations, rng)
    order = rng.permutation(len(codes))
    train, test = np.sort(order[: len(codes) * 7 // 10]), np.sort(order[len(codes) * 7 // 10 :])
    usable, left = with_enough_rows(concept_targets(column, train), train, test)
    if not usable:
        raise AnalysisError(left[0])
    table = concept_table(
        codes[train], codes[test], usable, train, test, rng=rng, methods=[method], permutations=permutations
    )
    return table.concepts[0], table.directions[0]


def _cross_fitted(
    codes: Floats, column: Column, method: str, permutations: int, rng: np.random.Generator
) -> tuple[Concept, Doubles]:
    """The direction of all rows with a value, and its evidence from held-out folds."""
    has_label = column.present
    rows, codes = np.arange(int(has_label.sum())), codes[has_label]
    [target] = concept_targets(column.take(np.flatnonzero(has_label)), rows)
    more, fewer = sides(target.signs)
    if min(more, fewer) < MIN_ROWS_PER_SIDE * 3 // 2:
        raise AnalysisError(
            f"{column.name!r} is left out: {more} rows have it and {fewer} have not, and a concept needs "
            f"{MIN_ROWS_PER_SIDE * 3 // 2} on either side"
        )
    space, _ = narrow(codes, codes, "codes", rng)
    task = Task(target=target, train=rows, test=rows)
    [result], _ = search(space, [task], [method], preserved=[], preserved_names="", rng=rng)
    targets = target.signs if target.values is None else target.values
    held = cross_fit(space.train, targets, target.signs, method=method, permutations=permutations, rng=rng)
    area, r2 = (
        task.auc(held.positions, inflation=held.inflation),
        None if target.values is None else task.r2_of(target.values, held.predicted, rng),
    )
    random = unit(rng.normal(size=(20, 1, space.train.shape[1])))
    baselines = (
        Baseline(name="shuffled", figure=mean_interval(held.null), note=f"mean over {len(held.null)} shuffles"),
        *chance([task], space.train, space.train, random, "random direction", either=True),
    )
    direction = space.whole(result.axis[None])[0]
    concept = Concept(
        name=target.name,
        column=column.name,
        kind=column.kind,
        method=method,
        auc=area,
        r2=r2,
        p_value=held.p_value,
        q_value=held.p_value,
        permutations=permutations,
        baselines=baselines,
        stability=result.stability,
        shuffled_stability=result.shuffled,
        scale=float(np.std(codes @ direction, dtype=np.float64)),
        positive=more,
        negative=fewer,
        agreement=math.nan,
        chosen=True,
        note="; ".join(filter(None, (target.note, f"{FOLDS}-fold cross-fitting"))),
    )
    return concept, direction


def check_signs(target: ConceptTarget, train_rows: Ints, test_rows: Ints) -> None:
    """Check that signs are signs, and that train and test rows hold both sides.

    Raises:
        AnalysisError: they are not, or do not.
    """
    if not np.isin(target.signs, (-1, 0, 1)).all():
        raise AnalysisError(f"the signs of {target.name!r} must be 1 (has it), -1 (has not) or 0 (unknown)")
    for part, rows in (("train", train_rows), ("test", test_rows)):
        more, fewer = sides(target.signs[rows])
        if not (more and fewer):
            raise AnalysisError(
                f"{target.name!r} has {more} {part} rows with it and {fewer} without: a direction needs both sides, "
                "signs of 1 and -1"
            )


def decode_edits(
    decode: Callable[[Singles], Singles],
    table: ConceptTable,
    codes: Floats,
    rows: Ints,
    *,
    strengths: Sequence[float] = (-3, -2, -1, 0, 1, 2, 3),
    method: str = EDIT_METHOD,
    most: int = 24,
) -> Edits:
    """Decode code + strength · scale · direction for every concept of `method`: frames for sliders.

    Args:
        decode: codes (n, d) to images (n, h, w, c) in [0, 1].
        table: whose directions.
        codes: (r, d) of `rows`, the images to edit.
        rows: (r,) positions in the table.
        strengths: (s,) in standard deviations of the projection.
        method: whose directions, one of METHODS.
        most: concepts at most.

    Returns:
        The frames, (concepts, r, s, h, w, c).
    """
    codes, rows = as_codes(codes), as_rows(rows, "rows")
    same_length(codes=codes, rows=rows)
    chosen = [i for i, concept in enumerate(table.concepts) if concept.method == method][:most]
    steps = np.array([table.concepts[i].scale * table.directions[i] for i in chosen])
    frames = decode_frames(decode, steps, codes, strengths)
    return Edits(
        concepts=tuple(chosen),
        strengths=np.asarray(strengths, np.float64),
        rows=np.asarray(rows, np.int64),
        frames=frames,
    )
