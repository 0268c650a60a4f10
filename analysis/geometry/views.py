"""Sections on where codes lie: the dimensions that they fill, and whether they are distributed as the prior."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.baselines import representation_role
from ..report.context import ReportContext
from ..report.document import Block, Estimate, Prose, Section, missing
from ..report.estimate_rows import brackets, by_group, estimate, readable, stated
from ..report.formatting import count, listed, number, sentence
from ..terminal import TextTable, plain

if TYPE_CHECKING:
    from .intrinsic_dimension import Geometry, Shape


FIGURES = (
    ("two_nn", "intrinsic dimension, TwoNN"),
    ("mle", "intrinsic dimension, maximum likelihood"),
    ("participation", "participation ratio"),
    ("hubness", "hubness"),
    ("rank_me", "effective rank, RankMe"),
    ("spectral_decay", "decay of the spectrum, α-ReQ"),
)


def section(context: ReportContext) -> Section:
    """How many dimensions the codes fill."""
    result: Geometry | None = context.results.get("geometry")
    if result is None or not result.shapes:
        note = "Not measured yet: latentgan geometry TABLE --out RESULTS does."
        return missing("geometry", "Geometry", context.refusal("geometry") or note)
    rows = tuple(row for key, name in FIGURES for row in _figures(result, key, name))
    caption = (
        "Intrinsic dimension says how many numbers a row's near neighbours differ in; the participation ratio how "
        "many directions hold the variance; hubness, the skewness of how often a row is among the 10 nearest of "
        "others, is 0 where none is favoured. RankMe is the effective number of directions, and α the exponent by "
        "which the covariance's eigenvalues decay: without labels, both rank networks that were trained alike; a "
        "RankMe far below the width is a collapse. Few rows raise α by themselves. “Independent numbers” are normal "
        "columns with the code's variances: codes below them lie on something thinner than their columns. Near the "
        "edges of a cloud both dimensions are estimated too low; their intervals reach up as far as edges like a "
        "cube's or a normal cloud's tails explain, and do not allow for noise and curvature."
    )
    variance = f"Their variance fills {brackets(result.shapes[0].participation, 1)} directions."
    blocks: list[Block] = [by_group("shape", "Figure", rows, caption, "number", digits=1)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return stated(
        "geometry", "Geometry", (_shape_finding(result), variance, sentence(result.training_rows_note)), blocks
    )


def _figures(geometry: Geometry, key: str, group: str) -> list[Estimate]:
    rows = []
    for i, shape in enumerate(geometry.shapes):
        role = representation_role(shape.representation) if shape.baseline else "ours"
        rows.append(estimate(readable(shape.representation), getattr(shape, key), role, group=group))
        if i == 0:
            rows += [
                estimate("independent numbers", b.figure, "chance", group=group) for b in geometry.null if b.name == key
            ]
    return rows


def _shape_finding(geometry: Geometry) -> str:
    shape = geometry.shapes[0]
    null_figures = {b.name: b.figure for b in geometry.null}
    text = (
        f"The {shape.width} numbers of the {shape.representation} have an intrinsic dimension of "
        f"{brackets(shape.two_nn, 1)}"
    )
    baseline_texts = (
        [f"independent numbers {number(null_figures['two_nn'].value, 1)}"] if "two_nn" in null_figures else []
    )
    baseline_texts += [f"{name} {number(s.two_nn.value, 1)}" for s, name in _baselines(geometry)]
    return f"{text}{'; ' * bool(baseline_texts)}{listed(baseline_texts)} (TwoNN, n = {count(shape.rows)})."


def _baselines(geometry: Geometry) -> list[tuple[Shape, str]]:
    names = {"pixels": "raw pixels", "untrained": "the same network untrained"}
    code = geometry.shapes[0].representation
    wanted = {"pixels": "pixels", f"untrained.{code}": "untrained"}
    return [(shape, names[wanted[shape.representation]]) for shape in geometry.shapes if shape.representation in wanted]


def tables(result: Any) -> Iterator[TextTable]:
    """Dimensions and hubs, a representation a row."""
    rows: list[tuple[str, ...]] = [
        (
            f"  {s.representation}" if s.baseline else s.representation,
            str(s.width),
            plain(s.two_nn, 1),
            plain(s.mle, 1),
            plain(s.participation, 1),
            plain(s.hubness, 2),
            plain(s.rank_me, 1),
            plain(s.spectral_decay, 2),
            f"{s.rows:,}",
        )
        for s in result.shapes
    ]
    if result.null:
        figures = [plain(b.figure, 2 if b.name in ("hubness", "spectral_decay") else 1) for b in result.null]
        rows.insert(1, ("  independent numbers", rows[0][1], *figures, f"{result.null[0].figure.n:,}"))
    header = (
        "representation",
        "width",
        "dimension, TwoNN",
        "dimension, MLE",
        "participation",
        "hubness",
        "RankMe",
        "α",
        "n",
    )
    yield "the shape of the codes, 95 % interval", header, rows
