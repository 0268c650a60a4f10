"""Discriminators: of images, and of (image, code) pairs.

Source of the joint one: Donahue et al. 2017 (arXiv:1605.09782), appendix C; the code joins after the image's
trunk, so that the trunk's named layers are features of the image alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentgan.networks.blocks import Layers, Norm, dense, has_batch_statistics, initialise


class Discriminator(Layers):
    """x → trunk → dense1 → logit; every child but the last is a named feature.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        hidden: width of the dense layer; 0 leaves it out.
    """

    def __init__(self, trunk: Layers, trunk_width: int, *, hidden: int = 0, norm: Norm = "none") -> None:
        layers = dict(trunk.named_children())
        layers["flat"] = nn.Flatten()
        if hidden:
            layers["dense1"] = dense(trunk_width, hidden, norm=norm, activation="leaky")
            initialise(layers["dense1"])
        layers["logit"] = nn.Linear(hidden or trunk_width, 1)
        initialise(layers["logit"])
        super().__init__(layers)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → logits (n,)."""
        logits: Tensor = super().forward(x)
        return logits.squeeze(1)


class JointDiscriminator(nn.Module):
    """(x, z) → logit: the image's trunk, then a dense layer on its features and the code together.

    Args:
        trunk: feature network of images.
        trunk_width: number of values it gives for one image.
        latent: width of z.
        hidden: width of the joint layer.
        code_hidden: width of a dense layer on the code before it joins; 0 joins the code as it is.
        norm: of the joint layer.
        bias: False leaves out the biases of the joint and last layers, whose last weights then start at zero
            (the authors' MLP).
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
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.code = dense(latent, code_hidden, activation="leaky") if code_hidden else nn.Identity()
        self.joint = dense(trunk_width + (code_hidden or latent), hidden, norm=norm, activation="leaky")
        self.logit = nn.Linear(hidden, 1, bias=bias)
        for part in (self.code, self.joint, self.logit):
            initialise(part)
        if not bias:
            nn.init.zeros_(self.logit.weight)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1]; z: (n, latent) → logits (n,)."""
        h = torch.cat([self.trunk(x).flatten(1), self.code(z)], dim=1)
        logits: Tensor = self.logit(self.joint(h))
        return logits.squeeze(1)


def judge(network: nn.Module, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return the logits of real and of fake inputs, (n,) and (m,).

    One pass over both where the network has no batch statistics; two where it has, since mixing real and fake
    images in one batch would change what each is normalised by.
    """
    if has_batch_statistics(network):
        return network(*real), network(*fake)
    both = network(*(torch.cat(pair) for pair in zip(real, fake, strict=True)))
    return both[: len(real[0])], both[len(real[0]) :]
