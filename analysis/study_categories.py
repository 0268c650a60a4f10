"""The study of one categorical part of a code: usage, labels by two rules, yardsticks, what categories look like.

A learned mixture is read alike: its components are the categories, their posterior the probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .arrays import Doubles, Ints, Pixels, Singles, to_pixels
from .codes import (
    Categories,
    Matching,
    contingency,
    effective_number,
    match_by_confidence,
    match_categories,
    most_confident,
    shared_information,
)
from .embeddings import Embeddings
from .learned import drawn, drawn_of_each, is_learned, moments, responsibilities
from .overview import thumbnails
from .pca import fit_pca
from .plan import Options, sample
from .statistics import Baseline, mean_interval, proportion

COLUMNS = 10  # samples, and images, of a category
KMEANS_ROWS = 10_000

Decode = Callable[[Singles], Singles]
Scores = Callable[[Ints], Doubles]
"""Rows (n,) → how strongly each is of each category (n, k); the largest is the row's category."""


def columns(part: Mapping[str, Any]) -> slice:
    """Return where in the code a part stands."""
    return slice(int(part["start"]), int(part["start"]) + int(part["width"]))


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
    table: Embeddings, part: dict[str, Any], parts: list[dict[str, Any]], rows: Ints, labels: Any,
    decode: Decode | None, options: Options, rng: np.random.Generator,
) -> Categories:  # fmt: skip
    """Count a part's categories on `rows`, name them after labels, and collect their images."""
    k = size(part)
    probabilities = _columns_of(table, table.code, part)(rows)
    chosen = probabilities.argmax(1)
    counts = np.bincount(chosen, minlength=k)
    known = labels[0][rows] if labels else np.full(len(rows), -1)
    classes = len(labels[1]) if labels else 0
    shared, shuffled = None, float("nan")
    named: _Named = (None, (), None, ())
    cross = np.zeros((k, 0), np.int64)
    if (known >= 0).any():
        cross = contingency(chosen, known, rows=k, columns=classes)
        shared = shared_information(cross, rng=rng)
        lost = contingency(chosen, rng.permutation(known), rows=k, columns=classes)
        shuffled = float(shared_information(lost, rng=rng, repeats=1).value)
        named = _named(table, part, rows, labels[0], classes, options, rng)
    matching, baselines, confident, confident_baselines = named
    samples = None if decode is None else _samples(part, parts, decode, rng)
    exemplars, places = _exemplars(table, rows, probabilities)
    return Categories(
        str(part["name"]), counts, effective_number(counts, rng=rng), mean_interval(probabilities.max(1)), cross,
        matching, shared, shuffled, baselines, samples, confident, confident_baselines, exemplars, places,
        "component" if is_learned(part) else "category",
    )  # fmt: skip


_Named = tuple[Matching | None, tuple[Baseline, ...], Matching | None, tuple[Baseline, ...]]


def _named(
    table: Embeddings, part: dict[str, Any], rows: Ints, labels: Ints, classes: int, options: Options,
    rng: np.random.Generator,
) -> _Named:  # fmt: skip
    """Name categories on validation rows by both rules and judge them on `rows`; the same for groups of other things.

    Returns:
        the matching of categories and its yardsticks, then the same by the most confident row.
    """
    held = sample(table, "validation", options.train_rows, options) if table.has_split else rows[:0]
    held = np.setdiff1d(held, rows)
    if not (labels[held] >= 0).any():
        return None, (), None, ()
    k = size(part)
    others = _others(table, part, k, options, rng)
    order = rng.permutation(len(rows))

    def judged(scores: Scores) -> tuple[Matching, Matching, Ints]:
        on_held, chosen = scores(held), scores(rows).argmax(1)
        pairs = (on_held.argmax(1), labels[held]), (chosen, labels[rows])
        matched = match_categories(*pairs, categories=k, classes=classes)
        return matched, match_by_confidence((on_held, labels[held]), pairs[1]), chosen

    matching, confident, chosen = judged(_columns_of(table, table.code, part))
    beside: tuple[list[Baseline], list[Baseline]] = ([], [])
    for name, (scores, note) in others.items():
        for found, one in zip(beside, judged(scores)[:2], strict=True):
            found.append(Baseline(name, one.accuracy, note))
    lost = labels[rows][order]
    for found, one in zip(beside, (matching, confident), strict=True):
        figure = proportion(one.names[chosen][lost >= 0] == lost[lost >= 0])
        found.append(Baseline("shuffled", figure, "the same names against shuffled labels"))
    return matching, tuple(beside[0]), confident, tuple(beside[1])


def _others(
    table: Embeddings, part: dict[str, Any], k: int, options: Options, rng: np.random.Generator
) -> dict[str, tuple[Scores, str]]:
    """Return what else makes k groups: name -> (scores of rows, a note)."""
    found: dict[str, tuple[Scores, str]] = {}
    if column := table.untrained(table.code):
        note = "the same part of the untrained network's code"
        found["untrained"] = _columns_of(table, column, part), note
    if table.has_pixels and len(train := sample(table, "train", KMEANS_ROWS, options)) > k:
        note = f"k-means with {k} groups on a PCA of raw pixels"
        found["pixels"] = _grouped_pixels(table, train, k, rng), note
    return found


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
    there, back = np.unique(shown[shown >= 0], return_inverse=True)
    pictures = thumbnails(table, there) if len(there) else None
    if pictures is None:
        return None, None
    found = np.zeros((*shown.shape, *pictures.shape[1:]), np.uint8)
    found[shown >= 0] = pictures[back]
    return found, shown
