"""Blocks of pictures as HTML: galleries, slideshows, strips under a slider, and the pages of thumbnails."""

from __future__ import annotations

import numpy as np

from .document import Column, Gallery, Group, Picture, Slideshow, Strip, Strips, Thumbnails
from .formatting import unbroken
from .images import frame_strip, pages, png
from .markup import Markup, data_url, inert, inert_json, join, tag


def gallery(block: Gallery) -> Markup:
    """Groups of pictures, each group under its heading."""
    groups = [_group(group) for group in block.groups]
    kind = "gallery beside" if block.beside else "gallery rows" if block.rows else "gallery"
    return tag("figure", tag("div", join(groups), class_=kind), tag("figcaption", unbroken(block.caption)))


def slideshow(block: Slideshow) -> Markup:
    """The last frame as an ordinary picture, the others held back until the slider asks for them."""
    last = block.frames[-1]
    shown = tag("img", src=data_url(last.png), alt=f"{block.alt}, {last.label}", class_="px frame")
    held = [inert(frame.png, class_="held", data_label=frame.label) for frame in block.frames[:-1]]
    held.append(tag("script", type="text/plain", class_="held", data_label=last.label))
    slider = _slider(block.id, block.control, len(block.frames), len(block.frames) - 1, last.label)
    body = tag("div", shown, join(held), class_="slideshow", id=block.id, data_alt=block.alt)
    head = tag("h3", block.title) if block.title else Markup()
    return tag(
        "figure", head, body, slider if len(block.frames) > 1 else Markup(), tag("figcaption", unbroken(block.caption))
    )


def strips(block: Strips) -> Markup:
    """One slider over several strips: big pictures at its position, and the whole traversals."""
    slider = _slider(block.id, block.control, len(block.steps), block.start, block.steps[block.start])
    labels = inert_json(list(block.steps), class_="steps")
    items = [_frame_strip(strip, block) for strip in block.strips]
    head = tag("h3", block.title) if block.title else Markup()
    if block.layout == "traversals":
        body = tag("div", join(items), class_="traversals")
    else:
        tiles = tag("div", join([_tile(strip, block) for strip in block.strips]), class_="board js-only")
        whole = tag("div", join(items), class_="traversals")
        body = join([tiles, tag("details", tag("summary", "All positions at once"), whole)])
    shell = tag("div", slider, body, labels, class_=f"strips {block.layout}", id=block.id, data_start=block.start)
    return tag("figure", head, shell, tag("figcaption", unbroken(block.caption)))


def thumbnails(block: Thumbnails) -> Markup:
    """The images behind the points: pages of base64 that nothing reads until a point is hovered."""
    height, width = (0, 0) if block.pixels is None else block.pixels.shape[1:3]
    sheets = [] if block.pixels is None else pages(block.pixels)
    info = {
        "rows": block.rows,
        "ids": list(block.ids),
        "height": height,
        "width": width,
        "across": [sheet.across for sheet in sheets],
        "columns": [_column(column) for column in block.columns],
    }
    held = [inert(sheet.data, id=f"page-{i}", data_mime=sheet.mime) for i, sheet in enumerate(sheets)]
    return join([inert_json(info, id="thumbnails"), *held])


def _column(column: Column) -> dict[str, object]:
    if column.categories is None:
        return {"name": column.name, "values": column.values.astype(np.float32)}
    return {
        "name": column.name,
        "values": column.values.astype(np.int32),
        "categories": list(column.categories),
    }


def _group(group: Group) -> Markup:
    head = tag("h3", group.title) if group.title else Markup()
    detail = tag("p", group.detail, class_="detail") if group.detail else Markup()
    if group.pairs:
        both = zip(group.pictures[::2], group.pictures[1::2], strict=True)
        items = [tag("div", _picture(a), _picture(b), _label(b), class_="pair") for a, b in both]
    else:
        items = [tag("div", _picture(picture), _label(picture), class_="one") for picture in group.pictures]
    columns = f"--across:{group.across}" if group.across else None
    kind = "pictures grid" if group.across else "pictures"
    return tag("div", head, detail, tag("div", join(items), class_=kind, style=columns), class_="group")


def _picture(picture: Picture) -> Markup:
    return tag("img", src=data_url(png(picture.pixels)), alt=picture.alt, class_="px", data_row=picture.row)


def _label(picture: Picture) -> Markup:
    return tag("span", picture.label, class_="label") if picture.label else Markup()


def _tile(strip: Strip, block: Strips) -> Markup:
    canvas = tag("canvas", class_="px big", role="img", aria_label=strip.alt, data_row=strip.row)
    return tag("div", canvas, tag("span", strip.label, class_="label"), class_="one")


def _frame_strip(strip: Strip, block: Strips) -> Markup:
    steps = len(strip.pixels)
    alt = f"{strip.alt}, {steps} steps from {block.steps[0]} to {block.steps[-1]}"
    image = tag("img", src=data_url(frame_strip(strip.pixels)), alt=alt, class_="px frames", data_steps=steps)
    marker = tag("i", class_="marker js-only", style=f"width:{100 / steps:.3f}%")
    big = Markup()
    if block.layout == "traversals":
        big = tag("canvas", class_="px big js-only", role="img", aria_label=strip.alt, data_row=strip.row)
    reel = tag("div", image, marker, class_="reel")
    return tag("div", big, tag("div", tag("span", strip.label, class_="label"), reel, class_="run"), class_="strip")


def _slider(id: str, control: str, steps: int, start: int, label: str) -> Markup:
    field = tag(
        "input", type="range", id=f"{id}-slider", min=0, max=steps - 1, step=1, value=start, aria_valuetext=label
    )
    name = tag("label", control, for_=f"{id}-slider")
    play = tag("button", "Play", type="button", class_="play", aria_pressed="false")
    shown = tag("output", label, for_=f"{id}-slider")
    return tag("div", play, name, field, shown, class_="slider js-only")
