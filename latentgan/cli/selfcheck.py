"""The command `selfcheck`: does this installation compute what the formulas say?"""

from __future__ import annotations

from typing import Annotated

import typer

from latentgan.cli.options import Device

PANEL = "Train"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(rich_help_panel=PANEL)(selfcheck)


def selfcheck(
    device: Device = "auto",
    statistics: Annotated[
        bool,
        typer.Option("--statistics", help="Simulate instead what the analyses claim: null rates, coverages, power."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare losses, penalties, updates and small solved games on this machine with their closed forms.

    Takes seconds; exits with 1 if any figure is out of its tolerance.

    With --statistics it simulates, in minutes, how often an effect is claimed of noise, how often 95 % intervals hold
    the planted value, and how often planted effects are found; exits with 1 if any rate is out of its bound.

        latentgan selfcheck --device cuda
        latentgan selfcheck --statistics
    """
    from latentgan.selfcheck import runner as checks

    if statistics:
        if not checks.selfcheck_statistics(as_json=json_):
            raise typer.Exit(1)
        return
    if not checks.selfcheck(device, as_json=json_):
        raise typer.Exit(1)
