"""Strided convolutions, no pooling: DCGAN's networks, sized to the image.

Source: Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional GANs, ICLR 2016
(arXiv:1511.06434), §3: strided convolutions, batch norm but not at the image's door, ReLU in the generator,
LeakyReLU 0.2 elsewhere, weights N(0, 0.02²). Kernels are 4×4 (divisible by the stride: no checkerboard).
"""

from __future__ import annotations

from torch import Tensor, nn

from latentgan.errors import ConfigError
from latentgan.networks.blocks import LaidOut, Layers, Norm, PixelDropout, Reshape, conv, deconv, dense, initialise
from latentgan.networks.minibatch import VirtualBatchNorm


def halvings(height: int, width: int) -> int:
    """Return how often convolutions of stride 2 halve an image: two to five times, until its shorter side is below 8.

    Raises:
        ConfigError: the sides cannot be halved that often; names the sizes that can.
    """
    side, levels = min(height, width), 0
    if side < 8:
        raise ConfigError(
            f"images of {height}×{width} are too small for convolutions of stride 2; use --size 8 or more, "
            "or --set family.network=mlp"
        )
    while levels < 2 or (side > 7 and levels < 5):
        side, levels = side // 2, levels + 1
    step = 2**levels
    if height % step or width % step:
        below = min(height, width) // step * step
        raise ConfigError(
            f"images of {height}×{width} cannot be halved {levels} times; both sides must be multiples of {step}: "
            f"use --size {below} --crop or --size {below + step} --crop, or --set family.network=mlp"
        )
    return levels


def conv_trunk(
    shape: tuple[int, int, int],
    *,
    width: int = 32,
    hidden: int = 0,
    norm: Norm = "none",
    std: float | None = None,
    pieces: int = 1,
    drop: float = 0.0,
    drop_input: float = 0.0,
) -> Layers:
    """Return conv1 … convL, each halving the image, and dense1 on top if `hidden` is not 0.

    (n, c, h, w) → (n, width·2^(L-1), h/2^L, w/2^L), or (n, hidden).

    Args:
        shape: (c, h, w) of an image.
        width: channels of conv1; each further one has twice as many, at most eight times.
        hidden: width of dense1.
        norm: of every layer but the first.
        std: initial weights are N(0, std²); None keeps torch's scaled uniform ones.
        pieces: of each maxout unit; 1 is LeakyReLU.
        drop: share of hidden units that are dropped in training.
        drop_input: share of pixels that are dropped in training.
    """
    channels, height, side = shape
    layers: dict[str, nn.Module] = {}
    for level in range(halvings(height, side)):
        out = width * 2 ** min(level, 3)
        block = conv(channels, out, norm="none" if level == 0 else norm, pieces=pieces, drop=drop)
        at_door = drop_input and level == 0
        layers[f"conv{level + 1}"] = nn.Sequential(PixelDropout(drop_input), *block) if at_door else block
        channels = out
    block.append(LaidOut())
    if hidden:
        layers["flat"] = nn.Flatten()
        layers["dense1"] = dense(
            trunk_width(shape, width=width), hidden, norm=norm, activation="leaky", pieces=pieces, drop=drop
        )
    return _initialised(Layers(layers), std)


def trunk_width(shape: tuple[int, int, int], *, width: int = 32) -> int:
    """Return the number of values that the convolutions of `conv_trunk` give for one image."""
    levels = halvings(shape[1], shape[2])
    return int(width * 2 ** min(levels - 1, 3)) * (shape[1] >> levels) * (shape[2] >> levels)


def conv_encoder(
    shape: tuple[int, int, int],
    latent: int,
    *,
    width: int = 32,
    hidden: int = 256,
    norm: Norm = "none",
    std: float | None = None,
) -> Layers:
    """Return conv1 … convL → dense1 → code: (n, c, h, w) in [-1, 1] → (n, latent), not squashed.

    Args:
        shape: (c, h, w) of an image.
        latent: columns of a code.
        width: channels of conv1; each further one has twice as many, at most eight times.
        hidden: width of dense1.
        norm: of every layer but the first.
        std: initial weights are N(0, std²); None keeps torch's scaled uniform ones.
    """
    trunk = conv_trunk(shape, width=width, hidden=hidden, norm=norm)
    return _initialised(Layers({**dict(trunk.named_children()), "code": nn.Linear(hidden, latent)}), std)


class ConvGenerator(nn.Module):
    """z → dense → dense → transposed convolutions → tanh image, the trunk's mirror.

    Args:
        latent: width of z.
        shape: (c, h, w) of an image.
        width: channels before the image; each earlier layer has twice as many, at most eight times.
        hidden: width of the dense layer; 0 leaves it out.
        norm: of all layers but the last.
        std: initial weights are N(0, std²); None keeps torch's scaled uniform ones.
        squash: whether tanh comes last; without it the values are those whose tanh is the image.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        hidden: int = 256,
        norm: Norm = "batch",
        std: float | None = None,
        squash: bool = True,
    ) -> None:
        super().__init__()
        channels, height, side = shape
        levels = halvings(height, side)
        first = width * 2 ** min(levels - 1, 3)
        small = (height >> levels, side >> levels)
        layers: dict[str, nn.Module] = {"dense1": dense(latent, hidden, norm=norm)} if hidden else {}
        layers["project"] = nn.Sequential(
            nn.Linear(hidden or latent, first * small[0] * small[1], bias=norm == "none"),
            Reshape(first, *small),
            {"batch": nn.BatchNorm2d, "virtual": VirtualBatchNorm}.get(norm, nn.Identity)(first),
            nn.ReLU(),
        )
        for level in reversed(range(1, levels)):
            out = width * 2 ** min(level - 1, 3)
            layers[f"deconv{levels - level}"] = deconv(first, out, norm=norm)
            first = out
        layers["image"] = deconv(first, channels, norm="none", activation="none")
        if squash:
            layers["tanh"] = nn.Tanh()
        self.layers = _initialised(Layers(layers), std)

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.layers(z)
        return image


def _initialised(network: Layers, std: float | None) -> Layers:
    if std is not None:
        initialise(network, std)
    return network
