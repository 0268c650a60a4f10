"""Adversarial examples of a reader: how much of its accuracy survives a change of every pixel by at most ε.

FGSM  x' = clip(x + ε sign ∇ loss)                      (Goodfellow et al. 2015, arXiv:1412.6572, §4)
PGD   steps of α = 2.5 ε / steps along sign ∇ loss, each projected on |x' − x|∞ <= ε and [0, 1], from a random start
      (Madry et al. 2018, arXiv:1706.06083, §2.1)

Who is attacked is a `Target`: images to scores, and the gradient of their cross-entropy by the images.
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


@dataclass(frozen=True)
class Target:
    """A reader of images (n, h, w, c) in [0, 1].

    Args: name: as figures call it. scores: images -> (n, k). gradient: images, classes (n,) -> the gradient of each
        image's own cross-entropy by its pixels, of the images' shape. baseline: a baseline.
    """

    name: str
    scores: Callable[[Singles], Floats]
    gradient: Callable[[Singles, Ints], Floats]
    baseline: bool = False


@dataclass(frozen=True)
class Attacked:
    """What is left of one reader."""

    name: str
    baseline: bool
    method: str  # "fgsm", "pgd", or "noise": every pixel moved by ε up or down at random, which is no attack
    accuracy: tuple[Interval, ...]  # at each ε; n test images


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Readers of the same images under the same attacks."""

    kind: ClassVar[str] = "robustness"

    epsilons: Doubles  # (e,) largest change of a pixel, in [0, 1]; the first is 0
    readers: tuple[Attacked, ...]
    shown: Pixels  # (m, 1 + e, h, w, c) the first reader's images under PGD: as they are, then at each ε
    read_as: Ints  # (m, 1 + e) the class that the first reader names; the first column is the truth
    notes: tuple[str, ...]
    classes: tuple[str, ...] = ()  # names, where they are known
    disturbed: tuple[Attacked, ...] = ()  # the same readers under noise

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def linear_target(name: str, weights: Floats, bias: Floats, *, baseline: bool = False) -> Target:
    """A softmax reader of pixels: weights (h · w · c, k) and bias (k,) on images as they are.

    Raises: AnalysisError for values that are not finite, or shapes that do not fit.
    """
    weights, bias = as_codes(weights, "weights"), as_point(as_vector(bias, "bias"), "bias")
    if weights.shape[1] != len(bias):
        raise AnalysisError(f"weights of {weights.shape[1]} classes do not fit a bias of {len(bias)}")

    def scores(images: Singles) -> Floats:
        logits: Floats = images.reshape(len(images), -1) @ weights + bias
        return logits

    def gradient(images: Singles, labels: Ints) -> Floats:
        slope = softmax(scores(images))
        slope[np.arange(len(labels)), labels] -= 1
        image_gradient: Floats = (slope @ weights.T).reshape(images.shape)
        return image_gradient

    return Target(name, scores, gradient, baseline)


def softmax(scores: Floats) -> Doubles:
    """Probabilities (n, k) of scores (n, k)."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    result: Doubles = shifted / shifted.sum(1, keepdims=True)
    return result


def fgsm(target: Target, images: Singles, labels: Ints, *, epsilon: float) -> Singles:
    """One step of ε along the sign of the gradient: images (n, h, w, c) in [0, 1], labels (n,) columns of scores."""
    images, labels = _pair(images, labels)
    return _clip(images + epsilon * np.sign(target.gradient(images, labels)))


def pgd(target: Target, images: Singles, labels: Ints, *, epsilon: float, rng: Seed = 0, steps: int = 20) -> Singles:
    """Several steps within the ball of ε, from a random start; of each image the step of the largest loss is kept."""
    rng = as_rng(rng)
    images, labels = _pair(images, labels)
    low, high = images - epsilon, images + epsilon
    moved = _clip(images + rng.uniform(-epsilon, epsilon, images.shape))
    best, worst = images.copy(), np.full(len(images), -np.inf)
    for step in range(steps + 1):
        loss = -np.log(np.maximum(softmax(target.scores(moved))[np.arange(len(labels)), labels], 1e-300))
        worse = loss > worst
        best[worse], worst[worse] = moved[worse], loss[worse]
        if step < steps:
            ahead = moved + 2.5 * epsilon / steps * np.sign(target.gradient(moved, labels))
            moved = _clip(np.clip(ahead, low, high))
    return best


def _pair(images: Singles, labels: Ints) -> tuple[Singles, Ints]:
    """Images (n, h, w, c) and the column of each one's class, 0 or more. Raises: AnalysisError for anything else."""
    images, places = as_images(images), as_targets(labels, "labels")
    same_length(images=images, labels=places)
    if (places < 0).any() or (places != np.rint(places)).any():
        raise AnalysisError("labels are columns of the scores: whole numbers of 0 or more, and no -1 for unlabelled")
    return images, places.astype(np.int64)


