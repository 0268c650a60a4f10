"""k-means patches: the baseline of features that no network learned, and hard to beat on small photographs.

Small patches of training images are brought to the same mean and deviation and whitened, and k-means finds K centroids
among them. A patch is described by how much nearer than the mean each centroid is,

    f_k(x) = max(0, mean_j z_j − z_k),  z_k = ‖x − c_k‖ (the "triangle"),

and an image by the sums of f over its four quadrants, 4 K numbers. The sums are means here, which differ by a constant.

Source: Coates, Ng, Lee: An Analysis of Single-Layer Networks in Unsupervised Feature Learning, AISTATS 2011, §3 and 4:
patches of 6×6 pixels, stride 1, contrast normalised with 10 added to the variance of pixels in [0, 255], ZCA with 0.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch.nn.functional import adaptive_avg_pool2d, conv2d, unfold

from analysis.base.arrays import Seed, as_rng
from latentgan.errors import DataError

SIDE = 6
"""Pixels of a patch, each way."""
CONTRAST, ZCA = 10.0, 0.1
"""Added to the variance of a patch's pixels in [0, 255], and to the variances that whitening divides by."""
PATCHES = 100_000
"""That centroids and whitening are fitted to."""
BATCH = 200
"""Images of a pass."""


@dataclass(frozen=True, kw_only=True)
class PatchFeatures:
    """Centroids of whitened patches."""

    whitening: torch.Tensor
    """(p, p), p = channels · SIDE²."""
    mean: torch.Tensor
    """(p,) of normalised patches."""
    centroids: torch.Tensor
    """(K, p) in whitened space."""

    def transform(self, images: np.ndarray, *, advance: Callable[[int], None] = lambda images: None) -> np.ndarray:
        """Describe images.

        Args:
            images: (n, h, w, c) uint8.
            advance: called with how many more are done.

        Returns:
            (n, 4 K) float32: K for each quadrant.
        """
        parts = []
        for start in range(0, len(images), BATCH):
            x = _planes(images[start : start + BATCH])
            parts.append(self._triangle(x).numpy())
            advance(len(x))
        return np.concatenate(parts)

    def _triangle(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, h, w) in [0, 255] → (n, 4 K)."""
        n, p = len(x), self.centroids.shape[1]
        size = (x.shape[2] - SIDE + 1, x.shape[3] - SIDE + 1)
        moments = conv2d(x, x.new_ones(1, x.shape[1], SIDE, SIDE)) / p
        squares = conv2d(x.square(), x.new_ones(1, x.shape[1], SIDE, SIDE)) / p
        deviation = ((squares - moments.square()).clamp_min(0) * p / (p - 1) + CONTRAST).sqrt()
        # (patch − moment) / deviation, whitened, against a centroid: all linear in the patch but for the two numbers
        filters = self.centroids @ self.whitening
        responses = conv2d(x, filters.view(-1, x.shape[1], SIDE, SIDE)) - moments * filters.sum(1).view(1, -1, 1, 1)
        products = responses / deviation - (filters @ self.mean).view(1, -1, 1, 1)
        lengths = self._lengths(x, moments, deviation)
        squared = lengths - 2 * products + self.centroids.square().sum(1).view(1, -1, 1, 1)
        distances = squared.clamp_min(0).sqrt()
        near = (distances.mean(1, keepdim=True) - distances).clamp_min(0)
        assert near.shape[2:] == size
        return adaptive_avg_pool2d(near, 2).reshape(n, -1)

    def _lengths(self, x: torch.Tensor, moments: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
        """Squared length of every whitened patch, (n, 1, h', w')."""
        patches = unfold(x, SIDE)
        scaled = (patches - moments.flatten(2)) / deviation.flatten(2) - self.mean.view(1, -1, 1)
        white = self.whitening @ scaled
        return white.square().sum(1).view(moments.shape)


def fit_patches(images: np.ndarray, *, centroids: int = 400, rng: Seed = 0) -> PatchFeatures:
    """Find centroids of the patches of training images.

    Args:
        images: (n, h, w, c) uint8.
        centroids: K.
        rng: draws patches, and starts k-means.

    Returns:
        The features.

    Raises:
        DataError: images are smaller than a patch.
    """
    rng = as_rng(rng)
    n, height, width, _ = images.shape
    if min(height, width) < SIDE:
        raise DataError(f"patches of {SIDE}×{SIDE} pixels need larger images than {height}×{width}")
    rows = rng.integers(0, n, PATCHES)
    tops, lefts = rng.integers(0, height - SIDE + 1, PATCHES), rng.integers(0, width - SIDE + 1, PATCHES)
    patches = np.stack(
        [images[i, top : top + SIDE, left : left + SIDE] for i, top, left in zip(rows, tops, lefts, strict=True)]
    )
    flat = patches.transpose(0, 3, 1, 2).reshape(PATCHES, -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.sqrt(flat.var(1, ddof=1, keepdims=True) + CONTRAST)
    mean = flat.mean(0)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    whitening = vectors @ np.diag(1 / np.sqrt(np.maximum(values, 0) + ZCA)) @ vectors.T
    white = (flat - mean) @ whitening.T
    kmeans = MiniBatchKMeans(centroids, batch_size=4096, n_init=1, max_iter=50, random_state=int(rng.integers(2**31)))
    found = kmeans.fit(white.astype(np.float32)).cluster_centers_
    whitening_tensor, mean_tensor, centres = (torch.from_numpy(np.float32(a)) for a in (whitening, mean, found))
    return PatchFeatures(whitening=whitening_tensor, mean=mean_tensor, centroids=centres)


def _planes(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
