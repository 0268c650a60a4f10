"""Paths between codes: straight (lerp), along a great circle (slerp), straight with every length kept (norm).

The shortest path in images (geodesic) has a file of its own. Whatever their kind, paths are compared on the same pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Pixels, Singles, Strings, rows_of
from ..base.statistics import Baseline, Interval
from ..errors import AnalysisError
from .paths import WALKS

ALONG = ("lerp", "slerp", "norm", "geodesic")


@dataclass(frozen=True, kw_only=True)
class Path:
    """One path from a code to another."""

    along: str
    """One of ALONG."""
    at: Doubles
    """(steps,) from 0 to 1."""
    codes: Floats
    """(steps, d)."""
    images: Singles
    """(steps, h, w, c) in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class PathKind:
    """Paths of one kind; all kinds are measured on the same pairs, random pairs but for their ends."""

    name: str
    """One of ALONG, "pixel blend" or "random pairs"."""
    baseline: bool
    length: Interval
    """Σ |G(z_i+1) − G(z_i)|, pixels in [0, 1]; mean over pairs, as all intervals here."""
    straightness: Interval
    """|G(end) − G(start)| over the length."""
    off_norm: Interval | None
    """Farthest from the prior's |z|, in its deviations; None where there are no codes."""
    ratio: Interval | None
    """Length over the straight line's, pair by pair; None for the line and for random pairs."""
    score: Interval | None
    """The discriminator's logit between the ends; None where the model has no discriminator."""
    score_gain: Interval | None
    """That logit minus the straight line's, pair by pair; None as `ratio`, and as `score`."""
    scores: Doubles
    """(steps, 3) mean logit at every step with its interval; (0, 3) without a discriminator."""
    midpoint: Interval | None
    """Distance of the image halfway to the nearest real image; None without pixels."""
    frames: Pixels | None
    """(s, steps, h, w, c) decoded, of the first pairs; None for random pairs."""


@dataclass(frozen=True, kw_only=True)
class Interpolations:
    """Paths between images of different classes, or of those that were asked for."""

    kind: ClassVar[str] = "interpolation"

    along: str
    """One of ALONG."""
    reason: str
    """"the prior is uniform, where straight lines stay inside"."""
    at: Doubles
    """(steps,)."""
    pairs: Ints
    """(p, 2) positions in the table of start and end."""
    labels: Strings
    """(p, 2), "" if unlabelled."""
    frames: Pixels
    """(p, steps, h, w, c) decoded."""
    midpoint: Interval | None
    """Distance of the decoded midpoints to the nearest real image, mean over pairs (L2, pixels in [0, 1])."""
    baselines: tuple[Baseline, ...]
    """The same of the pixel-wise blend of the two images, and of other real images."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    between: str = "images of different classes"
    kinds: tuple[PathKind, ...] = ()
    """Every kind on the same pairs, then baselines."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.pairs)


def choose_along(prior: str) -> tuple[str, str]:
    """Choose lerp or slerp by the kind of prior; say why."""
    if prior == "normal":
        return "slerp", "the prior is normal: its mass lies on a sphere, which a great circle does not leave"
    if prior == "uniform":
        return "lerp", "the prior is uniform on a cube, which a straight line does not leave"
    if prior == "mixed":
        return "lerp", "the code mixes priors of several kinds, and a straight line favours none"
    if prior in ("learned-mixture", "mixture", "swiss-roll"):
        return "lerp", "the prior is a mixture, whose parts have no shape in common that another path would follow"
    return "lerp", "the table does not say which prior the codes have"


def path(
    decode: Callable[[Singles], Singles], start: Floats, end: Floats, *, steps: int = 11, along: str = "lerp"
) -> Path:
    """Decode codes on the way from one to another.

    Args:
        decode: codes (n, d) to images (n, h, w, c) in [0, 1].
        start: (d,) code.
        end: (d,) code.
        steps: codes, both ends included; at least 2.
        along: one of ALONG.

    Returns:
        Codes (steps, d) and images (steps, h, w, c).

    Raises:
        AnalysisError: unknown path, or fewer than 2 steps.
    """
    if along not in ALONG:
        raise AnalysisError(f"unknown path {along!r}: known are {', '.join(ALONG)}")
    if steps < 2:
        raise AnalysisError(f"a path needs at least 2 steps, not {steps}")
    at = np.linspace(0, 1, steps)
    if along == "geodesic":
        from .geodesics import geodesic_path

        codes = geodesic_path(decode, start, end, steps=steps).codes
    else:
        codes = WALKS[along](start, end, at)
    return Path(along=along, at=at, codes=codes, images=decode(codes.astype(np.float32)))


def pairs_of_classes(labels: Ints, rows: Ints, *, count: int, rng: np.random.Generator) -> Ints:
    """Draw `count` pairs of rows of different classes, classes start in turn: (count, 2) positions.

    Args:
        labels: (n,) of `rows`, -1 = unlabelled; if fewer than two classes occur, any two rows are paired.
        rows: (n,) positions in the table.
        count: number of pairs.
        rng: draws the pairs.
    """
    if len(rows) < 2:
        raise AnalysisError(f"a path needs two images, and there are {len(rows)} rows to choose from")
    classes = np.unique(labels[labels >= 0])
    if len(classes) < 2:
        return np.stack([rng.choice(rows, 2, replace=False) for _ in range(count)])
    result = []
    starts = np.resize(rng.permutation(classes), count)
    for first in starts:
        second = rng.choice(classes[classes != first])
        result.append([rng.choice(rows[labels == first]), rng.choice(rows[labels == second])])
    return np.array(result, np.int64)
