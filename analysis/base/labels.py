"""Labels as people have them (texts, booleans, whole numbers, -1 and 1) as positions among their classes, and back."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError
from ..io.messages import listed
from .arrays import AnyArray, Bools, Doubles, Ints, as_numbers, as_table, as_vector, missing_values
from .columns import Column

UNLABELLED = -1


@dataclass(frozen=True)
class Classes:
    """Labels of one kind and the classes that they name."""

    values: AnyArray
    """(k,) the labels themselves, sorted."""
    names: tuple[str, ...]
    """How they are written."""

    def __len__(self) -> int:
        return len(self.values)


def as_classes(
    labels: Mapping[str, npt.ArrayLike], *, classes: tuple[str, ...] = (), unlabelled: bool | Container[str] = False
) -> tuple[list[Ints], Classes]:
    """Return labels as positions (n,) among all their classes, which are sorted as scikit-learn does.

    Args:
        labels: name -> labels (n,) of a part of the rows.
        classes: names of classes, where whole numbers are their positions already.
        unlabelled: whether a row may be without a label (missing, or -1), which becomes -1; or of which parts.

    Raises:
        AnalysisError: for rows without a label, -1 among other classes than 1, or numbers that are not whole.
    """
    vectors = {name: as_vector(values, name) for name, values in labels.items()}
    absent = {name: missing_values(vector) for name, vector in vectors.items()}
    plain = {name: _plain(vector[~absent[name]], name) for name, vector in vectors.items()}
    kinds = {vector.dtype.kind for vector in plain.values() if len(vector)}
    if len(kinds) > 1:
        raise AnalysisError(
            "labels of one kind are needed, and " + ", ".join(f"{n} has {v.dtype}" for n, v in plain.items())
        )
    whole = kinds == {"i"}
    values_of_classes = np.unique(
        np.concatenate([vector for vector in plain.values() if len(vector)] or [np.zeros(0, np.int64)])
    )
    signs = set(values_of_classes.tolist()) == {-1, 1}
    for name, vector in plain.items():
        if whole and not signs and (vector == UNLABELLED).any():
            absent[name][~absent[name]] = vector == UNLABELLED
            plain[name] = vector[vector != UNLABELLED]
        may = unlabelled if isinstance(unlabelled, bool) else name in unlabelled
        _refuse_absent(absent[name], name, may, minus=whole and (vector == UNLABELLED).any() and not signs)
    if whole and not signs:
        values_of_classes = values_of_classes[values_of_classes != UNLABELLED]
    if classes and whole and not signs:
        bad = values_of_classes[(values_of_classes < 0) | (values_of_classes >= len(classes))]
        if len(bad):
            raise AnalysisError(
                f"label {bad[0]} is no position among the {len(classes)} classes: 0 to {len(classes) - 1}"
            )
        values_of_classes = np.arange(len(classes))
    elif classes and kinds == {"U"}:
        strangers = sorted(set(values_of_classes.tolist()) - set(classes))
        if strangers:
            raise AnalysisError(f"label {strangers[0]!r} is none of the classes {listed(classes)}")
        values_of_classes = np.array(classes)
    elif classes and len(classes) != len(values_of_classes):
        raise AnalysisError(f"classes names {len(classes)} classes, and the labels have {len(values_of_classes)}")
    order = np.argsort(values_of_classes, kind="stable")
    positions = []
    for name, vector in vectors.items():
        codes = np.full(len(vector), UNLABELLED)
        codes[~absent[name]] = order[np.searchsorted(values_of_classes, plain[name], sorter=order)]
        positions.append(codes)
    return positions, Classes(values_of_classes, classes or tuple(str(value) for value in values_of_classes.tolist()))


def _plain(vector: AnyArray, name: str) -> AnyArray:
    """Labels without missing ones as booleans, int64 or texts."""
    if vector.dtype == object:
        kinds = {_kind(value) for value in vector.tolist()}
        if len(kinds) > 1:
            raise AnalysisError(f"{name} mixes labels of different kinds: {', '.join(sorted(kinds))}")
        wanted = {"booleans": np.bool_, "texts": np.str_, "numbers": np.float64}
        vector = vector.astype(wanted[kinds.pop()]) if kinds else np.zeros(0, np.int64)
    if vector.dtype.kind == "f":
        if not (np.isfinite(vector) & (vector == np.rint(vector))).all():
            value = vector[~(np.isfinite(vector) & (vector == np.rint(vector)))][0]
            raise AnalysisError(f"{name} has {value:g}, which is no class: give whole numbers, texts or booleans")
        vector = vector.astype(np.int64)
    if vector.dtype.kind == "S":
        vector = vector.astype(np.str_)
    if vector.dtype.kind not in "biuU":
        raise AnalysisError(f"{name} must be whole numbers, texts or booleans, not {vector.dtype}")
    return vector.astype(np.int64) if vector.dtype.kind == "u" or vector.dtype.kind == "i" else vector


def _kind(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "booleans"
    if isinstance(value, str):
        return "texts"
    if isinstance(value, int | float | np.integer | np.floating):
        return "numbers"
    return type(value).__name__


def _refuse_absent(absent: Bools, name: str, unlabelled: bool, *, minus: bool) -> None:
    if absent.any() and not unlabelled:
        meaning = "-1, which means no label," if minus else "no value"
        raise AnalysisError(
            f"{name} has {meaning} in {int(absent.sum())} of {len(absent)} rows, first in row "
            f"{int(np.argmax(absent))}: leave those rows out"
        )


def as_targets(values: npt.ArrayLike, name: str, *, unknown: bool = False) -> Doubles:
    """Return finite numbers (n,) to predict.

    Args:
        unknown: whether NaN may stand for a value that is missing.
    """
    numbers = as_numbers(as_vector(values, name), name).astype(np.float64)
    bad = np.isinf(numbers) if unknown else ~np.isfinite(numbers)
    if bad.any():
        raise AnalysisError(
            f"{name} has values that are not finite in {int(bad.sum())} of {len(bad)} rows, first in row "
            f"{int(np.argmax(bad))}: leave those rows out"
        )
    return numbers


def as_column(values: npt.ArrayLike, name: str, *, numeric: bool) -> Column:
    """Return two sides, or numbers, as a table's column: (n,) booleans, labels of two classes, or numbers.

    The class that sorts last is the side that has the concept: True, 1 of {0, 1} and {-1, 1}, "yes" of {"no", "yes"}.

    Args:
        values: (n,), missing where nothing is known. Floats are numbers, unless all are 0 and 1, or -1 and 1.
        name: what errors and the column are called.
        numeric: whether whole numbers are numbers, too.

    Raises:
        AnalysisError: for one value alone, or more than two that are no numbers.
    """
    vector = as_vector(values, name)
    absent = missing_values(vector)
    if absent.all():
        raise AnalysisError(f"{name!r} has no value that is known")
    present = _plain_or_numbers(vector[~absent], name)
    values_or_nan = np.full(len(vector), np.nan)
    sides = present.dtype.kind != "f" or set(np.unique(present).tolist()) <= {-1, 0, 1}
    if present.dtype.kind in "if" and (numeric or not sides):
        values_or_nan[~absent] = as_targets(present, name)
        return Column(name=name, kind="numeric", values=values_or_nan, categories=())
    (codes,), classes = as_classes({name: present})
    if len(classes) != 2:
        reason = f"one value only, {classes.names[0]!r}" if len(classes) == 1 else f"{len(classes)} different values"
        raise AnalysisError(
            f"{name!r} has {reason}: say which rows have it, as booleans or two labels, or give numbers as floats"
        )
    values_or_nan[~absent] = codes
    return Column(name=name, kind="boolean", values=values_or_nan, categories=classes.names)


def _plain_or_numbers(vector: AnyArray, name: str) -> AnyArray:
    """Known values as they are; those of an object array as booleans, texts, whole numbers or floats."""
    if vector.dtype == object and {_kind(value) for value in vector.tolist()} == {"numbers"}:
        whole = all(isinstance(value, int | np.integer) for value in vector.tolist())
        return vector.astype(np.int64 if whole else np.float64)
    if vector.dtype.kind in "iu":
        return vector.astype(np.int64)
    return vector.astype(np.float64) if vector.dtype.kind == "f" else vector


def as_rows(values: npt.ArrayLike, name: str) -> Ints:
    """Return positions of rows (n,), whole numbers of 0 or more.

    Raises:
        AnalysisError: for others.
    """
    numbers = as_targets(values, name)
    if (numbers < 0).any() or (numbers != np.rint(numbers)).any():
        raise AnalysisError(f"{name} must be positions of rows, whole numbers of 0 or more")
    return numbers.astype(np.int64)


def as_columns(targets: npt.ArrayLike) -> Doubles:
    """Return numbers (n, m), (n,) for one, NaN = unknown.

    Raises:
        AnalysisError: for a column of one value.
    """
    table = as_numbers(targets, "targets").astype(np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or 0 in table.shape or np.isinf(table).any():
        raise AnalysisError(f"targets must be finite numbers (rows, concepts), a column a concept, not {table.shape}")
    for place, column in enumerate(table.T):
        if not np.nanmax(column, initial=-np.inf) > np.nanmin(column, initial=np.inf):
            raise AnalysisError(f"targets column {place} has no two different numbers: no direction tells it")
    return table


def as_signs(targets: npt.ArrayLike) -> Ints:
    """Return sides (n, m), (n,) for one, as 1, -1 and 0 = unknown: of signs, booleans, or two texts a column.

    Raises:
        AnalysisError: for other values, and for a column that has one side alone.
    """
    table = as_table(targets, "targets")
    if table.dtype.kind in "iuf":
        if not np.isin(table, (-1, 0, 1)).all():
            raise AnalysisError(
                "targets are signs: 1 has it, -1 has not, 0 is unknown; which rows are of a class is labels == class"
            )
        signs = table.astype(np.int64)
    else:
        columns = [as_column(column, f"targets column {i}", numeric=False).values for i, column in enumerate(table.T)]
        signs = np.nan_to_num(2 * np.stack(columns, axis=1) - 1).astype(np.int64)
    for place, column in enumerate(signs.T):
        if not ((column > 0).any() and (column < 0).any()):
            raise AnalysisError(
                f"targets column {place} has one side alone: 1 has it, -1 has not and 0 is unknown, so that 0 and 1 "
                "must be written as booleans"
            )
    return signs


def as_pair(rows: object, name: str) -> tuple[Any, Any]:
    """Return X and y of a pair (X, y).

    Raises:
        AnalysisError: for anything else.
    """
    if isinstance(rows, tuple | list) and len(rows) == 2:
        return rows[0], rows[1]
    raise AnalysisError(f"{name} must be a pair (X, y) of rows and their labels or numbers, not {type(rows).__name__}")
