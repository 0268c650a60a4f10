"""Images that are arrays already: in memory, .npy and .npz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.io.messages import listed
from analysis.io.reading import map_array, read_arrays
from latentgan.data.columns import Columns, column_from_array, labels_from_array
from latentgan.data.pixels import Geometry, as_images
from latentgan.data.source import ImageSource, Raw, build_source
from latentgan.data.splits import official_split, split_name
from latentgan.errors import DataError

_IMAGES = ("images", "image", "imgs", "x", "data", "arr_0")


_LABELS = ("labels", "label", "y", "targets", "target", "arr_1")


_CLASSES = ("classes", "class_names", "label_names")


_IDS = ("ids", "id", "filenames", "files")


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | Sequence[Any] | None = None,
    *,
    classes: Sequence[str] = (),
    attributes: Mapping[str, np.ndarray | Sequence[Any]] | None = None,
    split: np.ndarray | Sequence[str] | None = None,
    group: str = "",
    name: str = "arrays",
    size: int | None = None,
    crop: bool = False,
    channels: int | None = None,
) -> ImageSource:
    """Make a source of arrays that are already in memory.

    Args:
        images: (n, h, w) or (n, h, w, c) or (n, c, h, w); uint8 (kept without a copy, memory maps too), or numbers in
            [0, 1] or [0, 255].
        labels: (n,) integers or texts; -1, NaN, None or "" mean unlabelled.
        classes: names of the integer labels 0, 1, …; default: the values themselves.
        attributes: columns (n,) of numbers, booleans or texts.
        split: (n,) of "train", "validation", "test"; default: drawn, stratified by label.
        group: the attribute whose rows of equal value a drawn split keeps together.
        name: of the source, in messages and records.
        size: side in pixels to resize to.
        crop: whether images that are not square are cut to their centre square.
        channels: 1 makes images grey, 3 makes them RGB.

    Returns:
        The source, with n rows.

    Raises:
        DataError: a shape, range or value cannot be used; the sentence names it.
    """
    held = images if isinstance(images, np.memmap) else np.asarray(images)  # a map stays a map
    raw = raw_arrays(held, labels, tuple(classes), attributes or {}, name)
    if split is not None:
        raw = _with_split(raw, official_split(np.asarray(split), len(raw.images), name))
    return build_source(name, raw, Geometry(size=size, crop=crop, channels=channels), group)


def from_points(
    points: np.ndarray,
    labels: np.ndarray | Sequence[Any] | None = None,
    *,
    classes: Sequence[str] = (),
    split: np.ndarray | Sequence[str] | None = None,
    name: str = "points",
) -> ImageSource:
    """Make a source of points for `Batches` and `iterations`: one pixel of d channels each, float32 in their own units.

    Networks see them as (n, d, 1, 1), neither scaled nor rounded. There is no picture of a point, so `train`, which
    writes pictures, refuses such a source.

    Args:
        points: (n, d) numbers.
        labels: as for `from_arrays`.
        classes: as for `from_arrays`.
        split: as for `from_arrays`.
        name: name of the set.

    Raises:
        DataError: a shape or value cannot be used; the sentence names it.
    """
    values = np.asarray(points)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise DataError(f"{name}: points are finite numbers of shape (n, d), not {values.dtype} of {values.shape}")
    codes, names = labels_from_array(labels, len(values), name, tuple(classes))
    raw = Raw(
        images=values.astype(np.float32)[:, None, None, :],
        labels=codes,
        classes=names,
        provenance={"from": "points in memory"},
    )
    if split is not None:
        raw = _with_split(raw, official_split(np.asarray(split), len(values), name))
    return build_source(name, raw)


def from_dataset(dataset: Any, *, name: str = "dataset", **options: Any) -> ImageSource:
    """Make a source of any object with a length and items (image, label), such as a torchvision dataset.

    Args:
        dataset: images are PIL images, arrays or tensors of one size; labels are numbers or texts.
        options: as for from_arrays.

    Raises:
        DataError: an item has another form, or images differ in size.
    """
    images, labels = [], []
    for row in range(len(dataset)):
        try:
            image, label = dataset[row]
            images.append(np.asarray(image))
        except (TypeError, ValueError):
            raise DataError(f"{name}: item {row} is no pair of an image and a label") from None
        labels.append(label.item() if hasattr(label, "item") else label)
        if images[-1].shape != images[0].shape:
            shapes = f"{images[-1].shape} instead of {images[0].shape}"
            raise DataError(f"{name}: the image of item {row} is {shapes}; resize images in the dataset")
    if not images:
        raise DataError(f"{name} is empty")
    classes = options.pop("classes", getattr(dataset, "classes", ()))
    return from_arrays(np.stack(images), labels, classes=classes, name=name, **options)


def raw_arrays(
    images: np.ndarray,
    labels: np.ndarray | Sequence[Any] | None,
    classes: tuple[str, ...],
    attributes: Mapping[str, np.ndarray | Sequence[Any]],
    description: str,
    provenance: dict[str, str] | None = None,
) -> Raw:
    """Check and convert arrays of one set.

    Args:
        images: see `from_arrays`.
        labels: see `from_arrays`.
        classes: see `from_arrays`.
        attributes: see `from_arrays`.
        description: name of the images, for messages.
        provenance: where they come from; by default from memory.
    """
    pixels, notes = as_images(images, description)
    codes, names = labels_from_array(labels, len(pixels), description, classes)
    columns = Columns()
    for column, values in attributes.items():
        columns.add(column, *column_from_array(np.asarray(values), len(pixels), f"{description}: column {column!r}"))
    return Raw(
        images=pixels,
        labels=codes,
        classes=names,
        columns=columns,
        notes=notes,
        provenance=provenance or {"from": "arrays in memory"},
    )


def _with_split(raw: Raw, split: np.ndarray) -> Raw:
    return Raw(
        images=raw.images,
        labels=raw.labels,
        classes=raw.classes,
        columns=raw.columns,
        ids=raw.ids,
        split=split,
        notes=raw.notes,
        provenance=raw.provenance,
    )


def read_npy(path: Path) -> Raw:
    """Read images (n, h, w[, c]) of a .npy file; uint8 stays on disk as a memory map.

    Raises:
        DataError: the file is broken, or holds Python objects, or no images.
    """
    array = map_array(path, error=DataError)
    note = f"{path.name}: images without labels; an .npz with `images` and `labels` has both"
    raw = raw_arrays(array, None, (), {}, path.name, {"from": str(path)})
    return Raw(images=raw.images, labels=raw.labels, notes=(*raw.notes, note), provenance=raw.provenance)


def read_npz(path: Path, label: str | None) -> Raw:
    """Read an .npz: `images` (or x, data), `labels` (or y), `split`, `classes`, `ids`, and further columns.

    Also understood: x_train, y_train, x_test, y_test, and train_images, val_labels and the like. Arrays (n,)
    of other names become attributes.

    Raises:
        DataError: no images, counts that differ, Python objects, or a damaged file.
    """
    arrays = read_arrays(path, error=DataError)
    given = _split_members(arrays)
    return _read_split_members(arrays, given, path) if given else _read_members(arrays, path, label)


def _split_members(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, str]]:
    """Map split -> {"images": key, "labels": key} for keys such as x_train and test_images."""
    result: dict[str, dict[str, str]] = {}
    for key in arrays:
        for split, role in (key.partition("_")[::2], key.rpartition("_")[::-2]):
            name, role = split_name(split), role.lower()
            if name and role in (*_IMAGES, *_LABELS):
                result.setdefault(name, {})["images" if role in _IMAGES else "labels"] = key
    return result if "images" in result.get("train", {}) else {}


def _read_split_members(arrays: dict[str, np.ndarray], given: dict[str, dict[str, str]], path: Path) -> Raw:
    order = [name for name in ("train", "validation", "test") if "images" in given.get(name, {})]
    parts = [arrays[given[name]["images"]] for name in order]
    labels = []
    for name, part in zip(order, parts, strict=True):
        key = given[name].get("labels")
        values = (
            arrays[key].reshape(-1)
            if key and arrays[key].ndim == 2 and arrays[key].shape[1] == 1
            else arrays.get(key or "")
        )
        if values is not None and len(values) != len(part):
            counts = f"{len(part):,} images in {given[name]['images']!r} but {len(values):,} labels in {key!r}"
            raise DataError(f"{path.name}: {counts}; each image needs one")
        labels.append(values)
    if any(part.shape[1:] != parts[0].shape[1:] for part in parts):
        shapes = ", ".join(f"{given[name]['images']} {arrays[given[name]['images']].shape}" for name in order)
        raise DataError(f"{path.name}: the images of the splits differ in shape: {shapes}")
    joined = None if any(values is None for values in labels) else np.concatenate([v for v in labels if v is not None])
    raw = raw_arrays(np.concatenate(parts), joined, _class_names(arrays), {}, path.name, {"from": str(path)})
    return _with_split(raw, np.repeat(np.array(order, dtype="U10"), [len(part) for part in parts]))


def _class_names(arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    key = next((key for key in arrays if key.lower() in _CLASSES and arrays[key].ndim == 1), None)
    return () if key is None else tuple(str(name) for name in arrays[key].tolist())


def _read_members(arrays: dict[str, np.ndarray], path: Path, label: str | None) -> Raw:
    images = _image_key(arrays, path)
    labels = label or next((key for key in arrays if key.lower() in _LABELS and key != images), None)
    if label is not None and label not in arrays:
        raise DataError(f"{path.name} has no array {label!r}; it has {listed(arrays)}")
    n = len(arrays[images])
    special = (images, labels, *(key for key in arrays if key.lower() in (*_CLASSES, *_IDS, "split")))
    rest = {key: array for key, array in arrays.items() if key not in special}
    columns = {key: array for key, array in rest.items() if array.shape == (n,)}
    values = None if labels is None else arrays[labels]
    raw = raw_arrays(arrays[images], values, _class_names(arrays), columns, path.name, {"from": str(path)})
    left = [f"{key} {array.shape}" for key, array in rest.items() if key not in columns]
    notes = (f"{path.name}: arrays that are no column of {n} values are left out: {listed(left)}",) if left else ()
    ids = next((arrays[key].astype(str) for key in arrays if key.lower() in _IDS and arrays[key].shape == (n,)), None)
    split = official_split(arrays["split"], n, path.name) if "split" in arrays else None
    return Raw(
        images=raw.images,
        labels=raw.labels,
        classes=raw.classes,
        columns=raw.columns,
        ids=ids,
        split=split,
        notes=raw.notes + notes,
        provenance=raw.provenance,
    )


def _image_key(arrays: dict[str, np.ndarray], path: Path) -> str:
    named = [key for key in arrays if key.lower() in _IMAGES]
    shaped = named or [key for key, array in arrays.items() if array.ndim in (3, 4)]
    if len(shaped) != 1:
        held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        raise DataError(f"{path.name} has no single array of images: name it `images` (n, h, w[, c]); it holds {held}")
    return shaped[0]
