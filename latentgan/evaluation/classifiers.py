"""Plain classifiers of a given shape, trained on labels alone: the baseline of features that were learned without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from latentgan.augmentation import Augmentation
from latentgan.config import AugmentConfig
from latentgan.data.source import ImageSource
from latentgan.devices import seeded
from latentgan.errors import ConfigError
from latentgan.networks.blocks import Norm
from latentgan.networks.dcgan import conv_trunk, trunk_width
from latentgan.networks.mlp import mlp_encoder

STEPS = (50, 100, 200, 400, 800)
"""Numbers of steps that are tried on validation images."""


BATCH = 128


EVALUATION_BATCH = 512


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class AnySize(Classifier):
    """A classifier for images of any size: two dense layers where convolutions do not fit, or are not wanted.

    Args:
        dense: no convolutions, `hidden` is the width of both layers.
    """

    dense: bool = False

    def build(self, shape: tuple[int, int, int], outputs: int) -> nn.Module:
        """Return the network, as Classifier does."""
        if self.dense:
            return mlp_encoder(shape, outputs, hidden=self.hidden, norm="none")
        try:
            return super().build(shape, outputs)
        except ConfigError:
            return mlp_encoder(shape, outputs, hidden=2 * (self.hidden or 4 * self.width), norm="none")


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
    with seeded(torch.device(device), seed):
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


def predict(network: nn.Module, source: ImageSource, rows: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """Return the class of each of the rows, (m,) int64.

    Args:
        network: gives logits of the classes.
        source: the images.
        rows: (m,) rows.
        device: where it runs.
    """
    return outputs(network, source, rows, device=device).argmax(1).cpu().numpy()


@torch.inference_mode()
def outputs(network: nn.Module, source: ImageSource, rows: np.ndarray, *, device: str = "cpu") -> Tensor:
    """Return the outputs of a network for each of the rows, (m, outputs).

    Args:
        network: the network, in evaluation mode.
        source: the images.
        rows: (m,) rows.
        device: where it runs.
    """
    parts: list[Tensor] = []
    for start in range(0, len(rows), EVALUATION_BATCH):
        parts.append(network(source.tensor(rows[start : start + EVALUATION_BATCH], device)))
    return torch.cat(parts)


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
    """Train a network on each draw of labelled rows and return which test rows it classifies correctly.

    The number of steps is one for all draws: the best of `marks` on the validation rows, averaged over the first draws,
    as C is chosen for a probe.

    Args:
        source: the images.
        draws: (draws, m) labelled rows to train on.
        validation: (v,) labelled rows on which the number of steps is chosen.
        test: (t,) labelled rows that are scored.
        classifier: network and learning rate.
        seed: of the first draw's weights; each further draw has the next one.
        tried: draws on which the number of steps is chosen.
        marks: numbers of steps to choose from.
        sets: what each draw's network is trained on in place of its rows of `source`: other images and rows of them.
        device: where to train.
        progress: called with the number of each draw when it is done.

    Returns:
        (draws, t) booleans, and the number of steps.
    """

    def is_correct(network: nn.Module, rows: np.ndarray) -> np.ndarray:
        hits: np.ndarray = predict(network, source, rows, device=device) == source.labels[rows]
        return hits

    def train(number: int, marks: Sequence[int]) -> Iterator[nn.Module]:
        images, rows = (source, draws[number]) if sets is None else sets[number]
        return train_classifier(images, rows, classifier, marks=marks, seed=seed + number, device=device)

    hits, steps = _of_draws(
        len(draws),
        train,
        lambda network: is_correct(network, validation).mean(keepdims=True),
        lambda network: is_correct(network, test)[:, None],
        tried=tried,
        marks=marks,
        progress=progress,
    )
    return hits[:, :, 0], steps[0]


def few_number_predictions(
    source: ImageSource,
    values: np.ndarray,
    draws: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    classifier: Classifier,
    *,
    seed: int = 0,
    tried: int = 3,
    marks: Sequence[int] = STEPS,
    device: str = "cpu",
) -> tuple[np.ndarray, list[int]]:
    """Train a network on each draw of rows to predict t numbers, by squared error; return its predictions on test rows.

    Args:
        values: (n, t) numbers of the images, all known and about one in scale; the rest is as of `few_label_hits`.

    Returns:
        (draws, len(test), t) float32, and steps for each number, after which its error on validation rows is least.
    """
    truth = torch.from_numpy(values.astype(np.float32)).to(device)

    def predict_values(network: nn.Module, rows: np.ndarray) -> np.ndarray:
        return outputs(network, source, rows, device=device).cpu().numpy()

    def train(number: int, marks: Sequence[int]) -> Iterator[nn.Module]:
        rows = draws[number]
        targets = truth[torch.from_numpy(rows).to(device)]

        def loss(predicted: Tensor, batch: Tensor) -> Tensor:
            return mse_loss(predicted, targets[batch])

        return train_network(
            source, rows, classifier, values.shape[1], loss, marks=marks, seed=seed + number, device=device
        )

    return _of_draws(
        len(draws),
        train,
        lambda network: -np.mean((predict_values(network, validation) - values[validation]) ** 2, axis=0),
        lambda network: predict_values(network, test),
        tried=tried,
        marks=marks,
    )


def _of_draws(
    draws: int,
    train: Callable[[int, Sequence[int]], Iterator[nn.Module]],
    score: Callable[[nn.Module], np.ndarray],
    evaluate: Callable[[nn.Module], np.ndarray],
    *,
    tried: int,
    marks: Sequence[int],
    progress: Callable[[int], None] = lambda draw: None,
) -> tuple[np.ndarray, list[int]]:
    """Train a network on each draw and evaluate it, each column after the number of steps that scores best.

    Args:
        draws: number of draws.
        train: yields the network of draw i after each of some numbers of steps.
        score: gives (k,) scores of a network, the higher the better; they are averaged over the first `tried` draws.
        evaluate: gives the (t, k) values of a network that are returned.
        tried: see `few_label_hits`.
        marks: see `few_label_hits`.
        progress: see `few_label_hits`.

    Returns:
        (draws, t, k), and k numbers of steps.
    """
    scores: list[np.ndarray] = []
    tried_networks = []
    for number in range(min(tried, draws)):
        networks = [copy.deepcopy(network) for network in train(number, marks)]
        scores.append(np.stack([score(network) for network in networks]))
        tried_networks.append(networks)
        progress(number)
    best = np.mean(scores, axis=0).argmax(0)
    wanted = sorted(set(best.tolist()))
    place = np.searchsorted(wanted, best)
    values = [[evaluate(networks[mark]) for mark in wanted] for networks in tried_networks]
    for number in range(len(tried_networks), draws):
        values.append([evaluate(network) for network in train(number, [marks[mark] for mark in wanted])])
        progress(number)
    chosen = [np.stack(per_step)[place, :, np.arange(len(place))].T for per_step in values]
    return np.stack(chosen), [marks[mark] for mark in best]
