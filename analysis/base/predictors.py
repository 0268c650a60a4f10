"""Fitted probes on new rows, in the labels that they were fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError
from .arrays import AnyArray, Doubles, Floats, as_codes
from .chunked import Stream
from .pca import PCA


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """What a fitted probe says of rows of its width."""

    width: int
    """Columns of the rows that it takes."""
    labels: AnyArray
    """(k,) classes as the user wrote them; empty where numbers are predicted."""
    decision: Callable[[Floats], AnyArray]
    """Rows (n, width) -> scores of classes (n, k), or numbers (n,)."""
    probabilities: Callable[[AnyArray], Doubles] | None = None
    """Scores (n, k) -> (n, k); None where there are none."""
    pca: PCA | None = None
    """Through which wide rows go first."""

    def scores(self, x: npt.ArrayLike) -> Doubles:
        """Scores of classes (n, k), or numbers (n,).

        Raises:
            AnalysisError: for rows of another width.
        """
        rows = as_codes(x, "X")
        if rows.shape[1] != self.width:
            raise AnalysisError(f"the probe was fitted on {self.width} columns, and X has {rows.shape[1]}")
        rows = rows if self.pca is None else self.pca.project(rows)
        return np.asarray(self.decision(np.asarray(rows) if isinstance(rows, Stream) else rows), np.float64)

    def predict(self, x: npt.ArrayLike) -> AnyArray:
        """The label of each row, or its number: (n,)."""
        scores = self.scores(x)
        return self.labels[scores.argmax(1)] if len(self.labels) else scores

    def predict_proba(self, x: npt.ArrayLike) -> Doubles:
        """Probabilities (n, k) of the classes in the order of `labels`.

        Raises:
            AnalysisError: there are none.
        """
        if self.probabilities is None:
            raise AnalysisError("this probe has no probabilities: take decision_function(X), or fit a logistic probe")
        return self.probabilities(self.scores(x))


def softmax(scores: AnyArray) -> Doubles:
    """exp(s) / Σ exp(s) of scores (n, k)."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: Doubles = powers / powers.sum(1, keepdims=True)
    return shares


def shares_of_votes(votes: AnyArray) -> Doubles:
    """Votes (n, k) as shares of each row's."""
    shares: Doubles = votes / votes.sum(1, keepdims=True)
    return shares
