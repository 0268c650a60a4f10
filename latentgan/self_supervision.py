"""The self-supervised term: two random views of an image should have like features, and other images unlike ones.

Real images alone take part. The projection that the loss is taken in is thrown away after training, as in the papers;
probes read the network's own layers.

Source: Chen et al. 2020 (SimCLR, arXiv:2002.05709), §2; in a discriminator: Jeong & Shin 2021 (ContraD,
arXiv:2103.09742), §3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from latentgan.augmentation import Augmentation
from latentgan.config import ViewsConfig
from latentgan.errors import ConfigError
from latentgan.losses import joint_embedding, view_contrast
from latentgan.networks.blocks import initialise_he


class TwoViews(nn.Module):
    """Projects features of two views into a common space and compares them there.

    Args:
        config: the loss, and what makes a view.
        features: width of the features: values of a vector, or channels of planes, which are averaged over the image.
        hidden: width of the projection's dense layer.
        width: dimension of the common space.

    Raises:
        ConfigError: views do not differ from their image.
    """

    def __init__(self, config: ViewsConfig, features: int, *, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        self.config = config
        self.augment = Augmentation(config.augment)
        if not self.augment.active:
            raise ConfigError(
                "family.views compares two random views of an image, and without family.views.augment they are the "
                "same: set family.views.augment.crop=0.8, for example, or family.views.weight=0"
            )
        self.project = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, width))
        initialise_he(self.project, last=None)

    def forward(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return the term.

        Args:
            network: images (m, c, h, w) to features (m, f), or planes (m, f, h', w').
            x: real images (n, c, h, w) in [-1, 1], two views of each of which are made.

        Returns:
            A scalar, weight included.
        """
        features = network(torch.cat([self.augment(x), self.augment(x)]))
        projected = self.project(features.mean((2, 3)) if features.ndim == 4 else features)
        first, second = projected[: len(x)], projected[len(x) :]
        if self.config.loss == "vicreg":
            return self.config.weight * joint_embedding(first, second)
        return self.config.weight * view_contrast(first, second, temperature=self.config.temperature)
