"""Attribute classifier: the network that scores edited images, trained on labels and attributes of real images only.

It shares no weight with the model whose images it scores, and its input is pixels, so that a changed score is a change
in the image. One trunk has a head for each column: class probabilities for the label and for text attributes, the
probability of a boolean, the value of a number. Shape and training are those of `latentgan.evaluation.classifiers`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from analysis.io.reading import check_file, parse_json, read_text
from analysis.io.writing import GENERATOR, Writing, check_outputs, wrote
from latentgan.data.source import ImageSource
from latentgan.errors import DataError
from latentgan.evaluation.classifiers import AnySize, train_network
from latentgan.io.reading import read_tensors
from latentgan.io.writing import file_sha256, tensor_bytes, write_failures

FILE = "attribute_classifier"
"""Name of its two files, .json and .safetensors, in a results folder."""


STEPS = 600
"""Training steps."""


MAX_TRAINING_IMAGES = 20_000


MAX_TRAINING_BYTES = 1 << 28
"""Training images take at most this much memory as floats."""


BATCH = 512
"""Images scored at once."""


MIN_ROWS_PER_VALUE = 10
"""A value with fewer train rows is not learned."""


MAX_CATEGORIES = 20
"""Of a text attribute, at most this many values are learned, the commonest, as there are concepts of."""


@dataclass(frozen=True)
class Head:
    """One column that the classifier predicts."""

    column: str
    """Name of the column in the table of codes."""
    kind: str
    """"class", "boolean", "numeric" or "text"."""
    categories: tuple[str, ...] = ()
    """Names of the classes, or values of a text attribute."""
    mean: float = 0.0
    """Mean of a number over train rows."""
    scale: float = 1.0
    """Its standard deviation there."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its scores, which are those of the concepts that they measure."""
        return tuple(f"{self.column}: {category}" for category in self.categories) or (self.column,)

    @property
    def about(self) -> str:
        """Kind of its scores, for tables."""
        return "value by a network" if self.kind == "numeric" else "probability by a network"

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Mean over rows with a truth; 0 where no row has one. outputs: (b, width), truth: (b,) float, NaN unknown.

        Args:
            outputs: (b, width) outputs of the network.
            truth: (b,) values as of `truth`.
        """
        has_truth = ~truth.isnan()
        outputs, truth = outputs[has_truth], truth[has_truth]
        if not len(truth):
            return outputs.sum()
        if self.categories:
            return cross_entropy(outputs, truth.long())
        if self.kind == "boolean":
            return binary_cross_entropy_with_logits(outputs[:, 0], truth)
        return (outputs[:, 0] - (truth - self.mean) / self.scale).square().mean()

    def scores(self, outputs: Tensor) -> Tensor:
        """Return probabilities, or values in the column's unit, (n, width)."""
        if self.categories:
            return outputs.softmax(1)
        return outputs.sigmoid() if self.kind == "boolean" else outputs * self.scale + self.mean

    def truth(self, source: ImageSource, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the column of `rows`, (n,) float64: positions of categories, 0 and 1, or numbers; NaN unknown.

        Args:
            source: the images.
            name: name of the attribute, "" for the label.
            rows: (n,) rows.
        """
        if self.kind == "class":
            labels = source.labels[rows]
            return np.where(labels < 0, np.nan, labels.astype(np.float64))
        values = source.attributes[name][rows]
        if self.kind == "text":
            place = {value: float(k) for k, value in enumerate(self.categories)}
            return np.array([place.get(value, np.nan) for value in values.tolist()])
        return np.asarray(values, np.float64)

    def truths(self, source: ImageSource, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the true value of each score for `rows`, (n, width) float64: 0 and 1, or numbers; NaN unknown.

        Args:
            source: the images.
            name: name of the attribute, "" for the label.
            rows: (n,) rows.
        """
        truth = self.truth(source, name, rows)[:, None]
        if not self.categories:
            return truth
        return np.where(np.isnan(truth), np.nan, truth == np.arange(len(self.categories)))


def find_heads(source: ImageSource, columns: dict[str, str], rows: np.ndarray | None = None) -> list[tuple[Head, str]]:
    """Return the columns that can be learned from some rows, each with the name of its attribute ("" is the label).

    Args:
        source: the images.
        columns: the table's column of every attribute, see `latentgan.inference.table_writer.attribute_columns`.
        rows: (n,) rows to learn from; the train split unless given.
    """
    train, result = source.rows("train") if rows is None else rows, []
    if len(source.spec.classes) > 1 and (source.labels[train] >= 0).sum() >= MIN_ROWS_PER_VALUE:
        result.append((Head("label", "class", source.spec.classes), ""))
    for name, column in columns.items():
        if name == source.group:
            continue  # says what belongs together, not what images show
        kind, values = source.attribute_kinds[name], source.attributes[name][train]
        if kind == "text":
            texts, counts = np.unique([value for value in values.tolist() if value is not None], return_counts=True)
            commonest = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
            categories = tuple(str(texts[i]) for i in np.sort(commonest) if counts[i] >= MIN_ROWS_PER_VALUE)
            if len(categories) > 1:
                result.append((Head(column, kind, categories), name))
            continue
        present = values[~np.isnan(values)]
        if len(present) >= MIN_ROWS_PER_VALUE and present.min() < present.max():
            moments = (float(present.mean()), float(present.std())) if kind == "numeric" else (0.0, 1.0)
            result.append((Head(column, kind, (), *moments), name))
    return result


class AttributeClassifier:
    """Scores of images.

    Args:
        network: images (n, c, h, w) in [-1, 1] → outputs (n, sum of the heads' widths); put into evaluation mode.
        heads: columns that it predicts, in the order of its outputs.
        device: where it runs.
    """

    def __init__(self, network: nn.Module, heads: Sequence[Head], device: str = "cpu") -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.heads, self.device = tuple(heads), device
        self.names = tuple(name for head in heads for name in head.names)
        self.about = tuple(head.about for head in heads for _ in head.names)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score images.

        Args:
            images: (n, h, w, c), uint8 or float in [0, 1].

        Returns:
            Scores (n, j) float64, and predicted classes (n,) int64, -1 where there is no head for the label.
        """
        scale = 255.0 if images.dtype == np.uint8 else 1.0
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                x = torch.from_numpy(np.asarray(images[start : start + BATCH], np.float32)).to(self.device)
                outputs = self.network((x / (scale / 2) - 1).permute(0, 3, 1, 2).contiguous()).cpu().double()
                head_outputs = zip(self.heads, torch.split(outputs, widths(self.heads), dim=1), strict=True)
                parts.append(torch.cat([head.scores(logits) for head, logits in head_outputs], dim=1).numpy())
        scores = np.concatenate(parts) if parts else np.zeros((0, len(self.names)))
        if self.heads[0].kind != "class":
            return scores, np.full(len(images), -1)
        return scores, scores[:, : len(self.heads[0].names)].argmax(1)


def widths(heads: Sequence[Head]) -> list[int]:
    """Return how many scores each head has."""
    return [len(head.names) for head in heads]


def train_attribute_classifier(
    source: ImageSource,
    heads: Sequence[tuple[Head, str]],
    *,
    rows: np.ndarray | None = None,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> AttributeClassifier:
    """Train an attribute classifier on at most 20,000 real images.

    Args:
        source: the images.
        heads: columns to learn, each with the name of its attribute, see `find_heads`.
        rows: (n,) rows to learn from, of which the seed draws; the train split unless given.
        steps: training steps.
        seed: seed of the images, weights and batches.
        device: where to train.

    Raises:
        DataError: there is no column to learn.
    """
    if not heads:
        raise DataError(f"{source.name} has no label and no attribute that a classifier could learn")
    most = max(1, min(MAX_TRAINING_IMAGES, MAX_TRAINING_BYTES // (4 * int(np.prod(source.spec.shape)))))
    learned = source.rows("train") if rows is None else rows
    rows = np.sort(np.random.default_rng(seed).permutation(learned)[:most])
    truths = [torch.from_numpy(head.truth(source, name, rows)).float().to(device) for head, name in heads]
    only = [head for head, _ in heads]

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        parts = zip(only, torch.split(outputs, widths(only), dim=1), truths, strict=True)
        return torch.stack([head.loss(logits, truth[batch]) for head, logits, truth in parts]).sum()

    shape = AnySize(width=16, hidden=128)
    *_, network = train_network(source, rows, shape, sum(widths(only)), loss, marks=[steps], seed=seed, device=device)
    return AttributeClassifier(network, only, device)


def open_attribute_classifier(
    folder: Path,
    source: ImageSource,
    heads: Sequence[tuple[Head, str]],
    *,
    rows: np.ndarray | None = None,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[AttributeClassifier, bool]:
    """Return the attribute classifier that is stored in `folder`, or train one and store it there.

    Args:
        folder: a results folder.
        source: the images.
        heads: columns to learn, each with the name of its attribute, see `find_heads`.
        rows: (n,) rows to learn from; the train split unless given.
        steps: training steps.
        seed: seed of the images, weights and batches.
        device: where it runs.

    Returns:
        The classifier, and whether it was trained now.

    Raises:
        DataError: there is no column to learn, or the files cannot be written or are another program's.
    """
    learned = source.rows("train") if rows is None else rows
    key = _key(source, heads, learned)
    about = {"heads": [asdict(head) for head, _ in heads], "steps": steps, "seed": seed, "key": key}
    about = json.loads(json.dumps(about))
    weights, facts = folder / f"{FILE}.safetensors", folder / f"{FILE}.json"
    is_ours = facts.is_file() and wrote(facts, FILE)
    check_outputs([facts], FILE, error=DataError)
    check_outputs([] if is_ours else [weights], "weights", error=DataError)
    only = [head for head, _ in heads]
    try:
        check_file(weights, error=DataError)
        stored = parse_json(read_text(facts, error=DataError), facts, error=DataError)
        if stored == {**about, "sha256": file_sha256(weights)}:
            network = AnySize(width=16, hidden=128).build(source.spec.shape, sum(widths(only)))
            network.load_state_dict(read_tensors(weights, error=DataError))
            return AttributeClassifier(network, only, device), False
    except (OSError, RuntimeError, DataError):
        pass  # none is stored, or a damaged one: train it
    classifier = train_attribute_classifier(source, heads, rows=learned, steps=steps, seed=seed, device=device)
    tensors = tensor_bytes(classifier.network.state_dict(), {"software": GENERATOR})
    about["sha256"] = hashlib.sha256(tensors).hexdigest()
    with write_failures(folder), Writing() as files:
        files.write(weights, tensors)
        files.write(facts, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    return classifier, True


def _key(source: ImageSource, heads: Sequence[tuple[Head, str]], learned: np.ndarray) -> str:
    """Return a hash of what the classifier learns from: images, the rows among them, and columns."""
    digest = hashlib.sha256(source.fingerprint.encode())
    rows = source.rows()
    for column in (learned.astype(np.int64), *(head.truth(source, name, rows) for head, name in heads)):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
