"""How far a step in the code moves each of several concepts at once, as held-out rows tell.

Codes are regressed on all concepts together, z = Σ x_k β_k + e, and the step is read as a mix of the β by generalised
least squares in the covariance of e:

    y = (B Σ_e⁻¹ Bᵀ)⁻¹ B Σ_e⁻¹ step        B the rows β_k

so that a step along β_a alone moves a and nothing else, however a and the others go together in the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..base.arrays import Doubles, Floats
from ..base.statistics import UNKNOWN, Interval

MIN_SIGNAL_SHARE = 0.4  # share of a concept's variance along its effect that must not be noise of the estimate


MIN_ROWS_PER_COLUMN = 3  # rows for each column of the code and each concept; fewer estimate no usable covariance


def estimate_displacements(codes: Floats, columns: Doubles, steps: Doubles) -> list[list[Interval]]:
    """Estimate how far each step moves each concept, in the concept's standard deviations, with a 95 % interval.

    Args:
        codes: (n, d) of test rows.
        columns: (n, k) values of the concepts, NaN where unknown; only rows with all k values are used.
        steps: (m, d) steps in the code.

    Returns:
        m lists of k intervals. `UNKNOWN` stands for a concept that the ones before it determine, for one that codes
        hardly hold, and for all where rows are too few (see `displacement_note`).
    """
    is_known = np.isfinite(columns).all(1)
    x, z = columns[is_known], codes[is_known].astype(np.float64)
    from scipy.stats import t

    nothing = [[UNKNOWN] * columns.shape[1] for _ in steps]
    n, d = z.shape
    if n < rows_needed(d, x.shape[1]):
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
        if np.linalg.eigvalsh(true)[0] >= MIN_SIGNAL_SHARE * np.linalg.eigvalsh(inside)[0]:
            break
        sizes = np.square(part).sum(0)
        alone = part.T @ z / sizes[:, None]
        read = np.einsum("kd,dk->k", alone, np.linalg.solve(spread, alone.T))
        held = 1 - d / sizes / np.maximum(read, 1e-300)
        if held.min() >= MIN_SIGNAL_SHARE:  # each is in the codes, but not what they do apart
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


def rows_needed(width: int, concepts: int) -> int:
    """Test rows that a displacement needs: `MIN_ROWS_PER_COLUMN` for each column of the code and each concept."""
    return MIN_ROWS_PER_COLUMN * (width + concepts)


def displacement_note(codes: Floats, columns: Sequence[Doubles]) -> str:
    """Say for how many directions no displacement is estimated because test rows are too few.

    Args:
        codes: (n, d) of test rows.
        columns: of each direction, (n, k) values of its concept and the preserved ones, NaN where unknown.

    Returns:
        A note, empty where rows suffice for every direction.
    """
    width = codes.shape[1]
    complete = [(int(np.isfinite(values).all(1).sum()), values.shape[1]) for values in columns]
    short = [(n, concepts) for n, concepts in complete if n < rows_needed(width, concepts)]
    if not short:
        return ""
    fewest, needed = min(n for n, _ in short), max(rows_needed(width, concepts) for _, concepts in short)
    directions = "one conditional direction" if len(short) == 1 else f"{len(short):,} conditional directions"
    return (
        f"no displacement is estimated for {directions} (a dash in the table): {fewest:,} test rows have all values, "
        f"and {needed:,} are needed, {MIN_ROWS_PER_COLUMN} for each of the code's {width:,} columns and each concept"
    )


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
