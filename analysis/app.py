"""The analyses as commands, mounted by latentgan's command line and alone as `python -m analysis`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import catalogue
from .cli.command import table_command
from .cli.console import note, run_app
from .cli.job import Job, _progress, _shown, command_line, find_model, print_result
from .cli.loaders import NO_LOADERS, Loaders
from .cli.options import PANEL
from .cli.writing_options import WritingGroup
from .errors import AnalysisError, ForeignModelError
from .io.paths import find_named

if TYPE_CHECKING:
    from .base.model import Model
    from .runner import Settings
    from .table.embeddings import Embeddings
    from .table.study_options import Options


__all__ = ["AnalysisError", "ForeignModelError", "analyze_table", "register", "write_report"]


def register(app: typer.Typer, loaders: Loaders = NO_LOADERS) -> None:
    """Add the analyses, analyze and report to `app`.

    Args:
        app: the application.
        loaders: what it can load.
    """
    for name, command in catalogue.COMMANDS.items():
        _add(app, getattr(catalogue.load(name, "command"), command), loaders)
    _add(app, analyze, loaders)
    _add(app, report, loaders)


def _add(app: typer.Typer, command: Callable[..., None], loaders: Loaders) -> None:
    text = unwrap(command.__doc__ or "")
    app.command(command.__name__, help=text, rich_help_panel=PANEL, context_settings={"obj": loaders})(command)


def unwrap(text: str) -> str:
    """Join the lines of each paragraph, which typer would break where the source does; examples stay."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("    ") else " ".join(p.split()) for p in paragraphs)


Maps = Annotated[
    list[str] | None, typer.Option("--map", help="Maps to make, umap or pca; may be repeated. Default both.")
]


@table_command("", without=())
def analyze(
    job: Job,
    out: Annotated[Path, typer.Option("--out", "-o", help="Results folder.")] = Path("results"),
    maps: Maps = None,
) -> None:
    """Every analysis of a table, each saved as soon as it is done.

    Analyses that lack labels, a split or a model are left out with a note, and the rest goes on. Afterwards
    `report` makes one HTML file of the results.

        latentgan analyze codes.parquet --out results
        latentgan report results --out report.html
    """
    from .table.dependence import dependence_warnings

    table = job.open(job.table)
    model = find_model(table, job.model, job.loaders.model)
    settings = {"projection": {"methods": tuple(maps or ("umap", "pca"))}}
    results = _analyze(table, out, model, command_line(), job.options(), settings)
    report_back(results, out, job.as_json, dependence_warnings(table))


def report(
    results: Annotated[Path, typer.Argument(help="Results folder.", show_default=False)] = Path("results"),
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path("report.html"),
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder, for curves, samples, warnings.", show_default=False)
    ] = None,
) -> None:
    """One interactive HTML file of a results folder, which loads nothing from anywhere.

    latentgan report results --run runs/mnist --out report.html
    """
    typer.echo(write_report(results, out, run=run or run_of(results)))


def analyze_table(
    table: str | Path,
    out: str | Path,
    *,
    model: Any = None,
    command: str = "",
    options: Options | None = None,
    settings: Settings | None = None,
    code: str | None = None,
    label: str = "label",
    split: str = "split",
    group: str | None = None,
    blocks: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run every analysis of a table with one progress display, each saved in `out` when it is done.

    Returns:
        Kind -> result, or the AnalysisError that says why there is none.
    """
    from .table.embeddings import Embeddings
    from .table.study_options import Options

    opened = Embeddings(table, code=code, label=label, split=split, group=group, blocks=blocks)
    return _analyze(opened, Path(out), model, command or command_line(), options or Options(), settings, quiet=quiet)


def _analyze(
    table: Embeddings,
    out: Path,
    model: Model | None,
    command: str,
    options: Options,
    settings: Settings | None,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run every analysis of an open table: kind -> result, or the AnalysisError that says why there is none."""
    from .runner import run_all

    results = {}
    with _progress(quiet) as progress:
        total = progress.add_task("analyses", total=len(catalogue.ANALYZE))

        def tell(kind: str, text: str) -> None:
            progress.update(total, description=_shown(kind, text))

        for kind, result in run_all(table, model, options, out=out, command=command, progress=tell, settings=settings):
            results[kind] = result
            progress.advance(total)
        progress.update(total, description="done")
    return results


def write_report(results: str | Path, out: str | Path, *, run: str | Path | None = None) -> Path:
    """Write the report of a results folder; returns the file."""
    from . import report_builder

    return report_builder.write_report(Path(results), Path(out), run=None if run is None else Path(run))


def run_of(results: Path) -> Path | None:
    """The run folder that the analysed table named, if it is still there."""
    from .io.reading import table_metadata
    from .results import load_one

    if not (results / "overview.json").exists():
        return None
    overview = load_one(results, "overview")
    named = table_metadata(overview.metadata, overview.table).get("run")
    return find_named(named, results)


def report_back(results: dict[str, Any], out: Path, as_json: bool, warnings: Sequence[str] = ()) -> None:
    """Print warnings, every result, then what was left out; fail where nothing could be done."""
    refused = {kind: str(outcome) for kind, outcome in results.items() if isinstance(outcome, AnalysisError)}
    done = {kind: outcome for kind, outcome in results.items() if kind not in refused}
    if as_json:
        from .results import to_json

        body = (
            {"warnings": list(warnings)}
            | {kind: to_json(outcome) for kind, outcome in done.items()}
            | {"left_out": refused}
        )
        typer.echo(json.dumps(body, indent=1, ensure_ascii=False))
    else:
        for warning in warnings:
            typer.echo(f"warning: {warning}\n")
        for kind, outcome in done.items():
            print_result(kind, outcome, False)
        for kind, sentence in refused.items():
            note(f"left out: {kind}: {sentence}")
    if not done:
        raise AnalysisError("no analysis could be done: " + "; ".join(dict.fromkeys(refused.values())))
    note(f"results: {out}   next: latentgan report {out}")


def main() -> None:
    """Run `python -m analysis`; a user's error is one line on standard error and exit code 2."""
    app = typer.Typer(
        cls=WritingGroup,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="Analyses of a table of codes, without a model: what must decode is left out, and said.",
    )
    register(app)
    run_app(app, "analysis", prog_name="python -m analysis")
