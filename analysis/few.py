"""Few labels: logistic probes on k rows a class, the same draws for every representation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Bools, Ints, Singles, subsample
from .linear import SETTINGS, Loss, fit_linear, fit_scalers, softmax_loss
from .probes import Difference, FewLabels, Rows, targets
from .statistics import Interval, Z, mean_interval, wilson_share

TRIED = 5  # draws on which C is chosen
VALIDATION = 2000  # rows on which C is chosen


def protocol(per_class: int, draws: int, n_test: int) -> str:
    """Say how the figures were made."""
    return (
        f"{draws} draws of {per_class} train rows a class, the same for every representation; multinomial logistic "
        "regression; columns standardised by all train rows, or all divided by one number so that wide ones stay wide "
        f"(no labels needed); that choice and C, of {len(SETTINGS)} values, are the best on at most {VALIDATION} "
        f"validation rows, averaged over the first {TRIED} draws; accuracy on {n_test} test rows, which all draws "
        "share; 95 % intervals cover both the draw of labels and that of test rows: the sum of the two variances (t "
        "over draws, Wilson over rows); differences are paired by draw and by row."
    )


def draw_labels(labels: Ints, *, per_class: int, draws: int, rng: np.random.Generator) -> Ints:
    """Draw `per_class` rows of every class without replacement: (draws, classes · per_class) positions.

    Args: labels: (n,) classes, -1 = unlabelled. Raises: AnalysisError where a class has fewer rows.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    least = min((len(rows) for rows in members), default=0)
    if len(members) < 2 or least < per_class:
        raise AnalysisError(
            f"{per_class} labels a class cannot be drawn: there are {len(members)} classes, the smallest "
            f"with {least} labelled train rows"
        )
    return np.stack(
        [np.concatenate([rng.choice(rows, per_class, replace=False) for rows in members]) for _ in range(draws)]
    )


@dataclass(frozen=True)
class Setting:
    """How a representation is read best, chosen on validation rows."""

    common: bool  # all columns divided by one number, rather than each by its own deviation
    c: float


def few_label_accuracy(
    train: Rows, validation: Rows, test: Rows, *, draws: Ints, columns: int, loss: Loss = softmax_loss
) -> tuple[Bools, Setting]:
    """Which test rows each draw of train rows gets right, and the setting that was chosen.

    A representation whose directions are of unequal width, as a PCA's, loses where each column is standardised, and
    one with columns of unlike units where they are not; so both are tried.

    Args: draws: (draws, m) positions in train. columns: number of classes. loss: softmax_loss, or hinge_loss for an
        L2-SVM. Returns: (draws, n_test), the setting.
    """
    some = min(TRIED, len(draws))
    trials: list[tuple[float, Setting]] = []
    scalers = fit_scalers(train.x)
    for common, scaler in enumerate(scalers):
        picked, held = scaler(train.x[draws[:some].ravel()]), Rows(scaler(validation.x), validation.y)
        for c in SETTINGS:
            hits = _hits(picked, train.y[draws[:some]], held, c, columns, loss)
            trials.append((float(hits.mean()), Setting(bool(common), c)))
    best = max(trials, key=lambda trial: trial[0])[1]
    scaler = scalers[best.common]
    picked, judged = scaler(train.x[draws.ravel()]), Rows(scaler(test.x), test.y)
    return _hits(picked, train.y[draws], judged, best.c, columns, loss), best


def _hits(picked: Singles, labels: Ints, rows: Rows, c: float, columns: int, loss: Loss) -> Bools:
    """Fit a reader on the rows of each draw (draws · m, d), labels (draws, m), and judge it: (draws, n)."""
    found = np.empty((len(labels), len(rows.y)), np.bool_)
    for i, (x, y) in enumerate(zip(picked.reshape(*labels.shape, -1), labels, strict=True)):
        reader = fit_linear(x, targets(y, columns, loss), columns, loss=loss, c=c)
        found[i] = reader(rows.x).argmax(1) == rows.y
    return found


