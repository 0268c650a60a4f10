"""Sections on the codes themselves: the map, probes, few labels, neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .document import (
    Block,
    Comparison,
    Disclosure,
    Estimate,
    Gallery,
    Group,
    Line,
    Lines,
    Map,
    Picture,
    Prose,
    Section,
    Table,
    View,
    missing,
)  # fmt: skip
from .material import Material, estimate, readable, role_of
from .wording import count, half_width, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..maps import Map as Placement
    from ..maps import Maps
    from ..neighbours import Neighbours, NeighbourTable
    from ..probes import FewLabels, Probe, ProbeTable
    from ..statistics import Interval

METHODS = {
    "logistic": "Logistic regression",
    "svm": "Linear support vector machine",
    "knn": "Nearest neighbours",
    "ridge": "Ridge regression",
}
NAMES = {"umap": "UMAP", "pca": "PCA", "pacmap": "PaCMAP", "tsne": "t-SNE"}


def figure(interval: Interval) -> str:
    """Write "94.1 % ± 0.5"."""
    return f"{percent(interval.value)} {half_width(interval.low, interval.high)}"


def latent_map(material: Material) -> Section:
    """The codes in the plane."""
    maps: Maps | None = material.results.get("maps")
    if maps is None or not maps.maps:
        return missing("map", "Map", "No map yet: latentgan map TABLE --out RESULTS draws one.")
    known = np.array([int(row) in material.places for row in maps.rows], bool)
    views = tuple(View(NAMES.get(one.method, one.method), one.xy[known], _trust(one)) for one in maps.maps)
    colour = (
        material.thumbnails.columns[0].name if material.thumbnails and material.thumbnails.columns else ""
    )
    caption = (
        "Each point is an image; near points have near codes. Hover or tap for the image, draw around points to see "
        "them together, click a name below to hide or show it. Distances between far groups mean little in UMAP."
    )
    blocks: list[Block] = [Map("latent-map", maps.rows[known], views, caption, colour)]
    blocks += [Prose(sentence(note)) for note in maps.notes]
    return Section("map", "Map", _map_finding(maps.maps[0]), tuple(blocks))


def _map_finding(best: Placement) -> str:
    name = NAMES.get(best.method, best.method)
    said = (
        f"{percent(best.trustworthiness.value)} of what the {name} map shows as near is near in the {best.representation} "
        f"(trustworthiness, n = {count(best.trustworthiness.n)}; {percent(best.random, 0)} would be chance)"
    )
    if best.accuracy is None or best.full_accuracy is None:
        return said + "."
    return (
        f"A point's nearest neighbour on the {name} map has its label in {figure(best.accuracy)} of "
        f"{count(best.accuracy.n)} images, against {percent(best.full_accuracy.value)} in the whole "
        f"{best.representation}; trustworthiness is {number(best.trustworthiness.value, 3)}."
    )


def _trust(one: Placement) -> str:
    trust = one.trustworthiness
    said = f"Trustworthiness {number(trust.value, 3)} [{number(trust.low, 3)}, {number(trust.high, 3)}] with k = {one.k}"
    said += f" (n = {count(trust.n)}; shuffled points {number(one.random, 2)})."
    if one.explained:
        said += f" The two axes hold {percent(sum(one.explained), 0)} of the variance."
    return said + (f" {sentence(one.note)}" if one.note else "")


def probes(material: Material) -> Section:
    """How well simple readers get labels out of each representation."""
    table: ProbeTable | None = material.results.get("probes")
    if table is None or not table.probes:
        return missing("probes", "Probes", "No probes yet: latentgan probe TABLE --out RESULTS trains them.")
    main = [probe for probe in table.probes if probe.target == table.target]
    others = [probe for probe in table.probes if probe.target != table.target]
    caption = (
        "A reader is trained on frozen features of the train split and scored on the test split; dots are test figures, "
        "bars their 95 % intervals. The dashed line is what the same reader gets from raw pixels: only what stands to "
        "the right of it was gained."
    )
    blocks: list[Block] = [Comparison(_probe_rows(main, table.target), caption)]
    for metric, name in (("accuracy", "classes"), ("R2", "numbers")):
        rows = [probe for probe in others if probe.metric == metric]
        if rows:
            said = f"Attributes that are {name}: {'accuracy' if metric == 'accuracy' else 'R², 0 is the mean value'}."
            scale = "percent" if metric == "accuracy" else "number"
            blocks.append(Comparison(_probe_rows(rows, table.target), said, scale))  # type: ignore[arg-type]
    blocks.append(Disclosure("Settings, widths, and what is confused with what", _probe_details(table, main)))
    return Section("probes", "Probes", _probe_finding(main or others), tuple(blocks))


def _probe_rows(found: list[Probe], target: str) -> tuple[Estimate, ...]:
    """Rows by method, best first; the best one's shuffled figure last."""
    rows: list[Estimate] = []
    for key in dict.fromkeys((probe.target, probe.method) for probe in found):
        members = [probe for probe in found if (probe.target, probe.method) == key]
        members.sort(key=lambda probe: -probe.score.value)
        name = METHODS.get(key[1], key[1])
        name += f" (k = {number(members[0].setting, 0)})" if key[1] == "knn" else ""
        group = name if key[0] == target else f"{key[0]}: {name.lower()}"
        rows += [
            estimate(
                readable(one.representation),
                one.score,
                role_of(one.representation),
                group=group,
                note=one.note,
            )
            for one in members
        ]
        shuffled = [one for one in members if not one.baseline and one.shuffled is not None]
        if shuffled and shuffled[0].shuffled is not None:
            label = f"{readable(shuffled[0].representation)}, labels shuffled"
            rows.append(estimate(label, shuffled[0].shuffled, "chance", group=group))
    return tuple(rows)


