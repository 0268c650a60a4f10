"""Planted Gaussians and the count of modes that samples cover."""

from __future__ import annotations

import numpy as np
import pytest

from latentgan.data.synthetic import Gaussians, grid_of_gaussians, modes_covered, ring_of_gaussians


def points(gaussians: Gaussians) -> np.ndarray:
    return gaussians.source.images[:, 0, 0, :]


def test_the_grid_is_the_toy_of_ali() -> None:
    grid = grid_of_gaussians(50_000)
    expected = {(float(a), float(b)) for a in range(-4, 5, 2) for b in range(-4, 5, 2)}
    assert {tuple(centre) for centre in grid.centres.tolist()} == expected
    for mode, centre in enumerate(grid.centres):
        of_mode = points(grid)[grid.source.labels == mode]
        assert len(of_mode) == pytest.approx(2_000, rel=0.15)
        np.testing.assert_allclose(of_mode.mean(axis=0), centre, atol=0.01)
        np.testing.assert_allclose(np.cov(of_mode.T), 0.05**2 * np.eye(2), atol=3e-4)


def test_the_ring_stands_evenly_on_its_circle() -> None:
    ring = ring_of_gaussians(8_000, modes=6, radius=1.5, deviation=0.03)
    np.testing.assert_allclose(np.linalg.norm(ring.centres, axis=1), 1.5)
    gaps = np.linalg.norm(ring.centres - np.roll(ring.centres, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 1.5)  # the side of a hexagon is its radius
    np.testing.assert_allclose((points(ring) - ring.centres[ring.source.labels]).std(), 0.03, rtol=0.05)


def test_points_follow_the_seed() -> None:
    first, repeated, other = ring_of_gaussians(100), ring_of_gaussians(100), ring_of_gaussians(100, seed=1)
    assert first.source.fingerprint == repeated.source.fingerprint != other.source.fingerprint


def test_fresh_points_cover_the_distribution() -> None:
    coverage = modes_covered(points(grid_of_gaussians(10_000, seed=7)), grid_of_gaussians(1_000))
    assert (coverage.covered, coverage.reached) == (25, 25)
    assert coverage.share == pytest.approx(1 - np.exp(-8), abs=1e-3)  # P(r <= 4 sd) in two dimensions


def test_a_mode_counts_from_a_twentieth() -> None:
    grid = grid_of_gaussians(1_000)
    samples = np.repeat(grid.centres[:1], 10_000, axis=0)
    samples[:20] = grid.centres[1] + [0.19, 0]
    samples[20:39] = grid.centres[2]
    samples[39:500] = grid.centres[3] + [0.21, 0]
    coverage = modes_covered(samples, grid)
    assert (coverage.covered, coverage.reached) == (2, 4)
    assert coverage.share == pytest.approx(1 - 461 / 10_000)
