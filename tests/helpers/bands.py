"""A decoder of four bands, and what evaluates its images: effects of edits are known."""

from __future__ import annotations

import numpy as np

from analysis.editing.verification import Score

WIDTH = 12


class Bands:
    """An image of four bands whose brightness is linear in the code, and an evaluator that measures the bands."""

    def __init__(self, mixing: np.ndarray) -> None:
        self.mixing = mixing  # (d, 4)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        bands = 0.5 + 0.05 * codes.astype(np.float64) @ self.mixing
        return np.repeat(bands.astype(np.float32), 3, axis=1).reshape(len(codes), 4, 3, 1)

    def evaluate(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bands = images.mean((2, 3), dtype=np.float64)
        return bands, np.asarray(bands[:, 3] > 0.5, np.int64)


def axes(leak: float = 0.0) -> np.ndarray:
    """Number i of the code is band i; number 0 moves band 1 too, by `leak`."""
    mixing = np.eye(WIDTH)[:, :4].copy()
    mixing[0, 1] = leak
    return mixing


def scores(spread: float = 0.05) -> list[Score]:
    return [Score(name=name, about="measured", spread=spread) for name in ("a", "b", "c")] + [
        Score(name="d", about="probability by a band", spread=spread, threshold=0.5)
    ]
