"""improved_gan and ali_semi: K + 1 classes in float64, who sees labels, and what moves whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import one_iteration
import pytest
import torch
from one_iteration import pictures, small
from torch import Tensor
from torch.nn.functional import softplus
from torch.nn.utils import parametrize

from latentgan import configure
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError
from latentgan.training.state import open_state

FAMILIES = ("improved_gan", "ali_semi")
QUIET = {"improved_gan": {"input_noise": 0.0, "layer_noise": 0.0}, "ali_semi": {"spectral": True, "norm": "none"}}


def made(name: str, source: ImageSource, **settings: Any) -> Any:
    return small(name, source, **{"latent": 4, **QUIET[name], **settings})


def iteration(family: Any, batches: Batches) -> dict[str, dict[str, Tensor]]:
    return one_iteration.iteration(family, batches)[0]


def lse(l: Tensor) -> Tensor:  # noqa: E741
    return l.exp().sum(1).log()


def test_improved_gans_terms_are_the_papers():
    source = pictures()
    family = made("improved_gan", source)
    given: list[Tensor] = []
    hook = family.discriminator.trunk.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))
    objectives = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))
    hook.remove()
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    x, labelled = next(batches).image, next(batches.labelled)
    (shown,) = given
    assert torch.equal(shown[:16], x) and torch.equal(shown[32:], labelled.image)
    family.double()
    with torch.no_grad():
        f = family.discriminator.trunk(shown.double())
        logits = family.discriminator.logit(f)
        labelled_logits = logits[32:]
        k1 = torch.cat([logits, torch.zeros(48, 1, dtype=torch.float64)], 1).softmax(1)  # the K + 1 probabilities
        expected = {
            ("discriminator", "real"): -(1 - k1[:16, -1]).log().mean(),
            ("discriminator", "fake"): -k1[16:32, -1].log().mean(),
            ("discriminator", "class"): 2
            * (lse(labelled_logits) - labelled_logits.gather(1, labelled.label[:, None])[:, 0]).mean(),
            ("generator", "matching"): (f[:16].mean(0) - f[16:32].mean(0)).square().mean(),
        }
        half = -0.5 * (lse(logits[:16]) - softplus(lse(logits[:16]))).mean() + 0.5 * softplus(lse(logits[16:32])).mean()
    assert {(player, term) for player, terms in objectives.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(objectives[player][term].detach()) == pytest.approx(float(value), abs=3e-6), (player, term)
    both = float((objectives["discriminator"]["real"] + objectives["discriminator"]["fake"]).detach())
    assert both / 2 == pytest.approx(float(half), abs=3e-6)  # the authors' L_unl


def test_ali_semis_terms_have_k_plus_one_classes():
    source = pictures()
    family = made("ali_semi", source)
    for module in family.modules():
        if isinstance(module, parametrize.ParametrizationList):
            module.eval()  # a power iteration would give every pass of the iteration weights of its own
    given: list[tuple[Tensor, Tensor]] = []
    hook = family.discriminator.joint.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))
    objectives = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))
    hook.remove()
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    next(batches)
    label = next(batches.labelled).label
    family.double().eval()
    with torch.no_grad():
        logits = family.discriminator.logit(family.discriminator.joint(torch.cat(given).double()))
        d = lse(logits)
        expected = {
            ("discriminator", "encoded"): softplus(-d[:16]).mean(),
            ("discriminator", "generated"): softplus(d[16:32]).mean(),
            ("discriminator", "class"): -logits[32:].log_softmax(1).gather(1, label[:, None]).mean(),
            ("encoder_generator", "encoded"): softplus(d[:16]).mean(),
            ("encoder_generator", "generated"): softplus(-d[16:32]).mean(),
        }
    assert {(player, term) for player, terms in objectives.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(objectives[player][term].detach()) == pytest.approx(float(value), rel=1e-5), (player, term)


@pytest.mark.parametrize("name", FAMILIES)
def test_exactly_the_told_labels_reach_the_loss(name):
    source = pictures()
    family, x = made(name, source), source.tensor(range(60))
    batches, rows = Batches(source, batch_size=16, seed=0, device="cpu", labels=6), set()
    for _ in range(20):
        given: list[Tensor] = []
        hook = family.discriminator.trunk.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))  # noqa: B023
        iteration(family, batches)
        hook.remove()
        for image in given[-1][-16:]:
            rows |= {int((x - image).flatten(1).abs().sum(1).argmin())}
    assert len(rows) == 6 and np.bincount(source.labels[sorted(rows)]).tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_class_term_moves_the_discriminator_and_nobody_else(name):
    source = pictures()
    family = made(name, source)
    error = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))["discriminator"]["class"]
    theirs = [p for key, p in family.named_parameters() if key.startswith(("generator", "encoder", "posterior"))]
    ours = list(family.discriminator.parameters())
    reached = torch.autograd.grad(error, theirs, allow_unused=True, retain_graph=True)
    assert all(g is None or g.abs().max() == 0 for g in reached)
    assert any(g is not None and g.abs().max() > 0 for g in torch.autograd.grad(error, ours, allow_unused=True))


def test_the_matching_term_reaches_the_generator():
    source = pictures()
    family = made("improved_gan", source)
    term = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))["generator"]["matching"]
    gradients = torch.autograd.grad(term, [p for p in family.generator.parameters() if p.ndim > 1])
    assert all(g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize("name", FAMILIES)
def test_classify_ignores_companions(name):
    source = pictures()
    family, x = made(name, source).eval(), source.tensor(range(5))
    p = family.classify(x)
    assert p.shape == (5, 3) and torch.allclose(p.sum(1), torch.ones(5))
    assert torch.allclose(family.classify(x[2:3])[0], p[2], atol=1e-5)


def test_improved_gan_starts_from_data():
    source = pictures()
    config = configure("improved_gan", family={"latent": 4, "network": "mlp", "hidden": 16, "layers": (12, 8)})
    first, second = (open_state(config, source).family for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    outputs: list[Tensor] = []
    first.discriminator.trunk.dense1[1].register_forward_hook(lambda _, __, out: outputs.append(out.detach().clone()))
    first.represent(source.tensor(range(60)).repeat(20, 1, 1, 1))
    assert outputs[0].mean(0).abs().max() < 0.3
    assert (outputs[0].std(0) - 1).abs().max() < 0.3


@pytest.mark.parametrize(
    ("name", "labels", "settings", "sentence"),
    [
        ("improved_gan", False, {}, "learns classes from labels.*--label.*gan and dcgan"),
        ("ali_semi", False, {}, "learns classes from labels.*--label.*ali learns without"),
        ("improved_gan", True, {"layers": []}, r"family\.layers = \[\] is not possible: .* at least 1 item"),
        ("ali_semi", True, {"conditional": True}, r"family\.conditional gives all networks"),
    ],
)
def test_what_they_cannot_play_is_refused(name, labels, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        made(name, pictures(labels=labels), **settings)
