"""Label efficiency of a table's label and numbers, one representation at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Ints, Singles, subsample
from ..base.columns import Column
from ..base.linear_models import Rows
from ..base.model import Model
from ..errors import AnalysisError
from ..probes.few_labels import VALIDATION
from ..probes.linear_probe import SEARCH
from ..probes.targets import find_targets, rows_with_values
from ..table.embeddings import Embeddings
from ..table.representations import representations
from ..table.selection import Sample, draw_sample, subsample_rows
from ..table.study_options import Options, Progress, silent
from .curves import Curve, Efficiency, sizes
from .regression import MIN_DRAW_ROWS, REFERENCE, NumberCurves, amounts
from .supervised_baselines import SupervisedBaseline, add_classifiers, add_regressors

MAX_NUMBERS = 6  # numeric attributes


MAX_NUMBER_TEST_ROWS = 5_000  # test rows on which numbers are scored: what every draw gives each of them is held


@dataclass(frozen=True, kw_only=True)
class _Options(Options):
    """The shared options, and this study's own."""

    per_class: tuple[int, ...] | None
    draws: int
    network_draws: int


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    per_class: tuple[int, ...] | None = None,
    draws: int = 20,
    supervised: Sequence[SupervisedBaseline] = (),
    network_draws: int = 0,
) -> Efficiency:
    """Predict the label, and numeric attributes, from every representation with few labels and with many.

    A label column of classes is predicted by logistic probes, one of measurements by ridge regression. With `per_class`
    only the label is predicted.

    Args:
        table: of codes.
        model: not used.
        options: how many rows.
        progress: is called with what is at work.
        per_class: numbers of labels a class, or of labelled rows; None means from 1 to all.
        draws: of each number of labels; large draws are fewer.
        supervised: supervised baselines, trained on the same draws.
        network_draws: the first draws of each size that they are trained on; 0 is none.
    """
    options = _Options(**vars(options), per_class=per_class, draws=draws, network_draws=network_draws)
    rng = options.rng("probes")  # the name by which recorded figures were drawn
    sample = draw_sample(table, options, validation_rows=SEARCH, one_train_row_per_group=True)
    main, numbers, notes = _columns(table, sample.train, sample.test, alone=options.per_class is not None)
    target_curves: list[_Classes | _Numbers] = []
    if main.kind != "numeric":
        target_curves.append(_Classes(main, sample, options, rng))
    target_curves += _by_known_rows(numbers, sample, options, notes)
    if not target_curves or (
        main.kind == "numeric" and main.name not in {column.name for column in target_curves[0].columns}
    ):
        raise AnalysisError(f"{main.name!r} cannot be predicted with few labels: {'; '.join(notes) or 'too few rows'}")
    main_name = ""
    for wanted in representations(table):
        x = wanted.read(table, *sample.parts, rng=rng)
        progress(wanted.name)
        for target_curve in target_curves:
            target_curve.add_probes(wanted.name, wanted.baseline, x, shuffled=not main_name)
        main_name = wanted.name
    if options.network_draws and supervised:
        notes += dict.fromkeys(
            note
            for target_curve in target_curves
            for note in target_curve.add_supervised(table, supervised, options, progress)
        )
    done = [result for target_curve in target_curves for result in target_curve.results(table.n_labels_used)]
    outcome, attributes = done[0], done[1:]
    return replace(outcome, notes=(*outcome.notes, *notes, *sample.notes), attributes=tuple(attributes))


def _columns(table: Embeddings, train: Ints, test: Ints, *, alone: bool) -> tuple[Column, list[Column], list[str]]:
    """The main column, every numeric one that is probed (a main one first), and what was left out."""
    targets = find_targets(table, train, test)[0]
    label_columns = [target for target in targets if target.name == table.label]
    main = [*label_columns, *(target for target in targets if target.kind != "numeric"), *targets][0]
    numbers = [target for target in targets if target.kind == "numeric" and target is not main]
    left = [number.name for number in numbers[MAX_NUMBERS:]]
    notes = [f"not probed: {', '.join(map(repr, left))} (--label COLUMN probes one)"] if left and not alone else []
    return main, [*([main] if main.kind == "numeric" else []), *([] if alone else numbers[:MAX_NUMBERS])], notes


class _Classes:
    """Classes by logistic probes."""

    def __init__(self, column: Column, sample: Sample, options: _Options, rng: np.random.Generator) -> None:
        if np.count_nonzero(column.present[sample.validation]) < 2:
            raise AnalysisError("few-label probes choose C on validation rows, and there are none with a label")
        self.columns, self.sample, self.seed = [column], sample, options.seed
        self.curve, self.notes = _curve(column, sample.train, options, rng)

    def add_probes(self, name: str, baseline: bool, x: Sequence[Singles], *, shuffled: bool) -> None:
        train, held, test_rows = (
            rows_with_values(self.columns[0], part, rows) for part, rows in zip(x, self.sample.parts, strict=True)
        )
        validation_rows = subsample(np.arange(len(held.y)), VALIDATION, rng=np.random.default_rng(0))
        self.curve.add_probes(name, baseline, train, Rows(held.x[validation_rows], held.y[validation_rows]), test_rows)
        if shuffled:
            self.curve.add_shuffled(name, train, test_rows, np.random.default_rng([self.seed, 11]))

    def add_supervised(
        self, table: Embeddings, baselines: Sequence[SupervisedBaseline], options: _Options, progress: Progress
    ) -> list[str]:
        """Train supervised baselines on the same draws; returns notes."""
        present = self.columns[0].present
        train, validation, test = (rows[present[rows]] for rows in self.sample.parts)
        validation_rows = validation[subsample(np.arange(len(validation)), VALIDATION, rng=np.random.default_rng(0))]
        rows = (train, validation_rows, test)
        return add_classifiers(
            self.curve,
            baselines,
            table,
            self.columns[0],
            rows,
            draws=min(options.network_draws, options.draws),
            progress=progress,
        )

    def results(self, n_labels_used: int) -> list[Efficiency]:
        name = self.columns[0].name
        return [
            Efficiency(
                target=name,
                curve=self.curve.results(),
                needed=self.curve.needed(),
                n_labels_used=n_labels_used,
                notes=tuple(self.notes),
            )
        ]


