"""Splits: a stratified fifth to test, a tenth of the rest to choose, the same for the same data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentgan.data.formats.arrays import from_arrays
from latentgan.data.splits import complete_split, official_split, stratified
from latentgan.errors import DataError

MARK = "ab" * 32


def test_a_fifth_of_every_class_is_test() -> None:
    labels = np.repeat([0, 1, -1], [500, 100, 400])
    split = complete_split(None, labels, MARK)
    for label, n in ((0, 500), (1, 100), (-1, 400)):
        assert (split[labels == label] == "test").sum() == n // 5
        assert (split[labels == label] == "validation").sum() == 2 * n // 25
    assert (split == "train").sum() == 720


def test_the_official_test_split_stays() -> None:
    official = np.array(["train"] * 100 + ["test"] * 30)
    split = complete_split(official, np.arange(130) % 2, MARK)
    assert (split[100:] == "test").all()
    assert (split[:100] == "validation").sum() == 10


def test_an_official_validation_split_is_kept() -> None:
    official = np.array(["train"] * 50 + ["validation"] * 7 + ["test"] * 9)
    np.testing.assert_array_equal(complete_split(official, np.zeros(66, int), MARK), official)


def test_the_same_data_always_split_the_same_way() -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 4, 4), dtype=np.uint8)
    first, second = (from_arrays(images, np.arange(200) % 4) for _ in range(2))
    np.testing.assert_array_equal(first.split, second.split)
    images[0, 0, 0] ^= 1
    assert not np.array_equal(from_arrays(images, np.arange(200) % 4).split, first.split)


def test_a_class_of_two_has_one_to_train_and_one_to_test() -> None:
    labels = np.array([0] * 20 + [1, 1])
    split = complete_split(None, labels, MARK)
    assert sorted(split[20:]) == ["test", "train"]


@given(st.lists(st.integers(-1, 6), min_size=2, max_size=200), st.floats(0.05, 0.5), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_stratified_rows_keep_class_shares(labels: list[int], share: float, seed: int) -> None:
    array = np.array(labels)
    chosen = stratified(array, share, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == len(chosen) == round(share * len(array))
    for label in set(labels):
        assert abs((array[chosen] == label).sum() - share * (array == label).sum()) <= 1


def test_a_word_that_is_no_split_is_named_with_its_row() -> None:
    np.testing.assert_array_equal(official_split(np.array(["Train", "val"]), 2, "x"), ["train", "validation"])
    with pytest.raises(DataError, match="'holdout' in row 1"):
        official_split(np.array(["train", "holdout"]), 2, "x.npz")
