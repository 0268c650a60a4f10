"""Residual networks: shapes, the start as skip connections, and that every family takes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from latentgan import from_arrays
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families.base import configure, family_names, load_family
from latentgan.game import Update
from latentgan.networks.blocks import add_spectral_norm, initialise_he
from latentgan.networks.dcgan import conv_trunk
from latentgan.networks.resnet import ResidualBlock, ResidualGenerator, residual_encoder, residual_trunk
from latentgan.training.loop import iterations

IMAGES = from_arrays(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 3)
SMALL = {"latent": 4, "width": 4, "hidden": 16, "noise": 3, "minibatch_discrimination": 0, "balance": "alternate"}
OFFERED = [name for name in family_names() if "network" in load_family(name).Config.model_fields]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 64, 48), (3, 128, 128)])
def test_shapes_are_those_of_plain_convolutions(shape):
    x = torch.rand(2, *shape)
    plain = conv_trunk(shape, width=4)
    trunk = residual_trunk(shape, width=4)
    assert trunk(x).shape == plain(x).shape
    assert ResidualGenerator(5, shape, width=4, hidden=8)(torch.randn(2, 5)).shape == x.shape
    assert residual_encoder(shape, 7, width=4, hidden=8)(x).shape == (2, 7)


@pytest.mark.parametrize("resample", ["", "down", "up"])
def test_a_block_starts_as_its_skip_connection(resample):
    block, x = ResidualBlock(4, 6, resample=resample), torch.randn(2, 4, 8, 8)
    initialise_he(block, last=None)
    expected = block.skip(x)
    if resample == "down":
        expected = avg_pool2d(expected, 2)
    if resample == "up":
        expected = interpolate(expected, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(block(x), expected)


def test_a_block_is_its_formula():
    torch.manual_seed(0)
    block, x = ResidualBlock(3, 3, norm="group").double(), torch.randn(2, 3, 6, 6, dtype=torch.float64)

    def activated(h, norm):
        mean, variance = h.mean((1, 2, 3), keepdim=True), h.var((1, 2, 3), correction=0, keepdim=True)
        scaled = (h - mean) / (variance + norm.eps).sqrt()
        return torch.where(scaled > 0, scaled, 0.2 * scaled)

    expected = x + block.conv2(activated(block.conv1(activated(x, block.norm1)), block.norm2))
    torch.testing.assert_close(block(x), expected)


def test_images_start_at_their_own_scale():
    """Without normalisation the scale of features neither vanishes nor explodes with depth, on planes of one colour:
    noise is what interpolation takes away."""
    torch.manual_seed(0)
    for side in (32, 128):
        colours = (torch.rand(64, 3, 1, 1) * 2 - 1).expand(-1, -1, side, side)
        features = residual_trunk((3, side, side), width=16, hidden=64)(colours)
        assert 0.1 < features.std() < 3


def test_spectral_norm_finds_no_zero():
    trunk = residual_trunk((3, 16, 16), width=4)
    add_spectral_norm(trunk)
    assert torch.isfinite(trunk(torch.rand(2, 3, 16, 16))).all()


def test_small_images_are_refused():
    with pytest.raises(ConfigError, match="residual networks are for images of 16 to 256 pixels"):
        residual_trunk((1, 8, 8))


@pytest.mark.parametrize("name", OFFERED)
def test_every_family_moves_residual_networks(name):
    fields = load_family(name).Config.model_fields
    given = {key: value for key, value in SMALL.items() if key in fields}
    torch.manual_seed(0)
    config = configure(name, family={**given, "network": "resnet"}).family
    family = load_family(name)(config, IMAGES.spec).train()
    batches = Batches(IMAGES, batch_size=8, seed=0, device="cpu")
    family.initialise(lambda n: batches.gather(torch.arange(n) % 20).image)
    update = Update(family.players())
    before = {key: value.clone() for key, value in family.state_dict().items() if "conv2.weight" in key}
    turns = iterations(family, batches, update, seed=0, total_images=10**6)
    for _ in range(3):
        next(turns)
    assert before, "there are residual blocks"
    after = family.state_dict()
    assert all(torch.isfinite(value).all() and not torch.equal(after[key], value) for key, value in before.items())
    assert any("res1" in layer for layer in family.feature_layers())


def test_units_that_blocks_lack_are_refused():
    with pytest.raises(ConfigError, match="neither maxout nor dropout"):
        load_family("cgan")(configure("cgan", family={"network": "resnet", "maxout": 2}).family, IMAGES.spec)
    with pytest.raises(ConfigError, match="no batch norm"):
        load_family("bigan")(configure("bigan", family={"network": "resnet", "norm": "batch"}).family, IMAGES.spec)
    with pytest.raises(ConfigError, match="for residual networks"):
        load_family("bigan")(configure("bigan", family={"norm": "group"}).family, IMAGES.spec)
