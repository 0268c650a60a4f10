"""Maps of the codes in two dimensions."""

from __future__ import annotations

from typing import Annotated

import typer

from ..cli.command import table_command
from ..cli.job import Job
from ..cli.options import Full

Method = Annotated[list[str] | None, typer.Option("--method", help="umap or pca; may be repeated. Default both.")]


MapRows = Annotated[int, typer.Option("--rows", min=50, help="Rows on the map, at most.")]


@table_command("projection")
def map(job: Job, method: Method = None, rows: MapRows = 5000, full: Full = False) -> None:
    """A picture of the codes in two dimensions, and how far it can be trusted.

    Trustworthiness is 1 where neighbours on the map are neighbours in the code, and about 0.5 for a shuffled map. The
    label accuracy of nearest neighbours on the map, compared with that in the whole code, measures what two dimensions
    lose. The same seed gives the same map. --rows takes held-out rows; --full places every row of every split, so that
    the report shows all of them.

        latentgan map codes.parquet --method umap --out results

        latentgan map codes.parquet --full --out results
    """
    job.run(decodes=False, map_rows=None if full else rows, methods=tuple(method or ("umap", "pca")))
