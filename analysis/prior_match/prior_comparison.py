"""Whether codes are distributed as the prior that the decoder was trained on: the aggregate posterior beside p(z)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, as_codes, as_rng, rows_of
from ..errors import AnalysisError
from .two_sample import ROWS, TwoSample, two_sample

PRIORS = {"normal": (0.0, 1.0), "uniform": (0.0, 3**-0.5)}  # mean and deviation of N(0, 1) and U(-1, 1)


NULLS = 5  # pairs of draws


N_MOMENT_DRAWS = 10_000  # draws whose moments stand for those of another prior

Draw = Callable[[int], Floats]
"""n -> n draws from a prior, (n, d), others at every call."""


@dataclass(frozen=True, kw_only=True)
class PartOfPrior:
    """One part of a code beside draws from its prior."""

    name: str
    """Of the part."""
    kind: str
    """"normal", "uniform", or another, whose draws were given."""
    codes: TwoSample
    """Codes and draws."""
    null: TwoSample
    """As many other draws and draws, the median of NULLS: what no difference looks like."""
    means: Doubles
    """(d,) of the codes, less the prior's."""
    deviations: Doubles
    """(d,) of the codes, over the prior's; NaN where that is 0."""


@dataclass(frozen=True, kw_only=True)
class PriorComparison:
    """The parts of a code whose prior is known."""

    kind: ClassVar[str] = "prior_match"

    parts: tuple[PartOfPrior, ...]
    rows: int
    """Rows of the table whose codes were compared."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def draw_prior(kind: str, rows: int, width: int, *, rng: np.random.Generator) -> Floats:
    """Draw (rows, width) numbers from N(0, 1) or U(-1, 1).

    Raises:
        AnalysisError: for another kind of prior.
    """
    if kind not in PRIORS:
        raise AnalysisError(f"a prior of kind {kind!r} cannot be drawn from here: known are {', '.join(PRIORS)}")
    if kind == "normal":
        return rng.standard_normal((rows, width)).astype(np.float32)
    return rng.uniform(-1, 1, (rows, width)).astype(np.float32)


def compare_with_prior(
    codes: Floats,
    *,
    kind: str,
    rng: Seed = 0,
    name: str = "code",
    rows: int = ROWS,
    draws: Draw | Floats | None = None,
) -> PartOfPrior:
    """Compare (n, d) codes with draws from their prior, at most `rows` of each.

    Args:
        codes: (n, d).
        kind: "normal" N(0, 1) or "uniform" U(-1, 1); with `draws`, what the prior is called.
        rng: draws from the prior, rows and permutations.
        name: of the part.
        rows: the most rows of each.
        draws: from any prior, as a function or as (m, d) independent rows.

    Returns:
        Test statistics of the codes, and of draws beside draws.
    """
    rng = as_rng(rng)
    codes = as_codes(codes)
    n, d = codes.shape
    source = (lambda count: draw_prior(kind, count, d, rng=rng)) if draws is None else draws
    result = two_sample(codes, source if isinstance(source, np.ndarray) else source(n), rng=rng, rows=rows)
    nulls = [two_sample(*_two(source, n, rng), rng=rng, rows=rows) for _ in range(NULLS)]
    null = sorted(nulls, key=lambda null_test: null_test.wasserstein)[
        NULLS // 2
    ]  # a single pair can be the odd one in a hundred
    mean, deviation = (np.full(d, value) for value in PRIORS[kind]) if draws is None else _moments(source)
    spread = codes.std(0, dtype=np.float64)
    ratio = np.divide(spread, deviation, out=np.full(d, np.nan), where=deviation > 0)
    return PartOfPrior(
        name=name, kind=kind, codes=result, null=null, means=codes.mean(0, dtype=np.float64) - mean, deviations=ratio
    )


def _two(draws: Draw | Floats, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two sets of draws that share none: n each, or the halves of those that there are."""
    if not isinstance(draws, np.ndarray):
        return draws(n), draws(n)
    order = rng.permutation(len(draws))
    return draws[order[: len(draws) // 2]], draws[order[len(draws) // 2 :]]


def _moments(draws: Draw | Floats) -> tuple[Doubles, Doubles]:
    """Mean and deviation of each column of draws: (d,), (d,)."""
    drawn = draws if isinstance(draws, np.ndarray) else draws(N_MOMENT_DRAWS)
    return drawn.mean(0, dtype=np.float64), drawn.std(0, dtype=np.float64)
