"""Directions without labels: principal components of codes, and what a generator's first layer stretches most.

PCA of codes   the axes of largest variance      Härkönen et al. 2020 (GANSpace, arXiv:2004.02546)
first layer    eigenvectors of AᵀA, A the weights of the linear layers that read the code: unit steps along the
               leading ones move the generator's first activations furthest, √λ     Shen & Zhou 2021 (SeFa,
               arXiv:2007.06600)

A code that has the shape of its prior N(0, I) has no axis of largest variance; the share that equal axes would have
is given with each, and its stability shows whether it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Singles, as_codes, as_numbers
from ..base.decoding import change, effect
from ..base.groups import drawn_whole
from ..base.pca import ROUNDING, SAMPLE, fit_pca
from ..base.statistics import UNKNOWN, Interval, auc, false_discovery
from ..errors import AnalysisError
from .directions import unit
from .scoring import Task
from .stability import cosines_of

PCA_OF_CODES, FIRST_LAYER = "PCA of codes", "first layer (SeFa)"


SHORT_NAMES = {PCA_OF_CODES: "pca", FIRST_LAYER: "sefa"}


N_AXES = 8
"""Directions of each method."""


N_DECODED_AXES = 4
"""Leading axes whose edits are decoded for the sliders."""


N_RESAMPLES = 20
"""Resamples of a PCA."""


N_RANDOM_DIRECTIONS = 16
"""Random directions behind each effect."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction without labels, and its measures on test rows."""

    share: float
    """Share of the codes' variance, or of the sum of the first layer's squared gains."""
    scale: float
    """Standard deviation of the train rows' projections."""
    stability: Interval
    """|cosine| of the axis of a resample with that of the other rows; unknown for a layer."""
    concept: str
    """The concept that it ranks train rows by best, by which its sign is chosen; "" without labels."""
    auc: Interval
    """Of that concept by the axis, on test rows."""
    p_value: float
    """Of the AUC, by shuffled test rows; NaN without a concept."""
    q_value: float
    """Benjamini–Hochberg over all axes of the table."""
    effect: Interval | None
    """Change of the image by a step along it, over that along random directions; None without a model."""


@dataclass(frozen=True, kw_only=True)
class Unsupervised:
    """The leading directions by one method."""

    method: str
    """PCA_OF_CODES or FIRST_LAYER."""
    directions: Doubles
    """(k, d) unit vectors in the code."""
    axes: tuple[Axis, ...]
    """(k,) one a direction, the leading one first."""
    even: float
    """Share of each if all were equal."""
    frames: Pixels | None = None
    """(m, r, s, h, w, c): the first, at rows and strengths of ConceptTable.edits."""

    @property
    def short(self) -> str:
        """What all of them are called: "pca", "sefa"."""
        return SHORT_NAMES.get(self.method, self.method)

    @property
    def names(self) -> tuple[str, ...]:
        """What each is called, the leading one first: "pca1", "pca2"."""
        return tuple(f"{self.short}{i + 1}" for i in range(len(self.axes)))


def first_layer_directions(weights: Floats, *, most: int = N_AXES) -> tuple[Doubles, Doubles]:
    """Find the unit vectors that the weights of a first layer stretch most.

    Args:
        weights: (rows, d).
        most: directions at most.

    Returns:
        Vectors (k, d), and their shares of the sum of squared gains (k,).

    Raises:
        AnalysisError: weights are no finite matrix, or all zero.
    """
    weights = as_numbers(weights, "the first layer's weights")
    if weights.ndim != 2 or not np.isfinite(weights).all() or not weights.any():
        raise AnalysisError(f"the first layer's weights must be a finite matrix that is not zero, not {weights.shape}")
    gains, vectors = np.linalg.eigh(weights.T.astype(np.float64) @ weights.astype(np.float64))
    return vectors.T[::-1][:most], gains[::-1][:most] / gains.sum()


