"""Runs side by side: figures of the same rows, each with its paired difference from the first run's.

Intervals cover test rows, and draws of labels where there are some. A run is ahead by a measure where it differs from
every other run, with the number of measures counted (Holm): with runs that are alike any of them is said to be ahead by
any measure in 5 % of cases, or fewer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..base.arrays import AnyArray, Doubles, Seed, as_rng
from ..base.statistics import SIGNIFICANT, UNKNOWN, Interval, bootstrap_mean, difference_p, holm
from ..errors import AnalysisError
from ..probes.few_labels import draws_and_rows, paired_draws_and_rows

CODE, FEATURES, CODE_FEW, FEATURES_FEW = "code", "features", "code, few labels", "features, few labels"


ERROR, DIMENSION = "reconstruction", "dimension"


MEASURES = {CODE: 1, FEATURES: 1, CODE_FEW: 1, FEATURES_FEW: 1, ERROR: -1, DIMENSION: 0}
"""In the order of the table: 1 where more is better, -1 where less is, 0 where neither."""


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """A run, or a baseline."""

    name: str
    """"pixels", "PCA 50 of pixels", "untrained.RUN" for baselines."""
    baseline: bool = False
    family: str = ""
    """"" where the table does not say."""
    images_seen: int = 0
    """Images that it was trained on; None where unknown."""
    n_labels_used: int = 0
    """Labels that its networks were trained with."""
    width: int = 0
    """Columns of the code; 0 where it has none."""
    layer: str = ""
    """The feature layer that was chosen, on validation rows."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Measurements of one run or baseline on the shared rows, before it is compared with others."""

    compared: ComparedModel
    values: Mapping[str, AnyArray] = field(default_factory=dict)
    """By measure: (draws, n) whether each test row is classified correctly; of ERROR (n,) reconstruction errors."""
    dimension: Interval = UNKNOWN
    """Intrinsic dimension of the code."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a run or baseline and its paired difference from the first run's, by row and by draw."""

    measure: str
    """a key of MEASURES."""
    value: Interval
    """n counts rows."""
    difference: Interval = UNKNOWN
    """Not a number for the first run, or where one of the two is missing."""
    p_value: float = math.nan
    """Of the difference, with all differences of the table counted (Holm)."""

    @property
    def differs(self) -> bool:
        """Whether this differs from the first run's figure, with all differences of the table counted."""
        return self.p_value <= SIGNIFICANT


@dataclass(frozen=True, kw_only=True)
class RankedModel:
    """A row of the ranking: a run or a baseline with all its figures."""

    compared: ComparedModel
    figures: tuple[Figure, ...]
    """Of the measures that it has."""

    def figure(self, measure: str) -> Figure:
        """The figure of a measure, not a number where there is none."""
        missing = Figure(measure=measure, value=UNKNOWN)
        return next((figure for figure in self.figures if figure.measure == measure), missing)


@dataclass(frozen=True, kw_only=True)
class BestByMetric:
    """The best run by one measure, and the run whose figure is hardest to distinguish from its."""

    measure: str
    """a key of MEASURES."""
    best: int
    """Position among the ranked models."""
    rival: int
    """Position of the run that is hardest to distinguish from the best."""
    difference: Interval
    """The best's figure minus the rival's, paired."""
    runs: int
    """That have this figure."""
    clear: bool
    """Whether the best differs from every other run, with all measures counted."""
    p_value: float = math.nan
    """Of the difference from every other run, with all measures counted (Holm)."""


