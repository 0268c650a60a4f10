"""Planted data: every factor or mode is known, so that what a game or an analysis should find is known too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentgan.data.formats.arrays import from_arrays, from_points
from latentgan.data.source import ImageSource

SHAPES = ("disc", "square", "triangle")


MODE_RADIUS = 4.0
"""A sample within so many standard deviations is of that Gaussian: 99.97 % of its own are, in two dimensions."""


FAIR_SHARE = 0.05
"""A mode is covered if it gets this part of what it should: 20 of 10,000 samples of 25 modes."""


@dataclass(frozen=True)
class Gaussians:
    """Equally likely round Gaussians, and points drawn from them."""

    source: ImageSource
    """Points as (d, 1, 1) float32 in their own units; label: the mode."""
    centres: np.ndarray
    """(modes, d)."""
    deviation: float
    """Standard deviation of each, in every direction."""


@dataclass(frozen=True)
class Coverage:
    """How samples meet planted modes, see modes_covered."""

    covered: int
    """Modes with a twentieth of their fair share of samples, within 4 standard deviations."""
    reached: int
    """Modes that are the nearest one of any sample at all: the count of Dumoulin et al. 2016, more lenient."""
    share: float
    """Share of samples within 4 standard deviations of a mode, 0.9997 for samples of two-dimensional Gaussians."""


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


def grid_of_gaussians(
    n: int = 100_000, *, side: int = 5, spacing: float = 2.0, deviation: float = 0.05, seed: int = 0
) -> Gaussians:
    """Draw n points of side × side Gaussians on a grid around 0.

    The defaults are ALI's toy (Dumoulin et al. 2016, arXiv:1606.00704, §4.4, and the authors' code): 25 Gaussians at
    {-4, -2, 0, 2, 4}² of standard deviation 0.05, 100,000 points.

    Args:
        n: number of points.
        side: Gaussians a side of the grid.
        spacing: distance of neighbours.
        deviation: standard deviation of each Gaussian.
        seed: seed of the draw.
    """
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    return _gaussians(centres, n, deviation, seed, "grid")


def ring_of_gaussians(
    n: int = 10_000, *, modes: int = 8, radius: float = 2.0, deviation: float = 0.02, seed: int = 0
) -> Gaussians:
    """Draw n points of Gaussians that stand evenly on a circle around 0 (the toy of Metz et al., arXiv:1611.02163).

    Args:
        n: number of points.
        modes: number of Gaussians.
        radius: radius of the circle.
        deviation: standard deviation of each Gaussian.
        seed: seed of the draw.
    """
    angles = 2 * np.pi * np.arange(modes) / modes
    return _gaussians(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), n, deviation, seed, "ring")


def two_gaussians(n: int = 400, *, at: float = 0.6, deviation: float = 0.15, seed: int = 0) -> Gaussians:
    """Draw n points of two Gaussians at (at, at) and (-at, -at), with a void between them.

    The defaults are DeLiGAN's toy (Gurumurthy et al. 2017, arXiv:1706.02071, §5.2, and the authors' code).

    Args:
        n: number of points.
        at: both coordinates of the first centre.
        deviation: standard deviation of each Gaussian.
        seed: seed of the draw.
    """
    return _gaussians(np.array([[at, at], [-at, -at]]), n, deviation, seed, "pair")


def one_gaussian(n: int = 400, *, deviation: float = 0.3, seed: int = 0) -> Gaussians:
    """Draw n points of one Gaussian around 0: DeLiGAN's other toy, see `two_gaussians`.

    Args:
        n: number of points.
        deviation: standard deviation of each Gaussian.
        seed: seed of the draw.
    """
    return _gaussians(np.zeros((1, 2)), n, deviation, seed, "ball")


def modes_covered(samples: np.ndarray, gaussians: Gaussians) -> Coverage:
    """Return which share of samples lies at a mode, and how many modes they cover.

    A mode is covered if at least 5 % of its fair share of samples (20 of 10,000 for 25 modes) lies within 4 standard
    deviations of its centre.

    Args:
        samples: (n, d), in the units of the Gaussians.
        gaussians: of which.
    """
    distances = np.linalg.norm(samples[:, None, :].astype(np.float64) - gaussians.centres, axis=2)
    nearest, modes = distances.argmin(axis=1), len(gaussians.centres)
    near = distances.min(axis=1) <= MODE_RADIUS * gaussians.deviation
    counts = np.bincount(nearest[near], minlength=modes)
    enough = max(1.0, FAIR_SHARE * len(samples) / modes)
    return Coverage(int((counts >= enough).sum()), len(np.unique(nearest)), float(near.mean()))


def _gaussians(centres: np.ndarray, n: int, deviation: float, seed: int, name: str) -> Gaussians:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(centres), n)
    points = centres[label] + deviation * rng.standard_normal((n, centres.shape[1]))
    return Gaussians(from_points(points, label, name=f"{name} of {len(centres)} Gaussians"), centres, deviation)
