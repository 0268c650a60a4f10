"""Whether single numbers of a code are single factors of the images: five scores, beside shuffled factors.

All compare a code (n, d) with known factors (n, f) of the same rows. 1 is one number a factor and one factor a
number (SAP's best for a factor of k classes is 1 − 1 / k, as it compares accuracies); independent codes and factors
score near 0, and what the sample alone yields stands beside each figure. What the axes do, and not the code as a whole,
is what random rotations of the code lose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, as_codes, as_rng, rows_of, same_length, subsample
from ..base.parallel import LARGE, one_blas_thread, over_blocks
from ..base.statistics import Baseline, Interval, jackknife_interval, percentiles, permutation_p
from ..errors import AnalysisError
from .metrics import (
    Factor,
    associations,
    binned,
    checked_factor,
    dci,
    entropy,
    factor_vae,
    importances,
    mig,
    modularity,
    mutual_information,
    predictability,
    separated,
)

MAX_ROWS = 5000


SHUFFLES = 19


ROTATIONS = 39  # of each set of numbers, in each scale


DCI_ROWS = 1500


DCI_SHUFFLES = 19


DCI_ROTATIONS = 19


# Thresholds, as shares of the most information that a number has on a factor: numbers above one are rotated.
INFORMATION_SHARES = 0.0, 0.1, 0.3


MIN_UNCOMMON_ROWS = 10  # rows with another value than the commonest one that a factor must have


RANDOM_ROTATIONS = "random rotations"


FACTOR_VAE_SCORE = "FactorVAE score"


DCI_SCORES = ("DCI disentanglement", "DCI completeness", "DCI informativeness")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of disentanglement."""

    name: str
    """Of the metric."""
    value: Interval
    """The figure."""
    shuffled: float
    """The mean with the factors' rows shuffled."""
    p_value: float
    """Of a permutation test."""
    shuffles: int
    """Behind the p-value."""
    rotated_p: float = math.nan
    """Share of random rotations that score as high, for the rotations that score highest."""
    baselines: tuple[Baseline, ...] = ()
    """Random rotations, and other codes of the same rows."""


