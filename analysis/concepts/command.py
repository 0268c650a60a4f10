"""Concept directions and their evidence."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..cli.command import table_command
from ..cli.job import Job

Permutations = Annotated[int, typer.Option(min=19, max=1_000_000, help="Label shuffles behind each p-value.")]


Preserve = Annotated[
    list[str] | None,
    typer.Option(help="Concept, or column, that directions of the other concepts preserve; may be repeated."),
]


PreserveBy = Annotated[
    Literal["regression", "projection"],
    typer.Option(
        help="regression: codes are regressed on a concept and the preserved ones together, so that an edit leaves "
        "these unchanged even where they are correlated with it in the rows. projection: the directions of the "
        "preserved concepts are projected out; where concepts are correlated, an edit then moves the preserved ones "
        "backwards.",
    ),
]


@table_command("concepts", without=())
def concepts(
    job: Job, preserve: Preserve = None, preserve_by: PreserveBy = "regression", permutations: Permutations = 999
) -> None:
    """Directions in the code along which a label or attribute changes, with the evidence for and against.

    AUC is how well the position along a direction ranks test rows with the concept above those without
    (0.5 is chance); for a number, R² is the share of its variance that the position explains (0 is its mean).
    p is how rarely chance predicts test rows as well: Mann and Whitney's test of an AUC, shuffled test rows of R²
    (where no shuffle does as well, Spearman's test). q is p after Benjamini–Hochberg over all concepts, each by the
    method that train rows chose. `stability` is the cosine of a direction fitted on a resample with that of the rows
    left out (1 always the same, 0 unrelated), `other methods` the mean cosine with the directions of the other
    methods: mean difference, LDA, logistic, SVM, and ridge for numbers. With a model, images edited along each are
    decoded too.

        latentgan concepts codes.parquet --out results

    --preserve finds directions of all other concepts that leave a concept unchanged (conditional directions, see
    --preserve-by), each with its evidence among rows alike in that concept and how far an edit moves both; they are
    called "bold, preserving label", and `edit` takes that name. Correlated concepts are listed too.

        latentgan concepts codes.parquet --preserve label --out results

    Directions without labels follow: pca1, pca2, … the principal components of the codes (GANSpace), and with a model
    sefa1, sefa2, … what the generator's first layer stretches most (SeFa). `edit` and `verify` take these
    names too.
    """
    job.run(permutations=permutations, preserve=tuple(preserve or ()), preserve_by=preserve_by)
