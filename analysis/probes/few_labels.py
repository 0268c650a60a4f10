"""Few labels: logistic probes on k rows a class, the same draws for every representation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Floats, Ints, Singles, as_codes, as_vector, same_length, subsample
from ..base.baselines import MEAN, NETWORK
from ..base.groups import draw_of_groups
from ..base.labels import as_classes, as_pair, as_targets
from ..base.linear_models import SETTINGS, Loss, Rows, fit_linear, fit_scalers, into_span, softmax_loss
from ..base.statistics import Interval, Z, mean_interval, wilson_share
from ..errors import AnalysisError
from ..io.messages import listed
from .linear_probe import targets

TRIED = 5  # draws on which C is chosen


VALIDATION = 2000  # rows on which C is chosen


SEARCH = 2500  # train rows on which C is chosen, of all draws that are tried together


RIVALS = ("pixels", MEAN, NETWORK)  # what every representation is compared with, beside itself untrained


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference of accuracies, or of R2, paired by draw of labels and by test row."""

    representation: str
    """Whose figure is the first."""
    baseline: str
    """Whose figure it is compared with."""
    difference: Interval
    """The figure minus the baseline's; covers draws and test rows."""


@dataclass(frozen=True, kw_only=True)
class FewLabels:
    """Simple classifiers trained on few labels, the same draws for every representation."""

    per_class: int
    """Labels a class, their mean over classes where `everything`; all labelled rows where `metric` is R2."""
    representations: tuple[str, ...]
    """Names of what was compared."""
    baselines: tuple[bool, ...]
    """Which of them are baselines."""
    accuracy: Doubles
    """(representations, draws) on the test rows, or R2; NaN where one has fewer draws."""
    scores: tuple[Interval, ...]
    """Mean over draws; covers draws and test rows, n = draws."""
    deviations: tuple[float, ...]
    """Standard deviation over draws."""
    differences: tuple[Difference, ...]
    """Paired differences."""
    settings: tuple[float, ...]
    """Of each representation: C of a logistic probe, strength of ridge, steps of a network."""
    n_test: int
    """Rows that were scored."""
    note: str
    """The protocol."""
    common: tuple[bool, ...] = ()
    """Of each, whether one number scaled all columns rather than each its own."""
    everything: bool = False
    """All labelled train rows in place of a draw."""
    shuffled: Interval | None = None
    """The first representation trained on shuffled labels; n counts shuffles."""
    labels: int = 0
    """Train rows with a label that each draw holds."""
    metric: str = "accuracy"
    """Or "R2"."""


def protocol(n_test: int) -> str:
    """Say how the figures were made."""
    return (
        "Balanced draws of train rows, the same for every representation, each within the next larger one; multinomial "
        "logistic regression; columns standardised by all train rows, or all divided by one number so that wide ones "
        f"stay wide (no labels needed); that choice and C, of {len(SETTINGS)} values, are the best on at most "
        f"{VALIDATION} validation rows, averaged over the first {TRIED} draws, of large draws fewer; "
        f"accuracy on {n_test} test rows, which all draws share; 95 % intervals cover both the draw of labels and that "
        "of test rows; their two variances are summed (t over draws, Wilson over rows, which stand alone where all "
        "labels are used); differences are paired by draw and by row."
    )


def draw_labels(
    labels: Ints, *, per_class: int, draws: int, rng: np.random.Generator, groups: Ints | None = None
) -> Ints:
    """Draw `per_class` rows of every class without replacement: (draws, classes · per_class) positions.

    Args:
        labels: (n,) classes, -1 = unlabelled.
        groups: (n,) codes of rows that belong together, of which a class gets one at most.

    Raises:
        AnalysisError: a class has fewer rows, or groups.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    least = int(label_counts(labels, groups).min()) if members else 0
    if len(members) < 2 or least < per_class:
        raise AnalysisError(
            f"{per_class} labels a class cannot be drawn: there are {len(members)} classes, the smallest "
            f"with {least} labelled train rows"
        )
    return np.stack(
        [np.concatenate([draw_of_groups(rows, per_class, groups, rng=rng) for rows in members]) for _ in range(draws)]
    )


def label_counts(labels: Ints, groups: Ints | None = None) -> Ints:
    """How many rows each class of (n,) labels has, or how many groups its rows are of; -1 is no class."""
    is_labelled = labels >= 0
    if groups is None:
        return np.asarray(np.unique(labels[is_labelled], return_counts=True)[1], np.int64)
    pairs = np.unique(np.stack([labels[is_labelled], groups[is_labelled]]), axis=1)
    return np.asarray(np.unique(pairs[0], return_counts=True)[1], np.int64)


def within(picked: Ints, *, of: int, per_class: int) -> Ints:
    """The first `per_class` rows of every class of draws (draws, classes · of): (draws, classes · per_class)."""
    inner: Ints = picked.reshape(len(picked), -1, of)[:, :, :per_class].reshape(len(picked), -1)
    return inner


@dataclass(frozen=True)
class Setting:
    """Settings of a representation's best probe, chosen on validation rows."""

    common: bool
    """All columns divided by one number, rather than each by its own deviation."""
    c: float
    """Or the strength of ridge, or the steps of a network."""


