"""Real processes, killed at random moments and around every step of a commit, end with the weights of one that was not.

Processes are forked from a server that has imported everything, so that each costs a few milliseconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_process
from tiny_runs import CONVOLUTIONAL, MLP, TWO_MOVES, differences, metrics, read_json, stripes, tiny

from latentgan.config import RunConfig
from latentgan.errors import CheckpointError
from latentgan.run_folder import latest_name, read_checkpoint
from latentgan.training.loop import resume, train

PRELOAD = ["torch", "torch._dynamo", "sympy", "PIL.PngImagePlugin", "pytest", "training_process"]

EXIT_CODES = threading.Lock()
"""An exit code can be read once, and starting a process reads those of all others: of two threads, one finds 255."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


class Worker:
    """A process at work on a run."""

    def __init__(self, context: ForkServerContext, target: Callable[..., None], *args: Any) -> None:
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process: ForkServerProcess = context.Process(target=target, args=(*args, theirs), daemon=True)
        with EXIT_CODES:
            self.process.start()
        theirs.close()
        assert self.pipe.poll(60) and self.pipe.recv() == "begins"

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):  # it is over: its exit code says that nobody killed it
                os.kill(self.process.pid, number)

    def end(self) -> tuple[int | None, list[object]]:
        """Wait; return the exit code and what it still had to say."""
        wait([self.process.sentinel], 120)
        with EXIT_CODES:
            self.process.join(0)
        return self.process.exitcode, list(_said(self.pipe))


def _said(pipe: Connection) -> Iterator[object]:
    try:
        while True:
            yield pipe.recv()
    except EOFError:
        return


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def work(context: ForkServerContext, run: Path, config: RunConfig | None = None) -> Worker:
    return Worker(context, training_process.work, run, config or tiny())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def straight(config: RunConfig, out: Path) -> Path:
    return train(config, out, source=stripes(), show_progress=False)


def test_a_killed_process_goes_on_in_another_to_the_same_end(context: ForkServerContext, tmp_path: Path) -> None:
    run, config = tmp_path / "run", tiny(total_images=160)
    worker = work(context, run, config)
    wait_for(lambda: latest_name(run) is not None)
    worker.kill()
    assert worker.end()[0] == -signal.SIGKILL
    assert latest_name(run) != "000000000160"
    assert work(context, run).end() == (0, ["finished"])
    assert differences(run, straight(config, tmp_path / "straight")) == []


def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(context: ForkServerContext, tmp_path: Path) -> None:
    run, config = tmp_path / "run", tiny(total_images=80_000, log_images=80_000, checkpoint_images=80_000)
    worker = work(context, run, config)
    wait_for((run / "summary.json").exists)
    time.sleep(0.3)
    worker.kill(signal.SIGINT)
    code, (sentence,) = worker.end()
    images = metrics(run)[-1]["images"]
    assert (code, sentence) == (2, f"stopped at {images:,} images; continue with --resume {run}")
    assert int(latest_name(run) or 0) == images > 0
    assert read_json(run, "summary.json")["status"] == "stopped"
    assert read_json(run, "model/config.json")["images_seen"] == images


def test_a_second_process_waits_for_the_first(context: ForkServerContext, tmp_path: Path) -> None:
    run = tmp_path / "run"
    worker = work(context, run, tiny(total_images=80_000))
    wait_for((run / "run.toml").exists)
    with pytest.raises(CheckpointError, match="another process is training in"):
        resume(run, source=stripes(), show_progress=False)
    wait_for(lambda: latest_name(run) is not None)
    worker.kill()
    worker.end()
    second = work(context, run)
    time.sleep(0.2)
    assert second.process.is_alive()
    second.kill()
    second.end()


