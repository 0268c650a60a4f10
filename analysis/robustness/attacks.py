"""Adversarial examples of a classifier: how much of its accuracy survives a change of every pixel by at most ε.

FGSM  x' = clip(x + ε sign ∇ loss)                      (Goodfellow et al. 2015, arXiv:1412.6572, §4)
PGD   steps of α = 2.5 ε / steps along sign ∇ loss, each projected on |x' − x|∞ <= ε and [0, 1], from a random start
      (Madry et al. 2018, arXiv:1706.06083, §2.1)

What is attacked is a `Target`: it maps images to scores, and gives the gradient of their cross-entropy by the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import (
    Doubles,
    Floats,
    Ints,
    Pixels,
    Seed,
    Singles,
    as_codes,
    as_images,
    as_point,
    as_rng,
    as_vector,
    rows_of,
    same_length,
    to_pixels,
)
from ..base.labels import as_targets
from ..base.statistics import Interval, proportion
from ..errors import AnalysisError

BATCH = 512
"""Images attacked at once, each batch with random starts of its own."""


@dataclass(frozen=True)
class Target:
    """A classifier of images (n, h, w, c) in [0, 1]."""

    name: str
    """As figures call it."""
    scores: Callable[[Singles], Floats]
    """Maps images to scores (n, k)."""
    gradient: Callable[[Singles, Ints], Floats]
    """Maps images and classes (n,) to the gradient of each image's own cross-entropy by its pixels (n, h, w, c)."""
    baseline: bool = False
    """Whether it is a baseline."""


@dataclass(frozen=True, kw_only=True)
class AttackedProbe:
    """Accuracy of one classifier under one attack."""

    name: str
    """Of the `Target`."""
    baseline: bool
    """Whether it is a baseline."""
    method: str
    """ "fgsm", "pgd", or "noise": every pixel moved by ε up or down at random, which is no attack."""
    accuracy: tuple[Interval, ...]
    """(e,) share of n test images that are classified correctly, at each ε."""


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Classifiers of the same images under the same attacks."""

    kind: ClassVar[str] = "robustness"

    epsilons: Doubles
    """(e,) largest change of a pixel, in [0, 1]; the first is 0."""
    attacked: tuple[AttackedProbe, ...]
    """The probe and its baselines under FGSM and PGD, the probe first."""
    shown: Pixels
    """(m, 1 + e, h, w, c) test images as they are, then under PGD against the probe at each ε."""
    predicted: Ints
    """(m, 1 + e) classes that the probe predicts for them; the first column is the true class."""
    notes: tuple[str, ...]
    """Sentences on how the figures were made."""
    classes: tuple[str, ...] = ()
    """(k,) names, where they are known."""
    under_noise: tuple[AttackedProbe, ...] = ()
    """The same classifiers under noise."""

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def linear_target(name: str, weights: Floats, bias: Floats, *, baseline: bool = False) -> Target:
    """Make a softmax classifier of pixels as they are.

    Args:
        name: as figures call it.
        weights: (h · w · c, k).
        bias: (k,).
        baseline: whether it is a baseline.

    Returns:
        The classifier, to be attacked.

    Raises:
        AnalysisError: values are not finite, or shapes do not fit.
    """
    weights, bias = as_codes(weights, "weights"), as_point(as_vector(bias, "bias"), "bias")
    if weights.shape[1] != len(bias):
        raise AnalysisError(f"weights of {weights.shape[1]} classes do not fit a bias of {len(bias)}")

    def scores(images: Singles) -> Floats:
        result: Floats = images.reshape(len(images), -1) @ weights + bias
        return result

    def gradient(images: Singles, labels: Ints) -> Floats:
        by_scores = softmax(scores(images))
        by_scores[np.arange(len(labels)), labels] -= 1
        result: Floats = (by_scores @ weights.T).reshape(images.shape)
        return result

    return Target(name, scores, gradient, baseline)


def softmax(scores: Floats) -> Doubles:
    """Probabilities (n, k) of scores (n, k)."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    result: Doubles = shifted / shifted.sum(1, keepdims=True)
    return result


def fgsm(target: Target, images: Singles, labels: Ints, *, epsilon: float) -> Singles:
    """Fast gradient sign method: one step of ε along the sign of the gradient.

    Args:
        target: what is attacked.
        images: (n, h, w, c) in [0, 1].
        labels: (n,) columns of the target's scores.
        epsilon: change of every pixel, in [0, 1].

    Returns:
        Changed images (n, h, w, c) in [0, 1].
    """
    images, labels = _pair(images, labels)
    return _clip(images + epsilon * np.sign(target.gradient(images, labels)))


def pgd(target: Target, images: Singles, labels: Ints, *, epsilon: float, rng: Seed = 0, steps: int = 20) -> Singles:
    """Projected gradient descent: several steps within the ball of ε from a random start, of which the worst is taken.

    Args:
        target: what is attacked.
        images: (n, h, w, c) in [0, 1].
        labels: (n,) columns of the target's scores.
        epsilon: largest change of a pixel, in [0, 1].
        rng: of the start.
        steps: number of steps.

    Returns:
        Changed images (n, h, w, c) in [0, 1], of each the step with the largest loss.
    """
    rng = as_rng(rng)
    images, labels = _pair(images, labels)
    low, high = images - epsilon, images + epsilon
    moved = _clip(images + rng.uniform(-epsilon, epsilon, images.shape))
    worst, largest_loss = images.copy(), np.full(len(images), -np.inf)
    for step in range(steps + 1):
        loss = -np.log(np.maximum(softmax(target.scores(moved))[np.arange(len(labels)), labels], 1e-300))
        worse = loss > largest_loss
        worst[worse], largest_loss[worse] = moved[worse], loss[worse]
        if step < steps:
            stepped = moved + 2.5 * epsilon / steps * np.sign(target.gradient(moved, labels))
            moved = _clip(np.clip(stepped, low, high))
    return worst


