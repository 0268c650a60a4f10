"""Tables of several runs, of the same images, for a comparison side by side; one that fits is not written again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.io.reading import check_file, irregular, parse_json, validated
from analysis.io.writing import check_outputs
from latentgan.console import bar, say
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DataError, known_names
from latentgan.families.base import Encodes
from latentgan.inference.encode import Plan, default_features, describe, encode_table, fitting_images
from latentgan.inference.image_files import load_images
from latentgan.inference.numpy_model import NumpyModel
from latentgan.inference.provenance import same_checkpoint
from latentgan.inference.table_writer import attribute_columns
from latentgan.run_folder import read_model


def tables_of(
    runs: Sequence[Path],
    folder: Path,
    *,
    rows: int | None = None,
    seed: int = 0,
    data: str | None = None,
    mirror: Path | None = None,
    device: str = "auto",
    results: Path | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    fingerprints: Mapping[str, str] = MappingProxyType({}),
    command: str = "",
) -> list[Path]:
    """Return the table of each run, of the images of the first one's data, written into `folder` where none fits.

    Everything is checked before the first image is encoded.

    Args:
        runs: run folders.
        folder: where tables lie, RUN.parquet each.
        rows: images of a split, at most, the same ones for all; None means all.
        seed: of their choice.
        data: other images, a name or path.
        mirror: a folder with the files of a named set.
        device: where they are encoded.
        results: folder into which results of the first run's table go, if any.
        columns: columns that every table must have, by the option that names them; "--code" names vectors.
        fingerprints: of the images of other tables, by the table's name, which the runs are compared with.
        command: what the user typed, for the records.

    Raises:
        ConfigError: the runs or other tables are of different images, a table cannot be written or would lack a
            column, or `results` is about another model.
    """
    about = [read_model(run)[1] for run in runs]
    if results is not None:
        same_checkpoint(runs[0], results)
    for run, other in zip(runs[1:], about[1:], strict=True):
        _refuse_others(runs[0], about[0], run, other, same_images=data is None)
    source = sample_rows(load_images(about[0].get("data", {}), data, {"mirror": mirror}), rows, seed)
    for name, fingerprint in fingerprints.items():
        if fingerprint != source.fingerprint:
            raise ConfigError(
                f"{name} and {runs[0]} are of different images (their fingerprints differ): only tables of the same "
                "images stand side by side"
            )
    changed = f"{source.name} has changed since {runs[0]} was trained on it, or is not what it was trained on"
    moved = data is None and source.fingerprint != about[0].get("fingerprint")
    for line in (*source.notes, *([changed] if moved else [])):
        say(line)
    names = _names(runs, [str(model_about["sha256"])[:8] for model_about in about])
    tables: dict[str, _Table] = {}  # runs of one name are one model
    for run, name in zip(runs, names, strict=True):
        if name not in tables:
            tables[name] = _Table.checked(run, source, folder / f"{name}.parquet", device, columns)
    for table in tables.values():
        table.write(source, command, device)
    return [tables[name].path for name in names]


def sample_rows(source: ImageSource, rows: int | None, seed: int) -> ImageSource:
    """Return at most `rows` images of every split, drawn by the seed and in their order.

    Args:
        source: the images.
        rows: maximum number of images of a split; None keeps all.
        seed: seed of the draw.
    """
    sampled, notes = [], list(source.notes)
    for name in ("train", "validation", "test"):
        split_rows = source.rows(name)
        if rows is not None and len(split_rows) > rows:
            notes.append(f"a sample of {rows:,} of {len(split_rows):,} {name} images, by seed {seed}")
            split_rows = np.random.default_rng([seed, 7]).permutation(split_rows)[:rows]
        sampled.append(split_rows)
    chosen = np.sort(np.concatenate(sampled))
    if len(chosen) == len(source):
        return source
    return replace(
        source,
        images=source.images[chosen],
        labels=source.labels[chosen],
        attributes={name: values[chosen] for name, values in source.attributes.items()},
        split=source.split[chosen],
        ids=source.ids[chosen],
        notes=tuple(notes),
        condition_values=None if source.condition_values is None else source.condition_values[chosen],
    )


def _refuse_others(
    first: Path, first_about: Mapping[str, Any], run: Path, about: Mapping[str, Any], *, same_images: bool
) -> None:
    """Raise ConfigError where two runs take images of different sizes, or were trained on different ones."""
    sizes = [
        tuple(run_about["spec"].get(key) for key in ("height", "width", "channels"))
        for run_about in (first_about, about)
    ]
    if sizes[0] != sizes[1]:
        words = ["{}×{} with {} channel(s)".format(*size) for size in sizes]
        raise ConfigError(
            f"{first} takes images of {words[0]} and {run} of {words[1]}: only runs that take the same images stand "
            "side by side"
        )
    if same_images and first_about.get("fingerprint") != about.get("fingerprint"):
        names = [str(run_about.get("data", {}).get("source", "its images")) for run_about in (first_about, about)]
        other = f"on {names[1]}" if names[0] != names[1] else f"on {names[1]} with other images or labels"
        raise ConfigError(
            f"{first} was trained on {names[0]} and {run} {other}: only runs of the same images stand side by side; to "
            "compare both on images of your choice, name them with --data"
        )


def _names(runs: Sequence[Path], marks: Sequence[str]) -> list[str]:
    """Name a table after its run; runs of one name differ by the hash of their model."""
    short = [run.resolve().name if run.name in ("", "..") else run.name for run in runs]
    return [
        name if len({m for n, m in zip(short, marks, strict=True) if n == name}) == 1 else f"{name}-{mark}"
        for name, mark in zip(short, marks, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table that a run is to have."""

    run: Path
    path: Path
    plan: Plan
    fits: bool
    """Whether a table that fits lies there already."""

    @classmethod
    def checked(cls, run: Path, source: ImageSource, path: Path, device: str, columns: Mapping[str, str]) -> _Table:
        """Return the table of a run.

        Raises:
            ConfigError: the images do not fit its model, the table would lack a column, or it cannot be written.
        """
        model = NumpyModel.load(run, device=device)
        plan = Plan(default_features(model))
        _refuse_missing(run, model, source, plan, columns)
        metadata = describe(model, fitting_images(run, model, source, plan), plan, run, "", out=path)
        fits = _fits(path, metadata)
        if not fits:
            check_outputs([path], "codes", inputs=[run], error=ConfigError)
        return cls(run=run, path=path, plan=plan, fits=fits)

    def write(self, source: ImageSource, command: str, device: str) -> None:
        """Encode the images, unless a table that fits exists."""
        if self.fits:
            say(f"{self.path} fits {self.run}; it is not encoded again")
            return
        with bar(f"encode {source.name} by {self.run.name}", len(source)) as advance:
            encode_table(
                self.run, source, self.path, self.plan, command=command, device=device, advance=advance, note=say
            )


