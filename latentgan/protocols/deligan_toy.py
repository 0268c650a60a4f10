"""DeLiGAN's toys: points of Gaussians with voids between them, and what a learned mixture changes.

"pair" has the paper's bimodal points, 400 of two Gaussians, the authors' deviations, λ and balance rule; "ring" is ours
and harder, eight narrow Gaussians on a circle, with players that alternate, R1 and a small λ: the authors' of 0.1 pulls
deviations towards 1, and the components of one mode then reach over to the next. λ was chosen on these points. The same
networks are trained twice from the same seed, with the mixture and without. Covered, reached and near are as in
ali-gaussians: the paper's result is a picture, in which points of a GAN without the mixture lie in the voids.

Source: Gurumurthy, Sarvadevabhatla, Babu: DeLiGAN, CVPR 2017 (arXiv:1706.02071), §5.2 and fig. 3; src/Toy/dg_toy.py of
the authors' code, whose networks have one layer of 32 tanh units where these have two of 32.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from latentgan.config import RunConfig, merge
from latentgan.data import Gaussians, ring_of_gaussians, two_gaussians
from latentgan.families.base import Family, configure
from latentgan.points import play, sampled

from .ali_gaussians import COVERED, NEAR, REACHED, SAMPLES, covered
from .base import QUICK_IMAGES, Headline, Job, Outcome, Protocol, Recipe

PAIR, RING = "pair", "ring"
FRESH = 1_000_000
"""Added to a seed for points that nobody was trained on."""
MIXED, PLAIN, UNTRAINED, DATA = "with the mixture", "without", "untrained", "data"
RATE = {"learning_rate": 1e-3, "schedule": "linear", "decay_from": 0.3, "decay_to": 0.1}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    PAIR: {
        "family": {"hidden": 32, "mixture": {"components": 50, "deviation": 0.02, "deviation_weight": 0.1}},
        "training": {"total_images": 100_000, "batch_size": 50, "average_halflife_images": 2_000},
    },
    RING: {
        "family": {
            "hidden": 64,
            "mixture": {"components": 16, "deviation": 0.1, "deviation_weight": 0.001},
            "balance": "alternate",
            "spectral": False,
            "r1": 0.01,
            "discriminator": {"beta1": 0.0, "learning_rate": 2e-3},
            "generator": {"beta1": 0.0},
        },
        "training": {"total_images": 200_000, "batch_size": 128, "average_halflife_images": 5_000},
    },
}
"""The deviations and λ of the pair are those of the authors' toy; they play 5 moves on each of 64,000 batches."""
NETWORKS = {"network": "mlp", "latent": 2, "minibatch_discrimination": 0, "discriminator": RATE, "generator": RATE}


def points(recipe: str, n: int | None = None, *, seed: int = 0) -> Gaussians:
    """Return a recipe's points, the usual number of them unless n is given."""
    if recipe == PAIR:
        return two_gaussians(n or 400, seed=seed)
    return ring_of_gaussians(n or 10_000, radius=0.7, deviation=0.03, seed=seed)


def configured(recipe: str, changes: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a recipe; `changes` are the tables "family" and "training", over the recipe's."""
    return configure("deligan", merge({"family": NETWORKS, "data": {"source": "points"}}, SETTINGS[recipe], changes))


def measure(job: Job) -> Outcome:
    """Train with the mixture and without, and see what samples cover."""
    planted, changes = points(job.recipe), {"training": {"seed": job.seed, "device": job.device}}
    if job.quick:
        changes["training"]["total_images"] = QUICK_IMAGES
    families: dict[str, Family] = {}
    for name, family in ((MIXED, {}), (PLAIN, {"mixture": {"components": 0}})):
        started = time.perf_counter()
        config = configured(job.recipe, merge(changes, {"family": family}))
        job.settings[name] = config.as_dict()
        job.say(f"{name}: {config.training.total_images:,} points")
        (_, untrained), *_, (_, families[name]) = play(config, planted.source)
        families.setdefault(UNTRAINED, untrained)
        job.timed(name, started)
    started = time.perf_counter()
    draws = {name: sampled(family, SAMPLES, seed=job.seed) for name, family in families.items()}
    draws[DATA] = points(job.recipe, SAMPLES, seed=FRESH + job.seed).source.images.reshape(SAMPLES, -1)
    found = {name: covered(samples, planted, seed=job.seed) for name, samples in draws.items()}
    job.timed("read", started)
    return Outcome(found.pop(MIXED), {f"{k}, {of}": v for of, figures in found.items() for k, v in figures.items()})


def _beside(figure: str) -> dict[str, str]:
    return {f"{figure}, {name}": name for name in (PLAIN, UNTRAINED, DATA)}


PROTOCOL = Protocol(
    title="DeLiGAN's toys",
    source="Gurumurthy et al. 2017 (arXiv:1706.02071), §5.2, fig. 3, a picture",
    dataset="",
    recipes={
        PAIR: Recipe("the paper's two Gaussians, 400 points, the authors' rule and λ", seeds=5),
        RING: Recipe("eight narrow Gaussians on a circle, players alternate, λ 0.001", seeds=5),
    },
    headlines={
        "": (
            Headline(COVERED, "modes covered, strictly", count=True, yardsticks=_beside(COVERED)),
            Headline(REACHED, "modes reached", count=True, yardsticks=_beside(REACHED)),
            Headline(NEAR, "samples near a mode", yardsticks=_beside(NEAR)),
        )
    },
    measure=measure,
)
