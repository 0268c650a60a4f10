"""Many encoded images to one uint8 array: in parallel, once, kept as a memory map when it is large."""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from analysis.io.reading import BadImageError, check_memory, quiet
from latentgan.data.cache import DecodedCache, locked, writable
from latentgan.data.formats.image_file import Header, decode, read_header
from latentgan.data.pixels import Geometry
from latentgan.data.progress import bar
from latentgan.errors import DataError

KEEP_BYTES = 1 << 24  # decoded sets above 16 MiB, or of more files than this, are kept


KEEP_FILES = 2_000


_FORMAT = 1  # of the decoded cache: raise it when decoding changes


_LISTED = 50  # bad files named one by one


T = TypeVar("T")


@dataclass(frozen=True)
class Items:
    """Encoded images: their names, and their paths or bytes in chunks, which can be gone through again."""

    description: str
    """Name of the folder or file, for messages."""
    names: Sequence[str]
    """(n) names of the images."""
    chunks: Callable[[], Iterable[Sequence[Path | bytes]]]
    """Gives their paths or bytes in chunks, from the beginning at each call."""
    identity: Mapping[str, Any]
    """Plain values for JSON that change whenever the images do: the key of the cache."""


@dataclass(frozen=True)
class Decoded:
    """Images that could be decoded, and the rows of the items that they are."""

    images: np.ndarray
    """(m, h, w, c) uint8."""
    rows: np.ndarray
    """(m,) int64, their rows among the items."""
    notes: tuple[str, ...]
    """What was done to them, in sentences."""


@dataclass
class _Findings:
    """Notes, and the reason of each bad item by row."""

    notes: list[str] = field(default_factory=list)
    """Sentences on what limits the figures, or was left out."""
    bad: dict[int, str] = field(default_factory=dict)


def decode_items(items: Items, geometry: Geometry, *, skip_bad: bool, progress: bool) -> Decoded:
    """Decode all items to one size, or take them from the cache of an earlier call.

    Args:
        items: the encoded images.
        geometry: size and channels that they are brought to.
        skip_bad: whether to leave out images that cannot be decoded.
        progress: whether to show a bar on a terminal.

    Raises:
        DataError: an image is bad (unless skip_bad), or sizes differ and no size was asked for.
    """
    if not items.names:
        raise DataError(f"{items.description} holds no images")
    cache = DecodedCache({"format": _FORMAT, **asdict(geometry), **items.identity})
    if (result := cache.load()) is not None:
        return _from_cache(items, *result, skip_bad=skip_bad)
    findings = _Findings()
    with quiet():
        headers = _scan(items, findings, skip_bad=skip_bad, progress=progress)
        shape = (len(items.names), *_common_shape(items, headers, geometry))
        _describe(headers, findings)
        if int(np.prod(shape)) <= KEEP_BYTES and len(items.names) <= KEEP_FILES:
            images = _fill(items, geometry, np.zeros(shape, np.uint8), findings, skip_bad, progress)
            return _decoded(items, images, findings, skip_bad)
        return _fill_cache(items, geometry, cache, shape, findings, skip_bad, progress)


def _fill_cache(
    items: Items,
    geometry: Geometry,
    cache: DecodedCache,
    shape: tuple[int, ...],
    findings: _Findings,
    skip_bad: bool,
    progress: bool,
) -> Decoded:
    """Decode into the cache; where that cannot be written to, into memory, and say so."""
    try:
        with locked(writable(cache.folder) / cache.array.name):
            if (result := cache.load()) is not None:  # another process was faster
                return _from_cache(items, *result, skip_bad=skip_bad)
            out = cache.create(shape)
            try:
                decoded = _fill(items, geometry, out, findings, skip_bad, progress)
                facts = {"kept": len(decoded), "bad": sorted(findings.bad.items()), "notes": findings.notes}
                cache.commit(out, facts)
            except BaseException:
                cache.discard()
                raise
        return _decoded(items, decoded, findings, skip_bad)
    except OSError as error:
        findings.notes.append(f"the decoded images cannot be kept for the next time: {error}")
        check_memory(
            float(math.prod(shape)),
            f"{shape[0]:,} images of {shape[2]} × {shape[1]} × {shape[3]}",
            way="lower --size, or make room on the disk",
            error=DataError,
        )
        images = _fill(items, geometry, np.zeros(shape, np.uint8), findings, skip_bad, progress)
        return _decoded(items, images, findings, skip_bad)


def _from_cache(items: Items, images: np.ndarray, facts: Mapping[str, Any], *, skip_bad: bool) -> Decoded:
    findings = _Findings(list(facts["notes"]), {int(row): reason for row, reason in facts["bad"]})
    return _decoded(items, images, findings, skip_bad)


def _decoded(items: Items, images: np.ndarray, findings: _Findings, skip_bad: bool) -> Decoded:
    bad = sorted(findings.bad)
    if bad and not skip_bad:
        raise _refusal(items, bad[0], findings.bad[bad[0]])
    if len(bad) == len(items.names):
        raise _refusal(items, bad[0], findings.bad[bad[0]], f"; nor is any of the other {len(bad) - 1}")
    notes = list(findings.notes)
    if bad:
        named = ", ".join(f"{items.names[row]} ({findings.bad[row]})" for row in bad[:_LISTED])
        more = f" and {len(bad) - _LISTED:,} more" if len(bad) > _LISTED else ""
        notes.append(f"{items.description}: skipped {len(bad):,} of {len(items.names):,} images: {named}{more}")
    rows = np.setdiff1d(np.arange(len(items.names)), np.array(bad, dtype=np.int64))
    return Decoded(images, rows, tuple(notes))


