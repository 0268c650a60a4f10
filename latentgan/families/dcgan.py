"""DCGAN: the same game as GAN's, between strided convolutions.

Source: Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, ICLR 2016 (arXiv:1511.06434), §3 and §4: z uniform with 100 dimensions, Adam 2e-4 with β₁ 0.5, batch 128,
weights N(0, 0.02²), batch norm in both networks but not at the image's door.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt
from torch import nn

from latentgan.data.source import ImageSpec
from latentgan.families.gan import GAN
from latentgan.networks.blocks import Norm
from latentgan.networks.dcgan import ConvGenerator, conv_trunk, trunk_width
from latentgan.networks.discriminators import Discriminator
from latentgan.networks.resnet import ResidualGenerator, need_plain_units, residual_trunk


class DCGAN(GAN):
    """GAN with strided convolutions (Radford et al. 2016, arXiv:1511.06434)."""

    class Config(GAN.Config):
        prior: Literal["uniform", "normal"] = "uniform"
        """p(z): U(-1, 1) in the paper, or N(0, 1)."""
        width: PositiveInt = 64
        """Channels of the first convolution (paper: 128 for 64×64); each further one has twice as many."""
        spectral: bool = False
        """Spectral norm in the discriminator (arXiv:1802.05957), in place of the paper's batch norm."""

    config: Config

    def build(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        """Return generator and discriminator, without hidden dense layers."""
        shape, width = spec.shape, self.config.width
        norm: Norm = "none" if self.config.spectral else "batch"
        made = self.config.generator_norm
        generator = ConvGenerator(self.config.latent, shape, width=width, hidden=0, norm=made, std=0.02)
        trunk = conv_trunk(shape, width=width, norm=norm, std=0.02, **self.units())
        features = trunk_width(shape, width=width)
        return generator, Discriminator(trunk, features, kernels=self.config.minibatch_discrimination)

    def build_residual(self, spec: ImageSpec) -> tuple[nn.Module, Discriminator]:
        """Return generator and discriminator of residual blocks, for families that offer them."""
        config, shape = self.config, spec.shape
        need_plain_units(config.maxout, config.dropout, config.input_dropout)
        generator = ResidualGenerator(config.latent, shape, width=config.width, hidden=0)
        trunk = residual_trunk(shape, width=config.width)
        features = trunk_width(shape, width=config.width)
        return generator, Discriminator(trunk, features, kernels=config.minibatch_discrimination)
