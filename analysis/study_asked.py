"""The studies that `analyze` leaves out, since one must say of what: another table, or samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import AnalysisError, Floats, Ints
from .embeddings import Embeddings
from .fidelity import Copying, Distances, Duplicates, Fidelity, Modes, compare_samples, warnings_of
from .matching import common_rows
from .memory import copying_and_others, count_modes, duplicate_threshold, duplicates
from .overview import thumbnails
from .pca import fit_pca
from .plan import (
    Options,
    Progress,
    code_yardsticks,
    grouping,
    held_out,
    independent,
    labelled_columns,
    missing_yardsticks,
    sample,
    silent,
    thin,
)
from .questions import Question, questions
from .similarity import Comparison, Comparisons, collapsed, similarities, transfers
from .study_runs import FindModel, study_runs

MODE_ROWS = 5000
YARDSTICK_SHUFFLES = 19
WIDEST = 1024  # columns of a yardstick that concepts are carried to; wider ones go through a PCA, without labels


def study_comparison(
    first: Embeddings,
    others: Sequence[Embeddings],
    options: Options,
    *,
    names: Sequence[str] = (),
    find_model: FindModel | None = None,
    progress: Progress = silent,
) -> Comparisons:
    """Put tables of the same images side by side, and the code of the first beside those of others and yardsticks.

    Args: names: of the tables, by default those of their files. find_model: gives the model that decodes a table's
        codes.
    """
    tables = [first, *others]
    short = [table.path.name for table in tables]
    names = names or [name if short.count(name) == 1 else str(t.path) for name, t in zip(short, tables, strict=True)]
    shown = [_named(name, table) for name, table in zip(names, tables, strict=True)]
    sides = [name if table.stands_in else side for name, side, table in zip(names, shown, tables, strict=True)]
    runs, said = study_runs(tables, sides, options, find_model=find_model, progress=progress)
    pairs = []
    for name, other in zip(shown[1:], others, strict=True):

        def tell(text: str, name: str = name) -> None:
            progress(f"{name}: {text}")

        one = compare_tables(first, other, options, progress=tell)
        pairs.append(replace(one, names=(shown[0], name)))
    rng = options.rng("yardsticks")
    rows = thin(held_out(first, None, options, least=200)[0], options.test_rows, options)
    train = sample(first, "train" if first.has_split else None, options.train_rows, options)
    x, found = first.vectors(first.code, rows)[:, first.encoded], []
    for wanted in code_yardsticks(first):
        progress(wanted.name)
        y = wanted.read(first, train, rows, rng=rng)[1]
        alike = similarities(x, y, rng=rng, shuffles=YARDSTICK_SHUFFLES)
        few = y if y.shape[1] <= WIDEST else fit_pca(y, WIDEST, rng=rng).project(y)
        carried, _ = transfers(x, few, _asked(first, rows), rng=rng)
        found.append(Comparison((pairs[0].names[0], wanted.name), (x.shape[1], y.shape[1]), len(x), alike, carried, ()))
    notes = dict.fromkeys(
        [*said, *(note for one in pairs for note in one.notes), *missing_yardsticks(first), *grouping(first)]
    )
    return Comparisons(tuple(pairs), tuple(found), tuple(notes), runs)


def compare_tables(
    first: Embeddings, second: Embeddings, options: Options, *, progress: Progress = silent
) -> Comparison:
    """Compare the codes of two tables on the images that both have, by their ids."""
    rng = options.rng("comparison")
    mine, theirs, notes = common_rows(first, second)
    alone = np.isin(mine, independent(first, mine, options))
    mine, theirs = mine[alone], theirs[alone]
    where, words = held_out(first, None, options, least=200)
    kept = np.isin(mine, where)
    if kept.sum() >= 100:
        mine, theirs = mine[kept], theirs[kept]
        notes.append(f"{len(mine):,} common {words}")
    else:
        notes.append(f"{len(mine):,} common rows of all splits, which includes training rows")
    if options.test_rows is not None and len(mine) > options.test_rows:
        chosen = np.sort(rng.choice(len(mine), options.test_rows, replace=False))
        mine, theirs = mine[chosen], theirs[chosen]
        notes.append(f"a sample of {len(mine):,} of them")
    x = first.vectors(first.code, mine)[:, first.encoded]
    y = second.vectors(second.code, theirs)[:, second.encoded]
    still = [table.path.name for table, codes in ((first, x), (second, y)) if collapsed(codes)]
    notes += [f"all codes of {name} are the same: neighbours and maps of them cannot be judged" for name in still]
    progress("similarities")
    found = similarities(x, y, rng=rng)
    progress("concepts")
    carried, left = transfers(x, y, _asked(first, mine), rng=rng)
    named = (f"{first.path.name}: {first.code}", f"{second.path.name}: {second.code}")
    return Comparison(named, (x.shape[1], y.shape[1]), len(mine), found, carried, (*notes, *left))


def _asked(table: Embeddings, rows: Ints) -> list[Question]:
    """What the table's columns ask of some of its rows."""
    every = np.arange(len(rows))
    return [one for column in labelled_columns(table) for one in questions(column.take(rows), every)]


