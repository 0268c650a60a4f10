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

FILE = "seen.npy"


def image_marks(source: ImageSource, rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each row's image bytes, (n,) uint64."""
    digest = hashlib.blake2b
    marks = [digest(source.images[row].tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(marks), dtype="<u8")


def write_training_marks(run: Path, source: ImageSource) -> None:
    """Write the hashes of the training images into the run folder."""
    stream = BytesIO()
    np.save(stream, np.unique(image_marks(source, source.rows("train"))), allow_pickle=False)
    replace_bytes(run / FILE, stream.getvalue(), durable=False)


def mark_training_images(run: Path, source: ImageSource, fingerprint: str) -> ImageSource:
    """Return `source` with every image that `run` was trained on in the train split.

    A set that differs from the training's (another label column, one more image) is split anew; without this, its test
    split would hold training images of the model.

    Args:
        run: the run folder.
        source: the images to encode.
        fingerprint: of the set that the run was trained on; the same set keeps its split as it is.
    """
    path = run / FILE
    if source.fingerprint == fingerprint or irregular(path) == "missing":
        return source
    marks = read_array(path, error=DataError)
    if marks.dtype != np.uint64 or marks.ndim != 1:
        raise DataError(f"{path} holds {marks.dtype} of {marks.shape}, not hashes of training images; restore it")
    trained_on = np.isin(image_marks(source, source.rows()), marks)
    moved = trained_on & (source.split != "train")
    if not moved.any():
        return source
    note = f"{int(moved.sum()):,} images of the other splits were seen in training; they are marked as train"
    return replace(source, split=np.where(moved, "train", source.split), notes=(*source.notes, note))
