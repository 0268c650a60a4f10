"""The embeddings table as a Parquet file: a row an image, written a row group at a time.

Every half minute the file is closed and a new one begun, so an interrupted encode goes on where it stopped; a table
that took longer is put together from these parts at the end.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.io.writing import Writing, exclusive, remove_empty, replace_bytes, sweep
from latentgan.data.source import ImageSource
from latentgan.errors import DataError
from latentgan.inference.thumbnails import area_average, png_rows, thumbnails
from latentgan.io.locks import held

SECONDS = 30.0
"""Work after which a part is closed: what a killed encode can lose at most."""


PLAN, OPEN = "plan", "open"
"""Files beside the parts: the key that they were written under, and the part that is being written."""


_PART = re.compile(r"\d{12}-\d{12}\.parquet")


Columns = dict[str, np.ndarray]
"""Codes and features by column, each (rows, width) float32."""


class Parts:
    """Parquet files of consecutive rows, "FIRST-END.parquet", in a folder beside the table.

    A context manager: leaving it, after an interruption too, finishes the open part.

    Args:
        out: the table.
        metadata: of the table.
        key: parts that an interrupted encode left are gone on with if they were written under the same key.

    Raises:
        DataError: another process writes the same table.
    """

    def __init__(self, out: Path, metadata: Mapping[str, Any], key: str) -> None:
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self.about = {b"latentgan": json.dumps(metadata).encode()}
        self.rows = 0
        """Rows that are written."""
        self._key = key.encode()
        self._held = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._stream: IO[bytes]
        self._first, self._since, self._failed = 0, 0.0, False

    def __enter__(self) -> Parts:
        if self.folder.is_symlink():
            raise DataError(f"{self.folder} is a link, and a table's parts are not written through one: remove it")
        with Writing() as files:
            files.folder(self.folder)
        self._held.enter_context(held(self.folder, DataError(f"another encode is writing {self.out}; wait for it")))
        with ExitStack() as unless_ready:
            unless_ready.callback(self.__exit__)
            sweep(self.folder)
            mark = self.folder / PLAN
            same = mark.is_file() and mark.read_bytes() == self._key
            whole = self._whole() if same else []
            self._remove({PLAN, OPEN, *self._parts()} - {path.name for path in whole})
            replace_bytes(mark, self._key, durable=False)
            self.rows = _end(whole)
            unless_ready.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        finally:
            with suppress(OSError):
                self._remove({OPEN} if self._parts() else {OPEN, PLAN})
                remove_empty([self.folder])  # there is nothing to go on with
            self._held.close()

    def _parts(self) -> list[str]:
        """Return the names of closed parts in the folder; other files there are left alone."""
        return (
            [path.name for path in self.folder.iterdir() if _PART.fullmatch(path.name)] if self.folder.is_dir() else []
        )

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def write(self, first: int, table: pa.Table) -> None:
        """Append the row group that begins with row `first`, and close the part if it took long enough.

        Raises:
            OSError: it could not be written, or what comes before it was not.
        """
        if self._failed or first != self.rows:
            raise OSError("what comes before could not be written")
        try:
            table = table.replace_schema_metadata(self.about)
            if self._writer is None:
                self._first, self._since = self.rows, time.monotonic()
                self._stream = exclusive(self.folder / OPEN)
                self._writer = pq.ParquetWriter(self._stream, table.schema, **_layout(table.schema))
            self._writer.write_table(table, row_group_size=len(table))
        except BaseException:
            self._failed = True
            raise
        self.rows += len(table)
        if time.monotonic() - self._since > SECONDS:
            self.close()

    def close(self) -> None:
        """Finish the open part, if there is one; one that could not be written is left out."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(OSError) if self._failed else nullcontext():
                try:
                    writer.close()
                finally:
                    self._stream.close()
            if not self._failed:
                (self.folder / OPEN).replace(self.folder / f"{self._first:012d}-{self.rows:012d}.parquet")

    def join(self, rows: int) -> None:
        """Put the only part into the table's place, or write several as one, and remove the folder.

        Raises:
            OSError: the parts do not hold `rows` rows.
        """
        self.close()
        paths = self._whole()
        if _end(paths) != rows:
            raise OSError(f"only {_end(paths):,} of {rows:,} rows are written")
        if len(paths) == 1:
            paths[0].replace(self.out)
        else:
            schema = pq.read_schema(paths[0])
            self._remove([OPEN])
            with exclusive(self.folder / OPEN) as stream, pq.ParquetWriter(stream, schema, **_layout(schema)) as writer:
                for path in paths:
                    file = pq.ParquetFile(path)
                    for group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(group))
            (self.folder / OPEN).replace(self.out)
        self._remove({PLAN, *self._parts()})
        remove_empty([self.folder])

    def _whole(self) -> list[Path]:
        """Return the parts that follow each other from row 0, up to one that is damaged."""
        parts: list[Path] = []
        while result := list(self.folder.glob(f"{_end(parts):012d}-*.parquet")):
            try:
                rows = pq.read_metadata(result[0]).num_rows
            except (pa.ArrowInvalid, OSError):
                break
            if len(result) > 1 or rows != _end(result) - _end(parts):
                break
            parts += result
        return parts


