"""Parquet with image bytes as image hubs lay them out: struct {bytes, path} or plain binary, and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from analysis.io.messages import listed
from analysis.io.reading import check_file, parse_json, shown, validated
from latentgan.data.decode import Items, decode_items
from latentgan.data.formats.csv_table import interpret
from latentgan.data.pixels import Geometry
from latentgan.data.source import Raw
from latentgan.data.splits import split_name
from latentgan.errors import DataError
from latentgan.io.file_models import HubFeature, HubFile

_ROWS = 64  # images a job


def find_parquet(folder: Path) -> list[Path]:
    """Parquet files in a folder or its sub-folder `data`, sorted."""
    return sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet"))


def read_parquet(
    files: Sequence[Path],
    where: Path,
    geometry: Geometry,
    *,
    label: str | None = None,
    group: str | None = None,
    skip_bad: bool = False,
    progress: bool = True,
) -> Raw:
    """Read one Parquet file, or the shards of one set; shards called train-…, test-… give the split.

    Args:
        files: the files, in order.
        where: the file or folder that the user named, for messages.
        geometry: size and channels that images are brought to.
        label: column that is the label.
        group: column that says which images belong together, and becomes no label by itself.
        skip_bad: whether to leave out images that cannot be decoded.
        progress: whether to show a bar on a terminal.

    Raises:
        DataError: no Parquet, no column of images, or a bad image (unless skip_bad).
    """
    opened = [_open(file) for file in files]
    schema = opened[0].schema_arrow
    for file, shard in zip(files, opened, strict=True):
        if shard.schema_arrow.names != schema.names:
            raise DataError(f"{file.name} has other columns than {files[0].name}; give one set at a time")
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise DataError(f"{where.name} has more than one column {shown(twice[0])}; rename one of them")
    image = _image_column(schema, where)
    counts = [shard.metadata.num_rows for shard in opened]
    columns = {
        name: _values(opened, name, schema, where) for name in schema.names if name != image and _plain(schema, name)
    }
    names = _names(opened, image, schema, sum(counts), where)
    identity = {
        "files": [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files],
        "image": image,
    }
    items = Items(where.name, names, lambda: _chunks(opened, image, where), identity)
    decoded = decode_items(items, geometry, skip_bad=skip_bad, progress=progress)
    cells = {name: [values[row] for row in decoded.rows] for name, values in columns.items()}
    typed = interpret(cells, len(decoded.rows), where.name, label, texts=False, group=group)
    split = typed.split if typed.split is not None else _shard_split(files, counts, decoded.rows)
    left = [name for name in schema.names if name != image and name not in columns]
    notes = (f"{where.name}: columns that are no numbers or texts are left out: {listed(left)}",) if left else ()
    return Raw(
        images=decoded.images,
        labels=typed.labels,
        classes=typed.classes,
        columns=typed.columns,
        ids=np.array(names)[decoded.rows],
        split=split,
        notes=decoded.notes + typed.notes + notes,
        provenance={"from": str(where)},
    )


@contextmanager
def _reading(where: Path) -> Iterator[None]:
    """Turn what pyarrow raises on damaged files into one sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{where} is no readable Parquet file, or damaged: {reason}") from None


def _open(file: Path) -> Any:
    import pyarrow.parquet as pq

    check_file(file, error=DataError)
    with _reading(file):
        return pq.ParquetFile(file)


def _column(opened: Sequence[Any], path: str, where: Path) -> list[Any]:
    with _reading(where):
        return [value for shard in opened for value in shard.read(columns=[path]).column(0).to_pylist()]


def _image_column(schema: Any, where: Path) -> str:
    import pyarrow.types as types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(field.name == "bytes" for field in kind)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    result = [name for name in schema.names if holds_bytes(schema.field(name).type)]
    preferred: list[str] = [name for name in result if name.lower() in ("image", "img", "images")] or result
    if len(preferred) != 1:
        held = listed(f"{field.name} ({field.type})" for field in schema)
        many = "more than one column" if preferred else "no column"
        raise DataError(f"{where.name} has {many} of image bytes (struct of bytes and path, or binary); it has {held}")
    return preferred[0]


def _plain(schema: Any, name: str) -> bool:
    import pyarrow.types as types

    kind = schema.field(name).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    text = types.is_string(kind) or types.is_large_string(kind)
    return bool(text or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _values(opened: Sequence[Any], name: str, schema: Any, where: Path) -> list[Any]:
    """The column as Python values; class numbers become names where the schema of an image hub gives them."""
    values = _column(opened, name, where)
    names = _hub_classes(schema, name)
    if not names:
        return values
    return [names[value] if isinstance(value, int) and 0 <= value < len(names) else None for value in values]


def _hub_classes(schema: Any, name: str) -> list[str]:
    """The names of a column's classes; none where the schema's metadata does not say, or says it in another form."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}").decode("utf-8", "replace")
    description = "the schema's entry 'huggingface'"
    try:
        hub = validated(parse_json(text, description, error=DataError), HubFile, description, error=DataError)
        return validated(hub.info.features.get(name, {}), HubFeature, description, error=DataError).names
    except DataError:
        return []


def _names(opened: Sequence[Any], image: str, schema: Any, n: int, where: Path) -> list[str]:
    """Paths inside the image column where each row has its own, else row numbers."""
    rows = [str(row) for row in range(n)]
    if not any(field.name == "path" for field in _fields(schema.field(image).type)):
        return rows
    inner = [value and value.get("path") for value in _column(opened, f"{image}.path", where)]
    return [str(path) for path in inner] if all(inner) and len(set(inner)) == n else rows


def _fields(kind: Any) -> list[Any]:
    import pyarrow.types as types

    return list(kind) if types.is_struct(kind) else []


def _chunks(opened: Sequence[Any], image: str, where: Path) -> Iterator[Sequence[Path | bytes]]:
    folder = where if where.is_dir() else where.parent
    for shard in opened:
        batches = iter(shard.iter_batches(batch_size=_ROWS, columns=[image]))
        while True:
            with _reading(where):
                batch = next(batches, None)
                cells = [] if batch is None else batch.column(0).to_pylist()
            if batch is None:
                break
            yield [_encoded(value, folder) for value in cells]


def _encoded(value: Any, folder: Path) -> Path | bytes:
    """The bytes of one cell, or the file that it points to; b"" for an empty cell, which decoding refuses."""
    if not isinstance(value, dict):
        return bytes(value or b"")
    if value.get("bytes") is None and value.get("path"):
        return _inside(folder, str(value["path"]))
    return bytes(value.get("bytes") or b"")


def _inside(folder: Path, name: str) -> Path:
    """The file of a name below `folder`, the only place where a table may point.

    Raises:
        DataError: the name is absolute or leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive or "\0" in name:
        raise DataError(
            f"a cell names the image file {shown(name)}: a table may only name files below its own folder {folder}"
        )
    return folder / path


def _shard_split(files: Sequence[Path], counts: Sequence[int], rows: np.ndarray) -> np.ndarray | None:
    names = [split_name(file.name.split(".")[0].split("-")[0]) for file in files]
    if None in names or "train" not in names or len(set(names)) < 2:
        return None
    split: np.ndarray = np.repeat(np.array(names, dtype="U10"), counts)[rows]
    return split
