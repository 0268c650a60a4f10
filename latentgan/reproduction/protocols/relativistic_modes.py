"""Eight Gaussians on a circle and 25 on a grid: which modes the relativistic objective covers without any other help.

A GAN of two dense layers each plays the relativistic objective with R1 and R2: no batch norm in the discriminator, no
minibatch discrimination, no unrolling, no pairs of samples. The same networks play the non-saturating objective without
penalties from the same seed. Covered, reached and near are as in ali-gaussians.

Source: Huang, Gokaslan, Kuleshov, Tompkin: The GAN is dead; long live the GAN!, NeurIPS 2024 (arXiv:2501.05441), §3 and
appendix B, where 1,000 modes of stacked MNIST are counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from latentgan.config import RunConfig, merge
from latentgan.data.synthetic import Gaussians, grid_of_gaussians, ring_of_gaussians
from latentgan.families.base import Family, configure
from latentgan.reproduction.protocols.ali_gaussians import COVERED, NEAR, SAMPLES, covered
from latentgan.reproduction.protocols.base import QUICK_IMAGES, Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.toy_loop import play, sampled

RING, GRID = "ring", "grid"
PAIRED, PLAIN, UNTRAINED = "relativistic, R1 and R2", "non-saturating", "untrained"
RATE = {"beta1": 0.0, "beta2": 0.99, "schedule": "linear", "decay_from": 0.3, "decay_to": 0.1}
NETWORKS: Mapping[str, Any] = {
    "latent": 2,
    "hidden": 128,
    "discriminator": {"learning_rate": 2e-3, **RATE},
    "generator": {"learning_rate": 1e-3, **RATE},
}
GAMMA = {RING: 0.05, GRID: 0.02}
POINTS = {RING: 150_000, GRID: 400_000}
GAMES: Mapping[str, Mapping[str, Any]] = {
    PAIRED: {"objective": "relativistic"},
    PLAIN: {"objective": "bce"},
}


def points(recipe: str) -> Gaussians:
    """Return a recipe's points, within the generator's range of -1 to 1."""
    if recipe == RING:
        return ring_of_gaussians(radius=0.7, deviation=0.03)
    return grid_of_gaussians(spacing=0.4, deviation=0.02)


def configured(recipe: str, game: str, changes: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a recipe's game.

    Args:
        recipe: the points.
        game: the objective.
        changes: the table "training", over the recipe's.
    """
    gamma = GAMMA[recipe] if game == PAIRED else 0.0
    family = {**NETWORKS, **GAMES[game], "r1": gamma, "r2": gamma}
    total = POINTS[recipe]
    training = {"total_images": total, "batch_size": 256, "average_halflife_images": total / 50}
    return configure("gan", merge({"family": family, "data": {"source": "points"}, "training": training}, changes))


def measure(job: Job) -> Outcome:
    """Play both games and count which modes samples cover."""
    planted, changes = points(job.recipe), {"training": {"seed": job.seed, "device": job.device}}
    if job.quick:
        changes["training"]["total_images"] = QUICK_IMAGES
    families: dict[str, Family] = {}
    for game in GAMES:
        started = time.perf_counter()
        config = configured(job.recipe, game, changes)
        job.settings[game] = config.as_dict()
        job.say(f"{game}: {config.training.total_images:,} points")
        (_, untrained), *_, (_, families[game]) = play(config, planted.source)
        families.setdefault(UNTRAINED, untrained)
        job.timed("train", started)
    result = {
        name: covered(sampled(family, SAMPLES, seed=job.seed), planted, seed=job.seed)
        for name, family in families.items()
    }
    return Outcome(result.pop(PAIRED), {f"{k}, {of}": v for of, figures in result.items() for k, v in figures.items()})


def _headlines(recipe: str) -> tuple[Headline, ...]:
    modes = 8 if recipe == RING else 25
    return (
        Headline(
            figure=COVERED,
            title=f"modes covered, of {modes}",
            count=True,
            median=True,
            baselines={f"{COVERED}, {PLAIN}": PLAIN, f"{COVERED}, {UNTRAINED}": UNTRAINED},
        ),
        Headline(figure=NEAR, title="samples near a mode", baselines={f"{NEAR}, {PLAIN}": PLAIN}),
    )


PROTOCOL = Protocol(
    title="Modes of a ring and of a grid, relativistic objective",
    source="ours; the objective is that of Huang et al. 2024, §3",
    dataset="",
    recipes={
        RING: Recipe(about="eight Gaussians on a circle", seeds=5),
        GRID: Recipe(about="25 Gaussians on a grid", seeds=5),
    },
    headlines={RING: _headlines(RING), GRID: _headlines(GRID)},
    measure=measure,
)
