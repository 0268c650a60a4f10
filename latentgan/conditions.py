"""What conditional networks are told of an image's label: one-hot, or 1/K for each of K classes where it is unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def unknown_label(x: Tensor, classes: int) -> Tensor:
    """Return 1/K for each of the K classes, (n, K), for n rows of whatever."""
    return x.new_full((len(x), classes), 1 / classes)


def told_label(x: Tensor, label: Tensor | None, classes: int, *, hidden: float = 0.0) -> Tensor:
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
