"""The vocabulary of adversarial training: players move, updates are moves, terms are what they minimise.

An adversarial model is a game. Each player owns some parameters and an optimiser and minimises a named sum
of terms. One call of `Update` is one move: every player named in it takes the gradient of its own objective
with respect to its own parameters, at the same point, and only then do they all step.

    update(discriminator={"real": real(d_real), "fake": fake(d_fake)},
           generator={"fake": real(d_fake)})

Two keywords in one call share one forward pass; two calls alternate. No `zero_grad`, no `detach`, no
`requires_grad_` toggling: a parameter of an unnamed player cannot move.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from latentgan.config import OptimizerConfig
from latentgan.devices import full_precision
from latentgan.errors import DivergedError
from latentgan.optimizers import FusedAdam, build_optimizer

Terms = Mapping[str, Tensor]
"""Term name -> scalar tensor, weight already applied; a player's objective is the sum of its terms."""

Gradients = tuple[Tensor | None, ...]
"""One for each of a player's parameters; None where the objective does not depend on it."""

PATIENCE = 20
"""A parameter without a gradient in a player's first 20 moves stops the run: its network is detached."""


class Player:
    """Parameters that move together, and how they move.

    Args:
        parameters: the networks (or single parameters) that this player moves; named for messages.
        optimizer: kind, learning rate and schedule.
        optional: lifts the rule that every parameter must have had a gradient within the first 20 moves.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Module | nn.Parameter] | nn.Module,
        optimizer: OptimizerConfig,
        *,
        optional: bool = False,
    ) -> None:
        self.names, self.parameters = _named_parameters(parameters)
        if not self.parameters:
            raise ValueError("a player without parameters cannot move")
        self.settings = optimizer
        self.optional = optional
        self.optimizer = build_optimizer(self.parameters, optimizer)

    def set_progress(self, progress: float) -> None:
        """Set the learning rate by the schedule.

        Args:
            progress: share of the run's images already seen, in [0, 1].
        """
        rate = self.settings.learning_rate * self.settings.factor(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def pulled(self, gradients: Gradients, move: int) -> tuple[Gradients, Tensor]:
        """Return the gradients with that of historical averaging added, and its term λ ‖θ − m‖².

        m is the mean of θ over all moves up to this one, in which θ stands before its step; m is no part of the
        gradient.

        Args:
            gradients: of the other terms, one for each parameter.
            move: the number of this move, from 1.

        Returns:
            The gradients, and the term (a scalar).
        """
        values: list[Tensor] = list(self.parameters)
        means = self._history() or [value.clone() for value in values]
        torch._foreach_lerp_(means, values, 1 / move)
        away = torch._foreach_sub(values, means)
        pull = torch._foreach_mul(away, 2 * self.settings.historical_averaging)
        added = tuple(p if g is None else g + p for g, p in zip(gradients, pull, strict=True))
        return added, self.settings.historical_averaging * torch.stack(torch._foreach_norm(away)).square().sum()

    def step(self, gradients: Gradients) -> None:
        """Move down the gradients.

        Args:
            gradients: one for each parameter, of its shape, or None.
        """
        gradients = tuple(_laid_out(g, p) for g, p in zip(gradients, self.parameters, strict=True))
        keeps = self.settings.historical_averaging > 0 and not self._history()
        first = [parameter.detach().clone() for parameter in self.parameters] if keeps else []
        if not (isinstance(self.optimizer, FusedAdam) and self.optimizer.descend(gradients)):
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.step()
            for parameter in self.parameters:
                parameter.grad = None
        for parameter, start in zip(self.parameters, first, strict=False):  # optimisers expect an empty state before
            self.optimizer.state[parameter]["history"] = start
        # Fused optimisers do not bump tensor versions; without this, a graph that was built before the
        # step would silently give a wrong gradient instead of raising.
        torch.autograd.graph.increment_version(self.parameters)

    def _history(self) -> list[Tensor]:
        """Return the mean of each parameter over the moves so far, kept with the optimiser's state; [] before any."""
        state = self.optimizer.state
        return [state[p]["history"] for p in self.parameters if p in state and "history" in state[p]]


