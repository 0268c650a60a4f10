"""Commands that decode nothing: where codes lie, and how they compare with factors and samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Blocks, Group
from .cli.job import _Job
from .cli.options import Code, Full, Json, Label, Out, Rows, Seed, Split, Table

ROWS = 10_000

Fake = Annotated[
    Path, typer.Argument(help="Table of samples, encoded with the same model as the real one.", show_default=False)
]


Features = Annotated[
    str | None,
    typer.Option(help="Vector column of both tables to compare in. Default: the code.", show_default=False),
]


Factors = Annotated[
    list[str] | None,
    typer.Option("--factor", help="Column that is a known factor; may be repeated. Default: label and attributes."),
]


def geometry(
    table: Table,
    out: Out = None,
    rows: Rows = ROWS,
    full: Full = False,
    seed: Seed = 0,
    code: Code = None,
    label: Label = "label",
    split: Split = "split",
    group: Group = None,
    blocks: Blocks = None,
    as_json: Json = False,
) -> None:
    """How many dimensions the codes fill, and whether some images are everybody's neighbours.

    Intrinsic dimension by two estimators, the participation ratio (dimensions that hold variance) and hubness.
    Read them against independent numbers of the same variances, which fill all dimensions, against pixels and the
    untrained network. At most 5,000 rows are looked at.

        latentgan geometry codes.parquet --out results
    """
    _Job("geometry", table, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks).run(
        None, decodes=False
    )


def disentanglement(
    table: Table,
    out: Out = None,
    factor: Factors = None,
    rows: Rows = ROWS,
    full: Full = False,
    seed: Seed = 0,
    code: Code = None,
    label: Label = "label",
    split: Split = "split",
    group: Group = None,
    blocks: Blocks = None,
    as_json: Json = False,
) -> None:
    """Whether single numbers of the code are single known factors of the images.

    MIG, SAP, DCI, the FactorVAE score and modularity: 1 is one number a factor. Beside each stands what the same rows
    reach with shuffled factors, what random rotations of the code reach (which say as much, but not in single
    numbers), a PCA of pixels and the untrained network.

        latentgan disentanglement codes.parquet --factor x --factor y --factor size --out results
    """
    job = _Job("disentanglement", table, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks)
    job.run(None, decodes=False, factors=tuple(factor or ()))


def fidelity(
    real: Table,
    fake: Fake,
    out: Out = None,
    features: Features = None,
    rows: Rows = ROWS,
    full: Full = False,
    seed: Seed = 0,
    code: Code = None,
    label: Label = "label",
    split: Split = "split",
    group: Group = None,
    blocks: Blocks = None,
    as_json: Json = False,
) -> None:
    """How near samples are to real images, in features that you choose; no FID, which has Inception's features.

    Fréchet and kernel distances, precision, recall, density, coverage, beside those of real train rows; whether
    samples repeat training images, all of which are looked at; and how many different samples there are, where they
    repeat themselves. Encode samples with the same model as the real images, and name the features. With --out the
    report shows it, with the pictures of the nearest pairs.

        latentgan sample runs/mnist -n 5000 --out samples

        latentgan encode runs/mnist --data samples --out samples.parquet

        latentgan fidelity codes.parquet samples.parquet --features discriminator.dense1 --out results
    """
    from .fidelity.study import study_fidelity

    job = _Job("fidelity", real, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks)
    job.ask(
        lambda opened, options, tell: study_fidelity(
            opened, job.other(fake), options, features=features or "", progress=tell
        )
    )