def _refuse_missing(run: Path, model: NumpyModel, source: ImageSource, plan: Plan, columns: Mapping[str, str]) -> None:
    """Raise ConfigError where the table of a run would not have a column that an option names."""
    layers = [*(["code"] if isinstance(model.family, Encodes) else []), *plan.features]
    vectors = [*layers, *(f"untrained.{name}" for name in layers), "pixels"]
    scalars = ["label", "split", *attribute_columns(source, plan.features).values()]
    for option, name in columns.items():
        names = vectors if option == "--code" else scalars
        if name not in names:
            raise ConfigError(f"{option} {name}: the table of {run} has no such column; {known_names(name, names)}")


def _fits(path: Path, metadata: Mapping[str, Any]) -> bool:
    """Return whether a table is of this model, these images and these columns, by its metadata."""
    if irregular(path) == "missing":
        return False
    check_file(path, error=DataError)
    try:
        text = (pq.read_schema(path).metadata or {}).get(b"latentgan", b"{}").decode("utf-8", "replace")
        stored = validated(parse_json(text, path, error=DataError), dict[str, Any], path, error=DataError)
    except (pa.ArrowException, OSError, DataError):
        return False
    wanted = json.loads(json.dumps(metadata))
    return all(stored.get(key) == value for key, value in wanted.items() if key not in ("run", "command"))
