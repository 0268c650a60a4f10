"""What runs are compared on: the rows that all their tables have, the labels of the first, and draws of a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Ints, Singles, Strings
from ..base.columns import Column
from ..base.linear_models import Rows
from ..errors import AnalysisError
from ..probes.few_labels import draw_labels
from ..probes.linear_probe import SEARCH
from ..table.alignment import common_places, common_split
from ..table.embeddings import Embeddings
from ..table.representations import Representation
from ..table.selection import one_row_per_group, subsample_rows
from ..table.study_options import Options

PER_CLASS = 10  # labels a class of the few-label probes


MIN_TRAIN_ROWS = 20  # labelled train rows that a probe needs


MIN_HELD_ROWS = 100  # fewer test rows are joined by validation rows
DRAWS = 20  # draws of few labels


@dataclass(frozen=True, kw_only=True)
class SharedRows:
    """Common rows as positions among themselves; train, validation and test rows have a label."""

    places: tuple[Ints, ...]
    """Of each table: (n,) its positions of the common rows."""
    column: Column | None
    """Classes of the common rows; None where no probe can be fitted."""
    train: Ints
    validation: Ints
    test: Ints
    draws: Ints | None
    """(draws, m) positions in `train`."""
    fit: Ints
    """Train rows, labelled or not."""
    held: Ints
    """Held-out rows, labelled or not."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def labelled(self, table: Embeddings, at: int, wanted: Representation, options: Options) -> tuple[Rows, Rows, Rows]:
        """A representation's train, validation and test rows, of the table at position `at`.

        Raises:
            AnalysisError: no row has a label.
        """
        if self.column is None:
            raise AnalysisError("there are no labels to predict")
        parts = (self.train, self.validation, self.test)
        x = wanted.read(table, *(self.places[at][part] for part in parts), rng=options.rng("probes"))
        train, validation, test = (Rows(z, self.column.codes[part]) for z, part in zip(x, parts, strict=True))
        return train, validation, test

    def unlabelled(self, table: Embeddings, at: int, wanted: Representation, rows: Ints, options: Options) -> Singles:
        """A representation of rows without labels; a PCA is fitted on train rows."""
        parts = (self.fit, rows) if wanted.width else (rows,)
        return wanted.read(table, *(self.places[at][part] for part in parts), rng=options.rng("probes"))[-1]


def shared_rows(tables: Sequence[Embeddings], options: Options, *, draws: int = DRAWS) -> tuple[SharedRows, list[str]]:
    """Find what tables of the same images have in common, and notes.

    Raises:
        AnalysisError: they are not of the same images.
    """
    places, notes = common_places(tables)
    try:
        split, split_notes = common_split(tables, places)
        notes += split_notes
    except AnalysisError as error:
        split = np.full(len(places[0]), "", dtype="U10")
        notes.append(f"no probe is fitted: {error}")
    column = _classes(tables[0], places[0], notes)
    alone = np.isin(places[0], one_row_per_group(tables[0], places[0], options))
    named = np.isin(places[0], one_row_per_group(tables[0], places[0][split != ""], options))
    split = np.where(named, split, "")  # one row of each group
    train, validation, test = _parts(column, split, options, notes)
    if column is not None and not _enough(column, train, test):
        notes += (
            ["no probe is fitted: too few train or test rows with a label are common"] if (split != "").any() else []
        )
        column = None
    drawn = None if column is None else _draws(column.codes[train], draws, options, notes)
    fit = subsample_rows(np.flatnonzero(split == "train"), options.train_rows, options)
    held, training_rows_note = _held(split, notes, np.flatnonzero(alone))
    held = subsample_rows(held, options.test_rows, options)
    return SharedRows(
        places=tuple(places),
        column=column,
        train=train,
        validation=validation,
        test=test,
        draws=drawn,
        fit=fit,
        held=held,
        training_rows_note=training_rows_note,
    ), notes


def _classes(first: Embeddings, place: Ints, notes: list[str]) -> Column | None:
    """The first table's label of the common rows; None, and a note, where it has none."""
    try:
        return first.column().take(place)
    except AnalysisError as error:
        notes.append(f"no probe is fitted: {error}")
        return None


def _parts(column: Column | None, split: Strings, options: Options, notes: list[str]) -> tuple[Ints, Ints, Ints]:
    """Labelled train, validation and test rows; without validation rows a tenth of train stands in."""
    is_labelled = np.zeros(len(split), np.bool_) if column is None else column.present
    limits = {"train": options.train_rows, "validation": SEARCH, "test": options.test_rows}
    train, validation, test = (
        subsample_rows(np.flatnonzero(is_labelled & (split == name)), limit, options) for name, limit in limits.items()
    )
    if len(validation) < 2 and len(train) >= MIN_TRAIN_ROWS:
        validation = np.sort(options.rng("held").permutation(train)[: len(train) // 10])
        train = np.setdiff1d(train, validation)
        notes.append("no validation rows: a tenth of train chose settings and layers")
    return train, validation, test


def _enough(column: Column, train: Ints, test: Ints) -> bool:
    return len(train) >= MIN_TRAIN_ROWS and len(np.unique(column.codes[train])) > 1 and len(test) > 1


def _draws(labels: Ints, draws: int, options: Options, notes: list[str]) -> Ints | None:
    try:
        return draw_labels(labels, per_class=PER_CLASS, draws=draws, rng=options.rng("draws"))
    except AnalysisError as error:
        notes.append(str(error))
        return None


def _held(split: Strings, notes: list[str], every: Ints) -> tuple[Ints, str]:
    """Test rows where there are enough, else test and validation rows, else all; and the note that says the last."""
    for names in (("test",), ("test", "validation")):
        held = np.flatnonzero(np.isin(split, names))
        if len(held) >= MIN_HELD_ROWS:
            break
    else:
        notes.append("errors and dimensions are of rows of all splits, which includes training rows")
        return every, notes[-1]
    if len(names) > 1:
        notes.append("errors and dimensions are of test and validation rows")
    return held, ""