def _probe_finding(found: list[Probe]) -> str:
    own = [probe for probe in found if not probe.baseline]
    if not own:
        return "Only yardsticks were probed."
    best = max(own, key=lambda probe: probe.score.value)
    rivals = [one for one in found if one.baseline and (one.method, one.target) == (best.method, best.target)]
    score = figure(best.score) if best.metric == "accuracy" else f"R² {number(best.score.value)}"
    what = (
        f"{METHODS.get(best.method, best.method)} on {best.representation} reads the {best.target} right in"
    )
    said = f"{what} {score} of {count(best.score.n)} test images"
    show = percent if best.metric == "accuracy" else number
    others = [f"{readable(one.representation)} reach {show(one.score.value)}" for one in rivals if role_of(
        one.representation) in ("pixels", "pca")] + [
        f"the same network untrained {show(one.score.value)}"
        for one in rivals if one.representation == f"untrained.{best.representation}"
    ]  # fmt: skip
    pixels = next((one for one in rivals if one.representation == "pixels"), None)
    verdict = ""
    if pixels is not None and not best.score.apart(pixels.score):
        verdict = " The intervals of features and pixels overlap."
    return f"{said}; {listed(others)}.{verdict}" if others else f"{said}."


def _probe_details(table: ProbeTable, main: list[Probe]) -> tuple[Block, ...]:
    rows = tuple(
        (readable(one.representation), one.target, one.method, number(one.setting, 4).rstrip("0").rstrip("."),
         count(one.width), count(one.used), count(one.n_train), count(one.score.n))
        for one in table.probes
    )  # fmt: skip
    names = ("representation", "target", "reader", "C, α or k", "width", "used", "n train", "n test")
    blocks: list[Block] = [Prose(sentence(table.protocol))] if table.protocol else []
    blocks.append(
        Table(names, rows, "Widths above what the reader takes were reduced by PCA of the train split.")
    )
    own = [one for one in main if not one.baseline and one.confusion is not None]
    if own:
        blocks.append(_confusion(max(own, key=lambda one: one.score.value)))
    return (*blocks, *(Prose(sentence(note)) for note in table.notes))


