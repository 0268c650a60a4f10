"""Minibatches: batch i of a stream is a pure function of (seed, stream, i), its state one counter.

Images stay uint8 until they are on the device; one gather and one normalisation make a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentgan.data.source import ImageSource
from latentgan.data.splits import balanced
from latentgan.data.tensors import to_model
from latentgan.errors import DataError

MAIN, LABELLED, DESCRIBED = "main", "labelled", "described"


_RESIDENT_SHARE = 0.5  # of the device's free memory that images may take


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One minibatch, as a family's step draws it."""

    image: Tensor
    """(n, c, h, w) float32 in [-1, 1]."""
    label: Tensor | None
    """(n,) int64, -1 = unlabelled; None: the set has no labels."""
    index: Tensor
    """(n,) int64, row of the source."""
    target: Tensor | None = None
    """(n, c, h, w), for translations."""
    text: Tensor | None = None
    """(n, d), for text conditions."""
    attributes: Tensor | None = None
    """(n, a) float32, NaN where unknown; see ImageSource.conditioned_on."""

    def __len__(self) -> int:
        return len(self.image)


class Batches:
    """Endless random minibatches of one split.

    `next(batches)` draws from the main stream, over all rows; `next(batches.labelled)` from one over the rows that have
    a label (and the conditioning attributes, where there are some); `next(batches.described)` from one over the rows
    that have the attributes. Each epoch is a permutation of the stream's rows; batches are always full and run on from
    one epoch into the next, so no row is left out and a set smaller than a batch works.

    Args:
        source: where the rows come from.
        batch_size: images a batch, over all ranks.
        seed: of the order, together with the stream's name.
        device: where the batches are needed.
        split: rows to draw from; None means all.
        labels: how many of the split's labels are used, equally many a class, drawn by the seed; the other images count
            as unlabelled. None is all.
        counters: batches already drawn, by stream, as `counters` gave them in a checkpoint.
        rank: which contiguous part of every batch to return, from 0, for distributed training.
        ranks: number of parts.

    Raises:
        DataError: the split is empty, the batch cannot be divided among the ranks, or there are fewer labels than
            `labels`.
    """

    def __init__(
        self,
        source: ImageSource,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str,
        split: str | None = "train",
        labels: int | None = None,
        counters: Mapping[str, int] | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if batch_size < 1 or batch_size % ranks:
            raise DataError(f"batch size {batch_size} is no positive multiple of the number of processes ({ranks})")
        self.source, self.split, self.batch_size, self.seed = source, split, batch_size, seed
        self.device = torch.device(device)
        self.part = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)
        self.rows = source.rows(split)  # (n,) rows of the split, ascending; streams count positions in it
        if len(self.rows) == 0:
            raise DataError(f"{source.name} has no {split} images")
        self.counters: dict[str, int] = dict(counters or {})
        self._pixels = _Pixels(source.images, self.rows, self.device)
        self._index = torch.from_numpy(self.rows).to(self.device)
        self.labels = source.labels[self.rows]  # (n,) int64, -1 = unlabelled or not used
        self.attributes = (
            None if source.condition_values is None else source.condition_values[self.rows]
        )  # (n, a) float32, NaN = unknown
        if self.attributes is not None:
            self.labels = np.where(np.isnan(self.attributes[:, 0]), -1, self.labels)
        if labels is not None:
            labelled_rows = balanced(
                self.labels, labels, np.random.default_rng([seed % 2**64, zlib.crc32(b"told labels")])
            )
            self.labels = np.where(np.isin(np.arange(len(self.rows)), labelled_rows), self.labels, -1)
        self._labels = torch.from_numpy(self.labels).to(self.device) if source.spec.classes else None
        self._attributes = None if self.attributes is None else torch.from_numpy(self.attributes).to(self.device)
        self._streams: dict[str, Stream] = {}

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        return next(self.stream(MAIN))

    @property
    def labelled(self) -> Stream:
        """Endless batches over the rows of the split that have a label.

        Raises:
            DataError: there are none.
        """
        return self._filtered_stream(LABELLED, self.labels >= 0, "labelled images")

    @property
    def described(self) -> Stream:
        """Endless batches over the rows of the split that have all conditioning attributes.

        Raises:
            DataError: there are none, or the networks have no conditioning attributes.
        """
        values = self.attributes
        has_attributes = np.zeros(len(self.rows), dtype=bool) if values is None else ~np.isnan(values[:, 0])
        return self._filtered_stream(DESCRIBED, has_attributes, "images with all of these attributes")

    def _filtered_stream(self, name: str, has_value: np.ndarray, description: str) -> Stream:
        if name not in self._streams:
            positions = np.flatnonzero(has_value)
            if len(positions) == 0:
                where = f" in its {self.split} split" if self.split else ""
                raise DataError(f"{self.source.name} has no {description}{where}, which this family needs")
            return self.stream(name, positions)
        return self._streams[name]

    def stream(self, name: str, positions: np.ndarray | None = None) -> Stream:
        """Return the stream of a name, made on first use.

        Args:
            name: of the stream; a checkpoint keeps its place under it.
            positions: (m,) positions of `rows` that it draws from; all unless given.

        Returns:
            The stream, whose `next` is a minibatch.
        """
        if name not in self._streams:
            chosen = np.arange(len(self.rows)) if positions is None else positions
            self.counters.setdefault(name, 0)
            self._streams[name] = Stream(self, name, chosen)
        return self._streams[name]

    def gather(self, positions: Tensor) -> Batch:
        """Return the batch of some positions of `rows`.

        Args:
            positions: (n,) int64 on the device.

        Returns:
            n images, with their labels and attributes where there are any.
        """
        labels = None if self._labels is None else self._labels.index_select(0, positions)
        attributes = None if self._attributes is None else self._attributes.index_select(0, positions)
        image, index = self._pixels.gather(positions), self._index.index_select(0, positions)
        return Batch(image=image, label=labels, index=index, attributes=attributes)


