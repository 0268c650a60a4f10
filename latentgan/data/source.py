"""A set of images held in memory (or memory-mapped) as bytes, with what is known about each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from latentgan.data.columns import AttributeKind, Columns
from latentgan.data.conditioning import Condition, fit_conditions
from latentgan.data.pixels import Geometry, fit
from latentgan.data.splits import complete_split, torn_groups
from latentgan.data.validation import check_classes, check_images
from latentgan.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


_SLICE_BYTES = 1 << 24  # images are hashed and decoded in slices of about 16 MiB


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """Size of the images, the names of their classes, in label order, and the conditioning attributes."""

    channels: int
    """Channels of an image: 1 or 3, or the d of points."""
    height: int
    """Height in pixels."""
    width: int
    """Width in pixels."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in label order."""
    attributes: tuple[Condition, ...] = ()
    """The conditioning attributes, in the order of their columns."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width), as a network sees one image."""
        return self.channels, self.height, self.width

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        size = {"channels": self.channels, "height": self.height, "width": self.width, "classes": list(self.classes)}
        return size | (
            {"attributes": [attribute.as_dict() for attribute in self.attributes]} if self.attributes else {}
        )

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Return what `as_dict` gave; TypeError or KeyError where it is damaged."""
        attributes = tuple(Condition.from_dict(condition) for condition in tree.get("attributes", ()))
        return cls(**{**tree, "classes": tuple(tree["classes"]), "attributes": attributes})


@dataclass(frozen=True, kw_only=True)
class Raw:
    """The output of a reader, before splits, checks and the fingerprint."""

    images: np.ndarray
    """(n, h, w, c) uint8."""
    labels: np.ndarray
    """(n,) int64, -1 = unlabelled."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in label order."""
    columns: Columns = field(default_factory=Columns)
    """Attributes."""
    ids: np.ndarray | None = None
    """(n,) str; None: row numbers."""
    split: np.ndarray | None = None
    """(n,) "train" | "validation" | "test"; None: to be drawn."""
    notes: tuple[str, ...] = ()
    """What was done to the images, in sentences."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Where the bytes came from."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSource:
    """Images with labels, attributes and splits; nothing in it changes after loading.

    `notes` is what the reader wants to say in the log; `provenance` says where the bytes came from.
    """

    name: str
    """Name of the set."""
    spec: ImageSpec
    """Size of the images, classes and conditioning attributes."""
    images: np.ndarray
    """(n, h, w, c) uint8, maybe memory-mapped; points: (n, 1, 1, d) float32."""
    labels: np.ndarray
    """(n,) int64, index into spec.classes, -1 = unlabelled."""
    attributes: dict[str, np.ndarray]
    """Columns by name, each (n,) float64 (NaN missing; boolean 0 or 1) or object str (None missing)."""
    attribute_kinds: dict[str, AttributeKind]
    """Kind of each attribute: "numeric", "boolean" or "text"."""
    split: np.ndarray
    """(n,) "train" | "validation" | "test"."""
    ids: np.ndarray
    """(n,) str: file path relative to the folder, or the row number."""
    fingerprint: str
    """SHA-256 of the images and labels, in hexadecimal."""
    provenance: dict[str, str]
    """Where the bytes came from."""
    notes: tuple[str, ...] = ()
    """What was done to the images, in sentences for the log."""
    group: str = ""
    """The attribute whose rows of equal value belong together and are on one side of a drawn split."""
    condition_values: np.ndarray | None = None
    """Conditions, (n, a) float32 of spec.attributes, see `conditioned_on`; a row is NaN where one is missing."""

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, split: str | None = None) -> np.ndarray:
        """Return the rows of a split.

        Args:
            split: "train", "validation" or "test"; None is all.

        Returns:
            (m,) int64 positions, ascending.
        """
        return np.arange(len(self)) if split is None else np.flatnonzero(self.split == split)

    @property
    def groups(self) -> np.ndarray | None:
        """Group of every row, (n,) int64, where the images that belong together are known; else None."""
        if not self.group:
            return None
        return group_codes(self.name, Columns(self.attributes, self.attribute_kinds), self.group, len(self))

    def one_of_each(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one row of each group, so that scores count groups; all rows where there are no groups.

        Args:
            rows: (m,) positions to draw from.
            rng: draws them.

        Returns:
            Positions, ascending.
        """
        groups = self.groups
        if groups is None:
            return rows
        mixed = rng.permutation(rows)
        return np.sort(mixed[np.unique(groups[mixed], return_index=True)[1]])

    def conditioned_on(self, names: Sequence[str]) -> ImageSource:
        """Return the same images with these attributes as the condition of networks, see `Condition`.

        Args:
            names: of attributes; none leaves the source as it is.

        Returns:
            The source with a condition vector for each image.

        Raises:
            DataError: there is no such attribute, or it is the same on all training images.
        """
        if not names:
            return self
        conditions = fit_conditions(names, self.attributes, self.attribute_kinds, self.rows("train"), self.name)
        encoded = [condition.encode(self.attributes[condition.name]) for condition in conditions]
        values = np.concatenate(encoded, axis=1)
        values[np.isnan(values).any(axis=1)] = np.nan
        return replace(self, spec=replace(self.spec, attributes=conditions), condition_values=values)

    def tensor(self, rows: np.ndarray | Sequence[int], device: Any = "cpu") -> Tensor:
        """Return images as networks see them.

        Args:
            rows: (n,) positions, in any order.
            device: where they are needed.

        Returns:
            (n, c, h, w) float32 in [-1, 1].
        """
        import torch

        from latentgan.data.tensors import to_model

        rows = np.asarray(rows, dtype=np.int64)
        images = np.array(self.images[rows], order="C")  # a writable copy: torch warns about read-only memory
        return to_model(torch.from_numpy(images).to(device))

    def slices(
        self, rows: np.ndarray | None = None, *, size: int = 512, device: Any = "cpu"
    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Go through images in order, so that memory does not grow with the set.

        Args:
            rows: (m,) rows; all unless given.
            size: rows of a slice.
            device: where the images are needed.

        Yields:
            Positions (m,) and their images (m, c, h, w) in [-1, 1].
        """
        rows = self.rows() if rows is None else np.asarray(rows, dtype=np.int64)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield part, self.tensor(part, device)

    @property
    def has_pictures(self) -> bool:
        """Whether rows are images that one can look at, rather than points."""
        return self.images.dtype == np.uint8

    @property
    def summary(self) -> str:
        """One line for the log: how many images of which size, and how they are split."""
        spec, counts = self.spec, {name: len(self.rows(name)) for name in ("train", "validation", "test")}
        labelled = int((self.labels >= 0).sum())
        coverage = "" if labelled == len(self) else f" ({labelled:,} labelled)"
        classes = f"{len(spec.classes)} classes{coverage}" if spec.classes else "no labels"
        parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        size = f"{spec.height} × {spec.width} × {spec.channels}"
        return f"{self.name}: {len(self):,} images of {size}, {classes}; {parts}"


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the sha256 of shape, image bytes and labels, read in slices: a memory map stays on disk."""
    digest = hashlib.sha256(f"{images.shape}".encode())
    step = max(1, _SLICE_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    digest.update(np.ascontiguousarray(labels.astype("<i8")).data)
    return digest.hexdigest()


def _grey_note(images: np.ndarray, name: str) -> tuple[str, ...]:
    """A hint where grey images are stored as colour, by a sample of 64."""
    sample = images[:: max(1, len(images) // 64)]
    if sample.shape[-1] == 3 and (sample == sample[..., :1]).all():
        return (f"the images of {name!r} are grey, though stored as colour; --channels 1 makes them a third as large",)
    return ()


def group_codes(name: str, columns: Columns, group: str, n: int) -> np.ndarray:
    """Return the group of each of n rows by a column's values, (n,) int64; a row without a value is one by itself.

    Args:
        name: name of the images, for messages.
        columns: their attributes.
        group: the column that says which images belong together.
        n: number of images.

    Raises:
        DataError: there is no such column.
    """
    if group not in columns.values:
        has = ", ".join(map(repr, list(columns.values)[:10])) or "none"
        raise DataError(
            f"{name} has no column {group!r} that says which images belong together; it has {has} (the label apart): "
            "name one with --group, in the CSV, .npz or Parquet of the images"
        )
    values = columns.values[group]
    missing = np.array([value is None or value != value for value in values.tolist()], dtype=bool)
    codes = np.unique(values.astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
    return np.where(missing, n + np.arange(n), codes)


def _torn_note(group: str, torn: int) -> tuple[str, ...]:
    if not torn:
        return ()
    return (
        f"{torn:,} groups of {group!r} have images in more than one split of the set's own, so that held-out images "
        "are not apart from training images",
    )


def build_source(name: str, raw: Raw, geometry: Geometry | None = None, group: str = "") -> ImageSource:
    """Bring images to the requested geometry, check them, draw splits and hash them: the last step of every reader.

    Args:
        name: what the set is called.
        raw: what a reader found.
        geometry: size and channels that images are brought to.
        group: column whose rows of equal value a drawn split keeps together; "" for none.

    Raises:
        DataError: images, labels or classes cannot be trained on, or there is no column `group`.
    """
    images, notes = fit(raw.images, geometry or Geometry(), name)
    if not isinstance(images, np.memmap):
        images = np.ascontiguousarray(images)
    ids = raw.ids if raw.ids is not None else np.arange(len(images)).astype(str)
    check_images(images, name)
    check_classes(raw.labels, raw.classes, ids, name)
    mark = fingerprint(images, raw.labels)
    groups = group_codes(name, raw.columns, group, len(images)) if group else None
    split = complete_split(raw.split, raw.labels, mark, groups)
    torn = _torn_note(group, torn_groups(split, groups) if groups is not None else 0)
    _, height, width, channels = images.shape
    return ImageSource(
        name=name,
        spec=ImageSpec(channels=channels, height=height, width=width, classes=raw.classes),
        images=images,
        labels=raw.labels,
        attributes=raw.columns.values,
        attribute_kinds=raw.columns.kinds,
        split=split,
        ids=ids,
        fingerprint=mark,
        provenance=raw.provenance,
        notes=(*raw.notes, *notes, *_grey_note(images, name), *torn),
        group=group,
    )
