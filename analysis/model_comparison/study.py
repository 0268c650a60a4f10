"""Tables of several models compared on the rows that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..base.arrays import Ints
from ..base.pca import fit_pca
from ..concepts.targets import ConceptTarget, concept_targets
from ..table.alignment import common_rows
from ..table.embeddings import Embeddings
from ..table.representations import code_baselines, missing_baselines
from ..table.selection import grouping_notes, held_out, labelled_columns, one_row_per_group, sample_rows, subsample_rows
from ..table.study_options import Options, Progress, silent
from .ranking_study import FindModel, study_runs
from .shared_rows import DRAWS
from .similarity import Comparison, Comparisons, collapsed, similarities, transfers

BASELINE_SHUFFLES = 19


WIDEST = 1024  # columns of a baseline that concepts are carried to; wider ones go through a PCA, without labels


def study_comparison(
    first: Embeddings,
    other_tables: Sequence[Embeddings],
    options: Options,
    *,
    names: Sequence[str] = (),
    find_model: FindModel | None = None,
    progress: Progress = silent,
    draws: int = DRAWS,
) -> Comparisons:
    """Rank the runs of several tables, and compare the code of the first with those of the others and of baselines.

    Args:
        first: embeddings of the model that all are compared with.
        other_tables: embeddings of the same images by other models.
        options: rows and seed that all analyses share.
        names: names of the tables, by default those of their files.
        find_model: returns the model that decodes a table's codes, or None.
        progress: called with a line of text before each step.
        draws: draws of few labels, the same for all.
    Returns:
        Similarities and transferred concepts of each pair, those of the baselines, and the ranking of the runs.
    Raises:
        AnalysisError: the tables are not of the same images, or share fewer than 50 rows.
    """
    tables = [first, *other_tables]
    short = [table.path.name for table in tables]
    names = names or [name if short.count(name) == 1 else str(t.path) for name, t in zip(short, tables, strict=True)]
    shown = [_named(name, table) for name, table in zip(names, tables, strict=True)]
    sides = [name if table.stands_in else side for name, side, table in zip(names, shown, tables, strict=True)]
    runs, ranking_notes = study_runs(tables, sides, options, find_model=find_model, progress=progress, draws=draws)
    pairs = []
    for name, other in zip(shown[1:], other_tables, strict=True):

        def tell(text: str, name: str = name) -> None:
            progress(f"{name}: {text}")

        compared = compare_tables(first, other, options, progress=tell)
        pairs.append(replace(compared, names=(shown[0], name)))
    rng = options.rng("yardsticks")
    rows = subsample_rows(held_out(first, None, options, least=200).rows, options.test_rows, options)
    train = sample_rows(first, "train" if first.has_split else None, options.train_rows, options)
    x, result = first.vectors(first.code, rows)[:, first.encoded], []
    for wanted in code_baselines(first):
        progress(wanted.name)
        y = wanted.read(first, train, rows, rng=rng)[1]
        alike = similarities(x, y, rng=rng, shuffles=BASELINE_SHUFFLES)
        few = y if y.shape[1] <= WIDEST else fit_pca(y, WIDEST, rng=rng).project(y)
        carried, _ = transfers(x, few, _asked(first, rows), rng=rng)
        result.append(
            Comparison(
                names=(pairs[0].names[0], wanted.name),
                widths=(x.shape[1], y.shape[1]),
                rows=len(x),
                similarities=alike,
                transfers=carried,
                notes=(),
            )
        )
    notes = dict.fromkeys(
        [
            *ranking_notes,
            *(note for pair in pairs for note in pair.notes),
            *missing_baselines(first),
            *grouping_notes(first),
        ]
    )
    notes_of_rows = [runs.training_rows_note, *(pair.training_rows_note for pair in pairs)]
    return Comparisons(
        pairs=tuple(pairs),
        baselines=tuple(result),
        notes=tuple(notes),
        runs=runs,
        training_rows_note=next(filter(None, notes_of_rows), ""),
    )


def compare_tables(
    first: Embeddings, second: Embeddings, options: Options, *, progress: Progress = silent
) -> Comparison:
    """Compare the codes of two tables on the images that both have, by their ids."""
    rng = options.rng("comparison")
    first_rows, theirs, notes = common_rows(first, second)
    alone = np.isin(first_rows, one_row_per_group(first, first_rows, options))
    first_rows, theirs = first_rows[alone], theirs[alone]
    where, words, with_training = held_out(first, None, options, least=200)
    is_shared = np.isin(first_rows, where)
    if is_shared.sum() >= 100:
        first_rows, theirs = first_rows[is_shared], theirs[is_shared]
        rows_note = f"{len(first_rows):,} common {words}"
    else:
        with_training = True
        rows_note = f"{len(first_rows):,} common rows of all splits, which includes training rows"
    notes.append(rows_note)
    if options.test_rows is not None and len(first_rows) > options.test_rows:
        chosen = np.sort(rng.choice(len(first_rows), options.test_rows, replace=False))
        first_rows, theirs = first_rows[chosen], theirs[chosen]
        notes.append(f"a sample of {len(first_rows):,} of them")
    x = first.vectors(first.code, first_rows)[:, first.encoded]
    y = second.vectors(second.code, theirs)[:, second.encoded]
    still = [table.path.name for table, codes in ((first, x), (second, y)) if collapsed(codes)]
    notes += [f"all codes of {name} are the same: neighbours and maps of them cannot be compared" for name in still]
    progress("similarities")
    result = similarities(x, y, rng=rng)
    progress("concepts")
    carried, left = transfers(x, y, _asked(first, first_rows), rng=rng)
    named = (f"{first.path.name}: {first.code}", f"{second.path.name}: {second.code}")
    return Comparison(
        names=named,
        widths=(x.shape[1], y.shape[1]),
        rows=len(first_rows),
        similarities=result,
        transfers=carried,
        notes=(*notes, *left),
        training_rows_note=rows_note if with_training else "",
    )


def _asked(table: Embeddings, rows: Ints) -> list[ConceptTarget]:
    """What the table's columns ask of some of its rows."""
    every = np.arange(len(rows))
    return [target for column in labelled_columns(table) for target in concept_targets(column.take(rows), every)]


def _named(name: str, table: Embeddings) -> str:
    return name if table.code == "code" else f"{name}: {table.code}"
