"""Supervised baselines: networks trained from scratch on the same labelled subsets as the probes.

A network learns from the table's pixels, which the baseline "pixels" has too. Nothing here trains one: a baseline is
given as callables, such as those of `latentgan.evaluation.supervised_baselines`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Ints, Pixels, Singles
from ..base.columns import Column
from ..errors import AnalysisError
from ..probes.few_labels import Setting
from ..table.embeddings import Embeddings
from ..table.study_options import Progress
from .curves import Curve
from .regression import NumberCurves


@dataclass(frozen=True, kw_only=True)
class LabelSubset:
    """Images, the draws of labelled rows to train on, and the rows for validation and test."""

    images: Pixels
    """(n, h, w, c) uint8."""
    labels: Ints
    """(n,) positions in `classes`; all -1 where numbers are predicted."""
    classes: tuple[str, ...]
    draws: Ints
    """(draws, m) rows; one network is trained on each draw."""
    validation: Ints
    """(v,) rows."""
    test: Ints
    """(t,) rows."""
    values: Doubles | None = None
    """(n, k) numbers to predict, each in standard deviations."""


FitClassifiers = Callable[[LabelSubset], tuple[Bools, int]]
"""From a subset to which test rows each draw's network classifies correctly, (draws, t), and the number of steps."""


FitRegressors = Callable[[LabelSubset], tuple[Singles, Sequence[int]]]
"""From a subset to what each draw's network predicts for test rows, (draws, t, k), and the steps for each number."""


@dataclass(frozen=True, kw_only=True)
class SupervisedBaseline:
    """A named way to train networks on labelled subsets."""

    name: str
    """Few.NETWORK, or that and what is added to its images, each after a comma."""
    fit_classifiers: FitClassifiers
    fit_regressors: FitRegressors | None = None
    """None where it cannot predict numbers."""
    n_labels_used: int = 0
    """Labels behind its additional images; draws with fewer are left out."""
    note: str = ""


def add_classifiers(
    curve: Curve,
    baselines: Sequence[SupervisedBaseline],
    table: Embeddings,
    column: Column,
    rows: tuple[Ints, Ints, Ints],
    *,
    draws: int,
    progress: Progress,
) -> list[str]:
    """Train every baseline on the first `draws` draws of each size, and add their accuracies to the curve.

    Args:
        curve: gets the accuracies.
        baselines: ways to train networks.
        table: has the pixels.
        column: the classes.
        rows: train, validation and test rows of the table with a label, the first in the order that the curve draws
            from.
        draws: of each size.
        progress: is called with what is trained.

    Returns:
        Notes.

    Raises:
        AnalysisError: the table's pixels are no images.
    """
    images, validation, test, notes = _images_of(table, rows, draws)
    labels = column.codes[np.concatenate(rows)]
    for baseline in baselines:
        result: list[tuple[AnyArray, Setting] | None] = []
        for size in curve.sizes:
            labelled = size.picked.shape[1]
            progress(f"{baseline.name}, {labelled:,} labels")
            if labelled < baseline.n_labels_used:
                result.append(None)
                continue
            subset = LabelSubset(
                images=images,
                labels=labels,
                classes=column.categories,
                draws=size.picked[:draws],
                validation=validation,
                test=test,
            )
            hits, steps = baseline.fit_classifiers(subset)
            result.append((hits, Setting(False, float(steps))))
        if any(accuracy is not None for accuracy in result):
            curve.add(baseline.name, True, result)
        else:
            notes.append(
                f"{baseline.name!r} is left out: every draw holds fewer than the {baseline.n_labels_used:,} labels "
                "that its generated images rest on"
            )
        notes += [f"{baseline.name}: {baseline.note}"] if baseline.note else []
    return notes


def add_regressors(
    curves: NumberCurves,
    baselines: Sequence[SupervisedBaseline],
    table: Embeddings,
    rows: tuple[Ints, Ints, Ints],
    held: Doubles,
    *,
    draws: int,
    progress: Progress,
) -> list[str]:
    """Train the baselines that can predict numbers, each on all numbers at once; else as `add_classifiers`.

    Args:
        curves: get the predictions.
        baselines: ways to train networks; those without `fit_regressors` are left out.
        table: has the pixels.
        rows: train, validation and test rows.
        held: (v, k) values of the validation rows.
        draws: of each size.
        progress: is called with what is trained.

    Returns:
        Notes.

    Raises:
        AnalysisError: the table's pixels are no images.
    """
    images, validation, test, notes = _images_of(table, rows, draws)
    values = np.concatenate([curves.values, curves.standard(held), curves.truth])
    unnamed = np.full(len(images), -1)
    able = [(baseline, baseline.fit_regressors) for baseline in baselines if baseline.fit_regressors is not None]
    for baseline, fit in able:
        result = []
        for picked in curves.picked:
            progress(f"{baseline.name}, {picked.shape[1]:,} labelled rows")
            predictions, steps = fit(
                LabelSubset(
                    images=images,
                    labels=unnamed,
                    classes=(),
                    draws=picked[:draws],
                    validation=validation,
                    test=test,
                    values=values,
                )
            )
            result.append((predictions, [float(step) for step in steps]))
        curves.add(baseline.name, result)
        notes += [f"{baseline.name}: {baseline.note}"] if baseline.note else []
    return notes if able else []


def _images_of(table: Embeddings, rows: tuple[Ints, Ints, Ints], draws: int) -> tuple[Pixels, Ints, Ints, list[str]]:
    """Images of train, validation and test rows, one after the other; where the last two lie; and notes."""
    images = pictures(table, np.concatenate(rows))
    places = np.cumsum([0, *map(len, rows)])
    validation, test = (np.arange(places[i], places[i + 1]) for i in (1, 2))
    side = " × ".join(map(str, images.shape[1:]))
    notes = [
        f"networks are trained on the first {draws} draws of each size, on the table's pixels, {side}; the number of "
        f"steps is the best on {len(validation):,} validation rows, as C is"
    ]
    return images, validation, test, notes


def pictures(table: Embeddings, rows: Ints) -> Pixels:
    """Pixels of rows as images (n, h, w, c) uint8.

    Raises:
        AnalysisError: they have no such shape.
    """
    shape = table.pixels_shape
    if shape is None or shape[2] not in (1, 3):
        raise AnalysisError(
            f"networks learn from pixels, and the table {table.path.name!r} has no column 'pixels' of a known shape: "
            "latentgan encode writes one"
        )
    whole = np.empty((len(rows), *shape), np.uint8)
    for start in range(0, len(rows), 4096):
        part = table.vectors("pixels", rows[start : start + 4096])
        whole[start : start + 4096] = np.rint(np.clip(part, 0, 1) * 255).reshape(-1, *shape)
    return whole
