"""What a check is, and how all are found: every public function of every other file here yields checks.

A theme is a file, whose name is the theme's name; a function takes the device and yields. The toolkit's own formulas
are called as `losses.contrastive(…)` on that device in float32; what is expected is written down or computed in
float64 without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import cast

import torch
from torch import Tensor

from latentgan.devices import seeded
from latentgan.game import Terms, Update
from latentgan.losses import Objective
from latentgan.selfcheck import discovery


@dataclass(frozen=True, kw_only=True)
class Check:
    """A figure and what it must be.

    Args:
        name: what is computed, in a phrase.
        source: paper and equation, or the formula.
        value: what this installation computes.
        expected: the closed form.
        tolerance: largest absolute difference.
    """

    name: str
    source: str
    value: float
    expected: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the figure is within its tolerance; a NaN never is."""
        return abs(self.value - self.expected) <= self.tolerance


Checks = Iterator[Check]


CheckFunction = FunctionType
"""Takes the device, yields checks."""


def themes() -> list[str]:
    """Return the names of the themes, sorted."""
    return discovery.themes("latentgan.selfcheck.checks")


def functions(theme: str) -> Mapping[str, CheckFunction]:
    """Return a theme's functions by name, in the file's order."""
    return discovery.functions("latentgan.selfcheck.checks", theme)


def run(function: CheckFunction, device: torch.device) -> list[Check]:
    """Return a function's checks, computed from their own seed, whatever ran before.

    One that raises is a check that fails.
    """
    result: list[Check] = []
    with seeded(device, 0):
        try:
            result.extend(function(device))
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            name = function.__name__.replace("_", " ")
            result.append(
                Check(
                    name=f"{name}: stopped",
                    source=f"{type(error).__name__}: {reason}",
                    value=math.nan,
                    expected=0.0,
                    tolerance=0.0,
                )
            )
    return result


class Recorder:
    """Stands in for an Update: records what the players would minimise, and changes no parameter."""

    iteration_number, progress = 1, 0.0

    def __init__(self) -> None:
        self.objectives: dict[str, Terms] = {}

    def __call__(self, **objectives: Terms) -> None:
        self.objectives |= objectives

    def note(self, **values: Tensor | float) -> None:
        """Ignore it."""

    def as_update(self) -> Update:
        """Return itself as what a family's step takes."""
        return cast(Update, self)


def quantiles(n: int) -> Tensor:
    """Return n equally likely values of N(0, 1)."""
    values: Tensor = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    return values.float()


def fit_logit(real: Tensor, fake: Tensor, *, start: Tensor) -> tuple[Tensor, float]:
    """Return the weights (f,) that separate features (f, n) best, by Newton's method, and their loss."""
    objective, weights = Objective("bce"), start.clone()

    def loss(w: Tensor) -> Tensor:
        return objective.real(w @ real) + objective.fake(w @ fake)

    for _ in range(12):
        at = weights.to(real.device).requires_grad_()
        (slope,) = torch.autograd.grad(loss(at), at, create_graph=True)
        curvature = torch.stack([torch.autograd.grad(s, at, retain_graph=True)[0] for s in slope])
        step = torch.linalg.pinv(curvature.cpu().double(), rtol=1e-5) @ slope.detach().cpu().double()
        weights = weights.detach() - step.float()
    return weights, float(loss(weights.to(real.device)))