def _by_known_rows(columns: Sequence[Column], sample: Sample, options: _Options, notes: list[str]) -> list[_Numbers]:
    """Probes of numbers, those that are known for the same rows together; what cannot be probed is noted."""
    groups: dict[bytes, list[Column]] = {}
    for column in columns:
        n_known = [np.count_nonzero(column.present[rows]) for rows in sample.parts]
        if n_known[1] < 2 or np.ptp(column.values[sample.validation][column.present[sample.validation]]) == 0:
            notes.append(f"{column.name!r} is not probed: ridge chooses its strength on validation rows with a value")
        elif n_known[0] < 2 * MIN_DRAW_ROWS:
            notes.append(f"{column.name!r} is not probed: {n_known[0]} train rows have a value")
        else:
            key = b"".join(column.present[rows].tobytes() for rows in sample.parts)
            groups.setdefault(key, []).append(column)
    return [_Numbers(group, sample, options) for group in groups.values()]


class _Numbers:
    """Numbers that are known for the same rows, by ridge regression."""

    def __init__(self, columns: list[Column], sample: Sample, options: _Options) -> None:
        self.columns, self.sample, self.seed, self.notes = columns, sample, options.seed, list[str]()
        present = columns[0].present
        known_rows = [np.flatnonzero(present[rows]) for rows in sample.parts]
        known_rows[1] = subsample(known_rows[1], VALIDATION, rng=np.random.default_rng(0))
        test_rows = subsample_rows(known_rows[2], MAX_NUMBER_TEST_ROWS, options)
        if len(test_rows) < len(known_rows[2]):
            self.notes.append(
                f"numbers are scored on a sample of {len(test_rows):,} of {len(known_rows[2]):,} test rows"
            )
        self.known = (known_rows[0], known_rows[1], test_rows)
        values, self.held, truth = (
            np.stack([column.values[rows[part]] for column in columns], axis=1)
            for rows, part in zip(sample.parts, self.known, strict=True)
        )
        wanted = self._amounts(len(values), options)
        self.curves = NumberCurves(
            values,
            truth,
            wanted,
            draws=options.draws,
            rng=options.rng("numbers"),
            all_labels=options.per_class is None,
        )

    def _amounts(self, n: int, options: _Options) -> tuple[int, ...]:
        """Labelled rows: those that were asked for, or those of the whole curve."""
        if options.per_class is None:
            return amounts(n)
        wanted = tuple(size for size in options.per_class if MIN_DRAW_ROWS <= size <= n)
        left = sorted(set(options.per_class) - set(wanted))
        why = f"a draw of {self.columns[0].name!r} holds {MIN_DRAW_ROWS} to {n:,} labelled rows"
        if not wanted:
            raise AnalysisError(f"{left[0]} labelled rows cannot be drawn: {why}")
        self.notes += [f"not drawn: {', '.join(map(str, left))} labelled rows, as {why}"] if left else []
        return wanted

    def add_probes(self, name: str, baseline: bool, x: Sequence[Singles], *, shuffled: bool) -> None:
        train, validation, test = (part[rows] for part, rows in zip(x, self.known, strict=True))
        self.curves.add_probes(name, baseline, train, validation, test, self.held)
        if shuffled:
            self.curves.add_shuffled(train, validation, test, self.held, np.random.default_rng([self.seed, 11]))

    def add_supervised(
        self, table: Embeddings, baselines: Sequence[SupervisedBaseline], options: _Options, progress: Progress
    ) -> list[str]:
        """Train supervised baselines on the same draws, for all numbers at once; returns notes."""
        train, validation, test = (rows[part] for rows, part in zip(self.sample.parts, self.known, strict=True))
        draws = min(options.network_draws, options.draws)
        rows = (train, validation, test)
        return add_regressors(self.curves, baselines, table, rows, self.held, draws=draws, progress=progress)

    def results(self, n_labels_used: int) -> list[Efficiency]:
        self.curves.add_mean()
        return [
            Efficiency(
                target=column.name,
                curve=curve.results(),
                needed=curve.needed(REFERENCE),
                n_labels_used=n_labels_used,
                notes=tuple(self.notes),
                metric="R2",
            )
            for column, curve in zip(self.columns, self.curves.curves, strict=True)
        ]


def _curve(column: Column, train: Ints, options: _Options, rng: np.random.Generator) -> tuple[Curve, list[str]]:
    """Draw labels at the sizes that were asked for, or at those of the whole curve; and what cannot be drawn."""
    labels = column.codes[train][column.present[train]]
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        raise AnalysisError("a label curve needs train rows of two classes, and there are fewer")
    if options.per_class is None:
        wanted, notes = sizes(labels), []
    else:
        wanted = tuple(size for size in options.per_class if size <= counts.min())
        left = sorted(set(options.per_class) - set(wanted))
        few = f"the smallest of {len(counts)} classes has {counts.min()} labelled train rows"
        notes = [f"not drawn: {', '.join(map(str, left))} labels a class, as {few}"] if left else []
        if not wanted:
            raise AnalysisError(f"{left[0]} labels a class cannot be drawn: {few}")
    curve = Curve(
        labels,
        wanted,
        columns=len(column.categories),
        draws=options.draws,
        rng=rng,
        all_labels=options.per_class is None,
    )
    return curve, notes
