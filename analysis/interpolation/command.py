"""Paths between images through the code."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..cli.command import table_command
from ..cli.job import Job

Along = Annotated[
    Literal["auto", "lerp", "slerp", "norm", "geodesic"],
    typer.Option(help="Straight, along a great circle, straight with interpolated norms, or the shortest in images."),
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


@table_command("interpolation", without=("full",))
def interpolate(job: Job, along: Along = "auto", between: Between = None, steps: Steps = 11, count: Shown = 8) -> None:
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
    job.run(along=along, between=tuple(between or ()), steps=steps, shown=count)
