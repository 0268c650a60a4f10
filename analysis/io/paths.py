"""Paths as others may see them: relative, from the home folder, or their last parts; as they are with --keep-paths."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .credentials import clean_argument
from .writing import consent

_HIDDEN, _SHOWN = 2, 2
"""Parts of a path that is neither below the current nor the home folder: never shown, the first; at most, the last."""


_HOMES = ("home", "Users")


_ABSOLUTE = re.compile(r"(?<![\w/.~:…-])/(?:[^\s/'\"<>|;,:()\[\]{}]+/)+[^\s/'\"<>|;,:()\[\]{}]*")


_ROOTS = {
    *("home", "Users", "root", "tmp", "var", "mnt", "media", "srv", "data", "opt", "private", "Volumes", "scratch"),
    *("work", "run", "usr", "workspace", "content", "project", "projects", "nfs", "net", "gpfs", "lustre"),
}


def shortened(path: str | Path, *, here: bool = True) -> str:
    """Return a path without what says whose it is and where.

    Args:
        path: a relative one stays as it is. An absolute one is given from the current folder, if it is below that, else
            from the home folder, else by its last parts.
        here: whether the current folder counts.
    """
    text = str(path)
    if consent().keep_paths or not Path(text).is_absolute():
        return text
    place = Path(os.path.normpath(text))
    if here and place.is_relative_to(Path.cwd()) and len(Path.cwd().parts) > 1:
        return place.relative_to(Path.cwd()).as_posix()
    if place.is_relative_to(Path.home()) and len(Path.home().parts) > 1:
        return f"~/{place.relative_to(Path.home()).as_posix()}".removesuffix("/.")
    if len(place.parts) > 2 and place.parts[1] in _HOMES:
        return "/".join(["~", *place.parts[3:]])
    parts = place.parts[1:]
    return "/".join(["…", *(parts[max(_HIDDEN, len(parts) - _SHOWN) :] or parts[-1:])])


def without_paths(text: str, known: Iterable[str | Path] = (), *, here: bool = True) -> str:
    """Return any text with the absolute paths in it shortened, see `shortened`.

    Args:
        text: a message, a configuration.
        known: paths that may occur in it, with spaces too. Others are taken for paths if they begin as paths on this
            machine do, or usually do: "/m/01g317" is the name of a class.
        here: whether the current folder counts.
    """
    if consent().keep_paths or "/" not in text:
        return text
    for path in sorted({str(path_text) for path_text in known}, key=len, reverse=True):
        if Path(path).is_absolute() and len(Path(path).parts) > 1:
            text = text.replace(path, shortened(path, here=here))

    def shorten(match: re.Match[str]) -> str:
        root = match[0].split("/")[1]
        return shortened(match[0], here=here) if root in _ROOTS or Path("/", root).is_dir() else match[0]

    return _ABSOLUTE.sub(shorten, text)


def distinct(paths: Sequence[Path]) -> list[str]:
    """Return names for paths: of files and folders, with what is above them where names are the same, or numbered."""
    names = [path.resolve().name if path.name in ("", "..") else path.name for path in paths]
    names = [name if names.count(name) == 1 else shortened(path) for name, path in zip(names, paths, strict=True)]
    same = {name: list(dict.fromkeys(p for n, p in zip(names, paths, strict=True) if n == name)) for name in names}
    return [
        name if len(same[name]) == 1 else f"{name} ({same[name].index(path) + 1})"
        for name, path in zip(names, paths, strict=True)
    ]


def relative_name(path: str | Path, folder: Path) -> str:
    """Return how to find `path` from `folder`, for a file there to name it; see `find_named`.

    It is relative, or from the home folder where only `path` lies below that.
    """
    if consent().keep_paths and Path(path).is_absolute():
        return str(path)
    place, start, home = Path(path).resolve(), folder.resolve(), Path.home()
    if place.is_relative_to(home) and not start.is_relative_to(home):
        return f"~/{place.relative_to(home).as_posix()}"
    return Path(os.path.relpath(place, start)).as_posix()


def find_named(name: object, folder: Path) -> Path | None:
    """Return the folder that `relative_name` named, or that an earlier version named as it was typed.

    None if it is gone, or where metadata, of which anybody may have written a part, hold no name.
    """
    if not name or not isinstance(name, str):
        return None
    try:
        places = (folder / Path(name).expanduser(), Path(name).expanduser())
        return next((place for place in places if place.is_dir()), None)
    except (OSError, ValueError, RuntimeError):  # no name of a folder, or no home
        return None


def typed_command(*start: str) -> str:
    """Return the command that was typed, for the records: without credentials, and absolute paths shortened."""
    return " ".join([*start, *(_argument(clean_argument(text)) for text in sys.argv[1:])])


def _argument(text: str) -> str:
    name, equals, value = text.rpartition("=")
    short = name + equals + shortened(value)
    if short == text or "~/" not in short:
        return shlex.quote(short)
    before, home, rest = short.partition("~/")
    return (shlex.quote(before) if before else "") + home + shlex.quote(rest)
