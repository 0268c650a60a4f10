"""Disjoint sets of images: for fitting directions, for the attribute classifier that scores edits, and for editing.

A classifier trained on the images that directions were fitted to learns the same noise in their labels, and an edit
along a direction of pure noise then raises its score. Here the classifier learns from images that no direction was
fitted to: train images that `concepts` did not draw, validation images, and where these are few, half of the test
images; the other half is edited.
"""

from __future__ import annotations

import numpy as np

from latentgan.data.source import ImageSource

MIN_EDITED_IMAGES = 20
"""At least this many test images are left for editing."""


MIN_CLASSIFIER_IMAGES = 5_000
"""Where fewer images than this are left for the classifier, test images are shared between it and editing."""


def edited_and_classifier_rows(
    source: ImageSource,
    fitted: np.ndarray | None,
    *,
    edited: int,
    most: int,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to edit and the rows that an attribute classifier may learn from.

    Args:
        source: the images.
        fitted: rows that directions were fitted to; None where that is not known, and all train rows may have been.
        edited: number of images that are to be edited; at least so many are left for it where there are twice as many.
        most: maximum number of rows to edit.
        rng: draws the rows.
        groups: (n,) codes of images that belong together, where some do: one image of each group is edited, and the
            classifier learns from groups of which no image is edited.

    Returns:
        (n,) held-out rows, ascending, and (m,) rows to learn from, ascending.
    """
    used = source.rows("train") if fitted is None else fitted
    spare = np.setdiff1d(np.concatenate([source.rows("train"), source.rows("validation")]), used)
    test = rng.permutation(np.setdiff1d(source.rows("test"), used))
    if groups is not None:
        test = test[np.sort(np.unique(groups[test], return_index=True)[1])]
    if len(spare) < MIN_CLASSIFIER_IMAGES:
        n_edited = max(len(test) // 2, min(edited, len(test) * 2 // 3), min(MIN_EDITED_IMAGES, len(test)))
        test, more = test[:n_edited], test[n_edited:]
        spare = np.concatenate([spare, more])
    if groups is not None:
        spare = spare[~np.isin(groups[spare], groups[test])]
    return np.sort(test[:most]), np.sort(spare)
