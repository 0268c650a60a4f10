"""The adversarial autoencoder: who is told what, what an encoder draws, and its priors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from latentgan import configure, from_arrays, load_family
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError
from latentgan.priors import Part, Prior
from latentgan.selfcheck.checks.base import Recorder

SMALL = {"latent": 2, "width": 4, "hidden": 16}
PRIOR = {"prior": "mixture", "labels": "prior", "components": 3}


def pictures(*, labels: bool = True, unlabelled: int = 0) -> ImageSource:
    rng, y = np.random.default_rng(0), np.arange(60) % 3
    y[:unlabelled] = -1
    x = rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    return from_arrays(x, y if labels else None, split=["train"] * 60)


def made(source: ImageSource, **settings: Any) -> Any:
    torch.manual_seed(0)
    return load_family("aae")(configure("aae", family={**SMALL, **settings}).family, source.spec).train()


def played(family: Any, source: ImageSource) -> tuple[dict[str, dict[str, Tensor]], list[Tensor], list[Tensor]]:
    """Return one iteration's objectives, what the discriminator was given, and what the decoder was given."""
    judged, decoded, recorder = [], [], Recorder()
    hooks = [
        family.discriminator.register_forward_pre_hook(lambda _, given: judged.append(given[0].detach())),
        family.decoder.register_forward_pre_hook(lambda _, given: decoded.append(given[0].detach())),
    ]
    family.step(Batches(source, batch_size=60, seed=0, device="cpu"), recorder.as_update())
    for hook in hooks:
        hook.remove()
    return {player: dict(terms) for player, terms in recorder.objectives.items()}, judged, decoded


def of(network: torch.nn.Module) -> list[Callable[[Tensor], Tensor]]:
    """A network's linear layers in order, as functions of float64 that share only its numbers."""

    def layer(w: Tensor, b: Tensor | None) -> Callable[[Tensor], Tensor]:
        return lambda h: h @ w.T + (0 if b is None else b)

    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    return [layer(m.weight.detach().double(), None if m.bias is None else m.bias.detach().double()) for m in linear]


def leaky(h: Tensor) -> Tensor:
    return torch.where(h > 0, h, 0.2 * h)


