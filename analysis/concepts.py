"""Concept vectors: directions in the code along which a label or attribute changes, with the evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import (
    AnalysisError,
    Bools,
    Doubles,
    Floats,
    Ints,
    Pixels,
    Singles,
    as_codes,
    same_length,
    to_pixels,
)
from .linear import fit_linear, fit_scaler, logistic_loss
from .questions import Question, answerable, sides
from .statistics import Baseline, Interval, auc, auc_interval, mean_interval, permutation_p, permuted_auc

METHODS = ("mean difference", "logistic")
PENALTY = 0.01  # of the logistic normal, a row, on standardised columns: C = 1 / (PENALTY · rows)


@dataclass(frozen=True)
class Concept:
    """One direction, found on train rows and judged on test rows."""

    name: str  # "label: 3", "bold", "thickness", "font: Serif"
    column: str  # "label" or the attribute
    kind: str  # "class", "boolean", "numeric" or "text"
    method: str  # "mean difference" or "logistic"
    auc: Interval  # held-out (test) AUC of the projection
    p_value: float  # permutation of the test labels: (1 + #{AUC_perm >= AUC}) / (1 + permutations)
    permutations: int
    baselines: tuple[
        Baseline, ...
    ]  # pixels, untrained, shuffled (direction fitted to shuffled labels), random direction
    scale: float  # standard deviation of the train rows' projections: an edit of strength 1
    positive: int  # train rows on either side
    negative: int
    agreement: float  # cosine with the other method's direction of the same concept, NaN where there is none
    note: str  # numeric: "above the train median, 3.2"


@dataclass(frozen=True)
class Edits:
    """Codes moved along directions and decoded beforehand, for sliders."""

    concepts: tuple[int, ...]  # (m,) indices into ConceptTable.concepts
    strengths: Doubles  # (s,) in standard deviations of the projection; 0 is the reconstruction
    rows: Ints  # (r,) positions in the table of the images that are edited
    frames: Pixels  # (m, r, s, h, w, c)


@dataclass(frozen=True)
class ConceptTable:
    """All concepts of one table."""

    concepts: tuple[Concept, ...]
    directions: Doubles  # (m, d) unit vectors in the code; zero in parts that are masked
    cosines: Doubles  # (m, m) between directions
    edits: Edits | None  # None without a model that decodes
    notes: tuple[str, ...]


def find_directions(codes: Floats, signs: Ints, *, method: str) -> Doubles:
    """Find one direction a column of `signs`, pointing to where the concept is.

    "mean difference": μ₊ − μ₋. "logistic": the normal of a penalised logistic regression on standardised
    columns, taken back to the code's own units.

    Args: codes: (n, d). signs: (n, m) of 1, -1, 0 = unknown. Returns: (m, d) unit vectors.
    """
    if method == "mean difference":
        sides = [(signs > 0).astype(np.float32), (signs < 0).astype(np.float32)]
        means = [(side.T @ codes) / np.maximum(side.sum(0, dtype=np.float64), 1)[:, None] for side in sides]
        return unit(np.asarray(means[0] - means[1], np.float64))
    if method != "logistic":
        raise AnalysisError(f"unknown method {method!r}: known are {', '.join(METHODS)}")
    scaler = fit_scaler(codes)
    reader = fit_linear(
        scaler(codes), signs, signs.shape[1], loss=logistic_loss, c=1 / (PENALTY * len(codes)), iterations=100
    )
    return unit(reader.weights.T.astype(np.float64) / scaler.scale)


def unit(directions: Doubles) -> Doubles:
    """Scale (m, d) rows to length 1; a row of zeros stays."""
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    scaled: Doubles = directions / np.where(length > 0, length, 1)
    return scaled


def held_out_auc(codes: Floats, direction: Doubles, signs: Ints) -> Interval:
    """AUC of the projection of test codes (n, d) for the rows whose sign is known."""
    known = signs != 0
    return auc_interval(codes[known] @ direction, signs[known] > 0)


def concept_table(
    train: Floats,
    test: Floats,
    asked: Sequence[Question],
    train_rows: Ints,
    test_rows: Ints,
    *,
    rng: np.random.Generator,
    yardsticks: Mapping[str, tuple[Floats, Floats]] | None = None,
    mask: Bools | None = None,
    methods: Sequence[str] = METHODS,
    permutations: int = 999,
    draws: int = 20,
    notes: Sequence[str] = (),
) -> ConceptTable:
    """Find and judge every question's direction by every method.

    Args: train, test: (n, d) codes of train_rows and test_rows, of which only the columns in `mask` are used.
        yardsticks: name -> (train, test) representations in which the same is tried.
    """
    mask = np.ones(train.shape[1], np.bool_) if mask is None else mask
    train, test = as_codes(train[:, mask], "train codes"), as_codes(test[:, mask], "test codes")
    fitted = np.stack([question.signs[train_rows] for question in asked], axis=1)
    judged = np.stack([question.signs[test_rows] for question in asked], axis=1)
    same_length(codes=train, rows=fitted)
    found = {method: find_directions(train, fitted, method=method) for method in methods}
    chance = _shuffled(train, test, fitted, judged, draws, rng), _random(test, judged, draws, rng)
    concepts = []
    for method, axes in found.items():
        beside = _beside(yardsticks or {}, fitted, judged, method)
        other = next((found[name] for name in methods if name != method), None)
        for i, question in enumerate(asked):
            baselines = _baselines({name: figures[i] for name, figures in beside.items()}, chance[0][i], chance[1][i])
            agreement = math.nan if other is None else float(axes[i] @ other[i])
            concepts.append(
                _judge(question, method, train, test, axes[i], fitted[:, i], judged[:, i], baselines, agreement,
                       permutations, rng)
            )  # fmt: skip
    directions = np.concatenate(list(found.values()))
    wide = np.zeros((len(directions), len(mask)))
    wide[:, mask] = directions
    return ConceptTable(tuple(concepts), wide, wide @ wide.T, None, tuple(notes))


def _baselines(beside: Mapping[str, Interval], shuffled: Interval, aimless: Interval) -> tuple[Baseline, ...]:
    return (
        *(Baseline(name, figure) for name, figure in beside.items()),
        Baseline("shuffled", shuffled),
        Baseline("random direction", aimless, "either sign"),
    )


def _beside(
    yardsticks: Mapping[str, tuple[Floats, Floats]], fitted: Ints, judged: Ints, method: str
) -> dict[str, list[Interval]]:
    """Held-out AUC of every question in each yardstick's own direction."""
    found = {}
    for name, (train, test) in yardsticks.items():
        axes = find_directions(train, fitted, method=method)
        found[name] = [held_out_auc(test, axis, signs) for axis, signs in zip(axes, judged.T, strict=True)]
    return found


