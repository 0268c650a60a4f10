"""Scores of how single numbers of a code and single known factors belong together: formulas, no intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Floats, Ints, Singles
from ..base.labels import as_classes, as_targets
from ..base.statistics import Interval, proportion, r2_score
from ..errors import AnalysisError

BINS = 20


CHANCE_LEVEL = 0.01  # of a table of independent columns to show any information at all


VOTES = 800  # of the FactorVAE score


BATCH = 64


BLOCK = 100  # votes that are counted at once


def binned(values: Doubles, bins: int = BINS) -> Ints:
    """Cut (n,) numbers into `bins` bins of about equal counts; equal values share one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def mutual_information(codes: Ints, factors: Ints) -> Doubles:
    """I of every column of (n, d) with every column of (n, f) indices, in nats: (d, f)."""
    return associations(codes, factors)[0]


def associations(codes: Ints, factors: Ints) -> tuple[Doubles, Bools]:
    """I of every column of (n, d) with every column of (n, f) indices, and where it is beyond chance, (d, f) each.

    All by one product. Few rows give some information to every pair; beyond chance is Pearson's χ² test of
    independence, Bonferroni over the pairs (the mean of χ² over orders of the rows is n / (n − 1) times its degrees of
    freedom, however few rows a cell has, which that of information is not).
    """
    from scipy.stats import chi2

    n, d = codes.shape
    code_bins, wide = _one_hot(codes)
    factor_bins, high = _one_hot(factors)
    joint = (code_bins.T @ factor_bins).astype(np.float64) / n
    joint = joint.reshape(d, wide, factors.shape[1], high)
    rows, columns = joint.sum(3, keepdims=True), joint.sum(1, keepdims=True)
    expected = rows * columns
    ratio = np.where(joint > 0, joint, 1) / np.where(joint > 0, expected, 1)
    result: Doubles = np.maximum((joint * np.log(ratio)).sum((1, 3)), 0)
    squares = (np.square(joint - expected) / np.where(expected > 0, expected, 1)).sum((1, 3)) * (n - 1)
    freedom = ((rows > 0).sum((1, 3)) - 1) * ((columns > 0).sum((1, 3)) - 1)
    return result, squares > chi2.isf(CHANCE_LEVEL / result.size, np.maximum(freedom, 1))


def _one_hot(columns: Ints) -> tuple[Singles, int]:
    """(n, d) indices as (n, d · m) zeros and ones, and m, their largest number of values."""
    n, d = columns.shape
    most = int(columns.max()) + 1
    out = np.zeros((n, d * most), np.float32)
    out[np.arange(n)[:, None], columns + most * np.arange(d)] = 1
    return out, most


def entropy(column: Ints) -> float:
    """H of (n,) indices, in nats."""
    p = np.bincount(column) / len(column)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def mig(information: Doubles, entropies: Doubles) -> float:
    """Mutual information gap: mean over factors of (I₁ − I₂) / H (Chen et al. 2018, arXiv:1802.04942).

    A factor of one value, which none can tell, has no gap.
    """
    top = np.sort(information, axis=0)[::-1]
    second = top[1] if len(top) > 1 else 0.0
    return float(np.mean((top[0] - second) / np.where(entropies > 0, entropies, np.inf)))


def modularity(information: Doubles) -> float:
    """Mean over numbers of 1 − Σ_{k≠k*} I_k² / (I_k*² (f − 1)) (Ridgeway & Mozer 2018, arXiv:1802.05312).

    All numbers that carry information count alike, and those that carry none do not: noise is neither modular nor
    mixed. Give 0 for what chance explains (see `associations`). Without any information the mean is 0.
    """
    f = information.shape[1]
    if f < 2:
        return float("nan")
    squares = np.square(information[(information > 0).any(1)])
    if not len(squares):
        return 0.0
    best = squares.max(1)
    return float(np.mean(1 - (squares.sum(1) - best) / (best * (f - 1))))


def separated(predictability: Doubles) -> float:
    """SAP: mean over factors of the best number's score less the second's, of (d, f) (Kumar et al. 2018).

    Where accuracy is the score, the second's is at least near chance, and so is what SAP lacks of 1.
    """
    top = np.sort(predictability, axis=0)[::-1]
    return float(np.mean(top[0] - (top[1] if len(top) > 1 else 0.0)))


