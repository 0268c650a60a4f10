"""A command on one table: a function of a job and of its own options gets the options that all such commands share."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from .job import Job
from .loaders import loaders_of
from .options import ROWS, Blocks, Code, Full, Group, Json, Label, Out, Rows, Run, Seed, Split, Table

FIRST = {"out": (Out, None), "model": (Run, None)}
LAST = {
    "rows": (Rows, ROWS),
    "full": (Full, False),
    "seed": (Seed, 0),
    "code": (Code, None),
    "label": (Label, "label"),
    "split": (Split, "split"),
    "group": (Group, None),
    "blocks": (Blocks, None),
    "as_json": (Json, False),
}
"""Shared options before and after a command's own, by name: type and default."""


def table_command(
    kind: str, *, table: str = "table", without: tuple[str, ...] = ("model",)
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function whose first parameter is the `Job` and whose others are its own options.

    Args:
        kind: of the result, the name of the analysis' folder.
        table: how the argument is called; one that the function has too is passed on.
        without: shared options that mean nothing here.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(function, include_extras=True)
        own_options = {name: option for name, option in inspect.signature(function).parameters.items() if name != "job"}
        shared = {
            name: option for name, option in (FIRST | LAST).items() if name not in own_options and name not in without
        }

        def parameter(name: str) -> inspect.Parameter:
            if name in own_options:
                return own_options[name].replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            annotation, default = shared[name]
            return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

        @functools.wraps(function)
        def command(context: typer.Context, **values: Any) -> None:
            path: Path = values[table]
            defaults = {name: default for name, (_, default) in (FIRST | LAST).items()}
            chosen = defaults | {name: values[name] for name in shared}
            if "out" in own_options:
                chosen["out"] = values["out"]
            job = Job(kind=kind, table=path, loaders=loaders_of(context), **chosen)
            function(job, **{name: values[name] for name in own_options})

        optional = [
            name for name in own_options if name != table and own_options[name].default is not inspect.Parameter.empty
        ]
        names = [name for name in FIRST if name in shared or name in optional]
        names += [name for name in optional if name not in FIRST]
        names += [name for name in LAST if name in shared]
        arguments = [
            name for name in own_options if name != table and own_options[name].default is inspect.Parameter.empty
        ]
        first = parameter(table) if table in own_options else None
        place = first or inspect.Parameter(table, inspect.Parameter.KEYWORD_ONLY, annotation=Table)
        parameters = [place, *(parameter(name) for name in [*arguments, *names])]
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        command.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in [context, *parameters]}
        return command

    return decorate
