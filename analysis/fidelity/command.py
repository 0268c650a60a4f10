"""Samples beside real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..cli.command import table_command
from ..cli.job import Job

Fake = Annotated[
    Path, typer.Argument(help="Table of samples, encoded with the same model as the real one.", show_default=False)
]


Features = Annotated[
    str | None,
    typer.Option(help="Vector column of both tables to compare in. Default: the code.", show_default=False),
]


@table_command("fidelity", table="real")
def fidelity(job: Job, fake: Fake, features: Features = None) -> None:
    """How near samples are to real images, in features that you choose (not FID, which uses Inception's).

    Fréchet and kernel distances, precision, recall, density, coverage, beside those of real train rows; whether
    samples repeat training images, all of which are looked at; and how many different samples there are, where they
    repeat themselves. Encode samples with the same model as the real images, and name the features. With --out the
    report shows it, with the pictures of the nearest pairs.

        latentgan sample runs/mnist -n 5000 --out samples

        latentgan encode runs/mnist --data samples --out samples.parquet

        latentgan fidelity codes.parquet samples.parquet --features discriminator.dense1 --out results
    """
    from .study import study_fidelity

    job.ask(
        lambda opened, options, tell: study_fidelity(
            opened, job.other(fake), options, features=features or "", progress=tell
        )
    )
