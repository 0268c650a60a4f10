"""Few labelled rows: ridge regression of numbers on n of them, the same draws for every representation and number.

Numbers that are known for the same rows are fitted together: one eigendecomposition of a draw serves them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..base.arrays import AnyArray, Doubles, Floats, Ints, Seed, Singles, as_rng, subsample
from ..base.baselines import MEAN, is_baseline
from ..base.linear_models import Rows, fit_ridge, fit_scalers, into_span
from ..base.pca import fit_pca
from ..base.statistics import Interval, Z
from ..errors import AnalysisError
from ..probes.few_labels import TRIED, VALIDATION, Metric, Setting, checked_rows, over_draws
from ..probes.linear_probe import SHUFFLED, SHUFFLES, WIDEST
from .curves import LARGEST, CurveBuilder, CurvePoint, Efficiency, fewer

MIN_DRAW_ROWS = 10  # of a draw


STRENGTHS = tuple(10.0**power for power in range(-6, 2))  # alpha a row, over the columns' summed variance


SEARCH = 2_500  # train rows on which the strength is chosen, of all draws that are tried together


REFERENCE = 100  # rows at which baselines are asked how many they need for as much


def amounts(n: int) -> tuple[int, ...]:
    """10, 20, 50, … labelled rows, up to half of `n` and 5,000."""
    most = min(n // 2, LARGEST)
    result = [step * 10**power for power in range(1, len(str(max(most, 1)))) for step in (1, 2, 5)]
    return tuple(size for size in result if MIN_DRAW_ROWS <= size <= most)


def protocol(n_test: int) -> str:
    """Say how the figures were made."""
    return (
        "Draws of train rows at random, the same for every representation, each within the next larger one; ridge "
        "regression; columns standardised by all train rows, or all divided by one number so that wide ones stay wide; "
        f"more than {WIDEST} columns reduced by a PCA fitted on train; that choice and the strength, of "
        f"{len(STRENGTHS)} values, are the best on at most {VALIDATION} validation rows, averaged over the first "
        f"{TRIED} draws, of large draws fewer; R² on {n_test} test rows, which all draws share: 1 is every value, 0 is "
        "what their own mean gives; 95 % intervals cover both the draw of labels and that of test rows; their two "
        "variances are summed (t over draws, linearised over rows, which stand alone where all labels are used); "
        "differences are paired by draw and by row."
    )


def explained(truth: Floats) -> Metric:
    """R² over draws and test rows, of (draws, n) figures 1 − (y − ŷ)² / mean (y − mean y)², whose mean is R².

    The variance over rows is that of R² as a ratio of two means: with v a row's share in the spread of the truth, it is
    that of figure + (1 − R²) v, and of a difference Δ of two that of the difference − Δ v (delta method).

    Args:
        truth: (n,) of the test rows.
    """
    away = (truth - np.mean(truth)) ** 2
    share = away / np.mean(away)
    n = len(truth)

    def over_both(values: Singles, slope: float) -> Interval:
        value = float(values.mean(dtype=np.float64))
        rows = values.mean(0, dtype=np.float64) + slope * share
        half = math.hypot(over_draws(values.mean(1, dtype=np.float64)), Z * float(rows.std(ddof=1)) / math.sqrt(n))
        return Interval(value, value - half, value + half, len(values))

    def score(values: Singles) -> Interval:
        result = over_both(values, 1 - float(values.mean(dtype=np.float64)))
        return Interval(result.value, result.low, min(1.0, result.high), result.n)

    def difference(ours: Singles, theirs: Singles) -> Interval:
        gaps = ours - theirs
        return over_both(gaps, -float(gaps.mean(dtype=np.float64)))

    return Metric(name="R2", score=score, paired=difference, protocol=protocol)


def few_number_figures(
    train: Rows, validation: Rows, test: Rows, *, draws: Ints, labels: Doubles, tried: int = TRIED
) -> list[tuple[Singles, Setting]]:
    """Predict t numbers by ridge regression trained on each draw of train rows, each at its own scale and strength.

    Args:
        train, validation, test: rows, y (n, t).
        draws: (draws, m) positions in train.
        labels: (draws, m, t) values that they are trained on, the rows' own or shuffled ones.
        tried: draws on which the setting is chosen.

    Returns:
        For each number (draws, n_test) figures as `explained` takes them, and its setting.
    """
    scalers = fit_scalers(train.x)
    width = float(train.x.shape[1])
    error = np.zeros((len(scalers), len(STRENGTHS), labels.shape[2]))
    for common, scaler in enumerate(scalers):
        held = scaler(validation.x)
        for rows, y in zip(draws[:tried], labels[:tried], strict=True):
            predicted = _ridge_predictions(
                scaler(train.x[rows]), y, held, tuple(width * strength for strength in STRENGTHS)
            )
            error[common] += np.mean((predicted - validation.y) ** 2, axis=1)
    flat = error.reshape(-1, labels.shape[2]).argmin(0)
    settings = [Setting(bool(i // len(STRENGTHS)), STRENGTHS[i % len(STRENGTHS)]) for i in flat.tolist()]
    figures = np.empty((labels.shape[2], len(draws), len(test.y)), np.float32)
    spread = np.var(test.y, axis=0)
    for common, scaler in enumerate(scalers):
        places = [i for i, strength in enumerate(settings) if strength.common == bool(common)]
        test_rows = scaler(test.x) if places else test.x
        strengths = tuple(sorted({settings[i].c for i in places}))
        place = [strengths.index(settings[i].c) for i in places]
        for k in range(len(draws) if places else 0):
            y = labels[k][:, places]
            predicted = _ridge_predictions(
                scaler(train.x[draws[k]]), y, test_rows, tuple(width * strength for strength in strengths)
            )
            chosen = predicted[place, :, np.arange(len(places))]  # (numbers, n_test)
            figures[places, k] = 1 - (test.y[:, places].T - chosen) ** 2 / spread[places, None]
    return list(zip(figures, settings, strict=True))


def _ridge_predictions(x: Singles, y: Doubles, test_rows: Singles, penalties: tuple[float, ...]) -> Doubles:
    """Values that ridge regression of y (m, t) on x gives for `test_rows` (n, d): (penalties, n, t)."""
    inner, rows = into_span(x, test_rows)
    return np.stack([ridge(rows).astype(np.float64) for ridge in fit_ridge(inner, y, penalties=penalties)])


class NumberCurves:
    """The same nested draws of labelled rows for several numbers and one representation after the other.

    Args:
        values: (n, t) of the train rows, all known.
        truth: (n_test, t) of the test rows.
        sizes: labelled rows.
        draws: of each size; of large ones fewer, at least 5.
        all_labels: also all rows, once.

    Raises:
        AnalysisError: a size is more than there are.
    """

    def __init__(
        self,
        values: Doubles,
        truth: Doubles,
        sizes: Sequence[int],
        *,
        draws: int,
        rng: np.random.Generator,
        all_labels: bool = False,
    ) -> None:
        n, largest = len(values), max(sizes, default=0)
        if largest > n:
            raise AnalysisError(f"{largest} labelled rows cannot be drawn: there are {n}")
        picked = np.stack([rng.choice(n, largest, replace=False) for _ in range(draws)])
        result = [CurvePoint(per_class=size, picked=picked[: fewer(draws, size), :size]) for size in sorted(set(sizes))]
        if all_labels:
            result.append(CurvePoint(per_class=n, picked=np.arange(n)[None], everything=True))
        self.picked = [size.picked for size in result]
        self.mean, self.scale = values.mean(0), values.std(0)
        self.values, self.truth = self.standard(values), self.standard(truth)
        self.curves = [
            CurveBuilder(
                [
                    CurvePoint(per_class=size.per_class, picked=size.picked, everything=size.everything)
                    for size in result
                ],
                explained(column),
            )
            for column in self.truth.T
        ]

    def standard(self, values: Doubles) -> Doubles:
        """Values in standard deviations of the train rows: R² is the same, and float32 is as exact for all units."""
        standard: Doubles = (values - self.mean) / self.scale
        return standard

    def add_probes(
        self, name: str, baseline: bool, train: Singles, validation: Singles, test: Singles, held: Doubles
    ) -> None:
        """Probe one representation for every number at every size.

        Args:
            held: (n_validation, t) of validation rows.
        """
        rows = self._rows(train, validation, test, held)
        self._add(name, baseline, [self._fit(rows, picked, self.values[picked]) for picked in self.picked])

    def add_mean(self) -> None:
        """Predict the mean of what a draw holds."""
        unset = [math.nan] * self.truth.shape[1]
        self.add(MEAN, [(self.values[picked].mean(1)[:, None], unset) for picked in self.picked])

    def add(self, name: str, predictions: Sequence[tuple[AnyArray, Sequence[float]]]) -> None:
        """Keep a baseline's predictions at each size: (draws, n_test, t) in standard deviations, and t settings."""
        spread = np.var(self.truth, axis=0)
        scored = []
        for predicted, settings in predictions:
            figures = np.moveaxis((1 - (self.truth - predicted) ** 2 / spread).astype(np.float32), 2, 0)
            scored.append(
                [(figures_of_size, Setting(False, c)) for figures_of_size, c in zip(figures, settings, strict=True)]
            )
        self._add(name, True, scored)

    def add_shuffled(
        self, train: Singles, validation: Singles, test: Singles, held: Doubles, rng: np.random.Generator
    ) -> None:
        """Train on shuffled values, ten times a size or more, the strength chosen anew, as chance level."""
        rows = self._rows(train, validation, test, held)
        for at, picked in enumerate(self.picked):
            places = np.resize(np.arange(len(picked)), max(SHUFFLES, len(picked)))
            draws = picked[places][:, subsample(np.arange(picked.shape[1]), SHUFFLED, rng=rng)]
            lost = rng.permuted(np.arange(draws.shape[1])[None].repeat(len(draws), 0), axis=1)
            labels = self.values[np.take_along_axis(draws, lost, axis=1)]
            for curve, (figures, _) in zip(self.curves, self._fit(rows, draws, labels), strict=True):
                curve.sizes[at].shuffled = curve.metric.score(figures)

    def _rows(self, train: Singles, validation: Singles, test: Singles, held: Doubles) -> tuple[Rows, Rows, Rows]:
        """The three splits, values standardised, and not too wide."""
        parts: list[AnyArray] = [train, validation, test]
        if train.shape[1] > WIDEST:
            pca = fit_pca(train, WIDEST, rng=np.random.default_rng(0))
            parts = [pca.first(pca.sound).project(x) for x in parts]
        values = (self.values, self.standard(held), self.truth)
        first, second, third = (Rows(x, y) for x, y in zip(parts, values, strict=True))
        return first, second, third

    def _fit(self, rows: tuple[Rows, Rows, Rows], picked: Ints, labels: Doubles) -> list[tuple[Singles, Setting]]:
        tried = max(1, min(TRIED, SEARCH // picked.shape[1]))
        return few_number_figures(*rows, draws=picked, labels=labels, tried=tried)

    def _add(self, name: str, baseline: bool, scored: Sequence[Sequence[tuple[AnyArray, Setting]]]) -> None:
        for i, curve in enumerate(self.curves):
            curve.add(name, baseline, [at[i] for at in scored])


def number_efficiency(
    train: Mapping[str, Rows],
    validation: Mapping[str, Rows],
    test: Mapping[str, Rows],
    *,
    rng: Seed = 0,
    rows: Sequence[int] | None = None,
    draws: int = 20,
    all_labels: bool = True,
    target: str = "number",
) -> Efficiency:
    """Predict a number with few labelled rows and with many, beside shuffled ones and the mean, as `label_efficiency`.

    Args:
        train: name -> rows, y (n,) without unknown values, the same rows in the same order for every name. Names that
            are "pixels" or begin with "untrained." or "PCA" are baselines.
        validation: the same of rows that choose the regularisation.
        test: the same of rows that are scored.
        rng: of the draws.
        rows: sizes of draws; by default those of `amounts`.
        draws: of labelled rows, for each size.
        all_labels: also all labelled rows, once.
        target: name of what is predicted.

    Returns:
        The curves, and how many rows each baseline needs.

    Raises:
        AnalysisError: too few rows for a draw, or numbers that do not vary.
    """
    rng = as_rng(rng)
    train, validation, test, _ = checked_rows(train, validation, test, numeric=True)
    names = tuple(train)
    (_, y), (_, truth) = train[names[0]], test[names[0]]
    wanted = amounts(len(y)) if rows is None else tuple(rows)
    for part, numbers in (("train", y), ("test", truth)):
        if np.ptp(numbers) == 0:
            raise AnalysisError(f"{part} y has one value alone, which leaves nothing to predict")
    if not wanted:
        raise AnalysisError(f"a curve of labelled rows needs {2 * MIN_DRAW_ROWS} train rows, and there are {len(y)}")
    curves = NumberCurves(y[:, None], truth[:, None], wanted, draws=draws, rng=rng, all_labels=all_labels)
    validation_rows = subsample(np.arange(len(validation[names[0]].y)), VALIDATION, rng=rng)
    held = validation[names[0]].y[validation_rows, None]
    for name in names:
        curves.add_probes(
            name, is_baseline(name), train[name].x, validation[name].x[validation_rows], test[name].x, held
        )
    learned = next((name for name in names if not is_baseline(name)), names[0])
    curves.add_shuffled(train[learned].x, validation[learned].x[validation_rows], test[learned].x, held, rng)
    curves.add_mean()
    (result,) = curves.curves
    return Efficiency(
        target=target, curve=result.results(), needed=result.needed(REFERENCE), n_labels_used=0, notes=(), metric="R2"
    )
