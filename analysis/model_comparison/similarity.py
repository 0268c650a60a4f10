"""Whether two representations of the same rows are alike, each figure beside that of shuffled rows.

Kernel alignment and distances ask for the same arrangement up to rotation and scale; maps are fitted on one half of
the rows and scored on the other. For independent codes every figure but the share of common neighbours, whose chance
depends on the number of rows alone, is 0 in the mean or just below, however wide the codes are, so that models of
unequal widths can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, as_codes, as_rng, check_counts, rows_of, same_length, subsample
from ..base.distances import squared_gaps
from ..base.linear_models import fit_ridge_by_gcv, fit_scaler
from ..base.nearest import nearest
from ..base.parallel import one_blas_thread
from ..base.statistics import (
    UNKNOWN,
    Interval,
    auc,
    auc_interval,
    bootstrap_ratio,
    jackknife,
    percentiles,
    permutation_p,
    ranks,
    wilson_share,
)
from ..concepts.directions import find_directions
from ..concepts.targets import ConceptTarget, with_enough_rows
from ..errors import AnalysisError
from .kernel_alignment import centred, cka_interval, cka_of_shuffles
from .ranking import ModelRanking

ROWS = 2000


DISTANCES = 400  # rows between which all distances are compared


NEIGHBOURS = 10


COMMON = f"common {NEIGHBOURS} nearest neighbours"


SHUFFLES = 99


SHUFFLED_MAPS = 499  # so that one concept of twenty can still stand out after all are corrected for


AT_ONCE = 2_000_000  # shuffled positions that maps are fitted to together


FOLDS = 4  # of the rows that a rotation is fitted on, for its scale


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """One measure of similarity, 1 for the same arrangement."""

    name: str
    """"linear CKA", "RSA", …"""
    value: Interval
    """The figure."""
    shuffled: float
    """The mean with the rows of one side shuffled."""
    p_value: float
    """Share of shuffles that are as alike."""
    shuffles: int = 0
    """How many shuffles p is a share of."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A concept's direction in the first representation, transferred to the second by a map fitted without labels.

    All AUCs are of the same held-out rows.
    """

    name: str
    """The concept."""
    transferred_auc: Interval
    """Of the transferred direction, in the second representation."""
    source_auc: Interval
    """Of the direction in the first representation, where it was fitted."""
    target_auc: Interval
    """Of a direction fitted to labels in the second representation."""
    shuffled: Interval
    """AUC transferred by maps that were fitted to shuffled rows: the mean, and 95 % of them."""
    note: str = ""
    """How the concept was made from its column."""
    p_value: float = math.nan
    """Share of those maps whose AUC is at least the transferred one."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two representations of the same rows."""

    names: tuple[str, str]
    """Of the first and the second representation."""
    widths: tuple[int, int]
    """Columns of either."""
    rows: int
    """Shared rows."""
    similarities: tuple[Similarity, ...]
    """One a measure."""
    transfers: tuple[Transfer, ...]
    """a concept each; empty where no concept has rows enough."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """One representation compared with those of other models, and with its baselines."""

    kind: ClassVar[str] = "model_comparison"

    pairs: tuple[Comparison, ...]
    """The first is the same in all."""
    baselines: tuple[Comparison, ...]
    """With pixels, a PCA of them, the untrained network."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    runs: ModelRanking | None = None
    """Figures of each run, on the same rows."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def procrustes(x: Floats, y: Floats) -> tuple[Doubles, float]:
    """Rotation R (d, e) and scale s with least |Y − s X R| for centred rows (Schönemann 1966).

    R has orthonormal rows or columns, whichever are fewer.
    """
    u, sizes, v = np.linalg.svd(x.T @ y, full_matrices=False)
    below = float(np.square(x @ u).sum()) if x.shape[1] > y.shape[1] else float(np.square(x).sum())
    return u @ v, float(sizes.sum()) / below if below > 0 else 0.0


def procrustes_r2(x: Floats, y: Floats, halves: tuple[Ints, Ints], *, rng: np.random.Generator) -> Interval:
    """Share of the variance of the second half of y that the rotation and scale of the first half explain.

    The scale is that which rotations of FOLDS − 1 parts of the first half have on the other part: on its own rows a
    rotation of wide codes fits noise, and its scale would add that noise to the second half.
    """
    fit, test = halves
    shift = x[fit].mean(0, dtype=np.float64), y[fit].mean(0, dtype=np.float64)
    first_rows, theirs = x[fit] - shift[0], y[fit] - shift[1]
    turn, _ = procrustes(first_rows, theirs)
    above, below, part = 0.0, 0.0, np.arange(len(fit)) % FOLDS
    for fold in range(FOLDS):
        turned = first_rows[part == fold] @ procrustes(first_rows[part != fold], theirs[part != fold])[0]
        above += float((turned * theirs[part == fold]).sum())
        below += float(np.square(turned).sum())
    scale = above / below if below > 0 else 0.0
    gap = (y[test] - shift[1]) - scale * (x[test] - shift[0]) @ turn
    return _explained(gap, y[test] - shift[1], rng)


def linear_r2(x: Floats, y: Floats, halves: tuple[Ints, Ints], *, rng: np.random.Generator) -> Interval:
    """Share of the variance of the second half of y that a linear map fitted on the first half explains."""
    fit, test = halves
    return _explained(y[test] - _map(x, y, fit)(x[test]), y[test] - y[fit].mean(0, dtype=np.float64), rng)


MAPS = {"orthogonal Procrustes R²": procrustes_r2, "linear map R²": linear_r2}


def _explained(gap: Floats, spread: Floats, rng: np.random.Generator) -> Interval:
    left = bootstrap_ratio(np.square(gap).sum(1), np.square(spread).sum(1), rng=rng, repeats=500)
    return Interval(1 - left.value, 1 - left.high, 1 - left.low, left.n)


def _map(x: Floats, y: Floats, fit: Ints) -> Callable[[Floats], Floats]:
    """An affine map from x to y, fitted on rows `fit`: a ridge on standardised columns (see `fit_ridge_by_gcv`)."""
    scaler = fit_scaler(x[fit])
    fitted = fit_ridge_by_gcv(scaler(x[fit]), y[fit])
    return lambda rows: scaler(rows) @ fitted.weights + fitted.bias


def distance_correlation(x: Floats, y: Floats) -> float:
    """Spearman's correlation of all distances between rows (Kriegeskorte et al. 2008, RSA)."""
    pairs = np.triu_indices(len(x), 1)
    first_distances, other = (ranks(squared_gaps(z, z)[pairs]) for z in (x, y))
    return float(np.corrcoef(first_distances, other)[0, 1]) if first_distances.std() * other.std() > 0 else 0.0


