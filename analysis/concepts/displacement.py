"""How far a step in the code moves each of several concepts at once, as held-out rows tell.

Codes are regressed on all concepts together, z = Σ x_k β_k + e, and the step is read as a mix of the β by generalised
least squares in the covariance of e:

    y = (B Σ_e⁻¹ Bᵀ)⁻¹ B Σ_e⁻¹ step        B the rows β_k

so that a step along β_a alone moves a and nothing else, however a and the others go together in the rows.
"""

from __future__ import annotations

import math

import numpy as np

from ..base.arrays import Doubles, Floats
from ..base.statistics import UNKNOWN, Interval

HELD = 0.4  # share of what is read of concepts that must not be noise


ROWS = 3  # a column of the code, below which the covariance says too little


def moved_by(codes: Floats, columns: Doubles, steps: Doubles) -> list[list[Interval]]:
    """Change of each column by each step, in the column's standard deviations, with its 95 % interval.

    Args: codes: (n, d). columns: (n, k) of concepts, NaN unknown; rows with an unknown one take no part. steps: (m, d).
    Returns: m lists of k; a column that follows from those before it is not known, nor one that codes hardly hold, nor
        any where rows are few.
    """
    is_known = np.isfinite(columns).all(1)
    x, z = columns[is_known], codes[is_known].astype(np.float64)
    from scipy.stats import t

    nothing = [[UNKNOWN] * columns.shape[1] for _ in steps]
    n, d = z.shape
    if n < ROWS * (d + x.shape[1]):
        return nothing
    x, z = x - x.mean(0), z - z.mean(0)
    covariance = _independent(x)
    while covariance:
        part = x[:, covariance]
        inverse = np.linalg.inv(part.T @ part)
        effects = inverse @ part.T @ z  # (k, d)
        left = z - part @ effects
        spread = left.T @ left / (n - len(covariance))
        spread += 1e-6 * max(float(np.trace(spread)) / d, 1e-300) * np.eye(d)
        slopes = np.linalg.solve(spread, effects.T)  # (d, k)
        inside = effects @ slopes
        true = inside - d * inverse  # without what the noise of the effects adds
        if np.linalg.eigvalsh(true)[0] >= HELD * np.linalg.eigvalsh(inside)[0]:
            break
        sizes = np.square(part).sum(0)
        alone = part.T @ z / sizes[:, None]
        read = np.einsum("kd,dk->k", alone, np.linalg.solve(spread, alone.T))
        held = 1 - d / sizes / np.maximum(read, 1e-300)
        if held.min() >= HELD:  # each is in the codes, but not what they do apart
            return nothing
        del covariance[int(held.argmin())]
    if not covariance:
        return nothing
    x = part
    filters, sizes = np.linalg.solve(true, slopes.T), x.std(0)  # (k, d)
    noise = np.einsum("kd,de,ke->k", filters, spread, filters)
    result = []
    back = np.linalg.inv(true)
    quantile = float(t.ppf(0.975, n - d - len(covariance)))
    for step in steps:
        change = filters @ step
        rest, mixed = step - change @ effects, inverse @ change
        size = float(
            change @ mixed
        )  # of the noise of the effects: of those read, of what reads `rest`, of both at once
        also = inverse * (rest @ np.linalg.solve(spread, rest) + d * size) + d * np.outer(mixed, mixed)
        error = np.sqrt(noise * size + np.diag(back @ also @ back))
        displacements = [UNKNOWN] * columns.shape[1]
        for place, value, half, size in zip(covariance, change, quantile * error, sizes, strict=True):
            low, high = float((value - half) / size), float((value + half) / size)
            displacements[place] = Interval(float(value / size), low, high, n)
        result.append(displacements)
    return result


def _independent(x: Doubles) -> list[int]:
    """Columns (n, k), centred, that do not follow from those before them."""
    chosen: list[int] = []
    for i in range(x.shape[1]):
        column = x[:, i]
        length = math.sqrt(float(column @ column))
        if chosen:
            column = column - x[:, chosen] @ np.linalg.lstsq(x[:, chosen], column, rcond=None)[0]
        if length > 0 and np.linalg.norm(column) > 1e-3 * length:
            chosen.append(i)
    return chosen
