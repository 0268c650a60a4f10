"""The embeddings table: what is in it, that it is right, and that an interruption loses nothing."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentgan import NumpyModel, configure, from_arrays, train
from latentgan.data.leakage import mark_training_images
from latentgan.errors import CheckpointError, ConfigError, DataError
from latentgan.inference import encode as module
from latentgan.inference import table_writer as table_module
from latentgan.inference.encode import Plan, default_features, encode_table
from latentgan.inference.thumbnails import area_average, pixel_shape, png_rows, shrink, thumbnails

TINY = {"latent": 4, "width": 4, "hidden": 16}


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    label = np.arange(60) % 3
    label[7] = -1
    weight = np.where(np.arange(60) % 5, np.arange(60) / 7, np.nan)
    bold = np.array([None if i == 3 else bool(i % 2) for i in range(60)], dtype=object)
    font = np.array([None if i == 4 else f"<b>{i % 4}" for i in range(60)], dtype=object)
    return from_arrays(
        pixels,
        label,
        classes=["a", "b", "<c>"],
        attributes={"weight": weight, "bold": bold, "font": font, "code": weight},
    )


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    config = configure("bigan", family=TINY, training={"total_images": 64, "batch_size": 16})
    return train(config, tmp_path_factory.mktemp("encode") / "run", source=source, show_progress=False)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 16)


def test_a_row_an_image_with_everything_that_is_known_of_it(run, source, tmp_path):
    model = NumpyModel.load(run)
    encode_table(run, source, tmp_path / "t.parquet", Plan(default_features(model)))
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert list(table["row"]) == list(range(60))
    assert table["label"].isna().sum() == 1 and set(table["label"].dropna()) == {"a", "b", "<c>"}
    assert (table["split"].astype(str).to_numpy() == source.split).all()
    assert np.array_equal(table["weight"].isna(), np.isnan(source.attributes["weight"]))
    assert pd.isna(table["bold"][3]) and bool(table["bold"][1]) is True
    assert pd.isna(table["font"][4]) and table["font"][5] == "<b>1"
    assert "attribute.code" in table, "an attribute never takes the code's name"


def test_codes_are_the_models_and_iteration_0s(run, source, tmp_path):
    model, untrained = NumpyModel.load(run), NumpyModel.load(run, untrained=True)
    names = tuple(model.feature_names)
    encode_table(run, source, tmp_path / "t.parquet", Plan(names, pool=2))
    table = pq.read_table(tmp_path / "t.parquet")
    for prefix, network in (("", model), ("untrained.", untrained)):
        assert np.abs(vectors(table, prefix + "code") - network.encode(source.images)).max() < 1e-6
        for name, expected in network.features(source.images, names, pool=2).items():
            assert np.abs(vectors(table, prefix + name) - expected).max() < 1e-6, prefix + name


def test_pixels_and_thumbnails_are_the_images(run, source, tmp_path):
    encode_table(run, source, tmp_path / "t.parquet", Plan())
    table = pq.read_table(tmp_path / "t.parquet")
    assert np.array_equal(vectors(table, "pixels"), source.images.reshape(60, -1))
    first = Image.open(io.BytesIO(table["thumbnail"][0].as_py()))
    assert np.array_equal(np.array(first), source.images[0, :, :, 0])


def test_the_metadata_says_which_model_and_which_images(run, source, tmp_path):
    encode_table(run, source, tmp_path / "t.parquet", Plan(), command="latentgan encode …")
    about = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"latentgan"])
    assert about["family"] == "bigan" and about["command"] == "latentgan encode …"
    assert about["fingerprint"] == source.fingerprint and len(about["checkpoint"]) == 64
    assert about["parts"] == [{"name": "z", "kind": "uniform", "width": 4, "encoded": True, "start": 0}]
    assert about["classes"] == ["a", "b", "<c>"] and about["pixels_shape"] == [8, 8, 1]
    assert about["attributes"] == {"weight": "numeric", "bold": "boolean", "font": "text", "attribute.code": "numeric"}


def test_baselines_can_be_left_out(run, source, tmp_path):
    encode_table(run, source, tmp_path / "t.parquet", Plan(baselines=False))
    names = pq.read_schema(tmp_path / "t.parquet").names
    assert "code" in names and not [n for n in names if n.startswith("untrained") or n == "pixels"]


@pytest.mark.parametrize("killed", [False, True])
def test_an_interrupted_encode_goes_on_where_it_stopped(run, source, tmp_path, small_parts, monkeypatch, killed):
    out, plan, encoded = tmp_path / "t.parquet", Plan(), []
    whole = pq.read_table(encode_table(run, source, tmp_path / "whole.parquet", plan))
    original = module._RowGroup.fill
    if killed:  # nothing is tidied up: each row group was a part, and one is left half written
        monkeypatch.setattr(table_module, "SECONDS", -1.0)

    def stop_at_the_third(group, *arguments):
        if group.rows[0] >= 32:
            raise KeyboardInterrupt
        return original(group, *arguments)

    monkeypatch.setattr(module._RowGroup, "fill", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        encode_table(run, source, out, plan)
    assert not out.exists()
    if killed:
        (tmp_path / ".t.parquet.parts" / "open").write_bytes(b"PAR1 half a row group")
    monkeypatch.setattr(module._RowGroup, "fill", lambda *a: encoded.append(a[0].rows[0]) or original(*a))
    rows = []
    encode_table(run, source, out, plan, advance=rows.append)
    assert sorted(encoded) == [32, 48], "the first two row groups were not encoded again"
    assert rows == [32, 16, 12], "the progress bar starts where the encode stopped"
    assert pq.read_table(out).equals(whole, check_metadata=True)
    assert pq.read_metadata(out).num_row_groups == 4
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_part_that_is_damaged_is_encoded_again(run, source, tmp_path, small_parts, monkeypatch):
    plan, encoded = Plan(), []
    monkeypatch.setattr(table_module, "SECONDS", -1.0)
    monkeypatch.setattr(table_module.Parts, "join", lambda *_: None)
    encode_table(run, source, tmp_path / "t.parquet", plan)
    parts = sorted((tmp_path / ".t.parquet.parts").glob("*-*.parquet"))
    assert [p.stem for p in parts] == [f"{a:012d}-{b:012d}" for a, b in ((0, 16), (16, 32), (32, 48), (48, 60))]
    parts[1].write_bytes(parts[1].read_bytes()[:-100])
    monkeypatch.undo()
    monkeypatch.setattr(module, "ROWS", 16)
    original = module._RowGroup.fill
    monkeypatch.setattr(module._RowGroup, "fill", lambda *a: encoded.append(a[0].rows[0]) or original(*a))
    encode_table(run, source, tmp_path / "t.parquet", plan)
    assert sorted(encoded) == [16, 32, 48]
    assert pq.read_table(tmp_path / "t.parquet")["row"].to_pylist() == list(range(60))


@pytest.mark.parametrize("where", ["make_table", "ParquetWriter"])
def test_a_row_group_that_cannot_be_written_is_not_skipped(run, source, tmp_path, small_parts, monkeypatch, where):
    monkeypatch.setattr(table_module, "SECONDS", -1.0)
    home, calls = (module if where == "make_table" else table_module.pq), []
    original = getattr(home, where)

    def second_fails(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("No space left on device")
        return original(*arguments, **options)

    monkeypatch.setattr(home, where, second_fails)
    with pytest.raises(DataError, match="No space left on device; run the same command again"):
        encode_table(run, source, tmp_path / "t.parquet", Plan())
    assert [p.name for p in (tmp_path / ".t.parquet.parts").glob("*-*")] == [f"{0:012d}-{16:012d}.parquet"]
    encode_table(run, source, tmp_path / "t.parquet", Plan())
    assert pq.read_table(tmp_path / "t.parquet")["row"].to_pylist() == list(range(60))


def test_parts_with_other_labels_or_attributes_are_encoded_anew(run, source, tmp_path, small_parts, monkeypatch):
    monkeypatch.setattr(table_module, "SECONDS", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(table_module.Parts, "join", lambda *_: None)
        encode_table(run, source, tmp_path / "t.parquet", Plan())
    weight = source.attributes["weight"].copy()
    weight[0] = 999.0
    other = replace(source, attributes={**source.attributes, "weight": weight})
    encode_table(run, other, tmp_path / "t.parquet", Plan())
    assert pq.read_table(tmp_path / "t.parquet")["weight"][0].as_py() == 999.0


def test_two_encodes_of_one_table_do_not_meet(run, source, tmp_path):
    out = tmp_path / "t.parquet"
    with table_module.Parts(out, {}, "key"), pytest.raises(DataError, match="another encode is writing"):
        encode_table(run, source, out, Plan())
    encode_table(run, source, out, Plan())
    with pytest.raises(ConfigError, match="is a folder"):
        encode_table(run, source, tmp_path, Plan())


def test_parts_of_another_plan_are_not_used(run, source, tmp_path, small_parts):
    parts = tmp_path / ".t.parquet.parts"
    parts.mkdir()
    (parts / "plan").write_text("another")
    (parts / f"{0:012d}-{16:012d}.parquet").write_text("rubbish")
    encode_table(run, source, tmp_path / "t.parquet", Plan())
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 60


def test_memory_does_not_grow_with_the_number_of_images(run, source, tmp_path, small_parts):
    encode_table(run, source, tmp_path / "t.parquet", Plan())
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [16, 16, 16, 12]


def test_other_sizes_and_layers_are_refused(run, tmp_path):
    big = from_arrays(np.random.default_rng(0).integers(0, 256, (9, 12, 12, 1), dtype=np.uint8))
    with pytest.raises(ConfigError, match=r"12×12 with 1 channel.*takes 8×8.*--size 8"):
        encode_table(run, big, tmp_path / "t.parquet", Plan())
    same = from_arrays(np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    with pytest.raises(ConfigError, match=r"no feature layer is called 'encoder.conv9'; this model has: encoder.conv1"):
        encode_table(run, same, tmp_path / "t.parquet", Plan(("encoder.conv9",)))


@pytest.mark.parametrize("side", [8, 28, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_our_pngs_are_read_back_exactly(side, channels):
    tiles = np.random.default_rng(side).integers(0, 256, (4, side, side - 3, channels), dtype=np.uint8)
    for row, tile in zip(png_rows(tiles), tiles, strict=True):
        picture = Image.open(io.BytesIO(row.tobytes()))
        picture.verify()
        assert np.array_equal(np.array(Image.open(io.BytesIO(row.tobytes()))).reshape(tile.shape), tile)


def test_area_averages_are_means_of_whole_squares():
    images = np.arange(2 * 4 * 4).reshape(2, 4, 4, 1).astype(np.uint8)
    half = shrink(images, 2)
    assert half.shape == (2, 2, 2, 1)
    assert half[0, 0, 0, 0] == round((0 + 1 + 4 + 5) / 4)
    large = np.zeros((1, 100, 80, 3), np.uint8)
    assert area_average(large).shape[1:] == pixel_shape((100, 80, 3)) == (34, 27, 3)
    assert max(thumbnails(large).shape[1:3]) <= 48


def vectors(table, name: str) -> np.ndarray:
    column = table[name].combine_chunks()
    if name == "pixels":
        return np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(len(column), -1)
    return column.flatten().to_numpy().reshape(len(column), -1)


def test_an_image_that_was_trained_on_is_never_called_test(run, source, tmp_path):
    trained = {source.images[row].tobytes() for row in source.rows("train")}
    relabelled = from_arrays(source.images, np.arange(60) % 2)  # other labels: another fingerprint, another split
    assert {relabelled.images[row].tobytes() for row in relabelled.rows("test")} & trained, "the draw alone would leak"
    encode_table(run, relabelled, tmp_path / "t.parquet", Plan())
    table = pq.read_table(tmp_path / "t.parquet")
    split = np.array(table["split"].to_pylist())
    tested = {relabelled.images[row].tobytes() for row in np.flatnonzero(split == "test")}
    assert tested and not tested & trained
    assert "seen in training" in json.loads(table.schema.metadata[b"latentgan"])["notes"][-1]
    assert np.array_equal(mark_training_images(run, source, source.fingerprint).split, source.split)


def test_hashes_of_an_earlier_version_are_read(run, source, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "training_images.npy").rename(copy / "seen.npy")
    relabelled = from_arrays(source.images, np.arange(60) % 2)
    assert np.array_equal(
        mark_training_images(copy, relabelled, source.fingerprint).split,
        mark_training_images(run, relabelled, source.fingerprint).split,
    )


def test_swapped_weights_are_refused(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.copy(copy / "untrained.safetensors", copy / "model" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"not those that config\.json describes"):
        NumpyModel.load(copy)
    (copy / "model" / "config.json").write_text('{"format": 1}')
    with pytest.raises(CheckpointError, match="lacks name, family, spec"):
        NumpyModel.load(copy)
