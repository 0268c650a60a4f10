"""From a name or a path to an ImageSource: which reader takes what."""

from __future__ import annotations

from pathlib import Path

from latentgan.errors import DataError

from . import arrays, idx, named
from .pixels import Geometry
from .source import ImageSource, Raw, build_source


def load_source(
    data: str | Path,
    *,
    attributes: Path | None = None,
    label: str | None = None,
    size: int | None = None,
    crop: bool = False,
    channels: int | None = None,
    skip_bad: bool = False,
    mirror: Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> ImageSource:
    """Read a named set ("digits", "mnist", …), a file or a folder."""
    geometry = Geometry(size=size, crop=crop, channels=channels)
    name, _, place = str(data).partition("=")
    if place and name in named.NAMES:
        mirror = Path(place)
    if str(data) == "digits":
        return build_source("digits", named.read_digits(), geometry)
    if name in named.NAMES and mirror is not None:
        return build_source(name, idx.read_folder(mirror, named.DIGITS), geometry)
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(f"{data} is no file or folder, and no named set: {', '.join(named.NAMES)}")
    return build_source(path.stem, _read(path, label), geometry)


def _read(path: Path, label: str | None) -> Raw:
    if path.is_dir():
        return idx.read_folder(path)
    if path.suffix == ".npy":
        return arrays.read_npy(path)
    if path.suffix == ".npz":
        return arrays.read_npz(path, label)
    return idx.read_file(path)
