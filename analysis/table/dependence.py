"""Whether rows depend on each other: near-copies across splits, and codes that drift with the order of the rows.

Figures of dependent rows claim too much: each further frame of a clip counts as another observation. `--group COLUMN`
or `--blocks N` says which rows belong together; where neither is given, or not enough, this is what warns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, subsample
from ..base.chunked import fits
from ..base.columns import Column
from ..base.nearest import nearest
from ..base.serial_correlation import STRETCHES, alike_blocks, drift
from ..errors import AnalysisError
from .embeddings import Embeddings
from .selection import labelled_columns, labels_of

QUERIES = 1000  # held-out rows that are looked up


CELLS = 20_000_000  # numbers of the train rows that they are looked up in


FAR = 16  # neighbours among SOME train rows whose distances say how far rows are that do not belong together


SOME = 256


TOO_NEAR = 0.02  # share of rows of independent ones that are as near to a train row, or nearer


WARNED = 0.06  # share of held-out rows with a near-copy from which there is a warning


RUNS = 5  # of a category, in the mean, up to which rows count as sorted by it


DRIFT = 1.5  # times as much as those of independent rows, from which there is a warning


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Held-out rows that have a near-copy among the train rows."""

    held_out: int
    """Rows that were looked up."""
    train: int
    """Rows that they were looked up in."""
    identical: int
    """With the very code, or the very pixels, of a train row."""
    near: int
    """Nearer to a train row than 1 in 50 independent rows would be, the identical ones too."""

    @property
    def many(self) -> bool:
        """Whether they are more than chance has."""
        error = 3 * math.sqrt(TOO_NEAR / max(1, self.held_out))
        return self.near > (WARNED + error) * self.held_out or self.identical > 0.01 * self.held_out


