"""The study of one categorical part of a code: usage, labels by two rules, baselines, what categories look like.

A learned mixture is read alike: its components are the categories, their posterior the probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..base.arrays import Doubles, Ints, Pixels, Singles, to_pixels
from ..base.clustering_scores import contingency, effective_number, nmi, purity
from ..base.linear_models import Rows
from ..base.pca import fit_pca
from ..base.statistics import Baseline, Interval, mean_interval, percentiles, proportion
from ..probes.few_labels import draw_labels, few_label_accuracy, label_counts
from ..table.code_layout import columns, drawn, drawn_of_each, is_learned, moments, responsibilities
from ..table.embeddings import Embeddings
from ..table.overview import thumbnails
from ..table.selection import sample_rows
from ..table.study_options import Options
from .categorical import (
    Categories,
    Matching,
    match_by_confidence,
    match_categories,
    match_one_to_one,
    most_confident,
    purity_of,
    score_names,
    shared_information,
)

COLUMNS = 10  # samples, and images, of a category


KMEANS_ROWS = 10_000


SHUFFLES = 100  # of labels, whose purity is what chance gives


PROBE_LABELS = 2_000  # most labels of the pixel probe, a baseline of classes learned from labels

Decode = Callable[[Singles], Singles]


Scores = Callable[[Ints], Doubles]
"""Rows (n,) → how strongly each is of each category (n, k); the largest is the row's category."""


Others = Mapping[str, tuple[Scores, str]]
"""What else makes as many groups: name → (scores of rows, a note)."""


def is_discrete(part: Mapping[str, Any]) -> bool:
    """Tell whether a part of the code sorts images: by categories, or by the components of a learned mixture."""
    return part["kind"] == "categorical" or is_learned(part)


def size(part: Mapping[str, Any]) -> int:
    """Return how many categories, or components, a part has."""
    return len(moments(part)[0]) if is_learned(part) else int(part["width"])


def draw(part: Mapping[str, Any], n: int, rng: np.random.Generator) -> Singles:
    """Draw n values of a part from its prior: (n, width)."""
    width = int(part["width"])
    if part["kind"] == "categorical":
        return np.eye(width, dtype=np.float32)[rng.integers(width, size=n)]
    if is_learned(part):
        return drawn(part, n, rng)
    if part["kind"] == "normal":
        return rng.standard_normal((n, width)).astype(np.float32)
    if part["kind"] == "condition":  # only the model knows which values there are: an attribute stands at its mean
        return np.zeros((n, width), np.float32)
    return rng.uniform(-1, 1, (n, width)).astype(np.float32)


