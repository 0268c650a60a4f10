"""The probe study: every representation and baseline of a table probed for its label and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Ints, Singles, subsample
from ..base.columns import Column
from ..base.linear_models import Rows, hinge_loss
from ..base.model import Model
from ..base.pca import SAMPLE, Components, most_components
from ..base.statistics import Interval, mean_interval
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.representations import Representation, representations
from ..table.selection import draw_sample
from ..table.study_options import Options, Progress, silent
from .few_labels import VALIDATION, Setting, draw_labels, draws_and_rows, few_label_accuracy, label_counts, read_draws
from .grid import GridSearch
from .linear_probe import PROTOCOL, SEARCH, WIDEST, Probe, ProbeTable, linear_probe
from .protocols import DRAWS, Pixels, each_beside_its_width, find_protocol
from .search import search_probes
from .targets import find_targets, rows_with_values

SHUFFLED = 5  # draws that are also fitted with their labels shuffled


@dataclass(frozen=True, kw_only=True)
class _Options(Options):
    """The shared options, and this study's own."""

    methods: tuple[str, ...]
    draws: int
    neighbours: int


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    methods: tuple[str, ...] = ("logistic", "svm", "knn"),
    draws: int = 20,
    neighbours: int = 1,
    protocol: str = "",
    search: bool = False,
) -> ProbeTable:
    """Probe every representation for the label, then for each attribute.

    Args:
        table: of codes.
        model: not used.
        options: how many rows.
        progress: is called with what is at work.
        methods: of classes, of "logistic", "svm" and "knn".
        draws: of labels, where a protocol draws them.
        neighbours: k of the k-NN probe.
        protocol: a named protocol, see `protocols`; "" probes every column by `methods`.
        search: also try every layer, pooling, scale and C for the label, see `search_probes`.
    """
    if search and protocol:
        raise AnalysisError(f"--search chooses settings, which --protocol {protocol} has of its own: give one of them")
    options = _Options(**vars(options), methods=methods, draws=draws, neighbours=neighbours)
    rng = options.rng("probes")
    sample = draw_sample(table, options, validation_rows=SEARCH)
    train = sample.train
    targets, notes = find_targets(table, train, sample.test)
    probes: list[Probe] = []
    named = find_protocol(protocol) if protocol else None
    if named is not None:
        targets, options = targets[:1], replace(options, methods=named.methods)
        if targets[0].kind == "numeric":
            raise AnalysisError(f"{named.name} predicts classes, and {targets[0].name!r} holds numbers: --label COLUMN")
    drawn = (
        _drawn(table, targets[0], train, named.labels, options, notes) if named is not None and named.labels else None
    )
    pixels = _pixels(table, train, options, rng)
    width = 0 if named is not None and named.labels else WIDEST
    one_each = each_beside_its_width if named is None else named.representations
    probed, pca_notes = one_each(table, Pixels(pixels, width))
    for wanted in probed:
        x = wanted.read(table, *sample.parts, rng=rng, stream=True, components=pixels)
        for column in targets:
            progress(f"{wanted.name} → {column.name}")
            if drawn is not None:
                probes.append(_by_draws(column, wanted, x, sample.parts, drawn))
                continue
            probes += _probe(column, wanted, x, sample.parts, options, rng, table.groups)
    order = {column.name: i for i, column in enumerate(targets)}
    probes.sort(key=lambda probe: order[probe.target])
    notes += dict.fromkeys([*pca_notes, *sample.notes])
    protocol = PROTOCOL if named is None else f"{named.name}: {named.about} ({named.source}). {PROTOCOL}"
    return ProbeTable(
        target=targets[0].name,
        probes=tuple(probes),
        protocol=protocol,
        notes=tuple(notes),
        n_labels_used=table.n_labels_used,
        search=_search(table, targets[0], sample.parts, options, progress) if search else None,
    )


def _search(
    table: Embeddings, column: Column, parts: Sequence[Ints], options: Options, progress: Progress
) -> GridSearch:
    """The grid of the table's own columns and of their baselines, for a column of classes."""
    if column.kind == "numeric":
        raise AnalysisError(f"--search chooses among classifiers, and {column.name!r} holds numbers: --label COLUMN")
    rng = options.rng("search")
    rows = {}
    for wanted in representations(table):
        x = wanted.read(table, *parts, rng=rng)
        train, validation, test = (rows_with_values(column, part, index) for part, index in zip(x, parts, strict=True))
        rows[wanted.name] = (train, validation, test)
    return search_probes(rows, target=column.name, rng=rng, progress=lambda name: progress(f"search: {name}"))


