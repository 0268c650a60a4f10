"""Adversarial autoencoder: an autoencoder whose codes, over all images, a discriminator cannot tell from the prior.

    min_{E, G} E ‖x − G(z)‖²,   min_E max_D E_{z ~ p} log D(z) + E_x log(1 − D(z)),   z ~ q(z|x)

Where a variational autoencoder needs a formula for the distance between q(z|x) and the prior, draws from the prior are
enough here, so it may have any shape. Reconstruction and game move the encoder with an optimiser each; the paper plays
them one after the other, here they share one pass of the encoder and move at the same point.

Three encoders, as in the paper: z = e(x); a Gaussian z = μ(x) + σ(x) ε; or z = e(x, η), of any shape. Labels, where
there are any, go to the decoder (then z keeps what they do not say: style), or to the discriminator together with the
component of the prior that each class belongs to (then they say where in the prior a class lies).

Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §2, §2.3 and §4.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from latentgan.config import AdversarialConfig, NotNegative, OptimizerConfig
from latentgan.data.batches import Batch, Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective
from latentgan.networks.autoencoder import CodeDiscriminator, UniversalHead, autoencoder
from latentgan.networks.blocks import Layers, add_spectral_norm, initialise_he
from latentgan.networks.conditional import label_or_unknown, unknown_label
from latentgan.networks.discriminators import discriminate
from latentgan.networks.posterior import Posterior, reparameterise
from latentgan.priors import MixtureConfig, Part, Prior
from latentgan.regularization import View, gradient_penalties

PLANAR = ("mixture", "swiss-roll")


class AAE(Family):
    """Autoencoder whose codes take the prior's shape (Makhzani et al. 2015, arXiv:1511.05644)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 8
        """Dimension of the code z (paper: 8 on MNIST; 2 where it is drawn)."""
        prior: Literal["normal", "uniform", "mixture", "swiss-roll"] = "normal"
        """p(z): N(0, 1); U(-1, 1), which the encoder matches by tanh; or in two dimensions a mixture of Gaussians
        around the origin, or a swiss roll."""
        components: PositiveInt = 10
        """Gaussians of the mixture, or stretches of the roll (paper: 10)."""
        mixture: MixtureConfig = MixtureConfig()
        """A learned mixture of Gaussians in p(z)'s place (arXiv:1706.02071). Who plays against the discriminator, the
        encoder, moves it: in V(E, D) = E_p log D + E_q log(1 − D) draws from p stand opposite the codes as a generator
        of their own would, and E and p both make V less by drawing near each other."""
        posterior: Literal["deterministic", "gaussian", "universal"] = "deterministic"
        """The encoder: e(x), the paper's usual one; a Gaussian; or e(x, η), which has noise of its own."""
        noise: PositiveInt = 10
        """Dimension of the universal encoder's noise η, N(0, I)."""
        labels: Literal["none", "decoder", "prior"] = "none"
        """Which networks use labels: none; the decoder, so that z is style (the paper's supervised variant), and the
        discriminator too, so that z says nothing about the label (not in the paper, whose z may match the prior and
        still tell classes apart); or the discriminator alone, class k together with component k of the prior, so that
        labels say where a class lies. Unlabelled images count as any class. Codes of labels=prior hold the labels: fit
        no probe of few labels on them."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or two dense layers each as in the paper."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the dense layers: 256 for dcgan, 1000 for mlp unless given (paper: 1000)."""
        discriminator_hidden: PositiveInt | None = None
        """Width of the discriminator's two layers; by default that of the others (paper: 1000)."""
        adversarial_weight: NotNegative = 0.0
        """Above 0, one optimiser, `autoencoder`, moves the encoder on the reconstruction (a mean over pixels) plus this
        much of the game's term, as most published code has it: a gradient of the encoder less, and the weight is then
        theirs to balance. 0 is the paper's way, an optimiser each."""
        autoencoder: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The optimiser of encoder and decoder on the reconstruction."""
        discriminator: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
        """The discriminator's optimiser."""
        encoder: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
        """The encoder's optimiser in the game against the discriminator."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self._refuse()
        classes = len(spec.classes)
        z = Part(
            name="z",
            kind=config.prior,
            width=config.latent,
            components=config.components if config.prior in PLANAR else 1,
        )
        self.label_width = classes if config.labels == "decoder" else 0
        self.prior = Prior(
            [z, *[Part(name="label", kind="categorical", width=classes, encoded=False)] * bool(self.label_width)],
            config.mixture,
        )
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        hidden = self._build(spec)
        condition_width = 0 if config.labels == "none" else classes + 1
        self.discriminator = CodeDiscriminator(
            config.latent, condition_width=condition_width, hidden=config.discriminator_hidden or hidden
        )
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)

    @property
    def uses_labels(self) -> bool:
        return self.config.labels != "none"

    def players(self) -> dict[str, Player]:
        networks, config = {"encoder": self.encoder, "head": self.head}, self.config
        drawn, alone = self.prior.movers(), config.adversarial_weight > 0
        moved = {**networks, "decoder": self.decoder, **(drawn if alone else {})}
        players = {
            "autoencoder": Player(moved, config.autoencoder),
            "discriminator": Player({"discriminator": self.discriminator}, config.discriminator),
        }
        return players if alone else {**players, "encoder": Player({**networks, **drawn}, config.encoder)}

    def step(self, batches: Batches, update: Update) -> None:
        """All players move at once, on one minibatch and one draw of its codes."""
        batch, objective, progress = next(batches), self.objective, update.progress
        x = batch.image
        z, drawn = self.draw(x), self._drawn(batch)
        label_width = self.label_width
        rebuilt = self.decoder(
            torch.cat([z, label_or_unknown(x, batch.label, label_width)], dim=1) if label_width else z
        )
        shown, made = self.view(drawn, progress), self.view(z, progress)
        label = () if self.config.labels == "none" else (self._beside(batch),)
        real, fake = discriminate(
            self.discriminator,
            (torch.cat([shown, *label], dim=1),),
            (torch.cat([made, *label], dim=1),),
            together=True,
        )
        iteration = update.iteration_number
        penalties = self.r1(iteration, shown, given=label) | self.r2(iteration, made, given=label)
        discriminator_terms = objective.discriminator(real, fake) | penalties
        rebuilding = {"reconstruction": mse_loss(rebuilt, x)}
        if self.prior.learned is None:
            encoder_terms = {"fake": objective.generator(fake, lambda: real)}
        else:
            encoder_terms = objective.exchanged(real, fake, ("prior", "fake")) | self.prior.terms()
        if weight := self.config.adversarial_weight:
            update(
                autoencoder=rebuilding | {k: weight * term for k, term in encoder_terms.items()},
                discriminator=discriminator_terms,
            )
        else:
            update(autoencoder=rebuilding, discriminator=discriminator_terms, encoder=encoder_terms)
        update.note(discriminator_accuracy=objective.accuracy(real, fake))

    def draw(self, x: Tensor) -> Tensor:
        """Draw one z for each image from q(z|x); that of a deterministic encoder is its only value.

        Args:
            x: (n, c, h, w) in [-1, 1].

        Returns:
            (n, latent), in the prior's range.
        """
        h = self.encoder(x).flatten(1)
        return self._squash(reparameterise(*self.head(h)) if isinstance(self.head, Posterior) else self.head(h))

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, d), the mean of q(z|x): the same at every call, see `draw`.

        Where the decoder uses labels, the last K columns are 1/K each, an unknown label; set them to one-hot before
        `decode` to ask for a class.
        """
        h = self.encoder(x).flatten(1)
        if isinstance(self.head, Posterior):
            z = self.head(h)[0]
        else:
            z = self.head.mean(h) if isinstance(self.head, UniversalHead) else self.head(h)
        z = self._squash(z)
        return torch.cat([z, unknown_label(z, self.label_width)], dim=1) if self.label_width else z

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, d) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.decoder(z)
        return image

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder}

    def _refuse(self) -> None:
        config, classes = self.config, len(self.spec.classes)
        if config.prior in PLANAR and config.latent != 2:
            raise ConfigError(f"family.prior={config.prior!r} is a prior in two dimensions: set family.latent=2")
        if config.prior in PLANAR and config.mixture.components:
            raise ConfigError(
                f"family.mixture learns p(z), which family.prior={config.prior!r} fixes: set family.prior=normal, or "
                "leave family.mixture.components out"
            )
        if config.labels != "none" and not classes:
            raise ConfigError(
                f"family.labels={config.labels!r} needs classes, and these images have none: name the label's column "
                "with --label, use a folder with a sub-folder a class, or set family.labels=none"
            )
        if config.labels == "prior" and (config.prior not in PLANAR or config.components < classes):
            raise ConfigError(
                "family.labels=prior gives each class a component of the prior: set family.prior=mixture or "
                f"swiss-roll, family.latent=2 and family.components to {classes} or more"
            )
        if config.augment != type(config.augment)():
            raise ConfigError("family.augment maps images, and an aae's discriminator sees codes: leave it out")

    def _build(self, spec: ImageSpec) -> int:
        """Make encoder, head and decoder, and return the width of their dense layers."""
        config, latent = self.config, self.config.latent
        self.encoder, self.decoder, hidden = autoencoder(
            config.network, spec.shape, self.prior.width, width=config.width, hidden=config.hidden
        )
        self.head: nn.Module = nn.Linear(hidden, latent)
        if config.posterior == "gaussian":
            self.head = Posterior(hidden, latent)
        elif config.posterior == "universal":
            self.head = UniversalHead(hidden, latent, noise=config.noise, hidden=hidden)
        initialise_he(nn.Sequential(self.encoder, self.head), last=1 / math.sqrt(hidden))
        return hidden

    def _squash(self, z: Tensor) -> Tensor:
        return torch.tanh(z / 2) if self.prior.parts[0].kind == "uniform" else z

    def _drawn(self, batch: Batch) -> Tensor:
        """Draw z from the prior, (n, latent): under labels=prior each from its image's component, or from any."""
        component = batch.label if self.config.labels == "prior" else None
        return self.prior.sample(len(batch), component=component)[:, : self.config.latent]

    def _beside(self, batch: Batch) -> Tensor:
        """Return the discriminator's condition: the class as one-hot of K + 1, (n, K + 1), the last one is unknown."""
        x, classes = batch.image, len(self.spec.classes)
        unknown = torch.full((len(x),), classes, device=x.device)
        label = unknown if batch.label is None else torch.where(batch.label < 0, unknown, batch.label)
        return one_hot(label, classes + 1).to(x.dtype)
