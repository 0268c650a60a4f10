"""One process at a time; a lock goes when its process does, however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from latentgan.errors import LatentganError


@contextlib.contextmanager
def held(path: Path, refusal: LatentganError | None = None) -> Iterator[None]:
    """Hold a file or folder that exists; without a refusal, wait until whoever holds it is done.

    Raises:
        LatentganError: another process holds it; `refusal`.
    """
    try:
        import fcntl
    except ImportError:  # not on this platform
        yield
        return
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place does not hold us
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except OSError as error:
            raise (refusal or error) from None
        yield
    finally:
        os.close(handle)
