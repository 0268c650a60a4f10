"""Output of a command while it runs: a headline, a bar, a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.io.messages import message, printable

console = Console(stderr=True)


def headline(text: str) -> None:
    """Print the title of a stage."""
    console.print(f"\n[bold]{escape(printable(text))}[/]")


def say(line: str) -> None:
    """Print a remark."""
    console.print(f"[dim]{escape(message(line))}[/]")


@contextmanager
def bar(title: str, total: int) -> Iterator[Any]:
    """Show progress on standard error; gives a function to call with the number done since the last call."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(escape(printable(title)), total=total)
        yield lambda rows: progress.advance(task, rows)
