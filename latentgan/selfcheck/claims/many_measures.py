"""Null rates and power where the best of several measures, models or figures is reported."""

from __future__ import annotations

import numpy as np

from analysis.base.arrays import Doubles
from analysis.base.statistics import permutation_p
from analysis.fidelity.distances import compare_samples
from analysis.fidelity.views import apart
from analysis.model_comparison.kernel_alignment import centred, cka_interval, cka_of_shuffles
from analysis.model_comparison.ranking import (
    CODE,
    CODE_FEW,
    ERROR,
    FEATURES,
    FEATURES_FEW,
    ComparedModel,
    Entry,
    ModelRanking,
    best_by_metric,
    ranked_models,
)
from analysis.model_comparison.ranking_views import finding
from analysis.model_comparison.similarity import Similarity
from analysis.model_comparison.views import verdict
from latentgan.selfcheck.claims.base import Claims, null_rate, power

ROWS = 300


DRAWS = 5


CLAIMED = ("is read best", "reconstructs best", "ahead by")


def _entry(name: str, rng: np.random.Generator, hard: Doubles, better: float) -> Entry:
    """Return a run with an accuracy of 0.8 + better by four measures, and with errors that are smaller by `better`."""
    hits = [rng.random((draws, ROWS)) < 0.8 + better for draws in (1, 1, DRAWS, DRAWS)]
    values = dict(zip((CODE, FEATURES, CODE_FEW, FEATURES_FEW), hits, strict=True))
    return Entry(
        compared=ComparedModel(name=name), values={**values, ERROR: hard * (1 - better) + rng.normal(size=ROWS)}
    )


def _compared(rng: np.random.Generator, runs: int, better: float) -> ModelRanking:
    """Return the ranking of runs of which the last is better."""
    hard = rng.gamma(9, 1, size=ROWS)
    entries = [_entry(str(i), rng, hard, better if i == runs - 1 else 0.0) for i in range(runs)]
    return ModelRanking(
        ranked_models=ranked_models(entries, rng=rng),
        best_by_metric=best_by_metric(entries, rng=rng),
        target="label",
        per_class=10,
        draws=DRAWS,
        train_rows=1000,
        test_rows=ROWS,
        held_rows=ROWS,
    )


def _says_ahead(ranking: ModelRanking) -> bool:
    """Return whether the report's sentence puts a run before the others."""
    sentence = finding(ranking).replace("no run is ahead", "")
    return any(words in sentence for words in CLAIMED)


def equal_runs(rng: np.random.Generator, trials: int) -> Claims:
    """Runs that are equal by five measures, what the report says of them, and the stars in the table of differences."""
    for runs in (2, 4):
        rankings = [_compared(rng, runs, 0.0) for _ in range(trials)]
        planted = f"{runs} equal runs, 5 measures, {ROWS} rows"
        ahead = sum(_says_ahead(ranking) for ranking in rankings)
        yield null_rate("a run is said to be ahead", planted, ahead, trials)
        starred = sum(
            any(figure.differs for row in ranking.ranked_models for figure in row.figures) for ranking in rankings
        )
        yield null_rate("a difference has a star", planted, starred, trials)


def one_better_run(rng: np.random.Generator, trials: int) -> Claims:
    """A run that is better by all five measures."""
    ahead = sum(_says_ahead(_compared(rng, 3, 0.12)) for _ in range(trials))
    yield power("a run is said to be ahead", f"the best of 3 by 12 points, {ROWS} rows", ahead, trials, bound=0.8)


def _cka(x: Doubles, y: Doubles, rng: np.random.Generator) -> Similarity:
    """Return the kernel alignment as `similarities` does, without the other figures, which cost more."""
    x, y = centred(x), centred(y)
    value, null = cka_interval(x, y), cka_of_shuffles(x, y, 39, rng=rng)
    return Similarity(
        name="linear CKA",
        value=value,
        shuffled=float(null.mean()),
        p_value=permutation_p(value.value, null),
        shuffles=len(null),
    )


def codes_of_noise(rng: np.random.Generator, trials: int) -> Claims:
    """Independent codes, compared with several others, of which the most similar is reported."""
    for models in (1, 6):
        alike = 0
        for _ in range(trials):
            x = rng.normal(size=(100, 8))
            pairs = [_cka(x, rng.normal(size=(100, 5)), rng) for _ in range(models)]
            best = max(pairs, key=lambda pair: pair.value.value)
            alike += "no more alike than shuffled rows" not in verdict(best, (), models)
        yield null_rate("codes arrange images alike", f"the best of {models} codes of noise, 100 rows", alike, trials)


def samples_and_real_rows(rng: np.random.Generator, trials: int) -> Claims:
    """Samples of the distribution of real rows, and narrower ones, by six figures that other real rows have too."""
    trials = min(trials, 100)
    for scale in (1.0, 0.5):
        different = 0
        for _ in range(trials):
            real, samples, train = rng.normal(size=(3, 150, 4))
            figures = [compare_samples(real, other, rng=rng) for other in (scale * samples, train)]
            different += bool(apart(*figures))
        name = "samples differ clearly from real rows"
        if scale == 1:
            yield null_rate(name, "one distribution, 6 figures, 150 rows", different, trials)
        else:
            yield power(name, f"{scale:g} as wide as real rows, 6 figures, 150 rows", different, trials, bound=0.9)
