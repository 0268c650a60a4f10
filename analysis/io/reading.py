"""Where files come in: each is opened, sized and parsed here, and checked against a typed model, nowhere else.

What is no regular file is refused before it is opened, since opening a pipe or a device can wait for ever. Sizes that a
header promises are compared with memory before anything is allocated. Images are opened in six formats only: Pillow has
others, of which EPS starts another program. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import re
import stat
import struct
import tokenize
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import AnalysisError
from .messages import listed

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import TypeAdapter


T = TypeVar("T")


IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


MAX_PIXELS = 1 << 26
"""8192 × 8192: beyond, a file of kilobytes may unpack to gigabytes."""


MAX_TEXT_BYTES = 1 << 28
"""Of a JSON, TOML or log file."""


MAX_IMAGE_BYTES = 1 << 30


MAX_DEPTH = 64
"""Nested lists and tables in JSON or TOML."""


SHOWN_VALUE = 60
"""Characters of a value that a message quotes."""


# What Pillow's plug-ins were seen to raise on damaged files, beside OSError.
_BROKEN_IMAGE = (
    *(SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError),
    *(EOFError, MemoryError, struct.error, zlib.error, NotImplementedError, AssertionError),
)


# What zipfile and NumPy were seen to raise on damaged archives.
_BROKEN_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, EOFError, OSError, ValueError, KeyError),
    tokenize.TokenError,
    *(TypeError, AttributeError, OverflowError, NotImplementedError, RuntimeError, RecursionError, MemoryError),
)


_KINDS = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISDIR: "a folder",
}


class BadImageError(Exception):
    """An image that cannot be decoded; the message is the reason, without the file's name."""


# Files --------------------------------------------------------------------------------------------


def irregular(path: Path) -> str:
    """Say what a path is where it is no regular file: "a named pipe", "a folder", "missing"; "" for a file.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except ValueError:  # a name with a null byte
        return "missing"
    if stat.S_ISREG(mode):
        return ""
    return next((name for test, name in _KINDS.items() if test(mode)), "no regular file")


def check_file(path: Path, *, error: type[Exception] = AnalysisError) -> Path:
    """Return `path` if it is a regular file that can be looked at.

    Raises:
        error: it is missing, a folder, a named pipe, a socket or a device, or behind a loop of links.
    """
    try:
        kind = irregular(path)
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None
    if kind == "missing":
        raise error(f"{path} does not exist")
    if kind:
        raise error(f"{path} is {kind}, not a regular file, so it is not opened")
    return path


def read_bytes(path: Path, *, most: int = MAX_TEXT_BYTES, error: type[Exception] = AnalysisError) -> bytes:
    """Return the content of a regular file of at most `most` bytes; raises `error` with one sentence."""
    check_file(path, error=error)
    try:
        size = path.stat().st_size
        if size > most:
            raise error(f"{path} has {size:,} bytes, and such a file has at most {most:,}")
        return path.read_bytes()
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None


def read_text(path: Path, *, error: type[Exception] = AnalysisError) -> str:
    """Return a file's text; raises `error` where it is no regular file, too large, or not UTF-8."""
    content = read_bytes(path, error=error)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error(f"{path}, line {line}: byte 0x{content[problem.start]:02x} is not UTF-8") from None


# JSON and TOML ------------------------------------------------------------------------------------


def parse_json(text: str, source_name: object, *, error: type[Exception] = AnalysisError) -> Any:
    """Return JSON values; raises `error` for what is no JSON, is nested absurdly deep, or has a key twice."""

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        object_ = dict(pairs)
        if len(object_) < len(pairs):
            names = [name for name, _ in pairs]
            raise error(f"{source_name} has the key {shown(next(n for n in names if names.count(n) > 1))} twice")
        return object_

    try:
        tree = json.loads(text, object_pairs_hook=table)
    except RecursionError:
        raise error(f"{source_name} is nested too deeply") from None
    except ValueError as problem:
        raise error(f"{source_name} is not JSON: {problem}") from None
    return _not_too_deep(tree, source_name, error)


