"""The command line: one function a stage; it parses and composes, and imports what is heavy inside."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import analysis.app
from analysis.cli.console import note, run_app
from analysis.cli.loaders import Loaders
from analysis.cli.writing_options import WritingGroup
from latentgan.cli import edit as cli_edit
from latentgan.cli import model as cli_model
from latentgan.cli import reproduce as cli_reproduce
from latentgan.cli import selfcheck as cli_selfcheck
from latentgan.cli.options import (
    Attributes,
    Boolean,
    Channels,
    Crop,
    Data,
    Group,
    Label,
    Mirror,
    Run,
    Size,
    SkipBad,
    command_line,
    given_only,
)
from latentgan.errors import ConfigError, ForeignFamilyError, LatentganError
from latentgan.version import __version__

app = typer.Typer(
    name="latentgan",
    cls=WritingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Train GANs that come with an encoder, and find out what their latent space is good for.\n\n"
    "The road: [bold]train[/] → run folder → [bold]encode[/] → table of codes → [bold]analyze[/] → results → "
    "[bold]report[/] → one HTML file. [bold]latentgan demo[/] walks it in three minutes.",
)

TRAIN = "Train"


Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, a.b=value; may be repeated. E.g. training.total_images=100000"),
]


@app.command(rich_help_panel=TRAIN)
def train(
    family: Annotated[
        str | None,
        typer.Argument(help="Family to train; `latentgan families` lists them.", show_default=False),
    ] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New run folder.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; --set and options win over it.")] = None,
    settings: Settings = None,
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
    group: Group = None,
    boolean: Boolean = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    skip_bad: SkipBad = False,
    mirror: Mirror = None,
) -> None:
    """Train a family on images into a run folder.

    Ctrl-C stops after the present iteration and writes a checkpoint; a killed run continues with --resume, bit for bit.

        latentgan train bigan --data mnist --out runs/mnist --set training.total_images=500000

        latentgan train --resume runs/mnist
    """
    from latentgan.cli import settings as describe
    from latentgan.training import loop as training

    if resume is not None:
        named = family if family is not None and ":" not in family else None
        given = [named, data, out, config, settings, seed, device, precision, attributes, label, size, channels, mirror]
        given += [group, boolean, crop, skip_bad, compile, dry_run]
        if any(value is not None and value is not False for value in given):
            raise ConfigError(f"--resume {resume} takes everything from that run; give no other settings with it")
        training.resume(resume, command=command_line(), family=family)
        return _say_trained(resume, family)
    tree = describe.settings_tree(
        config,
        data=given_only(
            source=data,
            attributes=attributes and str(attributes),
            label=label,
            group=group,
            boolean=boolean,
            size=size,
            crop=crop or None,
            channels=channels,
            skip_bad=skip_bad or None,
            mirror=mirror and str(mirror),
        ),
        training=given_only(seed=seed, device=device, precision=precision, compile=compile or None),
        assignments=settings or [],
        family=family,
    )
    chosen = describe.resolve_run(family, tree)
    if dry_run:
        describe.print_dry_run(chosen)
        return None
    if out is None:
        raise ConfigError(f"give the new run a folder, for example --out runs/{chosen.name}")
    training.train(chosen, out, command=command_line())
    return _say_trained(out, chosen.name)


@app.command(rich_help_panel=TRAIN)
def fit_encoder(
    run: Run,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New run folder. Default: RUN-encoder.", show_default=False)
    ] = None,
    settings: Settings = None,
    seed: Annotated[int | None, typer.Option(help="Seeds weights and noise.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
) -> None:
    """Give a run without an encoder one: learn from generated images which codes made them.

    The generator stands still (BiGAN's latent regressor baseline, fitted afterwards). The result is a run like any
    other; continue it with `latentgan train --resume`.

        latentgan fit-encoder runs/dcgan

        latentgan encode runs/dcgan-encoder --out dcgan.parquet
    """
    from latentgan.config import merge, parse_assignments
    from latentgan.training import encoder_fitting as fitting

    tree = merge({"training": given_only(seed=seed, device=device)}, parse_assignments(settings or []))
    fitted = out or Path(f"{run.resolve()}-encoder" if run.name in ("", "..") else f"{run}-encoder")
    fitting.fit_encoder(run, fitted, settings=tree, command=command_line())
    _say_trained(fitted)


@app.command(rich_help_panel=TRAIN)
def families(
    name: Annotated[str | None, typer.Argument(help="Show this family's parameters.", show_default=False)] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the families, or one family's parameters with type, range, default and meaning."""
    from latentgan.cli import settings as describe

    describe.print_families(name, as_json=json_)


@app.command(rich_help_panel=TRAIN)
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo makes.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Train for seconds only, to see that everything works.")
    ] = False,
) -> None:
    """Train a BiGAN on real scanned digits and open its latent space: about three minutes on two cores."""
    from latentgan.cli import settings as describe
    from latentgan.console import headline
    from latentgan.inference import stages
    from latentgan.training import loop as training

    run, table, results, report = out / "run", out / "codes.parquet", out / "results", out / "report.html"
    config = describe.demo_config(quick=quick)
    headline("1/4  train a BiGAN on 1,797 scanned digits")
    if (run / "run.toml").is_file():
        describe.refuse_other_demo(run, config)
        training.resume(run, command=command_line())
    else:
        training.train(config, run, command=command_line())
    headline("2/4  encode every image, with baselines")
    stages.encode(run, table, command=command_line())
    headline("3/4  analyse the codes")
    analysis.app.analyze_table(table, results, model=load_model(run), command=command_line())
    headline("4/4  write the report")
    analysis.app.write_report(results, report, run=run)
    typer.echo(f"\nThe report: {report.resolve().as_uri()}")


