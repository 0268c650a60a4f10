"""What a table holds, in the form that a report needs: counts, summaries, and the rows that are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..base.arrays import Ints, Pixels, Strings, to_pixels
from ..base.columns import MAX_CATEGORIES, Column
from ..errors import AnalysisError
from ..io.reading import BadImageError, open_image, quiet

if TYPE_CHECKING:
    from PIL.Image import Image

    from .embeddings import Embeddings


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One line on a label or attribute column over the whole table."""

    name: str
    """Of the column."""
    kind: str
    """"class", "boolean", "numeric" or "text"."""
    present: int
    """Rows with a value."""
    missing: int
    """Rows without a value."""
    categories: tuple[str, ...]
    """The commonest 50, most frequent first; empty for numeric columns."""
    counts: tuple[int, ...]
    """Rows of each category."""
    low: float
    """Minimum, mean, maximum of numeric columns, else NaN."""
    mean: float
    """Of the values."""
    high: float
    """Largest value."""
    different: int = 0
    """Categories that occur, of which only the commonest are named; 0 where a table does not say."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What the table holds, and the thumbnails and columns of every row that any result shows."""

    kind: ClassVar[str] = "overview"

    table: str
    """File name."""
    n: int
    """Rows."""
    splits: tuple[tuple[str, int], ...]
    """("train", 45000), ..."""
    representations: tuple[tuple[str, int], ...]
    """Vector columns and their width: ("code", 50), ..."""
    summaries: tuple[Summary, ...]
    """The label first, then attributes."""
    rows: Ints
    """(m,) positions in the table, ascending; results name rows by position."""
    ids: Strings
    """(m,) the table's ids of those rows."""
    split: Strings
    """(m,) split of those rows, "" if the table has none."""
    columns: tuple[Column, ...]
    """Label and attributes of those rows."""
    thumbnails: Pixels | None
    """(m, h, w, c), c = 1 or 3; None where the table has no pictures."""
    metadata: str
    """The table's `latentgan` metadata as JSON text, "{}" if there is none."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    identity: str = ""
    """Of the table, see Embeddings.identity."""
    code: str = "code"
    """The vector column that was the code."""
    refused: tuple[tuple[str, str], ...] = ()
    """Analyses that were left out, and why."""
    warnings: tuple[str, ...] = ()
    """Rows that depend on each other, see analysis.table.dependence."""


def summarise(table: Embeddings, rows: Ints, *, warnings: Sequence[str] = ()) -> Overview:
    """Describe `table`, and carry along ids, columns and thumbnails of `rows` (positions, any order), and warnings."""
    rows = np.unique(rows).astype(np.int64)
    names = [table.label] if table.labelled else []
    read = [_read(table, name) for name in [*names, *table.attributes]]
    columns = [column for column in read if column is not None]
    split = table.split if table.has_split else np.full(table.n, "", dtype="U10")
    counts = [(name, int(np.count_nonzero(split == name))) for name in ("train", "validation", "test", "")]
    pictures = thumbnails(table, rows)
    notes = [] if names else [table.continuous_label or f"unlabelled: the table has no column {table.label!r}"]
    drawn = "; for probes rows are held out at random" if table.has_drawn_split else ""
    notes += [] if table.has_split else [f"no split: {table.no_split}{drawn}"]
    notes += (
        ["left out: a column without a name, such as the index that pandas writes to CSV"] if table.nameless else []
    )
    notes += [] if pictures is not None else ["no pictures: the table has no thumbnail column"]
    return Overview(
        table=table.path.name,
        n=table.n,
        splits=tuple((name, n) for name, n in counts if n and name) if table.has_split else (),
        representations=tuple((name, table.width(name)) for name in table.vector_columns),
        summaries=tuple(summary(column) for column in columns),
        rows=rows,
        ids=table.ids(rows),
        split=split[rows],
        columns=tuple(_shorten(column.take(rows)) for column in columns),
        thumbnails=pictures,
        metadata=json.dumps(table.metadata, ensure_ascii=False),
        notes=tuple(notes),
        identity=table.identity,
        code=table.code,
        warnings=tuple(warnings),
    )


def _read(table: Embeddings, name: str) -> Column | None:
    """Read a column; a label column without one label is no column here."""
    try:
        return table.column(name)
    except AnalysisError:
        return None


def _shorten(column: Column) -> Column:
    """Keep only the categories that occur among the rows shown: free text would fill the report."""
    if column.kind != "text":
        return column
    used, index = np.unique(column.values[column.present], return_inverse=True)
    values = np.full(len(column.values), math.nan)
    values[column.present] = index
    return Column(
        name=column.name, kind=column.kind, values=values, categories=tuple(column.categories[int(i)] for i in used)
    )


def summary(column: Column) -> Summary:
    """Count a column's values."""
    values = column.values[column.present]
    low, mean, high = math.nan, math.nan, math.nan
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    if column.kind == "numeric":
        if len(values):
            low, mean, high = float(values.min()), float(values.mean()), float(values.max())
    else:
        counts_of_values = np.bincount(values.astype(np.int64), minlength=len(column.categories))
        order = np.argsort(-counts_of_values, kind="stable")[:MAX_CATEGORIES]
        names = tuple(column.categories[i] for i in order)
        counts = tuple(int(counts_of_values[i]) for i in order)
    n, different = len(values), len(np.unique(values)) if column.kind != "numeric" else 0
    return Summary(
        name=column.name,
        kind=column.kind,
        present=n,
        missing=len(column.values) - n,
        categories=names,
        counts=counts,
        low=low,
        mean=mean,
        high=high,
        different=different,
    )


def thumbnails(table: Embeddings, rows: Ints) -> Pixels | None:
    """Decode the thumbnails of `rows` (ascending), else take the pixels: (m, h, w, c) uint8, c 1 or 3."""
    encoded = table.picture_bytes(rows)
    if encoded is not None:
        return _decode(encoded)
    shape = table.pixels_shape
    if shape is None or shape[2] not in (1, 3) or max(shape[:2]) > 64:
        return None
    return to_pixels(table.vectors("pixels", rows).reshape(-1, *shape))


def _decode(encoded: list[bytes]) -> Pixels:
    """Decode encoded images to one size, the first one's (at most 48 px); a missing one is left black."""
    sizes = [_size(data) for data in encoded]
    first = next((size for size in sizes if size is not None), None)
    if first is None:
        return np.zeros((len(encoded), 1, 1, 1), np.uint8)
    scale = min(1.0, 48 / max(first[:2]))
    size = (max(1, round(first[0] * scale)), max(1, round(first[1] * scale)))
    grey = all(image_size is None or image_size[2] in ("1", "L") for image_size in sizes)
    tiles = np.zeros((len(encoded), size[1], size[0], 1 if grey else 3), np.uint8)
    for tile, data in zip(tiles, encoded, strict=True):
        if data:
            with _thumbnail(data) as picture:
                plain = picture.convert("L" if grey else "RGB")
                plain = plain if plain.size == size else plain.resize(size)
                tile[...] = np.asarray(plain).reshape(tile.shape)
    return tiles


def _size(data: bytes) -> tuple[int, int, str] | None:
    """Width, height and mode of an encoded thumbnail; None of a missing one."""
    if not data:
        return None
    with _thumbnail(data) as picture:
        return picture.width, picture.height, picture.mode


@contextmanager
def _thumbnail(data: bytes) -> Iterator[Image]:
    try:
        with quiet(), open_image(data) as picture:
            yield picture
    except BadImageError as error:
        raise AnalysisError(
            f"a cell of the table's thumbnails is no readable image ({error}): leave out that column, or write PNGs"
        ) from error
