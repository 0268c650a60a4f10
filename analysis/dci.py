"""DCI: disentanglement and completeness from the importances of readers of known factors, informativeness from their
held-out scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import Doubles, Floats
from .statistics import r2_score

INFORMATIVE = 0.05  # the score of a reader that reads


@dataclass(frozen=True)
class Factor:
    """One known factor of the images."""

    name: str
    values: Doubles  # (n,) class indices, or numbers
    discrete: bool


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

    The readers are random forests, one of the two kinds of DCI's authors: they need no linear relation. An
    importance is the share of impurity that splits on a number remove, times the reader's score. Readers below
    INFORMATIVE count for nothing: splits on noise would look like a choice.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    order = rng.permutation(len(codes))
    train, test = order[: len(codes) * 4 // 5], order[len(codes) * 4 // 5 :]
    table, scores = np.zeros((codes.shape[1], len(factors))), np.zeros(len(factors))
    for j, factor in enumerate(factors):
        seed = int(rng.integers(2**31))
        kind = RandomForestClassifier if factor.discrete else RandomForestRegressor
        reader = kind(n_estimators=10, max_depth=8, min_samples_leaf=5, max_features=None, random_state=seed)
        values = factor.values.astype(np.int64) if factor.discrete else factor.values
        reader.fit(codes[train], values[train])
        truth, read = values[test], reader.predict(codes[test])
        if factor.discrete:
            chance = float(np.bincount(truth).max()) / len(truth)
            scores[j] = (float(np.mean(read == truth)) - chance) / max(1 - chance, 1e-9)
        else:
            scores[j] = r2_score(truth.astype(np.float64), read)
        table[:, j] = reader.feature_importances_
    scores = np.clip(np.nan_to_num(scores), 0, 1)
    return table * np.where(scores > INFORMATIVE, scores, 0), scores
