"""The section on reconstructions: what decoded codes keep of their images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import (
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
from ..report.estimate_rows import brackets, estimate, stated
from ..report.formatting import count, listed, number, percent, sentence
from ..report.images import as_uint8
from ..report.run_folder import Run, slides
from ..terminal import plain

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .reconstruction import Reconstruction


def section(context: ReportContext) -> Section:
    """How much of its own image a code keeps."""
    result: Reconstruction | None = context.results.get("reconstruction")
    run = context.run
    caption = "Rows come in twos: held-out images, and below each row what the generator makes of their codes."
    grids = run.reconstructions if run is not None else ()
    during: tuple[Block, ...] = (slides("reconstructions-over", grids, "Reconstructions", caption),) if grids else ()
    open_: tuple[Block, ...] = left_open(run) if run is not None else ()
    if result is None:
        note = "Not measured: latentgan reconstruction TABLE --out RESULTS does, where a model decodes."
        note = context.refusal("reconstruction") or note
        if not during:
            return missing("reconstruction", "Reconstructions", note)
        return Section(id="reconstruction", title="Reconstructions", finding=note, blocks=(*during, *open_))
    rows = [estimate("this model", result.ratio)]
    rows += [estimate(b.name, b.figure, b.role, note=b.note) for b in result.baselines]
    text = (
        "Reconstruction ratio: mean error ‖x − G(E(x))‖ over the mean error against another image's reconstruction. "
        "0 is perfect, 1 says nothing about the image."
    )
    blocks: list[Block] = [
        _pairs(result),
        Comparison(rows=tuple(rows), caption=text, scale="number", digits=3),
        _histogram(result),
    ]
    if len(result.by_class) and np.isfinite(result.by_class).any():
        cells = tuple((name, number(float(r))) for name, r in zip(result.classes, result.by_class, strict=True))
        blocks.append(Disclosure("Ratio by class", (Table(columns=("class", "ratio"), rows=cells),)))
    if during:
        blocks.append(Disclosure("The same images over training", during))
    blocks += [*open_, *(Prose(sentence(note)) for note in result.notes)]
    return stated(
        "reconstruction", "Reconstructions", (_ratio_finding(result), sentence(result.training_rows_note)), blocks
    )


def _ratio_finding(reconstruction: Reconstruction) -> str:
    baseline_texts = [f"{b.name} {number(b.figure.value, 3)}" for b in reconstruction.baselines]
    comparison = f"; {listed(baseline_texts)}" if baseline_texts else ""
    return (
        f"A reconstruction is off by {percent(reconstruction.ratio.value, 0)} of what another image's would be: ratio "
        f"{brackets(reconstruction.ratio, 3)}, n = {count(reconstruction.ratio.n)}{comparison}."
    )


def _pairs(reconstruction: Reconstruction) -> Gallery:
    groups = []
    for g, name in enumerate(reconstruction.groups):
        pictures: list[Picture] = []
        for i, row in enumerate(reconstruction.shown[g]):
            error = number(float(reconstruction.shown_errors[g, i]))
            pictures.append(Picture(as_uint8(reconstruction.originals[g, i]), f"original, row {row}", "", int(row)))
            alt = f"reconstruction of row {row}, error {error}"
            pictures.append(Picture(as_uint8(reconstruction.reconstructions[g, i]), alt, error, int(row)))
        groups.append(Group(title=str(name).capitalize(), detail="", pictures=tuple(pictures), pairs=True))
    caption = (
        "Above the image, below its reconstruction and the error (L2 norm, pixels in [0, 1]). Best and worst are the "
        "extremes of all, typical are around the median, so nothing here was picked by eye."
    )
    return Gallery(tuple(groups), caption)


def _histogram(reconstruction: Reconstruction) -> Lines:
    both = np.concatenate([reconstruction.errors, reconstruction.shuffled]).astype(np.float64)
    edges = np.linspace(0, float(both.max(initial=1e-9)), 41)
    centres = (edges[1:] + edges[:-1]) / 2
    shares = np.histogram(reconstruction.errors, edges)[0] / max(len(reconstruction.errors), 1)
    other = np.histogram(reconstruction.shuffled, edges)[0] / max(len(reconstruction.shuffled), 1)
    lines = (
        Line("against its own image", centres, shares, role="ours"),
        Line("against another image", centres, other, role="chance"),
    )
    caption = (
        f"Share of {count(len(reconstruction.errors))} images by error. The further apart the curves, the more "
        f"a code says."
    )
    return Lines(
        id="errors",
        title="Errors of reconstructions",
        x_title="error",
        y_title="share of images",
        lines=lines,
        caption=caption,
        y_scale="percent",
    )


def left_open(run: Run) -> tuple[Block, ...]:
    """Draws of some held-out images in pictures and in two dimensions; nothing where the encoder does not draw."""
    if not run.posteriors:
        return ()
    caption = (
        "Each row is one held-out image, at the left, and decoded draws from q(z|x) of it: what they share the encoder "
        "has made up its mind about."
    )
    subject = "Draws from the encoder"
    blocks: list[Block] = [slides("posteriors-over", run.posteriors, subject, caption, subject)]
    points = _points(run.draws)
    if points is not None:
        blocks += [Prose(_spread(points)), _cloud(points, run.draws)]
    return tuple(blocks)


def _points(metadata: dict[str, Any]) -> np.ndarray | None:
    """Draws of each image, (images, draws, 2); None where the file holds none."""
    try:
        points = np.asarray(metadata.get("draws"), np.float64)
    except (TypeError, ValueError):
        return None
    return points if points.ndim == 3 and points.shape[2] == 2 and np.isfinite(points).all() else None


def _spread(points: np.ndarray) -> str:
    within = float(points.var(axis=1).mean())
    between = float(points.mean(axis=1).var(axis=0).mean())
    share = within / (within + between) if within + between else math.nan
    images, draws, _ = points.shape
    return (
        f"In these two dimensions draws of one image have {number(100 * share, 0)} % of the variance of all "
        f"(n = {count(images)} images of {count(draws)} draws): 0 % is an encoder that is certain, 100 % one whose "
        "codes say nothing."
    )


def _cloud(points: np.ndarray, metadata: dict[str, Any]) -> Lines:
    gap = np.full((len(points), points.shape[1], 1), np.nan)  # a gap after each point: points alone, no line
    spaced = np.stack([np.concatenate([points[:, :, i : i + 1], gap], 2).reshape(len(points), -1) for i in (0, 1)])
    lines = [Line(f"image {i + 1}", spaced[0, i], spaced[1, i], markers=True) for i in range(len(points))]
    first, second = [f"z, dimension {d + 1}" for d in metadata.get("dimensions", (0, 1))]
    circle = np.linspace(0, 2 * np.pi, 121)
    lines += [Line("the prior's deviation", np.cos(circle), np.sin(circle))]
    caption = (
        "Draws of each image in the two dimensions in which the images' means lie farthest apart, rows from top to "
        "bottom as image 1, 2, …; the circle is one standard deviation of a Gaussian prior."
    )
    return Lines(
        id="posteriors",
        title="Draws from q(z|x) in two dimensions",
        x_title=first,
        y_title=second,
        lines=tuple(lines),
        caption=caption,
    )


def tables(result: Any) -> Iterator[TextTable]:
    rows = [("this model", plain(result.ratio), f"{result.ratio.n:,}")]
    rows += [(f"  {b.name}", plain(b.figure), f"{b.figure.n:,}") for b in result.baselines]
    title = "reconstruction error / error against another image (0 perfect, 1 useless)"
    yield title, ("reconstruction", "ratio", "n"), rows
