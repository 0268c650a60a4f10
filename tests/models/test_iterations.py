"""What an iteration costs and leaves alone: generators, graphs, precision, streams, and messages on any device."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_iteration import pictures
from tiny_runs import MLP, TWO_MOVES, stripes, tiny
from torch import Tensor, nn

from latentgan.config import OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.synthetic import ring_of_gaussians
from latentgan.devices import seeded
from latentgan.errors import ConfigError, DivergedError
from latentgan.families.base import configure, load_family
from latentgan.families.bigan import BiGAN
from latentgan.game import Player, Update
from latentgan.inference.numpy_model import NumpyModel
from latentgan.losses import paired_information
from latentgan.networks.discriminators import Matcher
from latentgan.training import toy_loop as points
from latentgan.training.ema import ExponentialMovingAverage
from latentgan.training.loop import state_iterations, train
from latentgan.training.state import open_state

SGD = OptimizerConfig(kind="sgd", learning_rate=0.1)

# Generators


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[torch.Generator]:
    """Two generators of the host in the place of those of two GPUs, for each of which forking would ask the driver."""
    generators = [torch.Generator().manual_seed(i) for i in (10, 11)]
    monkeypatch.setattr(torch.cuda, "default_generators", tuple(generators))
    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: fork(devices=[]))
    return generators


def test_seeding_a_gpu_leaves_the_others_alone(two_gpus: list[torch.Generator]) -> None:
    with seeded(torch.device("cuda:1"), 7):
        assert [generator.initial_seed() for generator in two_gpus] == [10, 7]
        drawn = torch.rand(3)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(7)))


def test_no_iteration_seeds_the_whole_process(monkeypatch: pytest.MonkeyPatch, two_gpus: list[torch.Generator]) -> None:
    """Not even on an accelerator, where `torch.manual_seed` would reach devices that nobody puts back."""

    def refuse(seed: int) -> None:
        raise AssertionError("seeded everything")

    monkeypatch.setattr(torch, "manual_seed", refuse)
    state = open_state(tiny(), stripes())
    next(state_iterations(state))
    with seeded(torch.device("cuda:0"), 3):
        assert two_gpus[0].initial_seed() == 3


# Moves


def stranger(device: str) -> Update:
    """A game in which `a` is handed the objective of `b`."""
    a, b = (nn.Linear(2, 1, device=device) for _ in range(2))
    update = Update({"a": Player({"a": a}, SGD), "b": Player({"b": b}, SGD)})
    update.networks = a, b  # type: ignore[attr-defined]
    return update


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_move_without_a_gradient_names_the_player(device: str) -> None:
    """On an accelerator, for which "meta" stands, the norm of no gradient was a number of the host's."""
    update = stranger(device)
    _, b = update.networks  # type: ignore[attr-defined]
    with pytest.raises(DivergedError, match=r"player 'a' depends on none of its parameters \(a\.weight, a\.bias\)"):
        update(a={"theirs": b(torch.ones(3, 2, device=device)).mean()})


def test_an_optional_player_moves_on_any_device() -> None:
    a, b = (nn.Linear(2, 1, device="meta") for _ in range(2))
    update = Update({"a": Player({"a": a}, SGD, optional=True), "b": Player({"b": b}, SGD)})
    loss = b(torch.ones(3, 2, device="meta")).mean()
    update(a={"theirs": loss}, b={"own": loss})
    assert update.moves == {"a": 1, "b": 1}


def test_a_family_that_draws_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BiGAN, "step", lambda self, batches, update: None)
    with pytest.raises(ConfigError, match="drew no minibatch in 20 iterations"):
        list(itertools.islice(state_iterations(open_state(tiny(MLP), stripes())), 100))


# Streams


class OwnStreams(BiGAN):
    """Draws from two streams of its own, of even and of odd rows, and never from the main one."""

    def step(self, batches: Batches, update: Update) -> None:
        rows = np.arange(len(batches.rows))
        next(batches.stream("odd", rows[1::2]))
        image = next(batches.stream("even", rows[::2])).image
        real = self.discriminator(image, self.encode(image))
        z = self.prior.sample(len(image))
        fake = self.discriminator(self.generator(z), z)
        update(
            discriminator={"real": -real.mean(), "fake": fake.square().mean()},
            encoder_generator={"real": real.square().mean(), "fake": -fake.mean()},
        )