def _refusal(items: Items, row: int, reason: str, more: str = "") -> DataError:
    way = "" if more else "; repair or remove it, or --skip-bad goes on without such files and lists them"
    return DataError(f"{items.description}: {items.names[row]} is no readable image ({reason}){more}{way}")


def _windowed(jobs: Iterable[tuple[int, Sequence[Path | bytes]]], work: Callable[..., T]) -> Iterator[T]:
    """Do work(start, chunk) on threads, in order, with few chunks in flight; Pillow releases the lock."""
    workers = min(8, os.cpu_count() or 1)
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for start, chunk in jobs:
                pending.append(pool.submit(work, start, chunk))
                if len(pending) > 3 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _numbered(chunks: Iterable[Sequence[Path | bytes]]) -> Iterator[tuple[int, Sequence[Path | bytes]]]:
    start = 0
    for chunk in chunks:
        yield start, chunk
        start += len(chunk)


def _scan(items: Items, findings: _Findings, *, skip_bad: bool, progress: bool) -> dict[int, Header]:
    """Read all headers; bad ones are noted in findings, or refused."""

    def work(start: int, chunk: Sequence[Path | bytes]) -> list[Header | str]:
        return [_or_reason(read_header, source) for source in chunk]

    headers: dict[int, Header] = {}
    with bar("Looking at images", len(items.names), shown=progress) as advance:
        row = 0
        for results in _windowed(_numbered(items.chunks()), work):
            for result in results:
                if isinstance(result, Header):
                    headers[row] = result
                elif skip_bad:
                    findings.bad[row] = result
                else:
                    raise _refusal(items, row, result)
                row += 1
            advance(len(results))
    return headers


def _or_reason(read: Callable[..., T], *arguments: Any) -> T | str:
    try:
        return read(*arguments)
    except BadImageError as error:
        return str(error)


def _common_shape(items: Items, headers: Mapping[int, Header], geometry: Geometry) -> tuple[int, int, int]:
    """The (h, w, c) that all images get, or a refusal that names two that differ."""
    channels = geometry.channels or (1 if all(header.grey for header in headers.values()) else 3)
    sides: dict[tuple[int, int], int] = {}
    for row, header in headers.items():
        width, height = header.width, header.height
        if geometry.crop:
            width = height = min(width, height)
        sides.setdefault((width, height), row)
        if geometry.size is not None and width != height:
            raise DataError(
                f"{items.description}: {items.names[row]} is {width} × {height}, not square: --size {geometry.size} "
                "would distort it; --crop takes the centre square first"
            )
    if geometry.size is not None or not sides:
        return geometry.size or 1, geometry.size or 1, channels
    if len(sides) > 1:
        (first_size, first_row), (second_size, second_row) = list(sides.items())[:2]
        side = min(min(size) for size in sides)
        way = f"--size {side}" if all(w == h for w, h in sides) else f"--crop --size {side}"
        raise DataError(
            f"{items.description}: images differ in size: {items.names[first_row]} is {first_size[0]} × "
            f"{first_size[1]}, {items.names[second_row]} is {second_size[0]} × {second_size[1]}; {way} brings all to "
            "one size"
        )
    ((width, height),) = sides
    return height, width, channels


def _describe(headers: Mapping[int, Header], findings: _Findings) -> None:
    """Add notes on images that were converted to 8-bit grey or RGB."""
    kinds = Counter[str]()
    for header in headers.values():
        kinds["deep"] += header.deep
        kinds["clear"] += header.clear
        kinds["frames"] += header.frames > 1
        kinds["grey"] += header.grey
    says = {
        "deep": "16-bit images, scaled to 8 bits (65535 becomes 255)",
        "clear": "images with transparency, laid on white",
        "frames": "images with several frames, of which the first is taken",
    }
    findings.notes += [f"{kinds[kind]:,} {text}" for kind, text in says.items() if kinds[kind]]
    if 0 < kinds["grey"] < len(headers):
        findings.notes.append(f"{kinds['grey']:,} grey images among coloured ones; --channels 1 makes all grey")


def _fill(
    items: Items,
    geometry: Geometry,
    out: np.ndarray,
    findings: _Findings,
    skip_bad: bool,
    progress: bool,
) -> np.ndarray:
    """Decode into out (n, h, w, c), move the good rows together and return them as a view."""

    def work(start: int, chunk: Sequence[Path | bytes]) -> tuple[int, dict[int, str]]:
        bad = {}
        for row, source in enumerate(chunk, start):
            pixels = _or_reason(decode, source, geometry, out.shape[3]) if row not in findings.bad else "bad"
            if isinstance(pixels, str):
                bad[row] = findings.bad.get(row, pixels)
            elif pixels.shape != out.shape[1:]:
                bad[row] = f"decoded to {pixels.shape} instead of {out.shape[1:]}"
            else:
                out[row] = pixels
        return len(chunk), bad

    with bar("Decoding images", len(items.names), shown=progress) as advance:
        for done, bad in _windowed(_numbered(items.chunks()), work):
            if bad and not skip_bad:
                row = min(bad)
                raise _refusal(items, row, bad[row])
            findings.bad.update(bad)
            advance(done)
    good = np.setdiff1d(np.arange(len(out)), np.array(sorted(findings.bad), dtype=np.int64))
    for place, row in enumerate(good):
        if place != row:
            out[place] = out[row]
    return out[: len(good)]
