"""Label efficiency: accuracy of a probe against the labels that it was trained on, from few to all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import (
    AnyArray,
    Doubles,
    Ints,
    Seed,
    as_point,
    as_rng,
    as_table,
    as_vector,
    rows_of,
    same_length,
    subsample,
)
from ..base.baselines import MEAN, NETWORK, is_baseline
from ..base.linear_models import Rows
from ..base.statistics import Interval
from ..errors import AnalysisError
from ..probes.few_labels import (
    ACCURACY,
    SEARCH,
    TRIED,
    VALIDATION,
    FewLabels,
    Metric,
    Setting,
    checked_rows,
    compare,
    draw_labels,
    few_label_accuracy,
    paired,
    read_draws,
    within,
)
from ..probes.linear_probe import SHUFFLED, SHUFFLES

ROWS = 10000  # train rows in all draws of one size together: large draws differ little, so that fewer will do


MIN_DRAWS = 5  # draws, however large


LARGEST = 5_000  # train rows of a draw that is not all of them


REFERENCE = 10  # labels a class at which baselines are asked how many they need for as much


@dataclass(frozen=True, kw_only=True)
class LabelsNeeded:
    """How many labels a class, or labelled rows, a baseline needs for a probe as good as a representation's with few.

    The figure is where the baseline's curve crosses, linear in the logarithm of labels, and its interval holds the
    sizes at which the paired difference is not clear of 0. NaN lies beyond all labels; the smallest size means "that
    or fewer".
    """

    representation: str
    """Name of the representation whose score the baseline is to reach."""
    baseline: str
    """Name of the baseline."""
    per_class: int
    """Labels a class of the representation, or labelled rows of a number."""
    needed: Interval
    """Labels a class, or labelled rows, of the baseline; n counts draws."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Accuracy against labels a class, or R2 against labelled rows, for every representation and its baselines."""

    kind: ClassVar[str] = "label_efficiency"

    target: str
    """The label ("label"), or the column in its place."""
    curve: tuple[FewLabels, ...]
    """Scores of all representations at each size, ascending by size."""
    needed: tuple[LabelsNeeded, ...]
    """Labels that baselines need for the scores of representations."""
    n_labels_used: int
    """Labels that the networks themselves were trained with, which no figure here counts."""
    notes: tuple[str, ...]
    """What was sampled or left out, and why."""
    metric: str = "accuracy"
    """Either "accuracy", or "R2" of a number."""
    attributes: tuple[Efficiency, ...] = ()
    """The same for each numeric attribute."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def sizes(labels: Ints) -> tuple[int, ...]:
    """1, 2, 5, 10, 20, … labels a class, up to half of the smallest class and 5,000 rows.

    Of a class's rows larger draws would be nearly the same; and from 5,000 rows to all a curve is all but straight.

    Args:
        labels: (n,) classes, -1 = unlabelled.
    """
    counts = np.unique(labels[labels >= 0], return_counts=True)[1]
    if len(counts) < 2:
        return ()
    most = max(1, min(int(counts.min()) // 2, LARGEST // len(counts)))
    result = [step * 10**power for power in range(len(str(most))) for step in (1, 2, 5)]
    return tuple(size for size in result if size <= most)


@dataclass(kw_only=True)
class CurvePoint:
    """The draws of one size, a point of each curve."""

    per_class: int
    """Labels a class, or labelled rows of a number."""
    picked: Ints
    """(draws, m) positions in train."""
    everything: bool = False
    """Whether it is all labelled rows."""
    shuffled: Interval | None = None
    """The same on shuffled labels."""


def fewer(draws: int, labels: int) -> int:
    """Of `draws` of so many labels, how many are used: large ones differ little."""
    return min(draws, max(MIN_DRAWS, ROWS // labels))


PointScores = tuple[AnyArray, Setting] | None
"""Scores of one representation at a size and the settings of its probe; None where it has none."""


class CurveBuilder:
    """Scores of one representation after the other at every size, on the same draws and rows."""

    def __init__(self, sizes: list[CurvePoint], metric: Metric) -> None:
        self.sizes, self.metric = sizes, metric
        self._scores: dict[str, tuple[bool, Sequence[PointScores]]] = {}

    def add(self, name: str, baseline: bool, candidates: Sequence[PointScores]) -> None:
        """Keep what `name` gives at each size: (draws, n_test) of the metric, of fewer draws the first ones."""
        self._scores[name] = baseline, candidates

    def setting(self, name: str, at: int) -> Setting:
        """Setting of the probe of `name` at a size."""
        result = self._scores[name][1][at]
        return result[1] if result is not None else Setting(False, math.nan)

    def results(self) -> tuple[FewLabels, ...]:
        """Every representation side by side, size by size."""
        out = []
        for i, size in enumerate(self.sizes):
            present = {name: added for name, (_, result) in self._scores.items() if (added := result[i]) is not None}
            values, settings = zip(*present.values(), strict=True)
            out.append(
                compare(
                    values,
                    tuple(present),
                    tuple(self._scores[name][0] for name in present),
                    settings,
                    per_class=size.per_class,
                    labels=size.picked.shape[1],
                    everything=size.everything,
                    shuffled=size.shuffled,
                    metric=self.metric,
                )
            )
        return tuple(out)

    def needed(self, per_class: int = REFERENCE) -> tuple[LabelsNeeded, ...]:
        """Ask baselines how many labels they need for the scores that others reach with `per_class`.

        They are pixels, a network and the untrained network. Taken at the size nearest to `per_class`; nothing where
        there is no other size, or where the score is not clear of the mean, which needs no label.
        """
        if len(self.sizes) < 2:
            return ()
        at = int(np.argmin([abs(math.log(size.per_class / per_class)) for size in self.sizes]))
        places = np.array([size.per_class for size in self.sizes], np.float64)
        out = []
        mean = self._at(MEAN, at)
        for name, (baseline, _) in self._scores.items():
            ours = self._at(name, at)
            if baseline or ours is None:
                continue
            if mean is not None and not paired(ours, mean, self.metric).low > 0:
                continue
            for other in ("pixels", NETWORK, f"untrained.{name}"):
                curve = [self._at(other, i) for i in range(len(self.sizes))]
                measured = [(values, place) for values, place in zip(curve, places, strict=True) if values is not None]
                if measured:
                    their, at_places = [values for values, _ in measured], np.array([place for _, place in measured])
                    crossing = labels_needed(ours, their, at_places, metric=self.metric)
                    out.append(
                        LabelsNeeded(
                            representation=name, baseline=other, per_class=self.sizes[at].per_class, needed=crossing
                        )
                    )
        return tuple(out)

    def _at(self, name: str, at: int) -> AnyArray | None:
        """What `name` gives at a size; None where it is not there."""
        result = self._scores[name][1][at] if name in self._scores else None
        return result[0] if result is not None else None


class Curve(CurveBuilder):
    """The same nested draws of labels for one representation after the other.

    Args:
        labels: (n,) classes of the train rows, -1 = unlabelled.
        sizes: labels a class.
        columns: number of classes.
        draws: of each size; of large ones fewer, at least 5.
        all_labels: also all labelled rows, once.

    Raises:
        AnalysisError: a class has fewer rows than a size.
    """

    def __init__(
        self,
        labels: Ints,
        sizes: Sequence[int],
        *,
        columns: int,
        draws: int,
        rng: np.random.Generator,
        all_labels: bool = False,
    ) -> None:
        super().__init__([], ACCURACY)
        self.labels, self.columns = labels, columns
        if sizes:
            largest = max(sizes)
            picked = draw_labels(labels, per_class=largest, draws=draws, rng=rng)
            for size in sorted(set(sizes)):
                inner = within(picked, of=largest, per_class=size)
                self.sizes.append(CurvePoint(per_class=size, picked=inner[: fewer(draws, inner.shape[1])]))
        if all_labels:
            labelled = np.flatnonzero(labels >= 0)
            mean = round(len(labelled) / max(1, len(np.unique(labels[labelled]))))
            self.sizes.append(CurvePoint(per_class=mean, picked=labelled[None], everything=True))

    def add_probes(self, name: str, baseline: bool, train: Rows, validation: Rows, test: Rows) -> None:
        """Probe one representation at every size; rows are the same ones, in the same order, for every name."""
        result = [
            few_label_accuracy(
                train,
                validation,
                test,
                draws=size.picked,
                columns=self.columns,
                tried=max(1, min(TRIED, SEARCH // size.picked.shape[1])),
            )
            for size in self.sizes
        ]
        self.add(name, baseline, result)

    def add_shuffled(self, name: str, train: Rows, test: Rows, rng: np.random.Generator) -> None:
        """Train on shuffled labels, ten times a size or more, at the right ones' settings, as chance level."""
        for at, size in enumerate(self.sizes):
            places = np.resize(np.arange(len(size.picked)), max(SHUFFLES, len(size.picked)))
            draws = subsample(np.arange(size.picked.shape[1]), SHUFFLED, rng=rng)
            picked = size.picked[places][:, draws]
            lost = rng.permuted(self.labels[picked], axis=1)
            setting = self.setting(name, at)
            hits = read_draws(train, test, lost, setting, draws=picked, columns=self.columns)
            size.shuffled = self.metric.score(hits)


