"""Codes moved along a direction by several doses, decoded and judged, with what each image does by dose."""

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


AT_ONCE = 1 << 22  # values of decoded images that are held at once


Judge = Callable[[AnyArray], tuple[Doubles, Ints]]
"""Images (n, h, w, c), uint8 or in [0, 1], to scores (n, j), NaN for none, and classes (n,), −1 where none is told."""


@dataclass(frozen=True)
class Judged:
    """What the images of one direction are judged to be at each dose."""

    scores: Doubles  # (n, s, j)
    classes: Ints  # (n, s), -1 where no class is told
    moved: Doubles  # (n, s) root mean square difference of pixels from the image at dose 0


def score_edits(decode: Decode, judge: Judge, codes: Floats, step: Doubles, doses: Doubles) -> Judged:
    """Decode and judge code + dose · step for every code (n, d) and dose (s,), of which one is 0.

    Images are held in slices of AT_ONCE values, so that memory does not grow with n.
    """
    zero = int(np.flatnonzero(doses == 0)[0])
    size = max(1, AT_ONCE // (len(doses) * decode(codes[:1].astype(np.float32)).size))
    scores, classes, moved = [], [], []
    for start in range(0, len(codes), size):
        part = codes[start : start + size]
        whole = part[:, None, :] + doses[:, None] * step
        images = decode(whole.reshape(-1, codes.shape[1]).astype(np.float32))
        result, told = judge(images)
        frames = images.reshape(len(part), len(doses), -1)
        scores.append(result.reshape(*frames.shape[:2], -1))
        classes.append(told.reshape(frames.shape[:2]))
        moved.append(np.sqrt(np.square(frames - frames[:, zero, None]).mean(2, dtype=np.float64)))
    return Judged(np.concatenate(scores), np.concatenate(classes), np.concatenate(moved))


def check_doses(doses: Floats) -> Doubles:
    """Return ascending doses as doubles. Raises: AnalysisError unless −1, 0 and 1 are among them, mirrored at 0."""
    result = np.asarray(doses, np.float64)
    mirrored = len(result) >= 3 and np.array_equal(result, -result[::-1]) and bool((np.diff(result) > 0).all())
    if not mirrored or not {-1.0, 0.0, 1.0} <= set(result.tolist()):
        raise AnalysisError("doses must ascend, be the same on both sides of 0, and hold -1, 0 and 1")
    return result


def spearman(scores: Doubles, doses: Doubles) -> Doubles:
    """Rank correlation of each row of scores (n, s) with the doses (s,): (n,); 0 for a row that does not change.

    Equal scores share the mean of their ranks.
    """
    from scipy.stats import rankdata

    if not len(scores):
        return np.zeros(0)
    x, y = rankdata(doses), rankdata(scores, axis=1)
    x, y = x - x.mean(), y - y.mean(1, keepdims=True)
    length = np.sqrt(np.square(y).sum(1) * np.square(x).sum())
    result: Doubles = np.where(length > 0, y @ x / np.where(length > 0, length, 1), 0.0)
    return result


def finite(scores: Doubles) -> Bools:
    """Which images have a score at every dose: (n,) of (n, s)."""
    return np.asarray(np.isfinite(scores).all(1), np.bool_)


def per_dose(scores: Doubles, doses: Doubles) -> Doubles:
    """Change of each score by one dose, half that from −1 to 1: (n, ...) of (n, s, ...)."""
    up, down = (int(np.flatnonzero(doses == d)[0]) for d in (1, -1))
    change: Doubles = (scores[:, up] - scores[:, down]) / 2
    return change


def succeeded(scores: Doubles, doses: Doubles, threshold: float) -> Bools:
    """Which images an edit makes what it says, among those that are not yet: (m,) of (n, s).

    With a threshold: images that are below it at dose 0, and whether they are above it at the largest dose. Without:
    all images, and whether the score at dose 1 is above that at −1, which half of them are by chance.
    """
    if np.isnan(threshold):
        hits = per_dose(scores, doses) > 0
    else:
        lacking = scores[:, int(np.flatnonzero(doses == 0)[0])] <= threshold
        hits = scores[lacking, -1] > threshold
    return np.asarray(hits, np.bool_)


def kept(classes: Ints, doses: Doubles) -> Bools | None:
    """Whether the judged class is that at dose 0: (n, s); None where no class is told."""
    zero = int(np.flatnonzero(doses == 0)[0])
    if not len(classes) or (classes < 0).any():
        return None
    return np.asarray(classes == classes[:, zero, None], np.bool_)


def kept_at_one(same: Bools | None, doses: Doubles) -> Interval:
    """Share of images that keep their class at doses ±1; each image counts as one, though it is looked at twice."""
    if same is None:
        return UNKNOWN
    one = same[:, np.abs(doses) == 1].mean(1)
    return wilson_share(float(one.mean()), len(one))


def shares(same: Bools | None, doses: Doubles) -> Doubles:
    """Share of images that keep their class, with its interval, at each dose: (3, s) value, low, high."""
    if same is None:
        return np.full((3, len(doses)), np.nan)
    return _band([proportion(column) for column in same.T])


def means(values: Doubles) -> Doubles:
    """Mean of the known values of each column of (n, s) with its interval: (3, s) value, low, high."""
    return _band([mean_interval(column[np.isfinite(column)]) for column in values.T])


def _band(found: Sequence[Interval]) -> Doubles:
    return np.array([[one.value for one in found], [one.low for one in found], [one.high for one in found]])
