"""The objectives' optima on a table of two distributions, and their values where logits are extreme."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from latentgan import losses
from latentgan.selfcheck.checks.base import Check, Checks

P, Q = (0.1, 0.2, 0.7), (0.5, 0.3, 0.2)
"""Real and generated probabilities of three points; the third's are looked at."""


RATIO = P[2] / (P[2] + Q[2])


GOODFELLOW, MIYATO = "Goodfellow et al. 2014", "Miyato et al. 2018, eq. 17"


def cross_entropy(device: torch.device) -> Checks:
    """The best discriminator, and its loss, of two distributions on a grid."""
    objective = losses.Objective("bce")
    d, value = _best(objective, device)
    yield Check(
        name="bce: D* = p / (p + q)",
        source=f"{GOODFELLOW}, eq. 2",
        value=float(d[2].sigmoid()),
        expected=RATIO,
        tolerance=1e-5,
    )
    log_4_minus_twice_js = sum(p * math.log((p + q) / p) + q * math.log((p + q) / q) for p, q in zip(P, Q, strict=True))
    yield Check(
        name="bce: loss at D*, log 4 − 2 JS(p, q)",
        source=f"{GOODFELLOW}, eq. 6",
        value=value,
        expected=log_4_minus_twice_js,
        tolerance=1e-6,
    )
    zero = torch.zeros(4, device=device)
    value = -float(objective.real(zero) + objective.fake(zero))
    yield Check(
        name="bce: V at the equilibrium, −log 4",
        source=f"{GOODFELLOW}, theorem 1",
        value=value,
        expected=-math.log(4),
        tolerance=1e-6,
    )


def smoothing(device: torch.device) -> Checks:
    """The best discriminator under one-sided label smoothing."""
    source = "Salimans et al. 2016, §3.4"
    objective = losses.Objective("bce", smoothing=0.1)
    d, _ = _best(objective, device)
    yield Check(
        name="smoothed bce: D* = 0.9 p / (p + q)",
        source=source,
        value=float(d[2].sigmoid()),
        expected=0.9 * RATIO,
        tolerance=1e-5,
    )
    d = torch.tensor([1.5], device=device)
    yield Check(
        name="smoothed bce: fakes are not smoothed",
        source=source,
        value=float(objective.fake(d)),
        expected=math.log1p(math.exp(1.5)),
        tolerance=1e-6,
    )
    generator = float(objective.as_real(d))
    yield Check(
        name="smoothed bce: nor is the generator's aim",
        source=source,
        value=generator,
        expected=math.log1p(math.exp(-1.5)),
        tolerance=1e-6,
    )


def extreme_logits(device: torch.device) -> Checks:
    """Terms at logits where a plain sigmoid would be 0 or 1."""
    objective, source = losses.Objective("bce"), "softplus(x) = max(x, 0) + log(1 + e^−|x|)"
    for d in (-1000.0, -20.0, 20.0, 1000.0):
        logit = torch.tensor([d], device=device)
        for name, term, x in (("−log D", objective.real, -d), ("−log(1 − D)", objective.fake, d)):
            true = max(x, 0.0) + math.log1p(math.exp(-abs(x)))
            value = float(term(logit)) / (true or 1.0)  # e^−1000 is 0 in float64 too
            yield Check(
                name=f"{name} at logit {d:g}, over the true one",
                source=source,
                value=value,
                expected=float(true > 0),
                tolerance=1e-5,
            )


def non_saturating(device: torch.device) -> Checks:
    """Slopes of the minimax and of the non-saturating generator where the discriminator is sure."""
    objective, sure = losses.Objective("bce"), -20.0
    weak = _slope(losses.minimax_generator, sure, device) / -(1 / (1 + math.exp(-sure)))
    yield Check(
        name="minimax: its slope at logit −20, −σ(d), over the true one",
        source=f"{GOODFELLOW}, eq. 1",
        value=weak,
        expected=1.0,
        tolerance=1e-5,
    )
    strong = _slope(objective.as_real, sure, device)
    yield Check(
        name="non-saturating: its slope there, −σ(−d)",
        source=f"{GOODFELLOW}, §3",
        value=strong,
        expected=-1.0,
        tolerance=1e-6,
    )
    value = _slope(losses.Objective("hinge").as_fake, 5.0, device)
    yield Check(
        name="hinge: slope for who is to look fake, at logit 5", source=MIYATO, value=value, expected=1.0, tolerance=0.0
    )


