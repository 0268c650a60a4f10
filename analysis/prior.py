"""Whether codes are distributed as the prior that the decoder was trained on: the aggregate posterior beside p(z)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats
from .twosample import ROWS, TwoSample, two_sample

PRIORS = {"normal": (0.0, 1.0), "uniform": (0.0, 3**-0.5)}  # mean and deviation of N(0, 1) and U(-1, 1)
NULLS = 5  # pairs of draws


@dataclass(frozen=True)
class PartOfPrior:
    """One part of a code beside draws from its prior."""

    name: str
    kind: str  # "normal" or "uniform"
    codes: TwoSample  # codes and draws
    null: TwoSample  # as many other draws and draws, the median of NULLS: what no difference looks like
    means: Doubles  # (d,) of the codes; the prior's are 0
    deviations: Doubles  # (d,) of the codes, over the prior's


@dataclass(frozen=True)
class PriorComparison:
    """The parts of a code whose prior is known."""

    parts: tuple[PartOfPrior, ...]
    rows: int
    notes: tuple[str, ...]


def draw_prior(kind: str, rows: int, width: int, *, rng: np.random.Generator) -> Floats:
    """Draw (rows, width) numbers from N(0, 1) or U(-1, 1). Raises: AnalysisError for another kind."""
    if kind not in PRIORS:
        raise AnalysisError(f"a prior of kind {kind!r} cannot be drawn from here: known are {', '.join(PRIORS)}")
    if kind == "normal":
        return rng.standard_normal((rows, width)).astype(np.float32)
    return rng.uniform(-1, 1, (rows, width)).astype(np.float32)


def compare_with_prior(
    codes: Floats, *, kind: str, rng: np.random.Generator, name: str = "code", rows: int = ROWS
) -> PartOfPrior:
    """Compare (n, d) codes with draws from N(0, 1) or U(-1, 1), at most `rows` of each."""

    def draw() -> Floats:
        return draw_prior(kind, len(codes), codes.shape[1], rng=rng)

    found = two_sample(codes, draw(), rng=rng, rows=rows)
    nulls = [two_sample(draw(), draw(), rng=rng, rows=rows) for _ in range(NULLS)]
    null = sorted(nulls, key=lambda one: one.wasserstein)[NULLS // 2]  # a single pair can be the odd one in a hundred
    mean, deviation = PRIORS[kind]
    return PartOfPrior(
        name, kind, found, null, codes.mean(0, dtype=np.float64) - mean, codes.std(0, dtype=np.float64) / deviation
    )
