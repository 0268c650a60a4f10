"""Scores of generated images: closed forms, all pairs counted one by one, and what intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.fidelity.inception_score import FLOOR, inception_score, modified_inception_score


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_inception_score_of_sure_answers_is_k():
    even = np.eye(4)[np.arange(400) % 4]
    assert inception_score(even, rng=rng()).value == pytest.approx(4, abs=1e-3)  # the floor takes the rest
    one_class = np.eye(4)[np.zeros(400, int)]
    assert inception_score(one_class, rng=rng()).value == pytest.approx(1, abs=1e-9)
    unsure = np.full((400, 4), 0.25)
    assert inception_score(unsure, rng=rng()).value == pytest.approx(1, abs=1e-12)


def test_the_inception_score_of_two_answers_by_hand():
    """p(y) is ½, ½; each KL is 0.9 log 1.8 + 0.1 log 0.2."""
    p = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert inception_score(p, rng=rng()).value == pytest.approx(1.8**0.9 * 0.2**0.1, abs=1e-12)


def test_the_modified_score_of_two_images_by_hand():
    """Class 1 has two images, exp of the mean of their two divergences; class 2 has none and counts as 1."""
    p = np.array([[0.8, 0.2], [0.6, 0.4]])
    forward = 0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.2 / 0.4)
    backward = 0.6 * math.log(0.6 / 0.8) + 0.4 * math.log(0.4 / 0.2)
    score = modified_inception_score(p, rng=rng())
    assert score.value == pytest.approx((math.exp((forward + backward) / 2) + 1) / 2, abs=1e-12) and score.n == 2


def test_modified_score_is_the_mean_over_pairs():
    p = rng(1).dirichlet([0.3, 0.5, 0.8], 60)
    logs, given, scores = np.log(np.maximum(p, FLOOR)), p.argmax(1), []
    for k in range(3):
        rows = np.flatnonzero(given == k)
        pairs = [p[i] @ (logs[i] - logs[j]) for i in rows for j in rows if i != j]
        scores.append(math.exp(np.mean(pairs)))
    assert modified_inception_score(p, rng=rng()).value == pytest.approx(np.mean(scores), abs=1e-10)


def test_equal_answers_have_the_least_score():
    p = np.tile([[0.7, 0.3], [0.2, 0.8]], (50, 1))
    score = modified_inception_score(p, rng=rng())
    assert (score.value, score.low, score.high) == pytest.approx((1, 1, 1), abs=1e-12)


def test_a_probability_of_nothing_does_not_become_the_score():
    """−log of the floor bounds a divergence, however sure the classifier is."""
    p = np.array([[1.0, 0.0], [0.5 + 1e-9, 0.5 - 1e-9]])
    worst = (0.5 * math.log(0.5) * 2 - 0.5 * math.log(FLOOR) + math.log(2)) / 2
    assert modified_inception_score(p, rng=rng()).value == pytest.approx((math.exp(worst) + 1) / 2, rel=1e-6)


@pytest.mark.parametrize("score", [inception_score, modified_inception_score])
def test_inception_interval_covers_its_score(score):
    """95 % nominal; 150 small samples, so that 88 % is four standard errors off."""
    truth = score(rng(7).dirichlet([2, 1, 1], 60_000), rng=rng(), repeats=2).value
    draws = rng(8)
    intervals = [score(draws.dirichlet([2, 1, 1], 300), rng=draws, repeats=200) for _ in range(150)]
    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) > 0.88


def test_what_is_no_probability_is_refused():
    for bad in (np.ones((3, 4)), np.array([[1.2, -0.2]]), np.ones((3, 1)), np.array([[np.nan, 1.0]]), np.ones(3)):
        with pytest.raises(AnalysisError, match="class probabilities"):
            modified_inception_score(bad, rng=rng())
    assert modified_inception_score(np.zeros((0, 3)), rng=rng()).n == 0


@pytest.mark.parametrize(("draw", "truth"), [("one-hot", 10.0), ("sharp", 4.28)])
def test_the_score_of_many_images_is_held_though_few_lower_it(draw, truth):
    """As a bootstrap of few images lowers it once more."""
    draws = rng(5)
    made = {
        "one-hot": lambda: np.eye(10)[draws.integers(0, 10, 100)],
        "sharp": lambda: draws.dirichlet([0.1] * 10, 100),
    }
    intervals = [inception_score(made[draw]()) for _ in range(150)]
    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) >= 0.9


def test_few_images_have_no_interval():
    p = np.eye(4)[[0] * 20 + [1] * 20 + [2] * 2] * 0.9 + 0.025
    score = modified_inception_score(p)
    assert np.isnan(score.low)
    assert score.reason == "no interval: 1 class is given fewer than 4 images, of which pairs say too little"
