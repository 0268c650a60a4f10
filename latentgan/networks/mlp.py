"""Permutation-invariant networks: the MLPs of BiGAN's MNIST experiments.

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), appendix C.1,
and the authors' code. Weights N(0, 0.02²), no biases, batch norm without gain and bias, images in [0, 1].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentgan.networks.blocks import Activation, Layers, Norm, PixelDropout, Reshape, UnitRange, dense, initialise
from latentgan.networks.discriminators import JointDiscriminator, paper_discriminator


class MLPGenerator(nn.Module):
    """z → dense → dense (z again) → sigmoid image.

    Args:
        latent: width of z.
        shape: (c, h, w) of an image.
        hidden: width of the two hidden layers.
        norm: of the hidden layers: "batch-plain" as in the paper, "none" with biases.
        activation: of the hidden layers.
        squash: whether the sigmoid comes last; without it the values are those whose tanh is the image.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        *,
        hidden: int = 1024,
        norm: Norm = "batch-plain",
        activation: Activation = "relu",
        squash: bool = True,
    ) -> None:
        super().__init__()
        self.squash = squash
        pixels = shape[0] * shape[1] * shape[2]
        self.dense1 = dense(latent, hidden, norm=norm, activation=activation)
        self.dense2 = dense(hidden + latent, hidden, norm=norm, activation=activation)
        self.image = nn.Sequential(nn.Linear(hidden, pixels, bias=False), Reshape(*shape))
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        h = self.dense2(torch.cat([self.dense1(z), z], dim=1))
        half: Tensor = self.image(h) / 2  # of the log-odds l of a pixel in [0, 1]: tanh(l / 2) = 2σ(l) − 1
        return half.tanh() if self.squash else half


def mlp_encoder(shape: tuple[int, int, int], latent: int, *, hidden: int = 1024, norm: Norm = "batch-plain") -> Layers:
    """Return x → dense1 → dense2 → code: (n, c, h, w) in [-1, 1] → (n, latent), not squashed; `norm` is dense2's.

    Args:
        shape: (c, h, w) of an image.
        latent: columns of a code.
        hidden: width of both dense layers.
        norm: of dense2.
    """
    pixels = shape[0] * shape[1] * shape[2]
    first = nn.Sequential(nn.Flatten(), UnitRange(), nn.Linear(pixels, hidden, bias=False), nn.LeakyReLU(0.2))
    network = Layers(
        {
            "dense1": first,
            "dense2": dense(hidden, hidden, norm=norm, activation="leaky"),
            "code": nn.Linear(hidden, latent, bias=False),
        }
    )
    initialise(network)
    return network


def mlp_discriminator(
    shape: tuple[int, int, int], latent: int, *, hidden: int = 1024, norm: Norm = "batch-plain", classes: int = 0
) -> JointDiscriminator:
    """Return x → dense1, then (dense1, z) → dense → logit; the last weights start at zero.

    Args:
        shape: (c, h, w) of an image.
        latent: width of z.
        hidden: width of both dense layers.
        norm: of the second layer: "batch-plain" as in the paper, "none" for spectral norm, then with biases.
        classes: K class logits in place of one; 0 is one.
    """
    pixels, bias = shape[0] * shape[1] * shape[2], norm == "none"
    first = nn.Sequential(nn.Flatten(), UnitRange(), nn.Linear(pixels, hidden, bias=bias), nn.LeakyReLU(0.2))
    trunk = Layers({"dense1": first})
    initialise(trunk)
    return paper_discriminator(trunk, hidden, latent, hidden=hidden, norm=norm, classes=classes)


def mlp_trunk(
    shape: tuple[int, int, int],
    *,
    hidden: int = 1024,
    norm: Norm = "none",
    pieces: int = 1,
    drop: float = 0.0,
    drop_input: float = 0.0,
) -> Layers:
    """Return x → dense1 → dense2: (n, c, h, w) in [-1, 1] → (n, hidden).

    Args:
        shape: (c, h, w) of an image.
        hidden: width of both layers.
        norm: of the second layer.
        pieces: of each maxout unit; 1 is LeakyReLU.
        drop: share of hidden units that are dropped in training.
        drop_input: share of pixels that are dropped in training.
    """
    pixels = shape[0] * shape[1] * shape[2]
    door = [PixelDropout(drop_input)] if drop_input else []
    first = dense(pixels, hidden, activation="leaky", pieces=pieces, drop=drop)
    second = dense(hidden, hidden, norm=norm, activation="leaky", pieces=pieces, drop=drop)
    network = Layers({"dense1": nn.Sequential(nn.Flatten(), *door, *first), "dense2": second})
    initialise(network)
    return network


def dense_trunk(shape: tuple[int, int, int], widths: Sequence[int]) -> Layers:
    """Return x → dense1 → … with biases and ReLU: (n, c, h, w) → (n, the last of `widths`).

    Args:
        shape: (c, h, w) of an image.
        widths: of the layers.
    """
    fans = [shape[0] * shape[1] * shape[2], *widths]
    layers = {f"dense{i}": dense(fan, width) for i, (fan, width) in enumerate(itertools.pairwise(fans), 1)}
    network = Layers({"flat": nn.Flatten(), **layers})
    initialise(network, 0.1)
    return network
