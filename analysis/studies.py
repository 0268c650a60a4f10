"""Each analysis on a table: rows chosen, yardsticks beside, what is missing said. One function a result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import AnalysisError, Bools, Ints
from .class_mixtures import ByClass, by_class
from .embeddings import Embeddings
from .maps import Maps, latent_map
from .mixtures import Mixture, fit_mixture, found_again, mixture_nmi, mixture_result
from .model import Model
from .neighbours import Neighbours, NeighbourTable, nearest
from .outliers import scored_by_halves
from .plan import (
    Options,
    Progress,
    decoder,
    held_out,
    independent,
    labels_of,
    missing_yardsticks,
    needs_model,
    representations,
    said,
    sample,
    silent,
    spread,
    train_and_test,
)
from .separation import separation
from .statistics import Baseline, Interval, wilson_share
from .streams import fits

CLASS_ROWS = 10_000  # that mixtures of classes are fitted on, and judged on, where codes do not fit in memory


def study_neighbours(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> Neighbours:
    """Look the same test images up among the train images, in each representation."""
    rng = options.rng("neighbours")
    train, test = train_and_test(table, options)
    if options.test_rows is not None:  # every query is compared with every train row
        test = test[np.sort(rng.permutation(len(test))[:2000])]
    labels, k = labels_of(table), min(8, len(train))
    gallery = spread(test, labels, options.shown, rng)
    tables = []
    for wanted in representations(table):
        progress(wanted.name)
        every = options.train_rows is None
        known, asked, shown = wanted.read(table, train, test, gallery, rng=rng, stream=True, every=every)
        index, distance = nearest(shown, known, k=k)
        agreement = None
        if labels is not None:
            truth, near = labels[0][test], labels[0][train[nearest(asked, known, k=k)[0]]]
            use = truth >= 0
            agreement = share_of_neighbours((near == truth[:, None])[use], (near >= 0)[use])
        tables.append(NeighbourTable(wanted.name, wanted.baseline, train[index], distance, agreement))
    chance = float("nan")
    if labels is not None:
        shares = [np.bincount(labels[0][r][labels[0][r] >= 0], minlength=len(labels[1])) for r in (train, test)]
        if all(share.sum() for share in shares):
            chance = float((shares[0] / shares[0].sum()) @ (shares[1] / shares[1].sum()))
    notes = [*missing_yardsticks(table), *said(options, table, train=len(train), test=len(test))]
    return Neighbours(gallery, k, chance, tuple(tables), tuple(notes))


def share_of_neighbours(hits: Bools, counted: Bools) -> Interval | None:
    """Mean share of hits a row, (n, k) of counted ones; None without a row.

    A row's neighbours vary together, so each row counts as one trial of Wilson's interval: it stays within
    [0, 1], has a width at the edges, and is conservative in between.
    """
    use = counted.any(1)
    if not use.any():
        return None
    return wilson_share(float(np.mean((hits & counted)[use].sum(1) / counted[use].sum(1))), int(use.sum()))


def study_mixture(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Mixture:
    """Group the codes, and compare the groups with the labels."""
    rng = options.rng("mixture")
    parted = table.has_split or table.has_drawn_split
    fit_on = "train" if parted and len(table.rows("train")) >= 10 else None
    train = sample(table, fit_on, options.train_rows, options, one_each=True)  # BIC counts rows
    rows, words = held_out(table, options.test_rows, options, least=1000, drawn=True)
    keep = table.continuous
    whole, own = table.matrix(table.code, rows), table.matrix(table.code, train)[:, keep]
    fitted = fit_mixture(own, rng=rng, components=options.components, progress=progress)
    progress("the same on two halves of the rows")
    again = found_again(own, whole[:, keep], like=fitted, rng=rng)
    progress("valleys between components")
    others = np.isin(rows, train, invert=True)
    separated = separation(fitted, own, whole[np.flatnonzero(others)][:, keep], rng=rng)
    labels = labels_of(table)
    baselines = _mixture_yardsticks(table, train, rows, labels, fitted, rng, progress) if labels else ()
    decode = decoder(table, model)
    notes = [f"assigned and compared with labels on {len(rows):,} {words}"]
    notes += said(options, table, True, **{fit_on or "all": len(train)})
    notes += [] if decode else [f"no decoded samples: {needs_model(table)}"]
    notes += (
        missing_yardsticks(table) if labels else [table.continuous_label or "no agreement: the table has no labels"]
    )
    progress("assigning and decoding")
    found = mixture_result(
        fitted, whole, rows, rng=rng, labels=labels[0][rows] if labels else None, columns=keep,
        classes=labels[1] if labels else (), baselines=baselines, notes=notes, decode=decode,
    )  # fmt: skip
    progress("outliers and classes")
    unusual = scored_by_halves(fitted, whole[:, keep], rows, rng=rng)
    classes, why = _classes(table, train, rows, labels, decode, rng)
    return replace(
        found, again=again, separation=separated, outliers=unusual, by_class=classes, notes=(*found.notes, *why)
    )


def _classes(
    table: Embeddings, train: Ints, rows: Ints, labels: Any, decode: Any, rng: np.random.Generator
) -> tuple[ByClass | None, list[str]]:
    """A mixture for each class, fitted on train rows and judged on others; None, and why, where there are too few."""
    if not labels:
        return None, []
    judged = np.setdiff1d(rows, train)
    if not (labels[0][judged] >= 0).any():
        return None, ["no mixtures of classes: there are no other labelled rows to judge them on"]
    notes = []
    if not fits(len(train) + len(judged), table.width(table.code)):
        notes.append(f"mixtures of classes look at a sample of {CLASS_ROWS:,} rows: all codes do not fit in memory")
        train, judged = (np.sort(rng.permutation(part)[:CLASS_ROWS]) for part in (train, judged))
    pairs = [(table.vectors(table.code, part), labels[0][part]) for part in (train, judged)]
    names = [one for one in ("pixels", table.untrained(table.code)) if one in table.vector_columns]
    beside = {one: (table.vectors(one, train), table.vectors(one, judged)) for one in names if one is not None}
    try:
        found = by_class(
            pairs[0], pairs[1], classes=labels[1], rng=rng, columns=table.continuous, decode=decode, beside=beside
        )
    except AnalysisError as error:
        return None, [str(error)]
    return found, notes


def _mixture_yardsticks(
    table: Embeddings,
    train: Ints,
    rows: Ints,
    labels: Any,
    fitted: Any,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Baseline, ...]:
    """NMI with the labels of as many components on pixels and on untrained codes, fitted on the same rows."""
    known = rows[labels[0][rows] >= 0]
    if len(known) < 2:
        return ()
    like, found = fitted.gaussians, []
    for name in ("pixels", table.untrained(table.code)):
        if name is not None and name in table.vector_columns:
            progress(f"yardstick: {name}")
            parts = table.matrix(name, train), table.matrix(name, known)
            found.append(mixture_nmi(*parts, labels[0][known], like=like, name=name, rng=rng))
    return tuple(found)


def study_maps(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Maps:
    """Place a sample of codes, or all, in the plane by each method, and say which they are."""
    rng = options.rng("maps")
    every = independent(table, table.rows(None), options)
    what = "rows" if table.groups is None else "groups, of which one row each is placed"
    if options.map_rows is None:
        rows, words = every, f"all {len(every):,} rows of the table, training rows included"
        words += "" if table.groups is None else ", one of each group"
    else:
        rows, words = held_out(table, options.map_rows, options, least=1000)
        candidates = len(held_out(table, None, options, least=1000)[0])
        of = f"{len(rows):,} of {candidates:,}" if len(rows) < candidates else f"{len(rows):,}"
        whole = f"; the table has {len(every):,} {what}, and latentgan map TABLE --full places all of them"
        words = f"{of} {words}{whole if len(rows) < len(every) else ''}"
    codes, labels = table.vectors(table.code, rows)[:, table.encoded], labels_of(table)
    maps, notes = [], [words]
    known = np.where(labels[0][rows] < 0, np.nan, labels[0][rows]) if labels else None
    for method in options.maps:
        progress(method)
        try:
            maps.append(
                latent_map(
                    codes, rng=rng, method=method, labels=known, representation=table.code, seed=options.seed,
                )
            )  # fmt: skip
        except AnalysisError as error:
            notes.append(f"no {method} map: {error}")
    if not maps:
        raise AnalysisError(notes[-1])
    return Maps(rows, tuple(maps), tuple(notes))
