"""Maps of one sample of rows."""

from __future__ import annotations

import numpy as np

from ..base.model import Model
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.selection import held_out, labels_of, one_row_per_group
from ..table.study_options import Options, Progress, silent
from .projection import Maps, latent_map


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    methods: tuple[str, ...] = ("umap", "pca"),
    map_rows: int | None = 5_000,
) -> Maps:
    """Place a sample of codes, or all, in the plane by each method, and note which they are.

    Args:
        table: of codes.
        model: not used.
        options: the seed.
        progress: called with what is at work.
        methods: "umap", "pca", or both; the report opens with the first.
        map_rows: held-out rows on the map, at most; None places every row of the table.

    Raises:
        AnalysisError: no method can place these codes.
    """
    rng = options.rng("maps")
    all_rows = one_row_per_group(table, table.rows(None), options)
    unit = "rows" if table.groups is None else "groups, of which one row each is placed"
    if map_rows is None:
        rows, with_training, placed = all_rows, True, f"all {len(all_rows):,} rows of the table, training rows included"
        placed += "" if table.groups is None else ", one of each group"
    else:
        rows, placed, with_training = held_out(table, map_rows, options, least=1000)
        candidates = len(held_out(table, None, options, least=1000).rows)
        of = f"{len(rows):,} of {candidates:,}" if len(rows) < candidates else f"{len(rows):,}"
        whole = f"; the table has {len(all_rows):,} {unit}, and latentgan map TABLE --full places all of them"
        placed = f"{of} {placed}{whole if len(rows) < len(all_rows) else ''}"
    codes, labels = table.vectors(table.code, rows)[:, table.encoded], labels_of(table)
    maps, notes = [], [placed]
    known_labels = np.where(labels[0][rows] < 0, np.nan, labels[0][rows]) if labels else None
    for method in methods:
        progress(method)
        try:
            maps.append(
                latent_map(
                    codes,
                    rng=rng,
                    method=method,
                    labels=known_labels,
                    representation=table.code,
                    seed=options.seed,
                )
            )
        except AnalysisError as error:
            notes.append(f"no {method} map: {error}")
    if not maps:
        raise AnalysisError(notes[-1])
    return Maps(rows=rows, maps=tuple(maps), notes=tuple(notes), training_rows_note=placed if with_training else "")
