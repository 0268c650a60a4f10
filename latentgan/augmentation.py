"""Random changes of images, differentiable, so that gradients pass through them to a generator.

Applied to real and generated images in both players' terms, with draws of their own for each image, they leave the
game's equilibrium where it is (Zhao et al. 2020: Differentiable Augmentation, arXiv:2006.10738; Karras et al. 2020,
arXiv:2006.06676). Two draws of one image are the two views of contrastive learning (Chen et al. 2020,
arXiv:2002.05709).

Order: position (one interpolation for all maps), blur, colour, cutout. Colours are not clipped to the range of pixels:
a clipped pixel has no gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from latentgan.config import AugmentConfig
from latentgan.errors import ConfigError

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""RGB to luma and two chroma axes (NTSC): hue is an angle in the plane of the latter two, saturation a radius."""
MOST_STRETCH = 4 / 3
"""Largest ratio of the two sides of a random crop, as in Inception's and SimCLR's."""


class Augmentation(nn.Module):
    """A random change of each image by its own draw, differentiable.

    Args:
        config: the ranges; all zero passes images through untouched.
    """

    def __init__(self, config: AugmentConfig) -> None:
        super().__init__()
        self.config = config
        self.moves = any((config.rotation, config.scale, config.shift, config.shear, config.crop, config.flip))
        self.colours = any((config.brightness, config.contrast, config.saturation, config.hue, config.grey))
        self.active = self.moves or self.colours or config.blur > 0 or config.cutout > 0

    def forward(self, x: Tensor) -> Tensor:
        """x: images (n, c, h, w) in [-1, 1] → the same shape, each changed by its own draw."""
        if not self.active:
            return x
        config, n = self.config, len(x)
        with torch.autocast(x.device.type, enabled=False):
            if self.moves:
                maps = random_affine(n, config, x.device, aspect=x.shape[3] / x.shape[2])
                grid = affine_grid(maps, list(x.shape), align_corners=False)
                x = grid_sample(x.float(), grid, padding_mode="reflection", align_corners=False)
            if config.blur:
                x = blurred(x.float(), torch.rand(n, device=x.device) * config.blur, largest=config.blur)
            if self.colours:
                x = recoloured(x.float(), *random_colours(n, config, x.device))
            if config.cutout:
                x = x * random_cutout(n, config.cutout, (x.shape[2], x.shape[3]), x.device)
        return x


def random_affine(n: int, config: AugmentConfig, device: torch.device, *, aspect: float = 1.0) -> Tensor:
    """Draw n affine maps (n, 2, 3) in normalised coordinates from torch's seeded default generator.

    Args:
        n: how many.
        config: rotation in degrees, scale as a log-ratio, shift as a share of the side, shear as a slope; each is
            drawn uniformly from ± its value, the two axes' scales differing by up to half of `scale`. Then a random
            resized crop and a flip, if asked for.
        device: where to draw.
        aspect: width over height of the images: normalised coordinates stretch the longer side less, and rotations
            and slopes are meant in pixels.
    """
    draws = torch.rand(6, n, device=device) * 2 - 1
    angle = draws[0] * math.radians(config.rotation)
    across = torch.exp(draws[1] * config.scale)
    down = across * torch.exp(draws[2] * config.scale / 2)
    shear = draws[3] * config.shear
    shift = draws[4:] * 2 * config.shift  # the side is 2 in normalised coordinates
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * across, (shear - sin) * down / aspect, shift[0]], dim=1),
        torch.stack([sin * across * aspect, cos * down, shift[1]], dim=1),
    ]
    maps = torch.stack(rows, dim=1)
    return torch.bmm(maps, _crops(n, config, device)) if config.crop or config.flip else maps


