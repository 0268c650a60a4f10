"""Measures of strokes that were drawn with known thickness, slant and size."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.editing.image_measures import MEASURES, background, measure
from analysis.errors import AnalysisError

SIDE, FINE = 48, 8


def stroke(width: float, length: float, *, slant: float = 0.0, at: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """A bar (SIDE, SIDE, 1), upright and then sheared by `slant` degrees: its height and width across stay."""
    y, x = (np.mgrid[: SIDE * FINE, : SIDE * FINE] + 0.5) / FINE - SIDE / 2
    y, x = y - at[0], x - at[1]
    inside = (np.abs(y) < length / 2) & (np.abs(x + y * np.tan(np.radians(slant))) < width / 2)
    return inside.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3))[..., None]


def named(images: np.ndarray, **options: float) -> dict[str, np.ndarray]:
    return dict(zip(MEASURES, measure(images, **options).T, strict=True))


def test_bars_measure_as_they_were_drawn() -> None:
    sizes = [(4, 30, 0), (6, 20, 25), (10, 36, -15), (8, 24, 10)]
    measured = named(np.stack([stroke(w, h, slant=s, at=(1.5, -2)) for w, h, s in sizes]))
    width, height, slant = np.array(sizes, float).T
    np.testing.assert_allclose(measured["height"], height, rtol=0.01)
    np.testing.assert_allclose(measured["slant"], slant, atol=0.5)
    np.testing.assert_allclose(measured["width"], width, atol=0.25)  # an upright one is exact


def test_thickness_is_area_over_half_outline() -> None:
    """2 L t / (2 L + 2 t): the thickness itself for a long stroke, and rising with it."""
    thick = np.array([2.0, 3, 4, 5, 6, 8])
    thickness = named(np.stack([stroke(t, 40) for t in thick]))["thickness"]
    np.testing.assert_allclose(thickness, 40 * thick / (40 + thick), rtol=0.05)
    turned = named(np.stack([stroke(t, 30, slant=35) for t in thick]))["thickness"]
    long = 30 / np.cos(np.radians(35))  # a parallelogram: its area stays 30 t, its sides are longer
    np.testing.assert_allclose(turned[1:], 30 * thick[1:] / (thick[1:] + long), rtol=0.06)
    assert (np.diff(turned) > 0).all()


def test_paler_or_moved_ink_measures_the_same() -> None:
    images = np.stack([stroke(5, 26, slant=12), stroke(7, 18)])
    moved = np.stack([stroke(5, 26, slant=12, at=(4, -3)), stroke(7, 18, at=(-2, 5))])
    first, pale, dark = measure(images), measure(0.4 * images), measure(1 - images, ground=1.0)
    np.testing.assert_allclose(pale[:, :4], first[:, :4], atol=1e-9)
    np.testing.assert_allclose(dark[:, :4], first[:, :4], atol=1e-9)
    np.testing.assert_allclose(measure(moved)[:, :4], first[:, :4], rtol=0.02, atol=1e-9)
    np.testing.assert_allclose(pale[:, 4], 0.4 * first[:, 4])


def test_bytes_and_colours_are_brightness() -> None:
    images = np.stack([stroke(5, 26, slant=12)])
    colours = np.repeat(images, 3, axis=-1)
    np.testing.assert_allclose(measure(colours), measure(images))
    np.testing.assert_allclose(measure(np.rint(255 * images).astype(np.uint8)), measure(images), rtol=0.01, atol=0.05)


def test_a_blank_image_has_only_brightness() -> None:
    measured = named(np.stack([np.zeros((SIDE, SIDE, 1)), stroke(4, 20)]))
    assert all(np.isnan(measured[name][0]) and np.isfinite(measured[name][1]) for name in MEASURES[:4])
    assert measured["brightness"][0] == 0


def test_images_are_measured_in_parts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([stroke(w, 20) for w in range(2, 9)])
    whole = measure(images, names=["height", "thickness"])
    monkeypatch.setattr("analysis.editing.image_measures.AT_ONCE", 2 * SIDE * SIDE)
    np.testing.assert_array_equal(measure(images, names=["height", "thickness"]), whole)
    assert measure(images[:0]).shape == (0, 5)


def test_the_background_is_the_border_s() -> None:
    images = np.stack([stroke(4, 20), stroke(6, 30)])
    assert background(images) == 0 and background(1 - images) == 1
    with pytest.raises(AnalysisError, match="no plain background"):
        background(np.random.default_rng(0).random((5, 8, 8, 3)))
    with pytest.raises(AnalysisError, match="no measure is called 'girth'"):
        measure(images, names=["girth"])
