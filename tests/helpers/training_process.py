"""What the processes do that test_kill.py starts and kills; imported in them by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from tiny_runs import stripes, tiny

from latentgan.config import RunConfig
from latentgan.errors import LatentganError
from latentgan.training.loop import resume, train

CALLS = ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir")
"""Calls of the operating system that a checkpoint, a model and a log line are made of."""


def work(run: Path, config: RunConfig, ready: Connection) -> None:
    """Start the run, or continue it where it stands; say when it is about to begin, and what it ended with."""
    torch.set_num_threads(1)
    ready.send("begins")
    try:
        if (run / "run.toml").exists():
            resume(run, source=stripes(), show_progress=False)
        else:
            train(config, run, source=stripes(), show_progress=False)
    except LatentganError as error:
        ready.send(str(error))
        raise SystemExit(2) from None
    ready.send("finished")


def work_until_call(run: Path, k: int, after: bool, ready: Connection) -> None:
    """Continue the run and kill this very process before or after its k-th call, from 0."""
    counter = {"calls": 0}

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = counter["calls"]
            counter["calls"] += 1
            if number == k and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return real(*args, **kwargs)
            finally:
                if number == k and after:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in CALLS:
        setattr(os, name, watched(getattr(os, name)))
    work(run, tiny(), ready)
    ready.send(counter["calls"])