def hinge(device: torch.device) -> Checks:
    """The least hinge loss of two distributions, over logits on a grid."""
    objective, grid = losses.Objective("hinge"), torch.linspace(-3, 3, 601, device=device)
    pairs = list(zip(P, Q, strict=True))
    rows = torch.stack([torch.stack([p * objective.real(d) + q * objective.fake(d) for d in grid]) for p, q in pairs])
    least = 2 * sum(min(p, q) for p, q in pairs)
    yield Check(
        name="hinge: least loss, 2 Σ min(p, q)",
        source="Lim & Ye 2017",
        value=float(rows.amin(1).sum()),
        expected=least,
        tolerance=1e-6,
    )
    best = grid[rows.argmin(1)]
    yield Check(
        name="hinge: best logit where p > q", source="sign(p − q)", value=float(best[2]), expected=1.0, tolerance=1e-5
    )
    yield Check(
        name="hinge: best logit where p < q", source="sign(p − q)", value=float(best[0]), expected=-1.0, tolerance=1e-5
    )


def least_squares(device: torch.device) -> Checks:
    """The best discriminator of the least-squares loss, and that loss."""
    objective = losses.Objective("least-squares")
    d, value = _best(objective, device)
    least = 0.5 * sum(p * q / (p + q) for p, q in zip(P, Q, strict=True))
    yield Check(
        name="least squares: d* = p / (p + q)",
        source="Mao et al. 2017",
        value=float(d[2]),
        expected=RATIO,
        tolerance=1e-6,
    )
    yield Check(
        name="least squares: loss at d*, ½ Σ pq / (p + q)",
        source="Mao et al. 2017",
        value=value,
        expected=least,
        tolerance=1e-6,
    )
    generator = float(objective.as_real(torch.tensor([-0.5, 2.0], device=device)))
    yield Check(
        name="least squares: ½ E (d − 1)² of −½ and 2",
        source="Mao et al. 2017",
        value=generator,
        expected=0.8125,
        tolerance=1e-6,
    )


def wasserstein(device: torch.device) -> Checks:
    """The difference of means of a linear critic on points and on shifted ones."""
    objective, x = losses.Objective("wasserstein"), torch.randn(500, device=device)
    value = -float(objective.real(x + 3) + objective.fake(x))
    yield Check(
        name="wasserstein: d(x) = x tells a shift by 3",
        source="Arjovsky et al. 2017, eq. 2",
        value=value,
        expected=3.0,
        tolerance=1e-5,
    )


def _best(objective: losses.Objective, device: torch.device) -> tuple[Tensor, float]:
    """Return the logits that minimise the discriminator's loss on the table, by Newton's method, and the loss."""
    d = torch.zeros(3, device=device, requires_grad=True)
    for _ in range(12):
        loss = _loss(objective, d)
        (slope,) = torch.autograd.grad(loss, d, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), d)
        d = (d - slope / curvature).detach().requires_grad_()
    return d.detach(), float(_loss(objective, d.detach()))


def _loss(objective: losses.Objective, d: Tensor) -> Tensor:
    terms = [P[i] * objective.real(d[i : i + 1]) + Q[i] * objective.fake(d[i : i + 1]) for i in range(3)]
    return torch.stack(terms).sum()


def _slope(term: Callable[[Tensor], Tensor], at: float, device: torch.device) -> float:
    logit = torch.tensor([at], device=device, requires_grad=True)
    (slope,) = torch.autograd.grad(term(logit), logit)
    return float(slope)


HUANG = "Huang et al. 2024, eq. 2"


def relativistic(device: torch.device) -> Checks:
    """Pairs of real and fake: what is best on two points, and at the equilibrium."""
    objective = losses.Objective("relativistic")
    a, b = 0.3, 0.6  # of the first point among reals and among fakes: of 100 pairs 18, 12, 42 and 28
    places = torch.tensor([[0, 0]] * 18 + [[0, 1]] * 12 + [[1, 0]] * 42 + [[1, 1]] * 28, device=device)
    d = torch.zeros(2, device=device, requires_grad=True)
    solver = torch.optim.LBFGS([d], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        (term,) = objective.discriminator(d[places[:, 0]], d[places[:, 1]]).values()
        term.backward()  # type: ignore[no-untyped-call]
        return term

    solver.step(closure)  # type: ignore[no-untyped-call]
    yield Check(
        name="relativistic: best difference of two points' logits",
        source="log p₁/q₁ − log p₂/q₂",
        value=float((d[0] - d[1]).detach()),
        expected=math.log(a / b) - math.log((1 - a) / (1 - b)),
        tolerance=1e-3,
    )
    alike = torch.linspace(-2, 2, 5, device=device)
    (value,) = objective.discriminator(alike, alike).values()
    yield Check(
        name="relativistic: term where every pair is alike, log 2",
        source=HUANG,
        value=float(value),
        expected=math.log(2),
        tolerance=1e-6,
    )
    real, fake = alike.clone().requires_grad_(), alike.flip(0).requires_grad_()
    (swapped,) = objective.exchanged(real, fake).values()
    slopes = torch.autograd.grad(swapped, (real, fake))
    yield Check(
        name="relativistic: slopes of a player who makes both sides add up to 0",
        source=HUANG,
        value=float((slopes[0] + slopes[1]).abs().max()),
        expected=0.0,
        tolerance=1e-7,
    )
