"""What the techniques in front of and on top of a discriminator give in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentgan import augmentation
from latentgan import regularization as tricks
from latentgan.config import AdversarialConfig, AugmentConfig
from latentgan.selfcheck.checks.base import Check, Checks

MESCHEDER = "Mescheder et al. 2018, eq. 9"


class _Linear(torch.nn.Module):
    """d(x, z) = wᵀx + vᵀz with ‖w‖² = 14 and ‖v‖² = 4."""

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        d = x @ x.new_tensor([1.0, -2.0, 3.0])
        return d if z is None else d + z @ z.new_tensor([2.0])


class _Quadratic(torch.nn.Module):
    """d(x) = ½ ‖x‖², whose gradient is x."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x.square().sum(1)


def r1(device: torch.device) -> Checks:
    """R1 of a linear discriminator, of images and of pairs."""
    x, z = torch.randn(50, 3, device=device), torch.randn(50, 1, device=device)
    value = float(tricks.R1(AdversarialConfig(r1=10), _Linear())(1, x)["r1"].detach())
    yield Check(name="R1 of d = wᵀx: γ/2 ‖w‖²", source=MESCHEDER, value=value, expected=70.0, tolerance=1e-4)
    value = float(tricks.R1(AdversarialConfig(r1=10), _Linear())(1, x, z)["r1"].detach())
    yield Check(
        name="R1 of d = wᵀx + vᵀz: γ/2 (‖w‖² + ‖v‖²)", source=MESCHEDER, value=value, expected=90.0, tolerance=1e-4
    )
    true = 0.5 * float(x.cpu().double().square().sum(1).mean())
    value = float(tricks.R1(AdversarialConfig(r1=1), _Quadratic())(1, x)["r1"].detach())
    yield Check(
        name="R1 of d = ½ ‖x‖²: γ/2 E ‖x‖², a norm an image",
        source=MESCHEDER,
        value=value,
        expected=true,
        tolerance=1e-5,
    )
    lazy = tricks.R1(AdversarialConfig(r1=1, r1_every=4), _Quadratic())
    value = sum(float(lazy(iteration, x)["r1"].detach()) for iteration in range(1, 9)) / 8
    yield Check(
        name="R1 every 4th iteration has the same mean",
        source="Karras et al. 2020, §3.1",
        value=value,
        expected=true,
        tolerance=1e-5,
    )


def instance_noise(device: torch.device) -> Checks:
    """Deviation of instance noise at two points of training."""
    view = tricks.View(AdversarialConfig(instance_noise=0.4))
    x = torch.rand(400, 1, 16, 16, device=device)
    spread = 5 * 0.3 / math.sqrt(2 * x.numel())
    for progress, deviation in ((0.25, 0.3), (1.0, 0.0)):
        value = float((view(x, progress) - x).std())
        name = f"deviation of instance noise, 0.4 falling to 0, after {progress:g}"
        yield Check(
            name=name,
            source="Sønderby et al. 2017",
            value=value,
            expected=deviation,
            tolerance=spread if deviation else 0.0,
        )


def affine_maps(device: torch.device) -> Checks:
    """Affine maps of images: the identity, and the ranges of random ones."""
    maps = augmentation.random_affine(5, AugmentConfig(), device).cpu()
    off = float((maps - torch.eye(2, 3)).abs().max())
    yield Check(
        name="affine maps with all ranges 0 are the identity",
        source="Zhao et al. 2020",
        value=off,
        expected=0.0,
        tolerance=1e-7,
    )
    maps = augmentation.random_affine(200, AugmentConfig(rotation=180), device).cpu().double()[:, :, :2]
    off = float((maps @ maps.mT - torch.eye(2)).abs().max())
    yield Check(
        name="rotations alone: largest entry of AAᵀ − 1", source="AAᵀ = 1", value=off, expected=0.0, tolerance=1e-6
    )
