"""Decoding codes to images: checked, in batches, as frames and errors an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import AnalysisError
from .arrays import Doubles, Floats, Ints, Pixels, Singles, as_images, same_length, to_pixels
from .model import Model
from .statistics import UNKNOWN, Interval, bootstrap_ratio


def change(first: Singles, second: Singles) -> Doubles:
    """L2 distance between (m, h, w, c) images, one by one: (m,)."""
    distance: Doubles = np.linalg.norm((first - second).reshape(len(first), -1).astype(np.float64), axis=1)
    return distance


def effect(moved: Doubles, unrelated: Doubles, *, rng: np.random.Generator) -> Interval:
    """Mean of the changes `moved` (m,) over that of `unrelated` (m,); not a number where the latter is 0."""
    return bootstrap_ratio(moved, unrelated, rng=rng) if unrelated.any() else UNKNOWN


Decode = Callable[[Singles], Singles]  # codes (n, d) to images (n, h, w, c) in [0, 1]


def decode_frames(decode: Decode, steps: Doubles, codes: Floats, strengths: Doubles | Sequence[float]) -> Pixels:
    """Decode codes (r, d) moved by each strength along each of steps (m, d): (m, r, s, h, w, c)."""
    frames = []
    for step in steps:
        moved = codes[:, None, :] + np.asarray(strengths, np.float64)[:, None] * step
        images = decode(moved.reshape(-1, codes.shape[1]).astype(np.float32))
        frames.append(to_pixels(images).reshape(len(codes), len(strengths), *images.shape[1:]))
    return np.stack(frames)


def checked_decode(model: Model) -> Callable[[Singles], Singles]:
    """The model's decode, which refuses another shape than (n, h, w, c) and values that are not finite."""

    def decode(codes: Singles) -> Singles:
        images = np.asarray(model.decode(codes), np.float32)
        if images.ndim != 4 or len(images) != len(codes):
            raise AnalysisError(f"decode gave {images.shape} for {len(codes)} codes, not ({len(codes)}, h, w, c)")
        if not np.isfinite(images).all():
            raise AnalysisError("the model decodes codes to images that are not finite")
        return images

    return decode


BATCH = 512


def decode_all(decode: Callable[[Singles], Singles], codes: Floats, shape: tuple[int, int, int]) -> Singles:
    """Decode (n, d) codes in batches, averaged over areas down to `shape` (h, w, c): (n, h, w, c) in [0, 1]."""
    out = np.empty((len(codes), *shape), np.float32)
    for start in range(0, len(codes), BATCH):
        images = as_images(decode(codes[start : start + BATCH].astype(np.float32)), "decoded images")
        out[start : start + BATCH] = shrink(images, shape)
    return out


def shrink(images: Singles, shape: tuple[int, int, int]) -> Singles:
    """Average (n, H, W, c) images over areas down to (h, w, c), as `pixels` columns are made.

    Raises:
        AnalysisError: channels differ, or images are smaller than `shape`.
    """
    height, width, channels = images.shape[1:]
    h, w, c = shape
    if channels != c or height < h or width < w:
        raise AnalysisError(
            f"the model decodes images of {height} × {width} × {channels}, and the table's pixels are {h} × {w} × {c}"
        )
    if (height, width) == (h, w):
        return images
    rows, columns = _areas(height, h), _areas(width, w)
    small: Singles = np.einsum("ih,nhwc,jw->nijc", rows, images, columns, optimize=True).astype(np.float32)
    return small


def _areas(size: int, cells: int) -> Singles:
    """Weights (cells, size) of averaging `size` pixels over `cells` equal areas."""
    edges = np.linspace(0, size, cells + 1)
    low, high = np.maximum(edges[:-1, None], np.arange(size)), np.minimum(edges[1:, None], np.arange(size) + 1)
    weights: Singles = (np.maximum(high - low, 0) * cells / size).astype(np.float32)
    return weights


def reconstruction_error(images: Singles, reconstructions: Singles, *, order: Ints | None = None) -> Singles:
    """Return ‖x_i − y_σ(i)‖₂ of each image.

    Args:
        images: x, (n, h, w, c) in [0, 1].
        reconstructions: y, of the same shape.
        order: σ, (n,) positions; the identity unless given.

    Returns:
        (n,) errors.

    Raises:
        AnalysisError: the shapes differ.
    """
    images, reconstructions = as_images(images), as_images(reconstructions, "reconstructions")
    same_length(images=images, reconstructions=reconstructions)
    if images.shape != reconstructions.shape:
        raise AnalysisError(f"images are {images.shape}, and reconstructions {reconstructions.shape}")
    other = reconstructions if order is None else reconstructions[order]
    errors: Singles = np.linalg.norm((images - other).reshape(len(images), -1), axis=1).astype(np.float32)
    return errors


def derangement(n: int, *, rng: np.random.Generator) -> Ints:
    """A random order in which no one keeps its place: (n,).

    Raises:
        AnalysisError: for n < 2.
    """
    if n < 2:
        raise AnalysisError("shuffled pairs need at least 2 images")
    cycle = rng.permutation(n)
    order = np.empty(n, np.int64)
    order[cycle] = np.roll(cycle, 1)
    return order
