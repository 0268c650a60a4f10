"""Figures to rows of a comparison: roles by name, baselines as marks, a common axis, one group at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..base.baselines import Role
from .document import Block, Choice, Comparison, Estimate, Mark, Prose, Section
from .formatting import number, percent, plural

if TYPE_CHECKING:
    from ..base.statistics import Baseline, Interval


def estimate(label: str, figure: Interval, role: Role = "ours", **more: Any) -> Estimate:
    """Put an interval in a row."""
    return Estimate(
        label=label,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        n=figure.n,
        role=role,
        reason=figure.reason,
        **more,
    )


def figure(interval: Interval) -> str:
    """Write "94.1 % [93.4, 94.7]": the ends, as an interval near 100 % is not symmetric."""
    text = percent(interval.value)
    if not math.isfinite(interval.low) or not math.isfinite(interval.high):
        return text
    return f"{text} [{100 * interval.low:.1f},\u00a0{100 * interval.high:.1f}]"


def brackets(interval: Interval, digits: int = 2) -> str:
    """Write "0.41 [0.40, 0.42]"."""
    if not math.isfinite(interval.low) or not math.isfinite(interval.high):
        return number(interval.value, digits)
    return f"{number(interval.value, digits)} [{number(interval.low, digits)}, {number(interval.high, digits)}]"


def stated(id: str, title: str, sentences: Sequence[str], blocks: Sequence[Block]) -> Section:
    """A section whose finding is the first of some sentences; the others stand right below it. "" is none."""
    finding, *more = [text for text in sentences if text]
    return Section(id=id, title=title, finding=finding, blocks=(*([Prose(" ".join(more))] if more else []), *blocks))


def readable(name: str) -> str:
    """Name a representation for people: "untrained.code" → "code, untrained"."""
    if name == "pixels":
        return "raw pixels"
    return f"{name.removeprefix('untrained.')}, untrained" if name.startswith("untrained.") else name


def marks(baselines: tuple[Baseline, ...]) -> tuple[Mark, ...]:
    """Draw baselines as small marks in the row that they belong to."""
    return tuple(Mark(b.role, b.figure.value, readable(b.name)) for b in baselines)


def by_group(
    id: str,
    label: str,
    rows: tuple[Estimate, ...],
    caption: str,
    scale: Literal["percent", "number"] = "percent",
    start: str = "",
    ends: tuple[float, float] | None = None,
    digits: int = 2,
) -> Block:
    """Show one group of rows at a time, all on the same axis."""
    names = tuple(dict.fromkeys(row.group for row in rows))
    if len(names) == 1:
        return Comparison(rows=rows, caption=caption, scale=scale, axis=ends, digits=digits)
    ends = ends or axis(Comparison(rows=rows, caption=caption, scale=scale))
    options = []
    for name in names:
        inside = tuple(replace(row, group="") for row in rows if row.group == name)
        options.append((name, (Comparison(rows=inside, caption=caption, scale=scale, axis=ends, digits=digits),)))
    return Choice(id, label, tuple(options), names.index(start) if start in names else 0)


def axis(block: Comparison) -> tuple[float, float]:
    """Choose round ends around figures and intervals; what is left to chance may fall off, and is marked so."""
    near = [row for row in block.rows if row.role != "chance"] or list(block.rows)
    values = [v for row in near for v in _values(row) if math.isfinite(v)]
    if not values:
        return 0.0, 1.0
    step = 0.1 if block.scale == "percent" else 10.0 ** math.floor(math.log10(max(map(abs, values)) or 1.0))
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    if block.scale == "percent" and min(values) >= 0 and max(values) <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return (low, high) if high > low else (low, low + step)


def _values(row: Estimate) -> list[float]:
    marks = [mark.value for mark in row.marks if mark.role != "chance"]
    return [row.value, row.low, row.high, *marks]


def labels_used_note(n_labels_used: int) -> str:
    """Say that the networks learned from labels themselves, which probes' figures then do not count."""
    if not n_labels_used:
        return ""
    return (
        f"The networks themselves were trained with {plural(n_labels_used, 'label')}, which these figures do not "
        "count: baselines used none, so that no difference from them shows what was gained without labels."
    )
