"""Images that a model draws, as files: from its prior, or from mixtures that were fitted to its codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.io.messages import listed
from analysis.io.reading import check_memory
from analysis.io.writing import check_outputs
from latentgan.console import say
from latentgan.errors import ConfigError
from latentgan.inference.image_files import check_folder, picture
from latentgan.inference.numpy_model import NumpyModel
from latentgan.inference.stages import save_pictures
from latentgan.training.sample_grids import sheet


def sample(
    run: Path,
    out: Path,
    *,
    count: int,
    seed: int,
    device: str,
    family: str | None = None,
    label: str | None = None,
    component: int | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Path:
    """Write `count` samples as a grid (a .png) or one file each (a folder).

    Where nothing is asked for, the grid has a row a class, if classes can be asked for, or a row a component (from 1),
    if the prior has some, and as many columns as it takes for `count` images; the images of a column share the rest of
    their code. Where attributes can be asked for and none is, nor classes row by row, the images of a row share all of
    their code but the first attribute.

    Args:
        run: run or model folder.
        out: a .png, or a folder.
        count: number of images.
        seed: seed of the draw.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        label: class that all ask for, by name.
        component: component of the prior, from 1.
        attributes: values that all ask for, by attribute.
    """
    _check(out, count, inputs=[run])
    model = NumpyModel.load(run, device=device, family=family)
    check_memory(
        4.0 * count * (model.code_width + 2 * math.prod(model.spec.shape)),
        f"{count:,} images",
        way="lower --count",
        error=ConfigError,
    )
    for attribute in model.attributes:
        if attributes and attribute.name in attributes and (doubt := attribute.doubt(attributes[attribute.name])):
            say(f"note: {doubt}")
    request: dict[str, Any] = {"label": label, "attributes": attributes}
    request["component"] = None if component is None else component - 1
    if is_grid(out):
        columns, free = max(1, round(count**0.5)), label is None and component is None and not attributes
        if model.classes and free:
            columns = math.ceil(count / len(model.classes))
            images = model.sample_classes(columns, seed=seed)
            say(f"rows: {', '.join(map(repr, model.classes))}")
        elif model.components and free:
            columns = math.ceil(count / model.components)
            images = model.sample_components(columns, seed=seed)
            say(f"rows: components 1 to {model.components} of the prior")
        elif model.attributes and not attributes:
            attribute = model.attributes[0]
            values = attribute.decode(attribute.steps(columns))
            columns = len(values)
            images = model.sample_attribute(math.ceil(count / columns), columns, seed=seed, label=label)
            say(f"columns: {attribute.name} = {', '.join(map(str, values))}")
        else:
            images = model.sample(count, seed=seed, **request)
        return _write(images, out, columns)
    return _write(model.sample(count, seed=seed, **request), out)


def sample_fitted(
    run: Path,
    out: Path,
    codes: np.ndarray,
    *,
    rows: int,
    results: Path,
    device: str,
    family: str | None = None,
) -> Path:
    """Decode codes (n, d) that were drawn from a mixture in `results`, and write them as `sample` does.

    Args:
        run: run or model folder.
        out: a .png, or a folder.
        codes: (n, d) codes.
        rows: rows of the grid, one a component; 0 makes about as many as columns.
        results: folder of the results that hold the mixture.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
    """
    _check(out, len(codes), inputs=[run, results])
    model = NumpyModel.load(run, device=device, family=family)
    if codes.shape[1] != model.code_width:
        raise ConfigError(
            f"{results} is about codes of {codes.shape[1]} numbers, and {run} decodes {model.code_width}: encode and "
            "analyze with this run first"
        )
    if lacking := [part.name for part in model.family.prior.parts if not part.encoded]:
        way = "--label asks for a class" if model.classes else "`latentgan fit-encoder RUN` gives an encoder of all"
        raise ConfigError(
            f"a mixture of codes makes no whole codes for {run}: its generator is also given "
            f"{listed(lacking, quote=True)}, which the encoder does not give; {way}"
        )
    if rows:
        say(f"rows: components 1 to {rows} of the mixture in {results}")
    return _write(model.decode(codes), out, len(codes) // rows if rows else max(1, round(len(codes) ** 0.5)))


def is_grid(out: Path) -> bool:
    """Return whether samples are written as one picture (a name in .png), or as a folder of single images."""
    return out.suffix.lower() == ".png"


def _check(out: Path, count: int, inputs: Sequence[Path]) -> None:
    """Raise ConfigError where samples cannot be written to `out`, before they are drawn."""
    if is_grid(out):
        paths = [out]
    else:
        check_folder(out, "a grid of samples is written as .png, single images into a folder; name one of these")
        paths = _singles(out, count)
    check_outputs(paths, "picture", inputs=inputs, error=ConfigError)


def _singles(out: Path, count: int) -> list[Path]:
    return [out / f"{i:06d}.png" for i in range(count)]


def _write(images: np.ndarray, out: Path, columns: int = 1) -> Path:
    """Write images (n, h, w, c) as a grid (a .png) or one file each (a folder)."""
    if is_grid(out):
        return save_pictures([(out, sheet(images, columns=columns))], out)[0]
    save_pictures(zip(_singles(out, len(images)), map(picture, images), strict=True), out)
    return out
