"""ALICE's reconstruction terms in BiGAN, and ALI: the terms by direct computation in float64, draws, labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from latentgan import NumpyModel, configure, from_arrays
from latentgan.data.batches import Batch, Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError
from latentgan.families.ali import ALI
from latentgan.families.base import load_family
from latentgan.game import Update
from latentgan.networks.posterior import Posterior, reparameterise
from latentgan.training.loop import iterations

SMALL = {"latent": 3, "width": 4, "hidden": 16}


def images(labels: Any = None, n: int = 32) -> ImageSource:
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), labels, split=["train"] * n)


def built(name: str, *, labels: Any = None, **family: Any) -> Any:
    torch.manual_seed(0)
    return load_family(name)(configure(name, family={**SMALL, **family}).family, images(labels).spec)


class Recorder:
    """Takes one update's terms as numbers, in place of moving anybody."""

    progress, iteration_number = 0.0, 1

    def __call__(self, **objectives: dict[str, Tensor]) -> None:
        self.terms = {f"{player}/{k}": v.item() for player, terms in objectives.items() for k, v in terms.items()}

    def note(self, **values: Tensor) -> None:
        assert all(torch.isfinite(v) for v in values.values())


def played(family: Any, batch: Batch) -> dict[str, float]:
    """Return the terms of one iteration on `batch`, with the default generator at seed 5."""
    recorder, sample = Recorder(), family.prior.sample
    family.prior.sample = lambda n: sample(n).double()
    torch.manual_seed(5)
    family.step(iter([batch]), recorder)
    return recorder.terms


