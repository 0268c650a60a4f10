"""Networks of Adversarial Variational Bayes: encoders whose q(z|x) has draws but no formula, and their adversary.

Source: Mescheder, Nowozin, Geiger: Adversarial Variational Bayes, ICML 2017 (arXiv:1701.04722), and the authors' code.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from latentgan.networks.blocks import Affine, Layers, dense, initialise_he

Draw = tuple[Tensor, Tensor, Tensor]
"""z drawn from q(z|x), and the mean and deviation of the Gaussian that the adversary is to compare it with, (n, d)."""


class NoisyEncoder(nn.Module):
    """z(x, ε): a trunk with noise ε, mapped linearly and added at each layer, and a linear layer: any q(z|x).

    The Gaussian of comparison is the prior N(0, I).

    Args:
        trunk: of images; its layers are blocks with one affine map each.
        features: number of values that it gives for one image.
        latent: dimension of z.
        noise: dimension of ε, N(0, I).
    """

    DRAWS = 16
    """Fixed draws of ε over which the mean code is taken."""
    pool: Tensor

    def __init__(self, trunk: Layers, features: int, latent: int, *, noise: int) -> None:
        super().__init__()
        self.trunk, self.noise = trunk, noise
        self.code = nn.Linear(features, latent)
        initialise_he(nn.Sequential(trunk, self.code), last=1 / math.sqrt(features))
        widths = {name: _outputs(block) for name, block in trunk.named_children()}
        self.added = nn.ModuleDict({n: nn.Linear(noise, width, bias=False) for n, width in widths.items() if width})
        self.last = nn.Linear(noise, latent, bias=False)
        for weight in (*self.added.parameters(), self.last.weight):
            nn.init.normal_(weight, 0, 1 / math.sqrt(noise))
        self.register_buffer("pool", torch.randn(self.DRAWS, noise))

    def forward(self, x: Tensor) -> Draw:
        """x: (n, c, h, w) → a draw of z for each, and 0 and 1, (n, latent) each."""
        z = self.code_of(x, torch.randn(len(x), self.noise, dtype=x.dtype, device=x.device))
        return z, torch.zeros_like(z), torch.ones_like(z)

    def code_of(self, x: Tensor, noise: Tensor) -> Tensor:
        """x: (n, c, h, w); noise: ε, (n, noise) → z (n, latent)."""
        for name, block in self.trunk.named_children():
            if name not in self.added:
                x = block(x)
                continue
            extra = self.added[name](noise)
            for layer in block.children():
                x = layer(x)
                if isinstance(layer, Affine):
                    x = x + extra.view(*extra.shape, *[1] * (x.ndim - 2))
        z: Tensor = self.code(x.flatten(1)).to(noise.dtype) + self.last(noise).to(noise.dtype)
        return z

    def mean(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) → the mean of z over the fixed draws of ε, (n, latent): the same at every call."""
        return torch.stack([self.code_of(x, noise.expand(len(x), -1)) for noise in self.pool]).mean(0)


