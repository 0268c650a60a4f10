"""Codes moved along a direction by several edit strengths, decoded and scored, image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Floats, Ints
from ..base.statistics import UNKNOWN, Interval, mean_interval, proportion, wilson_share
from ..errors import AnalysisError

if TYPE_CHECKING:
    from ..base.decoding import Decode


AT_ONCE = 1 << 22
"""Values of decoded images that are held at once."""


Evaluator = Callable[[AnyArray], tuple[Doubles, Ints]]
"""Maps images (n, h, w, c), uint8 or in [0, 1], to scores (n, j), NaN for none, and classes (n,), −1 for none."""


@dataclass(frozen=True, kw_only=True)
class ScoredEdits:
    """What an evaluator makes of images edited along one direction, by edit strength."""

    scores: Doubles
    """(n, s, j) score j of image n at strength s."""
    classes: Ints
    """(n, s) predicted class, −1 where none is predicted."""
    pixel_change: Doubles
    """(n, s) root mean square difference of pixels from the image at strength 0."""


def score_edits(decode: Decode, evaluate: Evaluator, codes: Floats, step: Doubles, strengths: Doubles) -> ScoredEdits:
    """Decode and score code + strength · step for every code and strength.

    Images are held in slices of AT_ONCE values, so that memory does not grow with n.

    Args:
        decode: codes (n, d) to images (n, h, w, c).
        evaluate: images to scores and classes.
        codes: (n, d) codes to edit.
        step: (d,) change of the code at strength 1.
        strengths: (s,) edit strengths, of which one is 0.
    """
    zero = int(np.flatnonzero(strengths == 0)[0])
    size = max(1, AT_ONCE // (len(strengths) * decode(codes[:1].astype(np.float32)).size))
    scores, classes, pixel_change = [], [], []
    for start in range(0, len(codes), size):
        part = codes[start : start + size]
        edited = part[:, None, :] + strengths[:, None] * step
        images = decode(edited.reshape(-1, codes.shape[1]).astype(np.float32))
        image_scores, predicted = evaluate(images)
        frames = images.reshape(len(part), len(strengths), -1)
        scores.append(image_scores.reshape(*frames.shape[:2], -1))
        classes.append(predicted.reshape(frames.shape[:2]))
        pixel_change.append(np.sqrt(np.square(frames - frames[:, zero, None]).mean(2, dtype=np.float64)))
    return ScoredEdits(
        scores=np.concatenate(scores), classes=np.concatenate(classes), pixel_change=np.concatenate(pixel_change)
    )


def check_strengths(strengths: Floats) -> Doubles:
    """Return ascending edit strengths as doubles.

    Raises:
        AnalysisError: they do not ascend, are not mirrored at 0, or lack −1, 0 or 1.
    """
    result = np.asarray(strengths, np.float64)
    mirrored = len(result) >= 3 and np.array_equal(result, -result[::-1]) and bool((np.diff(result) > 0).all())
    if not mirrored or not {-1.0, 0.0, 1.0} <= set(result.tolist()):
        raise AnalysisError("edit strengths must ascend, be the same on both sides of 0, and hold -1, 0 and 1")
    return result


def spearman(scores: Doubles, strengths: Doubles) -> Doubles:
    """Rank correlation of each image's scores with the edit strengths; 0 for scores that do not change.

    Equal scores share the mean of their ranks.

    Args:
        scores: (n, s) one row an image.
        strengths: (s,) edit strengths.

    Returns:
        (n,) correlations in [−1, 1].
    """
    from scipy.stats import rankdata

    if not len(scores):
        return np.zeros(0)
    x, y = rankdata(strengths), rankdata(scores, axis=1)
    x, y = x - x.mean(), y - y.mean(1, keepdims=True)
    length = np.sqrt(np.square(y).sum(1) * np.square(x).sum())
    result: Doubles = np.where(length > 0, y @ x / np.where(length > 0, length, 1), 0.0)
    return result


def has_all_scores(scores: Doubles) -> Bools:
    """Whether an image has a score at every strength: (n,) of (n, s)."""
    return np.asarray(np.isfinite(scores).all(1), np.bool_)


def change_per_unit(scores: Doubles, strengths: Doubles) -> Doubles:
    """Change of each score by a strength of 1, half that from −1 to 1: (n, ...) of (n, s, ...)."""
    up, down = (int(np.flatnonzero(strengths == strength)[0]) for strength in (1, -1))
    change: Doubles = (scores[:, up] - scores[:, down]) / 2
    return change


def succeeded(scores: Doubles, strengths: Doubles, threshold: float) -> Bools:
    """Whether an edit gives an image the concept, among the images that lack it.

    With a threshold: images that are not above it at strength 0, and whether they are above it at the largest strength.
    Without: all images, and whether the score at strength 1 is above that at −1, as it is for half of them by chance.

    Args:
        scores: (n, s) of the concept.
        strengths: (s,) edit strengths.
        threshold: score above which an image has the concept; NaN for a number.

    Returns:
        (m,) one value an image that lacks the concept.
    """
    if np.isnan(threshold):
        hits = change_per_unit(scores, strengths) > 0
    else:
        lacking = scores[:, int(np.flatnonzero(strengths == 0)[0])] <= threshold
        hits = scores[lacking, -1] > threshold
    return np.asarray(hits, np.bool_)


def class_preserved(classes: Ints, strengths: Doubles) -> Bools | None:
    """Whether the predicted class is that at strength 0: (n, s); None where no class is predicted."""
    zero = int(np.flatnonzero(strengths == 0)[0])
    if not len(classes) or (classes < 0).any():
        return None
    return np.asarray(classes == classes[:, zero, None], np.bool_)


def class_preserved_at_one(preserved: Bools | None, strengths: Doubles) -> Interval:
    """Share of images that keep their class at strengths ±1; each image counts once, though it is scored at both.

    Args:
        preserved: (n, s) of `class_preserved`; None gives an unknown share.
        strengths: (s,) edit strengths.
    """
    if preserved is None:
        return UNKNOWN
    at_one = preserved[:, np.abs(strengths) == 1].mean(1)
    return wilson_share(float(at_one.mean()), len(at_one))


def preserved_shares(preserved: Bools | None, strengths: Doubles) -> Doubles:
    """Share of images that keep their class, with its interval, at each strength: (3, s) value, low, high."""
    if preserved is None:
        return np.full((3, len(strengths)), np.nan)
    return _band([proportion(column) for column in preserved.T])


def column_means(values: Doubles) -> Doubles:
    """Mean of the finite values of each column of (n, s) with its interval: (3, s) value, low, high."""
    return _band([mean_interval(column[np.isfinite(column)]) for column in values.T])


def _band(intervals: Sequence[Interval]) -> Doubles:
    """Stack intervals as an array (3, len(intervals)) of values, lower and upper ends."""
    return np.array(
        [
            [interval.value for interval in intervals],
            [interval.low for interval in intervals],
            [interval.high for interval in intervals],
        ]
    )
