"""Which rows and which representations of a table an analysis looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..base.arrays import Ints
from ..base.columns import Column
from ..base.groups import one_of_each
from ..errors import AnalysisError
from .embeddings import Embeddings

if TYPE_CHECKING:
    from .study_options import Options


def labelled_columns(table: Embeddings) -> list[Column]:
    """The label, if there is one with a label, and every attribute."""
    return [table.column(name) for name in [*([table.label] if labels_of(table) else []), *table.attributes]]


def independent(table: Embeddings, rows: Ints, options: Options) -> Ints:
    """Keep one of `rows` for each group, so that figures and their intervals count groups; all where there are none.

    The same row stands for a group in every analysis of a seed.
    """
    return rows if table.groups is None else one_of_each(rows, table.groups, table.representatives(options.seed))


def sample(
    table: Embeddings, split: str | None, limit: int | None, options: Options, *, one_each: bool | None = None
) -> Ints:
    """Draw at most `limit` rows of a split, ascending; a smaller sample is part of a larger one.

    Args: one_each: whether one row stands for each group; by default where rows are scored (test rows, or rows of all
        splits), not where they are fitted or choose a setting.
    """
    one_each = split not in ("train", "validation") if one_each is None else one_each
    rows = table.rows(split)
    return thin(independent(table, rows, options) if one_each else rows, limit, options)


def thin(rows: Ints, limit: int | None, options: Options) -> Ints:
    """Draw at most `limit` of `rows`, ascending."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng([options.seed, 7]).permutation(rows)[:limit])


class HeldOut(NamedTuple):
    """Rows to look at."""

    rows: Ints
    """(n,) of the table, ascending."""

    words: str
    """What they are called, after their number."""

    with_training: bool = False
    """Whether training rows are among them though the table has a split."""


def held_out(
    table: Embeddings, limit: int | None, options: Options, *, least: int = 100, drawn: bool = False
) -> HeldOut:
    """Test rows where there are at least `least`, else test and validation rows where they suffice, else all rows.

    Args:
        table: has the splits.
        limit: of rows; None is all.
        options: the seed by which a sample is drawn.
        least: rows that suffice.
        drawn: whether a split drawn at random counts.
    """
    if not (table.has_split or (drawn and table.has_drawn_split)):
        words = "rows (the table has no split, so that nothing is held out)"
        return HeldOut(sample(table, None, limit, options), words)
    test, validation = (len(independent(table, table.rows(name), options)) for name in ("test", "validation"))
    if test >= least:
        return HeldOut(sample(table, "test", limit, options), "test rows")
    if test + validation >= least:
        rows = np.sort(np.concatenate([table.rows("test"), table.rows("validation")]))
        rows = independent(table, rows, options)
        return HeldOut(thin(rows, limit, options), f"test and validation rows, since only {test} test rows exist")
    words = f"rows of all splits, which includes training rows, since only {test} test rows exist"
    return HeldOut(sample(table, None, limit, options), words, with_training=True)


def said(options: Options, table: Embeddings, one_each: bool = False, /, **counts: int) -> list[str]:
    """Say what was read in place of a code, and which samples were taken: name of the split -> rows used.

    Args: one_each: whether train rows are one of each group.
    """
    notes = [f"the table has no codes, so {table.code!r} is read in their place"] if table.stands_in else []
    if table.has_drawn_split and counts.keys() - {"all"}:
        together = "" if table.grouped else "rows that belong together may stand on both sides, and "
        notes.append(
            f"train, validation and test rows are drawn at random, as the table has no column {table.split_name!r}: "
            f"{together}the model may have been trained on any of them"
        )
    for split, used in counts.items():
        rows = table.rows(None if split == "all" else split)
        available = len(rows if split == "train" and not one_each else independent(table, rows, options))
        if used < available:
            notes.append(f"a sample of {used:,} of {available:,} {split} rows (--full takes all)")
    return notes


def grouping(table: Embeddings) -> list[str]:
    """Say which rows belong together, and what that means for figures; nothing where each row is one by itself."""
    if table.groups is None:
        return []
    number = int(table.groups.max()) + 1
    if number == table.n:
        return [f"no two rows share a value of {table.group_name!r}: each row is a group by itself"]
    unit = f"blocks of rows in their order (--blocks {table.blocks})" if table.blocks else f"{table.group_name!r}"
    longer = table.blocks is not None and table.n_blocks < table.blocks
    notes = (
        [f"{table.n_blocks} longer blocks in place of {table.blocks}, of which neighbouring ones are alike"]
        if longer
        else []
    )
    notes += [
        f"{table.n:,} rows of {number:,} groups by {unit}: groups are held out whole, and one row of each is scored, "
        "so that figures count groups"
    ]
    if table.straddling:
        left = int(np.count_nonzero(table.split == ""))
        notes.append(
            f"{table.straddling:,} groups have rows in more than one split of {table.split_name!r}: each is kept in "
            f"one, and {left:,} rows are left out"
        )
    return notes


def train_and_test(table: Embeddings, options: Options, *, one_each: bool = False) -> tuple[Ints, Ints]:
    """Sampled train rows, with `one_each` one of each group, and test rows.

    Raises: AnalysisError where either is missing.
    """
    for split in ("train", "test"):
        if len(table.rows(split)) == 0:
            raise AnalysisError(f"the table {table.path.name!r} has no {split} rows in column {table.split_name!r}")
    train = sample(table, "train", options.train_rows, options, one_each=one_each)
    return train, sample(table, "test", options.test_rows, options)


def labels_of(table: Embeddings) -> tuple[Ints, tuple[str, ...]] | None:
    """Classes (n,) of all rows, -1 = unlabelled, and their names; None where nothing is labelled."""
    if not table.labelled:
        return None
    try:
        column = table.column()
    except AnalysisError:
        return None
    return column.codes, column.categories


def spread(rows: Ints, labels: tuple[Ints, tuple[str, ...]] | None, count: int, rng: np.random.Generator) -> Ints:
    """Choose `count` rows, of as many classes as there are."""
    mixed = rng.permutation(rows)
    if labels is not None:
        counts: dict[int, int] = {}
        turn = np.empty(len(mixed))
        for i, label in enumerate(labels[0][mixed].tolist()):
            counts[label] = counts.get(label, 0) + 1
            turn[i] = counts[label] + (1000 if label < 0 else label / 1e6)
        mixed = mixed[np.argsort(turn, kind="stable")]
    return np.asarray(mixed[:count], np.int64)
