"""Paths between codes: straight (lerp), along a great circle (slerp), straight with every length kept (norm).

The shortest path in images (geodesic) has a file of its own. Whatever their kind, paths are compared on the same pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Pixels, Singles, Strings, as_point, as_vector
from .statistics import Baseline, Interval

ALONG = ("lerp", "slerp", "norm", "geodesic")
NEARLY = 1e-6  # radians from 0 or π at which sin Ω no longer divides well


@dataclass(frozen=True)
class Path:
    """One path from a code to another."""

    along: str  # one of ALONG
    at: Doubles  # (steps,) from 0 to 1
    codes: Floats  # (steps, d)
    images: Singles  # (steps, h, w, c) in [0, 1]


@dataclass(frozen=True)
class PathKind:
    """Paths of one kind; all kinds are measured on the same pairs, random pairs but for their ends."""

    name: str  # one of ALONG, "pixel blend" or "random pairs"
    baseline: bool
    length: Interval  # Σ |G(z_i+1) − G(z_i)|, pixels in [0, 1]; mean over pairs, as all intervals here
    straightness: Interval  # |G(end) − G(start)| over the length
    off_norm: Interval | None  # farthest from the prior's |z|, in its deviations; None where there are no codes
    ratio: Interval | None  # length over the straight line's, pair by pair; None for the line and for random pairs
    score: Interval | None  # the discriminator's logit between the ends; None where the model has no discriminator
    score_gain: Interval | None  # that logit minus the straight line's, pair by pair; None as `ratio`, and as `score`
    scores: Doubles  # (steps, 3) mean logit at every step with its interval; (0, 3) without a discriminator
    midpoint: Interval | None  # distance of the image halfway to the nearest real image; None without pixels
    frames: Pixels | None  # (s, steps, h, w, c) decoded, of the first pairs; None for random pairs


@dataclass(frozen=True)
class Interpolations:
    """Paths between images of different classes, or of those that were asked for."""

    along: str  # one of ALONG
    reason: str  # "the prior is uniform, where straight lines stay inside"
    at: Doubles  # (steps,)
    pairs: Ints  # (p, 2) positions in the table of start and end
    labels: Strings  # (p, 2), "" if unlabelled
    frames: Pixels  # (p, steps, h, w, c) decoded
    midpoint: (
        Interval | None
    )  # distance of the decoded midpoints to the nearest real image, mean over pairs (L2, [0, 1])
    baselines: tuple[Baseline, ...]  # the same of the pixel-wise blend of the two images, and of other real images
    notes: tuple[str, ...]
    between: str = "images of different classes"
    kinds: tuple[PathKind, ...] = ()  # every kind on the same pairs, then yardsticks


def lerp(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """Straight line (1 − t)·start + t·end: codes (..., d), at (steps,) -> (..., steps, d)."""
    t = _times(at)
    a, b = _ends(start, end)
    line: Doubles = (1 - t) * a + t * b
    return line


def slerp(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """Great circle [sin((1 − t)Ω)·start + sin(tΩ)·end] / sin Ω: (..., d), at (steps,) -> (..., steps, d).

    Ω is the angle between the two, in float64 by atan2, which is exact near 0 and π where arccos is not.
    Nearly parallel, or one of length 0: lerp. Nearly opposite: through a fixed direction orthogonal to both,
    since a straight line would pass through the origin; the length goes from the one's to the other's.

    Source: Shoemake 1985, with the edge cases of White 2016 (arXiv:1609.04468).
    """
    t = _times(at)
    a, b = _ends(start, end)
    lengths = np.linalg.norm(a, axis=-1, keepdims=True), np.linalg.norm(b, axis=-1, keepdims=True)
    u, v = (x / np.where(length > 0, length, 1) for x, length in zip((a, b), lengths, strict=True))
    gap, total = np.linalg.norm(u - v, axis=-1, keepdims=True), np.linalg.norm(u + v, axis=-1, keepdims=True)
    omega = 2 * np.arctan2(gap, total)
    safe = np.where((omega > NEARLY) & (omega < np.pi - NEARLY), omega, 1.0)
    circle = (np.sin((1 - t) * safe) * a + np.sin(t * safe) * b) / np.sin(safe)
    straight = (omega <= NEARLY) | (lengths[0] == 0) | (lengths[1] == 0)
    detour = ((1 - t) * lengths[0] + t * lengths[1]) * (np.cos(np.pi * t) * u + np.sin(np.pi * t) * _across(u))
    detour = np.where(t == 1, b, detour)
    bent: Doubles = np.where(straight, (1 - t) * a + t * b, np.where(omega >= np.pi - NEARLY, detour, circle))
    return bent


def norm_preserving(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """The straight line, each point scaled to the length that its t asks for: (..., d), at (steps,) -> (..., steps, d).

    Raises: AnalysisError where the line passes through the origin, where no scale helps.
    """
    line, t = lerp(start, end, at), _times(at)
    a, b = (np.linalg.norm(z, axis=-1, keepdims=True) for z in _ends(start, end))
    lengths, wanted = np.linalg.norm(line, axis=-1, keepdims=True), (1 - t) * a + t * b
    if (lengths < 1e-6 * wanted).any():
        raise AnalysisError("a straight line between these codes passes through the origin: slerp goes round it")
    scaled: Doubles = line * np.where(wanted > 0, wanted / np.where(lengths > 0, lengths, 1), 1)
    return scaled


WALKS = {"lerp": lerp, "slerp": slerp, "norm": norm_preserving}  # what needs no decoder


def _ends(start: Floats, end: Floats) -> tuple[Doubles, Doubles]:
    """Both ends as (..., 1, d) float64."""
    a, b = as_point(start, "start"), as_point(end, "end")
    if a.shape != b.shape or a.ndim < 1:
        raise AnalysisError(f"a path needs two codes of one shape, not {a.shape} and {b.shape}")
    return a[..., None, :], b[..., None, :]


def _times(at: Doubles) -> Doubles:
    """Places on the way, 0 to 1, as a column (steps, 1)."""
    return as_point(as_vector(at, "at"), "at")[:, None]


def _across(u: Doubles) -> Doubles:
    """A fixed unit direction orthogonal to each unit vector (..., d): the axis where it is least, made so."""
    if u.shape[-1] == 1:
        return np.zeros_like(u)  # a line has no way round its origin
    axis = np.zeros_like(u)
    np.put_along_axis(axis, np.abs(u).argmin(-1, keepdims=True), 1.0, axis=-1)
    axis -= np.sum(axis * u, axis=-1, keepdims=True) * u
    across: Doubles = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    return across


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
    """Decode `steps` codes on the way from `start` (d,) to `end` (d,), both included."""
    if along not in ALONG:
        raise AnalysisError(f"unknown path {along!r}: known are {', '.join(ALONG)}")
    if steps < 2:
        raise AnalysisError(f"a path needs at least 2 steps, not {steps}")
    at = np.linspace(0, 1, steps)
    if along == "geodesic":
        from .geodesic import geodesic_path

        codes = geodesic_path(decode, start, end, steps=steps).codes
    else:
        codes = WALKS[along](start, end, at)
    return Path(along, at, codes, decode(codes.astype(np.float32)))


def pairs_of_classes(labels: Ints, rows: Ints, *, count: int, rng: np.random.Generator) -> Ints:
    """Draw `count` pairs of rows of different classes, classes start in turn: (count, 2) positions.

    Args: labels: (n,) of `rows`, -1 = unlabelled; where fewer than two classes occur any two rows are paired.
    """
    if len(rows) < 2:
        raise AnalysisError(f"a path needs two images, and there are {len(rows)} rows to choose from")
    classes = np.unique(labels[labels >= 0])
    if len(classes) < 2:
        return np.stack([rng.choice(rows, 2, replace=False) for _ in range(count)])
    found = []
    starts = np.resize(rng.permutation(classes), count)
    for first in starts:
        second = rng.choice(classes[classes != first])
        found.append([rng.choice(rows[labels == first]), rng.choice(rows[labels == second])])
    return np.array(found, np.int64)
