"""The analyses as commands, mounted by latentgan's command line and alone as `python -m analysis`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_writing import WritingGroup
from .console import note, run_app
from .errors import AnalysisError, ForeignModelError
from .places import find_named, typed_command

if TYPE_CHECKING:
    from .embeddings import Embeddings
    from .model import Model
    from .plan import Options

__all__ = ["AnalysisError", "ForeignModelError", "analyze_table", "register", "write_report"]

LoadModel = Callable[[Path], Any]
LoadNetworks = Callable[..., Any]
"""From a model or None, names of classes, told= (labels that it was told) and seed= to a list of `taught.Network`."""
EncodeRuns = Callable[..., list[Path]]
"""From run folders and a folder to write into, rows= (of a split, at most; None is all) and seed=, to their tables."""
PANEL = "Analyse a table of codes"

Table = Annotated[
    Path,
    typer.Argument(help="Table of codes: a Parquet file from `latentgan encode`, or anybody's.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Results folder to save into.", show_default=False)]
Run = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Run that decodes, or module:Class=RUN for one of a foreign family. Default: the run that the table "
        "names.",
        show_default=False,
    ),
]
Code = Annotated[
    str | None,
    typer.Option(
        help="Vector column that is the code. Default: code, or without one the last feature layer.",
        show_default=False,
    ),
]
Label = Annotated[str, typer.Option(help="Column that is the label.")]
Split = Annotated[str, typer.Option(help="Column with train, validation, test.")]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="Column that says which rows belong together: a clip, a person, copies of an image. Groups are held out "
        "whole and counted once. Default: the one that encode wrote down.",
        show_default=False,
    ),
]
Blocks = Annotated[
    int | None,
    typer.Option(
        "--blocks", min=10, help="Rows in the order of time: cut them into so many groups.", show_default=False
    ),
]
Rows = Annotated[int, typer.Option("--rows", min=50, help="Train and test rows to look at, at most, each.")]
Full = Annotated[bool, typer.Option("--full", help="Look at every row.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same figures.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@dataclass(frozen=True)
class _Job:
    """One analysis of one table, as it was asked for."""

    kind: str
    table: Path
    out: Path | None
    as_json: bool
    rows: int
    full: bool
    seed: int
    code: str | None
    label: str
    split: str
    model: Path | None = None
    group: str | None = None
    blocks: int | None = None

    def options(self, **changes: Any) -> Options:
        """The options that the command line gave."""
        from .plan import Options

        chosen = Options(train_rows=self.rows, test_rows=self.rows, seed=self.seed, **changes)
        return chosen.full() if self.full else chosen

    def open(self, path: Path) -> Embeddings:
        """A table with the columns that were asked for."""
        from .embeddings import Embeddings

        return Embeddings(
            path, code=self.code, label=self.label, split=self.split, group=self.group, blocks=self.blocks
        )

    def other(self, path: Path) -> Embeddings:
        """Another table, of which rows are matched or drawn: the first one says which of them belong together."""
        from .embeddings import Embeddings

        return Embeddings(path, code=self.code, label=self.label, split=self.split)

    def ask(self, study: Callable[[Embeddings, Options, Callable[[str], None]], Any], **changes: Any) -> None:
        """Run a study that is no part of `analyze`, save it, print it."""
        from .workflow import run_asked

        table, options = self.open(self.table), self.options(**changes)
        with _progress() as progress:
            task = progress.add_task(self.kind, total=None)

            def tell(text: str) -> None:
                progress.update(task, description=_shown(self.kind, text))

            result = run_asked(
                self.kind, table, lambda: study(table, options, tell), out=self.out, command=command_line()
            )
        print_result(self.kind, result, self.as_json)

    def run(self, load_model: LoadModel | None, *, decodes: bool = True, study: Any = None, **changes: Any) -> None:
        """Run it, or a `study` in its place, save it, print it."""
        from .workflow import run_study

        table = self.open(self.table)
        model = find_model(table, self.model, load_model) if decodes else None
        with _progress() as progress:
            task = progress.add_task(self.kind, total=None)
            result = run_study(
                self.kind, table, model, self.options(**changes), out=self.out, command=command_line(),
                progress=lambda text: progress.update(task, description=_shown(self.kind, text)), study=study,
            )  # fmt: skip
        print_result(self.kind, result, self.as_json)


def asked_of_a_run(
    kind: str,
    study: Callable[[Callable[[str], None]], Any],
    *,
    out: Path | None,
    as_json: bool,
    inputs: Sequence[Path] = (),
) -> None:
    """Run a study of a run's images, which reads `inputs` and no table; save it beside the results of its tables."""
    from .store import check_results, save

    if out is not None:
        check_results(out, [kind], inputs=inputs)
    with _progress() as progress:
        task = progress.add_task(kind, total=None)
        result = study(lambda text: progress.update(task, description=_shown(kind, text)))
    if out is not None:
        save(result, out, command=command_line())
    print_result(kind, result, as_json)


def register(
    app: typer.Typer,
    load_model: LoadModel | None = None,
    load_networks: LoadNetworks | None = None,
    encode_runs: EncodeRuns | None = None,
) -> None:
    """Add the analyses, analyze and report to `app`.

    Args: load_model: makes a Model of a run folder; None for a command line that cannot decode. load_networks: makes
        what is taught beside probes; None for one that cannot train. encode_runs: makes tables of run folders; None for
        one that cannot encode.
    """
    from .commands import add_commands

    add_commands(app, load_model, load_networks, encode_runs)


