"""Autoencoders whose code is a class y and a style z, each with a discriminator of its own.

    q(y|x) = softmax, z = linear;  decoder G(y, z)
    reconstruction   min_{E, G} E ‖x − G(y, z)‖²
    regularisation   D_class separates y from one-hot draws of Cat(1/K), D_style z from draws of N(0, I); E fools both

What learning from few labels (families/aae_semi.py) and clustering (families/aae_cluster.py) have in common.

Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §5 and §6.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from latentgan.augmentation import Augmentation
from latentgan.config import AdversarialConfig, AugmentConfig, NotNegative, OptimizerConfig
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective, paired_information
from latentgan.networks.autoencoder import CodeDiscriminator, autoencoder
from latentgan.networks.blocks import Layers, add_spectral_norm, initialise_he
from latentgan.networks.discriminators import discriminate
from latentgan.priors import Part, Prior
from latentgan.regularization import View, gradient_penalties


class ClassAndStyleConfig(AdversarialConfig):
    """Settings of an autoencoder with a code of class and style."""

    latent: PositiveInt = 10
    """Dimension of the style z, N(0, I) (paper: 10 on MNIST)."""
    network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
    """Convolutions sized to the image, residual blocks of them, or two dense layers each as in the paper."""
    width: PositiveInt = 32
    """Channels of the first convolution; each further one has twice as many."""
    hidden: PositiveInt | None = None
    """Width of the dense layers: 256 for dcgan, 1000 for mlp unless given (paper: 1000)."""
    norm: Literal["none", "batch"] = "none"
    """Batch norm in the encoder, in every layer but the first (not in the paper)."""
    discriminator_hidden: PositiveInt | None = None
    """Width of the discriminators' two layers each; by default that of the others (paper: 1000)."""
    autoencoder: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
    """The optimiser of encoder and decoder on the reconstruction."""
    discriminator: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
    """The optimiser of both discriminators."""
    encoder: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
    """The encoder's optimiser in the game against the discriminators."""
    consistency_weight: NotNegative = 0.0
    """Weight, in the autoencoder's objective, of the information that the classes of an image and of a random view
    of it share (not in the paper; arXiv:1807.06653). The view is what augment makes of it. Under one optimiser with
    the reconstruction, whose pull on the clusters is far weaker, it decides what they are."""
    consistency_balance: PositiveFloat = 1.0
    """Weight of the clusters' entropy in the consistency term: 1 is the mutual information; more asks harder for
    clusters that are equally frequent."""


class ClassAndStyle(Family):
    """Encoder, decoder and the game of two discriminators; a family adds its `step`.

    Args:
        config: its settings; `augment` makes the views of the consistency term, since the discriminators see codes.
        spec: shape of the images and names of the classes.
        classes: K, the width of y.
        part: what y is called in tables and reports.
        decoded: width of what the decoder takes, where that is not (y, z).
    """

    def __init__(
        self, config: ClassAndStyleConfig, spec: ImageSpec, *, classes: int, part: str, decoded: int | None = None
    ) -> None:
        _refuse(config)
        super().__init__(config, spec)
        self.classes = classes
        self.augment = Augmentation(config.augment)
        self.prior = Prior(
            [Part(name=part, kind="categorical", width=classes), Part(name="style", kind="normal", width=config.latent)]
        )
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config.model_copy(update={"augment": AugmentConfig()}))
        self.encoder, self.decoder, hidden = autoencoder(
            config.network,
            spec.shape,
            decoded or self.prior.width,
            width=config.width,
            hidden=config.hidden,
            norm=config.norm,
        )
        self.head = nn.Linear(hidden, self.prior.width)
        initialise_he(nn.Sequential(self.encoder, self.head), last=1 / math.sqrt(hidden))
        discriminator_hidden = config.discriminator_hidden or hidden
        self.class_discriminator = CodeDiscriminator(classes, hidden=discriminator_hidden)
        self.discriminator = CodeDiscriminator(config.latent, hidden=discriminator_hidden)
        if config.spectral:
            add_spectral_norm(self.class_discriminator)
            add_spectral_norm(self.discriminator)
        self.class_r1, self.class_r2 = gradient_penalties(config, self.class_discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)

    def players(self) -> dict[str, Player]:
        encoder = {"encoder": self.encoder, "head": self.head}
        discriminators = {"class_discriminator": self.class_discriminator, "discriminator": self.discriminator}
        return {
            "autoencoder": Player({**encoder, "decoder": self.decoder}, self.config.autoencoder),
            "discriminator": Player(discriminators, self.config.discriminator),
            "encoder": Player(encoder, self.config.encoder),
        }

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (n, c, h, w) in [-1, 1] → class logits (n, K) and styles (n, latent)."""
        out: Tensor = self.head(self.encoder(x).flatten(1))
        return out[:, : self.classes], out[:, self.classes :]

    def adversarial_terms(self, y: Tensor, z: Tensor, update: Update) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the terms of the discriminators and of the encoder that fools them, and note accuracies.

        Args:
            y: class probabilities of images, (n, K).
            z: their styles, (n, latent).
            update: says how far the run has gone.
        """
        objective, progress, iteration = self.objective, update.progress, update.iteration_number
        drawn = self.prior.sample(len(y))
        drawn_y, drawn_z = drawn[:, : self.classes], drawn[:, self.classes :]
        shown_y, shown_z, made_y, made_z = (self.view(code, progress) for code in (drawn_y, drawn_z, y, z))
        class_real, class_fake = discriminate(self.class_discriminator, (shown_y,), (made_y,), together=True)
        real, fake = discriminate(self.discriminator, (shown_z,), (made_z,), together=True)
        penalties = self.r1(iteration, shown_z) | self.r2(iteration, made_z)
        class_penalties = self.class_r1(iteration, shown_y) | self.class_r2(iteration, made_y)
        discriminator_terms = objective.discriminator(real, fake) | penalties
        discriminator_terms |= objective.discriminator(class_real, class_fake, ("class_real", "class_fake"))
        discriminator_terms |= {f"class_{name}": term for name, term in class_penalties.items()}
        update.note(
            discriminator_accuracy=objective.accuracy(real, fake),
            class_discriminator_accuracy=objective.accuracy(class_real, class_fake),
        )
        return discriminator_terms, {
            "fake": objective.generator(fake, lambda: real),
            "class_fake": objective.generator(class_fake, lambda: class_real),
        }

    def consistency(self, logits: Tensor, views: Tensor) -> Tensor:
        """Return the term that asks for classes which an image and a random view of it share.

        Args:
            logits: of the classes of images, (n, K).
            views: of the classes of their views, (n, K).
        """
        shared = paired_information(logits, views, balance=self.config.consistency_balance)
        return -float(self.config.consistency_weight) * shared

    def classify(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → q(y|x), (n, K)."""
        return self.split(x)[0].softmax(1)

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, K + latent): the classes' probabilities, and the style."""
        logits, style = self.split(x)
        return torch.cat([logits.softmax(1), style], dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, K + latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.decoder(z)
        return image

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder}


def _refuse(config: ClassAndStyleConfig) -> None:
    """Raise ConfigError where views and the term that compares them do not go together."""
    moves = config.augment != type(config.augment)()
    if config.consistency_weight and not moves:
        raise ConfigError(
            "family.consistency_weight compares an image with a random view of it, and without family.augment they "
            "are the same: set family.augment.rotation=15, for example"
        )
    if moves and not config.consistency_weight:
        raise ConfigError(
            "family.augment makes the views of the consistency term, since these discriminators see codes: set "
            "family.consistency_weight=1, or leave it out"
        )
