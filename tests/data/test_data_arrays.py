"""Arrays in memory, .npy and .npz: ranges, axes, labels and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentgan
from latentgan.data.batches import Batches
from latentgan.data.formats.arrays import from_arrays, from_dataset, from_points
from latentgan.data.load import load_source
from latentgan.data.synthetic import shapes
from latentgan.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (40, 6, 6), dtype=np.uint8)
LABELS = np.arange(40) % 4


def refused(*arguments: Any, **options: Any) -> str:
    call = load_source if isinstance(arguments[0], Path) else from_arrays
    with pytest.raises(DataError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_digits_need_nothing_from_anywhere() -> None:
    source = load_source("digits")
    assert len(source) == 1797 and source.spec.shape == (1, 8, 8) and source.images.max() == 255
    assert source.spec.classes == tuple("0123456789")
    assert load_source("digits").fingerprint == source.fingerprint
    assert "1,797 images of 8 × 8 × 1" in source.summary


@pytest.mark.parametrize("scale", [255, 1])
def test_floats_on_either_scale_give_the_same_bytes(scale: int) -> None:
    np.testing.assert_array_equal(from_arrays(BYTES / 255 * scale).images[..., 0], BYTES)


def test_booleans_are_black_and_white() -> None:
    assert set(np.unique(from_arrays(BYTES > 127).images)) == {0, 255}


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (BYTES / 127.5 - 1, "brings [-1, 1] to [0, 1]"),
        (BYTES * 3.0, "values from 0 to 765"),
        (BYTES / 255 * 16.0, "divide by 16"),
        ((BYTES > 127).astype(int), "multiply by 255"),
        (BYTES.astype(np.uint16) * 256, "65280"),
        (BYTES / 255 * 1.04, "clip them to [0, 1]"),
        (BYTES.astype(complex), "not numbers"),
        (BYTES.astype("U3"), "not numbers"),
        (BYTES.reshape(40, 36), ".reshape(-1, 6, 6)"),
        (BYTES[0, 0], "images are (n, height, width)"),
        (BYTES.reshape(40, 6, 3, 2), "must come last"),
        (BYTES[:0], "no images"),
        (BYTES[:1], "1 image"),
        (np.zeros((9, 4, 4)), "every pixel of all 9 images is 0"),
        (np.full((9, 4, 4), 200, np.uint8), "every pixel of all 9 images is 200"),
        (np.repeat(BYTES[:1], 9, axis=0), "all 9 images are the same"),
    ],
)
def test_images_that_cannot_be_meant_are_refused(images: np.ndarray, says: str) -> None:
    assert says in refused(images)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_with_its_row(value: float) -> None:
    images = BYTES / 255
    images[17, 2, 3] = value
    assert f"image 17 holds {value}" in refused(images)


def test_dark_bytes_are_said_but_not_refused() -> None:
    assert any("very dark" in note for note in from_arrays(BYTES // 16).notes)


def test_channels_may_come_first_or_last() -> None:
    colours = RNG.integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
    first = from_arrays(colours.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(first.images, colours)
    clear = np.concatenate([colours, np.zeros((20, 6, 6, 1), np.uint8)], axis=3)
    clear[0, ..., 3] = 255
    laid = from_arrays(clear)
    np.testing.assert_array_equal(laid.images[0], colours[0])
    assert (laid.images[1:] == 255).all() and any("opacity" in note for note in laid.notes)


def test_labels_may_be_texts_numbers_or_missing() -> None:
    assert from_arrays(BYTES, ["cat", "dog"] * 20).spec.classes == ("cat", "dog")
    assert from_arrays(BYTES, LABELS + 10).spec.classes == ("10", "11", "12", "13")
    named = from_arrays(BYTES, LABELS, classes=["a", "b", "c", "d", "never"])
    assert named.spec.classes[named.labels[5]] == "b"
    for nothing, rest in ((-1, LABELS), (np.nan, LABELS.astype(float)), ("", LABELS.astype("U2"))):
        labels = rest.copy()
        labels[3] = nothing
        source = from_arrays(BYTES, labels)
        assert source.labels[3] == -1 and (source.labels >= 0).sum() == 39
        assert source.spec.classes == ("0", "1", "2", "3")
    assert from_arrays(BYTES, [None, "x", "x", "y"] * 10).spec.classes == ("x", "y")


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        (LABELS[:-1], {}, "40 images but 39 labels"),
        (np.eye(4)[LABELS], {}, ".argmax(axis=1)"),
        (LABELS + 0.5, {}, "label 0.5 in row 0"),
        (LABELS, {"classes": ["a", "b", "c"]}, "label 3 in row 3"),
        ([0] * 39 + [1], {}, "class '1' has a single image (39)"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels: Any, options: dict[str, Any], says: str) -> None:
    assert says in refused(BYTES, labels, **options)


def test_attributes_are_typed_and_checked() -> None:
    source = from_arrays(
        BYTES,
        attributes={"size": np.arange(40), "bold": LABELS > 1, "font": ["a", None, "b", ""] * 10},
    )
    assert source.attribute_kinds == {"size": "numeric", "bold": "boolean", "font": "text"}
    assert source.attributes["font"].tolist()[:4] == ["a", None, "b", None]
    assert source.attributes["bold"].tolist()[:4] == [0.0, 0.0, 1.0, 1.0]
    assert "infinite in row 2" in refused(BYTES, attributes={"size": [0, 1, np.inf] + [0] * 37})
    assert "shape (39,)" in refused(BYTES, attributes={"size": np.arange(39)})


def test_npz_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    split = np.array(["train", "test"] * 20)
    ids = np.array([f"scan-{row}" for row in range(40)])
    np.savez(path, images=BYTES, labels=LABELS, split=split, ids=ids, weight=np.arange(40.0), other=np.eye(3))
    source = load_source(path)
    assert source.name == "set" and (source.split[1::2] == "test").all() and source.ids[7] == "scan-7"
    assert list(source.attributes) == ["weight"]
    assert any("other (3, 3)" in note for note in source.notes)


@pytest.mark.parametrize("keys", ["x_train y_train x_test y_test", "train_images train_labels test_images test_labels"])
def test_npz_with_official_splits(tmp_path: Path, keys: str) -> None:
    a, b, c, d = keys.split()
    np.savez(tmp_path / "set.npz", **{a: BYTES, b: LABELS[:, None], c: BYTES[:10], d: LABELS[:10, None]})  # type: ignore[arg-type]
    source = load_source(tmp_path / "set.npz")
    assert len(source) == 50 and (source.split[40:] == "test").all() and source.labels[41] == 1


def test_npz_label_chooses_the_array(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=BYTES, labels=LABELS, parity=LABELS % 2)
    assert load_source(path, label="parity").spec.classes == ("0", "1")
    assert "no array 'size'; it has images, labels, parity" in refused(path, label="size")


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([BYTES[0], BYTES[1, :3]], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", images=objects)
    for name in ("objects.npy", "objects.npz"):
        assert "never read" in refused(tmp_path / name)
    (tmp_path / "set.pkl").write_bytes(b"\x80\x04N.")
    assert "never read" in refused(tmp_path / "set.pkl")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "set.npz", images=BYTES, labels=LABELS)
    np.save(tmp_path / "set.npy", BYTES)
    for name in ("set.npz", "set.npy"):
        path = tmp_path / name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert name in refused(path)
        path.write_bytes(b"")
        assert "0 bytes" in refused(path)


def test_npz_without_images_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", a=BYTES, b=BYTES, y=LABELS)
    assert "a (40, 6, 6), b (40, 6, 6), y (40,)" in refused(tmp_path / "set.npz")


@pytest.mark.parametrize("options", [{"size": 1}, {"size": 9999}, {"channels": 2}])
def test_impossible_geometry_is_refused(options: dict[str, int]) -> None:
    assert str(next(iter(options.values()))) in refused(BYTES, **options)


def test_resizing_keeps_grey_levels_and_crop_takes_the_centre() -> None:
    wide = np.zeros((4, 8, 12, 3), np.uint8)
    wide[:, :, 2:10] = 200
    wide[1:, 0, 5] = 90
    source = from_arrays(wide, size=4, crop=True)
    assert source.images.shape == (4, 4, 4, 3) and (source.images[0] == 200).all()
    grey = from_arrays(wide, channels=1)
    assert grey.spec.shape == (1, 8, 12) and grey.images[0, 4, 5, 0] == 200


def test_unknown_data_names_what_is_known() -> None:
    assert "did you mean 'mnist'?" in refused(Path("minst"))
    assert "no named set" in refused(Path("nist=/nowhere"))


def test_an_empty_name_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file, no folder and no named set"):
        load_source("")
    (tmp_path / "notes.toml").write_text("[a]")
    assert ".toml files are not read; what is read: IDX" in refused(tmp_path / "notes.toml")


def test_any_dataset_with_pairs_of_image_and_label_is_taken() -> None:
    import torch

    class Pairs(list[Any]):
        classes = ("a", "b", "c", "d")

    pairs = Pairs((torch.from_numpy(image / 255)[None], int(label)) for image, label in zip(BYTES, LABELS, strict=True))
    source = from_dataset(pairs, size=12)
    assert source.spec.shape == (1, 12, 12) and source.spec.classes == pairs.classes
    np.testing.assert_array_equal(from_dataset(pairs).images[..., 0], BYTES)
    with pytest.raises(DataError, match="item 0 is no pair"):
        from_dataset([BYTES[0]])
    with pytest.raises(DataError, match="item 1 is"):
        from_dataset([(BYTES[0], 0), (BYTES[0, 1:], 0)])
    with pytest.raises(DataError, match="empty"):
        from_dataset([])


def test_grey_images_stored_as_colour_are_noticed() -> None:
    notes = from_arrays(np.repeat(BYTES[..., None], 3, axis=3)).notes
    assert any("--channels 1" in note for note in notes)


def test_planted_shapes_are_where_their_factors_say() -> None:
    source = shapes(600, size=20)
    assert source.spec.classes == ("disc", "square", "triangle") and source.attribute_kinds["hollow"] == "boolean"
    grid = (np.arange(20) + 0.5) / 10 - 1
    for axis, factor in ((1, "x"), (2, "y")):
        mass = source.images[..., 0].sum(axis=axis, dtype=float)
        centre = (mass * grid).sum(axis=1) / mass.sum(axis=1)
        assert np.corrcoef(centre, source.attributes[factor])[0, 1] > 0.95
    brightest = source.images.max(axis=(1, 2, 3)) / 255
    assert np.corrcoef(brightest, source.attributes["brightness"])[0, 1] > 0.95
    assert shapes(600, size=20).fingerprint == source.fingerprint != shapes(600, size=20, seed=1).fingerprint


def test_points_reach_a_batch_as_they_are() -> None:
    points = np.random.default_rng(0).normal(0, 30, (60, 2))
    source = from_points(points, np.arange(60) % 2, split=["train"] * 50 + ["test"] * 10)
    batch = next(Batches(source, batch_size=8, seed=0, device="cpu"))
    assert source.spec.shape == (2, 1, 1) and len(source.spec.classes) == 2
    np.testing.assert_array_equal(batch.image[:, :, 0, 0], points[batch.index].astype(np.float32))
    np.testing.assert_array_equal(source.tensor([3])[0, :, 0, 0], points[3].astype(np.float32))


def test_bad_points_are_refused(tmp_path: Path) -> None:
    for bad in (np.zeros(5), np.full((5, 2), np.nan), np.array([["a", "b"]])):
        with pytest.raises(DataError, match="finite numbers of shape"):
            from_points(bad)
    with pytest.raises(ConfigError, match=r"toy_loop\.play"):
        latentgan.train(latentgan.configure("gan"), tmp_path / "run", source=from_points(np.eye(8)))
