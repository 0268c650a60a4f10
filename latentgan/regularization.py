"""Training techniques that any family can switch on, in the seams that the house has for them.

View: the transform in front of every discriminator, the same kind for real and generated images, fresh for each image.
R1 and R2: penalties that need a discriminator and a batch, one line in a family's step.
(Label smoothing is part of losses.Objective, spectral norm of networks.blocks.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from latentgan.augmentation import Augmentation
from latentgan.config import AdversarialConfig
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


class GradientPenalty:
    """The penalty γ/2 E‖∇d‖² on the discriminator's gradient, a norm an image.

    Lazy: every k-th iteration with weight kγ (Karras et al. 2020, arXiv:1912.04958, §3.1).

    Source:
        Mescheder, Geiger, Nowozin: Which Training Methods for GANs do actually Converge?, ICML 2018

    (arXiv:1801.04406), eq. 9.

    Args:
        config: γ, the setting that is called as the penalty is (0 is off), and r1_every (k).
        discriminator: gives logits (n,).

    Raises:
        ConfigError: the penalty is on and the discriminator has batch statistics: then a logit depends on every image
            of the batch, and the gradient of one image is not defined.
    """

    name: ClassVar[Literal["r1", "r2"]]

    def __init__(self, config: AdversarialConfig, discriminator: nn.Module) -> None:
        self.weight: float = getattr(config, self.name)
        self.every, self.discriminator = config.r1_every, discriminator
        if self.weight and has_batch_statistics(discriminator):
            raise ConfigError(
                f"family.{self.name} takes the discriminator's gradient image by image, which batch norm and minibatch "
                "discrimination mix: set family.spectral=true (batch norm then gives way to spectral norm) without "
                f"minibatch discrimination, or family.{self.name}=0"
            )

    def __call__(
        self,
        iteration: int,
        *inputs: Tensor,
        given: tuple[Tensor, ...] = (),
        function: Callable[..., Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the discriminator's term: 0 in iterations that are left out, no term where the penalty is off.

        Args:
            iteration: the iteration's number, from 1.
            inputs: what the discriminator is given; no gradient reaches where it came from.
            given: its further inputs, such as labels, which the gradient is not taken in.
            function: a part of the discriminator that is given these inputs in its place, such as its head.

        Returns:
            The term under the penalty's name, or nothing.
        """
        if not self.weight:
            return {}
        if iteration % self.every:
            return {self.name: inputs[0].new_zeros(())}
        with _uncompiled(self.discriminator):
            logits = function or self.discriminator
            squares = squared_gradients(lambda *points: logits(*points, *given), *inputs)
        return {self.name: 0.5 * self.weight * self.every * squares.mean()}


class R1(GradientPenalty):
    """The penalty at real inputs: a discriminator that is right has no slope on the data."""

    name = "r1"


class R2(GradientPenalty):
    """The penalty at generated inputs; with the relativistic objective it needs both (arXiv:2501.05441, §3.2)."""

    name = "r2"


def gradient_penalties(config: AdversarialConfig, discriminator: nn.Module) -> tuple[R1, R2]:
    """Return the penalties of a discriminator at real and at generated inputs.

    Args:
        config: r1, r2 and r1_every.
        discriminator: gives logits (n,).

    Returns:
        R1 and R2, either of which may be off.

    Raises:
        ConfigError: one is on and the discriminator has batch statistics.
    """
    return R1(config, discriminator), R2(config, discriminator)


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
