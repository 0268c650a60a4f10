"""Edits that preserve other concepts: projections that stay, and dependence that is named."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.concepts.orthogonalization import conditional_directions, orthogonalise
from analysis.errors import AnalysisError


@pytest.fixture
def drawn() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 10))


def test_preserved_projections_do_not_move(drawn: np.ndarray) -> None:
    conditional = conditional_directions(drawn[:3], drawn[3:], names="abc", preserved="xyz")
    np.testing.assert_allclose(conditional.directions @ drawn[3:].T, 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(conditional.directions, axis=1), 1)
    assert conditional.rank == 3 and conditional.notes == ()
    # By hand for one condition: v − (v·c) c.
    v, c = drawn[0] / np.linalg.norm(drawn[0]), drawn[3] / np.linalg.norm(drawn[3])
    left = v - (v @ c) * c
    single = conditional_directions(drawn[:1], drawn[3:4], names="a", preserved="x")
    np.testing.assert_allclose(single.directions[0], left / np.linalg.norm(left))
    assert single.remaining[0] == pytest.approx(np.sqrt(1 - (v @ c) ** 2))


def test_projection_is_by_the_pseudo_inverse(drawn: np.ndarray) -> None:
    v, c = drawn[0] / np.linalg.norm(drawn[0]), drawn[2:5]
    expected = v - np.linalg.pinv(c) @ c @ v
    conditional = conditional_directions(drawn[:1], c, names="a", preserved="xyz")
    np.testing.assert_allclose(conditional.remaining[0] * conditional.directions[0], expected, atol=1e-12)


def test_dependent_conditions_count_once(drawn: np.ndarray) -> None:
    c = np.stack([drawn[3], drawn[4], drawn[3] - 2 * drawn[4]])
    conditional = conditional_directions(drawn[:1], c, names="a", preserved=["slant", "width", "both"])
    assert conditional.rank == 2 and len(conditional.notes) == 1
    assert "the preserved 'both' is nearly dependent on 'width' with 'slant'" in conditional.notes[0]
    assert "counts once" in conditional.notes[0]
    twice = conditional_directions(drawn[:1], c[:2], names="a", preserved=["slant", "width"])
    np.testing.assert_allclose(conditional.directions, twice.directions)


def test_dependent_edits_are_named_or_refused(drawn: np.ndarray) -> None:
    near = drawn[3] + 0.05 * drawn[4]
    conditional = conditional_directions(near[None], drawn[3:4], names=["thickness"], preserved=["bold"])
    assert "'thickness' is nearly dependent on 'bold'" in conditional.notes[0] and conditional.remaining[0] < 0.2
    np.testing.assert_allclose(conditional.directions @ drawn[3], 0, atol=1e-10)
    with pytest.raises(AnalysisError, match="'thickness' cannot change while 'slant' with 'bold' is preserved"):
        conditional_directions(
            (drawn[3] - 4 * drawn[5])[None], drawn[[3, 5]], names=["thickness"], preserved=["bold", "slant"]
        )
    with pytest.raises(AnalysisError, match="columns"):
        conditional_directions(drawn[:1], drawn[:1, :4], names="a", preserved="b")


def test_unrelated_directions_have_no_note() -> None:
    """In many dimensions directions drawn at random are independent: nothing is claimed."""
    v = np.random.default_rng(1).normal(size=(8, 50))
    conditional = conditional_directions(v[:4], v[4:], names="abcd", preserved="wxyz")
    assert conditional.notes == () and (conditional.remaining > 0.8).all()


@pytest.mark.parametrize("noise", [1e-4, 1e-2])
def test_edits_take_out_every_condition(drawn: np.ndarray, noise: float) -> None:
    """Both are one projection, but an edit moves along no preserved one, however little of it is its own."""
    c = np.stack([drawn[3], drawn[4], drawn[3] - 2 * drawn[4] + noise * drawn[5]])
    conditional = conditional_directions(drawn[:1], c, names="a", preserved="xyz")
    np.testing.assert_allclose(conditional.directions @ c.T, 0, atol=1e-9)
    loose = orthogonalise(drawn[0], c)
    assert conditional.rank == 3 and loose.used.tolist() == [True, True, False]
    np.testing.assert_allclose(
        loose.direction, conditional_directions(drawn[:1], c[:2], names="a", preserved="xy").directions[0]
    )


def test_concepts_without_a_direction_are_named(drawn: np.ndarray) -> None:
    c = np.stack([drawn[3], np.zeros(10)])
    conditional = conditional_directions(drawn[:1], c, names="a", preserved=["slant", "bold"])
    assert conditional.rank == 1 and conditional.notes[0].startswith("the preserved 'bold' has no direction")
    with pytest.raises(AnalysisError, match="'bold' has no direction to edit along"):
        conditional_directions(c[1:], c[:1], names=["bold"], preserved=["slant"])
