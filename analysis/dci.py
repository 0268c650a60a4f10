"""DCI: disentanglement and completeness from the importances of readers of known factors, informativeness from their
held-out scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, AnyArray, Doubles, Floats
from .labels import as_classes, as_targets
from .statistics import r2_score

TREES = 10
INFORMATIVE = 0.05  # the score of a reader that reads


@dataclass(frozen=True)
class Factor:
    """One known factor of the images."""

    name: str
    values: Doubles  # (n,) class indices, or numbers
    discrete: bool


def checked_factor(factor: Factor) -> Factor:
    """A factor with classes as positions, or finite numbers. Raises: AnalysisError for missing or other values."""
    if not isinstance(factor, Factor):
        raise AnalysisError(
            f"factors are a list of Factor(name, values, discrete), and there is a {type(factor).__name__} among them"
        )
    if factor.discrete:
        (places,), _ = as_classes({factor.name: factor.values})
        return Factor(factor.name, places.astype(np.float64), True)
    return Factor(factor.name, as_targets(factor.values, factor.name), False)


def dci(importance: Doubles) -> tuple[float, float]:
    """Disentanglement and completeness of (d, f) importances (Eastwood & Williams 2018).

    D = Σ_i ρ_i (1 − H_f(P_i)), P_i a row as shares and ρ_i its share of all; C likewise over columns.
    """
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    found = []
    for table in (importance, importance.T):
        if table.shape[1] < 2:
            found.append(1.0)
            continue
        sums = table.sum(1)
        p = table / np.where(sums > 0, sums, 1)[:, None]
        h = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / np.log(table.shape[1])
        found.append(float(np.sum(sums / total * (1 - h))))
    return found[0], found[1]


def importances(codes: Floats, factors: Sequence[Factor], *, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Importances (d, f) of readers of each factor, and their held-out scores (f,): R² or accuracy above chance.

    The readers are forests of bagged trees, one of the two kinds of DCI's authors: they need no linear relation. An
    importance is the share of impurity that splits on a number remove, times the reader's score. Readers below
    INFORMATIVE, or within three standard errors of chance, count for nothing: splits on noise would look like a choice.
    """
    order = rng.permutation(len(codes))
    train, test = order[: len(codes) * 4 // 5], order[len(codes) * 4 // 5 :]
    table, scores = np.zeros((codes.shape[1], len(factors))), np.zeros(len(factors))
    least = np.full(len(factors), INFORMATIVE)
    for j, factor in enumerate(factors):
        values = factor.values.astype(np.int64) if factor.discrete else factor.values
        shares, read = _bagged(codes[train], values[train], codes[test], discrete=factor.discrete, rng=rng)
        truth = values[test]
        if factor.discrete:
            chance = float(np.bincount(truth).max()) / len(truth)
            scores[j] = (float(np.mean(read == truth)) - chance) / max(1 - chance, 1e-9)
            least[j] = max(INFORMATIVE, 3 * np.sqrt(chance / (len(truth) * max(1 - chance, 1e-9))))
        else:
            scores[j] = r2_score(truth.astype(np.float64), read)
        table[:, j] = shares
    scores = np.clip(np.nan_to_num(scores), 0, 1)
    return table * np.where(scores > least, scores, 0), scores


def _bagged(
    x: Floats, y: AnyArray, others: Floats, *, discrete: bool, rng: np.random.Generator
) -> tuple[Doubles, AnyArray]:
    """TREES trees of resamples of (n, d) rows: shares of impurity removed (d,), and what they read in (m, d) others.

    scikit-learn's own forests change the process's warning filters while they run, which threads must not share.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if discrete else DecisionTreeRegressor
    shares, votes = np.zeros(x.shape[1]), []
    x, others = (np.ascontiguousarray(one, np.float32) for one in (x, others))
    for _ in range(TREES):
        weights = np.bincount(rng.integers(len(x), size=len(x)), minlength=len(x)).astype(np.float64)
        tree = kind(max_depth=8, min_samples_leaf=5, random_state=int(rng.integers(2**31)))
        tree.fit(x, y, sample_weight=weights)
        shares += tree.feature_importances_
        votes.append(tree.predict_proba(others) if discrete else tree.predict(others))
    read = np.mean(votes, axis=0)
    return shares / max(float(shares.sum()), 1e-12), tree.classes_[read.argmax(1)] if discrete else read
