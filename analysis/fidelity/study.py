"""Fidelity of generated images: a table of samples compared with the held-out rows of a table of real images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Floats, Ints
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.overview import thumbnails
from ..table.selection import grouping_notes, held_out, one_row_per_group, sample_rows, subsample_rows
from ..table.study_options import Options, Progress, silent
from .distances import Copying, Distances, Duplicates, Fidelity, Modes, compare_samples, warnings_of
from .memorization import copying_and_others, count_modes, duplicate_threshold, duplicates

MODE_ROWS = 5000


def study_fidelity(
    real: Embeddings, fake: Embeddings, options: Options, *, features: str = "", progress: Progress = silent
) -> Fidelity:
    """Compare samples with held-out real rows in a vector column of both tables.

    Args:
        real: embeddings of real images; with a split, train rows are the baseline and copies are looked for.
        fake: embeddings of generated images, encoded with the same model.
        options: rows and seed that all analyses share.
        features: vector column that both tables have, by default their code.
        progress: called with a line of text before each step.
    Raises:
        AnalysisError: the tables share no such column, or were encoded with different models.
    """
    rng = options.rng("fidelity")
    if not features and real.code != fake.code:
        raise AnalysisError(f"features must be the same: {real.code!r} of real rows, {fake.code!r} of samples")
    marks = [table.metadata.get("checkpoint") for table in (real, fake)]
    if all(marks) and marks[0] != marks[1]:
        raise AnalysisError(
            f"{real.path.name!r} and {fake.path.name!r} were encoded with different models, so their features do not "
            "compare: encode the samples with the run of the real images"
        )
    name = features or real.code
    for table in (real, fake):
        if name not in table.vector_columns:
            columns = ", ".join(map(repr, table.vector_columns))
            raise AnalysisError(
                f"the table {table.path.name!r} has no vector column {name!r} (it has {columns}): choose one that both "
                "tables have with --features"
            )
    rows, words, with_training = held_out(real, options.test_rows, options)
    drawn = sample_rows(fake, None, options.test_rows, options)
    parts = real.vectors(name, rows), fake.vectors(name, drawn)
    progress("distances")
    result = compare_samples(*parts, rng=rng)
    rows_text = _of(len(rows), len(held_out(real, None, options).rows)), _of(len(drawn), fake.n)
    notes = [f"real: {rows_text[0]} {words}; samples: {rows_text[1]} rows of {fake.path.name}", *warnings_of(result)]
    baseline, repeats = None, None
    pictures: dict[str, Any] = {}
    train, held_out_rows = _train(real, rows), parts[0]
    if train is None:
        notes.append("no baseline of real rows, and no test of copying: the table has no train split beside the rows")
    else:
        progress("baseline")
        train_rows = subsample_rows(one_row_per_group(real, train, options), len(drawn), options)
        held_out_rows = real.vectors(name, train_rows)
        baseline = compare_samples(parts[0], held_out_rows, rng=rng)
        notes.append(f"the baseline: {_of(len(train_rows), len(train))} train rows in the samples' place")
        progress("nearest training images")
        repeats, pictures = _repeats(real, fake, real.matrix(name, train), train, (rows, drawn), parts)
        notes.append(f"the nearest training images are those of all {len(train):,} train rows")
    progress("duplicates")
    held, made, held_out_rows = (z[rng.permutation(len(z))[:MODE_ROWS]] for z in (*parts, held_out_rows))
    threshold = duplicate_threshold(held[: len(made)])
    modes, real_pairs = count_modes(made, threshold=threshold), duplicates(held_out_rows, threshold=threshold)
    notes += [*_sampled(result, modes, real_pairs, len(rows), len(drawn)), *grouping_notes(real)]
    return Fidelity(
        features=name,
        samples=result,
        baseline=baseline,
        copying=repeats,
        modes=modes,
        real_duplicates=real_pairs,
        notes=tuple(notes),
        training_rows_note=notes[0] if with_training else "",
        **pictures,
    )


def _sampled(distances: Distances, modes: Modes, result: Duplicates, real: int, drawn: int) -> list[str]:
    """Say which figures are of fewer rows than there are `real` and `drawn`."""
    if distances.real == real and distances.fake == modes.rows == drawn:
        if distances.manifold_rows == min(real, drawn):
            return []
        return [f"precision, recall, density and coverage are those of {distances.manifold_rows:,} rows of either side"]
    return [
        f"distances are those of {distances.real:,} real rows and {distances.fake:,} samples, precision, recall, "
        f"density and coverage those of {distances.manifold_rows:,} of either, duplicates of {modes.rows:,} samples "
        f"and {result.rows:,} real rows"
    ]


def _of(used: int, available: int) -> str:
    return f"{used:,}" if used == available else f"{used:,} of {available:,}"


def _repeats(
    real: Embeddings,
    fake: Embeddings,
    training: Floats,
    train: Ints,
    rows: tuple[Ints, Ints],
    parts: tuple[Floats, Floats],
) -> tuple[Copying, dict[str, Any]]:
    """The test of copying, with rows of the tables in place of positions, and the pictures of the nearest pairs."""
    result, index, distance = copying_and_others(parts[1], training, parts[0])
    result = replace(result, nearest=train[result.nearest], sample_rows=rows[1][result.sample_rows])
    order = np.argsort(result.sample_rows)
    shown = thumbnails(fake, result.sample_rows[order])
    first = np.argsort(distance, kind="stable")[: len(result.sample_rows)]
    return result, {
        "shown": None if shown is None else shown[np.argsort(order)],
        "real_pairs": np.stack([rows[0][first], train[index[first]]], axis=1),
        "real_distances": distance[first],
    }


def _train(real: Embeddings, rows: Ints) -> Ints | None:
    """Train rows other than `rows`, where there are enough."""
    if not real.has_split:
        return None
    train = np.setdiff1d(real.rows("train"), rows)
    return train if len(train) >= 50 else None
