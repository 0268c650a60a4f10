"""How well a decoder explains an image: log p(x|z) in nats, of Bernoulli or Gaussian pixels.

A decoder gives a (n, c, h, w), of which the image in [-1, 1] is tanh a; the log-odds of a pixel in [0, 1] are then 2a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from latentgan.errors import ConfigError

LikelihoodName = Literal["gaussian", "bernoulli"]


Binarisation = Literal["threshold", "stochastic", "none"]


LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Likelihood:
    """p(x|z), independent pixels around the decoder's image.

    Args:
        kind: "gaussian", N(G(z), σ²) in units of [-1, 1]; "bernoulli", of pixels in [0, 1].
        binarise: what a Bernoulli pixel of grey u in [0, 1] is: "threshold" 1 from 0.5 on; "stochastic" 1 with
            probability u, drawn anew whenever it is seen (Salakhutdinov & Murray 2008); "none" u itself, which is the
            mean of log p over such draws and no probability of an image.
        deviation: σ.

    Raises:
        ConfigError: a Gaussian is asked to binarise.
    """

    kind: LikelihoodName = "gaussian"
    binarise: Binarisation = "none"
    deviation: float = 0.3

    def __post_init__(self) -> None:
        if self.kind == "gaussian" and self.binarise != "none":
            raise ConfigError(
                f"family.binarise={self.binarise} is for Bernoulli pixels: set family.likelihood=bernoulli, or leave "
                "it out"
            )

    def observed(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the observed images of x (n, c, h, w) in [-1, 1], same shape; stochastic pixels are drawn.

        Args:
            x: images.
            generator: of the draw, on the images' device; by default torch's own.
        """
        if self.binarise != "stochastic":
            return self.settled(x)
        return torch.where(torch.rand(x.shape, generator=generator, device=x.device) < (x + 1) / 2, 1.0, -1.0)

    def settled(self, x: Tensor) -> Tensor:
        """Return the images that the model observes where they must be the same at each call: grey values for draws."""
        return torch.where(x >= 0, 1.0, -1.0) if self.binarise == "threshold" else x

    def log_prob(self, x: Tensor, a: Tensor) -> Tensor:
        """Return log p(x|z) (n,) in nats, summed over an image's pixels and channels.

        Args:
            x: what was observed of the images, (n, c, h, w) in [-1, 1].
            a: the decoder's, of which tanh is the image, (n, c, h, w).
        """
        x, a = x.flatten(1), a.flatten(1)
        x, a = (x, a) if a.dtype is torch.float64 else (x.float(), a.float())
        if self.kind == "bernoulli":
            return ((x + 1) * a - softplus(2 * a)).sum(1)  # u log p + (1 − u) log(1 − p) at the log-odds 2a
        error = (x - a.tanh()) / self.deviation
        return -0.5 * (error.square() + 2 * math.log(self.deviation) + LOG_2PI).sum(1)

    @property
    def text(self) -> str:
        """Description of the pixels, for figures of this likelihood."""
        if self.kind == "gaussian":
            return f"density of pixels in [-1, 1], Gaussian with deviation {self.deviation:g}"
        return {
            "threshold": "Bernoulli pixels, binarised at 0.5",
            "stochastic": "Bernoulli pixels, binarised by a draw with their grey as probability",
            "none": "Bernoulli pixels of real-valued grey, which is no probability of an image",
        }[self.binarise]


def log_normal(z: Tensor, mean: Tensor | float = 0.0, deviation: Tensor | float = 1.0) -> Tensor:
    """Return log N(z; μ, diag σ²) in nats, summed over the last axis: (…, d) → (…).

    Args:
        z: (…, d) points.
        mean: μ, (…, d) or a number.
        deviation: σ, (…, d) or a number.
    """
    deviation = torch.as_tensor(deviation, dtype=z.dtype, device=z.device)
    return -0.5 * (((z - mean) / deviation).square() + 2 * deviation.log() + LOG_2PI).sum(-1)
