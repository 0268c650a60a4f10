"""Linear models of standardised columns: softmax, L2-SVM, binary logistic (L-BFGS) and ridge (closed form).

Softmax   min_W,b  ½‖W‖² + C Σ_i −log softmax(x_i W + b)_{y_i}
L2-SVM    min_W,b  ½‖W‖² + C Σ_ik max(0, 1 − s_ik (x_i W + b)_k)²     s_ik = ±1, one column a class
logistic  min_W,b  ½‖W‖² + C Σ_ik log(1 + exp(−s_ik (x_i W + b)_k))

with scikit-learn's C and a free intercept. x is float32 and read in blocks (two matrix products a pass),
sums are float64. s_ik = 0 leaves row i out of column k: models with different missing rows share a pass. The SVM's and
the binary logistic's signs may be ±w: a row of weight w, so that models of many resamples share a pass too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from ..errors import AnalysisError
from .arrays import AnyArray, Doubles, Floats, Ints, Singles
from .chunked import Stream, blocks, by_blocks, moments
from .parallel import one_blas_thread, over_blocks

BLOCK = 2048  # rows a block: 8 MB at 1,024 columns, so that the second product finds them in the cache


SETTINGS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C, least first: each fit starts from the one before


PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # ridge: alpha a row


CONSTANT = {np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-11}  # deviation that is rounding, as share of the mean


ROUNDING = 2.0**-22  # of float32 sums: eigenvalues may be negative by so much of the trace


SOLVED = 4  # penalties up to which as many systems are solved: a seventh of an eigendecomposition each

# block of logits (m, k), targets of those rows -> (loss, gradient by logits (m, k))
Loss = Callable[[Singles, Any], tuple[float, Singles]]


@dataclass(frozen=True)
class Scaler:
    """Standardisation by training rows, in their precision; constant columns become 0."""

    mean: Floats
    """(d,)."""
    scale: Floats
    """(d,)."""

    def __call__(self, x: Floats) -> Singles:
        """Standardise (n, d) rows to float32, which what is far from 0 becomes only when its mean is gone."""
        if isinstance(x, Stream):
            return cast(Singles, x.map(self, x.shape[1]))
        standard = np.empty(x.shape, np.float32)
        for start, rows in blocks(x):
            np.divide(rows - self.mean, self.scale, out=standard[start : start + len(rows)], casting="same_kind")
        return standard


def fit_scaler(x: Floats) -> Scaler:
    """Mean and standard deviation of the columns of (n, d)."""
    return _scaler(*moments(x), x.dtype)


def fit_scalers(x: Floats) -> tuple[Scaler, Scaler]:
    """That of `fit_scaler`, and one with a single deviation for all columns of (n, d), so that wide ones stay wide.

    The single one is the root of the columns' mean variance.
    """
    mean, deviation = moments(x)
    single = np.full_like(deviation, np.sqrt(np.mean(deviation**2)))
    return _scaler(mean, deviation, x.dtype), _scaler(mean, single, x.dtype)


def _scaler(mean: Doubles, deviation: Doubles, precision: np.dtype[Any]) -> Scaler:
    dtype = np.dtype(np.float64) if precision == np.float64 else np.dtype(np.float32)
    dead = deviation <= CONSTANT[dtype] * np.maximum(1e-30, np.abs(mean) + deviation)
    return Scaler(mean.astype(dtype), np.where(dead, np.inf, deviation).astype(dtype))


@dataclass(frozen=True)
class Linear:
    """x W + b."""

    weights: Singles
    """(d, k)."""
    bias: Singles
    """(k,)."""

    def __call__(self, x: Singles) -> Singles:
        """Scores of (n, d) standardised rows: (n, k)."""
        return by_blocks(lambda rows: rows @ self.weights + self.bias, x)


def softmax_loss(logits: Singles, target: Ints) -> tuple[float, Singles]:
    """Cross-entropy of (m, k) logits with (m,) classes, summed, and its gradient."""
    logits = logits - logits.max(1, keepdims=True)
    picked = logits[np.arange(len(target)), target]
    np.exp(logits, out=logits)
    norm = logits.sum(1)
    loss = float(np.log(norm, dtype=np.float64).sum() - picked.sum(dtype=np.float64))
    logits /= norm[:, None]
    logits[np.arange(len(target)), target] -= 1
    return loss, logits


def hinge_loss(scores: Singles, sign: Ints | Singles) -> tuple[float, Singles]:
    """Squared hinge of (m, k) scores with (m, k) signs ±w, w >= 0 the row's weight, summed, and its gradient."""
    signs = sign.astype(np.float32, copy=False)
    slack = np.maximum(0, 1 - np.sign(signs) * scores)
    slope = -2 * signs * slack
    return float((np.abs(slope) * slack).sum(dtype=np.float64)) / 2, slope


