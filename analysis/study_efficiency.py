"""Label efficiency as the report wants it: a table read for its label, one representation after the other."""

from __future__ import annotations

import numpy as np

from .arrays import AnalysisError, Ints, subsample
from .efficiency import Curve, Efficiency, sizes
from .embeddings import Column, Embeddings
from .few import VALIDATION
from .model import Model
from .plan import Options, Progress, missing_yardsticks, representations, said, sample, silent, train_and_test
from .probes import SEARCH, Rows
from .study_probes import find_targets, rows_with_values


def study_efficiency(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> Efficiency:
    """Read the label from every representation with few labels and with many, on the same draws."""
    rng = options.rng("probes")  # the name by which recorded figures were drawn
    train, test = train_and_test(table, options)
    column = next((one for one in find_targets(table, train, test)[0] if one.kind != "numeric"), None)
    if column is None:
        raise AnalysisError("a label curve needs a label or attribute of classes: choose one with --label COLUMN")
    validation = sample(table, "validation", SEARCH, options)
    if np.count_nonzero(column.present[validation]) < 2:
        raise AnalysisError("few-label probes choose C on validation rows, and there are none with a label")
    curve, notes = _curve(column, train, options, rng)
    own = ""
    for wanted in representations(table):
        x = wanted.read(table, train, validation, test, rng=rng)
        known, held, judged = (
            rows_with_values(column, part, rows) for part, rows in zip(x, (train, validation, test), strict=True)
        )
        kept = subsample(np.arange(len(held.y)), VALIDATION, rng=np.random.default_rng(0))
        progress(wanted.name)
        curve.read(wanted.name, wanted.baseline, known, Rows(held.x[kept], held.y[kept]), judged)
        if not own:
            own = wanted.name
            curve.read_shuffled(own, known, judged, np.random.default_rng([options.seed, 11]))
    notes += [*missing_yardsticks(table), *said(options, table, train=len(train), test=len(test))]
    return Efficiency(column.name, curve.results(), curve.needed(), table.labels_told, tuple(notes))


def _curve(column: Column, train: Ints, options: Options, rng: np.random.Generator) -> tuple[Curve, list[str]]:
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
        labels, wanted, columns=len(column.categories), draws=options.draws, rng=rng,
        all_labels=options.per_class is None,
    )  # fmt: skip
    return curve, notes
