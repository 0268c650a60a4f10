"""Whether single numbers of a code are single factors of the images: five scores, beside shuffled factors.

All compare a code (n, d) with known factors (n, f) of the same rows. 1 is one number a factor and one factor a
number; independent codes and factors score near 0, and what the sample alone yields stands beside each figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Singles, as_codes, same_length, subsample
from .dci import Factor, dci, importances
from .statistics import Interval, jackknife_interval, permutation_p, proportion
from .threads import one_blas_thread

ROWS = 5000
BINS = 20
SHUFFLES = 19
VOTES = 800  # of the FactorVAE score
BATCH = 64
DCI_ROWS = 1500
DCI_SHUFFLES = 9


@dataclass(frozen=True)
class Score:
    """One score of disentanglement."""

    name: str
    value: Interval
    shuffled: float  # the mean with the factors' rows shuffled
    p_value: float
    shuffles: int


@dataclass(frozen=True)
class Disentanglement:
    """How single numbers of a code and single factors belong together."""

    scores: tuple[Score, ...]
    factors: tuple[str, ...]
    information: Doubles  # (d, f) mutual information, nats, of binned numbers
    entropies: Doubles  # (f,)
    importance: Doubles  # (d, f) of DCI's readers, columns summing to 1
    rows: int
    notes: tuple[str, ...]


def binned(values: Doubles, bins: int = BINS) -> Ints:
    """Cut (n,) numbers into `bins` bins of about equal counts; equal values share one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def mutual_information(codes: Ints, factors: Ints) -> Doubles:
    """I of every column of (n, d) with every column of (n, f) indices, in nats: (d, f), all by one product."""
    n, d = codes.shape
    mine, wide = _one_hot(codes)
    others, high = _one_hot(factors)
    joint = (mine.T @ others).astype(np.float64) / n
    joint = joint.reshape(d, wide, factors.shape[1], high)
    expected = joint.sum(3, keepdims=True) * joint.sum(1, keepdims=True)
    ratio = np.where(joint > 0, joint, 1) / np.where(joint > 0, expected, 1)
    found: Doubles = (joint * np.log(ratio)).sum((1, 3))
    return np.maximum(found, 0)


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
    """Mutual information gap: mean over factors of (I₁ − I₂) / H (Chen et al. 2018, arXiv:1802.04942)."""
    top = np.sort(information, axis=0)[::-1]
    second = top[1] if len(top) > 1 else 0.0
    return float(np.mean((top[0] - second) / entropies))


def modularity(information: Doubles) -> float:
    """Mean over numbers of 1 − Σ_{k≠k*} I_k² / (I_k*² (f − 1)) (Ridgeway & Mozer 2018, arXiv:1802.05312).

    Numbers without any information count by their share of it, as 0: noise is not modular.
    """
    f = information.shape[1]
    if f < 2:
        return float("nan")
    squares = np.square(information)
    best = squares.max(1)
    rest = (squares.sum(1) - best) / np.where(best > 0, best * (f - 1), 1)
    weights = information.max(1)
    return float(np.average(1 - rest, weights=weights)) if weights.sum() > 0 else 0.0


def separated(predictability: Doubles) -> float:
    """SAP: mean over factors of the best number's score less the second's, of (d, f) (Kumar et al. 2018)."""
    top = np.sort(predictability, axis=0)[::-1]
    return float(np.mean(top[0] - (top[1] if len(top) > 1 else 0.0)))


def predictability(codes: Doubles, factors: Sequence[Factor]) -> Doubles:
    """How well each number alone tells each factor: R² of a line, or for classes η², (d, f).

    η² is the share of a number's variance that lies between the classes, the R² of the line's counterpart; SAP's
    authors take a classifier's accuracy there, which depends on how many classes there are.
    """
    spread = codes - codes.mean(0)
    total = np.maximum(np.square(spread).sum(0), 1e-300)
    found = np.empty((codes.shape[1], len(factors)))
    for j, factor in enumerate(factors):
        if factor.discrete:
            member = _one_hot(factor.values.astype(np.int64)[:, None])[0].astype(np.float64)
            size = np.maximum(member.sum(0), 1)[:, None]
            found[:, j] = (np.square(member.T @ spread / size) * size).sum(0) / total
        else:
            gap = factor.values - factor.values.mean()
            found[:, j] = np.square(gap @ spread) / (total * max(float(gap @ gap), 1e-300))
    return found