@pytest.mark.slow
@pytest.mark.parametrize(("case", "kills"), [(CONVOLUTIONAL, 10), (MLP, 5), (TWO_MOVES, 5)])
def test_killed_runs_end_with_the_same_weights(
    case: str, kills: int, context: ForkServerContext, tmp_path: Path
) -> None:
    """Twenty kills in all; a checkpoint after every second batch, so that most fall in or near one."""
    config = tiny(case, total_images=320, log_images=16, checkpoint_images=16)
    expected = straight(config, tmp_path / "straight")
    whole, started = work(context, tmp_path / "whole", config), time.monotonic()
    wait_for((tmp_path / "whole" / "run.toml").exists)
    begun = time.monotonic()
    assert whole.end() == (0, ["finished"])
    start, life = begun - started, (time.monotonic() - begun) / kills  # of a process like those that are killed
    rng, run, killed, reached = np.random.default_rng(kills), tmp_path / "run", 0, []
    for _ in range(kills):
        worker = work(context, run, config)
        time.sleep(rng.uniform(0, start + 1.2 * life))
        worker.kill()
        killed += worker.end()[0] == -signal.SIGKILL
        reached.append(int(latest_name(run) or 0))
    assert work(context, run, config).end() == (0, ["finished"])
    assert reached == sorted(reached), "a checkpoint was lost"
    assert killed >= kills - 2, f"the run was over before it could be killed {kills} times: {reached}"
    assert differences(run, expected) == []


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 96 images that nothing interrupted, with checkpoints at 64 and 96."""
    return straight(tiny(MLP, log_images=32), tmp_path_factory.mktemp("committed") / "run")


@pytest.fixture(scope="module")
def before_a_commit(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with its checkpoint at 64 as the last; the next 32 images are to be played."""
    run = tmp_path_factory.mktemp("before") / "run"
    shutil.copytree(committed, run, ignore=shutil.ignore_patterns("model", "000000000096"))
    (run / "latest").write_text("000000000064\n")
    summary = (run / "summary.json").read_text().replace('"finished"', '"running"')
    (run / "summary.json").write_text(summary)
    return run


@pytest.mark.slow
def test_any_step_of_a_commit_can_be_killed(
    before_a_commit: Path, committed: Path, context: ForkServerContext, tmp_path: Path
) -> None:
    whole = {name: read_tensors(committed, name) for name in ("000000000064", "000000000096")}

    def killed_at(k: int) -> str | None:
        """Kill a process at its k-th call and resume in another; return the checkpoint that was there between."""
        run = tmp_path / str(k)
        shutil.copytree(before_a_commit, run)
        # After call k is before call k + 1, but for what lies between them: take iterations.
        code, _ = Worker(context, training_process.work_until_call, run, k, bool(k % 2)).end()
        if code == 0:
            return None  # it had fewer calls than the one that was counted: nothing to import any more
        assert code == -signal.SIGKILL
        checkpoint, name = read_checkpoint(run), latest_name(run) or ""
        assert checkpoint is not None and checkpoint.state["images"] == int(name)
        assert {key: t.numpy().tobytes() for key, t in checkpoint.tensors.items()} == whole[name]
        assert work(context, run).end() == (0, ["finished"])
        assert differences(run, committed) == [], f"killed {'after' if k % 2 else 'before'} call {k}"
        assert not list(run.rglob("*.tmp")), f"something unfinished was left behind by a kill at call {k}"
        shutil.rmtree(run)
        return name

    counted = tmp_path / "counted"
    shutil.copytree(before_a_commit, counted)
    code, (_, calls) = Worker(context, training_process.work_until_call, counted, -1, False).end()
    assert code == 0 and isinstance(calls, int)
    with ThreadPoolExecutor(2) as both_cores:
        checkpoints = [name for name in both_cores.map(killed_at, range(calls)) if name]
    assert len(checkpoints) > 30 and checkpoints == sorted(checkpoints) and len(set(checkpoints)) == 2


def read_tensors(run: Path, name: str) -> dict[str, bytes]:
    """The tensors of one of a run's checkpoints, as bytes."""
    from safetensors.torch import load_file

    tensors = load_file(run / "checkpoints" / name / "state.safetensors")
    return {key: tensor.numpy().tobytes() for key, tensor in tensors.items()}
