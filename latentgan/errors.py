"""Errors by their cause; the command line prints the message as one line and exits 2."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from analysis.io.messages import listed


class LatentganError(Exception):
    """Base of every error that a user can cause; its message is one sentence that names the way out."""


class ConfigError(LatentganError):
    """A setting is unknown, mistyped or out of range."""


class DataError(LatentganError):
    """Images, labels or attributes cannot be read as they are."""


class CheckpointError(LatentganError):
    """A run folder or checkpoint is missing, incomplete or of another configuration."""


class ForeignFamilyError(CheckpointError, ConfigError):
    """A file is about a family "module:Class" that the user has not named.

    Args:
        where: the file or folder.
        family: what it names.
        command: that names the family and does what was wanted.
    """

    def __init__(self, where: object, family: str, command: str) -> None:
        super().__init__(
            f"{where} is of the foreign family {family!r}, and a file never names code to import: if you trust that "
            f"code, name it yourself: {command}"
        )
        self.family = family


class DivergedError(LatentganError):
    """Training produced a gradient that is not finite, or a parameter that never had a gradient."""


def known_names(wanted: str, names: Sequence[str]) -> str:
    """Return the end of a sentence on a name that is not there: the nearest one, and those that are known."""
    near = get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known are: {listed(names, quote=True)}"
