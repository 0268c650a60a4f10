"""The probe study: every representation and yardstick of a table read for its label and attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import AnalysisError, Ints, Singles
from .embeddings import Column, Embeddings
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
from .probes import PROTOCOL, SEARCH, Probe, ProbeTable, Rows, linear_probe

MOST_CLASSES = 50  # of a text attribute that is probed
MOST_ATTRIBUTES = 12


def study_probes(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> ProbeTable:
    """Probe every representation for the label, then for each attribute."""
    rng = options.rng("probes")
    train, test = train_and_test(table, options)
    validation = sample(table, "validation", SEARCH, options)
    targets, notes = find_targets(table, train, test)
    probes: list[Probe] = []
    for wanted in representations(table):
        x = wanted.read(table, train, validation, test, rng=rng)
        for column in targets:
            progress(f"{wanted.name} → {column.name}")
            probes += _probe(column, wanted, x, (train, validation, test), options, rng)
    order = {column.name: i for i, column in enumerate(targets)}
    probes.sort(key=lambda probe: order[probe.target])
    notes += [*missing_yardsticks(table), *said(options, table, train=len(train), test=len(test))]
    return ProbeTable(targets[0].name, tuple(probes), PROTOCOL, tuple(notes), table.labels_told)


def find_targets(table: Embeddings, train: Ints, test: Ints) -> tuple[list[Column], list[str]]:
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


def rows_with_values(column: Column, x: Singles, rows: Ints) -> Rows:
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
    train, validation, test = (rows_with_values(column, part, index) for part, index in zip(x, rows, strict=True))
    methods: tuple[str, ...] = options.methods if column.kind == "class" else ("logistic",)
    return linear_probe(
        train, test, rng=rng, validation=validation if len(validation.y) > 1 else None,
        methods=("ridge",) if column.kind == "numeric" else methods, classes=column.categories,
        representation=wanted.name, baseline=wanted.baseline, target=column.name, k=options.neighbours,
        shuffled=not wanted.baseline,
    )  # fmt: skip
