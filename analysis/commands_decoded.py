"""Commands that ask the model: paths, reconstructions, what the parts of a code do, draws from its prior."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .app import Blocks, Group
from .cli.job import _Job
from .cli.options import Code, Full, Json, Label, LoadModel, Out, Rows, Run, Seed, Split, Table

ROWS = 10_000

Along = Annotated[
    Literal["auto", "lerp", "slerp", "norm", "geodesic"],
    typer.Option(help="Straight, along a great circle, straight with lengths kept, or the shortest in images."),
]


Between = Annotated[
    list[str] | None,
    typer.Option(
        help="classes, images, or A:B for two classes or two ids; may be repeated. Default: different classes.",
        show_default=False,
    ),
]


Steps = Annotated[int, typer.Option(min=3, max=101, help="Images on a path, both ends included.")]


Shown = Annotated[int, typer.Option("-n", "--count", min=1, max=100, help="Paths to decode.")]


class DecodedCommands:
    """The commands, knowing how a model is loaded."""

    def __init__(self, load_model: LoadModel | None) -> None:
        self.load_model = load_model

    def interpolate(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
        along: Along = "auto",
        between: Between = None,
        steps: Steps = 11,
        count: Shown = 8,
        rows: Rows = ROWS,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """Walk from one image to another through the code, and decode on the way.

        auto takes a great circle under a normal prior and a straight line under a uniform one. The figure
        asks whether the middle of a path looks like an image: its distance to the nearest real image,
        beside that of a pixel-wise blend (a double exposure) and of real images. Needs a model.

            latentgan interpolate codes.parquet --model runs/mnist --steps 15 --out results

        Every kind of path is measured on the same pairs: its length in images and how straight it is there, how far it
        strays from the lengths that the prior's codes have, and what the discriminator says along it, where there is
        one; beside a blend of pixels and random pairs. --between chooses the pairs.

            latentgan interpolate codes.parquet --along geodesic --between 3:8 --between 4:9
        """
        job = _Job(
            "interpolation",
            table,
            out,
            as_json,
            rows,
            False,
            seed,
            code,
            label,
            split,
            model,
            group=group,
            blocks=blocks,
        )
        job.run(self.load_model, along=along, between=tuple(between or ()), steps=steps, shown=count)

    def reconstruction(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
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
        """How much of its own image a code keeps.

        The error of decoding an image's own code over the error against another image's: 1 means that the
        code says nothing about its image, 0 that nothing is lost. Beside it a PCA of equal width. Needs a model.

            latentgan reconstruction codes.parquet --model runs/mnist
        """
        job = _Job(
            "reconstruction",
            table,
            out,
            as_json,
            rows,
            full,
            seed,
            code,
            label,
            split,
            model,
            group=group,
            blocks=blocks,
        )
        job.run(self.load_model)

    def codes(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
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
        """What the parts of a code do: which categories are used, and what each continuous number changes.

        A categorical part is matched to the labels on validation rows and judged on test rows, beside k-means
        on pixels and the untrained network. Continuous numbers are moved from end to end; the effect is the
        change of the image, where 1 is that between images of unrelated codes and 0 a number without use. Needs a
        model for the second. The components of a learned mixture (deligan) are read as categories are.

            latentgan codes codes.parquet --model runs/infogan --out results
        """
        _Job(
            "code_parts", table, out, as_json, rows, full, seed, code, label, split, model, group=group, blocks=blocks
        ).run(self.load_model)

    def prior(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
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
        """Whether the codes are distributed as the prior that the decoder was trained on.

        A kernel test and a sliced Wasserstein distance with permutation p-values, and a test for each number with a
        false discovery rate of 5 %. Beside them what two sets of draws from the prior have. At most 1,000 rows are
        looked at. Needs a model for another prior than a normal, a uniform or a learned mixture.

            latentgan prior codes.parquet --out results
        """
        from .prior_match.study import draws_need_model

        job = _Job(
            "prior_match", table, out, as_json, rows, full, seed, code, label, split, model, group=group, blocks=blocks
        )
        job.run(self.load_model, decodes=model is not None or draws_need_model(job.open(table)))
