"""The study of mixtures: choose rows of a table, fit a mixture, and compare its components with the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Ints
from ..base.chunked import fits
from ..base.model import Model
from ..base.statistics import Baseline
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.representations import missing_baselines
from ..table.selection import held_out, labels_of, sample_rows, sampling_notes
from ..table.study_options import Options, Progress, decoder, needs_model, silent
from .class_conditional import ByClass, by_class
from .mixture import Mixture, mixture_nmi, mixture_result, split_half_agreement
from .model_selection import fit_mixture
from .outliers import scored_by_halves
from .separation import separation

MAX_CLASS_ROWS = 10_000  # rows of fit and of test of mixtures of classes, where the codes do not fit in memory


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    components: tuple[int, ...] = (),
) -> Mixture:
    """Group the codes, and compare the groups with the labels.

    Args:
        table: of codes.
        model: decodes components; None shows none.
        options: how many rows.
        progress: receives what is at work.
        components: numbers of components to try; none means 1 2 4 8 16 32 and the neighbours of the best.
    """
    rng = options.rng("mixture")
    parted = table.has_split or table.has_drawn_split
    fit_on = "train" if parted and len(table.rows("train")) >= 10 else None
    train = sample_rows(table, fit_on, options.train_rows, options, one_each=True)  # BIC counts rows
    rows, words, with_training = held_out(table, options.test_rows, options, least=1000, drawn=True)
    keep = table.continuous
    whole, train_codes = table.matrix(table.code, rows), table.matrix(table.code, train)[:, keep]
    fitted = fit_mixture(train_codes, rng=rng, components=components, progress=progress)
    progress("the same on two halves of the rows")
    split_half = split_half_agreement(train_codes, whole[:, keep], like=fitted, rng=rng)
    progress("valleys between components")
    held_out_rows = np.isin(rows, train, invert=True)
    separated = separation(fitted, train_codes, whole[np.flatnonzero(held_out_rows)][:, keep], rng=rng)
    labels = labels_of(table)
    baselines = _mixture_baselines(table, train, rows, labels, fitted, rng, progress) if labels else ()
    decode = decoder(table, model)
    notes = [f"assigned and compared with labels on {len(rows):,} {words}"]
    notes += sampling_notes(options, table, True, **{fit_on or "all": len(train)})
    notes += [] if decode else [f"no decoded samples: {needs_model(table)}"]
    notes += missing_baselines(table) if labels else [table.continuous_label or "no agreement: the table has no labels"]
    progress("assigning and decoding")
    result = mixture_result(
        fitted,
        whole,
        rows,
        rng=rng,
        labels=labels[0][rows] if labels else None,
        columns=keep,
        classes=labels[1] if labels else (),
        baselines=baselines,
        notes=notes,
        decode=decode,
    )
    progress("outliers and classes")
    unusual = scored_by_halves(fitted, whole[:, keep], rows, rng=rng)
    classes, why = _classes(table, train, rows, labels, decode, rng)
    return replace(
        result,
        split_half=split_half,
        separation=separated,
        outliers=unusual,
        by_class=classes,
        notes=(*result.notes, *why),
        training_rows_note=notes[0] if with_training else "",
    )


def _classes(
    table: Embeddings, train: Ints, rows: Ints, labels: Any, decode: Any, rng: np.random.Generator
) -> tuple[ByClass | None, list[str]]:
    """A mixture for each class, fitted on train rows and scored on others; None, and why, where there are too few."""
    if not labels:
        return None, []
    test_rows = np.setdiff1d(rows, train)
    if not (labels[0][test_rows] >= 0).any():
        return None, ["no mixtures of classes: there are no other labelled rows to score them on"]
    notes = []
    if not fits(len(train) + len(test_rows), table.width(table.code)):
        notes.append(f"mixtures of classes look at a sample of {MAX_CLASS_ROWS:,} rows: all codes do not fit in memory")
        train, test_rows = (np.sort(rng.permutation(part)[:MAX_CLASS_ROWS]) for part in (train, test_rows))
    pairs = [(table.vectors(table.code, part), labels[0][part]) for part in (train, test_rows)]
    names = [column for column in ("pixels", table.untrained(table.code)) if column in table.vector_columns]
    baseline_codes = {
        name: (table.vectors(name, train), table.vectors(name, test_rows)) for name in names if name is not None
    }
    try:
        result = by_class(
            pairs[0],
            pairs[1],
            classes=labels[1],
            rng=rng,
            columns=table.continuous,
            decode=decode,
            baseline_codes=baseline_codes,
        )
    except AnalysisError as error:
        return None, [str(error)]
    return result, notes


def _mixture_baselines(
    table: Embeddings,
    train: Ints,
    rows: Ints,
    labels: Any,
    fitted: Any,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Baseline, ...]:
    """NMI with the labels of as many components on pixels and on untrained codes, fitted on the same rows."""
    labelled_rows = rows[labels[0][rows] >= 0]
    if len(labelled_rows) < 2:
        return ()
    like, result = fitted.gaussians, []
    for name in ("pixels", table.untrained(table.code)):
        if name is not None and name in table.vector_columns:
            progress(f"baseline: {name}")
            parts = table.matrix(name, train), table.matrix(name, labelled_rows)
            result.append(mixture_nmi(*parts, labels[0][labelled_rows], like=like, name=name, rng=rng))
    return tuple(result)
