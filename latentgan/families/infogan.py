"""InfoGAN: a GAN whose code has parts that can be read back from the image.

    min_{G, Q} max_D V(D, G) − λ L_I(G, Q),    L_I = E_{c, x ~ G(z, c)} log Q(c|x) + H(c) ≤ I(c; G(z, c))

Q is a head on the discriminator's features; the information term goes to the generator and to Q (with the features
below it). Categorical parts become classes, continuous ones what varies within a class.

Source: Chen et al.: InfoGAN, NeurIPS 2016 (arXiv:1606.03657), eq. 6, appendix C.1; the consistency term on real images:
Ji et al.: Invariant Information Clustering, ICCV 2019 (arXiv:1807.06653), eq. 3.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from latentgan.config import AdversarialConfig, NotNegative, OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective, categorical_information, gaussian_error, paired_information, uniform_information
from latentgan.networks.blocks import Layers, Norm, add_spectral_norm, dense, initialise
from latentgan.networks.dcgan import ConvGenerator, conv_trunk
from latentgan.networks.discriminators import Discriminator, discriminate
from latentgan.networks.resnet import ResidualGenerator, residual_trunk
from latentgan.priors import MixtureConfig, Part, Prior
from latentgan.regularization import View, gradient_penalties


class InfoGAN(Family):
    """GAN whose categorical and continuous codes are read back from its images (Chen et al. 2016, arXiv:1606.03657)."""

    class Config(AdversarialConfig):
        noise: PositiveInt = 62
        """Dimension of the part of the code that the recogniser does not predict, U(-1, 1) (paper: 62 on MNIST)."""
        mixture: MixtureConfig = MixtureConfig()
        """A learned mixture of Gaussians as the distribution of that noise, which the generator's player moves
        (arXiv:1706.02071). Codes that it predicts keep their priors, since L_I holds their entropy as a constant:
        a learned one would be predicted most easily where it is a point."""
        categorical: tuple[PositiveInt, ...] = (10,)
        """Number of classes of each categorical part (paper: one of 10 on MNIST)."""
        continuous: NonNegativeInt = 2
        """Number of continuous codes, U(-1, 1) (paper: 2 on MNIST)."""
        network: Literal["dcgan", "resnet"] = "dcgan"
        """Convolutions sized to the image (dcgan), or residual blocks of them (resnet)."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many (paper: 64)."""
        hidden: PositiveInt = 256
        """Width of the dense layers (paper: 1024)."""
        head: PositiveInt = 128
        """Width of Q's own dense layer (paper: 128)."""
        categorical_weight: NotNegative = 1.0
        """λ of the categorical parts (paper: 1)."""
        continuous_weight: NotNegative = 1.0
        """λ of the continuous codes, whose Q has standard deviation 1 as in the authors' code (there: 1)."""
        consistency_weight: NotNegative = 0.0
        """Weight of the information that Q's classes of two random views of a real image share (not in the paper;
        arXiv:1807.06653). It keeps the classes equally frequent on real images and blind to what augment and
        instance_noise do."""
        consistency_balance: PositiveFloat = 1.0
        """Weight of the classes' entropy in the consistency term: 1 is the mutual information; 2 keeps classes from
        merging (on MNIST the worst of five seeds rose from 87 to 97 %)."""
        discriminator: OptimizerConfig = OptimizerConfig()
        """The optimiser of discriminator and Q (paper: 2e-4)."""
        generator: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The generator's optimiser (paper: 1e-3)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        if not (config.categorical or config.continuous):
            raise ConfigError("an infogan needs codes: set family.categorical or family.continuous")
        if config.consistency_weight and not config.categorical:
            raise ConfigError("family.consistency_weight is about categorical parts: set family.categorical")
        names = ["class"] if len(config.categorical) == 1 else [f"class{i + 1}" for i in range(len(config.categorical))]
        parts = [Part(name="noise", kind="uniform", width=config.noise, encoded=False)]
        parts += [
            Part(name=name, kind="categorical", width=k) for name, k in zip(names, config.categorical, strict=True)
        ]
        parts += [Part(name="style", kind="uniform", width=config.continuous)] if config.continuous else []
        self.prior = Prior(parts, config.mixture)
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        if config.consistency_weight and not self.view.active:
            raise ConfigError(
                "family.consistency_weight compares two random views of an image, and without family.augment or "
                "family.instance_noise they are the same: set family.augment.rotation=15, for example"
            )
        shape = spec.shape
        norm: Norm = "none" if config.spectral else "batch"
        if config.network == "resnet":
            norm = "none"
            self.generator: nn.Module = ResidualGenerator(
                self.prior.width, shape, width=config.width, hidden=config.hidden
            )
            trunk = residual_trunk(shape, width=config.width, hidden=config.hidden)
        else:
            self.generator = ConvGenerator(self.prior.width, shape, width=config.width, hidden=config.hidden, std=0.02)
            std = None if config.spectral else 0.02
            trunk = conv_trunk(shape, width=config.width, hidden=config.hidden, norm=norm, std=std)
        self.discriminator = Discriminator(trunk, config.hidden)
        self.recogniser = _recogniser(config, sum(part.width for part in parts[1:]), norm)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)

    def players(self) -> dict[str, Player]:
        discriminators = {"discriminator": self.discriminator, "recogniser": self.recogniser}
        return {
            "discriminator": Player(discriminators, self.config.discriminator),
            "generator": Player({"generator": self.generator, **self.prior.movers()}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Both players move at once, on one minibatch."""
        x, objective, weight = next(batches).image, self.objective, self.config.consistency_weight
        z = self.prior.sample(len(x))
        image, trunk, logit = self.generator(z), self.discriminator.trunk, self.discriminator.logit
        progress = update.progress
        shown, made = self.view(x, progress), self.view(image, progress)
        real_features, generated_features = discriminate(trunk, (shown,), (made,), together=False)
        real, fake = logit(real_features).squeeze(1), logit(generated_features).squeeze(1)
        information = self._information(self.recogniser(generated_features), z, update)
        discriminator_terms = objective.discriminator(real, fake) | information
        discriminator_terms |= self.r1(update.iteration_number, shown) | self.r2(update.iteration_number, made)
        if weight:
            views = self.recogniser(real_features), self.recogniser(trunk(self.view(x, progress)))
            balance, columns = self.config.consistency_balance, self._columns("categorical")
            shared = [paired_information(*(v[:, a:b] for v in views), balance=balance) for a, b in columns]
            discriminator_terms["consistency"] = -weight * torch.stack(shared).sum()
        update(
            discriminator=discriminator_terms,
            generator={"fake": objective.generator(fake, lambda: real), **information, **self.prior.terms()},
        )
        update.note(discriminator_accuracy=self.objective.accuracy(real, fake))

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, d): the noise's mean, Q's probabilities, Q's means kept in [-1, 1]."""
        q = self.recogniser(self.discriminator.trunk(x))
        noise, learned = q.new_zeros(len(q), self.config.noise), self.prior.learned
        parts = [noise if learned is None else noise + learned.mean.mean(0)]
        parts += [q[:, a:b].softmax(1) for a, b in self._columns("categorical")]
        parts += [q[:, a:b].clamp(-1, 1) for a, b in self._columns("uniform")]
        return torch.cat(parts, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, d) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the discriminator's logits (n,) of images x (n, c, h, w); it does not see their codes z."""
        logits: Tensor = self.discriminator(x)
        return logits

    def rehearse(self, x: Tensor) -> None:
        image = self.generator(self.prior.sample(len(x)))
        for images in (x, image):
            features = self.discriminator.trunk(images)
            self.discriminator.logit(features)
            self.recogniser(features)

    def callables(self) -> list[nn.Module]:
        return [self.generator, self.discriminator.trunk, self.discriminator.logit, self.recogniser]

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}

    def _columns(self, kind: str) -> list[tuple[int, int]]:
        """Return (first, end) of the parts of a kind among Q's outputs, which leave out the noise."""
        result, start = [], 0
        for part in self.prior.parts[1:]:
            if part.kind == kind:
                result.append((start, start + part.width))
            start += part.width
        return result

    def _information(self, q: Tensor, z: Tensor, update: Update) -> dict[str, Tensor]:
        """Return the terms to be minimised, −λ L_I up to constants, and note the information in nats."""
        codes, terms, config = z[:, self.config.noise :], {}, self.config
        classes = [categorical_information(q[:, a:b], codes[:, a:b]) for a, b in self._columns("categorical")]
        if classes:
            total = torch.stack(classes).sum()
            terms["class"] = -config.categorical_weight * total
            update.note(class_information=total.detach())
        for a, b in self._columns("uniform"):
            terms["style"] = config.continuous_weight * gaussian_error(q[:, a:b], codes[:, a:b])
            update.note(style_information=uniform_information(q[:, a:b], codes[:, a:b]))
        return terms


def _recogniser(config: InfoGAN.Config, outputs: int, norm: Norm) -> nn.Sequential:
    """Return Q's own layers: features (n, hidden) → class logits and means (n, outputs)."""
    network = nn.Sequential(
        dense(config.hidden, config.head, norm=norm, activation="leaky"), nn.Linear(config.head, outputs)
    )
    if norm == "batch":
        initialise(network)
    return network
