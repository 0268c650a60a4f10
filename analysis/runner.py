"""All analyses of a table, one after the other, each saved as soon as it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import catalogue
from .base.arrays import rows_of
from .base.model import Model
from .base.parallel import one_blas_thread
from .errors import AnalysisError, TooLargeError
from .io.paths import find_named, relative_name, without_paths
from .io.writing import remove_empty
from .results import KINDS, check_results, load_one, remove, save, save_all
from .table.dependence import dependence_warnings
from .table.embeddings import Embeddings
from .table.overview import Overview, summarise
from .table.selection import grouping_notes
from .table.study_options import Options, Progress, silent

Study = Callable[..., Any]
"""Of a table, a model or None, options and progress, and keywords of its own, to a result."""

Settings = Mapping[str, Mapping[str, Any]]
"""Keywords of studies' own, by analysis."""


def run_study(
    kind: str,
    table: Embeddings,
    model: Model | None,
    options: Options,
    *,
    out: Path | None = None,
    command: str = "",
    progress: Progress = silent,
    **settings: Any,
) -> Any:
    """Run one analysis; with `out`, save it there and bring the folder's overview up to date.

    Args:
        kind: the analysis, a name of the catalogue.
        table: of codes.
        model: decodes, where there is one.
        options: how many rows.
        out: results folder.
        command: what the user typed, for the record.
        progress: is called with what is at work.
        settings: keywords of the study's own.

    Raises:
        AnalysisError: it cannot be done, or `out` holds results of another table.
    """

    def warned() -> Any:
        result = _study(kind, table, model, options, progress, settings)
        return replace(result, notes=tuple(dict.fromkeys([*dependence_warnings(table), *result.notes])))

    return run_asked(kind, table, warned, out=out, command=command)


def _study(
    kind: str,
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress,
    settings: Mapping[str, Any],
) -> Any:
    """Run a study of all rows, or where it must hold them and they do not fit in memory, of the usual sample."""
    study: Study = catalogue.load(kind, "study").study
    try:
        return _with_notes(study(table, model, options, progress, **settings), *grouping_notes(table))
    except TooLargeError:
        if options.train_rows is not None:
            raise
        progress("a sample")
        usual = Options()
        fewer = replace(options, train_rows=usual.train_rows, test_rows=usual.test_rows)
        result = study(table, model, fewer, progress, **settings)
        note = f"a sample in place of --full: all rows do not fit in memory, and {kind} must hold what it looks at"
        return _with_notes(result, *grouping_notes(table), note)


def _with_notes(result: Any, *notes: str) -> Any:
    """The result with more notes, those that it has left out."""
    more = [note for note in notes if note not in result.notes]
    return replace(result, notes=(*result.notes, *more)) if more else result


def run_asked(
    kind: str,
    table: Embeddings,
    study: Callable[[], Any],
    *,
    out: Path | None = None,
    command: str = "",
    inputs: Sequence[Path] = (),
) -> Any:
    """Run one study of a table, perhaps beside others, `inputs`, and save it in `out` as a result of that table."""
    if out is not None:
        check_results(out, (kind, "overview"), inputs=(table.path, *inputs))
        _refuse_strangers(table, out)
    try:
        with one_blas_thread():
            result = study()
    except MemoryError as error:
        raise _as_refusal(kind, error) from error
    if out is not None:
        overview = _overview(table, out, _refused(out), also={kind: result})
        save_all([result, overview], out, command=command)
    return result


def run_all(
    table: Embeddings,
    model: Model | None,
    options: Options,
    *,
    out: Path,
    command: str = "",
    progress: Callable[[str, str], None] = lambda kind, text: None,
    settings: Settings | None = None,
) -> Iterator[tuple[str, Any]]:
    """Yield (kind, result) of every analysis as it is saved, or (kind, AnalysisError) where one is refused.

    Args:
        table: of codes.
        model: decodes, where there is one.
        options: how many rows.
        out: results folder.
        command: what the user typed, for the record.
        progress: is called with the analysis at work, and on what.
        settings: keywords of studies' own, by analysis.
    """
    refused: dict[str, str] = {}
    check_results(out, KINDS, inputs=[table.path])
    begun, saved = (out / "overview.json").is_file(), False
    made = [folder for folder in reversed((out, *out.parents)) if not folder.is_dir()]
    if not begun or _stranger(table, out) is not None:
        for kind in KINDS:  # nothing of another table stays, however this ends
            remove(out, kind)
        refresh_overview(table, out, command=command)

    def finish() -> None:
        if saved or begun:
            refresh_overview(table, out, command=command, refused=refused)
        else:  # an overview of nothing
            remove(out, "overview")
            remove_empty(made)

    try:
        for kind, result in _each(table, model, options, out, command, progress, refused, settings or {}):
            saved = saved or not isinstance(result, AnalysisError)
            yield kind, result
    except BaseException:
        with suppress(AnalysisError):  # a full disk is told once
            finish()
        raise
    finish()


