"""Exact nearest neighbours by blocked matrix products, k-NN probes, and what a code considers similar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Singles
from .statistics import Interval
from .streams import SHARE, Stream, blocks, room
from .threads import one_blas_thread, over_blocks

COMPARED = 2_000_000  # distances that are held at once
REFERENCES = 1_000_000  # numbers of a stream's rows that are compared at once


@dataclass(frozen=True)
class NeighbourTable:
    """The nearest train rows of some test rows in one representation."""

    representation: str
    baseline: bool
    rows: Ints  # (q, k) positions in the table, nearest first
    distances: Doubles  # (q, k) Euclidean
    agreement: Interval | None  # share of the k neighbours with the query's label, over all n test rows tried


@dataclass(frozen=True)
class Neighbours:
    """The same queries looked up in several representations."""

    queries: Ints  # (q,) positions in the table, q of them for the gallery
    k: int
    chance: float  # agreement of random train rows: the sum over classes of p_train · p_test; NaN unlabelled
    tables: tuple[NeighbourTable, ...]
    notes: tuple[str, ...]


def nearest(queries: Floats, references: Floats, *, k: int = 1, own: bool = False) -> tuple[Ints, Doubles]:
    """Find the k nearest `references` (n, d) of each query (q, d) in Euclidean distance, exactly.

    Products run in float32 blocks, after both sides are centred on the references' mean (which takes most of
    the cancellation away); for k > 1 the candidates' distances are computed again directly, and ordered.

    Args: own: queries are the references themselves, and no row counts as its own neighbour.
    Returns: indices (q, k), nearest first, and distances (q, k).
    """
    n, k = len(references), min(k, len(references) - own)
    if k < 1:
        raise AnalysisError("neighbours need at least one other row")
    if isinstance(queries, Stream) or isinstance(references, Stream):
        return _nearest_in_blocks(queries, references, k, own)
    centre = references.mean(0, dtype=np.float64)
    right = (references - centre).astype(np.float32)
    norms = np.einsum("ij,ij->i", right, right)
    right = np.ascontiguousarray(right.T)
    block = max(1, min(len(queries), COMPARED // max(1, n)))
    index = np.empty((len(queries), k), np.int64)
    distance = np.empty((len(queries), k))

    def look_up(start: int) -> None:
        left = (queries[start : start + block] - centre).astype(np.float32)
        scores = left @ right
        scores *= -2
        scores += norms  # |q − r|² − |q|²
        if own:
            scores[np.arange(len(left)), np.arange(start, start + len(left))] = np.inf
        index[start : start + block] = _least(scores, k)
        stop = start + len(left)
        distance[start:stop] = _distances(left, right, index[start:stop])

    with one_blas_thread():
        list(over_blocks(look_up, range(0, len(queries), block), cells=len(queries) * n))
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)


def _nearest_in_blocks(queries: Floats, references: Floats, k: int, own: bool) -> tuple[Ints, Doubles]:
    """`nearest` where rows are streams: the nearest of each block of references, the nearer of the blocks kept."""
    rows = max(4096, int(room() / (8 * SHARE * references.shape[1])))  # each block of queries reads all references
    parts, few = [], max(256, REFERENCES // references.shape[1])
    for first, asked in blocks(queries, rows):
        q = len(asked)
        index, distance = np.zeros((q, 0), np.int64), np.zeros((q, 0))
        for start, known in blocks(references, few):
            found, far = nearest(asked, known, k=min(len(known), k + own))
            if own:
                far[start + found == first + np.arange(q)[:, None]] = np.inf
            index, distance = np.hstack([index, start + found]), np.hstack([distance, far])
            order = np.argsort(distance, axis=1, kind="stable")[:, :k]
            index, distance = np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
        parts.append((index, distance))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _least(scores: Singles, k: int) -> Ints:
    """Columns of the k least values in each row, in any order."""
    if k == 1:
        return np.asarray(scores.argmin(1)[:, None], np.int64)
    least: Ints = np.argpartition(scores, k - 1, axis=1)[:, :k].astype(np.int64)
    return least


def _distances(left: Singles, right: Singles, index: Ints) -> Doubles:
    """Distances of left (m, d) to columns `index` (m, k) of right (d, n), computed directly."""
    out = np.empty(index.shape)
    for column in range(index.shape[1]):
        gap = left - right[:, index[:, column]].T
        out[:, column] = np.sqrt(np.einsum("ij,ij->i", gap, gap, dtype=np.float64))
    return out


def unit_rows(x: Floats) -> Singles:
    """Rows (n, d) scaled to length 1; those of no length stay 0."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, np.where(length > 0, length, 1)).astype(np.float32)


def weighted_vote(labels: Ints, weights: Doubles, classes: int) -> Ints:
    """Class of the largest sum of weights (q, k) over neighbours' labels (q, k): (q,)."""
    q, k = labels.shape
    flat = np.repeat(np.arange(q), k) * classes + labels.ravel()
    sums = np.bincount(flat, weights=weights.ravel(), minlength=q * classes).reshape(q, classes)
    return np.asarray(sums.argmax(1), np.int64)


def vote(labels: Ints) -> Ints:
    """Majority class of (q, k) neighbours' labels, nearest first; ties go to the nearer ones."""
    classes = int(labels.max()) + 1
    counts = np.zeros((len(labels), classes))
    rows = np.arange(len(labels))
    k = labels.shape[1]
    for column in range(k):
        counts[rows, labels[:, column]] += 1 + (k - column) * 1e-6 / k
    return np.asarray(counts.argmax(1), np.int64)
