"""Images of files and folders for a model, and pictures of images."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.io.reading import BadImageError, check_file, quiet
from latentgan.data.formats.image_file import decode
from latentgan.data.load import load_source
from latentgan.data.pixels import Geometry
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DataError
from latentgan.inference.numpy_model import NumpyModel

FILE_ENDINGS = re.compile(
    r"\.(avif|bmp|csv|gif|gz|h5|hdf5|html|jpe?g|json|np[yz]|parquet|pdf|pkl|png|pq|pth?|safetensors|svg|tar|tiff?|toml"
    r"|tsv|txt|webp|zip)",
    re.IGNORECASE,
)
"""Endings of names that are meant as files."""


def check_folder(out: Path, way: str) -> None:
    """Raise ConfigError where `out` cannot become a folder of images: a file is in its place, or it is named as one.

    Args:
        out: the folder, which need not exist.
        way: what to name instead, a clause.
    """
    if out.is_dir():
        return
    place = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not place.is_dir():
        raise ConfigError(f"{place} is a file, where a folder of images is to be written: {way}")
    if FILE_ENDINGS.fullmatch(out.suffix):
        raise ConfigError(f"{out} is named like a file, where a folder of images is to be written: {way}")


def load_images(recorded: Mapping[str, Any], data: str | None, options: Mapping[str, Any]) -> ImageSource:
    """Load `data`, or the images that `recorded`, a run's data settings, name, read as they were then.

    Args:
        recorded: the table `data` of a run's settings.
        data: name or path of other images.
        options: settings of the data that replace the recorded ones.
    """
    chosen = {key: value for key, value in options.items() if value not in (None, False)}
    if data is not None:
        same = {key: recorded[key] for key in ("size", "crop", "channels") if key in recorded}
        return load_source(data, **{**same, **chosen})
    merged = {**recorded, **chosen}
    for key in ("attributes", "mirror"):
        if merged.get(key):
            merged[key] = Path(merged[key])
    return load_source(merged.pop("source", "digits"), **merged)


def read_files(files: Sequence[Path], model: NumpyModel, *, crop: bool) -> np.ndarray:
    """Return image files as the model takes them, (n, h, w, c) uint8, resized to its size.

    Args:
        files: image files.
        model: the model whose size they get.
        crop: whether to take the centre square.
    """
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
