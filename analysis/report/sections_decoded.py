"""Sections that look at decoded images: reconstructions, and the way from one image to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .document import (
    Block,
    Comparison,
    Disclosure,
    Gallery,
    Group,
    Line,
    Lines,
    Picture,
    Prose,
    Role,
    Section,
    Strip,
    Strips,
    Table,
    missing,
)
from .images import as_uint8
from .material import Material
from .rows import brackets, estimate, role_of, trained_on
from .sections_posteriors import left_open
from .sections_run import slides
from .wording import count, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..interpolation import Interpolations
    from ..reconstruction import Reconstruction

SHOWN_PAIRS = 8


def reconstructions(material: Material) -> Section:
    """How much of its own image a code keeps."""
    found: Reconstruction | None = material.results.get("reconstruction")
    run = material.run
    caption = "Rows come in twos: held-out images, and below each row what the generator makes of their codes."
    grids = run.reconstructions if run is not None else ()
    during: tuple[Block, ...] = (slides("reconstructions-over", grids, "Reconstructions", caption),) if grids else ()
    open_: tuple[Block, ...] = left_open(run) if run is not None else ()
    if found is None:
        note = "Not measured: latentgan reconstruction TABLE --out RESULTS does, where a model decodes."
        note = material.refusal("reconstruction") or note
        if not during:
            return missing("reconstructions", "Reconstructions", note)
        return Section("reconstructions", "Reconstructions", note, (*during, *open_))
    rows = [estimate("this model", found.ratio)]
    rows += [estimate(b.name, b.figure, role_of(b.name), note=b.note) for b in found.baselines]
    said = (
        "Reconstruction ratio: mean error ‖x − G(E(x))‖ over the mean error against another image's reconstruction. "
        "0 is perfect, 1 says nothing about the image."
    )
    blocks: list[Block] = [_pairs(found), Comparison(tuple(rows), said, "number", digits=3), _histogram(found)]
    if len(found.by_class) and np.isfinite(found.by_class).any():
        cells = tuple((name, number(float(r))) for name, r in zip(found.classes, found.by_class, strict=True))
        blocks.append(Disclosure("Ratio by class", (Table(("class", "ratio"), cells),)))
    if during:
        blocks.append(Disclosure("The same images over training", during))
    blocks += [*open_, *(Prose(sentence(note)) for note in found.notes)]
    finding = _ratio_finding(found) + trained_on(found.notes)
    return Section("reconstructions", "Reconstructions", finding, tuple(blocks))


def _ratio_finding(found: Reconstruction) -> str:
    others = [f"{b.name} {number(b.figure.value, 3)}" for b in found.baselines]
    beside = f"; {listed(others)}" if others else ""
    return (
        f"A reconstruction is off by {percent(found.ratio.value, 0)} of what another image's would be: ratio "
        f"{brackets(found.ratio, 3)}, n = {count(found.ratio.n)}{beside}."
    )


def _pairs(found: Reconstruction) -> Gallery:
    groups = []
    for g, name in enumerate(found.groups):
        pictures: list[Picture] = []
        for i, row in enumerate(found.shown[g]):
            error = number(float(found.shown_errors[g, i]))
            pictures.append(Picture(as_uint8(found.originals[g, i]), f"original, row {row}", "", int(row)))
            alt = f"reconstruction of row {row}, error {error}"
            pictures.append(Picture(as_uint8(found.reconstructions[g, i]), alt, error, int(row)))
        groups.append(Group(str(name).capitalize(), "", tuple(pictures), pairs=True))
    caption = (
        "Above the image, below its reconstruction and the error (L2 norm, pixels in [0, 1]). Best and worst are the "
        "extremes of all, typical are around the median, so nothing here was picked by eye."
    )
    return Gallery(tuple(groups), caption)


def _histogram(found: Reconstruction) -> Lines:
    both = np.concatenate([found.errors, found.shuffled]).astype(np.float64)
    edges = np.linspace(0, float(both.max(initial=1e-9)), 41)
    centres = (edges[1:] + edges[:-1]) / 2
    own = np.histogram(found.errors, edges)[0] / max(len(found.errors), 1)
    other = np.histogram(found.shuffled, edges)[0] / max(len(found.shuffled), 1)
    lines = (
        Line("against its own image", centres, own, role="ours"),
        Line("against another image", centres, other, role="chance"),
    )
    caption = (
        f"Share of {count(len(found.errors))} images by error. The further apart the curves, the more a code says."
    )
    return Lines("errors", "Errors of reconstructions", "error", "share of images", lines, caption, y_scale="percent")


def interpolations(material: Material) -> Section:
    """Paths between codes."""
    found: Interpolations | None = material.results.get("interpolation")
    if found is None or not len(found.pairs):
        note = "None yet: latentgan interpolate TABLE --out RESULTS draws paths, where a model decodes."
        return missing("interpolations", "Interpolations", material.refusal("interpolation") or note)
    steps = tuple(percent(float(t), 0) for t in found.at)
    frames = as_uint8(found.frames)
    strips = tuple(
        Strip(
            _ends(material, found, i),
            frames[i],
            f"path from {_ends(material, found, i)}",
            int(found.pairs[i, 0]),
        )
        for i in range(min(len(found.pairs), SHOWN_PAIRS))
    )
    why = f" ({found.reason})" if found.reason else ""
    caption = (
        f"Decoded codes on the way from one image to another, along {found.along}{why}. A good path shows an image at "
        "every step; a poor one fades from one picture into the other. Click a strip to go there."
    )
    shown = Strips("paths", strips, steps, len(steps) // 2, "Along the path", caption, "films")
    blocks: list[Block] = [shown]
    if found.midpoint is not None:
        rows = [estimate("decoded midpoints", found.midpoint)]
        rows += [estimate(b.name, b.figure, _blend(b.name), note=b.note) for b in found.baselines]
        said = (
            "Distance of the images halfway to the nearest real image (L2, pixels in [0, 1]); less is more like data."
        )
        blocks.append(Comparison(tuple(rows), said, "number"))
    blocks += [Prose(sentence(note)) for note in found.notes]
    finding = _path_finding(found) + trained_on(found.notes)
    return Section("interpolations", "Interpolations", finding, tuple(blocks))


def _blend(name: str) -> Role:
    return "pixels" if "blend" in name.lower() or "pixel" in name.lower() else "chance"


def _ends(material: Material, found: Interpolations, i: int) -> str:
    names = [str(found.labels[i, j]) or material.describe(int(found.pairs[i, j])) for j in (0, 1)]
    return f"{names[0]} → {names[1]}"


def _path_finding(found: Interpolations) -> str:
    if found.midpoint is None:
        return f"{plural(len(found.pairs), 'path')} between images of different classes, along {found.along}."
    others = [f"{b.name} {number(b.figure.value, 3)}" for b in found.baselines]
    beside = f"; {listed(others)}" if others else ""
    return (
        f"Halfway between two images, decoded pictures lie {brackets(found.midpoint)} from the nearest real image "
        f"(n = {plural(found.midpoint.n, 'pair')}){beside}."
    )