def parse_toml(text: str, source_name: object, *, error: type[Exception] = AnalysisError) -> dict[str, Any]:
    """Return TOML tables; raises `error` for what is no TOML or is nested absurdly deep."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise error(f"{source_name} is nested too deeply") from None
    except ValueError as problem:
        raise error(f"{source_name} is not TOML: {problem}") from None
    table: dict[str, Any] = _not_too_deep(tree, source_name, error)
    return table


def _not_too_deep(tree: Any, source_name: object, error: type[Exception]) -> Any:
    level, depth = [tree] if isinstance(tree, dict | list) else [], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise error(f"{source_name} is nested more than {MAX_DEPTH} deep")
        inside = [value for table in level for value in (table.values() if isinstance(table, dict) else table)]
        level = [value for value in inside if isinstance(value, dict | list)]
    return tree


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(model)


def validated(tree: Any, model: type[T], source_name: object, *, error: type[Exception] = AnalysisError) -> T:
    """Return plain values as `model`, a pydantic model or any type that pydantic knows.

    Raises:
        error: a type is wrong or a key is missing; the sentence names `what` and the key.
    """
    from pydantic import ValidationError

    try:
        result: T = _adapter(model).validate_python(tree)  # type: ignore[arg-type]
    except ValidationError as problem:
        problems = problem.errors(include_url=False)
        if missing := [_key(problem) for problem in problems if problem["type"] == "missing"]:
            raise error(f"{source_name} lacks {listed(missing)}") from None
        first, key = problems[0], _key(problems[0])
        reason = re.sub(" or instance of .*", "", first["msg"].removeprefix("Value error, "))
        reason = reason.replace("Input should", "it should")
        at = f"{key[:SHOWN_VALUE]} = {shown(first['input'])}" if key else shown(first["input"])
        raise error(f"{source_name}: {at} is not possible: {reason}") from None
    return result


def _key(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"])


def read_json(path: Path, model: type[T], *, error: type[Exception] = AnalysisError) -> T:
    """Return a JSON file as `model`; raises `error` with the file and the key."""
    return validated(parse_json(read_text(path, error=error), path, error=error), model, path, error=error)


def table_metadata(text: str, table: str) -> dict[str, Any]:
    """Return what `latentgan encode` says of a table in its metadata, as checked plain values; {} of a foreign table.

    Raises:
        AnalysisError: it is damaged; the sentence names the table and the key.
    """
    from .file_models import TableFile

    source_name = f"the `latentgan` metadata of the table {table!r}"
    tree = parse_json(text or "{}", source_name)
    validated(tree, TableFile, source_name)
    return dict(tree)


def read_toml(path: Path, model: type[T], *, error: type[Exception] = AnalysisError) -> T:
    """Return a TOML file as `model`; raises `error` with the file and the key."""
    return validated(parse_toml(read_text(path, error=error), path, error=error), model, path, error=error)


def shown(value: object) -> str:
    """Quote a value for a message, at most SHOWN_VALUE characters of it."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # a number of more digits than Python writes
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 2] + " …"


# Sizes --------------------------------------------------------------------------------------------


def size(count: float) -> str:
    """Write bytes for a person: "3.7 TB", or "more than 1,000 EB"."""
    if count > 1e21:
        return "more than 1,000 EB"
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} EB"


def check_memory(needed: float, source_name: str, *, way: str = "", error: type[Exception] = AnalysisError) -> None:
    """Raise `error`, which says how much memory is needed, if more than there is; before it is allocated.

    Args:
        needed: bytes.
        what: what needs them, the subject of the sentence.
        way: the way out, the sentence's end.
    """
    from .memory import room

    if needed > (free := room()):
        more = f"; {way}" if way else ""
        raise error(f"{source_name} would need {size(needed)} of memory, and {size(free)} are free{more}")


# Arrays -------------------------------------------------------------------------------------------


def read_arrays(path: Path, *, error: type[Exception] = AnalysisError) -> dict[str, Any]:
    """Return all arrays of an .npz, none of which holds Python objects.

    A header that promises more than the archive has, or more than memory has, is refused before memory is taken.

    Raises:
        error: the file is no .npz, damaged, holds objects or one name twice, or does not fit in memory.
    """
    _refuse_empty(path, error)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            if twice := [name for name in names if names.count(name) > 1][:1]:
                raise error(f"{path} has the array {shown(twice[0])} twice")
            check_memory(sum(member.file_size for member in members), f"what {path} unpacks to", error=error)
            return {name: _member(archive, member, path, error) for name, member in zip(names, members, strict=True)}
    except _BROKEN_ARCHIVE as problem:
        raise error(f"{path} is damaged or no .npz file: {_first_line(problem)}") from None


