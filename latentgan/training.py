"""Training: the endless game as a generator, and a loop around it that logs, samples and checkpoints.

    for turn in turns(family, batches, update, seed=0, total_images=64_000):
        ...                                        # another logger or early stopping is a line here

A turn is a pure function of the weights, the optimisers' state and (seed, turn), so a run that was killed and
resumed ends with the same bits as one that was not: same machine, torch version, thread count, on the CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from latentgan.averages import Average, make_usable, shadow_of
from latentgan.checkpoint import (
    Checkpoint,
    create_run,
    flatten_optimizer,
    locked,
    read_checkpoint,
    read_config,
    restore_optimizer,
    write_checkpoint,
    write_model,
    write_tensors,
)
from latentgan.config import RunConfig, resolve
from latentgan.data import Batches, ImageSource, load_source
from latentgan.errors import CheckpointError, ConfigError, DivergedError, LatentganError
from latentgan.families.base import Family, load_family
from latentgan.game import Update
from latentgan.health import Health, measure
from latentgan.journal import Journal
from latentgan.samples import write_grids

EVALUATION_IMAGES = 256
STATISTICS_IMAGES = 10_000
"""Batch statistics of the final model are recomputed over this many training images, a tenth of it in between."""


def turns(
    family: Family,
    batches: Batches,
    update: Update,
    *,
    seed: int,
    total_images: int,
    start: int = 0,
    precision: str = "fp32",
) -> Iterator[int]:
    """Play the game without end; yield the number of the turn just played, from start + 1.

    Args:
        family: on its device, in training mode.
        batches: streams of minibatches; their counters are part of the run's state.
        update: moves the family's players.
        seed: with the turn's number seeds all noise of that turn.
        total_images: length of the run, for schedules.
        start: turns already played.
        precision: "fp32" or "bf16" (autocast around the step).
    """
    device = batches.device
    cuda = [device] if device.type == "cuda" else []
    number = start
    while True:
        number += 1
        with (
            torch.random.fork_rng(devices=cuda),
            torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
            update.turn(number, images_seen(batches) / total_images),
        ):
            torch.manual_seed(_turn_seed(seed, number))
            family.step(batches, update)
        yield number


def images_seen(batches: Batches) -> int:
    """Return the number of images that the main stream has given."""
    return batches.counters.get("main", 0) * batches.batch_size


@dataclass
class Session:
    """A game in progress: everything that a checkpoint holds."""

    config: RunConfig
    source: ImageSource
    family: Family
    update: Update
    batches: Batches
    average: Average
    health: Health
    turn: int = 0
    seconds: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Images of the main stream seen so far."""
        return images_seen(self.batches)

    def checkpoint(self) -> Checkpoint:
        """Return the whole state."""
        tensors = {f"family/{k}": v for k, v in self.family.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.state().items()}
        for name, player in self.update.players.items():
            tensors |= flatten_optimizer(f"optimizer/{name}", player.optimizer)
        state = {
            "turn": self.turn,
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "counters": dict(self.batches.counters),
            "moves": dict(self.update.moves),
            "fingerprint": self.source.fingerprint,
            "health": self.health.state(),
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from what `checkpoint` gave."""
        tensors, state = checkpoint.tensors, checkpoint.state
        self.family.load_state_dict(_strip("family/", tensors))
        self.average.load(_strip("average/", tensors))
        for name, player in self.update.players.items():
            restore_optimizer(f"optimizer/{name}", player.optimizer, tensors)
        self.batches.counters.update(state["counters"])
        self.update.resume(state["moves"])
        self.health.load(state["health"])
        self.turn, self.seconds = state["turn"], state["seconds"]


def train(
    config: RunConfig, out: Path, *, source: ImageSource | None = None, show_progress: bool = True, command: str = ""
) -> Path:
    """Train a family into a new run folder and return the folder.

    Args:
        config: the resolved configuration.
        out: a folder that is empty or does not exist yet.
        source: the images; by default config.data is loaded.
        show_progress: draw a progress bar.
        command: what the user typed, for the records.

    Raises:
        ConfigError: `out` is not empty, the device is missing or the images do not fit the networks.
        DivergedError: the game diverged; the last good checkpoint is kept.
    """
    with locked(out):
        source = source or open_source(config)
        session = open_session(config, source)
        create_run(out, {**config.as_dict(), "fingerprint": source.fingerprint})
        return _play(session, out, show_progress=show_progress, command=command)


def resume(
    run: Path, *, source: ImageSource | None = None, show_progress: bool = True, command: str = "", family: str | None = None
) -> Path:
    """Continue a run from its last checkpoint, bit for bit, or from its start if it has none.

    Args:
        run: the run folder.
        source: the images; by default those that run.toml names.
        show_progress: draw a progress bar.
        command: what the user typed, for the records.
        family: a foreign family "module:Class" must be named again, since a file never names code to import.

    Raises:
        CheckpointError: not a run folder, damaged, or the images are not the same ones.
    """
    config, fingerprint = load_config(run, family=family)
    with locked(run):
        source = source or open_source(config)
        if source.fingerprint != fingerprint:
            raise CheckpointError(
                f"the images of {config.data.source} are not those that {run} was trained on (fingerprint "
                f"{source.fingerprint[:12]}, then {fingerprint[:12]}); restore them or start a new run"
            )
        session = open_session(config, source)
        checkpoint = read_checkpoint(run)
        if checkpoint is not None:
            session.restore(checkpoint)
        return _play(session, run, show_progress=show_progress, command=command)


def load_config(run: Path, *, family: str | None = None) -> tuple[RunConfig, str]:
    """Return the configuration of a run folder and the fingerprint of its images."""
    tree = read_config(run)
    fingerprint = str(tree.pop("fingerprint", ""))
    name = str(tree.get("name", ""))
    if ":" in name and family != name:
        raise CheckpointError(f"{run} is of the foreign family {name!r}; give --family {name} if you trust that code")
    return resolve(name, load_family(name).Config, tree), fingerprint


def open_source(config: RunConfig) -> ImageSource:
    """Load the images that a configuration names."""
    d = config.data
    return load_source(
        d.source,
        attributes=None if d.attributes is None else Path(d.attributes),
        label=d.label,
        size=d.size,
        crop=d.crop,
        channels=d.channels,
        skip_bad=d.skip_bad,
        mirror=None if d.mirror is None else Path(d.mirror),
    )


def open_session(config: RunConfig, source: ImageSource) -> Session:
    """Build networks, players and streams at turn 0."""
    t = config.training
    device = pick_device(t.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(t.seed)
        family = load_family(config.name)(config.family, source.spec)
    family.to(device).train()
    if t.compile:
        for network in family.children():
            network.compile()
    batches = Batches(source, batch_size=t.batch_size, seed=t.seed, device=device)
    average = Average(family, t.average_halflife_images)
    return Session(config, source, family, Update(family.players()), batches, average, Health(t.total_images))


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: torch does not know it or does not see it here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r} is not available here; use auto, cpu, cuda or mps") from error
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """Return "fp32" or "bf16"; auto is bf16 on CUDA devices that have it (on CPUs its convolutions are slower)."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def _play(session: Session, out: Path, *, show_progress: bool, command: str) -> Path:
    t = session.config.training
    journal = Journal(out, session, command=command, show_progress=show_progress)
    if session.turn == 0:
        write_untrained(session, out)
    x = evaluation_images(session)
    precision = pick_precision(t.precision, session.batches.device)
    game = turns(
        session.family,
        session.batches,
        session.update,
        seed=t.seed,
        total_images=t.total_images,
        start=session.turn,
        precision=precision,
    )
    try:
        with _interruptible() as interrupted, journal:
            while session.images < t.total_images and not interrupted:
                _play_a_turn(session, game, out, journal, x)
            if interrupted:
                _commit(session, out, journal, x, final=False)
                raise LatentganError(f"stopped at {session.images:,} images; continue with --resume {out}")
        _commit_model(session, out, final=True)
        journal.finish("finished")
    except DivergedError as error:
        session.health.status = "diverged"
        journal.finish("diverged", str(error))
        raise DivergedError(f"{error}; the last good checkpoint is kept in {out}") from error
    return out


def _play_a_turn(session: Session, game: Iterator[int], out: Path, journal: Journal, x: torch.Tensor) -> None:
    t = session.config.training
    before, started = session.images, time.perf_counter()
    session.turn = next(game)
    session.average.update(session.images - before, session.images)
    session.seconds += time.perf_counter() - started
    journal.advance(session)
    done = session.images >= t.total_images
    if done or _crossed(before, session.images, t.checkpoint_images):
        _commit(session, out, journal, x, final=done)
    elif _crossed(before, session.images, t.log_images):
        _log(session, out, journal, x)


def _log(session: Session, out: Path, journal: Journal, x: torch.Tensor) -> None:
    session.update.check_finite()
    shadow = journal.shadow(session)
    vitals = measure(shadow, x)
    journal.log(session, vitals)
    write_grids(shadow, out / "samples", session.images, x)


def _commit(session: Session, out: Path, journal: Journal, x: torch.Tensor, *, final: bool) -> None:
    _log(session, out, journal, x)
    write_checkpoint(out, session.images, session.checkpoint())
    if not final:
        _commit_model(session, out, final=False)


def _commit_model(session: Session, out: Path, *, final: bool) -> None:
    shadow = shadow_of(session.family)
    session.average.write_to(shadow, session.family)
    make_usable(shadow, statistics_images(session, STATISTICS_IMAGES if final else STATISTICS_IMAGES // 10))
    write_model(out, shadow.state_dict(), model_config(session))


def write_untrained(session: Session, out: Path) -> None:
    """Write the weights of turn 0, their batch statistics computed like the model's: the yardstick of features."""
    shadow = shadow_of(session.family)
    make_usable(shadow, statistics_images(session, STATISTICS_IMAGES))
    try:
        write_tensors(out / "untrained.safetensors", shadow.state_dict())
    except OSError as error:
        raise CheckpointError(f"could not write {out / 'untrained.safetensors'}: {error}") from error


def statistics_images(session: Session, limit: int) -> Iterator[torch.Tensor]:
    """Yield batches of up to `limit` training images in [-1, 1], the same ones every time."""
    rows = session.source.rows("train")[:limit]
    size = max(2, session.config.training.batch_size)
    for start in range(0, len(rows), size):
        if len(rows) - start >= 2 or start == 0:
            yield session.source.tensor(rows[start : start + size], session.batches.device)


def evaluation_images(session: Session) -> torch.Tensor:
    """Return up to 256 validation images (training images where there are none), (n, c, h, w) in [-1, 1]."""
    rows = session.source.rows("validation")
    if len(rows) < 2:
        rows = session.source.rows("train")
    return session.source.tensor(rows[:EVALUATION_IMAGES], session.batches.device)


def model_config(session: Session) -> dict[str, Any]:
    """Return what config.json says: all that is needed to build the model again."""
    spec = session.source.spec
    return {
        **session.config.as_dict(),
        "spec": {
            "channels": spec.channels,
            "height": spec.height,
            "width": spec.width,
            "classes": list(spec.classes),
        },
        "images_seen": session.images,
        "fingerprint": session.source.fingerprint,
        "parts": session.family.prior.describe(),
    }


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Turn the first Ctrl-C into a request to stop after the present turn; a second one stops at once."""
    requests: list[int] = []

    def request(number: int, _frame: object) -> None:
        requests.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        previous = signal.signal(signal.SIGINT, request)
    except ValueError:  # not in the main thread
        yield requests
        return
    try:
        yield requests
    finally:
        signal.signal(signal.SIGINT, previous)


def _turn_seed(seed: int, turn: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{turn}".encode()).digest()[:8], "little") >> 1


def _crossed(before: int, after: int, every: int) -> bool:
    return before // every != after // every


def _strip(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

