"""GAN: a generator and a discriminator of images, as multilayer perceptrons.

    V(D, G) = E_x log D(x) + E_z log(1 − D(G(z)))

The discriminator maximises V, the generator minimises it ("minimax") or, the default, maximises E_z log D(G(z))
("non-saturating"): the same fixed point with a gradient where the discriminator is sure.

Source: Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014 (arXiv:1406.2661), eq. 1, algorithm 1, §3.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from latentgan.config import AdversarialConfig, Fraction, OptimizerConfig
from latentgan.data import Batches, ImageSpec
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective, minimax_generator
from latentgan.networks.blocks import Layers, add_spectral_norm, has_batch_statistics
from latentgan.networks.joint import Discriminator, judge
from latentgan.networks.mlp import MLPGenerator, mlp_trunk
from latentgan.priors import Part, Prior
from latentgan.tricks import R1, View


class GAN(Family):
    """Generator and discriminator of images, multilayer perceptrons (Goodfellow et al. 2014, arXiv:1406.2661)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 100
        """Dimension of the code z (paper: 100 on MNIST)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1) or U(-1, 1)."""
        hidden: PositiveInt = 1024
        """Width of the hidden layers (paper: 1200)."""
        discriminator_hidden: PositiveInt | None = None
        """Width of the discriminator's hidden layers; the generator's unless given (paper: 240, with maxout)."""
        maxout: PositiveInt = 1
        """Pieces of the discriminator's hidden units (arXiv:1302.4389); 1 is LeakyReLU (paper: 5, spectral off)."""
        dropout: Fraction = 0.0
        """Share of the discriminator's hidden units that are dropped in training (paper: 0.5)."""
        input_dropout: Fraction = 0.0
        """Share of the pixels that are dropped in front of the discriminator in training (paper: 0.2)."""
        spectral: bool = True
        """Spectral norm in the discriminator (not in the paper; arXiv:1802.05957)."""
        generator_loss: Literal["non-saturating", "minimax"] = "non-saturating"
        """The generator's side of the bce objective; minimax is eq. 1 to the letter. Others have no such form."""
        discriminator_moves: PositiveInt = 1
        """Moves of the discriminator per move of the generator (k in algorithm 1; paper: 1)."""
        discriminator: OptimizerConfig = OptimizerConfig()
        """The discriminator's optimiser (paper: SGD with momentum)."""
        generator: OptimizerConfig = OptimizerConfig()
        """The generator's optimiser (paper: the same)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.prior = Prior([Part("z", config.prior, config.latent)])
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        self.generator, self.discriminator = self.build(spec)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1 = R1(config, self.discriminator)
        self.together = not has_batch_statistics(self.discriminator)

    def build(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        """Return generator and discriminator."""
        config = self.config
        width = config.discriminator_hidden or config.hidden
        trunk = mlp_trunk(spec.shape, hidden=width, **self.units())
        return MLPGenerator(config.latent, spec.shape, hidden=config.hidden), Discriminator(trunk, width)

    def units(self) -> dict[str, Any]:
        """Return what the discriminator's hidden units are, as arguments of its trunk."""
        config = self.config
        return {"pieces": config.maxout, "drop": config.dropout, "drop_input": config.input_dropout}

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player({"discriminator": self.discriminator}, self.config.discriminator),
            "generator": Player({"generator": self.generator}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Move the discriminator k times, each on a new minibatch, then the generator (algorithm 1)."""
        wish, turn, progress = self.objective, update.turn_number, update.progress
        for _ in range(self.config.discriminator_moves):
            x = next(batches).image
            shown = self.view(x, progress)
            made = self.view(self.generator(self.prior.sample(len(x))), progress)
            real, fake = judge(self.discriminator, (shown,), (made,), together=self.together)
            update(discriminator={"real": wish.real(real), "fake": wish.fake(fake), **self.r1(turn, shown)})
            update.note(discriminator_accuracy=self.objective.accuracy(real, fake))
        fooled = self.discriminator(self.view(self.generator(self.prior.sample(len(x))), progress))
        minimax = self.config.generator_loss == "minimax" and self.config.objective == "bce"
        update(generator={"fake": minimax_generator(fooled) if minimax else wish.as_real(fooled)})

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def represent(self, x: Tensor) -> None:
        self.discriminator(x)

    def rehearse(self, x: Tensor) -> None:
        self.discriminator(x)
        self.discriminator(self.generator(self.prior.sample(len(x))))

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}
