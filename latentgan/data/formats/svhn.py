"""Street View House Numbers, cropped to 32×32, in the authors' MATLAB files.

Source: Netzer et al.: Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS workshop 2011.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.io.reading import check_file, irregular
from latentgan.data.source import Raw
from latentgan.errors import DataError

FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def read_folder(folder: Path, classes: tuple[str, ...]) -> Raw:
    """Read the train and test files; the label 10, which means the digit 0, becomes 0.

    Raises:
        DataError: a file is missing, damaged or holds other arrays.
    """
    parts = {split: _read(folder / name) for split, name in FILES.items()}
    images, labels = (np.concatenate([part[k] for part in parts.values()]) for k in (0, 1))
    if labels.max() >= len(classes):
        row = int(labels.argmax())
        raise DataError(f"{folder}: image {row} has label {labels[row]}; SVHN has 1 to 10, of which 10 is the digit 0")
    split = np.repeat(np.array(list(FILES), dtype="U10"), [len(part[1]) for part in parts.values()])
    return Raw(images=images, labels=labels, classes=classes, split=split, provenance={"from": str(folder)})


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) uint8 and labels (n,) of one file, whose X is (32, 32, 3, n)."""
    from scipy.io import loadmat

    if irregular(path) == "missing":
        raise DataError(f"{path.parent} has no {path.name} of SVHN's cropped digits")
    check_file(path, error=DataError)
    try:
        result = loadmat(path, variable_names=("X", "y"))
        images, labels = result["X"], result["y"].astype(np.int64).ravel()
    except Exception as error:  # the reader of a damaged file raises whatever it stumbles over
        raise DataError(f"{path} is truncated, damaged or no file of SVHN's cropped digits; fetch it again") from error
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)) or not len(labels) or labels.min() < 0:
        raise DataError(
            f"{path} holds X {images.shape} and y {labels.shape}, not SVHN's (32, 32, 3, n) bytes and n labels"
        )
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), np.where(labels == 10, 0, labels)
