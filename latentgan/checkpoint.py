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
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentgan.errors import CheckpointError, ConfigError

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What a run continues from: named tensors, and counters as JSON."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def create_run(out: Path, config: Mapping[str, Any]) -> None:
    """Make the folder of a new run with its run.toml.

    Raises:
        ConfigError: the folder holds something already.
    """
    if out.exists() and (not out.is_dir() or any(p.name != "lock" for p in out.iterdir())):
        raise ConfigError(f"{out} exists and is not empty; continue it with --resume {out}, or name another --out")
    (out / "samples").mkdir(parents=True, exist_ok=True)
    replace_text(out / "run.toml", tomli_w.dumps({"format": FORMAT, **config}))


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
    run.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # not on this platform
        yield
        return
    with (run / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CheckpointError(
                f"another process is training in {run}; wait for it, or name another --out"
            ) from error
        yield


def write_checkpoint(run: Path, images: int, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and commit it; on any failure the previous one stays the run's state.

    Args:
        run: the run folder.
        images: images seen; names the checkpoint.
        checkpoint: tensors and state.

    Raises:
        CheckpointError: it could not be written (a full disk, say).
    """
    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{images:012d}"
    temporary, final = folder / f".{name}.tmp", folder / name
    try:
        _remove(temporary)
        temporary.mkdir()
        write_tensors(temporary / "state.safetensors", checkpoint.tensors)
        replace_text(temporary / "state.json", json.dumps({"format": FORMAT, **checkpoint.state}, indent=1))
        _fsync(temporary)
        _remove(final)
        temporary.rename(final)
        _fsync(folder)
        previous = latest_name(run)
        replace_text(run / "latest", name + "\n")
    except OSError as error:
        _remove(temporary)
        raise CheckpointError(_unwritten(run, final, error)) from error
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
        return Checkpoint(load_file(folder / "state.safetensors"), state)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged or missing: {error}") from error


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
    try:
        folder.mkdir(exist_ok=True)
        temporary = folder / ".model.tmp"
        write_tensors(temporary, tensors)
        temporary.replace(folder / "model.safetensors")
        digest = file_sha256(folder / "model.safetensors")
        replace_text(folder / "config.json", json.dumps({"format": FORMAT, **config, "sha256": digest}, indent=1))
    except OSError as error:
        raise CheckpointError(_unwritten(run, folder, error)) from error


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
    if config.get("format") != FORMAT:
        raise CheckpointError(f"{folder} was written by another version of latentgan; this one reads format {FORMAT}")
    return tensors, config


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file and fsync it; raises OSError where it cannot."""
    plain = {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}
    try:
        save_file(plain, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    _fsync(path)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file whole: a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
    _fsync(path.parent)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def flatten_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors: prefix/<parameter index>/<key>."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}/{i}/{key}": torch.as_tensor(v) for i, values in state.items() for key, v in values.items()}


def restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give `optimizer` the state that `flatten_optimizer` wrote under the same prefix."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "/"):
            index, key = name.removeprefix(prefix + "/").split("/")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _unwritten(run: Path, target: Path, error: OSError) -> str:
    name = None
    with contextlib.suppress(CheckpointError):
        name = latest_name(run)
    kept = f"the checkpoint at {int(name):,} images is intact" if name else "there was no earlier checkpoint"
    return f"could not write {target}: {error.strerror or error}; {kept}; make room and continue with --resume {run}"


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
