"""Adam with its bookkeeping done once is torch's Adam, to the bit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from latentgan.config import OptimizerConfig
from latentgan.game import Gradients, Player
from latentgan.optimizers import FusedAdam, build_optimizer

ADAM = OptimizerConfig(learning_rate=1e-2, beta1=0.5, weight_decay=0.1)


def parts(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((5, 3), (5,), (1, 5))]


def slopes(iterations: int, lacking: int | None = None) -> Iterator[list[Tensor | None]]:
    """Gradients of a number of iterations; the second parameter has none in iteration `lacking`."""
    generator = torch.Generator().manual_seed(1)
    for iteration in range(iterations):
        drawn = [torch.randn(shape, generator=generator) for shape in ((5, 3), (5,), (1, 5))]
        yield [None if iteration == lacking and place == 1 else g for place, g in enumerate(drawn)]


def torchs(parameters: list[nn.Parameter], gradients: list[Tensor | None], adam: torch.optim.Optimizer) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient.clone()
    adam.step()


@pytest.mark.parametrize("lacking", [None, 0, 4])
def test_it_moves_as_torchs_adam_whatever_lacks_a_gradient(lacking: int | None) -> None:
    player, theirs = Player(nn.ParameterList(parts()), ADAM), parts()
    adam = torch.optim.Adam(theirs, 1e-2, (0.5, ADAM.beta2), ADAM.epsilon, 0.1, fused=True)
    for iteration, gradients in enumerate(slopes(8, lacking)):
        for optimizer in (player.optimizer, adam):
            optimizer.param_groups[0]["lr"] = 1e-2 / (1 + iteration)
        torchs(theirs, gradients, adam)
        given: Gradients = tuple(gradients)
        player.step(given)
        assert all(torch.equal(a, b) for a, b in zip(player.parameters, theirs, strict=True))
    assert isinstance(player.optimizer, FusedAdam)


def test_a_state_that_is_loaded_replaces_the_one_it_went_by() -> None:
    first, second = Player(nn.ParameterList(parts()), ADAM), Player(nn.ParameterList(parts(2)), ADAM)
    iterations = [tuple(gradients) for gradients in slopes(6)]
    for gradients in iterations[:3]:
        first.step(gradients)
        second.step(tuple(-2 * g for g in gradients if g is not None))
    with torch.no_grad():
        for loaded, saved in zip(second.parameters, first.parameters, strict=True):
            loaded.copy_(saved)
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    for gradients in iterations[3:]:
        first.step(gradients)
        second.step(gradients)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True))
    assert all(float(state["step"]) == 6 for state in second.optimizer.state.values())


def test_the_lists_are_used_from_the_second_step_on() -> None:
    adam = build_optimizer(parts(), ADAM)
    assert isinstance(adam, FusedAdam)
    gradients = next(slopes(1))
    assert not adam.descend(gradients)
    torchs(adam.param_groups[0]["params"], gradients, adam)
    assert adam.descend(gradients)
    assert not adam.descend([None, *gradients[1:]])


def test_parameters_of_two_types_are_left_to_torch() -> None:
    mixed = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2, dtype=torch.float64))]
    assert not isinstance(build_optimizer(mixed, ADAM), FusedAdam)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_gradients_that_lie_otherwise_in_memory_are_followed(kind: Literal["adam", "sgd"]) -> None:
    settings, generator = OptimizerConfig(kind=kind, learning_rate=1e-2), torch.Generator().manual_seed(3)
    turned, plain = Player(nn.ParameterList(parts()), settings), Player(nn.ParameterList(parts()), settings)
    for _ in range(4):
        slope = torch.randn((3, 5), generator=generator).t()
        given: Gradients = (slope, slope[0, 0].expand(5), slope[:1, :1].expand(1, 5))
        turned.step(given)
        plain.step(tuple(g.contiguous() for g in given if g is not None))
    assert all(torch.equal(a, b) for a, b in zip(turned.parameters, plain.parameters, strict=True))
