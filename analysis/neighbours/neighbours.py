"""Nearest neighbours of rows, as results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.arrays import Doubles, Ints, rows_of
from ..base.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class NeighbourTable:
    """The nearest train rows of some test rows in one representation."""

    representation: str
    baseline: bool
    rows: Ints  # (q, k) positions in the table, nearest first
    distances: Doubles  # (q, k) Euclidean
    agreement: Interval | None  # share of the k neighbours with the query's label, over all n test rows tried


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The same queries looked up in several representations."""

    kind: ClassVar[str] = "neighbours"

    queries: Ints  # (q,) positions in the table, q of them for the gallery
    k: int
    chance: float  # agreement of random train rows: the sum over classes of p_train · p_test; NaN unlabelled
    tables: tuple[NeighbourTable, ...]
    notes: tuple[str, ...]

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.queries, *(table.rows for table in self.tables))
