"""What sections are written from: results by kind, the overview's thumbnails, and the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..io.reading import table_metadata
from .document import Column, Picture, Thumbnails
from .formatting import sentence
from .images import as_uint8
from .run_folder import Run

if TYPE_CHECKING:
    from ..base.arrays import Doubles, Ints
    from ..table.overview import Overview


@dataclass(frozen=True, eq=False)
class ReportContext:
    """Everything there is. `results` maps a kind ("probes", …) to its result, `commands` to what made it."""

    results: Mapping[str, Any] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None

    @property
    def overview(self) -> Overview | None:
        """What the table holds, or None where the analysis did not say."""
        return self.results.get("overview")

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the encoder wrote about itself into the table; empty for a foreign table."""
        return {} if self.overview is None else table_metadata(self.overview.metadata, self.overview.table)

    def refusal(self, kind: str) -> str:
        """Say why an analysis was left out, "" where it was not tried."""
        reason = dict(self.overview.refused if self.overview is not None else ()).get(kind)
        return f"Left out: {sentence(reason)}" if reason else ""

    @cached_property
    def thumbnails(self) -> Thumbnails | None:
        """Images, ids and columns of all rows shown, with the columns that other results add."""
        overview = self.overview
        if overview is None or len(overview.rows) == 0:
            return None
        columns = [_column(c.name, c.values, c.categories) for c in overview.columns]
        if any(overview.split):
            columns.append(_text_column("split", [str(name) for name in overview.split]))
        pixels = None if overview.thumbnails is None else as_uint8(overview.thumbnails)
        return Thumbnails(overview.rows, tuple(map(str, overview.ids)), pixels, (*columns, *self._added(overview.rows)))

    @property
    def noun(self) -> str:
        """What a row is: "image", or "example" where the table has no pictures."""
        return "example" if self.thumbnails is not None and self.thumbnails.pixels is None else "image"

    @cached_property
    def places(self) -> dict[int, int]:
        """Position of each row number among the thumbnails."""
        return {int(row): i for i, row in enumerate(self.thumbnails.rows)} if self.thumbnails else {}

    def picture(self, row: int, label: str = "") -> Picture | None:
        """The thumbnail of a row, if there is one."""
        place = self.places.get(int(row))
        if place is None or self.thumbnails is None or self.thumbnails.pixels is None:
            return None
        return Picture(self.thumbnails.pixels[place], self.describe(row), label, int(row))

    def describe(self, row: int) -> str:
        """Words for a row: its id and label."""
        place = self.places.get(int(row))
        if place is None or self.thumbnails is None:
            return f"row {row}"
        name = self.label(row)
        return f"{self.noun} {self.thumbnails.ids[place]}" + (f", {name}" if name else "")

    def label(self, row: int) -> str:
        """The label of a row, "" where unknown."""
        place = self.places.get(int(row))
        if place is None or self.overview is None or not self.overview.columns:
            return ""
        first = self.overview.columns[0]
        value = first.values[place]
        return first.categories[int(value)] if first.kind == "class" and np.isfinite(value) else ""

    def _added(self, rows: Ints) -> list[Column]:
        """Columns that results know of their rows: a mixture's component, the error of a reconstruction."""
        row_values = [result.row_values() for result in self.results.values() if hasattr(result, "row_values")]
        added = [_column(each.name, _spread(rows, each.rows, each.values), each.categories) for each in row_values]
        return [column for column in added if np.any(np.isfinite(column.values) & (column.values != -1))]


def _column(name: str, values: Doubles, categories: tuple[str, ...]) -> Column:
    if not categories:
        return Column(name=name, values=np.asarray(values, np.float64))
    finite = np.isfinite(values)
    return Column(name=name, values=np.where(finite, values, -1).astype(np.int64), categories=tuple(categories))


def _text_column(name: str, texts: list[str]) -> Column:
    order = {"train": 0, "validation": 1, "test": 2}
    names = sorted({text for text in texts if text}, key=lambda text: (order.get(text, 3), text))
    index = {text: i for i, text in enumerate(names)}
    return Column(
        name=name, values=np.array([index.get(text, -1) for text in texts], np.int64), categories=tuple(names)
    )


def _spread(rows: Ints, measured: Ints, values: Any) -> Doubles:
    """Put values of the rows `known` where they belong among `rows` (ascending): (n,), NaN elsewhere."""
    out = np.full(len(rows), np.nan)
    place = np.searchsorted(rows, measured)
    place = np.minimum(place, len(rows) - 1)
    hit = rows[place] == measured
    out[place[hit]] = np.asarray(values, np.float64)[hit]
    return out