class Update:
    """One move of the named players, and the record of what it cost them.

    Args:
        players: name -> player; the names are the keywords of a call.

    Inside an iteration, `iteration_number` is its number and `progress` the share of the run that lies before it.
    """

    def __init__(self, players: Mapping[str, Player]) -> None:
        self.players = dict(players)
        self.moves = dict.fromkeys(self.players, 0)
        self._waiting = {
            name: set() if player.optional else set(range(len(player.parameters)))
            for name, player in self.players.items()
        }
        self._sums: dict[tuple[str, ...], tuple[Tensor, int]] = {}
        self._cache: contextlib.ExitStack | None = None
        self.iteration_number = 0
        self.progress = 0.0

    def __call__(self, **objectives: Terms) -> None:
        """Move every named player once, each down the gradient of the sum of its own terms.

        Raises:
            ValueError: a player is unknown, an objective is empty or a term is not a scalar.
            DivergedError: a gradient is not finite, a player has none at all, or a parameter has had none in 20 moves.
        """
        totals = {name: self._total(name, terms) for name, terms in objectives.items()}
        with full_precision(_device_type(totals)):
            gradients = self._gradients(totals)
            objectives = {name: {**terms, **self._pull(name, gradients)} for name, terms in objectives.items()}
            self._close_cache()
            self._record(objectives, gradients)
            for name in totals:
                self.players[name].step(gradients[name])
        torch.clear_autocast_cache()
        if self._cache is not None:
            self._cache.enter_context(parametrize.cached())

    def note(self, **values: Tensor | float) -> None:
        """Log figures that are no objective: a distance estimate, an accuracy, information in nats.

        Args:
            **values: scalars by name.
        """
        for name, value in values.items():
            self._add((f"note:{name}",), torch.as_tensor(value, dtype=torch.float32).detach().reshape(1))

    @contextlib.contextmanager
    def iteration(self, number: int, progress: float) -> Iterator[None]:
        """Scope of one iteration: learning rates follow the schedule, spectral norms iterate once an update.

        Args:
            number: the iteration about to be played, from 1; named in errors.
            progress: share of the run's images already seen, in [0, 1].

        Yields:
            Nothing: the iteration is played inside the scope.
        """
        self.iteration_number, self.progress = number, progress
        for player in self.players.values():
            player.set_progress(progress)
        try:
            with contextlib.ExitStack() as self._cache:
                self._cache.enter_context(parametrize.cached())
                yield
        finally:
            self._cache = None

    def drain(self) -> dict[str, dict[str, float]]:
        """Return the means since the last call, by kind ("terms", "gradient_norm", "notes"), and forget them."""
        sums: dict[str, dict[str, list[tuple[float, int]]]] = {"terms": {}, "gradient_norm": {}, "notes": {}}
        kinds = {"term": "terms", "norm": "gradient_norm", "note": "notes"}
        for names, (total, count) in self._sums.items():
            for key, value in zip(names, total.tolist(), strict=True):
                kind, name = key.split(":", 1)
                sums[kinds[kind]].setdefault(name, []).append((value, count))
        self._sums.clear()
        return {
            kind: {name: sum(v for v, _ in pairs) / sum(n for _, n in pairs) for name, pairs in result.items()}
            for kind, result in sums.items()
        }

    def resume(self, moves: Mapping[str, int]) -> None:
        """Continue counting moves where a checkpoint stopped.

        Args:
            moves: of each player so far.
        """
        self.moves.update(moves)
        for name, count in moves.items():
            if count >= PATIENCE:
                self._waiting[name].clear()

    def check_finite(self) -> None:
        """Raise DivergedError if a term or gradient since the last `drain` was not finite (reads the device once)."""
        for names, (total, _) in self._sums.items():
            if not names[0].startswith("note:"):
                self._blame(names, total)

    def _total(self, name: str, terms: Terms) -> Tensor:
        if name not in self.players:
            raise ValueError(f"no player is called {name!r}; this game has: {', '.join(self.players)}")
        if not terms:
            raise ValueError(f"player {name!r} was given no terms")
        for term, value in terms.items():
            if value.ndim != 0:
                raise ValueError(f"term {name}/{term} has shape {tuple(value.shape)}; a term is a scalar")
        first, *rest = (value.float() for value in terms.values())
        return sum(rest, first)

    def _gradients(self, totals: Mapping[str, Tensor]) -> dict[str, Gradients]:
        gradients: dict[str, Gradients] = {}
        for position, (name, total) in enumerate(totals.items()):
            player = self.players[name]
            if not total.requires_grad:
                raise DivergedError(f"the objective of player {name!r} does not depend on any parameter")
            gradients[name] = torch.autograd.grad(
                total, player.parameters, allow_unused=True, retain_graph=position < len(totals) - 1
            )
            self._expect_every_gradient(name, gradients[name])
        return gradients

    def _pull(self, name: str, gradients: dict[str, Gradients]) -> Terms:
        """Add historical averaging to a player's gradients, where it is on, and return its term."""
        if not self.players[name].settings.historical_averaging:
            return {}
        gradients[name], term = self.players[name].pulled(gradients[name], self.moves[name])
        return {"historical_averaging": term}

    def _expect_every_gradient(self, name: str, gradients: Gradients) -> None:
        player = self.players[name]
        if not player.optional and all(gradient is None for gradient in gradients):
            raise DivergedError(
                f"the objective of player {name!r} depends on none of its parameters ({_some(player.names)}); "
                "is their output detached or unused, or is the objective another player's? "
                "(Player(optional=True) allows it)"
            )
        self.moves[name] += 1
        waiting = self._waiting[name]
        if waiting:
            waiting.difference_update([i for i in waiting if gradients[i] is not None])
        if waiting and self.moves[name] >= PATIENCE:
            names = [player.names[i] for i in sorted(waiting)]
            raise DivergedError(
                f"player {name!r}: {_some(names)} had no gradient in "
                f"{PATIENCE} moves, so it does not learn; is its output detached or unused? "
                "(Player(optional=True) allows it)"
            )

    def _record(self, objectives: Mapping[str, Terms], gradients: Mapping[str, Gradients]) -> None:
        """Add terms and gradient norms to the sums, all of one move at once: scalars cost a call each otherwise."""
        names: list[str] = []
        values: list[Tensor] = []
        for name, terms in objectives.items():
            names += [f"term:{name}/{term}" for term in terms] + [f"norm:{name}"]
            scalars = [value.detach().float() for value in terms.values()]
            values += [*scalars, _norm(gradients[name], scalars[0].device)]
        recorded = torch.stack(values)
        self._add(tuple(names), recorded)
        if recorded.device.type == "cpu":
            self._blame(names, recorded)

    def _blame(self, names: Iterable[str], values: Tensor) -> None:
        """Raise DivergedError where a term or a norm, or the sum of many of either, is not finite."""
        result = values.tolist()
        if not math.isfinite(sum(result)):
            culprits = [_in_words(name) for name, v in zip(names, result, strict=True) if not math.isfinite(v)]
            raise DivergedError(
                f"iteration {self.iteration_number:,}: a gradient is not finite ({'; '.join(culprits)}); "
                "lower that player's learning_rate, or use a bounded objective such as hinge"
            )

    def _add(self, names: tuple[str, ...], values: Tensor) -> None:
        total, count = self._sums.get(names, (None, 0))
        self._sums[names] = (values if total is None else total + values, count + 1)

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.pop_all().close()


