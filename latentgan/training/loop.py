"""Training: the endless game as a generator, and a loop around it that logs, samples and checkpoints.

    for iteration in iterations(family, batches, update, seed=0, total_images=64_000):
        ...                                        # another logger or early stopping is a line here

An iteration is a pure function of the weights, the optimisers' state and (seed, iteration), so a run that was killed
and resumed ends with the same bits as one that was not: same machine, torch version, thread count, on the CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from analysis.io.writing import made_for
from latentgan.config import DataConfig, RunConfig
from latentgan.data.batches import Batches
from latentgan.data.leakage import write_seen
from latentgan.data.source import ImageSource
from latentgan.devices import full_precision, pick_precision, seeded
from latentgan.errors import CheckpointError, ConfigError, DivergedError, LatentganError
from latentgan.families.base import Family
from latentgan.game import PATIENCE, Update
from latentgan.io.writing import write_tensors
from latentgan.run_folder import (
    UnwrittenError,
    create_run,
    forget_run,
    latest_name,
    locked,
    read_checkpoint,
    read_model,
    read_start,
    refuse_used,
    write_checkpoint,
    write_model,
    writing,
)
from latentgan.training.diagnostics import measure
from latentgan.training.ema import make_usable, shadow_of
from latentgan.training.logger import Journal, read_summary
from latentgan.training.sample_grids import write_grids
from latentgan.training.state import (
    HeldOut,
    Session,
    held_out,
    images_seen,
    load_config,
    model_config,
    open_session,
    open_source,
    statistics_images,
    usable,
)

STATISTICS_IMAGES = 10_000
"""Batch statistics of the final model are recomputed over this many training images, a tenth of it in between."""


def iterations(
    family: Family,
    batches: Batches,
    update: Update,
    *,
    seed: int,
    total_images: int,
    start: int = 0,
    precision: str = "fp32",
) -> Iterator[int]:
    """Play the game without end; yield the number of the iteration just played, from start + 1.

    Args:
        family: on its device, in training mode.
        batches: streams of minibatches; their counters are part of the run's state.
        update: moves the family's players.
        seed: with the iteration's number seeds all noise of that iteration.
        total_images: length of the run, for schedules.
        start: iterations already played.
        precision: "fp32" or "bf16" (autocast around the step).

    Raises:
        ConfigError: the family draws no minibatches.
    """
    device, number, idle = batches.device, start, 0
    while True:
        number += 1
        seen = images_seen(batches)
        with (
            seeded(device, _iteration_seed(seed, number)),
            torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else full_precision(device.type),
            update.iteration(number, seen / total_images),
        ):
            family.step(batches, update)
        idle = idle + 1 if images_seen(batches) == seen else 0
        if idle == PATIENCE:
            raise ConfigError(
                f"{type(family).__name__} drew no minibatch in {PATIENCE} iterations, so that a run, which is counted "
                "in images, would have no end: its step should call next(batches) or next(batches.stream(name))"
            )
        yield number


def session_iterations(session: Session) -> Iterator[int]:
    """Continue a training state's iterations, see `iterations`; the caller keeps counters and averages."""
    t = session.config.training
    return iterations(
        session.family,
        session.batches,
        session.update,
        seed=t.seed,
        total_images=t.total_images,
        start=session.iteration,
        precision=pick_precision(t.precision, session.batches.device),
    )


def train(
    config: RunConfig,
    out: str | Path,
    *,
    source: ImageSource | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
    show_progress: bool = True,
    command: str = "",
) -> Path:
    """Train a family into a new run folder and return the folder.

    Args:
        config: the resolved configuration.
        out: a folder that is empty or does not exist yet.
        source: the images; by default config.data is loaded.
        start: initial weights in place of random ones, for some or all of the family's: start/NAME for iteration 0,
            untrained/NAME for the untrained network that is kept as a baseline.
        show_progress: draw a progress bar.
        command: what the user typed, for the records.

    Raises:
        ConfigError: `out` is not empty, the device is missing, the source holds points, its images do not fit the
            networks, or networks that stand still are given no weights.
        CheckpointError: the run folder cannot be written (a full disk, say).
        DivergedError: the game diverged; the last good checkpoint is kept.
        LatentganError: Ctrl-C stopped it, after a checkpoint.
    """
    out = Path(out)
    refuse_used(out)
    if source is not None and config.data == DataConfig():
        config = config.model_copy(
            update={"data": DataConfig(source=source.name)}
        )  # what was trained on, not the default
    source = source or open_source(config)
    if not source.has_pictures:
        raise ConfigError(
            f"{source.name} holds points, which have no pictures to write into a run folder; "
            "play them with latentgan.training.toy_loop.play"
        )
    session = open_session(config, source)
    if start is None and session.family.still():
        raise ConfigError(
            f"these settings of {config.name} keep networks still, which would stay random: "
            "start from a trained run, as `latentgan fit-encoder RUN` does"
        )
    with made_for(out / "run.toml"), locked(out):
        try:
            create_run(out, {**config.as_dict(), "fingerprint": source.fingerprint}, start)
            return _play(session, out, show_progress=show_progress, command=command)
        except Exception as error:
            if isinstance(error, DivergedError) or latest_name(out) is not None:
                raise  # how it diverged is told by its records
            forget_run(out)
            if isinstance(error, UnwrittenError):
                raise CheckpointError(f"{error.reason}; there is no checkpoint yet, so nothing was kept") from error
            raise


