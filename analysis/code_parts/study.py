"""The study of a code's parts: its categories, and what each continuous number changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.arrays import Doubles, Ints, Singles, subsample, to_pixels
from ..base.decoding import change, derangement, effect
from ..base.model import Model
from ..base.statistics import Baseline
from ..errors import AnalysisError
from ..table.code_layout import columns, is_continuous
from ..table.embeddings import Embeddings
from ..table.representations import missing_baselines
from ..table.selection import held_out, labels_of, sampling_notes, spread_over_classes
from ..table.study_options import Options, Progress, decoder, needs_model, silent
from .categorical_study import Decode, draw, is_discrete, study_part
from .code_parts import Codes, Sweep, sweep_effect

STEPS = 9  # frames of a traversal


N_TRAVERSALS = 8  # continuous numbers of the largest effects, whose traversals are decoded


N_BASE_CODES = 100  # codes that an effect is averaged over


MAX_NUMBERS = 256  # continuous numbers whose effect is measured


DEVIATIONS = {"normal": 1.0, "uniform": 3**-0.5}  # of the priors N(0, 1) and U(-1, 1)


DIRECTIONS = 10  # random ones, as a baseline of effects


def study(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Codes:
    """Count and match the categorical parts, then move the continuous ones one number at a time."""
    rng, decode = options.rng("codes"), decoder(table, model)
    rows, words, with_training = held_out(table, options.test_rows, options)
    parts = _parts(table)
    categorical = [part for part in parts if is_discrete(part) and part["encoded"]]
    if not categorical and decode is None:
        raise AnalysisError(
            f"the code has no categorical part, and the others are shown by decoding them: {needs_model(table)}"
        )
    labels = labels_of(table)
    result = []
    for part in categorical:
        progress(f"categories of {part['name']}")
        result.append(study_part(table, part, parts, rows, labels, decode, options, rng))
    notes = [f"usage and labels on {words}"] if words != "test rows" else []
    if notes and any(part_result.n_labels_used for part_result in result) and np.isin(table.rows("train"), rows).any():
        notes = [f"usage on {words}; labels on the others alone, as the network was trained on those of training rows"]
    training_rows_note = notes[0] if with_training else ""
    if any(part_result.matching is None and part_result.table.size for part_result in result):
        notes.append("categories are not matched to labels: there are no other labelled rows to choose names on")
    notes += missing_baselines(table) if result else []
    moved = _sweeps(table, parts, rows, labels, decode, options, rng, progress)
    notes += [*moved.notes, *_sampled(options, table, rows, words)]
    classes = labels[1] if labels else ()
    return Codes(
        categories=tuple(result),
        sweeps=moved.sweeps,
        bases=moved.bases,
        classes=classes,
        rows=len(rows),
        baselines=moved.baselines,
        notes=tuple(notes),
        training_rows_note=training_rows_note,
    )


def _sampled(options: Options, table: Embeddings, rows: Ints, words: str) -> list[str]:
    split = {"test": len(rows)} if words == "test rows" else {"all": len(rows)} if "test and" not in words else {}
    return sampling_notes(options, table, **split)


def _parts(table: Embeddings) -> list[dict[str, Any]]:
    """The code's parts as the table says, or one part of an unknown prior."""
    usual = {"name": "code", "kind": "unknown", "width": table.width(table.code), "encoded": True, "start": 0}
    return [usual | part for part in table.parts] or [usual]


