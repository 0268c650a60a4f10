"""Numeric attributes as yes or no, with a margin of unknown images."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from analysis import Embeddings
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.load import load_source
from latentgan.data.thresholds import parse_threshold, with_booleans
from latentgan.errors import DataError

PROBABILITIES = np.array([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0, np.nan])


@pytest.fixture
def source():
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
    columns = {"Smiling": PROBABILITIES, "age": np.arange(10.0), "hat": ["a", "b"] * 5}
    return from_arrays(images, attributes=columns)


def test_a_margin_is_unknown(source):
    smiling = with_booleans(source, ["Smiling=0.1:0.9"])
    expected = [0, 0, 0, np.nan, np.nan, np.nan, 1, 1, 1, np.nan]
    np.testing.assert_array_equal(smiling.attributes["Smiling"], expected)
    assert smiling.attribute_kinds["Smiling"] == "boolean"
    assert smiling.attribute_kinds["age"] == "numeric", "others stay as they are"
    assert "'Smiling' holds in 3 images and does not in 3; 3 between 0.1 and 0.9 count as unknown" in smiling.notes


def test_one_number_leaves_nothing_unknown(source):
    values = with_booleans(source, ["Smiling=0.5"]).attributes["Smiling"]
    np.testing.assert_array_equal(values, [0, 0, 0, 0, 1, 1, 1, 1, 1, np.nan])


@pytest.mark.parametrize("text", ["Smiling", "=0.5", "Smiling=", "Smiling=a", "Smiling=nan", "Smiling=0.1:x"])
def test_other_forms_are_refused(text):
    with pytest.raises(DataError, match=r"is not of the form NAME=0\.5"):
        parse_threshold(text)


def test_names_may_hold_equals_signs():
    assert parse_threshold("a=b=0.5").name == "a=b"


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["Smilling=0.5"], r"names 'Smilling', which is no attribute of arrays; it has: Smiling, age(,| and) hat"),
        (["Smiling=0.9:0.1"], "0.9 should not be above 0.1"),
        (["hat=0.5"], "holds no numbers but is text"),
        (["age=3", "age=4"], "was named before"),
        (["age=100"], "no image lies at or above 100; values are from 0 to 9"),
        (["age=-1"], "no image lies below -1"),
    ],
)
def test_what_cannot_be_split_is_refused(source, texts, sentence):
    with pytest.raises(DataError, match=sentence):
        with_booleans(source, texts)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    with (tmp_path / "faces" / "attributes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "Smiling", "person"])
        for k in range(60):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "faces" / f"{k:02d}.png")
            writer.writerow([f"{k:02d}.png", k % 10 / 10, f"p{k // 2}"])
    return tmp_path / "faces"


def test_run_and_table_hold_the_boolean_attribute(folder, tmp_path, call):
    words = ["--set", "family.latent=4", "--set", "family.width=4", "--set", "training.total_images=64"]
    words += ["--set", "training.batch_size=16", "--boolean", "Smiling=0.2:0.8", "--group", "person"]
    code, _, err = call("train", "bigan", "--data", folder, "--out", tmp_path / "run", *words)
    assert code == 0, err
    code, _, err = call("encode", tmp_path / "run", "--out", tmp_path / "codes.parquet")
    assert code == 0, err
    column = Embeddings(tmp_path / "codes.parquet").column("Smiling")
    assert column.kind == "boolean"
    assert np.isnan(column.values).sum() == 30
    code, _, err = call("encode", tmp_path / "run", "--out", tmp_path / "x.parquet", "--boolean", "Smiling=2")
    assert (code, err.count("\n")) == (2, 1), err
    assert "no image lies at or above 2" in err


def test_the_setting_is_kept(folder):
    source = load_source(folder, boolean=["Smiling=0.5"])
    assert source.attribute_kinds["Smiling"] == "boolean"
