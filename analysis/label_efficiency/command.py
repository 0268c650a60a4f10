"""Accuracy against labels a class, and supervised baselines on the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..cli.command import table_command
from ..cli.job import Job, find_model
from ..errors import AnalysisError

if TYPE_CHECKING:
    from .supervised_baselines import SupervisedBaseline

FewLabels = Annotated[
    list[int] | None,
    typer.Option(
        "--few",
        min=1,
        help="Labels a class, or rows labelled with a number; may be repeated. Default 1 2 5 10 … and all.",
    ),
]


Draws = Annotated[int, typer.Option(min=2, max=10_000, help="Draws of each number of labels; large draws are fewer.")]


Networks = Annotated[
    int,
    typer.Option(
        "--networks", min=0, max=1_000, help="Also train networks on so many draws of each number of labels; 0 is none."
    ),
]


@table_command("label_efficiency")
def efficiency(job: Job, few: FewLabels = None, draws: Draws = 20, networks: Networks = 0) -> None:
    """How many labels a representation saves: accuracy against labels a class, from one to all.

    A logistic probe of the code and of every feature layer is trained on the same draws of labels, beside raw pixels,
    a PCA of equal width, the untrained network and shuffled labels. Below the curve stands with how many labels a
    class each baseline is as accurate as the representation with 10. Differences are paired; an interval that
    excludes 0 is significant.

    Numeric attributes follow, and a --label of numbers comes first: R² of ridge regression against labelled rows,
    10, 20, 50 … all, beside predicting the labels' mean, whose R² is about 0.

    --networks 3 adds supervised baselines: networks as wide as the model's own, trained from scratch on the first
    three draws of each size, on plain images, with small affine maps, and with generated images added (by class, or
    labelled by a network). Numbers are predicted from plain images. This takes minutes. Where the model was trained
    with labels, draws of fewer get no generated images.

        latentgan efficiency codes.parquet --out results

        latentgan efficiency codes.parquet --few 10 --draws 50

        latentgan efficiency codes.parquet --label thickness

        latentgan efficiency codes.parquet --few 10 --networks 3
    """
    baselines = _supervised_baselines(job) if networks else ()
    job.run(
        decodes=False,
        per_class=tuple(few) if few else None,
        draws=draws,
        supervised=baselines,
        network_draws=networks,
    )


def _supervised_baselines(job: Job) -> Sequence[SupervisedBaseline]:
    """The networks that the table's model and classes allow."""
    if job.loaders.supervised is None:
        raise AnalysisError("python -m analysis trains no networks: use latentgan, which does, for --networks")
    table = job.open(job.table)
    classes = table.column().categories if table.labelled else ()
    model = find_model(table, None, job.loaders.model, of_codes=False)
    baselines: Sequence[SupervisedBaseline] = job.loaders.supervised(
        model, classes, n_labels_used=table.n_labels_used, seed=job.seed
    )
    return baselines
