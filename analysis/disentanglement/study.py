"""The study of known factors: whether single numbers of the code are single columns of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..base.arrays import Bools, Ints
from ..base.columns import Column
from ..base.model import Model
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.representations import code_baselines, missing_baselines
from ..table.selection import held_out, labelled_columns, sample_rows, subsample_rows
from ..table.study_options import Options, Progress, silent
from .evaluate import MAX_ROWS, Disentanglement, disentangle
from .metrics import Factor

MAX_FACTORS = 20  # factors, the table's first, where none are named


MIN_ROWS_PER_VALUE = 10  # in the mean over values; with fewer, a column of classes is rather a name than a factor


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    factors: tuple[str, ...] = (),
) -> Disentanglement:
    """Score the code against columns of the table as factors, beside a PCA of pixels and the untrained network.

    Args:
        table: of codes.
        model: not used.
        options: how many rows.
        progress: receives what is at work.
        factors: columns that are known factors; none means the label and the attributes.
    """
    rng = options.rng("disentanglement")
    rows, words, with_training = held_out(table, options.test_rows, options, least=1000)
    columns, notes = _factors(table, rows, factors)
    use = rows[_known(columns, rows)]
    notes = [f"{len(use):,} {words}, those with every factor known", *notes]
    if len(use) > MAX_ROWS:
        use = subsample_rows(use, MAX_ROWS, options)
        notes.append(f"a sample of {MAX_ROWS:,} of them")
    result = [
        Factor(name=c.name, values=np.asarray(c.values[use], np.float64), discrete=c.kind != "numeric") for c in columns
    ]
    progress(f"{len(result)} factors")
    codes = table.vectors(table.code, use)[:, table.encoded]
    train = sample_rows(table, "train" if table.has_split else None, options.train_rows, options)
    baselines = [code_baseline for code_baseline in code_baselines(table) if code_baseline.name != "pixels"]
    baseline_codes = {wanted.name: wanted.read(table, train, use, rng=rng)[1] for wanted in baselines}
    notes += missing_baselines(table)
    scored = disentangle(codes, result, rng=rng, notes=notes, baseline_codes=baseline_codes, numbers=_numbers(table))
    return replace(scored, training_rows_note=notes[0] if with_training else "")


def _numbers(table: Embeddings) -> list[str]:
    """Names of the code's encoded columns: the part's and the place in it, or the place alone in a foreign table."""
    names = [str(i + 1) for i in range(len(table.encoded))]
    for part in table.parts:
        for i in range(int(part["width"])):
            names[int(part["start"]) + i] = f"{part['name']} {i + 1}"
    return [name for name, is_encoded in zip(names, table.encoded.tolist(), strict=True) if is_encoded]


def _factors(table: Embeddings, rows: Ints, factors: tuple[str, ...]) -> tuple[list[Column], list[str]]:
    """Columns that are factors on `rows`, and what was left out; those that are named stay.

    Raises:
        AnalysisError: fewer than two are there.
    """
    if factors:
        return [table.column(name, option="--factor COLUMN") for name in factors], []
    columns, notes = labelled_columns(table), []
    varied = [_is_factor(column.take(rows)) for column in columns]
    varied_columns = [column for column, factor in zip(columns, varied, strict=True) if factor]
    if not all(varied):
        named = _quoted([column.name for column, factor in zip(columns, varied, strict=True) if not factor])
        notes.append(f"no factors of these rows: {named} (one value, a value for nearly each row, or mostly unknown)")
    if len(varied_columns) < 2:
        raise AnalysisError(
            f"disentanglement needs two known factors that vary, and the table {table.path.name!r} has "
            f"{_quoted([column.name for column in varied_columns]) or 'none'}: encode images with attributes "
            f"(--attributes FILE)"
        )
    if len(varied_columns) > MAX_FACTORS:
        notes.append(
            f"the first {MAX_FACTORS} of {len(varied_columns)} factors: name others with latentgan disentanglement "
            "--factor"
        )
    return varied_columns[:MAX_FACTORS], notes


def _is_factor(column: Column) -> bool:
    """Whether a column is known in half of the rows, varies there, and has values that rows share."""
    values = column.values[column.present]
    different = len(np.unique(values))
    if different < 2 or 2 * len(values) < len(column.values):
        return False
    return column.kind == "numeric" or different * MIN_ROWS_PER_VALUE <= len(values)


def _known(columns: Sequence[Column], rows: Ints) -> Bools:
    """Rows in which every factor has a value."""
    is_known = np.stack([column.present[rows] for column in columns])
    return np.asarray(is_known.all(0), np.bool_)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
