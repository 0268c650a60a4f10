"""Scores of how single numbers of a code and single known factors belong together: formulas, no intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Doubles, Floats, Ints, Singles
from .dci import Factor
from .statistics import Interval, proportion

BINS = 20
VOTES = 800  # of the FactorVAE score
BATCH = 64
BLOCK = 100  # votes that are counted at once


def binned(values: Doubles, bins: int = BINS) -> Ints:
    """Cut (n,) numbers into `bins` bins of about equal counts; equal values share one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def mutual_information(codes: Ints, factors: Ints) -> Doubles:
    """I of every column of (n, d) with every column of (n, f) indices, in nats: (d, f), all by one product."""
    n, d = codes.shape
    mine, wide = _one_hot(codes)
    others, high = _one_hot(factors)
    joint = (mine.T @ others).astype(np.float64) / n
    joint = joint.reshape(d, wide, factors.shape[1], high)
    expected = joint.sum(3, keepdims=True) * joint.sum(1, keepdims=True)
    ratio = np.where(joint > 0, joint, 1) / np.where(joint > 0, expected, 1)
    found: Doubles = (joint * np.log(ratio)).sum((1, 3))
    return np.maximum(found, 0)


def _one_hot(columns: Ints) -> tuple[Singles, int]:
    """(n, d) indices as (n, d · m) zeros and ones, and m, their largest number of values."""
    n, d = columns.shape
    most = int(columns.max()) + 1
    out = np.zeros((n, d * most), np.float32)
    out[np.arange(n)[:, None], columns + most * np.arange(d)] = 1
    return out, most


def entropy(column: Ints) -> float:
    """H of (n,) indices, in nats."""
    p = np.bincount(column) / len(column)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def mig(information: Doubles, entropies: Doubles) -> float:
    """Mutual information gap: mean over factors of (I₁ − I₂) / H (Chen et al. 2018, arXiv:1802.04942)."""
    top = np.sort(information, axis=0)[::-1]
    second = top[1] if len(top) > 1 else 0.0
    return float(np.mean((top[0] - second) / entropies))


def modularity(information: Doubles) -> float:
    """Mean over numbers of 1 − Σ_{k≠k*} I_k² / (I_k*² (f − 1)) (Ridgeway & Mozer 2018, arXiv:1802.05312).

    Numbers without any information count by their share of it, as 0: noise is not modular.
    """
    f = information.shape[1]
    if f < 2:
        return float("nan")
    squares = np.square(information)
    best = squares.max(1)
    rest = (squares.sum(1) - best) / np.where(best > 0, best * (f - 1), 1)
    weights = information.max(1)
    return float(np.average(1 - rest, weights=weights)) if weights.sum() > 0 else 0.0


def separated(predictability: Doubles) -> float:
    """SAP: mean over factors of the best number's score less the second's, of (d, f) (Kumar et al. 2018)."""
    top = np.sort(predictability, axis=0)[::-1]
    return float(np.mean(top[0] - (top[1] if len(top) > 1 else 0.0)))


def predictability(codes: Doubles, factors: Sequence[Factor]) -> Doubles:
    """How well each number alone tells each factor: R² of a line, or for classes η², (d, f).

    η² is the share of a number's variance that lies between the classes, the R² of the line's counterpart; SAP's
    authors take a classifier's accuracy there, which depends on how many classes there are.
    """
    spread = codes - codes.mean(0)
    total = np.maximum(np.square(spread).sum(0), 1e-300)
    found = np.empty((codes.shape[1], len(factors)))
    for j, factor in enumerate(factors):
        if factor.discrete:
            member = _one_hot(factor.values.astype(np.int64)[:, None])[0].astype(np.float64)
            size = np.maximum(member.sum(0), 1)[:, None]
            found[:, j] = (np.square(member.T @ spread / size) * size).sum(0) / total
        else:
            gap = factor.values - factor.values.mean()
            found[:, j] = np.square(gap @ spread) / (total * max(float(gap @ gap), 1e-300))
    return found


def factor_votes(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> tuple[Ints, Ints]:
    """Draw a factor, then rows that share its value: the number that varies least there, and the factor: (votes,) each.

    Variances are over those of all rows; numbers that hardly vary at all have no vote (Kim & Mnih 2018,
    arXiv:1802.05983). Args: factors: (n, f) indices.
    """
    spread = codes.var(0)
    alive = spread > 1e-4 * spread.max()
    scaled = (codes - codes.mean(0)) / np.sqrt(np.where(alive, spread, 1))
    mixed = rng.permutation(len(codes))
    order = np.stack([mixed[np.argsort(column[mixed], kind="stable")] for column in factors.T], axis=1)
    chosen, row = rng.integers(factors.shape[1], size=votes), rng.integers(len(codes), size=votes)
    starts, sizes = np.zeros(votes, np.int64), np.zeros(votes, np.int64)
    for j, column in enumerate(factors.T):  # a random row's value is as likely as it is common
        counts = np.bincount(column)
        value = column[row[chosen == j]]
        starts[chosen == j], sizes[chosen == j] = (np.cumsum(counts) - counts)[value], counts[value]
    first = np.floor(rng.random(votes) * sizes).astype(np.int64)
    picked = np.zeros(votes, np.int64)
    for start in range(0, votes, BLOCK):  # each takes BATCH neighbours in a random order of the rows with its value
        part = slice(start, start + BLOCK)
        place = starts[part, None] + (first[part, None] + np.arange(BATCH)) % sizes[part, None]
        some = scaled[order[place, chosen[part, None]]].var(1)
        picked[part] = np.where(alive, some, np.inf).argmin(1)
    return picked, chosen


def factor_vae(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> Interval:
    """FactorVAE score: accuracy of the majority vote, chosen on half of the votes and judged on the others.

    A rotation need not lower it: one number that varies least for each factor is enough.
    """
    picked, chosen = factor_votes(codes, factors, rng=rng, votes=votes)
    half = votes // 2
    counts = np.zeros((codes.shape[1], factors.shape[1]), np.int64)
    np.add.at(counts, (picked[:half], chosen[:half]), 1)
    return proportion(counts.argmax(1)[picked[half:]] == chosen[half:])
