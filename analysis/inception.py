"""Scores of generated images by a classifier of real ones: how sure and how varied its answers are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import AnalysisError, Doubles, Floats
from .statistics import UNKNOWN, Interval, percentiles

FLOOR = 1e-6
"""Probabilities are raised to this before logarithms are taken: −log of a classifier's output has no bound, and a
single image would be the score."""


def inception_score(probabilities: Floats, *, rng: np.random.Generator, repeats: int = 1000) -> Interval:
    """Return exp E_x KL(p(y|x) ‖ p(y)): K where answers are sure and evenly spread over K classes, 1 at the least.

    Source: Salimans et al. 2016 (arXiv:1606.03498), §4.

    Args: probabilities: (n, K) of a classifier, rows that sum to 1. rng, repeats: of the bootstrap over images.
    Returns: the score with a 95 % interval. Raises: AnalysisError where rows are no probabilities.
    """
    p, logs = _checked(probabilities)
    if not len(p):
        return UNKNOWN
    sums = np.column_stack([(p * logs).sum(1), p])

    def score(totals: Doubles) -> Doubles:
        mean = totals[:, 1:] / len(p)
        result: Doubles = np.exp(totals[:, 0] / len(p) - (mean * np.log(np.maximum(mean, FLOOR))).sum(1))
        return result

    return _bootstrapped(score, sums, rng, repeats)


def modified_inception_score(probabilities: Floats, *, rng: np.random.Generator, repeats: int = 1000) -> Interval:
    """Return the mean over classes of exp E KL(p(y|x_i) ‖ p(y|x_j)) over pairs of images that are given this class.

    High where the images of a class differ, to the classifier; 1 where all are answered alike. It can't tell variety
    from images that are of no class, so it is read beside the score of real images. The expectation is over pairs of
    different images. A class that fewer than two images are given counts as 1, the least, so that dropping it is no
    gain; the authors' code has no answer there.

    Source: Gurumurthy et al.: DeLiGAN, CVPR 2017 (arXiv:1706.02071), §5.1, and src/modified_inception_scores of the
    authors' code.

    Args: probabilities: (n, K) of a classifier, rows that sum to 1. rng, repeats: of the bootstrap over images.
    Returns: the score with a 95 % interval. Raises: AnalysisError where rows are no probabilities.
    """
    p, logs = _checked(probabilities)
    if not len(p):
        return UNKNOWN
    k = p.shape[1]
    member = np.eye(k)[p.argmax(1)]
    one = np.column_stack([np.ones(len(p)), (p * logs).sum(1), p, logs])  # Σ_ij KL = n Σ_i p_i·log p_i − Σ p · Σ log p
    sums = (member[:, :, None] * one[:, None]).reshape(len(p), -1)

    def score(totals: Doubles) -> Doubles:
        table = totals.reshape(len(totals), k, -1)
        n, own, both, lone = table[..., 0], table[..., 1], table[..., 2 : 2 + k], table[..., 2 + k :]
        pairs = np.maximum(n * (n - 1), 1)
        divergence = np.where(n > 1, (n * own - (both * lone).sum(2)) / pairs, 0.0)
        result: Doubles = np.exp(np.maximum(divergence, 0)).mean(1)
        return result

    return _bootstrapped(score, sums, rng, repeats)


def _checked(probabilities: Floats) -> tuple[Doubles, Doubles]:
    """Return probabilities (n, K) and their logarithms in float64."""
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise AnalysisError(f"a score of images takes class probabilities (n, K), not an array of shape {p.shape}")
    if not ((p >= 0).all() and np.allclose(p.sum(1), 1, atol=1e-3)):
        raise AnalysisError("a score of images takes class probabilities: rows that are not negative and sum to 1")
    return p, np.log(np.maximum(p, FLOOR))


def _bootstrapped(
    score: Callable[[Doubles], Doubles], sums: Doubles, rng: np.random.Generator, repeats: int
) -> Interval:
    """Score the sums over rows of (n, m), with a percentile bootstrap over rows; `score` maps (r, m) to (r,)."""
    n = len(sums)
    draws = []
    for start in range(0, repeats, 100):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(100, repeats - start)).astype(np.float64)
        draws.append(score(counts @ sums))
    return Interval(float(score(sums.sum(0, keepdims=True))[0]), *percentiles(np.concatenate(draws)), n)
