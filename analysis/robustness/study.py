"""The study of adversarial examples: a fitted probe beside one on raw pixels and one on the untrained network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base.arrays import Floats, Ints, Pixels, Singles, as_images
from ..base.linear_models import Rows
from ..base.parallel import one_blas_thread
from ..base.statistics import Interval
from ..errors import AnalysisError
from ..probes.saved_probe import FittedProbe, fit_rows
from .attacks import Robustness, Target, accuracy_under_attack, linear_target

Slopes = tuple[Callable[[Singles], Floats], Callable[[Singles, Ints], Floats]]
"""Of a reader of images: scores, and the gradient of the loss by the pixels; see `adversarial.Target`."""


class Pictures(NamedTuple):
    """Images of one split, (n, h, w, c) uint8 or in [0, 1], and their classes (n,)."""

    images: Floats | Pixels
    labels: Ints


@dataclass(frozen=True)
class Network:
    """A network under a probe. Args: read: images -> features (n, d). slopes: a probe of them -> its slopes."""

    read: Callable[[Floats | Pixels], Floats]
    slopes: Callable[[FittedProbe], Slopes]


def study_adversarial(
    probe: FittedProbe,
    network: Network,
    untrained: Network | None,
    train: Pictures,
    validation: Pictures,
    test: Pictures,
    *,
    epsilons: Sequence[float],
    steps: int,
    seed: int = 0,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Robustness:
    """Attack the probe through its network, and the baselines, fitted on train images, through theirs.

    Raises: AnalysisError where too few images have a label to fit or to judge.
    """
    least = min(len(train.labels), len(validation.labels), len(test.labels))
    if least < 2 or len(np.unique(train.labels)) < 2:
        raise AnalysisError(
            "adversarial examples need train images of two classes for the baselines, and validation and test images, "
            "with labels that the probe knows"
        )
    rng, classes = np.random.default_rng([seed, *b"adversarial"]), len(probe.classes)
    targets = [Target(probe.column, *network.slopes(probe))]
    with one_blas_thread():
        for common, name in ((False, "pixels"), (True, "pixels, all at one scale")):
            progress(f"fitting {name}")
            pixels = _fitted(probe, train, validation, classes, _flat, rng, common=common)
            targets.append(linear_target(name, *pixels.in_the_columns, baseline=True))
        if untrained is not None:
            progress("fitting the untrained network")
            fitted = _fitted(probe, train, validation, classes, untrained.read, rng)
            targets.append(Target(f"untrained.{probe.column}", *untrained.slopes(fitted), baseline=True))
        sentences = [
            f"baselines are fitted on {len(train.labels):,} train images, C chosen on {len(validation.labels):,} "
            "validation images; pixels are divided each by its own deviation, as all columns are, which makes much of "
            "those that hardly vary, and all by one number; noise moves every pixel by epsilon, up or down at random",
            *([] if untrained else ["no untrained network: the run does not hold its first weights"]),
        ]
        return accuracy_under_attack(
            targets,
            test.images,
            test.labels,
            epsilons=epsilons,
            rng=rng,
            steps=steps,
            classes=probe.classes,
            notes=(*notes, *sentences),
            progress=progress,
        )


def _flat(images: Floats | Pixels) -> Singles:
    return as_images(images).reshape(len(images), -1)


def _fitted(
    like: FittedProbe,
    train: Pictures,
    validation: Pictures,
    classes: int,
    read: Callable[[Floats | Pixels], Floats],
    rng: np.random.Generator,
    *,
    common: bool = False,
) -> FittedProbe:
    """A probe of the same classes that reads other features of the same images."""
    rows = [Rows(read(part.images), part.labels) for part in (train, validation)]
    mean, scale, weights, bias, c = fit_rows(rows[0], rows[1], classes, rng=rng, common=common)
    return replace(
        like, mean=mean, scale=scale, weights=weights, bias=bias, c=c, accuracy=Interval(np.nan, np.nan, np.nan, 0)
    )
