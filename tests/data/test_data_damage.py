"""Damaged files of every kind: whatever is wrong, one sentence comes, never a traceback."""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import damaged
from PIL import Image

from latentgan.data import decode
from latentgan.data.load import load_source
from latentgan.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.arange(20) % 2


def encoded(kind: str, number: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(GREY[number]).save(stream, kind)
    return stream.getvalue()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


IDX = struct.pack(">HBB3I", 0, 8, 3, *GREY.shape) + GREY.tobytes()
TABLE = pa.table({"image": [encoded("PNG", row) for row in range(20)], "label": LABELS})
CSV = "file,label,a\n" + "".join(f"{row}.png,{'xy'[row % 2]},{row}\n" for row in range(20))
WHOLE = {
    "set.npz": written(lambda stream: np.savez_compressed(stream, images=GREY, labels=LABELS)),
    "set.npy": written(lambda stream: np.save(stream, GREY)),
    "set.parquet": written(lambda stream: pq.write_table(TABLE, stream)),
    "train-images-idx3-ubyte": IDX,
    "train-images-idx3-ubyte.gz": gzip.compress(IDX),
    "attributes.csv": CSV.encode(),
    "0.png": encoded("PNG"),
    "0.jpg": encoded("JPEG"),
    "0.gif": encoded("GIF"),
    "0.webp": encoded("WEBP"),
    "0.tif": encoded("TIFF"),
    "0.bmp": encoded("BMP"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", WHOLE)
def test_damage_ends_in_one_sentence_or_none(name: str, tmp_path: Path) -> None:
    rng, folder = random.Random(name), tmp_path / "set"
    folder.mkdir()
    alone = name.startswith(("set", "train"))
    if not alone:
        for row in range(20):
            (folder / f"{row}.png").write_bytes(encoded("PNG", row))
    for _ in range(15):
        (folder / name).write_bytes(damaged(WHOLE[name], rng))
        try:
            load_source(folder / name if alone else folder, skip_bad=rng.random() < 0.3)
        except DataError as error:
            assert "\n" not in str(error)


def test_damage_of_a_file_is_not_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "KEEP_BYTES", 0)
    content = bytearray(WHOLE["set.parquet"])
    content[40:400] = bytes(360)
    (tmp_path / "set.parquet").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        load_source(tmp_path / "set.parquet")


def test_a_tiff_without_its_size_is_named(tmp_path: Path) -> None:
    """Pillow raises TypeError here, which is no OSError."""
    for row in range(4):
        (tmp_path / f"{row}.png").write_bytes(encoded("PNG", row))
    (tmp_path / "bad.tif").write_bytes(WHOLE["0.tif"].replace(struct.pack("<HH", 256, 4), struct.pack("<HH", 999, 4)))
    with pytest.raises(DataError, match=r"bad\.tif is no readable image"):
        load_source(tmp_path)
