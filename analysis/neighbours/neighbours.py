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
    """Name of the representation, such as "code" or "pixels"."""
    baseline: bool
    """Whether it is a baseline, such as pixels or the untrained network."""
    rows: Ints
    """(q, k) positions in the table of the nearest train rows, nearest first."""
    distances: Doubles
    """(q, k) Euclidean distances to them."""
    agreement: Interval | None
    """Share of the k neighbours with the query's label, over all n labelled test rows; None without labels."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The same queries looked up in several representations."""

    kind: ClassVar[str] = "neighbours"

    queries: Ints
    """(q,) positions in the table of the test rows that the gallery shows."""
    k: int
    """Number of neighbours of each query."""
    chance: float
    """Agreement of random train rows: the sum over classes of p_train · p_test; NaN without labels."""
    tables: tuple[NeighbourTable, ...]
    """One for each representation."""
    notes: tuple[str, ...]
    """Sentences on rows and representations that were left out or reduced."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.queries, *(table.rows for table in self.tables))
