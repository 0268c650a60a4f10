"""What tells a baseline's figure from a model's own, and how baselines are called."""

from __future__ import annotations

MEAN = "mean of labels"  # predicted for every row: what a number is read from nothing


NETWORK = "network"  # trained on the drawn labels alone


def is_baseline(name: str) -> bool:
    """Tell a baseline by its name."""
    return name == "pixels" or name.startswith(("untrained.", "PCA "))
