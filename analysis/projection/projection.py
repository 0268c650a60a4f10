"""Two-dimensional maps of the codes, and how far they can be trusted."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, Singles, as_codes, as_rng, check_counts, rows_of, same_length
from ..base.labels import as_classes
from ..base.nearest import nearest, without_parts
from ..base.parallel import openmp_threads_as_before
from ..base.pca import fit_pca
from ..base.statistics import Interval, jackknife_interval, jackknife_parts, share_interval, wilson, without_interval
from ..errors import AnalysisError

METHODS = ("umap", "pca")
"""Ways to place codes in the plane."""


NEIGHBOURS = 15
"""Of UMAP, and of trustworthiness."""


SCORED_ROWS = 5_000
"""Rows on which a map is measured: all their distances are ranked."""


SPARE = 12
"""Neighbours beyond those needed, so that enough remain where the jackknife leaves rows out."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """One placement of rows in the plane."""

    method: str
    """ "umap" or "pca"."""
    representation: str
    """What was placed: "code", a layer, "pixels"."""
    xy: Singles
    """(n, 2) positions on the map."""
    k: int
    """Neighbours in the trustworthiness."""
    trustworthiness: Interval
    """1 where every neighbour on the map is one in the code (Venna & Kaski)."""
    shuffled_trustworthiness: float
    """Of the same points in a random order: about 0.5."""
    accuracy: Interval | None
    """Share of labelled rows whose nearest neighbour on the map has their label; None unlabelled."""
    full_accuracy: Interval | None
    """The same in the whole code."""
    explained: tuple[float, ...]
    """Of a PCA: share of variance of the two axes; else empty."""
    note: str
    """Parameters and seed."""
    chance: float = math.nan
    """Share of pairs of labelled rows with the same label: the accuracy of a random neighbour."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps of one sample of rows."""

    kind: ClassVar[str] = "projection"

    rows: Ints
    """(n,) positions in the table, shared by all maps."""
    maps: tuple[Map, ...]
    """One a method, in the order asked for."""
    notes: tuple[str, ...]
    """Sentences on which rows are placed, and on maps that could not be made."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.rows)


def place(
    codes: Floats, *, method: str, seed: int = 0, k: int = NEIGHBOURS, epochs: int | None = None
) -> tuple[Singles, tuple[float, ...], str]:
    """Place codes in the plane.

    Args:
        codes: (n, d).
        method: "umap" or "pca".
        seed: of the placement; the same seed gives the same map.
        k: neighbours of UMAP.
        epochs: of UMAP; its own choice unless given.

    Returns:
        Positions (n, 2), the shares of variance of a PCA's axes (else empty), and a note on parameters.

    Raises:
        AnalysisError: the method is unknown, there are too few rows, or all rows are the same.
    """
    codes = as_codes(codes)
    if (codes == codes[0]).all():
        raise AnalysisError(f"all {len(codes):,} codes are one and the same point, so that a map of them shows nothing")
    if method == "pca":
        pca = fit_pca(codes, 2, rng=np.random.default_rng(seed))
        xy = pca.project(codes)
        if xy.shape[1] == 1:  # a code of one column
            xy = np.column_stack([xy, np.zeros(len(xy), np.float32)])
        share = (*pca.explained, 0.0)[:2]
        return xy, (float(share[0]), float(share[1])), f"principal components, {sum(share):.0%} of the variance"
    if method != "umap":
        raise AnalysisError(f"unknown map {method!r}: known are {', '.join(METHODS)}")
    if len(codes) < 2 * k:
        raise AnalysisError(f"UMAP with {k} neighbours needs at least {2 * k} rows, and there are {len(codes)}")
    return _umap(codes, seed, k, epochs), (), f"UMAP, {k} neighbours, min_dist 0.1, start from PCA, seed {seed}"


def _umap(codes: Floats, seed: int, k: int, epochs: int | None = None) -> Singles:
    """Run UMAP on our own exact neighbours: its own search costs half a minute of compilation (measured)."""
    import umap

    if codes.shape[1] == 1:  # its start, a PCA, has two axes
        codes = np.column_stack([codes, np.zeros_like(codes)])
    index, distance = nearest(codes, codes, k=k - 1, exclude_self=True)
    rows = np.arange(len(codes))[:, None]
    knn = np.hstack([rows, index]).astype(np.int32), np.hstack([0 * rows, distance]).astype(np.float32)
    with openmp_threads_as_before(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one thread because of the seed; no transform because of the neighbours
        reducer = umap.UMAP(
            n_neighbors=k,
            min_dist=0.1,
            init="pca",
            random_state=seed,
            n_epochs=epochs,
            precomputed_knn=(*knn, None),
        )
        return np.asarray(reducer.fit_transform(codes), np.float32)


def latent_map(
    codes: Floats,
    *,
    rng: Seed = 0,
    method: str = "umap",
    labels: Ints | None = None,
    representation: str = "code",
    seed: int = 0,
    k: int = NEIGHBOURS,
    epochs: int | None = None,
) -> Map:
    """Place codes in the plane and measure how far the placement can be trusted, on at most 5,000 rows.

    Args:
        codes: (n, d).
        rng: of the rows that are measured, of shuffled points and of jackknife parts.
        method: "umap" or "pca".
        labels: (n,) classes, −1 unlabelled, for the neighbours' accuracy on the map and in the whole code.
        representation: what the codes are, for the result.
        seed: of the placement; the same seed gives the same map.
        k: neighbours in the trustworthiness.
        epochs: of UMAP; its own choice unless given.

    Returns:
        The points (n, 2), with trustworthiness and the accuracy of neighbours.

    Raises:
        AnalysisError: as of `place`, or labels do not fit the codes.
    """
    rng = as_rng(rng)
    check_counts(k=k, epochs=epochs)
    codes = as_codes(codes)
    if labels is not None:
        (labels,), _ = as_classes({"labels": labels}, unlabelled=True)
        same_length(codes=codes, labels=labels)
    xy, explained, note = place(codes, method=method, seed=seed, epochs=epochs)
    placed = xy
    if len(codes) > SCORED_ROWS:
        scored = np.sort(rng.choice(len(codes), SCORED_ROWS, replace=False))
        codes, xy, labels = codes[scored], xy[scored], None if labels is None else labels[scored]
        note += f"; its figures are of {SCORED_ROWS:,} of the {len(placed):,} points"
    k = min(k, max(1, (len(codes) - 1) // 3))
    trust = trustworthiness(codes, xy, k=k, rng=rng)
    accuracy, full_accuracy, chance = None, None, math.nan
    if labels is not None and np.count_nonzero(labels >= 0) > 1:
        accuracy, full_accuracy = (neighbour_accuracy(x, labels, rng=rng) for x in (xy, codes))
        chance = shared_labels(labels)
    shuffled = row_trustworthiness(codes, xy[rng.permutation(len(xy))], k=k)
    return Map(
        method=method,
        representation=representation,
        xy=placed,
        k=k,
        trustworthiness=trust,
        shuffled_trustworthiness=float(shuffled.mean()),
        accuracy=accuracy,
        full_accuracy=full_accuracy,
        explained=explained,
        note=note,
        chance=chance,
    )


def row_trustworthiness(codes: Floats, xy: Floats, *, k: int) -> Doubles:
    """Trustworthiness of each row, 1 − 2 / (k (2n − 3k − 1)) · Σ_{j ∈ U_k(i)} (r(i, j) − k).

    U_k(i) are the neighbours of row i on the map that are not among its k nearest in the code, and r(i, j) is the rank
    of j among the neighbours of i in the code. The mean over rows is the measure of the source.

    Args:
        codes: (n, d).
        xy: (n, 2) positions on the map.
        k: neighbours, fewer than n / 2.

    Returns:
        (n,) at most 1.

    Raises:
        AnalysisError: there are too few rows.

    Source:
        Venna & Kaski: Neighborhood preservation in nonlinear projection methods, ICANN 2001.
    """
    n = len(codes)
    if k >= n / 2:
        raise AnalysisError(f"trustworthiness with {k} neighbours needs more than {2 * k} rows, not {n}")
    close, _ = nearest(xy, xy, k=k, exclude_self=True)
    ranks = _ranks(codes, close, np.zeros(n, np.int64))[:, :, 0]
    trust: Doubles = 1 - _penalty(n, k) * np.maximum(ranks - k, 0).sum(1)
    return trust


def _penalty(n: int, k: int) -> float:
    """What each rank beyond k takes from a row's trustworthiness."""
    return 2 / (k * (2 * n - 3 * k - 1))


