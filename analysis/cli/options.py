"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PANEL = "Analyse a table of codes"

Table = Annotated[
    Path,
    typer.Argument(
        help="Table of codes: from `latentgan encode`, or any Parquet file with vectors.", show_default=False
    ),
]


Out = Annotated[Path | None, typer.Option("--out", "-o", help="Results folder to save into.", show_default=False)]


Run = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Run that decodes, or module:Class=RUN for one of a foreign family. Default: the run that the table "
        "names.",
        show_default=False,
    ),
]


Code = Annotated[
    str | None,
    typer.Option(
        help="Vector column that is the code. Default: code, or without one the last feature layer.",
        show_default=False,
    ),
]


Label = Annotated[str, typer.Option(help="Column that is the label.")]


Split = Annotated[str, typer.Option(help="Column with train, validation, test.")]


Rows = Annotated[int, typer.Option("--rows", min=50, help="Train and test rows to look at, at most, each.")]


Full = Annotated[bool, typer.Option("--full", help="Look at every row.")]


Seed = Annotated[int, typer.Option(min=0, help="Same seed, same figures.")]


Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="Column that says which rows belong together: a clip, a person, copies of an image. Groups are held out "
        "whole and counted once. Default: the one recorded by encode.",
        show_default=False,
    ),
]


Blocks = Annotated[
    int | None,
    typer.Option(
        "--blocks", min=10, help="Rows in the order of time: cut them into so many groups.", show_default=False
    ),
]


ROWS = 10_000
"""Rows of a split that are looked at, by default."""
