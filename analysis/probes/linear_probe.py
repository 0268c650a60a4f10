"""Probes: how well a simple classifier gets the labels out of a frozen representation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..base.arrays import (
    AnyArray,
    Bools,
    Doubles,
    Floats,
    Ints,
    Seed,
    as_codes,
    as_rng,
    rows_of,
    same_length,
    subsample,
)
from ..base.groups import balanced_folds
from ..base.labels import Classes, as_classes, as_pair, as_targets
from ..base.linear_models import (
    PENALTIES,
    SETTINGS,
    Linear,
    Loss,
    Rows,
    fit_linear,
    fit_ridge,
    fit_scaler,
    hinge_loss,
    signs_of,
    softmax_loss,
)
from ..base.nearest import nearest, unit_rows, vote, votes, weighted_vote, weighted_votes
from ..base.pca import PCA, fit_pca
from ..base.predictors import Predictor, shares_of_votes, softmax
from ..base.statistics import Interval, bootstrap, mean_interval, proportion, r2_score
from ..errors import AnalysisError
from .grid import GridSearch

SHUFFLES = 10  # shuffles of the targets behind the chance level


SHUFFLED = 2000  # train rows that each linear probe of shuffled targets sees


WIDEST = 1024  # columns; wider representations go through a PCA fitted on train


SEARCH = 10_000  # rows at most, of train and of validation, on which C is chosen


FOLDS = 5  # of the train rows, in which a setting is chosen where there are no validation rows


METHODS = ("logistic", "svm", "knn")


ALL_METHODS = (*METHODS, "cosine-20", "cosine-200", "ridge")


LOSSES: dict[str, Loss] = {"logistic": softmax_loss, "svm": hinge_loss}


COSINE = {"cosine-20": (20, 0.07), "cosine-200": (200, 0.1)}  # probe: k, temperature


PROTOCOL = (
    "Every representation is probed in the same way. Columns are standardised by the train rows, but for k-NN; more "
    f"than {WIDEST} columns are reduced by a PCA fitted on train rows. C of the logistic and L2-SVM probes, and alpha "
    f"of ridge, are the best of 5 values on at most {SEARCH} validation rows after fitting on at most {SEARCH} train "
    f"rows (without validation rows, in {FOLDS} folds of the train rows; of equally good ones the middle one); then "
    "probes are refitted on all train rows. Scores are of test rows; 95 % intervals are Wilson's for an accuracy, a "
    "bootstrap over rows for R2."
)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One figure: a probe trained on a representation's train rows, scored on its test rows."""

    representation: str
    """"code", "discriminator.conv2", "pixels", "PCA 50 of pixels", "untrained.code", ..."""
    baseline: bool
    """a baseline (pixels, PCA of pixels, untrained network), not the model's own."""
    method: str
    """"logistic", "svm", "knn" or "ridge"."""
    target: str
    """"label" or an attribute's name."""
    metric: str
    """"accuracy" or "R2"."""
    score: Interval
    """Over test rows."""
    shuffled: Interval | None
    """The same probe on shuffled targets: mean over n shuffles, interval over them."""
    setting: float
    """C of logistic and svm, alpha of ridge, k of knn."""
    width: int
    """Columns of the representation."""
    used: int
    """Columns after PCA, = width where none was needed."""
    n_train: int
    """Rows that it was fitted to."""
    n_validation: int
    """Rows that chose its setting."""
    classes: tuple[str, ...]
    """Empty for ridge."""
    confusion: Ints | None
    """(classes, classes) test rows, truth by row; None for ridge or > 50 classes."""
    note: str
    """What limits the figure, if anything."""
    predictor: Predictor | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    """The fitted probe itself; results on disk do not hold it."""

    @property
    def labels(self) -> AnyArray:
        """Classes (k,) as they were given, in the order of `decision_function`'s columns; empty for ridge."""
        return self._fitted.labels

    def predict(self, x: npt.ArrayLike) -> AnyArray:
        """Predict labels, as they were given, or numbers.

        Args:
            x: (n, d) rows.

        Returns:
            (n,).
        """
        return self._fitted.predict(x)

    def predict_proba(self, x: npt.ArrayLike) -> Doubles:
        """Predict probabilities of classes; of a nearest-neighbour probe the neighbours' shares.

        Args:
            x: (n, d) rows.

        Returns:
            (n, k).

        Raises:
            AnalysisError: other probes give none.
        """
        return self._fitted.predict_proba(x)

    def decision_function(self, x: npt.ArrayLike) -> Doubles:
        """Score classes, or predict numbers.

        Args:
            x: (n, d) rows.

        Returns:
            (n, k), or (n,) numbers.
        """
        return self._fitted.scores(x)

    def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike, *, rng: Seed = 0) -> Interval:
        """Measure accuracy, or R² of numbers, on other rows.

        Args:
            x: (n, d) rows.
            y: (n,) labels or numbers.
            rng: of the bootstrap, for numbers.

        Returns:
            The figure with its 95 % interval.
        """
        scores = self.decision_function(x)
        if not len(self.labels):
            numbers = as_targets(y, "y")
            same_length(X=scores, y=numbers)
            return bootstrap(r2_score, numbers, scores, rng=as_rng(rng))
        (truth, places), _ = as_classes({"y": y, "labels": self.labels})
        same_length(X=scores, y=truth)
        return proportion(truth == places[scores.argmax(1)])

    @property
    def _fitted(self) -> Predictor:
        if self.predictor is None:
            raise AnalysisError(
                "this probe was read from results on disk, which hold its figures alone: fit it again by linear_probe, "
                "or keep one by latentgan probe TABLE --save FILE.npz"
            )
        return self.predictor


