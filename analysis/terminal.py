"""Results as tables for a terminal. What comes from the data (names, labels) is text, never markup."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import catalogue
from .base.statistics import Interval

if TYPE_CHECKING:
    from rich.console import Console


TextTable = tuple[str, Sequence[str], Sequence[Sequence[str]]]  # title, header, rows


def clean(text: object) -> str:
    """Replace what a terminal would act on (escape sequences, line breaks) by a dot."""
    return "".join(c if c.isprintable() else "·" for c in str(text))


def percent_interval(figure: Interval | None) -> str:
    """'94.1 %  [93.6, 94.5]', or a dash."""
    if figure is None or math.isnan(figure.value):
        return "–"
    if math.isnan(figure.low):
        return f"{100 * figure.value:.1f} %{_none(figure)}"
    return f"{100 * figure.value:.1f} %  [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def plain(figure: Interval | None, digits: int = 3) -> str:
    """'0.941  [0.936, 0.945]', or a dash."""
    if figure is None or math.isnan(figure.value):
        return "–"
    if math.isnan(figure.low):
        return f"{figure.value:.{digits}f}{_none(figure)}"
    return f"{figure.value:.{digits}f}  [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _none(figure: Interval) -> str:
    """Mark a figure that has no interval for a reason, which stands below the tables."""
    return "  [none]" if figure.reason else ""


def reasons(result: Any) -> list[str]:
    """Why figures of a result have no interval, each reason once."""
    if isinstance(result, Interval):
        return [result.reason] if result.reason else []
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, list | tuple):
        return list(dict.fromkeys(reason for item in result for reason in reasons(item)))
    return []


def points(figure: Interval) -> str:
    """'+6.1  [+5.0, +7.2]' percentage points."""
    return f"{100 * figure.value:+.1f}  [{100 * figure.low:+.1f}, {100 * figure.high:+.1f}]"


def show(result: Any, console: Console) -> None:
    """Print a result's tables, each with n and 95 % intervals, then its notes."""
    for title, header, rows in _tables(result):
        console.print(_table(title, header, rows))
    for reason in reasons(result):
        console.print(f"[none] {clean(reason)}", style="dim", markup=False, highlight=False)
    for note in result.notes:
        console.print(f"note: {clean(note)}", style="dim", markup=False, highlight=False)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(clean(title)), title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for i, name in enumerate(header):
        title_cell = Text(clean(name))  # never markup
        table.add_column(title_cell, justify="left" if i == 0 else "right", overflow="fold" if i == 0 else "ellipsis")
    for row in rows:
        is_baseline = row[0].startswith("  ")  # baselines are indented and dim
        table.add_row(*(Text(clean(cell)) for cell in row), style="dim" if is_baseline else "")
    return table


def _tables(result: Any) -> Iterator[TextTable]:
    """A result's tables, as the views of its analysis make them; an overview has none."""
    tables: Iterator[TextTable] = catalogue.load(result.kind, "views").tables(result)
    return tables


def _named(name: str, baseline: bool) -> str:
    return f"  {name}" if baseline else name


def number_or_dash(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def p_as_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
