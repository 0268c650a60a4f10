"""Games on points: the loop of training.py without pictures, run folders and checkpoints.

for images, family in play(config, grid_of_gaussians().source, marks=10):
    print(images, modes_covered(sampled(family, 10_000), grid))
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from latentgan.config import RunConfig
from latentgan.data.source import ImageSource
from latentgan.families.base import Decodes, Family
from latentgan.training.loop import state_iterations
from latentgan.training.state import open_state, usable

STATISTICS_POINTS = 10_000
"""Batch statistics of a yielded family are computed over this many training points."""


def play(config: RunConfig, source: ImageSource, *, marks: int = 1) -> Iterator[tuple[int, Family]]:
    """Train a family on points; yield the number of points drawn so far and the averaged family, in evaluation mode.

    The first pair is of the untrained network, the last one of the finished run.

    Args:
        config: as of `train`; what it says about the data, logs and checkpoints has no effect.
        source: of points, see from_points.
        marks: how often to yield over the run, besides the untrained network.

    Raises:
        DivergedError: the game diverged.
    """
    state, t = open_state(config, source), config.training
    yield 0, usable(state, STATISTICS_POINTS)
    mark, points = 1, 0
    for _ in state_iterations(state):
        state.ema.update(state.images - points, state.images)
        points = state.images
        if state.images >= mark * t.total_images / marks:
            state.update.check_finite()
            yield state.images, usable(state, STATISTICS_POINTS)
            mark = int(state.images * marks / t.total_images) + 1
        if state.images >= t.total_images:
            return


@torch.no_grad()
def sampled(family: Family, n: int, *, seed: int = 0) -> np.ndarray:
    """Return n points drawn from a family, (n, d) float32; the same for the same seed.

    Args:
        family: the family.
        n: number of points.
        seed: seed of the draw.
    """
    if not isinstance(family, Decodes):
        raise TypeError(f"{type(family).__name__} cannot decode, so nothing can be drawn from it")
    z = family.prior.sample(n, generator=torch.Generator().manual_seed(seed))
    return family.decode(z).float().flatten(1).cpu().numpy()
