"""Figures beside their baselines as HTML: one table in which every row draws its dot and its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import groupby

from .blocks import figure, scroll
from .document import Comparison, Estimate, Mark
from .estimate_rows import axis
from .formatting import count, number, percent, sentence
from .markup import Markup, join, tag

ROLE_NAMES = {
    "ours": "the trained network",
    "pixels": "raw pixels",
    "pca": "PCA",
    "untrained": "the same network, untrained",
    "real": "real images",
    "supervised": "a network that learned these labels alone",
    "chance": "shuffled or random",
}


Show = Callable[[float], str]


Place = Callable[[float], float]


def comparison(block: Comparison) -> Markup:
    """Rows by group; a dashed line marks the raw pixels' figure of each group."""
    low, high = block.axis or axis(block)
    show: Show = percent if block.scale == "percent" else partial(number, digits=block.digits)
    bodies = []
    for name, members in groupby(block.rows, key=lambda row: row.group):
        rows = list(members)
        title = tag("tr", tag("th", name, colspan=5, scope="colgroup"), class_="group") if name else Markup()
        line = next((row.value for row in rows if row.role == "pixels"), math.nan)
        place = _placer(low, high)
        bodies.append(tag("tbody", title, join([_row(row, line, show, place) for row in rows])))
    body = tag("table", _head(low, high, block.scale), join(bodies), class_="comparison")
    reasons = dict.fromkeys(row.reason for row in block.rows if row.reason)
    caption = " ".join([block.caption, *(sentence(f"“none”: {reason}") for reason in reasons)])
    return figure(scroll(body, block.caption), caption, key=_key(block))


def _placer(low: float, high: float) -> Place:
    """Give the map from values to percent of the track's width."""
    return lambda value: round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)


def _head(low: float, high: float, scale: str) -> Markup:
    first, last = (percent(low, 0), percent(high, 0)) if scale == "percent" else (number(low), number(high))
    ends = tag("span", tag("span", first), tag("span", last), class_="scale")
    names = [tag("th", name, scope="col", class_="number") for name in ("figure", "95\u00a0% interval", "n")]
    return tag("thead", tag("tr", tag("td"), tag("th", ends, scope="col", class_="plot"), join(names)))


def _row(row: Estimate, line: float, show: Show, place: Place) -> Markup:
    note = tag("small", row.note, class_="short" if len(row.note) < 24 else None) if row.note else Markup()
    low = show(row.low).removesuffix("\u00a0%")
    interval = f"{low} – {show(row.high)}" if math.isfinite(row.low) else "none" if row.reason else "–"
    cells = [
        tag("th", tag("span", row.label), note, scope="row"),
        tag("td", tag("span", _track(row, line, place), class_="track", aria_hidden="true"), class_="plot"),
        tag("td", show(row.value), class_="number strong"),
        tag("td", interval, class_="number"),
        tag("td", count(row.n), class_="number"),
    ]
    return tag("tr", join(cells), class_=f"role-{row.role}")


def _track(row: Estimate, line: float, place: Place) -> Markup:
    """Draw the pixels' line, the baselines' small marks, the interval, and the dot on top."""
    parts = [tag("i", class_="ref", style=f"left:{place(line)}%")] if math.isfinite(line) else []
    parts += [_mark(mark, place) for mark in row.marks if math.isfinite(mark.value) and place(mark.value) > 0]
    if math.isfinite(row.low) and math.isfinite(row.high):
        width = round(place(row.high) - place(row.low), 2)
        parts.append(tag("i", class_="whisker", style=f"left:{place(row.low)}%;width:{width}%"))
    if math.isfinite(row.value):
        off = row.role == "chance" and place(row.value) == 0
        parts.append(tag("i", class_="off" if off else "dot", style=f"left:{place(row.value)}%"))
    return join(parts)


def _mark(mark: Mark, place: Place) -> Markup:
    return tag("i", class_=f"mark role-{mark.role}", style=f"left:{place(mark.value)}%")


def _key(block: Comparison) -> Markup:
    rows = [role for row in block.rows for role in (row.role, *(mark.role for mark in row.marks))]
    roles = [role for role in ROLE_NAMES if role in rows]
    marks = [tag("span", tag("i", class_="dot"), ROLE_NAMES[role], class_=f"role-{role}") for role in roles]
    if any(row.role == "pixels" for row in block.rows):
        marks.append(tag("span", tag("i", class_="ref"), "raw pixels' figure", class_="role-pixels"))
    return tag("p", join(marks), class_="key") if len(roles) > 1 else Markup()
