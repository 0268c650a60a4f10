"""Array types, and the checks that stand at the door of every analysis."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .errors import AnalysisError as AnalysisError
from .streams import Stream

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Strings = npt.NDArray[np.str_]
AnyArray = npt.NDArray[Any]


def as_codes(values: npt.ArrayLike, name: str = "codes") -> Floats:
    """Return `values` as a finite (n, d) array of float32 or float64, n >= 1 and d >= 1.

    Raises: AnalysisError for another number of axes, no rows, or values that are not finite.
    """
    if isinstance(values, Stream):
        return cast(Floats, values)  # whoever reads it checks its blocks
    codes = np.asarray(values)
    if codes.dtype not in (np.float32, np.float64):
        codes = codes.astype(np.float32 if codes.dtype.itemsize <= 4 else np.float64)
    if codes.ndim != 2 or 0 in codes.shape:
        raise AnalysisError(f"{name} must be (rows, columns) with at least one of each, not {codes.shape}")
    bad = ~np.isfinite(codes).all(axis=1)
    if bad.any():
        raise AnalysisError(
            f"{name} has values that are not finite in {bad.sum()} of {len(codes)} rows, first in row "
            f"{int(np.argmax(bad))}: leave those rows out or encode again"
        )
    return codes


def as_images(values: npt.ArrayLike, name: str = "images") -> Singles:
    """Return `values` as a finite (n, h, w, c) float32 array in [0, 1]; uint8 is divided by 255."""
    images = np.asarray(values)
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / np.float32(255)
    if images.ndim != 4:
        raise AnalysisError(f"{name} must be (n, height, width, channels), not {images.shape}")
    images = images.astype(np.float32, copy=False)
    if not np.isfinite(images).all():
        raise AnalysisError(f"{name} has values that are not finite")
    return images


def to_pixels(images: npt.ArrayLike) -> Pixels:
    """Round images in [0, 1], any shape, to uint8; values outside are clipped."""
    pixels: Pixels = np.rint(np.clip(np.asarray(images), 0, 1) * 255).astype(np.uint8)
    return pixels


def same_length(**arrays: AnyArray) -> int:
    """Return the common length of `arrays`. Raises: AnalysisError that gives each one's length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise AnalysisError("lengths differ: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


def subsample(rows: Ints, limit: int | None, *, rng: np.random.Generator) -> Ints:
    """Return at most `limit` of `rows`, drawn without replacement and kept in order; None keeps all."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(rng.choice(rows, size=limit, replace=False))
