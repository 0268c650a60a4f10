"""Options that several commands share, and what a command line may be given to load models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

LoadModel = Callable[[Path], Any]


LoadNetworks = Callable[..., Any]
"""From a model or None, names of classes, told= (labels that it was told) and seed= to a list of `taught.Network`."""


EncodeRuns = Callable[..., list[Path]]
"""From run folders and a folder to write into, rows= (of a split, at most; None is all) and seed=, to their tables."""


PANEL = "Analyse a table of codes"

Table = Annotated[
    Path,
    typer.Argument(help="Table of codes: a Parquet file from `latentgan encode`, or anybody's.", show_default=False),
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