def load_model(run: Path) -> Any:
    """Return what `analysis` decodes with: of a run folder, or of "module:Class=FOLDER" where its family is foreign."""
    from latentgan.inference.numpy_model import NumpyModel

    family, equals, folder = str(run).partition("=")
    named = bool(equals) and ":" in family and not run.exists()
    try:
        return NumpyModel.load(folder, family=family) if named else NumpyModel.load(run)
    except ForeignFamilyError as error:
        way = f"an analysis that decodes takes it as --model {shlex.quote(f'{error.family}={run}')}"
        raise analysis.app.ForeignModelError(f"{error}; {way}") from error
    except LatentganError as error:  # an analysis that can do without goes on
        raise analysis.app.AnalysisError(str(error)) from error


def load_supervised(model: Any, classes: tuple[str, ...], *, n_labels_used: int, seed: int) -> Any:
    """Return the supervised baselines that `analysis` trains; arguments as of `supervised_baselines`."""
    from latentgan.evaluation.supervised_baselines import supervised_baselines

    return supervised_baselines(model, classes, n_labels_used=n_labels_used, seed=seed)


def encode_runs(runs: list[Path], folder: Path, **how: Any) -> list[Path]:
    """Return the tables that `analysis` compares; keywords as of `latentgan.inference.encode_runs.tables_of`."""
    from latentgan.inference.encode_runs import tables_of

    return tables_of(runs, folder, **how, command=command_line())


def _say_trained(run: Path, family: str | None = None) -> None:
    from latentgan.training.state import load_config

    place = shlex.quote(str(run))
    name = load_config(run, family=family)[0].name
    foreign = f" --family {shlex.quote(name)}" if ":" in name else ""
    note(f"run: {run}   next: latentgan encode {place}{foreign} --out codes.parquet")
    if ways := ways_on(name):
        note(f"  or: {'; '.join(f'latentgan {way.format(place)}{foreign}' for way in ways)}")


def ways_on(family: str) -> list[str]:
    """Return what else to do with a run of a family whose encoder does not give its code, as commands on {}."""
    from latentgan.families.base import Decodes, Encodes, load_family

    kind = load_family(family)
    if issubclass(kind, Encodes) or not issubclass(kind, Decodes):
        return []
    augment = ["augment {} --per-class 500 --out generated"] if family == "cgan" else []
    return ["sample {} --out samples.png", *augment, *([] if ":" in family else ["fit-encoder {}"])]


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
    run_app(app, "latentgan", (LatentganError,))


def _warn_of_shadowing() -> None:
    package_root = Path(__file__).resolve().parents[2]
    if Path(analysis.__file__ or "").resolve().parent.parent != package_root:
        note(f"latentgan: note: `analysis` is {analysis.__file__}, not the one that came with latentgan")


cli_model.register(app)


cli_edit.register(app)


cli_reproduce.register(app)


cli_selfcheck.register(app)


analysis.app.register(app, Loaders(model=load_model, supervised=load_supervised, tables=encode_runs))
