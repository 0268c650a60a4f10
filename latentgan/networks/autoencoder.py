"""Networks of adversarial autoencoders: trunk and decoder, heads that give codes, and discriminators of codes.

Source: Makhzani et al.: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §2.1 and appendix A.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from latentgan.networks.blocks import Layers, Norm, dense, initialise_he
from latentgan.networks.dcgan import ConvGenerator, conv_trunk
from latentgan.networks.mlp import MLPGenerator, mlp_trunk
from latentgan.networks.resnet import ResidualGenerator, residual_trunk


def autoencoder(
    network: Literal["dcgan", "resnet", "mlp"],
    shape: tuple[int, int, int],
    latent: int,
    *,
    width: int,
    hidden: int | None,
    norm: Norm = "none",
    squash: bool = True,
) -> tuple[Layers, nn.Module, int]:
    """Return a trunk on images, a decoder of codes, and the width of their dense layers, which the trunk gives.

    The decoder has no norms: batch statistics would differ between codes of images and draws from the prior.

    Args:
        network: convolutions sized to the image, residual blocks of them, or two dense layers each, as in the paper.
        shape: (c, h, w) of an image.
        latent: width of the code.
        width: channels of the first convolution.
        hidden: width of the dense layers; None is 256 for convolutions and the paper's 1000 for mlp.
        norm: of every layer of the trunk but the first; residual blocks have group norm in place of any other.
        squash: whether the decoder gives images; without it, that of which tanh is the image.
    """
    decoder: nn.Module
    if network == "mlp":
        hidden = hidden or 1000
        trunk, decoder = (
            mlp_trunk(shape, hidden=hidden, norm=norm),
            MLPGenerator(latent, shape, hidden=hidden, norm="none", squash=squash),
        )
        initialise_he(decoder, last=0.02)
    elif network == "resnet":
        hidden = hidden or 256
        trunk = residual_trunk(shape, width=width, hidden=hidden, norm="none" if norm == "none" else "group")
        decoder = ResidualGenerator(latent, shape, width=width, hidden=hidden, squash=squash)
    else:
        hidden = hidden or 256
        trunk = conv_trunk(shape, width=width, hidden=hidden, norm=norm)
        decoder = ConvGenerator(latent, shape, width=width, hidden=hidden, norm="none", squash=squash)
        initialise_he(decoder, last=0.02)
    return trunk, decoder, hidden


class CodeDiscriminator(nn.Module):
    """z, and a condition next to it → two dense layers → logit.

    Args:
        latent: width of z.
        condition_width: width of a condition that is concatenated to z, such as a one-hot label; 0 for none.
        hidden: width of both layers.
    """

    def __init__(self, latent: int, *, condition_width: int = 0, hidden: int = 256) -> None:
        super().__init__()
        self.trunk = Layers(
            {
                "dense1": dense(latent + condition_width, hidden, activation="leaky"),
                "dense2": dense(hidden, hidden, activation="leaky"),
            }
        )
        self.logit = nn.Linear(hidden, 1)
        initialise_he(self, last=0.02)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """z: (n, latent); condition: (n, condition_width) → logits (n,)."""
        logits: Tensor = self.logit(self.trunk(z if condition is None else torch.cat([z, condition], dim=1)))
        return logits.squeeze(1)


class UniversalHead(nn.Module):
    """An encoder's features and noise → z: a draw from a q(z|x) of any shape.

    Args:
        features: width of the encoder's features.
        latent: dimension of z.
        noise: dimension of the noise, N(0, I).
        hidden: width of the dense layer in which features and noise meet.
    """

    DRAWS = 16
    """Fixed draws of the noise over which the mean code is taken."""
    pool: Tensor

    def __init__(self, features: int, latent: int, *, noise: int, hidden: int) -> None:
        super().__init__()
        self.noise = noise
        self.features = nn.Linear(features, hidden)
        self.join = nn.Linear(noise, hidden, bias=False)
        self.code = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(hidden, latent))
        self.register_buffer("pool", torch.randn(self.DRAWS, noise))

    def forward(self, h: Tensor) -> Tensor:
        """h: (n, features) → one draw of z for each, (n, latent)."""
        noise = torch.randn((len(h), self.noise), device=h.device)
        z: Tensor = self.code(self.features(h) + self.join(noise))
        return z

    def mean(self, h: Tensor) -> Tensor:
        """h: (n, features) → the mean of z over fixed draws of the noise, (n, latent): the same at every call."""
        features, noise = self.features(h), self.join(self.pool)
        z: Tensor = self.code(features[:, None] + noise).mean(1)
        return z
