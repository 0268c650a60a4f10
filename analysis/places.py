"""Paths as others may see them: relative, from the home folder, or their last parts; as they are with --keep-paths."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from .credentials import clean_argument
from .files import consent

_PARTS = 2
"""Of a path that is neither below the current nor the home folder."""
_ABSOLUTE = re.compile(r"(?<![\w/.~:…-])/(?:[^\s/'\"<>|;,:()\[\]{}]+/)+[^\s/'\"<>|;,:()\[\]{}]*")
_ROOTS = {
    *("home", "Users", "root", "tmp", "var", "mnt", "media", "srv", "data", "opt", "private", "Volumes", "scratch"),
    *("work", "run", "usr", "workspace", "content", "project", "projects", "nfs", "net", "gpfs", "lustre"),
}


def shortened(path: str | Path) -> str:
    """Return a path without what says who and where: an absolute one relative to the current folder if it is below it,
    else from the home folder, else its last two parts."""
    text = str(path)
    if consent().keep_paths or not Path(text).is_absolute():
        return text
    place = Path(os.path.normpath(text))
    for folder, start in ((Path.cwd(), ""), (Path.home(), "~/")):
        if place == folder:
            return start.rstrip("/") or "."
        if place.is_relative_to(folder) and folder != Path(folder.anchor):
            return start + place.relative_to(folder).as_posix()
    return "/".join(["…", *place.parts[1:][-_PARTS:]])


def without_paths(text: str, known: tuple[str | Path, ...] = ()) -> str:
    """Return any text with the absolute paths in it shortened.

    Args:
        text: a message, a configuration.
        known: paths that may occur in it, with spaces too. Others are taken for paths if they begin as paths on this
            machine do, or usually do: "/m/01g317" is the name of a class.
    """
    if consent().keep_paths:
        return text
    for path in sorted({str(one) for one in known}, key=len, reverse=True):
        if Path(path).is_absolute() and len(Path(path).parts) > 1:
            text = text.replace(path, shortened(path))

    def shorten(found: re.Match[str]) -> str:
        root = found[0].split("/")[1]
        return shortened(found[0]) if root in _ROOTS or Path("/", root).is_dir() else found[0]

    return _ABSOLUTE.sub(shorten, text)


def beside(path: str | Path, folder: Path) -> str:
    """Return how to find `path` from `folder`, for a file there to name it; see `found_beside`.

    It is relative, or from the home folder where only `path` lies below that.
    """
    place, start, home = Path(path).resolve(), folder.resolve(), Path.home()
    if consent().keep_paths:
        return str(path)
    if place.is_relative_to(home) and not start.is_relative_to(home):
        return f"~/{place.relative_to(home).as_posix()}"
    return Path(os.path.relpath(place, start)).as_posix()


def found_beside(name: str, folder: Path) -> Path | None:
    """Return the folder that `beside` named, or that an earlier version named as it was typed; None if it is gone."""
    places = (folder / Path(name).expanduser(), Path(name).expanduser())
    return next((place for place in places if place.is_dir()), None)


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
