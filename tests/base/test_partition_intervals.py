"""Intervals of agreement and purity hold what very many rows of the same partitions have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analysis.base.clustering_scores import _unrelated, ari, nmi, partition_interval, purity, purity_interval
from latentgan.selfcheck.claims.intervals import _joint_shares

TABLES = 100
MIN_COVERAGE = 0.93 - 1.645 * np.sqrt(0.93 * 0.07 / TABLES)  # what 93 % leave open in so many tables


def held(score: Callable, components: int, classes: int, *, kept: float, skew: float, rows: int) -> float:
    """The share of tables of `rows` rows whose interval holds the score of 10⁹ rows."""
    rng = np.random.default_rng(0)
    shares = _joint_shares(components, classes, aligned_share=kept, skew=skew)
    truth = float(score(np.rint(1e9 * shares).astype(np.int64)[None])[0])
    found = []
    for table in rng.multinomial(rows, shares.ravel(), size=TABLES).reshape(TABLES, components, classes):
        if score is purity:
            found.append(purity_interval(table, rng=rng))
        else:
            found.append(partition_interval(score, table, rng=rng, ends=(0.0 if score is nmi else -1.0, 1.0)))
    assert all(one.low <= one.value <= one.high for one in found)
    return float(np.mean([one.low <= truth + 1e-6 and truth - 1e-6 <= one.high for one in found]))


@pytest.mark.parametrize("score", [nmi, ari, purity])
@pytest.mark.parametrize(
    ("components", "classes", "kept", "skew", "rows"),
    [
        (10, 10, 0.0, 0.0, 300),
        (10, 10, 0.5, 1.0, 60),
        (10, 10, 0.98, 0.0, 60),
        (30, 10, 0.7, 1.0, 300),
        (3, 2, 1.0, 1.0, 60),
    ],
)
def test_the_score_of_many_rows_is_held(score, components, classes, kept, skew, rows):
    assert held(score, components, classes, kept=kept, skew=skew, rows=rows) >= MIN_COVERAGE


@pytest.mark.parametrize(
    "table",
    [[[40, 44]], [[40], [44]], [[84]], [[0, 0], [40, 44]], [[40, 44], [0, 0]], [[9, 0, 3], [0, 0, 0], [2, 0, 7]]],
)
def test_unrelated_tables_keep_their_sums(table):
    """Those of one component, or of labels that are all one, had negative counts."""
    counts = np.array(table)
    drawn = _unrelated(counts, 20, rng=np.random.default_rng(0))
    assert drawn.min() >= 0
    assert (drawn.sum(2) == counts.sum(1)).all() and (drawn.sum(1) == counts.sum(0)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("score", [nmi, ari])
@pytest.mark.parametrize("table", [[[40, 44]], [[40], [44]], [[0, 0], [40, 44]]])
def test_one_component_shares_nothing_with_labels(score, table):
    found = partition_interval(score, np.array(table), rng=np.random.default_rng(0))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
