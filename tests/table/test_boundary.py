"""What comes in from outside: hostile, broken and absurd input ends in one sentence, and starts or imports nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image

from analysis.cli.console import run_app
from analysis.errors import AnalysisError
from analysis.io.messages import MAX_MESSAGE, listed, message
from analysis.io.reading import BadImageError, check_memory, map_array, open_image, parse_json, read_arrays, read_text
from latentgan import NumpyModel
from latentgan.config import parse_assignments
from latentgan.data.load import load_source
from latentgan.errors import ConfigError, DataError, ForeignFamilyError

Call = Callable[..., tuple[int, str, str]]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Own cache, and an alarm in place of an endless wait for a pipe."""
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))

    def hang(*_: object) -> None:
        raise TimeoutError("it waits for a pipe or device")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears once anybody starts a PostScript interpreter."""
    from PIL import EpsImagePlugin

    mark, tools = tmp_path / "started", tmp_path / "tools"
    tools.mkdir()
    (tools / "gs").write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    (tools / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


def test_postscript_in_a_folder_is_not_started(tmp_path: Path, interpreter: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for row in range(4):
        (folder / f"{row}.png").write_bytes(png(row) if row else EPS)
    with pytest.raises(DataError, match=r"0\.png is no readable image \(its content is none of PNG, JPEG"):
        load_source(folder, size=8)
    assert not interpreter.exists()


def test_postscript_in_a_parquet_cell_is_not_started(tmp_path: Path, interpreter: Path) -> None:
    pq.write_table(pa.table({"image": [EPS, png(1), png(2)]}), tmp_path / "set.parquet")
    with pytest.raises(DataError, match="is no readable image"):
        load_source(tmp_path / "set.parquet")
    assert not interpreter.exists()


def test_postscript_as_a_thumbnail_is_not_started(tmp_path: Path, interpreter: Path) -> None:
    from analysis.table.embeddings import Embeddings
    from analysis.table.overview import summarise

    codes = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(60, np.float32)), 3)
    pq.write_table(pa.table({"code": codes, "thumbnail": pa.array([EPS] * 20)}), tmp_path / "codes.parquet")
    with pytest.raises(AnalysisError, match="thumbnails is no readable image"):
        summarise(Embeddings(tmp_path / "codes.parquet"), np.arange(20))
    assert not interpreter.exists()


def test_images_are_opened_in_one_place() -> None:
    root = Path(__file__).resolve().parents[2]
    sources = [*(root / "latentgan").rglob("*.py"), *(root / "analysis").rglob("*.py")]
    assert [path.name for path in sources if "Image.open(" in path.read_text()] == ["reading.py"]


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears once the module my_lab is imported."""
    mark = tmp_path / "imported"
    (tmp_path / "my_lab.py").write_text(
        f"from pathlib import Path\nfrom latentgan.families.bigan import BiGAN\nPath({str(mark)!r}).touch()\n"
        "class MyGAN(BiGAN):\n    '''A GAN of somebody else.'''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_lab", raising=False)
    monkeypatch.chdir(tmp_path)
    return mark


def test_a_settings_file_imports_nothing(call: Call, foreign: Path) -> None:
    Path("evil.toml").write_text('name = "my_lab:MyGAN"\n')
    code, _, err = call("train", "--config", "evil.toml", "--dry-run")
    assert (code, foreign.exists()) == (2, False)
    assert "name it yourself: latentgan train my_lab:MyGAN --config evil.toml" in err


def test_a_settings_file_may_name_what_the_command_line_names(call: Call, foreign: Path) -> None:
    Path("mine.toml").write_text('name = "my_lab:MyGAN"\n[family]\nlatent = 3\nwidth = 4\nhidden = 8\n')
    code, out, _ = call("train", "my_lab:MyGAN", "--config", "mine.toml", "--dry-run")
    assert code == 0
    assert "latent = 3" in out
    assert foreign.exists()


def test_a_protocol_configuration_imports_nothing(call: Call, foreign: Path) -> None:
    from latentgan.reproduction.protocols.base import load_protocol

    for recipe in load_protocol("bigan-permutation").recipes.values():
        Path(recipe.config).write_text('name = "my_lab:MyGAN"\n')
    code, *_ = call("reproduce", "bigan-permutation", "--quick", "--configs", ".", "--results", "r", "--work", "w")
    assert (code, foreign.exists()) == (2, False)


