"""Every loss against a closed form or a second formula, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import configure, load_family
from latentgan.losses import (
    Objective,
    accuracy,
    categorical_information,
    conditional_entropy_bound,
    contrastive,
    gaussian_error,
    minimax_generator,
    paired_information,
    uniform_information,
)

d = torch.tensor([-3.0, -0.5, 0.0, 0.7, 4.0])
target = torch.ones_like


def test_bce_is_binary_cross_entropy_on_logits():
    bce = Objective("bce")
    assert bce.real(d) == pytest.approx(binary_cross_entropy_with_logits(d, target(d)).item(), abs=1e-6)
    assert bce.fake(d) == pytest.approx(binary_cross_entropy_with_logits(d, torch.zeros_like(d)).item(), abs=1e-6)
    assert bce.as_real(d) == bce.real(d)
    assert bce.as_fake(d) == bce.fake(d)


@pytest.mark.parametrize("alpha", [0.9, 0.7])
def test_smoothing_is_a_smoothed_cross_entropy(alpha):
    smooth = Objective("bce", smoothing=1 - alpha)
    assert smooth.real(d).item() == pytest.approx(
        binary_cross_entropy_with_logits(d, alpha * target(d)).item(), abs=1e-6
    )
    assert smooth.fake(d) == Objective("bce").fake(d), "fakes are never smoothed"
    assert smooth.as_real(d) == Objective("bce").as_real(d), "nor is the generator's target"


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_optimum_is_the_density_ratio(smoothing):
    p, q = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    bce, solver = Objective("bce", smoothing=smoothing), torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12)

    def closure() -> torch.Tensor:
        solver.zero_grad()
        value = sum(p[i] * bce.real(logits[i : i + 1]) + q[i] * bce.fake(logits[i : i + 1]) for i in range(3))
        value.backward()
        return value

    solver.step(closure)
    assert torch.allclose(torch.sigmoid(logits), (1 - smoothing) * p / (p + q), atol=1e-5)


def test_at_the_equilibrium_the_discriminators_loss_is_log_4():
    bce = Objective("bce")
    assert (bce.real(torch.zeros(9)) + bce.fake(torch.zeros(9))).item() == pytest.approx(math.log(4), abs=1e-6)


def test_minimax_and_non_saturating_losses_by_hand():
    assert minimax_generator(d).item() == pytest.approx(
        torch.log(1 - torch.sigmoid(d.double())).mean().item(), abs=1e-6
    )
    logit = torch.tensor([-20.0], requires_grad=True)
    (weak,) = torch.autograd.grad(minimax_generator(logit), logit)
    (strong,) = torch.autograd.grad(Objective("bce").as_real(logit), logit)
    assert abs(weak.item()) < 1e-8
    assert strong.item() == pytest.approx(-1.0, abs=1e-6)


def test_hinge_by_hand():
    hinge = Objective("hinge")
    assert hinge.real(d).item() == pytest.approx((4 + 1.5 + 1 + 0.3 + 0) / 5, abs=1e-6)
    assert hinge.fake(d).item() == pytest.approx((0 + 0.5 + 1 + 1.7 + 5) / 5, abs=1e-6)
    assert hinge.as_real(d).item() == pytest.approx(-d.mean().item(), abs=1e-6)
    assert hinge.as_fake(d).item() == pytest.approx(d.mean().item(), abs=1e-6)


def test_the_generators_hinge_has_a_gradient():
    logits = torch.tensor([5.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(Objective("hinge").as_fake(logits), logits)
    assert gradient.item() == 1.0


def test_least_squares_and_wasserstein_by_hand():
    squares, wasserstein = Objective("least-squares"), Objective("wasserstein")
    assert squares.real(d).item() == pytest.approx(0.5 * ((d - 1) ** 2).mean().item(), abs=1e-6)
    assert squares.fake(d).item() == pytest.approx(0.5 * (d**2).mean().item(), abs=1e-6)
    assert squares.as_real(d) == squares.real(d)
    assert (wasserstein.real(d) + wasserstein.fake(d)).item() == 0.0
    assert wasserstein.as_real(d).item() == pytest.approx(-d.mean().item())


@pytest.mark.parametrize("name", ["bce", "hinge", "least-squares", "wasserstein"])
def test_what_fools_is_the_opposite(name):
    """Raising a logit between the two targets helps `real` and `as_real`, and hurts `fake` and `as_fake`."""
    logits = torch.tensor([0.2, 0.6], requires_grad=True)
    objective = Objective(name)
    for loss, sign in ((objective.real, -1), (objective.as_real, -1), (objective.fake, 1), (objective.as_fake, 1)):
        (gradient,) = torch.autograd.grad(loss(logits), logits)
        assert gradient.sum().item() * sign > 0


@pytest.mark.parametrize("name", ["bce", "hinge", "least-squares", "wasserstein"])
def test_losses_are_float32_and_finite_for_sure_logits_in_bf16(name):
    logits = torch.tensor([-1e4, 1e4], dtype=torch.bfloat16)
    objective = Objective(name)
    for loss in (objective.real, objective.fake, objective.as_real, objective.as_fake):
        assert loss(logits).dtype is torch.float32
        assert torch.isfinite(loss(logits))


def test_unknown_objectives_are_refused():
    with pytest.raises(ConfigError, match="known are: bce, hinge"):
        Objective("bse")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="smoothing"):
        Objective("hinge", smoothing=0.1)


def test_the_entropy_bound_is_a_mean_square():
    x, r = torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), 0.5)
    assert conditional_entropy_bound(x, r).item() == pytest.approx(0.25)
    a, b = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    assert conditional_entropy_bound(a, b).item() == pytest.approx(mse_loss(a, b).item(), abs=1e-6)


def test_contrastive_goes_from_log_n_to_zero():
    assert contrastive(torch.zeros(8, 8)).item() == pytest.approx(math.log(8), abs=1e-6)
    assert contrastive(100 * torch.eye(8)).item() == pytest.approx(0.0, abs=1e-6)


def test_contrastive_by_hand():
    s = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
    rows = [math.log(math.e + math.e**2) - 1, math.log(math.e**3 + math.e**5) - 5]
    columns = [math.log(math.e + math.e**3) - 1, math.log(math.e**2 + math.e**5) - 5]
    assert contrastive(s).item() == pytest.approx((sum(rows) + sum(columns)) / 4, abs=1e-6)


def test_accuracy_counts_both_sides_alike():
    assert accuracy(torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([-1.0])).item() == 0.75


@pytest.mark.parametrize("name", ["bce", "hinge", "least-squares", "wasserstein"])
def test_accuracy_is_one_at_the_targets(name):
    real, fake = {"least-squares": (1.0, 0.0), "wasserstein": (7.0, 5.0)}.get(name, (2.0, -2.0))
    o, noise = Objective(name), 0.2 * torch.randn(500, generator=torch.Generator().manual_seed(0))
    assert o.accuracy(real + noise, fake + noise).item() == pytest.approx(1, abs=0.02)
    assert o.accuracy(fake + noise, fake + noise).item() == pytest.approx(0.5, abs=0.02)


def test_the_categorical_information_is_what_a_table_says():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]], dtype=torch.float64)
    by_hand = math.log(3) + sum(math.log(p[i, i]) for i in range(3)) / 3
    assert categorical_information(p.log(), torch.eye(3, dtype=torch.float64)).item() == pytest.approx(
        by_hand, abs=1e-6
    )
    certain = 50 * torch.eye(3)
    assert categorical_information(certain, torch.eye(3)).item() == pytest.approx(math.log(3), abs=1e-6)
    assert categorical_information(torch.zeros(3, 3), torch.eye(3)).item() == pytest.approx(0, abs=1e-6)


def test_the_gaussian_error_is_torchs():
    mean, code = torch.randn(40, 3, dtype=torch.float64), torch.rand(40, 3, dtype=torch.float64)
    likelihood = torch.distributions.Normal(mean, 1.0).log_prob(code).sum(1).mean()
    constant = 3 * 0.5 * math.log(2 * math.pi)
    assert gaussian_error(mean, code).item() == pytest.approx(-(likelihood.item() + constant), abs=1e-5)


def test_uniform_information_is_a_lower_bound():
    code = 2 * torch.rand(200_000, 1, dtype=torch.float64) - 1
    for deviation in (0.01, 0.05):
        read = code + deviation * torch.randn_like(code)
        ours = uniform_information(read, code).item()
        # With noise much narrower than the range, I(c; read) is log 2 minus the entropy of the noise, up to the edges.
        true = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * deviation**2)
        assert ours == pytest.approx(true, abs=0.02)
    assert uniform_information(torch.zeros_like(code), code).item() < 0, "a constant reading says nothing"


def test_paired_information_is_scikit_learns():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 500)
    b = np.where(rng.random(500) < 0.7, a, rng.integers(0, 4, 500))
    a, b = np.concatenate([a, b]), np.concatenate([b, a])  # so that the table is symmetric, as ours is made
    hard = [torch.tensor(60.0 * np.eye(4)[labels]) for labels in (a, b)]
    assert paired_information(*hard).item() == pytest.approx(mutual_info_score(a, b), abs=1e-4)
    first, second = torch.randn(50, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64)
    p, q = first.softmax(1).numpy(), second.softmax(1).numpy()
    joint = (p.T @ q + q.T @ p) / 100
    by_hand = sum(
        joint[i, j] * math.log(joint[i, j] / (joint[i].sum() * joint[:, j].sum())) for i in range(3) for j in range(3)
    )
    assert paired_information(first, second).item() == pytest.approx(by_hand, abs=1e-6)
    assert paired_information(60 * torch.eye(5), 60 * torch.eye(5)).item() == pytest.approx(math.log(5), abs=1e-5)
    entropy = -2 * (joint.sum(1) * np.log(joint.sum(1))).sum()
    more = paired_information(first, second, balance=2.5).item()
    assert more == pytest.approx(by_hand + 1.5 * entropy, abs=1e-6), "I + (balance − 1)(H_j + H_k)"


@pytest.mark.parametrize("network", ["generator", "recogniser"])
def test_infogans_information_reaches_generator_and_recogniser(network):
    family = load_family("infogan")(
        configure("infogan", family={"noise": 3, "width": 4, "hidden": 16, "head": 8}).family,
        ImageSpec(channels=1, height=8, width=8),
    )
    z = family.prior.sample(16)
    terms = family._information(family.recogniser(family.discriminator.trunk(family.generator(z))), z, Notes())
    for name in ("class", "style"):
        gradients = torch.autograd.grad(
            terms[name], list(getattr(family, network).parameters()), retain_graph=True, allow_unused=True
        )
        size = sum(float(g.abs().sum()) for g in gradients if g is not None)
        assert size > 1e-6, f"{name} has no gradient in the {network}"


class Notes:
    """Takes what a family notes."""

    def note(self, **values: torch.Tensor) -> None:
        assert all(torch.isfinite(v).all() for v in values.values())
