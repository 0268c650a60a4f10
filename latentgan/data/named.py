"""Sets known by name."""

from __future__ import annotations

import numpy as np

from .source import Raw

NAMES = ("digits", "mnist", "fashion-mnist", "kmnist", "cifar10")
DIGITS = tuple("0123456789")


def read_digits() -> Raw:
    """The 1,797 scanned digits of 8 × 8 pixels that come with scikit-learn (Alpaydin and Kaynak 1998, UCI)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[
        ..., None
    ]  # scans have 17 grey levels, 0 to 16
    return Raw(
        images, bunch.target.astype(np.int64), DIGITS, provenance={"from": "scikit-learn's load_digits"}
    )
