"""A probe's slope by the pixels is that of finite differences, and following it lowers accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import latentgan
from analysis import Embeddings
from analysis.probes.saved_probe import fit_probe
from analysis.robustness.attacks import Target, accuracy_under_attack
from analysis.table.study_options import Options
from latentgan.errors import ConfigError
from latentgan.evaluation.probe_gradients import scores_and_gradient
from latentgan.inference.classify import classify


@pytest.mark.parametrize("column", ["code", "encoder.dense1", "discriminator.conv2"])
def test_slopes_are_those_of_finite_differences(trained: tuple[latentgan.NumpyModel, Path], column: str) -> None:
    model, table = trained
    probe = fit_probe(Embeddings(table, code=column), Options())
    scores, _ = scores_and_gradient(model, probe)
    source = latentgan.load_source("digits")
    images, labels = (source.images[:6] / 255).astype(np.float32), source.labels[:6]
    shares = np.exp(scores(images) - scores(images).max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    assert classify(model, source.images[:6], probe)[0] == pytest.approx(shares, abs=1e-3)

    double = latentgan.NumpyModel.load(table.parent / "run", device="cpu")
    double.family.double()  # so that steps are smaller than the kinks are apart
    scores, gradient = scores_and_gradient(double, probe)
    images = images.astype(np.float64) + 0.01 * np.random.default_rng(1).random(images.shape)

    def loss(x: np.ndarray) -> np.ndarray:
        logits = scores(x).astype(np.float64)
        return np.logaddexp.reduce(logits, axis=1) - logits[np.arange(6), labels]

    slope = gradient(images, labels)
    direction = np.random.default_rng(0).normal(size=images.shape)
    step = 1e-6
    expected = (loss(images + step * direction) - loss(images - step * direction)) / (2 * step)
    assert (slope * direction).sum((1, 2, 3)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_an_attack_through_the_encoder_lowers_accuracy(trained: tuple[latentgan.NumpyModel, Path]) -> None:
    model, table = trained
    probe = fit_probe(Embeddings(table, code="encoder.dense1"), Options())
    source = latentgan.load_source("digits")
    rows = source.rows("test")[:100]
    target = Target("encoder.dense1", *scores_and_gradient(model, probe))
    result = accuracy_under_attack(
        [target], source.images[rows], source.labels[rows], epsilons=(0.1,), rng=np.random.default_rng(0), steps=5
    )
    for reader in result.attacked:
        assert reader.accuracy[1].high < reader.accuracy[0].low


def test_a_probe_of_another_model_is_refused(trained: tuple[latentgan.NumpyModel, Path]) -> None:
    from dataclasses import replace

    model, table = trained
    probe = fit_probe(Embeddings(table), Options())
    with pytest.raises(ConfigError, match="features of another model"):
        scores_and_gradient(model, replace(probe, checkpoint="0" * 64))
    with pytest.raises(ConfigError, match=r"classifies the column 'encoder\.dense9'"):
        classify(model, np.zeros((1, 8, 8, 1), np.float32), replace(probe, column="encoder.dense9"))
