"""Variational autoencoder: an encoder q(z|x) and a decoder p(x|z) that raise a lower bound on log p(x) together.

    max_{E, G} E_{z ~ q(z|x)} log p(x|z) − KL(q(z|x) ‖ p(z)),    q(z|x) = N(μ(x), diag σ²(x)),  p(z) = N(0, I)

The divergence of two Gaussians has a formula, ½ Σ (μ² + σ² − 1 − log σ²), so that there is no adversary: the baseline
of the families that have one, on the same networks as `avb`, convolutional or dense.

Pixels are Gaussian around the decoder's image with a fixed deviation, which suits any images, or Bernoulli, for images
that are black and white or are made so (`binarise`). `latentgan likelihood RUN` gives log p(x) of held-out images.

Source: Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014 (arXiv:1312.6114), §2.3 and appendix B.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from latentgan.config import FamilyConfig, OptimizerConfig, Share
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.families.base import Family
from latentgan.game import Player, Update
from latentgan.likelihoods import Binarisation, Likelihood, LikelihoodName
from latentgan.networks.autoencoder import autoencoder
from latentgan.networks.blocks import Layers, initialise_he
from latentgan.networks.posterior import Posterior, reparameterise
from latentgan.priors import Part, Prior


class VAE(Family):
    """Variational autoencoder with a Gaussian encoder (Kingma & Welling 2014, arXiv:1312.6114)."""

    class Config(FamilyConfig):
        latent: PositiveInt = 8
        """Dimension of the code z, N(0, I)."""
        likelihood: LikelihoodName = "gaussian"
        """Pixels given z: Gaussian with a fixed deviation, for any images; or Bernoulli, for black and white."""
        deviation: PositiveFloat = 0.3
        """Of Gaussian pixels, in units of their range from -1 to 1. It says how much of an image is noise: the smaller,
        the more the code has to say about it."""
        binarise: Binarisation = "none"
        """What a Bernoulli pixel of grey u in [0, 1] is: threshold, 1 from 0.5 on; stochastic, 1 with probability u,
        drawn anew at each iteration; none, u itself."""
        kl_warmup: Share = 0.0
        """Share of the run over which the weight of the divergence rises from 0 to 1."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """Convolutions sized to the image, residual blocks of them, or two dense layers each."""
        width: PositiveInt = 32
        """Channels of the first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the dense layers: 256 for dcgan, 1000 for mlp unless given."""
        autoencoder: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The optimiser of encoder and decoder."""

    config: Config
    encoder: Any
    """The trunk on images; in AVB the whole black box."""

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.prior = Prior([Part(name="z", kind="normal", width=config.latent)])
        self.likelihood = Likelihood(config.likelihood, config.binarise, config.deviation)
        trunk, self.decoder, hidden = autoencoder(
            config.network, spec.shape, config.latent, width=config.width, hidden=config.hidden, squash=False
        )
        self.build(trunk, hidden)

    def build(self, trunk: Layers, hidden: int) -> None:
        """Make the encoder of a trunk that gives `hidden` values an image."""
        self.encoder, self.head = trunk, Posterior(hidden, self.config.latent)
        initialise_he(nn.Sequential(self.encoder, self.head), last=1 / math.sqrt(hidden))

    def players(self) -> dict[str, Player]:
        networks = {"encoder": self.encoder, "head": self.head, "decoder": self.decoder}
        return {"autoencoder": Player(networks, self.config.autoencoder)}

    def step(self, batches: Batches, update: Update) -> None:
        """Encoder and decoder move on one draw of z for each image of a minibatch; terms are nats an image."""
        explained, divergence = self.bound(self.likelihood.observed(next(batches).image))
        error, kl = -explained.mean(), divergence.mean()
        update(autoencoder={"reconstruction": error, "kl": self.warmed(update.progress) * kl})
        update.note(elbo=-error - kl, kl=kl)

    def bound(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x|z) of one draw z from q(z|x), and KL(q(z|x) ‖ p(z)), (n,) each, in nats.

        Args:
            x: what was observed of images, (n, c, h, w); see `likelihood.observed`.
        """
        mean, log_deviation = self.moments(x)
        return self.log_likelihood(x, reparameterise(mean, log_deviation)), gaussian_kl(mean, log_deviation)

    def warmed(self, progress: float) -> float:
        """Return the weight of the divergence after `progress` in [0, 1] of the run."""
        return min(1.0, progress / self.config.kl_warmup) if self.config.kl_warmup else 1.0

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) in nats, (n,).

        Args:
            x: what was observed of images, (n, c, h, w); see `likelihood.observed`.
            z: (n, latent).
        """
        return self.likelihood.log_prob(x, self.decoder(z))

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: what was observed of images, (n, c, h, w) → mean and log deviation of q(z|x), (n, latent) each."""
        mean, log_deviation = self.head(self.encoder(x).flatten(1))
        return mean.float(), log_deviation.float()

    def draw(self, x: Tensor) -> Tensor:
        """Draw one z (n, latent) from q(z|x) for each of what was observed of images, (n, c, h, w)."""
        return reparameterise(*self.moments(x))

    def proposal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a Gaussian to draw z from in importance sampling, here q(z|x) itself.

        Args:
            x: what was observed of images, (n, c, h, w).

        Returns:
            Its mean (n, latent) and the lower triangular root of its covariance (n, latent, latent).
        """
        mean, log_deviation = self.moments(x)
        return mean, torch.diag_embed(log_deviation.exp())

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, latent), the mean of q(z|x): the same at every call, see `draw`."""
        return self.moments(self.likelihood.settled(x))[0]

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]: the mean of p(x|z)."""
        image: Tensor = self.decoder(z)
        return image.tanh()

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder}


def gaussian_kl(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²) in nats, (n, d) → (n,).

    Source:
        Kingma & Welling 2014 (arXiv:1312.6114), appendix B.
    """
    return 0.5 * (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(1)
