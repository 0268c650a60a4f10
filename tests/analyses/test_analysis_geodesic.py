"""Geodesics under decoders whose shortest paths are known, and measures of paths by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.interpolation.geodesics import geodesic_path, measure, shorten
from analysis.interpolation.paths import lerp, norm_preserving


def polar(codes: np.ndarray) -> np.ndarray:
    """The plane in polar coordinates: straight lines are the shortest paths."""
    r, angle = codes.astype(np.float64).T
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1).reshape(-1, 1, 2, 1)


def sphere(codes: np.ndarray) -> np.ndarray:
    """The unit sphere by longitude and latitude: great circles are the shortest paths."""
    a, b = codes.astype(np.float64).T
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=1).reshape(-1, 1, 3, 1)


def test_in_polar_coordinates_the_shortest_path_is_straight() -> None:
    found = geodesic_path(polar, np.array([1.0, 0.0]), np.array([1.0, 2.0]), steps=15)
    chord = 2 * np.sin(1.0)
    assert found.converged and found.start.length == pytest.approx(2, rel=0.01)
    assert found.found.length == pytest.approx(chord, rel=1e-3) and found.found.straightness > 0.999
    assert found.found.evenness == pytest.approx(1, abs=0.02)
    assert found.found.energy == pytest.approx(chord**2 / 14, rel=1e-3)
    assert (found.codes[[0, -1]] == [[1, 0], [1, 2]]).all()


def test_on_a_sphere_the_shortest_path_is_a_great_circle() -> None:
    start, end = np.array([0.0, 0.9]), np.array([2.0, 0.9])
    found = geodesic_path(sphere, start, end, steps=25)
    ends = sphere(np.stack([start, end])).reshape(2, 3)
    angle = np.arccos(ends[0] @ ends[1])
    assert found.found.length == pytest.approx(angle, rel=3e-3) and found.start.length > 1.05 * angle
    middle = sphere(found.codes[12:13]).ravel()
    assert np.abs(middle @ np.cross(ends[0], ends[1])) < 0.01  # in the plane of the two and the centre


def test_under_a_linear_decoder_a_straight_line_stays() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 9))
    found = geodesic_path(lambda z: (z @ weights).reshape(-1, 3, 3, 1), np.zeros(4), np.ones(4), steps=9)
    assert found.codes == pytest.approx(np.linspace(0, 1, 9)[:, None] * np.ones(4), abs=1e-3)
    assert found.found.straightness == pytest.approx(1) and found.rounds <= 2
    curved = geodesic_path(lambda z: (z @ weights).reshape(-1, 3, 3, 1), np.eye(4)[0], np.eye(4)[1], along="slerp")
    assert curved.start.straightness < 0.97 < 0.9999 < curved.found.straightness


def test_energy_never_rises_whatever_the_decoder() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 30)), rng.normal(size=(30, 12))
    for _ in range(5):
        found = geodesic_path(lambda z: np.tanh(z @ a) @ b.reshape(30, 12), *rng.normal(size=(2, 5)), rounds=6)
        assert found.found.energy < 0.999 * found.start.energy
        seen = np.tanh(found.codes @ a) @ b
        moves, chord = np.linalg.norm(np.diff(seen, axis=0), axis=1), np.linalg.norm(seen[-1] - seen[0])
        assert found.found.energy == pytest.approx(np.square(moves).sum(), rel=1e-4)
        assert found.found.length == pytest.approx(moves.sum(), rel=1e-4) and found.found.length >= chord * (1 - 1e-6)
        assert found.found.straightness == pytest.approx(chord / moves.sum(), rel=1e-4)
        assert found.found.energy >= found.found.length**2 / 10 * (1 - 1e-6)  # equal at a constant speed


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 1e-2, 1, 1e2, 1e4])
def test_the_unit_of_codes_changes_no_path(scale: float) -> None:
    start, end = np.array([0.0, 0.9]), np.array([2.0, 0.8])
    plain = geodesic_path(sphere, start, end, steps=21)
    other = geodesic_path(lambda z: sphere(z.astype(np.float64) / scale), start * scale, end * scale, steps=21)
    assert other.converged and other.found.length == pytest.approx(plain.found.length, rel=1e-5)
    assert other.codes / scale == pytest.approx(plain.codes, abs=5e-3) and other.found.evenness < 1.01
    codes = scale * np.stack([lerp(np.r_[start, 7], np.r_[end, i], np.linspace(0, 1, 21)) for i in range(3)])
    free = np.array([True, True, False])
    found = shorten(lambda z: sphere(z[:, :2].astype(np.float64) / scale), codes, free=free)
    assert found.converged.all() and (found.codes[..., 2] == codes[..., 2]).all()
    assert found.codes[..., :2] / scale == pytest.approx(np.stack([plain.codes] * 3), abs=5e-3)


def test_a_stuck_search_has_not_converged() -> None:
    start, end = np.array([0.0, 0.9]), np.array([2.0, 0.9])
    blind = geodesic_path(sphere, start, end, steps=15, step=5.0)  # differences that say nothing of the slope
    assert not blind.converged and blind.found.length == blind.start.length and blind.rounds == 1
    steps = geodesic_path(lambda z: np.round(sphere(z), 1), start, end, steps=15, step=1e-6)  # no difference at all
    assert not steps.converged and steps.found.length == steps.start.length
    done = geodesic_path(sphere, start, end, steps=15)
    again = shorten(sphere, done.codes[None])
    assert done.converged and again.converged.all() and again.rounds.tolist() == [1]
    nowhere = geodesic_path(sphere, start, start, steps=5)
    assert nowhere.converged and nowhere.found.length == 0


def test_a_path_that_keeps_norms_keeps_them() -> None:
    at = np.linspace(0, 1, 7)
    start, end = np.array([3.0, 0, 0]), np.array([0, 5.0, 0])
    path = norm_preserving(start, end, at)
    assert np.linalg.norm(path, axis=1) == pytest.approx(3 + 2 * at)
    assert path[0] == pytest.approx(start) and path[-1] == pytest.approx(end)
    assert path[3] / np.linalg.norm(path[3]) == pytest.approx((start + end) / np.linalg.norm(start + end))
    with pytest.raises(AnalysisError, match="through the origin"):
        norm_preserving(start, -start, at)


def test_measures_by_hand() -> None:
    corner = np.array([[0.0, 0], [3, 0], [3, 4]])
    found = measure(lambda z: z.reshape(-1, 1, 2, 1), corner)
    assert (found.length, found.energy, found.straightness) == pytest.approx((7, 25, 5 / 7))
    assert found.evenness == pytest.approx(4 / 3.5)
    assert found.off_norm == pytest.approx((5 - np.sqrt(1.5)) / np.sqrt(0.5))
    with pytest.raises(AnalysisError, match="at least 3 steps"):
        geodesic_path(polar, corner[0], corner[1], steps=2)


def test_draws_from_the_prior_are_near_it_and_the_origin_is_far() -> None:
    codes = np.random.default_rng(0).normal(size=(9, 100))
    decode = lambda z: z.reshape(-1, 10, 10, 1)  # noqa: E731
    assert measure(decode, codes).off_norm < 4 < measure(decode, 0 * codes).off_norm
