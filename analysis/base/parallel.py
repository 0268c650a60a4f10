"""Two cores without two BLAS threads: blocks of rows on Python threads, each with its own product.

BLAS threads wait for each other by spinning, which beside other processes costs far more than it brings: on
a busy two-core machine the probes of 1,797 digits took 80 s with two BLAS threads and 2 s with one, those of
70,000 MNIST images more than 600 s and 99 s. So BLAS gets one thread, and what is large is cut into blocks;
products release the interpreter, and sums are taken in the order of blocks, whatever the number of threads.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

LARGE = 2_000_000  # cells (rows × columns) from which threads are worth starting

Item = TypeVar("Item")


Value = TypeVar("Value")


@cache
def _controller() -> Any:
    """The BLAS libraries of this process, numpy's and scipy's both."""
    importlib.import_module("scipy.linalg")  # its BLAS must be loaded to be found
    return importlib.import_module("threadpoolctl").ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep BLAS to one thread within the context; a model that decodes keeps its own threads."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limit


@contextmanager
def openmp_threads_as_before() -> Iterator[None]:
    """Give OpenMP back its number of threads after the context: UMAP's library sets it for the whole process.

    PyTorch computes with that number too, so that a model trained after a map was drawn would differ in its last bits.
    """
    libraries = importlib.import_module("threadpoolctl").ThreadpoolController().select(user_api="openmp")
    before = [library.num_threads for library in libraries.lib_controllers]
    try:
        yield
    finally:
        for library, threads in zip(libraries.lib_controllers, before, strict=True):
            library.set_num_threads(threads)


@cache
def _pool() -> ThreadPoolExecutor | None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS", "")
    workers = min(cores, int(threads) if threads.isdigit() and int(threads) else cores, 8)
    return ThreadPoolExecutor(workers, "analysis") if workers > 1 else None


def over_blocks(work: Callable[[Item], Value], items: Iterable[Item], *, cells: int) -> Iterable[Value]:
    """Map `work` over `items` in order, on threads where the whole is at least `LARGE` cells."""
    pool = _pool() if cells >= LARGE else None
    return map(work, items) if pool is None else pool.map(work, items)
