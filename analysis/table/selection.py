"""Which rows and which representations of a table an analysis looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..base.arrays import Ints
from ..base.columns import Column
from ..base.groups import one_of_each
from ..errors import AnalysisError
from .embeddings import Embeddings
from .representations import missing_baselines

if TYPE_CHECKING:
    from .study_options import Options


def labelled_columns(table: Embeddings) -> list[Column]:
    """The label, if there is one with a label, and every attribute."""
    return [table.column(name) for name in [*([table.label] if labels_of(table) else []), *table.attributes]]


def one_row_per_group(table: Embeddings, rows: Ints, options: Options) -> Ints:
    """Keep one of `rows` for each group, so that figures and their intervals count groups; all where there are none.

    The same row stands for a group in every analysis of a seed.
    """
    return rows if table.groups is None else one_of_each(rows, table.groups, table.representatives(options.seed))


def sample_rows(
    table: Embeddings, split: str | None, limit: int | None, options: Options, *, one_each: bool | None = None
) -> Ints:
    """Draw at most `limit` rows of a split, ascending; a smaller sample is part of a larger one.

    Args:
        one_each: whether one row stands for each group; by default where rows are scored (test rows, or rows of all
            splits), not where they are fitted or choose a setting.
    """
    one_each = split not in ("train", "validation") if one_each is None else one_each
    rows = table.rows(split)
    return subsample_rows(one_row_per_group(table, rows, options) if one_each else rows, limit, options)


def subsample_rows(rows: Ints, limit: int | None, options: Options) -> Ints:
    """Draw at most `limit` of `rows`, ascending."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng([options.seed, 7]).permutation(rows)[:limit])


class HeldOutRows(NamedTuple):
    """Rows to look at."""

    rows: Ints
    """(n,) of the table, ascending."""

    words: str
    """What they are called, after their number."""

    with_training: bool = False
    """Whether training rows are among them though the table has a split."""


def held_out(
    table: Embeddings, limit: int | None, options: Options, *, least: int = 100, drawn: bool = False
) -> HeldOutRows:
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
        return HeldOutRows(sample_rows(table, None, limit, options), words)
    test, validation = (len(one_row_per_group(table, table.rows(name), options)) for name in ("test", "validation"))
    if test >= least:
        return HeldOutRows(sample_rows(table, "test", limit, options), "test rows")
    if test + validation >= least:
        rows = np.sort(np.concatenate([table.rows("test"), table.rows("validation")]))
        rows = one_row_per_group(table, rows, options)
        return HeldOutRows(
            subsample_rows(rows, limit, options), f"test and validation rows, since only {test} test rows exist"
        )
    words = f"rows of all splits, which includes training rows, since only {test} test rows exist"
    return HeldOutRows(sample_rows(table, None, limit, options), words, with_training=True)


def sampling_notes(options: Options, table: Embeddings, one_each: bool = False, /, **counts: int) -> list[str]:
    """Say what was read in place of a code, and which samples were taken: name of the split -> rows used.

    Args:
        one_each: whether train rows are one of each group.
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
        available = len(rows if split == "train" and not one_each else one_row_per_group(table, rows, options))
        if used < available:
            notes.append(f"a sample of {used:,} of {available:,} {split} rows (--full takes all)")
    return notes


def grouping_notes(table: Embeddings) -> list[str]:
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


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The rows of a table that a study fits on and scores, drawn once."""

    table: Embeddings
    """Whose rows they are."""

    options: Options
    """How many rows were asked for, and the seed."""

    train: Ints
    """(n,) rows that are fitted on, ascending."""

    validation: Ints
    """(n,) rows on which settings are chosen, ascending; may be empty."""

    test: Ints
    """(n,) rows that are scored, ascending."""

    one_train_row_per_group: bool
    """Whether train rows are one of each group."""

    @property
    def parts(self) -> tuple[Ints, Ints, Ints]:
        """Train, validation and test rows."""
        return self.train, self.validation, self.test

    @property
    def notes(self) -> list[str]:
        """Which baselines the table cannot give, how it was split, and which samples were taken."""
        n = {"train": len(self.train), "test": len(self.test)}
        sampled = sampling_notes(self.options, self.table, self.one_train_row_per_group, **n)
        return [*missing_baselines(self.table), *sampled]


def draw_sample(
    table: Embeddings, options: Options, *, validation_rows: int = 0, one_train_row_per_group: bool = False
) -> Sample:
    """Draw the rows that a study fits on and scores.

    Args:
        table: has the splits.
        options: how many rows, and the seed.
        validation_rows: at most this many.
        one_train_row_per_group: whether train rows are one of each group, as test rows always are.

    Raises:
        AnalysisError: the table has no train rows, or no test rows.
    """
    for split in ("train", "test"):
        if len(table.rows(split)) == 0:
            raise AnalysisError(f"the table {table.path.name!r} has no {split} rows in column {table.split_name!r}")
    return Sample(
        table=table,
        options=options,
        train=sample_rows(table, "train", options.train_rows, options, one_each=one_train_row_per_group),
        validation=sample_rows(table, "validation", validation_rows, options),
        test=sample_rows(table, "test", options.test_rows, options),
        one_train_row_per_group=one_train_row_per_group,
    )


def labels_of(table: Embeddings) -> tuple[Ints, tuple[str, ...]] | None:
    """Classes (n,) of all rows, -1 = unlabelled, and their names; None where nothing is labelled."""
    if not table.labelled:
        return None
    try:
        column = table.column()
    except AnalysisError:
        return None
    return column.codes, column.categories


def spread_over_classes(
    rows: Ints, labels: tuple[Ints, tuple[str, ...]] | None, count: int, rng: np.random.Generator
) -> Ints:
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
