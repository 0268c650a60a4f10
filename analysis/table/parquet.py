"""Columns of Parquet files as numpy arrays, row group by row group: only what is asked for is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..base.arrays import AnyArray, Ints, Singles
from ..base.chunked import Stream
from ..errors import AnalysisError
from ..io.reading import check_file, irregular, shown

PIECE = 1_000_000  # bytes of a column that are decoded at once


BUFFER = 1_000_000  # bytes of a file that are read at once


@dataclass(frozen=True)
class ParquetRows:
    """One Parquet file, or the *.parquet files of a folder in order of their names.

    Args:
        path: the file or folder.
        bundles: names of vectors -> columns that hold their numbers, one each.
    """

    path: Path
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def files(self) -> list[Any]:
        """Open every file's footer.

        Raises:
            AnalysisError: for a missing path or another format.
        """
        import pyarrow
        import pyarrow.parquet as parquet

        paths = sorted(self.path.glob("*.parquet")) if self.path.is_dir() else [self.path]
        if not paths or irregular(paths[0]) == "missing":
            raise AnalysisError(
                f"no table {str(self.path)!r}: latentgan encode RUN --data DATA --out {self.path} writes one"
            )
        for path in paths:
            check_file(path)
        try:
            opened = [parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) for path in paths]
        except (pyarrow.ArrowException, OSError) as error:
            raise AnalysisError(
                f"{str(self.path)!r} is not a readable Parquet file ({str(error).splitlines()[0]}); "
                "pandas.DataFrame.to_parquet writes one, of a CSV file or of arrays"
            ) from error
        names = opened[0].schema_arrow.names
        if twice := [name for name in names if names.count(name) > 1][:1]:
            raise AnalysisError(
                f"the table {self.path.name!r} has more than one column {shown(twice[0])}: rename one of them"
            )
        if any(not file.schema_arrow.equals(opened[0].schema_arrow) for file in opened):
            raise AnalysisError(f"the Parquet files in {str(self.path)!r} have different columns")
        return opened

    @cached_property
    def n(self) -> int:
        """Number of rows."""
        return sum(file.metadata.num_rows for file in self.files)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Kind of each column: "vector", "boolean", "numeric", "text", "picture" or "other"."""
        fields = self.files[0].schema_arrow
        bundled = {name for names in self.bundles.values() for name in names}
        kinds = {field.name: _kind(field.type) for field in fields if field.name not in bundled}
        kinds |= dict.fromkeys(self.bundles, "vector")
        # Elsewhere, byte strings of one length are identifiers.
        return kinds | ({"pixels": "vector"} if "pixels" in kinds and self._raw_pixels() else {})

    def _raw_pixels(self) -> bool:
        """Whether the pixels are byte strings of one length: declared, or as pandas writes them, without saying so."""
        from pyarrow import compute, types

        kind = self.files[0].schema_arrow.field("pixels").type
        if not types.is_binary(kind) or self.n < 2:
            return _is_bytes(kind)
        lengths = compute.min_max(compute.binary_length(next(self.groups("pixels")))).as_py()
        return bool(lengths["min"] == lengths["max"] and lengths["min"])

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The schema's own key-value metadata."""
        raw = self.files[0].schema_arrow.metadata or {}
        return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in raw.items()}

    def width(self, name: str) -> int:
        """Number of values in each row of a vector column."""
        if name in self.bundles:
            return len(self.bundles[name])
        kind = self.files[0].schema_arrow.field(name).type
        if hasattr(kind, "list_size"):
            return int(kind.list_size)
        if _is_bytes(kind):
            return int(kind.byte_width)
        return int(self.vectors(name, np.arange(1)).shape[1])

    def groups(self, name: str, rows: Ints | None = None) -> Iterator[Any]:
        """Yield column `name` as Arrow arrays, row group by row group, of `rows` (ascending) or of all.

        A row group of more than PIECE bytes comes in pieces.
        """
        start = 0
        for file in self.files:
            for group in range(file.metadata.num_row_groups):
                about = file.metadata.row_group(group)
                stop = start + about.num_rows
                if rows is None or np.searchsorted(rows, start) < np.searchsorted(rows, stop):
                    yield from self._pieces(file, group, name, rows, start)
                start = stop

    def _pieces(self, file: Any, group: int, name: str, rows: Ints | None, start: int) -> Iterator[Any]:
        """Yield the wanted rows of one row group, whose first is row `start` of the table."""
        names = self.bundles.get(name, (name,))
        size = _piece(file.metadata.row_group(group), names)
        for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=list(names), use_threads=False):
            stop = start + batch.num_rows
            column = _joined(batch, names) if name in self.bundles else batch.column(0)
            if rows is None:
                yield column
            else:
                wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
                if len(wanted):
                    yield column.take(_indices(wanted - start)) if len(wanted) < len(column) else column
            start = stop

    def matrices(self, name: str, rows: Ints | None = None) -> Iterator[AnyArray]:
        """Yield a vector column as (m, d) arrays, in its own number type, of `rows` (ascending) or of all."""
        position = 0
        for column in self.groups(name, rows):
            yield _matrix(
                column, name, np.arange(position, position + len(column)) if rows is None else rows[position:]
            )
            position += len(column)

    def vectors(self, name: str, rows: Ints | None = None) -> AnyArray:
        """Read a vector column as (m, d), in its own number type, of `rows` (ascending) or of all."""
        parts = list(self.matrices(name, rows))
        if len({part.shape[1] for part in parts}) > 1:
            raise AnalysisError(f"column {name!r} holds vectors of different lengths")
        if not parts:
            return np.empty((0, self.width(name)), np.float32)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def values(self, name: str, rows: Ints | None = None) -> list[Any]:
        """Read a scalar column as Python values, None where missing."""
        return [value for column in self.groups(name, rows) for value in column.to_pylist()]

    def numbers(self, name: str) -> AnyArray:
        """Read a numeric or boolean column as (n,) float64, NaN where missing."""
        import pyarrow

        parts = [
            column.cast(pyarrow.uint8() if pyarrow.types.is_boolean(column.type) else pyarrow.float64(), safe=False)
            .cast(pyarrow.float64())
            .to_numpy(zero_copy_only=False)
            for column in self.groups(name)
        ]
        return np.concatenate(parts).astype(np.float64)

    def texts(self, name: str) -> tuple[Ints, list[str]]:
        """Read a text column as (n,) indices (-1 = missing or empty) into its sorted distinct values."""
        import pyarrow

        positions: dict[str, int] = {"": -1}
        parts = [np.zeros(0, np.int64)]
        for column in self.groups(name):
            encoded = column.cast(pyarrow.string()).dictionary_encode()
            place = [positions.setdefault(str(value), len(positions) - 1) for value in encoded.dictionary.to_pylist()]
            index = encoded.indices.fill_null(len(place)).to_numpy(zero_copy_only=False)
            parts.append(np.array([*place, -1], np.int64)[index])
        distinct = sorted(value for value in positions if value)
        order = {positions[value]: i for i, value in enumerate(distinct)}
        place_of = np.array([*(order[i] for i in range(len(distinct))), -1], np.int64)
        return place_of[np.concatenate(parts)], distinct


