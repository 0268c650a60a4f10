"""Rows that tables of different models have in common: the same images, by their ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.arrays import Ints, Strings
from ..errors import AnalysisError
from .embeddings import Embeddings


def common_rows(first: Embeddings, second: Embeddings) -> tuple[Ints, Ints, list[str]]:
    """Positions of the rows that both tables have."""
    first_ids, second_ids = (table.ids(np.arange(table.n)) for table in (first, second))
    prints = [table.metadata.get("fingerprint") for table in (first, second)]
    if all(prints) and prints[0] != prints[1]:
        raise AnalysisError(
            f"{first.path.name!r} and {second.path.name!r} are of different images (their fingerprints differ): encode "
            "the same images with both models"
        )
    for table in (first, second):
        if not table.has_ids and first.n != second.n:
            raise AnalysisError(
                f"{table.path.name!r} has no column 'id', and of tables of {first.n:,} and {second.n:,} rows nobody "
                "knows which rows are the same image: give it the other table's ids"
            )
    for table, ids in ((first, first_ids), (second, second_ids)):
        if len(np.unique(ids)) < len(ids):
            raise AnalysisError(f"rows of {table.path.name!r} share ids, so they cannot be matched: make ids unique")
    _, in_first, in_second = np.intersect1d(first_ids, second_ids, assume_unique=True, return_indices=True)
    if len(in_first) < 50:
        raise AnalysisError(f"the tables share {len(in_first)} ids, and a comparison needs 50 common rows")
    order = np.argsort(in_first)
    unnamed = [table.path.name for table in (first, second) if not table.has_ids]
    notes = [f"no column 'id' in {' and '.join(unnamed)}: rows are matched by their place"] if unnamed else []
    notes += (
        []
        if len(in_first) == first.n == second.n
        else [f"{len(in_first):,} of {first.n:,} and {second.n:,} rows are in both"]
    )
    return in_first[order].astype(np.int64), in_second[order].astype(np.int64), notes


def common_places(tables: Sequence[Embeddings]) -> tuple[list[Ints], list[str]]:
    """Positions in each table of the rows that all have, in the order of the first: (n,) each; and notes.

    Raises:
        AnalysisError: tables are of different images, ids repeat, or fewer than 50 rows are common.
    """
    first, notes = tables[0], list[str]()
    every = np.full((len(tables), first.n), -1, np.int64)
    every[0] = np.arange(first.n)
    for row, other in zip(every[1:], tables[1:], strict=True):
        in_first, in_other, more_notes = common_rows(first, other)
        row[in_first] = in_other
        notes += more_notes
    common = (every >= 0).all(0)
    if common.sum() < 50:
        raise AnalysisError(f"all tables share {common.sum()} ids, and a comparison needs 50 common rows")
    return [row[common] for row in every], notes


def common_split(tables: Sequence[Embeddings], places: Sequence[Ints]) -> tuple[Strings, list[str]]:
    """The split of common rows (n,), "" where tables disagree; one drawn for the first table holds for all; and notes.

    Raises:
        AnalysisError: no table has a split and none can be drawn.
    """
    splits = [table.split[place] for table, place in zip(tables, places, strict=True) if table.has_split]
    if not splits:
        return tables[0].split[places[0]], []
    agreed = np.logical_and.reduce([split == splits[0] for split in splits])
    left = int(np.count_nonzero(~agreed))
    notes = [f"{left:,} rows are left out, as their split differs between tables"] if left else []
    return np.where(agreed, splits[0], ""), notes