def command_line() -> str:
    """What the user typed, for the records: without credentials, and absolute paths shortened."""
    path = Path(sys.argv[0])
    return typed_command(*(("python", "-m", path.parent.name) if path.name == "__main__.py" else (path.name,)))


def find_model(
    table: Embeddings, run: Path | None, load_model: LoadModel | None, *, of_codes: bool = True
) -> Model | None:
    """Load the model of `run`, or of the run that the table names, if there is one and a loader for it.

    Args: of_codes: to decode the table's codes, which it does not where another column is in their place.
    """
    if load_model is None:
        if run is not None:
            raise AnalysisError("python -m analysis cannot load a model: use latentgan, which can, for --model")
        return None
    named = table.metadata.get("run")
    found = run or find_named(named, table.path.parent)
    if found is None:
        return None
    if of_codes and table.code != "code" and table.metadata:
        if run is not None:
            raise AnalysisError(f"a model decodes the column 'code', not {table.code!r}: leave out --model or --code")
        return None
    try:
        model: Model = load_model(found)
    except ForeignModelError as error:
        if run is not None:
            raise
        note(f"without a model: {error}")
        return None
    if not hasattr(model, "decode"):
        raise AnalysisError(f"the model in {str(found)!r} does not decode")
    theirs, mine = getattr(model, "about", {}).get("sha256"), table.metadata.get("checkpoint")
    if theirs and mine and theirs != mine:
        raise AnalysisError(
            f"the model in {str(found)!r} is not the one that {table.path.name!r} was encoded with (it is another, or "
            "was trained since): encode again, or name the right one with --model"
        )
    return model


def analyze_table(
    table: str | Path,
    out: str | Path,
    *,
    model: Any = None,
    command: str = "",
    options: Options | None = None,
    code: str | None = None,
    label: str = "label",
    split: str = "split",
    group: str | None = None,
    blocks: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run every analysis of a table with one progress display, each saved in `out` when it is done.

    Returns: kind -> result, or the AnalysisError that says why there is none.
    """
    from .embeddings import Embeddings
    from .plan import Options
    from .workflow import STUDIES, run_all

    opened = Embeddings(table, code=code, label=label, split=split, group=group, blocks=blocks)
    found = {}
    with _progress(quiet) as progress:
        total = progress.add_task("analyses", total=len(STUDIES))

        def tell(kind: str, text: str) -> None:
            progress.update(total, description=_shown(kind, text))

        steps = run_all(
            opened, model, options or Options(), out=Path(out), command=command or command_line(), progress=tell
        )
        for kind, result in steps:
            found[kind] = result
            progress.advance(total)
        progress.update(total, description="done")
    return found


def write_report(results: str | Path, out: str | Path, *, run: str | Path | None = None) -> Path:
    """Write the report of a results folder; returns the file."""
    from . import report

    return report.write_report(Path(results), Path(out), run=None if run is None else Path(run))


def _shown(kind: str, text: str) -> str:
    from .terminal import clean

    return f"{kind}: {clean(text)}" if text else kind


def _progress(quiet: bool = False) -> Any:
    """A progress display on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False), console=console, transient=True,
        disable=quiet or not console.is_terminal,
    )  # fmt: skip


def print_result(kind: str, result: Any, as_json: bool) -> None:
    """Print a result for a person, or as JSON."""
    if as_json:
        from .store import to_json

        typer.echo(json.dumps({"kind": kind, **to_json(result)}, indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from .terminal import show

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file has no width: do not cut the figures
    show(result, console)


def run_of(results: Path) -> Path | None:
    """The run folder that the analysed table named, if it is still there."""
    from .boundary import table_metadata
    from .store import load_one

    if not (results / "overview.json").exists():
        return None
    overview = load_one(results, "overview")
    named = table_metadata(overview.metadata, overview.table).get("run")
    return find_named(named, results)


def report_back(found: dict[str, Any], out: Path, as_json: bool, warnings: Sequence[str] = ()) -> None:
    """Print warnings, every result, then what was left out; fail where nothing could be done."""
    refused = {kind: str(one) for kind, one in found.items() if isinstance(one, AnalysisError)}
    done = {kind: one for kind, one in found.items() if kind not in refused}
    if as_json:
        from .store import to_json

        body = {"warnings": list(warnings)} | {kind: to_json(one) for kind, one in done.items()} | {"left_out": refused}
        typer.echo(json.dumps(body, indent=1, ensure_ascii=False))
    else:
        for warning in warnings:
            typer.echo(f"warning: {warning}\n")
        for kind, one in done.items():
            print_result(kind, one, False)
        for kind, sentence in refused.items():
            note(f"left out: {kind}: {sentence}")
    if not done:
        raise AnalysisError("no analysis could be done: " + "; ".join(dict.fromkeys(refused.values())))
    note(f"results: {out}   next: latentgan report {out}")


def main() -> None:
    """Run `python -m analysis`; a user's error is one line on standard error and exit code 2."""
    app = typer.Typer(
        cls=WritingGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="Analyses of a table of codes, without a model: what must decode is left out, and said.",
    )  # fmt: skip
    register(app, None)
    run_app(app, "analysis", prog_name="python -m analysis")
