"""Coverage of the intervals of figures that few rows bias, or that are made of dependent parts.

What an interval is of stands in the docstring of the function that makes it: the figure that very many rows have, or
the mean of figures of as many rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.arrays import Doubles, Ints
from analysis.partitions import (
    ari,
    effective_number,
    nmi,
    partition_interval,
    perplexity,
    purity,
    purity_interval,
)
from analysis.statistics import Interval
from latentgan.claims.base import Claims, coverage

VERY_MANY = 10**9  # rows of a table whose score is the population's
ROWS = (60, 300, 2000)
TABLES = (  # components, classes, share of rows that keep to their class, skewness of the classes' shares
    (10, 10, 0.0, 0.0),
    (10, 10, 0.5, 1.0),
    (10, 10, 0.95, 0.0),
    (30, 10, 0.7, 1.0),
    (3, 2, 1.0, 1.0),
)


def _joint_shares(components: int, classes: int, *, kept: float, skew: float) -> Doubles:
    """Joint shares (k, c): each component has a class, in a share `kept` of its rows; others have any label.

    Args: skew: the i-th class has a share in proportion to i^−skew.
    """
    shares = np.arange(1.0, classes + 1) ** -skew
    shares /= shares.sum()
    own = np.arange(components) % classes
    members = np.array([max(1, np.count_nonzero(own == j)) for j in range(classes)])
    aligned = np.zeros((components, classes))
    aligned[np.arange(components), own] = shares[own] / members[own]
    aligned /= aligned.sum()
    return kept * aligned + (1 - kept) * np.outer(aligned.sum(1), aligned.sum(0))


def _held(found: Interval, truth: float) -> bool:
    return found.low <= truth + 1e-6 and truth - 1e-6 <= found.high


def _of_tables(
    name: str, score: Callable[[Ints], Doubles], interval: Callable[[Ints], Interval], rng: np.random.Generator,
    trials: int,
) -> Claims:  # fmt: skip
    """Yield a claim for each kind of table and number of rows."""
    for components, classes, kept, skew in TABLES:
        shares = _joint_shares(components, classes, kept=kept, skew=skew)
        truth = float(score(np.rint(shares * VERY_MANY).astype(np.int64)[None])[0])
        for n in ROWS:
            tables = rng.multinomial(n, shares.ravel(), size=trials).reshape(trials, components, classes)
            hits = sum(_held(interval(table), truth) for table in tables)
            planted = (
                f"{components} × {classes}, {name} {truth:.2f}, classes {'skewed' if skew else 'even'}, {n:,} rows"
            )
            yield coverage(name, planted, hits, trials)


def normalised_mutual_information(rng: np.random.Generator, trials: int) -> Claims:
    """Two partitions that agree not at all, by half, nearly, and as far as they can."""
    yield from _of_tables("NMI", nmi, lambda table: partition_interval(nmi, table, rng=rng), rng, trials)


def adjusted_rand_index(rng: np.random.Generator, trials: int) -> Claims:
    """The same tables."""
    yield from _of_tables(
        "ARI", ari, lambda table: partition_interval(ari, table, rng=rng, ends=(-1.0, 1.0)), rng, trials
    )


def purity_of_components(rng: np.random.Generator, trials: int) -> Claims:
    """The same tables."""
    yield from _of_tables("purity", purity, lambda table: purity_interval(table, rng=rng), rng, trials)


def categories_in_use(rng: np.random.Generator, trials: int) -> Claims:
    """Even usage, and usage by a power law, of which few rows show not all."""
    for k, skew in ((10, 0.0), (10, 2.0), (50, 1.0)):
        shares = np.arange(1.0, k + 1) ** -skew
        shares /= shares.sum()
        truth = float(perplexity(np.rint(shares[None] * VERY_MANY).astype(np.int64))[0])
        for n in ROWS:
            hits = sum(_held(effective_number(rng.multinomial(n, shares), rng=rng), truth) for _ in range(trials))
            yield coverage("effective number of categories", f"{truth:.1f} of {k}, {n:,} rows", hits, trials)
