"""Rows that belong together: copies of an image, frames of a clip, images of a person, stretches of time.

Rows of one group are alike, so that they count as one observation. Three rules follow, and every analysis draws its
rows by them:

    splits       a group is on one side of a split, else what is held out has been seen
    scored rows  one row of each group, drawn at random, so that intervals and p-values of independent rows hold; their
                 n is the number of groups (as within-cluster resampling draws them: Hoffman, Sen & Weinberg, Biometrika
                 2001). Nothing is assumed of how rows of a group depend on each other, nor that they share a label
    fitted rows  all rows, since rows that are alike do not bias a fit; what is drawn of them to say how steady a fit is
                 (resamples, folds, few labels) is drawn by whole groups

Groups are (n,) codes, one a row, from 0; `None` is every row by itself, for which each function does what it would do
without groups, with the same random numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError
from .arrays import AnyArray, Ints, Seed, Strings, as_rng, as_vector, missing_values

MIN_GROUPS = 10  # groups of which a split is drawn


UNKNOWN_SPLIT = ""


def as_groups(values: npt.ArrayLike, n: int) -> Ints:
    """Codes of n values that name groups, from 0 in the order of the values: (n,).

    Args:
        values: (n,) numbers or texts; a row whose value is missing (None, NaN, pandas' NA) is a group of its own.
        n: number of rows that there must be.

    Raises:
        AnalysisError: another number of values than rows.
    """
    array = as_vector(values, "groups")
    if len(array) != n:
        raise AnalysisError(f"groups must name one group for each of {n:,} rows, and have shape {array.shape}")
    missing = missing_values(array)
    array = array.astype(str) if array.dtype == object else array
    index = np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return own_group(np.where(missing, -1, index))


def own_group(index: Ints) -> Ints:
    """Codes from 0 of indices (n,), of which each negative one becomes a group of its own."""
    codes: Ints = index.astype(np.int64)
    lone = codes < 0
    codes[lone] = codes.max(initial=-1) + 1 + np.arange(np.count_nonzero(lone))
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)


def blocks_of(n: int, blocks: int) -> Ints:
    """Cut n rows in their order into contiguous blocks of equal size, give or take a row: (n,) codes.

    For rows in the order of time, where those near each other are alike; a block must be long beside the time in which
    things change.

    Raises:
        AnalysisError: fewer blocks than a split needs, or more than rows.
    """
    if not MIN_GROUPS <= blocks <= n:
        raise AnalysisError(f"{n:,} rows cannot be cut into {blocks} blocks: give {MIN_GROUPS} to {n:,} with --blocks")
    return np.asarray(np.arange(n) * blocks // n, np.int64)


def one_of_each(rows: Ints, groups: Ints | None, order: Ints) -> Ints:
    """Keep one of `rows` for each group, that which comes first in `order`: ascending positions.

    Args:
        rows: (m,) positions of rows.
        groups: (n,) codes of all rows.
        order: (n,) rank of every row; the same order keeps the same row of a group, whatever `rows` are.
    """
    if groups is None or not len(rows):
        return rows
    ranked = rows[np.argsort(order[rows], kind="stable")]
    first = np.unique(groups[ranked], return_index=True)[1]
    return np.sort(ranked[first])


def independent_rows(groups: npt.ArrayLike, *, rng: Seed = 0) -> Ints:
    """Draw one row of each group, for functions that take independent rows.

    Args:
        groups: (n,) names or numbers of what rows belong to; a row whose value is missing is a group of its own.
        rng: seed or generator.

    Returns:
        Positions, ascending.
    """
    named = as_vector(groups, "groups")
    return one_of_each(np.arange(len(named)), as_groups(named, len(named)), as_rng(rng).permutation(len(named)))


def drawn_order(n: int, seed: int) -> Ints:
    """A rank of every row, at random: (n,)."""
    return np.random.default_rng([seed, 13]).permutation(n)


def middle_order(groups: Ints) -> Ints:
    """A rank of every row by its distance from the middle of its group, so that kept rows are far apart: (n,)."""
    place = np.empty(len(groups), np.float64)
    by_group = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    start = np.cumsum(sizes) - sizes
    place[by_group] = np.arange(len(groups)) - start[groups[by_group]]
    far = np.abs(place - (sizes[groups] - 1) / 2)
    return np.argsort(np.argsort(far, kind="stable"), kind="stable").astype(np.int64)


def split_whole(groups: Ints, strata: Ints, shares: dict[str, float], *, rng: np.random.Generator) -> Strings:
    """Draw a split of whole groups, of each stratum by its share: (n,) names, "train" for what is left.

    Args:
        groups: (n,) codes.
        strata: (n,) class of each row; a group is of the class that most of its rows have.
        shares: name -> share of the groups.

    Raises:
        AnalysisError: too few groups to hold any out.
    """
    number = int(groups.max(initial=-1)) + 1
    if number < MIN_GROUPS:
        raise AnalysisError(
            f"there are {number} groups, and a split of whole groups needs {MIN_GROUPS}: give rows of more groups, or "
            "a split column"
        )
    stratum = _commonest(groups, strata, number)
    mixed = rng.permutation(number)
    mixed = mixed[np.argsort(stratum[mixed], kind="stable")]  # strata one after the other, each in random order
    names = np.full(number, "train", dtype="U10")
    taken = np.zeros(number, np.bool_)
    for name, share in shares.items():
        left = np.flatnonzero(~taken[mixed])
        wanted = max(1, round(share * number))
        picked = left[((np.arange(wanted) + rng.random()) * len(left) / wanted).astype(np.int64)]  # evenly over strata
        names[mixed[picked]] = name
        taken[mixed[picked]] = True
    return np.asarray(names[groups], dtype="U10")


def _commonest(groups: Ints, strata: Ints, number: int) -> Ints:
    """The stratum that most rows of each group have: (number,)."""
    classes, index = np.unique(strata, return_inverse=True)
    pairs, times = np.unique(groups * len(classes) + index.reshape(-1), return_counts=True)
    order = np.argsort(times, kind="stable")  # the commonest is written last
    commonest = np.zeros(number, np.int64)
    commonest[pairs[order] // len(classes)] = pairs[order] % len(classes)
    return commonest


def straddling(split: Strings, groups: Ints) -> int:
    """Number of groups that have rows in more than one split."""
    named = split != UNKNOWN_SPLIT
    names, index = np.unique(split[named], return_inverse=True)
    pairs = np.unique(groups[named] * max(1, len(names)) + index.reshape(-1))
    return int(np.count_nonzero(np.unique(pairs // max(1, len(names)), return_counts=True)[1] > 1))


def on_one_side(split: Strings, groups: Ints) -> Strings:
    """Keep each group in one split, that of one of its rows, drawn at random; its other rows are left out: (n,).

    No row changes its split, so that what a model was trained on stays apart from what it was not.
    """
    order = np.where(split == UNKNOWN_SPLIT, len(split), np.random.default_rng(0).permutation(len(split)))
    chosen = one_of_each(np.arange(len(split)), groups, order)
    home = np.full(int(groups.max(initial=-1)) + 1, UNKNOWN_SPLIT, dtype=split.dtype)
    home[groups[chosen]] = split[chosen]
    return np.where(split == home[groups], split, UNKNOWN_SPLIT).astype(split.dtype)


def poisson_counts(n: int, resamples: int, groups: Ints | None, *, rng: np.random.Generator) -> Ints:
    """Weights of bootstrap resamples, Poisson(1), one for all rows of a group: (n, resamples)."""
    if groups is None:
        return np.asarray(rng.poisson(1, (n, resamples)), np.int64)
    return np.asarray(rng.poisson(1, (int(groups.max(initial=-1)) + 1, resamples)), np.int64)[groups]


def drawn_whole(n: int, groups: Ints | None, *, rng: np.random.Generator) -> Ints:
    """A bootstrap resample of n rows, of as many groups as there are, each with all its rows: positions."""
    if groups is None:
        return np.asarray(rng.integers(n, size=n), np.int64)
    groups = np.unique(groups, return_inverse=True)[1].reshape(-1)
    number = int(groups.max(initial=-1)) + 1
    times = np.bincount(rng.integers(number, size=number), minlength=number)
    return np.repeat(np.arange(n), times[groups])


def whole_order(n: int, groups: Ints | None, *, rng: np.random.Generator) -> Ints:
    """The rows in random order, those of a group next to each other: (n,). Parts of it share one group at most."""
    if groups is None:
        return rng.permutation(n)
    rank = rng.permutation(int(groups.max(initial=-1)) + 1)[groups]
    return np.lexsort((rng.permutation(n), rank))


def cut(order: Ints, size: int, groups: Ints | None) -> tuple[Ints, Ints]:
    """Cut rows in `whole_order` after about `size` of them, at the end of a group: both parts ascending."""
    if groups is not None:
        while 0 < size < len(order) and groups[order[size]] == groups[order[size - 1]]:
            size += 1
    return np.sort(order[:size]), np.sort(order[size:])


def folds_of(groups: Ints, k: int, strata: Ints, *, rng: np.random.Generator) -> Ints:
    """Fold of every row, 0 to k − 1, whole groups in one, each stratum spread evenly: (n,).

    Args:
        groups: (n,) codes.
        k: folds; fewer where there are fewer groups.
        strata: (n,) classes that each fold is to have its share of.
    """
    groups = np.unique(groups, return_inverse=True)[1].reshape(-1)
    number = int(groups.max(initial=-1)) + 1
    stratum = _commonest(groups, strata, number)
    mixed = rng.permutation(number)
    mixed = mixed[np.argsort(stratum[mixed], kind="stable")]
    fold = np.empty(number, np.int64)
    fold[mixed] = np.arange(number) % min(k, number)
    return fold[groups]


def shuffled_whole(values: AnyArray, groups: Ints | None, *, rng: np.random.Generator) -> AnyArray:
    """Values (n, …) in another order, in which those of a group stay together as a block.

    Where all rows of a group share a value, groups exchange theirs; where values vary in a group, whole series do. The
    series are laid on the rows group by group, so that groups of unequal size cut some in two.
    """
    if groups is None:
        return values[rng.permutation(len(values))]
    rank = rng.permutation(int(groups.max(initial=-1)) + 1)[groups]
    mixed = np.empty_like(values)
    mixed[np.argsort(groups, kind="stable")] = values[np.argsort(rank, kind="stable")]
    return mixed


def draw_of_groups(rows: Ints, size: int, groups: Ints | None, *, rng: np.random.Generator) -> Ints:
    """Draw `size` of `rows` without replacement, no two of one group: (size,).

    Raises:
        AnalysisError: there are fewer groups.
    """
    if groups is None:
        return rng.choice(rows, size, replace=False)
    mixed = rng.permutation(rows)
    each = mixed[np.sort(np.unique(groups[mixed], return_index=True)[1])]
    if len(each) < size:
        raise AnalysisError(f"{size} rows of different groups cannot be drawn: there are {len(each)} groups")
    return each[:size]


def balanced_folds(signs: Ints, folds: int, *, rng: np.random.Generator, groups: Ints | None = None) -> Ints:
    """Assign rows to folds at random, each side spread evenly over them: (n,) numbers of folds.

    Rows of one of the groups (n,) are in one fold.
    """
    if groups is not None:
        return folds_of(groups, folds, signs, rng=rng)
    fold, start = np.empty(len(signs), np.int64), 0
    for side in np.unique(signs):
        rows = rng.permutation(np.flatnonzero(signs == side))
        fold[rows] = (np.arange(len(rows)) + start) % folds
        start += len(rows)
    return fold