def unsupervised(
    train: Floats,
    test: Floats,
    tasks: Sequence[Task],
    *,
    weights: Floats | None = None,
    mask: Bools | None = None,
    rng: np.random.Generator,
    permutations: int = 999,
    groups: Ints | None = None,
) -> tuple[Unsupervised, ...]:
    """Find the leading directions of codes (n, d) and of the first layer, and what each ranks.

    Args:
        train: (n, d) codes.
        test: (n', d) codes.
        tasks: concepts, by which axes are named and signed.
        weights: (rows, d) of the layers whose input is the code; None without.
        mask: (d,) columns that are used; all unless given.
        rng: of resamples and shuffles.
        permutations: shuffles behind each p-value.
        groups: (n,) codes of train rows that belong together, which resamples draw whole.
    """
    mask = np.ones(train.shape[1], np.bool_) if mask is None else mask
    train, test = as_codes(train[:, mask], "train codes"), as_codes(test[:, mask], "test codes")
    if train.shape[1] < 2 or len(train) < 4:
        return ()
    result = [(PCA_OF_CODES, *_components(train, rng, groups))]
    if weights is not None:
        axes, shares = first_layer_directions(weights[:, mask])
        result.append((FIRST_LAYER, axes, shares, [UNKNOWN] * len(axes)))
    tables = []
    for method, axes, shares, steady in result:
        if not len(axes):
            continue
        scored_axes = [_score_axis(axis, train, test, tasks, permutations, rng) for axis in axes]
        wide = np.zeros((len(axes), len(mask)))
        wide[:, mask] = axes * np.array([sign for sign, _ in scored_axes])[:, None]
        described = zip(scored_axes, shares.tolist(), steady, strict=True)
        described_axes = tuple(replace(axis, share=share, stability=cosine) for (_, axis), share, cosine in described)
        tables.append(Unsupervised(method=method, directions=wide, axes=described_axes, even=1 / train.shape[1]))
    q = false_discovery(np.array([axis.p_value for table in tables for axis in table.axes])).tolist()
    return tuple(replace(table, axes=tuple(replace(axis, q_value=q.pop(0)) for axis in table.axes)) for table in tables)


def _components(x: Floats, rng: np.random.Generator, groups: Ints | None) -> tuple[Doubles, Doubles, list[Interval]]:
    """Principal axes (k, d) of more variance than rounding, their shares of it, and how steady each is."""
    pca = fit_pca(x, N_AXES, rng=rng)
    rows = np.arange(len(x)) if len(x) <= SAMPLE else np.sort(rng.choice(len(x), SAMPLE, replace=False))
    subset, subset_groups = x[rows], None if groups is None else groups[rows]
    pairs = []
    for _ in range(N_RESAMPLES):
        drawn = drawn_whole(len(subset), subset_groups, rng=rng)
        left = np.setdiff1d(np.arange(len(subset)), drawn)
        both = [fit_pca(subset[rows], len(pca.axes), rng=rng).axes for rows in (drawn, left)]
        shared = min(map(len, both))
        pairs.append([axes[:shared] for axes in both])
    shared = min(len(half_axes) for half_axes, _ in pairs)
    varied = min(shared, int(np.count_nonzero(pca.variances > ROUNDING * pca.total)))  # others are no direction at all
    stack = np.array([[axes[:shared] for axes in pair] for pair in pairs]).transpose(1, 0, 2, 3)
    stack[1] *= np.sign(np.einsum("bmd,bmd->bm", stack[0], stack[1]))[..., None]
    return pca.axes[:varied], pca.explained[:varied], cosines_of(stack)[:varied]


def _score_axis(
    axis: Doubles, train: Floats, test: Floats, tasks: Sequence[Task], permutations: int, rng: np.random.Generator
) -> tuple[float, Axis]:
    """The sign and the concept by train rows, then the AUC and its p-value by test rows."""
    along, scale = train @ axis, float(np.std(train @ axis, dtype=np.float64))
    nothing = Axis(
        share=0.0,
        scale=scale,
        stability=UNKNOWN,
        concept="",
        auc=UNKNOWN,
        p_value=float("nan"),
        q_value=float("nan"),
        effect=None,
    )
    if not tasks:
        return 1.0, nothing
    ranked = [auc(along[signs != 0], signs[signs != 0] > 0) for signs in (task.signs(task.train) for task in tasks)]
    best = int(np.argmax(np.abs(np.array(ranked) - 0.5)))
    sign, task = 1.0 if ranked[best] >= 0.5 else -1.0, tasks[best]
    position = sign * (test @ axis)
    figure = task.auc(position)
    p = task.p_of_sides(position[:, None], [figure.value], permutations, rng)[0]
    return sign, replace(nothing, concept=task.target.name, auc=figure, p_value=p)


def effects_of(
    result: Unsupervised, decode: Callable[[Singles], Singles], codes: Floats, mask: Bools, *, rng: np.random.Generator
) -> Unsupervised:
    """Measure how far a step along each axis moves the image of codes (m, d), beside random directions in `mask`.

    A step is as long as the standard deviation of codes along a random direction.
    """
    step = float(np.sqrt(np.mean(codes[:, mask].var(0, dtype=np.float64)))) or 1.0
    plain = decode(codes.astype(np.float32))

    def moved(direction: Doubles) -> Doubles:
        return change(plain, decode((codes + step * direction).astype(np.float32)))

    random = np.zeros((N_RANDOM_DIRECTIONS, codes.shape[1]))
    random[:, mask] = unit(rng.normal(size=(N_RANDOM_DIRECTIONS, int(mask.sum()))))
    unrelated = np.mean([moved(direction) for direction in random], axis=0)
    effects = [effect(moved(direction), unrelated, rng=rng) for direction in result.directions]
    return replace(
        result, axes=tuple(replace(axis, effect=effect) for axis, effect in zip(result.axes, effects, strict=True))
    )
