"""Nearest train images of test images."""

from __future__ import annotations

from ..cli.command import table_command
from ..cli.job import Job


@table_command("neighbours")
def neighbours(job: Job) -> None:
    """What the codes consider similar: the nearest train images of test images.

    The share of neighbours with the same label, beside pixels and the untrained network; with --out the
    pictures go into the report.

        latentgan neighbours codes.parquet
    """
    job.run(decodes=False)
