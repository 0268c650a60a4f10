"""Whole games where they are solved: one-dimensional ones, and every family's terms at D = ½."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from latentgan import losses
from latentgan.config import AdversarialConfig
from latentgan.data.batches import Batches
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.families.base import Family, configure, family_names, load_family
from latentgan.selfcheck.checks.base import Check, Checks, Recorder, fit_logit, quantiles

SMALL = {"latent": 4, "noise": 3, "width": 4, "hidden": 16, "head": 8, "spectral": False}


DONAHUE = "Donahue et al. 2017, eq. 3"


def line_between_two_normals(device: torch.device) -> Checks:
    """Between N(0, 1) and N(1, 1), the best logit is log p(x)/q(x) = ½ − x."""
    x = quantiles(20_001).to(device)
    features = torch.stack([torch.ones_like(x), x]), torch.stack([torch.ones_like(x), x + 1])
    weights, value = fit_logit(*features, start=torch.zeros(2))
    source = "log p(x)/q(x) = ½ − x"
    yield Check(
        name="1-D GAN: slope of the best logit", source=source, value=float(weights[1]), expected=-1.0, tolerance=1e-3
    )
    yield Check(
        name="1-D GAN: the best logit at 0", source=source, value=float(weights[0]), expected=0.5, tolerance=1e-3
    )
    grid = np.linspace(-12, 13, 20_001)
    p, q = (np.exp(-((grid - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0, 1))
    true = float(np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q))) * (grid[1] - grid[0]))
    yield Check(
        name="1-D GAN: V at D*, 2 JS − log 4 by quadrature",
        source="Goodfellow et al. 2014, eq. 6",
        value=-value,
        expected=true,
        tolerance=1e-4,
    )


def bigan_of_a_normal(device: torch.device) -> Checks:
    """x ~ N(2, 3²), z ~ N(0, 1): with G(z) = 2 + 3z and E = G⁻¹ no discriminator of pairs does better than chance."""
    z = quantiles(4_001).to(device)
    x = 2 + 3 * quantiles(4_001).to(device)

    def pairs(x: Tensor, z: Tensor) -> Tensor:
        return torch.stack([torch.ones_like(x), x / 3, z, x * z / 3, z * z])

    start = torch.tensor([0.5, -0.3, 0.4, 0.2, -0.1])
    _, inverse = fit_logit(pairs(x, (x - 2) / 3), pairs(2 + 3 * z, z), start=start)
    yield Check(
        name="1-D BiGAN: V where E inverts G, −log 4",
        source=DONAHUE,
        value=-inverse,
        expected=-math.log(4),
        tolerance=1e-5,
    )
    # With E(x) = x/3 the pairs lie on the lines 3z − x = 0 and 3z − x = −2: d = 30 (3z − x + 1) is ±30 on them.
    across, objective = torch.tensor([30.0, -90.0, 90.0, 0.0, 0.0], device=device), losses.Objective("bce")
    value = -float(objective.real(across @ pairs(x, x / 3)) + objective.fake(across @ pairs(2 + 3 * z, z)))
    yield Check(
        name="1-D BiGAN: V where E is off, told apart: 0", source=DONAHUE, value=value, expected=0.0, tolerance=1e-5
    )


def terms_at_chance(device: torch.device) -> Checks:
    """Every family with a discriminator of logits: at D = ½ its terms are log 2 each.

    Where it names K classes, logits of 0 are log Σ exp = log K: D = K / (K + 1).
    """
    for name in family_names():
        if not issubclass(load_family(name).Config, AdversarialConfig):
            continue
        family = _build(name, device)
        head = getattr(getattr(family, "discriminator", None), "logit", None)
        if head is None:
            continue
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.zero_()
        classes = getattr(head, "out_features", 1)
        as_real, as_fake = math.log1p(1 / classes), math.log1p(classes)
        chance = "½" if classes == 1 else f"{classes}/{classes + 1}"
        for player, terms in _play(family, device).items():
            result = _adversarial(terms)
            swapped = player != "discriminator"
            wanted = [as_real if (term in ("real", "encoded")) != swapped else as_fake for term in result]
            if result:
                title, value = f"{name}: {player}'s terms at D = {chance}", sum(result.values())
                yield Check(name=title, source="−log D, −log(1 − D)", value=value, expected=sum(wanted), tolerance=1e-6)


def information_gradient(device: torch.device) -> Checks:
    """The information term's slope along its own gradient is the gradient's length, in generator and Q alike."""
    family = _build("infogan", device, spectral=True)
    for player, network in (("generator", "generator"), ("discriminator", "recogniser")):
        for term in ("class", "style"):
            weights = [p for p in family.get_submodule(network).parameters() if p.ndim > 1]
            value = _play(family, device)[player][term]
            gradient = torch.autograd.grad(value, weights, allow_unused=True)
            direction = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradient, strict=True)]
            length = math.sqrt(sum(float(g.square().sum()) for g in direction))
            slope = _central_difference(family, device, player, term, weights, direction, length)
            name = f"infogan: gradient of {term} information in the {network}, over a difference quotient"
            yield Check(
                name=name,
                source="Chen et al. 2016, eq. 6",
                value=length / slope if slope else math.nan,
                expected=1.0,
                tolerance=0.02,
            )


def _central_difference(
    family: Family,
    device: torch.device,
    player: str,
    term: str,
    weights: list[torch.nn.Parameter],
    direction: list[Tensor],
    length: float,
) -> float:
    step, values = 0.002 / (length or 1.0), []
    for sign in (1, -2):  # to +h, then to −h
        with torch.no_grad():
            for w, g in zip(weights, direction, strict=True):
                w.add_(g, alpha=sign * step)
        values.append(float(_play(family, device)[player][term].detach()))
    with torch.no_grad():
        for w, g in zip(weights, direction, strict=True):
            w.add_(g, alpha=step)
    return (values[0] - values[1]) / (2 * step * (length or 1.0))


def _build(name: str, device: torch.device, **changes: object) -> Family:
    fields = load_family(name).Config.model_fields
    settings = {key: value for key, value in {**SMALL, **changes}.items() if key in fields}
    family = load_family(name)(configure(name, family=settings).family, _images().spec)
    return family.to(device).train()


def _play(family: Family, device: torch.device) -> dict[str, dict[str, Tensor]]:
    """Return the terms of one iteration by player, with the same draws and images whenever it is called."""
    torch.manual_seed(1)
    recorder = Recorder()
    family.step(Batches(_images(), batch_size=32, seed=0, device=device), recorder.as_update())
    return {player: dict(terms) for player, terms in recorder.objectives.items()}


def _adversarial(terms: dict[str, Tensor]) -> dict[str, float]:
    return {k: float(v.detach()) for k, v in terms.items() if k in ("real", "fake", "encoded", "generated")}


def _images() -> ImageSource:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    return from_arrays(pixels, np.arange(40) % 3, split=["train"] * 40)


def dirac_gan(device: torch.device) -> Checks:
    """Real data at 0, a generator at θ, d(x) = ψx: R1 and R2 lead the relativistic game to θ = ψ = 0."""
    objective = losses.Objective("relativistic")
    theta, psi = (torch.tensor([1.0], device=device, requires_grad=True) for _ in range(2))
    for _ in range(1000):
        (term,) = objective.discriminator(psi * 0, psi * theta.detach()).values()
        (slope,) = torch.autograd.grad(term + psi.square().sum(), psi)  # γ/2 ψ² at either side, γ = 1
        push = objective.generator(psi.detach() * theta, lambda: torch.zeros(1, device=device))
        (pushed,) = torch.autograd.grad(push, theta)
        with torch.no_grad():
            psi -= 0.05 * slope
            theta -= 0.05 * pushed
    yield Check(
        name="Dirac-GAN, relativistic with R1 and R2: distance from the equilibrium after 1,000 steps",
        source="Mescheder et al. 2018, lemma 2.1; Huang et al. 2024, prop. 1",
        value=math.hypot(float(theta.detach()), float(psi.detach())),
        expected=0.0,
        tolerance=1e-2,
    )
