"""Stages of the command line, between parsing and printing: load, run with a progress bar, write files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.io.reading import parse_json, validated
from analysis.io.writing import Writing, check_outputs, png_bytes
from latentgan.console import bar, say
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.errors import ConfigError
from latentgan.inference.encode import Plan, default_features, encode_table, fitting_images
from latentgan.inference.foreign import Normalisation, open_all_foreign
from latentgan.inference.image_files import check_folder, load_images, picture, read_files
from latentgan.inference.numpy_model import NumpyModel
from latentgan.io.writing import write_failures
from latentgan.training.sample_grids import sheet

LONGEST = 120
"""Letters of a concept's name in the name of a file."""


def encode(
    run: Path,
    out: Path,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    features: Sequence[str] | None = None,
    pool: int = 4,
    baselines: bool = True,
    foreign: Sequence[str] = (),
    weights: Path | None = None,
    side: int | None = None,
    normalisation: Normalisation = "imagenet",
    device: str = "auto",
    family: str | None = None,
    command: str = "",
) -> Path:
    """Write the table of `data` (default: the run's own images) under the model of `run`.

    Args:
        run: run or model folder.
        out: the table, a .parquet file.
        data: name or path of the images.
        options: settings of the data that replace the recorded ones.
        features: names of layers, "network.layer"; ("none",) gives none.
        pool: cells a side to which convolutional layers are max-pooled; 0 keeps them whole.
        baselines: whether to write the baselines' columns.
        foreign: encoders of other people's making, as `open_foreign` takes them.
        weights: safetensors of a timm model.
        side: pixels a side that they take, where they do not say it.
        normalisation: of the pixels that they are given.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        command: what the user typed, for the records.
    """
    if out.suffix != ".parquet":
        raise ConfigError(f"--out {out} should end in .parquet")
    encoders = open_all_foreign(foreign, weights, side, normalisation, pick_device(device))
    model = NumpyModel.load(run, device=device, family=family)
    read = {**model.about.get("data", {}), **(options or {}), **({} if data is None else {"source": data})}
    named = [str(read.get(key) or "") for key in ("source", "attributes", "mirror")]
    files = [spec.partition(":")[2] for spec in foreign]
    inputs: list[Path | str | None] = [*named, named[0].partition("=")[2], run, weights, *files]  # mnist=FOLDER
    check_outputs([out], "codes", inputs=inputs, error=ConfigError)
    source = load_as_split(model.about, data, options or {})
    for line in source.notes:
        say(line)
    names = tuple(features or default_features(model))
    if "none" in names and len(names) > 1:
        raise ConfigError("--features none leaves all features out: give it alone, or name layers only")
    plan = Plan(() if names == ("none",) else names, pool, baselines)
    with bar(f"encode {source.name}", len(source)) as advance:
        return encode_table(
            run,
            source,
            out,
            plan,
            foreign=encoders,
            device=device,
            family=family,
            command=command,
            advance=advance,
            note=say,
        )


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
    if as_trained.group == group:  # of a named set, which has it without being asked
        return as_trained
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
    """Write images of every class by the generator of `run` as a folder of labelled images, or a Parquet table.

    Args:
        run: run or model folder.
        out: a folder, or a .parquet file.
        per_class: images of each class.
        keep_best: share of the drawn images that is kept, in (0, 1].
        seed: seed of the draws.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        command: what the user typed, for the records.
    """
    from latentgan.inference.generate_dataset import Plan, write_images, written_names

    plan = Plan(per_class, keep_best, seed)
    model = NumpyModel.load(run, device=device, family=family)
    plan.check(model, out)
    for label, name in zip(model.classes, written_names(model.classes, out), strict=True):
        if label != name:
            say(f"class {label!r} is written as {name!r}, which any reader takes")
    with bar(f"augment {run.name}", plan.steps(model)) as advance:
        return write_images(model, out, plan, command=command, advance=advance)


def likelihood(
    run: Path,
    plan: Any,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    family: str | None = None,
) -> Any:
    """Estimate log p(x) of test images, write likelihood.json into `run`, and return what was found.

    Args:
        run: the run folder.
        plan: how many images and samples, `log_likelihood.Plan`.
        data: name or path of the images.
        options: settings of the data that replace the recorded ones.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
    """
    from latentgan.inference.log_likelihood import (
        FILE,
        evaluated_likelihood,
        held_out_likelihood,
        work,
        write_likelihood,
    )

    check_outputs([run / FILE], "likelihood", error=ConfigError)
    model = NumpyModel.load(run, device=device, family=family)
    evaluated_likelihood(model, plan)
    source = fitting_images(run, model, load_images(model.about.get("data", {}), data, options or {}))
    for line in source.notes:
        say(line)
    with bar(f"log-likelihood of {source.name}", work(plan, source)) as advance:
        result = held_out_likelihood(model, source, plan, advance=advance)
    write_likelihood(run, model, source, plan, result)
    return result


def _metadata(text: str, path: Path) -> dict[str, Any]:
    description = f"the table's metadata in {path}"
    return validated(parse_json(text, description, error=ConfigError), dict[str, Any], description, error=ConfigError)


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

    Args:
        run: run or model folder.
        files: image files.
        direction: (d,) in code space.
        name: name of the direction, for file names.
        strengths: edit strengths, in lengths of the direction.
        out: folder of the pictures.
        crop: whether to take the centre square.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        inputs: other files that were read.
    """
    if not np.isfinite(strengths).all():
        raise ConfigError("--strength takes finite numbers, for example 2 or -1.5")
    check_folder(out, "name a folder for the edited images")
    safe = "".join(c if c.isalnum() or c in "-+._" else "-" for c in name)[:LONGEST]
    stems = [file.stem for file in files]
    stems = [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems)]
    names = [*(f"{safe}_{strength:+g}.png" for strength in strengths), f"{safe}_strip.png"]
    paths = [[out / f"{stem}_{name}" for name in names] for stem in stems]
    check_outputs(chain(*paths), "picture", inputs=(*files, *inputs, run), error=ConfigError)
    model = NumpyModel.load(run, device=device, family=family)
    codes = model.encode(read_files(files, model, crop=crop))

    def pictures() -> Iterator[tuple[Path, Image.Image]]:
        for code, frame_paths in zip(codes, paths, strict=True):
            moved = code[None] + np.asarray(strengths)[:, None] * direction[None]
            frames = model.decode(moved.astype(np.float32))
            yield from zip(frame_paths, [*map(picture, frames), sheet(frames, columns=len(frames))], strict=True)

    return save_pictures(pictures(), out)


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