@pytest.mark.parametrize("told", [{}, {"labels": "decoder"}, PRIOR], ids=["nobody", "decoder", "prior"])
@pytest.mark.parametrize("posterior", ["deterministic", "gaussian", "universal"])
def test_the_terms_are_the_papers_computed_anew_in_float64(posterior, told):
    source = pictures(unlabelled=24)
    family = made(source, network="mlp", posterior=posterior, noise=5, **told)
    with torch.no_grad():  # so that every bias and every column counts
        for weight in family.parameters():
            weight += 0.3 * torch.randn_like(weight)
    torch.manual_seed(1)
    objectives, (judged,), (decoded,) = played(family, source)
    batch = next(Batches(source, batch_size=60, seed=0, device="cpu"))
    torch.manual_seed(1)
    noise = torch.randn(60, 5 if posterior == "universal" else 2).double()  # the iteration's first draw
    x, drawn = batch.image.flatten(1).double(), judged[:60, :2].double()

    dense1, dense2 = of(family.encoder)
    h = leaky(dense2(leaky(dense1(x))))
    if posterior == "universal":  # z = e(x, η), which meet in a layer
        features, join, code = of(family.head)
        z = code(leaky(features(h) + join(noise)))
    else:  # z = e(x), or z = μ + σ ε
        (head,) = of(family.head)
        z = head(h) if posterior == "deterministic" else head(h)[:, :2] + head(h)[:, 2:].exp() * noise
    has_label = (batch.label >= 0)[:, None]
    label = torch.where(has_label, torch.eye(3)[batch.label], 1 / 3).double()
    classes = torch.eye(4)[torch.where(has_label[:, 0], batch.label, 3)].double()
    given = torch.cat([z, label], 1) if told.get("labels") == "decoder" else z
    assert torch.allclose(decoded.double(), given, atol=1e-5)

    project, decoded_again, image = of(family.decoder)
    rebuilt = (image(decoded_again(torch.cat([project(given).relu(), given], 1)).relu()) / 2).tanh()
    first, second, last = of(family.discriminator)

    def logit(z: Tensor) -> Tensor:
        return last(leaky(second(leaky(first(torch.cat([z, classes], 1) if told else z)))))

    expected = {
        ("autoencoder", "reconstruction"): ((x - rebuilt) ** 2).sum() / x.numel(),
        ("discriminator", "real"): softplus(-logit(drawn)).mean(),
        ("discriminator", "fake"): softplus(logit(z)).mean(),
        ("encoder", "fake"): softplus(-logit(z)).mean(),
    }
    assert {(player, term) for player, terms in objectives.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(objectives[player][term].detach()) == pytest.approx(float(value), rel=1e-6, abs=1e-6), (
            player,
            term,
        )
    if not told:
        assert drawn.std() == pytest.approx(1, abs=0.3)


def test_each_term_moves_its_networks_alone():
    source = pictures()
    family = made(source)
    objectives, *_ = played(family, source)
    assert {player: set(terms) for player, terms in objectives.items()} == {
        "autoencoder": {"reconstruction"},
        "discriminator": {"real", "fake"},
        "encoder": {"fake"},
    }
    players = family.players()
    owned = {name: {id(p) for p in player.parameters} for name, player in players.items()}
    assert owned["encoder"] < owned["autoencoder"] and not owned["discriminator"] & owned["autoencoder"]
    gradient = torch.autograd.grad(objectives["encoder"]["fake"], players["encoder"].parameters)
    assert all(g.abs().max() > 0 for g in gradient)


def test_one_optimiser_moves_the_weighted_sum():
    source = pictures()
    apart, together = made(source), made(source, adversarial_weight=0.25)
    torch.manual_seed(1)
    first, *_ = played(apart, source)
    torch.manual_seed(1)
    second, *_ = played(together, source)
    assert set(together.players()) == set(second) == {"autoencoder", "discriminator"}
    assert float(second["autoencoder"]["fake"].detach()) == pytest.approx(
        0.25 * float(first["encoder"]["fake"].detach())
    )
    for player, term in (("autoencoder", "reconstruction"), ("discriminator", "real"), ("discriminator", "fake")):
        assert torch.equal(second[player][term], first[player][term])


def test_without_labels_nothing_is_told():
    source = pictures()
    _, (judged,), (decoded,) = played(made(source), source)
    assert judged.shape == (120, 2) and decoded.shape == (60, 2)


def test_unlabelled_images_count_as_any_class():
    source = pictures(unlabelled=24)
    family = made(source, labels="decoder")
    _, (judged,), (decoded,) = played(family, source)
    batch = next(Batches(source, batch_size=60, seed=0, device="cpu"))
    has_label = batch.label >= 0
    assert 20 < int(has_label.sum()) < 50
    assert torch.equal(decoded[has_label, 2:], one_hot(batch.label[has_label], 3).float())
    assert torch.allclose(decoded[~has_label, 2:], torch.tensor(1 / 3))
    classes = one_hot(torch.where(has_label, batch.label, 3), 4).float()
    assert torch.equal(judged[:, 2:], torch.cat([classes, classes]))
    code = family.encode(batch.image)
    assert code.shape == (60, 5) and torch.allclose(code[:, 2:], torch.tensor(1 / 3))


def test_a_label_selects_the_priors_component():
    source = pictures(unlabelled=24)
    _, (judged,), (decoded,) = played(made(source, **PRIOR), source)
    batch = next(Batches(source, batch_size=60, seed=0, device="cpu"))
    assert decoded.shape == (60, 2)
    z, classes = judged[:60, :2], judged[:60, 2:]
    component = torch.round(torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi / 3)).long() % 3
    has_label = batch.label >= 0
    near = z.norm(dim=1) > 0.3  # a draw that crosses the origin has another angle
    assert (
        torch.equal(component[has_label & near], batch.label[has_label & near]) and int((has_label & near).sum()) > 30
    )
    assert set(component[~has_label].tolist()) == {0, 1, 2}
    assert torch.equal(classes.argmax(1), torch.where(has_label, batch.label, 3))
    assert torch.equal(judged[60:, 2:], classes)


