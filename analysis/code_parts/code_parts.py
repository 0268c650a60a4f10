"""What the parts of a code do: which categories are used and whether they are labels, what each number changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Ints, Pixels, Singles, rows_of
from ..base.clustering_scores import effective_number as effective_number
from ..base.decoding import change, effect
from ..base.statistics import Baseline, Interval
from .categorical import Categories


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One continuous number of the code, moved over its range while the others stay."""

    part: str
    dimension: int
    """Within the part, from 0."""
    effect: Interval
    """Mean L2 change of the image from end to end, over that between images of unrelated codes."""
    ends: tuple[float, float]
    """Of the range."""
    frames: Pixels | None
    """(bases, steps, h, w, c), of those with the largest effects."""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What the parts of a code do: categories and their labels, and what each continuous number changes."""

    kind: ClassVar[str] = "code_parts"

    categories: tuple[Categories, ...]
    sweeps: tuple[Sweep, ...]
    """The largest effect first."""
    bases: Ints
    """(bases,) rows whose codes the traversals start from."""
    classes: tuple[str, ...]
    """Names of the labels."""
    rows: int
    """That usage and accuracy were counted on."""
    baselines: tuple[Baseline, ...]
    """Effects of something else than one number, measured alike."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(self.bases)


def sweep_effect(low: Singles, high: Singles, unrelated: Doubles, *, rng: np.random.Generator) -> Interval:
    """Mean change between (m, h, w, c) images at both ends, over the mean of `unrelated` changes (m,).

    Not a number where all codes decode to one image, so that there is nothing to compare with.
    """
    return effect(change(low, high), unrelated, rng=rng)
