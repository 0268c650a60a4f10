"""Gaussian mixtures of the codes."""

from __future__ import annotations

from typing import Annotated

import typer

from ..cli.command import table_command
from ..cli.job import Job

Components = Annotated[
    list[int] | None,
    typer.Option(
        "--components",
        min=1,
        max=10_000,
        help="Number to try; may be repeated. Default 1 2 4 8 16 32, then around the best.",
    ),
]


@table_command("mixtures", without=())
def mixture(job: Job, components: Components = None) -> None:
    """The Gaussian mixture that fits the codes best, the groups that it shows, and whether they are the labels.

    Gaussian mixtures of several sizes; the least BIC wins. Its components are parts of a density, and groups
    only where rows that it was not fitted to show a valley between them. NMI, adjusted Rand index and purity
    compare components with labels: read them against the shuffled labels' column (many components are pure by
    chance) and against as many of raw pixels and of the untrained network's codes. New images of a
    component, or of a class, are drawn by `latentgan sample RUN --results results`.

        latentgan mixture codes.parquet --components 10 --components 20 --out results
    """
    job.run(components=tuple(components or ()))