def _pixels(table: Embeddings, train: Ints, options: Options, rng: np.random.Generator) -> Components | None:
    """The PCA of the train rows' pixels, of a sample of them unless all rows are asked for."""
    if not table.has_pixels:
        return None
    sample = None if options.train_rows is None else SAMPLE
    most = most_components(len(train), table.width("pixels"), sample=sample)
    return Components(lambda: table.matrix("pixels", train), most, rng=rng, sample=sample)


def _drawn(table: Embeddings, column: Column, train: Ints, labels: int, options: _Options, notes: list[str]) -> Ints:
    """Balanced draws of `labels` labelled train rows, or of as many as the smallest class allows, which is noted."""
    train = train[column.present[train]]
    train_labels, groups = column.codes[train], None if table.groups is None else table.groups[train]
    classes, counts = np.unique(train_labels), label_counts(train_labels, groups)
    per_class = max(1, min(labels // len(classes), int(counts.min())))
    if per_class * len(classes) < labels // len(classes) * len(classes):
        notes.append(f"draws hold {per_class * len(classes):,} labels, not {labels:,}: the smallest class has no more")
    draws = min(options.draws, DRAWS)
    return draw_labels(train_labels, per_class=per_class, draws=draws, rng=options.rng("draws"), groups=groups)


def _by_draws(column: Column, wanted: Representation, x: Sequence[Singles], rows: Sequence[Ints], draws: Ints) -> Probe:
    """An L2-SVM on each draw of labels; C and scale on validation rows, the interval over draws and test rows."""
    train, validation, test = (rows_with_values(column, part, index) for part, index in zip(x, rows, strict=True))
    if len(validation.y) < 2:
        raise AnalysisError("this protocol chooses C on validation rows, and there are none with a label")
    validation_rows = subsample(np.arange(len(validation.y)), VALIDATION, rng=np.random.default_rng(0))
    hits, setting = few_label_accuracy(
        train,
        Rows(validation.x[validation_rows], validation.y[validation_rows]),
        test,
        draws=draws,
        columns=len(column.categories),
        loss=hinge_loss,
    )
    null = None if wanted.baseline else _shuffled(train, test, setting, draws, len(column.categories))
    width = train.x.shape[1]
    note = f"{len(draws)} balanced draws of {draws.shape[1]:,} labels, {len(test.y):,} test rows; n counts draws"
    return Probe(
        representation=wanted.name,
        baseline=wanted.baseline,
        method="svm",
        target=column.name,
        metric="accuracy",
        score=draws_and_rows(hits),
        shuffled=null,
        setting=setting.c,
        width=width,
        used=width,
        n_train=draws.shape[1],
        n_validation=len(validation_rows),
        classes=column.categories,
        confusion=None,
        note=note,
    )


def _shuffled(train: Rows, test: Rows, setting: Setting, draws: Ints, columns: int) -> Interval:
    """Accuracy of the same probe where the labels of a draw are shuffled: mean over draws, interval over them."""
    shuffled_draws, rng = np.resize(draws, (SHUFFLED, draws.shape[1])), np.random.default_rng(0)
    lost = rng.permuted(train.y[shuffled_draws], axis=1)
    hits = read_draws(train, test, lost, setting, draws=shuffled_draws, columns=columns, loss=hinge_loss)
    return mean_interval(hits.mean(1))


def _probe(
    column: Column,
    wanted: Representation,
    x: Sequence[Singles],
    rows: Sequence[Ints],
    options: _Options,
    rng: np.random.Generator,
    groups: Ints | None,
) -> tuple[Probe, ...]:
    """All probes for the label, one for an attribute."""
    train, validation, test = (rows_with_values(column, part, index) for part, index in zip(x, rows, strict=True))
    methods: tuple[str, ...] = options.methods if column.kind == "class" else ("logistic",)
    probes = linear_probe(
        train,
        test,
        rng=rng,
        validation=validation if len(validation.y) > 1 else None,
        methods=("ridge",) if column.kind == "numeric" else methods,
        classes=column.categories,
        representation=wanted.name,
        baseline=wanted.baseline,
        target=column.name,
        k=options.neighbours,
        shuffled=not wanted.baseline,
        groups=None if groups is None else groups[rows[0]][column.present[rows[0]]],
    )
    return tuple(replace(probe, predictor=None) for probe in probes)  # whose weights may be a whole table's rows
