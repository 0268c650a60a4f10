"""Moments of the latent distributions, within five standard errors of n = 200,000 draws."""

from __future__ import annotations

import math

import torch

from latentgan.priors import MixtureConfig, Part, Prior
from latentgan.selfcheck.checks.base import Check, Checks

N = 200_000


def normal(device: torch.device) -> Checks:
    """Moments of draws of N(0, 1)."""
    z = Prior([Part(name="z", kind="normal", width=1)]).to(device).sample(N).cpu().double()
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)):
        yield _moment("N(0, 1)", z, power, moment, variance)


def uniform(device: torch.device) -> Checks:
    """Moments and range of draws of U(−1, 1)."""
    z = Prior([Part(name="z", kind="uniform", width=1)]).to(device).sample(N).cpu().double()
    for power, moment, variance in ((1, 0.0, 1 / 3), (2, 1 / 3, 4 / 45)):
        yield _moment("U(−1, 1)", z, power, moment, variance)
    yield Check(
        name="U(−1, 1): largest |z|",
        source="1 − 1/n on average",
        value=float(z.abs().max()),
        expected=1 - 1 / N,
        tolerance=10 / N,
    )


def categorical(device: torch.device) -> Checks:
    """Shares of ten categories, of draws that are one-hot."""
    z = Prior([Part(name="class", kind="categorical", width=10)]).to(device).sample(N).cpu().double()
    yield Check(
        name="categorical: share of each of 10, of the rarest",
        source="1/10",
        value=float(z.mean(0).min()),
        expected=0.1,
        tolerance=_errors(0.09),
    )
    yield Check(
        name="categorical: numbers of 1 in a code, at most",
        source="one-hot",
        value=float(z.sum(1).max()),
        expected=1.0,
        tolerance=0.0,
    )


def learned_mixture(device: torch.device) -> Checks:
    """z = μ_i + σ_i ε with μ = (−1, 2) and σ = (½, 1): moments, densities, gradients and the penalty of σ."""
    prior = Prior([Part(name="z", kind="normal", width=1)], MixtureConfig(components=2, deviation_weight=0.5)).to(
        device
    )
    mixture = prior.mixture
    assert mixture is not None
    with torch.no_grad():
        mixture.mean.copy_(torch.tensor([[-1.0], [2.0]]))
        mixture.deviation.copy_(torch.tensor([[0.5], [1.0]]))
    z = prior.sample(N)
    mean, square = 0.5, 0.5 * (1.25 + 5.0)  # Σ π μ, Σ π (μ² + σ²)
    fourth = 0.5 * (1 + 6 * 0.25 + 3 * 0.0625 + 16 + 6 * 4 + 3)  # Σ π (μ⁴ + 6 μ² σ² + 3 σ⁴)
    drawn = z.detach().cpu().double()
    yield _moment("learned mixture", drawn, 1, mean, square - mean**2)
    yield _moment("learned mixture", drawn, 2, square, fourth - square**2)
    for name, parameter, wanted, variance in (
        ("μ", mixture.mean, (-1.0, 2.0), 4.0),
        ("σ", mixture.deviation, (0.5, 1.0), 10.0),
    ):
        (slope,) = torch.autograd.grad(z.square().mean() / 2, parameter, retain_graph=True)
        for i, (result, exact) in enumerate(zip(slope.flatten().tolist(), wanted, strict=True), 1):
            title = f"learned mixture: ½ dE z²/d{name}{i}, by reparameterisation"
            yield Check(
                name=title, source=f"π {name}{i}", value=result, expected=exact / 2, tolerance=_errors(variance)
            )
    density = float(mixture.log_density(torch.tensor([[0.0]], device=device))[0, 0].detach())
    exact = -2 - math.log(0.5) - 0.5 * math.log(2 * math.pi)
    yield Check(
        name="learned mixture: log N(0; −1, ½²)",
        source="−½ (1/½)² − log ½ − ½ log 2π",
        value=density,
        expected=exact,
        tolerance=1e-6,
    )
    penalty = float(prior.terms()["deviation"].detach())
    yield Check(
        name="learned mixture: ½ mean (1 − σ)²",
        source="Gurumurthy et al. 2017, the σ-term",
        value=penalty,
        expected=0.0625,
        tolerance=1e-7,
    )


def _moment(name: str, z: torch.Tensor, power: int, moment: float, variance: float) -> Check:
    return Check(
        name=f"{name}: E z^{power}",
        source=f"{moment:.4g}",
        value=float(z.pow(power).mean()),
        expected=moment,
        tolerance=_errors(variance),
    )


def _errors(variance: float) -> float:
    return 5 * math.sqrt(variance / N)
