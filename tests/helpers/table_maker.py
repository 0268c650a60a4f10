"""Tables in the format of `latentgan encode`, made without it: scikit-learn's digits, a PCA as the model."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LinearModel:
    """A PCA as an encoder and decoder of (n, h, w, c) images in [0, 1]."""

    mean: np.ndarray  # (p,)
    axes: np.ndarray  # (d, p), orthonormal rows
    scale: np.ndarray  # (d,) standard deviation of each score, so that codes are about N(0, 1)
    shape: tuple[int, int, int]

    def encode(self, images: np.ndarray, /) -> np.ndarray:
        scores = (images.reshape(len(images), -1) - self.mean) @ self.axes.T
        return (scores / self.scale).astype(np.float32)

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        flat = codes * self.scale @ self.axes + self.mean
        return np.clip(flat, 0, 1).reshape(-1, *self.shape).astype(np.float32)


def fit_linear_model(images: np.ndarray, width: int) -> LinearModel:
    """Fit a PCA of `width` components to (n, h, w, c) images in [0, 1]."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    axes = vectors[:, ::-1][:, :width].T
    scale = np.sqrt(np.maximum(values[::-1][:width], 1e-12))
    return LinearModel(flat.mean(0), axes, scale, images.shape[1:])


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's digits: images (1797, 8, 8, 1) in [0, 1], labels (n,), split (n,)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    split = np.array(["train", "train", "train", "validation", "test"], dtype="U10")
    rng = np.random.default_rng(0)
    return (
        (images / 16).reshape(-1, 8, 8, 1).astype(np.float32),
        labels.astype(np.int64),
        rng.permuted(split[np.arange(len(labels)) % 5]),
    )


def digits_model(width: int = 10) -> LinearModel:
    """A PCA of the train split's digits."""
    images, _, split = digits()
    return fit_linear_model(images[split == "train"], width)


def png(image: np.ndarray) -> bytes:
    """Encode an (h, w, c) image in [0, 1] as PNG."""
    from PIL import Image

    pixels = np.rint(image * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def write_table(
    path: Path, columns: dict[str, Any], metadata: dict[str, Any] | None = None, *, group: int = 700
) -> Path:
    """Write columns to Parquet: (n, d) arrays become fixed-size lists, other values go as they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        else:
            arrays[name] = pa.array(values)
    table = pa.table(arrays)
    if metadata is not None:
        table = table.replace_schema_metadata({"latentgan": json.dumps(metadata)})
    pq.write_table(table, path, row_group_size=group)
    return path


def digits_columns(width: int = 10, *, rows: int | None = None) -> dict[str, Any]:
    """The contract's columns for digits: code, a feature layer, untrained baselines, pixels, attributes."""
    import pyarrow as pa

    images, labels, split = digits()
    images, labels, split = images[:rows], labels[:rows], split[:rows]
    n = len(images)
    flat = images.reshape(n, -1)
    rng = np.random.default_rng(1)
    wild = rng.normal(size=(64, width)) / 8
    hidden = rng.normal(size=(64, 96)) / 8
    model = digits_model(width)
    ink = flat.mean(1).astype(np.float64)
    return {
        "id": [f"digits/{i}" for i in range(n)],
        "row": np.arange(n, dtype=np.int64),
        "split": pa.array(split.tolist()).dictionary_encode(),
        "label": pa.array([str(v) if i % 50 else None for i, v in enumerate(labels)]).dictionary_encode(),
        "ink": pa.array([v if i % 40 else None for i, v in enumerate(ink)], pa.float64()),
        "round": pa.array([bool(v in (0, 6, 8, 9)) for v in labels]),
        "parity": pa.array(["even" if v % 2 == 0 else "<b>odd</b>" for v in labels]),
        "code": model.encode(images),
        "encoder.hidden": np.maximum(flat @ hidden, 0).astype(np.float32),
        "untrained.code": (flat @ wild).astype(np.float32),
        "untrained.encoder.hidden": np.maximum(flat @ rng.normal(size=(64, 96)) / 8, 0).astype(np.float32),
        "pixels": np.rint(flat * 255).astype(np.uint8),
        "thumbnail": pa.array([png(image) for image in images], pa.binary()),
    }


def digits_metadata(width: int = 10, *, prior: str = "normal") -> dict[str, Any]:
    """The contract's schema metadata for `digits_columns`."""
    return {
        "format": 1,
        "run": "",
        "family": "pca",
        "checkpoint": "0" * 64,
        "images_seen": 0,
        "data": "digits",
        "fingerprint": "f" * 64,
        "image": {"height": 8, "width": 8, "channels": 1},
        "pixels_shape": [8, 8, 1],
        "classes": [str(i) for i in range(10)],
        "attributes": {"ink": "numeric", "round": "boolean", "parity": "text"},
        "parts": [{"name": "z", "kind": prior, "start": 0, "width": width, "encoded": True}],
        "features": ["encoder.hidden"],
        "preprocessing": {},
        "command": "latentgan encode run --data digits --out table.parquet",
        "version": "0.1.0",
    }


def digits_table(folder: Path, *, width: int = 10, rows: int | None = None, prior: str = "normal") -> Path:
    """Write the digits table into `folder` and return its path."""
    return write_table(folder / "digits.parquet", digits_columns(width, rows=rows), digits_metadata(width, prior=prior))