def study_part(
    table: Embeddings,
    part: dict[str, Any],
    parts: list[dict[str, Any]],
    rows: Ints,
    labels: Any,
    decode: Decode | None,
    options: Options,
    rng: np.random.Generator,
) -> Categories:
    """Count a part's categories on `rows`, name them after labels, and collect their images."""
    k = size(part)
    probabilities = _columns_of(table, table.code, part)(rows)
    chosen = probabilities.argmax(1)
    counts = np.bincount(chosen, minlength=k)
    classes = len(labels[1]) if labels else 0
    shared, shuffled = None, float("nan")
    named: dict[str, tuple[Matching, tuple[Baseline, ...]]] = {}
    names = _class_names(table, part, labels[1] if labels else ())
    known_labels = np.asarray(labels[0][rows] if labels else np.full(len(rows), -1))
    if names is not None and table.has_split:  # what the network was trained on says nothing of how well it learned
        known_labels = np.where(np.isin(rows, table.rows("train")), -1, known_labels)
    cross, pure = np.zeros((k, 0), np.int64), None
    purity_baselines: tuple[Baseline, ...] = ()
    if (known_labels >= 0).any():
        cross = contingency(chosen, known_labels, rows=k, columns=classes)
        shared = shared_information(cross, rng=rng)
        lost = contingency(chosen, rng.permutation(known_labels), rows=k, columns=classes)
        shuffled = float(nmi(lost[None])[0])
        representations = _others(table, part, k, options, rng)
        if names is not None:
            named = {
                "matching": _scored_as_labelled(
                    table, part, rows, labels[0], known_labels, names, representations, options, rng
                )
            }
        else:
            named = _named(table, part, rows, labels[0], classes, representations, options, rng)
        pure, purity_baselines = _purity(cross, (chosen, known_labels), rows, representations, rng)
    samples = None if decode is None else _samples(part, parts, decode, rng)
    exemplars, places = _exemplars(table, rows, probabilities)
    (matching, baselines), (confident, confident_baselines), (assigned, assigned_baselines) = (
        named.get(rule, (None, ())) for rule in ("matching", "confident", "assigned")
    )
    return Categories(
        part=str(part["name"]),
        counts=counts,
        effective=effective_number(counts, rng=rng),
        confidence=mean_interval(probabilities.max(1)),
        table=cross,
        matching=matching,
        shared=shared,
        shuffled=shuffled,
        baselines=baselines,
        samples=samples,
        confident=confident,
        confident_baselines=confident_baselines,
        exemplars=exemplars,
        exemplar_rows=places,
        noun="component" if is_learned(part) else "category",
        assigned=assigned,
        assigned_baselines=assigned_baselines,
        n_labels_used=table.n_labels_used if names is not None and matching is not None else 0,
        purity=pure,
        purity_baselines=purity_baselines,
    )


def _purity(
    cross: Ints, pairs: tuple[Ints, Ints], rows: Ints, others: Others, rng: np.random.Generator
) -> tuple[Interval, tuple[Baseline, ...]]:
    """Return the purity of categories against labels, and that of other groups of `rows` and against shuffled labels.

    Args:
        cross: (k, classes) counts of the pairs.
        pairs: categories and labels of the rows, (n,) each.
        rows: (n,) positions in the table.
        others: other groupings of the rows, the baselines.
        rng: draws resamples and shuffles.
    """
    (k, classes), (chosen, known_rows) = cross.shape, pairs

    def counted(groups: Ints, labels: Ints) -> Ints:
        return contingency(groups, labels, rows=k, columns=classes)

    figures = [
        Baseline(name=name, figure=purity_of(counted(scores(rows).argmax(1), known_rows), rng=rng), note=note)
        for name, (scores, note) in others.items()
    ]
    chance = purity(np.stack([counted(chosen, rng.permutation(known_rows)) for _ in range(SHUFFLES)]))
    figure = Interval(float(chance.mean()), *percentiles(chance), int(cross.sum()))
    figures.append(
        Baseline(name="shuffled", figure=figure, note=f"mean of {SHUFFLES} shuffles, and where 95 % of them lie")
    )
    return purity_of(cross, rng=rng), tuple(figures)


def _class_names(table: Embeddings, part: dict[str, Any], classes: tuple[str, ...]) -> Ints | None:
    """Return the label of each class of a part that was learned from labels, (k,) with -1 where it is in no row.

    None where categories have no names yet: no label was used, or the table's label is another one.
    """
    class_names = [str(name) for name in table.metadata.get("classes") or ()]
    learned = part["name"] == "class" and table.n_labels_used > 0 and len(class_names) == size(part)
    if not learned or table.label != "label" or not set(classes) <= set(class_names):
        return None
    return np.array([classes.index(name) if name in classes else -1 for name in class_names], np.int64)


