"""What tells a baseline's figure from a model's own, and how baselines are called."""

from __future__ import annotations

from typing import Literal

Role = Literal["ours", "pixels", "pca", "untrained", "real", "supervised", "chance"]
"""What a figure is of: the model's own representation, or one of the baselines."""

MEAN = "mean of labels"  # predicted for every row: what a number is read from nothing


NETWORK = "network"  # trained on the drawn labels alone


def representation_role(name: str) -> Role:
    """Role of a representation, which names follow: "pixels", "PCA 50 of pixels", "untrained.code", "network, …"."""
    if name == "pixels" or name.startswith("pixels, "):
        return "pixels"
    if name.startswith("PCA "):
        return "pca"
    if name == "untrained" or name.startswith("untrained."):
        return "untrained"
    if name == NETWORK or name.startswith(f"{NETWORK}, "):
        return "supervised"
    return "chance" if name == MEAN else "ours"


def is_baseline(name: str) -> bool:
    """Tell a baseline by its name."""
    return representation_role(name) in ("pixels", "pca", "untrained")