def logistic_loss(scores: Singles, sign: Ints | Singles) -> tuple[float, Singles]:
    """log(1 + exp(−s f)) of (m, k) scores with (m, k) signs ±w, w >= 0 the row's weight, summed, and its gradient."""
    signs = sign.astype(np.float32, copy=False)
    margin = np.sign(signs) * scores
    loss = np.logaddexp(0, -margin) * np.abs(signs)
    return float(loss.sum(dtype=np.float64)), -signs / (1 + np.exp(np.minimum(margin, 80)))


def signs_of(labels: Ints, classes: int) -> Ints:
    """One-against-rest signs of (n,) classes: (n, classes) of ±1."""
    return np.where(labels[:, None] == np.arange(classes), 1, -1)


def fit_linear(
    x: Singles,
    target: Ints | Singles,
    columns: int,
    *,
    loss: Loss,
    c: float,
    start: Linear | None = None,
    iterations: int = 200,
    tolerance: float = 1e-7,
) -> Linear:
    """Fit standardised rows x (n, d) to `target`: (n,) classes, or (n, columns) signs, which may carry weights.

    Where rows are few, the fit runs in the rows' own span (W = Qᵀ V with x = R Q), which changes nothing in
    the result: a penalised W has no part outside it.
    """
    if len(x) < x.shape[1] // 2 and start is None:
        x = np.asarray(x)
        with one_blas_thread():
            q, r = np.linalg.qr(x.T)
        inner = fit_linear(
            np.ascontiguousarray(r.T),
            target,
            columns,
            loss=loss,
            c=c,
            iterations=iterations,
            tolerance=tolerance,
        )
        return Linear(np.asarray(q @ inner.weights, np.float32), inner.bias)
    return _minimise(x, target, columns, loss, c, start, iterations, tolerance)


def into_span(x: Singles, *others: Singles) -> tuple[Singles, ...]:
    """Rotate rows (n, d), and others of that width, to coordinates of the span of x where that is much smaller.

    Penalised models of x are the same there, so that what is fitted several times is rotated once.
    """
    if len(x) >= x.shape[1] // 2:
        return (x, *others)
    with one_blas_thread():
        q, r = np.linalg.qr(x.T)
        return (np.ascontiguousarray(r.T), *(np.asarray(other @ q, np.float32) for other in others))


def _minimise(
    x: Singles,
    target: Ints | Singles,
    k: int,
    loss: Loss,
    c: float,
    start: Linear | None,
    iterations: int,
    tolerance: float,
) -> Linear:
    """L-BFGS on the objective divided by C n; the bias is the last row of the parameters (d + 1, k)."""
    from scipy.optimize import minimize

    d = x.shape[1]
    first = np.zeros((d + 1, k))
    if start is not None:
        first[:d], first[d] = start.weights, start.bias
    with one_blas_thread():
        solution = minimize(
            _objective(x, target, k, loss, c),
            first.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": iterations, "maxcor": 10, "ftol": tolerance, "gtol": 1e-5},
        )
    w = np.asarray(solution.x, np.float32).reshape(d + 1, k)
    if not np.isfinite(w).all():
        raise AnalysisError("a linear probe diverged: are there values of extreme size in the representation?")
    return Linear(np.ascontiguousarray(w[:d]), w[d].copy())