def few_label_accuracy(
    train: Rows,
    validation: Rows,
    test: Rows,
    *,
    draws: Ints,
    columns: int,
    loss: Loss = softmax_loss,
    tried: int = TRIED,
) -> tuple[Bools, Setting]:
    """Which test rows each draw of train rows gets right, and the setting that was chosen.

    A representation whose directions are of unequal width, as a PCA's, loses where each column is standardised, and
    one with columns of unlike units where they are not; so both are tried.

    Args:
        draws: (draws, m) positions in train.
        columns: number of classes.
        loss: softmax_loss, or hinge_loss for an L2-SVM.
        tried: draws on which the setting is chosen.

    Returns:
        (draws, n_test), the setting.
    """
    tried_draws = draws[:tried]
    if tried_draws.shape[1] > SEARCH:
        tried_draws = subsample(tried_draws[0], SEARCH, rng=np.random.default_rng(0))[None]
    trials: list[tuple[float, Setting]] = []
    scalers = fit_scalers(train.x)
    for common, scaler in enumerate(scalers):
        picked, held = scaler(train.x[tried_draws.ravel()]), Rows(scaler(validation.x), validation.y)
        accuracy = _by_setting(picked, train.y[tried_draws], held, columns, loss)
        trials += [(right, Setting(bool(common), c)) for right, c in zip(accuracy, SETTINGS, strict=True)]
    best = max(trials, key=lambda trial: trial[0])[1]
    return read_draws(train, test, train.y[draws], best, draws=draws, columns=columns, loss=loss), best


def read_draws(
    train: Rows, test: Rows, labels: Ints, setting: Setting, *, draws: Ints, columns: int, loss: Loss = softmax_loss
) -> Bools:
    """Which test rows (draws, n_test) probes with a known setting get right.

    Args:
        labels: (draws, m) classes that they are trained on, the rows' own or shuffled ones.
    """
    scaler = fit_scalers(train.x)[setting.common]
    return _hits(scaler(train.x[draws.ravel()]), labels, Rows(scaler(test.x), test.y), setting.c, columns, loss)


def _by_setting(picked: Singles, labels: Ints, rows: Rows, columns: int, loss: Loss) -> list[float]:
    """Mean accuracy at each C, least first, each fit from the one before; arguments as in `_hits`."""
    right = np.zeros(len(SETTINGS))
    for x, y in zip(picked.reshape(*labels.shape, -1), labels, strict=True):
        (inner, projected_rows), start = into_span(x, rows.x), None
        for i, c in enumerate(SETTINGS):
            start = fit_linear(
                inner, targets(y, columns, loss), columns, loss=loss, c=c, start=start, iterations=100, tolerance=1e-6
            )
            right[i] += np.mean(start(projected_rows).argmax(1) == rows.y)
    return [float(share) for share in right / len(labels)]


def _hits(picked: Singles, labels: Ints, rows: Rows, c: float, columns: int, loss: Loss) -> Bools:
    """Fit a probe on the rows of each draw (draws · m, d), labels (draws, m), and score it: (draws, n)."""
    result = np.empty((len(labels), len(rows.y)), np.bool_)
    for i, (x, y) in enumerate(zip(picked.reshape(*labels.shape, -1), labels, strict=True)):
        classifier = fit_linear(x, targets(y, columns, loss), columns, loss=loss, c=c)
        result[i] = classifier(rows.x).argmax(1) == rows.y
    return result


def draws_and_rows(hits: Bools) -> Interval:
    """Mean of (draws, n_test) hits; its interval adds the variance over draws (t) and over rows (Wilson).

    Each row counts as one trial however many draws score it, which is conservative. One draw says nothing of others,
    so that its interval covers the rows alone. n counts draws.
    """
    value, half = float(hits.mean()), over_draws(hits.mean(1))
    rows = wilson_share(value, hits.shape[1])
    low, high = math.hypot(half, value - rows.low), math.hypot(half, rows.high - value)
    return Interval(value, max(0.0, value - low), min(1.0, value + high), len(hits))


def paired_draws_and_rows(ours: Bools, theirs: Bools) -> Interval:
    """Mean difference of (draws, n_test) hits, paired both ways; variances over draws (t) and rows are summed.

    Over rows Wald's interval after half a disagreement was added on each side and two rows in all, so that rows
    that all agree leave a width (Agresti and Min, Statist. Med. 24, 2005). n counts draws.
    """
    gaps = ours.mean(0) - theirs.mean(0)
    n = len(gaps) + 2
    variance = (float(np.sum(gaps**2)) + 1 - float(np.sum(gaps)) ** 2 / n) / n**2
    value = float(gaps.mean())
    half = math.hypot(over_draws(ours.mean(1) - theirs.mean(1)), Z * math.sqrt(variance))
    return Interval(value, max(-1.0, value - half), min(1.0, value + half), len(ours))


