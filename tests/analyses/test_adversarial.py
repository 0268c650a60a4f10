"""Adversarial examples: on a linear classifier of two classes FGSM is the worst case, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.robustness.attacks import Target, accuracy_under_attack, fgsm, linear_target, pgd, softmax


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def setting(rng: np.random.Generator, n: int = 300) -> tuple[Target, np.ndarray, np.ndarray, np.ndarray]:
    """A linear classifier of 5×4 images; pixels stay far enough from 0 and 1 that nothing is cut off at ε <= 0.2."""
    w = rng.normal(size=(20, 1)) * 0.5
    weights, bias = np.hstack([w, -w]), np.array([-w.sum() / 2, w.sum() / 2])
    images = rng.uniform(0.25, 0.75, (n, 5, 4, 1)).astype(np.float32)
    target = linear_target("linear", weights, bias)
    return target, images, target.scores(images).argmax(1), weights


def test_fgsm_lowers_margins_by_the_l1_norm(rng: np.random.Generator) -> None:
    target, images, labels, weights = setting(rng)
    gap = weights[:, 0] - weights[:, 1]

    def margins(x: np.ndarray) -> np.ndarray:
        scores = target.scores(x)
        return (scores[:, 0] - scores[:, 1]) * np.where(labels == 0, 1, -1)

    moved = fgsm(target, images, labels, epsilon=0.1)
    assert np.abs(moved - images).max() == pytest.approx(0.1, abs=1e-6)
    assert margins(images) - margins(moved) == pytest.approx(np.full(len(labels), 0.1 * np.abs(gap).sum()), abs=1e-5)
    steps = pgd(target, images, labels, epsilon=0.1, rng=rng)
    assert np.abs(steps - images).max() <= 0.1 + 1e-6
    assert margins(steps) == pytest.approx(margins(moved), abs=1e-4)  # there is nothing worse to find


def test_robust_accuracy_counts_large_margins(rng: np.random.Generator) -> None:
    target, images, labels, weights = setting(rng)
    scores = target.scores(images)
    margin, reach = np.abs(scores[:, 0] - scores[:, 1]), np.abs(weights[:, 0] - weights[:, 1]).sum()
    result = accuracy_under_attack([target], images, labels, epsilons=(0.01, 0.05, 0.2), rng=rng)
    for probe in result.attacked:
        expected = [np.mean(margin > epsilon * reach) for epsilon in result.epsilons]
        assert [interval.value for interval in probe.accuracy] == pytest.approx(expected, abs=0.004)
        assert all(interval.n == 300 for interval in probe.accuracy)
        assert all(interval.low <= interval.value <= interval.high for interval in probe.accuracy)
    assert result.attacked[0].accuracy[0].value == 1 and result.attacked[0].accuracy[-1].value < 0.5
    assert result.shown.shape == (8, 5, 5, 4, 1) and result.predicted.shape == (8, 5)
    assert (result.predicted[:, 0] == labels[:8]).all()


def test_gradients_are_finite_differences(rng: np.random.Generator) -> None:
    target = linear_target("three", rng.normal(size=(20, 3)), rng.normal(size=3))
    images, labels = rng.uniform(size=(4, 5, 4, 1)), np.array([0, 1, 2, 1])
    gradient = target.gradient(images, labels)

    def loss(x: np.ndarray) -> np.ndarray:
        return -np.log(softmax(target.scores(x))[np.arange(4), labels])

    for place in ((0, 0), (3, 2)):
        step = np.zeros_like(images)
        step[:, place[0], place[1]] = 1e-5
        slope = (loss(images + step) - loss(images - step)) / 2e-5
        assert gradient[:, place[0], place[1], 0] == pytest.approx(slope, abs=1e-6)


def test_a_blind_classifier_cannot_be_attacked(rng: np.random.Generator) -> None:
    """The null: a constant classifier has no gradient, and keeps its accuracy."""
    target = linear_target("blind", np.zeros((20, 2)), np.array([1.0, 0.0]))
    images, labels = rng.uniform(size=(200, 5, 4, 1)), rng.integers(0, 2, 200)
    result = accuracy_under_attack([target], images, labels, rng=rng)
    for probe in result.attacked:
        assert len({interval.value for interval in probe.accuracy}) == 1
        assert probe.accuracy[0].low < 0.5 < probe.accuracy[0].high


def test_fgsm_does_not_depend_on_order(rng: np.random.Generator) -> None:
    target, images, labels, _ = setting(rng)
    order = rng.permutation(len(labels))
    moved = fgsm(target, images, labels, epsilon=0.1)
    assert np.array_equal(fgsm(target, images[order], labels[order], epsilon=0.1), moved[order])


def test_what_makes_no_sense_is_refused(rng: np.random.Generator) -> None:
    target, images, labels, _ = setting(rng)
    with pytest.raises(AnalysisError, match="must ascend"):
        accuracy_under_attack([target], images, labels, epsilons=(0.2, 0.1), rng=rng)
    with pytest.raises(AnalysisError, match="needs test images"):
        accuracy_under_attack([], images, labels, rng=rng)
