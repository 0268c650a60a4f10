"""Improved GAN: a discriminator that also names classes, learned from few labels and all images.

    l(x) = K class logits,  D(x) = Z / (Z + 1),  Z(x) = Σ_k e^{l_k(x)}
    L_D = −E log D(x) − E_z log(1 − D(G(z))) + w E_(x, y) −log softmax(l(x))_y
    L_G = ‖E f(x) − E_z f(G(z))‖²,  f the last hidden layer

Every image and every generated one takes part in the game; labels reach the last term of L_D alone, in a stream of
labelled images of its own. The generator matches features rather than fooling D: its samples are worse to look at, and
the classifier is better. Hidden layers have weight norm with a data-dependent start and noise in front.

Source: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen: Improved Techniques for Training GANs, NeurIPS 2016
(arXiv:1606.03498), §3.1 and §5, and the authors' code (mnist_svhn_cifar10/train_mnist_feature_matching.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from latentgan.config import AdversarialConfig, NotNegative, OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.families.base import Family, need_classes
from latentgan.game import Player, Update
from latentgan.losses import Objective, feature_matching
from latentgan.networks.blocks import Layers, add_spectral_norm, initialise, initialise_he
from latentgan.networks.dcgan import ConvGenerator, conv_trunk
from latentgan.networks.discriminators import ClassDiscriminator
from latentgan.networks.mlp import MLPGenerator, dense_trunk
from latentgan.networks.resnet import ResidualBlock, ResidualGenerator, residual_trunk
from latentgan.networks.weight_norm import add_weight_norm, initialise_from_data, noisy
from latentgan.priors import Part, Prior
from latentgan.regularization import View, gradient_penalties

INITIALISATION_IMAGES = 500
"""Images that the data-dependent start looks at, as many as in the authors' code."""


class ImprovedGAN(Family):
    """GAN whose discriminator learns classes from few labels (Salimans et al. 2016, arXiv:1606.03498)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 100
        """Dimension of the code z, U(-1, 1) (paper: 100, from 0 to 1, which a linear layer maps to the same)."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or the paper's permutation-invariant MLP."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the generator's dense layers, and of the convolutional discriminator's: 256 for dcgan, 500 for mlp
        unless given (paper: 500)."""
        layers: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1000, 500, 250, 250, 250)
        """Widths of the mlp discriminator's layers (paper: these)."""
        input_noise: NotNegative = 0.3
        """Deviation of the noise on the discriminator's images, of pixels from 0 to 1 (paper: 0.3)."""
        layer_noise: NotNegative = 0.5
        """Deviation of the noise in front of each further layer and the class layer, whose units start with deviation 1
        (paper: 0.5)."""
        spectral: bool = False
        """Spectral norm in the discriminator (arXiv:1802.05957), in place of weight norm."""
        class_weight: PositiveFloat = 2.0
        """Weight w of the labelled term (paper: 2; there 1, and ½ on the other two)."""
        generator_loss: Literal["feature-matching", "non-saturating"] = "feature-matching"
        """L_G of the paper, or the usual one of the objective: better samples, a worse classifier."""
        discriminator: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The discriminator's optimiser (paper: Adam 3e-3 with beta1 0.5)."""
        generator: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The generator's optimiser (paper: the same)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        need_classes(spec, "an improved_gan learns classes from labels", "gan and dcgan learn without")
        self.prior = Prior([Part(name="z", kind="uniform", width=config.latent)])
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        trunk, width = self._build(spec)
        noise = {"door": 2 * config.input_noise, "between": config.layer_noise}  # pixels go from -1 to 1
        self.discriminator = ClassDiscriminator(
            noisy(trunk, **noise), width, len(spec.classes), noise=config.layer_noise
        )
        initialise(self.discriminator.logit, 0.1)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        else:
            add_weight_norm(self.discriminator.trunk, learned=False)
            add_weight_norm(self.discriminator.logit, learned=True)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)

    @property
    def uses_labels(self) -> bool:
        return True

    def initialise(self, images: Callable[[int], Tensor]) -> None:
        if not self.config.spectral:
            initialise_from_data(self.discriminator, self.view(images(INITIALISATION_IMAGES), 0.0))

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player({"discriminator": self.discriminator}, self.config.discriminator),
            "generator": Player({"generator": self.generator}, self.config.generator),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Both players move at once, on a minibatch of all images and one of labelled images, in one pass."""
        x, labelled = next(batches).image, next(batches.labelled)
        assert labelled.label is not None
        n, objective, progress = len(x), self.objective, update.progress
        image = self.generator(self.prior.sample(n))
        shown, made, shown_labelled = (self.view(images, progress) for images in (x, image, labelled.image))
        features = self.discriminator.trunk(torch.cat([shown, made, shown_labelled])).flatten(1)
        logits = self.discriminator.classes(features)
        real, fake = logits[:n].logsumexp(1), logits[n : 2 * n].logsumexp(1)
        error = cross_entropy(logits[2 * n :], labelled.label)
        discriminator_terms = {
            **objective.discriminator(real, fake),
            "class": self.config.class_weight * error,
        }
        if self.config.generator_loss == "feature-matching":
            generator_terms = {"matching": feature_matching(features[:n], features[n : 2 * n])}
        else:
            generator_terms = {"fake": objective.generator(fake, lambda: real)}
        penalties = self.r1(update.iteration_number, shown) | self.r2(update.iteration_number, made)
        update(discriminator=discriminator_terms | penalties, generator=generator_terms)
        update.note(
            discriminator_accuracy=objective.accuracy(real, fake),
            labelled_accuracy=(logits[2 * n :].argmax(1) == labelled.label).float().mean(),
        )

    def classify(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → p(y | x, real), (n, K)."""
        discriminator = self.discriminator
        return discriminator.classes(discriminator.trunk(x)).softmax(1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log Z(x) (n,) of images x (n, c, h, w), the logit of "real"; codes z are not seen."""
        logits: Tensor = self.discriminator(x)
        return logits

    def represent(self, x: Tensor) -> None:
        self.discriminator.trunk(x)

    def callables(self) -> list[nn.Module]:
        return [self.generator, self.discriminator.trunk, self.discriminator.logit]

    def feature_networks(self) -> dict[str, Layers]:
        return {"discriminator": self.discriminator.trunk}

    def _build(self, spec: ImageSpec) -> tuple[Layers, int]:
        """Make the generator; return the discriminator's trunk and its width, without norm and noise."""
        config, shape = self.config, spec.shape
        if config.network == "mlp":
            self.generator: nn.Module = MLPGenerator(
                config.latent, shape, hidden=config.hidden or 500, norm="batch", activation="softplus"
            )
            return dense_trunk(shape, config.layers), config.layers[-1]
        hidden = config.hidden or 256
        if config.network == "resnet":
            self.generator = ResidualGenerator(config.latent, shape, width=config.width, hidden=hidden)
            trunk = residual_trunk(shape, width=config.width, hidden=hidden)
            for block in trunk.modules():
                if isinstance(block, ResidualBlock):
                    block.start_at_random()  # weight norm has no direction to start from at zero
            return trunk, hidden
        self.generator = ConvGenerator(config.latent, shape, width=config.width, hidden=hidden, std=0.02)
        trunk = conv_trunk(shape, width=config.width, hidden=hidden)
        initialise_he(trunk, last=0.05)
        return trunk, hidden
