"""Parquet with image bytes, as image hubs write it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentgan.data.load import load_source
from latentgan.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (150, 4, 4), dtype=np.uint8)
LABELS = [row % 3 for row in range(150)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def hub(rows: slice = slice(None), **columns: Any) -> pa.Table:
    images = [{"bytes": png(image), "path": f"{row}.png"} for row, image in list(enumerate(GREY))[rows]]
    features = {"info": {"features": {"label": {"names": ["cat", "dog", "hen"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": images, "label": LABELS[rows], **columns})
    return table.replace_schema_metadata({"huggingface": json.dumps(features)})


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_source(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_hubs_table_has_names_and_columns(tmp_path: Path) -> None:
    extra = {"bold": [True, None, False] * 50, "size": np.arange(150.0), "tags": [["a"]] * 150}
    pq.write_table(hub(**extra), tmp_path / "set.parquet", row_group_size=40)
    source = load_source(tmp_path / "set.parquet")
    np.testing.assert_array_equal(source.images[..., 0], GREY)
    np.testing.assert_array_equal(source.labels, LABELS)
    assert source.spec.classes == ("cat", "dog", "hen") and source.ids[7] == "7.png"
    assert source.attribute_kinds == {"bold": "boolean", "size": "numeric"}
    np.testing.assert_array_equal(source.attributes["bold"][:3], [1, np.nan, 0])
    assert any("left out: tags" in note for note in source.notes)


def test_plain_binary_and_text_labels(tmp_path: Path) -> None:
    words = pa.array(["b", "a", None] * 50).dictionary_encode()
    pq.write_table(pa.table({"png": [png(image) for image in GREY], "kind": words}), tmp_path / "set.parquet")
    source = load_source(tmp_path / "set.parquet")
    assert source.spec.classes == ("a", "b") and (source.labels == -1).sum() == 50
    assert load_source(tmp_path / "set.parquet", label="kind").ids[3] == "3"


def test_shards_of_a_folder_give_the_split(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    pq.write_table(hub(slice(0, 60)), folder / "train-00000-of-00002.parquet")
    pq.write_table(hub(slice(60, 120)), folder / "train-00001-of-00002.parquet")
    pq.write_table(hub(slice(120, 150)), folder / "test-00000-of-00001.parquet")
    source = load_source(tmp_path / "set")
    assert len(source) == 150 and (source.split == "test").sum() == 30


def test_a_bad_image_is_named_by_its_row_or_skipped(tmp_path: Path) -> None:
    images = [png(image) for image in GREY]
    images[70], images[71] = b"x", None  # type: ignore[call-overload]
    pq.write_table(pa.table({"image": images, "label": LABELS}), tmp_path / "set.parquet")
    assert "set.parquet: 70 is no readable image" in refused(tmp_path / "set.parquet")
    source = load_source(tmp_path / "set.parquet", skip_bad=True)
    assert len(source) == 148 and source.ids[70] == "72" and source.labels[70] == LABELS[72]


def test_what_is_no_parquet_of_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    assert "no readable Parquet" in refused(tmp_path / "bad.parquet")
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "none.parquet")
    assert "no column of image bytes" in refused(tmp_path / "none.parquet")
    content = [png(image) for image in GREY[:3]]
    pq.write_table(pa.table({"a": content, "b": content}), tmp_path / "two.parquet")
    assert "more than one column" in refused(tmp_path / "two.parquet")
