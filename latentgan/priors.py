"""Latent distributions p(z): one flat code (n, d) made of named parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

PartKind = Literal["normal", "uniform", "categorical", "mixture", "swiss-roll"]


@dataclass(frozen=True)
class Part:
    """One named slice of the code.

    Args:
        name: what it is called in tables and reports.
        kind: "normal" N(0, 1) or "uniform" U(-1, 1), independent per dimension; "categorical" one of `width`
            equally likely classes, as 0 and 1; in two dimensions "mixture" (see `gaussian_mixture`) or "swiss-roll".
        width: number of columns.
        encoded: whether the family's encoder gives it.
        components: Gaussians of a mixture, or stretches of a roll, all equally likely.
    """

    name: str
    kind: PartKind
    width: int
    encoded: bool = True
    components: int = 1


class Prior(nn.Module):
    """Independent parts side by side; draws on the device that the family lives on.

    Args:
        parts: from left to right.
    """

    _anchor: Tensor

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self.parts = tuple(parts)
        self.width = sum(part.width for part in parts)
        self.register_buffer("_anchor", torch.empty(0), persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None, component: Tensor | None = None) -> Tensor:
        """Draw n codes, (n, width) float32, from `generator` or (in a turn) from torch's seeded default one.

        Args:
            n: how many.
            generator: lives on one device; codes are the same whatever device the family is on.
            component: (n,) int64, which component of a mixture or roll each code is drawn from; -1 is any.
        """
        return torch.cat([self._draw(part, n, generator, component) for part in self.parts], dim=1)

    def describe(self) -> list[dict[str, Any]]:
        """Return the parts with their first column ("start"), as plain dictionaries."""
        rows, start = [], 0
        for part in self.parts:
            about = asdict(part)
            if part.components == 1:
                del about["components"]
            rows.append(about | {"start": start})
            start += part.width
        return rows

    def _draw(self, part: Part, n: int, generator: torch.Generator | None, component: Tensor | None = None) -> Tensor:
        # A generator lives on one device; drawing there and moving keeps samples equal on every device.
        device = self._anchor.device if generator is None else generator.device
        shape = (n, part.width)
        if part.kind == "normal":
            z = torch.randn(shape, generator=generator, device=device)
        elif part.kind == "categorical":
            classes = torch.randint(part.width, (n,), generator=generator, device=device)
            z = one_hot(classes, part.width).float()
        elif part.kind in ("mixture", "swiss-roll"):
            drawn = torch.randint(part.components, (n,), generator=generator, device=device)
            if component is not None:
                drawn = torch.where(component < 0, drawn, component.to(device))
            if part.kind == "mixture":
                normal = torch.randn((n, 2), generator=generator, device=device)
                z = gaussian_mixture(drawn, normal, part.components)
            else:
                z = swiss_roll(drawn, torch.rand(n, generator=generator, device=device), part.components)
        else:
            z = torch.rand(shape, generator=generator, device=device) * 2 - 1
        return z.to(self._anchor.device)


def gaussian_mixture(component: Tensor, normal: Tensor, components: int) -> Tensor:
    """Return points (n, 2) of Gaussians that stand around the origin as the petals of a flower.

    Component i has its centre at distance 1.4 and angle 2πi/K, deviation 0.5 along the ray and 0.05 across it: the
    mixture of ten 2-D Gaussians of Makhzani et al. 2015 (arXiv:1511.05644), fig. 2, whose sizes are not published.

    Args:
        component: (n,) int64, below K = `components`.
        normal: draws from N(0, I), (n, 2).
        components: how many Gaussians.
    """
    angle = 2 * math.pi * component / components
    along, across = 1.4 + 0.5 * normal[:, 0], 0.05 * normal[:, 1]
    return torch.stack([along * angle.cos() - across * angle.sin(), along * angle.sin() + across * angle.cos()], dim=1)


def swiss_roll(component: Tensor, uniform: Tensor, components: int) -> Tensor:
    """Return points (n, 2) on a spiral of two turns that ends at radius 3: r = 3√t, angle 4π√t, with t from 0 to 1.

    √ makes points about equally dense along the roll; component i is the stretch from i/K to (i + 1)/K of t. The roll
    of Makhzani et al. 2015 (arXiv:1511.05644), fig. 4, whose size is not published.

    Args:
        component: (n,) int64, below K = `components`.
        uniform: draws from U(0, 1), (n,).
        components: how many stretches.
    """
    root = ((component + uniform) / components).sqrt()
    angle = 4 * math.pi * root
    return torch.stack([3 * root * angle.cos(), 3 * root * angle.sin()], dim=1)
