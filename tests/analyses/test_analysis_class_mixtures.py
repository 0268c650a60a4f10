"""Mixtures of classes: planted groups come back, Bayes' rule is the best reader of them, shuffled labels are chance."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.mixtures.class_conditional import by_class, fit_class_mixtures


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def planted(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Class 0 is two groups around class 1: no line parts them."""
    group = rng.integers(0, 4, n)
    centre = np.array([[-6, 0], [6, 0], [0, 0], [0, 0]])[group]
    return (centre + rng.normal(size=(n, 2))).astype(np.float32), (group >= 2).astype(np.int64)


def test_classes_of_several_groups_are_separated(rng: np.random.Generator) -> None:
    train, test = planted(rng, 1200), planted(rng, 800)
    noise = rng.normal(size=(1200, 3)), rng.normal(size=(800, 3))
    baseline_codes = {"the same": (train[0], test[0]), "noise": noise}
    result = by_class(train, test, classes=("outer", "inner"), rng=rng, baseline_codes=baseline_codes)
    same, other = result.baselines
    assert (same.name, other.name, same.figure.value) == (
        "the same",
        "noise",
        pytest.approx(result.accuracy.value, abs=0.01),
    )
    assert other.figure.low < 0.55 and other.figure.n == 800
    assert result.components.tolist() == [2, 1] and result.accuracy.value > 0.985 and result.accuracy.n == 800
    assert result.shuffled == pytest.approx(0.5, abs=0.1)
    assert result.rows.sum() == 1200 and result.samples is None


def test_new_codes_of_a_class_lie_where_its_codes_lie(rng: np.random.Generator) -> None:
    codes, labels = planted(rng, 1200)
    drawn = fit_class_mixtures(codes, labels, rng=rng).sample(0, 2000, rng=rng)
    assert np.mean(np.abs(drawn[:, 0]) > 2.5) > 0.99 and np.mean(drawn[:, 0] > 0) == pytest.approx(0.5, abs=0.06)
    assert drawn[:, 1].std() == pytest.approx(1, abs=0.1)


def test_the_posterior_is_bayes_rule(rng: np.random.Generator) -> None:
    from scipy.stats import norm

    labels = (rng.random(40_000) < 0.8).astype(np.int64)
    codes = (rng.normal(size=(40_000, 1)) + 2 * labels[:, None]).astype(np.float32)
    joint = fit_class_mixtures(codes, labels, rng=rng, components=(1,)).log_joint(np.array([[0.5], [1.5]]))
    expected = np.log([0.2, 0.8]) + norm.logpdf([[0.5], [1.5]], [[0, 2]])
    assert joint == pytest.approx(expected, abs=0.1)


def test_samples_are_decoded_and_unlabelled_rows_are_left_out(rng: np.random.Generator) -> None:
    codes, labels = planted(rng, 600)
    labels[:100] = -1
    result = by_class(
        (codes, labels),
        planted(rng, 200),
        classes=("a", "b"),
        rng=rng,
        shown=5,
        decode=lambda z: np.clip(z, 0, 1).reshape(-1, 1, 2, 1),
    )
    assert result.samples is not None and result.samples.shape == (2, 5, 1, 2, 1) and result.rows.sum() == 500


def test_wide_codes_are_reduced_alike_for_all_classes(rng: np.random.Generator) -> None:
    codes, labels = planted(rng, 2000)
    wide = np.hstack([codes, rng.normal(size=(2000, 98)).astype(np.float32) * 0.1])
    result = by_class((wide[:1500], labels[:1500]), (wide[1500:], labels[1500:]), classes=("a", "b"), rng=rng)
    assert "100 columns reduced to 64" in result.notes[0] and result.accuracy.value > 0.95


def test_one_class_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="two classes of 10 rows, and 1"):
        fit_class_mixtures(rng.normal(size=(50, 2)), np.zeros(50, np.int64), rng=rng)
