"""The protocol `augmentation`: what its cgan and its classifiers are given, and the paired differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.probes.few_labels import paired_draws_and_rows
from latentgan import from_arrays
from latentgan.config import AugmentConfig, read_toml
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.reproduction.protocols import augmentation, base

ROOT = Path(__file__).resolve().parents[2]


def pictures(n: int = 60) -> ImageSource:
    x = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return from_arrays(x, np.arange(n) % 3, name="pictures")


@pytest.mark.parametrize("recipe", ["mapped", "view"])
def test_the_cgan_of_a_draw_is_given_its_labelled_images_alone(recipe, tmp_path, monkeypatch):
    source, rows, configs = pictures(), np.array([3, 10, 11, 25, 26, 27]), []

    def watch(config: Any, given: ImageSource) -> Any:
        configs.append((config, given))
        raise InterruptedError

    monkeypatch.setattr(augmentation, "play", watch)
    protocol = base.load_protocol("augmentation")
    job = base.Job(
        protocol=protocol,
        name="augmentation",
        recipe=recipe,
        seed=0,
        work=tmp_path,
        configs=ROOT / "examples" / "configs",
        quick=True,
    )
    with pytest.raises(InterruptedError):
        augmentation.generated(job, source, rows, 2, AugmentConfig())  # maps that leave every image as it is
    ((config, given),) = configs
    assert config.name == "cgan" and config.training.seed == 2
    copies = augmentation.COPIES if recipe == "mapped" else 1
    assert np.array_equal(given.images, np.tile(source.images[rows], (copies, 1, 1, 1)))
    assert np.array_equal(given.labels, np.tile(source.labels[rows], copies))
    assert len(given.rows("train")) == len(given), "none is kept back"
    batches = Batches(given, batch_size=12, seed=0, device="cpu")
    assert set(next(batches.labelled).index.tolist()) <= set(range(len(given)))


def test_mapped_copies_keep_their_labels():
    source = pictures()
    maps = AugmentConfig(rotation=20.0, shift=0.1)
    mapped, repeated, other = (augmentation.mapped(source, maps, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(mapped.images, repeated.images) and not np.array_equal(mapped.images, other.images)
    first, second = mapped.images[:60], mapped.images[60:120]
    assert (first != second).any(axis=(1, 2, 3)).all() and (first != source.images).any(axis=(1, 2, 3)).all()
    assert np.array_equal(mapped.labels[:60], source.labels) and np.array_equal(mapped.labels[60:120], source.labels)


def test_real_and_generated_are_as_frequent():
    source, rows = pictures(), np.array([4, 9, 17])
    images = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    both, chosen = augmentation.mixed(source, rows, images, np.arange(30) % 3)
    real = chosen[chosen < 3]
    assert np.bincount(real).tolist() == [10, 10, 10] and sorted(chosen[chosen >= 3]) == list(range(3, 33))
    assert np.array_equal(both.images[:3], source.images[rows]) and np.array_equal(both.labels[:3], source.labels[rows])
    assert np.array_equal(both.images[3:], images) and np.array_equal(both.labels[3:], np.arange(30) % 3)


def test_gains_are_differences_paired_by_draw_and_image():
    rng = np.random.default_rng(0)
    hits = {
        name: rng.random((10, 400)) < share
        for name, share in (
            (augmentation.REAL, 0.7),
            (augmentation.AFFINE, 0.9),
            (augmentation.MADE_TOO, 0.8),
            (augmentation.AFFINE_TOO, 0.85),
        )
    }
    outcome = augmentation.outcome(hits)
    gain, affine_gain = outcome.figures[augmentation.GAIN], outcome.figures[augmentation.AFFINE_GAIN]
    assert gain == paired_draws_and_rows(hits["real and generated"], hits["real"])
    assert gain.value == pytest.approx(hits["real and generated"].mean() - hits["real"].mean())
    assert affine_gain.value < 0 < gain.low, "a loss is shown as it is"
    assert set(outcome.baselines) == {"real", "real, affine maps"}


def test_a_classifier_is_scored_on_the_source():
    """Labels of the sets are shifted by one: a network that learned from them is right about none of the source's."""
    level = np.arange(90) % 3
    x = np.clip(level[:, None, None, None] * 100 + np.random.default_rng(0).integers(0, 40, (90, 8, 8, 1)), 0, 255)
    source = from_arrays(x.astype(np.uint8), level, name="levels")
    rows = np.arange(30)
    shifted = replace(augmentation.alone(source, rows), labels=(source.labels[rows] + 1) % 3)
    draws = np.stack([rows, rows])
    held = np.arange(60, 90)
    network = Classifier(width=4, hidden=16, learning_rate=1e-2)
    plain_hits, _ = few_label_hits(source, draws, held, held, network, tried=1)
    shifted_hits, _ = few_label_hits(
        source, draws, held, held, network, tried=1, sets=[(shifted, rows), (shifted, rows)]
    )
    assert plain_hits.mean() > 0.9 and shifted_hits[1].mean() < 0.1


def test_the_two_configurations_differ_in_the_view_alone():
    plain, augmented = (read_toml(ROOT / "examples" / "configs" / f"cgan_mnist_few{end}.toml") for end in ("", "_view"))
    maps = read_toml(ROOT / "examples" / "configs" / "bigan_mnist.toml")["family"]["augment"]
    assert augmented["family"].pop("augment") == maps and plain == augmented
