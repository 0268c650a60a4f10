"""Training techniques, each against a closed form: instance noise, R1, smoothing, and that every family offers them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentgan import from_arrays
from latentgan.augmentation import random_affine
from latentgan.config import AdversarialConfig, AugmentConfig
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families.base import Family, configure, family_names, load_family
from latentgan.game import Update
from latentgan.regularization import R1, View, squared_gradients
from latentgan.training.loop import iterations

SMALL = {"latent": 4, "width": 4, "hidden": 16, "noise": 3, "minibatch_discrimination": 0}
ADVERSARIAL = [name for name in family_names() if issubclass(load_family(name).Config, AdversarialConfig)]
IMAGES = from_arrays(np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8), np.arange(40) % 3)


def build(name: str, **settings: object) -> Family:
    fields = load_family(name).Config.model_fields
    given = {**{k: v for k, v in SMALL.items() if k in fields}, "spectral": True, **settings}
    torch.manual_seed(0)
    return load_family(name)(configure(name, family=given).family, IMAGES.spec).train()


class Quadratic(nn.Module):
    """d(x) = ½ xᵀAx + bᵀx, whose gradient is ½ (A + Aᵀ) x + b."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.randn(width, width, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(width, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * ((x @ self.A) * x).sum(1) + x @ self.b


class Joint(nn.Module):
    """d(x, z) = wᵀx + vᵀz."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, -1.0], dtype=torch.float64))
        self.v = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return x @ self.w + z @ self.v


def mlp(*, norm: bool) -> nn.Sequential:
    torch.manual_seed(0)
    between = [nn.BatchNorm1d(8)] if norm else []
    return nn.Sequential(nn.Linear(6, 8), *between, nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()


def test_r1_of_a_linear_discriminator():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False), nn.Flatten(0)).double()
    x = torch.randn(7, 3, 2, 2, dtype=torch.float64)
    (term,) = R1(AdversarialConfig(r1=10.0), linear)(1, x).values()
    assert term.item() == pytest.approx(5 * linear[1].weight.square().sum().item(), rel=1e-12)


def test_r1_of_a_quadratic_discriminator():
    d, x = Quadratic(5), torch.randn(9, 5, dtype=torch.float64)
    slope = 0.5 * x @ (d.A + d.A.T) + d.b
    term = R1(AdversarialConfig(r1=0.6), d)(1, x)["r1"]
    assert term.item() == pytest.approx(0.3 * slope.square().sum(1).mean().item(), rel=1e-12)
    (gradient,) = torch.autograd.grad(term, d.b)
    assert torch.allclose(gradient, 0.6 * slope.mean(0), rtol=1e-12)


def test_r1_of_a_joint_discriminator_is_taken_in_image_and_code():
    x, z = torch.randn(4, 2, dtype=torch.float64), torch.randn(4, 1, dtype=torch.float64)
    assert squared_gradients(Joint(), x, z).tolist() == pytest.approx([9 + 1 + 4] * 4)


def test_r1_is_taken_image_by_image():
    d, x = mlp(norm=False), torch.randn(6, 6, dtype=torch.float64)
    together = squared_gradients(d, x)
    alone = torch.cat([squared_gradients(d, x[i : i + 1]) for i in range(6)])
    assert torch.allclose(together, alone, rtol=1e-12)
    once, twice = (R1(AdversarialConfig(r1=1.0), d)(1, part)["r1"].item() for part in (x, torch.cat([x, x])))
    assert once == pytest.approx(twice, rel=1e-12), "one norm a batch would grow with the batch"


def test_r1_refuses_batch_norm():
    d, x = mlp(norm=True), torch.randn(6, 6, dtype=torch.float64)
    with torch.no_grad():
        jacobian = torch.autograd.functional.jacobian(d, x)
    assert jacobian[0, 1].abs().max() > 1e-3, "the logit of one image depends on another"
    with pytest.raises(ConfigError, match=r"batch norm.*family\.spectral=true"):
        R1(AdversarialConfig(r1=1.0), d)
    assert R1(AdversarialConfig(), d)(1, x) == {}, "off, it asks for nothing"


@pytest.mark.parametrize("name", ["bigan", "infogan", "dcgan"])
def test_families_with_batch_norm_refuse_r1(name):
    with pytest.raises(ConfigError, match=r"family\.spectral=true"):
        build(name, spectral=False, r1=1.0)


def test_lazy_r1_has_the_same_mean_over_the_iterations():
    d, x = Quadratic(3), torch.randn(8, 3, dtype=torch.float64)
    every, fourth = R1(AdversarialConfig(r1=2.0), d), R1(AdversarialConfig(r1=2.0, r1_every=4), d)
    lazy = [fourth(iteration, x)["r1"].item() for iteration in range(1, 9)]
    assert [value > 0 for value in lazy] == [False, False, False, True] * 2
    assert sum(lazy) / 8 == pytest.approx(every(1, x)["r1"].item(), rel=1e-12)


def test_r1_runs_in_float32_under_autocast():
    linear = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    x = torch.randn(8, 6)
    with torch.autocast("cpu", torch.bfloat16):
        squares = squared_gradients(linear, x.bfloat16())
    assert squares.dtype is torch.float32
    assert squares.tolist() == pytest.approx([linear[0].weight.square().sum().item()] * 8, rel=1e-6)


def test_r1_reaches_the_discriminator_alone():
    family = build("bigan", r1=1.0)
    x = IMAGES.tensor(range(8))
    term = family.r1(1, x, family.encode(x))["r1"]
    for network, reached in (
        (family.discriminator.trunk, True),
        (family.discriminator.joint, True),
        (family.encoder, False),
    ):
        weights = [p for p in network.parameters() if p.ndim > 1]
        gradients = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.abs().sum() > 0) for g in gradients] == [reached] * len(weights)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_r1_is_a_term_of_the_discriminator_in_every_family(name):
    means = play(build(name, r1=1.0), 2).drain()["terms"]
    assert [term for term in means if term.endswith("/r1")] == ["discriminator/r1"]
    assert means["discriminator/r1"] > 0


@pytest.mark.parametrize("name", ["bigan", "infogan"])
def test_r1_moves_the_discriminator_and_nobody_else(name):
    """The same game, all moving at once, with and without the penalty: only the discriminator's weights differ."""
    plain, penalised = build(name), build(name, r1=100.0)
    for family in (plain, penalised):
        play(family, 1)
    other = dict(penalised.named_parameters())
    differs = {key.split(".")[0] for key, p in plain.named_parameters() if not torch.equal(p, other[key])}
    assert differs == {"discriminator"}


