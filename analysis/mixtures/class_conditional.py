"""A Gaussian mixture for each class: new codes of a class, and what Bayes' rule makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Seed, Singles, as_codes, as_rng, same_length
from ..base.labels import as_classes, as_pair
from ..base.pca import PCA, fit_pca
from ..base.statistics import Baseline, Interval, proportion
from ..errors import AnalysisError
from ..io.messages import listed
from .gaussians import Gaussians
from .inverse_transform import CodeTransform, code_transform, decoded, must
from .model_selection import MAX_COLUMNS, FittedMixture, fit_mixture

COMPONENT_GRID = (1, 2, 4)


MIN_ROWS_PER_CLASS = 10  # rows of a class


LABEL_SHUFFLES = 10


@dataclass(frozen=True, kw_only=True)
class ClassMixtures:
    """p(z | y) of each class that has rows enough, and p(y)."""

    classes: Ints
    """(c,) labels that have a mixture."""
    shares: Doubles
    """(c,) of the labelled rows."""
    mixtures: tuple[FittedMixture, ...]
    """In the code, or in what `pca` projects it to."""
    pca: PCA | None
    """Through which codes go first; None where they are taken as they are."""
    names: tuple[str, ...] = ()
    """Of the classes, as they were given."""

    def log_joint(self, codes: Floats) -> Doubles:
        """Return log p(y) + log p(z | y) for every class y.

        Args:
            codes: z, (n, d).

        Returns:
            (n, classes), in nats.
        """
        inner = codes if self.pca is None else self.pca.project(codes)
        densities = np.stack([mixture.log_density(inner) for mixture in self.mixtures], axis=1)
        joint: Doubles = densities + np.log(self.shares)
        return joint

    def sample(self, index: int, count: int, *, rng: np.random.Generator) -> Doubles:
        """Draw codes of a class.

        Args:
            index: of the class, from 0.
            count: how many.
            rng: draws them.

        Returns:
            Codes (count, d).
        """
        drawn = self.mixtures[index].gaussians.draw(count, rng=rng)
        return drawn if self.pca is None else self.pca.restore(drawn).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class ByClass:
    """Mixtures of classes, scored on rows that they were not fitted on."""

    classes: tuple[str, ...]
    components: Ints
    """(c,) of each class."""
    covariances: tuple[str, ...]
    """The shape of each."""
    rows: Ints
    """(c,) that each was fitted on."""
    accuracy: Interval
    """Held-out rows whose class Bayes' rule names."""
    shuffled: float
    """The same of one Gaussian a class, fitted to shuffled labels, the mean of several shuffles."""
    samples: Pixels | None
    """(c, s, h, w, c') drawn from each class and decoded; None without a model."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""
    mixtures: tuple[Gaussians, ...] = ()
    """Of each class, in the columns that `back` leads back from."""
    back: CodeTransform | None = None
    """None in results of earlier versions."""
    baselines: tuple[Baseline, ...] = ()
    """Accuracy of the same on pixels and on the untrained network's codes."""

    def draw(self, count: int, *, label: str, rng: np.random.Generator) -> Singles:
        """Draw codes of a class.

        Args:
            count: how many.
            label: name of the class.
            rng: draws them.

        Returns:
            Codes (count, D).

        Raises:
            AnalysisError: the class has no mixture.
        """
        if label not in self.classes:
            raise AnalysisError(f"no mixture is of class {label!r}: there are {listed(self.classes, quote=True)}")
        index = self.classes.index(label)
        back = must(self.back)
        return back.whole(self.mixtures[index].draw(count, rng=rng), index, rng=rng)


def fit_class_mixtures(
    codes: Floats, labels: Ints, *, rng: Seed = 0, components: Sequence[int] = COMPONENT_GRID, restarts: int = 1
) -> ClassMixtures:
    """Fit a mixture, chosen by BIC, to the codes of every class.

    Rows without a label, or with -1 among other whole numbers than 1, belong to no class.

    Args:
        codes: (n, d).
        labels: (n,) of any kind.
        rng: of the starts.
        components: numbers of components to try.
        restarts: starts of each fit.

    Returns:
        The mixtures, one a class.

    Raises:
        AnalysisError: fewer than two classes have MIN_ROWS_PER_CLASS rows.
    """
    rng = as_rng(rng)
    codes = as_codes(codes)
    (places,), has_class = as_classes({"labels": labels}, unlabelled=True)
    same_length(codes=codes, labels=places)
    result = _fitted(codes, places, rng=rng, components=components, restarts=restarts)
    whole = has_class.values.dtype.kind == "i"
    classes = has_class.values[result.classes] if whole else result.classes
    return replace(result, classes=classes, names=tuple(has_class.names[place] for place in result.classes))


