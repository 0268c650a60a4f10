"""The run folder: one commit point, one sentence for whatever is wrong with it, nothing pickled."""

from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import differences, everything, read_json, stripes, tiny

import latentgan.run_folder as module
from latentgan.errors import CheckpointError, ConfigError
from latentgan.io.writing import write_tensors
from latentgan.run_folder import (
    Checkpoint,
    create_run,
    latest_name,
    locked,
    read_checkpoint,
    read_config,
    read_model,
    write_checkpoint,
    write_model,
)
from latentgan.training.loop import resume, train

ROOT = Path(__file__).parents[2]
COUNTERS: dict[str, Any] = {
    "seconds": 1.5,
    "counters": {"main": 8},
    "moves": {"discriminator": 8},
    "diagnostics": {"status": "ok", "warnings": []},
}


def state(value: float) -> Checkpoint:
    return Checkpoint({"w": torch.full((3,), value), "count": torch.tensor(7)}, COUNTERS | {"iteration": int(value)})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return train(tiny(), tmp_path_factory.mktemp("finished") / "run", source=stripes(), show_progress=False)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A run whose last third is still to be played, as after a kill."""
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    (copy / "latest").write_text("000000000064\n")
    summary = read_json(copy, "summary.json") | {"status": "running", "images": 64}
    (copy / "summary.json").write_text(json.dumps(summary))
    return copy


def go_on(run: Path, **changes: Any) -> Path:
    return resume(run, **{"source": stripes(), "show_progress": False, **changes})


def refusal(call: Callable[[], object], kind: type[Exception] = CheckpointError) -> str:
    """The one sentence that `call` is refused with."""
    with pytest.raises(kind) as raised:
        call()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    tensors = {"a/b": torch.randn(2, 3), "empty": torch.zeros(0), "half": torch.ones(2, dtype=torch.bfloat16)}
    write_checkpoint(tmp_path, 64, Checkpoint(tensors, COUNTERS | {"iteration": 8}))
    read = read_checkpoint(tmp_path)
    assert read is not None and read.tensors.keys() == tensors.keys()
    assert all(torch.equal(read.tensors[k], tensors[k]) for k in tensors)
    assert read.state["iteration"] == 8 and read.state["counters"] == {"main": 8}
    assert (tmp_path / "latest").read_text() == "000000000064\n"


def test_parameters_that_share_memory_can_be_written(tmp_path: Path) -> None:
    w = torch.ones(4)
    write_tensors(tmp_path / "t.safetensors", {"a": w, "b": w, "c": w[:2], "d": w.view(2, 2).T})
    assert (tmp_path / "t.safetensors").is_file()


def test_the_last_checkpoint_and_the_one_before_are_kept(tmp_path: Path) -> None:
    for images in (8, 16, 24):
        write_checkpoint(tmp_path, images, state(images))
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["000000000016", "000000000024"]


def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None and latest_name(tmp_path) is None


def test_the_committed_checkpoint_stays_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, 64, state(1))
    monkeypatch.setattr(module, "_remove", lambda path: pytest.fail(f"removed {path}"))
    write_checkpoint(tmp_path, 64, state(1))
    assert read_checkpoint(tmp_path) is not None


def test_what_a_killed_run_left_unfinished_is_replaced(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 8, state(1))
    for name in (".000000000016.tmp", "000000000016"):
        (tmp_path / "checkpoints" / name).mkdir()
        (tmp_path / "checkpoints" / name / "state.safetensors").write_bytes(b"half")
    write_checkpoint(tmp_path, 16, state(2))
    read = read_checkpoint(tmp_path)
    assert read is not None and read.state["iteration"] == 2
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["000000000008", "000000000016"]


# A full disk


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def left_in(run: Path) -> list[str]:
    return sorted(str(p.relative_to(run)) for p in run.rglob("*"))


@pytest.mark.parametrize("step", range(1, 13))
def test_a_full_disk_leaves_the_last_checkpoint(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, 8, state(1))
    before = left_in(tmp_path)
    calls = {"n": 0}

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls["n"] += 1
            return full_disk() if calls["n"] == step + 1 else real(*args, **kwargs)

        return call

    # Step 0 makes the folder of all checkpoints, which is there; the last one before the fsync is the commit.
    for owner, name in ((os, "mkdir"), (os, "fsync"), (os, "rename"), (os, "replace")):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    sentence = refusal(lambda: write_checkpoint(tmp_path, 16, state(2)))
    monkeypatch.undo()
    assert "No space left on device; the checkpoint at 8 images is intact; continue with --resume" in sentence
    read = read_checkpoint(tmp_path)
    assert read is not None and read.state["iteration"] == 1
    assert left_in(tmp_path) == before  # what was begun gives its room back
    write_checkpoint(tmp_path, 16, state(2))
    assert latest_name(tmp_path) == "000000000016"


TRAIN_ON_A_SMALL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from latentgan.errors import CheckpointError
from latentgan import train
from tiny_runs import stripes, tiny
run = Path("disk/run")
def fill(*_):
    room = 12_000
    Path("disk/filler").write_bytes(bytes(4096 * (__import__("os").statvfs("disk").f_bavail - room // 4096)))
from latentgan.training import loop as training
real = training.write_checkpoint
def write(run, images, checkpoint):
    if images == 64:
        fill()
    return real(run, images, checkpoint)
training.write_checkpoint = write
try:
    train(tiny(), run, source=stripes(), show_progress=False)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_really_full_disk_harms_no_checkpoint(tmp_path: Path) -> None:
    """A 4 MB file system in memory, in a mount namespace of its own."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "small.py").write_text(TRAIN_ON_A_SMALL_DISK.format(tests=str(ROOT / "tests" / "helpers")))
    python = f"OMP_NUM_THREADS=1 PYTHONPATH={ROOT} {sys.executable} small.py"
    keep = "cp -r disk/run kept"
    script = f"mount -t tmpfs -o size=4m tmpfs disk && {python} && rm disk/filler && {keep}"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command[:-1], "mount -t tmpfs tmpfs disk"], cwd=tmp_path).returncode
    ):
        pytest.skip("no mount namespaces here")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "No space left on device; the checkpoint at 32 images is intact; continue with --resume" in done.stdout
    assert done.stdout.count("\n") == 1
    copy = tmp_path / "kept"
    checkpoint = read_checkpoint(copy)
    assert checkpoint is not None and checkpoint.state["images"] == 32
    assert sorted(p.name for p in (copy / "checkpoints").iterdir()) == ["000000000032"]
    straight = train(tiny(), tmp_path / "straight", source=stripes(), show_progress=False)
    assert differences(go_on(copy), straight) == []


