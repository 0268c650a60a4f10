"""A result of `codes` made by hand for the report's tests: ten categories that are digits, and two styles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.base.statistics import Baseline, Interval
from analysis.code_parts.categorical import Categories, Matching
from analysis.code_parts.code_parts import Codes, Sweep

NAMES = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])  # the label that each category stands for


def near(value: float, half: float, n: int) -> Interval:
    return Interval(value, value - half, value + half, n)


def codes(names: tuple[str, ...], means: np.ndarray, values: np.ndarray, decode: Callable[..., np.ndarray]) -> Codes:
    """Categories and sweeps over a PCA of digits.

    Args:
        means: (10, d) code of each label.
        values: (n, d) codes.
        decode: (…, d) → (…, h, w, c) in [0, 1].
    """
    drawn = np.random.default_rng(3).normal(0, 0.3, (1, 8, values.shape[1]))
    samples = np.rint(255 * decode(means[NAMES][:, None] + drawn)).astype(np.uint8)
    table = np.zeros((10, 10), np.int64)
    table[np.arange(10), NAMES] = 33
    table[:, 5] += 3  # every category holds a few of label 5
    baselines = (
        Baseline(name="untrained", figure=near(0.25, 0.04, 360), note="the same part of the untrained network's code"),
        Baseline(name="pixels", figure=near(0.76, 0.04, 360), note="k-means with 10 groups on a PCA of raw pixels"),
        Baseline(name="shuffled", figure=near(0.11, 0.03, 360), note="the same names against shuffled labels"),
    )
    categories = Categories(
        part="class",
        counts=table.sum(1),
        effective=near(9.9, 0.1, 360),
        confidence=near(0.98, 0.01, 360),
        table=table,
        matching=Matching(names=NAMES, rule="one to one", accuracy=near(0.914, 0.03, 360), n_matched=143),
        shared=near(0.9, 0.02, 360),
        shuffled=0.06,
        baselines=baselines,
        samples=samples,
    )
    bases = np.arange(0, 8)
    at = np.linspace(-1, 1, 9)
    sweeps = []
    for k, size in ((1, 0.83), (0, 0.66)):
        moved = np.repeat(values[bases][:, None], 9, axis=1)
        moved[:, :, k] = 1.5 * at
        frames = np.rint(255 * decode(moved)).astype(np.uint8)
        sweeps.append(Sweep(part="style", dimension=k, effect=near(size, 0.05, 100), ends=(-1.0, 1.0), frames=frames))
    random = (Baseline(name="random direction", figure=near(0.14, 0.01, 100), note="10 directions"),)
    notes = ("noise: not given by the encoder, so drawn from the prior",)
    return Codes(
        categories=(categories,),
        sweeps=tuple(sweeps),
        bases=bases,
        classes=names,
        rows=360,
        baselines=random,
        notes=notes,
    )
