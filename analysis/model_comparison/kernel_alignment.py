"""Linear kernel alignment (CKA) by the unbiased estimator of HSIC, with a jackknife interval; no (n, n) matrix is kept.

CKA(x, y) = HSIC(x, y) / √(HSIC(x, x) HSIC(y, y)). The usual HSIC, |XᵀY|²_F / n², is biased upwards by as much as rows
are few beside columns: two independent codes of 506 columns reach a CKA of 0.5 at 500 rows. The U-statistic of Song et
al. (JMLR 13, 2012, equation 4; for CKA Nguyen et al. 2021, arXiv:2010.15327) is 0 in the mean for independent codes of
any width, and so may fall slightly below 0. With K = XXᵀ, L = YYᵀ, both without their diagonals,

    n (n − 3) HSIC = tr KL + 1ᵀK1 1ᵀL1 / ((n − 1)(n − 2)) − 2 / (n − 2) 1ᵀKL1,

which for centred rows, a_i = |x_i|² and b_i = |y_i|², is

    |XᵀY|²_F − n / (n − 2) Σ a_i b_i + Σ a_i Σ b_i / ((n − 1)(n − 2)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Floats
from ..base.statistics import LEVEL, Interval

BLOCK = 1_000_000  # kernel values that are computed at once


def linear_cka(x: Floats, y: Floats) -> float:
    """Unbiased linear CKA of (n, d) and (n, e) rows: 0 for independent ones in the mean, 1 for the same arrangement.

    0 where one side has no variance, or of fewer than 4 rows.
    """
    x, y = centred(x), centred(y)
    if len(x) < 4:
        return 0.0
    return _ratio(*(_Sums.of(*pair).hsic() for pair in ((x, y), (x, x), (y, y))))


def cka_interval(x: Floats, y: Floats) -> Interval:
    """`linear_cka` of (n, d) and (n, e) rows with a 95 % interval by the jackknife over rows.

    The jackknife is exact and costs as much as one more estimate. The interval is the hull of value ± t σ, σ² the
    jackknife's variance, and of the θ with |value − θ| ≤ t σ(θ), as near 0 and 1 the variance depends on θ:
    σ²(θ) = (1 − θ)² (2 / (n (n − 3)) + s θ). The first summand is the variance for independent codes of any width; s is
    such that σ(value) is the jackknife's, and at least 4 / n over the geometric mean of both sides' effective numbers
    of columns, (tr Σ)² / |Σ|²: of single columns CKA is r², whose variance is 4 θ (1 − θ)² / n.
    """
    x, y = centred(x), centred(y)
    n = len(x)
    if n < 5:
        return Interval(linear_cka(x, y), math.nan, math.nan, n)
    sums = [_Sums.of(*pair) for pair in ((x, y), (x, x), (y, y))]
    cross, *own_hsics = (each.hsic() for each in sums)
    value = _ratio(cross, *own_hsics)
    if min(own_hsics) <= 0 or value > 1 - 1e-12:
        return Interval(value, value, value, n)
    left = np.array([_ratio(*each) for each in zip(*(each.without_each() for each in sums), strict=True)])
    variance = (n - 1) / n * float(np.square(left - left.mean()).sum())
    columns = [
        float(each.x_norms.sum()) ** 2 / (n - 1) ** 2 * n * (n - 3) / h
        for each, h in zip(sums[1:], own_hsics, strict=True)
    ]
    return _hull(value, variance, n, 4 / n / math.sqrt(columns[0] * columns[1]))


def cka_of_shuffles(x: Floats, y: Floats, shuffles: int, *, rng: np.random.Generator) -> Doubles:
    """`linear_cka` of (n, d) rows and shuffled (n, e) rows, (shuffles,)."""
    x, y = centred(x), centred(y)
    if len(x) < 4:
        return np.zeros(shuffles)
    own_hsics = [_Sums.of(z, z).hsic() for z in (x, y)]
    return np.array([_ratio(_Sums.of(x, rng.permutation(y)).hsic(), *own_hsics) for _ in range(shuffles)])


def _hull(value: float, variance: float, n: int, least: float) -> Interval:
    """The interval of `cka_interval`.

    Args:
        least: slope of the variance at least.
    """
    from scipy.stats import t

    unrelated = 2 / (n * (n - 3))
    slope = max((variance / (1 - value) ** 2 - unrelated) / max(value, math.sqrt(unrelated)), least, 0.0)
    quantile = float(t.ppf((1 + LEVEL) / 2, n - 1))
    half = quantile * math.sqrt(variance)

    def inside(theta: float) -> bool:
        spread = (1 - theta) * math.sqrt(unrelated + slope * max(theta, 0.0))
        return abs(theta - value) <= quantile * spread

    low, high = (_last(inside, value, end) for end in (-1.0, 1.0))
    return Interval(value, max(-1.0, min(low, value - half)), min(1.0, max(high, value + half)), n)


def _last(inside: Callable[[float], bool], inner: float, outer: float) -> float:
    """Where `inside`, true at `inner`, ends on the way to `outer`."""
    for _ in range(50):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if inside(middle) else (inner, middle)
    return (inner + outer) / 2


def centred(x: Floats) -> Doubles:
    """(n, d) rows in float64, less their mean."""
    rows = x.astype(np.float64)
    rows -= rows.mean(0)
    return rows


def _ratio(cross: float, first: float, second: float) -> float:
    return float(cross / math.sqrt(first * second)) if first > 0 and second > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """What HSIC of two centred sides, of all rows and without each row, is computed from."""

    x_norms: Doubles
    """(n,) a_i."""
    y_norms: Doubles
    """(n,) b_i."""
    alike: Doubles
    """(n,) t_i = Σ_j K_ij L_ij, diagonal included; they sum to |XᵀY|²."""
    x_by_y: Doubles
    """(n,) Σ_j K_ij b_j."""
    y_by_x: Doubles
    """(n,) Σ_j L_ij a_j."""

    @classmethod
    def of(cls, x: Doubles, y: Doubles) -> _Sums:
        a, b = (np.einsum("ij,ij->i", z, z) for z in (x, y))
        return cls(x_norms=a, y_norms=b, alike=_alike(x, y), x_by_y=x @ (b @ x), y_by_x=y @ (a @ y))

    def hsic(self) -> float:
        """n (n − 3) times the unbiased HSIC."""
        n, a, b = len(self.x_norms), self.x_norms, self.y_norms
        return float(self.alike.sum() - n / (n - 2) * (a @ b) + a.sum() * b.sum() / ((n - 1) * (n - 2)))

    def without_each(self) -> Doubles:
        """The same without row i, for each i, times the (n − 1)(n − 4) of the rows that are left: (n,).

        Without it the others are centred anew: x_j gains x_i / (n − 1).
        """
        n, a, b, t = len(self.x_norms), self.x_norms, self.y_norms, self.alike
        m, grown = n - 1, n / (n - 1)
        cross = t.sum() - 2 * grown * t + grown**2 * a * b
        products = (
            a @ b
            + 2 / m * (self.x_by_y + self.y_by_x)
            + (a * b.sum() + b * a.sum()) / m**2
            + 4 / m**2 * t
            + (n / m**4 - grown**4) * a * b
        )
        result: Doubles = (
            cross - m / (m - 2) * products + (a.sum() - grown * a) * (b.sum() - grown * b) / ((m - 1) * (m - 2))
        )
        return result


def _alike(x: Doubles, y: Doubles) -> Doubles:
    """Σ_j (x_i · x_j)(y_i · y_j) of each row i, (n,), by columns where they are few and else by blocks of kernels."""
    n, d = x.shape
    if d * y.shape[1] <= n * (d if x is y else d + y.shape[1]) / 2:
        result: Doubles = np.einsum("ij,ij->i", x @ (x.T @ y), y)
        return result
    step, parts = max(1, BLOCK // n), []
    for start in range(0, n, step):
        kernel = x[start : start + step] @ x.T
        parts.append(np.einsum("ij,ij->i", kernel, kernel if x is y else y[start : start + step] @ y.T))
    return np.concatenate(parts)
