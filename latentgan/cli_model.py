"""Commands that use a trained model: encode, evidence, sample, augment, classify."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from latentgan.errors import ConfigError
from latentgan.options import (
    Attributes,
    Channels,
    Crop,
    Data,
    Device,
    FamilyOption,
    Label,
    Mirror,
    Run,
    Size,
    SkipBad,
    command_line,
)

PANEL = "Use a model"
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same images.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (encode, evidence, sample, augment, classify):
        app.command(rich_help_panel=PANEL)(command)


def encode(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet file to write.", show_default=False)],
    data: Data = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="Feature layer, network.layer; may be repeated. Default: the last of each network; `none`."),
    ] = None,
    pool: Annotated[
        int, typer.Option(min=0, help="Max-pool convolutional features to N×N cells; 0 keeps them whole.")
    ] = 4,
    yardsticks: Annotated[
        bool, typer.Option(help="Also the untrained network's codes and features, and the pixels.")
    ] = True,
    device: Device = "auto",
    family: FamilyOption = None,
    attributes: Attributes = None,
    label: Label = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    skip_bad: SkipBad = False,
    mirror: Mirror = None,
) -> None:
    """Write the table of codes: one row an image, readable with pandas.read_parquet.

    Without --data the run's own images are encoded. An interrupted encode goes on where it stopped.

        latentgan encode runs/mnist --out mnist.parquet --features discriminator.conv2
    """
    from latentgan import stages

    options = {"attributes": attributes, "label": label, "size": size, "crop": crop, "channels": channels}
    options |= {"skip_bad": skip_bad, "mirror": mirror}
    table = stages.encode(
        run,
        out,
        data=data,
        options=options,
        features=features,
        pool=pool,
        yardsticks=yardsticks,
        device=device,
        family=family,
        command=command_line(),
    )
    typer.echo(f"table: {table}   next: latentgan analyze {shlex.quote(str(table))} --out results", err=True)


def evidence(
    run: Run,
    data: Data = None,
    images: Annotated[int, typer.Option(min=1, help="Test images, drawn by the seed.")] = 1000,
    samples: Annotated[int, typer.Option(min=1, help="Importance samples an image.")] = 500,
    annealed: Annotated[int, typer.Option(min=0, help="How many of the images are annealed too; 0 is none.")] = 100,
    chains: Annotated[int, typer.Option(min=1, help="Annealed chains an image.")] = 5,
    temperatures: Annotated[int, typer.Option(min=2, help="Temperatures from prior to posterior.")] = 500,
    leapfrog: Annotated[int, typer.Option(min=1, help="Steps of a Hamiltonian transition.")] = 5,
    binarise: Annotated[
        Literal["threshold", "stochastic", "none"] | None,
        typer.Option(help="How Bernoulli pixels are made. Default: as in training, grey ones by a draw."),
    ] = None,
    seed: Seed = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
    family: FamilyOption = None,
    mirror: Mirror = None,
) -> None:
    """Estimate how probable test images are under a model with a likelihood (avb, vae): log p(x) in nats an image.

    By importance sampling (Burda et al. 2016) and by annealed importance sampling (Neal 2001), lower bounds in the
    mean, beside what training believed and independent pixels, each with its standard error over images; also written
    to RUN/evidence.json, which the report shows.

        latentgan evidence runs/avb --images 1000 --samples 500 --chains 5
    """
    from latentgan import stages
    from latentgan.annealing import Annealing
    from latentgan.evidence import FILE, Plan, show

    plan = Plan(images, samples, annealed, Annealing(temperatures, chains, leapfrog), binarise, seed)
    found = stages.evidence(run, plan, data=data, options={"mirror": mirror}, device=device, family=family)
    show(found, plan, as_json=json_)
    typer.echo(f"wrote {run / FILE}", err=True)


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


def classify(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Image files to name.", show_default=False)],
    probe: Annotated[
        Path | None,
        typer.Option(help="Fitted probe, of `latentgan probe TABLE --save FILE.npz`.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    crop: Crop = False,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Name the class of image files, by a probe that was fitted on the run's features.

    Prints each file's most probable class and its probability, which is as good as the probe: its accuracy on test
    images stands below. Families that learned classes themselves (aae_semi, improved_gan, ali_semi) need no probe.

        latentgan probe codes.parquet --code discriminator.dense1 --save probe.npz

        latentgan classify runs/mnist digit.png --probe probe.npz
    """
    import json
    from dataclasses import asdict

    from analysis.fitted import load_probe
    from analysis.terminal import clean
    from latentgan.classifying import classify_files

    fitted = None if probe is None else load_probe(probe)
    named = classify_files(run, images, probe=fitted, crop=crop, device=device, family=family)
    if as_json:
        accuracy = None if fitted is None else asdict(fitted.accuracy)
        body = {"kind": "classes", "test_accuracy": accuracy, "images": [asdict(one) for one in named]}
        typer.echo(json.dumps(body, indent=1, ensure_ascii=False))
        return
    width = max(len(clean(one.file)) for one in named)
    for one in named:
        typer.echo(f"{clean(one.file):{width}}  {clean(one.label)}  {100 * one.probability:.1f} %")
    if fitted is not None:
        right = fitted.accuracy
        typer.echo(f"the probe names {right.percent()} of {right.n:,} test images right", err=True)
