"""Train, validation and test rows of a set: to fit on, to choose settings on, and to score on."""

from __future__ import annotations

import numpy as np

from latentgan.errors import DataError

TEST_SHARE = 0.2  # of a set without an official test split


VALIDATION_SHARE = 0.1  # of what is left for training


_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def split_name(word: str) -> str | None:
    """Return train, validation or test for the usual spellings of a split, None for any other word."""
    return _SPELLINGS.get(word.strip().lower())


def official_split(words: np.ndarray, n: int, description: str) -> np.ndarray:
    """Translate a given column of split names (n,) to "train" | "validation" | "test".

    Args:
        words: (n,) names of splits, in the usual spellings.
        n: number of images.
        description: name of the images, for messages.

    Raises:
        DataError: the length differs from n, or a word is no split.
    """
    if words.shape != (n,):
        raise DataError(f"{description}: the split has shape {words.shape}, but there are {n} images")
    split_of = {str(word): split_name(str(word)) for word in set(words.tolist())}
    for word, name in split_of.items():
        if name is None:
            row = int(np.flatnonzero(words.astype(str) == word)[0])
            raise DataError(f"{description}: split {word!r} in row {row} is none of train, validation, test")
    return np.array([split_of[str(word)] for word in words.tolist()], dtype="U10")


def complete_split(
    official: np.ndarray | None, labels: np.ndarray, fingerprint: str, groups: np.ndarray | None = None
) -> np.ndarray:
    """Return (n,) split names: the official ones, and drawn from the training rows what they lack.

    A missing test split is a fifth, a missing validation split a tenth of the training rows, stratified by
    label (unlabelled rows are a stratum of their own), by a generator seeded with the fingerprint: the same
    data always split the same way, whatever the seed of the training. Rows of one of the (n,) groups stay together, and
    a group is of the class that most of its rows have.

    Args:
        official: (n,) split names that the set came with; None means that all are to be drawn.
        labels: (n,) int64, -1 = unlabelled.
        fingerprint: hash of the images and labels, in hexadecimal.
        groups: (n,) int64 codes of images that belong together, if known.
    """
    n = len(labels)
    split = np.full(n, "train", dtype="U10") if official is None else official.astype("U10")
    rng = np.random.default_rng(int(fingerprint[:32], 16))
    for name, share, least in (("test", TEST_SHARE, 1), ("validation", VALIDATION_SHARE, 0)):
        if not (split == name).any():
            rows = np.flatnonzero(split == "train")
            if groups is None:
                split[rows[stratified(labels[rows], share, rng, least=least)]] = name
                continue
            members, index = np.unique(groups[rows], return_inverse=True)
            commonest = [np.unique(labels[rows][index == i], return_counts=True) for i in range(len(members))]
            strata = np.array([classes[counts.argmax()] for classes, counts in commonest])
            split[rows[np.isin(index, stratified(strata, share, rng, least=least))]] = name
    return split


def torn_groups(split: np.ndarray, groups: np.ndarray) -> int:
    """Return how many groups (n,) have rows in more than one split (n,)."""
    pairs = {(group, name) for group, name in zip(groups.tolist(), split.tolist(), strict=True)}
    return len(pairs) - len({group for group, _ in pairs})


def stratified(labels: np.ndarray, share: float, rng: np.random.Generator, *, least: int = 0) -> np.ndarray:
    """Choose round(share·n) positions of labels (n,), each class by its share.

    Fractions are settled by largest remainder, so that many small classes together still give their share;
    of a class of two or more at least `least` are chosen.

    Args:
        labels: (n,) int64.
        share: share of the positions to choose, in [0, 1].
        rng: draws them.
        least: minimum number of positions of a class of two or more.
    """
    order = rng.permutation(len(labels))
    strata, counts = np.unique(labels, return_counts=True)
    quota = counts * share
    take = np.floor(quota).astype(int)
    left = round(share * len(labels)) - int(take.sum())
    for stratum in np.lexsort((rng.random(len(strata)), -(quota - take)))[: max(left, 0)]:
        take[stratum] += 1
    take = np.where(counts >= 2, np.maximum(take, least), take)
    chosen = [order[labels[order] == stratum][:count] for stratum, count in zip(strata, take, strict=True)]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose n positions of labels (m,), ascending, as many of each class as of every other; never an unlabelled one.

    Where n is no multiple of the number of classes, classes drawn at random have one more.

    Args:
        labels: (m,) int64, -1 = unlabelled.
        n: number of positions to choose.
        rng: draws them.

    Raises:
        DataError: fewer than the classes, or a class has too few.
    """
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if n < max(1, len(classes)) or not len(classes):
        raise DataError(f"{n} labels are too few for {len(classes)} classes: each needs one at least")
    take = np.full(len(classes), n // len(classes))
    take[rng.permutation(len(classes))[: n % len(classes)]] += 1
    if (counts < take).any():
        raise DataError(
            f"{n} labels, equally many a class, are more than there are: the smallest class has {min(counts)}"
        )
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
    return np.sort(np.concatenate([rows[:k] for rows, k in zip(members, take, strict=True)]))