def play(family: Family, n: int, *, start: int = 0, total_images: int = 80) -> Update:
    update, batches = Update(family.players()), Batches(IMAGES, batch_size=8, seed=0, device="cpu")
    batches.counters["main"] = start
    game = iterations(family, batches, update, seed=0, total_images=total_images, start=start)
    for _ in range(n):
        next(game)
    return update


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.5, 0.5), (0.75, 0.25), (1.0, 0.0)])
def test_instance_noise_has_the_deviation_of_the_runs_progress(progress, share):
    torch.manual_seed(0)
    x = torch.rand(500, 1, 8, 8) * 2 - 1
    shown = View(AdversarialConfig(instance_noise=0.3))(x, progress)
    noise = (shown - x).double()
    n = noise.numel()
    assert noise.std().item() == pytest.approx(0.3 * share, rel=4 / math.sqrt(2 * n), abs=1e-12)
    assert abs(noise.mean().item()) <= 4 * 0.3 * share / math.sqrt(n)
    assert (shown is x) == (share == 0), "without noise nothing is drawn or copied"


def test_instance_noise_is_white_and_fresh():
    torch.manual_seed(0)
    view, x = View(AdversarialConfig(instance_noise=1.0)), torch.zeros(4000, 1, 3, 3)
    first, second = view(x, 0.0).flatten(1), view(x, 0.0).flatten(1)
    correlation = torch.corrcoef(torch.cat([first, second], dim=1).T)
    assert (correlation - torch.eye(18)).abs().max() < 5 / math.sqrt(4000)


def test_a_rotation_of_an_oblong_image_keeps_distances_in_pixels():
    """In pixels the map is S A S⁻¹, with S the sides' halves; without the aspect it would be a shear."""
    torch.manual_seed(0)
    maps = random_affine(50, AugmentConfig(rotation=40), torch.device("cpu"), aspect=24 / 8).double()[:, :, :2]
    sides = torch.tensor([24.0, 8.0], dtype=torch.float64)
    pixels = sides[:, None] * maps / sides
    identity = torch.eye(2, dtype=torch.float64).expand(50, 2, 2)
    assert torch.allclose(pixels @ pixels.mT, identity, atol=1e-6)
    assert (maps @ maps.mT - identity).abs().max() > 0.5


def test_instance_noise_follows_the_affine_map_in_full_precision():
    config = AdversarialConfig(instance_noise=0.1, augment=AugmentConfig(rotation=30.0))
    made = View(config)(torch.zeros(4, 1, 8, 8, dtype=torch.bfloat16), 0.0)
    assert made.dtype is torch.float32, "noise rounded to bf16 on generated images alone would give them away"
    assert made.std().item() == pytest.approx(0.1, rel=0.2), "a map of the noise would smooth it"


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_discriminator_sees_noise_that_fades(name):
    family = build(name, instance_noise=5.0)
    pictures: list[torch.Tensor] = []
    trunk = family.discriminator.trunk
    trunk.register_forward_pre_hook(lambda _, inputs: pictures.append(inputs[0].detach().flatten(1)))

    def deviations() -> torch.Tensor:
        """Of every picture; of codes, which have few numbers and a prior of deviation 1, all together."""
        x = torch.cat(pictures)
        return x.std(1) if x.shape[1] >= 64 else x.std()[None] / 1.5

    play(family, 1)
    assert deviations().min() > 3
    pictures.clear()
    play(family, 1, start=999, total_images=8000)
    assert deviations().max() <= 1, "the run is nearly over"
    with torch.no_grad():
        assert family.decode(family.prior.sample(4)).abs().max() <= 1, "what people see is clean"


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_adversarial_family_smooths_the_real_side_alone(name):
    objective, plain = build(name, smoothing=0.1).objective, build(name).objective
    d = torch.tensor([2.0])
    assert objective.real(d).item() == pytest.approx(0.9 * plain.real(d).item() + 0.1 * plain.fake(d).item())
    assert (
        objective.fake(d) == plain.fake(d)
        and objective.as_real(d) == plain.as_real(d)
        and objective.as_fake(d) == plain.as_fake(d)
    )
    with pytest.raises(ConfigError, match="bce"):
        build(name, smoothing=0.1, objective="hinge")


def test_an_update_knows_the_share_of_the_run_that_has_gone():
    family = build("gan")
    update = play(family, 3, total_images=80)
    assert update.iteration_number == 3 and update.progress == pytest.approx(2 * 8 / 80)
