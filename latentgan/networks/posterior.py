"""The Gaussian q(z|x) of a stochastic encoder.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), §2.1 and appendix A; the
reparameterisation is that of Kingma & Welling 2014 (arXiv:1312.6114), §2.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentgan.networks.blocks import dense, initialise


class Posterior(nn.Module):
    """An encoder's features, and a label where there are labels → mean and log standard deviation of z.

    Args:
        features: width of the encoder's features.
        latent: dimension of z.
        labels: number of classes; 0 is without labels. A label passes a dense layer together with the features.
    """

    def __init__(self, features: int, latent: int, *, labels: int = 0) -> None:
        super().__init__()
        self.join = dense(features + labels, features, activation="leaky") if labels else nn.Identity()
        self.code = nn.Linear(features, 2 * latent)
        initialise(self.code)

    def forward(self, features: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """features: (n, f); y: (n, labels) → mean (n, latent), log standard deviation (n, latent)."""
        h = features.flatten(1) if y is None else torch.cat([features.flatten(1), y], dim=1)
        mean, log_deviation = self.code(self.join(h)).chunk(2, dim=1)
        return mean, log_deviation


def reparameterise(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return a draw z = μ + σ ε, ε ~ N(0, I), through which gradients reach μ and σ; all (n, latent)."""
    return mean + log_deviation.exp() * torch.randn_like(mean)
