"""How well positions along a direction tell a concept, on rows that the direction has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Floats, Ints
from ..base.rank_tests import auc_p, below_floor, rank_sum_p, spearman_p
from ..base.statistics import (
    Baseline,
    Interval,
    auc,
    auc_interval,
    bootstrap_ratio,
    mean_interval,
    permutation_p,
    permuted_auc,
    r2_score,
)
from .targets import ConceptTarget, sides


@dataclass(frozen=True, kw_only=True)
class Task:
    """One concept on train and test rows: sides to rank, or numbers to predict where the concept is numeric."""

    target: ConceptTarget
    """The concept."""
    train: Ints
    """(n,) rows of the table, in the order of the train codes."""
    test: Ints

    @property
    def numeric(self) -> bool:
        """Whether the figure is R² of the number, and not AUC of the sides."""
        return self.target.values is not None

    @property
    def two_sided(self) -> bool:
        """Whether train and test rows have both sides."""
        return all(min(sides(self.signs(rows))) > 0 for rows in (self.train, self.test))

    def signs(self, rows: Ints) -> Ints:
        """1, −1 and 0 = unknown of `rows`."""
        return self.target.signs[rows]

    def values(self, rows: Ints) -> Doubles:
        """The numbers of `rows`, NaN = unknown."""
        return np.full(len(rows), np.nan) if self.target.values is None else self.target.values[rows]

    def auc(self, along: Floats, *, inflation: tuple[float, float] = (1.0, 1.0)) -> Interval:
        """AUC of positions (n',) of the test rows; see `auc_interval` for `inflation`."""
        signs = self.signs(self.test)
        return auc_interval(along[signs != 0], signs[signs != 0] > 0, inflation=inflation)

    def r2(self, along: tuple[Floats, Floats], rng: np.random.Generator) -> Interval:
        """R² of the number predicted from positions of (train, test) rows, by the line fitted on train."""
        return self.r2_of(*self._predict(*along), rng)

    @staticmethod
    def r2_of(truth: Doubles, predicted: Doubles, rng: np.random.Generator) -> Interval:
        """R² of predicted numbers (n,), with a bootstrap over rows."""
        gap, spread = np.square(truth - predicted), np.square(truth - truth.mean())
        error = bootstrap_ratio(gap, spread, rng=rng, repeats=500)
        return Interval(1 - error.value, 1 - error.high, 1 - error.low, error.n)

    def _predict(self, train: Floats, test: Floats) -> tuple[Doubles, Doubles]:
        """The number of the known test rows, and what the line through the train rows says."""
        y, truth = self.values(self.train), self.values(self.test)
        fit, has_number = np.isfinite(y), np.isfinite(truth)
        position, value = train[fit].astype(np.float64), y[fit]
        spread = position.var()
        slope = float(np.mean((position - position.mean()) * (value - value.mean())) / spread) if spread > 0 else 0.0
        return truth[has_number], value.mean() + slope * (test[has_number].astype(np.float64) - position.mean())

    def figure(self, along: tuple[Floats, Floats], rng: np.random.Generator) -> Interval:
        """The concept's own figure: R² of numbers, else AUC."""
        return self.r2(along, rng) if self.numeric else self.auc(along[1])

    def plain(self, along: tuple[Floats, Floats]) -> float:
        """The same without its interval."""
        if self.numeric:
            return r2_score(*self._predict(*along))
        signs = self.signs(self.test)
        return auc(along[1][signs != 0], signs[signs != 0] > 0)

    def p_values(
        self, along: tuple[Floats, Floats], observed: list[float], repeats: int, rng: np.random.Generator
    ) -> list[float]:
        """How rarely rows that know nothing of each other are ranked or fitted as well: r one-sided p-values.

        AUCs have Mann and Whitney's p-value, exact for few rows; R² that of shuffled test rows. Where no shuffle does
        as well, a rank test says how much rarer than the shuffles' floor it is.

        Args:
            along: positions of train and test rows along r directions, (n, r) and (n', r).
            observed: r AUCs, or R² where the concept is a number.
            repeats: shuffles of test rows.
            rng: of the shuffles.
        """
        if self.numeric:
            return self._p_of_numbers(along, repeats, rng)
        return self.p_of_sides(along[1], observed, repeats, rng)

    def p_of_sides(self, test: Floats, observed: list[float], repeats: int, rng: np.random.Generator) -> list[float]:
        """The same for the AUCs of positions (n', r), of a number too."""
        signs = self.signs(self.test)
        labelled, positive = test[signs != 0], signs[signs != 0] > 0
        exact = [rank_sum_p(column, positive) for column in labelled.T]
        if all(p is not None for p in exact):
            return [p for p in exact if p is not None]
        null = permuted_auc(labelled, positive, repeats=repeats, rng=rng)
        permuted = [permutation_p(value, column) for value, column in zip(observed, null.T, strict=True)]
        return [auc_p(column, positive, p, repeats) for column, p in zip(labelled.T, permuted, strict=True)]

    def _p_of_numbers(self, along: tuple[Floats, Floats], repeats: int, rng: np.random.Generator) -> list[float]:
        """R² of shuffled numbers rises with Σ y ŷ, all else in it staying: that is compared."""
        pairs = [self._predict(train, test) for train, test in zip(along[0].T, along[1].T, strict=True)]
        truth, predicted = pairs[0][0] - pairs[0][0].mean(), np.stack([prediction for _, prediction in pairs], axis=1)
        predicted -= predicted.mean(0)
        null = np.array([rng.permutation(truth) @ predicted for _ in range(repeats)])
        # Values that are equal up to rounding count as ties, as where nothing is predicted.
        tie = 1e-9 * np.abs(truth) @ np.abs(predicted)
        permuted = [
            permutation_p(p, column) for p, column in zip((truth @ predicted - tie).tolist(), null.T, strict=True)
        ]
        return [
            below_floor(p, repeats, spearman_p(truth, column)) for p, column in zip(permuted, predicted.T, strict=True)
        ]


def chance(tasks: list[Task], train: Floats, test: Floats, axes: Doubles, name: str, *, either: bool) -> list[Baseline]:
    """Mean figure of directions (draws, m, d), one a draw and task; `either`: AUCs with their better sign."""
    values = np.empty(axes.shape[:2])
    for draw, random_axes in enumerate(axes.astype(train.dtype)):
        along = test @ random_axes.T
        for i, task in enumerate(tasks):
            value = task.plain((train @ random_axes[i] if task.numeric else along[:, i], along[:, i]))
            values[draw, i] = max(value, 1 - value) if either and not task.numeric else value
    note = "either sign" if either else ""
    return [Baseline(name=name, figure=mean_interval(column), note=note) for column in values.T]


def by_mean(task: Task, rng: np.random.Generator) -> tuple[Baseline, ...]:
    """What telling every row the train rows' mean gives, where the concept is a number."""
    if not task.numeric:
        return ()
    return (Baseline(name="train mean", figure=task.r2((np.zeros(len(task.train)), np.zeros(len(task.test))), rng)),)
