"""Generated garbage at the boundary: whatever a file holds, its reader returns what it promises or one sentence."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

import analysis.io.file_models
import latentgan.io.file_models
from analysis.errors import AnalysisError
from analysis.geometry.intrinsic_dimension import Geometry, shape_of
from analysis.io.messages import MAX_MESSAGE, message
from analysis.io.reading import (
    BadImageError,
    map_array,
    open_image,
    parse_json,
    parse_toml,
    read_arrays,
    table_metadata,
    validated,
)
from analysis.report.run_folder import Run, read_run
from analysis.results import load_one
from analysis.results import save as save_result
from latentgan import NumpyModel
from latentgan.config import read_toml
from latentgan.errors import CheckpointError, ConfigError, DataError, LatentganError
from latentgan.io.reading import read_tensors
from latentgan.reproduction.records import read_record
from latentgan.run_folder import read_checkpoint, read_config
from latentgan.training.logger import cut_back, read_summary

some = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**30, -(2**63), 1e308, "x" * 10_000, "\u202e\x1b[31m\n", "\udcff", "module:Class", "/dev/zero"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MODELS = [
    model
    for module in (latentgan.io.file_models, analysis.io.file_models)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, module.FileModel) and model is not module.FileModel
]


def one_sentence(read: Callable[[], Any], *errors: type[Exception]) -> Any:
    """Return what a reader gives, or None where it refuses; any other exception fails the test."""
    try:
        return read()
    except errors as error:
        line = message(error)
        assert 0 < len(line) <= MAX_MESSAGE
        assert line.isprintable()
        return None


def keys_of(model: Any) -> list[str]:
    return list(model.model_fields)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__.split('.')[0]}-{model.__name__}")
@some
@given(data=st.data())
def test_a_model_takes_or_refuses_any_json(model: Any, data: st.DataObject) -> None:
    tree = data.draw(
        values | st.dictionaries(st.sampled_from(keys_of(model)) | st.text(max_size=5), values, max_size=8)
    )
    found = one_sentence(lambda: validated(tree, model, "file.json"), AnalysisError)
    assert found is None or isinstance(found, model)


@some
@given(text=st.text() | st.text('[]{}:,"0123456789.e-+ tfn\\', max_size=60))
def test_any_text_is_json_or_refused(text: str) -> None:
    one_sentence(lambda: parse_json(text, "file.json"), AnalysisError)
    one_sentence(lambda: parse_toml(text, "file.toml"), AnalysisError)


@some
@given(text=st.text(max_size=50) | values.map(json.dumps))
def test_any_metadata_of_a_table_is_read_or_refused(text: str) -> None:
    assert isinstance(one_sentence(lambda: table_metadata(text, "codes.parquet") or {}, AnalysisError), dict | None)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON document: its container and its key."""
    found = []
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        found += [(tree, key), *places(value)]
    return found


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> bytes:
    """A JSON document with one value replaced or removed, or some of its bytes changed or cut."""
    if draw(st.integers(0, 3)) == 0:
        content = bytearray(text.encode())
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
        return bytes(content[: draw(st.integers(0, len(content)))])
    tree = json.loads(text)
    container, key = draw(st.sampled_from(places(tree)))
    if draw(st.booleans()):
        container[key] = draw(values)
    else:
        del container[key]
    return json.dumps(tree).encode()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    codes = np.random.default_rng(0).normal(size=(200, 3))
    save_result(Geometry(shapes=(shape_of(codes, rng=np.random.default_rng(0)),), null=(), notes=("a note",)), folder)
    return folder


@some
@given(data=st.data())
def test_a_spoiled_result_is_read_or_refused(result: Path, tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "geometry.json").write_bytes(data.draw(spoiled((result / "geometry.json").read_text())))
    shutil.copy(result / "geometry.npz", tmp_path)
    one_sentence(lambda: load_one(tmp_path, "geometry"), AnalysisError)


