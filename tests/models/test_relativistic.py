"""The relativistic objective with R1 and R2: closed forms, fixed points, and what it covers without any other help."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentgan.config import AdversarialConfig
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families.base import configure, family_names, load_family
from latentgan.game import Update
from latentgan.losses import Objective
from latentgan.regularization import R1, R2, gradient_penalties
from latentgan.training.loop import iterations

PAIRED = Objective("relativistic")
REAL = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
FAKE = torch.tensor([0.1, 0.5, -4.0], dtype=torch.float64, requires_grad=True)


def plain(sign: int) -> float:
    return sum(math.log1p(math.exp(sign * (r - f))) for r, f in zip(REAL.tolist(), FAKE.tolist(), strict=True)) / 3


def test_the_discriminator_compares_row_by_row():
    (term,) = PAIRED.discriminator(REAL, FAKE).values()
    assert term.item() == pytest.approx(plain(-1), abs=1e-6)


def test_the_generator_has_no_slope_in_reals():
    term = PAIRED.generator(FAKE, lambda: REAL)
    assert term.item() == pytest.approx(plain(1), abs=1e-6)
    assert torch.autograd.grad(term, REAL, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(term, FAKE)[0].lt(0).all(), "higher fake logits lower it"


def test_makers_of_both_sides_move_both():
    (term,) = PAIRED.exchanged(REAL, FAKE).values()
    assert term.item() == pytest.approx(plain(1), abs=1e-6)
    real, fake = torch.autograd.grad(term, (REAL, FAKE))
    assert real.gt(0).all()
    torch.testing.assert_close(real, -fake)


def test_alike_logits_cost_log_2():
    (term,) = PAIRED.discriminator(REAL, REAL).values()
    assert term.item() == pytest.approx(math.log(2), abs=1e-6)


def test_shifted_logits_are_the_same():
    """Only differences count, so that the discriminator has no threshold to hold."""
    (before,), (after,) = (PAIRED.discriminator(REAL + s, FAKE + s).values() for s in (0.0, 7.0))
    assert before.item() == pytest.approx(after.item(), abs=1e-5)


def test_accuracy_is_the_share_of_pairs_in_order():
    assert PAIRED.accuracy(REAL, FAKE).item() == pytest.approx(2 / 3)


def test_one_side_alone_is_refused():
    with pytest.raises(ConfigError, match="neither side has a term alone"):
        PAIRED.real(REAL)


def test_other_objectives_keep_a_term_a_side():
    bce = Objective("bce")
    assert bce.discriminator(REAL, FAKE) == {"real": bce.real(REAL), "fake": bce.fake(FAKE)}
    assert bce.exchanged(REAL, FAKE, ("a", "b")) == {"a": bce.as_fake(REAL), "b": bce.as_real(FAKE)}
    assert bce.generator(FAKE, lambda: pytest.fail("not needed")) == bce.as_real(FAKE)


class Linear(nn.Module):
    """d(x) = 2 x₁ − x₂, whose squared gradient is 5."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x[:, 0] - x[:, 1]


def test_r2_is_r1_at_fakes():
    x = torch.randn(7, 2, dtype=torch.float64)
    config = AdversarialConfig(r1=0.4, r2=3.0)
    first, second = gradient_penalties(config, Linear())
    assert first(1, x)["r1"].item() == pytest.approx(0.4 / 2 * 5)
    assert second(1, x)["r2"].item() == pytest.approx(3.0 / 2 * 5)
    assert R1(AdversarialConfig(), Linear())(1, x) == R2(AdversarialConfig(), Linear())(1, x) == {}


def test_r2_refuses_batch_statistics():
    with pytest.raises(ConfigError, match=r"family\.r2 takes the discriminator's gradient image by image"):
        R2(AdversarialConfig(r2=1.0), nn.BatchNorm1d(3))


@pytest.mark.parametrize(("gamma", "ends"), [(1.0, True), (0.0, False)])
def test_dirac_gan_ends_at_its_equilibrium_with_penalties_alone(gamma, ends):
    """Mescheder's Dirac-GAN: real data at 0, a generator at θ, d(x) = ψx. Gradient descent on the two terms spirals
    into θ = ψ = 0 with R1 and R2, and goes on circling without."""
    theta, psi = torch.tensor([1.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    for _ in range(2000):
        (term,) = PAIRED.discriminator(psi * 0, psi * theta.detach()).values()
        (slope,) = torch.autograd.grad(term + gamma * psi.square().sum(), psi)
        (push,) = torch.autograd.grad(PAIRED.generator(psi.detach() * theta, lambda: torch.zeros(1)), theta)
        with torch.no_grad():
            psi -= 0.05 * slope
            theta -= 0.05 * push
    distance = math.hypot(theta.item(), psi.item())
    assert distance < 0.01 if ends else distance > 0.3, distance


@pytest.mark.parametrize("name", [n for n in family_names() if "objective" in load_family(n).Config.model_fields])
def test_every_adversarial_family_plays_it(name):
    from latentgan import from_arrays

    rng = np.random.default_rng(0)
    images = from_arrays(rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8), np.arange(40) % 3)
    fields = load_family(name).Config.model_fields
    wanted = {
        "latent": 4,
        "width": 4,
        "hidden": 16,
        "noise": 3,
        "minibatch_discrimination": 0,
        "balance": "alternate",
        "spectral": True,
        "objective": "relativistic",
        "r1": 0.5,
        "r2": 0.5,
    }
    torch.manual_seed(0)
    config = configure(name, family={key: value for key, value in wanted.items() if key in fields}).family
    family = load_family(name)(config, images.spec).train()
    batches, update = Batches(images, batch_size=8, seed=0, device="cpu"), Update(family.players())
    family.initialise(lambda n: batches.gather(torch.arange(n) % 20).image)
    turns = iterations(family, batches, update, seed=0, total_images=10**6)
    for _ in range(2):
        next(turns)
    terms = update.drain()["terms"]
    assert any("_over_" in key for key in terms), terms
    assert any(key.endswith("r2") and value > 0 for key, value in terms.items()), terms
    assert all(np.isfinite(value) for value in terms.values())
