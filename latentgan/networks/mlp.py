"""Permutation-invariant networks: the MLPs of BiGAN's MNIST experiments.

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), appendix C.1,
and the authors' code. Weights N(0, 0.02²), no biases, batch norm without gain and bias, images in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentgan.networks.blocks import Layers, Reshape, UnitRange, dense, initialise


class MLPGenerator(nn.Module):
    """z → dense → dense (z again) → sigmoid image.

    Args:
        latent: width of z.
        shape: (c, h, w) of an image.
        hidden: width of the two hidden layers.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], *, hidden: int = 1024) -> None:
        super().__init__()
        pixels = shape[0] * shape[1] * shape[2]
        self.dense1 = dense(latent, hidden, norm="batch-plain")
        self.dense2 = dense(hidden + latent, hidden, norm="batch-plain")
        self.image = nn.Sequential(nn.Linear(hidden, pixels, bias=False), Reshape(*shape))
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        h = self.dense2(torch.cat([self.dense1(z), z], dim=1))
        image: Tensor = torch.tanh(self.image(h) / 2)  # = 2σ(l) − 1
        return image


def mlp_encoder(shape: tuple[int, int, int], latent: int, *, hidden: int = 1024) -> Layers:
    """Return x → dense1 → dense2 → code: (n, c, h, w) in [-1, 1] → (n, latent), not squashed."""
    pixels = shape[0] * shape[1] * shape[2]
    first = nn.Sequential(nn.Flatten(), UnitRange(), nn.Linear(pixels, hidden, bias=False), nn.LeakyReLU(0.2))
    network = Layers(
        {
            "dense1": first,
            "dense2": dense(hidden, hidden, norm="batch-plain", activation="leaky"),
            "code": nn.Linear(hidden, latent, bias=False),
        }
    )
    initialise(network)
    return network


def mlp_trunk(shape: tuple[int, int, int], *, hidden: int = 1024, bias: bool = False) -> Layers:
    """Return the discriminator's image trunk x → dense1: (n, c, h, w) → (n, hidden)."""
    pixels = shape[0] * shape[1] * shape[2]
    first = nn.Sequential(nn.Flatten(), UnitRange(), nn.Linear(pixels, hidden, bias=bias), nn.LeakyReLU(0.2))
    network = Layers({"dense1": first})
    initialise(network)
    return network
