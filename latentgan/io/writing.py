"""Where latentgan's files go out: the writers of `analysis.io.writing`, and sentences for what cannot be written.

Both packages write by one mechanism. Callers name the error that a user meets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from analysis.io.credentials import split_address, without_credentials
from analysis.io.paths import relative_name, shortened, typed_command, without_paths
from analysis.io.writing import (
    GENERATOR,
    Writing,
    allow,
    allowing,
    append_text,
    check_outputs,
    consent,
    exclusive,
    forgetting,
    is_temporary,
    made_for,
    png_bytes,
    remove_empty,
    remove_known,
    replace_bytes,
    replace_text,
    staged,
    sweep,
    sync,
    touch,
    wrote,
)
from latentgan.errors import DataError

__all__ = [
    "GENERATOR",
    "Writing",
    "allow",
    "allowing",
    "append_text",
    "check_outputs",
    "consent",
    "exclusive",
    "forgetting",
    "is_temporary",
    "made_for",
    "png_bytes",
    "relative_name",
    "remove_empty",
    "remove_known",
    "replace_bytes",
    "replace_text",
    "shortened",
    "split_address",
    "staged",
    "sweep",
    "sync",
    "touch",
    "typed_command",
    "without_credentials",
    "without_paths",
    "write_failures",
    "wrote",
]


@contextmanager
def write_failures(path: Path, way: str = "") -> Iterator[None]:
    """Turn an OSError into one sentence on what could not be written.

    Raises:
        DataError: `path` could not be written; the sentence ends with the way out.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"could not write {path}: {error.strerror or error}{way and '; '}{way}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replace a safetensors file whole; raises OSError where it cannot."""
    replace_bytes(path, tensor_bytes(tensors))


def tensor_bytes(tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> bytes:
    """Return tensors, and what is said about them, as a safetensors file."""
    # Not save_file: it leaves files that only their owner can read and, when killed, others of random names.
    return save({name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}, about)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
