"""Checks that every set must pass before networks train on it."""

from __future__ import annotations

import numpy as np

from latentgan.errors import DataError


def check_images(images: np.ndarray, name: str) -> None:
    """Refuse sets of fewer than two images, and sets in which all images are the same.

    Args:
        images: (n, h, w, c) uint8, or points.
        name: name of the images, for messages.

    Raises:
        DataError: with the number of images or the constant value.
    """
    n = len(images)
    if n < 2:
        raise DataError(f"{name} holds {n} image{'' if n == 1 else 's'}: at least two are needed, to train and to test")
    first = images[0]
    step = max(1, (1 << 24) // max(1, first.nbytes))
    if any((images[start : start + step] != first).any() for start in range(0, n, step)):
        return
    if (first == first.flat[0]).all():
        raise DataError(f"{name}: every pixel of all {n} images is {first.flat[0]}; there is nothing to learn from")
    raise DataError(f"{name}: all {n} images are the same; there is nothing to learn from")


def check_classes(labels: np.ndarray, classes: tuple[str, ...], ids: np.ndarray, name: str) -> None:
    """Refuse a class of a single image, which cannot be both learned and tested.

    Args:
        labels: (n,) int64, -1 = unlabelled.
        classes: names of the classes.
        ids: (n,) names of the images.
        name: name of the images, for messages.

    Raises:
        DataError: with the class and the image.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    single = np.flatnonzero(counts == 1)
    if len(single) == 0:
        return
    label = int(single[0])
    where = ids[np.flatnonzero(labels == label)[0]]
    n_others = len(single) - 1
    more = f", and so {'has another class' if n_others == 1 else f'have {n_others} other classes'}" if n_others else ""
    raise DataError(
        f"{name}: class {classes[label]!r} has a single image ({where}){more}; a class needs two or more "
        "(one to train, one to test): add images, or leave the label empty so that it counts as unlabelled"
    )
