"""A folder of image files: one sub-folder a class, a CSV of attributes, or both.

With both the sub-folder is the label and the CSV's columns are attributes, unless a column is called label or --label
names one: then the sub-folder is an attribute.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.io.messages import listed
from latentgan.data.columns import Columns, codes_from_texts
from latentgan.data.decode import Items, decode_items
from latentgan.data.formats.csv_table import interpret, join, read_csv
from latentgan.data.formats.idx import find_pairs
from latentgan.data.formats.image_file import SUFFIXES
from latentgan.data.pixels import Geometry
from latentgan.data.source import Raw
from latentgan.data.splits import split_name
from latentgan.errors import DataError

_CHUNK = 64  # files a job

FOLDER = "folder"
"""Attribute that names the sub-folder of an image, where a column of the table is the label."""


@dataclass(frozen=True)
class Listing:
    """Image files below a folder, sorted, with their sizes and modification times."""

    folder: Path
    files: list[str]
    """As the file system has them, with /."""
    stats: list[tuple[int, int]]
    """Size in bytes, modification time in ns."""
    other_files: Counter[str]
    """Files that are no images, by suffix."""

    @property
    def names(self) -> list[str]:
        """File names that can be written anywhere: bytes that are no UTF-8 become \\x escapes."""
        return [file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for file in self.files]


def list_images(folder: Path) -> Listing:
    """List images below the folder; hidden files are passed over, links are followed, loops noticed.

    Raises:
        DataError: the folder cannot be read.
    """
    files: list[tuple[str, tuple[int, int]]] = []
    other_files = Counter[str]()
    for path in _walk(folder):
        relative = path.relative_to(folder).as_posix()
        if path.suffix.lower() in SUFFIXES:
            files.append((relative, _version(path)))
        else:
            other_files[path.suffix.lower() or path.name] += 1
    files.sort()
    return Listing(folder, [file for file, _ in files], [stat for _, stat in files], other_files)


def _version(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:  # a broken link: decoding will say so
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}")

    visited: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        real = str(Path(place).resolve())
        if real in visited:  # a link to a folder that was listed already, or a loop
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in files:
            if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                yield Path(place) / name


def read_folder(
    folder: Path,
    geometry: Geometry,
    *,
    attributes: Path | None = None,
    label: str | None = None,
    group: str | None = None,
    skip_bad: bool = False,
    progress: bool = True,
) -> Raw:
    """Read all images of a folder with their labels and attributes.

    Args:
        folder: the folder, whose sub-folders may be classes or splits.
        geometry: size and channels that images are brought to.
        attributes: CSV of labels and attributes; by default the only one in the folder.
        label: column of the CSV that is the label.
        group: column that says which images belong together, and becomes no label by itself.
        skip_bad: whether to leave out bad images and rows.
        progress: whether to show a bar on a terminal.

    Raises:
        DataError: no images, a bad one (unless skip_bad), sizes that differ, or a table that does not fit.
    """
    listing = _some_images(folder)
    table = attributes or _only_csv(folder)
    if label is not None and table is None:
        raise DataError(f"--label {label} needs a table: there is no CSV in {folder}; --attributes names one elsewhere")
    if table is not None:
        sheet = read_csv(table)
        rows, notes = join(sheet, listing.names, folder, skip_bad=skip_bad)
    decoded = decode_items(_items(listing), geometry, skip_bad=skip_bad, progress=progress)
    names = np.array(listing.names)[decoded.rows]
    first = (*decoded.notes, *_passed_over(listing))
    provenance = {"from": str(folder)}
    if table is None:
        labels, classes, split, sentences = _from_folders(names, folder)
        return Raw(
            images=decoded.images,
            labels=labels,
            classes=classes,
            columns=Columns(),
            ids=names,
            split=split,
            notes=first + sentences,
            provenance=provenance,
        )
    chosen = rows[decoded.rows]
    cells = {name: [values[row] if row >= 0 else None for row in chosen] for name, values in sheet.columns.items()}
    provenance["attributes"] = str(table)
    labels, classes, split, _ = _from_folders(names, folder)
    named = label is not None or any(name.lower() == "label" for name in cells)
    if len(classes) > 1 and not named:  # the images are sorted into classes already
        typed = interpret(cells, len(names), table.name, None, texts=True, choose=False)
        sentences = (
            *first,
            *notes,
            *typed.notes,
            f"label: the sub-folder; --label chooses a column of {table.name} instead",
        )
        split = split if typed.split is None else typed.split
        return Raw(
            images=decoded.images,
            labels=labels,
            classes=classes,
            columns=typed.columns,
            ids=names,
            split=split,
            notes=sentences,
            provenance=provenance,
        )
    if len(classes) > 1 and FOLDER not in cells:
        cells[FOLDER] = [classes[k] if k >= 0 else None for k in labels.tolist()]
    typed = interpret(cells, len(names), table.name, label, texts=True, group=group)
    sentences = first + notes + typed.notes
    return Raw(
        images=decoded.images,
        labels=typed.labels,
        classes=typed.classes,
        columns=typed.columns,
        ids=names,
        split=typed.split,
        notes=sentences,
        provenance=provenance,
    )


def _passed_over(listing: Listing) -> tuple[str, ...]:
    expected = (".csv", ".txt", ".md", ".json")  # tables and descriptions go without saying
    left = ", ".join(f"{count} {suffix}" for suffix, count in listing.other_files.items() if suffix not in expected)
    return (f"{listing.folder.name}: files that are no images are passed over: {left}",) if left else ()


def _some_images(folder: Path) -> Listing:
    listing = list_images(folder)
    if not listing.files:
        result = ", ".join(f"{count} {suffix}" for suffix, count in listing.other_files.most_common(5)) or "nothing"
        raise DataError(f"{folder} holds no images (.png, .jpg, .webp, …); it holds {result}{_inside(folder)}")
    return listing


def _inside(folder: Path) -> str:
    """A hint at a file or sub-folder that could be meant."""
    for path in sorted(folder.iterdir()):
        if path.suffix in (".npz", ".npy") or (path.is_dir() and find_pairs(path)):
            return f"; did you mean {path}?"
    return ""


def _only_csv(folder: Path) -> Path | None:
    tables = sorted(
        path for path in folder.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith(".")
    )
    if len(tables) > 1:
        raise DataError(f"{folder} holds {len(tables)} CSVs ({listed(t.name for t in tables)}): --attributes names one")
    return tables[0] if tables else None


def _items(listing: Listing) -> Items:
    def chunks() -> Iterator[Sequence[Path | bytes]]:
        for start in range(0, len(listing.files), _CHUNK):
            yield [listing.folder / file for file in listing.files[start : start + _CHUNK]]

    versions = [(name, *stat) for name, stat in zip(listing.names, listing.stats, strict=True)]
    identity = {"folder": str(listing.folder.resolve()), "files": versions}
    return Items(listing.folder.resolve().name, listing.names, chunks, identity)


def _from_folders(
    names: np.ndarray, folder: Path
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray | None, tuple[str, ...]]:
    """Labels (n,), classes, official split and notes of images sorted into sub-folders."""
    parts = [str(name).split("/")[:-1] for name in names]
    split: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    tops = {split_name(part[0]) if part else None for part in parts}
    if None not in tops and len(tops) > 1 and "train" in tops:
        split = np.array([split_name(part[0]) for part in parts], dtype="U10")
        parts = [part[1:] for part in parts]
        words = ", ".join(sorted({str(name).partition("/")[0] for name in names}))
        notes = (f"{folder.name}: its sub-folders {words} are taken as the split",)
    tops_of = [part[0] if part else None for part in parts]
    classes = {top for top in tops_of if top is not None}
    if len(classes) == 1 and None not in tops_of:
        (only,) = classes
        return (
            np.full(len(names), -1),
            (),
            split,
            (*notes, f"all images lie in one sub-folder ({only}): unlabelled"),
        )
    labels, named = codes_from_texts(tops_of) if classes else (np.full(len(names), -1, dtype=np.int64), ())
    if not classes:
        notes = (*notes, f"{folder.name}: no sub-folders and no CSV, so the images are unlabelled")
    elif None in tops_of:
        notes = (
            *notes,
            f"{folder.name}: {tops_of.count(None):,} images outside the sub-folders are unlabelled",
        )
    return labels, named, split, notes