@dataclass(frozen=True, kw_only=True)
class Disentanglement:
    """How single numbers of a code and single factors belong together."""

    kind: ClassVar[str] = "disentanglement"

    scores: tuple[Score, ...]
    """One a metric."""
    factors: tuple[str, ...]
    information: Doubles
    """(d, f) mutual information, nats, of binned numbers."""
    entropies: Doubles
    """(f,)."""
    importance: Doubles
    """(d, f) of DCI's random forests, columns summing to 1."""
    rows: int
    """Rows that were scored."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    numbers: tuple[str, ...] = ()
    """(d,) names of the code's numbers."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def disentangle(
    codes: Floats,
    factors: Sequence[Factor],
    *,
    rng: Seed = 0,
    rows: int = MAX_ROWS,
    notes: Sequence[str] = (),
    baseline_codes: Mapping[str, Floats] | None = None,
    numbers: Sequence[str] = (),
) -> Disentanglement:
    """Score (n, d) codes against known factors of the same n rows.

    Intervals are jackknives over groups of rows, cut at 0 and 1 (the FactorVAE score's is over votes, that of rotations
    holds 95 % of them). A factor of which fewer than MIN_UNCOMMON_ROWS rows have another value than the
    commonest is left out, as the notes say.

    The baseline shuffles the rows of all factors together, so that relations among factors stay.
    Rotations keep all that the code says and lose what single numbers say. Numbers that tell of no factor stay as they
    are: mixed with those that do, they would thin out what each says, and any code with dead numbers would beat its
    rotations. See `_rotated` for which numbers are rotated, and `rotated_p` for the largest p over them.

    Args:
        codes: (n, d).
        factors: two or more, with (n,) values each.
        rng: a generator or a seed.
        rows: most rows that are scored; more are sampled.
        notes: sentences that the result carries first.
        baseline_codes: name of another representation -> its codes (n, e) of the same rows, scored alike.
        numbers: names of the d columns.

    Returns:
        The scores, each beside its baselines.

    Raises:
        AnalysisError: without two factors that vary, without two numbers, or for fewer than 100 rows.
    """
    rng = as_rng(rng)
    codes = as_codes(codes)
    factors = [checked_factor(factor) for factor in factors]
    varying = [factor for factor in factors if len(np.unique(factor.values)) > 1]
    if len(varying) < 2:
        raise AnalysisError(f"disentanglement needs two known factors that vary, and there are {len(varying)}")
    if same_length(codes=codes, **{f.name: f.values for f in varying}) < 100 or codes.shape[1] < 2:
        raise AnalysisError(f"disentanglement needs 100 rows of two numbers, not {codes.shape[0]} × {codes.shape[1]}")
    scored_rows = rng.permutation(subsample(np.arange(len(codes)), rows, rng=rng))
    varying, rare = _common([Factor(name=f.name, values=f.values[scored_rows], discrete=f.discrete) for f in varying])
    if len(varying) < 2:
        raise AnalysisError(f"disentanglement needs two known factors that vary, and has {len(varying)} ({rare[0]})")
    seed = int(rng.integers(2**31))
    table = _Table(codes[scored_rows], varying, seed)
    with one_blas_thread():
        figures, null = table.figures(rng), table.shuffled(rng)
        turned = _rotated(table, rng)
        other_scores = {
            name: _Table(as_codes(z, name)[scored_rows], varying, seed).figures(rng)
            for name, z in (baseline_codes or {}).items()
        }
        importance, predicted = table.importances(np.arange(len(table.dci_codes)), np.arange(len(table.dci_codes)))
    scores = []
    for name, value in figures.items():
        draws = _hardest(value.value, [np.array(each) for each in turned[name]])
        middle = Interval(float(draws.mean()), *percentiles(draws), len(draws))
        baselines = [Baseline(name=other, figure=result[name]) for other, result in other_scores.items()]
        scores.append(
            Score(
                name=name,
                value=value,
                shuffled=float(np.mean(null[name])),
                p_value=permutation_p(value.value, np.array(null[name])),
                shuffles=len(null[name]),
                rotated_p=permutation_p(value.value, draws),
                baselines=(Baseline(name=RANDOM_ROTATIONS, figure=middle), *baselines),
            )
        )
    sentences = [
        f"{f.name} {'accuracy above chance' if f.discrete else 'R²'} {r:.2f}"
        for f, r in zip(varying, predicted, strict=True)
    ]
    return Disentanglement(
        scores=tuple(scores),
        factors=tuple(f.name for f in varying),
        information=table.information,
        entropies=table.entropies,
        importance=importance,
        rows=len(scored_rows),
        notes=(*notes, *rare, f"held-out prediction from all numbers: {', '.join(sentences)}"),
        numbers=tuple(numbers) or tuple(str(i + 1) for i in range(codes.shape[1])),
    )


def _hardest(value: float, kinds: Sequence[Doubles]) -> Doubles:
    """The kind of rotations that the value beats least often; of equal ones that with the higher mean."""
    return max(kinds, key=lambda draws: (permutation_p(value, draws), float(draws.mean())))


def _common(factors: Sequence[Factor]) -> tuple[list[Factor], list[str]]:
    """Factors with at least MIN_UNCOMMON_ROWS rows off their commonest value, and a note on the factors left out."""
    other = [len(f.values) - int(np.bincount(_values(f)).max()) for f in factors]
    rare = [repr(f.name) for f, rows in zip(factors, other, strict=True) if rows < MIN_UNCOMMON_ROWS]
    text = f"not scored, as all but fewer than {MIN_UNCOMMON_ROWS} rows have one value: {', '.join(rare)}"
    return [f for f, rows in zip(factors, other, strict=True) if rows >= MIN_UNCOMMON_ROWS], [text] if rare else []


