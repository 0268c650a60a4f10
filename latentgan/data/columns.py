"""Labels and attribute columns: from arrays and from texts to codes, numbers, booleans and missing values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from latentgan.errors import DataError

AttributeKind = Literal["numeric", "boolean", "text"]

# What pandas reads as missing, save "None" and "none", which are answers ("hat: none").
MISSING = frozenset({"", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null"})


_WHOLE = re.compile(r"[+-]?\d+(\.0+)?")


_YES = {"true": "false", "yes": "no", "t": "f", "y": "n", "1": "0"}


@dataclass(frozen=True)
class Columns:
    """Attribute columns by name: values (n,) float64 with NaN missing, or object str with None missing."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    kinds: dict[str, AttributeKind] = field(default_factory=dict)

    def add(self, name: str, values: np.ndarray, kind: AttributeKind) -> None:
        self.values[name], self.kinds[name] = values, kind

    def take(self, rows: np.ndarray) -> Columns:
        return Columns({name: values[rows] for name, values in self.values.items()}, dict(self.kinds))


def labels_from_array(
    labels: np.ndarray | Sequence[Any] | None, n: int, description: str, classes: tuple[str, ...] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (codes (n,) int64 with -1 = unlabelled, class names) of integer, whole floating or text labels.

    Args:
        labels: (n,) or (n, 1) labels; None means that all images are unlabelled.
        n: number of images.
        description: name of the images, for messages.
        classes: names of the integer labels 0, 1, …; empty where the values name themselves.

    Raises:
        DataError: the count differs from n, or a value is no label.
    """
    if labels is None:
        return np.full(n, -1, dtype=np.int64), ()
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        hint = "; .argmax(axis=1) turns one-hot rows into labels" if values.ndim == 2 else ""
        raise DataError(f"{description}: labels have shape {values.shape}, they must be one a row{hint}")
    if len(values) != n:
        raise DataError(
            f"{description}: {n:,} images but {len(values):,} labels; each image needs one (-1 = unlabelled)"
        )
    if values.dtype.kind in "iuf" and classes:
        return _named_codes(values, classes, description), classes
    return codes_from_texts([label_text(value, row, description) for row, value in enumerate(values.tolist())])


def label_text(value: Any, row: int, description: str) -> str | None:
    """The text of one label: whole numbers without a point, None for missing.

    Args:
        value: one label, as a Python value.
        row: its row, for messages.
        description: name of the images, for messages.
    """
    if value is None or value != value:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        if not value.is_integer():
            raise DataError(
                f"{description}: label {value:g} in row {row} is no class; labels are whole numbers or texts"
            )
        return str(int(value))
    return str(value)


def _named_codes(values: np.ndarray, classes: tuple[str, ...], description: str) -> np.ndarray:
    codes = np.where(np.isnan(values), -1, values) if values.dtype.kind == "f" else values
    wrong = (codes < -1) | (codes >= len(classes)) | (codes != np.floor(codes))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{description}: label {values[row]} in row {row} is none of 0 to {len(classes) - 1} (-1 = unlabelled)"
        )
    return codes.astype(np.int64)


def codes_from_texts(texts: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (codes (n,) int64, class names in natural order); None, empty, NA and -1 mean unlabelled."""
    cleaned = _whole(
        [None if text is None or is_missing(text) or text.strip() == "-1" else text.strip() for text in texts]
    )
    names = sorted({text for text in cleaned if text is not None}, key=_natural)
    codes = {name: code for code, name in enumerate(names)}
    return np.array([-1 if text is None else codes[text] for text in cleaned], dtype=np.int64), tuple(names)


def _whole(texts: list[str | None]) -> list[str | None]:
    """Write 3.0 as 3 where all texts are whole numbers: table programs write 3.0 when a cell is empty."""
    if all(text is None or _WHOLE.fullmatch(text) for text in texts):
        return [None if text is None else text.partition(".")[0] for text in texts]
    return texts


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers by value first, then texts by letters: 2 before 10, 10 before ten."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def is_missing(text: str) -> bool:
    return text.strip() in MISSING


def column_from_texts(texts: Sequence[str | None], description: str) -> tuple[np.ndarray, AttributeKind]:
    """Return (values (n,), kind) of a column of texts: boolean, else numeric, else text.

    Boolean: true/false, yes/no, 1/0 or 1/-1, whatever the case. Numeric: every value is a finite number.

    Args:
        texts: cells of the column; None or a word such as NA is missing.
        description: name of the column, for messages.

    Raises:
        DataError: a number is infinite.
    """
    cells = [None if text is None or is_missing(text) else text.strip() for text in texts]
    if (yes := _boolean_yes({cell.lower() for cell in cells if cell is not None})) is not None:
        return np.array([np.nan if cell is None else float(cell.lower() == yes) for cell in cells]), "boolean"
    try:
        values = np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=object), "text"
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(
            f"{description}: {cells[row]!r} in row {row} is no finite number; leave the cell empty if it is unknown"
        )
    return values, "numeric"


def _boolean_yes(words: set[str]) -> str | None:
    """Which of the lower-case texts means true; None: not boolean. Words may stand alone, digits not."""
    if words == {"-1", "1"}:
        return "1"
    for yes, no in _YES.items():
        if words == {yes, no} or (len(yes) > 1 and words and words <= {yes, no}):
            return yes
    return None


def column_from_array(values: np.ndarray, n: int, description: str) -> tuple[np.ndarray, AttributeKind]:
    """Return (values (n,), kind) of an array of numbers, booleans or texts.

    Args:
        values: (n,) numbers, booleans or texts.
        n: number of images.
        description: name of the column, for messages.

    Raises:
        DataError: the length differs from n, the array has several columns, or a number is infinite.
    """
    if values.shape != (n,):
        raise DataError(f"{description} has shape {values.shape}, but there are {n} images")
    if values.dtype.kind == "b":
        return values.astype(np.float64), "boolean"
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        if np.isinf(numbers).any():
            row = int(np.flatnonzero(np.isinf(numbers))[0])
            raise DataError(f"{description} is infinite in row {row}; NaN means unknown")
        return numbers, "numeric"
    return column_from_objects(values.tolist(), description)


def column_from_objects(values: Sequence[Any], description: str) -> tuple[np.ndarray, AttributeKind]:
    """Return (values (n,), kind) of Python values; None and NaN are missing.

    Args:
        values: (n) cells of the column.
        description: name of the column, for messages.
    """
    present = [value for value in values if value is not None and value == value]
    if present and all(isinstance(value, bool) for value in present):
        return np.array([np.nan if value is None else float(value) for value in values]), "boolean"
    if present and all(isinstance(value, (int, float)) for value in present):
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return column_from_array(numbers, len(numbers), description)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    blank = [None if text is None or text != text or str(text).strip() == "" else str(text) for text in texts]
    return np.array(blank, dtype=object), "text"
