"""Clustering adversarial autoencoder: the class of a code of class and style, found without labels.

    reconstruction and regularisation: see latentgan/class_and_style.py, with y one of m clusters, no label anywhere
    reduction   the decoder is given W_C y + z: m heads, the rows of W_C, each with a cloud of styles around it;
                min Σ_{i<j} max(0, η − ‖w_i − w_j‖) keeps heads apart

The discriminator of y makes it one-hot and every cluster equally frequent, the decoder makes it say what reconstruction
needs most. Which of two ways to cut the images into m even parts is taken is free, so that a consistency term on random
views (invariant information clustering, not in the paper) can ask for clusters that survive small affine maps.

Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §6 and §7; the
consistency term: Ji et al.: Invariant Information Clustering, ICCV 2019 (arXiv:1807.06653), eq. 3.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pdist

from latentgan.config import NotNegative
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.families._class_style import ClassAndStyle, ClassAndStyleConfig
from latentgan.game import Player, Update
from latentgan.networks.blocks import Layers


class AAECluster(ClassAndStyle):
    """Autoencoder with a code of cluster and style that learns without labels (arXiv:1511.05644, §6 and §7)."""

    class Config(ClassAndStyleConfig):
        clusters: Annotated[int, Field(ge=2)] = 16
        """Number of clusters m (paper: 16 and 30 on MNIST, whose digits are 10)."""
        reduction: bool = False
        """Whether the decoder is given W_C y + z, of z's dimension, in place of (y, z): the paper's §7, where
        family.latent=2 or 10 is the dimension that images are reduced to."""
        head_distance: PositiveFloat = 6.0
        """η: cluster heads that are closer are pushed apart. The paper's is not published; at 6 the styles around two
        heads, N(0, I), hardly overlap."""
        head_weight: NotNegative = 1.0
        """Weight of the heads' term, which stands in the autoencoder's objective (the paper's is not published)."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        m, n = config.clusters, config.latent
        super().__init__(config, spec, classes=m, part="cluster", decoded=n if config.reduction else None)
        self.reduction = None
        if config.reduction:
            self.reduction = Layers({"representation": ClusterHeads(m, n, distance=config.head_distance)})

    def players(self) -> dict[str, Player]:
        if self.reduction is None:
            return super().players()
        networks = {"encoder": self.encoder, "head": self.head, "decoder": self.decoder, "reduction": self.reduction}
        return {**super().players(), "autoencoder": Player(networks, self.config.autoencoder)}

    def step(self, batches: Batches, update: Update) -> None:
        """All players move at once, on one minibatch and, for the consistency term, a view of it, in one pass."""
        x, config = next(batches).image, self.config
        n = len(x)
        logits, styles = self.split(torch.cat([x, self.augment(x)]) if config.consistency_weight else x)
        y, z = logits[:n].softmax(1), styles[:n]
        discriminator_terms, encoder_terms = self.adversarial_terms(y, z, update)
        rebuilding = {"reconstruction": mse_loss(self.decode(torch.cat([y, z], dim=1)), x)}
        if self.reduction is not None:
            (heads,) = self.reduction.parameters()
            rebuilding["heads"] = config.head_weight * head_penalty(heads, config.head_distance)
        if config.consistency_weight:
            rebuilding["consistency"] = self.consistency(logits[:n], logits[n:])
        update(autoencoder=rebuilding, discriminator=discriminator_terms, encoder=encoder_terms)
        update.note(confidence=y.detach().amax(1).mean())

    def represent(self, x: Tensor) -> Tensor:
        code = self.encode(x)
        if self.reduction is not None:
            self.reduction(code)  # seen by the hook on "reduction.representation"
        return code

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, m + latent) → images (n, c, h, w) in [-1, 1]."""
        image: Tensor = self.decoder(z if self.reduction is None else self.reduction(z))
        return image

    def feature_networks(self) -> dict[str, Layers]:
        return {"encoder": self.encoder} | ({} if self.reduction is None else {"reduction": self.reduction})


class ClusterHeads(nn.Module):
    """(y, z) → W_C y + z: where a code lies among the heads of the clusters.

    Args:
        clusters: m.
        latent: dimension n of z and of the heads.
        distance: what two heads are apart at the start, in the root mean square.
    """

    def __init__(self, clusters: int, latent: int, *, distance: float) -> None:
        super().__init__()
        self.clusters = clusters
        self.weight = nn.Parameter(torch.randn(clusters, latent) * distance / math.sqrt(2 * latent))

    def forward(self, code: Tensor) -> Tensor:
        """code: (n, m + latent) → (n, latent)."""
        return code[:, : self.clusters] @ self.weight + code[:, self.clusters :]


def head_penalty(heads: Tensor, threshold: float) -> Tensor:
    """Return Σ_{i<j} max(0, η − ‖w_i − w_j‖): falls linearly with the distance of two heads, 0 from η on.

    Its gradient is 0 where heads are further apart, and also where two coincide, which have no direction to part in.

    Source:
        Makhzani et al. 2015 (arXiv:1511.05644), §7, in words.

    Args:
        heads: w_i, (m, n).
        threshold: η.
    """
    return torch.relu(threshold - pdist(heads.float())).sum()
