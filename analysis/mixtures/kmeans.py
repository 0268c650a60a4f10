"""k-means for the seeds of a mixture: greedy k-means++ and Lloyd's rounds, by blocks of rows on threads."""

from __future__ import annotations

import math

import numpy as np

from ..base.arrays import Ints, Singles
from ..base.parallel import over_blocks
from .gaussians import TASK_ROWS

ROWS_PER_CHANGE = 1000  # Lloyd's rounds end where at most one row of so many changes its cluster


def seed_means(x: Singles, k: int, *, rng: np.random.Generator, rounds: int = 25) -> Ints:
    """Greedy k-means++ seeding (Arthur & Vassilvitskii 2007) and Lloyd's rounds: the cluster of each row, (n,).

    Each centre is the best of 2 + log k draws.
    """
    norms = np.einsum("ij,ij->i", x, x)
    centres = x[rng.integers(len(x), size=1)]
    nearest = _gaps(x, norms, centres)[:, 0]
    for _ in range(k - 1):
        total = nearest.sum(dtype=np.float64)
        share = nearest.astype(np.float64) / total if total > 0 else np.full(len(x), 1 / len(x))
        drawn = x[rng.choice(len(x), 2 + int(math.log(k)), p=share / share.sum())]
        left = np.minimum(nearest[:, None], _gaps(x, norms, drawn))
        best = int(left.sum(0, dtype=np.float64).argmin())
        centres, nearest = np.concatenate([centres, drawn[best : best + 1]]), left[:, best]
    return lloyd(x, centres, rounds)


def lloyd(x: Singles, centres: Singles, rounds: int) -> Ints:
    """Rounds of k-means from (k, d) centres: the cluster of each row, (n,).

    They end where one row in ROWS_PER_CHANGE, or fewer, changes its own.
    """
    k = len(centres)

    def task(start: int) -> tuple[Ints, Singles, Singles]:
        rows = x[start : start + TASK_ROWS]
        gaps = rows @ (-2 * centres.T)
        gaps += np.einsum("ij,ij->i", centres, centres)
        nearest = gaps.argmin(1)
        member = (nearest[:, None] == np.arange(k)).astype(np.float32)
        return nearest, member.sum(0), member.T @ rows

    cluster = np.full(len(x), -1)
    for turn in range(rounds + 1):
        result, counts, sums = zip(*over_blocks(task, range(0, len(x), TASK_ROWS), cells=x.size * k), strict=True)
        before, cluster = cluster, np.concatenate(result)
        if turn == rounds or np.count_nonzero(before != cluster) * ROWS_PER_CHANGE <= len(x):
            break
        count = np.sum(counts, 0)[:, None]
        centres = np.where(count > 0, np.sum(sums, 0) / np.maximum(count, 1), centres)
    return np.asarray(cluster, np.int64)


def _gaps(x: Singles, norms: Singles, centres: Singles) -> Singles:
    gaps: Singles = norms[:, None] - 2 * (x @ centres.T) + np.einsum("ij,ij->i", centres, centres)
    return np.maximum(gaps, 0)
