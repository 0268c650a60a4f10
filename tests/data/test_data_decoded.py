"""The decoded copy of a folder of images: made once, mapped, done without where the disk does not take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentgan.data import decode
from latentgan.data.load import load_source
from latentgan.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    """Two classes in two sub-folders."""
    for number, image in enumerate(GREY):
        path = tmp_path / "photos" / ("cats" if number % 2 else "dogs") / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "photos"


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_source(*arguments, **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "KEEP_BYTES", 0)


def test_the_decoded_copy_is_made_once_and_mapped(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_source(folder)
    assert isinstance(first.images, np.memmap)
    assert sorted(path.suffix for path in (cache / "decoded").iterdir()) == [".json", ".lock", ".npy"]
    monkeypatch.setattr(decode, "decode", lambda *_: pytest.fail("decoded twice"))
    second = load_source(folder)
    assert second.fingerprint == first.fingerprint and second.notes == first.notes
    assert isinstance(second.images, np.memmap) and not second.images.flags.writeable


def test_the_decoded_copy_follows_changes_of_files_and_options(folder: Path) -> None:
    first = load_source(folder)
    Image.fromarray(GREY[5][::-1]).save(folder / "cats" / "001.png")
    second = load_source(folder)
    np.testing.assert_array_equal(second.images[second.ids.tolist().index("cats/001.png")][..., 0], GREY[5][::-1])
    assert second.fingerprint != first.fingerprint
    assert load_source(folder, size=4).spec.shape == (1, 4, 4)


def test_the_decoded_copy_remembers_bad_files(folder: Path) -> None:
    (folder / "cats" / "013.png").write_bytes(b"x")
    first, second = (load_source(folder, skip_bad=True) for _ in range(2))
    assert second.notes == first.notes and len(second) == 23
    np.testing.assert_array_equal(first.images, second.images)
    assert "cats/013.png" in refused(folder)


def test_failed_decoding_leaves_nothing_behind(folder: Path, cache: Path) -> None:
    bad = folder / "cats" / "013.png"
    content = bad.read_bytes()
    bad.write_bytes(content[: content.index(b"IDAT") + 20])
    refused(folder)
    assert {path.suffix for path in (cache / "decoded").iterdir()} == {".lock"}


def test_a_damaged_copy_is_made_anew(folder: Path, cache: Path) -> None:
    first = load_source(folder)
    (path,) = (cache / "decoded").glob("*.npy")
    path.write_bytes(path.read_bytes()[:100])
    assert load_source(folder).fingerprint == first.fingerprint


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "file"))
    source = load_source(folder)
    assert len(source) == 24 and not isinstance(source.images, np.memmap)
    assert any("LATENTGAN_DATA" in note for note in source.notes)


def test_a_full_disk_is_said_and_done_without(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    source = load_source(folder)
    assert len(source) == 24 and any("No space left" in note for note in source.notes)
    assert {path.suffix for path in (cache / "decoded").iterdir()} == {".lock"}