def _ranks(codes: Floats, close: Ints, part: Ints) -> Doubles:
    """Count the rows of each jackknife part that are nearer to a row in the code than its neighbours on the map.

    The row itself counts, so that the sum over parts is the rank of a neighbour, 1 for the nearest.

    Args:
        codes: (n, d).
        close: (n, m) neighbours of each row on the map.
        part: (n,) part of each row, from 0.

    Returns:
        (n, m, parts).
    """
    n, m = close.shape
    member = (part[:, None] == np.arange(int(part.max()) + 1)).astype(np.float32)
    centred = (codes - codes.mean(0)).astype(np.float32)
    norms = np.einsum("ij,ij->i", centred, centred)
    nearer = np.empty((n, m, member.shape[1]), np.float32)
    for start in range(0, n, 512):
        rows = slice(start, min(start + 512, n))
        squared_distances = norms - 2 * (centred[rows] @ centred.T)
        own_rows = np.arange(rows.start, rows.stop)
        squared_distances[np.arange(len(own_rows)), own_rows] = -np.inf
        picked = np.take_along_axis(squared_distances, close[rows], 1)
        for j in range(m):
            nearer[rows, j] = (squared_distances < picked[:, [j]]).astype(np.float32) @ member
    return nearer.astype(np.float64)


