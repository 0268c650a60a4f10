"""Images between bytes in [0, 255] and tensors in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_model(images: Tensor) -> Tensor:
    """Turn (n, h, w, c) uint8 into (n, c, h, w) float32 in [-1, 1]; 0 and 255 map to the ends exactly.

    Channels stay innermost in memory (torch's channels_last), as networks have their weights. Points (float32, see
    from_points) keep their values.
    """
    planes = images.permute(0, 3, 1, 2).to(torch.float32)
    if images.is_floating_point():
        return planes
    return planes.sub_(127.5).div_(127.5)


def from_model(images: Tensor) -> np.ndarray:
    """Turn (n, c, h, w) in [-1, 1] into (n, h, w, c) uint8; values beyond are clipped."""
    scaled = images.detach().float().mul(127.5).add_(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def to_unit(x: Tensor) -> Tensor:
    """Return images (n, c, h, w) in [-1, 1] as (n, h, w, c) in [0, 1]."""
    return ((x.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
