"""Training techniques that any family can switch on, in the seams that the house has for them.

Here: transforms in front of every discriminator, the same kind for real and fake images, fresh for each image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from latentgan.config import AugmentConfig


class Augmentation(nn.Module):
    """A random affine map of each image, differentiable, so that it may stand in front of a discriminator.

    Applied to real and generated images in both players' terms, it leaves the game's equilibrium where it is
    (Zhao et al. 2020: Differentiable Augmentation, arXiv:2006.10738; Karras et al. 2020, arXiv:2006.06676).
    What lies outside an image is its reflection.

    Args:
        config: the ranges; all zero passes images through untouched.
    """

    def __init__(self, config: AugmentConfig) -> None:
        super().__init__()
        self.config = config
        self.active = any((config.rotation, config.scale, config.shift, config.shear))

    def forward(self, x: Tensor) -> Tensor:
        """x: images (n, c, h, w) → the same shape, each moved by its own draw."""
        if not self.active:
            return x
        with torch.autocast(x.device.type, enabled=False):
            grid = affine_grid(random_affine(len(x), self.config, x.device), list(x.shape), align_corners=False)
            moved: Tensor = grid_sample(x.float(), grid, padding_mode="reflection", align_corners=False)
        return moved


def random_affine(n: int, config: AugmentConfig, device: torch.device) -> Tensor:
    """Draw n affine maps (n, 2, 3) in normalised coordinates from torch's seeded default generator.

    Args:
        n: how many.
        config: rotation in degrees, scale as a log-ratio, shift as a share of the side, shear as a slope; each is
            drawn uniformly from ± its value, the two axes' scales differing by up to half of `scale`.
        device: where to draw.
    """
    draws = torch.rand(6, n, device=device) * 2 - 1
    angle = draws[0] * math.radians(config.rotation)
    across = torch.exp(draws[1] * config.scale)
    down = across * torch.exp(draws[2] * config.scale / 2)
    shear = draws[3] * config.shear
    shift = draws[4:] * 2 * config.shift  # the side is 2 in normalised coordinates
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * across, (shear - sin) * down, shift[0]], dim=1),
        torch.stack([sin * across, cos * down, shift[1]], dim=1),
    ]
    return torch.stack(rows, dim=1)
