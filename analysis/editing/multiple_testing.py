"""Which effects of edits are more than what directions of shuffled labels do, corrected for how many are looked at.

Own judges, family-wise: with T the effect of each of m edits on its own judge in units of what null directions do to
that judge, and T_r the same of null directions r = 1 … R, whose labels were shuffled together,

    p_i = (1 + #{r : max_k T_rk ≥ T_i}) / (1 + R)

so that the chance of any false claim among m edits is p at most, however the edits depend on each other. Source:
Westfall & Young: Resampling-Based Multiple Testing, 1993.

Other judges, false discovery rate of edits: an edit's statistic is its largest effect on another judge. Edits are
chosen by Benjamini–Hochberg at 5 %; in a chosen row, cells are marked by the null of the row's largest effect at 5 %
times the share of rows that were chosen. Source: Benjamini & Bogomolov, J. R. Statist. Soc. B 76, 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.arrays import Bools, Doubles
from ..base.statistics import false_discovery

LEVEL = 0.05


def scaled(effects: Doubles, null: Doubles) -> tuple[Doubles, Doubles]:
    """Effects (m, j) and those of null directions (m, r, j) in units of the latter's root mean square for each judge.

    A judge that no null direction moves has a unit of 0: any effect on it is then infinitely large.
    """
    known = np.isfinite(null)
    count = np.maximum(known.sum((0, 1)), 1)
    size = np.sqrt(np.square(np.where(known, null, 0.0)).sum((0, 1)) / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        own, others = effects / size, null / size
    return np.where(effects == 0, 0.0, own), np.where(null == 0, 0.0, others)


def family_wise(effects: Doubles, null: Doubles, own: Sequence[int]) -> Doubles:
    """p-value of each edit among all (m,), one-sided: that it raises its own judge's score as no null direction does.

    Args: effects: (m, j). null: (m, r, j) of each edit's null directions. own: (m,) judge of each edit, -1 for none.
    Returns: NaN where there is no judge or no effect. A null direction without a score counts against its edit.
    """
    t, t_null = scaled(effects, null)
    judged = [i for i, j in enumerate(own) if j >= 0]
    p = np.full(len(effects), np.nan)
    if not judged:
        return p
    mine = np.stack([t_null[i, :, own[i]] for i in judged])  # (judged, r)
    most = np.where(np.isfinite(mine), mine, -np.inf).max(0)
    for place, i in enumerate(judged):
        if np.isfinite(effects[i, own[i]]):
            none = np.isnan(mine[place])
            reached = none | (most >= t[i, own[i]])
            p[i] = (1 + np.count_nonzero(reached)) / (1 + len(most))
    return p


def leaking(effects: Doubles, null: Doubles, own: Sequence[int], judges: Bools) -> Bools:
    """Which edits change which other judges more than null directions do: (m, j).

    Args: effects, null, own: as of `family_wise`. judges: (j,) those that tell anything of real images.
    """
    t, t_null = np.abs(scaled(effects, null)[0]), np.abs(scaled(effects, null)[1])
    m, draws, _ = t_null.shape
    other = np.tile(judges, (m, 1))
    for i, j in enumerate(own):
        if j >= 0:
            other[i, j] = False
    result = np.zeros_like(other)
    if not other.any() or not draws:
        return result
    known = np.where(np.isfinite(effects), t, 0.0)
    rows = np.where(other, known, 0.0).max(1)
    worst = np.where(np.isnan(t_null), np.inf, t_null)
    most = np.sort(np.where(other[:, None, :], worst, 0.0).max(2).ravel())  # of every null row

    def share(value: Doubles) -> Doubles:
        reached: Doubles = (1.0 + len(most) - np.searchsorted(most, value, side="left")) / (1 + len(most))
        return reached

    chosen = other.any(1) & (rows > 0) & (false_discovery(share(rows)) <= LEVEL)
    bar = LEVEL * np.count_nonzero(chosen) / m
    return np.asarray(other & chosen[:, None] & (known > 0) & (share(known) <= bar), np.bool_)