class BasisEncoder(nn.Module):
    """z = z₀(x) + Σᵢ aᵢ(x) ⊙ vᵢ(εᵢ): an encoder whose first two moments are known, for adaptive contrast.

    E z = z₀ + Σᵢ aᵢ E vᵢ and Var z = Σᵢ aᵢ² Var vᵢ, with moments of the vᵢ over the minibatch, whose ε are independent;
    in evaluation over a fixed pool, since one image has no variance. The Gaussian of comparison is
    N(E z, Var z + 10⁻⁴), through which no gradient goes. The authors' a = elu(l − 5) + 1 starts at 0.007; here l starts
    at `START`, where a is 0.2, so that q(z|x) need not grow first.

    Args:
        trunk: of images.
        features: number of values that it gives for one image.
        latent: dimension of z.
        noise: dimension of each εᵢ, N(0, I).
        basis: how many vᵢ there are (paper: 16 for 8 dimensions, 32 for 32).
        hidden: width of the three layers of each vᵢ (authors: 128).
    """

    DRAWS = 256
    """Fixed draws of every εᵢ over which moments are taken in evaluation mode."""
    START = 5 + math.log(0.2)
    pool: Tensor

    def __init__(
        self, trunk: Layers, features: int, latent: int, *, noise: int, basis: int = 16, hidden: int = 128
    ) -> None:
        super().__init__()
        self.trunk, self.noise, self.basis, self.latent = trunk, noise, basis, latent
        self.code = nn.Linear(features, latent)
        self.scale = nn.Linear(features, basis * latent)
        initialise_he(nn.Sequential(trunk, self.code), last=1 / math.sqrt(features))
        nn.init.normal_(self.scale.weight, 0, 0.1 / math.sqrt(features))
        nn.init.constant_(self.scale.bias, self.START)
        widths = (noise, hidden, hidden, hidden, latent)
        self.weights = nn.ParameterList(
            torch.randn(basis, a, b) * math.sqrt((1 if b == latent else 2) / a) for a, b in itertools.pairwise(widths)
        )
        self.biases = nn.ParameterList(torch.zeros(basis, 1, b) for b in widths[1:])
        self.register_buffer("pool", torch.randn(basis, self.DRAWS, noise))

    def forward(self, x: Tensor) -> Draw:
        """x: (n, c, h, w) → a draw of z for each, E z and deviation √(Var z + 10⁻⁴), (n, latent) each."""
        z0, a = self.coefficients(x)
        v = self.functions(torch.randn(self.basis, len(x), self.noise, dtype=x.dtype, device=x.device))
        z = z0 + (a * v.transpose(0, 1)).sum(1)
        samples = v if self.training else self.functions(self.pool)
        mean, deviation = moments(z0, a, samples)
        return z, mean.detach(), deviation.detach()

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (n, c, h, w) → z₀ (n, latent) and a (n, basis, latent), which is positive.

        Of x's number type also under autocast, as what `functions` gives is: z in bf16 would be on a grid, which the
        adversary sees through z̃ = (z − E z)/s where q(z|x) is narrow.
        """
        h = self.trunk(x).flatten(1)
        scale = self.scale(h).to(x.dtype).view(-1, self.basis, self.latent)
        return self.code(h).to(x.dtype), elu(scale - 5) + 1

    def functions(self, noise: Tensor) -> Tensor:
        """noise: (basis, n, noise) → every vᵢ(εᵢ), (basis, n, latent)."""
        v, last = noise, len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            v = torch.baddbmm(bias, v, weight)
            v = elu(v) if i < last else v
        return v.to(noise.dtype)

    def mean(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) → E z over the pool, (n, latent): the same at every call."""
        return moments(*self.coefficients(x), self.functions(self.pool))[0]


def moments(z0: Tensor, a: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return E z and √(Var z + 10⁻⁴), (n, d) each.

    Args:
        z0: (n, d).
        a: (n, basis, d).
        v: draws of each basis function, (basis, m, d), of its own noise.
    """
    mean, variance = v.mean(1), v.var(1, unbiased=False)
    return z0 + (a * mean).sum(1), ((a.square() * variance).sum(1) + 1e-4).sqrt()


class Adversary(nn.Module):
    """T(x, z) = θ(x)·s(z) + t(x) + u(z), the logit of "z was drawn from q(z|x), not from the Gaussian of comparison".

    At its optimum it is the logarithm of their ratio.

    Args:
        trunk: of images.
        features: number of values that it gives for one image.
        latent: dimension of z.
        hidden: width of the two layers on z, whose output is s(z).
        quadratic: put z and z² beside it in s(z) (ours): then T can be the ratio of any diagonal Gaussian to the prior,
            far as these may be from each other. Under adaptive contrast there is no such part, and squares would
            promise the encoder the most where it never was.
    """

    def __init__(self, trunk: Layers, features: int, latent: int, *, hidden: int, quadratic: bool) -> None:
        super().__init__()
        self.trunk, self.quadratic = trunk, quadratic
        self.code = nn.Sequential(
            *dense(latent, hidden, activation="leaky"), *dense(hidden, hidden, activation="leaky")
        )
        width = hidden + 2 * latent * quadratic
        self.image = nn.Linear(features, width + 1)
        self.own = nn.Linear(width, 1)
        initialise_he(self.code, last=1 / math.sqrt(hidden))
        initialise_he(nn.Sequential(trunk, self.image), last=0.1 / math.sqrt(features * width))
        nn.init.normal_(self.own.weight, 0, 0.1 / math.sqrt(width))

    def forward(self, x: Tensor, *codes: Tensor) -> tuple[Tensor, ...]:
        """x: (n, c, h, w); codes: (n, latent) each → logits (n,) for each of them, from one pass over the images."""
        z = torch.cat(codes)
        s = torch.cat([self.code(z), z, z.square()], dim=1) if self.quadratic else self.code(z)
        theta = self.image(self.trunk(x).flatten(1)).repeat(len(codes), 1)
        logits: Tensor = (theta[:, :-1] * s).sum(1) + theta[:, -1] + self.own(s).squeeze(1)
        return logits.float().chunk(len(codes))


def _outputs(block: nn.Module) -> int:
    """Return the number of channels that a block's affine map gives, 0 without one."""
    for layer in block.modules():
        if isinstance(layer, nn.Linear):
            return layer.out_features
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            return layer.out_channels
    return 0
