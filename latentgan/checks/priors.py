"""Moments of the latent distributions, within five standard errors of n = 200,000 draws."""

from __future__ import annotations

import math

import torch

from latentgan.checks.base import Check, Checks
from latentgan.priors import Part, Prior

N = 200_000


def normal(device: torch.device) -> Checks:
    z = Prior([Part("z", "normal", 1)]).to(device).sample(N).cpu().double()
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)):
        yield _moment("N(0, 1)", z, power, moment, variance)


def uniform(device: torch.device) -> Checks:
    z = Prior([Part("z", "uniform", 1)]).to(device).sample(N).cpu().double()
    for power, moment, variance in ((1, 0.0, 1 / 3), (2, 1 / 3, 4 / 45)):
        yield _moment("U(−1, 1)", z, power, moment, variance)
    yield Check("U(−1, 1): largest |z|", "1 − 1/n on average", float(z.abs().max()), 1 - 1 / N, 10 / N)


def categorical(device: torch.device) -> Checks:
    z = Prior([Part("class", "categorical", 10)]).to(device).sample(N).cpu().double()
    yield Check("categorical: share of each of 10, of the rarest", "1/10", float(z.mean(0).min()), 0.1, _errors(0.09))
    yield Check("categorical: numbers of 1 in a code, at most", "one-hot", float(z.sum(1).max()), 1.0, 0.0)


def _moment(name: str, z: torch.Tensor, power: int, moment: float, variance: float) -> Check:
    return Check(f"{name}: E z^{power}", f"{moment:.4g}", float(z.pow(power).mean()), moment, _errors(variance))


def _errors(variance: float) -> float:
    return 5 * math.sqrt(variance / N)
