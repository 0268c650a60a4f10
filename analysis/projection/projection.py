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


NEIGHBOURS = 15


SCORED_ROWS = 5_000  # rows on which a map is measured: all their distances are ranked


SPARE = 12  # neighbours that are found beyond those needed, of which enough are left without a part of the rows


@dataclass(frozen=True, kw_only=True)
class Map:
    """One placement of rows in the plane."""

    method: str  # "umap" or "pca"
    representation: str  # "code", ...
    xy: Singles  # (n, 2)
    k: int  # neighbours in the figures below
    trustworthiness: Interval  # 1 = every neighbour on the map is one in the code (Venna & Kaski); n rows
    random: float  # trustworthiness of the same points shuffled: about 0.5
    accuracy: Interval | None  # 1-NN label accuracy on the map, each row against the others; None unlabelled
    full_accuracy: Interval | None  # the same in the whole code
    explained: tuple[float, ...]  # PCA: share of variance of the two axes, else empty
    note: str  # parameters and seed
    chance: float = math.nan  # share of pairs of labelled rows with the same label: of a random row's accuracy


@dataclass(frozen=True)
class Maps:
    """Maps of one sample of rows."""

    kind: ClassVar[str] = "projection"

    rows: Ints  # (n,) positions in the table, shared by all maps
    maps: tuple[Map, ...]  # the best first
    notes: tuple[str, ...]

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.rows)


def place(
    codes: Floats, *, method: str, seed: int = 0, k: int = NEIGHBOURS, epochs: int | None = None
) -> tuple[Singles, tuple[float, ...], str]:
    """Place (n, d) codes in the plane: (n, 2), the explained variance of a PCA's axes, and a note.

    Raises: AnalysisError for an unknown method, too few rows, or rows that are all the same.
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
    """Place (n, d) codes in the plane and measure how far the placement can be trusted, on at most 5,000 rows.

    Args: labels: (n,) classes, -1 = unlabelled, for the neighbours' accuracy on the map and in the whole code.
        seed: of the placement; the same seed gives the same map. epochs: of UMAP, by default its own choice.
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
    worth = trustworthiness(codes, xy, k=k, rng=rng)
    accuracy, full, random = None, None, math.nan
    if labels is not None and np.count_nonzero(labels >= 0) > 1:
        accuracy, full = (neighbour_accuracy(x, labels, rng=rng) for x in (xy, codes))
        random = shared_labels(labels)
    lost = trust(codes, xy[rng.permutation(len(xy))], k=k)
    return Map(
        method=method,
        representation=representation,
        xy=placed,
        k=k,
        trustworthiness=worth,
        random=float(lost.mean()),
        accuracy=accuracy,
        full_accuracy=full,
        explained=explained,
        note=note,
        chance=random,
    )


def trust(codes: Floats, xy: Floats, *, k: int) -> Doubles:
    """Trustworthiness of each row: its mean over rows is Venna and Kaski's, (n,).

    1 − 2 / (k (2n − 3k − 1)) · Σ_{j ∈ U_k(i)} (r(i, j) − k), U_k(i) being the neighbours on the map that are
    not among the k nearest in the code, and r the rank in the code. Args: k < n / 2.
    """
    n = len(codes)
    if k >= n / 2:
        raise AnalysisError(f"trustworthiness with {k} neighbours needs more than {2 * k} rows, not {n}")
    close, _ = nearest(xy, xy, k=k, exclude_self=True)
    ranks = _ranks(codes, close, np.zeros(n, np.int64))[:, :, 0]
    worth: Doubles = 1 - _penalty(n, k) * np.maximum(ranks - k, 0).sum(1)
    return worth


def _penalty(n: int, k: int) -> float:
    """What a rank too many takes from a row's trustworthiness."""
    return 2 / (k * (2 * n - 3 * k - 1))


def _ranks(codes: Floats, close: Ints, part: Ints) -> Doubles:
    """How many rows of each part are nearer to a row in the code than its neighbours `close` (n, m): (n, m, parts).

    The row itself counts, so that the sum over parts is the rank of a neighbour, 1 for the nearest.
    """
    n, m = close.shape
    member = (part[:, None] == np.arange(int(part.max()) + 1)).astype(np.float32)
    centred = (codes - codes.mean(0)).astype(np.float32)
    norms = np.einsum("ij,ij->i", centred, centred)
    nearer = np.empty((n, m, member.shape[1]), np.float32)
    for start in range(0, n, 512):
        rows = slice(start, min(start + 512, n))
        gaps = norms - 2 * (centred[rows] @ centred.T)
        own_rows = np.arange(rows.start, rows.stop)
        gaps[np.arange(len(own_rows)), own_rows] = -np.inf
        picked = np.take_along_axis(gaps, close[rows], 1)
        for j in range(m):
            nearer[rows, j] = (gaps < picked[:, [j]]).astype(np.float32) @ member
    return nearer.astype(np.float64)


def trustworthiness(codes: Floats, xy: Floats, *, k: int, rng: np.random.Generator) -> Interval:
    """Trustworthiness of a map xy (n, 2) of codes (n, d), with an interval for its mean over other rows, n of them.

    Rows are each other's neighbours, and ranks count all of them: a jackknife leaves parts of the rows out of the code
    and of the map, which otherwise stays as it is. The interval is symmetric in log(1 − T).
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
    """How often the nearest other labelled row has the same label, of (n, d) rows with labels (n,).

    With an interval for the mean over other rows, as many: rows are each other's neighbours, so that a jackknife leaves
    parts of them out. Two that are nearest to each other are right or wrong together, and count as one near 0 and 1.
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
