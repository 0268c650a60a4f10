"""A first layer that whitens patches: against a plain computation, fitted once, and stored with the run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentgan import NumpyModel, configure, from_arrays, train
from latentgan.errors import ConfigError
from latentgan.families.base import load_family
from latentgan.networks.whitening import EPSILON, PatchWhitening


def smooth(n: int) -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.rand(n, 3, 4, 4)
    return torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear") * 2 - 1


def test_patches_are_white_afterwards():
    x = smooth(200)
    layer = PatchWhitening(3)
    layer.fit(x)
    out = layer(x)[:, : layer.width // 2, 1:-1, 1:-1].permute(0, 2, 3, 1).reshape(-1, 27).double()
    covariance = torch.cov(out.T)
    patches = torch.nn.functional.unfold(x, 3).transpose(1, 2).reshape(-1, 27).double()
    variances = torch.linalg.eigvalsh(torch.cov(patches.T))
    torch.testing.assert_close(covariance.diagonal(), variances / (variances + EPSILON), atol=1e-3, rtol=0)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 1e-3


def test_both_signs_are_there():
    layer, x = PatchWhitening(1), smooth(3)[:, :1]
    out = layer(x)
    assert out.shape == (3, 18, 16, 16)
    torch.testing.assert_close(out[:, :9], -out[:, 9:])
    torch.testing.assert_close(out[:, 4], x[:, 0], msg="before it is fitted, patterns are pixels")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = ((smooth(80).permute(0, 2, 3, 1).numpy() + 1) * 127.5).astype(np.uint8)
    source = from_arrays(images, split=["train"] * 60 + ["test"] * 20)
    family = {"latent": 4, "width": 4, "hidden": 8, "whitening": 3}
    small = {"total_images": 64, "batch_size": 16, "device": "cpu"}
    folder = train(
        configure("bigan", family=family, training=small),
        tmp_path_factory.mktemp("white") / "run",
        source=source,
        show_progress=False,
    )
    return folder, source


def test_filters_stand_still_and_are_stored(run):
    folder, source = run
    trained, untrained = (NumpyModel.load(folder, device="cpu", untrained=first) for first in (False, True))
    filters = [model.family.discriminator.trunk.whiten.filters for model in (trained, untrained)]
    torch.testing.assert_close(*filters, atol=0, rtol=0)
    expected = PatchWhitening(3)
    expected.fit(source.tensor(source.rows("train")))
    torch.testing.assert_close(filters[0].abs(), expected.filters.abs(), atol=1e-4, rtol=1e-3)


def test_whitening_is_no_feature_of_its_own(run):
    model = NumpyModel.load(run[0], device="cpu")
    assert "discriminator.whiten" not in model.feature_names
    assert "discriminator.conv1" in model.feature_names


def test_dense_networks_refuse_it():
    spec = from_arrays(np.zeros((4, 16, 16, 3), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None]).spec
    with pytest.raises(ConfigError, match=r"family\.whitening is a convolution"):
        load_family("bigan")(configure("bigan", family={"network": "mlp", "whitening": 3}).family, spec)
