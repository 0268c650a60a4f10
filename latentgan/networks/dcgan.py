"""Strided convolutions, no pooling: DCGAN's networks, sized to the image.

Source: Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional GANs, ICLR 2016
(arXiv:1511.06434), §3: strided convolutions, batch norm but not at the image's door, ReLU in the generator,
LeakyReLU 0.2 elsewhere, weights N(0, 0.02²). Kernels are 4×4 (divisible by the stride: no checkerboard).
"""

from __future__ import annotations

from torch import Tensor, nn

from latentgan.errors import ConfigError
from latentgan.networks.blocks import Layers, Norm, Reshape, conv, deconv, dense, initialise


def halvings(height: int, width: int) -> int:
    """Return how often convolutions of stride 2 halve an image: until its shorter side is at most 7, at most 5 times.

    Raises:
        ConfigError: the sides cannot be halved that often; names the sizes that can.
    """
    side, levels = min(height, width), 0
    while side > 7 and levels < 5:
        side, levels = side // 2, levels + 1
    if side > 7:
        levels = 5
    step = 2**levels
    if levels == 0:
        raise ConfigError(
            f"images of {height}×{width} are too small for convolutions of stride 2; use 8×8 or more, "
            "or --set family.network=mlp"
        )
    if height % step or width % step:
        near = [side // step * step for side in (height, width)]
        raise ConfigError(
            f"images of {height}×{width} cannot be halved {levels} times; give sides that are multiples of {step}, "
            f"for example --size {max(near[0], step)} or {near[0] + step}, or use --set family.network=mlp"
        )
    return levels


def conv_trunk(shape: tuple[int, int, int], *, width: int = 32, norm: Norm = "none") -> Layers:
    """Return conv1 … convL, each halving the image: (n, c, h, w) → (n, width·2^(L-1), h/2^L, w/2^L).

    Args:
        shape: (c, h, w) of an image.
        width: channels of conv1; each further one has twice as many, at most eight times.
        norm: of every convolution but the first.
    """
    channels, height, side = shape
    layers: dict[str, nn.Module] = {}
    for level in range(halvings(height, side)):
        out = width * 2 ** min(level, 3)
        layers[f"conv{level + 1}"] = conv(channels, out, norm="none" if level == 0 else norm)
        channels = out
    network = Layers(layers)
    initialise(network)
    return network


def trunk_width(shape: tuple[int, int, int], *, width: int = 32) -> int:
    """Return the number of values that `conv_trunk` gives for one image."""
    levels = halvings(shape[1], shape[2])
    return width * 2 ** min(levels - 1, 3) * (shape[1] >> levels) * (shape[2] >> levels)


def conv_encoder(
    shape: tuple[int, int, int], latent: int, *, width: int = 32, hidden: int = 256, norm: Norm = "batch"
) -> Layers:
    """Return conv1 … convL → dense1 → code: (n, c, h, w) in [-1, 1] → (n, latent), not squashed."""
    trunk = conv_trunk(shape, width=width, norm=norm)
    fan_in = trunk_width(shape, width=width)
    network = Layers(
        {
            **dict(trunk.named_children()),
            "flat": nn.Flatten(),
            "dense1": dense(fan_in, hidden, norm=norm, activation="leaky"),
            "code": nn.Linear(hidden, latent),
        }
    )
    initialise(network)
    return network


class ConvGenerator(nn.Module):
    """z → dense → dense → transposed convolutions → tanh image, the trunk's mirror.

    Args:
        latent: width of z.
        shape: (c, h, w) of an image.
        width: channels before the image; each earlier layer has twice as many, at most eight times.
        hidden: width of the dense layer.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], *, width: int = 32, hidden: int = 256) -> None:
        super().__init__()
        channels, height, side = shape
        levels = halvings(height, side)
        first = width * 2 ** min(levels - 1, 3)
        small = (height >> levels, side >> levels)
        layers: dict[str, nn.Module] = {
            "dense1": dense(latent, hidden, norm="batch"),
            "dense2": dense(hidden, first * small[0] * small[1], norm="batch"),
            "grid": Reshape(first, *small),
        }
        for level in reversed(range(1, levels)):
            out = width * 2 ** min(level - 1, 3)
            layers[f"deconv{levels - level}"] = deconv(first, out)
            first = out
        layers["image"] = deconv(first, channels, norm="none", activation="none")
        layers["tanh"] = nn.Tanh()
        self.layers = Layers(layers)
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.layers(z)
        return image