def _fitted(
    codes: Floats, labels: Ints, *, rng: np.random.Generator, components: Sequence[int], restarts: int = 1
) -> ClassMixtures:
    """The same of checked codes and positions of classes, -1 = unlabelled."""
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    varied = np.array([bool(codes[labels == label].var(0).any()) for label in classes], np.bool_)
    use = (counts >= MIN_ROWS_PER_CLASS) & varied
    if use.sum() < 2:
        raise AnalysisError(
            f"mixtures of classes need two classes of {MIN_ROWS_PER_CLASS} rows, and {int(use.sum())} have them, "
            "not all the same"
        )
    pca = fit_pca(codes, MAX_COLUMNS, rng=rng) if codes.shape[1] > MAX_COLUMNS else None
    inner = codes if pca is None else pca.project(codes)
    fitted = tuple(
        fit_mixture(inner[labels == label], rng=rng, components=components, restarts=restarts) for label in classes[use]
    )
    return ClassMixtures(
        classes=classes[use].astype(np.int64), shares=counts[use] / counts[use].sum(), mixtures=fitted, pca=pca
    )


def _shuffled(codes: Floats, labels: Ints, *, rng: np.random.Generator) -> ClassMixtures:
    """One Gaussian a class, of rows whose labels are exchanged."""
    mixed = labels.copy()
    mixed[labels >= 0] = rng.permutation(labels[labels >= 0])
    return _fitted(codes, mixed, rng=rng, components=(1,))


def bayes_accuracy(mixtures: ClassMixtures, codes: Floats, labels: Ints) -> Interval:
    """Share of labelled (m, d) codes whose class has the highest posterior."""
    has_class = np.isin(labels, mixtures.classes)
    return proportion(mixtures.classes[mixtures.log_joint(codes[has_class]).argmax(1)] == labels[has_class])


def by_class(
    train: tuple[Floats, Ints],
    test: tuple[Floats, Ints],
    *,
    classes: tuple[str, ...] = (),
    rng: Seed = 0,
    components: Sequence[int] = COMPONENT_GRID,
    columns: Bools | None = None,
    decode: Callable[[Singles], Singles] | None = None,
    shown: int = 12,
    baseline_codes: Mapping[str, tuple[Floats, Floats]] = MappingProxyType({}),
) -> ByClass:
    """Fit mixtures of classes on train rows, score them on test rows, and draw from each.

    The baselines are one Gaussian a class, fitted to the same rows with shuffled labels, and mixtures of classes on
    other representations.

    Args:
        train: codes (n, D), labels (n,).
        test: codes (m, D), labels (m,).
        classes: names of the labels, where they are positions.
        rng: a generator or a seed.
        components: numbers of components to try for each class.
        columns: (D,) those that are looked at; by default all.
        decode: codes (s, D) to images; None shows none.
        shown: codes that are drawn and decoded for each class.
        baseline_codes: name of another representation -> its train and test rows.

    Returns:
        The mixtures, their accuracy as a classifier beside baselines, and decoded draws.

    Raises:
        AnalysisError: for codes and labels that do not fit together, or fewer than two classes with rows enough.
    """
    rng = as_rng(rng)
    parts = {"train": as_pair(train, "train"), "test": as_pair(test, "test")}
    codes, other_codes = (as_codes(x, f"{name} X") for name, (x, _) in parts.items())
    (labels, truth), has_class = as_classes(
        {f"{name} y": y for name, (_, y) in parts.items()}, classes=tuple(classes), unlabelled=True
    )
    classes = has_class.names
    same_length(**{"train X": codes, "train y": labels})
    same_length(**{"test X": other_codes, "test y": truth})
    if codes.shape[1] != other_codes.shape[1]:
        raise AnalysisError(f"train X has {codes.shape[1]} columns, and test X has {other_codes.shape[1]}")
    if not (truth >= 0).any():
        raise AnalysisError("mixtures of classes are scored on test rows with a label, and there are none")
    keep = np.ones(codes.shape[1], np.bool_) if columns is None else columns
    inner, held = (codes[:, keep], labels), (other_codes[:, keep], truth)
    result = _fitted(*inner, rng=rng, components=components)
    null = [bayes_accuracy(_shuffled(*inner, rng=rng), *held).value for _ in range(LABEL_SHUFFLES)]
    notes = [f"{keep.sum()} columns reduced to {len(result.pca.axes)} by PCA"] if result.pca is not None else []
    scored = ByClass(
        classes=tuple(classes[label] for label in result.classes),
        components=np.array([len(mixture.gaussians.weights) for mixture in result.mixtures], np.int64),
        covariances=tuple(mixture.gaussians.covariance for mixture in result.mixtures),
        rows=np.array([mixture.fitted_on for mixture in result.mixtures], np.int64),
        accuracy=bayes_accuracy(result, *held),
        shuffled=float(np.mean(null)),
        samples=None,
        notes=tuple(notes),
        mixtures=tuple(mixture.gaussians for mixture in result.mixtures),
        back=code_transform(
            codes, keep, result.pca, [np.flatnonzero(labels == label) for label in result.classes], rng=rng
        ),
        baselines=tuple(
            Baseline(
                name=name,
                figure=bayes_accuracy(_fitted(fit_on, labels, rng=rng, components=components), other, held[1]),
                note="accuracy",
            )
            for name, (fit_on, other) in baseline_codes.items()
        ),
    )
    if decode is None:
        return scored
    images = decoded([scored.draw(shown, label=name, rng=rng) for name in scored.classes], decode)
    return replace(scored, samples=images)
