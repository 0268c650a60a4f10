"""Paths between codes: straight (lerp) or along a great circle (slerp), decoded at every step."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Floats, Ints, Pixels, Singles, Strings
from .statistics import Baseline, Interval


@dataclass(frozen=True)
class Path:
    """One path from a code to another."""

    along: str  # "lerp" or "slerp"
    at: Doubles  # (steps,) from 0 to 1
    codes: Floats  # (steps, d)
    images: Singles  # (steps, h, w, c) in [0, 1]


@dataclass(frozen=True)
class Interpolations:
    """Paths between images of different classes."""

    along: str  # "lerp" or "slerp"
    reason: str  # "the prior is uniform, where straight lines stay inside"
    at: Doubles  # (steps,)
    pairs: Ints  # (p, 2) positions in the table of start and end
    labels: Strings  # (p, 2), "" if unlabelled
    frames: Pixels  # (p, steps, h, w, c) decoded
    midpoint: (
        Interval | None
    )  # distance of the decoded midpoints to the nearest real image, mean over pairs (L2, [0, 1])
    baselines: tuple[
        Baseline, ...
    ]  # the same of the pixel-wise blend of the two images, and of other real images
    notes: tuple[str, ...]