@pytest.mark.parametrize("posterior", ["deterministic", "gaussian", "universal"])
def test_encode_is_the_mean_of_what_is_drawn(posterior):
    source = pictures()
    family = made(source, posterior=posterior).eval()
    x = source.tensor(range(4))
    with torch.no_grad():
        code, draws = family.encode(x), torch.stack([family.draw(x) for _ in range(4000)])
    assert torch.equal(code, family.encode(x))
    spread = draws.std(0)
    if posterior == "deterministic":
        assert torch.equal(draws[0], code) and spread.max() == 0
        return
    assert spread.min() > 0.01
    # The universal encoder's mean is over 16 fixed draws, whose own error is a quarter of the spread.
    error = spread / 4 if posterior == "universal" else spread / 4000**0.5
    assert ((draws.mean(0) - code).abs() < 5 * error).all()


def test_the_universal_encoders_codes_survive_saving(tmp_path):
    source = pictures()
    saved, loaded = made(source, posterior="universal"), made(source, posterior="universal")
    loaded.head.pool.zero_()
    loaded.load_state_dict(saved.state_dict())
    x = source.tensor(range(4))
    assert torch.equal(saved.encode(x), loaded.encode(x))


def test_the_mixture_has_its_petals_where_it_says():
    prior = Prior([Part(name="z", kind="mixture", width=2, components=5)])
    component = torch.arange(5).repeat_interleave(20_000)
    z = prior.sample(100_000, generator=torch.Generator().manual_seed(0), component=component)
    for i in range(5):
        angle = 2 * math.pi * i / 5
        ray, across = (
            torch.tensor([math.cos(angle), math.sin(angle)]),
            torch.tensor([-math.sin(angle), math.cos(angle)]),
        )
        petal = z[component == i]
        assert float((petal @ ray).mean()) == pytest.approx(1.4, abs=0.02)
        assert float((petal @ ray).std()) == pytest.approx(0.5, abs=0.02)
        assert float((petal @ across).mean()) == pytest.approx(0, abs=0.002)
        assert float((petal @ across).std()) == pytest.approx(0.05, abs=0.002)


def test_the_roll_ends_at_3_and_its_stretches_follow_one_another():
    prior = Prior([Part(name="z", kind="swiss-roll", width=2, components=4)])
    component = torch.arange(4).repeat_interleave(5_000)
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(0), component=component)
    t = (z.norm(dim=1) / 3) ** 2
    stretch = (4 * t).floor().clamp(0, 3).long()
    assert (stretch != component).float().mean() < 1e-3  # points at an end may round to its neighbour
    assert float(t.mean()) == pytest.approx(0.5, abs=0.01)
    angle = 4 * math.pi * t.sqrt()
    assert torch.allclose(z, 3 * t.sqrt()[:, None] * torch.stack([angle.cos(), angle.sin()], 1), atol=1e-4)


def test_without_a_component_all_are_equally_likely():
    z = Prior([Part(name="z", kind="mixture", width=2, components=4)]).sample(
        40_000, generator=torch.Generator().manual_seed(0)
    )
    component = torch.round(torch.atan2(z[:, 1], z[:, 0]) / (math.pi / 2)).long() % 4
    assert (component.bincount() / 40_000 - 0.25).abs().max() < 0.015


@pytest.mark.parametrize(
    ("settings", "labels", "sentence"),
    [
        ({"prior": "mixture", "latent": 3}, True, r"family\.latent=2"),
        ({"labels": "decoder"}, False, "needs classes.*--label"),
        ({"labels": "prior"}, True, r"family\.prior=mixture"),
        ({**PRIOR, "components": 2}, True, "components to 3 or more"),
        ({"augment": {"rotation": 10.0}}, True, r"family\.augment maps images"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, labels, sentence):
    with pytest.raises(ConfigError, match=sentence):
        made(pictures(labels=labels), **settings)


def test_exactly_the_used_labels_reach_networks():
    source = pictures()
    family = made(source, labels="decoder", latent=2)
    batches, labelled = Batches(source, batch_size=16, seed=3, device="cpu", labels=7), set()
    hook = family.decoder.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    for _ in range(30):
        inputs: list[Tensor] = []
        iteration = dict(batches.counters)
        family.step(batches, Recorder().as_update())
        index = next(Batches(source, batch_size=16, seed=3, device="cpu", labels=7, counters=iteration)).index
        labelled |= set(index[inputs[0][:, 2:].max(1).values == 1].tolist())
    hook.remove()
    assert len(labelled) == 7 and sorted(np.bincount(source.labels[sorted(labelled)])) == [2, 2, 3]
