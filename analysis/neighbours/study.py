"""The nearest train rows of test rows, and how often they share a label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.arrays import Bools
from ..base.model import Model
from ..base.nearest import nearest
from ..base.statistics import Interval, wilson_share
from ..table.embeddings import Embeddings
from ..table.representations import representations
from ..table.selection import draw_sample, labels_of, spread_over_classes
from ..table.study_options import Options, Progress, silent
from .neighbours import Neighbours, NeighbourTable

QUERIES = 2_000  # test rows, at most


def study(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Neighbours:
    """Find the nearest train images of the same test images in each representation.

    Args:
        table: of codes.
        model: is not used.
        options: how many rows, and how many queries the gallery shows.
        progress: is called with each representation's name.

    Returns:
        Neighbours, and the share of them with the query's label, in each representation.
    """
    rng = options.rng("neighbours")
    sample = draw_sample(table, options)
    if options.test_rows is not None:  # every query is compared with every train row
        sample = replace(sample, test=sample.test[np.sort(rng.permutation(len(sample.test))[:QUERIES])])
    train, test = sample.train, sample.test
    labels, k = labels_of(table), min(8, len(train))
    gallery = spread_over_classes(test, labels, options.shown, rng)
    tables = []
    for representation in representations(table):
        progress(representation.name)
        every = options.train_rows is None
        train_vectors, test_vectors, shown = representation.read(
            table, train, test, gallery, rng=rng, stream=True, every=every
        )
        index, distance = nearest(shown, train_vectors, k=k)
        agreement = None
        if labels is not None:
            truth, near = labels[0][test], labels[0][train[nearest(test_vectors, train_vectors, k=k)[0]]]
            use = truth >= 0
            agreement = share_of_neighbours((near == truth[:, None])[use], (near >= 0)[use])
        tables.append(
            NeighbourTable(
                representation=representation.name,
                baseline=representation.baseline,
                rows=train[index],
                distances=distance,
                agreement=agreement,
            )
        )
    chance = float("nan")
    if labels is not None:
        shares = [np.bincount(labels[0][r][labels[0][r] >= 0], minlength=len(labels[1])) for r in (train, test)]
        if all(share.sum() for share in shares):
            chance = float((shares[0] / shares[0].sum()) @ (shares[1] / shares[1].sum()))
    return Neighbours(queries=gallery, k=k, chance=chance, tables=tuple(tables), notes=tuple(sample.notes))


def share_of_neighbours(hits: Bools, counted: Bools) -> Interval | None:
    """Mean share of hits a row, (n, k) of counted ones; None without a row.

    A row's neighbours vary together, so each row counts as one trial of Wilson's interval: it stays within
    [0, 1], has a width at the edges, and is conservative in between.
    """
    use = counted.any(1)
    if not use.any():
        return None
    return wilson_share(float(np.mean((hits & counted)[use].sum(1) / counted[use].sum(1))), int(use.sum()))
