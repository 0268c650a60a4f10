"""Planted images: every factor is known, so that what an analysis should find is known too."""

from __future__ import annotations

import numpy as np

from .arrays import from_arrays
from .source import ImageSource

SHAPES = ("disc", "square", "triangle")


def shapes(n: int = 3_000, *, size: int = 16, seed: int = 0) -> ImageSource:
    """Draw n grey images of one bright shape each on black.

    Label: the shape. Attributes: `x`, `y` (centre, in [-1, 1] of the image), `radius` (share of half the image),
    `brightness` (in [0, 1]), `hollow` (boolean). All are independent of each other.

    Args:
        n: number of images.
        size: side in pixels.
        seed: of the factors.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(SHAPES), n)
    x, y = rng.uniform(-0.4, 0.4, (2, n))
    radius, brightness = rng.uniform(0.3, 0.55, n), rng.uniform(0.5, 1.0, n)
    hollow = rng.random(n) < 0.5
    inside = _coverage(size, label, x, y, radius)
    inside -= np.where(hollow[:, None, None], _coverage(size, label, x, y, 0.55 * radius), 0)
    images = np.rint(255 * brightness[:, None, None] * np.clip(inside, 0, 1)).astype(np.uint8)
    factors = {"x": x, "y": y, "radius": radius, "brightness": brightness, "hollow": hollow}
    return from_arrays(images, label, classes=SHAPES, attributes=factors, name="shapes")


def _coverage(size: int, label: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """How much of each pixel the shape covers, (n, size, size) in [0, 1], by distance to its edge."""
    grid = (np.arange(size) + 0.5) * 2 / size - 1
    across, down = grid - x[:, None], grid - y[:, None]
    u, v = across[:, None, :], down[:, :, None]
    distance = np.empty((len(label), size, size))  # from the centre, 1 at the edge of a shape of radius 1
    for number, form in enumerate((_disc, _square, _triangle)):
        rows = label == number
        distance[rows] = form(u[rows], v[rows])
    covered: np.ndarray = np.clip((radius[:, None, None] - distance) * size / 2 + 0.5, 0, 1)
    return covered


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(u**2 + v**2))


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(abs(u), abs(v)) * 1.1)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """An equilateral triangle that points up."""
    return np.asarray(np.maximum(v, 0.866 * abs(u) - 0.5 * v) * 1.6)