@dataclass(frozen=True, kw_only=True)
class ProbeTable:
    """All probes of one table."""

    kind: ClassVar[str] = "probes"

    target: str
    """The main target: "label" or the column in its place."""
    probes: tuple[Probe, ...]
    """The main target's first, then attributes'."""
    protocol: str
    """One paragraph: standardisation, C, rows."""
    notes: tuple[str, ...]
    """What was left out and why."""
    n_labels_used: int = 0
    """Labels that the networks themselves were trained with."""
    search: GridSearch | None = None
    """The grid of settings, where one was asked for."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def linear_probe(
    train: Rows | tuple[npt.ArrayLike, npt.ArrayLike],
    test: Rows | tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    rng: Seed = 0,
    validation: Rows | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    methods: Iterable[str] = ("logistic",),
    classes: tuple[str, ...] = (),
    representation: str = "code",
    baseline: bool = False,
    target: str = "label",
    shuffled: bool = True,
    k: int = 1,
    groups: Ints | None = None,
) -> tuple[Probe, ...]:
    """Train each of `methods` on train rows and score it on test rows.

    Args:
        train: (X, y): rows (n, d) with labels (n,) of any kind (whole numbers, texts, booleans, -1 and 1), or with
            numbers for ridge.
        test: (X, y) of the rows that score.
        rng: seed or generator.
        validation: (X, y) of rows that choose the setting; without them, five folds of the train rows do.
        methods: "logistic", "svm", "knn", "cosine-20", "cosine-200"; or "ridge" for numbers.
        classes: names of the classes, where whole numbers are positions among them.
        representation: what the rows are.
        baseline: whether they are a baseline.
        target: what the labels are.
        shuffled: also train on shuffled targets, ten times (linear probes on at most 2,000 rows).
        k: neighbours of "knn".
        groups: (n,) codes of train rows that belong together, which a fold then holds whole.

    Returns:
        One Probe a method, which predicts.

    Raises:
        AnalysisError: for too few rows or classes, missing labels or values, lengths or widths that differ.
    """
    methods, rng = (methods,) if isinstance(methods, str) else tuple(methods), as_rng(rng)
    for method in methods:
        if method not in ALL_METHODS:
            raise AnalysisError(f"unknown probe {method!r}: known are {', '.join(ALL_METHODS)}")
    given = {"train": train, "test": test, **({} if validation is None else {"validation": validation})}
    parts, known_classes = _parts(given, methods, tuple(classes))
    return _probes(
        parts,
        known_classes,
        methods,
        rng=rng,
        representation=representation,
        baseline=baseline,
        target=target,
        shuffled=shuffled,
        k=k,
        groups=groups,
    )


def _parts(
    given: Mapping[str, Rows | tuple[npt.ArrayLike, npt.ArrayLike]], methods: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[dict[str, Rows], Classes]:
    """Check what a user gives: rows of one width, each with a label or number."""
    pairs = {name: as_pair(pair, name) for name, pair in given.items()}
    x = {name: as_codes(pair[0], f"{name} X") for name, pair in pairs.items()}
    for name, rows in x.items():
        if rows.shape[1] != x["train"].shape[1]:
            raise AnalysisError(f"train X has {x['train'].shape[1]} columns, and {name} X has {rows.shape[1]}")
    if "ridge" in methods:
        if len(set(methods)) > 1:
            raise AnalysisError("ridge predicts numbers and the other probes classes: probe them in two calls")
        y: dict[str, AnyArray] = {name: as_targets(pair[1], f"{name} y") for name, pair in pairs.items()}
        unique = Classes(np.zeros(0), ())
    else:
        result, unique = as_classes({f"{name} y": pair[1] for name, pair in pairs.items()}, classes=classes)
        y = dict(zip(pairs, result, strict=True))
    for name in pairs:
        same_length(**{f"{name} X": x[name], f"{name} y": y[name]})
    return {name: Rows(x[name], y[name]) for name in pairs}, unique


def _probes(
    parts: Mapping[str, Rows],
    classes: Classes,
    methods: tuple[str, ...],
    *,
    rng: np.random.Generator,
    representation: str,
    baseline: bool,
    target: str,
    shuffled: bool,
    k: int,
    groups: Ints | None = None,
) -> tuple[Probe, ...]:
    """Train and score probes of checked rows."""
    width = parts["train"].x.shape[1]
    train, test, validation = _check(parts, numeric="ridge" in methods)
    (train, test, validation), pca = _narrowed(train, test, validation, rng=rng)
    note = [] if validation is not None else [f"no validation rows: {FOLDS} folds of train chose the setting"]
    if pca is not None:
        note.append(f"{width} columns reduced to {train.x.shape[1]} by PCA")
    bench = _Bench(train, validation, test, classes.names, rng, k, shuffled, groups)
    probes = []
    for method in methods:
        score, null, setting, table, (prediction, probabilities) = bench.read(method)
        labels = np.zeros(0) if method == "ridge" else classes.values
        probes.append(
            Probe(
                representation=representation,
                baseline=baseline,
                method=method,
                target=target,
                metric="R2" if method == "ridge" else "accuracy",
                score=score,
                shuffled=null,
                setting=setting,
                width=width,
                used=train.x.shape[1],
                n_train=len(train.y),
                n_validation=0 if validation is None else len(validation.y),
                classes=() if method == "ridge" else classes.names,
                confusion=table,
                note="; ".join(note),
                predictor=Predictor(
                    width=width, labels=labels, decision=prediction, probabilities=probabilities, pca=pca
                ),
            )
        )
    return tuple(probes)


def logistic_hits(
    train: Rows, validation: Rows, test: Rows, *, rng: np.random.Generator, classes: tuple[str, ...] = ()
) -> tuple[Bools, float]:
    """Which test rows (n,) the logistic probe of `linear_probe` gets right, and its accuracy on validation rows."""
    parts = {"train": train, "test": test, "validation": validation}
    (train, test, held), _ = _narrowed(*_check(parts, numeric=False), rng=rng)
    bench = _Bench(train, held, test, classes, rng, 1, False)
    classifier = bench.fitted("logistic")[1]
    search_rows = bench.train if bench.validation is None else bench.validation
    return classifier(bench.test.x).argmax(1) == test.y, float(
        np.mean(classifier(search_rows.x).argmax(1) == search_rows.y)
    )


def _narrowed(
    train: Rows, test: Rows, validation: Rows | None, *, rng: np.random.Generator
) -> tuple[tuple[Rows, Rows, Rows | None], PCA | None]:
    """Reduce what is wider than probes take by a PCA fitted on train."""
    if train.x.shape[1] <= WIDEST:
        return (train, test, validation), None
    whole = fit_pca(train.x, WIDEST, rng=rng)
    pca = whole.first(whole.sound)
    held = None if validation is None else Rows(pca.project(validation.x), validation.y)
    return (Rows(pca.project(train.x), train.y), Rows(pca.project(test.x), test.y), held), pca


def _check(parts: Mapping[str, Rows], *, numeric: bool) -> tuple[Rows, Rows, Rows | None]:
    """Refuse what no probe can be trained on; fewer than two validation rows are none."""
    train, test, validation = parts["train"], parts["test"], parts.get("validation")
    for name, rows in (("train", train), ("test", test)):
        if len(rows.y) < 2:
            raise AnalysisError(f"a probe needs at least 2 {name} rows with a value, and there are {len(rows.y)}")
        same_length(rows=rows.x, targets=rows.y)
    if len(np.unique(train.y)) < 2:
        raise AnalysisError("a probe needs at least two different values in train, and there is one")
    if numeric and np.ptp(test.y) == 0:
        raise AnalysisError("R2 needs test rows with different values")
    held = validation if validation is not None and len(validation.y) > 1 else None
    return Rows(as_codes(train.x), train.y), Rows(as_codes(test.x), test.y), held


def _take(rows: Rows, index: Ints) -> Rows:
    return Rows(rows.x[index], rows.y[index])


def _held(rows: Rows) -> Rows:
    """Few rows of a stream, in memory; rows of an array as they are."""
    return Rows(np.asarray(rows.x), rows.y)


_Prediction = tuple[
    Callable[[Floats], AnyArray], Callable[[AnyArray], Doubles] | None
]  # scores of rows; probabilities of them


# score, shuffled score, setting, confusion, what is said of new rows
_Part = tuple[Interval, Interval | None, float, Ints | None, _Prediction]


class _Bench:
    """Three splits of one representation, standardised once for all probes."""

    def __init__(
        self,
        train: Rows,
        validation: Rows | None,
        test: Rows,
        classes: tuple[str, ...],
        rng: np.random.Generator,
        k: int,
        shuffled: bool,
        groups: Ints | None = None,
    ) -> None:
        self.raw = train, test
        self.scaler = fit_scaler(train.x)
        self.train, self.test = Rows(self.scaler(train.x), train.y), Rows(self.scaler(test.x), test.y)
        self.validation: Rows | None = None
        if validation is not None:
            search = subsample(np.arange(len(validation.y)), SEARCH, rng=rng)
            self.validation = _held(Rows(self.scaler(validation.x[search]), validation.y[search]))
        self.search = subsample(np.arange(len(train.y)), SEARCH, rng=rng)
        self.groups = None if groups is None else groups[self.search]
        highest = -1 if train.y.dtype.kind == "f" else max(int(train.y.max()), int(test.y.max()))
        self.columns = max(len(classes), 1 + highest)
        self.rng, self.k, self.shuffles = rng, k, SHUFFLES if shuffled else 0

    def read(self, method: str) -> _Part:
        """Train and score one probe."""
        if method in COSINE:
            return self.cosine(*COSINE[method])
        return self.ridge() if method == "ridge" else self.knn() if method == "knn" else self.linear(method)

    def fitted(self, method: str) -> tuple[float, Linear, Rows]:
        """The chosen C, the probe of all train rows, and those rows on which C was tried."""
        search_rows = _held(_take(self.train, self.search))
        if self.validation is None:
            c, classifier = choose_c_by_folds(
                search_rows, self.columns, LOSSES[method], rng=self.rng, groups=self.groups
            )
        else:
            c, classifier = choose_c(search_rows, self.validation, self.columns, LOSSES[method])
        if len(self.search) < len(self.train.y):
            classifier = self._fit(self.train, LOSSES[method], c, classifier)
        return c, classifier, search_rows

    def linear(self, method: str) -> _Part:
        """Choose C, refit, score; then again with shuffled labels."""
        c, classifier, search_rows = self.fitted(method)
        loss = LOSSES[method]
        predicted = np.asarray(classifier(self.test.x).argmax(1), np.int64)
        few = _take(search_rows, subsample(np.arange(len(search_rows.y)), SHUFFLED, rng=self.rng))
        null = []
        for _ in range(self.shuffles):
            lost = self._fit(Rows(few.x, self.rng.permutation(few.y)), loss, c, None, iterations=50)
            null.append(np.mean(lost(self.test.x).argmax(1) == self.test.y))
        probabilities = softmax if method == "logistic" else None
        prediction: _Prediction = (lambda rows: classifier(self.scaler(rows)), probabilities)
        return self._score(predicted), _over(null), c, confusion(self.test.y, predicted, self.columns), prediction

    def _fit(self, rows: Rows, loss: Loss, c: float, start: Linear | None, iterations: int = 200) -> Linear:
        return fit_linear(
            rows.x,
            targets(rows.y, self.columns, loss),
            self.columns,
            loss=loss,
            c=c,
            start=start,
            iterations=iterations,
        )

    def _score(self, predicted: Ints) -> Interval:
        return proportion(predicted == self.test.y)

    def knn(self) -> _Part:
        """Vote of the k nearest train rows, Euclidean, columns as they are."""
        train, test = self.raw
        index, _ = nearest(test.x, train.x, k=self.k)
        predicted = vote(train.y[index])
        null = [np.mean(vote(self.rng.permutation(train.y)[index]) == test.y) for _ in range(self.shuffles)]

        def decision(rows: Floats) -> Doubles:
            return votes(train.y[nearest(rows, train.x, k=self.k)[0]], self.columns)

        table = confusion(test.y, predicted, self.columns)
        return self._score(predicted), _over(null), float(self.k), table, (decision, shares_of_votes)

    def cosine(self, k: int, temperature: float) -> _Part:
        """Vote of the k train rows of largest cosine, each weighted by exp(cos / T), columns as they are."""
        train, test = (unit_rows(np.asarray(rows.x)) for rows in self.raw)
        labels = self.raw[0].y

        def neighbours(rows: Floats) -> tuple[Ints, Doubles]:
            index, distance = nearest(rows, train, k=k)
            return index, np.exp((1 - distance**2 / 2 - 1) / temperature)  # |a − b|² = 2 − 2 cos; −1 cancels in a vote

        index, weights = neighbours(test)

        def read(given: Ints) -> Ints:
            return weighted_vote(given[index], weights, self.columns)

        def decision(rows: Floats) -> Doubles:
            near, weight = neighbours(unit_rows(rows))
            return weighted_votes(labels[near], weight, self.columns)

        predicted = read(labels)
        null = [np.mean(read(self.rng.permutation(labels)) == self.test.y) for _ in range(self.shuffles)]
        score, table = self._score(predicted), confusion(self.test.y, predicted, self.columns)
        return score, _over(null), float(index.shape[1]), table, (decision, shares_of_votes)

    def ridge(self) -> _Part:
        """R2 of ridge regression, alpha a row chosen on validation; shuffled targets are further columns."""
        lost = [self.rng.permutation(self.train.y) for _ in range(self.shuffles)]
        models = fit_ridge(self.train.x, np.column_stack([self.train.y, *lost]), penalties=PENALTIES)
        best = middle_of_best(self._r2_of_penalties(models))
        predicted = models[best](self.test.x).astype(np.float64)
        null = [r2_score(self.test.y, column) for column in predicted[:, 1:].T]
        score = bootstrap(r2_score, self.test.y, predicted[:, 0], rng=self.rng)
        chosen = models[best]
        return score, _over(null), PENALTIES[best], None, (lambda rows: chosen(self.scaler(rows))[:, 0], None)

    def _r2_of_penalties(self, models: list[Linear]) -> Doubles:
        """R² of each penalty on validation rows, or on folds of at most `SEARCH` train rows."""
        if self.validation is not None:
            truth = self.validation.y
            return np.array([r2_score(truth, model(self.validation.x)[:, 0]) for model in models])
        search_rows = _held(_take(self.train, self.search))
        folds = balanced_folds(np.zeros(len(search_rows.y), np.int64), FOLDS, rng=self.rng, groups=self.groups)
        predicted = np.empty((len(models), len(search_rows.y)))
        for fold in np.unique(folds):
            rest, held = folds != fold, folds == fold
            for i, model in enumerate(fit_ridge(search_rows.x[rest], search_rows.y[rest], penalties=PENALTIES)):
                predicted[i, held] = model(search_rows.x[held])[:, 0]
        return np.array([r2_score(search_rows.y, values) for values in predicted])


def _over(null: list[Any]) -> Interval | None:
    """Mean over shuffles, with the interval over shuffles; None where there were none."""
    return mean_interval(np.array(null, np.float64)) if null else None


def targets(y: Ints, columns: int, loss: Loss) -> Ints:
    """What `loss` compares with: the classes (n,), or their one-against-rest signs (n, columns) for a hinge."""
    return y if loss is softmax_loss else signs_of(y, columns)


def choose_c(
    train: Rows, validation: Rows, columns: int, loss: Loss, settings: tuple[float, ...] = SETTINGS
) -> tuple[float, Linear]:
    """Fit standardised rows at each C, least first and from the fit before; return the best on validation.

    Of several that are equally good, it is the one nearest to the middle of the settings.
    """
    classifiers = _fit_each(train, columns, loss, settings)
    best = middle_of_best(
        np.array([np.mean(classifier(validation.x).argmax(1) == validation.y) for classifier in classifiers])
    )
    return settings[best], classifiers[best]


def choose_c_by_folds(
    train: Rows,
    columns: int,
    loss: Loss,
    *,
    rng: np.random.Generator,
    settings: tuple[float, ...] = SETTINGS,
    groups: Ints | None = None,
) -> tuple[float, Linear]:
    """Choose C by the rows that folds leave out, all folds counted together, and fit all rows at it."""
    folds = balanced_folds(train.y, FOLDS, rng=rng, groups=groups)
    right = np.zeros(len(settings))
    for fold in np.unique(folds):
        held = _take(train, np.flatnonzero(folds == fold))
        classifiers = _fit_each(_take(train, np.flatnonzero(folds != fold)), columns, loss, settings)
        right += [np.count_nonzero(classifier(held.x).argmax(1) == held.y) for classifier in classifiers]
    best = middle_of_best(right)
    wanted = targets(train.y, columns, loss)
    return settings[best], fit_linear(train.x, wanted, columns, loss=loss, c=settings[best])


def _fit_each(train: Rows, columns: int, loss: Loss, settings: tuple[float, ...]) -> list[Linear]:
    """Fits of standardised rows at each C, least first, each from the one before."""
    classifiers: list[Linear] = []
    wanted = targets(train.y, columns, loss)
    for c in settings:
        start = classifiers[-1] if classifiers else None
        classifiers.append(
            fit_linear(train.x, wanted, columns, loss=loss, c=c, start=start, iterations=100, tolerance=1e-6)
        )
    return classifiers


def middle_of_best(figures: Doubles) -> int:
    """Place of the largest of a few figures; of equal ones, the nearest to the middle; NaN is less than any."""
    figures = np.nan_to_num(figures, nan=-np.inf)
    best = np.flatnonzero(figures == figures.max())
    return int(best[np.argmin(np.abs(best - (len(figures) - 1) / 2))])


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints | None:
    """Count (truth, predicted) pairs: (classes, classes), or None above 50 classes."""
    if classes > 50:
        return None
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