def _crops(n: int, config: AugmentConfig, device: torch.device) -> Tensor:
    """Draw n maps (n, 3, 3) from an output's coordinates to those of a part of the image, mirrored or not."""
    draws = torch.rand(5, n, device=device)
    area, stretch = 1 - config.crop * draws[0], torch.exp((draws[1] * 2 - 1) * math.log(MOST_STRETCH) / 2)
    stretch = stretch if config.crop else torch.ones_like(stretch)
    across, down = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
    x, y = (draws[2] * 2 - 1) * (1 - across), (draws[3] * 2 - 1) * (1 - down)
    mirrored = torch.where(draws[4] < config.flip, -across, across)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [[mirrored, zero, x], [zero, down, y], [zero, zero, one]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def random_colours(n: int, config: AugmentConfig, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw n changes of colour from torch's seeded default generator.

    Args:
        n: how many.
        config: brightness, contrast and saturation as the largest deviation of a factor from 1, hue as the largest
            rotation in turns, grey as the share of images that lose their colours.
        device: where to draw.

    Returns:
        Factors of brightness, contrast and saturation, and angles of hue in radians, (n,) each.
    """
    draws = torch.rand(5, n, device=device)
    signed = draws[:4] * 2 - 1
    saturation = torch.where(draws[4] < config.grey, 0.0, 1 + config.saturation * signed[2])
    return (
        1 + config.brightness * signed[0],
        1 + config.contrast * signed[1],
        saturation,
        2 * math.pi * config.hue * signed[3],
    )


def recoloured(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Change colours: brightness, then contrast about the mean luma, then saturation and hue about each pixel's luma.

    All of it is one linear map of a pixel's colour and an offset, for each image its own. Grey images have neither
    saturation nor hue.

    Args:
        x: images (n, c, h, w) in [-1, 1], c = 1 or 3.
        brightness: factors (n,) of pixels as numbers in [0, 1].
        contrast: factors (n,) of the distance from the image's mean luma.
        saturation: factors (n,) of the distance from a pixel's luma.
        hue: angles (n,) in radians.

    Returns:
        (n, c, h, w), not clipped.

    Raises:
        ConfigError: the images have neither one channel nor three.
    """
    n, channels = len(x), x.shape[1]
    if channels not in (1, 3):
        raise ConfigError(f"colours are changed in images of one channel or three, not of {channels}")
    to_yiq = x.new_tensor(YIQ)
    unit = (x + 1) / 2
    luma = unit.mean((2, 3)) @ to_yiq[0] if channels == 3 else unit.mean((1, 2, 3))
    offset = brightness * (1 - contrast) * luma  # of c(bx − bm) + bm
    gain = brightness * contrast
    if channels == 1:
        changed = gain.view(-1, 1, 1, 1) * unit + offset.view(-1, 1, 1, 1)
        return changed * 2 - 1
    turned = x.new_zeros(n, 3, 3)
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = saturation * torch.cos(hue)
    turned[:, 2, 1] = saturation * torch.sin(hue)
    turned[:, 1, 2] = -turned[:, 2, 1]
    maps = gain.view(-1, 1, 1) * (torch.linalg.inv(to_yiq) @ turned @ to_yiq)  # grey stays grey under all of it
    changed = torch.bmm(maps, unit.flatten(2)).view(x.shape) + offset.view(-1, 1, 1, 1)
    return changed * 2 - 1


def blurred(x: Tensor, deviations: Tensor, *, largest: float) -> Tensor:
    """Convolve each image with a Gaussian of its own, cut off at three of the largest deviations.

    Args:
        x: (n, c, h, w); its reflection lies around it.
        deviations: (n,) in pixels; 0 leaves an image as it is.
        largest: the largest that there may be, which sets the size of the kernel.
    """
    n, channels, height, width = x.shape
    radius = min(math.ceil(3 * largest), height - 1, width - 1)
    places = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-0.5 * (places / deviations.clamp_min(1e-3).view(-1, 1)).square())
    kernels = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, dim=0)
    planes = pad(x, [radius] * 4, mode="reflect").reshape(1, n * channels, height + 2 * radius, width + 2 * radius)
    planes = conv2d(planes, kernels[:, None, None, :], groups=n * channels)
    return conv2d(planes, kernels[:, None, :, None], groups=n * channels).view(x.shape)


def random_cutout(n: int, share: float, size: tuple[int, int], device: torch.device) -> Tensor:
    """Draw n masks (n, 1, h, w) that are 0 in a square somewhere in the image, 1 elsewhere.

    Args:
        n: how many.
        share: the square's side as a share of the image's shorter one; its centre may lie anywhere in the image.
        size: (h, w).
        device: where to draw.
    """
    half = share * min(size) / 2
    inside = torch.ones(n, 1, 1, 1, dtype=torch.bool, device=device)
    for axis, (length, middle) in enumerate(zip(size, torch.rand(2, n, device=device), strict=True)):
        places = torch.arange(length, device=device) + 0.5
        near = (places - (middle * length).view(-1, 1)).abs() < half
        inside = inside & (near[:, None, :, None] if axis == 0 else near[:, None, None, :])
    return (~inside).float()
