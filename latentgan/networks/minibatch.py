"""Layers that see an image together with others: its minibatch, or a reference batch that never changes.

Source: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen: Improved Techniques for Training GANs, NeurIPS 2016
(arXiv:1606.03498), §3.2 and §3.5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

REFERENCE = 64
"""Codes of a reference batch."""


class MinibatchDiscrimination(nn.Module):
    """Features and how close they are to those of the minibatch's other images: alike images give themselves away.

    M_i = f(x_i) T with a learned T, and o(x_i)_b = Σ_{j ≠ i} exp(−‖M_ib − M_jb‖₁) stands beside f(x_i). Real and
    generated images must come in minibatches of their own. (The paper's sum holds j = i too, a constant 1.)

    Source:
        ArXiv:1606.03498, §3.2.

    Args:
        features: width A of f(x).
        kernels: B, how many closenesses are added.
        dimensions: C, of each kernel's space; the authors' code has 5.
    """

    def __init__(self, features: int, kernels: int, *, dimensions: int = 5) -> None:
        super().__init__()
        self.kernels, self.dimensions = kernels, dimensions
        self.project = nn.Linear(features, kernels * dimensions, bias=False)
        # Distances of about 1 for features of size 1, so that exp(−distance) is neither 0 nor 1 at the start.
        nn.init.normal_(self.project.weight, 0.0, 1 / (dimensions * math.sqrt(features)))

    def forward(self, features: Tensor) -> Tensor:
        """features: (n, A) → (n, A + B)."""
        return torch.cat([features, self.closeness(features).to(features.dtype)], dim=1)

    def closeness(self, features: Tensor) -> Tensor:
        """features: (n, A) → o, (n, B), each between 0 and n − 1."""
        points = self.project(features).float().view(len(features), self.kernels, self.dimensions).transpose(0, 1)
        distances = torch.cdist(points.contiguous(), points.contiguous(), p=1)  # (B, n, n)
        return (torch.exp(-distances).sum(2) - 1).T


class VirtualBatchNorm(nn.Module):
    """Normalisation by the statistics of a reference batch and the example itself, so that companions do not matter.

    Of each channel, with the reference's mean μ_R and mean square s_R over n examples and the example's own a and a²
    (means over its positions): μ = (a + n μ_R) / (n + 1), s = (a² + n s_R) / (n + 1), x → γ (x − μ) / √(s − μ²) + β.
    The reference itself, the first n rows, is normalised by its own. (The paper has this in words; the formula is a
    reading of it.) A shift of x changes nothing, so moments are taken about μ_R: about 0, s − μ² would lose the
    variance of channels whose mean is large.

    Source:
        ArXiv:1606.03498, §3.5.

    Args:
        width: channels.
        epsilon: added to the variance.
    """

    def __init__(self, width: int, *, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon, self.reference = epsilon, REFERENCE
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n + m, width, …), the first n rows the reference's → the same shape."""
        n, positions = self.reference, tuple(range(2, x.ndim))
        h = x.float()
        h = h - h[:n].mean((0, *positions), keepdim=True)
        mean = h.mean(positions) if positions else h
        square = h.square().mean(positions) if positions else h.square()
        center, size = mean[:n].mean(0), square[:n].mean(0)
        centers = torch.cat([center.expand(n, -1), (mean[n:] + n * center) / (n + 1)])
        sizes = torch.cat([size.expand(n, -1), (square[n:] + n * size) / (n + 1)])
        scale = self.weight * torch.rsqrt((sizes - centers.square()).clamp_min(0) + self.epsilon)
        shift = self.bias - centers * scale
        shape = (*scale.shape, *[1] * len(positions))
        return (h * scale.view(shape) + shift.view(shape)).to(x.dtype)


class Referenced(nn.Module):
    """A generator with virtual batch norm, together with the reference batch that runs before every minibatch.

    Args:
        network: codes → images, with `VirtualBatchNorm` layers.
        reference: (n, d) codes, drawn once.
    """

    reference: Tensor

    def __init__(self, network: nn.Module, reference: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("reference", reference.detach())
        for module in network.modules():
            if isinstance(module, VirtualBatchNorm):
                module.reference = len(reference)

    def forward(self, z: Tensor) -> Tensor:
        """z: (m, d) → images (m, c, h, w)."""
        images: Tensor = self.network(torch.cat([self.reference.to(z.dtype), z]))
        return images[len(self.reference) :]
