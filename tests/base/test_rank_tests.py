"""Rank tests below the floor of permutations, and intervals of AUCs whose sides have unequal spreads."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import hypergeom, kstest, mannwhitneyu, norm

from analysis.base.rank_tests import auc_p, below_floor, many_ranks_p, permuted_product_p, rank_sum_p, spearman_p
from analysis.base.statistics import auc_interval, ranks
from analysis.concepts.concept_table import ConceptTable, concept_table
from analysis.concepts.targets import ConceptTarget


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize(("m", "n"), [(5, 9), (9, 5), (20, 20), (5, 200)])
def test_exact_p_without_ties_is_scipys(m: int, n: int, rng: np.random.Generator) -> None:
    positive = np.arange(m + n) < m
    scores = rng.normal(size=m + n) + 0.8 * positive
    expected = mannwhitneyu(scores[positive], scores[~positive], alternative="greater", method="exact").pvalue
    assert rank_sum_p(scores, positive) == pytest.approx(expected, rel=1e-9)


def test_exact_p_with_ties_counts_all_samples(rng: np.random.Generator) -> None:
    scores, positive = rng.integers(0, 3, 12).astype(float), np.arange(12) % 3 == 0
    midranks = ranks(scores)
    sums = np.array([midranks[list(rows)].sum() for rows in combinations(range(12), 4)])
    assert rank_sum_p(scores, positive) == pytest.approx(np.mean(sums >= midranks[positive].sum() - 1e-9))
    assert rank_sum_p(scores, ~positive) == pytest.approx(np.mean(sums <= midranks[positive].sum() + 1e-9))


@pytest.mark.parametrize(("few", "hits"), [(30, 3), (30, 4), (300, 12), (2000, 40)])
def test_skewed_ties_stay_above_the_exact_tail(few: int, hits: int) -> None:
    scores = (np.arange(10_000) < 100).astype(float)
    positive = np.r_[np.arange(100) < hits, np.arange(9900) < few - hits]
    step = float(np.ptp(ranks(scores)))
    exact = float(hypergeom.sf(hits - 1, 10_000, 100, few))
    assert exact <= permuted_product_p(ranks(scores), positive.astype(float), step=step) < 5 * exact
    assert auc_p(scores, positive, 0.02, 999) == 0.02, "above their floor permutations stand"


@pytest.mark.parametrize(("m", "n", "levels"), [(10, 10, 0), (5, 200, 0), (5, 200, 4), (30, 30, 3), (300, 700, 0)])
def test_p_of_noise_keeps_its_level(m: int, n: int, levels: int, rng: np.random.Generator) -> None:
    positive = np.arange(m + n) < m
    p = []
    for _ in range(250):
        scores = rng.integers(0, levels, m + n).astype(float) if levels else rng.normal(size=m + n)
        exact = rank_sum_p(scores, positive)
        p.append(many_ranks_p(scores, positive) if exact is None else exact)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 2.5 * math.sqrt(level * (1 - level) / 250)
    if not levels and m * n > 100:
        assert kstest(p, "uniform").pvalue > 0.001


def test_a_rank_test_counts_only_at_the_floor() -> None:
    assert below_floor(0.001, 999, 1e-9) == 1e-9
    assert below_floor(0.002, 999, 1e-9) == 0.002
    assert below_floor(0.001, 999, 0.3) == 0.001
    assert spearman_p(np.arange(50.0), np.arange(50.0) ** 3) < 1e-8 < spearman_p(np.arange(50.0), -np.arange(50.0))


def perfect_among(others: int, kind: str, rng: np.random.Generator) -> ConceptTable:
    """Codes (200, 8) of which the first number alone makes one concept perfect; the others are coin flips."""
    codes, rows = rng.normal(size=(200, 8)), np.arange(200)
    codes[:, 0] = np.where(codes[:, 0] > 0, 2, -2) + 0.1 * codes[:, 0]
    asked = [ConceptTarget(name="real", column="real", kind="boolean", signs=np.where(codes[:, 0] > 0, 1, -1))]
    if kind == "numeric":
        asked = [
            ConceptTarget(
                name="real",
                column="real",
                kind="numeric",
                signs=np.where(codes[:, 0] > 0, 1, -1),
                note="",
                values=codes[:, 0],
            )
        ]
    asked += [
        ConceptTarget(name=f"{i}", column=f"{i}", kind="boolean", signs=rng.choice([-1, 1], 200)) for i in range(others)
    ]
    return concept_table(
        codes[:140],
        codes[140:],
        asked,
        rows[:140],
        rows[140:],
        rng=rng,
        draws=2,
        resamples=2,
        methods=["mean difference", "ridge"] if kind == "numeric" else ["mean difference", "LDA"],
    )


@pytest.mark.parametrize("kind", ["boolean", "numeric"])
def test_a_perfect_concept_among_101_stands(kind: str, rng: np.random.Generator) -> None:
    table = perfect_among(100, kind, rng)
    [real, *noise] = table.best
    assert real.significant
    assert sum(concept.significant for concept in noise) <= 1


def test_q_counts_concepts_once_each(rng: np.random.Generator) -> None:
    from scipy.stats import false_discovery_control

    best = perfect_among(20, "boolean", rng).best
    assert [c.q_value for c in best] == pytest.approx(false_discovery_control([c.p_value for c in best]))


@pytest.mark.parametrize(("m", "n", "spread", "area"), [(20, 200, 10, 0.9), (5, 20, 10, 0.6), (30, 30, 4, 0.97)])
def test_auc_intervals_cover_unequal_spreads(
    m: int, n: int, spread: float, area: float, rng: np.random.Generator
) -> None:
    shift, positive = norm.ppf(area) * math.hypot(1, spread), np.arange(m + n) < m
    found = [auc_interval(np.r_[rng.normal(shift, spread, m), rng.normal(size=n)], positive) for _ in range(300)]
    assert np.mean([figure.low <= area <= figure.high for figure in found]) >= 0.93 - 0.03


def test_a_perfect_auc_promises_no_more_than_its_rarer_side() -> None:
    figure = auc_interval(np.arange(220.0), np.arange(220) >= 200)
    assert figure.high == 1
    assert figure.low == pytest.approx(20 / (20 + 1.96**2), abs=0.03)  # Wilson's bound of 20 hits among 20