@dataclass(frozen=True)
class _Moved:
    """Continuous numbers moved one by one, and what that did to the images."""

    sweeps: tuple[Sweep, ...] = ()
    bases: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    baselines: tuple[Baseline, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what limits the figures, or was left out."""


def _sweeps(
    table: Embeddings,
    parts: list[dict[str, Any]],
    rows: Ints,
    labels: Any,
    decode: Decode | None,
    options: Options,
    rng: np.random.Generator,
    progress: Progress,
) -> _Moved:
    """Move each continuous number from end to end on many codes; decode the largest effects on a few."""
    if decode is None:
        return _Moved(notes=(f"no traversals: {needs_model(table)}",))
    moving = [part for part in parts if part["encoded"] and is_continuous(part)]
    numbers = [(part, i) for part in moving for i in range(int(part["width"]))]
    if not numbers or len(rows) < 2:
        return _Moved()
    # Drawn, not the first ones: tables that are sorted by class would compare images of a single class.
    codes, filled = _bases(table, parts, subsample(rows, N_BASE_CODES, rng=rng), rng)
    plain, values = decode(codes), table.vectors(table.code, rows)
    unrelated = change(plain, plain[derangement(len(codes), rng=rng)])
    result = []
    for part, i in numbers[:MAX_NUMBERS]:
        progress(f"moving {part['name']} {i + 1}")
        column = int(part["start"]) + i
        ends = _ends(str(part["kind"]), values[:, column])
        low, high = (decode(_set(codes, column, end)) for end in ends)
        result.append(
            (
                Sweep(
                    part=str(part["name"]),
                    dimension=i,
                    effect=sweep_effect(low, high, unrelated, rng=rng),
                    ends=ends,
                    frames=None,
                ),
                column,
            )
        )
    result.sort(key=lambda pair: -np.nan_to_num(pair[0].effect.value))
    progress("random directions")
    baselines = _random_directions(parts, values, codes, unrelated, decode, rng)
    chosen = spread_over_classes(rows, labels, options.shown, rng)
    bases = _bases(table, parts, chosen, rng)[0]
    shown = [_with_frames(sweep, column, bases, decode) for sweep, column in result[:N_TRAVERSALS]]
    notes = []
    if len(numbers) > MAX_NUMBERS:
        notes.append(f"only the first {MAX_NUMBERS} of {len(numbers)} continuous numbers were moved")
    sweeps = (*shown, *(sweep for sweep, _ in result[N_TRAVERSALS:]))
    return _Moved(sweeps, chosen, baselines, (*notes, *_narrow(parts, values), *filled))


def _narrow(parts: list[dict[str, Any]], values: Singles) -> list[str]:
    """Say where codes (n, d) lie in a small part of the prior, whose whole range numbers are moved over."""
    narrow_parts = [part for part in parts if part["encoded"] and part["kind"] in DEVIATIONS]
    ratios = [values[:, columns(part)].std(0) / DEVIATIONS[str(part["kind"])] for part in narrow_parts]
    if not ratios or (share := float(np.median(np.concatenate(ratios)))) >= 0.5:
        return []
    return [f"codes spread {share:.2f} times as wide as the prior, over whose range numbers move: effects are large"]


def _random_directions(
    parts: list[dict[str, Any]],
    values: Singles,
    codes: Singles,
    unrelated: Doubles,
    decode: Decode,
    rng: np.random.Generator,
) -> tuple[Baseline, ...]:
    """Move codes (m, d) as far as a number goes, along random directions through all continuous numbers."""
    moving = [part for part in parts if is_continuous(part)]
    places = np.array([int(p["start"]) + i for p in moving for i in range(int(p["width"]))])
    if len(places) < 2:
        return ()
    kinds = [str(p["kind"]) for p in moving for _ in range(int(p["width"]))]
    ends = np.array([_ends(kind, values[:, c]) for kind, c in zip(kinds, places, strict=True)])
    middle, half = ends.mean(1), np.maximum(np.diff(ends, axis=1)[:, 0] / 2, 1e-12)
    inner = (codes[:, places] - middle) / half
    moved = np.zeros(len(codes))
    for _ in range(DIRECTIONS):
        u = rng.standard_normal(len(places))
        u /= np.linalg.norm(u)
        rest = inner - (inner @ u)[:, None] * u
        images = [decode(_set(codes, places, middle + half * (rest + sign * u))) for sign in (-1, 1)]
        moved += change(*images) / DIRECTIONS
    note = f"{DIRECTIONS} directions through all {len(places)} continuous numbers, as far as one number goes"
    return (Baseline(name="random direction", figure=effect(moved, unrelated, rng=rng), note=note),)


def _bases(
    table: Embeddings, parts: list[dict[str, Any]], rows: Ints, rng: np.random.Generator
) -> tuple[Singles, tuple[str, ...]]:
    """Codes of `rows` that a decoder takes, and what was filled in.

    Categories are one-hot, parts that are not encoded are drawn from the prior.
    """
    codes = table.vectors(table.code, rows)
    drawn = []
    for part in parts:
        if not part["encoded"]:
            codes[:, columns(part)] = draw(part, len(rows), rng)
            drawn.append(str(part["name"]))
        elif part["kind"] == "categorical":
            choice = codes[:, columns(part)].argmax(1)
            codes[:, columns(part)] = np.eye(int(part["width"]), dtype=np.float32)[choice]
    return codes, (f"{', '.join(drawn)}: not given by the encoder, so drawn from the prior",) if drawn else ()


def _ends(kind: str, values: Singles) -> tuple[float, float]:
    """The range of a number: that of a uniform prior, two deviations of a normal one, else what 98 % of rows have."""
    if kind in ("uniform", "normal"):
        return (-1.0, 1.0) if kind == "uniform" else (-2.0, 2.0)
    low, high = np.quantile(values, [0.01, 0.99])
    return float(low), float(high)


def _set(codes: Singles, columns: Any, values: Any) -> Singles:
    moved = codes.copy()
    moved[:, columns] = values
    return moved


def _with_frames(sweep: Sweep, column: int, codes: Singles, decode: Decode) -> Sweep:
    at = np.linspace(*sweep.ends, STEPS)
    images = decode(np.concatenate([_set(codes, column, float(value)) for value in at]))
    frames = to_pixels(images).reshape(STEPS, len(codes), *images.shape[1:]).swapaxes(0, 1)
    return Sweep(
        part=sweep.part,
        dimension=sweep.dimension,
        effect=sweep.effect,
        ends=sweep.ends,
        frames=np.ascontiguousarray(frames),
    )
