"""Commands that fail leave nothing behind, and none writes over what it reads or what is not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folder_contents import everything
from PIL import Image
from tiny_runs import stripes, tiny

from analysis.io.writing import consent
from latentgan import NumpyModel, train
from latentgan.errors import DataError
from latentgan.evaluation.attribute_classifier import find_heads, open_attribute_classifier
from latentgan.inference import generate_dataset as augmenting
from latentgan.run_folder import latest_name
from latentgan.training.loop import resume

resource = pytest.importorskip("resource")
Call = Callable[..., tuple[int, str, str]]


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let no file of this process become longer: the system says so as it says that a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def place(trained: tuple[NumpyModel, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its table, its results with concepts and a probe, an image and an old report, all read by commands."""
    from latentgan.cli import app as cli

    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(trained[1].parent / "run", folder / "run")
    table = pq.read_table(trained[1])
    about = {**json.loads(table.schema.metadata[b"latentgan"]), "run": "run"}
    pq.write_table(table.replace_schema_metadata({b"latentgan": json.dumps(about)}), folder / "codes.parquet")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3).save(folder / "me.png")
    said = ("concepts", "codes.parquet", "--out", "results", "--rows", "300", "--permutations", "19")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for arguments in (said, ("probe", "codes.parquet", "--save", "probe.npz"), ("report", "results")):
            patch.setattr(sys, "argv", ["latentgan", *arguments])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            assert not stop.value.code
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the place, in which commands are given."""
    shutil.copytree(place, tmp_path / "here", copy_function=os.link)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


TRAIN = (
    "train",
    "bigan",
    "--data",
    "digits",
    "--device",
    "cpu",
    "--set",
    "training.total_images=256",
    "--set",
    "family.width=4",
    "--set",
    "family.hidden=16",
)
SMALL = ("--rows", "50")
FULL_DISKS: list[tuple[int, tuple[str, ...]]] = [
    (100, (*TRAIN, "--out", "new/run")),
    (6_000, (*TRAIN, "--out", "new/run")),
    (20_000, (*TRAIN, "--out", "new/run")),
    (5_000, ("encode", "run", "--out", "new/deep/codes.parquet", "--device", "cpu")),
    (50, ("sample", "run", "--out", "new/samples.png")),
    (50, ("sample", "run", "--out", "new/samples", "-n", "3")),
    (50, ("edit", "run", "me.png", "--concept", "pca1", "--results", "results", "--out", "new/edits")),
    (300, ("probe", "codes.parquet", "--save", "new/probe.npz")),
    (300, ("probe", "codes.parquet", *SMALL, "--out", "new/results")),
    (300, ("concepts", "codes.parquet", "--rows", "300", "--permutations", "19", "--out", "new/results")),
    (300, ("geometry", "codes.parquet", *SMALL, "--out", "results")),
    (300, ("analyze", "codes.parquet", *SMALL, "--out", "new/results")),
    (300, ("report", "results", "--out", "new/report.html")),
    (300, ("verify", "run", "--results", "results", "--images", "10", "--draws", "2", "--concept", "pca1")),
    (300, ("compare", "run", "run", *SMALL, "--out", "new/results", "--device", "cpu")),
    (300, ("compare", "codes.parquet", "codes.parquet", *SMALL, "--out", "new/results")),
    (300, ("fidelity", "codes.parquet", "codes.parquet", *SMALL, "--out", "new/results")),
    (
        300,
        ("adversarial", "run", "--probe", "probe.npz", "-n", "5", "--steps", "1", "--out", "new/r", "--device", "cpu"),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "arguments"), FULL_DISKS, ids=lambda one: one[0] if isinstance(one, tuple) else one)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    size: int, arguments: tuple[str, ...], here: Path, call: Call
) -> None:
    before = everything(here)
    with longest_file(size):
        code, _, said = call(*arguments)
    assert code == 2 and "Traceback" not in said, said
    assert said.splitlines()[-1].startswith("latentgan: ") and "File too large" in said.splitlines()[-1]
    assert everything(here) == before


def test_a_late_error_leaves_no_tables(here: Path, call: Call) -> None:
    before = everything(here)
    code, _, said = call(
        "compare", "run", "run", *SMALL, "--out", "new/results", "--code", "nothing", "--device", "cpu"
    )
    assert code == 2 and "nothing" in said and everything(here) == before


# What is read is never written over


OVER_INPUTS = [
    ("encode", "run", "--data", "data.parquet", "--out", "data.parquet"),
    ("encode", "run", "--data", "data.parquet", "--out", "hard.parquet"),
    ("encode", "run", "--data", "data.parquet", "--out", "soft.parquet"),
    ("encode", "run", "--data", "shards", "--out", "shards/data.parquet"),
    ("report", "results", "--out", "codes.parquet"),
    ("report", "results", "--out", "results/concepts.json"),
    ("report", "results", "--run", "run", "--out", "run/run.toml"),
    ("report", "results", "--out", "link.html"),
    ("sample", "run", "--out", "me.png"),
    ("sample", "run", "--out", "run/samples/000000640-samples.png"),
    ("edit", "run", "me.png", "--concept", "pca1", "--strength", "1", "--results", "results", "--out", "."),
    ("probe", "codes.parquet", "--save", "results/concepts.npz"),
    ("probe", "codes.parquet", "--save", "arrays.npz"),
    ("probe", "codes.parquet", *SMALL, "--out", "mine"),
    ("analyze", "codes.parquet", "--out", "mine"),
    ("compare", "codes.parquet", "codes.parquet", "--out", "mine"),
    ("adversarial", "run", "--probe", "probe.npz", "--out", "mine"),
    ("encode", "run", "--out", "me.png.parquet"),
    ("verify", "run", "--results", "verified"),
]


@pytest.fixture
def crowded(here: Path) -> Path:
    """The place with files of the user where outputs would go."""
    from analysis.io.writing import png_bytes

    cells = [{"bytes": png_bytes(Image.fromarray(np.full((8, 8), 9 * i, np.uint8))), "path": ""} for i in range(20)]
    pq.write_table(pa.table({"image": cells, "label": ["a", "b"] * 10}), here / "data.parquet")
    (here / "hard.parquet").hardlink_to(here / "data.parquet")
    (here / "soft.parquet").symlink_to("data.parquet")
    (here / "shards").mkdir()
    shutil.copy(here / "data.parquet", here / "shards/data.parquet")
    (here / "link.html").symlink_to("results/concepts.json")
    shutil.copy(here / "me.png", here / "me_pca1_+1.png")
    np.savez(here / "arrays.npz", a=np.zeros(3))
    (here / "mine").mkdir()
    for kind in ("probes", "model_comparison", "robustness"):
        (here / f"mine/{kind}.json").write_text('{"my": "notes"}')
    (here / "me.png.parquet").write_bytes(b"mine")
    shutil.copytree(here / "results", here / "verified")
    (here / "verified/editing.json").write_text('{"my": "notes"}')
    return here


@pytest.mark.parametrize("arguments", OVER_INPUTS, ids=" ".join)
def test_no_command_overwrites_inputs(arguments: tuple[str, ...], crowded: Path, call: Call) -> None:
    before = everything(crowded)
    code, _, said = call(*arguments)
    assert code == 2 and said.splitlines()[-1].startswith("latentgan: "), said
    assert "is read by this command" in said or "is not what latentgan writes there" in said, said
    assert everything(crowded) == before


def test_force_replaces_what_is_not_ours_but_not_what_is_read(crowded: Path, call: Call) -> None:
    assert call("sample", "run", "--out", "me.png", "--force")[0] == 0
    assert call("sample", "run", "--out", "me.png")[0] == 0, "it is ours now"
    assert call("report", "results", "--out", "codes.parquet", "--force")[0] == 0, "the report does not read the table"
    code, _, said = call("encode", "run", "--data", "data.parquet", "--out", "hard.parquet", "--force")
    assert code == 2 and "is read by this command" in said


def test_force_ends_with_its_command(here: Path, call: Call) -> None:
    shutil.copy(here / "me.png", here / "other.png")
    assert call("sample", "run", "--out", "me.png", "--force")[0] == 0
    assert call("sample", "run", "--out", "other.png")[0] == 2 and not consent().overwrite


def test_what_we_wrote_is_written_again_without_being_asked(here: Path, call: Call) -> None:
    for _ in range(2):
        assert call("sample", "run", "-n", 3, "--out", "samples")[0] == 0
        assert call("report", "results", "--out", "report.html")[0] == 0
        assert call("probe", "codes.parquet", "--save", "probe.npz")[0] == 0
        code, _, said = call("edit", "run", "me.png", "--concept", "pca1", "--results", "results", "--out", "edits")
        assert code == 0, said


def test_a_judge_that_is_not_ours_stays(tmp_path: Path, digits: Any) -> None:
    (tmp_path / "attribute_classifier.safetensors").write_bytes(b"mine")
    with pytest.raises(DataError, match="is not what latentgan writes there"):
        open_attribute_classifier(tmp_path, digits, find_heads(digits, {}), steps=1)
    assert everything(tmp_path) == {"attribute_classifier.safetensors": b"mine"}


# A run's checkpoints


def test_resume_removes_only_its_checkpoints(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    config = tiny(total_images=96)
    train(config, run, source=stripes(), show_progress=False)
    summary = json.loads((run / "summary.json").read_text()) | {"status": "running"}
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "latest").write_text("000000000064\n")
    checkpoints = run / "checkpoints"
    elsewhere.mkdir()
    for folder in (elsewhere, checkpoints / "000000000010", checkpoints / "backup", checkpoints / ".000000000096.tmp"):
        folder.mkdir(exist_ok=True)
        (folder / "state.json").write_text("mine")
        (folder / "thesis.tex").write_text("mine")
    (checkpoints / "000000000032").symlink_to(elsewhere)
    (checkpoints / "notes.txt").write_text("mine")
    (checkpoints / "link").symlink_to(elsewhere / "thesis.tex")
    names = {path.name for path in checkpoints.iterdir()}
    listed = json.loads((run / "checkpoints.json").read_text())
    listed["names"] = sorted({*listed["names"], "000000000032", "../../elsewhere", "backup"})
    (run / "checkpoints.json").write_text(json.dumps(listed))
    shutil.rmtree(checkpoints / "000000000096")
    resume(run, source=stripes(), show_progress=False)
    assert latest_name(run) == "000000000096"
    assert {path.name for path in checkpoints.iterdir()} == names
    assert everything(elsewhere) == {"state.json": b"mine", "thesis.tex": b"mine"}
    assert (checkpoints / "backup/state.json").read_text() == (checkpoints / "000000000010/state.json").read_text()
    assert (checkpoints / ".000000000096.tmp/thesis.tex").read_text() == "mine"


def test_parts_of_a_table_are_not_written_through_a_link(here: Path, call: Call) -> None:
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.tex").write_text("mine")
    (here / ".new.parquet.parts").symlink_to(elsewhere)
    code, _, said = call("encode", "run", "--out", "new.parquet", "--device", "cpu")
    assert code == 2 and "is a link" in said and everything(elsewhere) == {"thesis.tex": b"mine"}
    (here / ".new.parquet.parts").unlink()
    (here / ".new.parquet.parts").mkdir()
    (here / ".new.parquet.parts/open").symlink_to(elsewhere / "thesis.tex")
    (here / ".new.parquet.parts/notes").write_text("mine")
    assert call("encode", "run", "--out", "new.parquet", "--device", "cpu")[0] == 0
    assert everything(elsewhere) == {"thesis.tex": b"mine"}
    assert everything(here / ".new.parquet.parts") == {"notes": b"mine"}


# Generated images


def _augmented(out: Path) -> None:
    """Write two classes of two images, as `augment` does."""
    with augmenting._folder(out, ["a", "b"], {"ink": "numeric"}, {"seed": 1}) as write:
        for position in (0, 1):
            write(position, np.full((2, 4, 4, 1), 9, np.uint8), {"ink": [1.0, 2.0]})


@pytest.mark.slow
@pytest.mark.parametrize("there", [False, True])
def test_augment_killed_at_any_call_leaves_all_or_nothing(there: bool, tmp_path: Path) -> None:
    """A child process leaves at its k-th call that changes the disk, without any cleaning up."""
    calls = [(os, name) for name in ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync")]
    calls += [(Path, name) for name in ("open", "write_bytes", "write_text")]
    whole = tmp_path / "whole"
    _augmented(whole)
    expected, seen = everything(whole), set()
    for k in range(200):
        out = tmp_path / f"{k}" / "out"
        (out if there else out.parent).mkdir(parents=True)
        if (child := os.fork()) == 0:
            count = -1

            def watched(real: Callable[..., Any], k: int = k) -> Callable[..., Any]:
                def call(*args: Any, **kwargs: Any) -> Any:
                    nonlocal count
                    count += 1
                    if count == k:
                        os._exit(9)
                    return real(*args, **kwargs)

                return call

            for owner, name in calls:
                setattr(owner, name, watched(getattr(owner, name)))
            _augmented(out)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = everything(out) if out.exists() else {}
        assert left in ({}, expected), k
        seen.add(bool(left))
        if not left:
            augmenting._refuse_used(out)
            _augmented(out)
        assert everything(out) == expected
        assert sorted(path.name for path in out.parent.iterdir()) == ["out"] or left, "what was begun goes"
        if code == 0:
            break
    assert code == 0 and k > 10 and seen == {False, True}


def test_augment_never_renames_onto_a_folder_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentgan.errors import ConfigError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="the current folder"):
        augmenting._refuse_used(Path())


@pytest.mark.slow
def test_two_processes_on_one_run_are_one_sentence(here: Path) -> None:
    from latentgan.run_folder import locked

    with locked(here / "run"):
        done = subprocess.run(
            [sys.executable, "-m", "latentgan", "train", "--resume", "run"],
            capture_output=True,
            text=True,
            check=False,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.returncode == 2 and "another process is training in run" in done.stderr
    assert "Traceback" not in done.stderr
