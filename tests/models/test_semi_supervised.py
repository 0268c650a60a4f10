"""The protocol of few labels and all images: who is told what, and that errors are counted right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentgan import from_arrays
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families.base import configure, load_family
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Job, load_protocol
from latentgan.reproduction.protocols.semi_supervised import ERROR, PIXELS, labelled_training_rows

CONFIGS = Path(__file__).resolve().parents[2] / "examples" / "configs"
SOURCE = from_arrays(np.random.default_rng(0).integers(0, 256, (90, 8, 8, 1), dtype=np.uint8), np.arange(90) % 3)


def test_baselines_use_the_runs_labels():
    config = configure("aae_semi", training={"labels": 12, "seed": 3})
    rows = labelled_training_rows(SOURCE, config)
    batches = Batches(SOURCE, batch_size=128, seed=3, device="cpu", labels=12)
    drawn = {int(i) for _ in range(5) for i in next(batches.labelled).index}
    assert drawn == set(rows.tolist()) and np.bincount(SOURCE.labels[rows]).tolist() == [4, 4, 4]


def test_a_model_classifies_as_its_family():
    config = configure("aae_semi", family={"latent": 2, "width": 4, "hidden": 16})
    family = load_family("aae_semi")(config.family, SOURCE.spec).eval()
    p = family.classify(SOURCE.tensor(range(5))).detach().numpy()
    model = NumpyModel(family)
    assert np.allclose(model.classify(SOURCE.images[:5]), p, atol=1e-5)
    assert np.allclose(model.classify(SOURCE.images[:5].astype(np.float32) / 255), p, atol=1e-5)
    plain = load_family("gan")(configure("gan").family, SOURCE.spec)
    with pytest.raises(ConfigError, match="names no classes"):
        NumpyModel(plain).classify(SOURCE.images[:5])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["aae-100", "improved-gan", "ali"])
def test_a_quick_run_gives_errors_with_their_baselines(recipe, tmp_path):
    job = Job(
        protocol=load_protocol("semi-supervised"),
        name="semi-supervised",
        recipe=recipe,
        seed=0,
        work=tmp_path,
        configs=CONFIGS,
        device="cpu",
        quick=True,
    )
    outcome = job.protocol.measure(job)
    assert outcome.figures[ERROR].n == 359 and 0 < outcome.figures[ERROR].value < 1
    assert outcome.baselines[PIXELS].value < 0.3 < outcome.baselines["untrained"].value
