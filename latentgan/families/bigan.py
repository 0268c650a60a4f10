"""BiGAN: a generator, an encoder, and a discriminator that sees (image, code) pairs.

    V(D, E, G) = E_x log D(x, E(x)) + E_z log(1 − D(G(z), z))

The discriminator maximises V; encoder and generator minimise it together. At the optimum the two joint
distributions agree and E inverts G (almost everywhere).

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), eq. 3 and
appendix C; reconstruction terms: Li et al.: ALICE, NeurIPS 2017 (arXiv:1709.01215), eq. 7 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from latentgan.config import AdversarialConfig, NotNegative, OptimizerConfig, ViewsConfig
from latentgan.data.batches import Batch, Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.losses import Objective, conditional_entropy_bound, contrastive
from latentgan.networks.blocks import Layers, Norm, add_spectral_norm, has_batch_statistics, initialise_he
from latentgan.networks.dcgan import ConvGenerator, conv_encoder, conv_trunk, trunk_width
from latentgan.networks.discriminators import (
    Discriminator,
    JointDiscriminator,
    Matcher,
    discriminate,
    paper_discriminator,
)
from latentgan.networks.mlp import MLPGenerator, mlp_discriminator, mlp_encoder, mlp_trunk
from latentgan.networks.resnet import ResidualGenerator, residual_encoder, residual_trunk
from latentgan.networks.whitening import IMAGES as WHITENING_IMAGES
from latentgan.networks.whitening import PatchWhitening
from latentgan.priors import MixtureConfig, Part, Prior
from latentgan.regularization import View, gradient_penalties
from latentgan.self_supervision import TwoViews


class BiGAN(Family):
    """Generator, encoder, and a discriminator of (image, code) pairs (Donahue et al. 2017, arXiv:1605.09782)."""

    class Config(AdversarialConfig):
        latent: PositiveInt = 50
        """Dimension of the code z (paper: 50 on MNIST)."""
        prior: Literal["uniform", "normal"] = "uniform"
        """p(z): U(-1, 1), which the encoder matches by tanh, or N(0, 1)."""
        mixture: MixtureConfig = MixtureConfig()
        """A learned mixture of Gaussians in p(z)'s place, which encoder and generator move (arXiv:1706.02071)."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or the authors' permutation-invariant MLP."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the dense layers: 256 for dcgan and resnet, 1024 for mlp unless given."""
        spectral: bool = False
        """Spectral norm in the discriminator, then with dense layers on image and code before they join; it goes with
        the reconstruction term. False is the paper's arrangement: batch norm in the joint layer alone, which the code
        enters as it is, and last weights that start at zero."""
        norm: Literal["batch", "encoder", "group", "none"] | None = None
        """Of encoder and generator: batch is the paper's, and the default of dcgan and mlp. encoder suits the
        reconstruction term: none in the generator, whose batch statistics differ between encoded and drawn codes. none
        risks that codes saturate. resnet has none, its default, or group."""
        reconstruction_weight: NotNegative = 0.0
        """Weight λ of the reconstruction term for encoder and generator; 0 is BiGAN, above 0 it is ALICE."""
        reconstruction: Literal["explicit", "adversarial"] = "explicit"
        """ALICE's forms: explicit is ‖x − G(E(x))‖² per pixel. adversarial has a second discriminator tell the pairs
        (x, x) from (x, G(E(x))): no blur, since no distance of pixels is asked for; try a weight of 1."""
        matching_weight: NotNegative = 0.0
        """Weight of the discriminator's matching term (ours): tell which code of the minibatch belongs to which image.
        Its image features gain most from it where labels are few; encoder and generator do not see it."""
        whitening: Literal[0, 3, 5] = 0
        """Side of the patches that a fixed first layer of the discriminator whitens, fitted to training images before
        iteration 0: 3 serves photographs, whose patches are smooth; 0 is none. For dcgan and resnet."""
        views: ViewsConfig = ViewsConfig()
        """A self-supervised term on two views of each image, in the discriminator or the encoder."""
        discriminator: OptimizerConfig = OptimizerConfig()
        """The discriminator's optimiser (paper: 2e-4 with weight decay 2.5e-5 of a loss that is halved, here 5e-5)."""
        encoder_generator: OptimizerConfig = OptimizerConfig()
        """The optimiser of encoder and generator (paper: the same)."""

    config: Config
    named_classes = 0
    """Classes that the discriminator names, 0 in BiGAN and ALI."""

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.prior = Prior(self.parts(spec), config.mixture)
        self.objective = Objective(config.objective, config.smoothing)
        self.view = View(config)
        features = self.build(spec)
        if config.spectral:
            add_spectral_norm(self.discriminator)
        self.r1, self.r2 = gradient_penalties(config, self.discriminator)
        self.together = not has_batch_statistics(self.discriminator)
        if config.views.weight:
            self.views = TwoViews(config.views, self._view_width(spec))
        if config.matching_weight:
            self.matcher = Matcher(features, self.prior.width)
        if config.reconstruction_weight and config.reconstruction == "adversarial":
            self.pair_discriminator = self.build_pair(spec)
            if config.spectral:
                add_spectral_norm(self.pair_discriminator)
            self.pair_r1, self.pair_r2 = gradient_penalties(config, self.pair_discriminator)

    def parts(self, spec: ImageSpec) -> list[Part]:
        """Return the parts of the prior."""
        return [Part(name="z", kind=self.config.prior, width=self.config.latent)]

    def build(self, spec: ImageSpec) -> int:
        """Make generator, encoder and discriminator; return the width of the discriminator's features of an image."""
        build = {"mlp": self._build_mlp, "dcgan": self._build_dcgan, "resnet": self._build_resnet}
        return build[self.config.network](self.config, spec)

    def _view_features(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) → what is the encoder's code made of, (n, hidden)."""
        for name, layer in self.encoder.named_children():
            if name != "code":
                x = layer(x)
        return x.flatten(1)

    def _view_width(self, spec: ImageSpec) -> int:
        """Return the width of what two views are compared by: channels of planes count, not their pixels."""
        network = self._view_features if self.config.views.network == "encoder" else self.discriminator.trunk
        self.eval()  # batch statistics are of images, not of this
        with torch.no_grad():
            width = int(network(torch.zeros(2, *spec.shape)).shape[1])
        self.train()
        return width

    def build_pair(self, spec: ImageSpec) -> Discriminator:
        """Return ALICE's second discriminator, of two images one upon the other."""
        shape = (2 * spec.channels, spec.height, spec.width)
        if self.config.network == "mlp":
            hidden = self.config.hidden or 1024
            return Discriminator(mlp_trunk(shape, hidden=hidden), hidden)
        hidden = self.config.hidden or 256
        trunk = residual_trunk if self.config.network == "resnet" else conv_trunk
        return Discriminator(trunk(shape, width=self.config.width, hidden=hidden), hidden)

    def players(self) -> dict[str, Player]:
        names = ["discriminator", "matcher", "pair_discriminator"]
        makers = ["encoder", "posterior", "generator"]
        (makers if self.config.views.network == "encoder" else names).append("views")
        children = dict(self.named_children())
        return {
            "discriminator": Player(
                {name: child for name, child in children.items() if name in names}, self.config.discriminator
            ),
            "encoder_generator": Player(
                {**{name: children[name] for name in makers if name in children}, **self.prior.movers()},
                self.config.encoder_generator,
            ),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Both players move at once, on one minibatch."""
        batch = next(batches)
        x, (code, z) = batch.image, self.codes(batch)
        image = self.generator(z)
        trunk, join = self.discriminator.trunk, self.discriminator.join
        shown, made = self.view(x, update.progress), self.view(image, update.progress)
        real, fake = discriminate(trunk, (shown,), (made,), together=False)
        encoded, generated = discriminate(join, (real, code), (fake, z), together=self.together)
        objective = self.objective
        names = ("encoded", "generated")
        if self.config.views.weight and self.config.views.stop_adversarial:
            ours, theirs = (real.detach(), code.detach()), (fake.detach(), z.detach())  # the head alone moves
            discriminator_terms = objective.discriminator(
                *discriminate(join, ours, theirs, together=self.together), names
            )
            discriminator_terms |= self._penalties(update.iteration_number, ours, theirs, join)
        else:
            discriminator_terms = objective.discriminator(encoded, generated, names)
            discriminator_terms |= self._penalties(update.iteration_number, (shown, code), (made, z))
        generator_terms = objective.exchanged(encoded, generated, names)
        if self.config.views.weight:
            in_encoder = self.config.views.network == "encoder"
            player_terms = generator_terms if in_encoder else discriminator_terms
            player_terms["views"] = self.views(self._view_features if in_encoder else trunk, x)
        if self.config.matching_weight:
            discriminator_terms["matching"] = self.config.matching_weight * contrastive(self.matcher(real, code))
        if self.config.reconstruction_weight:
            pair_terms, error = self._reconstruction(x, self.generator(code), update)
            discriminator_terms |= pair_terms
            generator_terms["reconstruction"] = self.config.reconstruction_weight * error
        discriminator_terms |= self.naming(batches, update)
        update(discriminator=discriminator_terms, encoder_generator=generator_terms | self.prior.terms())
        update.note(discriminator_accuracy=self.objective.accuracy(encoded, generated))

    def naming(self, batches: Batches, update: Update) -> dict[str, Tensor]:
        """Return the discriminator's terms on labelled images, in families where it names classes."""
        return {}

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the codes of both pairs, (n, d) each: the encoder's of the images, and draws from the prior."""
        return self.encode(batch.image), self.prior.sample(len(batch))

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, latent), in the prior's range."""
        return self.squash(self.encoder(x))

    def squash(self, code: Tensor) -> Tensor:
        """Bring codes into the prior's range, with the authors' 2σ(l) − 1 = tanh(l / 2) where it is U(-1, 1)."""
        return torch.tanh(code / 2) if self.prior.parts[0].kind == "uniform" else code

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.generator(z)
        return image

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the discriminator's logits (n,) of images x (n, c, h, w) together with their codes z (n, d)."""
        logits: Tensor = self.discriminator(x, z)
        return logits

    def represent(self, x: Tensor) -> Tensor:
        self.discriminator.trunk(x)
        return self.encode(x)

    def rehearse(self, x: Tensor) -> None:
        z = self.prior.sample(len(x))
        self.discriminator(x, self.encode(x))
        self.discriminator(self.generator(z), z)

    def callables(self) -> list[nn.Module]:
        discriminator = self.discriminator
        more = [child for name, child in self.named_children() if name in ("matcher", "pair_discriminator", "views")]
        networks = [
            self.generator,
            self.encoder,
            discriminator.trunk,
            discriminator.code,
            discriminator.joint,
            discriminator.logit,
            *more,
        ]
        return [network for network in networks if any(True for _ in network.parameters())]

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder, "discriminator": self.discriminator.trunk}

    def _penalties(
        self,
        iteration: int,
        real: tuple[Tensor, Tensor],
        fake: tuple[Tensor, Tensor],
        function: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return R1 and R2 at pairs of image, or features, and code; a label beside the code has no slope.

        Args:
            iteration: its number.
            real: image, or features, and code of real images.
            fake: of generated ones.
            function: of features and code, in the discriminator's place.
        """
        terms: dict[str, Tensor] = {}
        for penalty, (x, code) in ((self.r1, real), (self.r2, fake)):
            z, condition = code[:, : self.config.latent], code[:, self.config.latent :]
            given = (condition,) if condition.shape[1] else ()

            def logits(x: Tensor, z: Tensor, *condition: Tensor) -> Tensor:
                assert function is not None
                return function(x, torch.cat([z, *condition], dim=1))

            terms |= penalty(iteration, x, z, given=given, function=logits if function else None)
        return terms

    def _reconstruction(self, x: Tensor, rebuilt: Tensor, update: Update) -> tuple[dict[str, Tensor], Tensor]:
        """Return the second discriminator's terms, if it plays, and the term of encoder and generator (ALICE)."""
        if self.config.reconstruction == "explicit":
            return {}, conditional_entropy_bound(x, rebuilt)
        objective, progress = self.objective, update.progress
        same = self.view(torch.cat([x, x], dim=1), progress)
        made = self.view(torch.cat([x, rebuilt], dim=1), progress)
        real, fake = discriminate(self.pair_discriminator, (same,), (made,), together=False)
        penalties = self.pair_r1(update.iteration_number, same) | self.pair_r2(update.iteration_number, made)
        discriminator_terms = objective.discriminator(real, fake, ("same", "rebuilt"))
        discriminator_terms |= {f"pair_{name}": term for name, term in penalties.items()}
        return discriminator_terms, objective.generator(fake, lambda: real)

    def _norm(self) -> Literal["batch", "encoder", "none"]:
        """Return the norm of plain encoders and generators."""
        if self.config.norm == "group":
            raise ConfigError("family.norm=group is for residual networks: set family.network=resnet, or another norm")
        return self.config.norm or "batch"

    def _build_resnet(self, config: Config, spec: ImageSpec) -> int:
        shape, hidden = spec.shape, config.hidden or 256
        if config.norm in ("batch", "encoder"):
            raise ConfigError(
                f"residual networks have no batch norm: leave family.norm={config.norm} out, or set family.norm=group"
            )
        norm: Literal["none", "group"] = "group" if config.norm == "group" else "none"
        sizes: dict[str, Any] = {"width": config.width, "hidden": hidden}
        self.generator: nn.Module = ResidualGenerator(self.prior.width, shape, norm=norm, **sizes)
        self.encoder = residual_encoder(shape, config.latent, norm=norm, **sizes)
        self.discriminator = JointDiscriminator(
            self._whitened(shape, lambda shape: residual_trunk(shape, **sizes)),
            hidden,
            self.prior.width,
            hidden=hidden,
            code_hidden=hidden,
            classes=self.named_classes,
        )
        return hidden

    def _whitened(self, shape: tuple[int, int, int], make: Callable[[tuple[int, int, int]], Layers]) -> Layers:
        """Return the trunk that `make` gives for a shape (c, h, w), behind whitening if it is asked for."""
        if not self.config.whitening:
            return make(shape)
        first = PatchWhitening(shape[0], self.config.whitening)
        return Layers({"whiten": first, **dict(make((first.width, *shape[1:])).named_children())})

    def initialise(self, images: Callable[[int], Tensor]) -> None:
        for module in self.discriminator.trunk.children():
            if isinstance(module, PatchWhitening):
                module.fit(images(WHITENING_IMAGES))

    def _build_dcgan(self, config: Config, spec: ImageSpec) -> int:
        shape, width, hidden, latent = spec.shape, config.width, config.hidden or 256, self.prior.width
        norm_name = self._norm()
        std = 0.02 if norm_name == "batch" else None
        normed: dict[str, Any] = {"width": width, "hidden": hidden, "norm": "batch", "std": 0.02}
        plain: dict[str, Any] = {"width": width, "hidden": hidden, "norm": "none"}
        self.generator = ConvGenerator(latent, shape, **(normed if norm_name == "batch" else plain))
        self.encoder = conv_encoder(shape, config.latent, **(plain if norm_name == "none" else normed))
        if norm_name != "batch":
            initialise_he(self.generator, last=0.02)
        if norm_name == "none":
            initialise_he(self.encoder, last=0.1)
        dense = hidden if config.spectral else 0
        trunk = self._whitened(shape, lambda shape: conv_trunk(shape, width=width, hidden=dense, std=std))
        features = hidden if config.spectral else trunk_width(shape, width=width)
        if config.spectral:
            self.discriminator = JointDiscriminator(
                trunk, features, latent, hidden=hidden, code_hidden=hidden, classes=self.named_classes
            )
        else:
            self.discriminator = paper_discriminator(trunk, features, latent, hidden=hidden, classes=self.named_classes)
        return features

    def _build_mlp(self, config: Config, spec: ImageSpec) -> int:
        shape, hidden, latent = spec.shape, config.hidden or 1024, self.prior.width
        if config.whitening:
            raise ConfigError("family.whitening is a convolution: set family.network=dcgan or resnet, or leave it out")
        norm_name = self._norm()
        norm: Norm = "none" if config.spectral else "batch-plain"
        made: Norm = "batch-plain" if norm_name == "batch" else "none"
        self.generator = MLPGenerator(latent, shape, hidden=hidden, norm=made)
        self.encoder = mlp_encoder(
            shape, config.latent, hidden=hidden, norm="none" if norm_name == "none" else "batch-plain"
        )
        if norm_name != "batch":
            initialise_he(self.generator, last=0.02)
        if norm_name == "none":
            initialise_he(self.encoder, last=0.1)
        self.discriminator = mlp_discriminator(shape, latent, hidden=hidden, norm=norm, classes=self.named_classes)
        return hidden
