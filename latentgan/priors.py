"""Latent distributions p(z): one flat code (n, d) made of named parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import embedding, one_hot

from latentgan.config import NotNegative, Settings

PartKind = Literal["normal", "uniform", "categorical", "condition", "mixture", "swiss-roll", "learned-mixture"]


class MixtureConfig(Settings):
    """A learned mixture of Gaussians as the distribution of z (Gurumurthy et al. 2017, arXiv:1706.02071)."""

    components: NonNegativeInt = 0
    """Gaussians of the mixture, equally likely, whose centres and deviations are learned; z then is a draw of it,
    whatever family.prior says. 0 is off (DeLiGAN: 50 for 500 images)."""
    deviation: PositiveFloat = 0.2
    """Standard deviation of every Gaussian at the start (authors' code: 0.2 on MNIST, 0.02 on points)."""
    deviation_weight: NotNegative = 0.333
    """λ of the term λ · mean (1 − σ)², without which deviations shrink to 0 (authors' code: 1/3 on MNIST, 0.1 on
    points, 0.05 on sketches)."""


TOTAL_ROWS, MIN_ROWS = 4096, 16
"""Training images whose attributes a prior keeps, of all classes together, and at least of each class."""


COMPOSED = ("mixture", "swiss-roll", "learned-mixture")
"""Kinds of parts that are made of components."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One named slice of the code.

    Args:
        name: what it is called in tables and reports.
        kind: "normal" N(0, 1) or "uniform" U(-1, 1), independent per dimension; "categorical" one of `width`
            equally likely classes, as 0 and 1; in two dimensions "mixture" (see `gaussian_mixture`) or "swiss-roll";
            "learned-mixture" see `GaussianMixture`; "condition" an attribute that networks are conditioned on, see
            `ConditionRows`.
        width: number of columns.
        encoded: whether the family's encoder gives it.
        components: Gaussians of a mixture, or stretches of a roll, all equally likely.
    """

    name: str
    kind: PartKind
    width: int
    encoded: bool = True
    components: int = 1


class GaussianMixture(nn.Module):
    """N equally likely Gaussians with learned centres and deviations: z = μ_i + σ_i ε, ε ~ N(0, I).

    Gradients reach μ and σ through the draw. σ is a parameter as it is, so that its sign means nothing.

    Source:
        Gurumurthy, Sarvadevabhatla, Babu: DeLiGAN, CVPR 2017 (arXiv:1706.02071), eq. 4 to 6, and the authors' code.

    Args:
        components: N.
        width: dimension d of z.
        deviation: every σ at the start; centres start uniform on (-1, 1).
    """

    def __init__(self, components: int, width: int, *, deviation: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.rand(components, width) * 2 - 1)
        self.deviation = nn.Parameter(torch.full((components, width), deviation))

    def forward(self, component: Tensor, normal: Tensor) -> Tensor:
        """component: (n,) int64, ε: (n, d) → z, (n, d)."""
        return embedding(component, self.mean) + embedding(component, self.deviation) * normal

    def log_density(self, z: Tensor) -> Tensor:
        """z: (n, d) → log N(z; μ_i, σ_i²), (n, N)."""
        distance = ((z[:, None] - self.mean) / self.deviation).square().sum(2)
        size = self.deviation.abs().log().sum(1) + self.mean.shape[1] / 2 * math.log(2 * math.pi)
        return -distance / 2 - size

    def penalty(self) -> Tensor:
        """Return mean (1 − σ)², which keeps deviations from shrinking to 0 (arXiv:1706.02071, eq. 8)."""
        return (1 - self.deviation).square().mean()


class ConditionRows(nn.Module):
    """Attributes of training images, from which a prior draws them: those of one image together, by class.

    They are kept with the weights, so that a model alone can draw them. Of larger sets it is a sample.

    Args:
        width: columns that the attributes take.
        classes: K, where the label is a condition too; else 1.
    """

    values: Tensor

    def __init__(self, width: int, classes: int = 1) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(classes, max(MIN_ROWS, TOTAL_ROWS // classes), width))

    def fill(self, attributes: np.ndarray, labels: np.ndarray) -> None:
        """Store rows of attributes for each class.

        Args:
            attributes: (n, width), NaN where unknown.
            labels: (n,) int64, by which rows go to classes.
        """
        rng, complete = np.random.default_rng(0), np.flatnonzero(~np.isnan(attributes[:, 0]))
        classes, size, _ = self.values.shape
        for k in range(classes if len(complete) else 0):
            rows = complete if classes == 1 else complete[labels[complete] == k]
            chosen = np.resize(rng.permutation(rows if len(rows) else complete), size)
            self.values[k] = torch.from_numpy(attributes[chosen]).to(self.values)

    def forward(self, label: Tensor | None, n: int, generator: torch.Generator | None) -> Tensor:
        """label: (n,) int64, or None where K is 1 → attributes of rows of that class, (n, width)."""
        device = self.values.device if generator is None else generator.device
        row = torch.randint(self.values.shape[1], (n,), generator=generator, device=device).to(self.values.device)
        return self.values[torch.zeros_like(row) if label is None else label.to(row.device), row]


class Prior(nn.Module):
    """Independent parts side by side, but for conditions; draws on the device that the family lives on.

    Args:
        parts: from left to right.
        mixture: where it has components, the first part becomes a learned mixture of Gaussians. Draws then depend on
            its parameters: the player that moves the generator moves those of `movers` too and minimises `terms`.
        lent: another prior, whose learned mixture and condition rows are used in place of new ones.
        condition_rows: what parts of kind "condition" are drawn from; they stand last, in the order of its columns.
    """

    _anchor: Tensor

    def __init__(
        self,
        parts: Sequence[Part],
        mixture: MixtureConfig | None = None,
        *,
        lent: Prior | None = None,
        condition_rows: ConditionRows | None = None,
    ) -> None:
        super().__init__()
        self.described = condition_rows
        self.mixture, self._lent, self._weight = None, () if lent is None else (lent,), 0.0
        if mixture is not None and mixture.components:
            first = replace(parts[0], kind="learned-mixture", components=mixture.components)
            parts = [first, *parts[1:]]
            self.mixture = GaussianMixture(mixture.components, first.width, deviation=mixture.deviation)
            self._weight = mixture.deviation_weight
        self.parts = tuple(parts)
        self.width = sum(part.width for part in parts)
        self.register_buffer("_anchor", torch.empty(0), persistent=False)

    @property
    def learned(self) -> GaussianMixture | None:
        """The learned mixture of the first part, if it is one."""
        return self._lent[0].learned if self._lent else self.mixture

    @property
    def condition_rows(self) -> ConditionRows | None:
        """The rows that conditions are drawn from, if there are any."""
        return self._lent[0].condition_rows if self._lent else self.described

    def store_attributes(self, attributes: np.ndarray | None, labels: np.ndarray) -> None:
        """Store attributes of training images, from which conditions are drawn.

        Args:
            attributes: (n, a), NaN where unknown; None where networks are conditioned on none.
            labels: (n,) int64.
        """
        if self.condition_rows is not None and attributes is not None:
            self.condition_rows.fill(attributes, labels)

    @property
    def components(self) -> int:
        """Number of components of the first part that has any, 0 where none has."""
        return next((part.components for part in self.parts if part.kind in COMPOSED), 0)

    def movers(self) -> dict[str, nn.Module]:
        """Return the modules that the generator's player moves besides its networks: a learned mixture."""
        return {} if self.mixture is None else {"mixture": self.mixture}

    def terms(self) -> dict[str, Tensor]:
        """Return the generator's term for the mixture: λ · mean (1 − σ)²."""
        if self.mixture is None or not self._weight:
            return {}
        return {"deviation": self._weight * self.mixture.penalty()}

    def whole(self) -> Prior:
        """Return the prior of an encoder that gives every part; a learned mixture stays this prior's."""
        return Prior([replace(part, encoded=True) for part in self.parts], lent=self)

    def component(self, z: Tensor) -> Tensor:
        """Return argmax_i N(z; μ_i, σ_i) of the learned mixture: codes (n, width) → (n,) int64."""
        if self.learned is None:
            raise ValueError("this prior has no learned mixture")
        return self.learned.log_density(z[:, : self.parts[0].width]).argmax(1)

    def sample(self, n: int, *, generator: torch.Generator | None = None, component: Tensor | None = None) -> Tensor:
        """Draw n codes, (n, width) float32, from `generator` or (in an iteration) from torch's seeded default one.

        Args:
            n: how many.
            generator: lives on one device; codes are the same whatever device the family is on.
            component: (n,) int64, which component of a mixture or roll each code is drawn from; -1 is any.
        """
        free = [part for part in self.parts if part.kind != "condition"]
        drawn = [self._draw(part, n, generator, component) for part in free]
        if self.condition_rows is not None:
            label = next((z for part, z in zip(free, drawn, strict=True) if part.name == "label"), None)
            drawn.append(self.conditions(n, label, generator))
        return torch.cat(drawn, dim=1)

    def conditions(self, n: int, y: Tensor | None, generator: torch.Generator | None = None) -> Tensor:
        """Draw n images' attributes, (n, a): of the classes of one-hot y (n, K), where the label is a condition too.

        Args:
            n: number of images.
            y: one-hot classes (n, K); None where the label is no condition.
            generator: draws them.
        """
        assert self.condition_rows is not None
        label = None if y is None else y.argmax(1)
        return self.condition_rows(label, n, generator)  # type: ignore[no-any-return]

    def describe(self, *, learned: bool = False) -> list[dict[str, Any]]:
        """Return the parts with their first column ("start"), as plain dictionaries.

        Args:
            learned: also a learned mixture's "means" and "deviations", (components, width) as lists.
        """
        rows, start = [], 0
        for part in self.parts:
            about = asdict(part)
            if part.components == 1:
                del about["components"]
            if learned and part.kind == "learned-mixture" and self.learned is not None:
                values = {"means": self.learned.mean, "deviations": self.learned.deviation.abs()}
                about |= {name: [[float(f"{x:.6g}") for x in row] for row in v.tolist()] for name, v in values.items()}
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
        elif part.kind in COMPOSED:
            drawn = torch.randint(part.components, (n,), generator=generator, device=device)
            if component is not None:
                drawn = torch.where(component < 0, drawn, component.to(device))
            if part.kind == "swiss-roll":
                z = swiss_roll(drawn, torch.rand(n, generator=generator, device=device), part.components)
            else:
                normal = torch.randn(shape, generator=generator, device=device)
                z = self._of_components(part, drawn, normal)
        else:
            z = torch.rand(shape, generator=generator, device=device) * 2 - 1
        return z.to(self._anchor.device)

    def _of_components(self, part: Part, drawn: Tensor, normal: Tensor) -> Tensor:
        """Turn components (n,) and draws from N(0, I), (n, width), into draws of a mixture."""
        if part.kind == "mixture":
            return gaussian_mixture(drawn, normal, part.components)
        assert self.learned is not None
        z: Tensor = self.learned(drawn.to(self._anchor.device), normal.to(self._anchor.device))
        return z


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
