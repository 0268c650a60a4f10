"""Evaluators of edited images: an attribute classifier that learned from real images, and measured properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Doubles, Ints
from ..base.statistics import Interval, auc_interval, bootstrap, r2_score
from ..errors import AnalysisError
from .edits import Evaluator
from .image_measures import MEASURES, background, measure
from .verification import Score

UNITS = {"thickness": "pixels", "slant": "degrees", "width": "pixels", "height": "pixels", "brightness": "[0, 1]"}


SAME_MEASURE_CORRELATION = 0.95
"""A column is taken to be the measure of the same name where the two correlate at least this much."""


WEAK = {"AUC": 0.8, "R2": 0.5}
"""A note warns of an evaluator whose figure on real images is below these."""


@dataclass(frozen=True, kw_only=True)
class ImageMeasures:
    """The measures that suit a set of images; call it with images to take them."""

    names: tuple[str, ...]
    """Which of MEASURES."""
    ground: float
    """Brightness of the background, in [0, 1]."""
    notes: tuple[str, ...] = ()
    """Sentences on measures that do not suit the images."""

    def __call__(self, images: AnyArray) -> Doubles:
        """Measure images (n, h, w, c): (n, len(names))."""
        return measure(images, ground=self.ground, names=self.names)


def suitable_measures(images: AnyArray) -> ImageMeasures:
    """All measures where images (n, h, w, c) have a plain background, else their brightness alone."""
    try:
        return ImageMeasures(names=MEASURES, ground=background(images))
    except AnalysisError as error:
        return ImageMeasures(names=MEASURES[-1:], ground=0.0, notes=(str(error),))


def measured_columns(measured: Doubles, names: Sequence[str], columns: Mapping[str, Doubles]) -> list[str]:
    """Name the columns that are the measure of the same name.

    A column "width" may be anything; it is the measure where the two correlate at SAME_MEASURE_CORRELATION over images.

    Args:
        measured: (n, len(names)) measures of images.
        names: of the measures.
        columns: name → (n,) numbers of the same images, NaN unknown.
    """
    result = []
    for column, values in columns.items():
        if column in names:
            measures = measured[:, list(names).index(column)]
            has_both = np.isfinite(measures) & np.isfinite(values)
            varies = has_both.sum() > 2 and measures[has_both].std() > 0 and values[has_both].std() > 0
            if varies and np.corrcoef(measures[has_both], values[has_both])[0, 1] >= SAME_MEASURE_CORRELATION:
                result.append(column)
    return result


def combined_evaluator(classifier: Evaluator | None, measures: ImageMeasures) -> Evaluator:
    """An evaluator that gives the classifier's scores, then the measures; its classes are the classifier's."""

    def evaluate(images: AnyArray) -> tuple[Doubles, Ints]:
        measured = measures(images)
        if classifier is None:
            return measured, np.full(len(images), -1)
        scores, classes = classifier(images)
        return np.hstack([scores, measured]), classes

    return evaluate


def classifier_scores(
    names: Sequence[str], about: Sequence[str], scores: Doubles, truths: Doubles, *, rng: np.random.Generator
) -> tuple[list[Score], list[str]]:
    """Describe a classifier's scores, with how well they predict the attributes of real test images.

    Args:
        names: of the scores.
        about: what each is, "probability by a network" or "value by a network".
        scores: (n, j) of real test images.
        truths: (n, j) true attributes: 0 and 1 for a probability, or numbers; NaN unknown.
        rng: of bootstrap intervals.

    Returns:
        One Score a column, and notes on those that are weak.
    """
    result, notes = [], []
    for name, kind, score, truth in zip(names, about, scores.T, truths.T, strict=True):
        number, has_truth = not kind.startswith("probability"), np.isfinite(truth)
        metric = "R2" if number else "AUC"
        quality = _quality(score[has_truth], truth[has_truth], number, rng)
        if not quality.value >= WEAK[metric]:
            figure = metric.replace("R2", "R²")
            notes.append(
                f"the evaluator of {name!r} is weak on real images ({figure} {quality.plain(2)}): "
                "read its column with caution"
            )
        result.append(
            Score(
                name=name,
                about=kind,
                spread=float(np.std(score)),
                threshold=float("nan") if number else 0.5,
                metric=metric,
                quality=quality,
            )
        )
    return result, notes


def _quality(score: Doubles, truth: Doubles, number: bool, rng: np.random.Generator) -> Interval:
    """R² of a number or AUC of a probability; NaN where the truths (n,) do not vary."""
    if number and len(truth) > 1:
        return bootstrap(r2_score, truth, score, rng=rng, repeats=200)
    if not number and 0 < np.count_nonzero(truth > 0) < len(truth):
        return auc_interval(score, truth > 0)
    return Interval(float("nan"), float("nan"), float("nan"), len(truth))


def measured_scores(measures: ImageMeasures, values: Doubles, taken: Sequence[str]) -> list[Score]:
    """Describe the measures as scores.

    Args:
        measures: which measures.
        values: (n, len(measures.names)) of real test images.
        taken: names of the classifier's scores; a measure of such a name is called "measured NAME".
    """
    return [
        Score(
            name=f"measured {name}" if name in taken else name,
            about=f"measured, in {UNITS[name]}",
            spread=float(np.nanstd(column)),
        )
        for name, column in zip(measures.names, values.T, strict=True)
    ]
