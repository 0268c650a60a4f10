"""Likelihoods, divergences and marginal log-likelihoods of variational families, where they are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentgan.families import vae
from latentgan.inference import importance_sampling as annealing
from latentgan.likelihoods import Likelihood, log_normal
from latentgan.losses import Objective
from latentgan.networks import implicit_posterior as blackbox
from latentgan.networks.blocks import Layers
from latentgan.selfcheck.checks.base import Check, Checks, fit_logit, quantiles

MESCHEDER = "Mescheder et al. 2017"


TSTAR = f"{MESCHEDER}, T* = log q − log p"


KINGMA = "Kingma & Welling 2014, appendix B"


MEAN, DEVIATION = 0.5, 0.6
"""Of a q(z|x) in one dimension."""


DIVERGENCE = 0.5 * (MEAN**2 + DEVIATION**2 - 1 - 2 * math.log(DEVIATION))


def pixels(device: torch.device) -> Checks:
    """log p of Bernoulli and of Gaussian pixels, summed by hand."""
    x, a = torch.tensor([[0.5, -1.0]], device=device), torch.tensor([[0.3, 2.0]], device=device)
    p = [1 / (1 + math.exp(-0.6)), 1 / (1 + math.exp(-4.0))]
    true = 0.75 * math.log(p[0]) + 0.25 * math.log(1 - p[0]) + math.log(1 - p[1])
    value = float(Likelihood("bernoulli").log_prob(x, a))
    yield Check(
        name="Bernoulli pixels of grey ¾ and 0, by hand",
        source="u log p + (1 − u) log(1 − p)",
        value=value,
        expected=true,
        tolerance=1e-5,
    )
    errors = (0.5 - math.tanh(0.3)) / 0.2, (-1 - math.tanh(2.0)) / 0.2
    true = sum(-0.5 * e * e - math.log(0.2) - 0.5 * math.log(2 * math.pi) for e in errors)
    value = float(Likelihood("gaussian", deviation=0.2).log_prob(x, a))
    yield Check(
        name="Gaussian pixels of deviation 0.2, by hand",
        source="log N(x; G(z), σ²)",
        value=value,
        expected=true,
        tolerance=1e-4,
    )
    value = float(Likelihood("bernoulli").log_prob(torch.ones(1, 1, device=device), torch.full((1, 1), -500.0)))
    yield Check(
        name="Bernoulli: a pixel that was ruled out, log σ(−1000)",
        source="−1000",
        value=value,
        expected=-1000.0,
        tolerance=1e-3,
    )


def divergence(device: torch.device) -> Checks:
    """KL of a Gaussian from the prior: the closed form, and the mean over draws."""
    mean = torch.tensor([[MEAN]], device=device)
    value = float(vae.gaussian_kl(mean, torch.full_like(mean, math.log(DEVIATION))))
    yield Check(name="vae: KL(N(½, 0.6²) ‖ N(0, 1))", source=KINGMA, value=value, expected=DIVERGENCE, tolerance=1e-6)
    z = (MEAN + DEVIATION * quantiles(20_001))[:, None].to(device)
    # T of the optimal adversary is 0 here: q is the Gaussian that it is compared with.
    value = float((log_normal(z, MEAN, DEVIATION) - log_normal(z)).mean())
    yield Check(
        name="avb: log r − log p where q is r, so that T = 0",
        source=f"{MESCHEDER}, log r with log s²",
        value=value,
        expected=DIVERGENCE,
        tolerance=1e-3,
    )


def optimal_adversary(device: torch.device) -> Checks:
    """Between draws of q(z|x) and of the prior the best T of the form a + bz + cz² is log q − log p."""
    normal = quantiles(20_001).to(device)
    z = MEAN + DEVIATION * normal
    features = [torch.stack([torch.ones_like(v), v, v.square()]) for v in (z, normal)]
    weights, _ = fit_logit(*features, start=torch.tensor([0.5, 1.0, -0.5]))
    true = (
        -math.log(DEVIATION) - 0.5 * (MEAN / DEVIATION) ** 2,
        MEAN / DEVIATION**2,
        0.5 - 0.5 / DEVIATION**2,
    )
    names = "constant", "slope", "curvature"
    for name, value, expected in zip(names, weights.tolist(), true, strict=True):
        yield Check(
            name=f"avb: {name} of the best T between N(½, 0.6²) and N(0, 1)",
            source=f"{MESCHEDER}, T*",
            value=value,
            expected=expected,
            tolerance=5e-3,
        )
    value = float((weights.to(device) @ features[0]).mean())
    yield Check(
        name="avb: its mean over draws of q, the divergence",
        source=f"{MESCHEDER}, KL = E T*",
        value=value,
        expected=DIVERGENCE,
        tolerance=5e-3,
    )


def fitted_adversary(device: torch.device) -> Checks:
    """Of two images with q(z|x) = N(±½, 0.6²), AVB's own adversary, fitted to draws of q and of the prior."""
    normal = quantiles(401)[:, None].to(device).repeat(2, 1)
    x = torch.tensor([1.0, -1.0], device=device).repeat_interleave(401)[:, None]
    adversary = blackbox.Adversary(Layers({"flat": nn.Flatten()}), 1, 1, hidden=4, quadratic=True).to(device)
    objective = Objective("bce")
    optimizer = torch.optim.LBFGS(adversary.parameters(), max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        inferred, drawn = adversary(x, MEAN * x + DEVIATION * normal, normal)
        value = objective.real(inferred) + objective.fake(drawn)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        images, z = torch.tensor([[1.0], [-1.0]], device=device), torch.full((2, 1), MEAN, device=device)
        (result,) = adversary(images, z)
        (inferred,) = adversary(x, MEAN * x + DEVIATION * normal)
    for name, value, mean in zip(("½", "−½"), result.tolist(), (MEAN, -MEAN), strict=True):
        true = float(log_normal(z[:1].cpu().double(), mean, DEVIATION) - log_normal(z[:1].cpu().double()))
        yield Check(
            name=f"avb: the adversary, fitted, at z = ½ of an image with q = N({name}, 0.6²)",
            source=TSTAR,
            value=value,
            expected=true,
            tolerance=0.02,
        )
    yield Check(
        name="avb: its mean over draws of both",
        source=f"{MESCHEDER}, KL = E T*",
        value=float(inferred.mean()),
        expected=DIVERGENCE,
        tolerance=0.01,
    )


def basis_moments(device: torch.device) -> Checks:
    """z = z₀ + Σ aᵢ vᵢ of vᵢ that take two values each, all combinations equally often."""
    z0, a = torch.tensor([[1.0]], device=device), torch.tensor([[[2.0], [0.5]]], device=device)
    v = torch.tensor([[[0.0], [1.0]], [[-1.0], [3.0]]], device=device)
    mean, deviation = blackbox.moments(z0, a, v)
    z = [1 + 2 * first + 0.5 * second for first in (0.0, 1.0) for second in (-1.0, 3.0)]
    true = sum(z) / 4
    source = "Σ aᵢ E vᵢ, Σ aᵢ² Var vᵢ"
    yield Check(
        name="avb: mean of z₀ + Σ aᵢ vᵢ, over four equal cases",
        source=source,
        value=float(mean),
        expected=true,
        tolerance=1e-6,
    )
    expected = math.sqrt(sum((first - true) ** 2 for first in z) / 4 + 1e-4)
    yield Check(name="avb: its deviation", source=source, value=float(deviation), expected=expected, tolerance=1e-5)


def log_marginal(device: torch.device) -> Checks:
    """x = z + ½ ε with z ~ N(0, 1): x ~ N(0, 1.25), and z given x is N(0.8 x, 0.2)."""
    x, generator = torch.tensor([0.3, -1.2, 2.0], device=device), torch.Generator().manual_seed(0)
    true = float(log_normal(x[:, None].double(), 0.0, math.sqrt(1.25)).mean())

    def log_likelihood(z: Tensor) -> Tensor:
        return log_normal(x[None, :, None], z, 0.5)

    proposals = ("the posterior", math.sqrt(0.2), 2, 1e-5), ("N(0.8x, 1)", 1.0, 20_000, 0.02)
    for name, deviation, samples, tolerance in proposals:
        proposal = 0.8 * x[:, None], torch.full((3, 1, 1), deviation, device=device)
        result = annealing.importance_weights(log_likelihood, *proposal, samples=samples, generator=generator)
        title, value = f"log p(x) by {samples:,} samples of {name}", float(result.log_marginal.mean())
        yield Check(name=title, source="Burda et al. 2016, eq. 8", value=value, expected=true, tolerance=tolerance)
    plan = annealing.Annealing(temperatures=50, chains=200, leapfrog=3)
    logs, _ = annealing.annealed(log_likelihood, 3, 1, plan, like=x, generator=generator)
    yield Check(
        name="log p(x) by 200 annealed chains",
        source="Neal 2001",
        value=float(logs.mean()),
        expected=true,
        tolerance=0.06,
    )