@pytest.fixture
def own_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentgan.training.state.load_family", lambda name: OwnStreams)


def test_a_family_of_streams_of_its_own_trains(own_streams: None, tmp_path: Path) -> None:
    run = train(tiny(MLP), tmp_path / "run", source=stripes(), show_progress=False)
    assert (run / "model" / "model.safetensors").is_file() and (run / "latest").read_text().startswith("000000000096")


def test_its_images_are_counted_after_a_resume(own_streams: None, tmp_path: Path) -> None:
    config = tiny(MLP)
    state = open_state(config, stripes())
    list(itertools.islice(state_iterations(state), 3))
    state.iteration = 3
    resumed = open_state(config, stripes())
    resumed.restore(state.checkpoint())
    assert resumed.images == state.images == 24


# Averages


def test_toy_games_average_by_the_images_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GAN with three moves of its discriminator draws three minibatches an iteration."""
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(ExponentialMovingAverage, "update", lambda self, images, total: calls.append((images, total)))
    training = {"total_images": 360, "batch_size": 40, "device": "cpu"}
    config = configure("gan", family={"hidden": 8, "latent": 2, "discriminator_moves": 3}, training=training)
    list(points.play(config, ring_of_gaussians(200).source))
    assert calls == [(120, 120), (120, 240), (120, 360)]


# Graphs


@pytest.mark.parametrize(("name", "width"), [("gan", {}), ("dcgan", {"width": 4}), ("cgan", {"width": 4})])
def test_the_discriminators_moves_record_no_generator(name: str, width: dict[str, int]) -> None:
    source = pictures()
    config = configure(name, family={"hidden": 16, "discriminator_moves": 3, **width})
    family = load_family(name)(config.family, source.spec).train()
    graphs: list[bool] = []
    family.generator.register_forward_hook(lambda module, inputs, image: graphs.append(image.requires_grad))
    family.step(Batches(source, batch_size=8, seed=0, device="cpu"), Update(family.players()))
    assert graphs == [False, False, False, True]


# Precision


def test_shared_information_is_float32_under_autocast() -> None:
    first, second = torch.randn(2, 64, 10, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        information = paired_information(first, second)
    assert information.item() == pytest.approx(paired_information(first, second).item(), abs=1e-7)


def test_matched_cosines_are_float32_under_autocast() -> None:
    """The networks are cast; the cosines of what they give are as exact as float32 has them."""
    torch.manual_seed(0)
    matcher = Matcher(6, 4)
    features, z = torch.randn(8, 6), torch.randn(8, 4)
    with torch.autocast("cpu", torch.bfloat16):
        cosines = matcher(features, z)
        a, b = matcher.image(features).double(), matcher.code(z).double()
    exact = nn.functional.normalize(a, dim=1) @ nn.functional.normalize(b, dim=1).T / matcher.temperature
    assert cosines.dtype == torch.float32
    torch.testing.assert_close(cosines.double(), exact, atol=1e-5, rtol=0)


# Uploads


def test_bytes_are_uploaded_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    source = pictures()
    model = NumpyModel(open_state(tiny(TWO_MOVES), source).family)
    uploads: list[Any] = []
    take = torch.from_numpy
    monkeypatch.setattr(torch, "from_numpy", lambda array: uploads.append(array.dtype) or take(array))
    (x,) = model._batches(source.images)
    assert uploads == [np.uint8]
    exact = source.images.astype(np.float32) / np.float32(127.5) - 1
    assert torch.equal(x, Tensor(exact).permute(0, 3, 1, 2))


def test_bytes_and_shares_are_the_same_images() -> None:
    source = pictures()
    model = NumpyModel(open_state(tiny(MLP), source).family)
    codes = model.encode(source.images), model.encode(source.images / 255)
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-6)