def draws_and_rows(hits: Bools) -> Interval:
    """Mean of (draws, n_test) hits; its interval adds the variance over draws (t) and over rows (Wilson).

    Each row counts as one trial however many draws judge it, which is conservative. n counts draws.
    """
    found = mean_interval(hits.mean(1))
    rows = wilson_share(found.value, hits.shape[1])
    low, high = math.hypot(found.half, found.value - rows.low), math.hypot(found.half, rows.high - found.value)
    return Interval(found.value, max(0.0, found.value - low), min(1.0, found.value + high), found.n)


def paired_draws_and_rows(ours: Bools, theirs: Bools) -> Interval:
    """Mean difference of (draws, n_test) hits, paired both ways; variances over draws (t) and rows are summed.

    Over rows Wald's interval after half a disagreement was added on each side and two rows in all, so that rows
    that all agree leave a width (Agresti and Min, Statist. Med. 24, 2005). n counts draws.
    """
    gaps = ours.mean(0) - theirs.mean(0)
    n = len(gaps) + 2
    variance = (float(np.sum(gaps**2)) + 1 - float(np.sum(gaps)) ** 2 / n) / n**2
    found = mean_interval(ours.mean(1) - theirs.mean(1))
    half = math.hypot(found.half, Z * math.sqrt(variance))
    return Interval(found.value, max(-1.0, found.value - half), min(1.0, found.value + half), found.n)


def compare(
    hits: Sequence[Bools],
    names: tuple[str, ...],
    baselines: tuple[bool, ...],
    settings: Sequence[Setting],
    *,
    per_class: int,
) -> FewLabels:
    """Put each representation's (draws, n_test) hits side by side: means, and paired differences."""
    accuracy = np.stack([one.mean(1) for one in hits])
    n_test = hits[0].shape[1]
    scores = tuple(draws_and_rows(one) for one in hits)
    spread = tuple(float(row.std(ddof=1)) if len(row) > 1 else 0.0 for row in accuracy)
    differences = []
    for i, name in enumerate(names):
        for j, other in enumerate(names):
            if not baselines[i] and (other == "pixels" or other == f"untrained.{name}"):
                differences.append(Difference(name, other, paired_draws_and_rows(hits[i], hits[j])))
    note = protocol(per_class, accuracy.shape[1], n_test)
    chosen, common = tuple(one.c for one in settings), tuple(one.common for one in settings)
    return FewLabels(
        per_class, names, baselines, accuracy, scores, spread, tuple(differences), chosen, n_test, note, common
    )


def few_labels(
    train: Mapping[str, Rows],
    validation: Mapping[str, Rows],
    test: Mapping[str, Rows],
    *,
    rng: np.random.Generator,
    per_class: int = 10,
    draws: int = 20,
) -> FewLabels:
    """Compare representations on `per_class` labels a class.

    Args: train, validation, test: name -> rows, the same rows in the same order for every name. Names that
        are "pixels" or begin with "untrained." or "PCA" are yardsticks.
    """
    names = tuple(train)
    labels = train[names[0]].y
    picked = draw_labels(labels, per_class=per_class, draws=draws, rng=rng)
    columns = 1 + max(int(labels.max()), int(test[names[0]].y.max()))
    kept = subsample(np.arange(len(validation[names[0]].y)), VALIDATION, rng=rng)
    found = [
        few_label_accuracy(
            train[name], Rows(validation[name].x[kept], validation[name].y[kept]), test[name],
            draws=picked, columns=columns,
        )
        for name in names
    ]  # fmt: skip
    return compare(
        [hits for hits, _ in found],
        names,
        tuple(is_baseline(name) for name in names),
        [setting for _, setting in found],
        per_class=per_class,
    )


def is_baseline(name: str) -> bool:
    """Tell a yardstick by its name."""
    return name == "pixels" or name.startswith(("untrained.", "PCA "))
