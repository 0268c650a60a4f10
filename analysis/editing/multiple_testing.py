"""Which effects of edits exceed those of directions of shuffled labels, corrected for the number of tests.

Own scores, family-wise: with T the effect of each of m edits on its own score in units of what null directions do to
that score, and T_r the same of null directions r = 1 … R, whose labels were shuffled together,

    p_i = (1 + #{r : max_k T_rk ≥ T_i}) / (1 + R)

so that the chance of any false claim among m edits is p at most, however the edits depend on each other. Source:
Westfall & Young: Resampling-Based Multiple Testing, 1993.

Other scores, false discovery rate of edits: an edit's statistic is its largest effect on another score. Edits are
chosen by Benjamini–Hochberg at 5 %; in a chosen row, cells are marked by the null of the row's largest effect at 5 %
times the share of rows that were chosen. Source: Benjamini & Bogomolov, J. R. Statist. Soc. B 76, 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.arrays import Bools, Doubles
from ..base.statistics import false_discovery

LEVEL = 0.05
"""Family-wise error rate of own scores, false discovery rate of other scores."""


def scaled(effects: Doubles, null: Doubles) -> tuple[Doubles, Doubles]:
    """Divide effects by the root mean square effect of null directions on the same score.

    A score that no null direction moves has a unit of 0: any effect on it is then infinitely large.

    Args:
        effects: (m, j) of each edit on each score.
        null: (m, r, j) of each edit's null directions, NaN unknown.

    Returns:
        Both in these units.
    """
    has_score = np.isfinite(null)
    count = np.maximum(has_score.sum((0, 1)), 1)
    size = np.sqrt(np.square(np.where(has_score, null, 0.0)).sum((0, 1)) / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        edit_sizes, null_sizes = effects / size, null / size
    return np.where(effects == 0, 0.0, edit_sizes), np.where(null == 0, 0.0, null_sizes)


def family_wise(effects: Doubles, null: Doubles, own: Sequence[int]) -> Doubles:
    """p-value of each edit among all, one-sided: that it raises its own score as no null direction does.

    A null direction without a score counts against its edit.

    Args:
        effects: (m, j) of each edit on each score.
        null: (m, r, j) of each edit's null directions.
        own: (m,) position of each edit's own score, −1 for none.

    Returns:
        (m,) NaN where an edit has no score or no effect.
    """
    t, t_null = scaled(effects, null)
    scored = [i for i, j in enumerate(own) if j >= 0]
    p = np.full(len(effects), np.nan)
    if not scored:
        return p
    own_null = np.stack([t_null[i, :, own[i]] for i in scored])  # (scored, r)
    largest = np.where(np.isfinite(own_null), own_null, -np.inf).max(0)
    for place, i in enumerate(scored):
        if np.isfinite(effects[i, own[i]]):
            lacks_score = np.isnan(own_null[place])
            reached = lacks_score | (largest >= t[i, own[i]])
            p[i] = (1 + np.count_nonzero(reached)) / (1 + len(largest))
    return p


def leaking(effects: Doubles, null: Doubles, own: Sequence[int], above_chance: Bools) -> Bools:
    """Which edits change which other scores more than null directions do.

    Args:
        effects: (m, j) of each edit on each score.
        null: (m, r, j) of each edit's null directions.
        own: (m,) position of each edit's own score, −1 for none.
        above_chance: (j,) scores that predict their attribute of real images; others mark nothing.

    Returns:
        (m, j) True for a leak.
    """
    t, t_null = np.abs(scaled(effects, null)[0]), np.abs(scaled(effects, null)[1])
    m, draws, _ = t_null.shape
    other = np.tile(above_chance, (m, 1))
    for i, j in enumerate(own):
        if j >= 0:
            other[i, j] = False
    result = np.zeros_like(other)
    if not other.any() or not draws:
        return result
    sizes = np.where(np.isfinite(effects), t, 0.0)
    rows = np.where(other, sizes, 0.0).max(1)
    null_sizes = np.where(np.isnan(t_null), np.inf, t_null)
    null_rows = np.sort(np.where(other[:, None, :], null_sizes, 0.0).max(2).ravel())  # largest of every null row

    def share(value: Doubles) -> Doubles:
        reached: Doubles = (1.0 + len(null_rows) - np.searchsorted(null_rows, value, side="left")) / (
            1 + len(null_rows)
        )
        return reached

    chosen = other.any(1) & (rows > 0) & (false_discovery(share(rows)) <= LEVEL)
    bar = LEVEL * np.count_nonzero(chosen) / m
    return np.asarray(other & chosen[:, None] & (sizes > 0) & (share(sizes) <= bar), np.bool_)
