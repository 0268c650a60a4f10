"""The section with maps of the codes, and how far these can be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import Block, Map, Prose, Section, View, missing
from ..report.estimate_rows import brackets, figure, stated
from ..report.formatting import count, no_better, number, percent, sentence
from ..terminal import percent_interval, plain

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .projection import Map as Placement
    from .projection import Maps


NAMES = {"umap": "UMAP", "pca": "PCA", "pacmap": "PaCMAP", "tsne": "t-SNE"}
"""Method -> how the report calls it."""


def section(context: ReportContext) -> Section:
    """The maps, to look at and to choose points on."""
    maps: Maps | None = context.results.get("projection")
    if maps is None or not maps.maps:
        note = "No map yet: latentgan map TABLE --out RESULTS draws one."
        return missing("projection", "Map", context.refusal("projection") or note)
    has_place = np.array([int(row) in context.places for row in maps.rows], bool)
    views = tuple(
        View(NAMES.get(placement.method, placement.method), placement.xy[has_place], _trust(placement))
        for placement in maps.maps
    )
    colour = context.thumbnails.columns[0].name if context.thumbnails and context.thumbnails.columns else ""
    caption = (
        f"Each point is an {context.noun}; near points have near codes. Hover or tap for it, draw around points to "
        "see them together, zoom by the wheel, click a name below to hide or show it. "
        "Distances between far groups mean little in UMAP."
    )
    blocks: list[Block] = [Map(id="latent-map", rows=maps.rows[has_place], views=views, caption=caption, colour=colour)]
    blocks += [Prose(sentence(note)) for note in maps.notes]
    return stated(
        "projection", "Map", (_map_finding(maps.maps[0], context.noun), sentence(maps.training_rows_note)), blocks
    )


def _map_finding(placement: Placement, noun: str) -> str:
    """How far the first map can be trusted: by its neighbours' labels where there are labels."""
    name = NAMES.get(placement.method, placement.method)
    trust = placement.trustworthiness
    if placement.accuracy is None or placement.full_accuracy is None:
        often = "more" if trust.low > placement.shuffled_trustworthiness else "no more"
        return (
            f"Neighbours on the {name} map are neighbours in the {placement.representation} {often} often than by "
            f"chance: trustworthiness {number(trust.value, 3)} (n = {count(trust.n)}; shuffled points "
            f"{number(placement.shuffled_trustworthiness, 2)})."
        )
    random = "" if math.isnan(placement.chance) else f", {percent(placement.chance)} for random pairs"
    return (
        f"Nearest neighbours on the {name} map share a label for {figure(placement.accuracy)} of "
        f"{count(placement.accuracy.n)} {noun}s{no_better(placement.accuracy, placement.chance)} "
        f"({percent(placement.full_accuracy.value)} in the whole {placement.representation}{random}); trustworthiness "
        f"is {number(trust.value, 3)}."
    )


def _trust(placement: Placement) -> str:
    """Sentences under a map: how far it can be trusted, and its parameters."""
    trust = placement.trustworthiness
    text = (
        f"Trustworthiness {brackets(trust, 3)} with k = {placement.k} (n = {count(trust.n)}, the interval is for as "
        f"many other rows; shuffled points {number(placement.shuffled_trustworthiness, 2)})."
    )
    text += f" {sentence(trust.reason)}" if trust.reason else ""
    if placement.explained:
        text += f" The two axes hold {percent(sum(placement.explained), 0)} of the variance."
    return text + (f" {sentence(placement.note)}" if placement.note else "")


def tables(result: Any) -> Iterator[TextTable]:
    """Each map's figures, with those of shuffled points and of the whole code."""
    rows = [
        (
            placement.method,
            plain(placement.trustworthiness),
            f"{placement.shuffled_trustworthiness:.3f}",
            percent_interval(placement.accuracy),
            percent_interval(placement.full_accuracy),
            f"{placement.trustworthiness.n:,}",
        )
        for placement in result.maps
    ]
    header = ("map", "trustworthiness", "shuffled", "1-NN on the map", "1-NN in the code", "n")
    chance = next((placement.chance for placement in result.maps), math.nan)
    random = "" if math.isnan(chance) else f" (1-NN by chance {100 * chance:.1f} %)"
    yield f"maps of the code{random}", header, rows