def _named(
    table: Embeddings,
    part: dict[str, Any],
    rows: Ints,
    labels: Ints,
    classes: int,
    others: Others,
    options: Options,
    rng: np.random.Generator,
) -> dict[str, tuple[Matching, tuple[Baseline, ...]]]:
    """Name categories on validation rows by each rule and score them on `rows`; the same for groups of other things.

    Returns:
        Rule -> the matching of categories and its baselines.
    """
    held = sample_rows(table, "validation", options.train_rows, options) if table.has_split else rows[:0]
    held = np.setdiff1d(held, rows)
    if not (labels[held] >= 0).any():
        return {}
    k = size(part)
    order = rng.permutation(len(rows))

    def scored(scores: Scores) -> tuple[dict[str, Matching], Ints]:
        on_held, chosen = scores(held), scores(rows).argmax(1)
        pairs = (on_held.argmax(1), labels[held]), (chosen, labels[rows])
        by = {
            "matching": match_categories(*pairs, categories=k, classes=classes),
            "confident": match_by_confidence((on_held, labels[held]), pairs[1]),
        }
        return by | ({"assigned": match_one_to_one(*pairs, categories=k)} if k > classes else {}), chosen

    ours, chosen = scored(_columns_of(table, table.code, part))
    baselines: dict[str, list[Baseline]] = {rule: [] for rule in ours}
    for name, (scores, note) in others.items():
        for rule, matching in scored(scores)[0].items():
            baselines[rule].append(Baseline(name=name, figure=matching.accuracy, note=note))
    lost = labels[rows][order]
    for rule, matching in ours.items():
        baselines[rule].append(_shuffled(matching, chosen, lost))
    return {rule: (matching, tuple(baselines[rule])) for rule, matching in ours.items()}


def _shuffled(matching: Matching, chosen: Ints, lost: Ints) -> Baseline:
    figure = score_names(matching.names, matching.rule, (chosen, lost)).accuracy
    return Baseline(name="shuffled", figure=figure, note="the same names against shuffled labels")


def _scored_as_labelled(
    table: Embeddings,
    part: dict[str, Any],
    rows: Ints,
    labels: Ints,
    scored: Ints,
    names: Ints,
    others: Others,
    options: Options,
    rng: np.random.Generator,
) -> tuple[Matching, tuple[Baseline, ...]]:
    """Score class k against label k; baselines are other groupings, a probe of pixels and shuffled labels.

    Groups of pixels are named on validation rows, those of the untrained network by its class k.

    Args:
        table: of codes.
        part: the categorical part.
        rows: (n,) positions in the table.
        labels: labels of all rows of the table, -1 = unlabelled.
        scored: (n,) labels of `rows`, -1 where one is unknown or the row is of the train split.
        names: (k,) label of each class, -1 where it is in no row.
        others: other groupings of the rows, the baselines.
        options: how many rows of validation are used.
        rng: draws the probe's labels and the shuffle.
    """
    chosen = _columns_of(table, table.code, part)(rows).argmax(1)
    matching = score_names(names, "labels used", (chosen, scored))
    figures = []
    held = np.setdiff1d(
        sample_rows(table, "validation", options.train_rows, options) if table.has_split else rows[:0], rows
    )
    for name, (scores, note) in others.items():
        groups = scores(rows).argmax(1), scored
        if name == "untrained":
            figures.append(Baseline(name=name, figure=score_names(names, "labels used", groups).accuracy, note=note))
        elif (labels[held] >= 0).any():
            pairs = (scores(held).argmax(1), labels[held]), groups
            right = match_categories(*pairs, categories=len(names), classes=1 + int(labels.max())).accuracy
            figures.append(Baseline(name=name, figure=right, note=f"{note}, matched to labels on validation rows"))
    figures += _probe_of_pixels(table, rows[scored >= 0], held, labels, rng)
    return matching, (*figures, _shuffled(matching, chosen, rng.permutation(scored)))


