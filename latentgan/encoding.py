"""From images to the embeddings table: one forward pass an image, streamed, resumable, with the yardsticks beside it.

The table is written in parts of a fixed slice of the rows each; a part is renamed into place when it is whole, so an
interrupted encode goes on where it stopped. At the end the parts become one Parquet file, a row group each.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from latentgan.adapter import NumpyModel
from latentgan.data import ImageSource
from latentgan.data.seen import without_leak
from latentgan.errors import ConfigError, DataError
from latentgan.thumbnails import area_average, pixel_shape, png_rows, thumbnails
from latentgan.version import __version__

ROWS = 4096
"""Rows of a part and of a row group."""
BATCH = 128
"""Images a forward pass; larger ones leave the processor's caches (measured: 1.7 times slower at 512)."""


@dataclass(frozen=True)
class Plan:
    """What the table holds; equal plans write equal parts.

    Args:
        features: names of layers, "network.layer".
        pool: max-pool convolutional layers to pool × pool cells; 0 keeps them whole.
        yardsticks: also the same layers of the untrained network, and the pixels.
    """

    features: tuple[str, ...] = ()
    pool: int = 4
    yardsticks: bool = True


def encode_table(
    run: str | Path,
    source: ImageSource,
    out: str | Path,
    plan: Plan | None = None,
    *,
    device: str = "auto",
    family: str | None = None,
    command: str = "",
    advance: Callable[[int], None] = lambda rows: None,
) -> Path:
    """Write the embeddings table of `source` under the model of `run` and return its path.

    Args:
        run: run or model folder.
        source: the images; of the model's size.
        out: the Parquet file.
        plan: columns; by default the last layer of every feature network, and the yardsticks.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        command: what the user typed, for the records.
        advance: told the number of rows after each part.

    Raises:
        ConfigError: unknown feature layers, or images of another size than the model takes.
        DataError: the file cannot be written.
    """
    run, out = Path(run), Path(out)
    plan = plan or Plan(default_features(NumpyModel.load(run, device=device, family=family)))
    models = open_models(run, plan, device=device, family=family)
    check_fit(models[""], source, plan)
    source = without_leak(run, source, str(models[""].about.get("fingerprint", "")))
    metadata = describe(models[""], source, plan, run, command)
    parts = out.with_name(f".{out.name}.parts")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _claim(parts, _plan_key(metadata))
        _write_parts(models, source, plan, parts, advance)
        _merge(parts, out, metadata)
    except OSError as error:
        raise DataError(
            f"could not write {out}: {error.strerror or error}; run the same command again to go on"
        ) from error
    shutil.rmtree(parts, ignore_errors=True)
    return out


def open_models(run: Path, plan: Plan, *, device: str = "auto", family: str | None = None) -> dict[str, NumpyModel]:
    """Return the trained model under "" and, for yardsticks, the untrained one under "untrained."."""
    models = {"": NumpyModel.load(run, device=device, family=family)}
    if plan.yardsticks and (run / "untrained.safetensors").is_file():
        models["untrained."] = NumpyModel.load(run, device=device, family=family, untrained=True)
    return models


def default_features(model: NumpyModel) -> tuple[str, ...]:
    """Return the last named layer of every feature network."""
    last = {name.split(".")[0]: name for name in model.feature_names}
    return tuple(last.values())


def check_fit(model: NumpyModel, source: ImageSource, plan: Plan) -> None:
    """Raise ConfigError where the images or the asked layers are not the model's."""
    mine, theirs = model.spec.shape, source.spec.shape
    if mine != theirs:
        raise ConfigError(
            f"{source.name} has images of {theirs[1]}×{theirs[2]} with {theirs[0]} channel(s); this model takes "
            f"{mine[1]}×{mine[2]} with {mine[0]}: use --size {mine[1]} --crop or --channels {mine[0]}"
        )
    with model.tap(plan.features):
        pass


def describe(model: NumpyModel, source: ImageSource, plan: Plan, run: Path, command: str) -> dict[str, Any]:
    """Return the table's metadata: which model, which images, which columns."""
    about, spec = model.about, source.spec
    return {
        "format": 1,
        "run": str(run),
        "family": about.get("name", ""),
        "checkpoint": about.get("sha256", ""),
        "images_seen": about.get("images_seen", 0),
        "data": source.name,
        "fingerprint": source.fingerprint,
        "image": {"height": spec.height, "width": spec.width, "channels": spec.channels},
        "pixels_shape": list(pixel_shape(source.images.shape[1:])),
        "classes": list(spec.classes),
        "attributes": {c: source.attribute_kinds[name] for name, c in attribute_columns(source, plan).items()},
        "parts": model.family.prior.describe(),
        "features": list(plan.features),
        "preprocessing": {"range": "[-1, 1]", "pool": plan.pool, "yardsticks": plan.yardsticks},
        "notes": list(source.notes),
        "command": command,
        "version": __version__,
    }


