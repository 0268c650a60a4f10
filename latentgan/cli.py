"""The command line: one function a stage; it parses and composes, and imports what is heavy inside."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import analysis.cli
from latentgan.errors import ConfigError, LatentganError
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
    given_only,
)
from latentgan.version import __version__

app = typer.Typer(
    name="latentgan",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Train GANs that come with an encoder, and find out what their latent space is good for.\n\n"
    "The road: [bold]train[/] → run folder → [bold]encode[/] → table of codes → [bold]analyze[/] → results → "
    "[bold]report[/] → one HTML file. [bold]latentgan demo[/] walks it in three minutes.",
)

TRAIN, USE, ANALYSE = "Train", "Use a model", "Analyse a table of codes"


@app.command(rich_help_panel=TRAIN)
def train(
    family: Annotated[
        str | None,
        typer.Argument(help="Family to train; `latentgan families` lists them.", show_default=False),
    ] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New run folder.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; --set and options win over it.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, a.b=value; may be repeated. E.g. training.total_images=100000"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue this run from its last checkpoint.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seeds weights, batches and noise.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    precision: Annotated[Literal["auto", "fp32", "bf16"] | None, typer.Option(help="bf16 autocasts networks.")] = None,
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile each network.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print configuration, parameter counts and estimated time; train nothing."),
    ] = False,
    attributes: Attributes = None,
    label: Label = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    skip_bad: SkipBad = False,
    mirror: Mirror = None,
) -> None:
    """Train a family on images into a run folder.

    Ctrl-C stops after the present turn and writes a checkpoint; a killed run continues with --resume, bit for bit.

        latentgan train bigan --data mnist --out runs/mnist --set training.total_images=500000

        latentgan train --resume runs/mnist
    """
    from latentgan import describe, training

    if resume is not None:
        named = family if family is not None and ":" not in family else None
        given = [named, data, out, config, settings, seed, device, precision, attributes, label, size, channels, mirror]
        given += [crop, skip_bad, compile, dry_run]
        if any(value is not None and value is not False for value in given):
            raise ConfigError(f"--resume {resume} takes everything from that run; give no other settings with it")
        training.resume(resume, command=command_line(), family=family)
        return _say_trained(resume)
    tree = describe.settings_tree(
        config,
        data=given_only(
            source=data,
            attributes=attributes and str(attributes),
            label=label,
            size=size,
            crop=crop or None,
            channels=channels,
            skip_bad=skip_bad or None,
            mirror=mirror and str(mirror),
        ),
        training=given_only(seed=seed, device=device, precision=precision, compile=compile or None),
        assignments=settings or [],
    )
    chosen = describe.resolve_run(family, tree)
    if dry_run:
        describe.print_dry_run(chosen)
        return None
    if out is None:
        raise ConfigError(f"give the new run a folder, for example --out runs/{chosen.name}")
    training.train(chosen, out, command=command_line())
    return _say_trained(out)


@app.command(rich_help_panel=TRAIN)
def families(
    name: Annotated[str | None, typer.Argument(help="Show this family's parameters.", show_default=False)] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the families, or one family's parameters with type, range, default and meaning."""
    from latentgan import describe

    describe.print_families(name, as_json=json_)


@app.command(rich_help_panel=USE)
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


@app.command(rich_help_panel=USE)
def sample(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG to write (a grid), or a folder (one PNG each).")] = Path(
        "samples.png"
    ),
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same images.")] = 0,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Draw images from the prior.

    latentgan sample runs/mnist -n 100 --out samples.png
    """
    from latentgan import stages

    typer.echo(f"wrote {stages.sample(run, out, count=count, seed=seed, device=device, family=family)}", err=True)


@app.command(rich_help_panel=USE)
def edit(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Image files to edit.", show_default=False)],
    concept: Annotated[str, typer.Option(help="Name of the concept, as `latentgan concepts` prints it.")],
    results: Annotated[Path, typer.Option(help="Results folder with the concepts.", show_default=False)],
    strength: Annotated[
        list[float] | None,
        typer.Option(help="How far, in standard deviations of the concept; may be repeated. Default -3 -1.5 0 1.5 3."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the edited images.")] = Path("edits"),
    crop: Crop = False,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Edit image files along a concept: encode, move along its direction, decode.

    Writes one PNG an image and strength, and a strip an image. Strength 0 is the plain reconstruction.

        latentgan edit runs/faces me.png --concept smiling --strength 2 --results results
    """
    from analysis.store import load
    from latentgan import stages

    loaded = load(results)
    if (found := loaded.get("concepts")) is None:
        raise ConfigError(f"{results} holds no concepts; run `latentgan concepts TABLE --out {results}` first")
    stages.same_model(run, loaded.get("overview"), results)
    direction = stages.find_concept([c.name for c in found.concepts], concept)
    scale = found.concepts[direction].scale
    written = stages.edit(
        run,
        images,
        direction=found.directions[direction] * scale,
        name=found.concepts[direction].name,
        strengths=strength or [-3.0, -1.5, 0.0, 1.5, 3.0],
        out=out,
        crop=crop,
        device=device,
        family=family,
    )
    typer.echo(f"wrote {len(written)} images and strips to {out}", err=True)


@app.command(rich_help_panel=TRAIN)
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo makes.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Train for seconds only, to see that everything works.")
    ] = False,
) -> None:
    """Train a BiGAN on real scanned digits and open its latent space: about three minutes on two cores."""
    from latentgan import describe, stages, training

    run, table, results, report = out / "run", out / "codes.parquet", out / "results", out / "report.html"
    config = describe.demo_config(quick=quick)
    stages.headline("1/4  train a BiGAN on 1,797 scanned digits")
    if (run / "run.toml").is_file():
        describe.refuse_other_demo(run, config)
        training.resume(run, command=command_line())
    else:
        training.train(config, run, command=command_line())
    stages.headline("2/4  encode every image, beside its yardsticks")
    stages.encode(run, table, command=command_line())
    stages.headline("3/4  analyse the codes")
    analysis.cli.analyze_table(table, results, model=load_model(run), command=command_line())
    stages.headline("4/4  write the report")
    analysis.cli.write_report(results, report, run=run)
    typer.echo(f"\nThe report: {report.resolve().as_uri()}")


def load_model(run: Path) -> Any:
    """Return what `analysis` decodes with."""
    from latentgan.adapter import NumpyModel

    return NumpyModel.load(run)


def _say_trained(run: Path) -> None:
    typer.echo(f"run: {run}   next: latentgan encode {shlex.quote(str(run))} --out codes.parquet", err=True)


@app.callback(invoke_without_command=True)
def _global(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"latentgan {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    _warn_of_shadowing()
    try:
        app()
    except (LatentganError, analysis.cli.AnalysisError) as error:
        typer.echo(f"latentgan: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError, FileNotFoundError) as error:
        typer.echo(f"latentgan: cannot use {error.filename}: {error.strerror}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _warn_of_shadowing() -> None:
    beside = Path(__file__).resolve().parent.parent
    if Path(analysis.__file__ or "").resolve().parent.parent != beside:
        typer.echo(
            f"latentgan: note: `analysis` is {analysis.__file__}, not the one that came with latentgan",
            err=True,
        )


analysis.cli.register(app, load_model)
