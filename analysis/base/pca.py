"""Principal components, fitted on a sample and applied in blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from .arrays import Doubles, Floats, Singles, as_codes
from .chunked import Stream, blocks, settled

SAMPLE = 10_000  # rows that a fit looks at


BLOCK = 4096


ROUNDING = 2.0**-22  # of float32 sums, as a share of all variance


@dataclass(frozen=True, kw_only=True)
class PCA:
    """An affine projection on the directions of largest variance."""

    mean: Doubles
    """(p,)."""
    axes: Doubles
    """(w, p) orthonormal rows, largest variance first."""
    variances: Doubles
    """(w,)."""
    total: float
    """Variance over all p columns."""

    def project(self, x: Floats) -> Singles:
        """Scores of (n, p) rows: (n, w) float32."""
        if isinstance(x, Stream):
            return cast(Singles, settled(cast(Floats, x.map(self.project, len(self.axes)))))
        axes, out = self.axes.T.astype(np.float32), np.empty((len(x), len(self.axes)), np.float32)
        fine = x.dtype == np.float64  # may be farther from 0 than float32 resolves: the mean goes first
        shift = 0 if fine else (self.axes @ self.mean).astype(np.float32)
        for start in range(0, len(x), BLOCK):
            rows = x[start : start + BLOCK]
            out[start : start + BLOCK] = (rows - self.mean if fine else rows).astype(np.float32, copy=False) @ axes
        out -= shift
        return out

    def first(self, width: int) -> PCA:
        """The leading `width` components alone."""
        return PCA(mean=self.mean, axes=self.axes[:width], variances=self.variances[:width], total=self.total)

    @property
    def sound(self) -> int:
        """Components whose variance is more than rounding, one at least: the others' scores are noise of no size."""
        return max(1, int(np.count_nonzero(self.variances > ROUNDING * self.total)))

    def restore(self, scores: Floats) -> Singles:
        """Rows with the given (n, w) scores: (n, p) float32."""
        rows: Singles = (scores @ self.axes + self.mean).astype(np.float32)
        return rows

    @property
    def explained(self) -> Doubles:
        """Share of the variance on each axis: (w,)."""
        return self.variances / self.total if self.total > 0 else np.zeros_like(self.variances)


class Components:
    """The PCA of some rows, fitted once and cut to each width.

    Args:
        read: gives the (n, p) rows.
        most: the largest width that is asked for, at most.
    """

    def __init__(
        self, read: Callable[[], Floats], most: int, *, rng: np.random.Generator, sample: int | None = SAMPLE
    ) -> None:
        self.read, self.most, self.rng, self.sample = read, most, rng, sample
        self._fitted: PCA | None = None

    def fit(self, width: int) -> int:
        """Fit at most `width` components; return how many there are whose variance is more than rounding."""
        pca = fit_pca(self.read(), min(width, self.most), rng=self.rng, sample=self.sample)
        self._fitted = pca.first(pca.sound)
        return len(self._fitted.axes)

    def __call__(self, width: int) -> PCA:
        """The leading `width` components of those fitted."""
        if self._fitted is None or len(self._fitted.axes) < width:
            self.fit(width)
        assert self._fitted is not None
        return self._fitted.first(width)


def most_components(rows: int, columns: int, *, sample: int | None = SAMPLE) -> int:
    """The largest width that `fit_pca` gives of (rows, columns)."""
    if columns > BLOCK:  # the row Gram matrix is then the smaller one, and small enough
        sample = min(sample or BLOCK, BLOCK)
    return max(1, min(columns, min(rows, sample or rows) - 1))


def fit_pca(x: Floats, width: int, *, rng: np.random.Generator, sample: int | None = SAMPLE) -> PCA:
    """Fit the leading `width` components (fewer where rows or columns allow fewer) on at most `sample` rows.

    None is all rows, whose second moments are summed block by block: wide rows (p > 4,096) are still a sample. The
    smaller of the two Gram matrices is decomposed: columns (p × p), or rows (n × n) where p > n. Signs
    are fixed (the largest entry of an axis is positive), so that a map is the same twice.
    """
    from scipy.linalg import eigh

    x = as_codes(x)
    width = max(1, min(width, most_components(*x.shape, sample=sample)))
    if x.shape[1] > BLOCK:
        sample = min(sample or BLOCK, BLOCK)
    if sample is None and x.shape[1] <= len(x):
        return _by_moments(x, width)
    if sample is not None and len(x) > sample:
        x = x[np.sort(rng.choice(len(x), sample, replace=False))]
    x = np.asarray(x)
    mean = x.mean(0, dtype=np.float64)
    centred = x - mean.astype(x.dtype)
    n, p = centred.shape
    by_columns = p <= n
    gram = (centred.T @ centred if by_columns else centred @ centred.T).astype(np.float64) / max(1, n - 1)
    total = float(np.trace(gram))
    values, vectors = eigh(gram, subset_by_index=(len(gram) - width, len(gram) - 1))
    variances, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    axes = vectors.T if by_columns else _lengthen(vectors.T @ centred)
    return PCA(mean=mean, axes=_fix_signs(axes.astype(np.float64)), variances=variances, total=total)


def _by_moments(x: Floats, width: int) -> PCA:
    """Components of all (n, p) rows from one pass over their second moments, p × p in float64."""
    from scipy.linalg import eigh

    mean, (n, p) = x.mean(0, dtype=np.float64), x.shape
    gram, centre = np.zeros((p, p)), mean.astype(x.dtype)
    for _, rows in blocks(x):
        centred = rows - centre
        gram += centred.T @ centred
    gram /= max(1, n - 1)
    values, vectors = eigh(gram, subset_by_index=(p - width, p - 1))
    axes = _fix_signs(vectors[:, ::-1].T)
    return PCA(mean=mean, axes=axes, variances=np.maximum(values[::-1], 0), total=float(np.trace(gram)))


def _lengthen(axes: Doubles) -> Doubles:
    """Scale rows to length 1, leaving those of no length at 0."""
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    unit: Doubles = axes / np.where(length > 0, length, 1)
    return unit


def _fix_signs(axes: Doubles) -> Doubles:
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1)
    signed: Doubles = axes * np.where(largest < 0, -1.0, 1.0)
    return signed
