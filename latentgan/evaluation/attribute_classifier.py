"""A judge of edited images: a network that learned labels and attributes from real images and nothing else.

It shares no weight with the model whose images it judges, and reads pixels, so that what it sees in an edit is in the
image. One trunk has a head for each column: class probabilities of the label and of text attributes, the probability of
a boolean, the value of a number. See `latentgan.evaluation.classifiers` for its shape and training.
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

FILE = "judge"


STEPS = 600


ROWS = 20_000


HELD_BYTES = 1 << 28  # of training images as floats


EVALUATED = 512


FEWEST = 10  # train rows of a value, below which nobody can learn it


MOST = 20  # values of a text attribute, the commonest, as concepts have


@dataclass(frozen=True)
class Head:
    """One column that the judge tells."""

    column: str  # as the table of codes names it
    kind: str  # "class", "boolean", "numeric" or "text"
    categories: tuple[str, ...] = ()  # of classes and texts
    mean: float = 0.0  # of a number over train rows
    scale: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its scores, which are those of the concepts that they judge."""
        return tuple(f"{self.column}: {category}" for category in self.categories) or (self.column,)

    @property
    def about(self) -> str:
        """What its scores are."""
        return "value by a network" if self.kind == "numeric" else "probability by a network"

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Mean over rows with a truth; 0 where no row has one. outputs: (b, width), truth: (b,) float, NaN unknown."""
        known = ~truth.isnan()
        outputs, truth = outputs[known], truth[known]
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
        """Return the column of `rows`, (n,) float64: positions of categories, 0 and 1, or numbers; NaN unknown."""
        if self.kind == "class":
            labels = source.labels[rows]
            return np.where(labels < 0, np.nan, labels.astype(np.float64))
        values = source.attributes[name][rows]
        if self.kind == "text":
            place = {value: float(k) for k, value in enumerate(self.categories)}
            return np.array([place.get(value, np.nan) for value in values.tolist()])
        return np.asarray(values, np.float64)

    def truths(self, source: ImageSource, name: str, rows: np.ndarray) -> np.ndarray:
        """Return what each of the scores should be for `rows`, (n, width) float64: 0 and 1, or numbers; NaN unknown."""
        truth = self.truth(source, name, rows)[:, None]
        if not self.categories:
            return truth
        return np.where(np.isnan(truth), np.nan, truth == np.arange(len(self.categories)))


def find_heads(source: ImageSource, columns: dict[str, str], rows: np.ndarray | None = None) -> list[tuple[Head, str]]:
    """Return what can be learned from some rows, each with the name of its attribute ("" is the label).

    Args:
        source: the images.
        columns: the table's column of every attribute, see `latentgan.inference.table_writer.attribute_columns`.
        rows: (n,) rows to learn from; the train split unless given.
    """
    train, result = source.rows("train") if rows is None else rows, []
    if len(source.spec.classes) > 1 and (source.labels[train] >= 0).sum() >= FEWEST:
        result.append((Head("label", "class", source.spec.classes), ""))
    for name, column in columns.items():
        if name == source.group:
            continue  # says what belongs together, not what images show
        kind, values = source.attribute_kinds[name], source.attributes[name][train]
        if kind == "text":
            texts, counts = np.unique([value for value in values.tolist() if value is not None], return_counts=True)
            often = np.argsort(-counts, kind="stable")[:MOST]
            words = tuple(str(texts[i]) for i in np.sort(often) if counts[i] >= FEWEST)
            if len(words) > 1:
                result.append((Head(column, kind, words), name))
            continue
        known = values[~np.isnan(values)]
        if len(known) >= FEWEST and known.min() < known.max():
            moments = (float(known.mean()), float(known.std())) if kind == "numeric" else (0.0, 1.0)
            result.append((Head(column, kind, (), *moments), name))
    return result


class Judge:
    """Images to scores: images (n, h, w, c) in [0, 1] → (n, j) float64, and classes (n,) int64, -1 without a label."""

    def __init__(self, network: nn.Module, heads: Sequence[Head], device: str = "cpu") -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.heads, self.device = tuple(heads), device
        self.names = tuple(name for head in heads for name in head.names)
        self.about = tuple(head.about for head in heads for _ in head.names)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge images; uint8 ones are divided by 255."""
        scale = 255.0 if images.dtype == np.uint8 else 1.0
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), EVALUATED):
                x = torch.from_numpy(np.asarray(images[start : start + EVALUATED], np.float32)).to(self.device)
                outputs = self.network((x / (scale / 2) - 1).permute(0, 3, 1, 2).contiguous()).cpu().double()
                both = zip(self.heads, torch.split(outputs, widths(self.heads), dim=1), strict=True)
                parts.append(torch.cat([head.scores(one) for head, one in both], dim=1).numpy())
        scores = np.concatenate(parts) if parts else np.zeros((0, len(self.names)))
        if self.heads[0].kind != "class":
            return scores, np.full(len(images), -1)
        return scores, scores[:, : len(self.heads[0].names)].argmax(1)


