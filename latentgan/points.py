"""Games on points: the loop of training.py without pictures, run folders and checkpoints.

for images, family in play(config, grid_of_gaussians().source, marks=10):
    print(images, modes_covered(sampled(family, 10_000), grid))
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from latentgan.averages import Average, make_usable, shadow_of
from latentgan.config import RunConfig
from latentgan.data import Batches, ImageSource
from latentgan.devices import pick_device, pick_precision
from latentgan.families.base import Decodes, Family, load_family
from latentgan.game import Update
from latentgan.session import images_seen
from latentgan.training import turns

STATISTICS_POINTS = 10_000
"""Batch statistics of a yielded family are computed over this many training points."""


def play(config: RunConfig, source: ImageSource, *, marks: int = 1) -> Iterator[tuple[int, Family]]:
    """Train a family on points; yield the points seen so far and the averaged family, in evaluation mode.

    The first pair is of the untrained network, the last one of the finished run.

    Args:
        config: as of `train`; what it says about the data, logs, checkpoints and compilation has no effect.
        source: of points, see from_points.
        marks: how often to yield over the run, besides the untrained network.

    Raises:
        DivergedError: the game diverged.
    """
    t = config.training
    device = pick_device(t.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(t.seed)
        family = load_family(config.name)(config.family, source.spec)
    family.to(device).train()
    batches = Batches(source, batch_size=t.batch_size, seed=t.seed, device=device)
    update, average = Update(family.players()), Average(family, t.average_halflife_images)
    points = _statistics(source, t.batch_size, device)
    yield 0, _usable(family, average, points)
    mark = 1
    precision = pick_precision(t.precision, device)
    for _ in turns(family, batches, update, seed=t.seed, total_images=t.total_images, precision=precision):
        seen = images_seen(batches)
        average.update(t.batch_size, seen)
        if seen >= mark * t.total_images / marks:
            update.check_finite()
            yield seen, _usable(family, average, points)
            mark = int(seen * marks / t.total_images) + 1
        if seen >= t.total_images:
            return


@torch.no_grad()
def sampled(family: Family, n: int, *, seed: int = 0) -> np.ndarray:
    """Return n points drawn from a family, (n, d) float32; the same for the same seed."""
    if not isinstance(family, Decodes):
        raise TypeError(f"{type(family).__name__} cannot decode, so nothing can be drawn from it")
    z = family.prior.sample(n, generator=torch.Generator().manual_seed(seed))
    return family.decode(z).float().flatten(1).cpu().numpy()


def _usable(family: Family, average: Average, points: list[Tensor]) -> Family:
    shadow = shadow_of(family)
    average.write_to(shadow, family)
    make_usable(shadow, points)
    return shadow


def _statistics(source: ImageSource, size: int, device: torch.device) -> list[Tensor]:
    """Return full batches of training points, the same ones every time."""
    rows = np.random.default_rng(0).permutation(source.rows("train"))[:STATISTICS_POINTS]
    size = min(size, len(rows))
    return [source.tensor(rows[i : i + size], device) for i in range(0, len(rows) - size + 1, size)]