def test_a_run_goes_on_after_a_full_disk(run: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentgan.io.writing.save", full_disk)
    sentence = refusal(lambda: go_on(run))
    assert "No space left on device; the checkpoint at 64 images is intact" in sentence
    monkeypatch.undo()
    assert everything(go_on(run)) == everything(finished)


def test_a_full_disk_while_logging_is_one_sentence(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(Image.Image, "save", full_disk)
    assert "samples: No space left on device; the checkpoint at 64 images is intact" in refusal(lambda: go_on(run))


# Damage


def damaged(run: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    file = run / "checkpoints" / "000000000064" / name
    file.write_bytes(damage(file.read_bytes()))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("state.safetensors", lambda content: content[: len(content) // 2]),
        ("state.safetensors", lambda content: b""),
        ("state.safetensors", lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]),
        ("state.safetensors", lambda content: b"\x80\x04." + content),
        ("state.json", lambda content: content[: len(content) // 2]),
        ("state.json", lambda content: b"[]"),
        ("state.json", lambda content: b"{}"),
        ("state.json", lambda content: b"\xff\xfe"),
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_way_back_named(
    run: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    damaged(run, name, damage)
    sentence = refusal(lambda: go_on(run))
    assert "000000000064 is damaged or missing" in sentence
    assert f"write 000000000096 into {run / 'latest'}" in sentence


def test_a_missing_checkpoint_is_refused(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    assert "is damaged or missing" in refusal(lambda: go_on(run))


def test_a_damaged_latest_is_refused(run: Path) -> None:
    for text in ("", "../../elsewhere", "latest"):
        (run / "latest").write_text(text)
        assert "latest is damaged: it should hold a number of images" in refusal(lambda: go_on(run))


def test_a_checkpoint_of_other_networks_is_refused(run: Path) -> None:
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace("width = 4", "width = 6"))
    assert "does not fit the run's configuration" in refusal(lambda: go_on(run))


def test_images_other_than_the_runs_are_refused(run: Path) -> None:
    sentence = refusal(lambda: go_on(run, source=stripes(60)))
    assert "are not those that" in sentence and "fingerprint" in sentence


def test_a_foreign_family_is_not_imported_because_a_file_says_so(run: Path) -> None:
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace('name = "bigan"', 'name = "os:system"'))
    sentence = refusal(lambda: go_on(run))
    assert "is of the foreign family 'os:system', and a file never names code to import" in sentence
    assert "latentgan train os:system --resume" in sentence


@pytest.mark.parametrize("text", ["format = 1\nname = ", "\x00", 'format = 2\nname = "bigan"', 'name = "bigan"'])
def test_a_damaged_run_toml_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    sentence = refusal(lambda: read_config(tmp_path))
    assert "is not TOML" in sentence or "is not UTF-8" in sentence or "another version of latentgan" in sentence


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    assert "is not a run folder: it has no run.toml" in refusal(lambda: go_on(tmp_path))
    assert "is not a run folder" in refusal(lambda: go_on(tmp_path / "nowhere"))
    assert left_in(tmp_path) == []


def test_a_model_is_read_as_it_was_written_or_refused(tmp_path: Path) -> None:
    spec = {"channels": 1, "height": 8, "width": 8, "classes": []}
    write_model(tmp_path, {"w": torch.ones(2)}, {"name": "bigan", "family": {}, "spec": spec})
    tensors, about = read_model(tmp_path)
    assert torch.equal(tensors["w"], torch.ones(2)) and about["name"] == "bigan"
    assert about["sha256"] == module.file_sha256(tmp_path / "model" / "model.safetensors")
    assert read_model(tmp_path / "model")[1] == about
    (tmp_path / "model" / "model.safetensors").write_bytes(b"no")
    assert "model.safetensors is damaged" in refusal(lambda: read_model(tmp_path))
    assert "no such run or model" in refusal(lambda: read_model(tmp_path / "nowhere"))


# One process, one folder


def test_a_second_process_in_a_run_folder_is_refused(run: Path) -> None:
    with locked(run):
        assert f"another process is training in {run}" in refusal(lambda: go_on(run))
    assert go_on(run) == run


def test_a_pipe_in_place_of_the_lock_is_refused_at_once(run: Path) -> None:
    (run / "lock").unlink()
    os.mkfifo(run / "lock")
    assert "lock is a named pipe" in refusal(lambda: go_on(run))


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.write_text('{"names":' * 9000 + "1" + "}" * 9000)])
def test_a_list_of_checkpoints_that_is_no_list_names_none(put: Callable[[Path], object], run: Path) -> None:
    before = {path.name for path in (run / "checkpoints").iterdir()}
    (run / "checkpoints.json").unlink()
    put(run / "checkpoints.json")
    write_checkpoint(run, 10**6, state(1.0))
    assert {path.name for path in (run / "checkpoints").iterdir()} == {*before, "000001000000"}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_of_a_finished_run_is_written_again(name: str, finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    whole = {path: path.read_bytes() for path in (run / "model").iterdir()}
    (run / "model" / name).write_bytes(b"{}")
    go_on(run)
    assert {path: path.read_bytes() for path in (run / "model").iterdir()} == whole


def test_a_used_out_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("my work")
    sentence = refusal(lambda: train(tiny(), tmp_path, source=stripes(), show_progress=False), ConfigError)
    assert sentence == f"{tmp_path} exists, is not empty and is not a run; name another --out"
    assert left_in(tmp_path) == ["thesis.tex"]


def test_a_run_in_the_out_folder_is_refused(finished: Path) -> None:
    sentence = refusal(lambda: train(tiny(), finished, source=stripes(), show_progress=False), ConfigError)
    assert f"continue it with --resume {finished}" in sentence


def test_an_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert "is a file" in refusal(
        lambda: train(tiny(), tmp_path / "out", source=stripes(), show_progress=False), ConfigError
    )
    assert "could not write" in refusal(
        lambda: train(tiny(), tmp_path / "out" / "deeper", source=stripes(), show_progress=False)
    )


def test_a_run_killed_at_birth_starts_again(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    (tmp_path / ".run.toml.tmp").write_text("form")
    create_run(tmp_path, tiny().as_dict())
    assert read_config(tmp_path)["name"] == "bigan"


# Nothing is unpickled


@pytest.mark.parametrize("package", ["latentgan", "analysis"])
def test_no_module_can_unpickle_anything(package: str) -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    violations = []
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            violations += [f"{file.name}: import {name}" for name in names if name.split(".")[0] in forbidden]
            if isinstance(node, ast.Attribute) and node.attr in ("load", "save") and dotted(node.value) == "torch":
                violations.append(f"{file.name}:{node.lineno}: torch.{node.attr}")
            if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
                violations.append(f"{file.name}:{node.lineno}: {node.attr}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                violations += [] if value is False else [f"{file.name}:{node.value.lineno}: allow_pickle"]
            if isinstance(node, ast.Call) and dotted(node.func) in ("np.load", "numpy.load"):
                explicit = any(keyword.arg == "allow_pickle" for keyword in node.keywords)
                violations += [] if explicit else [f"{file.name}:{node.lineno}: np.load without allow_pickle=False"]
    assert violations == []


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_a_folder_left_before_its_run_toml_is_taken(tmp_path: Path) -> None:
    """A process was killed when it had made the folder of samples, and not yet moved run.toml to its place."""
    (tmp_path / "run" / "samples").mkdir(parents=True)
    run = train(tiny(), tmp_path / "run", source=stripes(), show_progress=False)
    assert latest_name(run) is not None


def test_a_folder_with_somebodys_samples_is_not(tmp_path: Path) -> None:
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "samples" / "mine.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="is not a run; name another --out"):
        train(tiny(), tmp_path / "run", source=stripes(), show_progress=False)
