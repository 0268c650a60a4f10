"""Numbers of the code beside known factors."""

from __future__ import annotations

from typing import Annotated

import typer

from ..cli.command import table_command
from ..cli.job import Job

Factors = Annotated[
    list[str] | None,
    typer.Option("--factor", help="Column that is a known factor; may be repeated. Default: label and attributes."),
]


@table_command("disentanglement")
def disentanglement(job: Job, factor: Factors = None) -> None:
    """Whether single numbers of the code are single known factors of the images.

    MIG, SAP, DCI, the FactorVAE score and modularity: 1 is one number a factor. Beside each stands what the same rows
    reach with shuffled factors, what random rotations of the code reach (which say as much, but not in single
    numbers), a PCA of pixels and the untrained network.

        latentgan disentanglement codes.parquet --factor x --factor y --factor size --out results
    """
    job.run(decodes=False, factors=tuple(factor or ()))
