"""The study of paths between images: which pairs, which kinds of path, and what each kind is like on the same pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Bools, Doubles, Ints, Singles, to_pixels
from ..base.decoding import shrink
from ..base.model import Model, Score, score_of
from ..base.nearest import nearest
from ..base.statistics import Baseline, Interval, mean_interval
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.selection import held_out, labels_of, sample_rows, subsample_rows
from ..table.study_options import Options, Progress, decoder, needs_model, silent
from .geodesics import Measures, Shell, measure_paths, shell_of, shorten
from .interpolate import Interpolations, PathKind, choose_along
from .pairs import drawn_pairs
from .paths import WALKS, lerp

N_MIDPOINT_PAIRS = 200  # pairs whose midpoints are compared with real images, where no geodesic must be found


MAX_COMPARED_PAIRS = 24  # pairs on which every kind is measured, at most


DECODED = 12_000  # codes that a round of the search for geodesics decodes, nearly


MIN_COMPARED_PAIRS = 4  # pairs on which every kind is measured, at least


ROUNDS, GAIN = 8, 0.01  # of the search, and the share of the energy that a round must gain for another


@dataclass(frozen=True, kw_only=True)
class _World:
    """What all kinds of path share."""

    table: Embeddings
    decode: Callable[[Singles], Singles]
    score: Score | None
    free: Bools
    """(d,) columns that a path bends; the others go straight."""
    at: Doubles
    """(steps,)."""
    shell: Shell
    others: Singles | None
    """(m, q) real images as pixels."""
    shown: int

    def ends(self, pairs: Ints) -> tuple[Singles, Singles]:
        """Codes of both images of each pair, (p, d) each."""
        return self.table.vectors(self.table.code, pairs[:, 0]), self.table.vectors(self.table.code, pairs[:, 1])

    def walk(self, along: str, pairs: Ints, at: Doubles) -> Singles:
        """Codes on the way, (p, steps, d): the free columns along a walk, the others straight."""
        start, end = self.ends(pairs)
        codes = lerp(start, end, at)
        codes[..., self.free] = WALKS[along](start[:, self.free], end[:, self.free], at)
        return codes.astype(np.float32)

    def images(self, codes: Singles) -> Singles:
        """Decode (p, steps, d) codes: (p, steps, h, w, c)."""
        images = self.decode(codes.reshape(-1, codes.shape[-1]))
        return images.reshape(*codes.shape[:2], *images.shape[1:])

    def from_real(self, images: Singles) -> Interval | None:
        """Distance of images (p, h, w, c) to the nearest real one."""
        small = self.table.pixels_shape
        if self.others is None or small is None:
            return None
        return mean_interval(nearest(shrink(images, small).reshape(len(images), -1), self.others)[1][:, 0])


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    along: str = "auto",
    between: tuple[str, ...] = (),
    steps: int = 11,
) -> Interpolations:
    """Walk between images, measure whether the middle looks like an image, and compare kinds of path.

    Args:
        table: of codes.
        model: decodes.
        options: how many rows, and how many paths are shown.
        progress: is called with what is at work.
        along: "lerp", "slerp", "norm", "geodesic", or "auto", which the prior decides.
        between: "classes", "images" or "A:B", see `pairs`; none means different classes.
        steps: images on a path, both ends included.
    """
    rng = options.rng("interpolation")
    decode = decoder(table, model)
    if decode is None:
        raise AnalysisError(f"interpolation decodes codes: {needs_model(table)}")
    if steps < 3:
        raise AnalysisError(f"what lies between two images needs a path of at least 3 steps, not {steps}")
    rows, words, with_training = held_out(table, options.test_rows, options)
    along, reason = choose_along(table.prior) if along == "auto" else (along, "asked for")
    chosen = drawn_pairs(table, between, rows, count=max(N_MIDPOINT_PAIRS, options.shown), rng=rng)
    pairs, notes = chosen.pairs, [f"pairs of {words}", *chosen.notes]
    codes = table.vectors(table.code, subsample_rows(rows, 2000, options))[:, table.continuous]
    shell, whose = shell_of(table.prior, codes)
    small, rest = table.pixels_shape, np.setdiff1d(sample_rows(table, None, 10_000, options), pairs)
    other_images = table.vectors("pixels", rest) if small is not None and len(rest) > 1 else None
    at = np.linspace(0, 1, steps)
    world = _World(
        table=table,
        decode=decode,
        score=score_of(model),
        free=table.continuous,
        at=at,
        shell=shell,
        others=other_images,
        shown=options.shown,
    )
    progress("decoding paths")
    compared = pairs[: _as_many_as(int(table.continuous.sum()), steps, at_least=options.shown)]
    kinds, more = compare_kinds(world, compared, along, rng, progress)
    start = mean_interval(shell.off(np.stack(world.ends(compared))[..., table.continuous]).max(0))
    notes += [
        *more,
        f"off the norm: the largest | |z| − r | on a path, in deviations of {whose} |z|; of a path's ends the farther "
        f"one lies {start.plain(2)} off",
    ]
    chosen_kind = next((kind for kind in kinds if kind.name == along), None)
    if chosen_kind is None or chosen_kind.frames is None:
        raise AnalysisError(f"no paths along {along}: {more[0]}")
    midpoint, baselines, notes_on_realism = _realism(world, along, pairs, chosen_kind)
    return Interpolations(
        along=along,
        reason=reason,
        at=at,
        pairs=pairs[: options.shown],
        labels=_names(table, pairs[: options.shown]),
        frames=chosen_kind.frames,
        midpoint=midpoint,
        baselines=baselines,
        notes=(*notes, *notes_on_realism),
        training_rows_note=notes[0] if with_training else "",
        between=chosen.words,
        kinds=kinds,
    )


def _as_many_as(width: int, steps: int, *, at_least: int) -> int:
    """Pairs whose geodesics are found in seconds."""
    return max(MIN_COMPARED_PAIRS, min(MAX_COMPARED_PAIRS, DECODED // (width * (steps - 2))), at_least)


def _names(table: Embeddings, pairs: Ints) -> Any:
    labels = labels_of(table)
    names = [["" if not labels or labels[0][row] < 0 else labels[1][labels[0][row]] for row in pair] for pair in pairs]
    return np.array(names, dtype=np.str_)


def compare_kinds(
    world: _World, pairs: Ints, along: str, rng: np.random.Generator, progress: Progress = silent
) -> tuple[tuple[PathKind, ...], list[str]]:
    """Measure each kind on the same pairs (p, 2), then a blend of the decoded ends, and random pairs along `along`."""
    codes, notes = {}, []
    for kind in WALKS:
        try:
            codes[kind] = world.walk(kind, pairs, world.at)
        except AnalysisError as error:
            notes.append(f"no paths along {kind}: {error}")
    progress(f"{len(pairs)} geodesics")
    result = shorten(world.decode, codes.get(along, codes["lerp"]), free=world.free, rounds=ROUNDS, tolerance=GAIN)
    codes["geodesic"] = result.codes.astype(np.float32)
    if left := int((~result.converged).sum()):
        notes.append(f"{left} of {len(pairs)} searches for a geodesic did not come to rest in {ROUNDS} rounds")
    line = _seen(world, codes["lerp"])
    kinds = [_measured(world, kind, line if kind == "lerp" else _seen(world, z), line) for kind, z in codes.items()]
    t = world.at[:, None, None, None]
    blend = ((1 - t) * line.images[:, :1] + t * line.images[:, -1:]).astype(np.float32)
    kinds.append(_measured(world, "pixel blend", _seen(world, codes["lerp"], blend), line, baseline=True))
    mixed = np.stack([pairs[:, 0], rng.permutation(pairs[:, 1])], axis=1)
    mixed = mixed[mixed[:, 0] != mixed[:, 1]]
    if len(mixed) > 1:
        walked = _seen(world, world.walk(along if along in WALKS else "lerp", mixed, world.at))
        kinds.append(_measured(world, "random pairs", walked, None, baseline=True))
    return tuple(kinds), notes


@dataclass(frozen=True)
class _Seen:
    """Paths as they are decoded and measured."""

    images: Singles
    """(p, steps, h, w, c)."""
    logits: Doubles | None
    """(p, steps)."""
    figures: Measures


def _seen(world: _World, codes: Singles, images: Singles | None = None) -> _Seen:
    """Decode, or take, the images of codes (p, steps, d), and measure them."""
    images = world.images(codes) if images is None else images
    p, steps = images.shape[:2]
    logits = None
    if world.score is not None:
        flat = world.score(codes.reshape(p * steps, -1), images.reshape(p * steps, *images.shape[2:]))
        logits = np.asarray(flat, np.float64).reshape(p, steps)
    figures = measure_paths(codes[..., world.free], images.reshape(p, steps, -1), world.shell)
    return _Seen(images, logits, figures)


def _measured(world: _World, name: str, seen_paths: _Seen, line: _Seen | None, *, baseline: bool = False) -> PathKind:
    """Put figures of one kind together, beside the straight paths `line` between the same ends."""
    result, ratio, gain, score, scores = seen_paths.figures, None, None, None, np.zeros((0, 3))
    baseline_line = line if line is not seen_paths else None
    if baseline_line is not None and (baseline_line.figures.length > 0).all():
        ratio = mean_interval(result.length / baseline_line.figures.length)
    if seen_paths.logits is not None:
        between = seen_paths.logits[:, 1:-1].mean(1)
        score, by_step = mean_interval(between), [mean_interval(column) for column in seen_paths.logits.T]
        scores = np.array([(interval.value, interval.low, interval.high) for interval in by_step])
        if baseline_line is not None and baseline_line.logits is not None:
            gain = mean_interval(between - baseline_line.logits[:, 1:-1].mean(1))
    return PathKind(
        name=name,
        baseline=baseline,
        length=mean_interval(result.length),
        straightness=mean_interval(result.straightness),
        off_norm=None if name == "pixel blend" else mean_interval(result.off_norm),
        ratio=ratio,
        score=score,
        score_gain=gain,
        scores=scores,
        midpoint=world.from_real(seen_paths.images[:, len(world.at) // 2]),
        frames=None if name == "random pairs" else to_pixels(seen_paths.images[: world.shown]),
    )


def _realism(
    world: _World, along: str, pairs: Ints, kind: PathKind
) -> tuple[Interval | None, tuple[Baseline, ...], list[str]]:
    """Distance to the nearest other image, of decoded midpoints, of blends, and of real images."""
    table = world.table
    if table.pixels_shape is None:
        return None, (), ["midpoints are not measured: the table has no pixels with a shape"]
    if world.others is None:
        return None, (), ["midpoints are not measured: there are no other images to compare them with"]
    made = kind.midpoint
    if along in WALKS:
        made = world.from_real(world.decode(world.walk(along, pairs, np.array([0.5]))[:, 0]))
    ends = [table.vectors("pixels", pairs[:, i]) for i in (0, 1)]
    figures = [mean_interval(nearest(x, world.others)[1][:, 0]) for x in ((ends[0] + ends[1]) / 2, ends[0])]
    note = f"L2 distance to the nearest of {len(world.others):,} real images, pixels in [0, 1]"
    blend = Baseline(name="pixel-wise blend", figure=figures[0], note="the mean of the two images", role="pixels")
    return made, (blend, Baseline(name="real images", figure=figures[1], note="the pairs' own first images")), [note]
