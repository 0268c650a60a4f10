"""Every network of a family is compiled, as a whole and once, and two players may walk its graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from one_iteration import pictures
from torch import Tensor, nn

from latentgan.compiling import compile_network
from latentgan.config import OptimizerConfig
from latentgan.families.base import configure
from latentgan.game import Player, Update
from latentgan.training.loop import state_iterations
from latentgan.training.state import TrainingState, open_state

pytestmark = pytest.mark.slow
SPECTRAL = {"spectral": True, "norm": "encoder", "matching_weight": 1.0}
CASES = [("bigan", SPECTRAL), ("infogan", {}), ("aae", {}), ("vae", {}), ("improved_gan", {"network": "mlp"})]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> dict[nn.Module, list[int]]:
    """Of each network that is compiled, the numbers of operations of its graphs, which run as they are."""
    counts: dict[nn.Module, list[int]] = {}

    def counting(network: nn.Module) -> None:
        counts[network] = []

        def backend(graph: torch.fx.GraphModule, inputs: Any) -> Callable[..., Any]:
            counts[network].append(sum(node.op.startswith("call") for node in graph.graph.nodes))
            return graph.forward

        compile_network(network, backend=backend)

    torch._dynamo.reset()
    monkeypatch.setattr("latentgan.training.state.compile_network", counting)
    return counts


def compiled(name: str, family: dict[str, Any]) -> TrainingState:
    small = {"hidden": 16, "width": 4, **family}
    training = {"batch_size": 8, "device": "cpu", "compile": True}
    return open_state(configure(name, family=small, training=training), pictures())


@pytest.mark.parametrize(("name", "family"), CASES)
def test_every_network_is_compiled_as_a_whole(
    name: str, family: dict[str, Any], graphs: dict[nn.Module, list[int]]
) -> None:
    """At most one graph for inputs with a slope and one without; a break in a forward pass would make more."""
    state = compiled(name, family)
    next(state_iterations(state))
    reached = {id(p) for network in graphs for p in network.parameters()}
    assert reached == {id(p) for p in state.family.parameters()}
    assert all(1 <= len(sizes) <= 2 and min(sizes) > 0 for sizes in graphs.values())


def test_later_iterations_compile_nothing(graphs: dict[nn.Module, list[int]]) -> None:
    """Nine networks: Dynamo gives up on a piece of code after eight graphs, so that each has its own."""
    state = compiled("bigan", SPECTRAL)
    game = state_iterations(state)
    list(itertools.islice(game, 2))
    before = {network: list(sizes) for network, sizes in graphs.items()}
    list(itertools.islice(game, 3))
    assert graphs == before


def test_a_compiled_graph_is_walked_by_two_players() -> None:
    """Inductor reuses a graph's memory while it walks it: after a walk alone it refused one that another follows."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    discriminator = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    generator = nn.Linear(3, 4)
    z = torch.randn(6, 3)
    sgd = OptimizerConfig(kind="sgd", learning_rate=0.1)

    def gradients() -> dict[str, dict[str, float]]:
        update = Update({"d": Player({"d": discriminator}, sgd), "g": Player({"g": generator}, sgd)})
        alone: Tensor = discriminator(generator(z))
        update(d={"fake": alone.sigmoid().mean()})
        fake: Tensor = discriminator(generator(z))
        update(d={"fake": fake.sigmoid().mean()}, g={"fake": -fake.sigmoid().mean()})
        return update.drain()

    start = {name: value.clone() for name, value in discriminator.state_dict().items()}
    begun = {name: value.clone() for name, value in generator.state_dict().items()}
    eager = gradients()
    discriminator.load_state_dict(start), generator.load_state_dict(begun)
    compile_network(discriminator)
    compiled_gradients = gradients()
    assert compiled_gradients["gradient_norm"] == pytest.approx(eager["gradient_norm"], rel=1e-5)
