"""Latent distributions p(z): one flat code (n, d) made of named parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

PartKind = Literal["normal", "uniform", "categorical"]


@dataclass(frozen=True)
class Part:
    """One named slice of the code.

    Args:
        name: what it is called in tables and reports.
        kind: "normal" N(0, 1) or "uniform" U(-1, 1), independent per dimension; "categorical" one of `width`
            equally likely classes, as 0 and 1.
        width: number of columns.
        encoded: whether the family's encoder gives it.
    """

    name: str
    kind: PartKind
    width: int
    encoded: bool = True


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

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n codes, (n, width) float32, from `generator` or (in a turn) from torch's seeded default one."""
        return torch.cat([self._draw(part, n, generator) for part in self.parts], dim=1)

    def describe(self) -> list[dict[str, Any]]:
        """Return the parts with their first column ("start"), as plain dictionaries."""
        rows, start = [], 0
        for part in self.parts:
            rows.append(asdict(part) | {"start": start})
            start += part.width
        return rows

    def _draw(self, part: Part, n: int, generator: torch.Generator | None) -> Tensor:
        # A generator lives on one device; drawing there and moving keeps samples equal on every device.
        device = self._anchor.device if generator is None else generator.device
        shape = (n, part.width)
        if part.kind == "normal":
            z = torch.randn(shape, generator=generator, device=device)
        elif part.kind == "categorical":
            classes = torch.randint(part.width, (n,), generator=generator, device=device)
            z = one_hot(classes, part.width).float()
        else:
            z = torch.rand(shape, generator=generator, device=device) * 2 - 1
        return z.to(self._anchor.device)
