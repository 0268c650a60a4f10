"""Shortest paths in what a decoder shows, and measures of any path: length, straightness, distance from the prior.

A decoder G pulls the metric of images back to codes, Jᵀ J (Arvanitidis, Hansen & Hauberg 2018, arXiv:1710.11379).
The energy of a discrete path is Σ |G(z_i+1) − G(z_i)|²; its minimum moves through images at a constant speed along a
shortest way. Decoders are black boxes: Jacobians are differences, those of many paths in one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Singles
from ..errors import AnalysisError
from .paths import WALKS

STEP = 2e-3  # of the differences, as a share of a path's extent: decoders in float32 leave 1e-7 / STEP of noise


NEAR = 1 / 64  # least extent, as a share of the largest number of a path: float32 resolves no finer differences


CELLS = 50_000_000  # numbers that the Jacobians of the paths in one batch may hold


SECANTS = 6  # steps of a round


DAMPING = 1e-3  # of the first step, as a share of the mean curvature


WEAK = 1e-2  # share of the energy that a step must gain for the round to go on


VARIANCES = {"normal": (1.0, 1 / 2), "uniform": (1 / 3, 1 / 15)}  # of z_i and, nearly, of |z|


@dataclass(frozen=True)
class Shell:
    """Where a prior has its mass: the mean of |z| and its standard deviation."""

    radius: float
    deviation: float

    def off(self, codes: Floats) -> Doubles:
        """Deviations between the length of (..., d) codes and the radius: (...)."""
        result: Doubles = np.abs(np.linalg.norm(codes, axis=-1) - self.radius) / self.deviation
        return result


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Figures of paths of codes through a decoder, (p,) each."""

    length: Doubles
    """Σ |G(z_i+1) − G(z_i)|."""
    energy: Doubles
    """Σ |G(z_i+1) − G(z_i)|²."""
    straightness: Doubles
    """|G(end) − G(start)| over the length; 1 is straight."""
    evenness: Doubles
    """The longest step over the mean one; 1 is a constant speed."""
    off_norm: Doubles
    """Largest distance of |z| from the prior's, in its deviations."""


@dataclass(frozen=True)
class Measured:
    """Figures of one path, as in `Measures`."""

    length: float
    energy: float
    straightness: float
    evenness: float
    off_norm: float


@dataclass(frozen=True, kw_only=True)
class Geodesic:
    """A path of least energy between two codes."""

    codes: Doubles
    """(steps, d)."""
    start: Measured
    """The path that the search began with."""
    found: Measured
    """The path that was found."""
    rounds: int
    """Rounds of the search."""
    converged: bool
    """The last round gained less than the tolerance, and its slope promised little; see `shorten`."""


@dataclass(frozen=True)
class Shortened:
    """Paths of least energy, as far as the search went."""

    codes: Doubles
    """(p, steps, d)."""
    images: Singles
    """(p, steps, q) decoded."""
    rounds: Ints
    """(p,)."""
    converged: Bools
    """(p,) as in `Geodesic`."""


def shell_of(prior: str, codes: Floats) -> tuple[Shell, str]:
    """Where codes (n, d) should lie under a normal or uniform prior, else where they do lie; and the words for it."""
    d = codes.shape[1]
    if prior in VARIANCES:
        variance, of_norm = VARIANCES[prior]
        return Shell(math.sqrt(d * variance - of_norm), math.sqrt(of_norm)), f"a {prior} prior's"
    lengths = np.linalg.norm(codes.astype(np.float64), axis=1)
    return Shell(float(lengths.mean()), float(lengths.std()) or 1.0), "the codes' own"


def measure(decode: Callable[[Singles], Singles], codes: Floats) -> Measured:
    """Measure a path of (steps, d) codes; the prior is N(0, I)."""
    shell, _ = shell_of("normal", codes)
    return _single(measure_paths(codes[None], _decoded(decode, codes[None]), shell))


