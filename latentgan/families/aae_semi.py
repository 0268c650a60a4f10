"""Semi-supervised adversarial autoencoder: a code of class and style, on which two discriminators keep an eye.

    q(y|x) = softmax, z = linear;  decoder G(y, z)
    reconstruction   min_{E, G} E ‖x − G(y, z)‖²
    regularisation   D_class tells y from one-hot draws of Cat(1/K), D_style tells z from draws of N(0, I); E fools both
    classification   min_E −E log q(y|x) on labelled images

Every image takes part in the first two; labels reach the third alone, a stream of labelled images of its own.

Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §5.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from latentgan.config import AdversarialConfig, OptimizerConfig
from latentgan.data import Batches, ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective
from latentgan.networks.blocks import Layers, add_spectral_norm, initialise_he
from latentgan.networks.codes import CodeDiscriminator, autoencoder
from latentgan.networks.joint import judge
from latentgan.priors import Part, Prior
from latentgan.tricks import R1, View


class AAESemi(Family):
    """Autoencoder with a code of class and style that learns classes from few labels (arXiv:1511.05644, §5)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 10
        """Dimension of the style z, N(0, I) (paper: 10 on MNIST)."""
        network: Literal["dcgan", "mlp"] = "dcgan"
        """Convolutions sized to the image, or two dense layers each as in the paper."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the dense layers: 256 for dcgan, 1000 for mlp unless given (paper: 1000)."""
        discriminator_hidden: PositiveInt | None = None
        """Width of the discriminators' two layers each; by default that of the others (paper: 1000)."""
        autoencoder: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The optimiser of encoder and decoder on the reconstruction."""
        discriminator: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
        """The optimiser of both discriminators."""
        encoder: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
        """The encoder's optimiser in the game against the discriminators."""
        classifier: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The encoder's optimiser on labelled images."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        if config.augment != type(config.augment)():
            raise ConfigError("family.augment maps images, and these discriminators see codes: leave it out")
        self.classes = len(spec.classes)
        if self.classes < 2:
            raise ConfigError(
                "an aae_semi learns classes from labels, and these images have none: name the label's column with "
                "--label or use a folder with a sub-folder a class; aae and aae_cluster learn without"
            )
        self.prior = Prior([Part("class", "categorical", self.classes), Part("style", "normal", config.latent)])
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        self.encoder, self.decoder, hidden = autoencoder(
            config.network, spec.shape, self.prior.width, width=config.width, hidden=config.hidden
        )
        self.head = nn.Linear(hidden, self.prior.width)
        initialise_he(nn.Sequential(self.encoder, self.head), last=1 / math.sqrt(hidden))
        judging = config.discriminator_hidden or hidden
        self.class_discriminator = CodeDiscriminator(self.classes, hidden=judging)
        self.discriminator = CodeDiscriminator(config.latent, hidden=judging)
        if config.spectral:
            add_spectral_norm(self.class_discriminator)
            add_spectral_norm(self.discriminator)
        self.class_r1, self.r1 = R1(config, self.class_discriminator), R1(config, self.discriminator)

    @property
    def uses_labels(self) -> bool:
        return True

    def players(self) -> dict[str, Player]:
        encoder = {"encoder": self.encoder, "head": self.head}
        judges = {"class_discriminator": self.class_discriminator, "discriminator": self.discriminator}
        return {
            "autoencoder": Player({**encoder, "decoder": self.decoder}, self.config.autoencoder),
            "discriminator": Player(judges, self.config.discriminator),
            "encoder": Player(encoder, self.config.encoder),
            "classifier": Player(encoder, self.config.classifier),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """All players move at once, on a minibatch of all images and one of labelled images, in one pass."""
        x, labelled = next(batches).image, next(batches.labelled)
        assert labelled.label is not None
        n, wish, progress, turn = len(x), self.objective, update.progress, update.turn_number
        logits, styles = self._split(torch.cat([x, labelled.image]))
        y, z = logits[:n].softmax(1), styles[:n]
        drawn = self.prior.sample(n)
        drawn_y, drawn_z = drawn[:, : self.classes], drawn[:, self.classes :]
        shown_y, shown_z, made_y, made_z = (self.view(code, progress) for code in (drawn_y, drawn_z, y, z))
        class_real, class_fake = judge(self.class_discriminator, (shown_y,), (made_y,), together=True)
        real, fake = judge(self.discriminator, (shown_z,), (made_z,), together=True)
        judging = {"real": wish.real(real), "fake": wish.fake(fake), **self.r1(turn, shown_z)}
        judging |= {"class_real": wish.real(class_real), "class_fake": wish.fake(class_fake)}
        judging |= {f"class_{name}": term for name, term in self.class_r1(turn, shown_y).items()}
        rebuilt = self.decoder(torch.cat([y, z], dim=1))
        told = logits[n:].float()
        update(
            autoencoder={"reconstruction": (x - rebuilt).float().square().mean()},
            discriminator=judging,
            encoder={"fake": wish.as_real(fake), "class_fake": wish.as_real(class_fake)},
            classifier={"cross_entropy": cross_entropy(told, labelled.label)},
        )
        update.note(
            discriminator_accuracy=wish.accuracy(real, fake),
            class_discriminator_accuracy=wish.accuracy(class_real, class_fake),
            labelled_accuracy=(told.argmax(1) == labelled.label).float().mean(),
        )

    def classify(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → q(y|x), (n, K)."""
        return self._split(x)[0].softmax(1)

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, K + latent): the classes' probabilities, and the style."""
        logits, style = self._split(x)
        return torch.cat([logits.softmax(1), style], dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, K + latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.decoder(z)
        return image

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder}

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class logits (n, K) and styles (n, latent) of images."""
        out: Tensor = self.head(self.encoder(x).flatten(1))
        return out[:, : self.classes], out[:, self.classes :]
