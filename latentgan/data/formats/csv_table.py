"""Tables that go with images: reading a CSV, which column names the file, which is the label."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from analysis.io.messages import listed
from analysis.io.reading import read_bytes
from latentgan.data.columns import (
    AttributeKind,
    Columns,
    codes_from_texts,
    column_from_objects,
    column_from_texts,
    label_text,
)
from latentgan.data.splits import official_split, split_name
from latentgan.errors import DataError

FILE_COLUMNS = ("file", "filename", "image", "path", "file_name")


RESERVED = frozenset({"id", "row", "label", "split", "code", "pixels", "thumbnail"})  # of the embeddings table


_MAX_CLASSES = 1_000


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A CSV: the cells of its file column, the line of each row, and the other columns as texts."""

    name: str
    files: list[str]
    lines: list[int]
    columns: dict[str, list[str | None]]
    notes: tuple[str, ...] = ()
    """Sentences on what limits the figures, or was left out."""


def read_csv(path: Path) -> Sheet:
    """Read a CSV (UTF-8 or UTF-16; comma, semicolon or tab) that has a column of file names.

    Raises:
        DataError: unreadable, duplicated columns, rows of another length, or no column of file names.
    """
    header, rows, lines = _cells(path)
    named = [index for index, column in enumerate(header) if column]
    twice = [column for column, count in Counter(header[index] for index in named).items() if count > 1]
    if twice:
        raise DataError(f"{path.name}: column {twice[0]!r} occurs twice in the header; rename one of them")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise DataError(f"{path.name}, line {line}: {len(row)} cells where the header has {len(header)} columns")
    key = _file_column(header, path)
    notes = []
    if len(named) < len(header):
        notes.append(f"{path.name}: a column without a name (row numbers?) is left out")
    columns = {header[i]: [row[i] if row[i].strip() else None for row in rows] for i in named if header[i] != key}
    files = [row[header.index(key)].strip() for row in rows]
    for line, file in zip(lines, files, strict=True):
        if not file:
            raise DataError(f"{path.name}, line {line}: the cell of column {key!r} is empty; it must name an image")
    return Sheet(
        name=path.name, files=files, lines=lines, columns={c: list(v) for c, v in columns.items()}, notes=tuple(notes)
    )


def _cells(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    text = _text(path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    first = text.lstrip("\r\n").splitlines()[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    cells, lines = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                cells.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}") from None
    if len(cells) < 2:
        raise DataError(f"{path.name} has a header but no rows")
    return [column.strip() for column in cells[0]], cells[1:], lines[1:]


def _text(path: Path) -> str:
    content = read_bytes(path, error=DataError)
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path.name}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save as 'CSV UTF-8'"
        ) from None


def _file_column(header: Sequence[str], path: Path) -> str:
    lowered = {column.lower(): column for column in reversed(header)}
    for name in FILE_COLUMNS:
        if name in lowered:
            return lowered[name]
    held = listed(header, quote=True)
    raise DataError(
        f"{path.name} has no column of file names: call it one of {', '.join(FILE_COLUMNS[:4])}; it has {held}"
    )


