"""What the command line's stages do, between parsing and printing: load, run with a progress bar, write files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentgan.adapter import NumpyModel
from latentgan.boundary import (
    BadImageError,
    check_file,
    irregular,
    message,
    parse_json,
    printable,
    quiet,
    read_json,
    validated,
)
from latentgan.checkpoint import read_model
from latentgan.data import ImageSource, load_source
from latentgan.data.image_file import decode
from latentgan.data.pixels import Geometry
from latentgan.encoding import Plan, default_features, encode_table, fitting_images
from latentgan.errors import ConfigError, DataError
from latentgan.file_models import OverviewFile
from latentgan.files import Writing, check_outputs, png_bytes, write_failures
from latentgan.samples import sheet

console = Console(stderr=True)
LONGEST = 120
"""Letters of a concept's name in the name of a file."""


def headline(text: str) -> None:
    """Print the title of a stage."""
    console.print(f"\n[bold]{escape(printable(text))}[/]")


def encode(
    run: Path,
    out: Path,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    features: Sequence[str] | None = None,
    pool: int = 4,
    yardsticks: bool = True,
    device: str = "auto",
    family: str | None = None,
    command: str = "",
) -> Path:
    """Write the table of `data` (default: the run's own images) under the model of `run`."""
    if out.suffix != ".parquet":
        raise ConfigError(f"--out {out} should end in .parquet")
    model = NumpyModel.load(run, device=device, family=family)
    read = {**model.about.get("data", {}), **(options or {}), **({} if data is None else {"source": data})}
    named = [str(read.get(key) or "") for key in ("source", "attributes", "mirror")]
    inputs: list[Path | str | None] = [*named, named[0].partition("=")[2], run]  # mnist=FOLDER
    check_outputs([out], "codes", inputs=inputs, error=ConfigError)
    source = load_as_split(model.about, data, options or {})
    for line in source.notes:
        say(line)
    names = tuple(features or default_features(model))
    if "none" in names and len(names) > 1:
        raise ConfigError("--features none leaves all features out: give it alone, or name layers only")
    plan = Plan(() if names == ("none",) else names, pool, yardsticks)
    with bar(f"encode {source.name}", len(source)) as advance:
        return encode_table(
            run, source, out, plan, device=device, family=family, command=command, advance=advance, note=say
        )


def say(line: str) -> None:
    """Print a remark."""
    console.print(f"[dim]{escape(message(line))}[/]")


def load_images(recorded: Mapping[str, Any], data: str | None, options: Mapping[str, Any]) -> ImageSource:
    """Load `data`, or the images that `recorded`, a run's data settings, name, read as they were then."""
    chosen = {key: value for key, value in options.items() if value not in (None, False)}
    if data is not None:
        same = {key: recorded[key] for key in ("size", "crop", "channels") if key in recorded}
        return load_source(data, **{**same, **chosen})
    merged = {**recorded, **chosen}
    for key in ("attributes", "mirror"):
        if merged.get(key):
            merged[key] = Path(merged[key])
    return load_source(merged.pop("source", "digits"), **merged)


def load_as_split(about: Mapping[str, Any], data: str | None, options: Mapping[str, Any]) -> ImageSource:
    """Load images as `load_images`, in the very split that a model was trained on where they are its own images.

    A split that keeps other groups together than the training's would hold out images that the model has seen.

    Args:
        about: what the model says of itself: "data", its data settings, and "fingerprint".
        data: a name or path; None for the model's own.
        options: reading options that were given.
    """
    recorded = about.get("data", {})
    source, trained = load_images(recorded, data, options), str(recorded.get("group") or "")
    if source.group == trained or source.fingerprint != about.get("fingerprint"):
        return source
    group = source.group or trained
    as_trained = load_images(recorded, data, {**options, "group": trained or None})
    note = (
        f"{as_trained.name}: the model was trained on a split that does not keep groups of {group!r} together; it "
        "stays, and analyses keep each group in one of its splits (train with --group to hold them out of it too)"
    )
    return replace(as_trained, group=group, notes=(*as_trained.notes, *((note,) if group != trained else ())))


def augment(
    run: Path,
    out: Path,
    *,
    per_class: int,
    keep_best: float,
    seed: int,
    device: str,
    family: str | None = None,
    command: str = "",
) -> Path:
    """Write images of every class by the generator of `run` as a folder of labelled images, or a Parquet table."""
    from latentgan.augmenting import Plan, write_images, written_names

    plan = Plan(per_class, keep_best, seed)
    model = NumpyModel.load(run, device=device, family=family)
    plan.check(model, out)
    for label, name in zip(model.classes, written_names(model.classes, out), strict=True):
        if label != name:
            say(f"class {label!r} is written as {name!r}, which any reader takes")
    with bar(f"augment {run.name}", plan.steps(model)) as advance:
        return write_images(model, out, plan, command=command, advance=advance)


