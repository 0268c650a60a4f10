"""Conditional GAN: generator and discriminator are both told a class y, so that images of a class can be asked for.

    V(D, G) = E_{x,y} log D(x | y) + E_{z,y} log(1 − D(G(z | y) | y))

Real images come from the stream of labelled ones with their own labels, and what is generated in their place is asked
for with the same labels: the game is about p(x | y), and classes are as frequent among real as among generated images.
Unlabelled images take no part.

How y is told (`condition`): as one-hot beside z, and in the discriminator beside the image, as planes in front of
convolutions or, as in the paper, beside what dense layers make of it ("concatenation"); as a learned vector in its
place ("embedding"); or the discriminator's logit is yᵀV φ(x) + ψ(φ(x)), with the generator as in embedding
("projection").

The paper's discriminator is maxout throughout and has a layer on y before it joins; here maxout is an option of the
layers on the image. The projection paper's generator is told y by conditional batch norm, this one at its door.

Source: Mirza, Osindero: Conditional Generative Adversarial Nets, 2014 (arXiv:1411.1784), eq. 2 and §4.1; Miyato,
Koyama: cGANs with Projection Discriminator, ICLR 2018 (arXiv:1802.05637), eq. 3.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import one_hot

from latentgan.conditions import unknown_label
from latentgan.config import AdversarialConfig, Fraction, OptimizerConfig
from latentgan.data import Batch, Batches, ImageSpec
from latentgan.families.base import Family, need_classes
from latentgan.game import Player, Update
from latentgan.losses import Objective
from latentgan.networks.blocks import Layers, Norm, add_spectral_norm, has_batch_statistics
from latentgan.networks.conditional import (
    EmbeddingGenerator,
    PlanesDiscriminator,
    ProjectionDiscriminator,
    dense_discriminator,
)
from latentgan.networks.dcgan import ConvGenerator, conv_trunk, trunk_width
from latentgan.networks.joint import JointDiscriminator, judge
from latentgan.networks.mlp import MLPGenerator, mlp_trunk
from latentgan.priors import Part, Prior
from latentgan.tricks import R1, View


class CGAN(Family):
    """GAN whose networks are told the class of each image (Mirza & Osindero 2014, arXiv:1411.1784)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 100
        """Dimension of the code z (paper: 100 on MNIST)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1), or U(-1, 1) (paper: uniform on the unit hypercube)."""
        condition: Literal["concatenation", "embedding", "projection"] = "projection"
        """How the class is told: one-hot beside z and beside the image (the paper's way), a learned embedding in its
        place, or as the direction on which the discriminator projects the image's features (arXiv:1802.05637; the
        generator is given an embedding). Those features then know labels: no probe from few labels should read them."""
        embedding: PositiveInt = 32
        """Width of a class's embedding (paper: a layer of 200 on y in the generator, of 50 in the discriminator)."""
        network: Literal["dcgan", "mlp"] = "dcgan"
        """Convolutions sized to the image, or dense layers as in the paper."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the dense layers: 256 for dcgan, whose projecting discriminator has one, and 1024 for mlp unless
        given (paper: 1200 in the generator)."""
        discriminator_hidden: PositiveInt | None = None
        """Width of the discriminator's dense layers; `hidden` unless given (paper: 240)."""
        maxout: PositiveInt = 1
        """Pieces of the discriminator's hidden units on the image (arXiv:1302.4389); 1 is LeakyReLU (paper: 5)."""
        dropout: Fraction = 0.0
        """Share of the discriminator's hidden units on the image that are dropped in training (paper: 0.5)."""
        spectral: bool = True
        """Spectral norm in the discriminator, its embedding included, in place of batch norm behind convolutions
        (arXiv:1802.05957)."""
        discriminator_moves: PositiveInt = 1
        """Moves of the discriminator per move of the generator (paper: 1)."""
        discriminator: OptimizerConfig = OptimizerConfig(learning_rate=4e-4)
        """The discriminator's optimiser (paper: SGD with momentum). A slow one leaves a class's images all alike."""
        generator: OptimizerConfig = OptimizerConfig()
        """The generator's optimiser (paper: the same)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.classes = len(spec.classes)
        need_classes(spec, "a cgan is told classes", "gan and dcgan learn without")
        z = Part("z", config.prior, config.latent)
        self.prior = Prior([z, Part("label", "categorical", self.classes, encoded=False)])
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        self.generator: nn.Module = self._generator(spec)
        self.discriminator = self._discriminator(spec)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1 = R1(config, self.discriminator)
        self.together = not has_batch_statistics(self.discriminator)

    @property
    def uses_labels(self) -> bool:
        return True

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player({"discriminator": self.discriminator}, self.config.discriminator),
            "generator": Player({"generator": self.generator}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Move the discriminator k times, each on a new minibatch of labelled images, then the generator."""
        wish, turn, progress = self.objective, update.turn_number, update.progress
        for _ in range(self.config.discriminator_moves):
            x, y = self.told(next(batches.labelled))
            shown = self.view(x, progress)
            made = self.view(self.generator(self.codes(y)), progress)
            real, fake = judge(self.discriminator, (shown, y), (made, y), together=self.together)
            penalty = self.r1(turn, shown, given=(y,))
            update(discriminator={"real": wish.real(real), "fake": wish.fake(fake), **penalty})
            update.note(discriminator_accuracy=wish.accuracy(real, fake))
        fooled = self.discriminator(self.view(self.generator(self.codes(y)), progress), y)
        update(generator={"fake": wish.as_real(fooled)})

    def told(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (n, c, h, w) and their one-hot labels (n, K)."""
        assert batch.label is not None
        return batch.image, one_hot(batch.label, self.classes).to(batch.image.dtype)

    def codes(self, y: Tensor) -> Tensor:
        """Return codes that ask for these classes, (n, latent + K): draws of z beside one-hot y (n, K)."""
        z = self.prior.sample(len(y))[:, : self.config.latent]
        return torch.cat([z.to(y.dtype), y], dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent + K), the last K columns one-hot → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the discriminator's logits (n,) of images x (n, c, h, w), given the classes that codes z ask for."""
        logits: Tensor = self.discriminator(x, z[:, self.config.latent :])
        return logits

    def represent(self, x: Tensor) -> None:
        self.discriminator(x, unknown_label(x, self.classes))

    def rehearse(self, x: Tensor) -> None:
        code = self.prior.sample(len(x))
        y = code[:, self.config.latent :]
        self.discriminator(x, y)
        self.discriminator(self.generator(code), y)

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}

    def _generator(self, spec: ImageSpec) -> nn.Module:
        config, plain = self.config, self.config.condition == "concatenation"
        told = config.latent + (self.classes if plain else config.embedding)
        network: nn.Module
        if config.network == "mlp":
            network = MLPGenerator(told, spec.shape, hidden=config.hidden or 1024)
        else:
            network = ConvGenerator(told, spec.shape, width=config.width, hidden=0, std=0.02)
        return network if plain else EmbeddingGenerator(network, config.latent, self.classes, config.embedding)

    def _discriminator(self, spec: ImageSpec) -> JointDiscriminator | PlanesDiscriminator | ProjectionDiscriminator:
        config, dense = self.config, self.config.network == "mlp"
        hidden = config.discriminator_hidden or config.hidden or (1024 if dense else 256)
        embedding = config.embedding if config.condition == "embedding" else 0
        units: dict[str, Any] = {"pieces": config.maxout, "drop": config.dropout}
        if dense:
            trunk = mlp_trunk(spec.shape, hidden=hidden, **units)
            if config.condition == "projection":
                return ProjectionDiscriminator(trunk, hidden, self.classes)
            return dense_discriminator(trunk, hidden, self.classes, embedding=embedding)
        norm: Norm = "none" if config.spectral else "batch"
        units |= {"width": config.width, "norm": norm, "std": 0.02}
        if config.condition == "projection":
            return ProjectionDiscriminator(conv_trunk(spec.shape, hidden=hidden, **units), hidden, self.classes)
        shape = (spec.channels + (embedding or self.classes), spec.height, spec.width)
        flat = trunk_width(shape, width=config.width)
        return PlanesDiscriminator(conv_trunk(shape, **units), flat, self.classes, embedding=embedding)