def widths(heads: Sequence[Head]) -> list[int]:
    """Return how many scores each head has."""
    return [len(head.names) for head in heads]


def train_judge(
    source: ImageSource,
    heads: Sequence[tuple[Head, str]],
    *,
    rows: np.ndarray | None = None,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> Judge:
    """Train a judge on at most ROWS real images, drawn by the seed from `rows` (n,), the train split unless given.

    Raises:
        DataError: there is no column to learn.
    """
    if not heads:
        raise DataError(f"{source.name} has no label and no attribute that a judge could learn")
    most = max(1, min(ROWS, HELD_BYTES // (4 * int(np.prod(source.spec.shape)))))
    learned = source.rows("train") if rows is None else rows
    rows = np.sort(np.random.default_rng(seed).permutation(learned)[:most])
    truths = [torch.from_numpy(head.truth(source, name, rows)).float().to(device) for head, name in heads]
    only = [head for head, _ in heads]

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        parts = zip(only, torch.split(outputs, widths(only), dim=1), truths, strict=True)
        return torch.stack([head.loss(one, truth[batch]) for head, one, truth in parts]).sum()

    shape = AnySize(width=16, hidden=128)
    *_, network = train_network(source, rows, shape, sum(widths(only)), loss, marks=[steps], seed=seed, device=device)
    return Judge(network, only, device)


def open_judge(
    folder: Path,
    source: ImageSource,
    heads: Sequence[tuple[Head, str]],
    *,
    rows: np.ndarray | None = None,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[Judge, bool]:
    """Return the judge that `folder` keeps, or train one and keep it there, and whether it was trained now."""
    learned = source.rows("train") if rows is None else rows
    key = _key(source, heads, learned)
    about = {"heads": [asdict(head) for head, _ in heads], "steps": steps, "seed": seed, "key": key}
    about = json.loads(json.dumps(about))
    weights, facts = folder / f"{FILE}.safetensors", folder / f"{FILE}.json"
    ours = facts.is_file() and wrote(facts, "judge")
    check_outputs([facts], "judge", error=DataError)
    check_outputs([] if ours else [weights], "weights", error=DataError)
    only = [head for head, _ in heads]
    try:
        check_file(weights, error=DataError)
        kept = parse_json(read_text(facts, error=DataError), facts, error=DataError)
        if kept == {**about, "sha256": file_sha256(weights)}:
            network = AnySize(width=16, hidden=128).build(source.spec.shape, sum(widths(only)))
            network.load_state_dict(read_tensors(weights, error=DataError))
            return Judge(network, only, device), False
    except (OSError, RuntimeError, DataError):
        pass  # none is kept, or a damaged one: train it
    judge = train_judge(source, heads, rows=learned, steps=steps, seed=seed, device=device)
    kept = tensor_bytes(judge.network.state_dict(), {"software": GENERATOR})
    about["sha256"] = hashlib.sha256(kept).hexdigest()
    with write_failures(folder), Writing() as files:
        files.write(weights, kept)
        files.write(facts, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    return judge, True


def _key(source: ImageSource, heads: Sequence[tuple[Head, str]], learned: np.ndarray) -> str:
    """Return a hash of what the judge learns from: images, the rows among them, and columns."""
    digest = hashlib.sha256(source.fingerprint.encode())
    rows = source.rows()
    for column in (learned.astype(np.int64), *(head.truth(source, name, rows) for head, name in heads)):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