def _objective(
    x: Singles, target: Ints | Singles, k: int, loss: Loss, c: float
) -> Callable[[Doubles], tuple[float, Doubles]]:
    """The penalised mean loss and its gradient as functions of the flat parameters (d + 1) · k."""
    n, d = x.shape

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        w = flat.reshape(d + 1, k)
        w32 = w.astype(np.float32)
        total, gradient = 0.0, np.zeros((d + 1, k))

        def block(part: tuple[int, Singles]) -> tuple[float, Singles, Doubles]:
            begin, rows = part
            value, slope = loss(rows @ w32[:d] + w32[d], target[begin : begin + len(rows)])
            return value, rows.T @ slope, slope.sum(0, dtype=np.float64)

        cells = 0 if isinstance(x, Stream) else n * d  # threads would run ahead and hold what they have not summed
        for value, slopes, shifts in over_blocks(block, blocks(x, BLOCK), cells=cells):
            total += value
            gradient[:d] += slopes
            gradient[d] += shifts
        gradient /= n
        gradient[:d] += w[:d] / (c * n)
        return total / n + float(np.vdot(w[:d], w[:d])) / (2 * c * n), gradient.ravel()

    return objective


def fit_ridge(x: Singles, y: Floats, *, penalties: tuple[float, ...]) -> list[Linear]:
    """Ridge regression of (n,) or (n, t) values on standardised rows, one model a penalty (alpha a row).

    w = (XᵀX / n + alpha I)⁻¹ Xᵀ(y − mean y) / n, by one eigendecomposition for all penalties, or by solving for few.
    """
    n = len(x)
    y = y.reshape(n, -1)
    mean, shift = y.mean(0, dtype=np.float64), x.mean(0, dtype=np.float64)
    gram, crossed, centred = np.zeros((x.shape[1], x.shape[1])), np.zeros((x.shape[1], y.shape[1])), y - mean
    for start, rows in blocks(x, BLOCK):
        gram += rows.T @ rows
        crossed += rows.T @ centred[start : start + len(rows)].astype(np.float32)
    spread, moment = gram / n - np.outer(shift, shift), crossed / n
    if len(penalties) <= SOLVED and min(penalties) > ROUNDING * np.trace(spread):
        solutions = [np.linalg.solve(spread + alpha * np.eye(len(spread)), moment) for alpha in penalties]
    else:
        values, vectors = np.linalg.eigh(spread)
        turned = vectors.T @ moment
        solutions = [vectors @ (turned / (np.maximum(values, 0) + alpha)[:, None]) for alpha in penalties]
    return [Linear(w.astype(np.float32), (mean - shift @ w).astype(np.float32)) for w in solutions]


GCV_PENALTIES = tuple(np.geomspace(1e-3, 1e4, 15).tolist())


def fit_ridge_by_gcv(x: Singles, y: Floats) -> Linear:
    """Ridge regression of (n, t) values on standardised rows, each target's penalty by generalised cross-validation.

    GCV(α) = RSS(α) / (1 − (1 + tr H(α)) / n)², over GCV_PENALTIES: a target that the rows do not tell gets weights near
    0 however many columns there are.

    Source:
        Golub, Heath & Wahba, Technometrics 21, 1979.
    """
    n = len(x)
    y = y.reshape(n, -1)
    mean, shift = y.mean(0, dtype=np.float64), x.mean(0, dtype=np.float64)
    rows, targets = x - shift, y - mean
    values, vectors = np.linalg.eigh(rows.T @ rows / n)
    values = np.maximum(values, 0)
    turned = vectors.T @ (rows.T @ targets / n)
    squares, total = np.square(turned), np.square(targets).mean(0)
    scores = []
    for alpha in GCV_PENALTIES:
        left = total - ((values + 2 * alpha) / np.square(values + alpha)) @ squares
        free = 1 - (1 + float((values / (values + alpha)).sum())) / n
        scores.append(left / free**2 if free > 0 else np.full(len(total), np.inf))
    penalties = np.array(GCV_PENALTIES)[np.argmin(scores, axis=0)]
    weights = vectors @ (turned / (values[:, None] + penalties))
    return Linear(weights.astype(np.float32), (mean - shift @ weights).astype(np.float32))


class Rows(NamedTuple):
    """One split of a representation."""

    x: Floats  # (n, d)
    y: AnyArray  # (n,) int64 classes, or float64 values for ridge