def evidence(
    run: Path,
    plan: Any,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    family: str | None = None,
) -> Any:
    """Estimate log p(x) of test images, write evidence.json into `run`, and return what was found."""
    from latentgan.evidence import held_out_evidence, work, write_evidence

    model = NumpyModel.load(run, device=device, family=family)
    source = fitting_images(run, model, load_images(model.about.get("data", {}), data, options or {}))
    for line in source.notes:
        say(line)
    with bar(f"evidence of {source.name}", work(plan, source)) as advance:
        found = held_out_evidence(model, source, plan, advance=advance)
    write_evidence(run, model, source, plan, found)
    return found


def same_model(run: Path, overview: Any, results: Path) -> None:
    """Raise ConfigError where results (with this overview, or None) are not about what the model of `run` decodes."""
    if overview is None:
        return
    if overview.code != "code":
        raise ConfigError(f"{results} is about the column {overview.code!r}, which {run} does not decode")
    _refuse_others(run, _metadata(overview.metadata, results / "overview.json"), results)


def same_checkpoint(run: Path, results: Path) -> None:
    """Raise ConfigError where a results folder is about another model than that of `run`."""
    path = results / "overview.json"
    if irregular(path) != "missing":
        metadata = read_json(path, OverviewFile, error=ConfigError).metadata
        _refuse_others(run, _metadata(metadata, path), results)


def _metadata(text: str, path: Path) -> dict[str, Any]:
    what = f"the table's metadata in {path}"
    return validated(parse_json(text, what, error=ConfigError), dict[str, Any], what, error=ConfigError)


def _refuse_others(run: Path, metadata: Mapping[str, Any], results: Path) -> None:
    mine, theirs = read_model(run)[1]["sha256"], metadata.get("checkpoint", "")
    if theirs and theirs != mine:
        raise ConfigError(
            f"{results} was computed on codes of another model ({metadata.get('run') or theirs[:12]}) than {run}; "
            f"encode and analyze with {run} first, since directions and mixtures mean nothing in another model's codes"
        )


def edit(
    run: Path,
    files: Sequence[Path],
    *,
    direction: np.ndarray,
    name: str,
    strengths: Sequence[float],
    out: Path,
    crop: bool,
    device: str,
    family: str | None = None,
    inputs: Sequence[Path] = (),
) -> list[Path]:
    """Write each image moved along `direction` (d,) by each strength, and their strip (see `sheet`); return files.

    Nothing is written over `files`, `run` or `inputs`, what else the caller read.
    """
    if not np.isfinite(strengths).all():
        raise ConfigError("--strength takes finite numbers, for example 2 or -1.5")
    safe = "".join(c if c.isalnum() or c in "-+._" else "-" for c in name)[:LONGEST]
    stems = [file.stem for file in files]
    stems = [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems)]
    names = [*(f"{safe}_{strength:+g}.png" for strength in strengths), f"{safe}_strip.png"]
    paths = [[out / f"{stem}_{name}" for name in names] for stem in stems]
    check_outputs(chain(*paths), "picture", inputs=(*files, *inputs, run), error=ConfigError)
    model = NumpyModel.load(run, device=device, family=family)
    codes = model.encode(read_files(files, model, crop=crop))

    def pictures() -> Iterator[tuple[Path, Image.Image]]:
        for code, mine in zip(codes, paths, strict=True):
            moved = code[None] + np.asarray(strengths)[:, None] * direction[None]
            frames = model.decode(moved.astype(np.float32))
            yield from zip(mine, [*map(picture, frames), sheet(frames, columns=len(frames))], strict=True)

    return save_pictures(pictures(), out)


def read_files(files: Sequence[Path], model: NumpyModel, *, crop: bool) -> np.ndarray:
    """Return image files as the model takes them, (n, h, w, c) uint8, resized to its size."""
    spec = model.spec
    geometry = Geometry(size=spec.height, crop=crop, channels=spec.channels)
    images = []
    for file in files:
        check_file(file, error=DataError)
        try:
            with quiet():
                images.append(decode(file, geometry, spec.channels))
        except BadImageError as error:
            raise DataError(f"{file} cannot be read as an image: {error}") from error
    return np.stack(images)


def picture(image: np.ndarray) -> Image.Image:
    """Return an image (h, w, c) in [0, 1] as a PIL image."""
    array = np.rint(image * 255).clip(0, 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def save_pictures(pictures: Iterable[tuple[Path, Image.Image]], out: Path) -> list[Path]:
    """Write pictures as PNG, all of them or none; return their paths.

    Args:
        pictures: each with its path.
        out: what could not be written, where one could not.
    """
    paths = []
    with write_failures(out), Writing(durable=False, many=True) as files:
        for path, image in pictures:
            files.write(path, png_bytes(image))
            paths.append(path)
    return paths


@contextmanager
def bar(title: str, total: int) -> Iterator[Any]:
    """Show progress on standard error; gives a function that is told how many more are done."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(escape(printable(title)), total=total)
        yield lambda rows: progress.advance(task, rows)
