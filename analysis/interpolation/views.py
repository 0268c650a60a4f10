"""The section on paths: the way from one image to another, kinds of path on the same pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.baselines import Role
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Line, Lines, Prose, Section, Strip, Strips, missing, one_of
from ..report.estimate_rows import brackets, estimate, stated
from ..report.formatting import count, listed, number, percent, plural, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, plain

if TYPE_CHECKING:
    from ..base.arrays import Pixels
    from ..base.statistics import Interval
    from .interpolate import Interpolations, PathKind


SHOWN_PAIRS = 8


NAMES = {
    "lerp": "straight line",
    "slerp": "great circle",
    "norm": "straight, with interpolated norms",
    "geodesic": "geodesic",
    "pixel blend": "blend of pixels",
    "random pairs": "random pairs",
}


SEVERAL = {"slerp": "great circles", "norm": "straight lines with interpolated norms", "geodesic": "geodesics"}


def section(context: ReportContext) -> Section:
    """Paths between codes."""
    result: Interpolations | None = context.results.get("interpolation")
    if result is None or not len(result.pairs):
        note = "None yet: latentgan interpolate TABLE --out RESULTS draws paths, where a model decodes."
        return missing("interpolation", "Interpolations", context.refusal("interpolation") or note)
    blocks: list[Block] = list(_traversals(context, result))
    if result.midpoint is not None:
        rows = [estimate("decoded midpoints", result.midpoint)]
        rows += [estimate(b.name, b.figure, b.role, note=b.note) for b in result.baselines]
        text = (
            "Distance of the images halfway to the nearest real image (L2, pixels in [0, 1]); less is more like data."
        )
        blocks.append(Comparison(rows=tuple(rows), caption=text, scale="number"))
    blocks += [*_compared(result), *_along(result), *(Prose(sentence(note)) for note in result.notes)]
    findings = (f"{_midpoint_finding(result)}.", _kinds_finding(result), sentence(result.training_rows_note))
    return stated("interpolation", "Interpolations", findings, blocks)


def _traversals(context: ReportContext, interpolations: Interpolations) -> tuple[Block, ...]:
    """The chosen kind first, then the others on the same pairs."""
    why = f" ({interpolations.reason})" if interpolations.reason else ""
    caption = (
        f"Decoded codes on the way from one image to another; chosen: "
        f"{NAMES.get(interpolations.along, interpolations.along)}{why}. A "
        "good path shows an image at every step; a poor one fades from one picture into the other. Click a strip to go "
        "there."
    )
    shown = {interpolations.along: interpolations.frames}
    shown |= {
        kind.name: kind.frames
        for kind in interpolations.kinds
        if kind.frames is not None and kind.name != interpolations.along
    }
    options: list[tuple[str, tuple[Block, ...]]] = [
        (NAMES.get(name, name).capitalize(), (_strips(context, interpolations, i, frames, caption),))
        for i, (name, frames) in enumerate(shown.items())
    ]
    return one_of("paths-along", "Paths", options)


def _strips(context: ReportContext, interpolations: Interpolations, index: int, frames: Pixels, caption: str) -> Strips:
    steps, frame_rows = tuple(percent(float(t), 0) for t in interpolations.at), as_uint8(frames)
    strips = tuple(
        Strip(
            _ends(context, interpolations, i),
            frame_rows[i],
            f"path from {_ends(context, interpolations, i)}",
            int(interpolations.pairs[i, 0]),
        )
        for i in range(min(len(interpolations.pairs), len(frame_rows), SHOWN_PAIRS))
    )
    name = "paths" if index == 0 else f"paths-{index}"
    return Strips(
        id=name,
        strips=strips,
        steps=steps,
        start=len(steps) // 2,
        control="Along the path",
        caption=caption,
        layout="traversals",
    )


def _role(kind: PathKind) -> Role:
    return "pixels" if kind.baseline else "ours"  # a blend of pixels


def _ends(context: ReportContext, interpolations: Interpolations, i: int) -> str:
    names = [str(interpolations.labels[i, j]) or context.describe(int(interpolations.pairs[i, j])) for j in (0, 1)]
    return f"{names[0]} → {names[1]}"


def _compared(interpolations: Interpolations) -> tuple[Block, ...]:
    """Every kind of path on the same pairs, one measure at a time."""
    n = count(interpolations.kinds[0].length.n) if interpolations.kinds else ""
    same = f"Means over the same {n} pairs; random pairs are of the same images. "
    measures: tuple[tuple[str, Callable[[PathKind], Interval | None], str], ...] = (
        (
            "Length in images",
            lambda kind: kind.length,
            "Sum of the steps |G(z′) − G(z)|, pixels in [0, 1]. A blend of pixels is as short as a path can be, and no "
            "image lies on it.",
        ),
        (
            "Straightness",
            lambda kind: kind.straightness,
            "Distance of the ends over the length: 1 is a straight line through images, as a blend of pixels is.",
        ),
        (
            "Off the prior's norm",
            lambda kind: kind.off_norm,
            "The farthest that a path strays from the length of the prior's codes, in standard deviations of that "
            "length.",
        ),
        (
            "Discriminator",
            lambda kind: kind.score,
            "Mean logit of the discriminator between the ends: the higher, the more real. All kinds have the same "
            "ends.",
        ),
        (
            "Distance to real images",
            lambda kind: kind.midpoint,
            "Distance of the image halfway to the nearest real image (L2, pixels in [0, 1]).",
        ),
    )
    options: list[tuple[str, tuple[Block, ...]]] = []
    for name, of, caption in measures:
        rows = [(kind, figure) for kind in interpolations.kinds if (figure := of(kind)) is not None]
        if rows:
            shown = tuple(estimate(NAMES.get(kind.name, kind.name), figure, _role(kind)) for kind, figure in rows)
            options.append((name, (Comparison(rows=shown, caption=same + caption, scale="number"),)))
    return one_of("paths-by", "Compare by", options)


def _along(interpolations: Interpolations) -> list[Block]:
    """What the discriminator says at every step."""
    lines = tuple(
        Line(
            NAMES.get(kind.name, kind.name),
            interpolations.at,
            *_bands(kind),
            role=_role(kind) if kind.baseline else None,
        )
        for kind in interpolations.kinds
        if len(kind.scores)
    )
    if not lines:
        return []
    caption = (
        "Mean logit of the discriminator at each step with its 95 % interval over pairs; higher is more real. Where a "
        "path sinks between its ends, the discriminator does not take what lies there for images."
    )
    return [
        Lines(
            id="scores-along",
            title="The discriminator along the path",
            x_title="share of the way",
            y_title="logit",
            lines=lines,
            caption=caption,
        )
    ]


def _bands(kind: PathKind) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, low, high = (np.asarray(column) for column in kind.scores.T)
    return mean, low, high


def _midpoint_finding(interpolations: Interpolations) -> str:
    if interpolations.midpoint is None:
        return (
            f"{plural(len(interpolations.pairs), 'path')} between {interpolations.between}, along "
            f"{interpolations.along}"
        )
    baseline_texts = [f"{b.name} {number(b.figure.value, 3)}" for b in interpolations.baselines]
    comparison = f"; {listed(baseline_texts)}" if baseline_texts else ""
    return (
        f"Halfway between two images, decoded pictures lie {brackets(interpolations.midpoint)} from the nearest real "
        f"image{comparison} (n = {plural(interpolations.midpoint.n, 'pair')})"
    )


def _kinds_finding(interpolations: Interpolations) -> str:
    """Compare geodesics, and the chosen kind, with straight lines on the same pairs, as far as intervals tell."""
    compared_kinds = [kind for kind in interpolations.kinds if kind.name in ("geodesic", interpolations.along)]
    sentences = [text for kind in compared_kinds if (text := _against_line(kind))]
    n = next((kind.length.n for kind in interpolations.kinds), 0)
    return f"On the same {plural(n, 'pair')}, {listed(sentences)}." if sentences else ""


def _against_line(kind: PathKind) -> str:
    ratio, gain = kind.ratio, kind.score_gain
    if ratio is None or math.isnan(ratio.low):
        return ""
    if ratio.low <= 1 <= ratio.high:
        length = "as long as straight lines in images, within the interval"
    else:
        word, ends = ("shorter", (ratio.high, ratio.low)) if ratio.high < 1 else ("longer", (ratio.low, ratio.high))
        low, high = sorted(100 * abs(1 - end) for end in ends)
        length = f"{percent(abs(1 - ratio.value))} [{low:.1f}, {high:.1f}] {word} in images than straight lines"
    more = ""
    if gain is not None and not gain.low <= 0 <= gain.high:
        size = gain if gain.low > 0 else replace(gain, value=-gain.value, low=-gain.high, high=-gain.low)
        more = f" (to the discriminator {'more' if gain.low > 0 else 'less'} real, by {brackets(size)} logits)"
    return f"{SEVERAL.get(kind.name, kind.name)} are {length}{more}"


def tables(result: Any) -> Iterator[TextTable]:
    """Midpoints, and kinds of path on the same pairs."""
    paths = "1 path" if len(result.pairs) == 1 else f"{len(result.pairs)} paths"
    title = f"{paths} by {result.along} ({result.reason}) between {result.between}"
    if result.midpoint is None:
        yield title, ("path",), [(" → ".join(pair),) for pair in result.labels.tolist()]
    else:
        rows = [("decoded midpoints", plain(result.midpoint), f"{result.midpoint.n:,}")]
        rows += [(f"  {b.name}", plain(b.figure), f"{b.figure.n:,}") for b in result.baselines]
        yield title, ("distance to the nearest real image", "mean", "n"), rows
    if result.kinds:
        kinds = [
            (
                f"  {k.name}" if k.baseline else k.name,
                plain(k.length, 2),
                plain(k.ratio),
                plain(k.straightness),
                plain(k.off_norm, 2),
                plain(k.score, 2),
                f"{k.length.n:,}",
            )
            for k in result.kinds
        ]
        header = ("kind of path", "length in images", "/ lerp", "straightness", "off the norm", "discriminator", "n")
        yield "the same pairs along each kind of path", header, kinds
