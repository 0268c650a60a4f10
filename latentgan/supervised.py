"""Plain classifiers of a given shape, trained on labels alone: the yardstick of features that were learned without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from latentgan.config import AugmentConfig
from latentgan.data import ImageSource
from latentgan.errors import ConfigError
from latentgan.networks.blocks import Norm
from latentgan.networks.dcgan import conv_trunk, trunk_width
from latentgan.networks.mlp import mlp_encoder
from latentgan.tricks import Augmentation

STEPS = (50, 100, 200, 400, 800)
"""Numbers of steps that are tried on validation images."""
BATCH = 128
EVALUATED = 512


@dataclass(frozen=True)
class Classifier:
    """A convolutional network with a linear layer on top, shaped as a discriminator's trunk, and how it learns.

    Args:
        width: channels of the first convolution.
        hidden: width of the dense layer; 0 is none, as in DCGAN.
        norm: of every layer but the first.
        augment: random affine maps of the training images.
        learning_rate: Adam's.
    """

    width: int = 32
    hidden: int = 256
    norm: Norm = "none"
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    learning_rate: float = 1e-3

    def build(self, shape: tuple[int, int, int], outputs: int) -> nn.Module:
        """Return the network: images (n, *shape) in [-1, 1] → (n, outputs), logits of classes for one."""
        trunk = conv_trunk(shape, width=self.width, hidden=self.hidden, norm=self.norm)
        return nn.Sequential(
            trunk, nn.Flatten(), nn.Linear(self.hidden or trunk_width(shape, width=self.width), outputs)
        )


@dataclass(frozen=True)
class AnySize(Classifier):
    """A classifier for images of any size: dense layers where convolutions do not fit."""

    def build(self, shape: tuple[int, int, int], outputs: int) -> nn.Module:
        """Return the network, as Classifier does."""
        try:
            return super().build(shape, outputs)
        except ConfigError:
            return mlp_encoder(shape, outputs, hidden=2 * self.hidden, norm="none")


def train_classifier(
    source: ImageSource,
    rows: np.ndarray,
    classifier: Classifier,
    *,
    marks: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[nn.Module]:
    """Train on labelled rows and yield the network, in evaluation mode, after each of the numbers of steps.

    Args:
        source: the images and labels.
        rows: (m,) rows to train on; each batch is a random one of up to 128 of them.
        classifier: network and learning rate.
        marks: ascending numbers of steps.
        seed: of weights, batches and augmentation.
        device: where to train.
    """
    labels = torch.from_numpy(source.labels[rows]).to(device)

    def loss(logits: Tensor, batch: Tensor) -> Tensor:
        return cross_entropy(logits, labels[batch])

    yield from train_network(
        source, rows, classifier, len(source.spec.classes), loss, marks=marks, seed=seed, device=device
    )


def train_network(
    source: ImageSource,
    rows: np.ndarray,
    classifier: Classifier,
    outputs: int,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    marks: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[nn.Module]:
    """Train by a loss of (outputs (b, outputs), positions (b,) among `rows`); the rest is as of train_classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = classifier.build(source.spec.shape, outputs).to(device).train()
        augment = Augmentation(classifier.augment)
        adam = torch.optim.Adam(network.parameters(), classifier.learning_rate, fused=True)
        images = source.tensor(rows, device)
        for step in range(1, marks[-1] + 1):
            batch = torch.randperm(len(rows))[:BATCH].to(device)
            adam.zero_grad()
            loss(network(augment(images[batch])), batch).backward()  # type: ignore[no-untyped-call]
            adam.step()
            if step in marks:
                yield network.eval()
                network.train()


@torch.inference_mode()
def predict(network: nn.Module, source: ImageSource, rows: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """Return the class of each of the rows, (m,) int64."""
    parts: list[Tensor] = []
    for start in range(0, len(rows), EVALUATED):
        parts.append(network(source.tensor(rows[start : start + EVALUATED], device)).argmax(1))
    return torch.cat(parts).cpu().numpy()


def few_label_hits(
    source: ImageSource,
    draws: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    classifier: Classifier,
    *,
    seed: int = 0,
    tried: int = 3,
    marks: Sequence[int] = STEPS,
    sets: Sequence[tuple[ImageSource, np.ndarray]] | None = None,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda draw: None,
) -> tuple[np.ndarray, int]:
    """Train a network on each draw of labelled rows and say which test rows it gets right.

    The number of steps is one for all draws: the best of `marks` on the validation rows, averaged over the first draws,
    as C is chosen for a probe.

    Args:
        source: the images.
        draws: (draws, m) labelled rows to train on.
        validation: (v,) labelled rows on which the number of steps is chosen.
        test: (t,) labelled rows to judge.
        classifier: network and learning rate.
        seed: of the first draw's weights; each further draw has the next one.
        tried: draws on which the number of steps is chosen.
        marks: numbers of steps to choose from.
        sets: what each draw's network is trained on in place of its rows of `source`: other images and rows of them.
        device: where to train.
        progress: told the number of each draw as it is done.

    Returns:
        (draws, t) booleans, and the number of steps.
    """

    def right(network: nn.Module, rows: np.ndarray) -> np.ndarray:
        hits: np.ndarray = predict(network, source, rows, device=device) == source.labels[rows]
        return hits

    scores, first = np.zeros(len(marks)), []
    learned = sets or [(source, rows) for rows in draws]
    for number, (images, rows) in enumerate(learned[:tried]):
        marked = train_classifier(images, rows, classifier, marks=marks, seed=seed + number, device=device)
        kept = [copy.deepcopy(network) for network in marked]
        scores += [right(network, validation).mean() for network in kept]
        first.append(kept)
        progress(number)
    best = int(scores.argmax())
    hits = [right(kept[best], test) for kept in first]
    for number, (images, rows) in enumerate(learned[tried:], tried):
        chosen = marks[best : best + 1]
        networks = train_classifier(images, rows, classifier, marks=chosen, seed=seed + number, device=device)
        hits += [right(network, test) for network in networks]
        progress(number)
    return np.stack(hits), marks[best]
