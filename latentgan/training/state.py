"""The training state: networks, players, streams, weight averages and counters; built, saved and restored here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentgan.compiling import compile_network
from latentgan.config import RunConfig, resolve
from latentgan.data.batches import DESCRIBED, LABELLED, MAIN, Batches
from latentgan.data.load import load_source
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device, seeded
from latentgan.errors import CheckpointError, ConfigError, DataError, ForeignFamilyError
from latentgan.families.base import Family, load_family
from latentgan.game import Update
from latentgan.run_folder import Checkpoint, read_config
from latentgan.training.diagnostics import Diagnostics
from latentgan.training.ema import ExponentialMovingAverage, make_usable, shadow_of
from latentgan.training.memory import check_training

EVALUATION_IMAGES = 256


def images_seen(batches: Batches) -> int:
    """Return the number of images that a run has seen: those that its main stream has given.

    Where it draws from a subset alone, labelled images or those with attributes, they are that stream's; where it draws
    from streams of its own alone, those of the one that has given most.
    """
    standard = (MAIN, LABELLED, DESCRIBED)
    most_of_others = max((count for name, count in batches.counters.items() if name not in standard), default=0)
    drawn = (batches.counters.get(name, 0) for name in standard)
    return next(filter(None, drawn), most_of_others) * batches.batch_size


@dataclass(kw_only=True)
class TrainingState:
    """A run in progress: everything that a checkpoint holds."""

    config: RunConfig
    """The resolved configuration."""
    source: ImageSource
    """The training images."""
    family: Family
    """Networks and prior."""
    update: Update
    """Moves the players."""
    batches: Batches
    """Streams of minibatches."""
    ema: ExponentialMovingAverage
    """Moving averages of the weights."""
    diagnostics: Diagnostics
    """Warnings of the run so far."""
    iteration: int = 0
    """Number of iterations done."""
    seconds: float = 0.0
    """Seconds of training so far."""

    @property
    def images(self) -> int:
        """Images seen so far, see `images_seen`."""
        return images_seen(self.batches)

    @property
    def labels(self) -> int:
        """Number of labels of the train split that the networks use: 0 where the family learns without."""
        return int((self.batches.labels >= 0).sum()) if self.family.uses_labels else 0

    @property
    def classes_without_labels(self) -> list[str]:
        """Names of the classes without a labelled train image, where the networks use labels."""
        names = self.source.spec.classes
        present = set(self.batches.labels.tolist()) if self.family.uses_labels else range(len(names))
        return [name for code, name in enumerate(names) if code not in present]

    def checkpoint(self) -> Checkpoint:
        """Return the whole state."""
        tensors = {f"family/{k}": v for k, v in self.family.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.ema.state().items()}
        for name, player in self.update.players.items():
            tensors |= flatten_optimizer(f"optimizer/{name}", player.optimizer)
        state = {
            "iteration": self.iteration,
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "counters": dict(self.batches.counters),
            "moves": dict(self.update.moves),
            "fingerprint": self.source.fingerprint,
            "diagnostics": self.diagnostics.state(),
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from what `checkpoint` gave.

        Raises:
            CheckpointError: it is of networks other than those that the configuration describes.
        """
        try:
            self._restore(checkpoint.tensors, checkpoint.state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            reason = reason if len(reason) <= 200 else reason[:200] + " …"
            raise CheckpointError(f"the checkpoint does not fit the run's configuration: {reason}") from error

    def take(self, tensors: Mapping[str, torch.Tensor], prefix: str) -> None:
        """Replace the weights and buffers that `tensors` holds under `prefix`, in the averages too.

        Raises:
            CheckpointError: they are of other networks.
        """
        present = self.family.state_dict()
        given = _strip(prefix, tensors)
        if odd := [name for name, value in given.items() if name not in present or present[name].shape != value.shape]:
            raise CheckpointError(f"the weights to start from do not fit the run's configuration: {', '.join(odd[:3])}")
        self.family.load_state_dict({**present, **given})
        with torch.no_grad():
            self.ema.load(dict(self.family.named_parameters()))

    def _restore(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        self.family.load_state_dict(_strip("family/", tensors))
        self.ema.load(_strip("average/", tensors))
        for name, player in self.update.players.items():
            restore_optimizer(f"optimizer/{name}", player.optimizer, tensors)
        self.batches.counters.update(state["counters"])
        self.update.resume(state["moves"])
        self.diagnostics.load(state["diagnostics"])
        self.iteration, self.seconds = state["iteration"], state["seconds"]


def load_config(run: Path, *, family: str | None = None) -> tuple[RunConfig, str]:
    """Return the configuration of a run folder and the fingerprint of its images."""
    tree = read_config(run)
    fingerprint = str(tree.pop("fingerprint", ""))
    name = str(tree.get("name", ""))
    if ":" in name and family != name:
        raise ForeignFamilyError(run, name, shlex.join(["latentgan", "train", name, "--resume", str(run)]))
    return resolve(name, load_family(name).Config, tree), fingerprint


def open_source(config: RunConfig) -> ImageSource:
    """Load the images that a configuration names."""
    d = config.data
    return load_source(
        d.source,
        attributes=None if d.attributes is None else Path(d.attributes),
        label=d.label,
        group=d.group,
        boolean=d.boolean,
        size=d.size,
        crop=d.crop,
        channels=d.channels,
        skip_bad=d.skip_bad,
        mirror=None if d.mirror is None else Path(d.mirror),
    )


def open_state(config: RunConfig, source: ImageSource, *, family: type[Family] | None = None) -> TrainingState:
    """Build networks, players and streams at iteration 0.

    Args:
        config: the resolved configuration.
        source: the images.
        family: a class with these settings to play in place of the one that config.name names.

    Raises:
        ConfigError: the images do not fit the networks, or training.labels is set where no network uses labels.
        DataError: there are fewer labels than training.labels, none at all where networks use them, or networks
            cannot be conditioned on an attribute.
    """
    t = config.training
    device, source = pick_device(t.device), source.conditioned_on(config.family.conditioned_on())
    kind = family or load_family(config.name)
    check_training(kind, config, source.spec)
    with seeded(torch.device("cpu"), t.seed):
        built = kind(config.family, source.spec)
    if t.labels is not None and not built.uses_labels:
        raise ConfigError(f"training.labels: with these settings {config.name} uses no labels at all; leave it out")
    built.to(device).train()
    built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with seeded(device, t.seed):
        built.initialise(lambda n: source.tensor(_mixed(source.rows("train"), n), device))
    if t.compile:
        for network in built.callables():
            compile_network(network)
    batches = Batches(source, batch_size=t.batch_size, seed=t.seed, device=device, labels=t.labels)
    required = "" if batches.attributes is None else " that have all conditioning attributes"
    if built.uses_labels and not (batches.labels >= 0).any():
        raise DataError(
            f"{source.name} has no labelled images in its train split{required}, "
            f"and with these settings {config.name} uses their labels: label some of them, or move labelled images "
            "there by a column split"
        )
    built.prior.store_attributes(batches.attributes, batches.labels)
    ema = ExponentialMovingAverage(built, t.average_halflife_images)
    return TrainingState(
        config=config,
        source=source,
        family=built,
        update=Update(built.players()),
        batches=batches,
        ema=ema,
        diagnostics=Diagnostics(t.total_images),
    )


@dataclass(frozen=True)
class HeldOut:
    """Up to 256 images on which a run is watched.

    Args:
        images: (n, c, h, w) in [-1, 1], of the validation split; training images where it has none.
        labels: (n,) int64, -1 where there is none; None for training images.
    """

    images: torch.Tensor
    labels: torch.Tensor | None


def held_out(state: TrainingState) -> HeldOut:
    """Return the images on which a run is watched."""
    source, device = state.source, state.batches.device
    rows, held = source.rows("validation"), True
    if len(rows) < 2:
        rows, held = source.rows("train"), False
    rows = _mixed(rows, EVALUATION_IMAGES)
    labels = torch.from_numpy(source.labels[rows]).to(device) if held else None
    return HeldOut(source.tensor(rows, device), labels)


def usable(state: TrainingState, limit: int) -> Family:
    """Return a copy with the averaged weights, made fit for use on up to `limit` training images (see averages)."""
    shadow = shadow_of(state.family)
    state.ema.write_to(shadow, state.family)
    make_usable(shadow, statistics_images(state, limit))
    return shadow


def statistics_images(state: TrainingState, limit: int) -> Iterator[torch.Tensor]:
    """Yield batches of up to `limit` training images in [-1, 1], the same ones every time.

    As in training they are mixed and, unless there are too few for one, full: each batch counts alike.
    """
    rows = _mixed(state.source.rows("train"), limit)
    size = min(state.config.training.batch_size, len(rows))
    for start in range(0, len(rows) - size + 1, size):
        yield state.source.tensor(rows[start : start + size], state.batches.device)


def model_config(state: TrainingState) -> dict[str, Any]:
    """Return the contents of config.json: all that is needed to build the model again."""
    return {
        **state.config.as_dict(),
        "spec": state.source.spec.as_dict(),
        "images_seen": state.images,
        "n_labels_used": state.labels,
        "fingerprint": state.source.fingerprint,
        "parts": state.family.prior.describe(),
    }


def flatten_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's state as named tensors: prefix/<parameter index>/<key>."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}/{i}/{key}": torch.as_tensor(v) for i, values in state.items() for key, v in values.items()}


def restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give `optimizer` the state that `flatten_optimizer` wrote under the same prefix.

    What goes with each value of a parameter, as Adam's moments, is laid out in memory as the parameter is: files hold
    them row by row, and fused optimisers read both in one order.

    Args:
        prefix: name of the player in `tensors`.
        optimizer: its optimiser.
        tensors: named tensors of a checkpoint.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "/"):
            index, key = name.removeprefix(prefix + "/").split("/")
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _mixed(rows: np.ndarray, limit: int) -> np.ndarray:
    """Return up to `limit` of `rows`, always the same: the first ones of a sorted folder would be of one class."""
    return np.random.default_rng(0).permutation(rows)[:limit]


def _strip(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