def resume(
    run: str | Path,
    *,
    source: ImageSource | None = None,
    show_progress: bool = True,
    command: str = "",
    family: str | None = None,
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
    run = Path(run)
    config, fingerprint = load_config(run, family=family)
    with locked(run):
        if _finished(run, config):
            return run
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


def _play(session: Session, out: Path, *, show_progress: bool, command: str) -> Path:
    t = session.config.training
    journal = Journal(out, session, command=command, show_progress=show_progress)
    if session.iteration == 0:
        start = read_start(out)
        session.take(start, "untrained/")
        write_untrained(session, out)
        session.take(start, "start/")
    watched, game = held_out(session), session_iterations(session)
    model: Family | None = None
    try:
        with _interruptible() as interrupted, journal:
            while session.images < t.total_images and not interrupted:
                model = _run_iteration(session, game, out, journal, watched)
            if interrupted and session.images < t.total_images:
                if _committed(out) != session.images:
                    _commit(session, out, journal, watched, final=False)
                journal.finish("stopped")
                raise LatentganError(f"stopped at {session.images:,} images; continue with --resume {out}")
        _commit_model(session, out, usable(session, STATISTICS_IMAGES) if model is None else model)
        journal.finish("finished")
    except DivergedError as error:
        session.health.status = "diverged"
        journal.finish("diverged", str(error))
        kept = _committed(out)
        where = "there was no checkpoint yet" if kept is None else f"{out} keeps the checkpoint at {kept:,} images"
        raise DivergedError(f"{error}; {where}") from error
    return out


def _run_iteration(
    session: Session, game: Iterator[int], out: Path, journal: Journal, watched: HeldOut
) -> Family | None:
    """Play an iteration, with the log or the commit that falls on it; return the model that these speak of, if any."""
    t = session.config.training
    before, started = session.images, time.perf_counter()
    session.iteration = next(game)
    session.average.follow(session.images - before, session.images)
    session.seconds += time.perf_counter() - started
    journal.advance(session)
    done = session.images >= t.total_images
    if done or _crossed(before, session.images, t.checkpoint_images):
        return _commit(session, out, journal, watched, final=done)
    if _crossed(before, session.images, t.log_images):
        return _log(session, out, journal, watched)
    return None


def _log(
    session: Session, out: Path, journal: Journal, watched: HeldOut, *, statistics: int = STATISTICS_IMAGES // 10
) -> Family:
    """Measure and draw by the model as it would be written now, and return it."""
    started = time.perf_counter()
    session.update.check_finite()  # waits for an accelerator, so it is part of the iterations' time
    session.seconds += time.perf_counter() - started
    model = usable(session, statistics)
    vitals = measure(model, watched.images, watched.labels)
    with writing(out, out / "metrics.jsonl"):
        journal.log(session, vitals)
    with writing(out, out / "samples"):
        write_grids(model, out / "samples", session.images, watched.images)
    return model


def _commit(session: Session, out: Path, journal: Journal, watched: HeldOut, *, final: bool) -> Family:
    """Log and write a checkpoint, and the model unless it is the last one, which the caller writes."""
    statistics = STATISTICS_IMAGES if final else STATISTICS_IMAGES // 10
    model = _log(session, out, journal, watched, statistics=statistics)
    write_checkpoint(out, session.images, session.checkpoint())
    if not final:
        _commit_model(session, out, model)
    return model


def _commit_model(session: Session, out: Path, model: Family) -> None:
    write_model(out, model.state_dict(), model_config(session))


def write_untrained(session: Session, out: Path) -> None:
    """Keep which images are trained on, and the weights of iteration 0 made usable like the model's: the yardstick."""
    shadow = shadow_of(session.family)
    make_usable(shadow, statistics_images(session, STATISTICS_IMAGES))
    with writing(out, out / "seen.npy"):
        write_seen(out, session.source)
    with writing(out, out / "untrained.safetensors"):
        write_tensors(out / "untrained.safetensors", shadow.state_dict())


def _finished(run: Path, config: RunConfig) -> bool:
    summary = read_summary(run)
    if summary.get("status") != "finished" or int(summary.get("images", 0)) < config.training.total_images:
        return False
    try:
        read_model(run)
    except CheckpointError:  # damaged since: it is written again
        return False
    return True


def _committed(run: Path) -> int | None:
    name = latest_name(run)
    return None if name is None else int(name)


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Turn the first Ctrl-C into a request to stop after the present iteration; a second one stops at once."""
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


def _iteration_seed(seed: int, iteration: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{iteration}".encode()).digest()[:8], "little") >> 1


def _crossed(before: int, after: int, every: int) -> bool:
    return before // every != after // every
