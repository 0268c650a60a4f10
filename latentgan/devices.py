"""Where and in which precision networks run."""

from __future__ import annotations

import contextlib
import ctypes
import sys

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


def keep_freed_memory() -> None:
    """Tell the C library to keep freed memory for this process rather than to give it back at once.

    A pass frees and asks for the same megabytes again and again, and each time the kernel hands them out page by page:
    a turn of the convolutional BiGAN takes a quarter less time without that. Does nothing where there is no glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            map_threshold, trim_threshold = -3, -1
            mallopt(map_threshold, 2**30) or mallopt(map_threshold, 2**25)  # 32 MiB is the older versions' largest
            mallopt(trim_threshold, 2**31 - 1)


def full_precision(device: str) -> contextlib.AbstractContextManager[object]:
    """Return the scope in which nothing is cast on a type of device, "cpu" or "cuda", whatever scope is around it.

    Entering autocast costs a small network's turn a hundredth, so it is entered only where there is one to leave.
    """
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else contextlib.nullcontext()


def pick_precision(name: str, device: torch.device) -> str:
    """Return "fp32" or "bf16"; auto is bf16 on CUDA devices that have it (on CPUs its convolutions are slower)."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
