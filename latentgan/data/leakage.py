"""Leakage: recognise a model's training images by their content, so that none of them is in another split."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np

from analysis.io.reading import irregular, read_array
from analysis.io.writing import replace_bytes
from latentgan.data.source import ImageSource
from latentgan.errors import DataError

FILE = "training_images.npy"
"""Hashes of the training images in a run folder."""


FORMER_FILE = "seen.npy"
"""Its name in runs of earlier versions, which is read too."""


def image_hashes(source: ImageSource, rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each row's image bytes, (n,) uint64."""
    digest = hashlib.blake2b
    hashes = [digest(source.images[row].tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(hashes), dtype="<u8")


def write_training_hashes(run: Path, source: ImageSource) -> None:
    """Write the hashes of the training images into the run folder."""
    stream = BytesIO()
    np.save(stream, np.unique(image_hashes(source, source.rows("train"))), allow_pickle=False)
    replace_bytes(run / FILE, stream.getvalue(), durable=False)


def mark_training_images(run: Path, source: ImageSource, fingerprint: str) -> ImageSource:
    """Return `source` with every image that `run` was trained on in the train split.

    A set that differs from the one of the training (another label column, one more image) is split anew; without this,
    its test split would hold training images of the model.

    Args:
        run: the run folder.
        source: the images to encode.
        fingerprint: fingerprint of the set that the run was trained on; the same set keeps its split as it is.

    Raises:
        DataError: the run's file of hashes is damaged.
    """
    path = run / FILE
    if irregular(path) == "missing":
        path = run / FORMER_FILE
    if source.fingerprint == fingerprint or irregular(path) == "missing":
        return source
    hashes = read_array(path, error=DataError)
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise DataError(f"{path} holds {hashes.dtype} of {hashes.shape}, not hashes of training images; restore it")
    trained_on = np.isin(image_hashes(source, source.rows()), hashes)
    moved = trained_on & (source.split != "train")
    if not moved.any():
        return source
    note = f"{int(moved.sum()):,} images of the other splits were seen in training; they are marked as train"
    return replace(source, split=np.where(moved, "train", source.split), notes=(*source.notes, note))
