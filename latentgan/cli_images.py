"""Commands that make images: sample and augment."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from latentgan.errors import ConfigError
from latentgan.options import Device, FamilyOption, Run, command_line

Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same images.")]


def sample(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG to write (a grid), or a folder (one PNG each).")] = Path(
        "samples.png"
    ),
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 64,
    label: Annotated[
        str | None, typer.Option(help="Only images of this class, by its name.", show_default=False)
    ] = None,
    component: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only of this component of the prior's mixture, from 1 as in the report.", show_default=False
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="Only with this value of a told attribute, name=value in its own unit; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Draw images from the prior.

    Where a model can be asked for classes (cgan, aae_semi, ali with family.conditional, aae with family.labels=decoder)
    and no --label is given, the grid has a row a class, in the order that is printed, and --count is rounded up to full
    rows; the images of a column share all of their code but the class. Where the prior is a mixture (deligan, others
    with family.mixture.components, aae with family.prior=mixture), the grid likewise has a row a component, unless
    --component is given. Where a cgan is told attributes (family.attributes), the images of a row differ in the first
    one alone, from its 5th to its 95th percentile, unless --attribute is given or the rows are classes; the other
    attributes are those of training images.

        latentgan sample runs/mnist -n 100 --out samples.png

        latentgan sample runs/deligan --component 7 -n 16 --out seventh.png

        latentgan sample runs/cgan --label 5 -n 16 --out fives.png

        latentgan sample runs/told --attribute slant=2.5 --attribute bold=true --out bold.png
    """
    from latentgan import stages

    asked: dict[str, Any] = {"label": label, "component": component, "attributes": _asked(attribute or [])}
    written = stages.sample(run, out, count=count, seed=seed, device=device, family=family, **asked)
    typer.echo(f"wrote {written}", err=True)


def _asked(given: list[str]) -> dict[str, str]:
    """Return attribute -> value of texts name=value."""
    pairs = [text.partition("=") for text in given]
    if odd := [text for text, (name, equals, _) in zip(given, pairs, strict=True) if not name or not equals]:
        raise ConfigError(f"--attribute {odd[0]} is no name=value, for example --attribute slant=2.5")
    names = [name for name, _, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--attribute {twice[0]}: one value can be asked for, and there are {names.count(twice[0])}")
    return {name: value for name, _, value in pairs}


def augment(
    run: Run,
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class, or in all.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Empty folder (one sub-folder a class), or a new .parquet file.", show_default=False
        ),
    ],
    keep_best: Annotated[
        float,
        typer.Option(
            help="Share of the drawn images that is kept, above 0 and up to 1: the best by score; 1 keeps all."
        ),
    ] = 1.0,
    seed: Seed = 0,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Draw images of every class, or with attributes, from a conditional generator, for training on them.

    With --keep-best 0.25 four times as many are drawn, and of each class those kept that the discriminator, told the
    class, finds most real: its logit D(x | y) of a cgan, D(x, z, y) of a conditional ali. Memory does not grow with
    their number but for 20 bytes a draw of a class, where the best are kept.

    Attributes that a cgan was told are drawn from training images, those of one image together (of the class, where
    classes are told), and written into the folder's attributes.csv, or as columns of the table.

        latentgan augment runs/cgan --per-class 500 --keep-best 0.5 --out generated

        latentgan train bigan --data generated --out runs/on-generated
    """
    from latentgan import stages

    written = stages.augment(
        run,
        out,
        per_class=per_class,
        keep_best=keep_best,
        seed=seed,
        device=device,
        family=family,
        command=command_line(),
    )
    typer.echo(f"wrote {written}   next: latentgan train FAMILY --data {shlex.quote(str(written))} --out RUN", err=True)