def _values(factor: Factor) -> Ints:
    """A factor as (n,) indices of its values, numbers binned."""
    if factor.discrete:
        return np.unique(factor.values, return_inverse=True)[1].astype(np.int64)
    return binned(factor.values)


def _rotated(table: _Table, rng: np.random.Generator, *, all_scores: bool = True) -> dict[str, list[list[float]]]:
    """Scores behind random rotations of several sets of numbers: for each score a list of draws for each set.

    The sets are nested: numbers that tell of any factor beyond chance, and those with more than each of
    INFORMATION_SHARES of the most information. Each is rotated at unit variance and in the code's own scales, since a
    code of which the axes mean nothing may have been scaled before it was turned or after. Beating one kind of
    rotations says that scales or noise differ between numbers; only a code that beats every kind has axes that are
    factors. The FactorVAE score and DCI's are of rotations of all numbers that tell anything, at unit variance; they
    are left out without `all_scores`.
    """
    centred = table.codes - table.codes.mean(0, dtype=np.float64)
    spread = table.codes.std(0, dtype=np.float64)
    every, rows = np.arange(len(centred)), np.arange(len(table.dci_codes))
    result: dict[str, list[list[float]]] = {}
    dci_tables: list[_Table] = []
    for numbers in _informative(table):
        for scaled in (centred / np.where(spread > 0, spread, 1), centred):
            draws: dict[str, list[float]] = {}
            first = all_scores and not result
            for j in range(ROTATIONS):
                turn = np.linalg.qr(rng.normal(size=(len(numbers), len(numbers))))[0]
                codes = scaled.copy()
                codes[:, numbers] = scaled[:, numbers] @ turn
                turned = _Table(codes.astype(np.float32), table.factors, table.seed)
                for name, value in turned.score(every, every).items():
                    draws.setdefault(name, []).append(value)
                if first:
                    draws.setdefault(FACTOR_VAE_SCORE, []).append(
                        factor_vae(turned.codes, table.indices, rng=rng).value
                    )
                    dci_tables += [turned] if j < DCI_ROTATIONS else []
            for name, values in draws.items():
                result.setdefault(name, []).append(values)
    dci_draws: dict[str, list[float]] = {}
    for scores in over_blocks(lambda table_part: table_part.dci_scores(rows, rows), dci_tables, cells=LARGE):
        for name, value in scores.items():
            dci_draws.setdefault(name, []).append(value)
    return result | {name: [values] for name, values in dci_draws.items()}


def rotation_p_values(codes: Floats, factors: Sequence[Factor], *, rng: np.random.Generator) -> dict[str, float]:
    """The `rotated_p` that `disentangle` gives MIG, modularity and SAP of (n, d) codes, and nothing else."""
    table = _Table(as_codes(codes), factors, 0)
    every = np.arange(len(codes))
    kinds = _rotated(table, rng, all_scores=False)
    return {
        name: max(permutation_p(value, np.array(draws)) for draws in kinds[name])
        for name, value in table.score(every, every).items()
    }


def _informative(table: _Table) -> list[Ints]:
    """Nested sets of two or more numbers by what they tell of the factors; all that vary where fewer tell anything."""
    information, beyond_chance = associations(table.bins, table.indices)
    most = np.where(beyond_chance, information / np.maximum(table.entropies, 1e-12), 0).max(1)
    sets = [np.flatnonzero(most > share * most.max()) for share in INFORMATION_SHARES]
    sets = [numbers for i, numbers in enumerate(sets) if len(numbers) >= 2 and len(numbers) not in map(len, sets[:i])]
    return sets or [np.flatnonzero(np.ptp(table.codes, axis=0) > 0)]


def _each(
    score: Callable[[Ints, Ints], dict[str, float]], pairs: Iterable[tuple[Ints, Ints]]
) -> Iterable[dict[str, float]]:
    """Scores of rows of the codes with rows of the factors, on threads: a forest is slow enough for one of its own."""
    return over_blocks(lambda pair: score(*pair), pairs, cells=LARGE)