def over_draws(values: Floats) -> float:
    """Half the t interval of a mean over draws (n,); 0 for a single one."""
    return mean_interval(values).half if len(values) > 1 else 0.0


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How figures of (draws, n_test), a row's share in that of its draw, become one with its interval."""

    name: str
    """"accuracy" or "R2"."""
    score: Callable[[Any], Interval]
    """Of (draws, n_test)."""
    paired: Callable[[Any, Any], Interval]
    """Of two such, of the same draws and rows: the first minus the second."""
    protocol: Callable[[int], str]
    """Number of test rows -> how the figures were made."""


ACCURACY = Metric(name="accuracy", score=draws_and_rows, paired=paired_draws_and_rows, protocol=protocol)


def paired(ours: AnyArray, theirs: AnyArray, metric: Metric) -> Interval:
    """Difference of two figures over the draws that both have; the first ones are the same."""
    return metric.paired(ours[: len(theirs)], theirs[: len(ours)])


def compare(
    accuracies: Sequence[AnyArray],
    names: tuple[str, ...],
    baselines: tuple[bool, ...],
    settings: Sequence[Setting],
    *,
    per_class: int,
    labels: int = 0,
    everything: bool = False,
    shuffled: Interval | None = None,
    metric: Metric = ACCURACY,
) -> FewLabels:
    """Put each representation's (draws, n_test) hits, or what `metric` takes, side by side; and paired differences."""
    n_test = accuracies[0].shape[1]
    accuracy = np.full((len(accuracies), max(map(len, accuracies))), math.nan)
    for row, other_accuracy in zip(accuracy, accuracies, strict=True):
        row[: len(other_accuracy)] = other_accuracy.mean(1)
    scores = tuple(metric.score(other_accuracy) for other_accuracy in accuracies)
    spread = tuple(
        float(other_accuracy.mean(1).std(ddof=1)) if len(other_accuracy) > 1 else math.nan
        for other_accuracy in accuracies
    )
    differences = []
    for i, name in enumerate(names):
        for j, other in enumerate(names):
            rival = other in RIVALS or other == f"untrained.{name}"
            if (rival and not baselines[i]) or name.startswith(f"{other}, "):  # a network beside one with less
                differences.append(
                    Difference(
                        representation=name, baseline=other, difference=paired(accuracies[i], accuracies[j], metric)
                    )
                )
    chosen, common = (
        tuple(setting.c for setting in settings),
        tuple(other_accuracy.common for other_accuracy in settings),
    )
    return FewLabels(
        per_class=per_class,
        representations=names,
        baselines=baselines,
        accuracy=accuracy,
        scores=scores,
        deviations=spread,
        differences=tuple(differences),
        settings=chosen,
        n_test=n_test,
        note=metric.protocol(n_test),
        common=common,
        everything=everything,
        shuffled=shuffled,
        labels=labels,
        metric=metric.name,
    )


Given = Mapping[str, Rows] | Mapping[str, tuple[Any, Any]]


def checked_rows(
    train: Given, validation: Given, test: Given, *, numeric: bool
) -> tuple[dict[str, Rows], dict[str, Rows], dict[str, Rows], int]:
    """Rows of every representation with positions of classes, or numbers, and the number of classes.

    Train rows may be without a label: missing, or -1 among other whole numbers than 1.

    Raises:
        AnalysisError: for names, lengths, widths or labels that differ between representations, or are missing.
    """
    given = {"train": train, "validation": validation, "test": test}
    for part, rows in given.items():
        if not rows or set(train) - set(rows):
            raise AnalysisError(
                f"{part} must have train's representations, name -> (X, y): {listed(train)}, not {listed(rows)}"
            )
    pairs = {part: {name: as_pair(rows[name], f"{part} {name!r}") for name in train} for part, rows in given.items()}
    first = next(iter(train))
    y: dict[str, AnyArray] = {}
    if numeric:
        y = {part: as_targets(pair[first][1], f"{part} y") for part, pair in pairs.items()}
        columns = 0
    else:
        result, classes = as_classes(
            {f"{part} y": pair[first][1] for part, pair in pairs.items()}, unlabelled=("train y",)
        )
        y, columns = dict(zip(pairs, result, strict=True)), len(classes)
    out: dict[str, dict[str, Rows]] = {}
    for part, by_name in pairs.items():
        out[part] = {}
        for name, (x, labels) in by_name.items():
            table = as_codes(x, f"{part} X of {name!r}")
            same_length(**{f"{part} X of {name!r}": table, f"{part} y": y[part]})
            width = out["train"][name].x.shape[1] if part != "train" else table.shape[1]
            if table.shape[1] != width:
                raise AnalysisError(f"{part} X of {name!r} has {table.shape[1]} columns, and train X has {width}")
            if labels is not by_name[first][1] and not np.array_equal(
                as_vector(labels, "y").astype(str), as_vector(by_name[first][1], "y").astype(str)
            ):
                raise AnalysisError(f"{part} y of {name!r} is not that of {first!r}: give the same rows, in one order")
            out[part][name] = Rows(table, y[part])
    return out["train"], out["validation"], out["test"], columns
