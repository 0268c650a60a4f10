"""Player, Terms, Update: the vocabulary that every family stands on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from latentgan.config import OptimizerConfig
from latentgan.errors import DivergedError
from latentgan.game import PATIENCE, Player, Update

SGD = OptimizerConfig(kind="sgd", learning_rate=0.1)
ADAM = OptimizerConfig(learning_rate=0.01)


@pytest.fixture
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"first": nn.Linear(3, 1), "second": nn.Linear(3, 1)}


def make_update(networks: dict[str, nn.Module], optimizer: OptimizerConfig = SGD) -> Update:
    return Update({name: Player(network, optimizer) for name, network in networks.items()})


def snapshot(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(network: nn.Module, before: list[Tensor]) -> bool:
    return all(torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize("optimizer", [SGD, ADAM, OptimizerConfig(kind="rmsprop")])
def test_updating_one_player_leaves_the_others_untouched(networks, optimizer):
    update = make_update(networks, optimizer)
    before = {name: snapshot(network) for name, network in networks.items()}
    x = torch.randn(5, 3)
    both = (networks["first"](x) * networks["second"](x)).mean()
    update(first={"product": both})
    assert same(networks["second"], before["second"])
    assert not same(networks["first"], before["first"])


def test_players_move_at_the_same_point():
    a, b = (nn.Parameter(torch.tensor([2.0], dtype=torch.float64)) for _ in range(2))
    update = Update({"a": Player({"a": a}, SGD), "b": Player({"b": b}, SGD)})
    product = (a * b).sum()
    update(a={"xy": product}, b={"minus xy": -product})
    # Simultaneous: both see the other's old value. One after the other would give b = 2.16.
    assert a.item() == pytest.approx(2 - 0.1 * 2)
    assert b.item() == pytest.approx(2 + 0.1 * 2)


def test_a_players_objective_is_the_sum_of_its_terms():
    a = nn.Parameter(torch.tensor([1.0]))
    update = Update({"a": Player({"a": a}, SGD)})
    update(a={"line": 3 * a.sum(), "square": a.square().sum()})
    assert a.item() == pytest.approx(1 - 0.1 * (3 + 2))


def test_adam_moves_as_the_paper_says():
    settings = OptimizerConfig(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=1e-8)
    a = nn.Parameter(torch.tensor([1.0]))
    update, m, v, expected = Update({"a": Player({"a": a}, settings)}), 0.0, 0.0, 1.0
    for t in range(1, 4):
        gradient = 2 * expected
        m, v = 0.5 * m + 0.5 * gradient, 0.9 * v + 0.1 * gradient**2
        update(a={"square": a.square().sum()})
        expected -= 0.1 * (m / (1 - 0.5**t)) / ((v / (1 - 0.9**t)) ** 0.5 + 1e-8)
        assert a.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("optimizer", [SGD, ADAM, OptimizerConfig(kind="rmsprop")])
def test_a_stale_graph_raises(networks, optimizer):
    update = make_update(networks, optimizer)
    x = torch.randn(4, 3)
    deep = networks["second"](networks["first"](x).expand(-1, 3))
    stale = deep.mean()
    update(second={"mean": networks["second"](x).mean()})
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        update(first={"stale": stale})


def test_the_second_call_sees_the_firsts_move(networks):
    update = make_update(networks)
    x = torch.randn(4, 3)
    update(first={"mean": networks["first"](x).mean()})
    fresh = networks["second"](networks["first"](x).expand(-1, 3)).mean()
    before = snapshot(networks["first"])
    update(second={"mean": fresh})
    assert same(networks["first"], before)


def test_two_players_may_move_the_same_parameters():
    a = nn.Parameter(torch.tensor([1.0]))
    update = Update({"reconstruct": Player({"a": a}, SGD), "regularise": Player({"a": a}, SGD)})
    update(reconstruct={"line": a.sum()})
    update(regularise={"line": a.sum()})
    assert a.item() == pytest.approx(0.8)


def test_a_detached_network_stops_the_run_with_its_name():
    encoder, decoder = nn.Linear(2, 2), nn.Linear(2, 2)
    update = Update({"both": Player({"encoder": encoder, "decoder": decoder}, ADAM)})
    x = torch.randn(4, 2)
    with pytest.raises(DivergedError, match=r"encoder\.weight, encoder\.bias had no gradient"):
        for _ in range(PATIENCE):
            update(both={"error": decoder(encoder(x).detach()).square().mean()})
    assert update.moves["both"] == PATIENCE


def test_an_optional_player_may_be_without_gradient():
    used, unused = nn.Linear(2, 2), nn.Linear(2, 2)
    update = Update({"p": Player({"used": used, "unused": unused}, ADAM, optional=True)})
    for _ in range(PATIENCE + 1):
        update(p={"mean": used(torch.ones(1, 2)).mean()})


def test_a_network_used_every_other_move_is_not_called_detached():
    a, b = nn.Linear(2, 1), nn.Linear(2, 1)
    update = Update({"p": Player({"a": a, "b": b}, ADAM)})
    for i in range(PATIENCE + 2):
        update(p={"mean": (a if i % 2 else b)(torch.ones(1, 2)).mean()})


def test_an_objective_without_parameters_is_refused(networks):
    with pytest.raises(DivergedError, match="does not depend on any parameter"):
        make_update(networks)(first={"constant": torch.zeros(())})


def test_an_infinite_gradient_names_its_player():
    a = nn.Parameter(torch.zeros(1))
    update = Update({"a": Player({"a": a}, SGD)})
    with update.iteration(7, 0.0), pytest.raises(DivergedError, match=r"iteration 7.*player a, gradient norm"):
        update(a={"root": a.sqrt().sum()})  # value 0, gradient infinite
    assert a.item() == 0, "no step is made on a gradient that is not finite"


def test_an_infinite_term_is_named():
    a = nn.Parameter(torch.ones(1))
    update = Update({"a": Player({"a": a}, SGD)})
    with pytest.raises(DivergedError, match="term bad"):
        update(a={"good": a.sum(), "bad": (a / 0).sum()})


def test_unknown_players_are_refused(networks):
    update = make_update(networks)
    with pytest.raises(ValueError, match="no player is called 'thrid'; this game has: first, second"):
        update(thrid={"x": torch.zeros(())})
    with pytest.raises(ValueError, match=r"first/x has shape \(4, 1\)"):
        update(first={"x": networks["first"](torch.zeros(4, 3))})
    with pytest.raises(ValueError, match="no terms"):
        update(first={})


def test_terms_and_norms_are_recorded_as_means():
    a = nn.Parameter(torch.tensor([2.0]))
    update = Update({"a": Player({"a": a}, OptimizerConfig(kind="sgd", learning_rate=1.0))})
    update(a={"half": 0.5 * a.square().sum()})  # term 2, gradient 2, then a = 0
    update(a={"half": 0.5 * a.square().sum()})  # term 0, gradient 0
    update.note(distance=3.0)
    means = update.drain()
    assert means == {
        "terms": {"a/half": pytest.approx(1.0)},
        "gradient_norm": {"a": pytest.approx(1.0)},
        "notes": {"distance": 3.0},
    }
    assert update.drain() == {"terms": {}, "gradient_norm": {}, "notes": {}}


def test_the_gradient_norm_is_over_all_parameters():
    a, b = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    update = Update({"p": Player({"a": a, "b": b}, SGD)})
    update(p={"line": 3 * a.sum() + 4 * b.sum()})
    assert update.drain()["gradient_norm"]["p"] == pytest.approx((9 + 9 + 16) ** 0.5)


def test_autocast_sees_the_moved_weights():
    torch.manual_seed(0)
    network = nn.Linear(8, 1)
    update = Update({"d": Player(network, OptimizerConfig(learning_rate=0.1))})
    x = torch.randn(16, 8)
    with torch.autocast("cpu", torch.bfloat16), update.iteration(1, 0.0):
        before = network(x)
        update(d={"mean": before.float().mean()})
        after = network(x)
    assert not torch.equal(before, after), "the cast weights of before the step were used again"


def test_gradients_and_steps_stay_in_float32_under_autocast():
    network = nn.Linear(8, 1)
    update = Update({"d": Player(network, ADAM)})
    with torch.autocast("cpu", torch.bfloat16), update.iteration(1, 0.0):
        update(d={"mean": network(torch.randn(4, 8)).float().mean()})
    assert all(p.dtype is torch.float32 for p in network.parameters())


def test_spectral_norm_iterates_once_an_update():
    torch.manual_seed(0)
    once, thrice = spectral_norm(nn.Linear(6, 4)), spectral_norm(nn.Linear(6, 4))
    thrice.load_state_dict(once.state_dict())
    x = torch.randn(3, 6)
    for network, passes in ((once, 1), (thrice, 3)):
        update = Update({"p": Player(network, SGD)})
        with update.iteration(1, 0.0):
            outputs = [network(x).mean() for _ in range(passes)]
            update(p={"mean": outputs[0]})
    u = "parametrizations.weight.0._u"
    assert torch.equal(once.state_dict()[u], thrice.state_dict()[u])


def test_the_normalised_weight_is_computed_anew_after_a_move():
    torch.manual_seed(0)
    network = spectral_norm(nn.Linear(6, 4))
    update = Update({"p": Player(network, SGD)})
    with update.iteration(1, 0.0):
        before = network.weight
        assert network.weight is before, "cached within the forward passes of one update"
        update(p={"square": network(torch.randn(3, 6)).square().mean()})
        assert network.weight is not before
        assert not torch.equal(network.weight, before)
    assert not parametrize._cache_enabled, "no cache is left open after an iteration"


def test_learning_rates_follow_the_schedule_in_images():
    a = nn.Parameter(torch.zeros(1))
    falling = OptimizerConfig(kind="sgd", learning_rate=1.0, schedule="linear", decay_from=0.5, decay_to=0.1)
    update = Update({"a": Player({"a": a}, falling)})
    for progress, rate in ((0.0, 1.0), (0.5, 1.0), (0.75, 0.55), (1.0, 0.1)):
        before = a.item()
        with update.iteration(1, progress):
            update(a={"line": a.sum()})
        assert before - a.item() == pytest.approx(rate, rel=1e-5)


def test_shared_parameters_count_once_and_keep_their_first_name():
    layer = nn.Linear(2, 2)
    player = Player({"encoder": layer, "again": layer}, SGD)
    assert player.names == ["encoder.weight", "encoder.bias"]


def test_the_fused_optimiser_is_used_where_torch_has_one():
    assert Player(nn.Linear(2, 2), ADAM).optimizer.defaults["fused"] is True


def test_moves_go_on_counting_after_a_resume():
    encoder, decoder = nn.Linear(2, 2), nn.Linear(2, 2)
    update = Update({"both": Player({"encoder": encoder, "decoder": decoder}, ADAM)})
    update.resume({"both": PATIENCE - 1})
    with pytest.raises(DivergedError, match="no gradient"):
        update(both={"error": decoder(torch.randn(4, 2)).square().mean()})