def label_efficiency_curve(
    train: Mapping[str, Rows],
    validation: Mapping[str, Rows],
    test: Mapping[str, Rows],
    *,
    rng: Seed = 0,
    per_class: Sequence[int] | None = None,
    draws: int = 20,
    all_labels: bool = True,
    target: str = "label",
) -> Efficiency:
    """Predict classes with few labels and with many, beside shuffled labels; and how many baselines need.

    Args:
        train: name -> rows, the same rows in the same order for every name. Names that are "pixels" or begin with
            "untrained." or "PCA" are baselines.
        validation: the same of rows that choose the regularisation.
        test: the same of rows that are scored.
        rng: of the draws.
        per_class: sizes of draws, in labels a class; by default those of `sizes`.
        draws: of labelled rows, for each size.
        all_labels: also all labelled rows, once.
        target: name of what is predicted.

    Returns:
        The curves, and how many labels each baseline needs.

    Raises:
        AnalysisError: there are no two classes, or a class has fewer rows than a size.
    """
    rng = as_rng(rng)
    train, validation, test, columns = checked_rows(train, validation, test, numeric=False)
    names = tuple(train)
    labels = train[names[0]].y
    wanted = sizes(labels) if per_class is None else tuple(per_class)
    if not wanted:
        raise AnalysisError("a label curve needs train rows of two classes, and a size to draw")
    curve = Curve(labels, wanted, columns=columns, draws=draws, rng=rng, all_labels=all_labels)
    validation_rows = subsample(np.arange(len(validation[names[0]].y)), VALIDATION, rng=rng)
    for name in names:
        held = Rows(validation[name].x[validation_rows], validation[name].y[validation_rows])
        curve.add_probes(name, is_baseline(name), train[name], held, test[name])
    learned = next((name for name in names if not is_baseline(name)), names[0])
    curve.add_shuffled(learned, train[learned], test[learned], rng)
    return Efficiency(target=target, curve=curve.results(), needed=curve.needed(), n_labels_used=0, notes=())