def common_neighbours(first: Ints, second: Ints) -> Doubles:
    """Share of neighbours (n, k) that two tables of them have in common, a row: (n,)."""
    return np.asarray((first[:, :, None] == second[:, None, :]).any(2).mean(1), np.float64)


def similarities(
    x: Floats, y: Floats, *, rng: Seed = 0, rows: int = ROWS, shuffles: int = SHUFFLES
) -> tuple[Similarity, ...]:
    """CKA, RSA, neighbour overlap, Procrustes and linear maps between (n, d) and (n, e) rows in the same order.

    Where one side is `collapsed` the first two are 0 by their definition, and the others no numbers.

    Args:
        x: (n, d) codes of the first model.
        y: (n, e) codes of the second model, of the same rows in the same order.
        rng: generator or seed of the sample of rows and the shuffles.
        rows: at most so many rows are compared.
        shuffles: shuffles of the rows of one side, at most 19 of them for maps.
    Returns:
        A measure each: linear CKA, RSA, common neighbours, orthogonal Procrustes, linear map.
    Raises:
        AnalysisError: lengths differ, or there are fewer than 50 rows.
    """
    rng = as_rng(rng)
    check_counts(shuffles=shuffles)
    check_counts(50, rows=rows)
    x, y = as_codes(x, "the first codes"), as_codes(y, "the second codes")
    if same_length(first=x, second=y) < 50:
        raise AnalysisError(f"a comparison needs at least 50 common rows, and there are {len(x)}")
    order = rng.permutation(subsample(np.arange(len(x)), rows, rng=rng))
    x, y = x[order], y[order]
    n, usable_codes = len(x), not (collapsed(x) or collapsed(y))
    x, y = centred(x), centred(y)
    with one_blas_thread():
        null = cka_of_shuffles(x, y, shuffles, rng=rng)
        value = cka_interval(x, y)
        result = [
            Similarity(
                name="linear CKA",
                value=value,
                shuffled=float(null.mean()),
                p_value=permutation_p(value.value, null),
                shuffles=len(null),
            ),
            _distances(x[:DISTANCES], y[:DISTANCES], shuffles, rng),
        ]
        if not usable_codes:
            return (
                *result,
                *(
                    Similarity(name=name, value=replace(UNKNOWN, n=n), shuffled=math.nan, p_value=math.nan)
                    for name in (COMMON, *MAPS)
                ),
            )
        result.append(_overlap(x, y, shuffles, rng))
        halves = np.arange(n // 2), np.arange(n // 2, n)
        for name, score in MAPS.items():
            value = score(x, y, halves, rng=rng)
            null = np.array([_shuffled_map(score, x, y, halves, rng) for _ in range(min(shuffles, 19))])
            result.append(
                Similarity(
                    name=name,
                    value=value,
                    shuffled=float(null.mean()),
                    p_value=permutation_p(value.value, null),
                    shuffles=len(null),
                )
            )
    return tuple(result)


def collapsed(x: Floats) -> bool:
    """Whether all rows (n, d) are the same, up to rounding: they have no arrangement, and no order of neighbours."""
    return not np.isfinite(fit_scaler(x).scale).any()


def _distances(x: Floats, y: Floats, shuffles: int, rng: np.random.Generator) -> Similarity:
    """RSA; the ranks of distances are found once and their matrix is shuffled by rows and columns."""
    n, pairs = len(x), np.triu_indices(len(x), 1)
    matrices = []
    for z in (x, y):
        rank = ranks(squared_gaps(z, z)[pairs])
        spread = rank.std() or 1.0
        matrix = np.zeros((n, n))
        matrix[pairs] = (rank - rank.mean()) / spread
        matrices.append(matrix + matrix.T)
    first, other = matrices[0][pairs], matrices[1]
    null = []
    for _ in range(shuffles):
        order = rng.permutation(n)
        null.append(float(first @ other[np.ix_(order, order)][pairs]) / len(first))
    value = jackknife(lambda r: distance_correlation(x[r], y[r]), np.arange(n))
    return Similarity(
        name="RSA",
        value=value,
        shuffled=float(np.mean(null)),
        p_value=permutation_p(value.value, np.array(null)),
        shuffles=len(null),
    )


def _overlap(x: Floats, y: Floats, shuffles: int, rng: np.random.Generator) -> Similarity:
    """Common neighbours; shuffling relabels the second table's rows."""
    n = len(x)
    first, second = (nearest(z, z, k=NEIGHBOURS, exclude_self=True)[0] for z in (x, y))
    null = []
    for _ in range(min(shuffles, 99)):
        order = rng.permutation(n)
        back = np.argsort(order)
        null.append(float(common_neighbours(first, back[second[order]]).mean()))
    value = wilson_share(float(common_neighbours(first, second).mean()), n)
    return Similarity(
        name=COMMON,
        value=value,
        shuffled=float(np.mean(null)),
        p_value=permutation_p(value.value, np.array(null)),
        shuffles=len(null),
    )


def _shuffled_map(
    score: Callable[..., Interval], x: Floats, y: Floats, halves: tuple[Ints, Ints], rng: np.random.Generator
) -> float:
    mixed = y.copy()
    mixed[halves[0]] = rng.permutation(y[halves[0]])
    return score(x, mixed, halves, rng=np.random.default_rng(0)).value


def transfers(
    x: Floats,
    y: Floats,
    targets: Sequence[ConceptTarget],
    *,
    rng: Seed = 0,
    method: str = "logistic",
    shuffles: int = SHUFFLED_MAPS,
) -> tuple[tuple[Transfer, ...], list[str]]:
    """Carry each concept's direction from x (n, d) to y (n, e); return the transfers and what was left out.

    The direction w and an affine map y → w · x are fitted on one half, the map without labels; on the other half y is
    ranked by it. A direction that is shared keeps the AUC that it has in x.

    Args:
        x: (n, d) codes of the first model.
        y: (n, e) codes of the second model, of the same rows in the same order.
        targets: concepts, each with labels ±1 of the n rows (0 where a row has none).
        rng: generator or seed of the halves and shuffles.
        method: how directions are fitted (see `find_directions`).
        shuffles: maps fitted to shuffled rows; with none there is no p.
    Returns:
        A transfer for each concept that both halves have labels enough for, and a note on the others.
    """
    rng = as_rng(rng)
    check_counts(0, shuffles=shuffles)
    x, y = as_codes(x, "the first codes"), as_codes(y, "the second codes")
    same_length(first=x, second=y)
    for target in targets:
        same_length(**{"codes": x, target.name: target.signs})
    order = rng.permutation(len(x))
    fit, test = np.sort(order[: len(x) // 2]), np.sort(order[len(x) // 2 :])
    usable, left = with_enough_rows(targets, fit, test)
    if not usable:
        return (), left
    signs = np.stack([target.signs for target in usable], axis=1)
    with one_blas_thread():
        here, own_directions = (find_directions(z[fit], signs[fit], method=method) for z in (x, y))
        along = (x[fit] @ here.T).astype(np.float64)
        carried = _positions(y, along, (fit, test))
        nulls = _by_shuffled_maps(y, along, (fit, test), signs[test], shuffles, rng)
    result = []
    for i, target in enumerate(usable):
        views = (carried[:, i], x[test] @ here[i], y[test] @ own_directions[i])
        has_sign = signs[test, i] != 0
        positive = signs[test, i][has_sign] > 0
        figures = [auc_interval(scores[has_sign], positive) for scores in views]
        carried_auc, home, away = figures
        null = nulls[:, i]
        spread = Interval(float(null.mean()), *percentiles(null), len(null)) if shuffles else UNKNOWN
        p = permutation_p(carried_auc.value, null) if shuffles else math.nan
        result.append(
            Transfer(
                name=target.name,
                transferred_auc=carried_auc,
                source_auc=home,
                target_auc=away,
                shuffled=spread,
                note=target.note,
                p_value=p,
            )
        )
    return tuple(result), left


def _positions(y: Floats, along: Doubles, halves: tuple[Ints, Ints]) -> Floats:
    """Positions (n', m) of the second half's rows by the map that predicts those of the first half, `along` (n, m)."""
    fit, test = halves
    scaler = fit_scaler(y[fit])
    fitted = fit_ridge_by_gcv(scaler(y[fit]), along)
    return scaler(y[test]) @ fitted.weights + fitted.bias


def _by_shuffled_maps(
    y: Floats, along: Doubles, halves: tuple[Ints, Ints], signs: Ints, shuffles: int, rng: np.random.Generator
) -> Doubles:
    """AUCs (s, m) carried by maps that were fitted to shuffled rows.

    As a ridge treats each target alone, many shuffles of the positions `along` (n, m) of the first half's rows are
    fitted as one.

    Args:
        signs: (n', m) of the other half.
    """
    m = along.shape[1]
    result, step = np.empty((shuffles, m)), max(1, AT_ONCE // max(1, along.size))
    for start in range(0, shuffles, step):
        draws = range(start, min(start + step, shuffles))
        scores = _positions(y, np.hstack([rng.permutation(along) for _ in draws]), halves)
        for place, s in enumerate(draws):
            for i in range(m):
                has_sign = signs[:, i] != 0
                result[s, i] = auc(scores[has_sign, place * m + i], signs[has_sign, i] > 0)
    return result
