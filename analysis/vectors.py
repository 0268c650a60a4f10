"""Vector columns of a table as analyses see them: float32, uint8 as [0, 1], every value finite and of a usable size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from .arrays import AnalysisError, AnyArray, Ints, Singles
from .parquet import ParquetRows
from .streams import Stream

LARGEST = 1e15  # of a vector's values: float32 sums of their squares stay finite


def read_vectors(table: ParquetRows, name: str, rows: Ints | None) -> Singles:
    """Read a vector column as (m, d), of `rows` in any order, or of all."""
    wanted, back = (None, None) if rows is None else np.unique(rows, return_inverse=True)
    found = table.vectors(name, wanted)
    if found.dtype != np.uint8:
        _check_values(found, np.arange(table.n) if wanted is None else wanted, name)
    return _numbers(found if back is None else found[back])


def streamed_vectors(table: ParquetRows, name: str, rows: Ints) -> Singles:
    """A vector column that is read again, piece by piece, each time that its values are asked for: (m, d)."""

    def read(wanted: Ints) -> Iterator[Singles]:
        seen = 0
        for found in table.matrices(name, wanted):
            if found.dtype != np.uint8:
                _check_values(found, wanted[seen : seen + len(found)], name)
            seen += len(found)
            yield _numbers(found)

    return cast(Singles, Stream(read, rows, table.width(name)))


def _numbers(found: AnyArray) -> Singles:
    if found.dtype == np.uint8:
        return np.multiply(found, np.float32(1 / 255), dtype=np.float32)
    return np.array(found, np.float32)


def _check_values(found: AnyArray, rows: Ints, name: str) -> None:
    """Refuse vectors (m, d) with values that no analysis can use; `rows` (m,) are their places in the table."""
    found = found.astype(np.float32) if found.dtype == np.float16 else found  # which cannot hold LARGEST
    bad = ~(np.abs(found) <= LARGEST).all(axis=1)  # NaN compares as false
    if bad.any():
        row = found[first := int(np.argmax(bad))].astype(np.float64)
        value = row[~(np.abs(row) <= LARGEST)][0]
        what = f"beyond ±{LARGEST:g}" if np.isfinite(value) else "missing or not finite"
        raise AnalysisError(
            f"column {name!r} has values that are {what} in {int(bad.sum())} of {len(found)} rows, first {value:g} in "
            f"row {rows[first]} (from 0): leave those rows out or encode again"
        )
