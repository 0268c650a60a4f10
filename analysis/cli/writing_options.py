"""Options of every command that writes, --force and --keep-paths, which the group of commands adds."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..io.writing import allow, allowing

PLACES = {"out", "save", "results", "work"}
"""Parameters of which a command that writes has one."""


class WritingGroup(TyperGroup):
    """Commands, of which those that write have the options --force and --keep-paths too."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name."""
        command = super().get_command(ctx, cmd_name)
        names = {option.name for option in getattr(command, "params", ())}
        if command is not None and "force" not in names and (names & PLACES or cmd_name == "likelihood"):
            command.params += _options()
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what its options allow ends with it."""
        with allowing():
            return super().invoke(ctx)


def _options() -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(_writing)
    options: list[Any] = typer.main.get_command(app).params
    return [option for option in options if option.name in ("force", "keep_paths")]


def _overwrite(value: bool) -> bool:
    allow(overwrite=value)
    return value


def _keep_paths(value: bool) -> bool:
    allow(keep_paths=value)
    return value


def _writing(
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            callback=_overwrite,
            expose_value=False,
            help="Overwrite output that latentgan did not write; inputs are never overwritten.",
        ),
    ] = False,
    keep_paths: Annotated[
        bool,
        typer.Option(
            "--keep-paths",
            callback=_keep_paths,
            expose_value=False,
            help="Store paths as they are; by default absolute ones are shortened.",
        ),
    ] = False,
) -> None:
    """The options, for typer to make."""
