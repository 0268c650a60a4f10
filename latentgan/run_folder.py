"""The run folder on disk: safetensors and JSON, nothing pickled, one commit point.

A checkpoint is written under a temporary name, fsynced and renamed; then `latest`, one line, is replaced.
That replacement is the commit: before it the previous checkpoint is the state of the run, after it the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from torch import Tensor

from analysis.io.reading import check_file, irregular, parse_json, parse_toml, read_json, read_text, validated
from analysis.io.writing import Writing, is_temporary, remove_known, replace_text, staged, touch
from latentgan.errors import CheckpointError, ConfigError
from latentgan.io.file_models import ListFile, ModelFile, RunFile, StateFile
from latentgan.io.locks import held
from latentgan.io.reading import read_tensors
from latentgan.io.writing import file_sha256, tensor_bytes

FORMAT = 1


START = "start.safetensors"
"""Weights that a run starts from, in place of random ones."""


LIST = "checkpoints.json"
"""Names of the checkpoints that the run wrote, or was about to write: of these alone it removes any."""


_PARTS = ("state.safetensors", "state.json")


_RUN = (
    "run.toml",
    START,
    "training_images.npy",
    "untrained.safetensors",
    "metrics.jsonl",
    "diagnostics.json",
    "summary.json",
    LIST,
)
"""Files of a run that has no checkpoint yet."""


_PICTURE = re.compile(r"\d{9,}-(samples|reconstructions|posteriors)\.png|rows\.json|posteriors\.json")


@dataclass(frozen=True)
class Checkpoint:
    """State that a run continues from: named tensors, and counters as JSON."""

    tensors: dict[str, Tensor]
    """Weights, averages and the optimisers' states by name."""
    state: dict[str, Any]
    """Counters and diagnostics, as JSON."""


def refuse_used(out: Path) -> None:
    """Raise ConfigError if `out` is a file, or a folder that holds something already."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name another --out")
    if (out / "run.toml").exists():
        raise ConfigError(f"{out} exists and is not empty; continue it with --resume {out}, or name another --out")
    # A run that was killed before it had a run.toml leaves these.
    left: tuple[str, ...] = ("lock", ".run.toml.tmp", START, f".{START}.tmp")
    samples = out / "samples"
    if samples.is_dir() and not samples.is_symlink() and not any(samples.iterdir()):
        left += ("samples",)
    if out.exists() and any(p.name not in left and not is_temporary(p.name) for p in out.iterdir()):
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
    with writing(out, out / "run.toml"), Writing() as files:
        (out / START).unlink(missing_ok=True)
        if start:
            files.write(out / START, tensor_bytes(start))
        files.write(out / "run.toml", tomli_w.dumps({"format": FORMAT, **config}).encode())
        files.folder(out / "samples")


def forget_run(out: Path) -> None:
    """Remove what a run without a checkpoint wrote into its folder, and nothing else that lies there."""
    remove_known(out / "checkpoints", ())
    samples = out / "samples"
    if samples.is_dir() and not samples.is_symlink():
        remove_known(samples, [path.name for path in samples.iterdir() if _PICTURE.fullmatch(path.name)])
    remove_known(out, (*_RUN, "lock"))


def read_start(run: Path) -> dict[str, Tensor]:
    """Return the weights that `run` starts from: untrained/… for the baseline, start/… for iteration 0; often none."""
    if irregular(run / START) == "missing":
        return {}
    return read_tensors(run / START, error=CheckpointError)


def read_config(run: Path) -> dict[str, Any]:
    """Return run.toml as nested dictionaries."""
    path = run / "run.toml"
    if irregular(path) == "missing":
        raise CheckpointError(f"{run} is not a run folder: it has no run.toml; `latentgan train` makes one")
    tree = parse_toml(read_text(path, error=CheckpointError), path, error=CheckpointError)
    if tree.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} was written by another version of latentgan; this one reads format {FORMAT}")
    validated(tree, RunFile, path, error=CheckpointError)
    return tree


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run folder for one training process; the lock goes when the process does.

    Raises:
        CheckpointError: another process holds it.
    """
    with writing(run, run / "lock"), Writing() as files:
        files.folder(run)
        if irregular(run / "lock") != "missing":
            check_file(run / "lock", error=CheckpointError)
        touch(run / "lock")
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
    final = folder / name
    if name == previous:
        return final
    with writing(run, final):
        ours = _listed(run)
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(run / LIST, json.dumps({"format": FORMAT, "names": sorted({*ours, name})}))
        for unfinished in (final, folder / f".{name}.tmp"):  # left by a run that was killed before its commit
            _remove(unfinished)
        if os.path.lexists(final):
            raise CheckpointError(f"{final} is in the way, and not all there is this run's: move it elsewhere")
        try:
            with staged(final) as temporary:
                _fill(temporary, checkpoint)
            replace_text(run / "latest", name + "\n")
        except OSError:
            if latest_name(run) != name:
                _remove(final)
            raise
    for old in ours - {name, previous}:
        _remove(folder / old)
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
        path = folder / "state.json"
        state = parse_json(read_text(path, error=CheckpointError), path, error=CheckpointError)
        digest = validated(state, StateFile, path, error=CheckpointError).sha256
        check_file(folder / "state.safetensors", error=CheckpointError)
        if file_sha256(folder / "state.safetensors") != digest:
            raise CheckpointError("state.safetensors is not as it was written")
        return Checkpoint(read_tensors(folder / "state.safetensors", error=CheckpointError), state)
    except (OSError, CheckpointError) as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged or missing: {error}; {_ways_out(folder)}") from error


