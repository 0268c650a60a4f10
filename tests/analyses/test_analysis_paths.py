"""Paths: the formulas at their hard points (Ω of 0 and π), and what lies on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.errors import AnalysisError
from analysis.interpolation.interpolate import choose_along, pairs_of_classes, path
from analysis.interpolation.paths import lerp, slerp

AT = np.linspace(0, 1, 9)
vectors = arrays(np.float64, 5, elements=st.floats(-3, 3).map(lambda v: round(v, 3)))


@settings(max_examples=200, deadline=None)
@given(vectors, vectors)
def test_paths_keep_their_ends_and_stay_finite(a: np.ndarray, b: np.ndarray) -> None:
    for walk in (lerp, slerp):
        line = walk(a, b, AT)
        assert np.isfinite(line).all()
        assert line[0] == pytest.approx(a, abs=1e-9) and line[-1] == pytest.approx(b, abs=1e-9)


def test_a_great_circle_keeps_its_length_and_speed(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 30))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    line = slerp(a, b, AT)
    assert np.linalg.norm(line, axis=1) == pytest.approx(np.full(9, np.linalg.norm(a)))
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    assert steps == pytest.approx(np.full(8, steps[0]))


def test_slerp_by_hand() -> None:
    assert slerp(np.array([1.0, 0]), np.array([0, 2.0]), np.array([0.5]))[0] == pytest.approx(
        np.array([1, 2]) / np.sqrt(2)
    )


def test_nearly_parallel_codes_go_straight() -> None:
    a = np.array([1.0, 0, 0])
    for gap in (0.0, 1e-9, 1e-7, 1e-5):
        b = a + [0, gap, 0]
        assert slerp(a, b, AT) == pytest.approx(lerp(a, b, AT), abs=1e-9)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-8, 1e-7, 1e-5, 1e-3])
def test_nearly_opposite_codes_do_not_pass_through_the_origin(gap: float) -> None:
    a = np.array([2.0, 0, 0])
    line = slerp(a, np.array([-2.0, 2 * gap, 0]), AT)
    assert np.linalg.norm(line, axis=1) == pytest.approx(np.full(9, 2), abs=1e-3)
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 0.9  # no jump


def test_a_code_of_zero_length_is_left_in_a_straight_line() -> None:
    assert slerp(np.zeros(3), np.ones(3), AT) == pytest.approx(lerp(np.zeros(3), np.ones(3), AT))


def test_float32_codes_are_walked_in_float64(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 20)).astype(np.float32)
    assert slerp(a, b, AT).dtype == np.float64
    assert slerp(np.stack([a, b]), np.stack([b, a]), AT)[0] == pytest.approx(slerp(a, b, AT))


def test_the_prior_chooses_the_path() -> None:
    assert [choose_along(prior)[0] for prior in ("normal", "uniform", "mixed", "")] == ["slerp", "lerp", "lerp", "lerp"]


def test_a_path_is_decoded_and_mistakes_are_said() -> None:
    def decode(codes: np.ndarray) -> np.ndarray:
        return codes.reshape(-1, 1, 2, 1)

    found = path(decode, np.zeros(2), np.ones(2), steps=3)
    assert found.images[:, 0, 0, 0].tolist() == [0, 0.5, 1] and found.codes.shape == (3, 2)
    with pytest.raises(AnalysisError, match="unknown path 'spline'"):
        path(decode, np.zeros(2), np.ones(2), along="spline")
    with pytest.raises(AnalysisError, match="one shape"):
        path(decode, np.zeros(2), np.ones(3))
    with pytest.raises(AnalysisError, match="2 steps"):
        path(decode, np.zeros(2), np.ones(2), steps=1)


def test_pairs_join_different_classes(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 1, 1, 2, -1])
    pairs = pairs_of_classes(labels, np.arange(6) + 10, count=30, rng=rng)
    assert (labels[pairs[:, 0] - 10] != labels[pairs[:, 1] - 10]).all() and 15 not in pairs
    bare = pairs_of_classes(np.full(4, -1), np.arange(4), count=5, rng=rng)
    assert (bare[:, 0] != bare[:, 1]).all()
    with pytest.raises(AnalysisError, match="two images"):
        pairs_of_classes(labels[:1], np.arange(1), count=1, rng=rng)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)
