"""The closed forms hold here, a planted mistake in any of them is noticed, and the command says so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from typer.testing import CliRunner

from latentgan import augmentation, game, likelihoods, losses, priors
from latentgan import regularization as tricks
from latentgan.cli.app import app
from latentgan.families import deligan, infogan, vae
from latentgan.inference import importance_sampling as annealing
from latentgan.networks import blocks
from latentgan.networks import implicit_posterior as blackbox
from latentgan.selfcheck.checks import base

CPU = torch.device("cpu")
FUNCTIONS = [(theme, name) for theme in base.themes() for name in base.functions(theme)]


@pytest.mark.parametrize(("theme", "name"), FUNCTIONS, ids=[f"{theme}-{name}" for theme, name in FUNCTIONS])
def test_every_closed_form_holds(theme, name):
    checks = base.run(base.functions(theme)[name], CPU)
    assert checks, "a function yields at least one check"
    assert not [check for check in checks if not check.ok]
    for check in checks:
        assert check.name and check.source and check.tolerance >= 0
        assert not math.isnan(check.expected)


def test_every_theme_checks_something():
    folder = Path(base.__file__).parent
    assert set(base.themes()) == {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert all(base.functions(theme) for theme in base.themes())
    assert len({check.name for theme, name in FUNCTIONS for check in base.run(base.functions(theme)[name], CPU)}) > 80


def test_a_check_is_the_same_whatever_was_drawn_before():
    function = base.functions("priors")["normal"]
    first = base.run(function, CPU)
    torch.randn(100)
    assert base.run(function, CPU) == first


def test_a_figure_that_is_not_a_number_is_out_of_tolerance():
    assert not base.Check(name="x", source="y", value=math.nan, expected=0.0, tolerance=1e9).ok
    assert not base.Check(name="x", source="y", value=1.2, expected=1.0, tolerance=0.1).ok
    assert base.Check(name="x", source="y", value=1.2, expected=1.0, tolerance=0.3).ok


def test_a_check_that_raises_is_a_check_that_fails():
    def broken(device: torch.device):
        yield base.Check(name="one", source="two", value=1.0, expected=1.0, tolerance=0.0)
        raise ZeroDivisionError("by zero")

    done, stopped = base.run(broken, CPU)
    assert done.ok and not stopped.ok
    assert stopped.name == "broken: stopped" and stopped.source == "ZeroDivisionError: by zero"


def softmax_twice(similarity: Tensor) -> Tensor:
    partner = torch.arange(len(similarity))
    return 0.5 * (cross_entropy(similarity.softmax(1), partner) + cross_entropy(similarity.T.softmax(1), partner))


def information_of_probabilities(logits: Tensor, code: Tensor) -> Tensor:
    return math.log(code.shape[1]) - cross_entropy(logits.softmax(1), code)


def one_norm_a_batch(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    points = [x.detach().requires_grad_() for x in inputs]
    gradients = torch.autograd.grad(function(*points).sum(), points, create_graph=True)
    return torch.stack([g.square().sum() for g in gradients]).sum()


def forgotten_entropy(mean: Tensor, code: Tensor) -> Tensor:
    return UNIFORM(mean, code) - math.log(2) * code.shape[1]


def both_sides_smoothed(self: losses.Objective, logits: Tensor) -> Tensor:
    return ((1 - self.smoothing) * softplus(logits) + self.smoothing * softplus(-logits)).mean()


def logarithm_of_sigmoid(self: losses.Objective, logits: Tensor) -> Tensor:
    return -torch.log(1 - torch.sigmoid(logits)).mean() if self.name == "bce" else FAKE(self, logits)


def fooled_towards_real(self: losses.Objective, logits: Tensor) -> Tensor:
    return self.as_real(logits)


def unsymmetric(first: Tensor, second: Tensor) -> Tensor:
    joint = (first.softmax(1).T @ second.softmax(1) / len(first)).clamp_min(1e-8)
    return (joint * (joint.log() - joint.sum(1, keepdim=True).log() - joint.sum(0, keepdim=True).log())).sum()


def unit_interval(self: priors.Prior, part: priors.Part, n: int, generator: object) -> Tensor:
    return torch.rand(n, part.width) if part.kind == "uniform" else DRAW(self, part, n, generator)


def rmsprop_for_adam(parameters: list[nn.Parameter], settings: Any) -> torch.optim.Optimizer:
    if settings.kind != "adam":
        return OPTIMIZER(parameters, settings)
    return torch.optim.RMSprop(parameters, settings.learning_rate, alpha=settings.beta2)


def one_player_after_the_other(self: game.Update, **objectives: game.Terms) -> None:
    for name, terms in list(objectives.items()):
        total = self._total(name, terms)
        for parameter in self.players[name].parameters:
            parameter.data -= 0.1 * torch.autograd.grad(total, parameter, retain_graph=True)[0]


def scale_without_shift(layer: blocks.Affine, norm: Any, scale: Tensor, shift: Tensor) -> None:
    SCALE(layer, norm, scale, torch.zeros_like(shift))


def squared_deviations(self: priors.GaussianMixture, component: Tensor, normal: Tensor) -> Tensor:
    return self.mean[component] + self.deviation[component] ** 2 * normal


JUDGE = blackbox.Adversary.forward
DIVERGENCE, MOMENTS, BETAS = vae.gaussian_kl, blackbox.moments, annealing.temperatures
PIXELS = likelihoods.Likelihood.log_prob
UNIFORM, FAKE = losses.uniform_information, losses.Objective.fake
DRAW, OPTIMIZER, SCALE = priors.Prior._draw, game.build_optimizer, blocks._scale
MISTAKES: list[tuple[str, object, str, object]] = [
    ("softmax before cross-entropy", losses, "contrastive", softmax_twice),
    ("probabilities in place of logits", losses, "categorical_information", information_of_probabilities),
    ("information without its entropy", losses, "uniform_information", forgotten_entropy),
    ("a joint table that is not symmetric", losses, "paired_information", unsymmetric),
    ("absolute errors", losses, "conditional_entropy_bound", lambda x, y: (x - y).abs().mean()),
    ("fakes smoothed as well", losses.Objective, "fake", both_sides_smoothed),
    ("a logarithm of a sigmoid", losses.Objective, "fake", logarithm_of_sigmoid),
    ("the encoder fooled the wrong way", losses.Objective, "as_fake", fooled_towards_real),
    ("a minimax loss with the wrong sign", losses, "minimax_generator", lambda d: softplus(d).mean()),
    ("one norm a batch", tricks, "squared_gradients", one_norm_a_batch),
    ("norms that are not squared", tricks, "squared_gradients", lambda f, *x: SQUARES(f, *x).sqrt()),
    ("pairs the wrong way round", losses, "_difference", lambda real, fake: fake.float() - real.float()),
    ("noise that never ends", tricks.View, "deviation", lambda self, progress: self.config.instance_noise),
    ("a scale where none is asked", augmentation, "random_affine", lambda n, c, d, **k: 1.1 * MAPS(n, c, d, **k)),
    ("U(0, 1)", priors.Prior, "_draw", unit_interval),
    ("Adam without momentum", game, "build_optimizer", rmsprop_for_adam),
    ("players that do not move from one point", game.Update, "__call__", one_player_after_the_other),
    ("power iterations left out", blocks, "settle", lambda network: None),
    ("a running mean forgotten", blocks, "_scale", scale_without_shift),
    ("a divergence without its half", vae, "gaussian_kl", lambda m, s: 2 * DIVERGENCE(m, s)),
    ("a mean over pixels", likelihoods.Likelihood, "log_prob", lambda self, x, a: PIXELS(self, x, a) / x[0].numel()),
    ("annealing that stops half way", annealing, "temperatures", lambda count: [0.5 * b for b in BETAS(count)]),
    (
        "a variance for a deviation",
        blackbox,
        "moments",
        lambda z, a, v: (MOMENTS(z, a, v)[0], MOMENTS(z, a, v)[1] ** 2),
    ),
    ("a mixture's variances for deviations", priors.GaussianMixture, "forward", squared_deviations),
    ("an adversary that sees no image", blackbox.Adversary, "forward", lambda self, x, *z: JUDGE(self, 0 * x, *z)),
    ("a balance that never falls", deligan.Balance, "generator_moves", lambda self, term: True),
    ("the mean of the pieces", blocks.Maxout, "forward", lambda self, x: x.unflatten(1, (-1, self.pieces)).mean(2)),
]
SQUARES, MAPS = tricks.squared_gradients, augmentation.random_affine


@pytest.mark.parametrize(("home", "attribute", "mistake"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_planted_mistake_is_noticed_and_exits_with_1(home, attribute, mistake, monkeypatch):
    monkeypatch.setattr(home, attribute, mistake)
    done = CliRunner().invoke(app, ["selfcheck", "--device", "cpu", "--json"])
    assert done.exit_code == 1
    printed = json.loads(done.stdout)
    assert not printed["ok"]
    bad = [row for row in printed["checks"] if not row["ok"]]
    assert 0 < len(bad) < len(printed["checks"]) / 2, "what the mistake does not touch still holds"


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def test_unused_information_is_noticed(monkeypatch):
    """The classic slip: Q reads detached images, so that the term trains Q and never the generator."""
    whole = infogan._recogniser
    monkeypatch.setattr(infogan, "_recogniser", lambda *arguments: nn.Sequential(Cut(), whole(*arguments)))
    checks = base.run(base.functions("games")["information_gradient"], CPU)
    assert [check.ok for check in checks] == [False, False, True, True], "generator twice, then Q"


def test_the_command_prints_a_table_and_exits_with_0():
    done = CliRunner().invoke(app, ["selfcheck", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    for word in ("what", "source", "computed", "expected", "tolerance", "within tolerance on cpu"):
        assert word in done.stdout


def test_json_holds_every_figure_and_what_it_was_computed_on():
    printed = json.loads(CliRunner().invoke(app, ["selfcheck", "--device", "cpu", "--json"]).stdout)
    assert printed["ok"] and printed["device"] == "cpu" and printed["torch"] == torch.__version__
    assert printed["seconds"] < 30
    assert {row["theme"] for row in printed["checks"]} == set(base.themes())
    assert set(printed["checks"][0]) == {"theme", "name", "source", "value", "expected", "tolerance", "ok"}


def test_a_device_that_is_not_there_is_a_sentence():
    done = CliRunner().invoke(app, ["selfcheck", "--device", "no-such-device"])
    assert done.exit_code != 0 and "no-such-device" in str(done.exception)
