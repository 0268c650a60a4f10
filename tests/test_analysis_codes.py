"""Categorical codes against labels: planted assignments with a known error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.codes import contingency, match_categories


def planted(rng: np.random.Generator, n: int, wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Categories 2, 0, 1 for labels 0, 1, 2; the first `wrong` rows have the category of the next label."""
    labels = np.arange(n) % 3
    shown = labels.copy()
    shown[:wrong] = (labels[:wrong] + 1) % 3
    order = rng.permutation(n)
    return np.array([2, 0, 1])[shown][order], labels[order]


def test_a_permutation_of_the_labels_is_found_and_its_errors_are_counted():
    rng = np.random.default_rng(0)
    found = match_categories(planted(rng, 300, 30), planted(rng, 500, 45), categories=3)
    assert found.names.tolist() == [1, 2, 0] and found.rule == "one to one"
    assert found.accuracy.value == 1 - 45 / 500 and found.accuracy.n == 500 and found.n_matched == 300


def test_the_assignment_is_the_best_of_all_permutations():
    rng = np.random.default_rng(1)
    categories, labels = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    best = max(np.mean(np.array(p)[categories] == labels) for p in itertools.permutations(range(4)))
    assert match_categories((categories, labels), (categories, labels), categories=4).accuracy.value == best


def test_more_categories_than_labels_take_the_majority_and_empty_ones_no_name():
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
    with pytest.raises(AnalysisError, match="no labelled rows to judge"):
        match_categories((np.array([0]), np.array([0])), (np.array([0]), np.array([-1])), categories=1)
