"""log p(x) of a latent-variable model, image by image: importance sampling and annealed importance sampling.

Both are unbiased for p(x), so that their logarithm is a lower bound in the mean, tighter with more samples or
temperatures. All that is known of the model is log p(x|z), as a function of z, and the prior N(0, I).

Sources: Burda, Grosse, Salakhutdinov: Importance Weighted Autoencoders, ICLR 2016 (arXiv:1509.00519), eq. 8; Neal:
Annealed importance sampling, 2001 (arXiv:physics/9803008), §2; Wu, Burda, Salakhutdinov, Grosse: On the Quantitative
Analysis of Decoder-Based Generative Models, ICLR 2017 (arXiv:1611.04273), §3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from latentgan.likelihoods import log_normal

LogLikelihood = Callable[[Tensor], Tensor]
"""z (k, n, d) → log p(x|z) (k, n): k codes for each of n images."""


@dataclass(frozen=True)
class Weights:
    """Estimates of importance sampling for n images."""

    log_marginal: Tensor
    """(n,) log (1/K) Σ_k w_k, in nats."""
    bound: Tensor
    """(n,) (1/K) Σ_k log w_k: the variational bound of the proposal."""
    effective: Tensor
    """(n,) (Σ w)² / Σ w²: how many samples carry the weight, from 1 to K."""


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """How annealed importance sampling goes.

    Args:
        temperatures: T, from the prior (β = 0) to the posterior (β = 1).
        chains: independent ones for each image, over which weights are averaged.
        leapfrog: steps of a Hamiltonian transition.
        acceptance: share of transitions that step sizes are tuned to accept (Beskos et al. 2013: 0.651).
        pilot: chains for each image of the run beforehand in which step sizes are tuned.
    """

    temperatures: int = 500
    chains: int = 5
    leapfrog: int = 5
    acceptance: float = 0.65
    pilot: int = 2


def importance_weights(
    log_likelihood: LogLikelihood,
    mean: Tensor,
    root: Tensor,
    *,
    samples: int,
    generator: torch.Generator,
    at_once: int = 4096,
) -> Weights:
    """Sample z from a Gaussian for each image and weigh it, w = p(x|z) p(z) / N(z; μ, L Lᵀ).

    Args:
        log_likelihood: log p(x|z).
        mean: μ, (n, d).
        root: L, lower triangular, (n, d, d).
        samples: K.
        generator: on the CPU.
        at_once: codes that are decoded in one pass.
    """
    n, d = mean.shape
    spread = root.diagonal(dim1=1, dim2=2).log().sum(1)
    result = []
    step = max(1, at_once // n)
    for start in range(0, samples, step):
        k = min(step, samples - start)
        noise = torch.randn(k, n, d, generator=generator, dtype=mean.dtype).to(mean.device)
        z = mean + torch.einsum("nij,knj->kni", root, noise)
        result.append(log_likelihood(z).to(mean.dtype) + log_normal(z) - log_normal(noise) + spread)
    logs = torch.cat(result).double()
    total = logs.logsumexp(0)
    return Weights(total - math.log(samples), logs.mean(0), (2 * total - (2 * logs).logsumexp(0)).exp())


def temperatures(count: int, *, steepness: float = 4.0) -> list[float]:
    """Return β_0 = 0 … β_T = 1 on a sigmoid, dense at both ends, where the target changes fastest (Wu et al. 2017)."""
    raw = [1 / (1 + math.exp(-steepness * (2 * t / count - 1))) for t in range(count + 1)]
    return [(value - raw[0]) / (raw[-1] - raw[0]) for value in raw]


def annealed(
    log_likelihood: LogLikelihood,
    images: int,
    latent: int,
    plan: Annealing,
    *,
    like: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """Return log (1/C) Σ_c w_c of C annealed chains for each image, (n,) in nats, and the share of accepted moves.

    A chain starts at the prior and passes the targets p(z) p(x|z)^β, weighing log w = Σ_t (β_t − β_{t−1}) log
    p(x|z_{t−1}). Step sizes, one for each image and temperature, come from a pilot run and stay as they are in the
    chains that count: sizes that follow a chain's own acceptance would bias its weights.

    Args:
        log_likelihood: log p(x|z), through which gradients reach z.
        images: n.
        latent: d.
        plan: temperatures, chains and transitions.
        like: a tensor of the number type and on the device to compute in.
        generator: on the CPU.
    """
    sizes = torch.full((plan.temperatures, images), 0.3, dtype=like.dtype, device=like.device)
    _run(log_likelihood, plan, plan.pilot, latent, sizes, generator, tune=True)
    weights, accepted = _run(log_likelihood, plan, plan.chains, latent, sizes, generator, tune=False)
    return weights.double().logsumexp(0) - math.log(plan.chains), accepted


def _run(
    log_likelihood: LogLikelihood,
    plan: Annealing,
    chains: int,
    latent: int,
    sizes: Tensor,
    generator: torch.Generator,
    *,
    tune: bool,
) -> tuple[Tensor, float]:
    """Anneal chains for each image; return log weights (chains, n) and the acceptance; `tune` writes `sizes` (T, n)."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=sizes.dtype).to(sizes.device)

    betas, n = temperatures(plan.temperatures), sizes.shape[1]
    z = normal(chains, n, latent)
    state = (z, *_slope(log_likelihood, z))
    weights, accepted = torch.zeros_like(state[1]), 0.0
    for t in range(plan.temperatures):
        weights += (betas[t + 1] - betas[t]) * state[1]
        size = sizes[t]
        chance = torch.rand(chains, n, generator=generator, dtype=sizes.dtype).to(sizes.device)
        state, rate = _transition(log_likelihood, state, betas[t + 1], size, plan.leapfrog, normal(*z.shape), chance)
        accepted += float(rate.mean())
        if tune and t + 1 < plan.temperatures:
            sizes[t + 1] = size * torch.exp(0.3 * (rate.mean(0) - plan.acceptance))
    return weights, accepted / plan.temperatures


State = tuple[Tensor, Tensor, Tensor]
"""z (c, n, d), log p(x|z) (c, n), and its gradient in z."""


def _transition(
    log_likelihood: LogLikelihood, state: State, beta: float, size: Tensor, steps: int, momentum: Tensor, chance: Tensor
) -> tuple[State, Tensor]:
    """One Hamiltonian move that keeps p(z) p(x|z)^β, of step sizes (n,); returns the rate of acceptance (c, n) too."""
    step = size[:, None]
    z, value, slope = state
    start = beta * value - 0.5 * (z.square() + momentum.square()).sum(-1)
    momentum = momentum + 0.5 * step * (beta * slope - z)
    for i in range(steps):
        z = z + step * momentum
        value, slope = _slope(log_likelihood, z)
        momentum = momentum + (0.5 if i == steps - 1 else 1.0) * step * (beta * slope - z)
    end = beta * value - 0.5 * (z.square() + momentum.square()).sum(-1)
    rate = (end - start).clamp(max=0).exp().nan_to_num(0.0)  # a trajectory that ran away is rejected
    taken = chance < rate
    position = torch.where(taken[..., None], z, state[0])
    return (position, torch.where(taken, value, state[1]), torch.where(taken[..., None], slope, state[2])), rate


def _slope(log_likelihood: LogLikelihood, z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_likelihood(z).to(z.dtype)
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope
