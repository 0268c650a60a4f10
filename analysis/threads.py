"""How many threads the matrix products may use.

Two BLAS threads wait for each other by spinning. On small matrices, and beside other processes, that costs
far more than it brings: the probes of 1,797 digits took 2 s with one thread and 80 s with two on a busy
two-core machine. Work below a threshold therefore runs on one thread; large products use them all.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

SMALL = 4_000_000  # cells (rows × columns) below which one thread is the faster choice


@cache
def _controller() -> Any:
    """The BLAS libraries of this process, numpy's and scipy's both."""
    importlib.import_module("scipy.linalg")  # its BLAS must be loaded to be found
    return importlib.import_module("threadpoolctl").ThreadpoolController()


def threads_for(cells: int) -> AbstractContextManager[Any]:
    """Use one thread within the context where `cells` (rows × columns) are few, else as many as there are."""
    if cells >= SMALL:
        return nullcontext()
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit
