"""Similarity of representations: turned copies are the same, shuffled rows are not, shared concepts carry over."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import kstest, spearmanr

import analysis.model_comparison.similarity as similarity
from analysis.base.statistics import auc, permutation_p
from analysis.concepts.targets import ConceptTarget
from analysis.errors import AnalysisError
from analysis.model_comparison.similarity import (
    SHUFFLED_MAPS,
    distance_correlation,
    procrustes,
    similarities,
    transfers,
)

LEAST_P = 1 / (SHUFFLED_MAPS + 1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def test_a_turned_scaled_shifted_copy_is_the_same(rng: np.random.Generator) -> None:
    x = rng.normal(size=(600, 6)) * [3, 2, 1, 1, 0.5, 0.2]
    for measure in similarities(x, 4 * x @ rotation(rng, 6) + 7, rng=rng, shuffles=19):
        assert measure.value.value == pytest.approx(1, abs=1e-3) and measure.p_value == 1 / 20, measure.name
        assert measure.shuffled < 0.1


def test_unrelated_rows_are_as_alike_as_shuffled_ones(rng: np.random.Generator) -> None:
    trials = [similarities(*rng.normal(size=(2, 60, 4)), rng=rng, shuffles=19) for _ in range(60)]
    for i, name in enumerate(measure.name for measure in trials[0]):
        p = np.array([measures[i].p_value for measures in trials])
        noise = rng.uniform(0, 1 / 20, len(p))  # p comes in steps of 1 / 20
        assert kstest(p - noise, "uniform").pvalue > 0.002, name
        assert np.mean([measures[i].value.value - measures[i].shuffled for measures in trials]) == pytest.approx(
            0, abs=0.05
        ), name


def test_a_linear_map_explains_what_no_rotation_does(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1000, 4))
    by_name = {
        measure.name: measure for measure in similarities(x, x @ np.diag([10, 1, 0.1, 1]) @ rotation(rng, 4), rng=rng)
    }
    assert by_name["linear map R²"].value.low > 0.999 > 0.9 > by_name["orthogonal Procrustes R²"].value.high


def test_rank_correlation_of_distances_is_scipys(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 5))
    assert distance_correlation(x, y) == pytest.approx(spearmanr(pdist(x), pdist(y)).statistic)


def test_procrustes_leaves_what_scipys_leaves(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    x, y = x - x.mean(0), y - y.mean(0)
    turn, scale = procrustes(x, y)
    left = np.square(y - scale * x @ turn).sum() / np.square(y).sum()
    assert left == pytest.approx(scipy_procrustes(y, x)[2])
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)


@pytest.mark.parametrize(("d", "e"), [(3, 5), (5, 3)])
def test_procrustes_of_unequal_widths_is_a_minimum(d: int, e: int, rng: np.random.Generator) -> None:
    x = rng.normal(size=(80, d))
    y = x @ rng.normal(size=(d, e))
    turn, scale = procrustes(x, y)
    least = np.square(y - scale * x @ turn).sum()
    for factor in (0.99, 1.01):
        assert np.square(y - factor * scale * x @ turn).sum() > least
    for _ in range(20):
        other = rotation(rng, max(d, e))[:d, :e]
        assert np.square(y - scale * x @ other).sum() > least


def concept(rng: np.random.Generator, n: int = 1600) -> tuple[np.ndarray, ConceptTarget]:
    x = rng.normal(size=(n, 5))
    return x, ConceptTarget(
        name="big", column="big", kind="boolean", signs=np.where(x[:, 0] + 0.3 * rng.normal(size=n) > 0, 1, -1)
    )


def test_a_shared_direction_carries_over_and_a_lost_one_does_not(rng: np.random.Generator) -> None:
    x, target = concept(rng)
    shared = x @ rng.normal(size=(5, 7)) + 0.1 * rng.normal(size=(len(x), 7))
    (transfer,), left = transfers(x, shared, [target], rng=rng)
    assert (
        not left
        and transfer.transferred_auc.value == pytest.approx(transfer.source_auc.value, abs=0.02)
        and transfer.source_auc.low > 0.9
    )
    assert transfer.target_auc.value > 0.9 and transfer.transferred_auc.n == 800
    assert transfer.p_value == LEAST_P and transfer.shuffled.low < 0.5 < transfer.shuffled.high
    assert transfer.shuffled.n == SHUFFLED_MAPS
    without = np.hstack([x[:, 1:], rng.normal(size=(len(x), 1))])
    (lost,), _ = transfers(x, without, [target], rng=rng)
    assert lost.transferred_auc.low < 0.5 < lost.transferred_auc.high and lost.source_auc.low > 0.9


def test_an_unrelated_code_carries_as_much_as_shuffled_maps_do(rng: np.random.Generator) -> None:
    p_values = []
    for _ in range(60):
        x, target = concept(rng, 200)
        informative = np.hstack([target.signs[:, None] + rng.normal(size=(200, 1)), rng.normal(size=(200, 4))])
        y = informative[rng.permutation(200)]
        p_values.append(transfers(x, y, [target], rng=rng)[0][0].p_value)
    assert kstest(np.array(p_values) - rng.uniform(0, LEAST_P, 60), "uniform").pvalue > 0.002  # p comes in steps


def test_a_map_fitted_to_shuffled_rows_carries_nothing(rng: np.random.Generator) -> None:
    aucs = []
    for _ in range(30):
        x, target = concept(rng, 300)
        aucs.append(transfers(x, x @ rotation(rng, 5), [target], rng=rng)[0][0].shuffled.value)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.12)


@pytest.mark.filterwarnings("error")
def test_a_collapsed_code_gets_no_small_p(rng: np.random.Generator) -> None:
    still, moving = np.full((120, 4), 0.1, np.float32), rng.normal(size=(120, 3))
    for x, y in ((still, moving), (moving, still), (still, still)):
        measures = similarities(x, y, rng=rng, shuffles=19)
        assert [measure.p_value for measure in measures[:2]] == [1, 1] and [
            measure.value.value for measure in measures[:2]
        ] == [0, 0]
        for measure in measures[2:]:
            assert (
                np.isnan([measure.value.value, measure.shuffled, measure.p_value]).all() and measure.value.n == 120
            ), measure
    x, target = concept(rng, 200)
    (lost,), _ = transfers(x, np.ones((200, 3)), [target], rng=rng)
    assert lost.p_value == 1 and lost.transferred_auc.value == 0.5
    assert np.isnan(permutation_p(np.nan, np.zeros(19))) and permutation_p(0.0, np.full(19, np.nan)) == 1


def test_shuffled_maps_equal_single_fits(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, halves = rng.normal(size=(80, 3)), rng.normal(size=(80, 4)), (np.arange(50), np.arange(50, 80))
    signs, w = np.where(rng.random((80, 2)) < 0.5, 1, -1), rng.normal(size=(2, 3))
    signs[60, 0] = 0
    monkeypatch.setattr(similarity, "AT_ONCE", 250)
    aucs_by_shuffle = similarity._by_shuffled_maps(y, x[:50] @ w.T, halves, signs[50:], 5, np.random.default_rng(3))
    same_rng = np.random.default_rng(3)
    for aucs in aucs_by_shuffle:
        mixed = np.vstack([same_rng.permutation(x[:50] @ w.T), np.zeros((30, 2))])
        scores = similarity._map(y, mixed, halves[0])(y[50:])
        for i, value in enumerate(aucs):
            has_sign = signs[50:, i] != 0
            assert value == pytest.approx(auc(scores[has_sign, i], signs[50:][has_sign, i] > 0), abs=0.01)


def test_too_few_or_unequal_rows_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="at least 50 common rows"):
        similarities(np.ones((20, 2)), np.ones((20, 2)), rng=rng)
    with pytest.raises(AnalysisError, match="lengths differ"):
        similarities(np.ones((60, 2)), np.ones((61, 2)), rng=rng)
