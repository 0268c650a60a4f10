"""Where and in which precision networks run."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

import torch

from latentgan.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes CUDA, then MPS, then the CPU.

    On the CPU, memory that is freed is kept for the next pass, see `keep_freed_memory`.

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
    if device.type == "cpu":
        keep_freed_memory()
    return device


@contextlib.contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Scope in which draws on the CPU and on `device` start from a seed; afterwards they go on from where they stood.

    `torch.manual_seed` seeds every generator of the process: those of other GPUs, which nobody puts back, and those of
    kinds of devices that are absent, which takes a fifth of a millisecond.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for generator in default_generators(device):
            generator.manual_seed(seed)
        yield


def default_generators(device: torch.device) -> list[torch.Generator]:
    """Return the generators that draw on the CPU and on `device` where none is named."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators


def keep_freed_memory() -> None:
    """Make the C library keep freed memory for this process rather than to give it back at once.

    A pass frees and asks for the same megabytes again and again, and each time the kernel hands them out page by page:
    an iteration of the convolutional BiGAN takes a quarter less time without that. Without glibc nothing is done.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            map_threshold, trim_threshold = -3, -1
            mallopt(map_threshold, 2**30) or mallopt(map_threshold, 2**25)  # 32 MiB is the older versions' largest
            mallopt(trim_threshold, 2**31 - 1)


def full_precision(device: str) -> contextlib.AbstractContextManager[object]:
    """Return the scope in which nothing is cast on a type of device, "cpu" or "cuda", whatever scope is around it.

    Entering autocast costs one percent of a small network's iteration, so it is entered only where there is one to
    leave; some types of device, as "meta", have none.
    """
    cast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if cast else contextlib.nullcontext()


def pick_precision(name: str, device: torch.device) -> str:
    """Return "fp32" or "bf16"; auto is bf16 on CUDA devices that have it (on CPUs its convolutions are slower)."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
