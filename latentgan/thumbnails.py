"""Small pictures of images: area averages for pixel baselines, PNG bytes for eyes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

PIXEL_VALUES = 4096
"""At most this many values of an image go into the pixels column."""
THUMBNAIL_SIDE = 48


def pixel_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the (h, w, c) that `area_average` gives for images of (h, w, c)."""
    factor = _factor(shape, lambda h, w, c: h * w * c <= PIXEL_VALUES)
    return -(-shape[0] // factor), -(-shape[1] // factor), shape[2]


def area_average(images: np.ndarray) -> np.ndarray:
    """Shrink images (n, h, w, c) uint8 by a whole factor, averaging areas, to at most 4,096 values each."""
    return shrink(images, _factor(images.shape[1:], lambda h, w, c: h * w * c <= PIXEL_VALUES))


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Shrink images (n, h, w, c) uint8 by a whole factor to at most 48 pixels a side."""
    return shrink(images, _factor(images.shape[1:], lambda h, w, _: max(h, w) <= THUMBNAIL_SIDE))


def shrink(images: np.ndarray, factor: int) -> np.ndarray:
    """Average factor × factor areas of images (n, h, w, c) uint8; the last row and column repeat at the edge."""
    if factor == 1:
        return images
    n, height, width, channels = images.shape
    pad = ((0, 0), (0, -height % factor), (0, -width % factor), (0, 0))
    padded = np.pad(images, pad, mode="edge")
    blocks = padded.reshape(n, padded.shape[1] // factor, factor, padded.shape[2] // factor, factor, channels)
    means: np.ndarray = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
    return means.astype(np.uint8)


def png_bytes(tile: np.ndarray) -> bytes:
    """Return a PNG of an image (h, w, c) uint8 of 1 or 3 channels; ten times as fast as a general encoder."""
    height, width, channels = tile.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # a leading 0 a line: no filter
    lines[:, 1:] = tile.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _factor(shape: Sequence[int], fits: object) -> int:
    height, width, channels = shape
    factor = 1
    while not fits(-(-height // factor), -(-width // factor), channels):  # type: ignore[operator]
        factor += 1
    return factor
