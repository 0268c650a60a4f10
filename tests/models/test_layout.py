"""Channels innermost in memory through an iteration and a resume, and no gradient through the trunk without need."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from one_iteration import pictures, small
from tiny_runs import CONVOLUTIONAL, stripes, tiny
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.families.base import configure
from latentgan.game import Update
from latentgan.networks.blocks import LaidOut
from latentgan.run_folder import Checkpoint
from latentgan.training.loop import iterations
from latentgan.training.state import TrainingState, open_state

LAST = torch.channels_last
WATCHED = ("convolution_backward", "leaky_relu_backward", "threshold_backward", "batch_norm_backward")


class Layouts(TorchDispatchMode):
    """Notes every backward pass of a layer in which planes, images themselves apart, have not channels innermost."""

    def __init__(self) -> None:
        super().__init__()
        self.passes, self.mixed = 0, list[str]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if any(name in str(function) for name in WATCHED):
            planes = [a for a in args[:3] if isinstance(a, Tensor) and a.ndim == 4 and a.shape[1] > 3]
            self.passes += bool(planes)
            self.mixed += [f"{function}: {a.shape}" for a in planes if not a.is_contiguous(memory_format=LAST)]
        return function(*args, **(kwargs or {}))


def colours() -> ImageSource:
    return stripes(channels=3, size=16)


def small_run(name: str = "bigan", **family: Any) -> TrainingState:
    training = {"total_images": 96, "batch_size": 8, "device": "cpu", "seed": 3}
    return open_state(configure(name, family={"width": 4, "hidden": 8, **family}, training=training), colours())


def played(of: TrainingState, count: int) -> TrainingState:
    t = of.config.training
    game = iterations(of.family, of.batches, of.update, seed=t.seed, total_images=t.total_images, start=of.iteration)
    for of.iteration in itertools.islice(game, count):
        pass
    return of


@pytest.mark.parametrize(
    ("name", "family"), [("bigan", {}), ("bigan", {"spectral": True, "norm": "none"}), ("infogan", {}), ("aae", {})]
)
def test_an_iteration_keeps_channels_innermost(name: str, family: dict[str, Any]) -> None:
    of = played(small_run(name, **family), 1)
    with Layouts() as layouts:
        played(of, 1)
    assert layouts.passes > 10
    assert layouts.mixed == []


def test_flattened_planes_get_their_gradient_in_their_order() -> None:
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=LAST).requires_grad_()
    plain = x.detach().clone().requires_grad_()
    weight = torch.randn(48)
    gradients: list[Tensor] = []
    y = x * 1
    y.register_hook(lambda gradient: gradients.append(gradient))
    (LaidOut()(y).flatten(1) @ weight).square().sum().backward()
    (plain.flatten(1) @ weight).square().sum().backward()
    assert x.grad is not None and plain.grad is not None
    assert gradients[0].is_contiguous(memory_format=LAST)
    assert torch.allclose(x.grad, plain.grad)


def test_flattened_planes_have_second_derivatives() -> None:
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64).contiguous(memory_format=LAST).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda y: LaidOut()(y * y).flatten(1), x)


def through_a_file(checkpoint: Checkpoint) -> Checkpoint:
    """As safetensors gives tensors back: row by row."""
    rows = {name: value.detach().contiguous().clone() for name, value in checkpoint.tensors.items()}
    return Checkpoint(rows, checkpoint.state)


def test_restored_moments_lie_as_their_parameters() -> None:
    before, after = played(small_run(), 3), small_run()
    after.restore(through_a_file(before.checkpoint()))
    moments = 0
    for player in after.update.players.values():
        for parameter, state in player.optimizer.state.items():
            for value in state.values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    assert value.stride() == parameter.stride()
                    moments += value.ndim == 4 and not value.is_contiguous()
    assert moments > 4


@pytest.mark.parametrize("optimizer", [{}, {"historical_averaging": 0.1}, {"kind": "rmsprop", "momentum": 0.5}])
def test_a_resumed_game_in_colour_has_the_same_bits(optimizer: dict[str, Any]) -> None:
    """Moments in another order would be read as those of other weights: 1e-3 after four iterations."""
    settings = {"discriminator": optimizer, "encoder_generator": optimizer}
    straight, broken = played(small_run(**settings), 3), small_run(**settings)
    broken.restore(through_a_file(straight.checkpoint()))
    played(straight, 4), played(broken, 4)
    for name, value in straight.family.state_dict().items():
        assert torch.equal(broken.family.state_dict()[name], value), name


def rows_of_gradient(family: Any, trunk: nn.Module, source: ImageSource) -> int:
    """Rows of trunk outputs that a gradient came back to in an iteration, counted for each player's gradient."""
    rows: list[int] = []

    def watch(module: nn.Module, inputs: Any, output: Tensor) -> None:
        output.register_hook(lambda gradient: rows.append(len(gradient)))

    trunk.register_forward_hook(watch)
    family.step(Batches(source, batch_size=10, seed=0, device="cpu"), Update(family.players()))
    return sum(rows)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("bigan", 30), ("ali", 30), ("infogan", 30)],
)
def test_real_images_have_no_slope_for_the_generator(name: str, rows: int) -> None:
    """Twice for the discriminator, of real and of made images, and of made images once more for the generator."""
    source = pictures()
    family = small(name, source)
    assert rows_of_gradient(family, family.discriminator.trunk, source) == rows


def test_alices_pairs_of_reals_have_no_slope_either() -> None:
    source = pictures()
    family = small("bigan", source, reconstruction_weight=1.0, reconstruction="adversarial")
    assert rows_of_gradient(family, family.pair_discriminator.trunk, source) == 30


def fresh(memory: torch.memory_format) -> Iterator[Tensor]:
    of = open_state(tiny(CONVOLUTIONAL), stripes(channels=3, size=16))
    of.family.to(memory_format=memory)  # type: ignore[call-overload]
    played(of, 2)
    return iter(of.family.state_dict().values())


def test_the_order_in_memory_changes_no_figure() -> None:
    for channels_last, channels_first in zip(fresh(LAST), fresh(torch.contiguous_format), strict=True):
        torch.testing.assert_close(channels_last, channels_first, atol=2e-4, rtol=1e-3)
