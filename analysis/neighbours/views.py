"""Nearest neighbours for a terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.baselines import representation_role
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Gallery, Group, Picture, Prose, Section, missing
from ..report.estimate_rows import estimate, figure, readable, stated
from ..report.formatting import count, listed, no_better, percent, plural, sentence
from ..terminal import _named, percent_interval

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .neighbours import Neighbours, NeighbourTable


def section(context: ReportContext) -> Section:
    """Nearest train images of test images, with a gallery and the share that have the same label."""
    result: Neighbours | None = context.results.get("neighbours")
    if result is None or not result.tables:
        note = "Not looked up yet: latentgan analyze TABLE --out RESULTS does."
        return missing("neighbours", "Neighbours", context.refusal("neighbours") or note)
    groups = [_lookup(context, result, table) for table in result.tables[:6]]
    shown = tuple(group for group in groups if group.pictures)
    noun = context.noun
    caption = (
        "The first picture of each row is a test image, the others its nearest images of the train split, nearest "
        f"first. The same test images everywhere; chance agreement is {percent(result.chance)}."
    )
    blocks: tuple[Block, ...] = (Gallery(shown, caption, beside=True),) if shown else ()
    figures = [(table, table.agreement) for table in result.tables if table.agreement is not None]
    figures.sort(key=lambda pair: -pair[1].value)
    rows = tuple(estimate(readable(o.representation), a, representation_role(o.representation)) for o, a in figures)
    if rows:
        text = f"Share of the {result.k} nearest train {noun}s with the test {noun}'s label."
        blocks = (Comparison(rows=rows, caption=text), *blocks)
    own_tables = [(table, agreement) for table, agreement in figures if not table.baseline]
    if not own_tables:
        finding = f"The {result.k} nearest train {noun}s of {plural(len(result.queries), f'test {noun}')}."
    else:
        best, agreement = max(own_tables, key=lambda pair: pair[1].value)
        pixels = next((a for table, a in figures if table.representation == "pixels"), None)
        baseline_texts = [f"in raw pixels {percent(pixels.value)}"] if pixels is not None else []
        baseline_texts += [] if math.isnan(result.chance) else [f"of random ones {percent(result.chance)}"]
        finding = (
            f"Of the {result.k} nearest train {noun}s in {best.representation}, {figure(agreement)} share the test "
            f"{noun}'s label (n = {count(agreement.n)}){no_better(agreement, result.chance)}"
            f"{'; ' * bool(baseline_texts)}{listed(baseline_texts)}."
        )
    blocks += tuple(Prose(sentence(note)) for note in result.notes)
    return stated("neighbours", "Neighbours", (finding,), blocks)


def _lookup(context: ReportContext, neighbours: Neighbours, table: NeighbourTable) -> Group:
    pictures: list[Picture] = []
    for query, row in list(zip(neighbours.queries, table.rows, strict=True))[:6]:
        gallery_pictures = [context.picture(int(near)) for near in (query, *row[:6]) if near >= 0]
        pictures += [picture for picture in gallery_pictures if picture is not None]
    across = 1 + min(6, table.rows.shape[1]) if table.rows.ndim == 2 else None
    return Group(title=readable(table.representation), detail="", pictures=tuple(pictures), across=across)


def tables(result: Any) -> Iterator[TextTable]:
    rows = [
        (_named(t.representation, t.baseline), percent_interval(t.agreement), str(t.agreement.n if t.agreement else 0))
        for t in result.tables
    ]
    chance = "" if math.isnan(result.chance) else f" (chance {100 * result.chance:.1f} %)"
    title = f"share of the {result.k} nearest train images that have the label{chance}"
    yield title, ("representation", "agreement", "n"), rows
