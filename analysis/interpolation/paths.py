"""Paths between two codes: straight, along a great circle, straight with interpolated norms."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Doubles, Floats, as_point, as_vector
from ..errors import AnalysisError

NEARLY = 1e-6  # radians from 0 or π at which sin Ω no longer divides well


def lerp(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """Return the straight line (1 − t)·start + t·end.

    Args:
        start: (..., d) codes.
        end: (..., d) codes.
        at: t in [0, 1], (steps,).

    Returns:
        Codes (..., steps, d).
    """
    t = _times(at)
    a, b = _ends(start, end)
    line: Doubles = (1 - t) * a + t * b
    return line


def slerp(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """Return the great circle [sin((1 − t)Ω)·start + sin(tΩ)·end] / sin Ω.

    Ω is the angle between the two, in float64 by atan2, which is exact near 0 and π where arccos is not.
    Nearly parallel, or one of length 0: lerp. Nearly opposite: through a fixed direction orthogonal to both,
    since a straight line would pass through the origin; the length goes from the one's to the other's.

    Args:
        start: (..., d) codes.
        end: (..., d) codes.
        at: t in [0, 1], (steps,).

    Returns:
        Codes (..., steps, d).

    Source:
        Shoemake 1985, with the edge cases of White 2016 (arXiv:1609.04468).
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
    """Return the straight line, each point scaled to the length that its t asks for.

    Args:
        start: (..., d) codes.
        end: (..., d) codes.
        at: t in [0, 1], (steps,).

    Returns:
        Codes (..., steps, d).

    Raises:
        AnalysisError: the line passes through the origin, where no scale helps.
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
