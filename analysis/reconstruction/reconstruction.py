"""Reconstructions: how much of its own image a code keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Pixels, Singles, Strings, as_images, rows_of, to_pixels
from ..base.columns import RowValues
from ..base.decoding import derangement, reconstruction_error
from ..base.pca import fit_pca
from ..base.statistics import Baseline, Interval, bootstrap_mean, bootstrap_ratio

GROUPS = ("best", "typical", "worst")


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Errors ‖x − G(E(x))‖₂ of images in [0, 1], beside errors against another image's reconstruction."""

    kind: ClassVar[str] = "reconstruction"

    rows: Ints
    """(n,) positions in the table."""
    errors: Singles
    """(n,) L2 norm of the difference."""
    shuffled: Singles
    """(n,) the same against the reconstruction of a random other image."""
    ratio: Interval
    """Mean error / mean shuffled error: 1 = the code says nothing about its image, 0 = perfect."""
    error: Interval
    """Mean error."""
    baselines: tuple[Baseline, ...]
    """Ratio of a PCA of equal width and of the mean image."""
    by_class: Doubles
    """(classes,) ratio within each class, NaN where there are no rows."""
    classes: tuple[str, ...]
    """Names of the labels."""
    shown: Ints
    """(3, m) positions: best, typical (around the median), worst."""
    groups: Strings
    """(3,) "best", "typical", "worst"."""
    originals: Pixels
    """(3, m, h, w, c)."""
    reconstructions: Pixels
    """(3, m, h, w, c)."""
    shown_errors: Doubles
    """(3, m)."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def row_values(self) -> RowValues:
        """The error of each row."""
        return RowValues(name="reconstruction error", rows=self.rows, values=self.errors)

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.shown)


def reconstruction_result(
    images: Singles,
    reconstructions: Singles,
    rows: Ints,
    *,
    rng: np.random.Generator,
    labels: Ints | None = None,
    classes: tuple[str, ...] = (),
    baselines: tuple[Baseline, ...] = (),
    shown: int = 8,
    notes: Sequence[str] = (),
) -> Reconstruction:
    """Measure reconstructions of images.

    Args:
        images: (n, h, w, c) in [0, 1].
        reconstructions: (n, h, w, c) in [0, 1].
        rows: (n,) their positions in the table.
        rng: draws the other image of each, and resamples.
        labels: (n,) of the images.
        classes: names of the labels.
        baselines: ratios of something else, measured alike.
        shown: images of each group that are shown.
        notes: what to know about the rows.

    Source:
        The ratio is EGr / EGr_b of the BiGAN authors' training log (Donahue et al., arXiv:1605.09782).
    """
    images = as_images(images)
    errors = reconstruction_error(images, reconstructions)
    shuffled = reconstruction_error(images, reconstructions, order=derangement(len(images), rng=rng))
    by_class = np.full(len(classes), math.nan)
    for label in range(len(classes)):
        members = np.zeros(0, bool) if labels is None else labels == label
        if members.any() and shuffled[members].sum() > 0:
            by_class[label] = errors[members].sum(dtype=np.float64) / shuffled[members].sum(dtype=np.float64)
    order = np.argsort(errors, kind="stable")
    shown = min(shown, len(order) // 3) or 1
    middle = max(0, len(order) // 2 - shown // 2)
    picked = np.stack([order[:shown], order[middle : middle + shown][:shown], order[::-1][:shown]])
    return Reconstruction(
        rows=rows,
        errors=errors,
        shuffled=shuffled,
        ratio=bootstrap_ratio(errors, shuffled, rng=rng),
        error=bootstrap_mean(errors, rng=rng),
        baselines=baselines,
        by_class=by_class,
        classes=classes,
        shown=rows[picked],
        groups=np.array(GROUPS),
        originals=to_pixels(images[picked]),
        reconstructions=to_pixels(reconstructions[picked]),
        shown_errors=errors[picked].astype(np.float64),
        notes=tuple(notes),
    )


def pca_ratio(train: Floats, images: Singles, width: int, *, rng: np.random.Generator) -> Baseline:
    """Measure the reconstructions of a PCA of pixels: a baseline.

    Args:
        train: (m, p) pixels that the PCA is fitted on.
        images: (n, h, w, c) in [0, 1] that it reconstructs.
        width: number of components.
        rng: draws the other image of each, and resamples.
    """
    pca = fit_pca(train, width, rng=rng)
    flat = images.reshape(len(images), -1)
    restored = np.clip(pca.restore(pca.project(flat)), 0, 1).reshape(images.shape)
    pca_errors = reconstruction_error(images, restored)
    other = reconstruction_error(images, restored, order=derangement(len(images), rng=rng))
    return Baseline(name=f"PCA {len(pca.axes)} of pixels", figure=bootstrap_ratio(pca_errors, other, rng=rng))
