"""Array types, and the checks that stand at the door of every analysis."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError
from .chunked import Stream

Floats = npt.NDArray[np.floating[Any]]


Doubles = npt.NDArray[np.float64]


Singles = npt.NDArray[np.float32]


Ints = npt.NDArray[np.int64]


Bools = npt.NDArray[np.bool_]


Pixels = npt.NDArray[np.uint8]


Strings = npt.NDArray[np.str_]


AnyArray = npt.NDArray[Any]


Seed = np.random.Generator | int | None
"""A generator, a seed, or None for seed 0: the same call gives the same figures."""


def as_rng(rng: Seed) -> np.random.Generator:
    """Return a generator: the one that is given, or a new one of a seed; None is seed 0.

    Raises:
        AnalysisError: for anything else.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng(0)
    if isinstance(rng, bool | np.bool_) or not isinstance(rng, int | np.integer) or rng < 0:
        raise AnalysisError(
            f"rng must be a seed of 0 or more, a numpy.random.Generator or None, not {_short(rng)}: try rng=0"
        )
    return np.random.default_rng(int(rng))


def as_codes(values: npt.ArrayLike, name: str = "codes", *, rows: int = 1) -> Floats:
    """Return a table of numbers (array, list of lists, data frame) as a finite (n, d) array of float32 or float64.

    Args:
        values: (n, d), d >= 1.
        name: what errors call it.
        rows: how many there must be at least.

    Raises:
        AnalysisError: for another number of axes, too few rows, or values that are no finite numbers.
    """
    if isinstance(values, Stream):
        return cast(Floats, values)  # whoever reads it checks its blocks
    codes = as_numbers(values, name)
    if codes.ndim != 2 or 0 in codes.shape:
        raise AnalysisError(f"{name} must be (rows, columns) with at least one of each, not {codes.shape}")
    bad = ~np.isfinite(codes).all(axis=1)
    if bad.any():
        raise AnalysisError(
            f"{name} has values that are not finite in {bad.sum()} of {len(codes)} rows, first in row "
            f"{int(np.argmax(bad))}: leave those rows out or encode again"
        )
    if len(codes) < rows:
        raise AnalysisError(f"{name} must have at least {rows} rows, not {len(codes)}")
    return codes


def as_numbers(values: npt.ArrayLike, name: str) -> Floats:
    """Return numbers of any shape as float32 or float64; None and pandas' NA become NaN.

    Raises:
        AnalysisError: for texts, complex numbers, rows of unequal lengths.
    """
    numbers = _as_array(values, name)
    if numbers.dtype in (np.float32, np.float64):
        return numbers
    if numbers.dtype.kind not in "biufO":
        raise AnalysisError(f"{name} must hold numbers, not {numbers.dtype}: {_short(numbers.ravel()[:1].tolist())}")
    if numbers.dtype == object:
        numbers = np.where(_missing(numbers), np.nan, numbers)
    try:
        return numbers.astype(np.float32 if numbers.dtype != object and numbers.dtype.itemsize <= 4 else np.float64)
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"{name} must hold numbers alone ({error})") from error


def as_vector(values: npt.ArrayLike, name: str) -> AnyArray:
    """Return one value a row as (n,): of a list, a series, an array (n,) or a table (n, 1) of one column.

    Raises:
        AnalysisError: for another shape, or no rows.
    """
    vector = _as_array(values, name)
    if vector.ndim == 2 and vector.shape[1] == 1:
        vector = vector[:, 0]
    if vector.ndim != 1 or len(vector) == 0:
        raise AnalysisError(f"{name} must be (rows,), one value a row and at least one row, not {vector.shape}")
    return vector


def as_table(values: npt.ArrayLike, name: str) -> AnyArray:
    """Return values of any kind as (n, m), (n,) being one column.

    Raises:
        AnalysisError: for other shapes.
    """
    table = _as_array(values, name)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or 0 in table.shape:
        raise AnalysisError(f"{name} must be (rows, concepts), a column a concept, not {table.shape}")
    return table


def missing_values(vector: AnyArray) -> Bools:
    """Rows (n,) without a value: None, NaN, pandas' NA or NaT."""
    if vector.dtype.kind == "f":
        return np.isnan(vector)
    return _missing(vector) if vector.dtype == object else np.zeros(vector.shape, np.bool_)


def _missing(values: AnyArray) -> Bools:
    def absent(value: Any) -> bool:
        return value is None or type(value).__name__ in ("NAType", "NaTType") or (value != value) is True

    flags = np.fromiter((absent(value) for value in values.ravel().tolist()), np.bool_, values.size)
    return flags.reshape(values.shape)


def _as_array(values: npt.ArrayLike, name: str) -> AnyArray:
    """An array of a list, a series or a frame.

    Raises:
        AnalysisError: for rows of unequal lengths.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in "SUO" and not isinstance(values, np.ndarray) and not hasattr(values, "dtype"):
            array = np.asarray(values, dtype=object)  # as numpy writes numbers beside texts as texts, and None as it is
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"{name} must be an array whose rows are of one length ({error})") from error
    if not isinstance(values, np.ndarray):
        array = np.ascontiguousarray(array) if array.ndim else array  # a frame's columns lie apart, and sums differ
    if array.ndim == 0:
        raise AnalysisError(f"{name} must be an array with a row for each row of the table, not {_short(values)}")
    return array


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def as_point(values: npt.ArrayLike, name: str) -> Doubles:
    """Return one row of numbers, or several (..., d), as finite float64.

    Raises:
        AnalysisError: for anything else.
    """
    numbers = as_numbers(values, name).astype(np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        raise AnalysisError(f"{name} must hold finite numbers, one at least: it is {numbers.shape}")
    return numbers


def as_images(values: npt.ArrayLike, name: str = "images") -> Singles:
    """Return `values` as a finite (n, h, w, c) float32 array in [0, 1]; uint8 is divided by 255."""
    images = _as_array(values, name)
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / np.float32(255)
    images = as_numbers(images, name)
    if images.ndim != 4:
        raise AnalysisError(f"{name} must be (n, height, width, channels), not {images.shape}")
    images = images.astype(np.float32, copy=False)
    if not np.isfinite(images).all():
        raise AnalysisError(f"{name} has values that are not finite")
    return images


def to_pixels(images: npt.ArrayLike) -> Pixels:
    """Round images in [0, 1], any shape, to uint8; values outside are clipped."""
    pixels: Pixels = np.rint(np.clip(np.asarray(images), 0, 1) * 255).astype(np.uint8)
    return pixels


def same_length(**arrays: AnyArray) -> int:
    """Return the common length of `arrays`.

    Raises:
        AnalysisError that gives each one's length.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise AnalysisError("lengths differ: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


def check_counts(least: int = 1, **counts: int | None) -> None:
    """Check options that say how many.

    Args:
        least: the smallest that is allowed.
        **counts: the options by name; None where a function looks at all.

    Raises:
        AnalysisError: one is no whole number, or less than `least`.
    """
    for name, value in counts.items():
        if value is None:
            continue
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
        if not whole or value < least:
            raise AnalysisError(f"{name} must be a whole number of {least} or more, not {_short(value)}")


def subsample(rows: Ints, limit: int | None, *, rng: np.random.Generator) -> Ints:
    """Return at most `limit` of `rows`, drawn without replacement and kept in order; None keeps all."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(rng.choice(rows, size=limit, replace=False))


def rows_of(*rows: Ints) -> Ints:
    """Join positions of rows, of any shapes: ascending, each once."""
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(part.ravel() for part in rows)])).astype(np.int64)
