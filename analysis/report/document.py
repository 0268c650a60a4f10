"""The report as data: a title, sections, and blocks inside sections. No HTML and no plotly here.

A section states one **finding**, a sentence computed from numbers; its blocks show the evidence. What a block
looks like is html.py's affair, so this module, and whatever builds it, is tested by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.baselines import Role


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Short labelled facts, shown as a grid."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Notice:
    """One warning; "resolved" ones held once and no longer."""

    level: Literal["resolved", "warning", "failure"]
    title: str
    text: str


@dataclass(frozen=True)
class Code:
    """Text to be read, or copied, as it is: a command line, a configuration."""

    text: str
    label: str = ""


@dataclass(frozen=True)
class Choice:
    """Several options, of which a menu shows one at a time; without scripts all are shown."""

    id: str
    label: str
    options: tuple[tuple[str, tuple[Block, ...]], ...]
    start: int = 0


def one_of(id: str, label: str, options: Sequence[tuple[str, tuple[Block, ...]]]) -> tuple[Block, ...]:
    """Let one choose among options; the blocks of a single one stand as they are, of none there are none."""
    if len(options) > 1:
        return (Choice(id, label, tuple(options)),)
    return tuple(block for _, inside in options for block in inside)


@dataclass(frozen=True)
class Disclosure:
    """Blocks that open on request."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Mark:
    """A baseline's figure, drawn small in the row that it belongs to."""

    role: Role
    value: float
    name: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One figure with its 95 % interval and what it was measured on."""

    label: str
    value: float
    low: float
    high: float
    n: int
    role: Role = "ours"
    group: str = ""
    note: str = ""
    marks: tuple[Mark, ...] = ()
    reason: str = ""
    """Why there is no interval, where there is none."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures side by side as a table with a dot plot; a line marks the raw pixels' figure of each group."""

    rows: tuple[Estimate, ...]
    """Rows that both were compared on."""
    caption: str
    scale: Literal["percent", "number"] = "percent"
    axis: tuple[float, float] | None = None
    digits: int = 2
    """Decimals of plain numbers; shares always show one tenth of a percent."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Plain cells; a column is set flush right where all its cells are numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    shades: tuple[tuple[float, ...], ...] = ()
    """Depth in [0, 1] of each cell but a row's first: a table as a picture."""
    quiet: tuple[bool, ...] = ()
    """Rows that are baselines, set back behind the others."""
    below: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """Small lines under the cells of each row."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve: `x`, `y` (n,), optionally the interval's bounds `low`, `high` (n,)."""

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    role: Role | None = None
    markers: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines:
    """A chart of curves over a common x axis; `level` draws one dashed horizontal line with its name."""

    id: str
    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    caption: str
    y_scale: Literal["linear", "from zero", "log", "percent"] = "linear"
    x_scale: Literal["linear", "log"] = "linear"
    level: tuple[float, str] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Column:
    """A value for each thumbnail row, to colour points by and to show on hover."""

    name: str
    values: np.ndarray
    """(n,) float64, NaN unknown; or int64 indices into `categories`, -1 unknown."""
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class View:
    """One arrangement of points in the plane: `points` (n, 2), and a sentence on how far to trust it."""

    name: str
    points: np.ndarray
    note: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Map:
    """Images as points, in one or several views."""

    id: str
    rows: np.ndarray
    """(n,) row numbers of the table."""
    views: tuple[View, ...]
    caption: str
    colour: str = ""
    """The column to colour by at first."""


@dataclass(frozen=True, eq=False)
class Picture:
    """`pixels` (h, w, c) uint8 with c 1 or 3; `row` links it to the same image elsewhere in the report."""

    pixels: np.ndarray
    alt: str
    label: str = ""
    row: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Group:
    """Pictures under one heading.

    `pairs` says that they come two by two, original and reconstruction; `across` sets them in that many columns.
    """

    title: str
    detail: str
    pictures: tuple[Picture, ...]
    pairs: bool = False
    across: int | None = None


@dataclass(frozen=True)
class Gallery:
    """Groups of pictures, one after the other."""

    groups: tuple[Group, ...]
    caption: str
    beside: bool = False
    """Groups stand beside each other where there is room."""
    rows: bool = False
    """Each group is one row, its heading at the left."""


@dataclass(frozen=True)
class Frame:
    """One encoded picture (PNG bytes) and what the slider says when it shows."""

    png: bytes
    label: str


@dataclass(frozen=True, kw_only=True)
class Slideshow:
    """Frames under a slider, the last one first."""

    id: str
    frames: tuple[Frame, ...]
    control: str
    alt: str
    caption: str
    title: str = ""


@dataclass(frozen=True, eq=False)
class Strip:
    """One picture in several states: `pixels` (steps, h, w, c) uint8."""

    label: str
    pixels: np.ndarray
    alt: str
    row: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Strips:
    """Strips that one slider moves together; `steps` says what each position is, `start` where it begins."""

    id: str
    strips: tuple[Strip, ...]
    steps: tuple[str, ...]
    start: int
    control: str
    caption: str
    layout: Literal["tiles", "traversals"] = "tiles"
    title: str = ""


Block = (
    Prose
    | Facts
    | Notice
    | Code
    | Choice
    | Disclosure
    | Comparison
    | Table
    | Lines
    | Map
    | Gallery
    | Slideshow
    | Strips
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One stop of the story. `missing` sections have a note in place of a finding, and no blocks."""

    id: str
    title: str
    finding: str
    blocks: tuple[Block, ...] = ()
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """The images behind row numbers, the same ones wherever a point is hovered."""

    rows: np.ndarray
    """(n,) int64 row numbers of the table."""
    ids: tuple[str, ...]
    pixels: np.ndarray | None
    """(n, h, w, c) uint8; None where the table has no pictures."""
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """The whole document: a title, a lead of two or three sentences, the sections in their order."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    thumbnails: Thumbnails | None = None
    footer: str = ""


def missing(id: str, title: str, note: str) -> Section:
    """Say in one line what is not there and how to get it."""
    return Section(id=id, title=title, finding=note, missing=True)


def all_blocks(blocks: Sequence[Block]) -> list[Block]:
    """List blocks with those inside disclosures and choices, in reading order."""
    result: list[Block] = []
    for block in blocks:
        result.append(block)
        if isinstance(block, Disclosure):
            result += all_blocks(block.blocks)
        elif isinstance(block, Choice):
            for _, inside in block.options:
                result += all_blocks(inside)
    return result
