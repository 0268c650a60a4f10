"""Residual networks for photographs of 32 to 128 pixels, sized to the image: generator, encoder and trunk.

    y = S(x) + F(x),  F = conv(a(norm(conv(a(norm(x)))))),

pre-activation, a LeakyReLU 0.2, 3×3 convolutions, S a 1×1 convolution where channels change. Resolution changes by
interpolation, between blocks' convolutions and in S alike: the mean of 2×2 pixels down, bilinear up. Weights start as
He et al. 2015 say, with the last convolution of every F at zero, so that a network starts as its skip connections and
needs no normalisation.

Source: He et al.: Identity Mappings in Deep Residual Networks, ECCV 2016 (arXiv:1603.05027), fig. 4e; Miyato et al.
2018 (arXiv:1802.05957), appendix B.4; no normalisation and zeroed last layers: Zhang et al. 2019 (arXiv:1901.09321), as
in Huang et al. 2024 (R3GAN, arXiv:2501.05441), §3.4.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from latentgan.errors import ConfigError
from latentgan.networks.blocks import LaidOut, Layers, Reshape, dense, initialise_he
from latentgan.networks.dcgan import halvings

Norm = Literal["none", "group"]
"""group: groups of 16 channels, each image by itself (Wu & He 2018, arXiv:1803.08494)."""

SMALLEST, LARGEST = 16, 256
"""Shorter and longer side of images that these networks are meant for."""


class ResidualBlock(nn.Module):
    """x → S(x) + F(x), at the same, half or twice the resolution.

    Args:
        channels_in: of x.
        channels: of the output.
        resample: "down", "up" or "" (stays).
        norm: in front of both activations.
    """

    def __init__(
        self, channels_in: int, channels: int, *, resample: Literal["", "down", "up"] = "", norm: Norm = "none"
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm1, self.norm2 = _norm(norm, channels_in), _norm(norm, channels)
        self.activation1, self.activation2 = nn.LeakyReLU(0.2), nn.LeakyReLU(0.2)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip: nn.Module = nn.Identity()
        if channels_in != channels:
            self.skip = nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, channels_in, h, w) → (n, channels, h', w')."""
        h = self.activation1(self.norm1(x))
        if self.resample == "down":  # in front of the convolutions, which then have a quarter of the pixels
            x, h = avg_pool2d(x, 2), avg_pool2d(h, 2)
        x, h = self.skip(x), self.conv1(h)
        if self.resample == "up":  # behind the first one, for the same reason
            x, h = _twice(x), _twice(h)
        out: Tensor = x + self.conv2(self.activation2(self.norm2(h)))
        return out

    def start_as_identity(self) -> None:
        """Set the last convolution to zero: F(x) = 0."""
        nn.init.zeros_(self.conv2.weight)

    def start_at_random(self) -> None:
        """Draw the last convolution by He's rule, for norms that divide a weight by its size."""
        nn.init.kaiming_normal_(self.conv2.weight, a=0.2, nonlinearity="leaky_relu")


class ResidualGenerator(nn.Module):
    """z → dense → blocks that double the resolution → tanh image, the trunk's mirror.

    Args:
        latent: width of z.
        shape: (c, h, w) of an image.
        width: channels of the last block; each earlier one has twice as many, at most eight times.
        hidden: width of the dense layer; 0 leaves it out.
        norm: of all blocks.
        squash: whether tanh comes last; without it the values are those whose tanh is the image.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        hidden: int = 256,
        norm: Norm = "none",
        squash: bool = True,
    ) -> None:
        super().__init__()
        channels, height, side = shape
        levels = _levels(height, side)
        first = width * 2 ** min(levels - 1, 3)
        small = (height >> levels, side >> levels)
        layers: dict[str, nn.Module] = {"dense1": dense(latent, hidden, activation="leaky")} if hidden else {}
        layers["project"] = nn.Sequential(
            nn.Linear(hidden or latent, first * small[0] * small[1]), Reshape(first, *small)
        )
        for level in reversed(range(levels)):
            out = width * 2 ** min(level, 3)
            layers[f"res{levels - level}"] = ResidualBlock(first, out, resample="up", norm=norm)
            first = out
        layers["image"] = nn.Sequential(_norm(norm, first), nn.LeakyReLU(0.2), nn.Conv2d(first, channels, 3, padding=1))
        if squash:
            layers["tanh"] = nn.Tanh()
        self.layers = Layers(layers)
        initialise_he(self.layers, last=0.02)

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.layers(z)
        return image


def residual_trunk(shape: tuple[int, int, int], *, width: int = 32, hidden: int = 0, norm: Norm = "none") -> Layers:
    """Return stem, then res1 … resL, each halving the image, and dense1 on top if `hidden` is not 0.

    (n, c, h, w) → (n, width·2^(L-1), h/2^L, w/2^L), or (n, hidden): the same shapes as `dcgan.conv_trunk` has.

    Args:
        shape: (c, h, w) of an image.
        width: channels of stem and res1; each further block has twice as many, at most eight times.
        hidden: width of dense1.
        norm: of all blocks.

    Raises:
        ConfigError: the image cannot be halved often enough.
    """
    channels, height, side = shape
    levels = _levels(height, side)
    layers: dict[str, nn.Module] = {"stem": nn.Conv2d(channels, width, 3, padding=1)}
    before = width
    for level in range(levels):
        out = width * 2 ** min(level, 3)
        layers[f"res{level + 1}"] = ResidualBlock(before, out, resample="down", norm=norm)
        before = out
    last = f"res{levels}"
    layers[last] = nn.Sequential(layers[last], _norm(norm, before), nn.LeakyReLU(0.2), LaidOut())
    if hidden:
        layers["flat"] = nn.Flatten()
        layers["dense1"] = dense(before * (height >> levels) * (side >> levels), hidden, activation="leaky")
    network = Layers(layers)
    initialise_he(network, last=None)
    return network


def residual_encoder(
    shape: tuple[int, int, int], latent: int, *, width: int = 32, hidden: int = 256, norm: Norm = "none"
) -> Layers:
    """Return stem, res1 … resL → dense1 → code: (n, c, h, w) in [-1, 1] → (n, latent), not squashed.

    Args:
        shape: (c, h, w) of an image.
        latent: columns of a code.
        width: channels of stem and res1; each further block has twice as many, at most eight times.
        hidden: width of dense1.
        norm: of all blocks.
    """
    trunk = residual_trunk(shape, width=width, hidden=hidden, norm=norm)
    network = Layers({**dict(trunk.named_children()), "code": nn.Linear(hidden, latent)})
    initialise_he(network, last=0.1)
    return network


def need_plain_units(maxout: int, *dropouts: float) -> None:
    """Raise ConfigError where a discriminator's units are asked for that residual blocks do not have.

    Args:
        maxout: pieces of each unit; 1 is none.
        dropouts: shares that are dropped.
    """
    if maxout > 1 or any(dropouts):
        raise ConfigError(
            "residual blocks have neither maxout nor dropout: leave family.maxout and family.dropout out, or set "
            "family.network=dcgan"
        )


def _levels(height: int, width: int) -> int:
    if min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise ConfigError(
            f"residual networks are for images of {SMALLEST} to {LARGEST} pixels a side, not {height}×{width}: use "
            "--set family.network=dcgan, or another --size"
        )
    return halvings(height, width)


def _norm(norm: Norm, channels: int) -> nn.Module:
    return nn.GroupNorm(max(1, channels // 16), channels) if norm == "group" else nn.Identity()


def _twice(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
