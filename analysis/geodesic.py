"""Shortest paths in what a decoder shows, and measures of any path: length, straightness, distance from the prior.

A decoder G pulls the metric of images back to codes, Jᵀ J (Arvanitidis, Hansen & Hauberg 2018, arXiv:1710.11379).
The energy of a discrete path is Σ |G(z_i+1) − G(z_i)|²; its minimum moves through images at a constant speed along a
shortest way. Decoders are black boxes: Jacobians are central differences, all of a path's in one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Singles
from .interpolation import lerp, slerp

STEP = 1e-2  # of the differences, in the code's units: decoders in float32 leave 1e-7 / STEP of noise


@dataclass(frozen=True)
class Measured:
    """Figures of one path of codes through a decoder."""

    length: float  # Σ |G(z_i+1) − G(z_i)|
    energy: float  # Σ |G(z_i+1) − G(z_i)|²
    straightness: float  # |G(end) − G(start)| over the length; 1 is straight
    evenness: float  # the longest step over the mean one; 1 is a constant speed
    off_norm: float  # largest | |z| − √(d − ½) | in the deviations √½ that |z| has under N(0, I)


@dataclass(frozen=True)
class Geodesic:
    """A path of least energy between two codes."""

    codes: Doubles  # (steps, d)
    start: Measured  # the path that the search began with
    found: Measured
    rounds: int
    converged: bool  # the last round gained less than the tolerance


def norm_preserving(start: Floats, end: Floats, at: Doubles) -> Doubles:
    """The straight line, each point scaled to the length between the ends' that its t asks for: (steps, d).

    Raises: AnalysisError where the line passes through the origin, where no scale helps.
    """
    line = lerp(start, end, at)
    lengths = np.linalg.norm(line, axis=-1, keepdims=True)
    ends = np.linalg.norm(np.asarray(start, np.float64)), np.linalg.norm(np.asarray(end, np.float64))
    wanted = ((1 - at) * ends[0] + at * ends[1])[:, None]
    if (lengths < 1e-6 * wanted).any():
        raise AnalysisError("a straight line between these codes passes through the origin: slerp goes round it")
    scaled: Doubles = line * np.where(wanted > 0, wanted / np.where(lengths > 0, lengths, 1), 1)
    return scaled


def measure(decode: Callable[[Singles], Singles], codes: Floats) -> Measured:
    """Measure a path of (steps, d) codes."""
    return _measured(codes, _decoded(decode, codes))


def _decoded(decode: Callable[[Singles], Singles], codes: Floats) -> Doubles:
    images = np.asarray(decode(codes.astype(np.float32)), np.float64)
    return images.reshape(len(codes), -1)


def _measured(codes: Floats, images: Doubles) -> Measured:
    if len(codes) < 2:
        raise AnalysisError(f"a path needs at least 2 codes, not {len(codes)}")
    steps = np.linalg.norm(np.diff(images, axis=0), axis=1)
    length = float(steps.sum())
    chord = float(np.linalg.norm(images[-1] - images[0]))
    off = np.abs(np.linalg.norm(codes, axis=1) - math.sqrt(codes.shape[1] - 0.5)) / math.sqrt(0.5)
    straight = chord / length if length > 0 else 1.0
    even = float(steps.max()) / (length / len(steps)) if length > 0 else 1.0
    return Measured(length, float(np.square(steps).sum()), straight, even, float(off.max()))


def geodesic(
    decode: Callable[[Singles], Singles],
    start: Floats,
    end: Floats,
    *,
    steps: int = 11,
    along: str = "lerp",
    rounds: int = 30,
    tolerance: float = 1e-4,
    step: float = STEP,
) -> Geodesic:
    """Find a path of `steps` codes of least energy from `start` (d,) to `end` (d,), which stay.

    Gauss–Newton on the differences of neighbouring images, damped as by Levenberg and Marquardt; a round decodes
    2 d (steps − 2) codes at once, and ends the search where the energy falls by less than `tolerance` of itself.
    """
    if steps < 3:
        raise AnalysisError(f"a geodesic needs at least 3 steps, not {steps}")
    codes = (slerp if along == "slerp" else lerp)(start, end, np.linspace(0, 1, steps))
    images = _decoded(decode, codes)
    began, energy, damping, done = _measured(codes, images), _energy(images), 1e-3, False
    used = 0
    while used < rounds and not done:
        used += 1
        curvature, slope = _normal_equations(images, _jacobians(decode, codes[1:-1], step))
        size = float(np.trace(curvature)) / len(curvature) or 1.0
        for _ in range(8):
            move = np.linalg.solve(curvature + damping * size * np.eye(len(curvature)), -slope)
            tried = codes.copy()
            tried[1:-1] += move.reshape(steps - 2, -1)
            seen = _decoded(decode, tried)
            if _energy(seen) < energy:
                break
            damping *= 10
        else:
            done = True
            break
        done = energy - _energy(seen) < tolerance * energy
        codes, images, energy, damping = tried, seen, _energy(seen), damping / 10
    return Geodesic(codes, began, _measured(codes, images), used, done)


def _energy(images: Doubles) -> float:
    return float(np.square(np.diff(images, axis=0)).sum())


def _jacobians(decode: Callable[[Singles], Singles], codes: Doubles, step: float) -> Doubles:
    """Central differences of the decoder at (m, d) codes: (m, p, d)."""
    m, d = codes.shape
    shift = step * np.eye(d)
    ends = np.concatenate([codes[:, None] + shift, codes[:, None] - shift], axis=1)
    images = _decoded(decode, ends.reshape(2 * m * d, d)).reshape(m, 2, d, -1)
    found: Doubles = (images[:, 0] - images[:, 1]).transpose(0, 2, 1) / (2 * step)
    return found


def _normal_equations(images: Doubles, jacobians: Doubles) -> tuple[Doubles, Doubles]:
    """Half the Gauss–Newton matrix (m d, m d), block-tridiagonal, and half the gradient (m d,) of the energy."""
    m, _, d = jacobians.shape
    matrix, slope = np.zeros((m, d, m, d)), np.zeros((m, d))
    bend = 2 * images[1:-1] - images[:-2] - images[2:]
    for i in range(m):
        matrix[i, :, i] = 2 * jacobians[i].T @ jacobians[i]
        slope[i] = jacobians[i].T @ bend[i]
        if i + 1 < m:
            cross = jacobians[i].T @ jacobians[i + 1]
            matrix[i, :, i + 1], matrix[i + 1, :, i] = -cross, -cross.T
    return matrix.reshape(m * d, m * d), slope.reshape(m * d)