def _probe_of_pixels(
    table: Embeddings, rows: Ints, held: Ints, labels: Ints, rng: np.random.Generator
) -> list[Baseline]:
    """Classify raw pixels by a logistic probe of as many labels as the network used, equally many a class."""
    train, classes = table.rows("train") if table.has_split else rows[:0], np.unique(labels[labels >= 0])
    train, held, rows = (part[labels[part] >= 0] for part in (train, held, rows))
    together = None if table.groups is None else table.groups[train]
    counts = [int(label_counts(np.where(labels[train] == class_name, 0, -1), together).sum()) for class_name in classes]
    each = min([table.n_labels_used // max(len(classes), 1), *counts])
    if not table.has_pixels or not len(held) or len(classes) < 2 or not 0 < each * len(classes) <= PROBE_LABELS:
        return []
    picked = train[draw_labels(labels[train], per_class=each, draws=1, rng=rng, groups=together)[0]]
    parts = [Rows(table.vectors("pixels", part), labels[part]) for part in (picked, held[:PROBE_LABELS], rows)]
    hits, _ = few_label_accuracy(*parts, draws=np.arange(len(picked))[None], columns=1 + int(labels.max()))
    return [
        Baseline(
            name="probe of pixels",
            figure=proportion(hits[0]),
            note=f"logistic, {len(picked):,} labels, C by validation rows",
            role="pixels",
        )
    ]


def _others(table: Embeddings, part: dict[str, Any], k: int, options: Options, rng: np.random.Generator) -> Others:
    """Return what else makes k groups of rows."""
    result: dict[str, tuple[Scores, str]] = {}
    if column := table.untrained(table.code):
        note = "the same part of the untrained network's code"
        result["untrained"] = _columns_of(table, column, part), note
    if table.has_pixels and table.has_split and len(train := sample_rows(table, "train", KMEANS_ROWS, options)) > k:
        note = f"k-means with {k} groups on a PCA of raw pixels"
        result["pixels"] = _grouped_pixels(table, train, k, rng), note
    return result


def _columns_of(table: Embeddings, column: str, part: dict[str, Any]) -> Scores:
    def scores(rows: Ints) -> Doubles:
        values = table.vectors(column, rows)[:, columns(part)].astype(np.float64)
        return responsibilities(part, values) if is_learned(part) else values

    return scores


def _grouped_pixels(table: Embeddings, train: Ints, k: int, rng: np.random.Generator) -> Scores:
    """Fit k-means on pixels of the rows `train`, and give minus the distances of rows to its centres."""
    from sklearn.cluster import KMeans

    pixels = table.vectors("pixels", train)
    pca = fit_pca(pixels, min(50, pixels.shape[1], len(train) - 1), rng=rng)
    fitted = KMeans(k, n_init=5, random_state=int(rng.integers(2**31))).fit(pca.project(pixels))

    def nearness(rows: Ints) -> Doubles:
        distances: Doubles = fitted.transform(pca.project(table.vectors("pixels", rows))).astype(np.float64)
        return -distances

    return nearness


def _samples(part: dict[str, Any], parts: list[dict[str, Any]], decode: Decode, rng: np.random.Generator) -> Any:
    """Decode every category with the same draws of everything else: (k, columns, h, w, c)."""
    k = size(part)
    base = np.concatenate([draw(other, COLUMNS, rng) for other in parts], axis=1)
    codes = np.tile(base, (k, 1, 1))
    one_hot = np.eye(k, dtype=np.float32)[:, None]
    codes[:, :, columns(part)] = drawn_of_each(part, COLUMNS, rng) if is_learned(part) else one_hot
    images = decode(codes.reshape(k * COLUMNS, -1))
    return to_pixels(images).reshape(k, COLUMNS, *images.shape[1:])


def _exemplars(table: Embeddings, rows: Ints, probabilities: Doubles) -> tuple[Pixels | None, Ints | None]:
    """Return images of the rows that are of each category most surely, and which rows these are."""
    places = most_confident(probabilities, COLUMNS)
    shown = np.where(places >= 0, rows[places], -1)
    shown_rows, back = np.unique(shown[shown >= 0], return_inverse=True)
    pictures = thumbnails(table, shown_rows) if len(shown_rows) else None
    if pictures is None:
        return None, None
    result = np.zeros((*shown.shape, *pictures.shape[1:]), np.uint8)
    result[shown >= 0] = pictures[back]
    return result, shown
