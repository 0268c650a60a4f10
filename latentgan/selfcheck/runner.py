"""Run closed forms (`checks`) and simulations (`claims`), and print them as a table or as JSON."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from latentgan.devices import pick_device
from latentgan.selfcheck.checks.base import Check, functions, run, themes
from latentgan.selfcheck.claims import base as claims_base
from latentgan.version import __version__

WIDE = 110
"""Columns of a terminal that has room for the sources."""


def selfcheck(device: str = "auto", *, as_json: bool = False) -> bool:
    """Compute every closed form on a device, print all, and return whether all are within tolerance.

    Args:
        device: auto, cpu, cuda, cuda:1, mps.
        as_json: print JSON in place of the table.

    Raises:
        ConfigError: the device is not there.
    """
    chosen, started = pick_device(device), time.perf_counter()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # its 10 bits would hide a mistake
        result = {theme: [c for f in functions(theme).values() for c in run(f, chosen)] for theme in themes()}
    seconds = time.perf_counter() - started
    checks = [check for theme in result.values() for check in theme]
    if as_json:
        print(json.dumps(_as_dict(result, chosen, seconds), indent=1, allow_nan=False))
    else:
        _print(result)
        bad = sum(not check.ok for check in checks)
        verdict = f"[bold red]{bad} of {len(checks)} out of tolerance" if bad else f"all {len(checks)} within tolerance"
        Console().print(f"\n{verdict} on {chosen} (torch {torch.__version__}) in {seconds:.1f} s")
    return all(check.ok for check in checks)


def _print(checks_by_theme: Mapping[str, Sequence[Check]]) -> None:
    console = Console()
    wide = console.width >= WIDE
    table = Table("what", *(["source"] if wide else []), box=None, header_style="bold")
    for column in ("computed", "expected", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for theme, checks in checks_by_theme.items():
        table.add_row(f"[bold cyan]{theme}[/]")
        for c in checks:
            mark = "[green]ok[/]" if c.ok else "[bold red]NO[/]"
            figures = f"{c.value:.6g}", f"{c.expected:.6g}", f"{c.tolerance:.0e}" if c.tolerance else "0"
            table.add_row(escape(c.name), *([escape(c.source)] if wide else []), *figures, mark)
    console.print(table)
    if not wide:
        console.print(f"[dim]A terminal of {WIDE} columns shows each one's source, as --json does.[/]")


def _as_dict(checks_by_theme: Mapping[str, Sequence[Check]], device: torch.device, seconds: float) -> dict[str, Any]:
    rows = [
        {"theme": theme, **asdict(c), "value": c.value if math.isfinite(c.value) else None, "ok": c.ok}
        for theme, checks in checks_by_theme.items()
        for c in checks
    ]
    about = {"version": __version__, "torch": torch.__version__, "device": str(device), "seconds": round(seconds, 2)}
    return {**about, "ok": all(row["ok"] for row in rows), "checks": rows}


def selfcheck_statistics(*, as_json: bool = False, trials: int = claims_base.TRIALS) -> bool:
    """Simulate what the analyses claim, print every rate and its bound, and return whether all keep theirs.

    Args:
        as_json: print JSON in place of the table.
        trials: number of simulated tables a row.
    """
    started = time.perf_counter()
    total = sum(len(claims_base.functions(theme)) for theme in claims_base.themes())
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    simulated: list[claims_base.Simulated] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, last="")
        for result in claims_base.run_all(trials, workers=min(os.cpu_count() or 1, 8)):
            simulated.append(result)
            progress.update(task, advance=1, last=f"{result.name.replace('_', ' ')}: {result.seconds:.0f} s")
    seconds = time.perf_counter() - started
    simulated.sort(key=lambda s: (s.theme, list(claims_base.functions(s.theme)).index(s.name)))
    claims = [claim for s in simulated for claim in s.claims]
    if as_json:
        print(json.dumps(_claims_as_dict(simulated, seconds), indent=1, allow_nan=False))
    else:
        _print_claims(simulated)
        bad = sum(not claim.ok for claim in claims)
        verdict = f"[bold red]{bad} of {len(claims)} out of bounds" if bad else f"all {len(claims)} keep their bounds"
        Console().print(f"\n{verdict}, in {seconds / 60:.1f} minutes")
    return all(claim.ok for claim in claims)


def _print_claims(simulated: Sequence[claims_base.Simulated]) -> None:
    console = Console()
    table = Table("claim", "planted", box=None, header_style="bold")
    for column in ("rate", "95 % interval", "bound", "trials"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for theme in dict.fromkeys(s.theme for s in simulated):
        table.add_row(f"[bold cyan]{theme}[/]")
        for c in (claim for s in simulated if s.theme == theme for claim in s.claims):
            mark = "[green]ok[/]" if c.ok else "[bold red]NO[/]"
            low, high = c.interval
            bound = f"{'≤' if c.kind == 'null rate' else '≥'} {100 * c.bound:.0f} %"
            rate = f"{100 * c.rate:.1f} %" if c.trials else "–"
            figures = rate, f"[{100 * low:.1f}, {100 * high:.1f}]", bound, str(c.trials)
            table.add_row(escape(f"{c.kind}: {c.name}"), escape(c.planted), *map(escape, figures), mark)
    console.print(table)


def _claims_as_dict(simulated: Sequence[claims_base.Simulated], seconds: float) -> dict[str, Any]:
    rows = [
        {
            "theme": s.theme,
            **asdict(c),
            "rate": c.rate if c.trials else None,
            "interval": list(c.interval),
            "ok": c.ok,
        }
        for s in simulated
        for c in s.claims
    ]
    return {"version": __version__, "seconds": round(seconds, 2), "ok": all(row["ok"] for row in rows), "claims": rows}