@pytest.mark.slow
def test_a_foreign_run_asks_for_its_name_wherever_it_is_used(call: Call, foreign: Path) -> None:
    small = ("training.total_images=32", "training.batch_size=16", "family.width=4", "family.hidden=8")
    short = [f"--set={key}" for key in small]
    assert call("train", "my_lab:MyGAN", "--out", "run", *short)[0] == 0
    for arguments, way in (
        (["train", "--resume", "run"], "latentgan train my_lab:MyGAN --resume run"),
        (["encode", "run", "--out", "t.parquet"], "latentgan encode run --family my_lab:MyGAN --out codes.parquet"),
        (["sample", "run"], "--family my_lab:MyGAN"),
    ):
        del sys.modules["my_lab"]
        foreign.unlink(missing_ok=True)
        code, _, err = call(*arguments)
        assert (code, foreign.exists()) == (2, False)
        assert way in err
        __import__("my_lab")
    assert call("encode", "run", "--family", "my_lab:MyGAN", "--out", "t.parquet")[0] == 0
    code, _, err = call("mixture", "t.parquet", "--out", "results", "--components", "2")
    assert code == 0
    assert "without a model: run is of the foreign family" in err
    given = ["--components", "2", "--out", "results", "--model"]
    code, _, err = call("mixture", "t.parquet", *given, "run")
    assert code == 2
    assert "--model my_lab:MyGAN=run" in err
    assert call("mixture", "t.parquet", *given, "my_lab:MyGAN=run")[0] == 0


def pipes(folder: Path) -> list[list[str]]:
    """Calls that name a pipe where a file should be."""
    (folder / "photos").mkdir()
    os.mkfifo(folder / "photos" / "0.png")
    (folder / "run").mkdir()
    (folder / "results").mkdir()
    for name in (
        "pipe.png",
        "pipe.npz",
        "pipe.npy",
        "pipe.parquet",
        "pipe",
        "pipe.toml",
        "pipe.csv",
        "pipe.idx.gz",
        "run/run.toml",
        "results/overview.json",
    ):
        os.mkfifo(folder / name)
    data = [
        ["train", "bigan", "--out", "new", "--data", name]
        for name in (
            "photos",
            "pipe.npz",
            "pipe.npy",
            "pipe.parquet",
            "pipe",
            "pipe.idx.gz",
            "/dev/zero",
            "/dev/stdin",
        )
    ]
    return [
        *data,
        ["train", "--config", "pipe.toml", "--out", "new"],
        ["train", "--resume", "run"],
        ["probe", "pipe.parquet"],
        ["report", "results"],
        ["report", "results", "--run", "run"],
    ]


def test_what_is_no_regular_file_is_refused_unopened(call: Call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in pipes(tmp_path):
        code, _, err = call(*arguments)
        assert code == 2, arguments
        assert "a named pipe" in err or "a device" in err, (arguments, err)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["/etc/hostname.png", "../0.png", "a/../../0.png", "C:\\0.png", "..\\0.png"])
def test_a_table_of_images_points_only_below_its_folder(tmp_path: Path, name: str) -> None:
    cells = [{"bytes": None, "path": name}, *({"bytes": png(row), "path": f"{row}.png"} for row in range(3))]
    pq.write_table(pa.table({"image": cells}), tmp_path / "set.parquet")
    (tmp_path.parent / "0.png").write_bytes(png(0))
    with pytest.raises(DataError, match="may only name files below its own folder"):
        load_source(tmp_path / "set.parquet")


def test_files_beside_a_table_of_images_are_read(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for row in range(3):
        (tmp_path / "images" / f"{row}.png").write_bytes(png(row))
    cells = [{"bytes": None, "path": f"images/{row}.png"} for row in range(3)]
    pq.write_table(pa.table({"image": cells}), tmp_path / "set.parquet")
    assert len(load_source(tmp_path / "set.parquet")) == 3


def huge_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**12, 28, 28), (2**62, 2**62)])
def test_a_header_promises_no_more_than_the_file_has(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "a.npy").write_bytes(huge_header(shape) + bytes(800))
    with pytest.raises(DataError, match=r"promises float64 of \(.* [TPE]B, and the file has 800 bytes"):
        map_array(tmp_path / "a.npy", error=DataError)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", huge_header(shape) + bytes(800))
    with pytest.raises(DataError, match=r"'images': the header promises"):
        read_arrays(tmp_path / "a.npz", error=DataError)


def test_bombs_are_weighed_before_they_are_unpacked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("analysis.io.memory.room", lambda: 1e6)
    images = np.zeros((40, 256, 256), np.uint8)
    np.savez_compressed(tmp_path / "bomb.npz", images=images)
    header = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
    for name in ("bomb.npz", "train-images-idx3-ubyte.gz"):
        with pytest.raises(DataError, match=r"would need \d\.\d+ MB of memory, and 1 MB are free"):
            load_source(tmp_path / name)


def test_needed_memory_is_named() -> None:
    with pytest.raises(ConfigError, match=r"the networks would need 4 EB of memory, and .* are free; lower"):
        check_memory(4e18, "the networks", way="lower family.latent", error=ConfigError)
    with pytest.raises(ConfigError, match=r"would need more than 1,000 EB of memory"):
        check_memory(float("inf"), "the networks", error=ConfigError)


@pytest.mark.parametrize(
    ("setting", "way"),
    [
        ("family.latent=1000000000", "lower family.latent"),
        ("family.hidden=1000000000000", "lower family.latent, family.hidden"),
        ("family.latent=4611686018427387904", "lower family.latent"),
        ("training.batch_size=100000000000", "lower training.batch_size"),
    ],
)
def test_networks_are_weighed_before_they_are_built(call: Call, tmp_path: Path, setting: str, way: str) -> None:
    code, _, err = call("train", "bigan", "--out", tmp_path / "run", "--set", setting)
    assert code == 2
    assert "of memory, and " in err
    assert way in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["bigan", "gan", "deligan", "latent_regressor"])