def near_copies(held_out: Floats, train: Floats, *, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Which of (q, d) held-out rows are the same as one of (n, d) train rows, and which are too near to one.

    Around a row the number of independent rows grows as the distance to the power of the dimension, which the distances
    to the 8th and 16th of a few drawn train rows tell, at a scale beyond groups. From there follows how near the
    nearest of all should be: u = n F (d / d_F)^m is about exponential of mean 1, where d_F is the distance within which
    a share F of the rows lies; rows with u < 0.02 are too near.

    Returns:
        Identical (q,), near (q,).
    """
    n = len(train)
    distance = nearest(held_out, train)[1][:, 0]
    drawn = train[subsample(np.arange(n), max(4 * FAR, min(SOME, n // 4)), rng=rng)]
    if len(drawn) < 2 * FAR:
        return distance == 0, distance == 0
    far = nearest(held_out, drawn, k=FAR)[1]
    middle, edge = far[:, FAR // 2 - 1], far[:, FAR - 1]
    identical = (distance == 0) & (middle > 0)
    usual = (middle > 0) & (edge > middle)
    if not usual.any():
        return identical, identical
    dimension = math.log(2) / max(1e-3, float(np.median(np.log(edge[usual] / middle[usual]))))
    with np.errstate(divide="ignore"):
        u = np.exp(np.log(n * FAR / len(drawn)) + dimension * (np.log(distance) - np.log(np.maximum(edge, 1e-300))))
    return identical, identical | (usual & (u < TOO_NEAR))


def twins_of(table: Embeddings) -> Twins | None:
    """Look up held-out rows among the train rows, of their own class where there are labels; None without a split."""
    if not (table.has_split or table.has_drawn_split):
        return None
    train, held_out = table.rows("train"), np.sort(np.concatenate([table.rows("test"), table.rows("validation")]))
    rng = np.random.default_rng(17)
    train = subsample(train, max(1000, CELLS // table.width(table.code)), rng=rng)
    held_out = subsample(held_out, QUERIES, rng=rng)
    if len(train) < 2 * FAR or not len(held_out) or not fits(len(train) + len(held_out), table.width(table.code)):
        return None
    train_codes, held_out_codes = (table.continuous_code(rows) for rows in (train, held_out))
    labels = labels_of(table)
    classes = np.zeros(table.n, np.int64) if labels is None else labels[0]
    identical = _same_pixels(table, held_out, train)
    near = identical.copy()
    for label in np.unique(classes[held_out]):
        held_out_of_class, train_of_class = classes[held_out] == label, classes[train] == label
        if np.count_nonzero(train_of_class) >= 2 * FAR:  # of fewer, a tight class looks like copies
            same, close = near_copies(held_out_codes[held_out_of_class], train_codes[train_of_class], rng=rng)
            identical[held_out_of_class], near[held_out_of_class] = (
                identical[held_out_of_class] | same,
                near[held_out_of_class] | close,
            )
    return Twins(held_out=len(held_out), train=len(train), identical=int(identical.sum()), near=int(near.sum()))


def _same_pixels(table: Embeddings, held_out: Ints, train: Ints) -> Bools:
    """Which held-out rows have the pixels of a train row, of at most as many as are quickly read: (q,)."""
    if not table.has_pixels:
        return np.zeros(len(held_out), np.bool_)
    sampled = subsample(train, max(1000, CELLS // table.width("pixels")), rng=np.random.default_rng(17))
    held_out_pixels, train_pixels = (
        np.array([hash(row.tobytes()) for row in table.vectors("pixels", rows)], np.int64)
        for rows in (held_out, sampled)
    )
    return np.isin(held_out_pixels, train_pixels)


def dependence_warnings(table: Embeddings) -> tuple[str, ...]:
    """What speaks for rows that depend on each other beyond their groups, one sentence each; nothing if nothing does.

    The same whatever an analysis' seed is, and looked for once a table. Of what cannot be read there is no warning: the
    analyses themselves refuse it, each for itself.
    """
    if table not in _WARNED:
        warnings: list[str] = []
        for look in (_torn, _copied, _ordered):
            try:
                warnings += look(table)
            except AnalysisError:
                continue
        _WARNED[table] = tuple(warnings)
    return _WARNED[table]


_WARNED: WeakKeyDictionary[Embeddings, tuple[str, ...]] = WeakKeyDictionary()


def _torn(table: Embeddings) -> list[str]:
    if not table.straddling:
        return []
    return [
        f"{table.straddling:,} groups had rows in more than one split of column {table.split_name!r}: each is kept in "
        "one split here, but the model may have been trained on some of its rows"
    ]


def _copied(table: Embeddings) -> list[str]:
    twins = twins_of(table)
    if twins is None or not twins.many:
        return []
    same = f", {twins.identical:,} of them the very same" if twins.identical else ""
    way = (
        "groups are larger than the column says, or copies of an image are in several"
        if table.grouped
        else "if they are copies of an image or frames of a clip, give the column that says so with --group COLUMN"
    )
    return [
        f"{twins.near:,} of {twins.held_out:,} held-out rows have a near-copy among {twins.train:,} train rows{same}, "
        f"where independent rows have {TOO_NEAR:.0%}: figures on them claim too much; {way}"
    ]


def _ordered(table: Embeddings) -> list[str]:
    if table.group_name:
        return []
    if table.groups is not None:
        if not alike_blocks(table.n, table.n_blocks, table.continuous_code, table.values_in_order):
            return []
        return [
            f"codes and columns change slowly over the whole table, so that even {table.n_blocks} blocks of it are not "
            "independent: what they seem to share may be the order of the rows alone"
        ]
    rows = subsample(np.arange(table.n), max(1000, CELLS // table.width(table.code)), rng=np.random.default_rng(0))
    if not fits(len(rows), table.width(table.code)):
        return []
    x = table.continuous_code(rows)
    labels = labels_of(table)
    times = drift(x, np.zeros(len(rows), np.int64) if labels is None else labels[0][rows])
    columns_too = [
        column.name
        for column in labelled_columns(table)
        if not _sorted_by(column) and any(_inflation(times, values[rows]) > DRIFT for values in column.as_numbers())
    ]
    if times < DRIFT or not columns_too:
        return []
    return [
        f"codes and {', '.join(map(repr, columns_too[:3]))} change together with the order of the rows (means of "
        f"{STRETCHES} stretches of codes vary {times:.1f} times as much as those of independent rows): what they seem "
        "to share may be that order alone; --group COLUMN holds clips out whole, --blocks N stretches of time"
    ]


def _sorted_by(column: Column) -> bool:
    """Whether rows come category by category, as images from a folder a class do: that order is the column itself."""
    if column.kind == "numeric":
        return False
    codes = column.codes[column.present]
    return int(np.count_nonzero(np.diff(codes))) < RUNS * len(np.unique(codes))


def _inflation(times: float, values: Doubles) -> float:
    """How many times a chance association of drifting codes with a column varies as much as one of independent rows.

    1 + L r_x r_y of stretches of L rows, in which codes and the column correlate by r_x and r_y.
    """
    finite = values[np.isfinite(values)]
    theirs = drift(finite[:, None], np.zeros(len(finite), np.int64)) if len(finite) else 1.0
    return 1 + max(0.0, times - 1) * max(0.0, theirs - 1) * STRETCHES / len(values)
