"""Estimators of a concept's direction in the code, each from train rows alone.

mean difference   v = μ₊ − μ₋
LDA               v = Σ⁻¹(μ₊ − μ₋)            Fisher 1936; the covariance of all rows gives the direction that the one
                                              within the sides gives, and it is least squares on signs
logistic          v = normal of the L2-penalised logistic regression
SVM               v = normal of the L2-SVM      Shen et al. 2020 (InterFaceGAN, arXiv:2005.09635) take an SVM's
ridge             v = Σ⁻¹ cov(z, value)         of numbers: where the value itself grows

All but the first are found on columns standardised by the train rows and taken back to the code's own units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Floats, Ints, Singles, as_codes, same_length
from ..base.chunked import blocks
from ..base.labels import as_columns, as_signs
from ..base.linear_models import Linear, Loss, fit_linear, fit_ridge, fit_scaler, hinge_loss, logistic_loss
from ..errors import AnalysisError

METHODS = ("mean difference", "LDA", "logistic", "SVM", "ridge")


NUMERIC = "ridge"
"""The method that is fitted to numbers where the others are fitted to sides."""


LOSSES: dict[str, Loss] = {"logistic": logistic_loss, "SVM": hinge_loss}


# Of the normals, a row, on standardised columns: C = 1 / (penalty · rows). LDA is shrunk only as far as columns that
# are multiples of each other need.
PENALTIES = {"LDA": 1e-3, "logistic": 0.01, "SVM": 0.01, "ridge": 0.01}


def find_directions(codes: Floats, targets: AnyArray, *, method: str) -> Doubles:
    """Find one direction a column of `targets`, pointing to where the concept is, or the number grows.

    Args:
        codes: (n, d).
        targets: (n, m), or (n,) for one: signs 1, -1, 0 = unknown, or booleans, or two texts; for "ridge" numbers,
            NaN = unknown.
        method: one of METHODS.

    Returns:
        (m, d) unit vectors.

    Raises:
        AnalysisError: the method is unknown, targets have another length or kind, or a column has one side alone.
    """
    if method not in METHODS:
        raise AnalysisError(f"unknown method {method!r}: known are {', '.join(METHODS)}")
    codes = as_codes(codes)
    targets = cast(AnyArray, as_columns(targets) if method == NUMERIC else as_signs(targets))
    same_length(codes=codes, targets=targets)
    if method == "mean difference":
        return mean_differences(codes, targets)
    scaler = fit_scaler(codes)
    return in_units(fit_normals(scaler(codes), targets, method).weights.T, scaler.scale)


def mean_differences(codes: Floats, signs: Ints) -> Doubles:
    """μ₊ − μ₋ of (n, d) codes for each column of signs (n, m): (m, d) unit vectors."""
    sides = np.hstack([signs > 0, signs < 0]).astype(np.float64)
    sums = np.zeros((sides.shape[1], codes.shape[1]))
    for start, rows in blocks(codes):  # in float64, since an offset of the codes leaves float32 few digits
        sums += sides[start : start + len(rows)].T @ rows.astype(np.float64)
    above, below = np.split(sums / np.maximum(sides.sum(0), 1)[:, None], 2)
    return unit(above - below)


def fit_normals(x: Singles, targets: AnyArray, method: str) -> Linear:
    """Fit the classifier whose weights are the normals, on standardised rows x (n, d) and targets as above."""
    if method in LOSSES:
        return fit_linear(
            x, targets, targets.shape[1], loss=LOSSES[method], c=1 / (PENALTIES[method] * len(x)), iterations=100
        )
    if method not in PENALTIES:
        raise AnalysisError(f"unknown method {method!r}: known are {', '.join(METHODS)}")
    values, has_target = numbers(targets, method)
    classifier = Linear(np.zeros((x.shape[1], values.shape[1]), np.float32), np.zeros(values.shape[1], np.float32))
    for columns, rows in by_rows(has_target):
        fitted = x if rows.all() else x[rows]
        (result,) = fit_ridge(fitted, values[np.ix_(rows, columns)], penalties=(PENALTIES[method],))
        classifier.weights[:, columns], classifier.bias[columns] = result.weights, result.bias
    return classifier


def numbers(targets: AnyArray, method: str) -> tuple[Doubles, Bools]:
    """What least squares fits: targets (n, m) as numbers, unknown ones 0, and which are known."""
    has_target = np.isfinite(targets) if method == NUMERIC else targets != 0
    return np.where(has_target, targets, 0).astype(np.float64), has_target


def by_rows(has_target: Bools) -> Iterator[tuple[Ints, Bools]]:
    """Group the columns of `known` (n, m) that agree on which rows are known: yield (columns, rows (n,))."""
    groups: dict[bytes, list[int]] = {}
    for column, rows in enumerate(has_target.T):
        groups.setdefault(np.packbits(rows).tobytes(), []).append(column)
    for columns in groups.values():
        yield np.asarray(columns, np.int64), has_target[:, columns[0]]


def in_units(weights: Floats, scale: Floats) -> Doubles:
    """Take normals (m, d) of standardised columns back to the code's own units: (m, d) unit vectors."""
    return unit(np.asarray(weights, np.float64) / scale)


def unit(directions: Doubles) -> Doubles:
    """Scale vectors, the last axis, to length 1; one of zeros stays."""
    length = np.linalg.norm(directions, axis=-1, keepdims=True)
    scaled: Doubles = directions / np.where(length > 0, length, 1)
    return scaled
