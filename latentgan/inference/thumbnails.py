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


def png_rows(tiles: np.ndarray) -> np.ndarray:
    """Return PNGs of images (n, h, w, c) uint8 of 1 or 3 channels as (n, length) uint8, one whole file a row.

    The pixels are stored, not deflated, so that all files of one size have one length and are written at once;
    the table's own compression shrinks them together.
    """
    n, height, width, channels = tiles.shape
    lines = np.zeros((n, height, 1 + width * channels), np.uint8)  # a leading 0 a line: no filter
    lines[:, :, 1:] = tiles.reshape(n, height, -1)
    raw = lines.reshape(n, -1)
    length = raw.shape[1]
    if length > 0xFFFF:
        raise ValueError(f"a thumbnail of {height}×{width}×{channels} does not fit one stored block")
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + struct.pack(">I", length + 11)
    data = b"IDAT" + b"\x78\x01\x01" + struct.pack("<HH", length, length ^ 0xFFFF)
    parts = [
        _repeat(start + data, n),
        raw,
        _big_endian(np.array([zlib.adler32(row.tobytes()) for row in raw], np.uint32)),
        np.zeros((n, 4), np.uint8),
        _repeat(_chunk(b"IEND", b""), n),
    ]
    files = np.concatenate(parts, axis=1)
    body = slice(len(start), len(start) + len(data) + length + 4)
    checks = np.array([zlib.crc32(row[body]) for row in files], np.uint32)
    files[:, body.stop : body.stop + 4] = _big_endian(checks)
    return files


def _big_endian(values: np.ndarray) -> np.ndarray:
    return values.astype(">u4").view(np.uint8).reshape(-1, 4)


def _repeat(data: bytes, n: int) -> np.ndarray:
    return np.broadcast_to(np.frombuffer(data, np.uint8), (n, len(data)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _factor(shape: Sequence[int], fits: object) -> int:
    height, width, channels = shape
    factor = 1
    while not fits(-(-height // factor), -(-width // factor), channels):  # type: ignore[operator]
        factor += 1
    return factor
