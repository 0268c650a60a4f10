"""Probes: how well a simple reader gets the labels out of a frozen representation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arrays import AnalysisError, AnyArray, Bools, Floats, Ints, as_codes, same_length, subsample
from .linear import (
    PENALTIES,
    SETTINGS,
    Linear,
    Loss,
    fit_linear,
    fit_ridge,
    fit_scaler,
    hinge_loss,
    signs_of,
    softmax_loss,
)
from .neighbours import nearest, unit_rows, vote, weighted_vote
from .pca import fit_pca
from .statistics import Interval, bootstrap, mean_interval, proportion, r2_score

SHUFFLES = 10  # shuffles of the targets behind the chance level
SHUFFLED = 2000  # train rows that each linear probe of shuffled targets sees
WIDEST = 1024  # columns; wider representations go through a PCA fitted on train
SEARCH = 10_000  # rows at most, of train and of validation, on which C is chosen
METHODS = ("logistic", "svm", "knn")
LOSSES: dict[str, Loss] = {"logistic": softmax_loss, "svm": hinge_loss}
COSINE = {"cosine-20": (20, 0.07), "cosine-200": (200, 0.1)}  # reader: k, temperature
PROTOCOL = (
    "Every representation is read in the same way: columns standardised by the train rows (k-NN takes them "
    f"as they are); more than {WIDEST} columns reduced by a PCA fitted on train; C of the logistic and L2-SVM "
    f"probes, and alpha of ridge, the best of 5 values on at most {SEARCH} validation rows after fitting on "
    f"at most {SEARCH} train rows, then refitted on all train rows; the score is on test rows, the 95 % "
    "interval of an accuracy Wilson's, of an R2 a bootstrap over them."
)


class Rows(NamedTuple):
    """One split of a representation."""

    x: Floats  # (n, d)
    y: AnyArray  # (n,) int64 classes, or float64 values for ridge


@dataclass(frozen=True)
class Probe:
    """One figure: a reader trained on a representation's train rows, scored on its test rows."""

    representation: str  # "code", "discriminator.conv2", "pixels", "PCA 50 of pixels", "untrained.code", ...
    baseline: bool  # a yardstick (pixels, PCA of pixels, untrained network), not the model's own
    method: str  # "logistic", "svm", "knn" or "ridge"
    target: str  # "label" or an attribute's name
    metric: str  # "accuracy" or "R2"
    score: Interval  # over test rows
    shuffled: Interval | None  # the same reader on shuffled targets: mean over n shuffles, interval over them
    setting: float  # C of logistic and svm, alpha of ridge, k of knn
    width: int  # columns of the representation
    used: int  # columns after PCA, = width where none was needed
    n_train: int
    n_validation: int
    classes: tuple[str, ...]  # empty for ridge
    confusion: Ints | None  # (classes, classes) test rows, truth by row; None for ridge or > 50 classes
    note: str


@dataclass(frozen=True)
class ProbeTable:
    """All probes of one table."""

    target: str  # the main target: "label" or the column in its place
    probes: tuple[Probe, ...]  # the main target's first, then attributes'
    protocol: str  # one paragraph: standardisation, C, rows
    notes: tuple[str, ...]  # what was left out and why
    told: int = 0  # labels that the networks themselves were told in training


def linear_probe(
    train: Rows,
    test: Rows,
    *,
    rng: np.random.Generator,
    validation: Rows | None = None,
    methods: Iterable[str] = ("logistic",),
    classes: tuple[str, ...] = (),
    representation: str = "code",
    baseline: bool = False,
    target: str = "label",
    shuffled: bool = True,
    k: int = 1,
) -> tuple[Probe, ...]:
    """Train each of `methods` on train rows and score it on test rows.

    Args: train, test, validation: rows with a target each; without validation, a tenth of train stands in
        for it. methods: "logistic", "svm", "knn", "cosine-20", "cosine-200", or "ridge" for numeric targets. classes:
        names.
        shuffled: also train on shuffled targets, ten times (linear probes on at most 2,000 rows).
        k: neighbours of "knn".
    Returns: one Probe a method. Raises: AnalysisError for too few rows or classes.
    """
    methods = tuple(methods)
    note = [] if validation is not None else ["no validation rows: a tenth of train chose the setting"]
    width = train.x.shape[1]
    train, test, validation = _narrowed(*_check(train, test, validation, rng=rng, numeric="ridge" in methods), rng=rng)
    if width > WIDEST:
        note.append(f"{width} columns reduced to {train.x.shape[1]} by PCA")
    bench = _Bench(train, validation, test, classes, rng, k, shuffled)
    return tuple(
        Probe(
            representation, baseline, method, target, "R2" if method == "ridge" else "accuracy", score, null, setting,
            width, train.x.shape[1], len(train.y), len(validation.y), () if method == "ridge" else classes, table,
            "; ".join(note),
        )
        for method, (score, null, setting, table) in ((method, bench.read(method)) for method in methods)
    )  # fmt: skip


