"""Exact nearest neighbours by blocked matrix products, k-NN votes, and what a code considers similar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import AnalysisError
from ..io.memory import room
from .arrays import Bools, Doubles, Floats, Ints, Singles, as_codes, check_counts
from .chunked import SHARE, Stream, blocks
from .distances import LowerBounds, direct_gaps
from .parallel import one_blas_thread, over_blocks

COMPARED = 4_000_000  # distances that are held at once


MANY = 64  # a query is looked up again where more than one in so many references may be its nearest


GROUP = 16  # bounds of which only the least is looked at first


REFERENCES = 1_000_000  # numbers of a stream's rows that are compared at once


def nearest(queries: Floats, references: Floats, *, k: int = 1, exclude_self: bool = False) -> tuple[Ints, Doubles]:
    """Find the k nearest `references` (n, d) of each query (q, d) in Euclidean distance, exactly.

    A product in float32 bounds every distance from below. Distances are computed, by differences in float64, of k
    references with small bounds, and then of all others whose bound is within the largest of these. Queries that
    float32 leaves with many, as where rows lie in groups far apart, are looked up again by a product in float64.

    Args:
        queries: (q, d).
        references: (n, d).
        k: neighbours of each query.
        exclude_self: queries are the references themselves, and no row counts as its own neighbour.

    Returns:
        Indices (q, k), nearest first, and distances (q, k).

    Raises:
        AnalysisError: unequal widths, or no other row.
    """
    check_counts(k=k)
    queries, references = as_codes(queries, "queries"), as_codes(references, "references")
    if queries.shape[1] != references.shape[1]:
        raise AnalysisError(
            f"neighbours are of one width: queries have {queries.shape[1]} columns, references {references.shape[1]}"
        )
    k = min(k, len(references) - exclude_self)
    if k < 1:
        raise AnalysisError("neighbours need at least one other row")
    if isinstance(queries, Stream) or isinstance(references, Stream):
        return _nearest_in_blocks(queries, references, k, exclude_self)
    result = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    rows, many = np.arange(len(queries)), max(k, len(references) // MANY)
    with one_blas_thread():
        for kind, most in ((np.float32, many), (np.float64, len(references))):
            if len(rows):
                bounds = LowerBounds(references, queries, kind=kind, multiple=_grouped(len(references), k))
                rows = _look_up(bounds, rows, queries, references, result, most, exclude_self)
    return result[0], np.sqrt(result[1])


def _look_up(
    bounds: LowerBounds,
    rows: Ints,
    queries: Floats,
    references: Floats,
    neighbours: tuple[Ints, Doubles],
    most: int,
    exclude_self: bool,
) -> Ints:
    """Write the nearest of queries `rows` and their squared distances to `found`, two arrays of k columns.

    Returns:
        The queries of which more than `most` references may be the nearest; what is found of them is not final.
    """
    n, k = len(references), neighbours[0].shape[1]
    block = max(1, min(len(rows), COMPARED // n))

    def look_up(start: int) -> Ints:
        block_rows = rows[start : start + block]
        values, squares = bounds(queries[block_rows])
        if exclude_self:
            values[np.arange(len(block_rows)), block_rows] = np.inf
        least = _minima(values, _grouped(n, k))
        index = _small(values, least, k)
        gaps = direct_gaps(queries, references, np.repeat(block_rows, k), index.ravel()).reshape(index.shape)
        order = np.argsort(gaps, axis=1, kind="stable")
        neighbours[0][block_rows], neighbours[1][block_rows] = (
            np.take_along_axis(index, order, 1),
            np.take_along_axis(gaps, order, 1),
        )
        limits = bounds.limits(gaps.max(1), squares)
        limits[gaps.max(1) == 0] = -np.inf  # none is nearer
        place, column, left = _within(values, least, limits, most)
        more = (np.bincount(place, minlength=len(block_rows)) > k)[place]
        place, column = place[more], column[more]
        gaps = direct_gaps(queries, references, block_rows[place], column)
        order = np.lexsort((column, gaps, place))
        unique_places, first = np.unique(place, return_index=True)
        best = order[first[:, None] + np.arange(k)]
        neighbours[0][block_rows[unique_places]], neighbours[1][block_rows[unique_places]] = column[best], gaps[best]
        return block_rows[left]

    return np.concatenate([*over_blocks(look_up, range(0, len(rows), block), cells=len(rows) * n)])


def _grouped(n: int, k: int) -> int:
    """How many references go in a group, of which the least bound alone is looked at first."""
    return GROUP if n >= GROUP**2 * k else 1


def _minima(values: Floats, size: int) -> Floats:
    """The least of each group (q, m) of `size` values in rows (q, m · size): column c is in group c modulo m."""
    m = values.shape[1] // size
    if size == 1:
        return values
    least = np.minimum(values[:, :m], values[:, m : 2 * m])
    for start in range(2 * m, values.shape[1], m):
        np.minimum(least, values[:, start : start + m], out=least)
    return least


def _small(values: Floats, least: Floats, k: int) -> Ints:
    """Columns of k small values in each row, ascending, the least among them: one of each of the k least groups."""
    chosen = least.argmin(1)[:, None] if k == 1 else np.argpartition(least, k - 1, axis=1)[:, :k]
    columns = _columns(chosen, values, least)
    place = np.take_along_axis(values[:, None, :], columns, 2).argmin(2)
    return np.sort(np.take_along_axis(columns, place[:, :, None], 2)[:, :, 0], axis=1)


def _within(values: Floats, least: Floats, limits: Floats, most: int) -> tuple[Ints, Ints, Ints]:
    """Rows and columns, in order of rows, of values up to the rows' limits; and rows with more than `most` of them."""
    row, group = np.divmod(np.flatnonzero(least <= limits[:, None]), least.shape[1])
    few = np.bincount(row, minlength=len(values)) <= most
    row, group = row[few[row]], group[few[row]]
    columns = _columns(group, values, least)
    i, j = np.nonzero(values[row[:, None], columns] <= limits[row, None])
    row, column = row[i], columns[i, j]
    few &= np.bincount(row, minlength=len(values)) <= most
    return row[few[row]], column[few[row]], np.flatnonzero(~few)


