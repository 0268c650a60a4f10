"""Arrays of pixels to encoded pictures: single ones, strips of frames, and pages of thumbnails."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np

PAGE_TILES = 1024
"""Thumbnails on one page: a page is decoded as a whole, on first use."""


@dataclass(frozen=True)
class Page:
    """One encoded sheet of thumbnails, filled row by row, `across` tiles wide."""

    data: bytes
    mime: str
    across: int


def as_uint8(pixels: np.ndarray) -> np.ndarray:
    """Bring pictures (…, h, w, c), uint8 or floats in [0, 1], to uint8 with 1 or 3 channels."""
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        pixels = (np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, 1) * 255).round().astype(np.uint8)
    channels = pixels.shape[-1]
    if channels == 2:
        return pixels[..., :1]
    return pixels[..., :3] if channels > 3 else pixels


def png(pixels: np.ndarray) -> bytes:
    """Encode one picture (h, w, c) uint8."""
    return _encode(pixels, "PNG", optimize=True)


def frame_strip(pixels: np.ndarray) -> bytes:
    """Encode steps (n, h, w, c) side by side."""
    n, height, width, channels = pixels.shape
    return png(pixels.transpose(1, 0, 2, 3).reshape(height, n * width, channels))


def pages(pixels: np.ndarray) -> list[Page]:
    """Lay thumbnails (n, h, w, c) uint8 out on pages; WebP from 16 pixels up, where it is much smaller."""
    return [_page(pixels[start : start + PAGE_TILES]) for start in range(0, len(pixels), PAGE_TILES)]


def _page(tiles: np.ndarray) -> Page:
    n, height, width, channels = tiles.shape
    across = min(n, math.isqrt(PAGE_TILES))
    down = math.ceil(n / across)
    sheet = np.zeros((across * down, height, width, channels), np.uint8)
    sheet[:n] = tiles
    sheet = sheet.reshape(down, across, height, width, channels).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(down * height, across * width, channels)
    if max(height, width) < 16:
        return Page(_encode(sheet, "PNG", optimize=True), "image/png", across)
    return Page(_encode(sheet, "WEBP", quality=72, method=3), "image/webp", across)


def _encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    from PIL import Image

    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(squeezed)).save(buffer, kind, **options)
    return buffer.getvalue()
