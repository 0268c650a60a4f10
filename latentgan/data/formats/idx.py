"""IDX files, the format of MNIST: gzipped or not, a folder of pairs or one pair.

Layout (LeCun): two zero bytes, a type byte, the number of axes, each axis as big-endian uint32, then values.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from analysis.io.messages import listed
from analysis.io.reading import check_file, check_memory
from latentgan.data.columns import labels_from_array
from latentgan.data.pixels import as_images
from latentgan.data.source import Raw
from latentgan.data.splits import split_name
from latentgan.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


_NAME = re.compile(r"(?P<stem>.*?)[-_.]?(?P<role>images|labels)[-_.]idx\d[-_.](ubyte|int)(\.gz)?$", re.IGNORECASE)


_READ = 1 << 22


_MOST_PACKED = 1_032  # bytes that gzip packs into one, at most


def is_idx(path: Path) -> bool:
    """Whether a file is called as IDX files are, or begins as they do."""
    if _NAME.match(path.name):
        return True
    check_file(path, error=DataError)
    try:
        with (gzip.open if _is_gzip(path) else open)(path, "rb") as stream:
            return bytes(stream.read(2)) == b"\0\0"
    except (OSError, EOFError, zlib.error):
        return False


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file; a claim of more values than the file has never allocates memory for them.

    Raises:
        DataError: wrong magic number, truncated or trailing data, a broken gzip stream.
    """
    opened = gzip.open if _is_gzip(path) else open
    try:
        with cast(BinaryIO, opened(path, "rb")) as stream:
            return _parse(stream, path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: the gzip stream is truncated or damaged; fetch the file again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_gzip(path: Path) -> bool:
    check_file(path, error=DataError)
    try:
        with path.open("rb") as stream:
            return stream.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _parse(stream: BinaryIO, path: Path) -> np.ndarray:
    head = stream.read(4)
    if len(head) < 4:
        raise DataError(f"{path} is no IDX file: it has only {len(head)} bytes")
    if head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        magic = int.from_bytes(head, "big")
        raise DataError(
            f"{path} is no IDX file: its magic number is {magic} (0x{magic:08x}); "
            "images have 2051 (0x00000803), labels 2049 (0x00000801)"
        )
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DataError(f"{path} is truncated: its header is not complete")
    shape = struct.unpack(f">{head[3]}I", sizes)
    kind = np.dtype(_TYPES[head[2]])
    expected = kind.itemsize * int(np.prod([int(axis) for axis in shape], dtype=object))
    if expected <= _MOST_PACKED * path.stat().st_size:  # else the file cannot hold what its header promises
        check_memory(2 * expected, f"{path} with {kind.name} values {shape}", error=DataError)
    body = _read_up_to(stream, expected + 1)
    if len(body) != expected:
        has = "more" if len(body) > expected else f"only {len(body):,}"
        raise DataError(f"{path}: the header promises {expected:,} bytes of values {shape}, the file has {has}")
    return np.frombuffer(body, dtype=kind).reshape(shape)


def _read_up_to(stream: BinaryIO, limit: int) -> bytearray:
    body = bytearray()
    while len(body) < limit and (part := stream.read(min(_READ, limit - len(body)))):
        body += part
    return body


def read_images(path: Path) -> np.ndarray:
    """Read an IDX file of images (n, h, w), or (n, h, w, c)."""
    array = read_idx(path)
    if array.ndim not in (3, 4):
        hint = " (these are labels: give the images file, the labels are found beside it)" if array.ndim == 1 else ""
        raise DataError(f"{path} has {array.ndim} axes, images have 3: the magic number should be 2051{hint}")
    return array


def read_labels(path: Path) -> np.ndarray:
    """Read an IDX file of labels (n,)."""
    array = read_idx(path)
    if array.ndim != 1:
        raise DataError(f"{path} has {array.ndim} axes, labels have 1: the magic number should be 2049")
    return array


def find_pairs(folder: Path) -> dict[str, dict[str, Path]]:
    """Map stem -> {"images": file, "labels": file} of the IDX files in a folder; unpacked before gzipped."""
    pairs: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name, reverse=True):  # x.gz, then x, which replaces it
        match = _NAME.match(path.name)
        if match and path.is_file():
            pairs.setdefault(match["stem"].lower(), {})[match["role"].lower()] = path
    return pairs


def read_folder(folder: Path, classes: tuple[str, ...] = ()) -> Raw:
    """Read the train and test pairs (t10k- or test-) of a folder, or its only pair.

    Raises:
        DataError: several sets in one folder, images missing, or counts that differ.
    """
    pairs = find_pairs(folder)
    named = {_pair_split(stem): stem for stem in pairs}
    if len(named) < len(pairs) or (len(pairs) > 1 and not set(named) <= {"train", "validation", "test"}):
        raise DataError(f"{folder} holds several IDX sets ({listed(sorted(pairs))}): give the images file of one")
    order = [name for name in ("train", "validation", "test", "") if name in named]
    return read_pairs([(name, pairs[named[name]]) for name in order], folder, classes)


def _pair_split(stem: str) -> str:
    word = re.split(r"[-_.]", stem)[-1] if stem else ""
    return "test" if word == "t10k" else split_name(word) or ""


def read_file(path: Path, classes: tuple[str, ...] = ()) -> Raw:
    """Read one images file and the labels file beside it, if there is one; its splits are drawn."""
    match = _NAME.match(path.name)
    pair = find_pairs(path.parent).get(match["stem"].lower(), {}) if match else {}
    if match and match["role"].lower() == "labels":
        raise DataError(f"{path} holds labels: give the images file, the labels are found beside it")
    return read_pairs([("", {**pair, "images": path})], path, classes)


def read_pairs(pairs: list[tuple[str, dict[str, Path]]], where: Path, classes: tuple[str, ...]) -> Raw:
    """Read and join (split, pair) in order; a split of "" leaves the splits to be drawn.

    Args:
        pairs: each split's name with the files of its images and labels.
        where: the folder or file, for messages.
        classes: names of the classes.
    """
    images, labels, notes = [], [], []
    for name, pair in pairs:
        if "images" not in pair:
            raise DataError(
                f"{where}: there are labels ({pair['labels'].name}) but no images of the {name or 'same'} set"
            )
        images.append(read_images(pair["images"]))
        if "labels" not in pair:
            labels.append(np.full(len(images[-1]), -1))
            notes.append(f"{pair['images'].name}: no labels file beside it, so its images are unlabelled")
            continue
        labels.append(read_labels(pair["labels"]).astype(np.int64))
        if len(images[-1]) != len(labels[-1]):
            counts = f"{len(images[-1]):,} images but {len(labels[-1]):,} labels"
            raise DataError(f"{pair['images']} has {counts} in {pair['labels'].name}; both must count the same")
    if any(part.shape[1:] != images[0].shape[1:] for part in images):
        raise DataError(
            f"{where}: train and test images differ in size: {' and '.join(str(p.shape[1:]) for p in images)}"
        )
    pixels, more = as_images(np.concatenate(images), where.name)
    codes, names = labels_from_array(np.concatenate(labels), len(pixels), where.name, classes)
    drawn = any(name == "" for name, _ in pairs)
    split = None if drawn else np.repeat(np.array([n for n, _ in pairs], dtype="U10"), [len(p) for p in images])
    return Raw(
        images=pixels, labels=codes, classes=names, split=split, notes=(*notes, *more), provenance={"from": str(where)}
    )
