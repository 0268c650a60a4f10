"""Networks conditioned on a class or attributes, y (n, K): an embedding in front of a generator, two discriminators.

Source: Mirza, Osindero: Conditional Generative Adversarial Nets, 2014 (arXiv:1411.1784), §3.2 and §4.1; Miyato, Koyama:
cGANs with Projection Discriminator, ICLR 2018 (arXiv:1802.05637), eq. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from latentgan.networks.blocks import Layers, initialise
from latentgan.networks.discriminators import JointDiscriminator


class EmbeddingGenerator(nn.Module):
    """(z, y) → (z, the embedding of y) → image.

    Args:
        generator: codes (n, latent + embedding) → images.
        latent: width of z.
        condition_width: K, columns of y: one for each class, and for each number of an attribute.
        embedding: width of the embedding of y. It starts with a length of about 1, as a one-hot has: where it is much
            longer than z, the generator learns to pass over z, and draws one image a class.
    """

    def __init__(self, generator: nn.Module, latent: int, condition_width: int, embedding: int) -> None:
        super().__init__()
        self.latent = latent
        self.embedding = embed(condition_width, embedding, std=embedding**-0.5)
        self.generator = generator

    def forward(self, code: Tensor) -> Tensor:
        """code: (n, latent + K), z and y → images (n, c, h, w)."""
        z, y = code[:, : self.latent], code[:, self.latent :]
        image: Tensor = self.generator(torch.cat([z, self.embedding(y)], dim=1))
        return image


class ProjectionHead(nn.Module):
    """φ, y → yᵀV φ + ψ(φ), with ψ linear: how much the features are those of y, and how real they are.

    Source:
        Miyato, Koyama 2018 (arXiv:1802.05637), eq. 3.

    Args:
        features: width of φ.
        condition_width: K, columns of y: one for each class, and for each number of an attribute.
    """

    def __init__(self, features: int, condition_width: int) -> None:
        super().__init__()
        self.embedding = embed(condition_width, features)
        self.psi = nn.Linear(features, 1)

    def forward(self, phi: Tensor, y: Tensor) -> Tensor:
        """phi: (n, features); y: (n, K) → logits (n,)."""
        logits: Tensor = (self.embedding(y) * phi).sum(1) + self.psi(phi).squeeze(1)
        return logits


class ProjectionDiscriminator(nn.Module):
    """(x, y) → trunk φ of the image → projection head.

    Args:
        trunk: feature network of images alone, without the label.
        trunk_width: number of values it gives for one image.
        condition_width: K, columns of y: one for each class, and for each number of an attribute.
    """

    def __init__(self, trunk: Layers, trunk_width: int, condition_width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.logit = ProjectionHead(trunk_width, condition_width)
        initialise(self.logit)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1]; y: (n, K) → logits (n,)."""
        logits: Tensor = self.logit(self.trunk(x).flatten(1), y)
        return logits


class PlanesDiscriminator(nn.Module):
    """(x, y) → logit, where y, or its embedding, is appended to the image as planes of one value each.

    A class that only joined the convolutions' flattened features would hardly be heard among them.

    Args:
        trunk: feature network of images of c + (embedding or K) channels.
        trunk_width: number of values it gives for one image.
        condition_width: K, columns of y: one for each class, and for each number of an attribute.
        embedding: width of the embedding of y; 0 shows y itself.
    """

    def __init__(self, trunk: Layers, trunk_width: int, condition_width: int, *, embedding: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        self.code: nn.Module = embed(condition_width, embedding, std=embedding**-0.5) if embedding else nn.Identity()
        self.logit = nn.Linear(trunk_width, 1)
        initialise(self.logit)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1]; y: (n, K) → logits (n,)."""
        planes = self.code(y)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        logits: Tensor = self.logit(self.trunk(torch.cat([x, planes], dim=1)).flatten(1))
        return logits.squeeze(1)


def dense_discriminator(
    trunk: Layers, trunk_width: int, condition_width: int, *, embedding: int = 0
) -> JointDiscriminator:
    """Return (x, y) → logit whose last dense layer is given the features of x and y, or the embedding of y.

    As in the paper y joins after layers on the image alone.

    Args:
        trunk: feature network of images, of dense layers.
        trunk_width: number of values it gives for one image, and of the joint layer.
        condition_width: K, columns of y: one for each class, and for each number of an attribute.
        embedding: width of the embedding of y; 0 joins y itself.
    """
    network = JointDiscriminator(trunk, trunk_width, embedding or condition_width, hidden=trunk_width)
    initialise(network.joint)
    initialise(network.logit)
    if embedding:
        network.code = embed(condition_width, embedding, std=embedding**-0.5)
    return network


def embed(condition_width: int, width: int, *, std: float = 0.02) -> nn.Linear:
    """Return y (n, K) → embeddings, linear in y, (n, width), which start as draws from N(0, std²).

    Args:
        condition_width: K, columns of y.
        width: columns of the embedding.
        std: standard deviation of the initial weights.
    """
    network = nn.Linear(condition_width, width, bias=False)
    nn.init.normal_(network.weight, 0.0, std)
    return network


def unknown_label(x: Tensor, classes: int) -> Tensor:
    """Return 1/K for each of the K classes, (n, K), for n rows of whatever."""
    return x.new_full((len(x), classes), 1 / classes)


def label_or_unknown(x: Tensor, label: Tensor | None, classes: int, *, hidden: float = 0.0) -> Tensor:
    """Return each image's class as one-hot, (n, K), or 1/K where it is hidden or unknown.

    Args:
        x: the images, for their number, kind and device.
        label: (n,) int64; -1, or no labels at all, is unknown.
        classes: K.
        hidden: share of the known labels that are hidden at random, from torch's seeded default generator.
    """
    y = unknown_label(x, classes)
    if label is None:
        return y
    kept_back = (label < 0) | (torch.rand(len(y), device=y.device) < hidden)
    return torch.where(kept_back[:, None], y, one_hot(label.clamp_min(0), classes).to(y.dtype))