def noise(images: Singles, epsilon: float, *, rng: np.random.Generator) -> Singles:
    """Every value of a pixel moved by ε, up or down at random: as large as an attack, and aimed at nothing."""
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
    """Attack each reader with FGSM and PGD and count what it still reads right, with Wilson's interval.

    Beside them stands noise of the same size.

    Every reader is attacked by its own gradient: figures compare what each withstands, not one set of images.

    Args: images: (n, h, w, c) test images, uint8 or in [0, 1]. labels: (n,) classes. epsilons: ascending, above 0.
    Raises: AnalysisError for no images, or epsilons that are not ascending in (0, 1].
    """
    rng = as_rng(rng)
    x = as_images(images)
    if len(x) == 0 or not targets:
        raise AnalysisError("robustness needs test images with a label, and a reader")
    x, labels = _pair(x, labels)
    sizes = np.array([0.0, *epsilons])
    if not (np.diff(sizes) > 0).all() or sizes[-1] > 1 or len(sizes) < 2:
        raise AnalysisError(f"epsilons must ascend within (0, 1], not {tuple(epsilons)}")
    seeds = rng.integers(2**32, size=len(sizes))
    readers, frames = [], [x[:shown]]
    for target in targets:
        for method in ("noise", "fgsm", "pgd"):
            progress(f"{target.name}: {method}")
            accuracy, moved, right = [], x.copy(), np.ones(len(x), np.bool_)
            for epsilon, seed in zip(sizes, seeds, strict=True):
                if epsilon > 0:  # what PGD has found once lies within every larger epsilon too
                    left = right if method == "pgd" else np.ones(len(x), np.bool_)
                    moved[left] = _attack(target, x[left], labels[left], epsilon, method, steps, int(seed))
                right = _named(target, moved) == labels
                accuracy.append(proportion(right))
                if target is targets[0] and method == "pgd":
                    frames.append(moved[:shown].copy())
            readers.append(Attacked(target.name, target.baseline, method, tuple(accuracy)))
    named = [labels[:shown], *(_named(targets[0], frame) for frame in frames[1:])]
    note = (
        f"every pixel in [0, 1] moved by at most epsilon; FGSM is one step, PGD {steps} from a random start, on images "
        "that no smaller epsilon has undone; each reader attacked through its own gradient; Wilson's 95 % interval "
        f"over {len(x):,} test images"
    )
    read_as, pixels = np.stack(named, 1).astype(np.int64), to_pixels(np.stack(frames, 1))
    attacked, noise_rows = (
        [reader for reader in readers if (reader.method == "noise") == noisy] for noisy in (False, True)
    )
    return Robustness(
        epsilons=sizes,
        readers=tuple(attacked),
        shown=pixels,
        read_as=read_as,
        notes=(note, *notes),
        classes=classes,
        disturbed=tuple(noise_rows),
    )


def _attack(target: Target, x: Singles, labels: Ints, epsilon: float, method: str, steps: int, seed: int) -> Singles:
    """Attack, or disturb, in batches, each with random starts of its own."""
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


def _named(target: Target, images: Singles) -> Ints:
    starts = range(0, max(1, len(images)), BATCH)
    parts = [target.scores(images[start : start + BATCH]).argmax(1) for start in starts]
    return np.concatenate(parts).astype(np.int64)
