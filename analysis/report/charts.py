"""Charts as plotly figures: plain dictionaries, colours by token, numbers as typed arrays."""

from __future__ import annotations

import html
import math
from typing import Any

from .document import Line, Lines, Map, Thumbnails
from .markup import clean, isolated

EVERY = tuple(f"c{i}" for i in range(10))


BASELINE_COLOURS_APART = ("ours", "c2", "c9", "c7", "c5")  # none that looks like a baseline's colour


LONGEST_LABEL = 70


DASHES = ("solid", "dash", "dot", "dashdot")


Figure = dict[str, Any]
"""`data` and `layout` as plotly.js reads them."""


def label(text: str) -> str:
    """Keep plotly from reading a label as its own small HTML: `<b>` is shown, not obeyed, and long ones are cut."""
    shown = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 18]}…{text[-17:]}"
    return isolated(html.escape(clean(shown), quote=False).replace("\n", " "))


def lines_figure(chart: Lines) -> Figure:
    """Draw curves, each over its interval where it has one."""
    traces: list[Figure] = []
    for line, (colour, dash) in zip(chart.lines, strokes(chart.lines), strict=True):
        traces += _band(line, f"@{colour}") + [_curve(line, f"@{colour}", dash)]
    return {"data": traces, "layout": _layout(chart)}


def strokes(lines: tuple[Line, ...]) -> list[tuple[str, str]]:
    """Choose each curve's colour token and dash: a role has its colour, and repeats differ in the dash."""
    patterns = BASELINE_COLOURS_APART if any(line.role for line in lines) else EVERY
    names, free = [], 0
    for line in lines:
        names.append(line.role or patterns[free % len(patterns)])
        free += line.role is None
    counts: dict[str, int] = {}
    out = []
    for name in names:
        out.append((name, DASHES[counts.get(name, 0) % len(DASHES)]))
        counts[name] = counts.get(name, 0) + 1
    return out


def map_data(chart: Map, thumbnails: Thumbnails) -> dict[str, object]:
    """Give the script what it draws a map from: row numbers and the views; colours come with the thumbnails."""
    return {
        "rows": chart.rows,
        "colour": chart.colour or (thumbnails.columns[0].name if thumbnails.columns else ""),
        "views": [
            {"name": view.name, "note": view.note, "x": view.points[:, 0], "y": view.points[:, 1]}
            for view in chart.views
        ],
    }


def _curve(line: Line, colour: str, dash: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers" if line.markers else "lines",
        "name": label(line.name),
        "x": line.x,
        "y": line.y,
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"size": 7, "color": colour},
    }


def _band(line: Line, colour: str) -> list[Figure]:
    if line.low is None or line.high is None:
        return []
    common = {"type": "scatter", "mode": "lines", "x": line.x, "hoverinfo": "skip", "showlegend": False}
    invisible = {"width": 0, "color": colour}
    return [
        common | {"y": line.low, "line": invisible},
        common | {"y": line.high, "line": invisible, "fill": "tonexty", "fillcolor": f"{colour}/0.16"},
    ]


def _apart(values: list[float], room: float = 1 / 14) -> list[float]:
    """Those of ascending positive values that lie apart on a logarithmic axis by `room` of it, the ends included."""
    least = room * math.log(values[-1] / values[0]) if values else 0.0
    labels: list[float] = []
    for value in values[:-1]:
        ends = [*labels[-1:], values[-1]]
        if all(abs(math.log(value / other)) >= least for other in ends):
            labels.append(value)
    return [*labels, *values[-1:]]


def _layout(chart: Lines) -> Figure:
    layout: Figure = {
        "xaxis": {"title": {"text": label(chart.x_title)}, "type": chart.x_scale},
        "yaxis": {"title": {"text": label(chart.y_title)}},
        "showlegend": False,
    }
    if chart.x_scale == "log":
        marks = _apart(sorted({float(x) for line in chart.lines for x in line.x if x > 0}))
        layout["xaxis"] |= {"tickvals": marks, "ticktext": [f"{mark:g}" for mark in marks]}
    if chart.y_scale == "log":
        layout["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    elif chart.y_scale == "from zero":
        layout["yaxis"] |= {"rangemode": "tozero"}
    elif chart.y_scale == "percent":
        layout["yaxis"] |= {"tickformat": ".0%"}
    if chart.level is not None:
        value, name = chart.level
        layout["shapes"] = [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": value,
                "y1": value,
                "line": {"color": "@faint", "width": 1.2, "dash": "dash"},
            }
        ]
        layout["annotations"] = [
            {
                "xref": "paper",
                "x": 1,
                "y": value,
                "xanchor": "right",
                "yanchor": "bottom",
                "showarrow": False,
                "text": label(name),
                "font": {"size": 12, "color": "@muted"},
            }
        ]
    return layout