def _end(parts: Sequence[Path]) -> int:
    """Return the row after the last one of parts."""
    return int(parts[-1].stem.split("-")[1]) if parts else 0


def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Return how columns are stored: floats hardly shrink, so they are left as they are; the rest is compressed."""
    vectors = {f.name for f in schema if pa.types.is_fixed_size_list(f.type)}
    return {
        "compression": {
            **dict.fromkeys(schema.names, "zstd"),
            **{f"{name}.list.element": "none" for name in vectors},
        },
        "use_dictionary": ["split", "label"],
        "write_statistics": False,
    }


def make_table(
    source: ImageSource, rows: np.ndarray, vectors: Columns, attributes: Mapping[str, str], *, pixels: bool
) -> pa.Table:
    """Return rows of the embeddings table.

    Args:
        source: the images.
        rows: (n,) which of them.
        vectors: codes and features of these rows by column.
        attributes: the column of every attribute, see `attribute_columns`.
        pixels: with the pixels, area-averaged where they are many.
    """
    images = np.asarray(source.images[rows])
    columns: dict[str, pa.Array] = {
        "id": pa.array(source.ids[rows].astype(str), pa.string()),
        "row": pa.array(rows, pa.int64()),
        "split": pa.array(source.split[rows].astype(str)).dictionary_encode(),
        "label": pa.array(_label_names(source, rows), pa.string()).dictionary_encode(),
    }
    for name, column in attributes.items():
        columns[column] = _attribute(source.attributes[name][rows], source.attribute_kinds[name])
    for name, array in vectors.items():
        columns[name] = _vectors(array)
    if pixels:
        columns["pixels"] = _bytes(area_average(images).reshape(len(rows), -1))
    columns["thumbnail"] = _equal_binaries(png_rows(thumbnails(images)))
    return pa.table(columns)


def attribute_columns(source: ImageSource, features: Sequence[str]) -> dict[str, str]:
    """Return the table's column for every attribute: its own name, unless the table uses that name itself."""
    ours = {"id", "row", "split", "label", "code", "pixels", "thumbnail", *features}
    taken = {name for name in source.attributes if name in ours or name.startswith("untrained.")}
    return {name: f"attribute.{name}" if name in taken else name for name in source.attributes}


def _label_names(source: ImageSource, rows: np.ndarray) -> list[str | None]:
    names: list[str | None] = [*source.spec.classes, None]
    return [names[i] for i in source.labels[rows]]  # -1 is the last: None


def _attribute(values: np.ndarray, kind: str) -> pa.Array:
    if kind == "text":
        return pa.array(list(values), pa.string())
    missing = np.isnan(values)
    if kind == "boolean":
        return pa.array(np.where(missing, 0, values).astype(bool), pa.bool_(), mask=missing)
    return pa.array(values, pa.float64(), mask=missing)


def _vectors(array: np.ndarray) -> pa.FixedSizeListArray:
    kind = pa.list_(pa.field("element", pa.float32(), nullable=False), array.shape[1])
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), type=kind)


def _bytes(array: np.ndarray) -> pa.FixedSizeBinaryArray:
    """Return rows of (n, width) uint8 as byte strings of one length, which Parquet writes 8 times faster than lists."""
    kind = pa.binary(array.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(array), [None, pa.py_buffer(np.ascontiguousarray(array))])


def _equal_binaries(rows: np.ndarray) -> pa.BinaryArray:
    """Return each row of (n, length) uint8 as one binary value, without a copy."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    return pa.Array.from_buffers(pa.binary(), len(rows), buffers)
