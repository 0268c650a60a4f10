"""The classifier of edits: it learns planted columns from real training images, says nothing of chance, and is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.errors import DataError
from latentgan.evaluation.attribute_classifier import (
    MIN_ROWS_PER_VALUE,
    Head,
    find_heads,
    open_attribute_classifier,
    train_attribute_classifier,
)
from latentgan.inference.table_writer import attribute_columns

STEPS = 120


def planted(n: int = 500, size: int = 8) -> ImageSource:
    """The left half is as bright as `ink` says, the top row is `bold`, the right half the class; `luck` is nowhere."""
    rng = np.random.default_rng(0)
    ink, bold, label = rng.random(n), rng.random(n) < 0.5, rng.integers(0, 3, n)
    images = np.zeros((n, size, size, 1))
    images[:, :, : size // 2] = ink[:, None, None, None]
    images[:, :, size // 2 :] = (label / 2)[:, None, None, None]
    images[:, 0] = bold[:, None, None]
    images = np.clip(images + 0.03 * rng.normal(size=images.shape), 0, 1)
    columns = {"ink": 10 + 4 * ink, "bold": bold, "luck": rng.normal(size=n), "font": np.where(bold, "Serif", "Sans")}
    columns["ink"][::9] = np.nan
    split = np.where(np.arange(n) < 400, "train", "test")
    return from_arrays((255 * images).astype(np.uint8), label, attributes=columns, split=split, name="planted")


@pytest.fixture(scope="module")
def source() -> ImageSource:
    return planted()


@pytest.fixture(scope="module")
def heads(source: ImageSource) -> list[tuple[Head, str]]:
    return find_heads(source, attribute_columns(source, ()))


def test_planted_columns_are_learned_not_chance(source: ImageSource, heads: list[tuple[Head, str]]) -> None:
    classifier = train_attribute_classifier(source, heads, steps=STEPS)
    assert classifier.names == ("label: 0", "label: 1", "label: 2", "ink", "bold", "luck", "font: Sans", "font: Serif")
    test = source.rows("test")
    scores, classes = classifier(source.images[test])
    truth = np.hstack([head.truths(source, name, test) for head, name in heads])
    assert scores.shape == truth.shape and (classes == source.labels[test]).mean() > 0.95
    np.testing.assert_allclose(scores[:, :3].sum(1), 1)
    assert ((scores[:, 4] > 0.5) == truth[:, 4]).mean() > 0.95 and ((scores[:, 7] > 0.5) == truth[:, 7]).mean() > 0.95
    has_value = np.isfinite(truth[:, 3])
    assert not has_value.all() and np.corrcoef(scores[has_value, 3], truth[has_value, 3])[0, 1] > 0.95
    assert 10 < scores[:, 3].mean() < 14, "in the column's own unit"
    assert abs(np.corrcoef(scores[:, 5], truth[:, 5])[0, 1]) < 0.35
    floats, same = classifier(source.images[test].astype(np.float32) / 255)
    np.testing.assert_allclose(floats, scores, atol=1e-4)
    assert (same == classes).all()


def test_only_train_rows_are_learned_from(source: ImageSource, heads: list[tuple[Head, str]]) -> None:
    images = source.images.copy()
    images[source.rows("test")] = 0
    other = replace(source, images=images, labels=np.where(source.split == "test", 0, source.labels))
    state, other_state = (
        train_attribute_classifier(training_set, heads, steps=3).network.state_dict()
        for training_set in (source, other)
    )
    assert all((state[name] == other_state[name]).all() for name in state)


def test_a_stored_classifier_is_used_again(source: ImageSource, heads: list[tuple[Head, str]], tmp_path: Path) -> None:
    classifier, trained = open_attribute_classifier(tmp_path, source, heads, steps=5)
    stored, anew = open_attribute_classifier(tmp_path, source, heads, steps=5)
    assert trained and not anew
    assert {path.name for path in tmp_path.iterdir()} == {
        "attribute_classifier.json",
        "attribute_classifier.safetensors",
    }
    np.testing.assert_array_equal(classifier(source.images[:9])[0], stored(source.images[:9])[0])
    swapped = replace(source, labels=(source.labels + 1) % 3)
    for changed in ({"source": swapped}, {"heads": heads[:2]}, {"steps": 6}, {"seed": 1}):
        given = {"source": source, "heads": heads, "steps": 5, "seed": 0} | changed
        assert open_attribute_classifier(tmp_path, **given)[1], f"another {list(changed)} needs another classifier"  # type: ignore[arg-type]
    weights = tmp_path / "attribute_classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    assert open_attribute_classifier(tmp_path, source, heads, steps=6, seed=1)[1], "a damaged one is trained again"


def test_small_images_have_a_classifier_too() -> None:
    source = planted(120, size=10)
    classifier = train_attribute_classifier(source, find_heads(source, {}), steps=3)
    assert classifier(source.images[:4])[0].shape == (4, 3)


def test_columns_that_nobody_can_learn_have_no_head(source: ImageSource) -> None:
    n = len(source)
    rare = np.full(n, None, object)
    rare[: MIN_ROWS_PER_VALUE - 1] = "seldom"
    unlearnable = replace(
        source,
        attributes={"flat": np.ones(n), "rare": rare, "empty": np.full(n, np.nan)},
        attribute_kinds={"flat": "numeric", "rare": "text", "empty": "boolean"},
        labels=np.full(n, -1),
    )
    assert find_heads(unlearnable, attribute_columns(unlearnable, ())) == []
    with pytest.raises(DataError, match="no label and no attribute"):
        train_attribute_classifier(unlearnable, [])
    unlabelled = replace(source, labels=np.full(n, -1))
    classifier = train_attribute_classifier(unlabelled, find_heads(unlabelled, {"bold": "bold"}), steps=3)
    assert classifier(source.images[:5])[1].tolist() == [-1] * 5
