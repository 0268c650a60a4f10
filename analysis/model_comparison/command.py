"""Runs side by side; any of them may be a run folder where images can be encoded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..cli.command import table_command
from ..cli.job import Job, find_model
from ..errors import AnalysisError
from ..io.paths import distinct
from ..io.writing import forgetting

if TYPE_CHECKING:
    from ..table.embeddings import Embeddings

First = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or table of codes.", show_default=False)]


Others = Annotated[
    list[Path],
    typer.Argument(metavar="RUN…", help="Others: run folders, or tables of the same images.", show_default=False),
]


Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="Images that run folders are scored on, a name or path as `latentgan encode` takes it. "
        "Default: those of the first run.",
        show_default=False,
    ),
]


Mirror = Annotated[Path | None, typer.Option(help="A folder that holds the files of a named set.", show_default=False)]


Device = Annotated[str, typer.Option(help="Where run folders are encoded: cpu, cuda, cuda:1, mps, or auto.")]


@table_command("model_comparison", table="run")
def compare(
    job: Job, run: First, others: Others, data: Data = None, mirror: Mirror = None, device: Device = "auto"
) -> None:
    """Runs side by side, and whether they arrange the same images alike.

    A row a run, on the same images and draws of labels: the accuracy of a linear probe on the code and on the best
    feature layer, trained with all labels and with 10 a class, the error of reconstructions, the intrinsic dimension;
    beside raw pixels, a PCA of equal width and each network untrained. Differences from the first run are paired; a
    star marks significant ones, with all of them counted (Holm). That is of these trainings; another seed may differ.

        latentgan compare runs/a runs/b runs/c --out results

    Of run folders the images of the first one's data are encoded, at most --rows of a split, into tables in
    RESULTS-tables, which are used again while they fit. Tables of `latentgan encode`, or anybody's, may stand in
    their place; rows are matched by id. With --data all are scored on other images.

        latentgan compare seed0.parquet seed1.parquet seed2.parquet --out results

    Then the first code beside each of the others: linear CKA, RSA, common neighbours, and maps from one to the
    other, fitted on one half of the rows and scored on the other; beside each the same with shuffled rows, and with
    the first's own pixels, their PCA and the untrained network. A concept's direction is carried over by a map that
    saw no label. With --out the report of the first shows it all.
    """
    from .study import study_comparison

    runs = [run, *others]
    with ExitStack() as stack:
        how = {
            "rows": None if job.full else job.rows,
            "seed": job.seed,
            "data": data,
            "mirror": mirror,
            "device": device,
        }
        paths = _tables(job, runs, stack, **how)
        job = replace(job, table=paths[0])
        tables = [job.other(path) for path in paths[1:]]

        def study(first: Embeddings, options: Any, tell: Any) -> Any:
            return study_comparison(
                first,
                tables,
                options,
                names=distinct(runs),
                find_model=lambda table: find_model(table, None, job.loaders.model),
                progress=tell,
            )

        job.ask(study)


def _tables(job: Job, paths: Sequence[Path], stack: ExitStack, **how: Any) -> list[Path]:
    """The table of each that was asked for; run folders are encoded, all of them before anything is compared."""
    runs = [path for path in paths if _is_run(path)]
    for path in paths:  # what is wrong is refused before minutes of encoding
        if not path.exists():
            raise AnalysisError(f"there is neither a run folder nor a table {str(path)!r}")
    if not runs and how["data"] is not None:
        raise AnalysisError("--data names images for run folders to encode, and only tables were given")
    if not runs:
        return list(paths)
    if job.loaders.tables is None:
        raise AnalysisError(
            f"{str(runs[0])!r} is a run folder, and python -m analysis encodes no images: run folders need "
            "latentgan compare; here, give the table that latentgan encode makes of it"
        )
    job.check_out(paths)
    tables = {str(path): job.other(path) for path in paths if not _is_run(path)}
    if job.out is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latentgan-compare-")))
    else:
        folder = job.out.with_name(f"{job.out.resolve().name}-tables")
        stack.enter_context(forgetting(folder, "*.parquet"))
    checks = {
        "results": job.out if _is_run(paths[0]) else None,
        "columns": _named_columns(job, with_group=_is_run(paths[0])),
        "fingerprints": {
            name: table.metadata["fingerprint"] for name, table in tables.items() if table.metadata.get("fingerprint")
        },
    }
    made = iter(job.loaders.tables(runs, folder, **how, **checks))
    return [next(made) if _is_run(path) else path for path in paths]


def _named_columns(job: Job, *, with_group: bool) -> dict[str, str]:
    """The columns that options name, by option; only the first table has groups."""
    named = {
        "--code": job.code,
        "--label": job.label,
        "--split": job.split,
        "--group": job.group if with_group else None,
    }
    defaults = {"--label": "label", "--split": "split"}
    return {option: name for option, name in named.items() if name and name != defaults.get(option)}


def _is_run(path: Path) -> bool:
    return (path / "run.toml").is_file()