def double_batch(n: int = 6, label: Tensor | None = None) -> Batch:
    x = torch.rand(n, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(image=x, label=label, index=torch.arange(n))


def sp(logits: Tensor) -> float:
    """E log(1 + exp(d)), written out."""
    return float(torch.log1p(torch.exp(logits.double())).mean())


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_alices_adversarial_terms_are_those_of_its_second_game(network):
    family = built("bigan", network=network, reconstruction="adversarial", reconstruction_weight=0.7).double()
    x = double_batch().image
    with torch.no_grad():
        rebuilt = family.generator(torch.tanh(family.encoder(x) / 2))
        untrained = family.pair_discriminator(torch.cat([x, rebuilt], dim=1))
        family.pair_discriminator.logit.weight.div_(untrained.abs().mean())  # logits of order one: signs matter
        same = family.pair_discriminator(torch.cat([x, x], dim=1))
        made = family.pair_discriminator(torch.cat([x, rebuilt], dim=1))
    assert (sp(made) - sp(-made)) ** 2 > 0.01
    terms = played(family, double_batch())
    assert terms["discriminator/same"] == pytest.approx(sp(-same), abs=1e-6)
    assert terms["discriminator/rebuilt"] == pytest.approx(sp(made), abs=1e-6)
    assert terms["encoder_generator/reconstruction"] == pytest.approx(0.7 * sp(-made), abs=1e-6)


def test_alices_explicit_term_by_hand():
    family = built("bigan", network="mlp", reconstruction_weight=0.7).double()
    x = double_batch().image
    with torch.no_grad():
        error = float((x - family.generator(torch.tanh(family.encoder(x) / 2))).square().mean())
    assert played(family, double_batch())["encoder_generator/reconstruction"] == pytest.approx(0.7 * error, abs=1e-6)


def test_without_weight_alice_is_bigan_bit_for_bit():
    states = []
    for form in ("explicit", "adversarial"):
        family = built("bigan", reconstruction=form, reconstruction_weight=0.0).train()
        game = iterations(
            family,
            Batches(images(), batch_size=8, seed=0, device="cpu"),
            Update(family.players()),
            seed=0,
            total_images=100,
        )
        for _ in range(3):
            next(game)
        states.append(family.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_the_pair_discriminator_moves_along():
    family = built("bigan", reconstruction="adversarial", reconstruction_weight=1.0)
    movers = {name: {id(p) for p in player.parameters} for name, player in family.players().items()}
    pair_parameters = {id(p) for p in family.pair_discriminator.parameters()}
    assert pair_parameters <= movers["discriminator"] and not pair_parameters & movers["encoder_generator"]
    x = double_batch().image.float()
    _, term = family._reconstruction(x, family.decode(family.encode(x)), Recorder())
    for network in (family.encoder, family.generator):
        gradients = torch.autograd.grad(term, list(network.parameters()), retain_graph=True)
        assert sum(float(g.abs().sum()) for g in gradients) > 1e-6


def test_alis_terms_are_the_papers():
    family = built("ali", network="mlp").double()
    with torch.no_grad():
        family.discriminator.logit.weight.normal_(0, 1)
        family.posterior.code.bias.copy_(torch.linspace(-1, 1, 6))
    terms = played(family, double_batch())
    x = double_batch().image
    torch.manual_seed(5)  # as in `played`: the prior's draw, then ε
    z, epsilon = torch.randn(6, 3).double(), torch.randn(6, 3, dtype=torch.float64)
    with torch.no_grad():
        out = family.posterior.code(family.encoder(x))
        code = out[:, :3] + out[:, 3:].exp() * epsilon
        encoded, generated = family.discriminator(x, code), family.discriminator(family.generator(z), z)
    assert terms["discriminator/encoded"] == pytest.approx(sp(-encoded), abs=1e-6)
    assert terms["discriminator/generated"] == pytest.approx(sp(generated), abs=1e-6)
    assert terms["encoder_generator/encoded"] == pytest.approx(sp(encoded), abs=1e-6)
    assert terms["encoder_generator/generated"] == pytest.approx(sp(-generated), abs=1e-6)


def test_draws_have_the_posteriors_moments():
    mean = torch.tensor([[0.3, -2.0]], dtype=torch.float64, requires_grad=True)
    log_deviation = torch.tensor([[-1.0, 0.5]], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    draws = reparameterise(mean.expand(200_000, 2), log_deviation.expand(200_000, 2))
    assert torch.allclose(draws.mean(0), mean[0], atol=0.02)
    assert torch.allclose(draws.std(0).log(), log_deviation[0], atol=0.01)
    # E z² = μ² + σ², so its gradients are 2μ and, with respect to log σ, 2σ².
    by_mean, by_log = torch.autograd.grad(draws.square().sum(1).mean(), [mean, log_deviation])
    assert torch.allclose(by_mean, 2 * mean, atol=0.03)
    assert torch.allclose(by_log, 2 * (2 * log_deviation).exp(), rtol=0.02, atol=0)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_encode_is_the_mean_at_every_call(prior):
    family = built("ali", prior=prior).eval()
    x = double_batch().image.float()
    mean, _ = family.posterior(family.encoder(x))
    expected = torch.tanh(mean / 2) if prior == "uniform" else mean
    assert torch.equal(family.encode(x), expected) and torch.equal(family.encode(x), family.encode(x))
    assert not torch.equal(family.draw(x), family.draw(x))
    with torch.no_grad():
        family.posterior.code.bias[3:] = -20.0
    assert torch.allclose(family.draw(x), family.encode(x), atol=1e-6), "without deviation a draw is the mean"


def test_a_label_changes_the_posterior():
    posterior = Posterior(8, 2, labels=3).double()
    h, y = torch.randn(4, 8, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    mean, mean_of_another = posterior(h, y)[0], posterior(h, y.roll(1, 1))[0]
    assert mean.shape == (4, 2) and (mean - mean_of_another).abs().min() > 0


def test_hidden_and_missing_labels_are_unknown():
    family: ALI = built("ali", labels=np.arange(32) % 4, conditional=True, hidden_labels=0.3)
    label = torch.tensor([-1, 0, 1, 2, 3]).repeat(4_000)
    condition = family.condition(Batch(image=torch.zeros(len(label), 1, 8, 8), label=label, index=label))
    assert torch.allclose(condition.sum(1), torch.ones(len(label)))
    unknown = (condition == 0.25).all(1)
    assert unknown[label < 0].all()
    assert unknown[label >= 0].float().mean().item() == pytest.approx(0.3, abs=0.02)
    shown = ~unknown
    assert torch.equal(condition[shown].argmax(1), label[shown])
    assert (family.condition(Batch(image=torch.zeros(5, 1, 8, 8), label=None, index=label)) == 0.25).all()


def test_both_pairs_have_the_same_labels():
    family: ALI = built("ali", labels=np.arange(32) % 4, conditional=True, hidden_labels=0.0)
    label = torch.tensor([3, 0, -1, 2, 1, 1])
    code, z = family.codes(Batch(image=torch.zeros(6, 1, 8, 8), label=label, index=label))
    assert torch.equal(code[:, 3:], z[:, 3:])
    assert torch.equal(code[label >= 0, 3:], one_hot(label[label >= 0], 4).float())


def test_a_conditional_models_code_asks_for_a_class():
    family = built("ali", labels=np.arange(32) % 4, conditional=True)
    model = NumpyModel(family)
    codes = model.encode(images(np.arange(32) % 4).images[:5])
    assert codes.shape == (5, 7) and (codes[:, 3:] == 0.25).all(), "encode is told no label"
    assert [part["encoded"] for part in family.prior.describe()] == [True, False]
    edited = codes.copy()
    edited[:, 3:] = np.eye(4)[2]
    assert np.abs(model.decode(edited) - model.decode(codes)).max() > 0
    drawn = family.prior.sample(2_000)[:, 3:]
    assert torch.allclose(drawn.mean(0), torch.full((4,), 0.25), atol=0.05) and (drawn.max(1).values == 1).all()


def test_conditional_training_needs_classes():
    with pytest.raises(ConfigError, match="--label"):
        built("ali", conditional=True)
