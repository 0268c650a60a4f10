"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np


def room() -> float:
    """Bytes that this process may still take: by its own limits, by its control group, by the machine."""
    left = [_numbers(Path("/proc/meminfo")).get("MemAvailable", np.inf)]
    with contextlib.suppress(ImportError):  # other systems than Unix have no such limits
        import resource

        status = _numbers(Path("/proc/self/status"))
        for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            soft = resource.getrlimit(limit)[0]
            if soft != resource.RLIM_INFINITY:
                left.append(soft - status.get(used, 0.0))
    with contextlib.suppress(OSError, ValueError, StopIteration):  # "max", or no such group
        group = Path("/sys/fs/cgroup")
        lines = (group / "memory.stat").read_text().splitlines()
        cached = next(float(line.split()[1]) for line in lines if line.startswith("file "))  # which gives way
        held = float((group / "memory.current").read_text()) - cached
        left.append(float((group / "memory.max").read_text()) - held)
    return max(0.0, min(left))


def _numbers(path: Path) -> dict[str, float]:
    """Lines "Name:   123 kB" of a file of /proc, in bytes; nothing where there is no such file."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines]
    return {part[0][:-1]: 1024.0 * int(part[1]) for part in parts if len(part) == 3 and part[2] == "kB"}
