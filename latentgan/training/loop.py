"""Training: the iterations of a game as a generator, and a loop around them that logs, samples and checkpoints.

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
from latentgan.data.leakage import FILE as TRAINING_HASHES
from latentgan.data.leakage import write_training_hashes
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
from latentgan.training.logger import RunLogger, read_summary
from latentgan.training.sample_grids import write_grids
from latentgan.training.state import (
    HeldOut,
    TrainingState,
    held_out,
    images_seen,
    load_config,
    model_config,
    open_source,
    open_state,
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
    """Iterate without end.

    Args:
        family: on its device, in training mode.
        batches: streams of minibatches; their counters are part of the training state.
        update: moves the family's players.
        seed: seeds all noise of an iteration, together with its number.
        total_images: length of the run in images, for schedules.
        start: number of iterations before these.
        precision: "fp32" or "bf16" (autocast around the step).

    Yields:
        The number of each iteration after it, from start + 1.

    Raises:
        ConfigError: the family draws no minibatches.
    """
    device, number, idle = batches.device, start, 0
    while True:
        number += 1
        images = images_seen(batches)
        with (
            seeded(device, _iteration_seed(seed, number)),
            torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else full_precision(device.type),
            update.iteration(number, images / total_images),
        ):
            family.step(batches, update)
        idle = idle + 1 if images_seen(batches) == images else 0
        if idle == PATIENCE:
            raise ConfigError(
                f"{type(family).__name__} drew no minibatch in {PATIENCE} iterations, so that a run, which is counted "
                "in images, would have no end: its step should call next(batches) or next(batches.stream(name))"
            )
        yield number


def state_iterations(state: TrainingState) -> Iterator[int]:
    """Continue a training state's iterations, see `iterations`; the caller keeps counters and averages."""
    t = state.config.training
    return iterations(
        state.family,
        state.batches,
        state.update,
        seed=t.seed,
        total_images=t.total_images,
        start=state.iteration,
        precision=pick_precision(t.precision, state.batches.device),
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
    """Train a family into a new run folder.

    Args:
        config: the resolved configuration.
        out: a folder that is empty or does not exist yet.
        source: the images; by default config.data is loaded.
        start: initial weights in place of random ones, for some or all of the family's: start/NAME for iteration 0,
            untrained/NAME for the untrained network that is kept as a baseline.
        show_progress: draw a progress bar.
        command: what the user typed, for the records.

    Returns:
        The folder.

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
    state = open_state(config, source)
    if start is None and state.family.frozen_networks():
        raise ConfigError(
            f"these settings of {config.name} keep networks still, which would stay random: "
            "start from a trained run, as `latentgan fit-encoder RUN` does"
        )
    with made_for(out / "run.toml"), locked(out):
        try:
            create_run(out, {**config.as_dict(), "fingerprint": source.fingerprint}, start)
            return _play(state, out, show_progress=show_progress, command=command)
        except Exception as error:
            if isinstance(error, DivergedError) or latest_name(out) is not None:
                raise  # the run folder stays, since its records show how the run diverged
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

    Returns:
        The folder.

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
        state = open_state(config, source)
        checkpoint = read_checkpoint(run)
        if checkpoint is not None:
            state.restore(checkpoint)
        return _play(state, run, show_progress=show_progress, command=command)


def _play(state: TrainingState, out: Path, *, show_progress: bool, command: str) -> Path:
    t = state.config.training
    logger = RunLogger(out, state, command=command, show_progress=show_progress)
    if state.iteration == 0:
        start = read_start(out)
        state.take(start, "untrained/")
        write_untrained(state, out)
        state.take(start, "start/")
    watched, game = held_out(state), state_iterations(state)
    model: Family | None = None
    try:
        with _interruptible() as interrupted, logger:
            while state.images < t.total_images and not interrupted:
                model = _run_iteration(state, game, out, logger, watched)
            if interrupted and state.images < t.total_images:
                if _committed(out) != state.images:
                    _commit(state, out, logger, watched, final=False)
                logger.finish("stopped")
                raise LatentganError(f"stopped at {state.images:,} images; continue with --resume {out}")
        _commit_model(state, out, usable(state, STATISTICS_IMAGES) if model is None else model)
        logger.finish("finished")
    except DivergedError as error:
        state.diagnostics.status = "diverged"
        logger.finish("diverged", str(error))
        images = _committed(out)
        where = "there was no checkpoint yet" if images is None else f"{out} keeps the checkpoint at {images:,} images"
        raise DivergedError(f"{error}; {where}") from error
    return out


def _run_iteration(
    state: TrainingState, game: Iterator[int], out: Path, logger: RunLogger, watched: HeldOut
) -> Family | None:
    """Run an iteration, and log or commit where one is due; return the model that was logged, if any."""
    t = state.config.training
    before, started = state.images, time.perf_counter()
    state.iteration = next(game)
    state.ema.follow(state.images - before, state.images)
    state.seconds += time.perf_counter() - started
    logger.advance(state)
    done = state.images >= t.total_images
    if done or _crossed(before, state.images, t.checkpoint_images):
        return _commit(state, out, logger, watched, final=done)
    if _crossed(before, state.images, t.log_images):
        return _log(state, out, logger, watched)
    return None


def _log(
    state: TrainingState, out: Path, logger: RunLogger, watched: HeldOut, *, statistics: int = STATISTICS_IMAGES // 10
) -> Family:
    """Log indicators and sample grids of the model as it would be written now, and return it."""
    started = time.perf_counter()
    state.update.check_finite()  # waits for an accelerator, so it is part of the iterations' time
    state.seconds += time.perf_counter() - started
    model = usable(state, statistics)
    indicators = measure(model, watched.images, watched.labels)
    with writing(out, out / "metrics.jsonl"):
        logger.log(state, indicators)
    with writing(out, out / "samples"):
        write_grids(model, out / "samples", state.images, watched.images)
    return model


def _commit(state: TrainingState, out: Path, logger: RunLogger, watched: HeldOut, *, final: bool) -> Family:
    """Log, and write a checkpoint and the model; the caller writes the final model."""
    statistics = STATISTICS_IMAGES if final else STATISTICS_IMAGES // 10
    model = _log(state, out, logger, watched, statistics=statistics)
    write_checkpoint(out, state.images, state.checkpoint())
    if not final:
        _commit_model(state, out, model)
    return model


def _commit_model(state: TrainingState, out: Path, model: Family) -> None:
    write_model(out, model.state_dict(), model_config(state))


def write_untrained(state: TrainingState, out: Path) -> None:
    """Save hashes of the training images, and the untrained weights with calibrated batch statistics (the "untrained"
    baseline).
    """
    shadow = shadow_of(state.family)
    make_usable(shadow, statistics_images(state, STATISTICS_IMAGES))
    with writing(out, out / TRAINING_HASHES):
        write_training_hashes(out, state.source)
    with writing(out, out / "untrained.safetensors"):
        write_tensors(out / "untrained.safetensors", shadow.state_dict())


def _finished(run: Path, config: RunConfig) -> bool:
    summary = read_summary(run)
    if summary.get("status") != "finished" or int(summary.get("images", 0)) < config.training.total_images:
        return False
    try:
        read_model(run)
    except CheckpointError:  # the model was damaged after the run: it is written again
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
