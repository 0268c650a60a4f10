"""Gaussian mixtures of codes: how many groups, what they hold, and whether they are the labels."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Ints, Pixels, Singles
from .statistics import Baseline, Interval


@dataclass(frozen=True)
class Candidate:
    """One model that was tried."""

    components: int
    covariance: str  # "full" or "diag"
    bic: float  # −2 log L + p log n; the least wins
    held_out: float  # mean log-likelihood of held-out rows, nats a row
    floored: int  # components whose covariance had degenerated and was raised to the floor


@dataclass(frozen=True)
class Agreement:
    """How well components and labels tell each other, over n labelled rows (test where there is a split)."""

    nmi: Interval  # normalised mutual information (arithmetic mean)
    ari: Interval  # adjusted Rand index
    purity: Interval  # rows whose component's commonest label is theirs
    shuffled_nmi: float  # the same with shuffled labels: what many components reach by chance
    shuffled_ari: float
    shuffled_purity: float
    counts: Ints  # (components, classes) rows
    classes: tuple[str, ...]
    baselines: tuple[
        Baseline, ...
    ]  # NMI of mixtures with as many components on pixels (PCA), untrained codes


@dataclass(frozen=True)
class Mixture:
    """The mixture with the least BIC, refitted on all rows."""

    components: int
    covariance: str  # "full" or "diag"
    weights: Doubles  # (k,) descending
    means: Doubles  # (k, d) in the code
    covariances: Doubles  # (k, u, u): of the code, or of its u leading principal components where reduced
    candidates: tuple[Candidate, ...]
    fitted_on: int  # rows of the refit
    rows: Ints  # (n,) positions of the rows that were assigned (test rows where there is a split)
    assignments: Ints  # (n,) component of each
    confidence: Singles  # (n,) its responsibility
    agreement: Agreement | None  # None without labels
    nearest: (
        Ints  # (k, m) positions of the rows nearest to each mean, nearest first; -1 where there are fewer
    )
    samples: Pixels | None  # (k, s, h, w, c) drawn from each component and decoded; None without a model
    notes: tuple[str, ...]  # PCA, degenerate covariances, what was left out
