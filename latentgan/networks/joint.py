"""Discriminators: of images, and of (image, code) pairs.

Source of the joint one: Donahue et al. 2017 (arXiv:1605.09782), appendix C; the code joins after the image's
trunk, so that the trunk's named layers are features of the image alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from latentgan.networks.blocks import Layers, Norm, dense, initialise


class Discriminator(nn.Module):
    """x → trunk → logit; the trunk's named layers are the features.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        std: the last weights start as N(0, std²).
    """

    def __init__(self, trunk: Layers, trunk_width: int, *, std: float = 0.02) -> None:
        super().__init__()
        self.trunk = trunk
        self.logit = nn.Linear(trunk_width, 1)
        initialise(self.logit, std)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → logits (n,)."""
        logits: Tensor = self.logit(self.trunk(x).flatten(1))
        return logits.squeeze(1)


class JointDiscriminator(nn.Module):
    """(x, z) → logit: the image's trunk, then a dense layer on its features and the code together.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        latent: width of z.
        hidden: width of the joint layer.
        code_hidden: width of a dense layer on the code before it joins; 0 joins the code as it is.
        norm: of the joint layer.
    """

    def __init__(
        self,
        trunk: Layers,
        trunk_width: int,
        latent: int,
        *,
        hidden: int = 256,
        code_hidden: int = 0,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.code: nn.Module = dense(latent, code_hidden, activation="leaky") if code_hidden else nn.Identity()
        self.joint = dense(trunk_width + (code_hidden or latent), hidden, norm=norm, activation="leaky")
        self.logit = nn.Linear(hidden, 1, bias=norm != "batch-plain")

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1]; z: (n, latent) → logits (n,)."""
        return self.join(self.trunk(x), z)

    def join(self, features: Tensor, z: Tensor) -> Tensor:
        """features: the trunk's output for the images, (n, …); z: (n, latent) → logits (n,)."""
        h = torch.cat([features.flatten(1), self.code(z)], dim=1)
        logits: Tensor = self.logit(self.joint(h))
        return logits.squeeze(1)


def paper_discriminator(
    trunk: Layers, trunk_width: int, latent: int, *, hidden: int, norm: Norm = "batch-plain"
) -> JointDiscriminator:
    """Return (x, z) → logit as BiGAN's authors arrange it: norm in the joint layer alone, last weights zero.

    Args:
        trunk: feature network of images, without norm.
        trunk_width: number of values it gives for one image.
        latent: width of z, which joins as it is.
        hidden: width of the joint layer.
        norm: of the joint layer: "batch-plain", or "none" under spectral norm, then with ordinary last weights.
    """
    network = JointDiscriminator(trunk, trunk_width, latent, hidden=hidden, norm=norm)
    initialise(network.joint)
    initialise(network.logit)
    if norm != "none":
        nn.init.zeros_(network.logit.weight)
    return network


class Matcher(nn.Module):
    """Which code belongs to which image? Two projections whose cosine is high for a pair of one image.

    Source: the symmetric contrastive loss of van den Oord et al. 2018 (arXiv:1807.03748, eq. 4) as in Chen et al.
    2020 (arXiv:2002.05709), between an image's features and its code instead of between two views.

    Args:
        features: width of the image features.
        latent: width of the code.
        hidden: width of the dense layer on the code.
        width: dimension of the common space.
        temperature: divides the cosines.
    """

    def __init__(
        self, features: int, latent: int, *, hidden: int = 256, width: int = 64, temperature: float = 0.1
    ) -> None:
        super().__init__()
        self.image = nn.Linear(features, width)
        self.code = nn.Sequential(*dense(latent, hidden, activation="leaky"), nn.Linear(hidden, width))
        self.temperature = temperature

    def forward(self, features: Tensor, z: Tensor) -> Tensor:
        """features: (n, f); z: (n, latent), row by row of the same images → cosines / temperature (n, n)."""
        a = normalize(self.image(features.flatten(1)).float(), dim=1)
        b = normalize(self.code(z).float(), dim=1)
        return a @ b.T / self.temperature


def judge(
    function: Callable[..., Tensor], real: tuple[Tensor, ...], fake: tuple[Tensor, ...], *, together: bool
) -> tuple[Tensor, Tensor]:
    """Return `function`'s outputs on real and on fake inputs, (n, …) and (m, …).

    Args:
        function: a network.
        real: its arguments for real images.
        fake: its arguments for generated ones.
        together: one pass over both. Wrong for a network with batch statistics: mixing real and fake images in
            one batch would change what each is normalised by.
    """
    if not together:
        return function(*real), function(*fake)
    both = function(*(torch.cat(pair) for pair in zip(real, fake, strict=True)))
    return both[: len(real[0])], both[len(real[0]) :]
