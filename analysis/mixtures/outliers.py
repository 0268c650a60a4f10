"""How unusual a code is under a mixture, among other codes: log density and Mahalanobis distance, as quantiles.

Quantiles of m references end at 1 / (1 + m), which is too coarse to tell an outlier among n rows beyond chance. What
lies farther out is scored by the tail of −log t, t the density of the same mixture with Student's t of one degree of
freedom (Cauchy's) in place of each Gaussian. It grows with the logarithm of the distance, in which a tail that falls
with a power of the distance, as heavy ones do, is exponential, and all others fall faster. −log p itself has no such
tail: it grows with the logarithm among rows like those fitted, to which wide components adapt, and beyond the farthest
of them with the square, so that every heavy tail looks like outliers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Doubles, Floats, Ints, as_codes
from ..base.chunked import by_blocks
from ..base.statistics import Z
from ..errors import AnalysisError
from .gaussians import normalise
from .model_selection import FittedMixture


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """Scores of n rows; a quantile is the share of the reference rows that are at least as unusual."""

    rows: Ints
    """(n,) positions, the most unusual first."""
    log_density: Doubles
    """(n,) log p under the mixture, nats."""
    mahalanobis: Doubles
    """(n,) distance to the nearest component, in its own deviations."""
    density_quantile: Doubles
    """(n,) uniform on (0, 1) for a row like the reference's."""
    mahalanobis_quantile: Doubles
    """(n,)."""
    references: int
    """Rows that the quantiles are of: held out from the fit."""
    unusual: Ints
    """Rows farther out than such a tail explains: p ≤ 0.05 / n, the most unusual first."""


TAILS = (0.9, 0.98), (0.95, 0.99)  # quantiles between which the tail is measured; it begins at TAILS[0][1]


def outlier_scores(
    fitted: FittedMixture, codes: Floats, references: Floats, *, rows: Ints | None = None, among: int = 0
) -> Outliers:
    """Score codes under a mixture beside references, which should be held out from its fit.

    q = (1 + #{references at least as unusual}) / (1 + m), the conformal p-value, exact for a row exchangeable with the
    references whatever the mixture is.

    Args:
        fitted: the mixture.
        codes: (n, d).
        references: (m, d).
        rows: (n,) names of the codes; by default their places.
        among: rows looked at in all; by default n.

    Returns:
        Scores and quantiles (n,), the most unusual first.

    Source:
        Vovk, Gammerman & Shafer 2005.
    """
    codes, references = as_codes(codes), as_codes(references, "references")
    if codes.shape[1] != references.shape[1]:
        raise AnalysisError(f"codes have {codes.shape[1]} columns and references {references.shape[1]}")
    scores = [(fitted.log_density(x), nearest_component(fitted, x)) for x in (codes, references)]
    density = conformal(-scores[0][0], -scores[1][0])
    distance = conformal(scores[0][1], scores[1][1])
    order = np.argsort(scores[0][0], kind="stable")
    place = np.arange(len(codes)) if rows is None else rows
    beyond = tail(*(by_blocks(lambda part: _heavy_tailed(fitted, part), fitted.inner(x)) for x in (codes, references)))
    unusual = place[order][beyond[order] <= 0.05 / (among or len(codes))]
    return Outliers(
        rows=place[order],
        log_density=scores[0][0][order],
        mahalanobis=scores[0][1][order],
        density_quantile=density[order],
        mahalanobis_quantile=distance[order],
        references=len(references),
        unusual=unusual,
    )


def scored_by_halves(fitted: FittedMixture, codes: Floats, rows: Ints, *, rng: np.random.Generator) -> Outliers:
    """Score all (n, d) codes of `rows` (n,), each half beside the other."""
    part = rng.permutation(len(rows))
    halves = np.sort(part[: len(rows) // 2]), np.sort(part[len(rows) // 2 :])
    first, second = (
        outlier_scores(fitted, codes[half], codes[rest], rows=rows[half], among=len(rows))
        for half, rest in (halves, halves[::-1])
    )
    order = np.argsort(np.concatenate([first.log_density, second.log_density]), kind="stable")

    def both(name: str) -> AnyArray:
        return np.concatenate([getattr(first, name), getattr(second, name)])[order]

    ranked, unusual = both("rows"), np.concatenate([first.unusual, second.unusual])
    return Outliers(
        rows=ranked,
        log_density=both("log_density"),
        mahalanobis=both("mahalanobis"),
        density_quantile=both("density_quantile"),
        mahalanobis_quantile=both("mahalanobis_quantile"),
        references=min(first.references, second.references),
        unusual=ranked[np.isin(ranked, unusual)],
    )


def _heavy_tailed(fitted: FittedMixture, inner: Floats) -> Doubles:
    """−log of the mixture's density with Cauchy components, less a constant, of rows (n, d) as the mixture sees them.

    −log Σ_k π_k |W_k| (1 + δ_k²)^(−(1 + d) / 2), δ_k the Mahalanobis distance to component k.
    """
    d = inner.shape[1]
    joint = fitted.gaussians.whitening[1] - (1 + d) / 2 * np.log1p(fitted.gaussians.gaps(inner))
    return -normalise(joint)


def tail(scores: Doubles, references: Doubles) -> Doubles:
    """Share of rows beyond each score (n,), by an exponential tail of the references (m,); 1 where it does not begin.

    The rate is the slowest of those between TAILS' pairs of quantiles, each at the slow end of its 95 % interval, which
    outliers among the references, if they are few, hardly move. Of fewer than 100 references no tail is known.
    """
    begin = TAILS[0][1]
    end = float(np.quantile(references, begin))
    if len(references) < 100 or not math.isfinite(end):
        return np.ones(len(scores))
    scales = []
    for first, last in TAILS:
        low, high = np.quantile(references, (first, last))
        n_compared = (last - first) * len(references)
        scales.append((high - low) / math.log((1 - first) / (1 - last)) * (1 + Z / math.sqrt(n_compared)))
    scale = max(scales)
    if not (math.isfinite(scale) and scale > 0):
        return np.ones(len(scores))
    beyond: Doubles = np.where(scores > end, (1 - begin) * np.exp(-(np.maximum(scores, end) - end) / scale), 1.0)
    return beyond


def nearest_component(fitted: FittedMixture, codes: Floats) -> Doubles:
    """Mahalanobis distance of (n, d) codes to the component that is nearest by it: (n,)."""
    return by_blocks(lambda part: np.sqrt(fitted.gaussians.gaps(part).min(1)), fitted.inner(codes))


def conformal(scores: Doubles, references: Doubles) -> Doubles:
    """(1 + #{references ≥ score}) / (1 + m) of each score: (n,)."""
    ordered = np.sort(references)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    quantiles: Doubles = (1 + above.astype(np.float64)) / (1 + len(ordered))
    return quantiles
