"""Networks for points: the perceptrons of ALI's toy of 25 Gaussians.

The paper's: batch norm and ReLU in encoder and generator, maxout without norm in the discriminators, weights
N(0, 0.02²), outputs linear and unbounded.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), §4.5, and the authors' code
(experiments/ali_mixture.py, experiments/gan_mixture.py).
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from latentgan.networks.blocks import Layers, Reshape, dense, initialise, initialise_he
from latentgan.networks.discriminators import Discriminator, JointDiscriminator

Shape = tuple[int, int, int]
"""(d, 1, 1): a point of d numbers, as an image of one pixel."""


def noisy_encoder(shape: Shape, latent: int, *, hidden: int = 400) -> Layers:
    """Return (x, ε) → two dense layers → code: points upon noise of their shape, (n, 2d, 1, 1) → (n, latent).

    What it gives is a draw from a q(z|x) that need not be Gaussian.

    Args:
        shape: (d, 1, 1) of a point.
        latent: columns of a code.
        hidden: width of the dense layers.
    """
    layers = _hidden(2 * math.prod(shape), hidden, 2, norm="batch")
    network = Layers({"flat": nn.Flatten(), **dict(layers.named_children()), "code": nn.Linear(hidden, latent)})
    initialise(network)
    return network


def point_generator(latent: int, shape: Shape, *, hidden: int = 400) -> nn.Sequential:
    """Return z → four dense layers → point: (n, latent) → (n, *shape).

    Args:
        latent: columns of a code.
        shape: (d, 1, 1) of a point.
        hidden: width of the dense layers.
    """
    layers = _hidden(latent, hidden, 4, norm="batch")
    network = nn.Sequential(layers, nn.Linear(hidden, math.prod(shape)), Reshape(*shape))
    initialise(network)
    return network


def point_discriminator(shape: Shape, *, hidden: int = 200, pieces: int = 5) -> Discriminator:
    """Return x → three layers → logit: (n, *shape) → (n,); arguments as of `pair_discriminator`."""
    layers = _judging(math.prod(shape), hidden, pieces)
    network = Discriminator(Layers({"flat": nn.Flatten(), **dict(layers.named_children())}), hidden)
    _start(network, pieces)
    return network


def pair_discriminator(shape: Shape, latent: int, *, hidden: int = 200, pieces: int = 5) -> JointDiscriminator:
    """Return (x, z) side by side → three layers → logit: (n, *shape), (n, latent) → (n,).

    Args:
        shape: of a point.
        latent: width of z.
        hidden: width of the layers.
        pieces: of each maxout unit. 1 is LeakyReLU, with weights that keep the scale of what comes in (He et al.
            2015): under maxout's N(0, 0.02²) the discriminator needs thousands of iterations to say anything.
    """
    width = math.prod(shape)
    network = JointDiscriminator(Layers({"flat": nn.Flatten()}), width, latent, hidden=hidden)
    network.joint = _judging(width + latent, hidden, pieces)
    _start(network, pieces)
    return network


def _judging(fan_in: int, width: int, pieces: int) -> Layers:
    return _hidden(fan_in, width, 3, activation="leaky", pieces=pieces)


def _hidden(fan_in: int, width: int, depth: int, **units: Any) -> Layers:
    """Return `depth` dense layers; the kind of their units is given by arguments of `dense`."""
    fans = [fan_in, *[width] * (depth - 1)]
    return Layers({f"dense{i}": dense(fan, width, **units) for i, fan in enumerate(fans, 1)})


def _start(discriminator: nn.Module, pieces: int) -> None:
    if pieces > 1:
        initialise(discriminator)
    else:
        initialise_he(discriminator, last=0.02)