def measure_paths(codes: Floats, images: Floats, shell: Shell) -> Measures:
    """Measure paths of codes (p, steps, d) and what they decode to, (p, steps, q)."""
    if codes.shape[1] < 2:
        raise AnalysisError(f"a path needs at least 2 codes, not {codes.shape[1]}")
    steps = np.linalg.norm(np.diff(images, axis=1).astype(np.float64), axis=2)
    length, chord = steps.sum(1), np.linalg.norm(images[:, -1].astype(np.float64) - images[:, 0], axis=1)
    moves = np.where(length > 0, length, 1)
    straight, even = np.where(length > 0, chord / moves, 1), np.where(length > 0, steps.max(1) * steps.shape[1], moves)
    return Measures(
        length=length,
        energy=np.square(steps).sum(1),
        straightness=straight,
        evenness=even / moves,
        off_norm=shell.off(codes).max(1),
    )


def _single(measures: Measures) -> Measured:
    return Measured(*(float(getattr(measures, field.name)[0]) for field in fields(measures)))


def _decoded(decode: Callable[[Singles], Singles], codes: Floats) -> Singles:
    """Decode paths (p, steps, d) in one call: (p, steps, q)."""
    images = np.asarray(decode(codes.reshape(-1, codes.shape[-1]).astype(np.float32)), np.float32)
    return images.reshape(*codes.shape[:2], -1)


