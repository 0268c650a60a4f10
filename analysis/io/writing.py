"""Where files go out: whole or not at all, over nothing that is not ours, through no link, and nothing is left behind.

A file is written under a temporary name that no other file has, and takes its own by a rename. What fails before that
leaves what was there. `check_outputs` refuses what a command must not write over: what it reads, and what latentgan
did not write, which it knows by content.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import secrets
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from ..errors import AnalysisError

if TYPE_CHECKING:
    from PIL.Image import Image


GENERATOR = "latentgan"
"""What our HTML, PNG and safetensors files name as the program that wrote them."""


_TEMPORARY = re.compile(rf"\..+\.{GENERATOR}-[0-9a-f]{{16}}\.tmp", re.DOTALL)


_WINDOWS = os.name == "nt"  # where no folder can be opened, and no open file renamed


_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


_LONGEST = 40
"""Letters of a file's name that its temporary name repeats, which must not be too long either."""


@dataclass(frozen=True)
class Consent:
    """What the user allows.

    Args:
        overwrite: files that latentgan did not write may be replaced.
        keep_paths: paths are stored as they are, not shortened.
    """

    overwrite: bool = False
    keep_paths: bool = False


_NOTHING = Consent()


_CONSENT = ContextVar("consent", default=_NOTHING)


def consent() -> Consent:
    """Return what the user allows now."""
    return _CONSENT.get()


@contextlib.contextmanager
def allowing(*, overwrite: bool = False, keep_paths: bool = False) -> Iterator[None]:
    """Allow what `Consent` says, inside."""
    before = _CONSENT.set(Consent(overwrite, keep_paths))
    try:
        yield
    finally:
        _CONSENT.reset(before)


def allow(*, overwrite: bool | None = None, keep_paths: bool | None = None) -> None:
    """Allow from now on, or no longer, as a command's options say."""
    now = consent()
    _CONSENT.set(
        Consent(now.overwrite if overwrite is None else overwrite, now.keep_paths if keep_paths is None else keep_paths)
    )


# Whole or not at all ------------------------------------------------------------------------------


class Writing:
    """Files that take their names together, when the context ends without an error; after one there is none of them.

    Folders that were made for them, and are empty again, go too.

    Args:
        durable: wait until the disk has each file, so that it outlives a loss of power.
        many: there may be thousands: they wait in one temporary folder, and only the last one is open.
    """

    def __init__(self, *, durable: bool = True, many: bool = False) -> None:
        self._durable, self._many = durable, many
        self._files: list[tuple[IO[bytes], Path, Path]] = []  # handle, temporary, final
        self._made: list[Path] = []
        self._rooms: dict[Path, tuple[Path, int]] = {}  # folder -> temporary folder in it, and what holds it
        self._swept: set[Path] = set()

    def __enter__(self) -> Writing:
        return self

    def folder(self, path: Path) -> Path:
        """Make a folder and those above it, where they are not there; return it."""
        missing = []
        for parent in (path, *path.parents):
            if parent.is_dir():
                break
            if os.path.lexists(parent):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
            missing.append(parent)
        for parent in reversed(missing):
            try:
                parent.mkdir()
                self._made.append(parent)
            except FileExistsError:
                if not parent.is_dir():  # a file, not a folder that another process made meanwhile
                    raise
        return path

    def open(self, path: Path) -> IO[bytes]:
        """Return a new file to write and read, which becomes `path`."""
        folder = self.folder(path.parent)
        if folder not in self._swept:
            sweep(folder)
            self._swept.add(folder)
        handle, temporary = self._in_a_room(path) if self._many else _new_file(path)
        self._files.append((handle, temporary, path))
        return handle

    def _in_a_room(self, path: Path) -> tuple[IO[bytes], Path]:
        if path.parent not in self._rooms:
            self._rooms[path.parent] = _new_folder(path)
        if self._files:
            self._finish(self._files[-1][0])
        temporary = self._rooms[path.parent][0] / path.name
        return exclusive(temporary), temporary

    def _finish(self, handle: IO[bytes]) -> None:
        if handle.closed:
            return
        handle.flush()
        if self._durable:
            os.fsync(handle.fileno())
        if self._many:
            handle.close()

    def write(self, path: Path, content: bytes) -> None:
        """Give `path` this content."""
        self.open(path).write(content)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._forget()
            return
        done: list[Path] = []
        try:
            for handle, _, _ in self._files:
                self._finish(handle)
            for handle, temporary, path in self._files:
                new = not os.path.lexists(path)
                if _WINDOWS:
                    handle.close()
                temporary.replace(path)
                done += [path] * new
                handle.close()
            if self._durable:
                for folder in dict.fromkeys(path.parent for _, _, path in self._files):
                    sync(folder)
            self._leave_rooms()
        except BaseException:
            for path in done:
                _unlink(path)
            self._forget()
            raise

    def _forget(self) -> None:
        for handle, temporary, _ in self._files:
            with contextlib.suppress(OSError):  # what is left in a buffer does not fit either
                handle.close()
            _unlink(temporary)
        self._leave_rooms()
        remove_empty(self._made)

    def _leave_rooms(self) -> None:
        for room, held in self._rooms.values():
            _let_go(held)
            remove_empty([room])
        self._rooms.clear()


