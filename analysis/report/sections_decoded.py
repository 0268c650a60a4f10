"""The section on reconstructions: what decoded codes keep of their images."""

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
    Section,
    Table,
    missing,
)
from .images import as_uint8
from .material import Material
from .rows import brackets, estimate, role_of, stated, trained_on
from .sections_posteriors import left_open
from .sections_run import slides
from .wording import count, listed, number, percent, sentence

if TYPE_CHECKING:
    from ..reconstruction import Reconstruction


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
    return stated("reconstructions", "Reconstructions", (_ratio_finding(found), trained_on(found.notes)), blocks)


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