def _named(name: str, table: Embeddings) -> str:
    return name if table.code == "code" else f"{name}: {table.code}"


def study_fidelity(
    real: Embeddings, fake: Embeddings, options: Options, *, features: str = "", progress: Progress = silent
) -> Fidelity:
    """Compare samples with held-out real rows in a vector column of both tables, by default their code."""
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
    rows, words = held_out(real, options.test_rows, options)
    drawn = sample(fake, None, options.test_rows, options)
    parts = real.vectors(name, rows), fake.vectors(name, drawn)
    progress("distances")
    found = compare_samples(*parts, rng=rng)
    seen = _of(len(rows), len(held_out(real, None, options)[0])), _of(len(drawn), fake.n)
    notes = [f"real: {seen[0]} {words}; samples: {seen[1]} rows of {fake.path.name}", *warnings_of(found)]
    yardstick, repeats = None, None
    pictures: dict[str, Any] = {}
    train, others = _train(real, rows), parts[0]
    if train is None:
        notes.append("no yardstick of real rows, and no test of copying: the table has no train split beside the rows")
    else:
        progress("yardstick")
        beside = thin(independent(real, train, options), len(drawn), options)
        others = real.vectors(name, beside)
        yardstick = compare_samples(parts[0], others, rng=rng)
        notes.append(f"the yardstick: {_of(len(beside), len(train))} train rows in the samples' place")
        progress("nearest training images")
        repeats, pictures = _repeats(real, fake, real.matrix(name, train), train, (rows, drawn), parts)
        notes.append(f"the nearest training images are those of all {len(train):,} train rows")
    progress("duplicates")
    held, made, others = (z[rng.permutation(len(z))[:MODE_ROWS]] for z in (*parts, others))
    threshold = duplicate_threshold(held[: len(made)])
    modes, real_pairs = count_modes(made, threshold=threshold), duplicates(others, threshold=threshold)
    notes += [*_sampled(found, modes, real_pairs, len(rows), len(drawn)), *grouping(real)]
    return Fidelity(name, found, yardstick, repeats, modes, real_pairs, tuple(notes), **pictures)


def _sampled(found: Distances, modes: Modes, others: Duplicates, real: int, drawn: int) -> list[str]:
    """Say which figures are of fewer rows than there are `real` and `drawn`."""
    if found.real == real and found.fake == modes.rows == drawn:
        if found.manifold_rows == min(real, drawn):
            return []
        return [f"precision, recall, density and coverage are those of {found.manifold_rows:,} rows of either side"]
    return [
        f"distances are those of {found.real:,} real rows and {found.fake:,} samples, precision, recall, density and "
        f"coverage those of {found.manifold_rows:,} of either, duplicates of {modes.rows:,} samples and "
        f"{others.rows:,} real rows"
    ]


def _of(used: int, there: int) -> str:
    return f"{used:,}" if used == there else f"{used:,} of {there:,}"


def _repeats(
    real: Embeddings, fake: Embeddings, known: Floats, train: Ints, rows: tuple[Ints, Ints],
    parts: tuple[Floats, Floats],
) -> tuple[Copying, dict[str, Any]]:  # fmt: skip
    """The test of copying, with rows of the tables in place of positions, and the pictures of the nearest pairs."""
    found, index, distance = copying_and_others(parts[1], known, parts[0])
    found = replace(found, nearest=train[found.nearest], which=rows[1][found.which])
    order = np.argsort(found.which)
    shown = thumbnails(fake, found.which[order])
    first = np.argsort(distance, kind="stable")[: len(found.which)]
    return found, {
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
