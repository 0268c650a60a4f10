"""A Gaussian mixture for each class: new codes of a class, and what Bayes' rule makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Pixels, Singles, as_codes, same_length, to_pixels
from .mixture_fits import WIDEST, FittedMixture, fit_mixture
from .pca import PCA, fit_pca
from .statistics import Interval, proportion

GRID = (1, 2, 4)
FEWEST = 10  # rows of a class
SHUFFLES = 10


@dataclass(frozen=True)
class ClassMixtures:
    """p(z | y) of each class that has rows enough, and p(y)."""

    classes: Ints  # (c,) labels that have a mixture
    shares: Doubles  # (c,) of the labelled rows
    mixtures: tuple[FittedMixture, ...]  # in the code, or in what `pca` projects it to
    pca: PCA | None

    def log_joint(self, codes: Floats) -> Doubles:
        """log p(y) + log p(z | y) of (n, d) codes: (n, c)."""
        inner = codes if self.pca is None else self.pca.project(codes)
        densities = np.stack([one.log_density(inner) for one in self.mixtures], axis=1)
        joint: Doubles = densities + np.log(self.shares)
        return joint

    def sample(self, index: int, count: int, *, rng: np.random.Generator) -> Doubles:
        """Draw (count, d) codes of the class at `index`."""
        found = self.mixtures[index].gaussians
        chosen = rng.multinomial(count, found.weights)
        drawn = np.concatenate([found.sample(k, n, rng=rng) for k, n in enumerate(chosen) if n])
        drawn = rng.permutation(drawn)
        return drawn if self.pca is None else self.pca.restore(drawn).astype(np.float64)


@dataclass(frozen=True)
class ByClass:
    """Mixtures of classes, judged on rows that they have not seen."""

    classes: tuple[str, ...]
    components: Ints  # (c,) of each class
    covariances: tuple[str, ...]  # the shape of each
    rows: Ints  # (c,) that each was fitted on
    accuracy: Interval  # held-out rows whose class Bayes' rule names
    shuffled: float  # the same of one Gaussian a class, fitted to shuffled labels, the mean of several shuffles
    samples: Pixels | None  # (c, s, h, w, c') drawn from each class and decoded; None without a model
    notes: tuple[str, ...]


def fit_class_mixtures(
    codes: Floats, labels: Ints, *, rng: np.random.Generator, components: Sequence[int] = GRID, restarts: int = 1
) -> ClassMixtures:
    """Fit a mixture, chosen by BIC, to the (n, d) codes of every class; `labels` (n,), -1 = unlabelled.

    Raises: AnalysisError where fewer than two classes have FEWEST rows.
    """
    codes = as_codes(codes)
    same_length(codes=codes, labels=labels)
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    use = counts >= FEWEST
    if use.sum() < 2:
        raise AnalysisError(f"mixtures of classes need two classes of {FEWEST} rows, and {int(use.sum())} have them")
    pca = fit_pca(codes, WIDEST, rng=rng) if codes.shape[1] > WIDEST else None
    inner = codes if pca is None else pca.project(codes)
    fitted = tuple(
        fit_mixture(inner[labels == label], rng=rng, components=components, restarts=restarts)
        for label in classes[use]
    )  # fmt: skip
    return ClassMixtures(classes[use].astype(np.int64), counts[use] / counts[use].sum(), fitted, pca)


def _shuffled(codes: Floats, labels: Ints, *, rng: np.random.Generator) -> ClassMixtures:
    """One Gaussian a class, of rows whose labels are exchanged."""
    mixed = labels.copy()
    mixed[labels >= 0] = rng.permutation(labels[labels >= 0])
    return fit_class_mixtures(codes, mixed, rng=rng, components=(1,), restarts=1)


def judge(found: ClassMixtures, codes: Floats, labels: Ints) -> Interval:
    """Share of labelled (m, d) codes whose class has the highest posterior."""
    known = np.isin(labels, found.classes)
    return proportion(found.classes[found.log_joint(codes[known]).argmax(1)] == labels[known])


def by_class(
    train: tuple[Floats, Ints],
    test: tuple[Floats, Ints],
    *,
    classes: tuple[str, ...],
    rng: np.random.Generator,
    components: Sequence[int] = GRID,
    decode: Callable[[Singles], Singles] | None = None,
    shown: int = 12,
) -> ByClass:
    """Fit mixtures of classes on train rows, judge them on test rows, and draw from each.

    The yardstick is one Gaussian a class, fitted to the same rows with shuffled labels.
    Args: train, test: codes (n, d), labels (n,).
    """
    found = fit_class_mixtures(*train, rng=rng, components=components)
    null = [judge(_shuffled(*train, rng=rng), *test).value for _ in range(SHUFFLES)]
    samples = None
    if decode is not None:
        drawn = np.concatenate([found.sample(i, shown, rng=rng) for i in range(len(found.classes))])
        images = decode(np.clip(drawn, train[0].min(0), train[0].max(0)).astype(np.float32))
        samples = to_pixels(images).reshape(len(found.classes), shown, *images.shape[1:])
    notes = [f"{train[0].shape[1]} columns reduced to {len(found.pca.axes)} by PCA"] if found.pca is not None else []
    return ByClass(
        tuple(classes[label] for label in found.classes),
        np.array([len(one.gaussians.weights) for one in found.mixtures], np.int64),
        tuple(one.gaussians.covariance for one in found.mixtures),
        np.array([one.fitted_on for one in found.mixtures], np.int64),
        judge(found, *test), float(np.mean(null)), samples, tuple(notes),
    )  # fmt: skip