def replace_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace a file whole: a reader sees the old or the new content, never a part, even after a loss of power."""
    with Writing(durable=durable) as files:
        files.write(path, content)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file whole, as `replace_bytes` does."""
    replace_bytes(path, text.encode("utf-8"))


def append_text(path: Path, text: str) -> None:
    """Append to a text file all of `text`, or nothing of it; a link is not followed."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o666), "ab", buffering=0) as handle:
        before, rest = os.fstat(handle.fileno()).st_size, memoryview(text.encode("utf-8"))
        try:
            while rest:
                rest = rest[handle.write(rest) :]
        except OSError:
            handle.truncate(before)
            raise


@contextlib.contextmanager
def staged(final: Path) -> Iterator[Path]:
    """Give an empty folder beside `final` to fill, which takes its name by one rename when the context ends.

    Raises:
        OSError: it could not be filled, or `final` is there and is no empty folder; then nothing is left of it.
    """
    with Writing() as around:
        sweep(around.folder(final.parent))
        temporary, held = _new_folder(final)
        now = temporary
        try:
            yield temporary
            sync(temporary)
            if _WINDOWS and final.is_dir():
                final.rmdir()
            now = temporary.rename(final)
            sync(final.parent)
        except BaseException:
            shutil.rmtree(now, ignore_errors=True)
            raise
        finally:
            _let_go(held)


@contextlib.contextmanager
def made_for(path: Path) -> Iterator[None]:
    """Remove the folders above `path` that are made inside, where an error leaves them empty."""
    missing = [folder for folder in reversed(path.parents) if not folder.is_dir()]
    try:
        yield
    except BaseException:
        remove_empty(missing)
        raise


@contextlib.contextmanager
def forgetting(folder: Path, pattern: str) -> Iterator[None]:
    """Remove what is new in `folder` under names like `pattern`, where an error ends the context.

    What another step of a command wrote is of no use to a user who sees it fail; Ctrl-C keeps it for the next time.
    """
    before = set(folder.glob(pattern))
    with made_for(folder / pattern):
        try:
            yield
        except Exception:
            for path in set(folder.glob(pattern)) - before:
                _unlink(path)
            raise


def touch(path: Path) -> None:
    """Make a file if it is not there; a link is not followed, and a pipe in its place does not hold us."""
    flags = os.O_RDONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    os.close(os.open(path, flags, 0o666))


def exclusive(path: Path) -> IO[bytes]:
    """Open a file that is not there yet, to write; a link is not followed."""
    return os.fdopen(os.open(path, _NEW, 0o666), "w+b")


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that are empty, the last one first."""
    for folder in reversed(list(folders)):
        with contextlib.suppress(OSError):
            folder.rmdir()


def remove_known(folder: Path, names: Iterable[str]) -> None:
    """Remove files of these names from a folder, and the folder if nothing else is in it; never through a link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    sweep(folder)
    for name in names:
        _unlink(folder / name)
    remove_empty([folder])


def is_temporary(name: str) -> bool:
    """Tell whether a file's name is a temporary one, as `Writing` gives them."""
    return _TEMPORARY.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove what killed processes left under temporary names: nobody holds it any more."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if is_temporary(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_unheld(folder / name)


def sync(folder: Path) -> None:
    """Wait until the disk has what was renamed in a folder."""
    if _WINDOWS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name[:_LONGEST]}.{GENERATOR}-{secrets.token_hex(8)}.tmp")


def _new_file(path: Path) -> tuple[IO[bytes], Path]:
    while True:
        temporary = _temporary(path)
        handle = exclusive(temporary)
        _hold(handle.fileno())
        if os.fstat(handle.fileno()).st_nlink:
            return handle, temporary
        handle.close()  # somebody swept before it was held


def _new_folder(path: Path) -> tuple[Path, int]:
    temporary = _temporary(path)
    temporary.mkdir()
    return temporary, -1 if _WINDOWS else _hold(os.open(temporary, os.O_RDONLY))


def _let_go(handle: int) -> None:
    if handle >= 0:
        os.close(handle)