def read_array(path: Path, *, error: type[Exception] = AnalysisError) -> Any:
    """Return the array of a .npy file; raises `error` as `read_arrays` does."""
    return _npy(path, None, error)


def map_array(path: Path, *, error: type[Exception] = AnalysisError) -> Any:
    """Return the array of a .npy file as a memory map, on the disk; raises `error` as `read_arrays` does."""
    return _npy(path, "r", error)


def _npy(path: Path, mode: Any, error: type[Exception]) -> Any:
    import numpy as np

    _refuse_empty(path, error)
    try:
        with path.open("rb") as stream:
            if stream.read(2) == b"PK":
                raise error(f"{path} is an .npz file under another name; rename it to what it is")
            stream.seek(0)
            shape, kind = npy_header(stream, str(path), error=error)
            _check_promise(shape, kind, path.stat().st_size - stream.tell(), str(path), error)
        if mode is None:
            check_memory(_bytes_of(shape, kind), f"{path}", error=error)
        return np.load(path, allow_pickle=False, mmap_mode=mode)
    except _BROKEN_ARCHIVE as problem:
        raise error(f"{path} is damaged or no .npy file: {_first_line(problem)}") from None


def _refuse_empty(path: Path, error: type[Exception]) -> None:
    if check_file(path, error=error).stat().st_size == 0:
        raise error(f"{path} is empty (0 bytes)")


def _check_promise(shape: tuple[int, ...], kind: Any, held: int, source_name: str, error: type[Exception]) -> None:
    promised = _bytes_of(shape, kind)
    if promised > held or any(side < 0 for side in shape):
        raise error(
            f"{source_name}: the header promises {kind} of {shape}, {size(promised)}, and the file has {size(held)}"
        )


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, error: type[Exception]) -> Any:
    from numpy.lib import format as npy

    name = member.filename.removesuffix(".npy")
    with archive.open(member) as stream:
        shape, kind = npy_header(stream, f"{path}: array {shown(name)}", error=error)
        _check_promise(shape, kind, member.file_size - stream.tell(), f"{path}: array {shown(name)}", error)
    with archive.open(member) as stream:
        return npy.read_array(stream, allow_pickle=False)


def npy_header(stream: Any, source_name: str, *, error: type[Exception] = AnalysisError) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of the .npy that a stream begins with, without reading its values.

    Raises:
        error: it is no .npy, or holds Python objects.
    """
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
    if kind.hasobject:
        raise error(
            f"{source_name} holds Python objects (a pickle), which are never read; save images as uint8 and labels as "
            "integers or fixed-width text (dtype 'U')"
        )
    return shape, kind


def _bytes_of(shape: tuple[int, ...], kind: Any) -> int:
    total = int(kind.itemsize)
    for side in shape:
        total *= int(side)
    return total


def _first_line(problem: BaseException) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:160] or type(problem).__name__


# Images -------------------------------------------------------------------------------------------


@contextmanager
def open_image(source: Path | bytes) -> Iterator[Image]:
    """Open an image file, or the bytes of one, in one of IMAGE_FORMATS, whatever its name says.

    Raises:
        BadImageError: it is no such image, too large, no regular file, or something goes wrong inside the context.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if isinstance(source, Path) and (kind := irregular(source)):
            raise BadImageError("No such file" if kind == "missing" else f"it is {kind}, not a regular file")
        if not (source.stat().st_size if isinstance(source, Path) else source):
            raise BadImageError("0 bytes")
        opened = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=IMAGE_FORMATS)
        with opened as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS:,}")
            yield image
    except Image.DecompressionBombError:
        raise BadImageError(f"it would unpack to far more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise BadImageError(f"its content is none of {', '.join(IMAGE_FORMATS)}") from None
    except OSError as error:
        raise BadImageError(error.strerror or str(error) or "unreadable") from None
    except _BROKEN_IMAGE as error:
        raise BadImageError(str(error) or type(error).__name__) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings (odd EXIF, large files); our own limits hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
