"""The study of adversarial examples: a fitted probe, with probes on pixels and the untrained network as baselines."""

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

ScoresAndGradient = tuple[Callable[[Singles], Floats], Callable[[Singles, Ints], Floats]]
"""Of a classifier of images: its scores, and the gradient of its loss by the pixels; see `attacks.Target`."""


class LabelledImages(NamedTuple):
    """Images of one split with their classes."""

    images: Floats | Pixels
    """(n, h, w, c), uint8 or in [0, 1]."""
    labels: Ints
    """(n,)"""


@dataclass(frozen=True)
class Network:
    """A network whose features a probe classifies."""

    features: Callable[[Floats | Pixels], Floats]
    """Maps images to features (n, d)."""
    scores_and_gradient: Callable[[FittedProbe], ScoresAndGradient]
    """Maps a probe of these features to its scores of images, and their gradient by the pixels."""


def study_adversarial(
    probe: FittedProbe,
    network: Network,
    untrained: Network | None,
    train: LabelledImages,
    validation: LabelledImages,
    test: LabelledImages,
    *,
    epsilons: Sequence[float],
    steps: int,
    seed: int = 0,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Robustness:
    """Attack the probe through its network, and the baselines, fitted on train images, through theirs.

    Args:
        probe: fitted on the network's features.
        network: what the probe was fitted to.
        untrained: the same network with its first weights; None without.
        train: images that baselines are fitted on.
        validation: images that choose C.
        test: images that are attacked.
        epsilons: largest changes of a pixel in [0, 1], ascending, above 0.
        steps: of PGD.
        seed: of fits, random starts and noise.
        notes: sentences for the result.
        progress: called with what is at work.

    Raises:
        AnalysisError: too few images have a label to fit or to test.
    """
    least = min(len(train.labels), len(validation.labels), len(test.labels))
    if least < 2 or len(np.unique(train.labels)) < 2:
        raise AnalysisError(
            "adversarial examples need train images of two classes for the baselines, and validation and test images, "
            "with labels that the probe knows"
        )
    rng, classes = np.random.default_rng([seed, *b"adversarial"]), len(probe.classes)
    targets = [Target(probe.column, *network.scores_and_gradient(probe))]
    with one_blas_thread():
        for common, name in ((False, "pixels"), (True, "pixels, all at one scale")):
            progress(f"fitting {name}")
            pixels = _fitted(probe, train, validation, classes, _flat, rng, common=common)
            targets.append(linear_target(name, *pixels.in_the_columns, baseline=True))
        if untrained is not None:
            progress("fitting the untrained network")
            fitted = _fitted(probe, train, validation, classes, untrained.features, rng)
            targets.append(Target(f"untrained.{probe.column}", *untrained.scores_and_gradient(fitted), baseline=True))
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
    """Pixels in [0, 1] as features (n, h · w · c)."""
    return as_images(images).reshape(len(images), -1)


def _fitted(
    like: FittedProbe,
    train: LabelledImages,
    validation: LabelledImages,
    classes: int,
    features: Callable[[Floats | Pixels], Floats],
    rng: np.random.Generator,
    *,
    common: bool = False,
) -> FittedProbe:
    """A probe of the same classes, fitted to other features of the same images; `common`: one scale for all columns."""
    rows = [Rows(features(part.images), part.labels) for part in (train, validation)]
    mean, scale, weights, bias, c = fit_rows(rows[0], rows[1], classes, rng=rng, common=common)
    return replace(
        like, mean=mean, scale=scale, weights=weights, bias=bias, c=c, accuracy=Interval(np.nan, np.nan, np.nan, 0)
    )
