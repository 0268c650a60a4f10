"""The closed forms of latentgan/checks on this machine and device: run, print as a table or as JSON."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from latentgan.checks.base import Check, functions, run, themes
from latentgan.devices import pick_device
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
        found = {theme: [c for f in functions(theme).values() for c in run(f, chosen)] for theme in themes()}
    seconds = time.perf_counter() - started
    checks = [check for theme in found.values() for check in theme]
    if as_json:
        print(json.dumps(_as_dict(found, chosen, seconds), indent=1, allow_nan=False))
    else:
        _print(found)
        bad = sum(not check.ok for check in checks)
        verdict = f"[bold red]{bad} of {len(checks)} out of tolerance" if bad else f"all {len(checks)} within tolerance"
        Console().print(f"\n{verdict} on {chosen} (torch {torch.__version__}) in {seconds:.1f} s")
    return all(check.ok for check in checks)


def _print(found: Mapping[str, Sequence[Check]]) -> None:
    console = Console()
    wide = console.width >= WIDE
    table = Table("what", *(["source"] if wide else []), box=None, header_style="bold")
    for column in ("computed", "expected", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for theme, checks in found.items():
        table.add_row(f"[bold cyan]{theme}[/]")
        for c in checks:
            mark = "[green]ok[/]" if c.ok else "[bold red]NO[/]"
            figures = f"{c.value:.6g}", f"{c.expected:.6g}", f"{c.tolerance:.0e}" if c.tolerance else "0"
            table.add_row(escape(c.name), *([escape(c.source)] if wide else []), *figures, mark)
    console.print(table)
    if not wide:
        console.print(f"[dim]A terminal of {WIDE} columns shows each one's source, as --json does.[/]")


def _as_dict(found: Mapping[str, Sequence[Check]], device: torch.device, seconds: float) -> dict[str, Any]:
    rows = [
        {"theme": theme, **asdict(c), "value": c.value if math.isfinite(c.value) else None, "ok": c.ok}
        for theme, checks in found.items()
        for c in checks
    ]
    about = {"version": __version__, "torch": torch.__version__, "device": str(device), "seconds": round(seconds, 2)}
    return {**about, "ok": all(row["ok"] for row in rows), "checks": rows}
