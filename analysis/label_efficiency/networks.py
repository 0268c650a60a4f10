"""Networks that are taught the drawn labels alone, beside simple readers of what was learned without any.

A network learns from the table's pixels, which is what the baseline "pixels" reads. How it learns is a callable's
business, as nothing here trains one; `latentgan.evaluation.supervised_baselines` has such callables.
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


@dataclass(frozen=True)
class Lesson:
    """Labelled images, the draws of them that are to be taught, and rows to choose by and to judge on."""

    images: Pixels  # (n, h, w, c) uint8
    labels: Ints  # (n,) positions in `classes`; all -1 where numbers are to be read
    classes: tuple[str, ...]
    draws: Ints  # (draws, m) rows, a network is taught each
    validation: Ints  # (v,) rows
    test: Ints  # (t,) rows
    values: Doubles | None = None  # (n, k) numbers to read, each in standard deviations


Teach = Callable[[Lesson], tuple[Bools, int]]
"""From a lesson to which test rows each draw's network gets right, (draws, t), and the number of steps."""


Read = Callable[[Lesson], tuple[Singles, Sequence[int]]]
"""From a lesson of numbers to what each draw's network reads in test rows, (draws, t, k), and steps for each number."""


@dataclass(frozen=True)
class Network:
    """A way of teaching networks. Args: told: labels that what helps it was itself told; smaller draws are left out."""

    name: str  # few.NETWORK, or that and what is added to its images, each after a comma
    teach: Teach
    read: Read | None = None  # None where numbers cannot be taught so
    told: int = 0
    note: str = ""


def teach_networks(
    curve: Curve,
    networks: Sequence[Network],
    table: Embeddings,
    column: Column,
    rows: tuple[Ints, Ints, Ints],
    *,
    draws: int,
    progress: Progress,
) -> list[str]:
    """Teach every network the first `draws` draws of each size and add them to the curve; returns notes.

    Args: column: the classes. rows: train, validation and test rows of the table with a label, the first in the order
        that the curve draws from.
    Raises: AnalysisError where the table's pixels are no images.
    """
    images, held, judged, notes = _lesson(table, rows, draws)
    labels = column.codes[np.concatenate(rows)]
    for network in networks:
        result: list[tuple[AnyArray, Setting] | None] = []
        for size in curve.sizes:
            labelled = size.picked.shape[1]
            progress(f"{network.name}, {labelled:,} labels")
            if labelled < network.told:
                result.append(None)
                continue
            lesson = Lesson(images, labels, column.categories, size.picked[:draws], held, judged)
            hits, steps = network.teach(lesson)
            result.append((hits, Setting(False, float(steps))))
        if any(one is not None for one in result):
            curve.add(network.name, True, result)
        else:
            notes.append(f"{network.name!r} is left out: every draw holds fewer than the {network.told:,} labels told")
        notes += [f"{network.name}: {network.note}"] if network.note else []
    return notes


def teach_numbers(
    curves: NumberCurves,
    networks: Sequence[Network],
    table: Embeddings,
    rows: tuple[Ints, Ints, Ints],
    held: Doubles,
    *,
    draws: int,
    progress: Progress,
) -> list[str]:
    """Have the networks that can read numbers, all of them at once, do so; else as `teach_networks`.

    Args: held: (v, k) values of the validation rows.
    """
    images, chosen, judged, notes = _lesson(table, rows, draws)
    values = np.concatenate([curves.values, curves.standard(held), curves.truth])
    unnamed = np.full(len(images), -1)
    able = [(network, network.read) for network in networks if network.read is not None]
    for network, read in able:
        result = []
        for picked in curves.picked:
            progress(f"{network.name}, {picked.shape[1]:,} labelled rows")
            readings, steps = read(Lesson(images, unnamed, (), picked[:draws], chosen, judged, values))
            result.append((readings, [float(step) for step in steps]))
        curves.add(network.name, result)
        notes += [f"{network.name}: {network.note}"] if network.note else []
    return notes if able else []


def _lesson(table: Embeddings, rows: tuple[Ints, Ints, Ints], draws: int) -> tuple[Pixels, Ints, Ints, list[str]]:
    """Images of train, validation and test rows, one after the other; where the last two lie; and notes."""
    images = pictures(table, np.concatenate(rows))
    places = np.cumsum([0, *map(len, rows)])
    held, judged = (np.arange(places[i], places[i + 1]) for i in (1, 2))
    side = " × ".join(map(str, images.shape[1:]))
    notes = [
        f"networks are taught the first {draws} draws of each size, on the table's pixels, {side}; the number of steps "
        f"is the best on {len(held):,} validation rows, as C is"
    ]
    return images, held, judged, notes


def pictures(table: Embeddings, rows: Ints) -> Pixels:
    """The pixels of rows as images (n, h, w, c) uint8. Raises: AnalysisError where they have no such shape."""
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
