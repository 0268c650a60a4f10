"""Folders of images: classes, modes, sizes, damage."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentgan.data.load import load_source
from latentgan.data.source import ImageSource
from latentgan.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (24, 8, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LATENTGAN_DATA", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "photos", GREY)


def write(folder: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    """Two classes in two sub-folders."""
    for number, image in enumerate(images):
        path = folder / ("cats" if number % 2 else "dogs") / f"{number:03d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_source(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def image_of(source: ImageSource, name: str) -> np.ndarray:
    return source.images[source.ids.tolist().index(name)]


def test_one_sub_folder_is_one_class(folder: Path) -> None:
    source = load_source(folder)
    assert source.spec.classes == ("cats", "dogs") and source.name == "photos"
    for row, name in enumerate(source.ids):
        number = int(Path(name).stem)
        np.testing.assert_array_equal(source.images[row, ..., 0], GREY[number])
        assert source.spec.classes[source.labels[row]] == ("cats" if number % 2 else "dogs")


def test_folders_called_train_and_test_are_the_split(tmp_path: Path) -> None:
    write(tmp_path / "set" / "train", GREY[:16])
    write(tmp_path / "set" / "test", GREY[16:])
    source = load_source(tmp_path / "set")
    assert source.spec.classes == ("cats", "dogs")
    assert ((source.split == "test") == np.char.startswith(source.ids, "test/")).all()
    assert any("taken as the split" in note for note in source.notes)


def test_images_in_no_sub_folder_or_in_one_are_unlabelled(tmp_path: Path) -> None:
    for name in ("flat", "one/images"):
        for number in range(12):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(GREY[number]).save(path)
        source = load_source(tmp_path / name.split("/")[0])
        assert (source.labels == -1).all() and source.spec.classes == ()
        assert any("unlabelled" in note for note in source.notes)


def test_hidden_and_foreign_files_are_passed_over(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "cats" / "._001.png").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "a.png").write_bytes(b"x")
    (folder / "model.bin").write_bytes(b"x")
    source = load_source(folder)
    assert len(source) == 24
    assert [note for note in source.notes if "passed over" in note] == [
        "photos: files that are no images are passed over: 1 .bin"
    ]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_what_it_shows(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "modes"
    folder.mkdir()
    for number in range(6):
        image = Image.fromarray(COLOUR[number])
        if mode == "I;16":
            image = Image.fromarray(GREY[number].astype(np.uint16) * 257)
        elif mode in ("RGBA", "LA"):
            image.putalpha(Image.fromarray(np.where(GREY[0] > 127, 255, 0).astype(np.uint8)))
            image = image.convert(mode)
        else:
            image = image.convert(mode)
        image.save(folder / f"{number}.{'tif' if mode == 'CMYK' else 'png'}")
    source = load_source(folder)
    grey = mode in ("1", "L", "LA", "I;16")
    assert source.spec.channels == (1 if grey else 3)
    if mode == "I;16":
        np.testing.assert_array_equal(source.images[..., 0], GREY[:6])
        assert any("6 16-bit images" in note for note in source.notes)
    if mode in ("RGBA", "LA"):
        clear = GREY[0] <= 127
        assert (source.images[:, clear] == 255).all() and any("laid on white" in note for note in source.notes)
    if mode in ("RGB", "RGBA"):
        shown = np.ones((8, 8), bool) if mode == "RGB" else GREY[0] > 127
        np.testing.assert_array_equal(source.images[:, shown], COLOUR[:6][:, shown])
    assert load_source(folder, channels=1).spec.channels == 1
    assert load_source(folder, channels=3).spec.channels == 3


def test_a_grey_palette_is_grey(tmp_path: Path) -> None:
    for number in range(4):
        image = Image.fromarray(GREY[number]).convert("P")
        image.putpalette([level for grey in range(256) for level in (grey, grey, grey)])
        image.save(tmp_path / f"{number}.png")
    source = load_source(tmp_path)
    assert source.spec.channels == 1
    np.testing.assert_array_equal(source.images[..., 0], GREY[:4])


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    wide = np.zeros((8, 16, 3), np.uint8)
    for number in range(4):
        wide[:, 12:] = 40 * number + 60
        Image.fromarray(wide).save(tmp_path / f"{number}.jpg", exif=exif, quality=95)
    source = load_source(tmp_path)
    assert source.images.shape == (4, 16, 8, 3)
    assert source.images[3, :4].max() < 40 and source.images[3, 13:].min() > 140


def test_images_of_unequal_sizes_need_a_size(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 10), np.uint8)).save(folder / "cats" / "900.png")
    message = refused(folder)
    assert "cats/001.png is 8 × 8" in message and "cats/900.png is 10 × 12" in message
    assert "--crop --size 8" in message
    assert "cats/900.png is 10 × 12, not square" in refused(folder, size=8)
    assert load_source(folder, size=6, crop=True).spec.shape == (1, 6, 6)


def test_equal_images_that_are_not_square_are_taken_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, RNG.integers(0, 256, (12, 6, 10), dtype=np.uint8))
    assert load_source(tmp_path).spec.shape == (1, 6, 10)
    assert load_source(tmp_path, crop=True).spec.shape == (1, 6, 6)


def test_large_jpegs_are_decoded_small_and_look_the_same(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    for number in range(4):
        plane = np.roll(np.tile(ramp, (400, 1)), 40 * number, axis=0 if number % 2 else 1)
        Image.fromarray(np.stack([plane] * 3, axis=-1)).save(tmp_path / f"{number}.jpg", quality=95)
        Image.fromarray(np.stack([plane] * 3, axis=-1)).save(tmp_path / f"p{number}.png")
    source = load_source(tmp_path, size=16)
    difference = np.abs(source.images[:4].astype(int) - source.images[4:].astype(int))
    assert difference.mean() < 4


def test_a_corrupt_image_is_named_or_skipped(folder: Path) -> None:
    bad = folder / "cats" / "013.png"
    bad.write_bytes(bad.read_bytes()[:50])
    message = refused(folder)
    assert "photos: cats/013.png is no readable image" in message and "--skip-bad" in message
    (folder / "dogs" / "002.png").write_bytes(b"")
    (folder / "dogs" / "004.png").write_bytes(b"<html>not found</html>")
    source = load_source(folder, skip_bad=True)
    assert len(source) == 21 and "cats/013.png" not in source.ids
    np.testing.assert_array_equal(image_of(source, "dogs/010.png")[..., 0], GREY[10])
    (note,) = (note for note in source.notes if "skipped" in note)
    assert "skipped 3 of 24" in note and all(name in note for name in ("013.png", "002.png", "004.png"))
    assert "0 bytes" in note


def test_damage_inside_the_pixels_is_found_when_decoding(folder: Path) -> None:
    bad = folder / "cats" / "013.png"
    content = bad.read_bytes()
    bad.write_bytes(content[: content.index(b"IDAT") + 20])
    assert "cats/013.png" in refused(folder)
    assert len(load_source(folder, skip_bad=True)) == 23


def test_nothing_but_bad_images_is_refused_even_with_skip_bad(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    assert "nor is any of the other 2" in refused(tmp_path, skip_bad=True)


def test_a_decompression_bomb_is_refused_by_its_header(folder: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )
    (folder / "cats" / "bomb.png").write_bytes(bomb)
    assert "cats/bomb.png" in refused(folder) and "pixels" in refused(folder)


def test_a_broken_link_and_a_loop_of_links(folder: Path) -> None:
    (folder / "cats" / "loop").symlink_to(folder)
    assert len(load_source(folder)) == 24
    (folder / "cats" / "gone.png").symlink_to(folder / "nowhere.png")
    assert "cats/gone.png is no readable image (No such file" in refused(folder)
    (folder / "self").symlink_to(folder / "self")
    assert "no file, no folder" in refused(folder / "self")


def test_a_linked_folder_of_images_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_source(tmp_path / "link").spec.classes == ("cats", "dogs")


def test_file_names_of_any_bytes_and_letters(folder: Path) -> None:
    Image.fromarray(GREY[0]).save(folder / "cats" / "müde, <b>träge.png")
    raw = bytes(folder / "cats") + b"/caf\xe9.png"
    Path(raw.decode("utf-8", "surrogateescape")).write_bytes((folder / "cats" / "001.png").read_bytes())
    source = load_source(folder)
    assert "cats/caf\\xe9.png" in source.ids and "cats/müde, <b>träge.png" in source.ids
    for name in source.ids:
        name.encode("utf-8")


def test_an_empty_folder_and_one_of_other_files(tmp_path: Path) -> None:
    assert "holds no images" in refused(tmp_path)
    np.savez(tmp_path / "set.npz", images=GREY)
    assert "1 .npz; did you mean" in refused(tmp_path)
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    assert "single image" in refused(tmp_path / "a.png")


def test_a_class_with_one_image_is_refused(folder: Path) -> None:
    (folder / "mice").mkdir()
    Image.fromarray(GREY[0]).save(folder / "mice" / "a.png")
    message = refused(folder)
    assert "class 'mice' has a single image (mice/a.png)" in message


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Image.open

    def forbid(source: Any, *arguments: Any, **options: Any) -> Any:
        if str(source).endswith("005.png"):
            raise PermissionError(13, "Permission denied")
        return opened(source, *arguments, **options)

    monkeypatch.setattr(Image, "open", forbid)
    assert "cats/005.png is no readable image (Permission denied)" in refused(folder)


@pytest.fixture
def with_table(folder: Path) -> Path:
    """The two classes, and a CSV of a boolean and a number of every image."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    lines = [f"{file},{row % 3 == 0},{row}" for row, file in enumerate(files)]
    (folder.parent / "about.csv").write_text("file,heavy,ink\n" + "\n".join(lines) + "\n")
    return folder


def test_a_csv_beside_class_folders_adds_attributes(with_table: Path) -> None:
    source = load_source(with_table, attributes=with_table.parent / "about.csv")
    assert source.spec.classes == ("cats", "dogs")
    assert set(source.attributes) == {"heavy", "ink"}
    assert any("label: the sub-folder" in note for note in source.notes)


def test_a_named_label_makes_the_folder_an_attribute(with_table: Path) -> None:
    source = load_source(with_table, attributes=with_table.parent / "about.csv", label="heavy")
    assert len(source.spec.classes) == 2
    assert "cats" not in source.spec.classes
    assert source.attributes["folder"].tolist() == [name.split("/")[0] for name in source.ids]
