"""How unusual a code is among the codes that it was fitted with: log density and Mahalanobis distance, as quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, as_codes
from .mixture_fits import FittedMixture
from .streams import by_blocks


@dataclass(frozen=True)
class Outliers:
    """Scores of n rows; a quantile is the share of the reference rows that are at least as unusual."""

    rows: Ints  # (n,) positions, the most unusual first
    log_density: Doubles  # (n,) log p under the mixture, nats
    mahalanobis: Doubles  # (n,) distance to the nearest component, in its own deviations
    density_quantile: Doubles  # (n,) uniform on (0, 1) for a row like the reference's
    mahalanobis_quantile: Doubles  # (n,)
    references: int  # rows that the quantiles are of: held out from the fit
    unusual: Ints  # rows of a density quantile that n tests do not explain: q ≤ 0.05 / n


def outlier_scores(fitted: FittedMixture, codes: Floats, references: Floats, *, rows: Ints | None = None) -> Outliers:
    """Score (n, d) codes under a mixture beside (m, d) references, which should be held out from its fit.

    q = (1 + #{references at least as unusual}) / (1 + m), the conformal p-value (Vovk, Gammerman & Shafer 2005),
    exact for a row exchangeable with the references whatever the mixture is.
    """
    codes, references = as_codes(codes), as_codes(references, "references")
    if codes.shape[1] != references.shape[1]:
        raise AnalysisError(f"codes have {codes.shape[1]} columns and references {references.shape[1]}")
    scores = [(fitted.log_density(x), nearest_component(fitted, x)) for x in (codes, references)]
    density = conformal(-scores[0][0], -scores[1][0])
    distance = conformal(scores[0][1], scores[1][1])
    order = np.argsort(scores[0][0], kind="stable")
    place = np.arange(len(codes)) if rows is None else rows
    unusual = place[order][density[order] <= 0.05 / len(codes)]
    return Outliers(
        place[order], scores[0][0][order], scores[0][1][order], density[order], distance[order], len(references),
        unusual,
    )  # fmt: skip


def nearest_component(fitted: FittedMixture, codes: Floats) -> Doubles:
    """Mahalanobis distance of (n, d) codes to the component that is nearest by it: (n,)."""
    return by_blocks(lambda some: np.sqrt(fitted.gaussians.gaps(some).min(1)), fitted.inner(codes))


def conformal(scores: Doubles, references: Doubles) -> Doubles:
    """(1 + #{references ≥ score}) / (1 + m) of each score: (n,)."""
    ordered = np.sort(references)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    quantiles: Doubles = (1 + above.astype(np.float64)) / (1 + len(ordered))
    return quantiles