def factor_votes(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> tuple[Ints, Ints]:
    """Draw a factor, then rows that share its value: the number that varies least there, and the factor: (votes,) each.

    Variances are over those of all rows; numbers that hardly vary at all have no vote (Kim & Mnih 2018,
    arXiv:1802.05983). Args: factors: (n, f) indices.
    """
    spread = codes.var(0)
    alive = spread > 1e-4 * spread.max()
    scaled = (codes - codes.mean(0)) / np.sqrt(np.where(alive, spread, 1))
    members = [[np.flatnonzero(column == value) for value in np.unique(column)] for column in factors.T]
    chosen = rng.integers(factors.shape[1], size=votes)
    picked = np.zeros(votes, np.int64)
    for i, j in enumerate(chosen):
        sizes = np.array([len(rows) for rows in members[j]], np.float64)
        rows = members[j][int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        some = scaled[rng.choice(rows, BATCH, replace=len(rows) < BATCH)]
        picked[i] = int(np.where(alive, some.var(0), np.inf).argmin())
    return picked, chosen


def factor_vae(codes: Floats, factors: Ints, *, rng: np.random.Generator, votes: int = VOTES) -> Interval:
    """FactorVAE score: accuracy of the majority vote, chosen on half of the votes and judged on the others.

    A rotation need not lower it: one number that varies least for each factor is enough.
    """
    picked, chosen = factor_votes(codes, factors, rng=rng, votes=votes)
    half = votes // 2
    counts = np.zeros((codes.shape[1], factors.shape[1]), np.int64)
    np.add.at(counts, (picked[:half], chosen[:half]), 1)
    return proportion(counts.argmax(1)[picked[half:]] == chosen[half:])


def disentangle(
    codes: Floats, factors: Sequence[Factor], *, rng: np.random.Generator, rows: int = ROWS, notes: Sequence[str] = ()
) -> Disentanglement:
    """Score (n, d) codes against known factors of the same n rows.

    Intervals are jackknives over groups of rows (the FactorVAE score's is over votes). The yardstick shuffles the
    rows of all factors together, so that relations among factors stay.

    Raises: AnalysisError without two factors that vary, without two numbers, or for fewer than 100 rows.
    """
    codes = as_codes(codes)
    varying = [factor for factor in factors if len(np.unique(factor.values)) > 1]
    if len(varying) < 2:
        raise AnalysisError(f"disentanglement needs two known factors that vary, and there are {len(varying)}")
    if same_length(codes=codes, **{f.name: f.values for f in varying}) < 100 or codes.shape[1] < 2:
        raise AnalysisError(f"disentanglement needs 100 rows of two numbers, not {codes.shape[0]} × {codes.shape[1]}")
    kept = rng.permutation(subsample(np.arange(len(codes)), rows, rng=rng))
    codes = codes[kept]
    varying = [Factor(f.name, f.values[kept], f.discrete) for f in varying]
    table, every = _Table(codes, varying), np.arange(len(codes))
    with one_blas_thread():
        whole, left = table.score(every, every), [table.score(r, r) for r in _without(len(codes), 10)]
        figures = {
            name: jackknife_interval(value, np.array([one[name] for one in left]), len(codes))
            for name, value in whole.items()
        }
        null = [table.score(every, rng.permutation(len(codes))) for _ in range(SHUFFLES)]
        scores = [_score(name, figure, [one[name] for one in null]) for name, figure in figures.items()]
        vae = factor_vae(codes, table.indices, rng=rng)
        mixed = [factor_vae(codes, rng.permutation(table.indices), rng=rng).value for _ in range(SHUFFLES)]
        scores.append(_score("FactorVAE score", vae, mixed))
        importance, read = _dci(codes, varying, scores, rng)
    said = [f"{f.name}: held-out reader {'accuracy above chance' if f.discrete else 'R²'} {r:.2f}"
            for f, r in zip(varying, read, strict=True)]  # fmt: skip
    return Disentanglement(
        tuple(scores), tuple(f.name for f in varying), table.information, table.entropies, importance, len(codes),
        (*notes, *said),
    )  # fmt: skip


def _without(n: int, groups: int) -> list[Ints]:
    """Rows of n without each of `groups` groups."""
    rows = np.arange(n)
    return [rows[rows % groups != g] for g in range(groups)]


@dataclass(frozen=True)
class _Table:
    """Codes and factors, binned once."""

    codes: Floats
    factors: Sequence[Factor]

    @cached_property
    def bins(self) -> Ints:
        return np.stack([binned(column) for column in self.codes.T.astype(np.float64)], axis=1)

    @cached_property
    def indices(self) -> Ints:
        columns = [np.unique(f.values, return_inverse=True)[1] if f.discrete else binned(f.values)
                   for f in self.factors]  # fmt: skip
        return np.stack(columns, axis=1).astype(np.int64)

    @cached_property
    def information(self) -> Doubles:
        return mutual_information(self.bins, self.indices)

    @cached_property
    def entropies(self) -> Doubles:
        return np.array([entropy(column) for column in self.indices.T])

    def score(self, mine: Ints, theirs: Ints) -> dict[str, float]:
        """MIG, modularity and SAP of rows `mine` of the codes with rows `theirs` of the factors."""
        information = mutual_information(self.bins[mine], self.indices[theirs])
        entropies = np.array([entropy(column) for column in self.indices[theirs].T])
        factors = [Factor(f.name, f.values[theirs], f.discrete) for f in self.factors]
        alone = predictability(self.codes[mine].astype(np.float64), factors)
        return {"MIG": mig(information, entropies), "modularity": modularity(information), "SAP": separated(alone)}


def _score(name: str, value: Interval, null: Sequence[float]) -> Score:
    return Score(name, value, float(np.mean(null)), permutation_p(value.value, np.array(null)), len(null))


def _dci(
    codes: Floats, factors: Sequence[Factor], scores: list[Score], rng: np.random.Generator
) -> tuple[Doubles, Doubles]:
    """Append DCI's scores to `scores`, on at most DCI_ROWS rows; return importances and the readers' scores."""
    codes = codes[:DCI_ROWS]
    factors = [Factor(f.name, f.values[:DCI_ROWS], f.discrete) for f in factors]
    seed = int(rng.integers(2**31))

    def figures(mine: Ints, theirs: Ints) -> tuple[float, float]:
        some = [Factor(f.name, f.values[theirs], f.discrete) for f in factors]
        return dci(importances(codes[mine], some, rng=np.random.default_rng(seed))[0])

    rows = np.arange(len(codes))
    whole = figures(rows, rows)
    left = np.array([figures(some, some) for some in _without(len(codes), 5)])
    null = np.array([figures(rows, rng.permutation(len(rows))) for _ in range(DCI_SHUFFLES)])
    for i, name in enumerate(("DCI disentanglement", "DCI completeness")):
        scores.append(_score(name, jackknife_interval(whole[i], left[:, i], len(rows)), null[:, i].tolist()))
    return importances(codes, factors, rng=np.random.default_rng(seed))
