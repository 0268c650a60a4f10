"""Adversarial Variational Bayes: a variational autoencoder whose q(z|x) has any shape, since an adversary measures it.

    max_T   E_{z ~ q(z|x)} log σ(T(x, z)) + E_{z ~ r} log(1 − σ(T(x, z))),   at the optimum T* = log q(z|x) − log r(z)
    max_{E, G}  E_{z ~ q(z|x)} [log p(x|z) − T(x, z) − log r(z) + log p(z)],   z = z(x, ε),  p(z) = N(0, I)

The encoder is a black box that turns an image and noise into z, so its density need not be known: T stands for it. Of
T(x, z(x, ε)) encoder and decoder feel the slope in z alone, for E_q ∇T* over T's own change is 0.

Plain, r is the prior, and T is KL(q ‖ p) in the mean; where q(z|x) is narrow it is far from r, which an adversary
knows only coarsely. With adaptive contrast r is the Gaussian of q's own mean and deviation, seen by the
adversary as z̃ = (z − E z)/s against N(0, I), and log r(z) = −½ Σ (z̃² + 2 log s + log 2π) by the change of variables
(s² = Var z + 10⁻⁴; the authors' code has log Var z in place of log s²).

Techniques that move an adversary's optimum (smoothing, instance noise, R1, spectral norm, other objectives) are left
out: T would no longer be the logarithm that the bound needs.

Source: Mescheder, Nowozin, Geiger: Adversarial Variational Bayes: Unifying Variational Autoencoders and Generative
Adversarial Networks, ICML 2017 (arXiv:1701.04722), algorithm 1 and the section on adaptive contrast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor

from latentgan.config import OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.families.vae import VAE
from latentgan.game import Player, Update
from latentgan.likelihoods import log_normal
from latentgan.losses import Objective
from latentgan.networks.autoencoder import autoencoder
from latentgan.networks.blocks import Layers
from latentgan.networks.implicit_posterior import Adversary, BasisEncoder, NoisyEncoder

BASIS_HIDDEN = 32
"""Width of the three layers of each noise function (authors: 128, which is most of an iteration on a CPU)."""


class AVB(VAE):
    """Variational autoencoder with a black-box encoder and an adversary (Mescheder et al. 2017, arXiv:1701.04722)."""

    class Config(VAE.Config):
        adaptive_contrast: bool = True
        """Compare q(z|x) with the Gaussian of its own moments instead of the prior; the encoder is then a sum of noise
        functions with weights by the image, whose moments are known."""
        noise: PositiveInt = 16
        """Dimension of the encoder's noise ε, N(0, I): with adaptive contrast of each noise function (paper: 32)."""
        basis: PositiveInt = 16
        """Noise functions of the encoder under adaptive contrast (authors: 16 for 8 dimensions, 32 for 32)."""
        autoencoder: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)
        """The optimiser of encoder and decoder (paper: Adam 5e-5 with beta1 0.5)."""
        adversary: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The adversary's optimiser, which has to be ahead (paper: Adam 1e-4 with beta1 0.5)."""

        removed: ClassVar[Mapping[str, Any]] = {"basis_hidden": 32, "adversary_hidden": None, "adversary_moves": 1}

    config: Config

    FITTED = 200
    """Draws of q(z|x) to which the proposal of importance sampling is fitted."""

    def build(self, trunk: Layers, hidden: int) -> None:
        """Make encoder and adversary, which looks at images with a trunk of its own."""
        config = self.config
        if config.adaptive_contrast:
            sizes = {"noise": config.noise, "basis": config.basis, "hidden": BASIS_HIDDEN}
            self.encoder = BasisEncoder(trunk, hidden, config.latent, **sizes)
        else:
            self.encoder = NoisyEncoder(trunk, hidden, config.latent, noise=config.noise)
        adversary_trunk, *_ = autoencoder(config.network, self.spec.shape, 1, width=config.width, hidden=config.hidden)
        self.adversary = Adversary(
            adversary_trunk,
            hidden,
            config.latent,
            hidden=hidden,
            quadratic=not config.adaptive_contrast,
        )
        self.objective = Objective("bce")

    def players(self) -> dict[str, Player]:
        return {
            "autoencoder": Player({"encoder": self.encoder, "decoder": self.decoder}, self.config.autoencoder),
            "adversary": Player({"adversary": self.adversary}, self.config.adversary),
        }

    def step(self, batches: Batches, update: Update) -> None:
        """Encoder, decoder and adversary move at once; terms are nats an image."""
        x = self.likelihood.observed(next(batches).image)
        explained, divergence, inferred, drawn = self.contrasted(x)
        error, kl = -explained.mean(), divergence.mean()
        adversary_terms = self.adversary_terms(inferred, drawn)
        update(
            autoencoder={"reconstruction": error, "kl": self.warmed(update.progress) * kl},
            adversary=adversary_terms,
        )
        accuracy = self.objective.accuracy(inferred, drawn)
        update.note(elbo=-error - kl, kl=kl, adversary_accuracy=accuracy, adversary_loss=sum(adversary_terms.values()))

    def adversary_terms(self, inferred: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """Return the adversary's terms on logits of codes of images and of draws from r, (n,) each."""
        return self.objective.discriminator(inferred, drawn, ("posterior", "prior"))

    def contrasted(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return log p(x|z) of one draw z from q(z|x), T + log r − log p of it, T, and T of a draw from r, (n,) each.

        Args:
            x: what was observed of images, (n, c, h, w).
        """
        z, mean, deviation = self.encoder(x)
        inferred, drawn = self.adversary(x, (z - mean) / deviation, self.prior.sample(len(x)))
        divergence = inferred + log_normal(z.float(), mean, deviation) - log_normal(z.float())
        return self.log_likelihood(x, z), divergence, inferred, drawn

    def bound(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x|z) of one draw z from q(z|x), and what the adversary makes of its divergence, (n,) each.

        The second is one sample of T + log r − log p, whose mean is KL(q(z|x) ‖ p(z)) where T is at its optimum.
        """
        return self.contrasted(x)[:2]

    def draw(self, x: Tensor) -> Tensor:
        z: Tensor = self.encoder(x)[0]
        return z.float()

    def proposal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Gaussian fitted to draws of q(z|x), image by image; arguments and results as of `VAE.proposal`."""
        z = torch.stack([self.draw(x) for _ in range(self.FITTED)])
        mean = z.mean(0)
        away = (z - mean).transpose(0, 1)
        covariance = away.transpose(1, 2) @ away / (len(z) - 1)
        floor = 1e-6 * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)  # a direction without noise has none
        return mean, torch.linalg.cholesky(covariance + floor)

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, latent), the mean of q(z|x) over fixed noise; see `draw`."""
        mean: Tensor = self.encoder.mean(self.likelihood.settled(x))
        return mean.float()

    def represent(self, x: Tensor) -> Tensor:
        observed = self.likelihood.settled(x)
        self.encoder.trunk(observed)  # without noise: features are of the image alone
        self.adversary.trunk(observed)
        return self.encode(x)

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder.trunk, "adversary": self.adversary.trunk}