def _hold(handle: int) -> int:
    """Lock what a handle names until it is closed, where that is possible."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_unheld(path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on this platform: who knows whether it is still written
        return
    kind = os.lstat(path).st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        return
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(kind):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(handle)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


# Formats ------------------------------------------------------------------------------------------


def npz_bytes(arrays: dict[str, Any]) -> bytes:
    """Return arrays as an .npz without pickle; made in memory, since zipfile fails twice on a full disk."""
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def png_bytes(image: Image) -> bytes:
    """Return a picture as PNG that names latentgan as its program."""
    from PIL.PngImagePlugin import PngInfo

    text, stream = PngInfo(), io.BytesIO()
    text.add_text("Software", GENERATOR)
    image.save(stream, format="PNG", pnginfo=text)
    return stream.getvalue()


# What must not be written over --------------------------------------------------------------------


def check_outputs(
    paths: Iterable[Path],
    kind: str,
    *,
    inputs: Iterable[Path | str | None] = (),
    error: type[Exception] = AnalysisError,
) -> None:
    """Raise where a file that is to be written is there and must stay.

    Args:
        paths: files that are to be written.
        kind: what they will be, see `wrote`: one of the same kind that latentgan wrote may be replaced.
        inputs: files and folders that the command reads; none of their files is written over, by whatever name.
        error: what is raised.

    Raises:
        error: a path is a folder or a device, an input, or a file that latentgan did not write.
    """
    existing = [path for path in paths if os.path.lexists(path)]
    if not existing:
        return
    read = _identities(inputs)
    for path in existing:
        try:
            info = path.stat()
        except FileNotFoundError:  # a link to nothing, which is replaced
            continue
        if not stat.S_ISREG(info.st_mode):
            file_kind = "a folder" if stat.S_ISDIR(info.st_mode) else "no regular file"
            raise error(f"{path} is {file_kind}, where a file is to be written: name another place")
        if (info.st_dev, info.st_ino) in read:
            raise error(f"{path} is read by this command, and writing there would destroy it: name another place")
        if not consent().overwrite and not wrote(path, kind):
            raise error(
                f"{path} is there, and is not what latentgan writes there: name another place, or replace it with "
                "--force"
            )


def wrote(path: Path, kind: str) -> bool:
    """Tell by its content whether latentgan wrote a file of this kind.

    Args:
        path: a regular file.
        kind: "report" (HTML), "picture" (PNG), "codes" or "images" (Parquet), "probe" (.npz), "result KIND" (JSON),
            "arrays KIND" (.npz), "record", "likelihood", "attribute_classifier" (JSON), "weights" (safetensors).
    """
    name, _, of = kind.partition(" ")
    try:
        return _MARKS[name](path, of)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, struct.error):
        return False


def _identities(inputs: Iterable[Path | str | None]) -> set[tuple[int, int]]:
    """Device and inode of every file that is read, those in folders too."""
    identities = set()
    for source in inputs:
        place = Path(source or "").expanduser()
        inside = [Path(folder, name) for folder, _, names in os.walk(place) for name in names] if source else []
        for file in [place, *inside]:
            with contextlib.suppress(OSError):  # a named set is no file
                info = file.stat()
                identities.add((info.st_dev, info.st_ino))
    return identities


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as handle:
        return handle.read(size)


def _is_report(path: Path, _: str) -> bool:
    head = _head(path, 1 << 20)
    marks = (f'<meta name="generator" content="{GENERATOR}', 'class="eyebrow">latentgan report<')
    return head[:15].lower() == b"<!doctype html>" and any(mark.encode() in head for mark in marks)


def _is_picture(path: Path, _: str) -> bool:
    head, at = _head(path, 1 << 16), 8
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        return False
    while at + 8 <= len(head):
        size, name = struct.unpack(">I4s", head[at : at + 8])
        if name == b"IDAT":
            return False
        if name == b"tEXt" and head[at + 8 : at + 8 + size] == b"Software\0" + GENERATOR.encode():
            return True
        at += 12 + size
    return False


def _is_table(path: Path, _: str, key: str) -> bool:
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = (pyarrow.parquet.read_schema(path).metadata or {}).get(GENERATOR.encode(), b"{}")
    except pyarrow.ArrowException:
        return False
    return key in json.loads(metadata)


def _is_archive(path: Path, of: str, names: tuple[str, ...] = ()) -> bool:
    with zipfile.ZipFile(path) as archive:
        result = [name.removesuffix(".npy") for name in archive.namelist()]
    return all(name == of or name.startswith(f"{of}.") for name in result) if of else set(result) == set(names)


def _is_json(path: Path, of: str, start: str) -> bool:
    return re.match(rf"\s*\{{\s*{start.format(of=re.escape(of))}".encode(), _head(path, 500)) is not None


def _is_weights(path: Path, _: str) -> bool:
    (size,) = struct.unpack("<Q", _head(path, 8))
    head = json.loads(_head(path, 8 + min(size, 1 << 24))[8:])
    return bool(head["__metadata__"]["software"] == GENERATOR)


_MARKS: dict[str, Callable[[Path, str], bool]] = {
    "report": _is_report,
    "picture": _is_picture,
    "codes": lambda path, of: _is_table(path, of, "features"),
    "images": lambda path, of: _is_table(path, of, "per_class"),
    "probe": lambda path, of: _is_archive(path, "", ("about", "mean", "scale", "weights", "bias")),
    "arrays": _is_archive,
    "result": lambda path, of: _is_json(path, of, r'"kind":\s*"{of}",\s*"command":'),
    "record": lambda path, of: _is_json(path, of, r'"format":\s*\d+,\s*"protocol":'),
    "likelihood": lambda path, of: _is_json(path, of, r'"format":\s*\d+,\s*"version":'),
    "attribute_classifier": lambda path, of: _is_json(path, of, r'"heads":\s*\['),
    "weights": _is_weights,
}
