"""Concepts: how often noise is significant, whether intervals of AUCs hold, and what is significant at few rows."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from analysis.base.rank_tests import many_ranks_p, rank_sum_p
from analysis.base.statistics import auc_interval
from analysis.concepts.concept_table import ConceptTable, concept_table, concept_vector
from analysis.concepts.directions import METHODS
from analysis.concepts.targets import ConceptTarget
from latentgan.selfcheck.claims.base import Claims, coverage, null_rate, power

GROUPS = ((10, 10), (5, 200), (30, 30), (300, 700))


def rank_tests_of_noise(rng: np.random.Generator, trials: int) -> Claims:
    """Scores that are independent of their groups, with ties and without."""
    for m, n in GROUPS:
        for levels in (0, 3):
            positive, hits = np.arange(m + n) < m, 0
            for _ in range(trials):
                scores = rng.normal(size=m + n) if levels == 0 else rng.integers(0, levels, m + n).astype(float)
                p = rank_sum_p(scores, positive)
                hits += (many_ranks_p(scores, positive) if p is None else p) <= 0.05
            ties = f"{levels} different scores" if levels else "no ties"
            yield null_rate("an AUC's p-value is at most 0.05", f"{m} against {n} rows of noise, {ties}", hits, trials)


def auc_intervals(rng: np.random.Generator, trials: int) -> Claims:
    """Normal scores whose two groups have equal and unequal spreads."""
    for m, n in ((10, 10), (20, 200), (100, 100)):
        for spread in (1.0, 4.0, 10.0):
            for area in (0.6, 0.9, 0.98):
                shift, positive = norm.ppf(area) * math.hypot(1, spread), np.arange(m + n) < m
                hits = 0
                for _ in range(trials):
                    scores = np.r_[rng.normal(shift, spread, m), rng.normal(size=n)]
                    figure = auc_interval(scores, positive)
                    hits += figure.low <= area <= figure.high
                planted = f"AUC {area}, {m} against {n} rows, spreads {spread:g} to 1"
                yield coverage("the interval of an AUC", planted, hits, trials)


def _table(
    codes: np.ndarray, signs: np.ndarray, rng: np.random.Generator, methods: tuple[str, ...] = METHODS
) -> ConceptTable:
    """Return the concepts (n, m) of codes (n, d), with the last 30 % of the rows held out."""
    rows, cut = np.arange(len(codes)), len(codes) * 7 // 10
    targets = [
        ConceptTarget(name=f"{i}", column=f"{i}", kind="boolean", signs=column) for i, column in enumerate(signs.T)
    ]
    return concept_table(
        codes[:cut],
        codes[cut:],
        targets,
        rows[:cut],
        rows[cut:],
        rng=rng,
        draws=2,
        resamples=2,
        permutations=99,
        methods=methods,
    )


def concepts_of_noise(rng: np.random.Generator, trials: int) -> Claims:
    """Tables of coin flips, in which any significant concept is false."""
    hits = 0
    for _ in range(trials):
        table = _table(rng.normal(size=(150, 6)), rng.choice([-1, 1], (150, 12)), rng)
        hits += any(concept.significant for concept in table.best)
    yield null_rate("some concept of a table is significant", "12 coin flips, 6 normal numbers, 150 rows", hits, trials)


def one_concept_among_many(rng: np.random.Generator, trials: int) -> Claims:
    """Tables in which one concept of 101 is in the code, and perfect."""
    result, trials = 0, min(trials, 20)
    for _ in range(trials):
        codes = rng.normal(size=(200, 8))
        codes[:, 0] = np.where(codes[:, 0] > 0, 2, -2) + 0.1 * codes[:, 0]
        signs = np.column_stack([np.sign(codes[:, 0]), rng.choice([-1, 1], (200, 100))]).astype(np.int64)
        result += _table(codes, signs, rng, ("mean difference", "LDA")).best[0].significant
    yield power(
        "a perfect concept is significant", "1 among 101, 140 train and 60 test rows", result, trials, bound=0.95
    )


def concepts_of_few_rows(rng: np.random.Generator, trials: int) -> Claims:
    """Single concepts by cross-fitting, of noise and of a direction that Hotelling's test finds in 88 % of tables."""
    for n, positive, gap in ((60, 30, 0.0), (205, 15, 0.0), (60, 30, 1.35)):
        planted = (
            f"{positive} rows of {n} moved by {gap:g} standard deviations" if gap else f"{n} rows, {positive} marked"
        )
        for method in ("mean difference", "LDA"):
            called, stands, covered = 0, 0, 0
            for _ in range(trials):
                has, direction = rng.permutation(n) < positive, rng.normal(size=12)
                direction /= np.linalg.norm(direction)
                codes = rng.normal(size=(n, 12)) + gap * has[:, None] * direction
                concept, axis = concept_vector(codes, has, rng=rng, method=method, permutations=199)
                called += concept.p_value <= 0.05
                stands += concept.significant
                area = norm.cdf(gap * float(axis @ direction) / math.sqrt(2))
                covered += concept.auc.low <= area <= concept.auc.high
            yield coverage(f"the interval of a cross-fitted AUC, {method}", planted, covered, trials)
            if gap == 0:
                yield null_rate(f"a concept has p <= 0.05, {method}", planted, called, trials)
            else:
                yield power(f"a concept has p <= 0.05, {method}", planted, called, trials, bound=0.8)
                yield power(f"a concept is significant, {method}", planted, stands, trials, bound=0.65)


def probes_of_few_rows(rng: np.random.Generator, trials: int) -> Claims:
    """Probes that choose their setting in folds of 60 rows, compared with scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    from analysis.probes.linear_probe import linear_probe

    ahead = 0
    for _ in range(trials):
        direction = rng.normal(size=20)
        direction /= np.linalg.norm(direction)
        labels = rng.integers(0, 2, 560)
        codes = rng.normal(size=(560, 20)) + 2 * labels[:, None] * direction
        [probe] = linear_probe((codes[:60], labels[:60]), (codes[60:], labels[60:]), rng=rng, shuffled=False)
        other = LogisticRegression().fit(codes[:60], labels[:60]).score(codes[60:], labels[60:])
        ahead += probe.score.value >= other - 0.02
    planted = "two classes 2 standard deviations apart in 20 numbers, 60 rows"
    yield power("a probe is within 0.02 of scikit-learn's, or ahead", planted, ahead, trials, bound=0.7)
