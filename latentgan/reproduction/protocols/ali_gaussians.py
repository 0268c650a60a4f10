"""ALI's toy: how many of 25 Gaussians on a grid a game covers, and whether its encoder finds the way back.

The authors count a mode as covered if any of 10,000 samples is nearer to it than to the others ("reached" here), which
samples that are scattered everywhere do too; the strict count asks for a twentieth of the fair share within four
standard deviations. No model covers more modes than it reaches. Their figures are means over ten runs with random
learning rates, β₁ and initial deviations; the recipes "paper" and "gan" have the settings of their published code.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), §4.5; experiments/ali_mixture.py
and experiments/gan_mixture.py of the authors' code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from analysis.base.statistics import Interval, bootstrap_mean, proportion, wilson_share
from latentgan.config import OptimizerConfig, RunConfig, merge
from latentgan.data.batches import Batch
from latentgan.data.source import ImageSpec
from latentgan.data.synthetic import Gaussians, grid_of_gaussians, modes_covered
from latentgan.devices import seeded
from latentgan.families.base import Family, configure
from latentgan.families.bigan import BiGAN
from latentgan.families.gan import GAN
from latentgan.networks.discriminators import Discriminator
from latentgan.networks.toy import noisy_encoder, pair_discriminator, point_discriminator, point_generator
from latentgan.reproduction.protocols.base import QUICK_IMAGES, Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.toy_loop import play, sampled

SAMPLES = 10_000


REPEATS = 100


FRESH = 1_000_000
"""Added to a seed for points that nobody was trained on."""


COVERED, REACHED, NEAR = "modes covered", "modes reached", "samples near a mode"


ERROR, SAME = "reconstruction error", "reconstructed at its own mode"


PAPER = OptimizerConfig(learning_rate=1e-4, beta1=0.8)


class PointALI(BiGAN):
    """ALI on points, with the networks of the toy (Dumoulin et al. 2017, arXiv:1606.00704, §4.5).

    Not the ALI of the family's file, whose q(z|x) is a Gaussian: the toy's encoder gets a point and noise.
    """

    class Config(BiGAN.Config):
        latent: PositiveInt = 2
        """Dimension of the code z (paper: 2)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1) in the paper."""
        hidden: PositiveInt = 400
        """Width of the encoder's two and the generator's four hidden layers (paper: 400)."""
        discriminator_hidden: PositiveInt = 200
        """Width of the discriminator's three hidden layers (paper: 200)."""
        maxout: PositiveInt = 5
        """Pieces of the discriminator's hidden units (paper: 5); 1 is LeakyReLU, started after He et al."""
        discriminator: OptimizerConfig = PAPER
        """The discriminator's optimiser (paper: Adam 1e-4 with beta1 0.8)."""
        encoder_generator: OptimizerConfig = PAPER
        """The optimiser of encoder and generator (paper: the same)."""

    config: Config

    def build(self, spec: ImageSpec) -> int:
        config = self.config
        units = {"hidden": config.discriminator_hidden, "pieces": config.maxout}
        self.generator = point_generator(config.latent, spec.shape, hidden=config.hidden)
        self.encoder = noisy_encoder(spec.shape, config.latent, hidden=config.hidden)
        self.discriminator = pair_discriminator(spec.shape, config.latent, **units)
        return spec.channels

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.draw(batch.image), self.prior.sample(len(batch))

    def draw(self, x: Tensor) -> Tensor:
        """Draw one code (n, latent) for each point x (n, d, 1, 1) from q(z|x)."""
        return self.squash(self.encoder(torch.cat([x, torch.randn_like(x)], dim=1)))

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, d, 1, 1) → codes (n, latent), those of noise 0: the same at every call, see `draw`."""
        return self.squash(self.encoder(torch.cat([x, torch.zeros_like(x)], dim=1)))

    def rehearse(self, x: Tensor) -> None:
        z = self.prior.sample(len(x))
        self.discriminator(x, self.draw(x))
        self.discriminator(self.generator(z), z)


class PointGAN(GAN):
    """GAN on points, with the networks of ALI's toy. Its two players move in turn; the authors' move at once."""

    class Config(GAN.Config):
        latent: PositiveInt = 2
        """Dimension of the code z (paper: 2)."""
        hidden: PositiveInt = 400
        """Width of the generator's four hidden layers (paper: 400)."""
        discriminator_hidden: PositiveInt = 200
        """Width of the discriminator's three hidden layers (paper: 200)."""
        maxout: PositiveInt = 5
        """Pieces of the discriminator's hidden units (paper: 5); 1 is LeakyReLU, started after He et al."""
        spectral: bool = False
        """Spectral norm in the discriminator (not in the paper)."""
        discriminator: OptimizerConfig = PAPER
        """The discriminator's optimiser (paper: Adam 1e-4 with beta1 0.8)."""
        generator: OptimizerConfig = PAPER
        """The generator's optimiser (paper: the same)."""

    config: Config

    def build(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        config = self.config
        units = {"hidden": config.discriminator_hidden, "pieces": config.maxout}
        generator = point_generator(config.latent, spec.shape, hidden=config.hidden)
        return generator, point_discriminator(spec.shape, **units)


AUTHORS: Mapping[str, Any] = {
    "training": {"total_images": 2_400_000, "batch_size": 100, "average_halflife_images": 0},
}


OURS: Mapping[str, Any] = {
    "family": {"hidden": 128, "discriminator_hidden": 128, "maxout": 1, "r1": 0.1},
    "training": {"total_images": 2_500_000, "batch_size": 256, "average_halflife_images": 20_000},
}


FALLING = {"beta1": 0.0, "schedule": "linear", "decay_from": 0.3, "decay_to": 0.1}


def configured(recipe: str, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the configuration of a recipe; `changes` are the tables "family" and "training", over the recipe's."""
    kind, mover = (PointGAN, "generator") if recipe.startswith("gan") else (PointALI, "encoder_generator")
    settings = AUTHORS
    if recipe.endswith("ours"):
        rates = {"discriminator": 4e-3, mover: 1e-3}
        settings = merge(OURS, {"family": {name: {**FALLING, "learning_rate": rate} for name, rate in rates.items()}})
    tree = merge(settings, {"data": {"source": "points"}}, changes or {})
    return configure(f"{__name__}:{kind.__name__}", tree)


def measure(job: Job) -> Outcome:
    """Train, draw samples, and reconstruct held-out points through the encoder, where there is one."""
    changes: dict[str, Any] = {"training": {"seed": job.seed, "device": job.device}}
    if job.quick:
        small = {"hidden": 32, "discriminator_hidden": 32}
        changes = merge(changes, {"family": small, "training": {"total_images": QUICK_IMAGES}})
    config, grid = configured(job.recipe, changes), grid_of_gaussians()
    job.settings[job.recipe] = config.as_dict()
    job.say(f"train on {config.training.total_images:,} points")
    started = time.perf_counter()
    (_, untrained), (_, game) = play(config, grid.source)
    job.timed("train", started)
    started = time.perf_counter()
    figures, untrained_figures = (figures_of(played, grid, seed=job.seed) for played in (game, untrained))
    fresh = grid_of_gaussians(SAMPLES, seed=FRESH + job.seed).source
    points = fresh.images.reshape(SAMPLES, -1)
    baseline_figures = {"untrained": untrained_figures, "data": covered(points, grid, seed=job.seed)}
    if ERROR in figures:  # the best reconstruction of a point from its mode alone
        centre = np.linalg.norm(points - grid.centres[fresh.labels], axis=1)
        baseline_figures["the mode's centre"] = {ERROR: bootstrap_mean(centre, rng=np.random.default_rng(job.seed))}
    job.timed("read", started)
    return Outcome(
        figures, {f"{name}, {of}": result[name] for of, result in baseline_figures.items() for name in result}
    )


def figures_of(family: Family, grid: Gaussians, *, seed: int = 0) -> dict[str, Interval]:
    """Return every figure of a finished game: what its samples cover, and with an encoder its reconstructions."""
    figures = covered(sampled(family, SAMPLES, seed=seed), grid, seed=seed)
    return figures | _reconstruction_figures(family, grid, seed) if isinstance(family, PointALI) else figures


def covered(samples: np.ndarray, grid: Gaussians, *, seed: int) -> dict[str, Interval]:
    """Return which share of the modes samples cover, in three ways.

    Args:
        samples: (n, d).
        grid: the Gaussians.
        seed: of the bootstrap.

    Returns:
        The number of covered and of reached modes, with bootstrap intervals over the samples, and the share of samples
        near a mode.
    """
    n, rng, result = len(samples), np.random.default_rng(seed), modes_covered(samples, grid)
    draws = [modes_covered(samples[rng.integers(n, size=n)], grid) for _ in range(REPEATS)]
    counts = np.array([(draw.covered, draw.reached) for draw in draws])
    (low, reached_low), (high, reached_high) = np.quantile(counts, [0.025, 0.975], axis=0).tolist()
    return {
        COVERED: Interval(result.covered, low, high, n),
        REACHED: Interval(result.reached, reached_low, reached_high, n),
        NEAR: wilson_share(result.share, n),
    }


@torch.no_grad()
def rebuilt(game: PointALI, x: Tensor, *, seed: int = 0) -> np.ndarray:
    """Return G(z) of a code drawn from q(z|x), (n, d), for points x (n, d, 1, 1)."""
    with seeded(torch.device("cpu"), seed):
        return game.decode(game.draw(x)).flatten(1).cpu().numpy()


def _reconstruction_figures(game: PointALI, grid: Gaussians, seed: int) -> dict[str, Interval]:
    rows, rng = grid.source.rows("test")[:SAMPLES], np.random.default_rng(seed)
    reconstructed = rebuilt(game, grid.source.tensor(rows, next(game.parameters()).device), seed=seed)
    x = grid.source.images[rows].reshape(len(rows), -1)
    mode = np.linalg.norm(reconstructed[:, None] - grid.centres, axis=2).argmin(axis=1)
    return {
        ERROR: bootstrap_mean(np.linalg.norm(x - reconstructed, axis=1), rng=rng),
        SAME: proportion(mode == grid.source.labels[rows]),
    }


def _headlines(published: str) -> tuple[Headline, ...]:
    def baselines_of(figure: str) -> dict[str, str]:
        return {f"{figure}, {name}": name for name in ("untrained", "data")}

    return (
        Headline(
            figure=COVERED,
            title="modes covered, strictly",
            paper=f"at most {published}",
            count=True,
            baselines=baselines_of(COVERED),
        ),
        Headline(
            figure=REACHED,
            title="modes reached, the paper's count",
            paper=published,
            count=True,
            baselines=baselines_of(REACHED),
        ),
        Headline(figure=NEAR, title="samples near a mode", baselines=baselines_of(NEAR)),
    )


def _with_encoder(published: str) -> tuple[Headline, ...]:
    error_baselines = {f"{ERROR}, untrained": "untrained", f"{ERROR}, the mode's centre": "the mode's centre"}
    return (
        *_headlines(published),
        Headline(figure=ERROR, title="reconstruction error (less is better)", percent=False, baselines=error_baselines),
        Headline(figure=SAME, title="reconstructed at its own mode", baselines={f"{SAME}, untrained": "untrained"}),
    )


ALI, PLAIN = "13.4 ± 5.8 of 25", "10.4 ± 9.2 of 25"


PROTOCOL = Protocol(
    title="ALI's 25 Gaussians",
    source="Dumoulin et al. 2017 (arXiv:1606.00704), §4.5; ten runs with random learning rates, β₁ and deviations",
    dataset="",
    recipes={
        "ours": Recipe(about="narrower networks, R1, larger and falling learning rates, averaged weights"),
        "paper": Recipe(about="the authors' networks and settings, 24 of their 200 epochs", seeds=1, is_ours=False),
        "gan": Recipe(about="the authors' GAN of the same networks, 24 of their 200 epochs", seeds=1, is_ours=False),
        "gan-ours": Recipe(about="the GAN with our settings"),
    },
    headlines={
        "ours": _with_encoder(ALI),
        "paper": _with_encoder(ALI),
        "gan": _headlines(PLAIN),
        "gan-ours": _headlines(PLAIN),
    },
    measure=measure,
)
