"""Codes beside draws from the prior."""

from __future__ import annotations

from ..cli.command import table_command
from ..cli.job import Job


@table_command("prior_match", without=())
def prior(job: Job) -> None:
    """Whether the codes are distributed as the prior that the decoder was trained on.

    A kernel test and a sliced Wasserstein distance with permutation p-values, and a test for each number with a
    false discovery rate of 5 %. Beside them what two sets of draws from the prior have. At most 1,000 rows are
    looked at. Needs a model for another prior than a normal, a uniform or a learned mixture.

        latentgan prior codes.parquet --out results
    """
    from .study import draws_need_model

    job.run(decodes=job.model is not None or draws_need_model(job.open(job.table)))