def latest_name(run: Path) -> str | None:
    """Return the name of the committed checkpoint, or None."""
    if irregular(run / "latest") == "missing":
        return None
    name = read_text(run / "latest", error=CheckpointError).strip()
    if not re.fullmatch("[0-9]{1,18}", name):
        raise CheckpointError(f"{run / 'latest'} is damaged: it should hold a number of images")
    return name


def write_model(run: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write model/: the averaged weights and config.json, which names their SHA-256; both or none.

    Args:
        run: the run folder.
        tensors: the averaged weights.
        config: what config.json says.
    """
    folder, weights = run / "model", tensor_bytes(tensors)
    about = {"format": FORMAT, **config, "sha256": hashlib.sha256(weights).hexdigest()}
    with writing(run, folder), Writing() as files:
        files.write(folder / "model.safetensors", weights)
        files.write(folder / "config.json", json.dumps(about, indent=1).encode())


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a model folder (or a run folder's model/): weights and config.json.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    folder = path / "model" if (path / "model").is_dir() else path
    if not folder.is_dir() or irregular(folder / "config.json") == "missing":
        hint = "it has not reached its first checkpoint" if (path / "run.toml").is_file() else "no such run or model"
        raise CheckpointError(f"{path} holds no trained model: {hint}")
    path = folder / "config.json"
    config = parse_json(read_text(path, error=CheckpointError), path, error=CheckpointError)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{folder} was written by another version of latentgan; this one reads format {FORMAT}")
    validated(config, ModelFile, path, error=CheckpointError)
    tensors = read_tensors(folder / "model.safetensors", error=CheckpointError)
    if config["sha256"] != file_sha256(folder / "model.safetensors"):
        raise CheckpointError(
            f"the weights in {folder} are not those that config.json describes; `latentgan train --resume` on the run "
            "writes both again"
        )
    return tensors, config


def read_untrained(run: Path) -> dict[str, Tensor]:
    """Return the weights of iteration 0 that a run keeps as a baseline; CheckpointError where it has none."""
    if irregular(run / "untrained.safetensors") == "missing":
        raise CheckpointError(f"{run} has no weights of iteration 0 (untrained.safetensors)")
    return read_tensors(run / "untrained.safetensors", error=CheckpointError)


class UnwrittenError(CheckpointError):
    """A run folder cannot be written; `reason` is the sentence without its end, which says where the run goes on."""

    def __init__(self, reason: str, way: str) -> None:
        super().__init__(f"{reason}; {way}")
        self.reason = reason


@contextlib.contextmanager
def writing(run: Path, target: Path) -> Iterator[None]:
    """Turn an OSError into one sentence that says what could not be written and from where the run can go on.

    Raises:
        CheckpointError: `target`, in the run folder `run`, could not be written.
    """
    try:
        yield
    except OSError as error:
        raise UnwrittenError(f"could not write {target}: {error.strerror or error}", _way_on(run)) from error


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
    """Return a sentence on how to go on without the checkpoint `damaged`: from the one before, if it is there."""
    checkpoints = (
        sorted(p.name for p in damaged.parent.glob("[0-9]*") if p != damaged) if damaged.parent.is_dir() else []
    )
    if not checkpoints:
        return "start a new run, or restore the file"
    return f"to go back to the one before, write {checkpoints[-1]} into {damaged.parent.parent / 'latest'}"


def _fill(folder: Path, checkpoint: Checkpoint) -> None:
    weights = tensor_bytes(checkpoint.tensors)
    about = {"format": FORMAT, "sha256": hashlib.sha256(weights).hexdigest(), **checkpoint.state}
    with Writing() as files:
        files.write(folder / "state.safetensors", weights)
        files.write(folder / "state.json", json.dumps(about, indent=1).encode())


def _listed(run: Path) -> set[str]:
    """Return the checkpoints that the run's list names and that are there; of a run without a list all that are whole.

    A run of an earlier version has no list.
    """
    folder, names = run / "checkpoints", set[str]()
    if folder.is_symlink() or not folder.is_dir():
        return names
    try:
        if irregular(run / LIST) == "missing":
            names = {path.parent.name for path in folder.glob("*/state.json")}
        else:
            names = set(read_json(run / LIST, ListFile, error=CheckpointError).names)
    except (OSError, CheckpointError):
        return names  # damaged: nothing is known to be the run's
    return {name for name in names if name.isdigit() and (folder / name).is_dir()}


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint, but nothing else that lies in its folder; never through a link."""
    if not checkpoint.parent.is_symlink():
        remove_known(checkpoint, _PARTS)
