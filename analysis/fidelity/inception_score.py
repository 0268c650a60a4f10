"""Scores of generated images by a classifier of real ones: how sure and how varied its answers are."""

from __future__ import annotations

import math

import numpy as np

from ..base.arrays import Doubles, Floats, Seed, as_numbers, as_rng
from ..base.statistics import UNKNOWN, Interval, Z, without_interval
from ..errors import AnalysisError

FLOOR = 1e-6
"""Probabilities are raised to this before logarithms are taken: −log of a classifier's output has no bound, and a
single image would be the score."""

MIN_CLASS_IMAGES = 4
"""Images that each class is given, if any, from which the modified score has an interval."""


def inception_score(probabilities: Floats, *, rng: Seed = 0, repeats: int = 0) -> Interval:
    """Return exp E_x KL(p(y|x) ‖ p(y)): K where answers are sure and evenly spread over K classes, 1 at the least.

    Few images make the score too small, as p(y) fits them. The interval is for the score of very many: around log IS
    less its jackknife bias, e² = (1.96 · jackknife error)² + the quantile of Σ_y (p̄_y − p_y)² / 2 p_y, a weighted sum
    of squares, which alone varies where p(y) is even.

    Source:
        Salimans et al. 2016 (arXiv:1606.03498), §4.

    Args:
        probabilities: (n, K) of a classifier, rows that sum to 1.
        rng, repeats: accepted from callers of earlier versions; nothing is drawn any more.
    Returns:
        The score of these images, which the interval holds too.
    Raises:
        AnalysisError: rows are no probabilities.
    """
    as_rng(rng)
    p, logs = _checked(probabilities)
    n, k = p.shape
    if not n:
        return UNKNOWN
    entropies = (p * logs).sum(1)

    def log_score(sums: Doubles, total: Doubles, rows: int) -> Doubles:
        mean = sums / rows
        scores: Doubles = total / rows - (mean * np.log(np.maximum(mean, FLOOR))).sum(1)
        return scores

    sums, total = p.sum(0, keepdims=True), entropies.sum(keepdims=True)
    value = float(log_score(sums, total, n)[0])
    if n < 3:
        return without_interval(math.exp(value), n, f"there are {n} images")
    bias, error = _from_left_out(value, log_score(sums - p, total - entropies, n - 1))
    long, short = _squares(p)
    low = min(value, value - min(bias, 0.0) - math.hypot(Z * error, short))
    high = max(value, value - min(bias, 0.0) + math.hypot(Z * error, long))
    return Interval(math.exp(value), math.exp(max(low, 0.0)), math.exp(min(high, math.log(k))), n)


def _squares(p: Doubles) -> tuple[float, float]:
    """How far Σ_y (p̄_y − p_y)² / 2 p_y of the mean of (n, K) rows lies above and below its mean, in 97.5 % each.

    By χ² with the degrees of freedom that match its variance (Satterthwaite).
    """
    from scipy.stats import chi2

    mean = p.mean(0)
    whitened = (p - mean) / np.sqrt(np.maximum(mean, FLOOR))
    second = whitened.T @ whitened / len(p)
    trace, square = float(np.trace(second)), float(np.square(second).sum())
    if square <= 0:
        return 0.0, 0.0
    degrees, unit = trace**2 / square, square / trace / (2 * len(p))
    low, high = chi2.ppf([0.025, 0.975], degrees)
    return unit * float(high - degrees), unit * float(degrees - low)


def modified_inception_score(probabilities: Floats, *, rng: Seed = 0, repeats: int = 0) -> Interval:
    """Return the mean over classes of exp E KL(p(y|x_i) ‖ p(y|x_j)) over pairs of images that are given this class.

    High where the images of a class differ, to the classifier; 1 where all are answered alike. It can't tell variety
    from images that are of no class, so it is read beside the score of real images. The expectation is over pairs of
    different images. A class that fewer than two images are given counts as 1, the least, so that dropping it is no
    gain; the authors' code has no answer there. The interval is the jackknife's on the score's logarithm, for the score
    of very many images; there is none where a class is given a few images only, of which the score may be far too high.

    Source:
        Gurumurthy et al.: DeLiGAN, CVPR 2017 (arXiv:1706.02071), §5.1, and src/modified_inception_scores of the
        authors' code.

    Args:
        probabilities: (n, K) of a classifier, rows that sum to 1.
        rng, repeats: accepted from callers of earlier versions; nothing is drawn any more.
    Returns:
        The score of these images, which the interval holds too.
    Raises:
        AnalysisError: rows are no probabilities.
    """
    as_rng(rng)
    p, logs = _checked(probabilities)
    n, k = p.shape
    if not n:
        return UNKNOWN
    member = p.argmax(1)
    columns = np.column_stack([np.ones(n), (p * logs).sum(1), p, logs])  # Σ_ij KL = n Σ_i p_i·log p_i − Σ p · Σ log p
    sums = np.zeros((k, columns.shape[1]))
    np.add.at(sums, member, columns)

    def of_class(totals: Doubles) -> Doubles:
        rows, own_terms, both, lone = totals[:, 0], totals[:, 1], totals[:, 2 : 2 + k], totals[:, 2 + k :]
        pairs = np.maximum(rows * (rows - 1), 1)
        divergence = np.where(rows > 1, (rows * own_terms - (both * lone).sum(1)) / pairs, 0.0)
        return np.exp(np.maximum(divergence, 0))

    scores = of_class(sums)
    value = float(np.log(scores.mean()))
    few = int(np.count_nonzero((sums[:, 0] > 0) & (sums[:, 0] < MIN_CLASS_IMAGES)))
    if few or n < 3:
        each = "1 class is" if few == 1 else f"{few} classes are"
        why = f"{each} given fewer than {MIN_CLASS_IMAGES} images, of which pairs say too little"
        return without_interval(math.exp(value), n, why)
    left = np.log((scores.sum() - scores[member] + of_class(sums[member] - columns)) / k)
    bias, error = _from_left_out(value, left)
    low, high = min(value, value - bias - Z * error), max(value, value - bias + Z * error)
    return Interval(math.exp(value), math.exp(max(low, 0.0)), math.exp(high), n)


def _from_left_out(value: float, left: Doubles) -> tuple[float, float]:
    """The jackknife's bias and standard error of a figure, from those without each row (n,)."""
    n, mean = len(left), float(left.mean())
    return (n - 1) * (mean - value), math.sqrt((n - 1) / n * float(np.square(left - mean).sum()))


def _checked(probabilities: Floats) -> tuple[Doubles, Doubles]:
    """Return probabilities (n, K) and their logarithms in float64."""
    p = as_numbers(probabilities, "class probabilities").astype(np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise AnalysisError(f"a score of images takes class probabilities (n, K), not an array of shape {p.shape}")
    if not ((p >= 0).all() and np.allclose(p.sum(1), 1, atol=1e-3)):
        raise AnalysisError("a score of images takes class probabilities: rows that are not negative and sum to 1")
    return p, np.log(np.maximum(p, FLOOR))
