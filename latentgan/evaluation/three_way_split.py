"""Three sets of images that share none: for directions, for the network that judges edits, and to be edited.

A network that learned from the images that directions were fitted to has learned the same noise in their labels, and an
edit along a direction of pure noise then raises its score. Here the network learns from the images that no direction
was fitted to: train images that `concepts` did not draw, validation images, and where these are few, half of the test
images, so that the other half is edited.
"""

from __future__ import annotations

import numpy as np

from latentgan.data.source import ImageSource

FEWEST = 20  # images to edit


ENOUGH = 5_000  # images for a judge, from which on test images are left for editing


def three_ways(
    source: ImageSource,
    fitted: np.ndarray | None,
    *,
    edited: int,
    most: int,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to edit and the rows that a judge may learn from.

    Args:
        source: the images.
        fitted: rows that directions were fitted to; None where that is not known, and all train rows may have been.
        edited: images that are to be edited, at least so many are left for it where there are twice as many.
        most: rows to edit at most.
        rng: draws the rows.
        groups: (n,) codes of images that belong together, where some do: of each one image is edited, and the judge
            learns from groups of which none is.

    Returns:
        (n,) held-out rows, ascending, and (m,) rows to learn from, ascending.
    """
    used = source.rows("train") if fitted is None else fitted
    spare = np.setdiff1d(np.concatenate([source.rows("train"), source.rows("validation")]), used)
    test = rng.permutation(np.setdiff1d(source.rows("test"), used))
    if groups is not None:
        test = test[np.sort(np.unique(groups[test], return_index=True)[1])]
    if len(spare) < ENOUGH:
        kept = max(len(test) // 2, min(edited, len(test) * 2 // 3), min(FEWEST, len(test)))
        test, more = test[:kept], test[kept:]
        spare = np.concatenate([spare, more])
    if groups is not None:
        spare = spare[~np.isin(groups[spare], groups[test])]
    return np.sort(test[:most]), np.sort(spare)
