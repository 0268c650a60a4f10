"""Dimensions, spread and hubness of the codes."""

from __future__ import annotations

from ..cli.command import table_command
from ..cli.job import Job


@table_command("geometry")
def geometry(job: Job) -> None:
    """How many dimensions the codes fill, and whether some images are everybody's neighbours.

    Intrinsic dimension by two estimators, the participation ratio (dimensions that hold variance), hubness, and two
    figures that rank similarly trained networks without labels: RankMe (the effective number of directions) and α-ReQ
    (the decay of the spectrum).
    Read them against independent numbers of the same variances, which fill all dimensions, against pixels and the
    untrained network. At most 5,000 rows are looked at.

        latentgan geometry codes.parquet --out results
    """
    job.run(decodes=False)
