"""Arrays of any number type to uint8 images (n, h, w, c), and to the requested size and channels."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.io.reading import check_memory
from latentgan.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


_CHUNK = 4096  # images converted at a time


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Size and channels that images are brought to; None and False leave them as they are."""

    size: int | None = None
    """Pixels a side."""
    crop: bool = False
    """Centre square first."""
    channels: int | None = None
    """1 (luma) or 3 (RGB)."""

    def __post_init__(self) -> None:
        if self.size is not None and not 2 <= self.size <= 4096:
            raise DataError(f"size {self.size} is out of range: an image side is 2 to 4096 pixels")
        if self.channels not in (None, 1, 3):
            raise DataError(f"channels {self.channels} is neither 1 (grayscale) nor 3 (RGB)")


def as_images(array: np.ndarray, description: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (images (n, h, w, c) uint8 with c = 1 or 3, notes) of an array of images.

    Args:
        array: (n, h, w), (n, h, w, c) or (n, c, h, w) numbers.
        description: name of the images, for messages.

    Raises:
        DataError: wrong number of axes, a type that is no number, a value that is not finite or out of range.
    """
    array, notes = _axes(array, description)
    if array.shape[0] == 0 or 0 in array.shape:
        raise DataError(f"{description} has shape {array.shape}: there are no images in it")
    array, more = as_bytes(array, description)
    if array.shape[-1] == 4:
        return over_white(array), (
            *notes,
            *more,
            f"{description}: the fourth channel is taken as opacity, laid on white",
        )
    return array, (*notes, *more)


def _axes(array: np.ndarray, description: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if array.ndim == 3:
        return array[..., None], ()
    if array.ndim == 4 and array.shape[-1] in (1, 3, 4):
        return array, ()
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return array.transpose(0, 2, 3, 1), (f"{description}: axes read as (images, channels, height, width)",)
    if array.ndim == 4:
        raise DataError(
            f"{description} has shape {array.shape}: 1, 3 or 4 channels must come last (n, h, w, c) or second"
        )
    hint = ""
    if array.ndim == 2 and array.shape[1] > 1 and (side := round(array.shape[1] ** 0.5)) ** 2 == array.shape[1]:
        hint = f"; if its rows are flattened images, .reshape(-1, {side}, {side}) makes them so"
    raise DataError(
        f"{description} has shape {array.shape}: images are (n, height, width) or (n, height, width, channels){hint}"
    )


def as_bytes(array: np.ndarray, description: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (array as uint8, notes); numbers are on the scale 0…255, floating ones maybe on 0…1.

    Args:
        array: numbers of any shape.
        description: name of the images, for messages.

    Raises:
        DataError: NaN, infinite, out of range, or on another scale, which would give black images in silence.
    """
    if array.dtype == np.uint8:
        top = int(array.max())
        dark = f"{description}: the largest value is {top} of 255: very dark images; or is the scale 0 to {top}?"
        return array, (dark,) if 0 < top < 64 else ()
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ()
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{description} holds {array.dtype}, not numbers: images are uint8, or floats in [0, 1] or [0, 255]"
        )
    low, high = _range(array, description)
    unit = array.dtype.kind == "f" and high <= 1
    if low < 0 or high > 255:
        hint = "; (x + 1) / 2 brings [-1, 1] to [0, 1]" if low >= -1 and high <= 1 else ""
        raise DataError(f"{description} holds values from {low:g} to {high:g}: bring them to [0, 1] or [0, 255]{hint}")
    if not unit and 0 < high < 64:
        way = f"if the scale is 0 to {high:g}, divide by {high:g} as floats" if high > 1.1 else "clip them to [0, 1]"
        way = "multiply by 255" if high == 1 else way
        raise DataError(f"{description}: the largest value is {high:g}, on a scale of 255 nearly black; {way}")
    out = np.empty(array.shape, dtype=np.uint8)
    for start in range(0, len(array), _CHUNK):
        part = array[start : start + _CHUNK].astype(np.float64)
        out[start : start + _CHUNK] = np.rint(part * 255 if unit else part)
    return out, ()


def _range(array: np.ndarray, description: str) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for start in range(0, len(array), _CHUNK):
        part = array[start : start + _CHUNK]
        if array.dtype.kind == "f" and not np.isfinite(part).all():
            row = start + int(np.flatnonzero(~np.isfinite(part).reshape(len(part), -1).all(axis=1))[0])
            bad = array[row][~np.isfinite(array[row])].flat[0]
            raise DataError(
                f"{description}: image {row} holds {bad}, which is no pixel value; remove or repair that row"
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    return low, high


def over_white(images: np.ndarray) -> np.ndarray:
    """Lay RGBA (…, 4) uint8 over white: transparent pixels become white, as on a page."""
    alpha = images[..., 3:].astype(np.uint16)
    return ((images[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def fit(images: np.ndarray, geometry: Geometry, description: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (images (n, h, w, c) of the requested size and channels, notes); the same array where nothing differs.

    Args:
        images: (n, h, w, c) uint8.
        geometry: size and channels that they are brought to.
        description: name of the images, for messages.
    """
    n, height, width, channels = images.shape
    wanted = geometry.channels or channels
    side = min(height, width) if geometry.crop else None
    size = geometry.size or side
    if size is not None and side is None and height != width:
        raise DataError(
            f"{description}: images of {width} × {height} pixels would be distorted by size {size}; "
            "crop takes the centre square first (--crop)"
        )
    if wanted == channels and (size is None or (height, width) == (size, size)):
        return images, ()
    shape = (size or height, size or width, wanted)
    check_memory(
        float(n) * math.prod(shape),
        f"{n:,} images of {shape[1]} × {shape[0]} × {shape[2]}",
        way="lower --size",
        error=DataError,
    )
    out = np.empty((n, *shape), dtype=np.uint8)

    def convert(start: int) -> None:
        from PIL import Image

        for row in range(start, min(start + 256, n)):
            image = Image.fromarray(images[row, ..., 0] if channels == 1 else images[row])
            out[row] = np.asarray(shaped(image, geometry)).reshape(shape)

    with ThreadPoolExecutor() as pool:
        list(pool.map(convert, range(0, n, 256)))
    return out, (f"{description}: images of {width} × {height} × {channels} made {shape[1]} × {shape[0]} × {wanted}",)


def shaped(image: Image, geometry: Geometry) -> Image:
    """Crop, resize (Lanczos: antialiased) and convert one L or RGB image."""
    from PIL.Image import Resampling

    if geometry.crop:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if geometry.size is not None and image.size != (geometry.size, geometry.size):
        image = image.resize((geometry.size, geometry.size), Resampling.LANCZOS)
    mode = {None: image.mode, 1: "L", 3: "RGB"}[geometry.channels]
    return image if image.mode == mode else image.convert(mode)