@dataclass(frozen=True, kw_only=True)
class ModelRanking:
    """Runs in the order given, then baselines, on the same rows."""

    ranked_models: tuple[RankedModel, ...]
    """One entry a model."""
    best_by_metric: tuple[BestByMetric, ...]
    """By measure, where two runs have it."""
    target: str
    """Column that probes predict; "" where no probe was fitted."""
    per_class: int
    """Labels a class of the few-label probes; 0 where none were drawn."""
    draws: int
    """Draws of few labels, the same for all."""
    train_rows: int
    """Rows that probes are trained on; 0 without a target."""
    test_rows: int
    """Rows that probes are scored on; 0 without a target."""
    held_rows: int
    """Held-out rows of reconstruction errors; dimensions are measured on these or a sample of them."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    @property
    def runs(self) -> tuple[RankedModel, ...]:
        """The ranked models that are no baselines."""
        return tuple(model for model in self.ranked_models if not model.compared.baseline)


def ranked_models(entries: Sequence[Entry], *, rng: Seed = 0) -> tuple[RankedModel, ...]:
    """Compare each entry with the first, paired by row and by draw.

    Args:
        entries: runs and baselines, measured on the same rows; the first is the one that all are compared with.
        rng: generator or seed of the bootstrap over rows.
    Returns:
        A row for each entry, in the same order; p-values are adjusted for all differences of the table (Holm).
    Raises:
        AnalysisError: no entries, values that are not finite, or measures of different rows.
    """
    rng = as_rng(rng)
    _check(entries)
    first, result = entries[0], []
    for i, entry in enumerate(entries):
        figures = []
        for measure, values in entry.values.items():
            paired = i > 0 and measure in first.values
            gap = _gap(measure, values, first.values[measure], rng) if paired else UNKNOWN
            p = difference_p(gap, freedom=_freedom(values))
            value = _figure(measure, values, rng)
            figures.append(Figure(measure=measure, value=value, difference=gap, p_value=p))
        if np.isfinite(entry.dimension.value):
            figures.append(Figure(measure=DIMENSION, value=entry.dimension))
        result.append(RankedModel(compared=entry.compared, figures=tuple(figures)))
    adjusted = iter(holm(np.array([figure.p_value for row in result for figure in row.figures])).tolist())
    return tuple(
        replace(row, figures=tuple(replace(figure, p_value=next(adjusted)) for figure in row.figures)) for row in result
    )


def best_by_metric(entries: Sequence[Entry], *, rng: Seed = 0) -> tuple[BestByMetric, ...]:
    """Find the best run by each measure that has a better side and that two runs have.

    Args:
        entries: runs and baselines, measured on the same rows; baselines are never the best.
        rng: generator or seed of the bootstrap over rows.
    Returns:
        An entry for each such measure, in the order of MEASURES; p-values are adjusted for their number (Holm).
    Raises:
        AnalysisError: no entries, values that are not finite, or measures of different rows.
    """
    rng = as_rng(rng)
    _check(entries)
    result = []
    for measure, sign in MEASURES.items():
        runs = [i for i, entry in enumerate(entries) if not entry.compared.baseline and measure in entry.values]
        if sign == 0 or len(runs) < 2:
            continue
        best = max(runs, key=lambda i: sign * float(np.mean(entries[i].values[measure])))
        gaps = {
            i: _gap(measure, entries[best].values[measure], entries[i].values[measure], rng) for i in runs if i != best
        }
        rival = min(gaps, key=lambda i: gaps[i].low if sign > 0 else -gaps[i].high)
        freedom = _freedom(entries[best].values[measure])
        p = max(difference_p(gap, freedom=freedom) for gap in gaps.values())
        result.append(
            BestByMetric(
                measure=measure, best=best, rival=rival, difference=gaps[rival], runs=len(runs), clear=False, p_value=p
            )
        )
    adjusted = holm(np.array([entry.p_value for entry in result], np.float64)).tolist()
    return tuple(replace(entry, clear=p <= SIGNIFICANT, p_value=p) for entry, p in zip(result, adjusted, strict=True))


def _freedom(values: AnyArray) -> int:
    """Degrees of freedom of a figure's interval, from its fewest parts: draws of labels, or rows."""
    draws = len(values) if values.ndim > 1 else 1
    return draws - 1 if draws > 1 else max(1, values.shape[-1] - 1)


def _check(entries: Sequence[Entry]) -> None:
    """Check that there are entries, all measured on the same rows.

    Raises:
        AnalysisError: no entries, values that are not finite, or measures of different rows.
    """
    if not entries:
        raise AnalysisError("a table of runs needs one entry at least")
    for measure in MEASURES:
        sizes = {
            entry.compared.name: np.shape(entry.values[measure])[-1:] for entry in entries if measure in entry.values
        }
        if len(set(sizes.values())) > 1:
            lengths = ", ".join(f"{name} {size[0] if size else 0}" for name, size in sizes.items())
            raise AnalysisError(f"runs are compared on the same rows, and {measure} has others: {lengths}")
        for entry in entries:
            if measure in entry.values and not np.isfinite(np.asarray(entry.values[measure], np.float64)).all():
                raise AnalysisError(f"{measure} of {entry.compared.name!r} has values that are not finite")


def _figure(measure: str, values: AnyArray, rng: np.random.Generator) -> Interval:
    if measure == ERROR:
        return bootstrap_mean(values, rng=rng)
    return replace(draws_and_rows(values), n=values.shape[1])


def _gap(measure: str, ours: AnyArray, theirs: AnyArray, rng: np.random.Generator) -> Interval:
    if measure == ERROR:
        gaps: Doubles = np.asarray(ours, np.float64) - theirs
        return bootstrap_mean(gaps, rng=rng)
    return replace(paired_draws_and_rows(ours, theirs), n=ours.shape[1])
