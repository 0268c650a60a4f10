"""Conditional GAN: generator and discriminator are conditioned on y, so that a user can ask for images of a given y.

    V(D, G) = E_{x,y} log D(x | y) + E_{z,y} log(1 − D(G(z | y) | y))

y is the label as one-hot, attributes (numeric ones standardised, boolean ones -1 or 1, categorical ones as one-hot), or
both side by side. Real images come from the stream of those whose y is known, each with its own, and what is generated
in their place has the same y: the game is about p(x | y), and each y is as frequent among real as among generated
images. Images without a label, or without one of the conditioning attributes, are left out.

How y enters the networks (`condition`): beside z, and in the discriminator beside the image, as planes in front of
convolutions or, as in the paper, beside what dense layers make of it ("concatenation"); as a learned vector in its
place, linear in y ("embedding"); or the discriminator's logit is yᵀV φ(x) + ψ(φ(x)), with the generator as in embedding
("projection"). The projection paper derives the latter for classes; for a real y it holds where y given x is Gaussian
with the same variance for real and generated images, since log p(y | x) − log q(y | x) is then linear in y.

The paper's discriminator is maxout throughout and has a layer on y before it joins; here maxout is an option of the
layers on the image. The projection paper's generator gets y through conditional batch norm, this one at its input.

Source: Mirza, Osindero: Conditional Generative Adversarial Nets, 2014 (arXiv:1411.1784), eq. 2 and §4.1; Miyato,
Koyama: cGANs with Projection Discriminator, ICLR 2018 (arXiv:1802.05637), eq. 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import PositiveInt, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn.functional import one_hot

from latentgan.config import AdversarialConfig, Fraction, OptimizerConfig
from latentgan.data.batches import Batch, Batches
from latentgan.data.source import ImageSpec
from latentgan.families.base import Family, condition_parts, need_classes
from latentgan.game import Player, Update
from latentgan.losses import Objective
from latentgan.networks.blocks import Layers, Norm, add_spectral_norm, has_batch_statistics
from latentgan.networks.conditional import (
    EmbeddingGenerator,
    PlanesDiscriminator,
    ProjectionDiscriminator,
    dense_discriminator,
    unknown_label,
)
from latentgan.networks.dcgan import ConvGenerator, conv_trunk, trunk_width
from latentgan.networks.discriminators import JointDiscriminator, discriminate
from latentgan.networks.mlp import MLPGenerator, mlp_trunk
from latentgan.networks.resnet import ResidualGenerator, need_plain_units, residual_trunk
from latentgan.priors import ConditionRows, Part, Prior
from latentgan.regularization import View, gradient_penalties


class CGAN(Family):
    """GAN that is conditioned on each image's class or attributes (Mirza & Osindero 2014, arXiv:1411.1784)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 100
        """Dimension of the code z (paper: 100 on MNIST)."""
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1), or U(-1, 1) (paper: uniform on the unit hypercube)."""
        attributes: tuple[str, ...] = ()
        """Attributes of the images (columns of their table) that the networks are conditioned on. Images that lack one
        are left out."""
        label: bool | None = None
        """Whether the networks are conditioned on the class: by default where no attributes are named; true adds it to
        them."""
        condition: Literal["concatenation", "embedding", "projection"] = "projection"
        """How class and attributes enter the networks: beside z and the image (the paper's way), as an embedding, or as
        the direction on which the discriminator projects the image's features (arXiv:1802.05637; the generator is given
        an embedding). The discriminator's features
        then contain the condition, so a probe on them tells nothing."""
        embedding: PositiveInt = 32
        """Width of the embedding of the condition (paper: a layer of 200 on y, of 50 in the discriminator)."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or dense layers as in the paper."""
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

        @field_validator("attributes")
        @classmethod
        def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            if twice := sorted({name for name in value if value.count(name) > 1}):
                raise ValueError(f"{twice[0]!r} is named twice")
            return value

        @field_validator("label")
        @classmethod
        def _needs_a_condition(cls, value: bool | None, info: ValidationInfo) -> bool | None:
            if value is False and not info.data.get("attributes"):
                raise ValueError("it leaves no condition; name family.attributes")
            return value

        def conditioned_on(self) -> tuple[str, ...]:
            return self.attributes

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        wanted = not config.attributes if config.label is None else config.label
        self.classes = len(spec.classes) if wanted else 0
        if wanted:
            need_classes(
                spec,
                "a cgan is conditioned on classes",
                "family.attributes names attributes instead; gan and dcgan learn without",
            )
        label = [Part(name="label", kind="categorical", width=self.classes, encoded=False)] if wanted else []
        width = sum(attribute.width for attribute in spec.attributes)
        self.condition_width = self.classes + width
        rows = ConditionRows(width, max(1, self.classes)) if width else None
        parts = [Part(name="z", kind=config.prior, width=config.latent), *label, *condition_parts(spec)]
        self.prior = Prior(parts, condition_rows=rows)
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        self.generator: nn.Module = self._generator(spec)
        self.discriminator = self._discriminator(spec)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)
        self.together = not has_batch_statistics(self.discriminator)

    @property
    def uses_labels(self) -> bool:
        return self.classes > 0

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player({"discriminator": self.discriminator}, self.config.discriminator),
            "generator": Player({"generator": self.generator}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Move the discriminator k times, each on a new minibatch of images whose y is known, then the generator."""
        objective, iteration, progress = self.objective, update.iteration_number, update.progress
        conditioned = batches.labelled if self.classes else batches.described
        for _ in range(self.config.discriminator_moves):
            x, y = self.with_condition(next(conditioned))
            shown = self.view(x, progress)
            with torch.no_grad():  # the discriminator alone moves
                made = self.view(self.generator(self.codes(y)), progress)
            real, fake = discriminate(self.discriminator, (shown, y), (made, y), together=self.together)
            penalties = self.r1(iteration, shown, given=(y,)) | self.r2(iteration, made, given=(y,))
            update(discriminator=objective.discriminator(real, fake) | penalties)
            update.note(discriminator_accuracy=objective.accuracy(real, fake))
        fooled = self.discriminator(self.view(self.generator(self.codes(y)), progress), y)
        update(generator={"fake": objective.generator(fooled, lambda: self.discriminator(shown, y))})

    def with_condition(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (n, c, h, w) and their condition y (n, K + a): one-hot labels, then attributes."""
        columns = []
        if self.classes:
            assert batch.label is not None
            columns.append(one_hot(batch.label, self.classes).to(batch.image.dtype))
        if self.spec.attributes:
            assert batch.attributes is not None
            columns.append(batch.attributes)
        return batch.image, torch.cat(columns, dim=1)

    def codes(self, y: Tensor) -> Tensor:
        """Return codes that ask for y (n, K + a): draws of z beside it, (n, latent + K + a)."""
        z = self.prior.sample(len(y))[:, : self.config.latent]
        return torch.cat([z.to(y.dtype), y], dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent + K + a), noise beside y → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the discriminator's logits (n,) of images x (n, c, h, w), given the y that codes z ask for."""
        logits: Tensor = self.discriminator(x, z[:, self.config.latent :])
        return logits

    def represent(self, x: Tensor) -> None:
        neutral = [value for attribute in self.spec.attributes for value in attribute.neutral]
        y = [unknown_label(x, self.classes)] if self.classes else []
        self.discriminator(x, torch.cat([*y, x.new_tensor(neutral).expand(len(x), -1)], dim=1))

    def rehearse(self, x: Tensor) -> None:
        code = self.prior.sample(len(x))
        y = code[:, self.config.latent :]
        self.discriminator(x, y)
        self.discriminator(self.generator(code), y)

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}

    def _generator(self, spec: ImageSpec) -> nn.Module:
        config, plain = self.config, self.config.condition == "concatenation"
        code_width = config.latent + (self.condition_width if plain else config.embedding)
        network: nn.Module
        if config.network == "mlp":
            network = MLPGenerator(code_width, spec.shape, hidden=config.hidden or 1024)
        elif config.network == "resnet":
            network = ResidualGenerator(code_width, spec.shape, width=config.width, hidden=0)
        else:
            network = ConvGenerator(code_width, spec.shape, width=config.width, hidden=0, std=0.02)
        return network if plain else EmbeddingGenerator(network, config.latent, self.condition_width, config.embedding)

    def _discriminator(self, spec: ImageSpec) -> JointDiscriminator | PlanesDiscriminator | ProjectionDiscriminator:
        config, dense = self.config, self.config.network == "mlp"
        hidden = config.discriminator_hidden or config.hidden or (1024 if dense else 256)
        embedding = config.embedding if config.condition == "embedding" else 0
        units: dict[str, Any] = {"pieces": config.maxout, "drop": config.dropout}
        if dense:
            trunk = mlp_trunk(spec.shape, hidden=hidden, **units)
            if config.condition == "projection":
                return ProjectionDiscriminator(trunk, hidden, self.condition_width)
            return dense_discriminator(trunk, hidden, self.condition_width, embedding=embedding)
        make_trunk: Callable[..., Layers] = conv_trunk
        norm: Norm = "none" if config.spectral else "batch"
        units |= {"width": config.width, "norm": norm, "std": 0.02}
        if config.network == "resnet":
            need_plain_units(config.maxout, config.dropout)
            make_trunk, units = residual_trunk, {"width": config.width}
        if config.condition == "projection":
            return ProjectionDiscriminator(make_trunk(spec.shape, hidden=hidden, **units), hidden, self.condition_width)
        shape = (spec.channels + (embedding or self.condition_width), spec.height, spec.width)
        flat = trunk_width(shape, width=config.width)
        return PlanesDiscriminator(make_trunk(shape, **units), flat, self.condition_width, embedding=embedding)
