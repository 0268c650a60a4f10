"""A model whose log p(x) and posterior are known, x = W z + σ ε with z ~ N(0, I), and families that have it as decoder.

Also encoders whose q(z|x) is a given Gaussian, and a folded model, x = w |z| + σ ε.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal

from latentgan import configure
from latentgan.data.formats.arrays import from_points
from latentgan.data.source import ImageSource
from latentgan.families.avb import AVB
from latentgan.families.vae import VAE
from latentgan.training.loop import state_iterations
from latentgan.training.state import open_state, usable

DEVIATION = 0.1
CORRELATED = torch.tensor([[0.12, 0.10], [0.06, 0.09], [0.10, 0.12], [-0.05, -0.03]], dtype=torch.float64)
"""W of a model whose posterior is correlated: no diagonal Gaussian is it."""
ORTHOGONAL = torch.tensor([[0.12, 0.06], [-0.06, 0.12], [0.12, 0.06], [-0.06, 0.12]], dtype=torch.float64)


class Linear(nn.Module):
    """z → that of which tanh is W z, (n, D, 1, 1)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = torch.atanh((z @ self.weight.to(z.dtype).T).clamp(-0.999, 0.999))
        return image[:, :, None, None]


class Model:
    """The model of a W (D, d): everything that is known of it, in float64."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        identity = torch.eye(weight.shape[1], dtype=torch.float64)
        self.precision = identity + weight.T @ weight / DEVIATION**2
        self.covariance = torch.linalg.inv(self.precision)

    def decoder(self) -> nn.Module:
        return Linear(self.weight)

    def points(self, n: int) -> ImageSource:
        rng = np.random.default_rng(0)
        z, noise = rng.standard_normal((n, self.weight.shape[1])), rng.standard_normal((n, self.weight.shape[0]))
        return from_points(z @ self.weight.numpy().T + DEVIATION * noise)

    def log_marginal(self, x: Tensor) -> Tensor:
        """x: (n, D, 1, 1) → log p(x), (n,)."""
        identity = torch.eye(len(self.weight), dtype=torch.float64)
        normal = MultivariateNormal(
            torch.zeros(len(identity), dtype=torch.float64), self.weight @ self.weight.T + DEVIATION**2 * identity
        )
        return normal.log_prob(x.double().flatten(1))

    def posterior(self, x: Tensor) -> MultivariateNormal:
        mean = x.double().flatten(1) @ self.weight @ self.covariance / DEVIATION**2
        return MultivariateNormal(mean, self.covariance)

    def divergence(self, x: Tensor) -> Tensor:
        """x: (n, D, 1, 1) → KL(p(z|x) ‖ p(z)), (n,)."""
        posterior = self.posterior(x)
        d = self.weight.shape[1]
        trace = self.covariance.diagonal().sum() - d - torch.logdet(self.covariance)
        return 0.5 * (posterior.mean.square().sum(1) + trace)

    @property
    def gap(self) -> float:
        """What the best diagonal Gaussian's bound is below log p(x): ½ (Σ log P_ii − log det P), P the precision."""
        return float(0.5 * (self.precision.diagonal().log().sum() - torch.logdet(self.precision)))


class Folded:
    """x = w |z| + σ ε of one z ~ N(0, 1), of unknown sign: the posterior is symmetric, with modes at ±x/w.

    Args:
        weight: w.
        deviation: σ.
    """

    LINE = torch.linspace(-6, 6, 6_001, dtype=torch.float64)
    """Values of z, for quadrature."""

    def __init__(self, weight: float, deviation: float) -> None:
        self.weight, self.deviation = weight, deviation

    def decoder(self) -> nn.Module:
        return Fold(self.weight)

    def points(self, n: int) -> ImageSource:
        rng = np.random.default_rng(0)
        z, noise = rng.standard_normal((n, 1)), rng.standard_normal((n, 1))
        return from_points(self.weight * np.abs(z) + self.deviation * noise)

    def joint(self, x: Tensor) -> Tensor:
        """x: (n, 1, 1, 1) → log p(x, z) dz at each z of the line, (n, z)."""
        likelihood = Normal(self.weight * self.LINE.abs(), self.deviation).log_prob(x.double().view(-1, 1))
        return likelihood + Normal(0.0, 1.0).log_prob(self.LINE) + torch.log(self.LINE[1] - self.LINE[0])

    def log_marginal(self, x: Tensor) -> Tensor:
        """x: (n, 1, 1, 1) → log p(x), (n,)."""
        return self.joint(x).logsumexp(1)

    def quantiles(self, x: Tensor, n: int) -> Tensor:
        """x: (m, 1, 1, 1) → n equally likely values of p(z|x) in order, (m, n)."""
        below = self.joint(x).softmax(1).cumsum(1)
        at = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        return self.LINE[torch.searchsorted(below, at.repeat(len(x), 1)).clamp(max=len(self.LINE) - 1)]


class Fold(nn.Module):
    """z → that of which tanh is w |z|, (n, 1, 1, 1)."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = torch.atanh((self.weight * z.abs()).clamp(max=0.999))
        return image[:, :, None, None]


def family_of(kind: type[VAE], model: Model | Folded) -> type[VAE]:
    """Return a family whose decoder is the model's and does not learn."""

    class Known(kind):  # type: ignore[misc, valid-type]
        def __init__(self, config: Any, spec: Any) -> None:
            super().__init__(config, spec)
            self.decoder = model.decoder()

    return Known


def trained(
    kind: type[VAE], model: Model | Folded, *, seed: int = 0, total: int = 256_000, **family: Any
) -> tuple[Any, Tensor]:
    """A family with the model's decoder, trained on its points, and 2,000 points that nobody has seen."""
    rates = {"learning_rate": 2e-3, "schedule": "linear", "decay_from": 0.3, "decay_to": 0.05}
    settings = {"latent": 2, "network": "mlp", "hidden": 48, "deviation": DEVIATION, "autoencoder": rates, **family}
    if kind is AVB:
        settings["adversary"] = {**rates, "learning_rate": 4e-3}
    training = {"total_images": total, "batch_size": 128, "average_halflife_images": 10_000}
    training |= {"device": "cpu", "seed": seed}
    source = model.points(20_000)
    name = "avb" if kind is AVB else "vae"
    state = open_state(configure(name, family=settings, training=training), source, family=family_of(kind, model))
    for _ in state_iterations(state):
        state.ema.follow(128, state.images)
        if state.images >= total:
            break
    return usable(state, 1), source.tensor(source.rows("test")[:2000])


class KnownEncoder(nn.Module):
    """z = A x + S ε: q(z|x) = N(A x, S Sᵀ), whatever it is compared with."""

    def __init__(self, model: Model, *, contrast: bool) -> None:
        super().__init__()
        self.model, self.contrast = model, contrast
        self.root = torch.linalg.cholesky(model.covariance).float()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = self.model.posterior(x).mean.float()
        z = mean + torch.randn_like(mean) @ self.root.T
        if self.contrast:
            return z, mean, self.model.covariance.diagonal().sqrt().float().expand_as(z)
        return z, torch.zeros_like(z), torch.ones_like(z)


__all__ = [
    "AVB",
    "CORRELATED",
    "DEVIATION",
    "ORTHOGONAL",
    "VAE",
    "Folded",
    "KnownEncoder",
    "Linear",
    "Model",
    "family_of",
    "trained",
]
