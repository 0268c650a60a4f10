"""The analyses as commands, mounted by latentgan's command line and alone as `python -m analysis`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli.console import note, run_app
from .cli.job import _progress, _shown, command_line, print_result
from .cli.writing_options import WritingGroup
from .errors import AnalysisError, ForeignModelError
from .io.paths import find_named

if TYPE_CHECKING:
    from .cli.options import EncodeRuns, LoadModel, LoadNetworks
    from .table.study_options import Options


__all__ = ["AnalysisError", "ForeignModelError", "analyze_table", "register", "write_report"]


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
    from .catalogue import ANALYZE
    from .runner import run_all
    from .table.embeddings import Embeddings
    from .table.study_options import Options

    opened = Embeddings(table, code=code, label=label, split=split, group=group, blocks=blocks)
    found = {}
    with _progress(quiet) as progress:
        total = progress.add_task("analyses", total=len(ANALYZE))

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


def report_back(found: dict[str, Any], out: Path, as_json: bool, warnings: Sequence[str] = ()) -> None:
    """Print warnings, every result, then what was left out; fail where nothing could be done."""
    refused = {kind: str(one) for kind, one in found.items() if isinstance(one, AnalysisError)}
    done = {kind: one for kind, one in found.items() if kind not in refused}
    if as_json:
        from .results import to_json

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
        cls=WritingGroup,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="Analyses of a table of codes, without a model: what must decode is left out, and said.",
    )
    register(app, None)
    run_app(app, "analysis", prog_name="python -m analysis")
