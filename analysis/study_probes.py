"""The probe study: every representation and yardstick of a table read for its label and attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import AnalysisError, Bools, Ints, Singles, subsample
from .embeddings import Column, Embeddings
from .few import VALIDATION, Setting, compare, draw_labels, few_label_accuracy
from .model import Model
from .plan import (
    Options,
    Progress,
    Representation,
    missing_yardsticks,
    representations,
    said,
    sample,
    silent,
    train_and_test,
)
from .probes import PROTOCOL, SEARCH, FewLabels, Probe, ProbeTable, Rows, linear_probe

MOST_CLASSES = 50  # of a text attribute that is probed
MOST_ATTRIBUTES = 12


class _Draws:
    """The same draws of labels, collected over representations."""

    def __init__(self, per_class: int, picked: Ints) -> None:
        self.per_class, self.picked = per_class, picked
        self.found: list[tuple[str, bool, Bools, Setting]] = []

    def result(self) -> FewLabels:
        names, baselines, hits, settings = zip(*self.found, strict=True)
        return compare(hits, names, baselines, settings, per_class=self.per_class)


def study_probes(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> ProbeTable:
    """Probe every representation for the label, then for each attribute; the label also from few labels."""
    rng = options.rng("probes")
    train, test = train_and_test(table, options)
    validation = sample(table, "validation", SEARCH, options)
    targets, notes = _targets(table, train, test)
    few, refused = _few(targets, train, validation, options, rng)
    notes += refused
    probes: list[Probe] = []
    for wanted in representations(table):
        x = wanted.read(table, train, validation, test, rng=rng)
        for column in targets:
            progress(f"{wanted.name} → {column.name}")
            probes += _probe(column, wanted, x, (train, validation, test), options, rng)
        for draws in few:
            progress(f"{wanted.name}, {draws.per_class} labels a class")
            draws.found.append(_few_one(targets[0], wanted, x, (train, validation, test), draws.picked))
    order = {column.name: i for i, column in enumerate(targets)}
    probes.sort(key=lambda probe: order[probe.target])
    notes += [*missing_yardsticks(table), *said(options, table, train=len(train), test=len(test))]
    return ProbeTable(targets[0].name, tuple(probes), tuple(draws.result() for draws in few), PROTOCOL, tuple(notes))


def _targets(table: Embeddings, train: Ints, test: Ints) -> tuple[list[Column], list[str]]:
    """The label, then attributes that can be probed; and what was left out."""
    found, left = [], []
    names = [*([table.label] if table.labelled else []), *table.attributes]
    for name in names:
        column = table.column(name)
        values = column.values[train][column.present[train]]
        judged = column.values[test][column.present[test]]
        if len(values) < 20 or len(judged) < 2 or len(np.unique(values)) < 2:
            left.append(f"{name!r} (too few values in train or test, or only one)")
        elif column.kind == "numeric" and np.ptp(judged) == 0:
            left.append(f"{name!r} (constant in test)")
        elif column.kind == "text" and len(column.categories) > MOST_CLASSES:
            left.append(f"{name!r} ({len(column.categories)} different texts)")
        else:
            found.append(column)
    if len(found) > MOST_ATTRIBUTES + 1:
        left += [repr(column.name) for column in found[MOST_ATTRIBUTES + 1 :]]
        found = found[: MOST_ATTRIBUTES + 1]
    notes = [f"not probed: {', '.join(left)}"] if left else []
    if not found:
        raise AnalysisError(
            "nothing to probe for: " + (notes[0] if notes else f"no column {table.label!r} and no attribute")
        )
    return found, notes


def _rows(column: Column, x: Singles, rows: Ints) -> Rows:
    """Rows with a value, and their values."""
    known = column.present[rows]
    y = column.values[rows][known]
    return Rows(x[known], y if column.kind == "numeric" else y.astype(np.int64))


def _probe(
    column: Column,
    wanted: Representation,
    x: Sequence[Singles],
    rows: Sequence[Ints],
    options: Options,
    rng: np.random.Generator,
) -> tuple[Probe, ...]:
    """All readers for the label, one for an attribute."""
    train, validation, test = (_rows(column, part, index) for part, index in zip(x, rows, strict=True))
    methods: tuple[str, ...] = options.methods if column.kind == "class" else ("logistic",)
    return linear_probe(
        train, test, rng=rng, validation=validation if len(validation.y) > 1 else None,
        methods=("ridge",) if column.kind == "numeric" else methods, classes=column.categories,
        representation=wanted.name, baseline=wanted.baseline, target=column.name, k=options.neighbours,
        shuffled=not wanted.baseline,
    )  # fmt: skip


def _few(
    targets: Sequence[Column], train: Ints, validation: Ints, options: Options, rng: np.random.Generator
) -> tuple[list[_Draws], list[str]]:
    """Draw labels for the first target, or say why not."""
    if targets[0].kind == "numeric":
        return [], []
    known = train[targets[0].present[train]]
    labels = targets[0].codes[known]
    found, notes = [], []
    for per_class in options.per_class:
        if np.count_nonzero(targets[0].present[validation]) < 2:
            notes.append("no few-label probes: they choose C on validation rows, and there are none with a label")
            break
        try:
            picked = draw_labels(labels, per_class=per_class, draws=options.draws, rng=rng)
            found.append(_Draws(per_class, picked))
        except AnalysisError as error:
            notes.append(f"no few-label probe: {error}")
    return found, notes


def _few_one(
    column: Column, wanted: Representation, x: Sequence[Singles], rows: Sequence[Ints], picked: Ints
) -> tuple[str, bool, Bools, Setting]:
    """Which test rows one representation gets right on every draw."""
    train, validation, test = (_rows(column, part, index) for part, index in zip(x, rows, strict=True))
    kept = subsample(np.arange(len(validation.y)), VALIDATION, rng=np.random.default_rng(0))
    hits, setting = few_label_accuracy(
        train, Rows(validation.x[kept], validation.y[kept]), test, draws=picked, columns=len(column.categories)
    )
    return wanted.name, wanted.baseline, hits, setting