def trustworthiness(codes: Floats, xy: Floats, *, k: int, rng: np.random.Generator) -> Interval:
    """Trustworthiness of a map, with an interval for its mean over as many other rows.

    Rows are each other's neighbours, and ranks count all of them: a jackknife leaves parts of the rows out of the code
    and of the map, which otherwise stays as it is. The interval is symmetric in log(1 − T).

    Args:
        codes: (n, d).
        xy: (n, 2) positions on the map.
        k: neighbours, fewer than n / 2.
        rng: of the jackknife's parts.
    """
    n = len(codes)
    if k >= n / 2:
        raise AnalysisError(f"trustworthiness with {k} neighbours needs more than {2 * k} rows, not {n}")
    part = jackknife_parts(n, rng=rng)
    close, _ = nearest(xy, xy, k=min(k + SPARE, n - 1), exclude_self=True)
    nearer = _ranks(codes, close, part)
    ranks = nearer.sum(2)
    lost = _penalty(n, k) * float(np.maximum(ranks[:, :k] - k, 0).sum(1).mean())
    left = []
    for g, (stay, columns) in enumerate(without_parts(close, part, k)):
        rest = np.take_along_axis(ranks[stay] - nearer[stay, :, g], columns, 1)
        n_stay = int(np.count_nonzero(stay))
        left.append(_penalty(n_stay, k) * float(np.maximum(rest - k, 0).sum(1).mean()) if 2 * k < n_stay else math.nan)
    if lost == 0:
        return wilson(n, n)  # no more rows lose a neighbour than this leaves open
    result = jackknife_interval(lost, np.array(left), n)
    if math.isnan(result.low):
        return without_interval(1 - lost, n, f"{n:,} rows are too few to leave some out, beside {k} neighbours")
    step = math.exp(result.half / lost)
    return Interval(1 - lost, max(0.0, 1 - lost * step), 1 - lost / step, n)


def shared_labels(labels: Ints) -> float:
    """Share of pairs of different labelled rows (n,), -1 = unlabelled, with the same label."""
    counts = np.bincount(labels[labels >= 0]).astype(np.float64)
    n = counts.sum()
    return float((counts * (counts - 1)).sum() / (n * (n - 1)))


def neighbour_accuracy(x: Floats, labels: Ints, *, rng: np.random.Generator) -> Interval:
    """Share of labelled rows whose nearest other labelled row has the same label.

    The interval is for the mean over as many other rows: rows are each other's neighbours, so that a jackknife leaves
    parts of them out. Two that are nearest to each other are right or wrong together, and count as one near 0 and 1.

    Args:
        x: (n, d) codes or positions.
        labels: (n,) classes, −1 unlabelled.
        rng: of the jackknife's parts.
    """
    is_labelled = labels >= 0
    truth, labelled_rows = labels[is_labelled], x[is_labelled]
    n = len(truth)
    index, _ = nearest(labelled_rows, labelled_rows, k=min(1 + SPARE, n - 1), exclude_self=True)
    part = jackknife_parts(n, rng=rng)
    left = [
        float((truth[np.take_along_axis(index[stay], columns, 1)[:, 0]] == truth[stay]).mean())
        for stay, columns in without_parts(index, part, 1)
    ]
    return share_interval(float((truth[index[:, 0]] == truth).mean()), np.array(left), n, together=2)