class Stream(Iterator[Batch]):
    """One endless sequence of batches; its state is `batches.counters[name]`."""

    def __init__(self, batches: Batches, name: str, positions: np.ndarray) -> None:
        self.batches, self.name, self.positions = batches, name, positions
        self._epochs: dict[int, Tensor] = {}

    def __next__(self) -> Batch:
        number = self.batches.counters[self.name]
        batch = self.batches.gather(self.order(number)[self.batches.part])
        self.batches.counters[self.name] = number + 1
        return batch

    def order(self, number: int) -> Tensor:
        """Positions of batch `number`, (batch_size,): a stretch of the permutations laid end to end."""
        size, n = self.batches.batch_size, len(self.positions)
        start, stop = number * size, (number + 1) * size
        parts = [
            self._permutation(epoch)[max(start - epoch * n, 0) : stop - epoch * n]
            for epoch in range(start // n, (stop - 1) // n + 1)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        """The order of one epoch, on the device; derived from (seed, stream, epoch), kept while in use."""
        if epoch not in self._epochs:
            words = [self.batches.seed % 2**64, zlib.crc32(self.name.encode()), epoch]
            order = self.positions[np.random.default_rng(words).permutation(len(self.positions))]
            self._epochs = {k: v for k, v in self._epochs.items() if k == epoch - 1}
            self._epochs[epoch] = torch.from_numpy(order).to(self.batches.device)
        return self._epochs[epoch]


class _Pixels:
    """The images (uint8) or points (float32) of a split: on the device where they fit, else gathered on the host."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, device: torch.device) -> None:
        self.images, self.rows, self.device = images, rows, device
        self.resident: Tensor | None = None  # (m, h, w, c) uint8
        self.where: Tensor | None = None  # position -> row of resident; None: the same
        if device.type == "cpu":
            if images.flags.writeable and images.flags.c_contiguous:  # torch warns about read-only memory, as maps are
                self.resident, self.where = torch.from_numpy(images), torch.from_numpy(rows)
        elif len(rows) * images[:1].nbytes <= _free_bytes(device) * _RESIDENT_SHARE:
            self.resident = _upload(images, rows, device)

    def gather(self, positions: Tensor) -> Tensor:
        """Return (n, c, h, w) float32 in [-1, 1] of the positions (n,)."""
        if self.resident is not None:
            rows = positions if self.where is None else self.where.index_select(0, positions)
            return to_model(self.resident.index_select(0, rows))
        images = np.ascontiguousarray(self.images[self.rows[positions.cpu().numpy()]])
        host = torch.from_numpy(images)
        return to_model(host.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else host)


def _upload(images: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    """Copy rows to the device in slices, so that a memory map is never whole in the host's memory."""
    kind = torch.uint8 if images.dtype == np.uint8 else torch.float32
    resident = torch.empty((len(rows), *images.shape[1:]), dtype=kind, device=device)
    step = max(1, (1 << 26) // max(1, images[:1].nbytes))
    for start in range(0, len(rows), step):
        part = np.array(images[rows[start : start + step]], order="C")
        resident[start : start + step] = torch.from_numpy(part).to(device)
    return resident


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return 4 << 30  # other accelerators share the machine's memory: stay modest
