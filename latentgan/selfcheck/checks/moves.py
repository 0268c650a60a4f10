"""How players move: Adam step by step, all from one point, or one after the other."""

from __future__ import annotations

import math

import torch
from torch import nn

from latentgan import game
from latentgan.config import OptimizerConfig
from latentgan.families import deligan
from latentgan.losses import Objective
from latentgan.selfcheck.checks.base import Check, Checks


def adam(device: torch.device) -> Checks:
    """f(w) = ½ Σ a w², five moves, against Kingma & Ba's algorithm 1 in float64."""
    settings = OptimizerConfig(learning_rate=0.05, beta1=0.5, beta2=0.9, weight_decay=0.1)
    a, w = [1.0, 5.0, -2.0], [1.0, -0.5, 0.3]
    weights, curvature = nn.Parameter(torch.tensor(w, device=device)), torch.tensor(a, device=device)
    update = game.Update({"player": game.Player({"w": weights}, settings)})
    for _ in range(5):
        update(player={"f": 0.5 * (curvature * weights.square()).sum()})
    m, v = [0.0] * 3, [0.0] * 3
    for t in range(1, 6):
        for i in range(3):
            g = (a[i] + 0.1) * w[i]
            m[i] = 0.5 * m[i] + 0.5 * g
            v[i] = 0.9 * v[i] + 0.1 * g * g
            w[i] -= 0.05 * m[i] / (1 - 0.5**t) / (math.sqrt(v[i] / (1 - 0.9**t)) + 1e-8)
    for i, value in enumerate(weights.tolist()):
        yield Check(
            name=f"Adam, weight {i + 1} after 5 moves",
            source="Kingma & Ba 2015, alg. 1",
            value=value,
            expected=w[i],
            tolerance=1e-6,
        )


def order(device: torch.device) -> Checks:
    """min_x max_y xy from (1, 1) with steps of 0.1."""
    for name, together, expected in (("at once", True, 1.1), ("after the other's move", False, 1.09)):
        x, y = (nn.Parameter(torch.ones((), device=device)) for _ in range(2))
        sgd = OptimizerConfig(kind="sgd", learning_rate=0.1)
        update = game.Update({"x": game.Player({"x": x}, sgd), "y": game.Player({"y": y}, sgd)})
        if together:
            update(x={"xy": x * y}, y={"xy": -x * y})
        else:
            update(x={"xy": x * y})
            update(y={"xy": -x * y})
        yield Check(
            name=f"min max xy: y moves {name}",
            source="y + 0.1 x",
            value=float(y.detach()),
            expected=expected,
            tolerance=1e-6,
        )
        yield Check(
            name=f"min max xy: x, when y moves {name}",
            source="x − 0.1 y",
            value=float(x.detach()),
            expected=0.9,
            tolerance=1e-6,
        )


def balance(device: torch.device) -> Checks:
    """DeLiGAN's rule on minibatches of five moves, all of them one player's: how far the threshold goes."""
    for name, term, batches, expected in (
        ("−log D above it, 5 minibatches", 1.1, 5, 0.912),
        ("−log D above it, 200 minibatches", 1.1, 200, 1.0),
        ("−log D below it, 5 minibatches", 0.6, 5, 0.888),
        ("−log D below it, 200 minibatches", 0.6, 200, 0.7),
    ):
        rule = deligan.Balance(0.9, 0, 0)
        logit = torch.tensor([-math.log(math.expm1(term))], device=device)
        for _ in range(batches):
            rule.adjust()
            for _ in range(5):
                rule.generator_moves(float(Objective("bce").as_real(logit)))
        source = "authors' code: ± 0.003 in [0.7, 1]"
        yield Check(
            name=f"deligan: threshold from 0.9, {name}",
            source=source,
            value=rule.threshold,
            expected=expected,
            tolerance=1e-9,
        )
