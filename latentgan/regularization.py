"""Training techniques that any family can switch on, in the seams that the house has for them.

View: the transform in front of every discriminator, the same kind for real and generated images, fresh for each image.
R1: the penalty that needs a discriminator and a batch, one line in a family's step.
(Label smoothing is part of losses.Objective, spectral norm of networks.blocks.)
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from latentgan.config import AdversarialConfig, AugmentConfig
from latentgan.errors import ConfigError
from latentgan.networks.blocks import has_batch_statistics


class View(nn.Module):
    """View of an image that a discriminator gets: a random affine map of it, then instance noise.

    Every image that reaches a discriminator, real or generated, in whoever's terms, passes here; those that people
    see do not. Noise makes the supports of the two distributions overlap (Sønderby et al. 2017, arXiv:1610.04490;
    Arjovsky & Bottou 2017, arXiv:1701.04862): x + ε, ε ~ N(0, σ²), with σ falling linearly from `instance_noise` to 0.

    Args:
        config: augment and instance_noise; zeros pass images through untouched.
    """

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__()
        self.config = config
        self.augment = Augmentation(config.augment)
        self.active = self.augment.active or config.instance_noise > 0

    def forward(self, x: Tensor, progress: float) -> Tensor:
        """x: images (n, c, h, w) → the same shape; progress: share of the run that has gone, in [0, 1]."""
        moved: Tensor = self.augment(x)
        deviation = self.deviation(progress)
        return moved.float() + deviation * torch.randn(x.shape, device=x.device) if deviation else moved

    def deviation(self, progress: float) -> float:
        """Return σ after `progress` in [0, 1] of the run."""
        return self.config.instance_noise * max(0.0, 1 - progress)


class R1:
    """The penalty γ/2 E‖∇d‖² at real inputs: a discriminator that is right has no slope on the data.

    Lazy: every k-th iteration with weight kγ (Karras et al. 2020, arXiv:1912.04958, §3.1).

    Source:
        Mescheder, Geiger, Nowozin: Which Training Methods for GANs do actually Converge?, ICML 2018

    (arXiv:1801.04406), eq. 9.

    Args:
        config: r1 (γ; 0 is off) and r1_every (k).
        discriminator: gives logits (n,).

    Raises:
        ConfigError: the penalty is on and the discriminator has batch statistics: then a logit depends on every image
            of the batch, and the gradient of one image is not defined.
    """

    def __init__(self, config: AdversarialConfig, discriminator: nn.Module) -> None:
        if config.r1 and has_batch_statistics(discriminator):
            raise ConfigError(
                "family.r1 takes the discriminator's gradient image by image, which batch norm and minibatch "
                "discrimination mix: set family.spectral=true (batch norm then gives way to spectral norm) without "
                "minibatch discrimination, or family.r1=0"
            )
        self.weight, self.every, self.discriminator = config.r1, config.r1_every, discriminator

    def __call__(self, iteration: int, *real: Tensor, given: tuple[Tensor, ...] = ()) -> dict[str, Tensor]:
        """Return the discriminator's term "r1": 0 in iterations that are left out, no term where the penalty is off.

        Args:
            iteration: the iteration's number, from 1.
            real: what the discriminator is given for real images; no gradient reaches where it came from.
            given: its further inputs, such as labels, which the gradient is not taken in.
        """
        if not self.weight:
            return {}
        if iteration % self.every:
            return {"r1": real[0].new_zeros(())}
        with _uncompiled(self.discriminator):
            squares = squared_gradients(lambda *points: self.discriminator(*points, *given), *real)
        return {"r1": 0.5 * self.weight * self.every * squares.mean()}


def squared_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return ‖∇d‖² of each item's logit with respect to all of its own inputs, (n,), in float32 or better.

    Differentiable in the function's parameters; the inputs are taken as constants.

    Args:
        function: inputs → logits (n,), the i-th of the i-th items alone.
        inputs: each (n, …).
    """
    points = [x.detach().to(torch.promote_types(x.dtype, torch.float32)).requires_grad_() for x in inputs]
    with torch.autocast(points[0].device.type, enabled=False):
        gradients = torch.autograd.grad(function(*points).sum(), points, create_graph=True)
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)


def _uncompiled(network: nn.Module) -> contextlib.AbstractContextManager[object]:
    """Return a scope in which `network` runs as written: a compiled one has no second derivatives."""
    if all(module._compiled_call_impl is None for module in network.modules()):
        return contextlib.nullcontext()
    eager: contextlib.AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return eager


class Augmentation(nn.Module):
    """A random affine map of each image, differentiable, so that gradients pass through it.

    Applied to real and generated images in both players' terms, it leaves the game's equilibrium where it is
    (Zhao et al. 2020: Differentiable Augmentation, arXiv:2006.10738; Karras et al. 2020, arXiv:2006.06676).
    What lies outside an image is its reflection.

    Args:
        config: the ranges; all zero passes images through untouched.
    """

    def __init__(self, config: AugmentConfig) -> None:
        super().__init__()
        self.config = config
        self.active = any((config.rotation, config.scale, config.shift, config.shear))

    def forward(self, x: Tensor) -> Tensor:
        """x: images (n, c, h, w) → the same shape, each moved by its own draw."""
        if not self.active:
            return x
        with torch.autocast(x.device.type, enabled=False):
            maps = random_affine(len(x), self.config, x.device, aspect=x.shape[3] / x.shape[2])
            grid = affine_grid(maps, list(x.shape), align_corners=False)
            moved: Tensor = grid_sample(x.float(), grid, padding_mode="reflection", align_corners=False)
        return moved


def random_affine(n: int, config: AugmentConfig, device: torch.device, *, aspect: float = 1.0) -> Tensor:
    """Draw n affine maps (n, 2, 3) in normalised coordinates from torch's seeded default generator.

    Args:
        n: how many.
        config: rotation in degrees, scale as a log-ratio, shift as a share of the side, shear as a slope; each is
            drawn uniformly from ± its value, the two axes' scales differing by up to half of `scale`.
        device: where to draw.
        aspect: width over height of the images: normalised coordinates stretch the longer side less, and rotations
            and slopes are meant in pixels.
    """
    draws = torch.rand(6, n, device=device) * 2 - 1
    angle = draws[0] * math.radians(config.rotation)
    across = torch.exp(draws[1] * config.scale)
    down = across * torch.exp(draws[2] * config.scale / 2)
    shear = draws[3] * config.shear
    shift = draws[4:] * 2 * config.shift  # the side is 2 in normalised coordinates
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * across, (shear - sin) * down / aspect, shift[0]], dim=1),
        torch.stack([sin * across * aspect, cos * down, shift[1]], dim=1),
    ]
    return torch.stack(rows, dim=1)