def _joined(batch: Any, names: tuple[str, ...]) -> Any:
    """Columns of numbers side by side as one of vectors, NaN where one is missing."""
    import pyarrow

    kinds = {batch.column(name).type for name in names}
    kind = pyarrow.float32() if kinds == {pyarrow.float32()} else pyarrow.float64()
    sides = [batch.column(name).cast(kind, safe=False).to_numpy(zero_copy_only=False) for name in names]
    return pyarrow.FixedSizeListArray.from_arrays(np.stack(sides, axis=1).reshape(-1), len(names))


def _piece(about: Any, names: tuple[str, ...]) -> int:
    """Rows of some columns of a row group that are PIECE bytes, nearly."""
    columns = (about.column(i) for i in range(about.num_columns))
    size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema.split(".")[0] in names)
    size = size or about.total_byte_size  # a name with dots in it
    rows = int(about.num_rows)
    return max(256, min(rows, PIECE * rows // max(1, int(size))))


def _indices(rows: Ints) -> Any:
    import pyarrow

    return pyarrow.array(rows)


def _kind(kind: Any) -> str:
    """Sort an Arrow type into what an analysis can do with it."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        inner = kind.value_type
        if getattr(kind, "list_size", 1) == 0:
            return "other"
        return "vector" if types.is_floating(inner) or types.is_integer(inner) else "other"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numeric"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_binary(kind) or types.is_large_binary(kind):
        return "picture"
    if types.is_struct(kind) and "bytes" in {field.name for field in kind}:
        return "picture"
    return "other"


def _is_bytes(kind: Any) -> bool:
    """Whether a column holds byte strings of one length, which Parquet writes much faster than lists of uint8."""
    from pyarrow import types

    return bool(types.is_fixed_size_binary(kind))


def _matrix(column: Any, name: str, rows: Ints) -> AnyArray:
    """Turn an Arrow array of equally long lists or byte strings, at places `rows` of the table, into (m, d)."""
    import pyarrow
    from pyarrow import compute

    if column.null_count:
        first = rows[int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))]
        raise AnalysisError(
            f"column {name!r} is empty in {column.null_count} rows, first in row {first} (from 0): leave those rows out"
        )
    if pyarrow.types.is_binary(column.type):
        lengths = compute.binary_length(column).unique().to_pylist()
        if len(lengths) == 1:
            column = column.cast(pyarrow.binary(lengths[0]))
        elif lengths:
            raise AnalysisError(f"column {name!r} holds byte strings of different lengths")
    if _is_bytes(column.type):
        start, width = column.offset * column.type.byte_width, column.type.byte_width
        raw = np.frombuffer(column.buffers()[1], np.uint8)
        return raw[start : start + len(column) * width].reshape(len(column), width)
    flat = column.flatten()
    if hasattr(column.type, "list_size"):
        width = column.type.list_size
    else:
        lengths = set(column.value_lengths().unique().to_pylist())
        if len(lengths) != 1:
            raise AnalysisError(f"column {name!r} holds vectors of different lengths, {min(lengths)} to {max(lengths)}")
        width = lengths.pop()
    array: AnyArray = flat.to_numpy(zero_copy_only=False).reshape(len(column), width)
    return array


LARGEST = 1e15  # of a vector's values: float32 sums of their squares stay finite


def read_vectors(table: ParquetRows, name: str, rows: Ints | None) -> Singles:
    """Read a vector column as (m, d), of `rows` in any order, or of all."""
    wanted, back = (None, None) if rows is None else np.unique(rows, return_inverse=True)
    matrix = table.vectors(name, wanted)
    if matrix.dtype != np.uint8:
        _check_values(matrix, np.arange(table.n) if wanted is None else wanted, name)
    return _numbers(matrix if back is None else matrix[back])


def streamed_vectors(table: ParquetRows, name: str, rows: Ints) -> Singles:
    """A vector column that is read again, piece by piece, each time that its values are asked for: (m, d)."""

    def read(wanted: Ints) -> Iterator[Singles]:
        position = 0
        for matrix in table.matrices(name, wanted):
            if matrix.dtype != np.uint8:
                _check_values(matrix, wanted[position : position + len(matrix)], name)
            position += len(matrix)
            yield _numbers(matrix)

    return cast(Singles, Stream(read, rows, table.width(name)))


def _numbers(values: AnyArray) -> Singles:
    if values.dtype == np.uint8:
        return np.multiply(values, np.float32(1 / 255), dtype=np.float32)
    return np.array(values, np.float32)


def _check_values(values: AnyArray, rows: Ints, name: str) -> None:
    """Refuse vectors (m, d) with values that no analysis can use; `rows` (m,) are their places in the table."""
    values = values.astype(np.float32) if values.dtype == np.float16 else values  # which cannot hold LARGEST
    bad = ~(np.abs(values) <= LARGEST).all(axis=1)  # NaN compares as false
    if bad.any():
        row = values[first := int(np.argmax(bad))].astype(np.float64)
        value = row[~(np.abs(row) <= LARGEST)][0]
        reason = f"beyond ±{LARGEST:g}" if np.isfinite(value) else "missing or not finite"
        raise AnalysisError(
            f"column {name!r} has values that are {reason} in {int(bad.sum())} of {len(values)} rows, first {value:g} "
            f"in row {rows[first]} (from 0): leave those rows out or encode again"
        )
