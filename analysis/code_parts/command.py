"""What the parts of a code do."""

from __future__ import annotations

from ..cli.command import table_command
from ..cli.job import Job


@table_command("code_parts", without=())
def codes(job: Job) -> None:
    """What the parts of a code do: which categories are used, and what each continuous number changes.

    A categorical part is matched to the labels on validation rows and scored on test rows, beside k-means
    on pixels and the untrained network. Continuous numbers are moved from end to end; the effect is the
    change of the image, where 1 is that between images of unrelated codes and 0 a number without use. Needs a
    model for the second. The components of a learned mixture (deligan) are analysed like categories.

        latentgan codes codes.parquet --model runs/infogan --out results
    """
    job.run()
