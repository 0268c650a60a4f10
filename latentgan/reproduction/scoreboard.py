"""The papers' figures and ours over seeds, in the terminal and as the table of docs/reproduction.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentgan.reproduction.protocols.base import Headline, load_protocol, protocol_names
from latentgan.reproduction.records import Record, is_quick, read_records, summarise, written

COLUMNS = ("protocol and figure", "recipe", "paper", "ours: mean ± sd", "each seed", "baselines", "minutes a seed")


@dataclass(frozen=True)
class Row:
    """One line of the table; `cells` belong to COLUMNS."""

    protocol: str
    """Its name."""
    cells: tuple[str, ...]


def show(results: Path, *, only: str | None = None, markdown: bool = False) -> None:
    """Print the table of all protocols, or of one.

    Args:
        results: folder of the records.
        only: a protocol's name.
        markdown: for a document instead of a terminal.
    """
    rows = [row for name in ([only] if only else protocol_names()) for row in rows_of(name, results)]
    if markdown:
        print(as_markdown(rows))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding

    console, before, figure = Console(highlight=False), "", ""
    for row in rows:
        title, recipe, paper, ours, seeds, baselines, minutes = map(escape, row.cells)
        if row.protocol != before:
            before, figure = row.protocol, ""
            console.print(f"\n[bold cyan]{before}[/]  {escape(load_protocol(before).title)}")
        if title != figure:
            figure = title
            console.print(f"  {title}: paper {paper}" if paper != "–" else f"  {title}")
        details = [text for text in (f"seeds {seeds}", baselines, f"{minutes} min a seed") if "–" not in text]
        console.print(Padding(f"{recipe}  [bold]{ours}[/]", (0, 0, 0, 4)))
        if details:
            console.print(Padding(f"[dim]{'; '.join(details)}[/]", (0, 0, 0, 6)))
    if only is None:
        console.print("\n[dim]latentgan reproduce NAME does the seeds that are not recorded yet.[/]")


def rows_of(name: str, results: Path) -> Iterator[Row]:
    """Yield a line for each recipe and figure of a protocol, recorded or not."""
    protocol = load_protocol(name)
    records = {recipe: read_records(results, name, recipe) for recipe in protocol.recipes}
    pairs = [(headline, recipe) for recipe in records for headline in protocol.shown(recipe)]
    titles = list(dict.fromkeys(headline.title for headline, _ in pairs))
    for headline, recipe in sorted(pairs, key=lambda pair: titles.index(pair[0].title)):
        yield Row(name, _cells(recipe, headline, records[recipe]))


def as_markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table whose first column names the protocol where it changes."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    before = ""
    for row in rows:
        title = f"**{load_protocol(row.protocol).title}** (`{row.protocol}`): " if row.protocol != before else ""
        before = row.protocol
        lines.append("| " + " | ".join((title + row.cells[0], *row.cells[1:])) + " |")
    return "\n".join(lines)


def _cells(recipe: str, headline: Headline, records: Sequence[Record]) -> tuple[str, ...]:
    result, style = summarise(records, headline.figure), _style(headline)
    failed = [str(record.seed) for record in records if record.status != "finished"]
    ours = result.text(**style) if result else "not recorded yet"
    if result and headline.median:
        ours += f"; median {written(statistics.median(result.values), **style)}"
    if failed:
        ours += f"; failed: seed {', '.join(failed)}"
    if any(map(is_quick, records)):
        ours += "; of --quick, a few iterations on other images: no measure of the paper's figure"
    minutes = [record.minutes for record in records]
    return (
        headline.title,
        f"{recipe}, {headline.of}" if headline.of else recipe,
        headline.paper or "–",
        ours,
        result.seeds(**style) if result else "–",
        "; ".join(_baselines(headline, records)) or "–",
        f"{statistics.mean(minutes):.1f}, at most {max(minutes):.1f}" if minutes else "–",
    )


def _baselines(headline: Headline, records: Sequence[Record]) -> Iterator[str]:
    for name, title in headline.baselines.items():
        if (result := summarise(records, name, baseline=True)) is not None:
            yield f"{title} {written(result.mean, **_style(headline))}"


def _style(headline: Headline) -> dict[str, bool]:
    return {"percent": headline.percent, "count": headline.count}
