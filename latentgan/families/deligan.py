"""DeLiGAN: a GAN whose code is drawn from a mixture of Gaussians that the generator's player learns too.

    z = μ_i + σ_i ε,   ε ~ N(0, I),   i uniform on 1 … N
    L_G = GAN's + λ · mean (1 − σ)²

Few and diverse images leave gaps between their kinds, and a generator has to stretch one Gaussian over them all; N
Gaussians that move leave room between each other. Gradients reach μ and σ by reparameterisation, and the last term
keeps every σ from shrinking to 0, where a component is a single image. The mixture itself is an option of other
families as well, see `latentgan.priors`.

Balance, a reading of the authors' code, which the paper does not mention: of the moves on a minibatch each belongs to
the generator where its term is above a threshold, else to the discriminator, so that neither gets far ahead. The
threshold rises after more than three moves of the generator in a row and falls after more than one of the
discriminator, between 0.70 (log 2 = 0.69 is chance) and 1.0. The authors decide by a pass of their own, with running
batch statistics; here the pass that decides is the one that moves. They draw component i for the i-th image of each
minibatch; here i is random, as in the paper, so that the batch may have any size.

Networks are DCGAN's, sized to the image, or GAN's perceptrons; the authors' for MNIST are of `width` 16, with batch
norm and minibatch discrimination as here.

Source: Gurumurthy, Sarvadevabhatla, Babu: DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data, CVPR
2017 (arXiv:1706.02071), §4; the balance rule and all numbers: src/mnist/dg_mnist.py of the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from latentgan.config import OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.dcgan import DCGAN
from latentgan.game import Update
from latentgan.networks.discriminators import Discriminator
from latentgan.priors import MixtureConfig

RATE = OptimizerConfig(learning_rate=5e-4, schedule="linear", decay_from=0.25)


MOVES = 5
"""Moves on each minibatch under the threshold (authors' code: 5)."""


LOWEST_THRESHOLD = 0.70
"""The lowest threshold on the generator's term (authors' code: 0.70 on MNIST, 0.73 on points)."""


HIGHEST_THRESHOLD = 1.0
"""The highest threshold, and the first (authors' code: 1.0)."""


THRESHOLD_STEP = 0.003
"""The threshold rises or falls by this much (authors' code: 0.003)."""


class DeLiGAN(DCGAN):
    """GAN with a learned mixture of Gaussians as its latent distribution (Gurumurthy et al. 2017, arXiv:1706.02071)."""

    class Config(DCGAN.Config):
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or dense layers (`hidden`)."""
        latent: PositiveInt = 30
        """Dimension of the code z (authors' code: 30 on MNIST, 2 on points)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z) where family.mixture.components is 0: the same GAN without the mixture."""
        mixture: MixtureConfig = MixtureConfig(components=50)
        """The learned mixture of Gaussians that z is drawn from."""
        width: PositiveInt = 16
        """Channels of the first convolution; each further one has twice as many (authors' code: 16)."""
        minibatch_discrimination: Annotated[int, Field(ge=0)] = 64
        """Kernels of minibatch discrimination in the discriminator (authors' code: 64 on MNIST, none on points)."""
        balance: Literal["threshold", "alternate"] = "threshold"
        """Who moves: by the authors' threshold on the generator's term, or alternately as in a GAN."""
        discriminator: OptimizerConfig = RATE
        """The discriminator's optimiser (authors' code: Adam 5e-4, falling to 0 over the last three quarters)."""
        generator: OptimizerConfig = RATE
        """The optimiser of generator and mixture (authors' code: the same)."""

        removed: ClassVar[Mapping[str, Any]] = {
            "balance_moves": 5,
            "balance_least": 0.70,
            "balance_most": 1.0,
            "balance_step": 0.003,
        }

    config: Config
    balance: Tensor

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        by_threshold = config.balance == "threshold"
        if by_threshold and (config.objective != "bce" or config.generator_loss != "non-saturating"):
            raise ConfigError(
                "family.balance=threshold compares the generator's term −log D with thresholds, so it goes with "
                "family.objective=bce and family.generator_loss=non-saturating: keep these, or set "
                "family.balance=alternate"
            )
        if by_threshold:
            # The threshold, and moves in a row of the generator and of the discriminator: part of every checkpoint.
            self.register_buffer("balance", torch.tensor([HIGHEST_THRESHOLD, 0.0, 0.0]))

    def build(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        """Return generator and discriminator."""
        if self.config.network == "resnet":
            return self.build_residual(spec)
        return super().build(spec) if self.config.network == "dcgan" else super(DCGAN, self).build(spec)

    def step(self, batches: Batches, update: Update) -> None:
        """Move k times on a minibatch, each time the player that the threshold selects."""
        if self.config.balance == "alternate":
            super().step(batches, update)
            return
        x, objective, progress = next(batches).image, self.objective, update.progress
        rule = Balance.read(self.balance)
        rule.adjust()
        for _ in range(MOVES):
            made = self.view(self.generator(self.prior.sample(len(x))), progress)
            fake = self.discriminator(made)
            generator_terms = objective.generator(fake, lambda: self.discriminator(self.view(x, progress)))
            if rule.generator_moves(float(generator_terms.detach())):
                update(generator={"fake": generator_terms, **self.prior.terms()})
                continue
            shown = self.view(x, progress)
            real = self.discriminator(shown)
            penalties = self.r1(update.iteration_number, shown) | self.r2(update.iteration_number, made)
            update(discriminator=objective.discriminator(real, fake) | penalties)
            update.note(discriminator_accuracy=objective.accuracy(real, fake))
        update.note(threshold=rule.threshold)
        self.balance.copy_(torch.tensor([rule.threshold, rule.generator, rule.discriminator]))


class Balance:
    """Which player moves, so that none gets far ahead: the rule of the authors' code.

    Args:
        threshold: value of the generator's term above which the generator moves.
        generator: number of moves of the generator in a row so far.
        discriminator: number of moves of the discriminator in a row so far.
    """

    def __init__(self, threshold: float, generator: int, discriminator: int) -> None:
        self.threshold, self.generator, self.discriminator = threshold, generator, discriminator

    @classmethod
    def read(cls, state: Tensor) -> Balance:
        """Return the rule with the state (3,) of threshold and moves in a row that a checkpoint holds."""
        threshold, generator, discriminator = state.tolist()
        return cls(threshold, int(generator), int(discriminator))

    def adjust(self) -> None:
        """Raise the threshold after more than 3 moves of the generator in a row, lower it after more than one of the
        discriminator; once a minibatch."""
        if self.generator > 3:
            self.threshold, self.generator = min(self.threshold + THRESHOLD_STEP, HIGHEST_THRESHOLD), 0
        if self.discriminator > 1:
            self.threshold, self.discriminator = max(self.threshold - THRESHOLD_STEP, LOWEST_THRESHOLD), 0

    def generator_moves(self, term: float) -> bool:
        """Return whether the generator moves, given the value of its term, and count the move."""
        if term > self.threshold:
            self.generator, self.discriminator = self.generator + 1, 0
            return True
        self.generator, self.discriminator = 0, self.discriminator + 1
        return False
