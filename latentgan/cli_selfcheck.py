"""The command `selfcheck`: does this installation compute what the formulas say?"""

from __future__ import annotations

from typing import Annotated

import typer

from latentgan.options import Device

PANEL = "Train"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(rich_help_panel=PANEL)(selfcheck)


def selfcheck(
    device: Device = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute losses, penalties, moves and small solved games on this machine, beside their closed forms.

    Takes seconds; exits with 1 if any figure is out of its tolerance.

        latentgan selfcheck --device cuda
    """
    from latentgan import selfcheck as checks

    if not checks.selfcheck(device, as_json=json_):
        raise typer.Exit(1)