def _pair(images: Singles, labels: Ints) -> tuple[Singles, Ints]:
    """Check images (n, h, w, c) and the column of each one's class (n,), 0 or more.

    Raises:
        AnalysisError: they are something else.
    """
    images, columns = as_images(images), as_targets(labels, "labels")
    same_length(images=images, labels=columns)
    if (columns < 0).any() or (columns != np.rint(columns)).any():
        raise AnalysisError("labels are columns of the scores: whole numbers of 0 or more, and no -1 for unlabelled")
    return images, columns.astype(np.int64)


def noise(images: Singles, epsilon: float, *, rng: np.random.Generator) -> Singles:
    """Move every value of a pixel by ε, up or down at random: as large a change as an attack's, without its aim."""
    return _clip(images + epsilon * np.where(rng.random(images.shape) < 0.5, -1, 1))


def _clip(images: Floats) -> Singles:
    clipped: Singles = np.clip(images, 0, 1).astype(np.float32)
    return clipped


def accuracy_under_attack(
    targets: Sequence[Target],
    images: Floats | Pixels,
    labels: Ints,
    *,
    epsilons: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2),
    rng: Seed = 0,
    steps: int = 20,
    shown: int = 8,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Robustness:
    """Attack each classifier with FGSM and PGD, and measure its accuracy with Wilson's interval; and under noise.

    Every classifier is attacked by its own gradient: figures compare what each withstands, not one set of images.

    Args:
        targets: the probe, then its baselines.
        images: (n, h, w, c) test images, uint8 or in [0, 1].
        labels: (n,) classes.
        epsilons: largest changes of a pixel, ascending, above 0.
        rng: of random starts and noise.
        steps: of PGD.
        shown: first images whose changed versions are stored.
        classes: (k,) names, where they are known.
        notes: sentences for the result.
        progress: called with what is attacked.

    Returns:
        Accuracy at each epsilon, with its interval, for each classifier.

    Raises:
        AnalysisError: there are no images, or epsilons do not ascend in (0, 1].
    """
    rng = as_rng(rng)
    x = as_images(images)
    if len(x) == 0 or not targets:
        raise AnalysisError("robustness needs test images with a label, and a classifier")
    x, labels = _pair(x, labels)
    sizes = np.array([0.0, *epsilons])
    if not (np.diff(sizes) > 0).all() or sizes[-1] > 1 or len(sizes) < 2:
        raise AnalysisError(f"epsilons must ascend within (0, 1], not {tuple(epsilons)}")
    seeds = rng.integers(2**32, size=len(sizes))
    results, frames = list[AttackedProbe](), [x[:shown]]
    for target in targets:
        for method in ("noise", "fgsm", "pgd"):
            progress(f"{target.name}: {method}")
            accuracy, moved, correct = [], x.copy(), np.ones(len(x), np.bool_)
            for epsilon, seed in zip(sizes, seeds, strict=True):
                if epsilon > 0:
                    # A change that PGD has found for an image lies within every larger epsilon too.
                    remaining = correct if method == "pgd" else np.ones(len(x), np.bool_)
                    moved[remaining] = _attack(
                        target, x[remaining], labels[remaining], epsilon, method, steps, int(seed)
                    )
                correct = _predict(target, moved) == labels
                accuracy.append(proportion(correct))
                if target is targets[0] and method == "pgd":
                    frames.append(moved[:shown].copy())
            results.append(
                AttackedProbe(name=target.name, baseline=target.baseline, method=method, accuracy=tuple(accuracy))
            )
    predicted = [labels[:shown], *(_predict(targets[0], frame) for frame in frames[1:])]
    note = (
        f"every pixel in [0, 1] moved by at most epsilon; FGSM is one step, PGD {steps} from a random start, on images "
        "that no smaller epsilon has undone; each classifier attacked through its own gradient; Wilson's 95 % interval "
        f"over {len(x):,} test images"
    )
    return Robustness(
        epsilons=sizes,
        attacked=tuple(result for result in results if result.method != "noise"),
        shown=to_pixels(np.stack(frames, 1)),
        predicted=np.stack(predicted, 1).astype(np.int64),
        notes=(note, *notes),
        classes=classes,
        under_noise=tuple(result for result in results if result.method == "noise"),
    )


def _attack(target: Target, x: Singles, labels: Ints, epsilon: float, method: str, steps: int, seed: int) -> Singles:
    """Attack, or add noise, in batches, each with random starts of its own."""
    out = np.empty_like(x)
    for start in range(0, len(x), BATCH):
        part = slice(start, start + BATCH)
        rng = np.random.default_rng([seed, start])
        if method == "noise":
            out[part] = noise(x[part], epsilon, rng=rng)
        elif method == "fgsm":
            out[part] = fgsm(target, x[part], labels[part], epsilon=epsilon)
        else:
            out[part] = pgd(target, x[part], labels[part], epsilon=epsilon, rng=rng, steps=steps)
    return out


def _predict(target: Target, images: Singles) -> Ints:
    """Classes (n,) with the largest score."""
    starts = range(0, max(1, len(images)), BATCH)
    parts = [target.scores(images[start : start + BATCH]).argmax(1) for start in starts]
    return np.concatenate(parts).astype(np.int64)
