"""The moving average of a family's weights, by half-life in images, and what makes it a model to use."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from latentgan.devices import seeded
from latentgan.families.base import Family
from latentgan.networks.blocks import settle

RAMP = 0.05
"""The half-life is at most this share of the images seen, so that the average forgets the random start."""

STRIDE, FINEST = 4, 1 / 8
"""The average is updated after every STRIDE iterations that draw images, or more often, so that no update covers more
than FINEST of the half-life."""


class ExponentialMovingAverage:
    """Exponential moving average of all parameters: avg ← avg + (1 − 2^(−n/halflife)) · (now − avg).

    Parameters only: a buffer such as a spectral norm's singular vectors is copied, since its average would not
    belong to the averaged weights.

    Args:
        family: whose parameters; the average starts at their present values.
        halflife_images: after how many images a change has half its weight; 0 keeps the last weights.
    """

    def __init__(self, family: Family, halflife_images: float) -> None:
        self.halflife_images = halflife_images
        self.names = [name for name, _ in family.named_parameters()]
        self._source: list[Tensor] = [p for _, p in family.named_parameters()]
        self.values: list[Tensor] = [p.detach().clone() for p in self._source]

    def follow(self, images: int, images_seen: int) -> None:
        """Update once every few iterations, since an update reads and writes as much memory as an optimiser's step.

        Iterations are counted by their images: those without a minibatch are nowhere in the count, so that no rhythm in
        which a family draws passes over the update.

        Args:
            images: images drawn by the last iteration; 0 where it drew no minibatch, negative where another stream
                begins to count, see `images_seen`.
            images_seen: images drawn by the run in all, with these.
        """
        if images <= 0:
            return
        stride = max(1, min(STRIDE, int(FINEST * self.halflife_images / images))) * images
        if images_seen // stride > (images_seen - images) // stride:
            self.update(stride, images_seen)

    @torch.no_grad()
    def update(self, images: int, images_seen: int) -> None:
        """Step towards the present weights after iterations on `images` images, `images_seen` in all."""
        halflife = min(self.halflife_images, RAMP * images_seen)
        if halflife <= 0:
            torch._foreach_copy_(self.values, self._source)
        else:
            torch._foreach_lerp_(self.values, self._source, 1 - 0.5 ** (images / halflife))

    def state(self) -> dict[str, Tensor]:
        """Return the averages by parameter name."""
        return dict(zip(self.names, self.values, strict=True))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for name, value in zip(self.names, self.values, strict=True):
            value.copy_(state[name])

    @torch.no_grad()
    def write_to(self, shadow: Family, family: Family) -> None:
        """Give `shadow`, a copy of `family`, the averaged parameters and the present buffers."""
        for parameter, value in zip(shadow.parameters(), self.values, strict=True):
            parameter.copy_(value)
        for target, buffer in zip(shadow.buffers(), family.buffers(), strict=True):
            target.copy_(buffer)


def shadow_of(family: Family) -> Family:
    """Return an independent copy in evaluation mode that no player moves."""
    return copy.deepcopy(family).eval().requires_grad_(False)


@torch.no_grad()
def make_usable(family: Family, images: Iterable[Tensor], *, seed: int = 0) -> None:
    """Make weights fit for use: spectral norms converged, batch statistics recomputed for these very weights.

    Args:
        family: changed in place; left in evaluation mode.
        images: batches of training images, (n, c, h, w) in [-1, 1]; unused without batch norm.
        seed: of the prior's draws while statistics are recomputed.
    """
    settle(family)
    still = {m for network in family.frozen_networks() for m in network.modules()}
    norms = [m for m in family.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m not in still]
    if norms:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        frozen = _eval_but_norms(family, norms)
        with seeded(next(family.parameters()).device, seed):
            for x in images:
                frozen.rehearse(x)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    family.eval()


def _eval_but_norms(family: Family, norms: list[nn.modules.batchnorm._BatchNorm]) -> Family:
    family.eval()  # spectral norms stay as they are
    for norm in norms:
        norm.train()
    return family
