"""Fidelity: second formulas agree, nothing is found where nothing differs, planted faults show in the right figure."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch_fidelity_figures as reference
from scipy.linalg import sqrtm

from analysis.errors import AnalysisError
from analysis.fidelity.distances import (
    compare_samples,
    frechet_distance,
    frechet_interval,
    kernel_distance,
    kernel_interval,
    manifold_scores,
    warnings_of,
)
from analysis.fidelity.memorization import copying, count_modes, duplicate_threshold, duplicates


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_of_what_has_none_are_one_sentence(rng: np.random.Generator, distance: Any) -> None:
    x = rng.normal(size=(30, 4))
    unknown = np.where(np.arange(30)[:, None] == 3, np.nan, x)
    for first, second, message in (
        (x[:1], x, "needs 2 rows on either side, not 1 and 30"),
        (x, x[:1], "needs 2 rows on either side, not 30 and 1"),
        (x, x[:, :3], "the first have 4, not 3"),
        (x, unknown, "the second set of rows has values that are not finite in 1 of 30 rows, first in row 3"),
        (x[:, 0], x[:, 0], r"the first set of rows must be \(rows, columns\)"),
    ):
        with pytest.raises(AnalysisError, match=message):
            distance(first, second)
    assert np.isfinite(distance(x[:2].tolist(), x[:2]))


def test_frechet_distance_is_that_of_the_matrix_root(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8))
    y = rng.normal(size=(250, 8)) @ rng.normal(size=(8, 8)) + 1
    first_covariance, second_covariance = np.cov(x.T), np.cov(y.T)
    root = sqrtm(first_covariance @ second_covariance).real
    by_hand = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(first_covariance + second_covariance - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(by_hand, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_fewer_rows_than_columns(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 50)), rng.normal(size=(30, 50)) + 0.5
    first_covariance, second_covariance = np.cov(x.T) + 1e-9 * np.eye(50), np.cov(y.T) + 1e-9 * np.eye(50)
    by_hand = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(
        first_covariance + second_covariance - 2 * sqrtm(first_covariance @ second_covariance).real
    )
    assert frechet_distance(x, y) == pytest.approx(by_hand, rel=1e-3)


def test_kernel_distance_is_that_of_naive_loops(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(7, 4)) + 1

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 4 + 1) ** 3)

    within = [np.mean([k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]) for z in (x, y)]
    by_hand = within[0] + within[1] - 2 * np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(by_hand, rel=1e-9)


def test_manifold_scores_are_those_of_naive_loops(rng: np.random.Generator) -> None:
    x, y, k = rng.normal(size=(40, 2)), rng.normal(size=(30, 2)) * 1.5, 3
    radius = [[sorted(np.linalg.norm(a - b) for b in z)[k] for a in z] for z in (x, y)]
    inside = [[np.linalg.norm(b - a) <= r for a, r in zip(x, radius[0], strict=True)] for b in y]
    precision = np.mean([any(row) for row in inside])
    density, coverage = np.mean([sum(row) for row in inside]) / k, np.mean(np.any(inside, axis=0))
    recall = np.mean([any(np.linalg.norm(a - b) <= r for b, r in zip(y, radius[1], strict=True)) for a in x])
    scores = manifold_scores(x, y, k=k, rng=rng)
    assert [score.value for score in scores] == pytest.approx([precision, recall, density, coverage])


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_copy_of_rows_that_repeat_is_all_covered(offset: float, rng: np.random.Generator) -> None:
    real = rng.integers(0, 2, size=(300, 6)) / 10 + offset * rng.integers(0, 2, size=(300, 1))
    precision, recall, _, coverage = manifold_scores(real, rng.permutation(real), rng=rng)
    assert precision.value == recall.value == coverage.value == 1


PRINTED = json.loads((Path(__file__).parents[1] / "helpers" / "torch_fidelity.json").read_text(encoding="utf-8"))[
    "figures"
]
"""What torch-fidelity said of `reference.features()`."""


@pytest.mark.parametrize("name", PRINTED)
def test_distances_and_shares_are_torch_fidelitys(name: str, rng: np.random.Generator) -> None:
    real, fake = reference.features()[name]
    drawn = [kernel_distance(real[i], fake[j]) for i, j in reference.subsets(len(real))]
    ours = {
        "frechet": frechet_distance(real, fake),
        f"kernel, 1 × {len(real)}": kernel_distance(real, fake),
        f"kernel, {reference.SUBSETS} × {reference.SUBSET}": float(np.mean(drawn)),
    }
    for k in reference.NEIGHBOURS:
        precision, recall, *_ = manifold_scores(real, fake, k=k, rng=rng)
        ours |= {f"precision, k = {k}": precision.value, f"recall, k = {k}": recall.value}
    assert ours == pytest.approx(PRINTED[name], rel=1e-5)
    interval = kernel_interval(real, fake, rng=rng, subset=reference.SUBSET)[0]
    assert interval.low < PRINTED[name][f"kernel, 1 × {len(real)}"] < interval.high, "subsets of our own draw"


@pytest.mark.skipif(not find_spec("torch_fidelity"), reason="torch-fidelity is not installed")
def test_torch_fidelity_says_what_was_printed() -> None:
    for name, figures in reference.figures().items():
        assert figures == pytest.approx(PRINTED[name], rel=1e-5)


def test_two_samples_of_one_distribution_are_at_no_distance(rng: np.random.Generator) -> None:
    frechet = [frechet_interval(*rng.normal(size=(2, 400, 10)), rng=rng) for _ in range(40)]
    assert np.mean([interval.low <= 0 <= interval.high for interval in frechet]) >= 0.8
    assert (
        abs(np.mean([interval.value for interval in frechet])) < 0.02 < frechet_distance(*rng.normal(size=(2, 400, 10)))
    )
    kernel = [kernel_interval(*rng.normal(size=(2, 400, 10)), rng=rng)[0] for _ in range(40)]
    assert np.mean([interval.low <= 0 <= interval.high for interval in kernel]) >= 0.85
    same = compare_samples(*rng.normal(size=(2, 1500, 10)), rng=rng)
    assert all(0.85 < interval.value <= 1.05 for interval in (same.precision, same.recall, same.density, same.coverage))


def test_a_known_distance_is_in_its_interval(rng: np.random.Generator) -> None:
    truth = 5 * 0.5**2 + 5 * (1.5 - 1) ** 2
    intervals = [
        frechet_interval(rng.normal(size=(600, 5)), rng.normal(size=(600, 5)) * 1.5 + 0.5, rng=rng) for _ in range(40)
    ]
    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) >= 0.8
    assert np.mean([interval.value for interval in intervals]) == pytest.approx(truth, rel=0.03)


def test_dropped_modes_cost_recall_and_noise_costs_precision(rng: np.random.Generator) -> None:
    centres = 8 * np.eye(4)
    real = centres[rng.integers(0, 4, 1200)] + rng.normal(size=(1200, 4))
    dropped = centres[rng.integers(0, 2, 1200)] + rng.normal(size=(1200, 4))
    noisy = np.concatenate([real[:600], 30 + rng.normal(size=(600, 4))]) + 0.01 * rng.normal(size=(1200, 4))
    lost, wild = compare_samples(real, dropped, rng=rng), compare_samples(real, noisy, rng=rng)
    assert lost.precision.value > 0.9 and lost.recall.value == pytest.approx(0.5, abs=0.06)
    assert lost.coverage.value < 0.55 and wild.precision.value == pytest.approx(0.5, abs=0.05)
    assert lost.frechet.low > 1 and lost.kernel.low > 0


def test_rotation_and_order_change_nothing(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(300, 5)), rng.normal(size=(300, 5)) * 1.3
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert frechet_distance(x @ turn, rng.permutation(y) @ turn) == pytest.approx(frechet_distance(x, y))
    assert kernel_distance(x @ turn, rng.permutation(y) @ turn) == pytest.approx(kernel_distance(x, y))
    plain, turned = (manifold_scores(x @ t, y @ t, rng=rng) for t in (np.eye(5), turn * 3))
    assert [score.value for score in turned] == pytest.approx([score.value for score in plain], abs=0.005)


def test_too_few_rows_are_warned_of_and_subsets_fit(rng: np.random.Generator) -> None:
    distances = compare_samples(*rng.normal(size=(2, 60, 80)), rng=rng)
    assert distances.subset == 15 and any("singular" in note for note in warnings_of(distances))
    assert any("subsets of 15 rows" in note for note in warnings_of(distances))
    assert warnings_of(compare_samples(*rng.normal(size=(2, 4000, 3)), rng=rng)) == []
    with pytest.raises(AnalysisError, match="at least 50 rows"):
        compare_samples(np.ones((60, 2)), np.ones((20, 2)), rng=rng)
    with pytest.raises(AnalysisError, match="2 columns of real rows, 3 of samples"):
        compare_samples(np.ones((60, 2)), np.ones((60, 3)), rng=rng)


def test_copies_of_training_rows_are_found_and_new_rows_are_not(rng: np.random.Generator) -> None:
    train, held = rng.normal(size=(800, 6)), rng.normal(size=(400, 6))
    honest = [copying(rng.normal(size=(200, 6)), train, rng.normal(size=(200, 6))).closer for _ in range(80)]
    assert np.mean([interval.low <= 0.5 <= interval.high for interval in honest]) >= 0.88
    mixed = np.concatenate([train[:100] + 0.01, rng.normal(size=(300, 6))])
    copies = copying(mixed, train, held)
    assert copies.closer.low > 0.55 and 100 <= copies.copies < 115 and copies.samples == 400
    assert (copies.nearest[:10] == copies.sample_rows[:10]).all()
    off = copying(rng.normal(size=(300, 6)) * 3, train, held)
    assert off.closer.high < 0.2 and off.ratio.low > 1.5


@pytest.mark.parametrize("modes", [20, 300])
def test_planted_modes_are_counted(modes: int, rng: np.random.Generator) -> None:
    centres = rng.normal(size=(modes, 8)) * 5
    intervals = []
    for _ in range(20):
        rows = centres[rng.integers(modes, size=400)] + 0.01 * rng.normal(size=(400, 8))
        intervals.append(count_modes(rows, threshold=0.5).number)
    assert np.mean([interval.low <= modes <= interval.high for interval in intervals]) >= 0.85
    assert np.median([interval.value for interval in intervals]) == pytest.approx(modes, rel=0.15)


def test_new_real_rows_seldom_seem_to_repeat(rng: np.random.Generator) -> None:
    repeats = []
    for _ in range(100):
        held, train, new = rng.normal(size=(3, 300, 4))
        at = duplicate_threshold(held)
        number, other = count_modes(new, threshold=at).number, duplicates(train, threshold=at)
        assert other.share.low <= other.share.value <= other.share.high and other.rows == 300
        repeats.append(1 / number.high > other.share.high)
    assert np.mean(repeats) <= 0.05


def test_equal_rows_are_duplicates_at_a_threshold_of_zero(rng: np.random.Generator) -> None:
    rows = (rng.normal(size=(30, 8)) * 3 + 100)[np.arange(300) % 30]
    assert count_modes(rows, threshold=0.0).pairs == 30 * 45


def test_rows_that_all_differ_have_no_upper_bound(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(300, 10))
    estimate = count_modes(rows, threshold=duplicate_threshold(rng.normal(size=(300, 10))) / 2)
    assert estimate.pairs <= 1 and np.isinf(estimate.number.high) and estimate.number.low > 1000


@pytest.mark.slow
@pytest.mark.parametrize("figure", range(4), ids=["precision", "recall", "density", "coverage"])
def test_intervals_of_shares_hold_the_mean_of_others(figure: int, rng: np.random.Generator) -> None:
    intervals = []
    for _ in range(80):
        real, fake = rng.normal(size=(2, 150, 6))
        intervals.append(manifold_scores(real, 0.8 * fake + 0.2, rng=rng)[figure])
    mean = np.mean([interval.value for interval in intervals])
    assert np.mean([interval.low <= mean <= interval.high for interval in intervals]) >= 0.9
