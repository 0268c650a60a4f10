"""Which layer, pooling, scale and C serve best? All of them tried, and what the choice itself adds to its own figure.

Every point of the grid is fitted to train rows. The best on validation rows is chosen, which makes its validation
figure too good: among many points one is lucky. Nested choice shows by how much: validation rows are cut in folds, the
best by all other folds is scored on each, and the mean over folds is what a choice like this is worth. Test rows take
no part in either.

Source: Varma and Simon, BMC Bioinformatics 7:91, 2006; Cawley and Talbot, JMLR 11, 2010, §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ..base.arrays import Bools, Doubles, Seed, as_rng
from ..base.baselines import is_baseline, representation_role
from ..base.groups import balanced_folds
from ..base.linear_models import Rows, fit_linear, fit_scalers, softmax_loss
from ..base.pca import fit_pca
from ..base.statistics import Interval, mean_interval, proportion
from ..errors import AnalysisError
from .grid import Choice, GridPoint, GridSearch
from .linear_probe import WIDEST, middle_of_best

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse strengths C of the penalty that are tried."""
FOLDS = 10
"""Of the validation rows, each in turn scored by what the others choose."""
SHUFFLES = 5
"""Fits of the chosen point to shuffled labels."""
OWN = "own columns"
"""What the model's own representations are called as a group that one is chosen from."""


def search_probes(
    parts: Mapping[str, tuple[Rows, Rows, Rows]],
    *,
    target: str = "label",
    rng: Seed = 0,
    grid: Sequence[float] = GRID,
    folds: int = FOLDS,
    progress: Callable[[str], None] = lambda name: None,
) -> GridSearch:
    """Try every representation at every scale and C, and choose on validation rows.

    Args:
        parts: name -> train, validation and test rows, whose y are places of classes; the same rows for every name.
            Names that are "pixels" or begin with "untrained." or "PCA" are baselines, and each name that begins with
            "foreign." is a group of its own.
        target: what the labels are.
        rng: of folds, shuffles and PCAs.
        grid: values of C, ascending.
        folds: of validation rows.
        progress: called with the name that is at work.

    Returns:
        The grid and its choices.

    Raises:
        AnalysisError: there is no column of the model's own, or there are fewer validation rows than folds.
    """
    rng = as_rng(rng)
    train, held, test = next(iter(parts.values()))
    if len(held.y) < 2 * folds:
        raise AnalysisError(
            f"a search chooses on validation rows, and there are {len(held.y)} with a label: encode images with a "
            f"split that holds {2 * folds} or more out, or leave --search out"
        )
    classes = int(max(train.y.max(), held.y.max(), test.y.max())) + 1
    points: list[GridPoint] = []
    held_hits: list[Bools] = []
    test_hits: list[Bools] = []
    for name, rows in parts.items():
        progress(name)
        for common, c, right, right_in_test in _tried(rows, classes, grid, rng):
            points.append(
                GridPoint(
                    representation=name,
                    baseline=is_baseline(name),
                    group=_group(name),
                    common=common,
                    c=c,
                    validation=float(right.mean()),
                )
            )
            held_hits.append(right)
            test_hits.append(right_in_test)
    groups = list(dict.fromkeys(point.group for point in points))
    if OWN not in groups:
        raise AnalysisError("a search needs a column of the model's own beside the baselines")
    groups.sort(key=lambda group: group != OWN)
    fold = balanced_folds(held.y, folds, rng=rng)
    choices: list[Choice] = []
    own_hits: Bools | None = None
    for group in groups:
        members = np.flatnonzero([point.group == group for point in points])
        hits = np.stack([held_hits[i] for i in members])
        best = middle_of_best(hits.mean(1))
        nested = nested_hits(hits, fold)
        chosen = int(members[best])
        difference = None if own_hits is None else mean_interval(own_hits - test_hits[chosen].astype(np.float64))
        if own_hits is None:
            own_hits = test_hits[chosen].astype(np.float64)
        choices.append(
            Choice(
                group=group,
                baseline=all(points[i].baseline for i in members),
                point=chosen,
                tried=len(members),
                validation=proportion(hits[best]),
                nested=proportion(nested),
                optimism=mean_interval(hits[best].astype(np.float64) - nested),
                test=proportion(test_hits[chosen]),
                difference=difference,
            )
        )
    own = points[choices[0].point]
    shuffled = _shuffled(parts[own.representation], own, classes, rng)
    return GridSearch(
        target=target, points=tuple(points), choices=tuple(choices), shuffled=shuffled, n_train=len(train.y)
    )


def nested_hits(hits: Bools, fold: np.ndarray) -> Bools:
    """Score each fold by the point that is best on all other folds.

    Args:
        hits: (points, n) whether each validation row is right at each point.
        fold: (n,) numbers of folds.

    Returns:
        (n,) whether the point chosen without a row's fold gets it right.
    """
    result = np.zeros(hits.shape[1], np.bool_)
    for number in np.unique(fold):
        inside = fold == number
        result[inside] = hits[middle_of_best(hits[:, ~inside].mean(1)), inside]
    return result


def _group(name: str) -> str:
    if name.startswith("foreign."):
        return name
    return {"pixels": "pixels and their PCA", "pca": "pixels and their PCA", "untrained": "untrained network"}.get(
        representation_role(name), OWN
    )


def _tried(
    parts: tuple[Rows, Rows, Rows], classes: int, grid: Sequence[float], rng: np.random.Generator
) -> Iterator[tuple[bool, float, Bools, Bools]]:
    """Yield scale, C, and which validation and test rows are right, each fit from the one before."""
    train, held, test = _narrowed(parts, rng)
    for common, scaler in enumerate(fit_scalers(train.x)):
        x, in_held, in_test = scaler(train.x), scaler(held.x), scaler(test.x)
        start = None
        for c in grid:
            start = fit_linear(x, train.y, classes, loss=softmax_loss, c=c, start=start, iterations=100, tolerance=1e-6)
            yield bool(common), c, start(in_held).argmax(1) == held.y, start(in_test).argmax(1) == test.y


def _narrowed(parts: tuple[Rows, Rows, Rows], rng: np.random.Generator) -> tuple[Rows, ...]:
    """Reduce what is wider than probes take by a PCA fitted on train rows."""
    if parts[0].x.shape[1] <= WIDEST:
        return parts
    whole = fit_pca(np.asarray(parts[0].x), WIDEST, rng=rng)
    pca = whole.first(whole.sound)
    return tuple(Rows(pca.project(rows.x), rows.y) for rows in parts)


def _shuffled(parts: tuple[Rows, Rows, Rows], point: GridPoint, classes: int, rng: np.random.Generator) -> Interval:
    train, _, test = _narrowed(parts, rng)
    scaler = fit_scalers(train.x)[point.common]
    x, in_test = scaler(train.x), scaler(test.x)
    figures: Doubles = np.array(
        [
            np.mean(
                fit_linear(x, rng.permutation(train.y), classes, loss=softmax_loss, c=point.c)(in_test).argmax(1)
                == test.y
            )
            for _ in range(SHUFFLES)
        ]
    )
    return mean_interval(figures)
