"""How much of its own image a code keeps."""

from __future__ import annotations

from ..cli.command import table_command
from ..cli.job import Job


@table_command("reconstruction", without=())
def reconstruction(job: Job) -> None:
    """How much of its own image a code keeps.

    The error of decoding an image's own code over the error against another image's: 1 means that the
    code says nothing about its image, 0 that nothing is lost. Beside it a PCA of equal width. Needs a model.

        latentgan reconstruction codes.parquet --model runs/mnist
    """
    job.run()