def _each(
    table: Embeddings,
    model: Model | None,
    options: Options,
    out: Path,
    command: str,
    progress: Callable[[str, str], None],
    refused: dict[str, str],
    settings: Settings,
) -> Iterator[tuple[str, Any]]:
    """Run and save one analysis after the other; why one was refused goes into `refused`."""
    for kind in catalogue.ANALYZE:
        remove(out, kind)
        progress(kind, "")
        try:
            with one_blas_thread():
                result = _study(kind, table, model, options, partial(progress, kind), settings.get(kind, {}))
        except (AnalysisError, ValueError, ArithmeticError, MemoryError) as error:  # the others go on
            reason = _as_refusal(kind, error)
            refused[kind] = str(reason)
            yield kind, reason
        else:
            save(result, out, command=command)
            yield kind, result


def _as_refusal(kind: str, error: Exception) -> AnalysisError:
    """Say in one sentence why an analysis could not be done; LinAlgError is a ValueError."""
    if isinstance(error, AnalysisError):
        return AnalysisError(str(error).splitlines()[0])
    if isinstance(error, MemoryError):
        return AnalysisError(f"{kind} needs more memory than there is: leave out --full, or give fewer --rows")
    return AnalysisError(f"{kind} cannot be computed from this table: {(str(error) or 'it fails').splitlines()[0]}")


def _refused(out: Path) -> dict[str, str]:
    """Which analyses the overview in `out` says were refused, and why."""
    return dict(load_one(out, "overview").refused) if (out / "overview.json").is_file() else {}


def _stranger(table: Embeddings, out: Path) -> Overview | None:
    """Return the overview in `out` if the results there are of another table, or of other columns of this one."""
    if not (out / "overview.json").is_file():
        return None
    before: Overview = load_one(out, "overview")
    return before if before.identity != table.identity else None


def _refuse_strangers(table: Embeddings, out: Path) -> None:
    before = _stranger(table, out)
    if before is not None:
        raise AnalysisError(
            f"{str(out)!r} holds results of another table or of other columns ({before.table}, {before.n:,} rows, code "
            f"{before.code!r}): choose another --out, or run latentgan analyze {table.path.name} --out {out}, which "
            "replaces them all"
        )


def refresh_overview(
    table: Embeddings, out: Path, *, command: str = "", refused: Mapping[str, str] | None = None
) -> None:
    """Write the overview with the rows that the results in `out` show, and which analyses were refused, and why."""
    save(_overview(table, out, refused or {}), out, command=command)


def _overview(
    table: Embeddings, out: Path, refused: Mapping[str, str], *, also: Mapping[str, Any] | None = None
) -> Overview:
    """Return the overview of the results in `out`, and of those that are about to be written there, by kind."""
    new = dict(also or {})
    kinds = [kind for kind in KINDS if kind not in ("overview", *new) and (out / f"{kind}.json").is_file()]
    results = [*(load_one(out, kind) for kind in kinds), *new.values()]
    rows = rows_of(*(result.shown_rows() for result in results))
    overview = summarise(table, rows[rows < table.n], warnings=dependence_warnings(table))
    notes = [without_paths(note) for note in (*overview.notes, *grouping_notes(table))]
    reasons = tuple((kind, without_paths(reason)) for kind, reason in refused.items() if kind not in new)
    return replace(overview, notes=tuple(notes), refused=reasons, metadata=_metadata(table, out))


def _metadata(table: Embeddings, out: Path) -> str:
    """Return the table's metadata as JSON, with the run as it is found from `out`."""
    run = find_named(table.metadata.get("run"), table.path.parent)
    moved = {} if run is None else {"run": relative_name(run, out)}
    return json.dumps({**table.metadata, **moved}, ensure_ascii=False)
