"""IDX: pairs in folders, gzipped or not, and one sentence for each way in which they are broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from latentgan.data.load import load_source
from latentgan.data.source import ImageSource
from latentgan.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 5, 4), dtype=np.uint8)
LABELS = (np.arange(60) % 3).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, *, prefix: str = "train", images: bytes = idx(IMAGES), labels: bytes = idx(LABELS)) -> Path:
    """A gzipped pair as MNIST has it; returns the path of the images."""
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    path = folder / f"{prefix}-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(images))
    return path


def refused(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load_source(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(source: ImageSource, n: int = 60) -> None:
    np.testing.assert_array_equal(source.images[:60, ..., 0], IMAGES)
    np.testing.assert_array_equal(source.labels[:60], LABELS)
    assert len(source) == n and source.spec.shape == (1, 5, 4) and source.spec.classes == ("0", "1", "2")


def test_a_single_pair_is_read_and_split(tmp_path: Path) -> None:
    path = write(tmp_path)
    for data in (tmp_path, path, str(path)):
        source = load_source(data)
        check(source)
        assert set(source.split) == {"train", "validation", "test"}


def test_train_and_test_pairs_keep_the_official_split(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, prefix="t10k")
    source = load_source(tmp_path)
    check(source, 120)
    assert (source.split[60:] == "test").all() and "test" not in source.split[:60]
    assert source.ids[119] == "119"


def test_one_file_of_a_folder_of_two_pairs_is_taken_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    write(tmp_path, prefix="t10k", images=idx(IMAGES[::-1].copy()), labels=idx(LABELS[::-1].copy()))
    check(load_source(path))


def test_unpacked_files_and_the_dotted_spelling_are_read(tmp_path: Path) -> None:
    (tmp_path / "train-images.idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(idx(LABELS))
    check(load_source(tmp_path))


def test_a_gzip_under_an_unpacked_name_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(gzip.compress(idx(IMAGES)))
    source = load_source(tmp_path)
    assert (source.labels == -1).all() and source.spec.classes == ()
    assert any("unlabelled" in note for note in source.notes)


def test_a_truncated_gzip(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    message = refused(tmp_path)
    assert str(path) in message and "truncated" in message


def test_a_damaged_gzip(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    assert "damaged" in refused(tmp_path)


def test_a_wrong_magic_number(tmp_path: Path) -> None:
    write(tmp_path, images=b"\x89PNG" + bytes(40))
    message = refused(tmp_path)
    assert "0x89504e47" in message and "2051" in message


def test_labels_where_images_should_be(tmp_path: Path) -> None:
    write(tmp_path, images=idx(LABELS))
    assert "these are labels" in refused(tmp_path)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other")
    assert "give the images file" in refused(tmp_path / "other" / "train-labels-idx1-ubyte.gz")


def test_counts_that_differ(tmp_path: Path) -> None:
    write(tmp_path, labels=idx(LABELS[:-1]))
    message = refused(tmp_path)
    assert "60 images but 59 labels" in message and "train-labels-idx1-ubyte.gz" in message


def test_a_file_shorter_than_its_header_says(tmp_path: Path) -> None:
    write(tmp_path, images=idx(IMAGES)[:-5])
    assert "promises 1,200 bytes" in refused(tmp_path)


def test_a_file_longer_than_its_header_says(tmp_path: Path) -> None:
    write(tmp_path, images=idx(IMAGES) + b"x")
    assert "the file has more" in refused(tmp_path)


def test_a_header_that_claims_a_petabyte_takes_no_memory(tmp_path: Path) -> None:
    huge = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**16, 2**16) + bytes(100)
    write(tmp_path, images=huge)
    assert "only 100" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x08\x03\0\0"])
def test_files_of_a_few_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_several_sets_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, prefix="emnist-letters-train")
    write(tmp_path, prefix="emnist-digits-train")
    assert "several IDX sets" in refused(tmp_path)
    check(load_source(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz"))


def test_a_table_makes_no_sense_for_idx(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "--label" in refused(path, label="digit")
    assert "--attributes" in refused(tmp_path, attributes=tmp_path / "a.csv")


def test_images_are_resized_only_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "--crop" in refused(path, size=8)
    source = load_source(path, size=8, crop=True, channels=3)
    assert source.spec.shape == (3, 8, 8)
    assert any("made 8 × 8 × 3" in note for note in source.notes)
