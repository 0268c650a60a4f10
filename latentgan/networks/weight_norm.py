"""Weight norm, its data-dependent start, and noise between layers: the networks of Improved GAN's semi-supervised part.

Source: Salimans & Kingma: Weight Normalization, NeurIPS 2016 (arXiv:1602.07868), eq. 2, 5 and 6; Salimans et al. 2016
(arXiv:1606.03498), §5.1 and the authors' code (mnist_svhn_cifar10/nn.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from latentgan.networks.blocks import Layers


class GaussianNoise(nn.Module):
    """x + ε, ε ~ N(0, σ²), in training.

    Args:
        deviation: σ.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape."""
        return x + self.deviation * torch.randn_like(x) if self.training and self.deviation else x


class WeightNorm(nn.Module):
    """w = s v / ‖v‖ for each unit: a direction v that is learned, and a scale s.

    Args:
        weight: (out, …), the weights to start from, which stay what they are.
        learned: whether s is learned. A unit whose s stands still cannot outgrow the noise behind it.
    """

    scale: Tensor

    def __init__(self, weight: Tensor, *, learned: bool) -> None:
        super().__init__()
        scale = _norm(weight).detach()
        if learned:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    def forward(self, direction: Tensor) -> Tensor:
        """direction: (out, …) → w, the same shape."""
        weight: Tensor = direction * (self.scale / _norm(direction).clamp_min(1e-12))
        return weight


def _norm(weight: Tensor) -> Tensor:
    """Return each unit's ‖w‖, (out, 1, …)."""
    norms: Tensor = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return norms.view(-1, *[1] * (weight.ndim - 1))


def add_weight_norm(network: nn.Module, *, learned: bool) -> None:
    """Give every linear layer and convolution of `network` a weight norm; what it computes stays the same.

    Args:
        network: changed in place.
        learned: whether the scales are learned (the authors' code: of the last layer alone).
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(module, "weight", WeightNorm(module.weight, learned=learned))


def noisy(trunk: Layers, *, door: float, between: float) -> Layers:
    """Return `trunk` with Gaussian noise in front of its first layer and of every further one, in training.

    Args:
        trunk: named layers; the names stay.
        door: deviation in front of the first layer.
        between: deviation in front of the others.
    """
    layers, deviation = {}, door
    for name, layer in trunk.named_children():
        layers[name] = layer
        if any(True for _ in layer.parameters()):
            layers[name] = nn.Sequential(GaussianNoise(deviation), *_parts(layer))
            deviation = between
    return Layers(layers)


@torch.no_grad()
def initialise_from_data(network: nn.Module, x: Tensor) -> None:
    """Set scales and biases so that each weight-normed unit has mean 0, deviation 1 over x (arXiv:1602.07868, eq. 6).

    Args:
        network: in training mode if there is noise in it that should count; changed in place.
        x: (n, …), what the network is given.
    """
    hooks = [m.register_forward_hook(_standardise) for m in network.modules() if parametrize.is_parametrized(m)]
    try:
        network(x)
    finally:
        for hook in hooks:
            hook.remove()


def _standardise(module: nn.Module, _inputs: Any, out: Tensor) -> Tensor | None:
    (norm,) = module.parametrizations["weight"]  # type: ignore[index]
    if not isinstance(norm, WeightNorm):
        return None
    over = [0, *range(2, out.ndim)]
    mean, deviation = out.mean(over), out.std(over, correction=0).clamp_min(1e-6)
    norm.scale.div_(deviation.view(norm.scale.shape))
    assert isinstance(module.bias, Tensor)
    module.bias.sub_(mean).div_(deviation)
    shape = [1, -1, *[1] * (out.ndim - 2)]
    return (out - mean.view(shape)) / deviation.view(shape)


def _parts(layer: nn.Module) -> list[nn.Module]:
    return list(layer) if isinstance(layer, nn.Sequential) else [layer]