def _write_parts(
    models: Mapping[str, NumpyModel],
    source: ImageSource,
    plan: Plan,
    parts: Path,
    advance: Callable[[int], None],
) -> None:
    """Run the networks in this thread and write in another, so that neither waits for the other."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as writer:
        taps = {
            prefix: stack.enter_context(model.tap(plan.features, pool=plan.pool)) for prefix, model in models.items()
        }
        pending = []
        for number, start in enumerate(range(0, len(source), ROWS)):
            rows = np.arange(start, min(start + ROWS, len(source)))
            path = parts / f"{number:06d}.arrow"
            if not path.is_file():
                columns = _network_columns(taps, models[""].device, source, rows)
                pending.append(writer.submit(_write_part, path, source, rows, columns, plan))
            while len(pending) > 2:  # bounds memory: at most three parts are held
                pending.pop(0).result()
            advance(len(rows))
        for job in pending:
            job.result()


def _network_columns(
    taps: Mapping[str, Any], device: torch.device, source: ImageSource, rows: np.ndarray
) -> dict[str, np.ndarray]:
    collected: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(rows), BATCH):
        x = source.tensor(rows[start : start + BATCH], device)
        for prefix, represent in taps.items():
            for name, value in represent(x).items():
                collected.setdefault(prefix + name, []).append(value.float().cpu().numpy())
    return {name: np.concatenate(values) for name, values in collected.items()}


def _write_part(
    path: Path, source: ImageSource, rows: np.ndarray, vectors: Mapping[str, np.ndarray], plan: Plan
) -> None:
    table = _table(source, rows, vectors, plan)
    temporary = path.with_suffix(".tmp")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    temporary.replace(path)


def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Return how columns are stored: floats hardly shrink, so they are left as they are; the rest is compressed."""
    vectors = {
        f"{field.name}.list.element": "none"
        for field in schema
        if pa.types.is_fixed_size_list(field.type) and pa.types.is_floating(field.type.value_type)
    }
    pixels = {"pixels.list.element": "zstd"} if "pixels" in schema.names else {}
    others = {field.name: "zstd" for field in schema if not pa.types.is_fixed_size_list(field.type)}
    return {
        "compression": {**others, **vectors, **pixels},
        "use_dictionary": ["split", "label"],
        "write_statistics": False,
    }


def _table(source: ImageSource, rows: np.ndarray, vectors: Mapping[str, np.ndarray], plan: Plan) -> pa.Table:
    images = np.asarray(source.images[rows])
    columns: dict[str, pa.Array] = {
        "id": pa.array(source.ids[rows].astype(str), pa.string()),
        "row": pa.array(rows, pa.int64()),
        "split": pa.array(source.split[rows].astype(str)).dictionary_encode(),
        "label": pa.array(_label_names(source, rows), pa.string()).dictionary_encode(),
    }
    for name, column in attribute_columns(source, plan).items():
        columns[column] = _attribute(source.attributes[name][rows], source.attribute_kinds[name])
    for name, array in vectors.items():
        columns[name] = _vectors(array)
    if plan.yardsticks:
        columns["pixels"] = _vectors(area_average(images).reshape(len(rows), -1))
    columns["thumbnail"] = _equal_binaries(png_rows(thumbnails(images)))
    return pa.table(columns)


def attribute_columns(source: ImageSource, plan: Plan) -> dict[str, str]:
    """Return the table's column for every attribute: its own name, unless a column of ours has it."""
    ours = {"id", "row", "split", "label", "code", "pixels", "thumbnail", *plan.features}
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
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), array.shape[1])


def _equal_binaries(rows: np.ndarray) -> pa.BinaryArray:
    """Return each row of (n, length) uint8 as one binary value, without a copy."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    return pa.Array.from_buffers(pa.binary(), len(rows), buffers)


def _plan_key(metadata: Mapping[str, Any]) -> str:
    """Return what must be equal for parts of an earlier, interrupted encode to be used."""
    keys = ("checkpoint", "fingerprint", "features", "preprocessing", "notes", "version")
    relevant = {k: metadata[k] for k in keys}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def _claim(parts: Path, key: str) -> None:
    """Keep the parts of an interrupted encode if they are of the same plan, else start afresh."""
    mark = parts / "plan"
    if parts.is_dir() and not (mark.is_file() and mark.read_text(encoding="utf-8") == key):
        shutil.rmtree(parts)
    parts.mkdir(exist_ok=True)
    mark.write_text(key, encoding="utf-8")


def _merge(parts: Path, out: Path, metadata: Mapping[str, Any]) -> None:
    files: Sequence[Path] = sorted(parts.glob("*.arrow"))
    temporary = out.with_name(f".{out.name}.tmp")
    about = {b"latentgan": json.dumps(metadata).encode()}
    schema = pa.ipc.open_file(pa.memory_map(str(files[0]))).schema.with_metadata(about)
    with pq.ParquetWriter(temporary, schema, **_layout(schema)) as writer:
        for file in files:
            with pa.memory_map(str(file)) as mapped:
                writer.write_table(pa.ipc.open_file(mapped).read_all().cast(schema), row_group_size=ROWS)
    temporary.replace(out)
