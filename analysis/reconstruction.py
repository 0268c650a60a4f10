"""Reconstructions: how much of its own image a code keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Pixels, Singles, Strings, as_images, same_length, to_pixels
from .pca import fit_pca
from .statistics import Baseline, Interval, bootstrap_mean, bootstrap_ratio

GROUPS = ("best", "typical", "worst")
BATCH = 512


@dataclass(frozen=True)
class Reconstruction:
    """Errors ‖x − G(E(x))‖₂ of images in [0, 1], beside errors against another image's reconstruction."""

    rows: Ints  # (n,) positions in the table
    errors: Singles  # (n,) L2 norm of the difference
    shuffled: Singles  # (n,) the same against the reconstruction of a random other image
    ratio: Interval  # mean error / mean shuffled error: 1 = the code says nothing about its image, 0 = perfect
    error: Interval  # mean error
    baselines: tuple[Baseline, ...]  # ratio of a PCA of equal width and of the mean image
    by_class: Doubles  # (classes,) ratio within each class, NaN where there are no rows
    classes: tuple[str, ...]
    shown: Ints  # (3, m) positions: best, typical (around the median), worst
    groups: Strings  # (3,) "best", "typical", "worst"
    originals: Pixels  # (3, m, h, w, c)
    reconstructions: Pixels  # (3, m, h, w, c)
    shown_errors: Doubles  # (3, m)
    notes: tuple[str, ...]


def decode_all(decode: Callable[[Singles], Singles], codes: Floats, shape: tuple[int, int, int]) -> Singles:
    """Decode (n, d) codes in batches, averaged over areas down to `shape` (h, w, c): (n, h, w, c) in [0, 1]."""
    out = np.empty((len(codes), *shape), np.float32)
    for start in range(0, len(codes), BATCH):
        images = as_images(decode(codes[start : start + BATCH].astype(np.float32)), "decoded images")
        out[start : start + BATCH] = shrink(images, shape)
    return out


def shrink(images: Singles, shape: tuple[int, int, int]) -> Singles:
    """Average (n, H, W, c) images over areas down to (h, w, c), as `pixels` columns are made.

    Raises: AnalysisError where channels differ, or images are smaller than `shape`.
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
    """‖x_i − y_σ(i)‖₂ an image, x and y (n, h, w, c) in [0, 1]; `order` is σ, by default the identity: (n,)."""
    images, reconstructions = as_images(images), as_images(reconstructions, "reconstructions")
    same_length(images=images, reconstructions=reconstructions)
    if images.shape != reconstructions.shape:
        raise AnalysisError(f"images are {images.shape}, and reconstructions {reconstructions.shape}")
    other = reconstructions if order is None else reconstructions[order]
    errors: Singles = np.linalg.norm((images - other).reshape(len(images), -1), axis=1).astype(np.float32)
    return errors


def derangement(n: int, *, rng: np.random.Generator) -> Ints:
    """A random order in which no one keeps its place: (n,). Raises: AnalysisError for n < 2."""
    if n < 2:
        raise AnalysisError("shuffled pairs need at least 2 images")
    cycle = rng.permutation(n)
    order = np.empty(n, np.int64)
    order[cycle] = np.roll(cycle, 1)
    return order


def reconstruction_result(
    images: Singles,
    reconstructions: Singles,
    rows: Ints,
    *,
    rng: np.random.Generator,
    labels: Ints | None = None,
    classes: tuple[str, ...] = (),
    baselines: tuple[Baseline, ...] = (),
    shown: int = 8,
    notes: Sequence[str] = (),
) -> Reconstruction:
    """Measure reconstructions of `rows` (n,), images and reconstructions (n, h, w, c) in [0, 1].

    Source: the ratio is EGr / EGr_b of the BiGAN authors' training log (Donahue et al., arXiv:1605.09782).
    """
    images = as_images(images)
    errors = reconstruction_error(images, reconstructions)
    shuffled = reconstruction_error(images, reconstructions, order=derangement(len(images), rng=rng))
    by_class = np.full(len(classes), math.nan)
    for label in range(len(classes)):
        members = np.zeros(0, bool) if labels is None else labels == label
        if members.any() and shuffled[members].sum() > 0:
            by_class[label] = errors[members].sum(dtype=np.float64) / shuffled[members].sum(dtype=np.float64)
    order = np.argsort(errors, kind="stable")
    shown = min(shown, len(order) // 3) or 1
    middle = max(0, len(order) // 2 - shown // 2)
    picked = np.stack([order[:shown], order[middle : middle + shown][:shown], order[::-1][:shown]])
    return Reconstruction(
        rows, errors, shuffled, bootstrap_ratio(errors, shuffled, rng=rng), bootstrap_mean(errors, rng=rng),
        baselines, by_class, classes, rows[picked], np.array(GROUPS), to_pixels(images[picked]),
        to_pixels(reconstructions[picked]), errors[picked].astype(np.float64), tuple(notes),
    )  # fmt: skip


def pca_ratio(train: Floats, images: Singles, width: int, *, rng: np.random.Generator) -> Baseline:
    """The ratio of a PCA of `width` components, fitted on train pixels (m, p), on images (n, h, w, c)."""
    pca = fit_pca(train, width, rng=rng)
    flat = images.reshape(len(images), -1)
    restored = np.clip(pca.restore(pca.project(flat)), 0, 1).reshape(images.shape)
    own = reconstruction_error(images, restored)
    other = reconstruction_error(images, restored, order=derangement(len(images), rng=rng))
    return Baseline(f"PCA {len(pca.axes)} of pixels", bootstrap_ratio(own, other, rng=rng))
