"""Sections on where codes lie: the map, and what is near to what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .document import Block, Comparison, Gallery, Group, Map, Picture, Prose, Section, View, missing
from .material import Material
from .rows import brackets, estimate, figure, readable, role_of, stated, trained_on
from .wording import count, listed, no_better, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..maps import Map as Placement
    from ..maps import Maps
    from ..neighbours import Neighbours, NeighbourTable

NAMES = {"umap": "UMAP", "pca": "PCA", "pacmap": "PaCMAP", "tsne": "t-SNE"}


def latent_map(material: Material) -> Section:
    """The codes in the plane."""
    maps: Maps | None = material.results.get("maps")
    if maps is None or not maps.maps:
        note = "No map yet: latentgan map TABLE --out RESULTS draws one."
        return missing("map", "Map", material.refusal("maps") or note)
    known = np.array([int(row) in material.places for row in maps.rows], bool)
    views = tuple(View(NAMES.get(one.method, one.method), one.xy[known], _trust(one)) for one in maps.maps)
    colour = material.thumbnails.columns[0].name if material.thumbnails and material.thumbnails.columns else ""
    caption = (
        f"Each point is an {material.noun}; near points have near codes. Hover or tap for it, draw around points to "
        "see them together, zoom by the wheel, click a name below to hide or show it. "
        "Distances between far groups mean little in UMAP."
    )
    blocks: list[Block] = [Map("latent-map", maps.rows[known], views, caption, colour)]
    blocks += [Prose(sentence(note)) for note in maps.notes]
    return stated("map", "Map", (_map_finding(maps.maps[0], material.noun), trained_on(maps.notes)), blocks)


def _map_finding(best: Placement, noun: str) -> str:
    name = NAMES.get(best.method, best.method)
    said = (
        f"{percent(best.trustworthiness.value)} of what the {name} map shows as near is near in the "
        f"{best.representation} (trustworthiness, n = {count(best.trustworthiness.n)}; "
        f"{percent(best.random, 0)} would be chance)"
    )
    if best.accuracy is None or best.full_accuracy is None:
        return said + "."
    random = "" if math.isnan(best.chance) else f" and {percent(best.chance)} of random pairs"
    return (
        f"A point's nearest neighbour on the {name} map has its label in {figure(best.accuracy)} of "
        f"{count(best.accuracy.n)} {noun}s, against {percent(best.full_accuracy.value)} in the whole "
        f"{best.representation}{random}{no_better(best.accuracy, best.chance)}; trustworthiness is "
        f"{number(best.trustworthiness.value, 3)}."
    )


def _trust(one: Placement) -> str:
    trust = one.trustworthiness
    said = f"Trustworthiness {brackets(trust, 3)} with k = {one.k}"
    said += f" (n = {count(trust.n)}, the interval for other rows, as many; shuffled points {number(one.random, 2)})."
    said += f" {sentence(trust.reason)}" if trust.reason else ""
    if one.explained:
        said += f" The two axes hold {percent(sum(one.explained), 0)} of the variance."
    return said + (f" {sentence(one.note)}" if one.note else "")


def neighbours(material: Material) -> Section:
    """What a representation considers similar."""
    found: Neighbours | None = material.results.get("neighbours")
    if found is None or not found.tables:
        note = "Not looked up yet: latentgan analyze TABLE --out RESULTS does."
        return missing("neighbours", "Neighbours", material.refusal("neighbours") or note)
    groups = [_lookup(material, found, one) for one in found.tables[:6]]
    shown = tuple(group for group in groups if group.pictures)
    noun = material.noun
    caption = (
        "The first picture of each row is a test image, the others its nearest images of the train split, nearest "
        f"first. The same test images everywhere; chance agreement is {percent(found.chance)}."
    )
    blocks: tuple[Block, ...] = (Gallery(shown, caption, beside=True),) if shown else ()
    figures = [(one, one.agreement) for one in found.tables if one.agreement is not None]
    figures.sort(key=lambda pair: -pair[1].value)
    rows = tuple(estimate(readable(o.representation), a, role_of(o.representation)) for o, a in figures)
    if rows:
        said = f"Share of the {found.k} nearest train {noun}s with the test {noun}'s label."
        blocks = (Comparison(rows, said), *blocks)
    own = [(one, agreement) for one, agreement in figures if not one.baseline]
    if not own:
        finding = f"The {found.k} nearest train {noun}s of {plural(len(found.queries), f'test {noun}')}."
    else:
        best, agreement = max(own, key=lambda pair: pair[1].value)
        pixels = next((a for one, a in figures if one.representation == "pixels"), None)
        beside = [f"in raw pixels {percent(pixels.value)}"] if pixels is not None else []
        beside += [] if math.isnan(found.chance) else [f"of random ones {percent(found.chance)}"]
        finding = (
            f"Of the {found.k} nearest train {noun}s in {best.representation}, {figure(agreement)} share the test "
            f"{noun}'s label (n = {count(agreement.n)}){no_better(agreement, found.chance)}"
            f"{'; ' * bool(beside)}{listed(beside)}."
        )
    blocks += tuple(Prose(sentence(note)) for note in found.notes)
    return stated("neighbours", "Neighbours", (finding, trained_on(found.notes)), blocks)


def _lookup(material: Material, found: Neighbours, one: NeighbourTable) -> Group:
    pictures: list[Picture] = []
    for query, row in list(zip(found.queries, one.rows, strict=True))[:6]:
        some = [material.picture(int(near)) for near in (query, *row[:6]) if near >= 0]
        pictures += [picture for picture in some if picture is not None]
    across = 1 + min(6, one.rows.shape[1]) if one.rows.ndim == 2 else None
    return Group(readable(one.representation), "", tuple(pictures), across=across)
