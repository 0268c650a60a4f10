"""From a name or a path to an ImageSource: which reader takes what."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from analysis.io.reading import check_file, irregular
from latentgan.data import named
from latentgan.data.formats import arrays, cifar, folders, idx, parquet
from latentgan.data.formats.image_file import SUFFIXES
from latentgan.data.pixels import Geometry
from latentgan.data.source import ImageSource, Raw, build_source
from latentgan.data.thresholds import with_booleans
from latentgan.errors import DataError
from latentgan.io.credentials import take_off

_NOT_READ = {
    ".zip": "unpack it and give the folder",
    ".tar": "unpack it and give the folder",
    ".tgz": "unpack it and give the folder",
    ".csv": "give the folder of the images, and the table as --attributes",
    ".pkl": "pickles are never read, since they can run code; save the arrays as .npz",
    ".pickle": "pickles are never read, since they can run code; save the arrays as .npz",
    ".pt": "pickles are never read, since they can run code; save the arrays as .npz",
    ".pth": "pickles are never read, since they can run code; save the arrays as .npz",
    ".mat": "save the arrays as .npz",
    ".h5": "save the arrays as .npz",
    ".hdf5": "save the arrays as .npz",
}


def load_source(
    data: str | Path,
    *,
    attributes: Path | None = None,
    label: str | None = None,
    group: str | None = None,
    boolean: Sequence[str] = (),
    size: int | None = None,
    crop: bool = False,
    channels: int | None = None,
    skip_bad: bool = False,
    mirror: Path | str | None = None,
    download: bool = True,
    progress: bool = True,
) -> ImageSource:
    """Read a named set, a file or a folder.

    Args:
        data: "digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "svhn", "lfw"; "mnist=FOLDER" for a local copy;
            or a path: IDX (folder or images file), .npy, .npz, .parquet (or a folder of shards), a folder of images.
        attributes: CSV for a folder of images that is not the only one in it.
        label: column (CSV, Parquet) or array (.npz) that is the label.
        group: column (CSV, Parquet) or array (.npz) whose images of equal value belong together, such as a clip or a
            person: a split that is drawn keeps them on one side.
        boolean: numeric attributes that are yes or no, "NAME=0.5" or with a margin "NAME=0.1:0.9", see `with_booleans`.
        size: side in pixels to resize to; images that are not square also need `crop`.
        crop: take the centre square.
        channels: 1 makes images grey, 3 makes them RGB.
        skip_bad: pass over images that cannot be read, and table rows without an image; `notes` lists them.
        mirror: folder (or http address) to take a named set from.
        download: whether a named set may be fetched.
        progress: whether to show bars on a terminal.

    Returns:
        The source: images, labels, attributes and a split.

    Raises:
        DataError: one sentence that names the file, row or value, and the way out.
    """
    geometry = Geometry(size=size, crop=crop, channels=channels)
    data, mirror = take_off(str(data)), mirror and take_off(str(mirror))
    name, place = _named(data, mirror)
    if name is not None:
        own_group = named.GROUPS.get(name, "")
        _refuse_table(str(data), attributes, label, None if group == own_group else group)
        raw = named.read_named(name, mirror=place, download=download, progress=progress)
        source = build_source(name, raw, geometry, own_group)
    elif mirror is not None:
        raise DataError(f"a mirror goes with a named set ({', '.join(named.NAMES)}), not with {data}")
    else:
        path = _existing(data)
        raw = _read(path, geometry, attributes, label, group, skip_bad, progress)
        source = build_source(path.resolve().name if path.is_dir() else path.stem, raw, geometry, group or "")
    return with_booleans(source, boolean)


def _existing(data: str | Path) -> Path:
    path = Path(data).expanduser()
    if not str(data) or not path.exists():
        raise DataError(_unknown(str(data)))
    return path


def _named(data: str, mirror: Path | str | None) -> tuple[str | None, Path | str | None]:
    """(name, mirror) where data is "name" or "name=mirror"; an existing path goes before the latter."""
    if data in named.NAMES:
        return data, mirror
    name, equals, place = data.partition("=")
    if equals and not Path(data).exists():
        if name not in named.NAMES:
            raise DataError(f"{name!r} in {data!r} is no named set: {', '.join(named.NAMES)}")
        return name, place
    return None, mirror


def _unknown(data: str) -> str:
    near = get_close_matches(data.lower(), named.NAMES, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{data!r} is no file, no folder and no named set ({', '.join(named.NAMES)}){hint}"


def _refuse_table(data: str, attributes: Path | None, label: str | None, group: str | None = None) -> None:
    if attributes is not None:
        raise DataError(f"--attributes joins by file name, which {data} has none of; it goes with a folder of images")
    if label is not None:
        raise DataError(f"--label chooses a column, and {data} has none; it goes with a CSV, .npz or Parquet")
    if group is not None:
        raise DataError(f"--group names a column, and {data} has none; it goes with a CSV, .npz or Parquet")


def _read(
    path: Path,
    geometry: Geometry,
    attributes: Path | None,
    label: str | None,
    group: str | None,
    skip_bad: bool,
    progress: bool,
) -> Raw:
    if path.is_dir():
        return _read_folder(path, geometry, attributes, label, group, skip_bad, progress)
    check_file(path, error=DataError)
    suffix = path.suffix.lower()
    if attributes is not None or (label is not None and suffix not in (".npz", ".parquet", ".pq")):
        _refuse_table(path.name, attributes, label)
    if suffix in (".parquet", ".pq"):
        return parquet.read_parquet(
            [path], path, geometry, label=label, group=group, skip_bad=skip_bad, progress=progress
        )
    if suffix == ".npz":
        return arrays.read_npz(path, label)
    if suffix == ".npy":
        return arrays.read_npy(path)
    if suffix in SUFFIXES:
        raise DataError(f"{path} is a single image; give the folder that holds it and others")
    if idx.is_idx(path):
        return idx.read_file(path)
    way = _NOT_READ.get(suffix, "what is read: IDX, .npy, .npz, .parquet, and folders of images")
    raise DataError(f"{path}: {suffix or 'such'} files are not read; {way}")


def _read_folder(
    path: Path,
    geometry: Geometry,
    attributes: Path | None,
    label: str | None,
    group: str | None,
    skip_bad: bool,
    progress: bool,
) -> Raw:
    if attributes is None and idx.find_pairs(path):
        _refuse_table(path.name, attributes, label)
        return idx.read_folder(path)
    if attributes is None and cifar.is_cifar(path):
        _refuse_table(path.name, attributes, label)
        return cifar.read_folder(path)
    if files := parquet.find_parquet(path):
        _refuse_table(path.name, attributes, None)
        return parquet.read_parquet(
            files, path, geometry, label=label, group=group, skip_bad=skip_bad, progress=progress
        )
    if attributes is not None and irregular(attributes):
        raise DataError(f"--attributes {attributes} is no file ({irregular(attributes)})")
    return folders.read_folder(
        path, geometry, attributes=attributes, label=label, group=group, skip_bad=skip_bad, progress=progress
    )
