"""Probes of a table, or one fitted probe kept in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..cli.command import table_command
from ..cli.console import note
from ..cli.job import Job
from ..errors import AnalysisError

Neighbours = Annotated[int, typer.Option("-k", min=1, max=10_000, help="Neighbours of the k-NN probe.")]


ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Evaluate as a paper does: bigan-1nn, dcgan-svm-4x4, ali-svm-last4, linear, knn.",
        show_default=False,
    ),
]


SaveProbe = Annotated[
    Path | None, typer.Option("--save", help="Keep a fitted logistic probe in this .npz.", show_default=False)
]


Search = Annotated[
    bool,
    typer.Option(
        "--search", help="Try every column, scale and C, choose on validation rows, and say what choosing is worth."
    ),
]


@table_command("probes")
def probe(
    job: Job, protocol: ProtocolName = None, save: SaveProbe = None, k: Neighbours = 1, search: Search = False
) -> None:
    """How much of the labels and attributes a simple classifier finds in the codes.

    Linear probes (logistic, L2-SVM), k-NN, and ridge regression for numbers, trained on train rows and
    scored on test rows. Compare each figure with the dim lines below it: raw pixels, a PCA of equal
    width, the same network untrained. Only what lies above them was learned. Features rarely differ with
    all labels; `efficiency` compares them with few.

        latentgan probe codes.parquet --out results

    --protocol evaluates as a paper does: bigan-1nn, dcgan-svm-4x4 (every convolution of the discriminator pooled to
    4×4, L2-SVM, ten balanced draws of 1,000 labels), ali-svm-last4, linear, knn (also weighted by cosine).

        latentgan probe codes.parquet --protocol dcgan-svm-4x4

    --search tries every layer and pooling of the table (`encode --features NETWORK.LAYER.mean2` adds one) at two scales
    and several C. The best on validation rows is chosen, for the model's columns and for each kind of baseline alike,
    and nested choice shows by how much such a choice flatters itself.

        latentgan probe codes.parquet --search --out results

    --save keeps one fitted logistic probe, of the code or of the column that --code names, and does only that;
    `classify` names images with it.

        latentgan probe codes.parquet --code discriminator.dense1 --save probe.npz
    """
    if save is None:
        return job.run(decodes=False, neighbours=k, protocol=protocol or "", search=search)
    if protocol or job.out or search:
        raise AnalysisError("--save fits one logistic probe and nothing else: leave out --protocol, --search and --out")
    from .saved_probe import fit_probe

    fitted = fit_probe(job.open(job.table), job.options())
    written, right = fitted.save(save), fitted.accuracy
    note(f"{fitted.column}: {right.percent()} of {right.n:,} test rows right; wrote {written}")
    return None
