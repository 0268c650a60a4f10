"""Features with a pooling of their own: LAYER.meanN and LAYER.maxN."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis import Embeddings
from latentgan import NumpyModel, configure, from_arrays, train
from latentgan.errors import ConfigError
from latentgan.inference.encode import Plan, encode_table


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    source = from_arrays(images, np.arange(40) % 2)
    small = {"total_images": 32, "batch_size": 16, "device": "cpu"}
    config = configure("bigan", family={"latent": 4, "width": 4, "hidden": 8}, training=small)
    folder = train(config, tmp_path_factory.mktemp("pooled") / "run", source=source, show_progress=False)
    return folder, source, images


def test_poolings_are_means_and_maxima_of_cells(run):
    folder, _, images = run
    model = NumpyModel.load(folder, device="cpu")
    whole = model.features(images, ["discriminator.conv1"])["discriminator.conv1"].reshape(40, 4, 2, 4, 2, 4)
    pooled = model.features(images, ["discriminator.conv1.mean2", "discriminator.conv1.max2"])
    np.testing.assert_allclose(pooled["discriminator.conv1.mean2"], whole.mean((3, 5)).reshape(40, -1), atol=1e-6)
    np.testing.assert_allclose(pooled["discriminator.conv1.max2"], whole.max((3, 5)).reshape(40, -1), atol=1e-6)


def test_a_table_has_a_column_for_each_pooling(run, tmp_path):
    folder, source, _ = run
    names = ("discriminator.conv2", "discriminator.conv2.mean1")
    table = Embeddings(encode_table(folder, source, tmp_path / "codes.parquet", Plan(names)))
    assert table.representations == ("code", *names)
    assert table.untrained("discriminator.conv2.mean1") is not None, "the baseline is pooled alike"
    whole = table.vectors("discriminator.conv2")
    np.testing.assert_allclose(table.vectors("discriminator.conv2.mean1"), whole.reshape(40, 8, -1).mean(2), atol=1e-5)


def test_more_cells_than_there_are_leave_planes_whole(run):
    folder, _, images = run
    model = NumpyModel.load(folder, device="cpu")
    names = ["discriminator.conv2", "discriminator.conv2.mean64"]
    whole, pooled = (model.features(images, [name])[name] for name in names)
    np.testing.assert_array_equal(whole, pooled)


def test_what_cannot_be_pooled_is_refused(run):
    folder, _, images = run
    model = NumpyModel.load(folder, device="cpu")
    with pytest.raises(ConfigError, match=r"encoder\.dense1 has no planes to pool: leave \.mean2 out"):
        model.features(images, ["encoder.dense1.mean2"])
    with pytest.raises(ConfigError, match=r"no feature layer is called 'encoder\.conv9'"):
        model.features(images, ["encoder.conv9.max2"])
    assert torch.is_inference_mode_enabled() is False