def predictability(codes: Doubles, factors: Sequence[Factor]) -> Doubles:
    """How well each number alone tells each factor: R² of a line, or for classes balanced accuracy, (d, f)."""
    spread = codes - codes.mean(0)
    spread[:, np.ptp(codes, axis=0) == 0] = 0  # which rounding of the mean may not leave
    total = np.maximum(np.square(spread).sum(0), 1e-300)
    result = np.empty((codes.shape[1], len(factors)))
    for j, factor in enumerate(factors):
        if factor.discrete:
            result[:, j] = balanced_accuracy(spread, np.unique(factor.values, return_inverse=True)[1])
        else:
            gap = factor.values - factor.values.mean()
            result[:, j] = np.square(gap @ spread) / (total * max(float(gap @ gap), 1e-300))
    return result


def balanced_accuracy(codes: Doubles, classes: Ints) -> Doubles:
    """How well the nearest class mean in each number of (n, d) tells (n,) classes 0 to k − 1: mean over classes, (d,).

    That is LDA of one number with equal priors. Each row is classified by means without it: that of its own class, of m
    rows, is then m / (m − 1) as far away. A class of one row is never predicted; of equal means the first is taken.
    """
    member = _one_hot(classes[:, None])[0].astype(np.float64)
    size = member.sum(0)[:, None]
    means = member.T @ codes / size
    order = means.argsort(0, kind="stable")
    ordered, end = np.take_along_axis(means, order, 0), np.full((1, codes.shape[1]), np.inf)
    below, above = np.empty_like(means), np.empty_like(means)
    np.put_along_axis(below, order, np.vstack([-end, ordered[:-1]]), 0)
    np.put_along_axis(above, order, np.vstack([ordered[1:], end]), 0)
    gaps = [np.abs(codes - each[classes]) for each in (means, below, above)]
    own_gap, lower, upper = (
        np.where(gap > 1e-9 * codes.std(0), gap, 0) for gap in gaps
    )  # equal but for rounding: equal
    own_gap *= (size / np.maximum(size - 1, 1))[classes]
    right = (own_gap < lower) & (own_gap <= upper)
    result: Doubles = (member.T @ right / size * (size > 1)).mean(0)
    return result