def test_a_figure_that_was_changed_by_hand_is_no_result(result: Path, tmp_path: Path) -> None:
    tree = json.loads((result / "geometry.json").read_text())
    tree["notes"] = ["another note"]
    (tmp_path / "geometry.json").write_text(json.dumps(tree))
    shutil.copy(result / "geometry.npz", tmp_path)
    with pytest.raises(AnalysisError, match="its figures are not those that were written"):
        load_one(tmp_path, "geometry")


@some
@given(data=st.data())
def test_a_spoiled_model_is_loaded_or_refused(
    trained: tuple[NumpyModel, Path], tmp_path: Path, data: st.DataObject
) -> None:
    model = trained[1].parent / "run" / "model"
    shutil.copytree(model, tmp_path / "model", dirs_exist_ok=True)
    (tmp_path / "model" / "config.json").write_bytes(data.draw(spoiled((model / "config.json").read_text())))
    found = one_sentence(lambda: NumpyModel.load(tmp_path / "model", device="cpu"), LatentganError)
    assert found is None or isinstance(found, NumpyModel)


@some
@given(data=st.data())
def test_a_spoiled_checkpoint_is_read_or_refused(
    trained: tuple[NumpyModel, Path], tmp_path: Path, data: st.DataObject
) -> None:
    run = trained[1].parent / "run"
    shutil.copytree(run, tmp_path / "run", dirs_exist_ok=True)
    state = next((tmp_path / "run").glob("checkpoints/*/state.json"))
    state.write_bytes(data.draw(spoiled(next(run.glob("checkpoints/*/state.json")).read_text())))
    one_sentence(lambda: read_checkpoint(tmp_path / "run"), CheckpointError)


@pytest.mark.parametrize(
    "name", ["run.toml", "latest", "metrics.jsonl", "summary.json", "diagnostics.json", "likelihood.json"]
)
@some
@given(content=st.binary(max_size=200) | values.map(lambda tree: json.dumps(tree).encode() + b"\n"))
def test_any_bytes_in_a_run_are_read_or_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = one_sentence(lambda: read_run(tmp_path), AnalysisError)
    assert found is None or isinstance(found, Run)
    for read in (read_config, read_checkpoint, read_summary, lambda run: cut_back(run, 10)):
        one_sentence(lambda read=read: read(tmp_path), CheckpointError)  # type: ignore[misc]
        (tmp_path / name).write_bytes(content)


@some
@given(content=st.binary(max_size=200) | values.map(lambda tree: json.dumps(tree).encode()))
def test_any_bytes_are_a_record_or_settings_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    one_sentence(lambda: read_record(tmp_path / "file"), DataError)
    one_sentence(lambda: read_toml(tmp_path / "file"), ConfigError)


def files() -> dict[str, bytes]:
    """A whole file of each binary kind."""
    array, image = np.arange(24, dtype=np.float32).reshape(2, 3, 4), Image.new("L", (8, 8))
    streams = {kind: io.BytesIO() for kind in ("npy", "npz", "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")}
    np.save(streams["npy"], array)
    np.savez_compressed(streams["npz"], a=array, about=np.array("x"))
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        image.save(streams[kind], kind)
    return {kind: stream.getvalue() for kind, stream in streams.items()} | {
        "safetensors": save({"w": torch.ones(3, 2), "b": torch.zeros(2)})
    }


FILES = files()


@pytest.mark.parametrize("kind", FILES)
@some
@given(data=st.data())
def test_a_damaged_binary_file_is_read_or_refused(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    path = tmp_path / f"file.{kind}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    def decode() -> None:
        with open_image(path) as image:
            image.load()

    read: dict[str, Callable[[], Any]] = {
        "npy": lambda: map_array(path),
        "npz": lambda: read_arrays(path),
        "safetensors": lambda: read_tensors(path, error=DataError),
    }
    one_sentence(read.get(kind, decode), AnalysisError, DataError, BadImageError)
