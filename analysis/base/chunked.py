"""Rows that are larger than memory: they stand in for an (n, d) array, and are read block by block when asked for.

A `Stream` is typed as the array that it stands for. It takes an index of rows or columns, gives moments of columns in
one pass, and `blocks`; whoever goes through rows in blocks takes either. As an array (`np.asarray`) it is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..io.memory import room

Array = npt.NDArray[Any]


Read = Callable[[Array], Iterator[Array]]
"""Ascending positions -> their rows, (m, d) float32 at a time, in order."""

SHARE = 6  # copies of an array that an analysis may make: split, standardised, checked, blocks of it


CELLS = 400_000  # numbers of a block, unless its rows are said


class Stream:
    """Rows of a column, at positions `rows` (n,), mapped block by block.

    Args:
        read: gives rows at ascending positions.
        rows: (n,) positions.
        width: columns, after the maps.
        maps: from blocks (m, ·) to blocks, in order.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, read: Read, rows: Array, width: int, maps: tuple[Callable[[Array], Array], ...] = ()) -> None:
        self._read, self.rows, self._maps = read, rows, maps
        self.shape = (len(rows), width)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    def __getitem__(self, index: Any) -> Stream:
        """Rows by a mask, positions or a slice; columns as [:, mask]. Nothing is read."""
        if isinstance(index, tuple):
            keep = index[1]
            width = len(np.empty(self.shape[1], np.bool_)[keep])
            return Stream(self._read, self.rows[index[0]], width, (*self._maps, lambda block: block[:, keep]))
        return Stream(self._read, self.rows[index], self.shape[1], self._maps)

    def map(self, function: Callable[[Array], Array], width: int) -> Stream:
        """The same rows, each block (m, d) mapped to (m, width)."""
        return Stream(self._read, self.rows, width, (*self._maps, function))

    def blocks(self, size: int = 0) -> Iterator[Array]:
        """Yield the rows in order, at most `size` at a time. Rows that do not ascend are read at once, into memory."""
        size = size or rows_of(self.shape[1])
        if (np.diff(self.rows) > 0).all():
            yield from self._pieces(self.rows, size)
        else:
            whole = np.asarray(self)
            yield from (whole[start : start + size] for start in range(0, len(whole), size))

    def _pieces(self, rows: Array, size: int) -> Iterator[Array]:
        for piece in self._read(rows):
            most = min(size, rows_of(piece.shape[1]))
            for start in range(0, len(piece), most):
                block = piece[start : start + most]
                for function in self._maps:
                    block = function(block)
                yield block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it."""
        wanted, back = np.unique(self.rows, return_inverse=True)
        out, start = np.empty((len(wanted), self.shape[1]), np.float32), 0
        for piece in self._pieces(wanted, rows_of(self.shape[1])):
            out[start : start + len(piece)] = piece
            start += len(piece)
        matrix = out if len(wanted) == len(self.rows) and (wanted == self.rows).all() else out[back]
        return matrix if dtype is None else matrix.astype(dtype, copy=False)

    # Moments of the columns, all from one pass ------------------------------------------------------

    @cached_property
    def _moments(self) -> tuple[Array, Array, Array, Array]:
        """Mean, variance, least and largest of each column, (d,), in float64 (Chan, Golub & LeVeque 1983)."""
        n, mean, square = 0, np.zeros(self.shape[1]), np.zeros(self.shape[1])
        low, high = np.full(self.shape[1], np.inf), np.full(self.shape[1], -np.inf)
        for block in self.blocks():
            m, block_mean = len(block), block.mean(0, dtype=np.float64)
            gap = block_mean - mean
            square += np.square(block - block_mean).sum(0) + np.square(gap) * n * m / (n + m)
            mean, n = mean + gap * m / (n + m), n + m
            low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
        return mean, square / max(1, n), low, high

    def mean(self, axis: int, dtype: Any = None) -> Array:
        """Mean of each column."""
        return self._moments[0]

    def var(self, axis: int, dtype: Any = None) -> Array:
        """Variance of each column."""
        return self._moments[1]

    def std(self, axis: int, dtype: Any = None) -> Array:
        """Standard deviation of each column."""
        deviation: Array = np.sqrt(self._moments[1])
        return deviation

    def min(self, axis: int) -> Array:
        """Least of each column."""
        return self._moments[2]

    def max(self, axis: int) -> Array:
        """Largest of each column."""
        return self._moments[3]


def rows_of(width: int) -> int:
    """Rows of `width` columns that make a block."""
    return max(64, CELLS // width)


def blocks(x: Array, size: int = 0) -> Iterator[tuple[int, Array]]:
    """Yield (start, rows) of (n, d) rows, an array or a stream, at most `size` at a time."""
    size = size or rows_of(x.shape[1])
    parts = x.blocks(size) if isinstance(x, Stream) else (x[start : start + size] for start in range(0, len(x), size))
    start = 0
    for part in parts:
        yield start, part
        start += len(part)


def by_blocks(function: Callable[[Array], Array], x: Array) -> Array:
    """function(x), row by row the same, of an array at once and of a stream block by block: (n, …)."""
    if not isinstance(x, Stream):
        return function(x)
    return np.concatenate([function(part) for _, part in blocks(x)])


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the columns of (n, d), (d,) in float64, without a copy of the rows."""
    mean = x.mean(0, dtype=np.float64)
    if isinstance(x, Stream):
        return mean, x.std(0)
    square = sum((np.square(rows - mean).sum(0) for _, rows in blocks(x)), np.zeros(x.shape[1]))
    return mean, np.sqrt(square / max(1, len(x)))


def settled(x: Array) -> Array:
    """`x` in memory where it fits, else as it is."""
    return np.asarray(x) if isinstance(x, Stream) and fits(*x.shape) else x


def fits(rows: int, width: int) -> bool:
    """Whether (rows, width) float32 values, and what an analysis makes of them, fit in memory."""
    return SHARE * 4.0 * rows * width <= room()
