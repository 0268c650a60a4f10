"""Optimisers as a configuration names them; Adam's bookkeeping is done once rather than at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentgan.config import OptimizerConfig

Moments = tuple[list[Tensor], list[Tensor], list[Tensor]]
"""Means of the gradients, of their squares, and the numbers of steps, one for each parameter."""


class FusedAdam(torch.optim.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, alg. 1) by torch's fused kernel, which is given its lists as they are.

    `torch.optim.Adam.step` sorts parameters by device and type and looks for their states each time, which takes two
    percent of a small network's iteration on a CPU. Here all parameters are of one device and type, and their states
    are looked up once.

    Args:
        parameters: of one device and one type, float32 or float64.
        settings: rates; the schedule is the caller's affair.
    """

    def __init__(self, parameters: list[nn.Parameter], settings: OptimizerConfig) -> None:
        s = settings
        super().__init__(parameters, s.learning_rate, (s.beta1, s.beta2), s.epsilon, s.weight_decay, fused=True)
        self._moments: Moments | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._moments = None  # of a state that `load_state_dict` replaces

    @torch.no_grad()
    def descend(self, gradients: Sequence[Tensor | None]) -> bool:
        """Take a step down the gradients, one for each parameter, and return True.

        Nothing is done, and False returned, where torch's own `step` is needed: until all parameters have a state, and
        where one has no gradient.
        """
        (group,) = self.param_groups
        parameters: list[Tensor] = group["params"]
        given = [gradient for gradient in gradients if gradient is not None]
        moments = self._found(parameters)
        if moments is None or len(given) < len(parameters):
            return False
        means, squares, steps = moments
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            given,
            means,
            squares,
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )
        return True

    def _found(self, parameters: list[Tensor]) -> Moments | None:
        """Return the states of all parameters; None while some have none."""
        if self._moments is None and all("step" in self.state.get(parameter, {}) for parameter in parameters):
            states = [self.state[parameter] for parameter in parameters]
            means, squares, steps = ([state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step"))
            self._moments = means, squares, steps
        return self._moments


def build_optimizer(parameters: list[nn.Parameter], settings: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimiser that `settings` names; fused where torch has a fused one for this device."""
    s, types = settings, {(p.device, p.dtype) for p in parameters}
    fused = all(d.type in ("cpu", "cuda", "mps") and t in (torch.float32, torch.float64) for d, t in types)
    if s.kind == "adam" and fused and len(types) == 1:
        return FusedAdam(parameters, settings)
    if s.kind == "adam":
        betas = (s.beta1, s.beta2)
        return torch.optim.Adam(parameters, s.learning_rate, betas, s.epsilon, s.weight_decay, fused=fused)
    if s.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, s.learning_rate, s.beta2, s.epsilon, s.weight_decay, s.momentum)
    return torch.optim.SGD(parameters, s.learning_rate, momentum=s.momentum, weight_decay=s.weight_decay, fused=fused)
