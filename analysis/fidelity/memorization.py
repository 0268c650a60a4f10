"""Whether a generator repeats: its training images, or itself."""

from __future__ import annotations

import math

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, as_codes, check_counts, same_length
from ..base.distances import at_most, squared_gaps
from ..base.nearest import nearest
from ..base.parallel import one_blas_thread
from ..base.statistics import LEVEL, Interval, auc_interval, jackknife, percentiles
from ..errors import AnalysisError
from .distances import Copying, Duplicates, Modes

SHOWN = 16


BLOCK = 500  # rows that are compared with all at once


def copying(samples: Floats, train: Floats, held_out: Floats, *, shown: int = SHOWN) -> Copying:
    """Compare the distance of samples to their nearest train row with that of held-out rows.

    P(held-out farther than sample) is the Mann–Whitney statistic of the data-copying test (Meehan, Chaudhuri &
    Dasgupta 2020, arXiv:2004.05675): 0.5 where samples are like new real rows, below where they lie off the data.

    Args:
        samples: (n, d) features of generated images.
        train: (m, d) features of the images that the generator was trained on.
        held_out: (r, d) features of real images that it was not trained on.
        shown: how many samples, those nearest to a train row, are returned with it.
    Returns:
        How near samples lie to train rows, compared with held-out rows.
    Raises:
        AnalysisError: fewer than 20 rows in one of the three.
    """
    return copying_and_others(samples, train, held_out, shown=shown)[0]


def copying_and_others(
    samples: Floats, train: Floats, held_out: Floats, *, shown: int = SHOWN
) -> tuple[Copying, Ints, Doubles]:
    """`copying`, and the nearest train row of each held-out row and its distance: (r,), (r,)."""
    check_counts(0, shown=shown)
    parts = [as_codes(z, name) for z, name in ((samples, "samples"), (train, "train rows"), (held_out, "others"))]
    for z, name in zip(parts, ("samples", "train rows", "held-out rows"), strict=True):
        if len(z) < 20:
            raise AnalysisError(f"a test of copying needs at least 20 {name}, and there are {len(z)}")
    index, distance = nearest(np.concatenate([parts[0], parts[2]]), parts[1])  # train rows may be read from disk: once
    m = len(parts[0])
    nearest_samples, near, other_distances = index[:m, 0], distance[:m, 0], distance[m:, 0]
    scores = np.concatenate([other_distances, near])
    closer = auc_interval(scores, np.arange(len(scores)) < len(other_distances))
    order = np.argsort(near, kind="stable")[:shown]
    copies = int(np.count_nonzero(near < np.quantile(other_distances, 0.01)))
    result = Copying(
        closer=closer,
        ratio=_ratio(near, other_distances),
        copies=copies,
        samples=len(near),
        nearest=nearest_samples[order],
        sample_rows=order,
        distances=near[order],
    )
    return result, index[m:, 0], other_distances


def _ratio(near: Floats, other_distances: Floats) -> Interval:
    """Median of `near` over that of `others`, each resampled by itself."""
    rng = np.random.default_rng(0)
    below = float(np.median(other_distances))
    if below == 0:
        return Interval(math.nan, math.nan, math.nan, len(near))
    draws = [
        float(
            np.median(rng.choice(near, len(near)))
            / max(np.median(rng.choice(other_distances, len(other_distances))), 1e-300)
        )
        for _ in range(500)
    ]
    return Interval(float(np.median(near)) / below, *percentiles(np.array(draws)), len(near))


def duplicate_threshold(real: Floats, *, share: float = 0.01) -> float:
    """The distance that a share of (n, d) different real rows have to their nearest other: nearer is a duplicate.

    At it these rows have a share · n / 2 of pairs or a little more, whatever they are.
    """
    distances = nearest(real, real, exclude_self=True)[1][:, 0]
    return float(np.quantile(distances, share))


def count_modes(x: Floats, *, threshold: float) -> Modes:
    """Estimate how many different rows a source of (n, d) rows has: 1 / P(two are within `threshold`).

    The birthday paradox turned round (Arora & Zhang 2017, arXiv:1706.08224): n rows of a uniform source of N
    hold about n² / 2N pairs. Sources that are not uniform count by their collisions, 1 / Σ p², so that N is a lower
    bound of the number. The interval is that of `duplicates` for P.

    Args:
        x: (n, d) features.
        threshold: distance up to which two rows are duplicates.

    Returns:
        The number with its interval, and the pairs it was counted from.

    Raises:
        AnalysisError: fewer than 20 rows.
    """
    result = duplicates(x, threshold=threshold)
    value, low, high = (1 / p if p > 0 else math.inf for p in (result.share.value, result.share.high, result.share.low))
    return Modes(
        number=Interval(value, low, high, result.rows), pairs=result.pairs, rows=result.rows, threshold=threshold
    )


def duplicates(x: Floats, *, threshold: float) -> Duplicates:
    """Measure how often two of (n, d) rows are within `threshold` of each other.

    The interval is the jackknife's over rows and Poisson's over pairs, the wider at either end; where no pair is
    found, up to 3 / pairs.

    Args:
        x: (n, d) features.
        threshold: distance up to which two rows are duplicates.
    Returns:
        The share of pairs that are duplicates, with a 95 % interval.
    Raises:
        AnalysisError: fewer than 20 rows.
    """
    x = as_codes(x)
    n = same_length(rows=x)
    if n < 20:
        raise AnalysisError(f"counting modes needs at least 20 rows, and there are {n}")
    i, j = _pairs(x, threshold)
    pairs, possible = len(i), n * (n - 1) // 2
    if pairs == 0:
        none = Interval(0.0, 0.0, 3.0 / possible, n)  # 95 %: at most 3 expected
        return Duplicates(share=none, pairs=0, rows=n, threshold=threshold)

    def share(rows: Floats) -> float:
        is_kept = np.zeros(n, np.bool_)
        is_kept[rows.astype(np.int64)] = True
        return float(np.count_nonzero(is_kept[i] & is_kept[j])) / (len(rows) * (len(rows) - 1) // 2)

    result = jackknife(share, np.random.default_rng(0).permutation(n))
    exact = _poisson(pairs)
    low, high = min(result.low, exact[0] / possible), max(result.high, exact[1] / possible)
    interval = Interval(result.value, max(low, 0.0), min(high, 1.0), n)
    return Duplicates(share=interval, pairs=pairs, rows=n, threshold=threshold)


def _pairs(x: Floats, threshold: float) -> tuple[Ints, Ints]:
    """Which rows i < j of (n, d) are within `threshold`: (pairs,), (pairs,)."""
    result = []
    with one_blas_thread():
        for start in range(0, len(x), BLOCK):
            block = x[start : start + BLOCK]
            i, j = np.nonzero(at_most(squared_gaps(block, x), threshold**2, block, x))
            result.append(np.stack([start + i, j])[:, start + i < j])
    i, j = np.hstack(result)
    return i, j


def _poisson(count: int) -> tuple[float, float]:
    """Garwood's 95 % interval of a Poisson mean."""
    from scipy.stats import chi2

    tail = (1 - LEVEL) / 2
    return float(chi2.ppf(tail, 2 * count)) / 2, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2