def _judge(
    question: Question,
    method: str,
    train: Floats,
    test: Floats,
    direction: Doubles,
    fitted: Ints,
    judged: Ints,
    baselines: tuple[Baseline, ...],
    agreement: float,
    permutations: int,
    rng: np.random.Generator,
) -> Concept:
    """Score one direction on test rows, with its p-value and scale."""
    known = judged != 0
    scores, positive = test[known] @ direction, judged[known] > 0
    held_out = auc_interval(scores, positive)
    null = permuted_auc(scores, positive, repeats=permutations, rng=rng)
    more, fewer = sides(fitted)
    scale = float(np.std(train @ direction, dtype=np.float64))
    return Concept(
        question.name, question.column, question.kind, method, held_out, permutation_p(held_out.value, null),
        permutations, baselines, scale, more, fewer, agreement, question.note,
    )  # fmt: skip


def _shuffled(
    train: Floats, test: Floats, fitted: Ints, judged: Ints, draws: int, rng: np.random.Generator
) -> list[Interval]:
    """Mean AUC of mean-difference directions of shuffled train labels: what fitting alone yields."""
    values = np.empty((draws, fitted.shape[1]))
    for draw in range(draws):
        axes = find_directions(train, rng.permutation(fitted), method="mean difference")
        values[draw] = _aucs(test, axes, judged)
    return [mean_interval(column) for column in values.T]


def _random(test: Floats, judged: Ints, draws: int, rng: np.random.Generator) -> list[Interval]:
    """Mean AUC of random directions, each taken with its better sign."""
    axes = unit(rng.normal(size=(draws, test.shape[1])))
    values = np.stack([_aucs(test, np.tile(axis, (judged.shape[1], 1)), judged) for axis in axes])
    return [mean_interval(np.maximum(column, 1 - column)) for column in values.T]


def _aucs(test: Floats, axes: Doubles, judged: Ints) -> Doubles:
    known = [column != 0 for column in judged.T]
    return np.array([auc(test[k] @ axis, column[k] > 0) for k, axis, column in zip(known, axes, judged.T, strict=True)])


def concept_vector(
    codes: Floats,
    positive: Bools,
    *,
    rng: np.random.Generator,
    name: str = "concept",
    method: str = "mean difference",
    permutations: int = 999,
) -> tuple[Concept, Doubles]:
    """Find one direction on a random 70 % of the rows and judge it on the rest.

    Args: codes: (n, d). positive: (n,) which rows have the concept.
    Returns: the evidence, and the unit vector (d,).
    """
    codes = as_codes(codes)
    n = same_length(codes=codes, positive=positive)
    order = rng.permutation(n)
    train, test = np.sort(order[: n * 7 // 10]), np.sort(order[n * 7 // 10 :])
    asked = [Question(name, name, "boolean", np.where(positive, 1, -1).astype(np.int64))]
    kept, left = answerable(asked, train, test)
    if not kept:
        raise AnalysisError(left[0])
    table = concept_table(
        codes[train], codes[test], kept, train, test, rng=rng, methods=[method], permutations=permutations
    )
    return table.concepts[0], table.directions[0]


def decode_edits(
    decode: Callable[[Singles], Singles],
    table: ConceptTable,
    codes: Floats,
    rows: Ints,
    *,
    strengths: Sequence[float] = (-3, -2, -1, 0, 1, 2, 3),
    method: str = "mean difference",
    most: int = 24,
) -> Edits:
    """Decode code + strength · scale · direction for every concept of `method`: frames for sliders.

    Args: codes: (r, d) of `rows`, the images to edit. most: concepts at most.
    """
    chosen = [i for i, concept in enumerate(table.concepts) if concept.method == method][:most]
    frames = []
    for i in chosen:
        step = table.concepts[i].scale * table.directions[i]
        moved = codes[:, None, :] + np.asarray(strengths, np.float64)[:, None] * step
        images = decode(moved.reshape(-1, codes.shape[1]).astype(np.float32))
        frames.append(to_pixels(images).reshape(len(codes), len(strengths), *images.shape[1:]))
    return Edits(tuple(chosen), np.asarray(strengths, np.float64), np.asarray(rows, np.int64), np.stack(frames))
