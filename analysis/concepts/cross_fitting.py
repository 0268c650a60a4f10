"""Evidence for one direction from all rows: each row is scored by a direction that was fitted without it.

Rows are cut into folds with equal shares of both sides. A direction is fitted on all folds but one, and the rows of
that fold get their position along it, less the fold's mean and divided by its standard deviation; all folds' positions
together give one AUC, or R² of the numbers that a line through the fitting rows predicts.

Folds share most of their fitting rows, so that their figures depend on each other and no test for independent rows
holds its level. Labels are therefore shuffled within folds, where the null hypothesis makes them exchangeable, and
everything is fitted again for every shuffle: the p-value is exact for any estimator (Ojala and Garriga, JMLR 11, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Doubles, Floats, Ints
from ..base.groups import balanced_folds
from ..base.rank_tests import many_ranks_p, rank_sum_p, spearman_p
from ..base.statistics import Z, at_floor, permutation_p
from .directions import LOSSES, NUMERIC, find_directions
from .targets import sides

FOLDS = 10


MAX_WORK = 2e9  # rows · columns · shuffles · folds up to which everything is fitted again: some seconds


ITERATIVE_COST = 25  # times as much work for a direction that is found by iteration


MAX_CELLS = 8_000_000  # rows · shuffles at once


TAIL_QUANTILE = (
    0.015  # quantile of shuffled labels' AUCs that bounds intervals: 2.5 % less what some hundred shuffles leave open
)


@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """What held-out folds say."""

    positions: Doubles
    """(n,) of each row along the direction of the other folds, centred and scaled a fold."""
    predicted: Doubles
    """(n,) the number of each row predicted by the other folds; NaN where labels are sides."""
    p_value: float
    """One-sided, of the AUC, or R² of numbers."""
    null: Doubles
    """(permutations,) the same figure of shuffled labels."""
    inflation: tuple[float, float]
    """Of the AUC's variance below and above it, 1 or more: the squared outer."""

    # quantiles of shuffled labels' AUCs, over those of independent rows'


def affordable(rows: int, columns: int, permutations: int, method: str) -> bool:
    """Whether a direction of so many rows and columns can be fitted again for every fold of every shuffle."""
    work = rows * columns * (permutations + 1) * FOLDS * (ITERATIVE_COST if method in LOSSES else 1)
    return work <= MAX_WORK and rows * (permutations + 1) <= MAX_CELLS


def cross_fit(
    codes: Floats, targets: AnyArray, signs: Ints, *, method: str, permutations: int, rng: np.random.Generator
) -> CrossFit:
    """Score every row by a direction of other rows, and test the figure by refitting to shuffled labels.

    Args:
        codes: (n, d) rows.
        targets: (n,) what `find_directions` fits: signs, or numbers for ridge or a number's R².
        signs: (n,) sides, 1 or -1, by which folds are balanced.
        method: name of an estimator in `directions.METHODS`.
        permutations: shuffles. Where none of them does as well, a rank test of the last 30 % of the rows, by the
            direction of the first 70 % of a random order, says how much rarer than their floor it is.
    """
    folds = balanced_folds(signs, FOLDS, rng=rng)
    numeric = np.issubdtype(targets.dtype, np.floating)
    figure = _r2 if numeric else _auc
    labels = np.column_stack([targets, _shuffles(targets, folds, permutations, rng)])
    positions, predicted = _held_out(codes, labels, folds, method, numeric)
    values = figure(predicted if numeric else positions, labels)
    p = permutation_p(float(values[0]) - 1e-12, values[1:])
    if at_floor(p, permutations):
        p = min(p, _one_split_p(codes, targets, signs, method, rng))
    areas = _auc(positions[:, 1:], labels[:, 1:] if not numeric else _sides(labels[:, 1:]))
    more, fewer = sides(signs)
    independent = (more + fewer + 1) / (12 * more * fewer)
    low, high = (
        np.square(np.quantile(areas, (TAIL_QUANTILE, 1 - TAIL_QUANTILE)) - 0.5) / (Z**2 * independent)
    ).tolist()
    return CrossFit(
        positions=positions[:, 0],
        predicted=predicted[:, 0],
        p_value=p,
        null=values[1:],
        inflation=(max(1.0, high), max(1.0, low)),
    )


def _one_split_p(codes: Floats, targets: AnyArray, signs: Ints, method: str, rng: np.random.Generator) -> float:
    """A p-value without a floor: of three folds of ten, by a rank test, along the direction of the other seven."""
    held = balanced_folds(signs, FOLDS, rng=rng) < 3
    numeric = np.issubdtype(targets.dtype, np.floating)
    fitted = targets if method == NUMERIC or not numeric else signs
    place = codes[held] @ find_directions(codes[~held], fitted[~held, None], method=method)[0]
    if numeric:
        return spearman_p(place, targets[held])
    exact = rank_sum_p(place, signs[held] > 0)
    return many_ranks_p(place, signs[held] > 0) if exact is None else exact


def _shuffles(targets: AnyArray, folds: Ints, count: int, rng: np.random.Generator) -> AnyArray:
    """Labels shuffled within each fold: (n, count)."""
    mixed = np.repeat(targets[:, None], count, axis=1)
    for fold in np.unique(folds):
        rows = folds == fold
        mixed[rows] = rng.permuted(mixed[rows], axis=0)
    return mixed


def _held_out(codes: Floats, labels: AnyArray, folds: Ints, method: str, numeric: bool) -> tuple[Doubles, Doubles]:
    """Positions and predicted numbers of every row by the other folds' directions, one for each column of labels."""
    positions, predicted = np.empty(labels.shape), np.full(labels.shape, np.nan)
    fitted = labels if method == NUMERIC or not numeric else _sides(labels)
    for fold in np.unique(folds):
        fit, held = folds != fold, folds == fold
        axes = find_directions(codes[fit], fitted[fit], method=method).T
        along, place = (codes[rows] @ axes for rows in (fit, held))
        spread = place.std(0)
        positions[held] = (place - place.mean(0)) / np.where(spread > 0, spread, 1)
        if numeric:
            along, middle = along - along.mean(0), along.mean(0)
            values = labels[fit] - labels[fit].mean(0)
            power = np.square(along).sum(0)
            slope = (along * values).sum(0) / np.where(power > 0, power, 1)
            predicted[held] = labels[fit].mean(0) + slope * (place - middle)
    return positions, predicted


def _sides(numbers: AnyArray) -> Ints:
    """Signs of numbers (n, c): which are above their column's median."""
    return np.where(numbers > np.median(numbers, axis=0), 1, -1)


def _auc(positions: Doubles, labels: AnyArray) -> Doubles:
    """AUC of each column."""
    from scipy.stats import rankdata

    rank, positive = rankdata(positions, axis=0), labels > 0
    above, below = positive.sum(0), (~positive).sum(0)
    areas: Doubles = ((rank * positive).sum(0) - above * (above + 1) / 2) / (above * below)
    return areas


def _r2(predicted: Doubles, labels: AnyArray) -> Doubles:
    """R² of each column."""
    error, spread = np.square(labels - predicted).sum(0), np.square(labels - labels.mean(0)).sum(0)
    shares: Doubles = 1 - error / spread
    return shares
