"""Categorical codes against labels: planted assignments with a known error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.base.clustering_scores import contingency
from analysis.code_parts.categorical import match_by_confidence, match_categories, match_one_to_one, most_confident


def planted(rng: np.random.Generator, n: int, wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Categories 2, 0, 1 for labels 0, 1, 2; the first `wrong` rows have the category of the next label."""
    labels = np.arange(n) % 3
    shown = labels.copy()
    shown[:wrong] = (labels[:wrong] + 1) % 3
    order = rng.permutation(n)
    return np.array([2, 0, 1])[shown][order], labels[order]


def test_a_permutation_of_labels_is_matched():
    rng = np.random.default_rng(0)
    found = match_categories(planted(rng, 300, 30), planted(rng, 500, 45), categories=3)
    assert found.names.tolist() == [1, 2, 0] and found.rule == "one to one"
    assert found.accuracy.value == 1 - 45 / 500 and found.accuracy.n == 500 and found.n_matched == 300


def test_the_assignment_is_the_best_of_all_permutations():
    rng = np.random.default_rng(1)
    categories, labels = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    best = max(np.mean(np.array(p)[categories] == labels) for p in itertools.permutations(range(4)))
    assert match_categories((categories, labels), (categories, labels), categories=4).accuracy.value == best


def test_spare_categories_take_the_majority_label():
    categories, labels = np.array([0, 0, 1, 1, 1, 3]), np.array([0, 0, 1, 1, 0, 1])
    found = match_categories((categories, labels), (categories, labels), categories=4)
    assert found.names.tolist() == [0, 1, -1, 1] and found.rule == "majority"
    assert found.accuracy.value == 5 / 6


def test_names_are_chosen_on_other_rows_than_those_judged():
    found = match_categories((np.array([0, 1]), np.array([0, 1])), (np.array([0, 1]), np.array([1, 0])), categories=2)
    assert found.accuracy.value == 0


def test_rows_without_a_label_are_left_out():
    counts = contingency(np.array([0, 1, 1]), np.array([0, -1, 1]), rows=2, columns=2)
    assert counts.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(AnalysisError, match="no labelled rows to score"):
        match_categories((np.array([0]), np.array([0])), (np.array([0]), np.array([-1])), categories=1)


def planted_scores() -> tuple[np.ndarray, np.ndarray]:
    """Rows of four categories: 0 is of label 2 but for its surest row, 1 of 0, 2 of 1; 3 is the largest of no row."""
    scores = np.full((40, 4), 0.1)
    labels = np.repeat([2, 0, 1, 1], 10)
    scores[np.arange(40), np.repeat([0, 1, 2, 2], 10)] = 0.6
    scores[3, 0], labels[3] = 0.7, 1
    scores[15, 3] = 0.2
    return scores, labels


def test_most_confident_row_names_a_category():
    scores, labels = planted_scores()
    chosen = scores.argmax(1)
    found = match_by_confidence((scores, labels), (chosen, labels))
    assert found.names.tolist() == [1, 0, 1, 0]  # category 3 by row 15, though that is of category 1
    assert found.rule == "most confident" and found.n_matched == 40
    assert found.accuracy.value == 31 / 40 and found.accuracy.n == 40  # the nine others of category 0 are of label 2
    majority = match_categories((chosen, labels), (chosen, labels), categories=4)
    assert majority.names.tolist() == [2, 0, 1, -1] and majority.accuracy.value == 39 / 40


def test_row_order_names_no_category_at_ties():
    """Of 300 rows at exactly 1.0 in float32 the surest is known from what it leaves to the others."""
    rng = np.random.default_rng(0)
    labels, logits = np.arange(300) % 3, np.zeros((300, 3), np.float32)
    logits[np.arange(300), labels] = 20 + 10 * rng.random(300)
    wrong = [int(np.flatnonzero(labels == k)[0]) for k in range(3)]
    logits[wrong, range(3)] = 40
    labels[wrong] = [1, 2, 0]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert scores.dtype == np.float32 and (scores == 1).sum() > 250
    for _ in range(5):
        order = rng.permutation(300)
        found = match_by_confidence((scores[order], labels[order]), (scores.argmax(1), labels))
        assert found.names.tolist() == [1, 2, 0]


def test_undivided_rows_take_the_commonest_label():
    scores = np.eye(3)[[0, 0, 0, 0, 0, 1, 1, 1, 1, 2]]
    labels = np.array([2, 1, 2, 0, -1, 1, 2, 2, 1, 0])  # 2 twice of four; 1 and 2 as often; 0
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(10)
        found = match_by_confidence((scores[order], labels[order]), (scores.argmax(1), labels))
        assert found.names.tolist() == [2, 1, 0]


def test_a_category_without_rows_gets_no_name():
    chosen, labels = np.repeat([0, 1, 1], 10), np.repeat([2, 0, 1], 10)
    for found in (
        match_categories((chosen, labels), (chosen, labels), categories=3),
        match_one_to_one((chosen, labels), (chosen, labels), categories=3),
    ):
        assert found.rule == "one to one" and found.names[0] == 2 and found.names[2] == -1
        assert found.accuracy.value == 20 / 30


def test_a_row_without_a_label_names_nothing_and_is_not_judged():
    scores, labels = planted_scores()
    labels[3] = -1
    found = match_by_confidence((scores, labels), (scores.argmax(1), labels))
    assert found.names.tolist() == [2, 0, 1, 0] and found.n_matched == found.accuracy.n == 39
    assert found.accuracy.value == 1
    with pytest.raises(AnalysisError, match="no labelled rows to choose names on"):
        match_by_confidence((scores, np.full(40, -1)), (scores.argmax(1), labels))


def test_names_are_scored_on_other_rows():
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = match_by_confidence((scores, np.array([0, 1])), (np.array([0, 1]), np.array([1, 0])))
    assert found.accuracy.value == 0


def test_the_surest_rows_of_a_category_are_those_that_are_of_it():
    scores, _ = planted_scores()
    found = most_confident(scores, 12)
    assert found[0, 0] == 3 and sorted(found[0, :10].tolist()) == list(range(10)) and (found[0, 10:] == -1).all()
    assert len(set(found[2].tolist())) == 12 and (found[2] >= 20).all()
    assert (found[3] == -1).all()


def test_one_to_one_counts_spare_clusters_as_wrong():
    clusters = np.repeat([0, 1, 2, 3], [30, 20, 40, 10])
    labels = np.repeat([0, 0, 1, 1], [30, 20, 40, 10])
    found = match_one_to_one((clusters, labels), (clusters, labels), categories=4)
    assert found.names.tolist() == [0, -1, 1, -1] and found.rule == "one to one"
    assert found.accuracy.value == 0.7 and found.accuracy.n == found.n_matched == 100
    assert match_categories((clusters, labels), (clusters, labels), categories=4).accuracy.value == 1
