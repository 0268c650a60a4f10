"""The folder for what is fetched or decoded once: LATENTGAN_DATA, else in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from analysis.io.reading import map_array, read_json
from analysis.io.writing import exclusive, replace_text, touch
from latentgan.errors import DataError
from latentgan.io.file_models import DecodedFacts
from latentgan.io.locks import held

VARIABLE = "LATENTGAN_DATA"


def cache_folder() -> Path:
    """Where data are kept; the folder need not exist yet."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "latentgan"


def writable(folder: Path) -> Path:
    """Make the folder if need be.

    Raises:
        OSError: it cannot be made or written to; the message says how to choose another.
    """
    way = f"set {VARIABLE} to a folder that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder} cannot be made ({error.strerror}); {way}") from None
    if not os.access(folder, os.W_OK):
        raise OSError(f"{folder} is read-only; {way}")
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold path.lock: of several processes one fetches or decodes, the others find it done."""
    lock = path.with_name(path.name + ".lock")
    touch(lock)
    with held(lock):
        yield


class DecodedCache:
    """Decoded images (.npy) and what was found on the way (.json, written last: the commit point)."""

    def __init__(self, key: Mapping[str, Any]) -> None:
        mark = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = cache_folder() / "decoded"
        self.array, self.facts = self.folder / f"{mark}.npy", self.folder / f"{mark}.json"

    def load(self) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Return (memory-mapped images, facts) if they were decoded before and are whole."""
        try:
            facts = read_json(self.facts, DecodedFacts, error=DataError)
            images = map_array(self.array, error=DataError)
        except DataError:  # nothing is kept, or something damaged: it is decoded again
            return None
        whole = images.dtype == np.uint8 and images.ndim == 4 and facts.kept <= len(images)
        return (images[: facts.kept], facts.model_dump()) if whole else None

    def create(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a writable memory map of zeros under a temporary name; its place on the disk is reserved.

        Raises:
            OSError: the folder is read-only, or the disk full (a map on a full disk kills its writer).
        """
        temporary = self._temporary(writable(self.folder))
        temporary.unlink(missing_ok=True)
        exclusive(temporary).close()  # no link
        np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        try:
            with temporary.open("r+b") as stream:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
        except OSError:
            temporary.unlink()
            raise
        return np.lib.format.open_memmap(temporary, mode="r+")

    def commit(self, images: np.ndarray, facts: Mapping[str, Any]) -> None:
        """Put the array made by `create` in its place, then the facts."""
        if isinstance(images, np.memmap):
            images.flush()
        self._temporary(self.folder).replace(self.array)
        replace_text(self.facts, json.dumps(dict(facts)))

    def discard(self) -> None:
        """Remove what `create` made."""
        self._temporary(self.folder).unlink(missing_ok=True)

    def _temporary(self, folder: Path) -> Path:
        return folder / f"{self.array.name}.{os.getpid()}.tmp"
