"""Progress bars on stderr, shown only where a person watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(description: str, total: int | None, *, shown: bool, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; call the yielded function with what has been done since the last call.

    Args:
        total: of bytes or images; None while it is unknown.
        shown: False hides the bar; it is hidden anyway where stderr is no terminal, so logs stay clean.
        unit: "images" or "bytes".
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as display:
        task = display.add_task(description, total=total)
        yield lambda done: display.update(task, advance=done)