def _without(n: int, groups: int) -> list[Ints]:
    """Rows of n without each of `groups` groups."""
    rows = np.arange(n)
    return [rows[rows % groups != g] for g in range(groups)]


@dataclass(frozen=True)
class _Table:
    """Codes and factors, binned once."""

    codes: Floats
    factors: Sequence[Factor]
    seed: int
    """Of DCI's random forests."""

    @cached_property
    def bins(self) -> Ints:
        return np.stack([binned(column) for column in self.codes.T.astype(np.float64)], axis=1)

    @cached_property
    def indices(self) -> Ints:
        return np.stack([_values(factor) for factor in self.factors], axis=1)

    @cached_property
    def information(self) -> Doubles:
        return mutual_information(self.bins, self.indices)

    @cached_property
    def entropies(self) -> Doubles:
        return np.array([entropy(column) for column in self.indices.T])

    @property
    def dci_codes(self) -> Floats:
        """Codes (m, d) that DCI's random forests are fitted on: the first DCI_ROWS."""
        return self.codes[:DCI_ROWS]

    def score(self, code_rows: Ints, factor_rows: Ints) -> dict[str, float]:
        """MIG, modularity and SAP of `code_rows` of the codes with `factor_rows` of the factors."""
        information, predicted = associations(self.bins[code_rows], self.indices[factor_rows])
        entropies = np.array([entropy(column) for column in self.indices[factor_rows].T])
        factors = [Factor(name=f.name, values=f.values[factor_rows], discrete=f.discrete) for f in self.factors]
        alone = predictability(self.codes[code_rows].astype(np.float64), factors)
        modular = modularity(np.where(predicted, information, 0))
        return {"MIG": mig(information, entropies), "modularity": modular, "SAP": separated(alone)}

    def importances(self, code_rows: Ints, factor_rows: Ints) -> tuple[Doubles, Doubles]:
        """Importances (d, f) in random forests that predict factors from codes, and their held-out scores (f,)."""
        factors = [Factor(name=f.name, values=f.values[factor_rows], discrete=f.discrete) for f in self.factors]
        return importances(self.codes[code_rows], factors, rng=np.random.default_rng(self.seed))

    def dci_scores(self, code_rows: Ints, factor_rows: Ints) -> dict[str, float]:
        """DCI's three scores of `code_rows` of the codes with `factor_rows` of the factors."""
        importance, informed = self.importances(code_rows, factor_rows)
        return dict(zip(DCI_SCORES, (*dci(importance), float(informed.mean())), strict=True))

    def figures(self, rng: np.random.Generator) -> dict[str, Interval]:
        """Every score with its interval."""
        n, few = len(self.codes), len(self.dci_codes)
        result: dict[str, Interval] = {}
        for score, count, groups in ((self.score, n, 10), (self.dci_scores, few, 5)):
            whole = score(np.arange(count), np.arange(count))
            left = list(_each(score, [(rows, rows) for rows in _without(count, groups)]))
            for name, value in whole.items():
                wide = jackknife_interval(value, np.array([scores[name] for scores in left]), count)
                low, high = np.clip([wide.low, wide.high], 0, 1)  # as every score is a share
                result[name] = Interval(value, float(low), float(high), count)
        return result | {FACTOR_VAE_SCORE: factor_vae(self.codes, self.indices, rng=rng)}

    def shuffled(self, rng: np.random.Generator) -> dict[str, list[float]]:
        """Every score with the factors' rows shuffled, several times."""
        result: dict[str, list[float]] = {FACTOR_VAE_SCORE: []}
        for score, count, times in (
            (self.score, len(self.codes), SHUFFLES),
            (self.dci_scores, len(self.dci_codes), DCI_SHUFFLES),
        ):
            rows = np.arange(count)
            for scores in _each(score, [(rows, rng.permutation(count)) for _ in range(times)]):
                for name, value in scores.items():
                    result.setdefault(name, []).append(value)
        for _ in range(SHUFFLES):
            result[FACTOR_VAE_SCORE].append(factor_vae(self.codes, rng.permutation(self.indices), rng=rng).value)
        return result
