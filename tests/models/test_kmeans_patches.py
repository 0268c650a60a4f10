"""k-means patches: the convolution against a plain loop over patches, and that they read shapes pixels do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from latentgan.errors import DataError
from latentgan.evaluation.kmeans_patches import CONTRAST, SIDE, fit_patches

RNG = np.random.default_rng(0)


def test_features_are_those_of_a_loop_over_patches():
    images = RNG.integers(0, 256, (6, 13, 11, 3), dtype=np.uint8)
    features = fit_patches(images, centroids=7)
    whitening, mean, centroids = (a.numpy() for a in (features.whitening, features.mean, features.centroids))
    expected = []
    for image in images:
        rows, columns = 13 - SIDE + 1, 11 - SIDE + 1
        near = np.empty((7, rows, columns))
        for i in range(rows):
            for j in range(columns):
                patch = image[i : i + SIDE, j : j + SIDE].transpose(2, 0, 1).ravel().astype(float)
                patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + CONTRAST)
                distance = np.linalg.norm(centroids - whitening @ (patch - mean), axis=1)
                near[:, i, j] = np.maximum(0, distance.mean() - distance)
        quadrants = [near[:, :4, :3], near[:, :4, 3:], near[:, 4:, :3], near[:, 4:, 3:]]
        expected.append(np.stack([part.mean((1, 2)) for part in quadrants], axis=1).ravel())
    np.testing.assert_allclose(features.transform(images), expected, atol=2e-3)


def textures(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes across, down or slanting, anywhere, in any contrast and either sign: pixels have no mean by class."""
    kinds, (ys, xs) = np.arange(n) % 3, np.mgrid[:16, :16]
    waves = [np.sin(0.9 * [xs, ys, xs + ys][kind] + RNG.uniform(0, 2 * np.pi)) * RNG.uniform(30, 80) for kind in kinds]
    images = 128 + np.array(waves) + RNG.normal(0, 20, (n, 16, 16))
    return np.clip(images, 0, 255).astype(np.uint8)[..., None], kinds


def test_textures_are_read_where_pixels_fail():
    images, kinds = textures(400)
    scores = {}
    for name, x in (("patches", fit_patches(images[:200], centroids=30).transform(images)), ("pixels", images)):
        flat = StandardScaler().fit_transform(x.reshape(400, -1).astype(float))
        scores[name] = (
            LogisticRegression(C=0.1, max_iter=300).fit(flat[:200], kinds[:200]).score(flat[200:], kinds[200:])
        )
    assert scores["patches"] > 0.9
    assert scores["pixels"] < 0.6


def test_the_same_seed_finds_the_same_centroids():
    images = RNG.integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    first, second = (fit_patches(images, centroids=4, rng=3).centroids for _ in range(2))
    assert (first == second).all()


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(DataError, match="need larger images than 5×8"):
        fit_patches(np.zeros((2, 5, 8, 1), np.uint8))
