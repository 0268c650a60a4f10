"""Concept vectors: directions in the code along which a label or attribute changes, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Ints, Pixels
from .statistics import Baseline, Interval


@dataclass(frozen=True)
class Concept:
    """One direction, found on train rows and judged on test rows."""

    name: str  # "label: 3", "bold", "thickness", "font: Serif"
    column: str  # "label" or the attribute
    kind: str  # "class", "boolean", "numeric" or "text"
    method: str  # "mean difference" or "logistic"
    auc: Interval  # held-out (test) AUC of the projection
    p_value: float  # permutation of the test labels: (1 + #{AUC_perm >= AUC}) / (1 + permutations)
    permutations: int
    baselines: tuple[
        Baseline, ...
    ]  # pixels, untrained, shuffled (direction fitted to shuffled labels), random direction
    scale: float  # standard deviation of the train rows' projections: an edit of strength 1
    positive: int  # train rows on either side
    negative: int
    agreement: float  # cosine with the other method's direction of the same concept, NaN where there is none
    note: str  # numeric: "above the train median, 3.2"


@dataclass(frozen=True)
class Edits:
    """Codes moved along directions and decoded beforehand, for sliders."""

    concepts: tuple[int, ...]  # (m,) indices into ConceptTable.concepts
    strengths: Doubles  # (s,) in standard deviations of the projection; 0 is the reconstruction
    rows: Ints  # (r,) positions in the table of the images that are edited
    frames: Pixels  # (m, r, s, h, w, c)


@dataclass(frozen=True)
class ConceptTable:
    """All concepts of one table."""

    concepts: tuple[Concept, ...]
    directions: Doubles  # (m, d) unit vectors in the code; zero in parts that are masked
    cosines: Doubles  # (m, m) between directions
    edits: Edits | None  # None without a model that decodes
    notes: tuple[str, ...]
