"""Reconstructions: how much of its own image a code keeps."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Ints, Pixels, Singles, Strings
from .statistics import Baseline, Interval


@dataclass(frozen=True)
class Reconstruction:
    """Errors ‖x − G(E(x))‖₂ of images in [0, 1], beside errors against another image's reconstruction."""

    rows: Ints  # (n,) positions in the table
    errors: Singles  # (n,) L2 norm of the difference
    shuffled: Singles  # (n,) the same against the reconstruction of a random other image
    ratio: (
        Interval  # mean error / mean shuffled error: 1 = the code says nothing about its image, 0 = perfect
    )
    error: Interval  # mean error
    baselines: tuple[Baseline, ...]  # ratio of a PCA of equal width and of the mean image
    by_class: Doubles  # (classes,) ratio within each class, NaN where there are no rows
    classes: tuple[str, ...]
    shown: Ints  # (3, m) positions: best, typical (around the median), worst
    groups: Strings  # (3,) "best", "typical", "worst"
    originals: Pixels  # (3, m, h, w, c)
    reconstructions: Pixels  # (3, m, h, w, c)
    shown_errors: Doubles  # (3, m)
    notes: tuple[str, ...]
