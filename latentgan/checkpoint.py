"""The run folder on disk: safetensors and JSON, nothing pickled, one commit point.

A checkpoint is written under a temporary name, fsynced and renamed; then `latest`, one line, is replaced.
That replacement is the commit: before it the previous checkpoint is the state of the run, after it the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from latentgan.errors import CheckpointError, ConfigError
from latentgan.locks import held

FORMAT = 1
START = "start.safetensors"
"""Weights that a run starts from, in place of random ones."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run continues from: named tensors, and counters as JSON."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def refuse_used(out: Path) -> None:
    """Raise ConfigError if `out` is a file, or a folder that holds something already."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name another --out")
    if (out / "run.toml").exists():
        raise ConfigError(f"{out} exists and is not empty; continue it with --resume {out}, or name another --out")
    # A run that was killed before it had a run.toml leaves these.
    left = ("lock", ".run.toml.tmp", START, f".{START}.tmp")
    if out.exists() and any(p.name not in left for p in out.iterdir()):
        raise ConfigError(f"{out} exists, is not empty and is not a run; name another --out")


def create_run(out: Path, config: Mapping[str, Any], start: Mapping[str, Tensor] | None = None) -> None:
    """Make the folder of a new run with its run.toml, whole or not at all.

    Args:
        out: the folder.
        config: the resolved configuration.
        start: weights to start from, see `read_start`.

    Raises:
        ConfigError: the folder holds something already.
        CheckpointError: it cannot be written.
    """
    refuse_used(out)
    with writing(out, out / "run.toml"):
        (out / START).unlink(missing_ok=True)
        if start:
            write_tensors(out / START, start)
        replace_text(out / "run.toml", tomli_w.dumps({"format": FORMAT, **config}))
        (out / "samples").mkdir(exist_ok=True)


def read_start(run: Path) -> dict[str, Tensor]:
    """Return the weights that `run` starts from: untrained/… for the yardstick, start/… for turn 0; often none."""
    if not (run / START).is_file():
        return {}
    try:
        return load_file(run / START)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{run / START} is damaged: {error}; begin again in a new folder") from error


def read_config(run: Path) -> dict[str, Any]:
    """Return run.toml as nested dictionaries."""
    path = run / "run.toml"
    if not path.is_file():
        raise CheckpointError(f"{run} is not a run folder: it has no run.toml; `latentgan train` makes one")
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if tree.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} was written by another version of latentgan; this one reads format {FORMAT}")
    return tree


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run folder for one training process; the lock goes when the process does.

    Raises:
        CheckpointError: another process holds it.
    """
    with writing(run, run / "lock"):
        run.mkdir(parents=True, exist_ok=True)
        (run / "lock").touch()
    refusal = CheckpointError(f"another process is training in {run}; wait for it, or name another --out")
    with held(run / "lock", refusal):
        yield


