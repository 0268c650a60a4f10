"""GAN: a generator and a discriminator of images, as multilayer perceptrons.

    V(D, G) = E_x log D(x) + E_z log(1 − D(G(z)))

The discriminator maximises V, the generator minimises it ("minimax") or, the default, maximises E_z log D(G(z))
("non-saturating"): the same fixed point with a gradient where the discriminator is sure.

Source: Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014 (arXiv:1406.2661), eq. 1, algorithm 1, §3.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from latentgan.config import AdversarialConfig, Fraction, OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective, feature_matching, minimax_generator
from latentgan.networks.blocks import Layers, Norm, add_spectral_norm, has_batch_statistics
from latentgan.networks.discriminators import Discriminator, discriminate
from latentgan.networks.minibatch import REFERENCE, Referenced
from latentgan.networks.mlp import MLPGenerator, mlp_trunk
from latentgan.priors import MixtureConfig, Part, Prior
from latentgan.regularization import View, gradient_penalties


class GAN(Family):
    """Generator and discriminator of images, multilayer perceptrons (Goodfellow et al. 2014, arXiv:1406.2661)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 100
        """Dimension of the code z (paper: 100 on MNIST)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1) or U(-1, 1)."""
        mixture: MixtureConfig = MixtureConfig()
        """A learned mixture of Gaussians in p(z)'s place, which the generator's player moves (arXiv:1706.02071)."""
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
        generator_loss: Literal["non-saturating", "minimax", "feature-matching"] = "non-saturating"
        """The generator's side of the bce objective; minimax is eq. 1 to the letter, and others have no such form.
        feature-matching, with any objective, asks for the mean features of real images instead, on the discriminator's
        last hidden layer (Salimans et al. 2016, arXiv:1606.03498, §3.1)."""
        generator_norm: Literal["batch", "virtual"] = "batch"
        """Of the generator: over the minibatch, or virtual, by a reference batch that never changes, so that an image
        does not depend on its companions (arXiv:1606.03498, §3.5)."""
        minibatch_discrimination: Annotated[int, Field(ge=0)] = 0
        """Kernels of minibatch discrimination in the discriminator: it sees how close an image's features are to those
        of its companions, so that a generator of few images is found out (arXiv:1606.03498, §3.2; the authors' code has
        100). 0 is off."""
        discriminator_moves: PositiveInt = 1
        """Moves of the discriminator per move of the generator (k in algorithm 1; paper: 1)."""
        discriminator: OptimizerConfig = OptimizerConfig()
        """The discriminator's optimiser (paper: SGD with momentum)."""
        generator: OptimizerConfig = OptimizerConfig()
        """The generator's optimiser (paper: the same)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.prior = Prior([Part(name="z", kind=config.prior, width=config.latent)], config.mixture)
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        self.generator, self.discriminator = self.build(spec)
        if config.generator_norm == "virtual":
            self.generator = Referenced(self.generator, self.prior.sample(REFERENCE))
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)
        self.together = not has_batch_statistics(self.discriminator)

    def build(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        """Return generator and discriminator."""
        config = self.config
        width = config.discriminator_hidden or config.hidden
        trunk = mlp_trunk(spec.shape, hidden=width, **self.units())
        norm: Norm = "virtual" if config.generator_norm == "virtual" else "batch-plain"
        generator = MLPGenerator(config.latent, spec.shape, hidden=config.hidden, norm=norm)
        return generator, Discriminator(trunk, width, kernels=config.minibatch_discrimination)

    def units(self) -> dict[str, Any]:
        """Return the kind of the discriminator's hidden units, as arguments of its trunk."""
        config = self.config
        return {"pieces": config.maxout, "drop": config.dropout, "drop_input": config.input_dropout}

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player({"discriminator": self.discriminator}, self.config.discriminator),
            "generator": Player({"generator": self.generator, **self.prior.movers()}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Move the discriminator k times, each on a new minibatch, then the generator (algorithm 1)."""
        objective, iteration, progress = self.objective, update.iteration_number, update.progress
        for _ in range(self.config.discriminator_moves):
            x = next(batches).image
            shown = self.view(x, progress)
            with torch.no_grad():  # the discriminator alone moves
                made = self.view(self.generator(self.prior.sample(len(x))), progress)
            real, fake = discriminate(self.discriminator, (shown,), (made,), together=self.together)
            update(
                discriminator=objective.discriminator(real, fake) | self.r1(iteration, shown) | self.r2(iteration, made)
            )
            update.note(discriminator_accuracy=self.objective.accuracy(real, fake))
        made = self.view(self.generator(self.prior.sample(len(x))), progress)
        update(generator=self._fooling(shown, made) | self.prior.terms())

    def _fooling(self, shown: Tensor, made: Tensor) -> dict[str, Tensor]:
        """Return the generator's term, of what the discriminator is shown of real and of generated images."""
        loss = self.config.generator_loss
        if loss == "feature-matching":
            real, fake = discriminate(self.discriminator.trunk, (shown,), (made,), together=False)
            return {"matching": feature_matching(real, fake)}
        fake = self.discriminator(made)
        if loss == "minimax" and self.config.objective == "bce":
            return {"fake": minimax_generator(fake)}
        return {"fake": self.objective.generator(fake, lambda: self.discriminator(shown))}

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the discriminator's logits (n,) of images x (n, c, h, w); it does not see their codes z."""
        logits: Tensor = self.discriminator(x)
        return logits

    def represent(self, x: Tensor) -> None:
        self.discriminator(x)

    def rehearse(self, x: Tensor) -> None:
        self.discriminator(x)
        self.discriminator(self.generator(self.prior.sample(len(x))))

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}
