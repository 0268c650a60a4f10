"""One encoded image: what its header says, and its pixels as uint8, whatever the file's mode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.io.reading import BadImageError, open_image
from latentgan.data.pixels import Geometry, shaped

if TYPE_CHECKING:
    from PIL.Image import Image


SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
"""Of IMAGE_FORMATS; what a file is, its content says."""


_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})


_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height


_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class Header:
    """Facts about an image that are known before decoding; width and height are those after EXIF orientation."""

    width: int
    height: int
    grey: bool
    deep: bool
    """Whether it has 16 bits a channel."""
    clear: bool
    """Whether it has transparency."""
    frames: int


def read_header(source: Path | bytes) -> Header:
    """Read size and mode without decoding the pixels.

    Raises:
        BadImageError: the content is no image, or too large a one.
    """
    with open_image(source) as image:
        width, height = image.size[::-1] if _orientation(image) in _TURNED else image.size
        frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "TIFF", "WEBP") else 1
        return Header(
            width=width,
            height=height,
            grey=_is_grey(image),
            deep=image.mode in _DEEP_MODES,
            clear=_is_clear(image),
            frames=frames,
        )


def _orientation(image: Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking a PNG for EXIF decodes it
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_grey(image: Image) -> bool:
    if image.mode in ("P", "PA"):
        colours = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY_MODES


def _is_clear(image: Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def decode(source: Path | bytes, geometry: Geometry, channels: int) -> np.ndarray:
    """Decode the first frame to (h, w, channels) uint8.

    16-bit grey is scaled by 255/65535; transparency is laid on white; palettes become what they show; EXIF
    orientation is applied; large JPEGs are decoded at a fraction of their size where `geometry.size` allows.

    Args:
        source: path or bytes of the image.
        geometry: size and channels that it is brought to.
        channels: 1 or 3.

    Raises:
        BadImageError: the pixels cannot be decoded.
    """
    from PIL import ImageOps

    with open_image(source) as image:
        turned = _orientation(image) != 1
        if geometry.size is not None and image.format == "JPEG":
            # Twice the final size is kept for the antialiased resize that follows.
            image.draft("L" if channels == 1 else "RGB", (2 * geometry.size, 2 * geometry.size))
        image.load()
        plain = _eight_bits(ImageOps.exif_transpose(image) if turned else image, channels)
        pixels = np.asarray(shaped(plain, Geometry(size=geometry.size, crop=geometry.crop, channels=channels)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _eight_bits(image: Image, channels: int) -> Image:
    """Any mode to L or RGB."""
    from PIL import Image as Pillow

    if image.mode == "F":
        raise BadImageError("floating-point pixels have no agreed scale; save 8 or 16 bits, or an .npy in [0, 1]")
    if image.mode in _DEEP_MODES:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadImageError(f"values from {values.min()} to {values.max()} are no 16-bit pixels")
        return Pillow.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if _is_clear(image):
        white = Pillow.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("L" if channels == 1 else "RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if channels == 1 else "RGB")