def _confusion(best: Probe) -> Table:
    assert best.confusion is not None
    counts = np.asarray(best.confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((name, *map(count, row.tolist())) for name, row in zip(best.classes, counts, strict=True))
    caption = (
        f"Test images by truth (rows) and by what {best.method} on {best.representation} reads (columns)."
    )
    return Table(("truth", *best.classes), rows, caption, tuple(map(tuple, share.tolist())))


def few_labels(material: Material) -> Section:
    """What remains when labels are scarce."""
    table: ProbeTable | None = material.results.get("probes")
    if table is None or not table.few:
        note = "Not measured: latentgan probe TABLE --out RESULTS draws a few labels a class where the table has labels."
        return missing("few-labels", "Few labels", note)
    blocks: list[Block] = [_curve(table.few)] if len(table.few) > 1 else []
    rows = [
        estimate(readable(name), score, role_of(name), group=f"{plural(few.per_class, 'label')} a class",
                 note=f"sd over draws {100 * deviation:.1f} points")
        for few in table.few
        for name, score, deviation in sorted(
            zip(few.representations, few.scores, few.deviations, strict=True), key=lambda one: -one[1].value)
    ]  # fmt: skip
    caption = (
        "Test accuracy of a logistic probe trained on so few labels, mean over balanced draws with its 95 % interval "
        "(t; n counts draws). All representations see the same draws."
    )
    blocks.append(Comparison(tuple(rows), caption))
    blocks += _differences(table.few)
    blocks += [Prose(sentence(note)) for note in dict.fromkeys(few.note for few in table.few) if note]
    return Section("few-labels", "Few labels", _few_finding(table.few[0]), tuple(blocks))


def _few_finding(few: FewLabels) -> str:
    own = [i for i, baseline in enumerate(few.baselines) if not baseline]
    if not own:
        return "Only yardsticks were measured."
    best = max(own, key=lambda i: few.scores[i].value)
    name, score = few.representations[best], few.scores[best]
    said = f"With {plural(few.per_class, 'label')} a class, {name} reads {figure(score)} of test images right"
    paired = next((d for d in few.differences if (d.representation, d.baseline) == (name, "pixels")), None)
    if paired is None:
        return f"{said} ({plural(score.n, 'draw')})."
    gap = paired.difference
    relation = "more" if gap.value >= 0 else "fewer"
    sure = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    return (
        f"{said}, {abs(100 * gap.value):.1f} points {relation} than raw pixels on the same draws "
        f"[{number(100 * gap.low, 1)}, {number(100 * gap.high, 1)}]{sure} (n = {plural(gap.n, 'draw')})."
    )


def _curve(few: tuple[FewLabels, ...]) -> Lines:
    names = dict.fromkeys(name for one in few for name in one.representations)
    lines = []
    for name in names:
        at = [
            (one.per_class, one.scores[one.representations.index(name)])
            for one in few
            if name in one.representations
        ]
        role = role_of(name)
        lines.append(Line(
            readable(name), np.array([x for x, _ in at], float), np.array([y.value for _, y in at]),
            np.array([y.low for _, y in at]), np.array([y.high for _, y in at]),
            role=None if role == "ours" else role, markers=True,
        ))  # fmt: skip
    caption = "Accuracy against labels a class; bands are 95 % intervals over draws. A curve above pixels' saves labels."
    return Lines("label-curve", "Accuracy by number of labels", "labels a class", "test accuracy", tuple(lines), caption,
                 y_scale="percent", x_scale="log")  # fmt: skip


def _differences(few: tuple[FewLabels, ...]) -> list[Block]:
    rows = [
        estimate(f"{d.representation} minus {readable(d.baseline)}", d.difference,
                 group=f"{plural(one.per_class, 'label')} a class")
        for one in few for d in one.differences
    ]  # fmt: skip
    caption = (
        "Paired differences over the same draws: an interval that leaves zero out is a difference, not luck."
    )
    return [Disclosure("Paired differences", (Comparison(tuple(rows), caption),))] if rows else []


def neighbours(material: Material) -> Section:
    """What a representation considers similar."""
    found: Neighbours | None = material.results.get("neighbours")
    if found is None or not found.tables:
        return missing(
            "neighbours", "Neighbours", "Not looked up yet: latentgan analyze TABLE --out RESULTS does."
        )
    groups = [_lookup(material, found, one) for one in found.tables[:6]]
    shown = tuple(group for group in groups if group.pictures)
    caption = (
        "The first picture of each row is a test image, the others its nearest images of the train split, nearest "
        f"first. The same test images everywhere; chance agreement is {percent(found.chance)}."
    )
    blocks: tuple[Block, ...] = (Gallery(shown, caption, beside=True),) if shown else ()
    figures = [(one, one.agreement) for one in found.tables if one.agreement is not None]
    rows = tuple(estimate(readable(o.representation), a, role_of(o.representation)) for o, a in figures)
    if rows:
        said = f"Share of the {found.k} nearest train images with the test image's label."
        blocks = (Comparison(rows, said), *blocks)
    own = [(one, agreement) for one, agreement in figures if not one.baseline]
    if not own:
        finding = f"The {found.k} nearest train images of {plural(len(found.queries), 'test image')}."
    else:
        best, agreement = max(own, key=lambda pair: pair[1].value)
        pixels = next((a for one, a in figures if one.representation == "pixels"), None)
        beside = f"; in raw pixels {percent(pixels.value)}" if pixels is not None else ""
        finding = (
            f"Of the {found.k} nearest train images in {best.representation}, {figure(agreement)} share the test image's "
            f"label (n = {count(agreement.n)}){beside}."
        )
    return Section("neighbours", "Neighbours", finding, blocks)


def _lookup(material: Material, found: Neighbours, one: NeighbourTable) -> Group:
    pictures: list[Picture] = []
    for query, row in list(zip(found.queries, one.rows, strict=True))[:6]:
        some = [material.picture(int(near)) for near in (query, *row[:6]) if near >= 0]
        pictures += [picture for picture in some if picture is not None]
    across = 1 + min(6, one.rows.shape[1]) if one.rows.ndim == 2 else None
    return Group(readable(one.representation), "", tuple(pictures), across=across)
