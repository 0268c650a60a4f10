"""DeLiGAN's toys: points of Gaussians with voids between them, and what a learned mixture changes.

"ball" and "pair" have the paper's unimodal and bimodal points, 400 of one Gaussian and of two, with the authors'
deviations and λ; "ring" is ours and harder, eight narrow Gaussians on a circle, with players that alternate, R1 and a
small λ: the authors' of 0.1 pulls deviations towards 1, and the components of one mode then reach over to the next. λ
was chosen on these points. The same networks are trained twice from the same seed, with the mixture and without.
Covered, reached and near are as in ali-gaussians: the paper's result is a picture, in which points of a GAN without the
mixture lie in the voids. The distance is one of distributions, and measures the difference where there are no voids.

Not the authors': who moves is decided by the rule of their code for MNIST, where that of their toy counts moves in
another way, with other thresholds; networks have two layers of 32 units, batch norm and rectifiers in the generator,
where theirs have one of 32 tanh units.

Source: Gurumurthy, Sarvadevabhatla, Babu: DeLiGAN, CVPR 2017 (arXiv:1706.02071), §5.2 and fig. 3; src/Toy/dg_toy.py of
the authors' code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.base.statistics import Interval, mean_interval
from analysis.prior_match.two_sample import two_sample
from latentgan.config import RunConfig, merge
from latentgan.data.synthetic import Gaussians, one_gaussian, ring_of_gaussians, two_gaussians
from latentgan.families.base import Family, configure
from latentgan.reproduction.protocols.ali_gaussians import COVERED, NEAR, REACHED, SAMPLES, covered
from latentgan.reproduction.protocols.base import QUICK_IMAGES, Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.toy_loop import play, sampled

BALL, PAIR, RING = "ball", "pair", "ring"


FRESH = 1_000_000
"""Added to a seed for points that nobody was trained on."""


MIXED, PLAIN, UNTRAINED, DATA = "with the mixture", "without", "untrained", "data"


RATE = {"learning_rate": 1e-3, "schedule": "linear", "decay_from": 0.3, "decay_to": 0.1}


PARTS = 10
"""Of the samples, whose distances to fresh points are averaged."""


DISTANCE = "sliced Wasserstein distance to fresh points"


THEIRS: Mapping[str, Any] = {
    "family": {"hidden": 32, "mixture": {"components": 50, "deviation": 0.02, "deviation_weight": 0.1}},
    "training": {"total_images": 100_000, "batch_size": 50, "average_halflife_images": 2_000},
}


SETTINGS: Mapping[str, Mapping[str, Any]] = {
    BALL: THEIRS,
    PAIR: THEIRS,
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
"""The deviations and λ of ball and pair are those of the authors' toy; they play 5 moves on each of 64,000 batches."""


NETWORKS = {"network": "mlp", "latent": 2, "minibatch_discrimination": 0, "discriminator": RATE, "generator": RATE}


def points(recipe: str, n: int | None = None, *, seed: int = 0) -> Gaussians:
    """Return a recipe's points, the usual number of them unless n is given."""
    if recipe == BALL:
        return one_gaussian(n or 400, seed=seed)
    if recipe == PAIR:
        return two_gaussians(n or 400, seed=seed)
    return ring_of_gaussians(n or 10_000, radius=0.7, deviation=0.03, seed=seed)


def configured(recipe: str, changes: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a recipe; `changes` are the tables "family" and "training", over the recipe's."""
    return configure("deligan", merge({"family": NETWORKS, "data": {"source": "points"}}, SETTINGS[recipe], changes))


def measure(job: Job) -> Outcome:
    """Train with the mixture and without, and count which modes samples cover."""
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
    fresh = points(job.recipe, SAMPLES, seed=2 * FRESH + job.seed).source.images.reshape(SAMPLES, -1)
    result = {
        name: {**covered(samples, planted, seed=job.seed), DISTANCE: distance(samples, fresh, seed=job.seed)}
        for name, samples in draws.items()
    }
    job.timed("read", started)
    return Outcome(result.pop(MIXED), {f"{k}, {of}": v for of, figures in result.items() for k, v in figures.items()})


def distance(samples: np.ndarray, fresh: np.ndarray, *, seed: int) -> Interval:
    """Return the sliced Wasserstein distance W₂ of a tenth of samples to a tenth of fresh points.

    It is not 0 for points of one distribution, as there are so few.

    Args:
        samples: (n, d) of a model.
        fresh: (m, d) of the data, which no model was trained on.
        seed: of the directions.

    Returns:
        The mean distance over the tenths, with its interval over them.
    """
    rng = np.random.default_rng(seed)
    parts = zip(np.array_split(samples, PARTS), np.array_split(fresh, PARTS), strict=True)
    return mean_interval(np.array([two_sample(x, y, rng=rng, repeats=1).wasserstein for x, y in parts]))


def _baselines(figure: str) -> dict[str, str]:
    return {f"{figure}, {name}": name for name in (PLAIN, UNTRAINED, DATA)}


PROTOCOL = Protocol(
    title="DeLiGAN's toys",
    source="Gurumurthy et al. 2017 (arXiv:1706.02071), §5.2, fig. 3, a picture",
    dataset="",
    recipes={
        BALL: Recipe(about="the paper's one Gaussian, 400 points, the authors' λ", seeds=5),
        PAIR: Recipe(about="the paper's two Gaussians, 400 points, the authors' λ", seeds=5),
        RING: Recipe(about="eight narrow Gaussians on a circle, players alternate, λ 0.001", seeds=5),
    },
    headlines={
        "": (
            Headline(figure=COVERED, title="modes covered, strictly", count=True, baselines=_baselines(COVERED)),
            Headline(figure=REACHED, title="modes reached", count=True, baselines=_baselines(REACHED)),
            Headline(figure=NEAR, title="samples near a mode", baselines=_baselines(NEAR)),
            Headline(figure=DISTANCE, title=DISTANCE, percent=False, baselines=_baselines(DISTANCE)),
        )
    },
    measure=measure,
)
