"""CIFAR-10 in its binary version, which needs no pickle."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from analysis.io.reading import check_file, irregular, read_bytes
from latentgan.data.source import Raw
from latentgan.errors import DataError

ARCHIVE = "cifar-10-binary.tar.gz"


CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


_ROW = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes


_MAX_BYTES = 1 << 30


_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")


def is_cifar(folder: Path) -> bool:
    """Whether a folder holds the binary version of CIFAR-10."""
    return (folder / _FILES[-1]).exists()


def read_folder(folder: Path, classes: tuple[str, ...] = CLASSES) -> Raw:
    """Read the binary version of CIFAR-10, unpacked or out of its .tar.gz.

    Raises:
        DataError: files are missing, truncated or of the Python version (a pickle, which is never read).
    """
    contents = {name: content for name, content in _contents(folder) if name in _FILES}
    if missing := [name for name in _FILES if name not in contents]:
        pickled = any(folder.glob("**/data_batch_1")) or any(folder.glob("cifar-10-python*"))
        hint = "; what is there is the Python version, a pickle, which is never read" if pickled else ""
        raise DataError(f"{folder} has no {missing[0]} of the binary version ({ARCHIVE}){hint}")
    parts = []
    for name in _FILES:
        if not contents[name] or len(contents[name]) % _ROW:
            size = f"{len(contents[name]):,} bytes"
            raise DataError(f"{folder / name} has {size}, which is no multiple of {_ROW}: it is truncated")
        parts.append(np.frombuffer(contents[name], np.uint8).reshape(-1, _ROW))
    rows = np.concatenate(parts)
    if rows[:, 0].max() >= len(classes):
        row = int(rows[:, 0].argmax())
        raise DataError(f"{folder}: image {row} has label {rows[row, 0]}; CIFAR-10 has 0 to 9")
    images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    split = np.repeat(np.array(["train", "test"], dtype="U10"), [len(rows) - len(parts[-1]), len(parts[-1])])
    return Raw(
        images=images,
        labels=rows[:, 0].astype(np.int64),
        classes=classes,
        split=split,
        provenance={"from": str(folder)},
    )


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of the unpacked files, else of the members of the archive."""
    for place in (folder, folder / "cifar-10-batches-bin"):
        if is_cifar(place):
            yield from (
                (path.name, read_bytes(path, most=_MAX_BYTES, error=DataError)) for path in sorted(place.glob("*.bin"))
            )
            return
    archive = folder / ARCHIVE
    if irregular(archive) == "missing":
        return
    check_file(archive, error=DataError)
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                content: IO[bytes] | None = members.extractfile(member) if member.isfile() else None
                name = Path(member.name).name
                if content is not None and name in _FILES:
                    yield name, content.read(1 << 26)
    except (tarfile.TarError, EOFError, zlib.error, OSError):
        raise DataError(f"{archive} is truncated or damaged; fetch it again") from None
