"""Maps and reconstructions: the figures beside them, against scikit-learn and by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis.base.decoding import derangement, reconstruction_error, shrink
from analysis.errors import AnalysisError
from analysis.projection.projection import (
    latent_map,
    neighbour_accuracy,
    place,
    row_trustworthiness,
    shared_labels,
    trustworthiness,
)
from analysis.reconstruction.reconstruction import pca_ratio, reconstruction_result


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def test_trustworthiness_is_scikit_learns(rng: np.random.Generator) -> None:
    from sklearn.manifold import trustworthiness

    codes, xy = rng.normal(size=(300, 8)), rng.normal(size=(300, 2))
    xy[:150] = codes[:150, :2]
    for k in (1, 7, 30):
        assert row_trustworthiness(codes, xy, k=k).mean() == pytest.approx(
            trustworthiness(codes, xy, n_neighbors=k), abs=1e-6
        )
    with pytest.raises(AnalysisError, match="more than 400 rows"):
        row_trustworthiness(codes, xy, k=200)


def test_a_plane_is_mapped_without_loss(rng: np.random.Generator) -> None:
    plane = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 9))
    labels = (plane[:, 0] > 0).astype(np.int64)
    labels[:40] = -1
    placed = latent_map(plane, rng=rng, method="pca", labels=labels)
    assert placed.trustworthiness.value > 0.999 and placed.shuffled_trustworthiness == pytest.approx(0.5, abs=0.05)
    assert sum(placed.explained) == pytest.approx(1) and placed.accuracy is not None and placed.accuracy.n == 360
    assert placed.full_accuracy is not None and placed.accuracy.value == pytest.approx(
        placed.full_accuracy.value, abs=0.03
    )
    assert np.array_equal(place(plane, method="pca")[0], placed.xy)


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_a_code_of_one_number_is_drawn(rng: np.random.Generator, method: str) -> None:
    placed = latent_map(rng.normal(size=(200, 1)), rng=rng, method=method)
    assert placed.xy.shape == (200, 2) and np.isfinite(placed.xy).all() and placed.trustworthiness.value > 0.97
    with pytest.raises(AnalysisError, match="all 60 codes are one and the same point"):
        latent_map(np.ones((60, 3)), rng=rng, method=method)
    with pytest.raises(AnalysisError, match="codes 60, labels 5"):
        latent_map(rng.normal(size=(60, 3)), rng=rng, method=method, labels=np.zeros(5, np.int64))


def test_maps_of_one_column_or_few_rows(rng: np.random.Generator) -> None:
    assert latent_map(rng.normal(size=(30, 1)), rng=rng, method="pca").xy.shape == (30, 2)
    with pytest.raises(AnalysisError, match="needs at least 30 rows"):
        place(rng.normal(size=(20, 3)), method="umap")
    with pytest.raises(AnalysisError, match="unknown map 'tsne'"):
        place(rng.normal(size=(20, 3)), method="tsne")


def test_umap_separates_clusters_repeatably() -> None:
    code = (
        "import numpy as np; from analysis.projection.projection import latent_map\n"
        "rng = np.random.default_rng(0); y = np.arange(60) % 3\n"
        "x = rng.normal(size=(60, 6)) + 12 * np.eye(3, 6)[y]\n"
        "a, b = (latent_map(x, rng=np.random.default_rng(0), labels=y, seed=4, epochs=30) for _ in range(2))\n"
        "assert np.array_equal(a.xy, b.xy) and a.accuracy.value == 1 and a.trustworthiness.value > 0.9\n"
    )
    root = Path(__file__).parents[2]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_errors_are_norms_an_image(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 5, 3, 4, 2), dtype=np.float32)
    by_hand = [np.sqrt(((a - b) ** 2).sum()) for a, b in zip(x, y, strict=True)]
    assert reconstruction_error(x, y) == pytest.approx(np.array(by_hand), rel=1e-5)
    order = np.array([1, 2, 3, 4, 0])
    assert reconstruction_error(x, y, order=order)[0] == pytest.approx(np.linalg.norm(x[0] - y[1]), rel=1e-5)


def test_nobody_keeps_a_place_in_shuffled_pairs(rng: np.random.Generator) -> None:
    for n in (2, 3, 50):
        order = derangement(n, rng=rng)
        assert sorted(order.tolist()) == list(range(n)) and (order != np.arange(n)).all()
    with pytest.raises(AnalysisError, match="at least 2"):
        derangement(1, rng=rng)


def test_reconstruction_ratios_go_from_0_to_1(rng: np.random.Generator) -> None:
    images = rng.random((400, 4, 4, 1), dtype=np.float32)
    rows = np.arange(400) + 1000
    perfect = reconstruction_result(images, images, rows, rng=rng)
    assert perfect.ratio.value == 0
    useless = reconstruction_result(images, rng.permutation(images), rows, rng=rng)
    assert useless.ratio.low < 1 < useless.ratio.high and useless.ratio.half < 0.05


def test_best_typical_and_worst_are_shown(rng: np.random.Generator) -> None:
    images = np.zeros((30, 2, 2, 1), np.float32)
    made = images + np.linspace(0, 0.9, 30, dtype=np.float32)[:, None, None, None]
    labels = np.arange(30) % 3
    result = reconstruction_result(
        images, made, np.arange(30), rng=rng, shown=4, labels=np.where(labels == 2, -1, labels), classes=("a", "b", "c")
    )
    assert result.shown[0].tolist() == [0, 1, 2, 3] and result.shown[2].tolist() == [29, 28, 27, 26]
    assert set(result.shown[1].tolist()) <= set(range(12, 18)) and result.groups.tolist() == [
        "best",
        "typical",
        "worst",
    ]
    assert result.shown_errors[2, 0] == pytest.approx(result.errors[29]) and result.originals.shape == (3, 4, 2, 2, 1)
    assert np.isnan(result.by_class).tolist() == [False, False, True]


def test_a_pca_is_measured_by_the_same_ruler(rng: np.random.Generator) -> None:
    images, _, split = table_maker.digits()
    train, test = images[split == "train"], images[split == "test"]
    model = table_maker.digits_model(10)
    ours = pca_ratio(train.reshape(len(train), -1), test, 10, rng=rng).figure
    theirs = reconstruction_result(test, model.decode(model.encode(test)), np.arange(len(test)), rng=rng).ratio
    assert ours.value == pytest.approx(theirs.value, abs=0.02) and 0.2 < ours.value < 0.6


def test_images_shrink_by_areas(rng: np.random.Generator) -> None:
    images = rng.random((2, 6, 9, 3), dtype=np.float32)
    by_hand = images.reshape(2, 3, 2, 3, 3, 3).mean((2, 4))
    assert shrink(images, (3, 3, 3)) == pytest.approx(by_hand, abs=1e-6)
    assert shrink(images, (4, 5, 3)).mean((1, 2)) == pytest.approx(images.mean((1, 2)), abs=1e-6)
    with pytest.raises(AnalysisError, match="6 × 9 × 3"):
        shrink(images, (3, 3, 1))


def test_chance_is_the_share_of_equal_labels() -> None:
    assert shared_labels(np.array([0, 0, 1, -1])) == pytest.approx(1 / 3)
    labels = np.repeat([0, 1], [199, 1])
    assert shared_labels(labels) == pytest.approx(198 / 200)
    placed = latent_map(
        np.random.default_rng(0).normal(size=(200, 3)), rng=np.random.default_rng(0), method="pca", labels=labels
    )
    assert placed.chance == shared_labels(labels) and placed.accuracy is not None
    assert placed.accuracy.low < placed.chance < placed.accuracy.high


def test_a_perfect_map_has_an_interval(rng: np.random.Generator) -> None:
    trust = trustworthiness(plane := rng.normal(size=(100, 2)), plane, k=5, rng=rng)
    assert trust.value == trust.high == 1
    assert 0.9 < trust.low < 1


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["trustworthiness", "on the map"])
def test_intervals_of_maps_hold_other_means(figure: str, rng: np.random.Generator) -> None:
    centres, intervals = rng.normal(size=(5, 8)), []
    for _ in range(80):
        labels = rng.integers(0, 5, 200)
        codes = rng.normal(size=(200, 8)) + centres[labels]
        xy = place(codes, method="pca")[0]
        of_codes = figure == "trustworthiness"
        intervals.append(
            trustworthiness(codes, xy, k=15, rng=rng) if of_codes else neighbour_accuracy(xy, labels, rng=rng)
        )
    mean = np.mean([interval.value for interval in intervals])
    assert np.mean([interval.low <= mean <= interval.high for interval in intervals]) >= 0.9


def test_a_map_leaves_pytorchs_threads_alone() -> None:
    """A model that was trained after a map was drawn had other last bits than one trained before."""
    code = (
        "import numpy as np, torch; from analysis.projection.projection import place\n"
        "torch.set_num_threads(1); assert torch.get_num_threads() == 1\n"  # asked once, it is set up once and for all
        "place(np.random.default_rng(0).normal(size=(300, 10)), method='umap', epochs=5)\n"
        "assert torch.get_num_threads() == 1, torch.get_num_threads()\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
