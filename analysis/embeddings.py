"""The table of codes, one row an image: what every analysis reads."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Ints, Pixels, Strings


@dataclass(frozen=True)
class Column:
    """One column of the rows that the report shows, aligned with Overview.rows."""

    name: str
    kind: str  # "class", "boolean", "numeric" or "text"
    values: Doubles  # (m,): the number; for class, boolean and text an index into `categories`; NaN = missing
    categories: tuple[str, ...]  # empty for numeric columns


@dataclass(frozen=True)
class Summary:
    """One line on a label or attribute column over the whole table."""

    name: str
    kind: str  # "class", "boolean", "numeric" or "text"
    present: int  # rows with a value
    missing: int
    categories: tuple[str, ...]  # the commonest 50, most frequent first; empty for numeric columns
    counts: tuple[int, ...]  # rows of each category
    low: float  # minimum, mean, maximum of numeric columns, else NaN
    mean: float
    high: float


@dataclass(frozen=True)
class Overview:
    """What the table holds, and the thumbnails and columns of every row that any result shows."""

    table: str  # file name
    n: int  # rows
    splits: tuple[tuple[str, int], ...]  # ("train", 45000), ...
    representations: tuple[tuple[str, int], ...]  # vector columns and their width: ("code", 50), ...
    summaries: tuple[Summary, ...]  # the label first, then attributes
    rows: Ints  # (m,) positions in the table, ascending; results name rows by position
    ids: Strings  # (m,) the table's ids of those rows
    split: Strings  # (m,) split of those rows, "" if the table has none
    columns: tuple[Column, ...]  # label and attributes of those rows
    thumbnails: Pixels | None  # (m, h, w, c), c = 1 or 3; None where the table has no pictures
    metadata: str  # the table's `latentgan` metadata as JSON text, "{}" if there is none
    notes: tuple[str, ...]
