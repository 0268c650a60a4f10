"""Blocks of words and numbers as HTML: paragraphs, facts, tables, and the frames of charts."""

from __future__ import annotations

from .charts import lines_figure, map_data, strokes
from .document import Code, Facts, Lines, Map, Notice, Prose, Table, Thumbnails
from .formatting import count, number, unbroken
from .markup import Markup, inert_json, join, tag


def prose(block: Prose) -> Markup:
    """A paragraph."""
    return tag("p", block.text)


def facts(block: Facts) -> Markup:
    """A grid of short labelled facts."""
    items = [tag("div", tag("dt", name), tag("dd", value)) for name, value in block.items]
    return tag("dl", join(items), class_="facts")


def notice(block: Notice) -> Markup:
    """A coloured note; its level is written out too, since colour alone says nothing to some."""
    mark = {"resolved": "Resolved", "warning": "Warning", "failure": "Stopped"}[block.level]
    head = tag("p", tag("span", mark, class_="mark"), tag("strong", block.title))
    return tag("div", head, tag("p", block.text) if block.text else Markup(), class_=f"notice {block.level}")


def code(block: Code) -> Markup:
    """Text as it is, with a button that copies it."""
    head = tag("span", block.label, class_="label") if block.label else Markup()
    button = tag("button", "Copy", type="button", class_="copy js-only")
    body = tag("pre", tag("code", block.text), tabindex="0", aria_label=block.label or "command")
    return tag("div", tag("div", head, button, class_="code-head"), body, class_="code")


def table(block: Table) -> Markup:
    """Plain cells in a box that scrolls by itself when the window is narrow."""
    numeric = [all(_is_number(row[i]) for row in block.rows) for i in range(len(block.columns))]
    kinds = ["number" if flag else None for flag in numeric]
    head = [
        tag("th", name, scope="col", class_=kind) if name else tag("td", class_=kind)
        for name, kind in zip(block.columns, kinds, strict=True)
    ]
    blank = ((),) * len(block.rows)
    classes = tuple("quiet" if quiet else "loud" for quiet in block.quiet) or (None,) * len(block.rows)
    rows = [
        tag("tr", join([_cell(cell, i, kinds[i], shade, below) for i, cell in enumerate(row)]), class_=name)
        for row, shade, below, name in zip(
            block.rows, block.shades or blank, block.below or blank, classes, strict=True
        )
    ]
    body = tag("table", tag("thead", tag("tr", join(head))), tag("tbody", join(rows)))
    return figure(scroll(body, block.caption or "table"), block.caption)


def lines(block: Lines) -> Markup:
    """The frame of a chart of curves, with its data beside it."""
    alt = f"{block.title}: {block.y_title} against {block.x_title}, {len(block.lines)} curves: " + ", ".join(
        f"{line.name} ends at {number(float(line.y[-1]), 3)}" for line in block.lines[:8] if len(line.y)
    )
    chart = _chart(block.id, "lines", lines_figure(block), alt)
    return figure(chart, block.caption, title=block.title, key=_legend(block))


def _legend(block: Lines) -> Markup:
    """The legend as text: it wraps on a phone, prints, and reads without scripts."""
    if len(block.lines) < 2:
        return Markup()
    marks = [
        tag("span", tag("i", class_=f"stroke {dash}", style=f"--role:var(--{colour})"), line.name)
        for line, (colour, dash) in zip(block.lines, strokes(block.lines), strict=True)
    ]
    return tag("p", join(marks), class_="key")


def point_map(block: Map, thumbnails: Thumbnails) -> Markup:
    """The frame of a map, its switches, and the place for the images of a selection."""
    options = [
        tag("option", column.name, value=str(i), selected=column.name == block.colour)
        for i, column in enumerate(thumbnails.columns)
    ]
    views = [
        tag("button", view.name, type="button", aria_pressed="true" if i == 0 else "false", data_view=i)
        for i, view in enumerate(block.views)
    ]
    switches = tag(
        "div",
        tag("label", "Colour by ", tag("select", join(options), class_="colour")) if options else Markup(),
        tag("div", join(views), class_="segments", role="group", aria_label="Arrangement"),
        class_="switches js-only",
    )
    alt = f"Map of {count(len(block.rows))} images as points, arranged by {', '.join(v.name for v in block.views)}"
    selection = tag("div", class_="selection js-only", aria_live="polite")
    note = tag("p", block.views[0].note, class_="view-note") if block.views[0].note else Markup()
    chart = _chart(block.id, "map", map_data(block, thumbnails), alt)
    return figure(join([switches, chart, selection, note]), block.caption)


def _chart(id: str, kind: str, data: object, alt: str) -> Markup:
    waiting = tag("p", "This chart is drawn when it comes into view.", class_="waiting")
    place = tag("div", waiting, id=id, class_="chart", data_chart=kind, role="img", aria_label=alt)
    return join([place, inert_json(data, id=f"data-{id}")])


def figure(body: Markup, caption: str, *, title: str = "", key: Markup | None = None) -> Markup:
    """Frame evidence: a heading, a key, the thing itself, and how to read it."""
    head = tag("h3", title) if title else Markup()
    foot = tag("figcaption", unbroken(caption)) if caption else Markup()
    return tag("figure", head, key or Markup(), body, foot)


def scroll(body: Markup, label: str) -> Markup:
    """A box that scrolls sideways by itself, reachable by keyboard."""
    return tag("div", body, class_="scroll", tabindex="0", role="region", aria_label=label)


def _cell(
    text: str, index: int, kind: str | None, shade: tuple[float, ...], below: tuple[tuple[str, ...], ...]
) -> Markup:
    body = join([tag("span", text), *(tag("small", line) for line in below[index])]) if below else text
    if index == 0:
        return tag("th", body, scope="row", class_=kind)
    style = f"--shade:{100 * shade[index - 1]:.0f}%" if shade else None
    names = [name for name in (kind, "shaded" if shade else None) if name]
    return tag("td", body, class_=" ".join(names) or None, style=style)


def _is_number(text: str) -> bool:
    bare = text.replace(",", "").replace("\u2212", "-").replace("\u00a0", "").strip(" %–")
    try:
        float(bare or "0")
    except ValueError:
        return False
    return True