def _columns(groups: Ints, values: Floats, least: Floats) -> Ints:
    """Columns of each group: (…, size)."""
    return np.asarray(groups[..., None] + np.arange(0, values.shape[1], least.shape[1]), np.int64)


def _nearest_in_blocks(queries: Floats, references: Floats, k: int, exclude_self: bool) -> tuple[Ints, Doubles]:
    """`nearest` where rows are streams: the nearest of each block of references, the nearer of the blocks kept."""
    rows = max(4096, int(room() / (8 * SHARE * references.shape[1])))  # each block of queries reads all references
    parts, few = [], max(256, REFERENCES // references.shape[1])
    for first, query_block in blocks(queries, rows):
        q = len(query_block)
        index, distance = np.zeros((q, 0), np.int64), np.zeros((q, 0))
        for start, reference_block in blocks(references, few):
            result, far = nearest(query_block, reference_block, k=min(len(reference_block), k + exclude_self))
            if exclude_self:
                far[start + result == first + np.arange(q)[:, None]] = np.inf
            index, distance = np.hstack([index, start + result]), np.hstack([distance, far])
            order = np.argsort(distance, axis=1, kind="stable")[:, :k]
            index, distance = np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
        parts.append((index, distance))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def without_parts(index: Ints, part: Ints, k: int) -> Iterator[tuple[Bools, Ints]]:
    """Yield, without each part of the rows in turn, the rows that stay and where their k nearest are in `index`.

    Args:
        index: (n, m > k) nearest other rows of each row, nearest first, as of `nearest`. Should fewer than k of them
            stay, the last stands in for those that are missing.
        part: (n,) from 0.
    Returns:
        (n,) rows that stay; (stay, k) columns of `index`.
    """
    for g in range(int(part.max()) + 1):
        stay = part != g
        number = np.cumsum(part[index[stay]] != g, axis=1)
        yield stay, np.stack([np.minimum((number <= j).sum(1), index.shape[1] - 1) for j in range(k)], axis=1)


def unit_rows(x: Floats) -> Singles:
    """Rows (n, d) scaled to length 1; those of no length stay 0."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, np.where(length > 0, length, 1)).astype(np.float32)


def weighted_votes(labels: Ints, weights: Doubles, classes: int) -> Doubles:
    """Sum of weights (q, k) of each class over neighbours' labels (q, k): (q, classes)."""
    q, k = labels.shape
    flat = np.repeat(np.arange(q), k) * classes + labels.ravel()
    sums: Doubles = np.bincount(flat, weights=weights.ravel(), minlength=q * classes).astype(np.float64)
    return sums.reshape(q, classes)


def weighted_vote(labels: Ints, weights: Doubles, classes: int) -> Ints:
    """Class of the largest sum of weights (q, k) over neighbours' labels (q, k): (q,)."""
    return np.asarray(weighted_votes(labels, weights, classes).argmax(1), np.int64)


def votes(labels: Ints, classes: int) -> Doubles:
    """Votes of (q, k) neighbours' labels, nearest first: (q, classes); the nearer ones weigh a trifle more."""
    counts = np.zeros((len(labels), classes))
    rows = np.arange(len(labels))
    k = labels.shape[1]
    for column in range(k):
        counts[rows, labels[:, column]] += 1 + (k - column) * 1e-6 / k
    return counts


def vote(labels: Ints) -> Ints:
    """Majority class of (q, k) neighbours' labels, nearest first; ties go to the nearer ones."""
    return np.asarray(votes(labels, int(labels.max()) + 1).argmax(1), np.int64)
