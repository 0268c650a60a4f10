"""Judges of edited images, side by side: a network that learned from real images, and what can be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Doubles, Ints
from ..base.statistics import Interval, auc_interval, bootstrap, r2_score
from ..errors import AnalysisError
from .edits import Judge
from .image_measures import MEASURES, background, measure
from .verification import Score

UNITS = {"thickness": "pixels", "slant": "degrees", "width": "pixels", "height": "pixels", "brightness": "[0, 1]"}


SAME = 0.95  # correlation with a measure from which a column is taken to be that measure


WEAK = {"AUC": 0.8, "R2": 0.5}  # of a judge below which a note warns of it


@dataclass(frozen=True)
class Measured:
    """The measures that suit a set of images, and how they are taken."""

    names: tuple[str, ...]  # of MEASURES
    ground: float  # brightness of the background
    notes: tuple[str, ...] = ()

    def __call__(self, images: AnyArray) -> Doubles:
        """Measure images (n, h, w, c): (n, len(names))."""
        return measure(images, ground=self.ground, names=self.names)


def suited(images: AnyArray) -> Measured:
    """All measures where images (n, h, w, c) stand on a plain ground, else their brightness alone."""
    try:
        return Measured(MEASURES, background(images))
    except AnalysisError as error:
        return Measured(MEASURES[-1:], 0.0, (str(error),))


def same_as_measured(measured: Doubles, names: Sequence[str], columns: Mapping[str, Doubles]) -> list[str]:
    """Name the columns (n,) that are the measure (n, len(names)) of the same name.

    A column "width" may be anything; it is the measure where the two correlate at SAME over images.
    """
    result = []
    for column, values in columns.items():
        if column in names:
            mine = measured[:, list(names).index(column)]
            known = np.isfinite(mine) & np.isfinite(values)
            moves = known.sum() > 2 and mine[known].std() > 0 and values[known].std() > 0
            if moves and np.corrcoef(mine[known], values[known])[0, 1] >= SAME:
                result.append(column)
    return result


def side_by_side(network: Judge | None, measured: Measured) -> Judge:
    """One judge of both: the network's scores, then the measures; its classes."""

    def judge(images: AnyArray) -> tuple[Doubles, Ints]:
        scores = measured(images)
        if network is None:
            return scores, np.full(len(images), -1)
        told, classes = network(images)
        return np.hstack([told, scores]), classes

    return judge


def network_scores(
    names: Sequence[str], about: Sequence[str], scores: Doubles, truths: Doubles, *, rng: np.random.Generator
) -> tuple[list[Score], list[str]]:
    """Say how far a network's scores of real test images can be trusted.

    Args: scores: (n, j). truths: (n, j), 0 and 1 of a probability, or numbers; NaN unknown.
    Returns: one Score a column, and notes on those that are weak.
    """
    result, notes = [], []
    for name, said, score, truth in zip(names, about, scores.T, truths.T, strict=True):
        number, known = not said.startswith("probability"), np.isfinite(truth)
        metric = "R2" if number else "AUC"
        quality = _quality(score[known], truth[known], number, rng)
        if not quality.value >= WEAK[metric]:
            figure = metric.replace("R2", "R²")
            notes.append(
                f"the judge of {name!r} is weak on real images ({figure} {quality.plain(2)}): read its column so"
            )
        result.append(
            Score(
                name=name,
                about=said,
                spread=float(np.std(score)),
                threshold=float("nan") if number else 0.5,
                metric=metric,
                quality=quality,
            )
        )
    return result, notes


def _quality(score: Doubles, truth: Doubles, number: bool, rng: np.random.Generator) -> Interval:
    if number and len(truth) > 1:
        return bootstrap(r2_score, truth, score, rng=rng, repeats=200)
    if not number and 0 < np.count_nonzero(truth > 0) < len(truth):
        return auc_interval(score, truth > 0)
    return Interval(float("nan"), float("nan"), float("nan"), len(truth))


def measured_scores(measured: Measured, values: Doubles, taken: Sequence[str]) -> list[Score]:
    """One Score a measure, from its values (n, len(names)) on real test images; a `taken` name is told apart."""
    return [
        Score(
            name=f"measured {name}" if name in taken else name,
            about=f"measured, in {UNITS[name]}",
            spread=float(np.nanstd(column)),
        )
        for name, column in zip(measured.names, values.T, strict=True)
    ]