def factor_votes(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> tuple[Ints, Ints]:
    """Draw a factor, then rows that share its value: the number that varies least there, and the factor: (votes,) each.

    Variances are over those of all rows; numbers that hardly vary at all have no vote (Kim & Mnih 2018,
    arXiv:1802.05983).

    Args:
        factors: (n, f) indices.
    """
    spread = codes.var(0)
    alive = spread > 1e-4 * spread.max()
    scaled = (codes - codes.mean(0)) / np.sqrt(np.where(alive, spread, 1))
    mixed = rng.permutation(len(codes))
    order = np.stack([mixed[np.argsort(column[mixed], kind="stable")] for column in factors.T], axis=1)
    chosen, row = rng.integers(factors.shape[1], size=votes), rng.integers(len(codes), size=votes)
    starts, sizes = np.zeros(votes, np.int64), np.zeros(votes, np.int64)
    for j, column in enumerate(factors.T):  # a random row's value is as likely as it is common
        counts = np.bincount(column)
        value = column[row[chosen == j]]
        starts[chosen == j], sizes[chosen == j] = (np.cumsum(counts) - counts)[value], counts[value]
    first = np.floor(rng.random(votes) * sizes).astype(np.int64)
    picked = np.zeros(votes, np.int64)
    for start in range(0, votes, BLOCK):  # each takes BATCH neighbours in a random order of the rows with its value
        part = slice(start, start + BLOCK)
        place = starts[part, None] + (first[part, None] + np.arange(BATCH)) % sizes[part, None]
        variances = scaled[order[place, chosen[part, None]]].var(1)
        picked[part] = np.where(alive, variances, np.inf).argmin(1)
    return picked, chosen


def factor_vae(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> Interval:
    """FactorVAE score: accuracy of the majority vote, chosen on half of the votes and scored on the others.

    A rotation need not lower it: one number that varies least for each factor is enough.
    """
    picked, chosen = factor_votes(codes, factors, rng=rng, votes=votes)
    half = votes // 2
    counts = np.zeros((codes.shape[1], factors.shape[1]), np.int64)
    np.add.at(counts, (picked[:half], chosen[:half]), 1)
    return proportion(counts.argmax(1)[picked[half:]] == chosen[half:])


TREES = 10


MIN_PREDICTION_SCORE = 0.05  # least held-out score at which a factor counts as predicted


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One known factor of the images."""

    name: str
    """Its name."""
    values: Doubles
    """(n,) class indices, or numbers."""
    discrete: bool
    """Whether its values are classes."""


def checked_factor(factor: Factor) -> Factor:
    """A factor with classes as positions, or finite numbers.

    Raises:
        AnalysisError: for missing or other values.
    """
    if not isinstance(factor, Factor):
        raise AnalysisError(
            f"factors are a list of Factor(name, values, discrete), and there is a {type(factor).__name__} among them"
        )
    if factor.discrete:
        (places,), _ = as_classes({factor.name: factor.values})
        return Factor(name=factor.name, values=places.astype(np.float64), discrete=True)
    return Factor(name=factor.name, values=as_targets(factor.values, factor.name), discrete=False)


def dci(importance: Doubles) -> tuple[float, float]:
    """Disentanglement and completeness of (d, f) importances (Eastwood & Williams 2018).

    D = Σ_i ρ_i (1 − H_f(P_i)), P_i a row as shares and ρ_i its share of all; C likewise over columns.
    """
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    result = []
    for table in (importance, importance.T):
        if table.shape[1] < 2:
            result.append(1.0)
            continue
        sums = table.sum(1)
        p = table / np.where(sums > 0, sums, 1)[:, None]
        h = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / np.log(table.shape[1])
        result.append(float(np.sum(sums / total * (1 - h))))
    return result[0], result[1]


def importances(codes: Floats, factors: Sequence[Factor], *, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Predict each factor: importances (d, f) of the numbers, and held-out scores (f,), R² or accuracy above chance.

    The predictors are forests of bagged trees, one of the two kinds of DCI's authors: they need no linear relation. An
    importance is the share of impurity that splits on a number remove, times the forest's score. Forests below
    MIN_PREDICTION_SCORE, or within three standard errors of chance, count for nothing: splits on noise would look like
    a choice.
    """
    order = rng.permutation(len(codes))
    train, test = order[: len(codes) * 4 // 5], order[len(codes) * 4 // 5 :]
    table, scores = np.zeros((codes.shape[1], len(factors))), np.zeros(len(factors))
    least = np.full(len(factors), MIN_PREDICTION_SCORE)
    for j, factor in enumerate(factors):
        values = factor.values.astype(np.int64) if factor.discrete else factor.values
        shares, predicted = _bagged(codes[train], values[train], codes[test], discrete=factor.discrete, rng=rng)
        truth = values[test]
        if factor.discrete:
            chance = float(np.bincount(truth).max()) / len(truth)
            scores[j] = (float(np.mean(predicted == truth)) - chance) / max(1 - chance, 1e-9)
            least[j] = max(MIN_PREDICTION_SCORE, 3 * np.sqrt(chance / (len(truth) * max(1 - chance, 1e-9))))
        else:
            scores[j] = r2_score(truth.astype(np.float64), predicted)
        table[:, j] = shares
    scores = np.clip(np.nan_to_num(scores), 0, 1)
    return table * np.where(scores > least, scores, 0), scores


def _bagged(
    x: Floats, y: AnyArray, test: Floats, *, discrete: bool, rng: np.random.Generator
) -> tuple[Doubles, AnyArray]:
    """TREES trees of resamples of (n, d) rows: shares of impurity removed (d,), and predictions of (m, d) test rows.

    scikit-learn's own forests change the process's warning filters while they run, which threads must not share.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if discrete else DecisionTreeRegressor
    shares, votes = np.zeros(x.shape[1]), []
    x, test = (np.ascontiguousarray(rows, np.float32) for rows in (x, test))
    for _ in range(TREES):
        weights = np.bincount(rng.integers(len(x), size=len(x)), minlength=len(x)).astype(np.float64)
        tree = kind(max_depth=8, min_samples_leaf=5, random_state=int(rng.integers(2**31)))
        tree.fit(x, y, sample_weight=weights)
        shares += tree.feature_importances_
        votes.append(tree.predict_proba(test) if discrete else tree.predict(test))
    predicted = np.mean(votes, axis=0)
    return shares / max(float(shares.sum()), 1e-12), tree.classes_[predicted.argmax(1)] if discrete else predicted
