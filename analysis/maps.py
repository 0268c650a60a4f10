"""Two-dimensional maps of the codes, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Ints, Singles
from .statistics import Interval


@dataclass(frozen=True)
class Map:
    """One placement of rows in the plane."""

    method: str  # "umap" or "pca"
    representation: str  # "code", ...
    xy: Singles  # (n, 2)
    k: int  # neighbours in the figures below
    trustworthiness: Interval  # 1 = every neighbour on the map is one in the code (Venna & Kaski); n rows
    random: float  # trustworthiness of the same points shuffled: about 0.5
    accuracy: Interval | None  # 1-NN label accuracy on the map, each row against the others; None unlabelled
    full_accuracy: Interval | None  # the same in the whole code
    explained: tuple[float, ...]  # PCA: share of variance of the two axes, else empty
    note: str  # parameters and seed


@dataclass(frozen=True)
class Maps:
    """Maps of one sample of rows."""

    rows: Ints  # (n,) positions in the table, shared by all maps
    maps: tuple[Map, ...]  # the best first
    notes: tuple[str, ...]
