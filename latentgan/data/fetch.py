"""One file from the network, whole or not at all: resumed, retried, checked by its digest."""

from __future__ import annotations

import hashlib
import http.client
import socket
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.io.writing import exclusive
from latentgan.data.cache import locked
from latentgan.data.progress import bar
from latentgan.io.credentials import request

_CHUNK = 1 << 16


_MAX_BYTES = 1 << 30  # no named set is that large: whatever sends more sends something else


_MAX_ATTEMPTS = 50  # attempts in all, however much progress each of them makes


class FetchError(Exception):
    """All addresses failed; the message names each address with its reason."""


class _RetryError(Exception):
    """Worth another attempt, which goes on where this one stopped."""


class _GiveUpError(Exception):
    """This address will not give the file."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what."""

    attempts: int = 4
    """Attempts without progress, for one address."""
    stall_seconds: float = 30.0
    """Seconds without a byte after which an attempt ends."""
    backoff_seconds: float = 1.0
    """Seconds before the second attempt; each further pause is twice as long."""


def digest(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    algorithm: str,
    checksum: str,
    patience: Patience | None = None,
    progress: bool = True,
) -> None:
    """Download a file to `target` unless it is there already; an unfinished download is kept as NAME.part.

    Args:
        urls: addresses of the same file, tried in order.
        target: path of the file.
        algorithm: name of the digest in hashlib, such as "md5" or "sha256".
        checksum: the file's digest, in hexadecimal.
        patience: how long to wait for what.
        progress: whether to show a bar on a terminal.

    Raises:
        FetchError: no address gave the file.
        OSError: the target cannot be written.
    """
    patience = patience or Patience()
    part = target.with_name(target.name + ".part")
    reasons = []
    with locked(target):
        if target.exists():
            return
        for url in urls:
            try:
                with bar(f"Fetching {target.name}", None, shown=progress, unit="bytes") as advance:
                    _persist(url, part, algorithm, checksum, patience, advance)
                part.replace(target)
                return
            except _GiveUpError as error:
                reasons.append(f"{url}: {error}")
    raise FetchError("; ".join(reasons))


def _persist(
    url: str, part: Path, algorithm: str, checksum: str, patience: Patience, advance: Callable[[int], None]
) -> None:
    """Attempt until the part file is whole and right, or give up."""
    idle, wrong, reason = 0, 0, ""
    for _ in range(_MAX_ATTEMPTS):
        before = _size(part)
        try:
            _attempt(url, part, patience.stall_seconds, advance)
            if digest(part, algorithm) == checksum:
                return
            part.unlink()
            wrong, reason = wrong + 1, f"its {algorithm} is not the published {checksum}"
            if wrong == 2:
                raise _GiveUpError(f"{reason}, twice")
        except _RetryError as error:
            reason = str(error)
            idle = 0 if _size(part) > before else idle + 1
            if idle >= patience.attempts:
                raise _GiveUpError(f"{reason} ({idle} attempts)") from None
        time.sleep(patience.backoff_seconds * 2 ** max(idle - 1, 0))
    raise _GiveUpError(f"{reason} ({_MAX_ATTEMPTS} attempts)")


def _size(path: Path) -> int:
    if path.is_symlink():  # none of ours
        path.unlink()
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, part: Path, stall: float, advance: Callable[[int], None]) -> None:
    """Append what the server sends to the part file; return when it is as long as the server says."""
    offset = _size(part)
    headers = {"User-Agent": "latentgan", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        with urllib.request.urlopen(request(url, headers), timeout=stall) as answer:
            offset = offset if _continues(answer, offset) else 0
            total = _length(answer, offset)
            _receive(answer, part, offset, advance)
    except urllib.error.HTTPError as error:
        _check_status(error, part)
    except urllib.error.URLError as error:
        _check_connection(error.reason)
    except TimeoutError:
        raise _RetryError(f"nothing came for {stall:g} s") from None
    except (ConnectionError, http.client.HTTPException) as error:
        raise _RetryError(f"the connection broke ({type(error).__name__})") from None
    else:
        if total is not None and _size(part) < total:
            raise _RetryError(f"only {_size(part):,} of {total:,} bytes came")


def _continues(answer: Any, offset: int) -> bool:
    """Whether the answer goes on at the offset; a server may send the whole file instead."""
    return bool(answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"))


def _length(answer: Any, offset: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    if answer.status == 206 and offset == 0:
        raise _RetryError("the server sent another part of the file than was asked for")
    return offset + int(length) if length.isdigit() else None


def _receive(answer: Any, part: Path, offset: int, advance: Callable[[int], None]) -> None:
    if not offset:
        part.unlink(missing_ok=True)
        exclusive(part).close()
    with part.open("ab") as stream:
        advance(offset)
        while block := answer.read1(_CHUNK):
            stream.write(block)
            advance(len(block))
            if stream.tell() > _MAX_BYTES:
                stream.truncate(0)
                raise _GiveUpError(f"it sends more than {_MAX_BYTES:,} bytes")


def _check_status(error: urllib.error.HTTPError, part: Path) -> None:
    if error.code == 416:  # the part is as long as the file, or longer: its digest will tell, or it starts anew
        return
    if error.code in (408, 425, 429) or error.code >= 500:
        raise _RetryError(f"the server answered {error.code}") from None
    part.unlink(missing_ok=True)
    raise _GiveUpError(f"the server answered {error.code} {error.reason}") from None


def _check_connection(reason: Any) -> None:
    if isinstance(reason, TimeoutError):
        raise _RetryError("the server does not answer") from None
    if isinstance(reason, ConnectionError):
        raise _RetryError("the connection was refused or broke") from None
    if isinstance(reason, socket.gaierror):
        raise _GiveUpError("its name cannot be resolved; is there a network?") from None
    raise _GiveUpError(str(getattr(reason, "strerror", None) or reason)) from None