def _named_parameters(
    parameters: Mapping[str, nn.Module | nn.Parameter] | nn.Module,
) -> tuple[list[str], list[nn.Parameter]]:
    parts = {"": parameters} if isinstance(parameters, nn.Module) else parameters
    result: dict[int, tuple[str, nn.Parameter]] = {}
    for prefix, part in parts.items():
        pairs: Iterable[tuple[str, nn.Parameter]]
        pairs = [("", part)] if isinstance(part, nn.Parameter) else part.named_parameters()
        for name, parameter in pairs:
            result.setdefault(id(parameter), (".".join(filter(None, (prefix, name))), parameter))
    return [name for name, _ in result.values()], [parameter for _, parameter in result.values()]


def _in_words(key: str) -> str:
    """Return the words for "term:player/name" and "norm:player" in a message."""
    kind, name = key.split(":", 1)
    player, _, term = name.partition("/")
    return f"player {player}, term {term}" if kind == "term" else f"player {player}, gradient norm"


def _some(names: list[str]) -> str:
    """Return the first names of a list, for a message."""
    return ", ".join(names[:4]) + " …" * (len(names) > 4)


def _laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """Return the gradient laid out in memory as the parameter is: torch's fused kernels read both in that order."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _norm(gradients: Iterable[Tensor | None], device: torch.device) -> Tensor:
    present = [g for g in gradients if g is not None]
    if not present:
        return torch.zeros((), device=device)
    if present[0].device.type == "cpu":  # half the time of its foreach
        flat = [g.reshape(-1) for g in present]
        return torch.stack([torch.dot(g, g) for g in flat]).sum().sqrt()
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(present)))
    return norm


def _device_type(totals: Mapping[str, Tensor]) -> str:
    return next(iter(totals.values())).device.type if totals else "cpu"
