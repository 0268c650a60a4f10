"""The command `reproduce`: the papers' figures and ours, one protocol, recipe and seed at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.console import note
from analysis.io.messages import listed
from latentgan.cli.options import Device
from latentgan.errors import ConfigError

PANEL = "Train"


RESULTS, CONFIGS, WORK = Path("examples/reproduce/results"), Path("examples/configs"), Path("runs/reproduce")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(rich_help_panel=PANEL)(reproduce)


def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="Protocol; without one, all are listed with their figures.", show_default=False)
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Only this recipe of the protocol.", show_default=False)] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Only this seed; may be repeated. Default: the recipe's number of seeds.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the records, a JSON file a seed.")] = RESULTS,
    configs: Annotated[Path, typer.Option(help="Folder of the configurations.")] = CONFIGS,
    work: Annotated[Path, typer.Option(help="Folder for runs and tables; a stopped seed goes on there.")] = WORK,
    mirror: Annotated[
        Path | None, typer.Option(help="Folder with the files of the set, instead of a download.")
    ] = None,
    device: Device = "auto",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A few iterations on embedded digits, to see that it runs; into other --results."),
    ] = False,
    table: Annotated[bool, typer.Option("--table", help="Print the table of all figures in Markdown.")] = False,
) -> None:
    """Measure a published figure again: train, encode, evaluate, record; a seed that is recorded is not done twice.

    latentgan reproduce

    latentgan reproduce bigan-permutation --recipe ours --seed 0
    """
    from latentgan.reproduction import records, scoreboard
    from latentgan.reproduction.protocols import base

    if name is None:
        if quick or recipe or seed:
            raise ConfigError(
                "--recipe, --seed and --quick belong to a protocol: name one, as `latentgan reproduce` lists"
            )
        scoreboard.show(results, markdown=table)
        return
    protocol = base.load_protocol(name)
    if quick and results.resolve() == RESULTS.resolve():
        raise ConfigError("--quick gives figures that mean nothing; name another folder for them: --results FOLDER")
    if recipe is not None and recipe not in protocol.recipes:
        raise ConfigError(f"{name} has no recipe {recipe!r}; it has: {listed(protocol.recipes)}")
    for chosen in [recipe] if recipe else list(protocol.recipes):
        for number in seed or range(protocol.recipes[chosen].seeds):
            path = records.record_path(results, name, chosen, number)
            _say(f"{name}, {chosen}, seed {number}")
            result = records.read_record(path)
            if result is not None and records.is_quick(result) != quick:
                raise ConfigError(f"{path} is of {'a real run' if quick else 'a --quick one'}: name another --results")
            if result is not None:
                _say(f"recorded already: {path}")
                continue
            job = base.Job(
                protocol=protocol,
                name=name,
                recipe=chosen,
                seed=number,
                work=work,
                configs=configs,
                mirror=mirror,
                device=device,
                quick=quick,
                say=_say,
            )
            _say(f"wrote {records.write_record(results, base.perform(job))}")
    scoreboard.show(results, only=name, markdown=table)


def _say(text: str) -> None:
    note(text)
