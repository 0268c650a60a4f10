"""Cross-fitted evidence: what few rows find, what noise does not, and intervals of figures that share rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from analysis.base.groups import balanced_folds
from analysis.concepts.concept_table import Concept, concept_vector
from analysis.concepts.directions import NUMERIC


def drawn(rng: np.random.Generator, n: int, positive: int, d: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal codes (n, d), of which `positive` rows are moved by `gap` along a random direction."""
    has, direction = rng.permutation(n) < positive, rng.normal(size=d)
    return rng.normal(size=(n, d)) + gap * has[:, None] * direction / np.linalg.norm(direction), has


def evidence(rng: np.random.Generator, *shape: int, gap: float, method: str, trials: int) -> list[tuple[Concept, bool]]:
    """Concepts, and whether the interval of each holds the AUC of its direction on fresh rows."""
    concepts = []
    for _ in range(trials):
        codes, has = drawn(rng, *shape, gap)
        concept, axis = concept_vector(codes, has, rng=rng, method=method, permutations=199)
        shift = codes[has].mean(0) - codes[~has].mean(0) if gap else np.zeros(codes.shape[1])
        area = norm.cdf(gap * np.sign(axis @ shift) * abs(axis @ shift) / max(1e-9, np.linalg.norm(shift)) / np.sqrt(2))
        concepts.append((concept, concept.auc.low <= area <= concept.auc.high))
    return concepts


@pytest.mark.parametrize("method", ["mean difference", "LDA"])
def test_60_rows_find_what_hotelling_finds(method: str) -> None:
    concepts = evidence(np.random.default_rng(1), 60, 30, 12, gap=1.35, method=method, trials=60)
    assert np.mean([concept.p_value <= 0.05 for concept, _ in concepts]) >= 0.75  # Hotelling 0.9; a holdout 0.5 to 0.6


@pytest.mark.parametrize(("weight", "least", "most"), [(0.8, 0.65, 1.0), (0.0, 0.0, 0.1)])
def test_numbers_of_60_rows_stand_where_an_f_test_finds_them(weight: float, least: float, most: float) -> None:
    """The F-test of a regression finds nine in ten of them; chance is what shuffled labels give, an R² below 0."""
    rng, stands = np.random.default_rng(6), []
    for _ in range(50):
        codes = rng.normal(size=(60, 12))
        number = weight * codes[:, 0] + rng.normal(size=60)
        concept, _ = concept_vector(codes, number, rng=rng, method=NUMERIC, permutations=199)
        stands.append(concept.significant)
    assert least <= np.mean(stands) <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "positive", "method"), [(60, 30, "mean difference"), (205, 16, "LDA"), (40, 20, "ridge")]
)
def test_coin_flips_have_uniform_p(n: int, positive: int, method: str) -> None:
    rng, p = np.random.default_rng(2), []
    for _ in range(150):
        codes, has = drawn(rng, n, positive, 6, 0.0)
        labels = rng.standard_t(2, n) if method == NUMERIC else has
        p.append(concept_vector(codes, labels, rng=rng, method=method, permutations=99)[0].p_value)
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.slow
def test_intervals_of_cross_fits_cover_chance() -> None:
    concepts = evidence(np.random.default_rng(3), 60, 30, 12, gap=0.0, method="LDA", trials=150)
    assert np.mean([covered for _, covered in concepts]) >= 0.93 - 0.035


@pytest.mark.parametrize("numeric", [False, True])
def test_a_perfect_concept_goes_below_the_floor(numeric: bool) -> None:
    codes, has = drawn(np.random.default_rng(4), 80, 40, 4, 30.0)
    labels = codes[:, 0] if numeric else has
    concept, _ = concept_vector(codes, labels, method="ridge" if numeric else "LDA", permutations=199)
    assert concept.p_value < 0.05 / 101 / 2


def test_all_rows_find_the_direction() -> None:
    codes, has = drawn(np.random.default_rng(5), 60, 30, 3, 2.0)
    concept, axis = concept_vector(codes, has)
    means = codes[has].mean(0) - codes[~has].mean(0)
    assert axis == pytest.approx(means / np.linalg.norm(means), abs=1e-6)
    assert (concept.positive, concept.negative, concept.auc.n) == (30, 30, 60)


def test_folds_hold_each_side_evenly() -> None:
    signs = np.r_[np.ones(23, np.int64), -np.ones(41, np.int64)]
    folds = balanced_folds(signs, 10, rng=np.random.default_rng(6))
    for side, counts in ((1, (2, 3)), (-1, (4, 5))):
        assert set(np.bincount(folds[signs == side]).tolist()) == set(counts)


LABELS = {
    "list": lambda has: has.tolist(),
    "0 and 1": lambda has: has.astype(np.int64),
    "0.0 and 1.0": lambda has: has.astype(np.float64),
    "-1 and 1": lambda has: np.where(has, 1, -1),
    "column": lambda has: has[:, None],
    "texts": lambda has: np.where(has, "yes", "no"),
    "objects": lambda has: np.where(has, "yes", "no").astype(object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_give_one_concept(kind: str) -> None:
    codes, has = drawn(np.random.default_rng(7), 60, 25, 3, 2.0)
    plain, axis = concept_vector(codes, has, permutations=49)
    other, same = concept_vector(codes.tolist(), LABELS[kind](has), rng=0, permutations=49)
    assert np.array_equal(axis, same)
    assert (other.auc, other.p_value, other.positive) == (plain.auc, plain.p_value, 25)
