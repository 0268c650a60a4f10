"""Sections on where codes lie: the map, and what is near to what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import Block, Map, Prose, Section, View, missing
from ..report.estimate_rows import brackets, figure, stated, trained_on
from ..report.formatting import count, no_better, number, percent, sentence
from ..terminal import percent_interval, plain

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .projection import Map as Placement
    from .projection import Maps


NAMES = {"umap": "UMAP", "pca": "PCA", "pacmap": "PaCMAP", "tsne": "t-SNE"}


def section(context: ReportContext) -> Section:
    """The codes in the plane."""
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
    return stated("projection", "Map", (_map_finding(maps.maps[0], context.noun), trained_on(maps.notes)), blocks)


def _map_finding(best: Placement, noun: str) -> str:
    name = NAMES.get(best.method, best.method)
    text = (
        f"{percent(best.trustworthiness.value)} of what the {name} map shows as near is near in the "
        f"{best.representation} (trustworthiness, n = {count(best.trustworthiness.n)}; "
        f"{percent(best.random, 0)} would be chance)"
    )
    if best.accuracy is None or best.full_accuracy is None:
        return text + "."
    random = "" if math.isnan(best.chance) else f" and {percent(best.chance)} of random pairs"
    return (
        f"A point's nearest neighbour on the {name} map has its label in {figure(best.accuracy)} of "
        f"{count(best.accuracy.n)} {noun}s, against {percent(best.full_accuracy.value)} in the whole "
        f"{best.representation}{random}{no_better(best.accuracy, best.chance)}; trustworthiness is "
        f"{number(best.trustworthiness.value, 3)}."
    )


def _trust(placement: Placement) -> str:
    trust = placement.trustworthiness
    text = f"Trustworthiness {brackets(trust, 3)} with k = {placement.k}"
    text += (
        f" (n = {count(trust.n)}, the interval for other rows, as many; shuffled points {number(placement.random, 2)})."
    )
    text += f" {sentence(trust.reason)}" if trust.reason else ""
    if placement.explained:
        text += f" The two axes hold {percent(sum(placement.explained), 0)} of the variance."
    return text + (f" {sentence(placement.note)}" if placement.note else "")


def tables(result: Any) -> Iterator[TextTable]:
    rows = [
        (
            m.method,
            plain(m.trustworthiness),
            f"{m.random:.3f}",
            percent_interval(m.accuracy),
            percent_interval(m.full_accuracy),
            f"{m.trustworthiness.n:,}",
        )
        for m in result.maps
    ]
    header = ("map", "trustworthiness", "shuffled", "1-NN on the map", "1-NN in the code", "n")
    chance = next((m.chance for m in result.maps), math.nan)
    random = "" if math.isnan(chance) else f" (1-NN by chance {100 * chance:.1f} %)"
    yield f"maps of the code{random}", header, rows