def write_checkpoint(run: Path, images: int, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and commit it; on any failure the previous one stays the run's state.

    One that is committed already is left as it is: at the same images a run's state is the same, and replacing
    the folder that `latest` names would open a moment without a checkpoint.

    Args:
        run: the run folder.
        images: images seen; names the checkpoint.
        checkpoint: tensors and state.

    Raises:
        CheckpointError: it could not be written (a full disk, say).
    """
    name, previous = f"{images:012d}", latest_name(run)
    folder = run / "checkpoints"
    temporary, final = folder / f".{name}.tmp", folder / name
    if name == previous:
        return final
    with writing(run, final):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _fill(temporary, checkpoint)
            _remove(final)  # left by a run that was killed before its commit
            temporary.rename(final)
            _fsync(folder)
            replace_text(run / "latest", name + "\n")
        except OSError:
            for unfinished in (temporary, final):
                if latest_name(run) != name:
                    _remove(unfinished)
            raise
    _prune(folder, keep={name, previous})
    return final


def read_checkpoint(run: Path) -> Checkpoint | None:
    """Return the committed checkpoint of a run, or None if it has none yet.

    Raises:
        CheckpointError: `latest` names a checkpoint that is missing or damaged.
    """
    name = latest_name(run)
    if name is None:
        return None
    folder = run / "checkpoints" / name
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if file_sha256(folder / "state.safetensors") != state["sha256"]:
            raise ValueError("state.safetensors is not as it was written")
        return Checkpoint(load_file(folder / "state.safetensors"), state)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged or missing: {error}; {_ways_out(folder)}") from error


def latest_name(run: Path) -> str | None:
    """Return the name of the committed checkpoint, or None."""
    try:
        name = (run / "latest").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    if not name.isdigit():
        raise CheckpointError(f"{run / 'latest'} is damaged: it should hold a number of images")
    return name


def write_model(run: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write model/: the averaged weights and config.json, file by file, each replaced whole."""
    folder = run / "model"
    with writing(run, folder):
        folder.mkdir(exist_ok=True)
        write_tensors(folder / "model.safetensors", tensors)
        digest = file_sha256(folder / "model.safetensors")
        replace_text(folder / "config.json", json.dumps({"format": FORMAT, **config, "sha256": digest}, indent=1))


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a model folder (or a run folder's model/): weights and config.json.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    folder = path / "model" if (path / "model").is_dir() else path
    if not folder.is_dir() or not (folder / "config.json").is_file():
        hint = "it has not reached its first checkpoint" if (path / "run.toml").is_file() else "no such run or model"
        raise CheckpointError(f"{path} holds no trained model: {hint}")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"the model in {folder} is damaged: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{folder} was written by another version of latentgan; this one reads format {FORMAT}")
    if missing := [key for key in ("name", "family", "spec", "sha256") if key not in config]:
        raise CheckpointError(f"the model in {folder} is damaged: config.json lacks {', '.join(missing)}")
    if config["sha256"] != file_sha256(folder / "model.safetensors"):
        raise CheckpointError(
            f"the weights in {folder} are not those that config.json describes; `latentgan train --resume` on the run "
            "writes both again"
        )
    return tensors, config


def read_untrained(run: Path) -> dict[str, Tensor]:
    """Return the weights of turn 0 that a run keeps as a yardstick; CheckpointError where it has none."""
    try:
        return load_file(run / "untrained.safetensors")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{run} has no weights of turn 0 (untrained.safetensors): {error}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replace a safetensors file whole; raises OSError where it cannot."""
    # Not save_file: it leaves files that only their owner can read and, when killed, others of random names.
    replace_bytes(path, save({name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}))


def replace_text(path: Path, text: str) -> None:
    """Replace a text file whole, as `replace_bytes` does."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace a file whole: a reader sees the old or the new content, never a part, even after a loss of power."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk gets its room back
        raise
    _fsync(path.parent)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def writing(run: Path, target: Path) -> Iterator[None]:
    """Turn an OSError into one sentence that says what could not be written and from where the run can go on.

    Raises:
        CheckpointError: `target`, in the run folder `run`, could not be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"could not write {target}: {reason}; {_way_on(run)}") from error


def _way_on(run: Path) -> str:
    name = None
    with contextlib.suppress(CheckpointError, OSError):
        name = latest_name(run)
    if name is None:
        return "there is no checkpoint yet" + (
            f"; continue with --resume {run} once it can be written" if (run / "run.toml").is_file() else ""
        )
    return f"the checkpoint at {int(name):,} images is intact; continue with --resume {run} once there is room"


def _ways_out(damaged: Path) -> str:
    """Say how to go on without the checkpoint `damaged`: from the one before, if it is there."""
    others = sorted(p.name for p in damaged.parent.glob("[0-9]*") if p != damaged) if damaged.parent.is_dir() else []
    if not others:
        return "start a new run, or restore the file"
    return f"to go back to the one before, write {others[-1]} into {damaged.parent.parent / 'latest'}"


def _fill(folder: Path, checkpoint: Checkpoint) -> None:
    _remove(folder)
    folder.mkdir()
    write_tensors(folder / "state.safetensors", checkpoint.tensors)
    digest = file_sha256(folder / "state.safetensors")
    replace_text(folder / "state.json", json.dumps({"format": FORMAT, "sha256": digest, **checkpoint.state}, indent=1))
    _fsync(folder)


def _prune(folder: Path, keep: set[str | None]) -> None:
    for child in folder.iterdir():
        if child.name not in keep:
            _remove(child)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
