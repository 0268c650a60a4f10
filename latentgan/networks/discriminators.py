"""Discriminators: of images, and of (image, code) pairs.

Source of the joint one: Donahue et al. 2017 (arXiv:1605.09782), appendix C; the code joins after the image's
trunk, so that the trunk's named layers are features of the image alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from latentgan.devices import full_precision
from latentgan.networks.blocks import Layers, Norm, dense, initialise
from latentgan.networks.minibatch import MinibatchDiscrimination
from latentgan.networks.weight_norm import GaussianNoise


class Discriminator(nn.Module):
    """x → trunk → logit; the trunk's named layers are the features.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        std: the last weights start as N(0, std²).
        kernels: of minibatch discrimination on the trunk's output; 0 is none.
    """

    def __init__(self, trunk: Layers, trunk_width: int, *, std: float = 0.02, kernels: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        self.minibatch = MinibatchDiscrimination(trunk_width, kernels) if kernels else nn.Identity()
        self.logit = nn.Linear(trunk_width + kernels, 1)
        initialise(self.logit, std)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → logits (n,)."""
        logits: Tensor = self.logit(self.minibatch(self.trunk(x).flatten(1)))
        return logits.squeeze(1)


class ClassDiscriminator(nn.Module):
    """x → trunk → K class logits l, whose log Σ exp is the logit of "real": K + 1 classes, that of fakes at logit 0.

    D(x) = Σ_k e^{l_k} / (Σ_k e^{l_k} + 1) = σ(log Σ_k e^{l_k}).

    Source:
        Salimans et al. 2016 (arXiv:1606.03498), §5.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        classes: K.
        noise: deviation of the Gaussian noise in front of the class layer, in training.
    """

    def __init__(self, trunk: Layers, trunk_width: int, classes: int, *, noise: float = 0.0) -> None:
        super().__init__()
        self.trunk = trunk
        self.noise = GaussianNoise(noise)
        self.logit = nn.Linear(trunk_width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → logits of "real" (n,)."""
        return self.classes(self.trunk(x)).logsumexp(1)

    def classes(self, features: Tensor) -> Tensor:
        """features: the trunk's output for the images, (n, …) → class logits (n, K) float32."""
        logits: Tensor = self.logit(self.noise(features.flatten(1))).float()
        return logits


class JointDiscriminator(nn.Module):
    """(x, z) → logit: the image's trunk, then a dense layer on its features and the code together.

    With classes it gives K logits l instead, whose log Σ exp is the logit: see `ClassDiscriminator`.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        latent: width of z.
        hidden: width of the joint layer.
        code_hidden: width of a dense layer on the code before it joins; 0 joins the code as it is.
        norm: of the joint layer.
        classes: K; 0 is one logit.
    """

    def __init__(
        self,
        trunk: Layers,
        trunk_width: int,
        latent: int,
        *,
        hidden: int = 256,
        code_hidden: int = 0,
        norm: Norm = "none",
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.code: nn.Module = dense(latent, code_hidden, activation="leaky") if code_hidden else nn.Identity()
        self.joint = dense(trunk_width + (code_hidden or latent), hidden, norm=norm, activation="leaky")
        self.logit = nn.Linear(hidden, classes or 1, bias=norm != "batch-plain")

    def forward(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """x: (n, c, h, w) in [-1, 1]; z: (n, latent), or its first columns, then `condition` the rest → logits (n,)."""
        return self.join(self.trunk(x), z if condition is None else torch.cat([z, condition], dim=1))

    def join(self, features: Tensor, z: Tensor) -> Tensor:
        """features: the trunk's output for the images, (n, …); z: (n, latent) → logits (n,)."""
        logits = self.classes(features, z)
        return logits.squeeze(1) if logits.shape[1] == 1 else logits.float().logsumexp(1)

    def classes(self, features: Tensor, z: Tensor) -> Tensor:
        """features: the trunk's output for the images, (n, …); z: (n, latent) → class logits (n, K)."""
        logits: Tensor = self.logit(self.joint(torch.cat([features.flatten(1), self.code(z)], dim=1)))
        return logits


def paper_discriminator(
    trunk: Layers, trunk_width: int, latent: int, *, hidden: int, norm: Norm = "batch-plain", classes: int = 0
) -> JointDiscriminator:
    """Return (x, z) → logit as BiGAN's authors arrange it: norm in the joint layer alone, last weights zero.

    Args:
        trunk: feature network of images, without norm.
        trunk_width: number of values it gives for one image.
        latent: width of z, which joins as it is.
        hidden: width of the joint layer.
        norm: of the joint layer: "batch-plain", or "none" under spectral norm, then with ordinary last weights.
        classes: K class logits in place of one; 0 is one.
    """
    network = JointDiscriminator(trunk, trunk_width, latent, hidden=hidden, norm=norm, classes=classes)
    initialise(network.joint)
    initialise(network.logit)
    if norm != "none":
        nn.init.zeros_(network.logit.weight)
    return network


class Matcher(nn.Module):
    """Which code belongs to which image? Two projections whose cosine is high for a pair of one image.

    Source:
        The symmetric contrastive loss of van den Oord et al. 2018 (arXiv:1807.03748, eq. 4) as in Chen et al.

    2020 (arXiv:2002.05709), between an image's features and its code instead of between two views.

    Args:
        features: width of the image features.
        latent: width of the code.
        hidden: width of the dense layer on the code.
        width: dimension of the common space.
        temperature: divides the cosines.
    """

    def __init__(
        self, features: int, latent: int, *, hidden: int = 256, width: int = 64, temperature: float = 0.1
    ) -> None:
        super().__init__()
        self.image = nn.Linear(features, width)
        self.code = nn.Sequential(*dense(latent, hidden, activation="leaky"), nn.Linear(hidden, width))
        self.temperature = temperature

    def forward(self, features: Tensor, z: Tensor) -> Tensor:
        """features: (n, f); z: (n, latent), row by row of the same images → cosines / temperature (n, n)."""
        a = normalize(self.image(features.flatten(1)).float(), dim=1)
        b = normalize(self.code(z).float(), dim=1)
        with full_precision(a.device.type):  # autocast takes products in bf16, whose steps are 0.04 of a logit of 10
            return a @ b.T / self.temperature


def discriminate(
    function: Callable[..., Tensor], real: tuple[Tensor, ...], fake: tuple[Tensor, ...], *, together: bool
) -> tuple[Tensor, Tensor]:
    """Return `function`'s outputs on real and on fake inputs, (n, …) and (m, …).

    Args:
        function: a network.
        real: its arguments for real images.
        fake: its arguments for generated ones.
        together: one pass over both. Wrong for a network with batch statistics: mixing real and fake images in
            one batch would change what each is normalised by. Wasteful where fakes need a slope and reals, which are
            data, do not: two passes spare the reals' half of it.
    """
    if not together:
        return function(*real), function(*fake)
    both = function(*(torch.cat(pair) for pair in zip(real, fake, strict=True)))
    of_real, of_fake = torch.split(both, [len(real[0]), len(fake[0])])
    return of_real, of_fake
