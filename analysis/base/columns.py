"""A column of labels: its classes in an order that people expect."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .arrays import AnyArray, Bools, Doubles, Ints

MAX_CATEGORIES = 50


@dataclass(frozen=True, kw_only=True)
class Column:
    """A label or attribute: of the whole table, or of the rows that the report shows (Overview.rows)."""

    name: str
    kind: str
    """"class", "boolean", "numeric" or "text"."""
    values: Doubles
    """(n,): the number; for class, boolean and text an index into `categories`; NaN = missing."""
    categories: tuple[str, ...]
    """Empty for numeric columns."""

    @property
    def present(self) -> Bools:
        """Rows with a value: (n,)."""
        return ~np.isnan(self.values)

    @property
    def codes(self) -> Ints:
        """Category of each row, -1 where missing: (n,)."""
        return np.where(self.present, self.values, -1).astype(np.int64)

    def as_numbers(self) -> list[Doubles]:
        """The number, or 1 and 0 of each category where there are not too many: (n,) each, NaN = missing."""
        if self.kind == "numeric":
            return [self.values]
        if len(self.categories) > MAX_CATEGORIES:
            return []
        one_of_two = len(self.categories) == 2
        return [
            np.where(self.present, self.codes == code, math.nan) for code in range(one_of_two, len(self.categories))
        ]

    def take(self, rows: Ints) -> Column:
        """Keep `rows` only."""
        return Column(name=self.name, kind=self.kind, values=self.values[rows], categories=self.categories)


def class_order(names: list[str], declared: Iterable[object] | None) -> list[str]:
    """Declared classes that occur come first, in their order; then the others, by number or alphabet."""
    first = [str(name) for name in declared or [] if str(name) in set(names)]
    rest = [name for name in names if name not in set(first)]
    try:
        return first + sorted(rest, key=float)
    except ValueError:
        return first + sorted(rest)


@dataclass(frozen=True, kw_only=True)
class RowValues:
    """A value of some rows of a table that an analysis found, for the report to show and colour by."""

    name: str
    rows: Ints
    """(n,) positions in the table, ascending."""
    values: AnyArray
    """(n,) numbers, or positions among the categories."""
    categories: tuple[str, ...] = ()