def logistic_hits(
    train: Rows, validation: Rows, test: Rows, *, rng: np.random.Generator, classes: tuple[str, ...] = ()
) -> tuple[Bools, float]:
    """Which test rows (n,) the logistic probe of `linear_probe` gets right, and its accuracy on validation rows."""
    train, test, validation = _narrowed(*_check(train, test, validation, rng=rng, numeric=False), rng=rng)
    bench = _Bench(train, validation, test, classes, rng, 1, False)
    reader = bench.fitted("logistic")[1]
    held = bench.validation
    return reader(bench.test.x).argmax(1) == test.y, float(np.mean(reader(held.x).argmax(1) == held.y))


def _narrowed(train: Rows, test: Rows, validation: Rows, *, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Reduce what is wider than readers take by a PCA fitted on train."""
    if train.x.shape[1] <= WIDEST:
        return train, test, validation
    whole = fit_pca(train.x, WIDEST, rng=rng)
    pca = whole.first(whole.sound)
    narrow = [Rows(pca.project(rows.x), rows.y) for rows in (train, test, validation)]
    return narrow[0], narrow[1], narrow[2]


def _check(
    train: Rows, test: Rows, validation: Rows | None, *, rng: np.random.Generator, numeric: bool
) -> tuple[Rows, Rows, Rows]:
    """Refuse what no probe can be trained on, and take a validation set from train where there is none."""
    for name, rows in (("train", train), ("test", test)):
        if len(rows.y) < 2:
            raise AnalysisError(f"a probe needs at least 2 {name} rows with a value, and there are {len(rows.y)}")
        same_length(rows=rows.x, targets=rows.y)
    if len(np.unique(train.y)) < 2:
        raise AnalysisError("a probe needs at least two different values in train, and there is one")
    if numeric and np.ptp(test.y) == 0:
        raise AnalysisError("R2 needs test rows with different values")
    if validation is None or len(validation.y) < 2:
        order = rng.permutation(len(train.y))
        held = max(1, len(order) // 10)
        validation, train = _take(train, order[:held]), _take(train, np.sort(order[held:]))
        if len(np.unique(train.y)) < 2:
            raise AnalysisError("a probe needs more train rows: none are left for choosing its setting")
    return Rows(as_codes(train.x), train.y), Rows(as_codes(test.x), test.y), validation


def _take(rows: Rows, index: Ints) -> Rows:
    return Rows(rows.x[index], rows.y[index])


def _held(rows: Rows) -> Rows:
    """Few rows of a stream, in memory; rows of an array as they are."""
    return Rows(np.asarray(rows.x), rows.y)


_Part = tuple[Interval, Interval | None, float, Ints | None]  # score, shuffled score, setting, confusion


class _Bench:
    """Three splits of one representation, standardised once for all readers."""

    def __init__(
        self,
        train: Rows,
        validation: Rows,
        test: Rows,
        classes: tuple[str, ...],
        rng: np.random.Generator,
        k: int,
        shuffled: bool,
    ) -> None:
        self.raw = train, test
        self.scaler = fit_scaler(train.x)
        self.train, self.test = Rows(self.scaler(train.x), train.y), Rows(self.scaler(test.x), test.y)
        some = subsample(np.arange(len(validation.y)), SEARCH, rng=rng)
        self.validation = _held(Rows(self.scaler(validation.x[some]), validation.y[some]))
        self.search = subsample(np.arange(len(train.y)), SEARCH, rng=rng)
        highest = -1 if train.y.dtype.kind == "f" else max(int(train.y.max()), int(test.y.max()))
        self.columns = max(len(classes), 1 + highest)
        self.rng, self.k, self.shuffles = rng, k, SHUFFLES if shuffled else 0

    def read(self, method: str) -> _Part:
        """Train and score one reader."""
        if method in COSINE:
            return self.cosine(*COSINE[method])
        return self.ridge() if method == "ridge" else self.knn() if method == "knn" else self.linear(method)

    def fitted(self, method: str) -> tuple[float, Linear, Rows]:
        """The chosen C, the reader of all train rows, and those rows on which C was tried."""
        if method not in LOSSES:
            raise AnalysisError(f"unknown probe {method!r}: known are logistic, svm, knn, cosine-20, cosine-200, ridge")
        some = _held(_take(self.train, self.search))
        c, reader = choose_c(some, self.validation, self.columns, LOSSES[method])
        if len(self.search) < len(self.train.y):
            reader = self._fit(self.train, LOSSES[method], c, reader)
        return c, reader, some

    def linear(self, method: str) -> _Part:
        """Choose C, refit, score; then again with shuffled labels."""
        c, reader, some = self.fitted(method)
        loss = LOSSES[method]
        predicted = np.asarray(reader(self.test.x).argmax(1), np.int64)
        few = _take(some, subsample(np.arange(len(some.y)), SHUFFLED, rng=self.rng))
        null = []
        for _ in range(self.shuffles):
            lost = self._fit(Rows(few.x, self.rng.permutation(few.y)), loss, c, None, iterations=50)
            null.append(np.mean(lost(self.test.x).argmax(1) == self.test.y))
        return self._score(predicted), _over(null), c, confusion(self.test.y, predicted, self.columns)

    def _fit(self, rows: Rows, loss: Loss, c: float, start: Linear | None, iterations: int = 200) -> Linear:
        return fit_linear(
            rows.x, targets(rows.y, self.columns, loss), self.columns, loss=loss, c=c, start=start,
            iterations=iterations,
        )  # fmt: skip

    def _score(self, predicted: Ints) -> Interval:
        return proportion(predicted == self.test.y)

    def knn(self) -> _Part:
        """Vote of the k nearest train rows, Euclidean, columns as they are."""
        train, test = self.raw
        index, _ = nearest(test.x, train.x, k=self.k)
        predicted = vote(train.y[index])
        null = [np.mean(vote(self.rng.permutation(train.y)[index]) == test.y) for _ in range(self.shuffles)]
        return self._score(predicted), _over(null), float(self.k), confusion(test.y, predicted, self.columns)

    def cosine(self, k: int, temperature: float) -> _Part:
        """Vote of the k train rows of largest cosine, each weighted by exp(cos / T), columns as they are."""
        train, test = (unit_rows(np.asarray(rows.x)) for rows in self.raw)
        index, distance = nearest(test, train, k=k)
        weights = np.exp((1 - distance**2 / 2 - 1) / temperature)  # |a − b|² = 2 − 2 cos; the −1 cancels in a vote
        labels = self.raw[0].y

        def read(given: Ints) -> Ints:
            return weighted_vote(given[index], weights, self.columns)

        predicted = read(labels)
        null = [np.mean(read(self.rng.permutation(labels)) == self.test.y) for _ in range(self.shuffles)]
        score = self._score(predicted)
        return score, _over(null), float(index.shape[1]), confusion(self.test.y, predicted, self.columns)

    def ridge(self) -> _Part:
        """R2 of ridge regression, alpha a row chosen on validation; shuffled targets are further columns."""
        lost = [self.rng.permutation(self.train.y) for _ in range(self.shuffles)]
        readers = fit_ridge(self.train.x, np.column_stack([self.train.y, *lost]), penalties=PENALTIES)
        held = [r2_score(self.validation.y, r(self.validation.x)[:, 0]) for r in readers]
        best = int(np.argmax(np.nan_to_num(held, nan=-np.inf)))
        predicted = readers[best](self.test.x).astype(np.float64)
        null = [r2_score(self.test.y, column) for column in predicted[:, 1:].T]
        score = bootstrap(r2_score, self.test.y, predicted[:, 0], rng=self.rng)
        return score, _over(null), PENALTIES[best], None


def _over(null: list[Any]) -> Interval | None:
    """Mean over shuffles, with the interval over shuffles; None where there were none."""
    return mean_interval(np.array(null, np.float64)) if null else None


def targets(y: Ints, columns: int, loss: Loss) -> Ints:
    """What `loss` compares with: the classes (n,), or their one-against-rest signs (n, columns) for a hinge."""
    return y if loss is softmax_loss else signs_of(y, columns)


def choose_c(
    train: Rows, validation: Rows, columns: int, loss: Loss, settings: tuple[float, ...] = SETTINGS
) -> tuple[float, Linear]:
    """Fit standardised rows at each C, least first and from the fit before; return the best on validation."""
    best, start = -1.0, None
    wanted = targets(train.y, columns, loss)
    for c in settings:
        start = fit_linear(train.x, wanted, columns, loss=loss, c=c, start=start, iterations=100, tolerance=1e-6)
        accuracy = float(np.mean(start(validation.x).argmax(1) == validation.y))
        if accuracy > best:
            best, kept = accuracy, (c, start)
    return kept


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints | None:
    """Count (truth, predicted) pairs: (classes, classes), or None above 50 classes."""
    if classes > 50:
        return None
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
