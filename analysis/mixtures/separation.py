"""How many separated groups the components of a mixture form: components between which no valley is shown are one.

BIC counts components of a density: a ball with heavy tails, a banana, a cube or a sphere takes many, which overlap or
lie side by side. Two components are separated where rows that were not fitted on are fewer between them than at either
of them, seen along the axis that tells the two apart best. Groups are what is connected without a separated pair, so
that a ring of components is one group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Floats, Ints
from ..base.statistics import SIGNIFICANT
from .em import fit_gaussians
from .gaussians import Gaussians
from .model_selection import SEARCH_ROWS, FittedMixture

VALLEY_DEPTH = 0.9  # density in the valley over that at the lower of two components, below which there is a valley


MIN_ROWS = 100  # that were not fitted on


POSITIONS = np.linspace(0.2, 0.8, 25)  # of the valley, as shares of the way from one mean to the other


WIDTHS = 0.4, 0.6, 0.8, 1.0  # of windows, as shares of the widest that do not overlap


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Groups of components with a valley between them."""

    groups: int
    """Number of groups, from 1 to the k components."""
    members: Ints
    """(k,) group of each component, from 0."""
    rows: int
    """Rows outside the fit, on which valleys were looked for."""
    refitted: bool
    """True where a mixture refitted to one half of the rows was tested on the other half."""


def separation(
    fitted: FittedMixture, train: Floats, held_out: Floats, *, rng: np.random.Generator
) -> Separation | None:
    """Count the separated groups of a mixture's components.

    The chance that more groups are claimed than there are is at most SIGNIFICANT: k − 1 pairs without a valley connect
    k components, so that each is tested at SIGNIFICANT / (k − 1).

    Args:
        fitted: the mixture, of k components.
        train: rows (m, d) that it was fitted on.
        held_out: rows (n, d) that it was not fitted on. Where they are fewer than MIN_ROWS a mixture like it is fitted
            to one half of `train`, and its groups are counted on the other.
        rng: draws the halves, and seeds.

    Returns:
        The groups; None for too few rows.
    """
    k = len(fitted.gaussians.weights)
    if k == 1:
        return Separation(groups=1, members=np.zeros(1, np.int64), rows=len(held_out), refitted=False)
    if len(held_out) >= MIN_ROWS:
        members = _connected(fitted.gaussians, np.asarray(fitted.inner(held_out)))
        return Separation(groups=int(members.max()) + 1, members=members, rows=len(held_out), refitted=False)
    order = rng.permutation(len(train))[:SEARCH_ROWS]
    halves = [fitted.inner(np.asarray(train[np.sort(half)])) for half in (order[::2], order[1::2])]
    if len(halves[1]) < max(MIN_ROWS, 5 * k):
        return None
    like, _ = fit_gaussians(halves[0], k, covariance=fitted.gaussians.covariance, rng=rng, thorough=False)
    groups = _connected(like, halves[1])
    assigned, other = (mixture.responsibilities(halves[1])[0].argmax(1) for mixture in (fitted.gaussians, like))
    shared = np.zeros((k, int(groups.max()) + 1))
    np.add.at(shared, (assigned, groups[other]), 1)
    return Separation(groups=int(groups.max()) + 1, members=shared.argmax(1), rows=len(halves[1]), refitted=True)


def _connected(mixture: Gaussians, rows: Floats) -> Ints:
    """Group of each component, (k,), from rows (n, d) that the mixture was not fitted on."""
    k = len(mixture.weights)
    component = mixture.responsibilities(rows)[0].argmax(1)
    members = np.arange(k)
    for i in range(k):
        for j in range(i):
            if members[i] != members[j] and not valley_p(mixture, rows, component, (j, i)) <= SIGNIFICANT / (k - 1):
                members[members == members[i]] = members[j]
    return np.unique(members, return_inverse=True)[1].astype(np.int64)


def valley_p(mixture: Gaussians, rows: Floats, component: Ints, pair: tuple[int, int]) -> float:
    """p of the hypothesis that no valley lies between two components.

    Rows (n, d) of the pair, by `component` (n,), are projected on the axis that tells the two apart best,
    Σ⁻¹ (μ₂ − μ₁), Σ the mean of both covariances. They are counted in three windows of equal width, at either mean and
    in the valley of the mixture's own density. Without a valley the middle one has a density of at least
    VALLEY_DEPTH times that of one of the others. The windows depend on the mixture alone, so that counts are binomial.
    """
    from scipy.stats import binom

    first, second = pair
    share = mixture.weights[[first, second]] / mixture.weights[[first, second]].sum()
    within = np.tensordot(share, mixture.covariances[[first, second]], 1)
    axis = np.linalg.lstsq(within, mixture.means[second] - mixture.means[first], rcond=None)[0]
    means = mixture.means[[first, second]] @ axis
    spreads = np.sqrt(np.einsum("i,kij,j->k", axis, mixture.covariances[[first, second]], axis))
    if not (means[1] > means[0] and (spreads > 0).all()):
        return 1.0
    windows = _windows(share, means, spreads)
    if windows is None:
        return 1.0
    valley, half = windows
    along = rows[(component == first) | (component == second)] @ axis
    low, middle, high = (int(np.count_nonzero(np.abs(along - at) <= half)) for at in (means[0], valley, means[1]))
    at_most = VALLEY_DEPTH / (1 + VALLEY_DEPTH)
    return max(float(binom.cdf(middle, middle + other, at_most)) for other in (low, high))


def _windows(share: Doubles, means: Doubles, spreads: Doubles) -> tuple[float, float] | None:
    """Middle of the valley and half the width of three windows that are expected to show it best; None without one.

    Args:
        share, means, spreads: (2,) of two Gaussians on a line.
    """
    from scipy.special import ndtr

    gap = means[1] - means[0]
    valley = means[0] + gap * np.repeat(POSITIONS, len(WIDTHS))
    half = np.tile(WIDTHS, len(POSITIONS)) * np.minimum(valley - means[0], means[1] - valley) / 2

    def mass(at: Doubles) -> Doubles:
        ends = [(at[:, None] + sign * half[:, None] - means) / spreads for sign in (1, -1)]
        result: Doubles = (ndtr(ends[0]) - ndtr(ends[1])) @ share
        return result

    low, middle, high = (mass(at) for at in (np.full_like(valley, means[0]), valley, np.full_like(valley, means[1])))
    lower = np.minimum(low, high)
    shown = (lower - middle) / np.sqrt(np.maximum(lower + middle, 1e-300))
    best = int(shown.argmax())
    if not (math.isfinite(shown[best]) and shown[best] > 0):
        return None
    return float(valley[best]), float(half[best])
