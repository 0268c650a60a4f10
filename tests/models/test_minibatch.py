"""Layers and penalties of Improved Techniques for Training GANs, each against a closed form or a plain loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from latentgan import configure, from_arrays
from latentgan.config import OptimizerConfig
from latentgan.errors import ConfigError
from latentgan.families.base import load_family
from latentgan.game import Player, Update
from latentgan.losses import feature_matching
from latentgan.networks.blocks import Layers, dense, has_batch_statistics
from latentgan.networks.minibatch import MinibatchDiscrimination, Referenced, VirtualBatchNorm
from latentgan.networks.mlp import MLPGenerator
from latentgan.networks.weight_norm import GaussianNoise, WeightNorm, add_weight_norm, initialise_from_data, noisy
from latentgan.training.loop import state_iterations
from latentgan.training.state import open_state

SOURCE = from_arrays(np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), np.arange(60) % 3)


def test_minibatch_discrimination_is_the_papers():
    torch.manual_seed(0)
    layer, f = MinibatchDiscrimination(4, 3, dimensions=2), torch.randn(5, 4)
    m = (f.double() @ layer.project.weight.double().T).view(5, 3, 2)
    expected = torch.zeros(5, 3, dtype=torch.float64)
    for i in range(5):
        for b in range(3):
            expected[i, b] = sum(torch.exp(-(m[i, b] - m[j, b]).abs().sum()) for j in range(5) if j != i)
    out = layer(f)
    assert torch.equal(out[:, :4], f) and torch.allclose(out[:, 4:].double(), expected, atol=1e-6)
    order = torch.randperm(5)
    assert torch.allclose(layer(f[order]), out[order], atol=1e-6)
    assert torch.allclose(layer.closeness(f[:1].expand(5, 4)), torch.full((5, 3), 4.0))  # a collapsed batch: n − 1


def virtually_normed(layer: VirtualBatchNorm, x: torch.Tensor) -> torch.Tensor:
    """The definition in float64, example by example: (n + m, width, …) → (n + m, width, positions)."""
    n, h = layer.reference, x.double().view(*x.shape[:2], -1)
    mean, square = h[:n].mean((0, 2)), h[:n].square().mean((0, 2))
    rows = []
    for i in range(len(h)):
        mu, s = mean, square
        if i >= n:
            mu, s = (h[i].mean(1) + n * mean) / (n + 1), (h[i].square().mean(1) + n * square) / (n + 1)
        normed = (h[i] - mu[:, None]) / (s - mu.square() + layer.epsilon).sqrt()[:, None]
        rows.append(layer.weight[:, None].double() * normed + layer.bias[:, None].double())
    return torch.stack(rows).detach()


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)])
def test_virtual_norm_sees_the_reference_alone(shape):
    torch.manual_seed(0)
    layer, x = VirtualBatchNorm(3), torch.randn(9, *shape)
    layer.reference = 5
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    out = layer(x)
    assert torch.allclose(out.double().view(9, 3, -1), virtually_normed(layer, x), atol=1e-5)
    assert torch.allclose(layer(torch.cat([x[:5], x[7:8]]))[5], out[7], atol=1e-6)


@pytest.mark.parametrize(("mean", "deviation"), [(1000.0, 0.1), (30.0, 0.02), (-4.0, 0.0)])
@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)])
def test_virtual_norm_keeps_its_digits(shape, mean, deviation):
    torch.manual_seed(0)
    layer, x = VirtualBatchNorm(3), mean + deviation * torch.randn(80, *shape)
    layer.reference = 64
    out = layer(x)
    assert torch.allclose(out.double().view(80, 3, -1), virtually_normed(layer, x), atol=1e-4)


def test_virtual_norm_draws_each_image_alone():
    torch.manual_seed(0)
    generator = Referenced(MLPGenerator(4, (1, 8, 8), hidden=16, norm="virtual"), torch.randn(10, 4)).train()
    z = torch.randn(6, 4)
    assert torch.allclose(generator(z)[2:3], generator(z[2:3]), atol=1e-6)
    plain = MLPGenerator(4, (1, 8, 8), hidden=16).train()
    assert not torch.allclose(plain(z)[2:4], plain(z[2:4]), atol=1e-3)


def test_minibatch_discrimination_refuses_r1():
    config = configure("gan", family={"hidden": 8, "minibatch_discrimination": 4, "r1": 1.0})
    with pytest.raises(ConfigError, match="minibatch discrimination"):
        load_family("gan")(config.family, SOURCE.spec)
    family = load_family("gan")(configure("gan", family={"minibatch_discrimination": 4}).family, SOURCE.spec)
    assert has_batch_statistics(family.discriminator) and not family.together


def test_feature_matching_compares_means():
    torch.manual_seed(0)
    real, made = torch.randn(7, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    value = feature_matching(real, made)
    gap = real.detach().double().mean(0) - made.detach().double().mean(0)
    assert float(value.detach()) == pytest.approx(float((gap**2).mean()), rel=1e-5)
    value.backward()
    assert real.grad is None
    assert torch.allclose(made.grad.double(), (-2 * gap / 3 / 5).expand(5, 3), atol=1e-6)


def test_historical_averaging_by_hand():
    theta = nn.Parameter(torch.tensor([1.0, -2.0]))
    update = Update(
        {"p": Player({"θ": theta}, OptimizerConfig(kind="sgd", learning_rate=0.1, historical_averaging=0.5))}
    )
    iterates, at = [], torch.tensor([1.0, -2.0], dtype=torch.float64)
    for _ in range(6):
        iterates.append(at)
        away = at - torch.stack(iterates).mean(0)
        update(p={"loss": theta.square().sum()})
        term = update.drain()["terms"]["p/historical_averaging"]
        assert term == pytest.approx(0.5 * float(away.square().sum()), abs=1e-6)
        at = at - 0.1 * (2 * at + 2 * 0.5 * away)
        assert torch.allclose(theta.detach().double(), at, atol=1e-6)


@pytest.mark.parametrize(("weight", "settles"), [(0.0, False), (0.5, True)])
def test_historical_averaging_damps_the_orbit_of_v_equal_xy(weight, settles):
    x, y = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))
    how = OptimizerConfig(kind="sgd", learning_rate=0.05, historical_averaging=weight)
    update = Update({"x": Player({"x": x}, how), "y": Player({"y": y}, how)})
    for _ in range(400):
        update(x={"v": x * y}, y={"v": -x * y})
    radius = float((x**2 + y**2).sqrt().detach())
    assert radius < 0.4 if settles else radius > 1.5


def test_a_run_with_historical_averaging_resumes_bit_for_bit():
    player = {"historical_averaging": 1.0}
    config = configure("gan", family={"latent": 4, "hidden": 16, "discriminator": player, "generator": player})
    whole, half, rest = (open_state(config, SOURCE) for _ in range(3))
    half.iteration = max(itertools.islice(state_iterations(half), 3))
    rest.restore(half.checkpoint())
    assert max(itertools.islice(state_iterations(rest), 3)) == max(itertools.islice(state_iterations(whole), 6)) == 6
    for (name, value), other in zip(whole.family.state_dict().items(), rest.family.state_dict().values(), strict=True):
        assert torch.equal(value, other), name


def test_weight_norm_starts_as_the_weights():
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(7, 5)
    before = network(x)
    add_weight_norm(network, learned=False)
    assert torch.allclose(network(x), before, atol=1e-6)
    norm = network[0].parametrizations.weight[0]
    assert isinstance(norm, WeightNorm) and not list(norm.parameters())
    with torch.no_grad():
        network[0].parametrizations.weight.original.mul_(3)
    assert torch.allclose(network(x), before, atol=1e-6)  # a direction's length says nothing


def test_a_start_from_data_standardises_units():
    torch.manual_seed(0)
    trunk = Layers(
        {"conv1": nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()), "flat": nn.Flatten(), "dense1": dense(108, 5)}
    )
    network = noisy(trunk, door=0.0, between=0.0)
    add_weight_norm(network, learned=True)
    x = 4 + 3 * torch.randn(200, 1, 8, 8)
    initialise_from_data(network, x)
    outputs = {}
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer):
            layer.register_forward_hook(lambda _, __, out, name=name: outputs.__setitem__(name, out.detach().clone()))
    network(x)
    assert len(outputs) == 2
    for out in outputs.values():
        over = [0, *range(2, out.ndim)]
        assert out.mean(over).abs().max() < 1e-4 and (out.std(over) - 1).abs().max() < 1e-2


def test_noise_stands_in_front_of_every_layer_in_training_alone():
    torch.manual_seed(0)
    trunk = noisy(Layers({"flat": nn.Flatten(), "dense1": dense(4, 3), "dense2": dense(3, 2)}), door=0.6, between=0.5)
    assert [m.deviation for m in trunk.modules() if isinstance(m, GaussianNoise)] == [0.6, 0.5]
    x = torch.zeros(20_000, 4)
    layer_inputs = []
    trunk.dense1[1].register_forward_pre_hook(lambda _, inputs: layer_inputs.append(inputs[0]))
    trunk.train()(x)
    trunk.eval()(x)
    assert float(layer_inputs[0].std()) == pytest.approx(0.6, abs=0.01) and torch.equal(layer_inputs[1], x)
