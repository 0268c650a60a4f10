"""Where latentgan's files go out: the writers of `analysis.files`, and sentences for what cannot be written.

With `latentgan.boundary`, where files come in, the only module of the core that imports `analysis`: both packages write
by one mechanism. Callers name the error that a user meets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.credentials import split_address, without_credentials
from analysis.files import (
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
from analysis.places import relative_name, shortened, typed_command, without_paths
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