def join(sheet: Sheet, names: Sequence[str], folder: Path, *, skip_bad: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (row of the sheet for each image name, -1 for none; notes).

    A cell is a path relative to the folder, or a bare file name that only one image has.

    Args:
        sheet: the table.
        names: (n) names of the images, paths relative to the folder.
        folder: the folder.
        skip_bad: whether to leave out rows that name no image.

    Raises:
        DataError: an unknown file name (unless skip_bad), or a file named twice.
    """
    at = {name: row for row, name in enumerate(names)}
    bare = Counter(name.rpartition("/")[2] for name in names)
    by_bare = {name.rpartition("/")[2]: row for row, name in enumerate(names)}
    rows = np.full(len(names), -1, dtype=np.int64)
    unknown, loose = [], 0
    for number, cell in enumerate(sheet.files):
        file = _relative(cell, folder)
        row = at.get(file)
        if row is None and "/" not in file and bare[file] == 1:
            row, loose = by_bare[file], loose + 1
        if row is None:
            unknown.append(number)
        elif rows[row] >= 0:
            both = f"lines {sheet.lines[rows[row]]} and {sheet.lines[number]}"
            raise DataError(f"{sheet.name}: {cell!r} is named twice, in {both}; keep one of them")
        else:
            rows[row] = number
    if unknown and not skip_bad:
        raise DataError(_unknown(sheet, unknown, names, folder))
    return rows, _join_notes(sheet, unknown, loose, rows)


def _relative(cell: str, folder: Path) -> str:
    file = cell.replace("\\", "/")
    while file.startswith("./"):
        file = file[2:]
    return file.removeprefix(f"{folder.as_posix()}/")


def _unknown(sheet: Sheet, unknown: Sequence[int], names: Sequence[str], folder: Path) -> str:
    cell, line = sheet.files[unknown[0]], sheet.lines[unknown[0]]
    same = [name for name in names if name.rpartition("/")[2] == cell.rpartition("/")[2]]
    near = same[:1] or get_close_matches(cell, names[:20_000], 1) or list(names[:1])
    more = f" (and {len(unknown) - 1:,} further of its {len(sheet.files):,} rows)" if len(unknown) > 1 else ""
    return (
        f"{sheet.name}, line {line}: {cell!r} is no image in {folder.name or folder}{more}; paths are "
        f"relative to the folder, as in {near[0]!r}; --skip-bad goes on without such rows"
    )


def _join_notes(sheet: Sheet, unknown: Sequence[int], loose: int, rows: np.ndarray) -> tuple[str, ...]:
    notes = list(sheet.notes)
    if unknown:
        cells = ", ".join(sheet.files[number] for number in unknown[:20])
        notes.append(f"{sheet.name}: rows that name no image are left out ({len(unknown):,}): {cells}")
    if loose:
        notes.append(f"{sheet.name}: {loose:,} file names without their sub-folder, found by name")
    if (missing := int((rows < 0).sum())) > 0:
        notes.append(f"{sheet.name}: no row for {missing:,} of {len(rows):,} images: unlabelled, attributes unknown")
    return tuple(notes)


@dataclass(frozen=True, kw_only=True)
class TypedTable:
    """Labels, attributes and split that a table gives the images, in the order of the images."""

    labels: np.ndarray
    """(n,) int64."""
    classes: tuple[str, ...]
    """Names of the classes, in label order."""
    columns: Columns
    """Attributes."""
    split: np.ndarray | None
    """(n,) "train" | "validation" | "test"; None where no column says so."""
    notes: tuple[str, ...]
    """What was read as what, in sentences."""


def interpret(
    table: Mapping[str, Sequence[Any]],
    n: int,
    description: str,
    label: str | None,
    *,
    texts: bool,
    choose: bool = True,
    group: str | None = None,
) -> TypedTable:
    """Type the columns, choose the label among them and take a column `split` as the official split.

    Args:
        table: columns (n,) of texts as in a CSV (texts=True), or of Python values.
        label: the column that the user named, if any.
        choose: whether a column becomes the label though none is named.
        group: the column that says which images belong together, which becomes no label unless it is named as one.

    Raises:
        DataError: the named column is not there, or has a class for every row.
    """
    typed = column_from_texts if texts else column_from_objects
    columns, notes, split = Columns(), [], None
    for name, values in table.items():
        if name.lower() == "split" and all(_is_split(value) for value in values):
            split = official_split(np.array([str(value) for value in values]), n, description)
            continue
        columns.add(name, *typed(values, f"{description}, column {name!r}"))
    chosen, label_notes = (
        _choose_label(columns, description, label, group) if choose or label is not None else (None, [])
    )
    notes += label_notes
    labels = np.full(n, -1, dtype=np.int64)
    classes: tuple[str, ...] = ()
    if chosen is not None:
        cells = [label_text(value, row, f"{description}, column {chosen!r}") for row, value in enumerate(table[chosen])]
        labels, classes = codes_from_texts(cells)
        _check_label(labels, classes, description, chosen)
    return TypedTable(
        labels=labels,
        classes=classes,
        columns=_attributes(columns, chosen, notes, description),
        split=split,
        notes=tuple(notes),
    )


def _is_split(value: Any) -> bool:
    return isinstance(value, str) and split_name(value) is not None


def _choose_label(
    columns: Columns, description: str, requested: str | None, group: str | None
) -> tuple[str | None, list[str]]:
    names = list(columns.values)
    if requested is not None:
        if requested not in names:
            raise DataError(
                f"{description} has no column {requested!r} for the label; it has {listed(names) or 'none'}"
            )
        return requested, [f"label: column {requested!r} of {description}"]
    named = [name for name in names if name.lower() == "label"]
    if named:
        return named[0], [f"label: column {named[0]!r} of {description}"]
    fit = [name for name in names if name != group and _categorical(columns.values[name], columns.kinds[name])]
    if not fit:
        return None, [f"{description}: no column called label and none with a few repeated values; --label chooses one"]
    alternatives = f"; --label chooses another, such as {', '.join(fit[1:4])}" if fit[1:] else ""
    return fit[0], [f"label: column {fit[0]!r} of {description}, the first categorical one{alternatives}"]


def _categorical(values: np.ndarray, kind: AttributeKind) -> bool:
    """Text or boolean with two or more values, each of them more than once."""
    if kind == "numeric":
        return False
    present = [value for value in values.tolist() if value is not None and value == value]
    counts = Counter(present)
    return 2 <= len(counts) <= _MAX_CLASSES and min(counts.values()) >= 2


def _check_label(labels: np.ndarray, classes: tuple[str, ...], description: str, chosen: str) -> None:
    labelled = int((labels >= 0).sum())
    if labelled <= len(labels) // 2:
        return  # labels given by hand, the other rows empty: check_classes says which class has one image alone
    if len(classes) > max(2, labelled // 2):
        raise DataError(
            f"{description}: column {chosen!r} has {len(classes):,} different values in {labelled:,} rows: they are "
            "no classes; --label chooses another column"
        )


def _attributes(columns: Columns, label: str | None, notes: list[str], description: str) -> Columns:
    """Return the columns that are attributes: all but the label and empty ones; a boolean label stays, as a concept."""
    attributes = Columns()
    for name, values in columns.values.items():
        kind = columns.kinds[name]
        if name == label and (kind != "boolean" or name.lower() == "label"):
            continue
        if all(value is None or value != value for value in values.tolist()):
            notes.append(f"{description}: column {name!r} is empty and left out")
            continue
        new = f"attribute_{name}" if name in RESERVED else name
        if new != name:
            notes.append(
                f"{description}: column {name!r} is called {new!r} from here on, since {name!r} has its own meaning"
            )
        attributes.add(new, values, kind)
    return attributes
