"""Probes: how well a simple reader gets the labels out of a frozen representation."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Doubles, Ints
from .statistics import Interval


@dataclass(frozen=True)
class Probe:
    """One figure: a reader trained on a representation's train rows, scored on its test rows."""

    representation: str  # "code", "discriminator.conv2", "pixels", "PCA 50 of pixels", "untrained.code", ...
    baseline: bool  # a yardstick (pixels, PCA of pixels, untrained network), not the model's own
    method: str  # "logistic", "svm", "knn" or "ridge"
    target: str  # "label" or an attribute's name
    metric: str  # "accuracy" or "R2"
    score: Interval  # over test rows
    shuffled: Interval | None  # the same reader trained on shuffled targets
    setting: float  # C of logistic and svm, alpha of ridge, k of knn
    width: int  # columns of the representation
    used: int  # columns after PCA, = width where none was needed
    n_train: int
    n_validation: int
    classes: tuple[str, ...]  # empty for ridge
    confusion: Ints | None  # (classes, classes) test rows, truth by row; None for ridge or > 50 classes
    note: str


@dataclass(frozen=True)
class Difference:
    """Paired difference of accuracies over the same draws of labels."""

    representation: str
    baseline: str
    difference: Interval  # accuracy minus the baseline's, mean over draws


@dataclass(frozen=True)
class FewLabels:
    """Logistic probes on a few labels a class, the same draws for every representation."""

    per_class: int
    representations: tuple[str, ...]
    baselines: tuple[bool, ...]  # which of them are yardsticks
    accuracy: Doubles  # (representations, draws) on the test rows
    scores: tuple[Interval, ...]  # mean over draws with its interval (t), n = draws
    deviations: tuple[float, ...]  # standard deviation over draws
    differences: tuple[Difference, ...]
    settings: tuple[float, ...]  # C of each representation
    n_test: int
    note: str  # the protocol


@dataclass(frozen=True)
class ProbeTable:
    """All probes of one table."""

    target: str  # the main target: "label" or the column in its place
    probes: tuple[Probe, ...]  # the main target's first, then attributes'
    few: tuple[FewLabels, ...]
    protocol: str  # one paragraph: standardisation, C, rows
    notes: tuple[str, ...]  # what was left out and why