def labels_needed(ours: AnyArray, curve: Sequence[AnyArray], places: Doubles, *, metric: Metric = ACCURACY) -> Interval:
    """Find where a baseline's curve reaches ours, with the sizes at which the paired difference may be 0.

    Args:
        ours: (draws, n) hits, or what the metric takes.
        curve: those of the baseline at each of `places`, on the same rows and draws.
        places: (k,) labels a class, ascending.
        metric: what is compared.

    Returns:
        Labels a class, NaN beyond the last place; n counts the draws of `ours`.
    """
    ours, curve = _draws(ours, "ours"), [_draws(theirs, "a size of the curve") for theirs in curve]
    places = as_point(as_vector(places, "places"), "places")
    same_length(curve=np.zeros(len(curve)), places=places)
    if any(theirs.shape[1] != ours.shape[1] for theirs in curve):
        raise AnalysisError("ours and every size of the curve must be of the same test rows, a column each")
    gaps = [paired(ours, theirs, metric) for theirs in curve]
    value, low, high = (
        _crossing(np.array([getattr(gap, end) for gap in gaps]), places) for end in ("value", "low", "high")
    )
    return Interval(value, low, high, len(ours))


def _draws(values: AnyArray, name: str) -> AnyArray:
    """Hits, or what a metric takes, as (draws, n).

    Raises:
        AnalysisError: for other shapes, or NaN.
    """
    table = as_table(values, name)
    if table.dtype.kind not in "biuf" or not np.isfinite(table).all():
        raise AnalysisError(f"{name} must be hits or finite figures (draws, rows)")
    return table


def _crossing(gaps: Doubles, places: Doubles) -> float:
    """Where (k,) gaps first fall to 0 over ascending places (k,), linear in their logarithm; NaN where they do not."""
    below = np.flatnonzero(gaps <= 0)
    if len(below) == 0:
        return math.nan
    i = int(below[0])
    if i == 0:
        return float(places[0])
    share = gaps[i - 1] / (gaps[i - 1] - gaps[i])
    return float(np.exp(np.log(places[i - 1]) + share * np.log(places[i] / places[i - 1])))


def few_labels(
    train: Mapping[str, Rows],
    validation: Mapping[str, Rows],
    test: Mapping[str, Rows],
    *,
    rng: Seed = 0,
    per_class: int = 10,
    draws: int = 20,
) -> FewLabels:
    """Compare representations on `per_class` labels a class; `analysis.label_efficiency.curves` has the whole curve.

    Args:
        train: name -> rows, the same rows in the same order for every name. Names that are "pixels" or begin with
            "untrained." or "PCA" are baselines.
        validation: the same of rows that choose the regularisation.
        test: the same of rows that are scored.
        rng: of the draws.
        per_class: labels a class.
        draws: of labelled rows.

    Returns:
        Accuracy of each representation, with paired differences.

    Raises:
        AnalysisError: there are no two classes, or a class has fewer rows.
    """
    rng = as_rng(rng)

    train, validation, test, columns = checked_rows(train, validation, test, numeric=False)
    names = tuple(train)
    curve = Curve(train[names[0]].y, (per_class,), columns=columns, draws=draws, rng=rng)
    validation_rows = subsample(np.arange(len(validation[names[0]].y)), VALIDATION, rng=rng)
    for name in names:
        held = Rows(validation[name].x[validation_rows], validation[name].y[validation_rows])
        curve.add_probes(name, is_baseline(name), train[name], held, test[name])
    return curve.results()[0]