def geodesic_path(
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
    """Find a path of least energy between two codes, which stay; see `shorten`.

    Args:
        decode: codes (n, d) to images (n, h, w, c) in [0, 1].
        start: (d,) code.
        end: (d,) code.
        steps: codes on the path, both ends included; at least 3.
        along: the path to start from, one of WALKS.
        rounds: iterations at most.
        tolerance: share of the energy that a round must gain for another.
        step: of the differences, as a share of the path's extent.

    Returns:
        The codes (steps, d), with the length of the path before and after.

    Raises:
        AnalysisError: fewer than 3 steps.
    """
    if steps < 3:
        raise AnalysisError(f"a geodesic needs at least 3 steps, not {steps}")
    codes = WALKS[along](start, end, np.linspace(0, 1, steps))
    result = shorten(decode, codes[None], rounds=rounds, tolerance=tolerance, step=step)
    shell, _ = shell_of("normal", codes)
    before, after = measure(decode, codes), _single(measure_paths(result.codes, result.images, shell))
    return Geodesic(
        codes=result.codes[0],
        start=before,
        found=after,
        rounds=int(result.rounds[0]),
        converged=bool(result.converged[0]),
    )


def shorten(
    decode: Callable[[Singles], Singles],
    codes: Floats,
    *,
    free: Bools | None = None,
    rounds: int = 30,
    tolerance: float = 1e-4,
    step: float = STEP,
) -> Shortened:
    """Move the inner codes of paths (p, steps, d) to where each path has the least energy.

    Gauss–Newton on the differences of neighbouring images, damped as by Levenberg and Marquardt, all paths of a batch
    at once. A round decodes d codes for each inner code of a path, takes a few steps, from which the Jacobians learn
    (Broyden 1965), and ends the search of a path whose energy fell by less than `tolerance` of itself. Such a path has
    converged if its slope promises no more than that, too; after a search that came nearer, at corners of the decoder,
    where a slope does not vanish, than the root of `tolerance`. Else the search is stuck.

    Codes are counted in each path's extent, so that their unit changes nothing.

    Args:
        decode: maps codes (n, d) to images.
        codes: (p, steps, d) the paths that the search begins with; their ends stay.
        free: (d,) columns that may move, by default all.
        rounds: the most rounds of the search.
        tolerance: share of the energy that a round must gain for another.
        step: of the differences, as a share of the extent.
    """
    moved: Doubles = np.array(codes, np.float64)
    columns = np.arange(moved.shape[2]) if free is None else np.flatnonzero(free)
    images = _decoded(decode, moved)
    used, rests, extent = np.zeros(len(moved), np.int64), np.zeros(len(moved), np.bool_), _extent(moved[..., columns])
    inner, pixels = max(1, moved.shape[1] - 2), images.shape[2]
    batch = max(1, CELLS // (inner * len(columns) * (2 * pixels + 8 * len(columns))))
    for first in range(0, len(moved), batch):
        part = slice(first, first + batch)
        paths_batch = _Batch(
            decode=decode, codes=moved[part], images=images[part], columns=columns, extent=extent[part], step=step
        )
        _descend(paths_batch, used[part], rests[part], rounds, tolerance)
    return Shortened(moved, images, used, rests)


def _extent(codes: Doubles) -> Doubles:
    """How far each path (p, steps, d) goes in a column, about 1 between draws from N(0, I): (p,), more than 0."""
    wide = np.sqrt(np.square(np.ptp(codes, axis=1)).mean(1) / 2)
    extent: Doubles = np.maximum(wide, NEAR * np.abs(codes).max((1, 2)))
    return np.where(extent > 0, extent, 1.0)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Paths that are shortened at once, in place."""

    decode: Callable[[Singles], Singles]
    codes: Doubles
    """(p, steps, d)."""
    images: Singles
    """(p, steps, q)."""
    columns: Ints
    """That may move."""
    extent: Doubles
    """(p,)."""
    step: float
    """Of differences, in extents."""

    def free(self, at: Ints) -> Doubles:
        """What may move of the inner codes of paths `at`, in their extents."""
        result: Doubles = self.codes[at, 1:-1][..., self.columns] / self.extent[at, None, None]
        return result


def _descend(batch: _Batch, used: Ints, rests: Bools, rounds: int, tolerance: float) -> None:
    """Shorten a batch of paths; count each one's rounds, and mark those that came to rest, in place."""
    images, ended = batch.images, np.zeros(len(batch.codes), np.bool_)
    energy, damping = _energy(images), np.full(len(images), DAMPING)
    first = energy.copy()
    for _ in range(rounds):
        left = np.flatnonzero(~ended)
        if not len(left):
            return
        used[left] += 1
        before = energy[left]
        jacobians = _jacobians(batch, left)
        moving = np.arange(len(left))
        for _ in range(SECANTS):
            at = left[moving]
            was, from_, shown = energy[at], batch.free(at), images[at, 1:-1]
            _move(batch, energy, damping, at, jacobians[moving])
            gained = was - energy[at] > WEAK * was
            if not gained.any():
                break
            at, moving = at[gained], moving[gained]
            _learn(jacobians, moving, batch.free(at) - from_[gained], images[at, 1:-1] - shown[gained])
        still = before - energy[left] <= tolerance * before
        ended[left] = still
        at = left[still]
        if len(at):
            share = np.where(energy[at] < first[at], math.sqrt(tolerance), tolerance)
            rests[at] = (energy[at] == 0) | (_promised(images[at], jacobians[still]) <= share * energy[at])


def _damped(middle: Doubles, damping: Doubles) -> Doubles:
    """Blocks (p, m, d, d) with a share (p,) of their path's mean diagonal added to it."""
    size = np.trace(middle, axis1=2, axis2=3).mean(1) / middle.shape[-1]
    result: Doubles = middle + (damping * np.where(size > 0, size, 1))[:, None, None, None] * np.eye(middle.shape[-1])
    return result


def _promised(images: Singles, jacobians: Singles) -> Doubles:
    """How much energy one step would save if images were linear in codes, gᵀ H⁻¹ g / 2: (p,).

    It is not known, infinite, where no difference shows in any image, as where a decoder rounds.
    """
    middle, off_diagonal, slope = _normal_equations(images, jacobians)
    result: Doubles = (slope * _solve(_damped(middle, np.full(len(middle), DAMPING)), off_diagonal, slope)).sum((1, 2))
    return np.where(jacobians.any((1, 2, 3)), result, np.inf)


def _move(batch: _Batch, energy: Doubles, damping: Doubles, at: Ints, jacobians: Singles) -> None:
    """Take one step with paths `at`, in place; each is damped until its energy falls, or stays where it is."""
    middle, off_diagonal, slope = _normal_equations(batch.images[at], jacobians)
    waiting = np.arange(len(at))
    for _ in range(8):
        active = at[waiting]
        tried = batch.codes[active]
        move = _solve(_damped(middle[waiting], damping[active]), off_diagonal[waiting], slope[waiting])
        tried[:, 1:-1, batch.columns] -= batch.extent[active, None, None] * move
        decoded = _decoded(batch.decode, tried)
        result = _energy(decoded)
        better = result < energy[active]
        improved = active[better]
        batch.codes[improved], batch.images[improved], energy[improved] = tried[better], decoded[better], result[better]
        damping[improved] /= 10
        damping[active[~better]] *= 10
        waiting = waiting[~better]
        if not len(waiting):
            return


def _learn(jacobians: Singles, paths: Ints, moves: Doubles, changes: Singles) -> None:
    """Broyden's update, in place: the least change of J with which it explains a move (p, m, d), J Δz = ΔG."""
    step = moves.astype(np.float32)
    missed = changes - (jacobians[paths] @ step[..., None])[..., 0]
    missed /= np.maximum(np.square(step).sum(-1, keepdims=True), np.float32(1e-30))
    jacobians[paths] += missed[..., None] * step[..., None, :]


def _energy(images: Singles) -> Doubles:
    result: Doubles = np.square(np.diff(images, axis=1).astype(np.float64)).sum((1, 2))
    return result


def _jacobians(batch: _Batch, at: Ints) -> Singles:
    """Forward differences of the decoder at the inner codes of paths `at`, by codes in extents: (p, m, q, columns)."""
    codes, columns = batch.codes[at, 1:-1], batch.columns
    p, m, d = codes.shape
    shift = np.zeros((len(columns), d))
    shift[np.arange(len(columns)), columns] = batch.step
    moved = codes[:, :, None] + batch.extent[at, None, None, None] * shift
    decoded = _decoded(batch.decode, moved.reshape(p * m, len(columns), d)).reshape(p, m, len(columns), -1)
    decoded -= batch.images[at, 1:-1][:, :, None]
    decoded /= np.float32(batch.step)
    return decoded.transpose(0, 1, 3, 2)


def _normal_equations(images: Singles, jacobians: Singles) -> tuple[Doubles, Doubles, Doubles]:
    """Half the Gauss–Newton matrix, block-tridiagonal: (p, m, d, d) and above it (p, m − 1, d, d); half the gradient.

    The gradient is (p, m, d).
    """
    turned = jacobians.transpose(0, 1, 3, 2)
    bend = 2 * images[:, 1:-1] - images[:, :-2] - images[:, 2:]
    slope = (turned @ bend[..., None])[..., 0]
    middle, off_diagonal = 2 * (turned @ jacobians), -(turned[:, :-1] @ jacobians[:, 1:])
    return middle.astype(np.float64), off_diagonal.astype(np.float64), slope.astype(np.float64)


def _solve(middle: Doubles, off_diagonal: Doubles, right: Doubles) -> Doubles:
    """Solve symmetric block-tridiagonal systems (p, m, d, d) for right sides (p, m, d), by block elimination."""
    m = middle.shape[1]
    pivots, sides = middle.copy(), right.copy()
    for i in range(1, m):
        factor = np.linalg.solve(pivots[:, i - 1], off_diagonal[:, i - 1]).transpose(0, 2, 1)  # pivots are symmetric
        pivots[:, i] -= factor @ off_diagonal[:, i - 1]
        sides[:, i] -= (factor @ sides[:, i - 1][..., None])[..., 0]
    out = np.empty_like(right)
    for i in range(m - 1, -1, -1):
        rest = sides[:, i] if i == m - 1 else sides[:, i] - (off_diagonal[:, i] @ out[:, i + 1][..., None])[..., 0]
        out[:, i] = np.linalg.solve(pivots[:, i], rest[..., None])[..., 0]
    return out