def test_the_weight_of_networks_is_exact(name: str) -> None:
    from latentgan.data.source import ImageSpec
    from latentgan.families.base import configure, load_family
    from latentgan.training.memory import weight_bytes

    kind, config, spec = (
        load_family(name),
        configure(name).family,
        ImageSpec(channels=1, height=8, width=8, classes=("a", "b")),
    )
    built = kind(config, spec)
    assert weight_bytes(kind, config, spec) == sum(
        tensor.numel() * tensor.element_size() for tensor in (*built.parameters(), *built.buffers())
    )


def test_a_models_file_of_absurd_size_builds_nothing(trained, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained[1].parent / "run" / "model", tmp_path / "model")
    changed(tmp_path / "model" / "config.json", family={"latent": 10**12, "width": 4, "hidden": 16})
    with pytest.raises(ConfigError, match=r"would need .* of memory"):
        NumpyModel.load(tmp_path / "model")


def test_an_image_of_too_many_pixels_is_refused() -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    whole = png(0)
    huge = whole[:8] + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + whole[33:]
    with pytest.raises(BadImageError, match="pixels"), open_image(huge):
        pass


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("[" * 100_000, "is nested too deeply"),
        ("[" * 100 + "]" * 100, "is nested more than 64 deep"),
        ("9" * 5000, "is not JSON"),
        ('{"a"', "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_json_that_is_none_or_absurd_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(AnalysisError, match=sentence):
        parse_json(text, "state.json")


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(AnalysisError, match=r"run\.toml, line 2: byte 0xff is not UTF-8"):
        read_text(tmp_path / "run.toml")


def test_huge_numbers_in_settings_stay_texts() -> None:
    tree = parse_assignments([f"family.latent={'9' * 5000}", f"family.width={'[' * 5000}"])
    assert {type(value) for value in tree["family"].values()} == {str}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "not enough memory (Unable to allocate 7 TiB)"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
            "not enough memory",
        ),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (OverflowError("Python int too large to convert to C long"), "number in the input is too large"),
        (
            ValueError("Exceeds the limit (4300 digits) for integer string conversion"),
            "number in the input is too large",
        ),
        (OSError(36, "File name too long", "x" * 5000), "File name too long"),
        (PermissionError(13, "Permission denied", "/root/x"), "cannot use /root/x: Permission denied"),
        (AnalysisError("a\nb\x1b[31m\u202e"), "a b·[31m·"),
        (AnalysisError("https://user:p@ss@host/x and http:/u:secret@host"), "https://***@host/x and http://***@host"),
    ],
)
def test_an_error_is_one_short_line_and_exit_code_2(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["tool"])
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run_app(app, "tool")
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert len(said) <= MAX_MESSAGE + 1


def test_a_mistake_of_the_program_is_no_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tool"])
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        run_app(app, "tool")


def test_a_long_message_keeps_its_end() -> None:
    text = message(f"no file {'x' * 9_000}: choose another --out")
    assert len(text) == MAX_MESSAGE
    assert text.endswith("choose another --out")


def test_a_list_of_names_ends_after_ten() -> None:
    assert listed(range(25)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more"


def test_warnings_of_python_reach_nobody(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tool"])
    monkeypatch.setattr(sys, "warnoptions", [])
    app = typer.Typer()

    @app.command()
    def divide() -> None:
        import warnings

        warnings.showwarning("divide by zero", RuntimeWarning, "x.py", 1)

    with pytest.raises(SystemExit):
        run_app(app, "tool")
    assert capsys.readouterr().err == ""


def test_a_number_beyond_64_bits_is_refused(call: Call) -> None:
    code, _, err = call("probe", "x.parquet", "--rows", "9" * 30)
    assert code == 2
    assert "--rows is too large" in err


def changed(path: Path, **values: object) -> None:
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in {**tree, **values}.items() if value is not ...}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": 3}, "name = 3 is not possible"),
        ({"family": []}, r"family = \[\] is not possible"),
        ({"sha256": ...}, "lacks sha256"),
        (
            {"spec": {"channels": "1", "height": 8, "width": 8, "classes": []}},
            r"spec\.channels.* = '1' is not possible",
        ),
        ({"spec": {"channels": 1, "height": 8, "width": 8}}, r"lacks spec\.classes"),
    ],
)
def test_a_models_file_is_typed(trained, tmp_path: Path, values: dict[str, object], sentence: str) -> None:
    import shutil

    shutil.copytree(trained[1].parent / "run" / "model", tmp_path / "model")
    changed(tmp_path / "model" / "config.json", **values)
    with pytest.raises(Exception, match=rf"config\.json.*{sentence}") as caught:
        NumpyModel.load(tmp_path / "model")
    assert not isinstance(caught.value, ForeignFamilyError)
