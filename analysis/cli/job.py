"""One command on one table: find its model, show progress, run, save, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import AnalysisError, ForeignModelError
from ..io.paths import find_named, typed_command
from .console import note
from .loaders import NO_LOADERS, Loaders

if TYPE_CHECKING:
    from ..base.model import Model
    from ..table.embeddings import Embeddings
    from ..table.study_options import Options
    from .loaders import LoadModel


@dataclass(frozen=True, kw_only=True)
class Job:
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
    loaders: Loaders = NO_LOADERS

    def options(self, shown: int | None = None) -> Options:
        """The options that the command line gave."""
        from ..table.study_options import Options

        chosen = Options(train_rows=self.rows, test_rows=self.rows, seed=self.seed)
        chosen = chosen if shown is None else replace(chosen, shown=shown)
        return chosen.full() if self.full else chosen

    def open(self, path: Path) -> Embeddings:
        """A table with the columns that were asked for."""
        from ..table.embeddings import Embeddings

        return Embeddings(
            path, code=self.code, label=self.label, split=self.split, group=self.group, blocks=self.blocks
        )

    def other(self, path: Path) -> Embeddings:
        """Another table, of which rows are matched or drawn: the first one says which of them belong together."""
        from ..table.embeddings import Embeddings

        return Embeddings(path, code=self.code, label=self.label, split=self.split)

    def check_out(self, inputs: Sequence[Path]) -> None:
        """Raise AnalysisError where the result cannot be saved; for commands that do long work before the study.

        Args:
            inputs: files and folders that the command reads.
        """
        from ..results import check_results

        if self.out is not None:
            check_results(self.out, (self.kind, "overview"), inputs=inputs)

    def ask(self, study: Callable[[Embeddings, Options, Callable[[str], None]], Any]) -> None:
        """Run a study that is no part of `analyze`, save it, print it."""
        from ..runner import run_asked

        table, options = self.open(self.table), self.options()
        with _progress() as progress:
            task = progress.add_task(self.kind, total=None)

            def tell(text: str) -> None:
                progress.update(task, description=_shown(self.kind, text))

            result = run_asked(
                self.kind, table, lambda: study(table, options, tell), out=self.out, command=command_line()
            )
        print_result(self.kind, result, self.as_json)

    def run(self, *, decodes: bool = True, shown: int | None = None, **settings: Any) -> None:
        """Run it, save it, print it.

        Args:
            decodes: whether it has a use for the model of the table's run.
            shown: images, pairs or codes in a gallery.
            settings: keywords of the study's own.
        """
        from ..runner import run_study

        table = self.open(self.table)
        model = find_model(table, self.model, self.loaders.model) if decodes else None
        with _progress() as progress:
            task = progress.add_task(self.kind, total=None)
            result = run_study(
                self.kind,
                table,
                model,
                self.options(shown),
                out=self.out,
                command=command_line(),
                progress=lambda text: progress.update(task, description=_shown(self.kind, text)),
                **settings,
            )
        print_result(self.kind, result, self.as_json)


def study_run_images(
    kind: str,
    study: Callable[[Callable[[str], None]], Any],
    *,
    out: Path | None,
    as_json: bool,
    inputs: Sequence[Path] = (),
) -> None:
    """Run a study of a run's images, which reads `inputs` and no table; save it beside the results of its tables."""
    from ..results import check_results, save

    if out is not None:
        check_results(out, [kind], inputs=inputs)
    with _progress() as progress:
        task = progress.add_task(kind, total=None)
        result = study(lambda text: progress.update(task, description=_shown(kind, text)))
    if out is not None:
        save(result, out, command=command_line())
    print_result(kind, result, as_json)


def command_line() -> str:
    """What the user typed, for the records: without credentials, and absolute paths shortened."""
    path = Path(sys.argv[0])
    return typed_command(*(("python", "-m", path.parent.name) if path.name == "__main__.py" else (path.name,)))


def find_model(
    table: Embeddings, run: Path | None, load_model: LoadModel | None, *, of_codes: bool = True
) -> Model | None:
    """Load the model of `run`, or of the run that the table names, if there is one and a loader for it.

    Args:
        of_codes: to decode the table's codes, which it does not where another column is in their place.
    """
    if load_model is None:
        if run is not None:
            raise AnalysisError("python -m analysis cannot load a model: use latentgan, which can, for --model")
        return None
    named = table.metadata.get("run")
    place = run or find_named(named, table.path.parent)
    if place is None:
        return None
    if of_codes and table.code != "code" and table.metadata:
        if run is not None:
            raise AnalysisError(f"a model decodes the column 'code', not {table.code!r}: leave out --model or --code")
        return None
    try:
        model: Model = load_model(place)
    except ForeignModelError as error:
        if run is not None:
            raise
        note(f"without a model: {error}")
        return None
    if not hasattr(model, "decode"):
        raise AnalysisError(f"the model in {str(place)!r} does not decode")
    loaded_sha256, encoded_with = getattr(model, "about", {}).get("sha256"), table.metadata.get("checkpoint")
    if loaded_sha256 and encoded_with and loaded_sha256 != encoded_with:
        raise AnalysisError(
            f"the model in {str(place)!r} is not the one that {table.path.name!r} was encoded with (it is another, or "
            "was trained since): encode again, or name the right one with --model"
        )
    return model


def _shown(kind: str, text: str) -> str:
    from ..terminal import clean

    return f"{kind}: {clean(text)}" if text else kind


def _progress(quiet: bool = False) -> Any:
    """A progress display on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def print_result(kind: str, result: Any, as_json: bool) -> None:
    """Print a result for a person, or as JSON."""
    if as_json:
        from ..results import to_json

        typer.echo(json.dumps({"kind": kind, **to_json(result)}, indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from ..terminal import show

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file has no width: do not cut the figures
    show(result, console)
