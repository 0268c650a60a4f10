"""A fitted probe as a file: weights, scaling, classes and what they belong to, as arrays and JSON text in one .npz."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Singles, Strings, subsample
from ..base.chunked import by_blocks
from ..base.linear_models import Rows, Scaler, fit_linear, fit_scalers, softmax_loss
from ..base.pca import fit_pca
from ..base.statistics import Interval, proportion
from ..errors import AnalysisError
from ..io.file_models import ProbeFile
from ..io.messages import listed
from ..io.reading import irregular, parse_json, read_arrays, validated
from ..io.writing import check_outputs, npz_bytes, replace_bytes
from ..table.embeddings import Embeddings
from ..table.selection import draw_sample
from ..table.study_options import Options
from .linear_probe import SEARCH, WIDEST, choose_c
from .targets import rows_with_values

FORMAT = 1


ARRAYS = ("mean", "scale", "weights", "bias")


@dataclass(frozen=True, kw_only=True)
class FittedProbe:
    """A multinomial logistic probe of one column: softmax of ((x − mean) / scale) W + b."""

    column: str
    """"code", or a feature layer."""
    pool: int
    """Cells to which convolutional layers were pooled, 0 whole."""
    checkpoint: str
    """Hash of the model that made the column, "" for a foreign table."""
    target: str
    classes: tuple[str, ...]
    mean: Singles
    """(d,)."""
    scale: Singles
    """(d,), infinite where a column says nothing."""
    weights: Singles
    """(d, k)."""
    bias: Singles
    """(k,)."""
    c: float
    accuracy: Interval
    """On test rows."""

    def scores(self, x: Floats) -> Singles:
        """Logits (n, k) of rows (n, d).

        Raises:
            AnalysisError: for another width.
        """
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise AnalysisError(
                f"the probe reads {len(self.mean)} columns of {self.column!r}, and was given {x.shape}: "
                "it was fitted on other features"
            )
        return by_blocks(
            lambda rows: ((rows - self.mean) / self.scale).astype(np.float32) @ self.weights + self.bias, x
        )

    @property
    def in_the_columns(self) -> tuple[Doubles, Doubles]:
        """The same probe as x W + b on columns as they are: W (d, k) and b (k,), as float64."""
        inner = self.weights / self.scale[:, None].astype(np.float64)
        return inner, self.bias - self.mean.astype(np.float64) @ inner

    def probabilities(self, x: Floats) -> Doubles:
        """Class probabilities (n, k) of rows (n, d)."""
        scores = self.scores(x).astype(np.float64)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        result: Doubles = scores / scores.sum(1, keepdims=True)
        return result

    def predict(self, x: Floats) -> Strings:
        """The class of each row (n, d), by its name: (n,)."""
        names: Strings = np.array(self.classes)[self.scores(x).argmax(1)]
        return names

    def save(self, path: str | Path) -> Path:
        """Write the probe as one .npz without pickle, replaced at once."""
        path = Path(path)
        if path.suffix != ".npz":
            raise AnalysisError(f"a probe is saved as .npz, and {str(path)!r} does not end so")
        about = {
            "format": FORMAT,
            "column": self.column,
            "pool": self.pool,
            "checkpoint": self.checkpoint,
            "target": self.target,
            "classes": self.classes,
            "c": self.c,
            "accuracy": [self.accuracy.value, self.accuracy.low, self.accuracy.high, self.accuracy.n],
        }
        check_outputs([path], "probe")
        arrays = {name: getattr(self, name) for name in ARRAYS}
        try:
            replace_bytes(path, npz_bytes({"about": np.array(json.dumps(about)), **arrays}))
        except OSError as error:
            raise AnalysisError(f"cannot write the probe {str(path)!r} ({error.strerror or error})") from error
        return path


def load_probe(path: str | Path) -> FittedProbe:
    """Read what `FittedProbe.save` wrote.

    Raises:
        AnalysisError: for anything else.
    """
    path = Path(path)
    if irregular(path) == "missing":
        named = path if path.suffix == ".npz" else "FILE.npz"
        raise AnalysisError(f"no probe {str(path)!r}: latentgan probe TABLE --save {named} writes one")
    try:
        result = read_arrays(path)
        if set(result) != {"about", *ARRAYS}:
            raise AnalysisError(f"it holds other arrays than a probe's: {listed(result)}")
        about = validated(parse_json(str(result.pop("about")), "about"), ProbeFile, "about")
        return _probe(about, result)
    except AnalysisError as error:
        raise AnalysisError(
            f"{str(path)!r} is no fitted probe of this version ({error}): latentgan probe TABLE --save FILE.npz "
            "writes one"
        ) from error


def _probe(about: ProbeFile, arrays: dict[str, Any]) -> FittedProbe:
    classes = about.classes
    if arrays["mean"].ndim != 1:
        raise AnalysisError(f"mean is {arrays['mean'].shape}, not one number a column")
    (d,), k = arrays["mean"].shape, len(classes)
    shapes = {"mean": (d,), "scale": (d,), "weights": (d, k), "bias": (k,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise AnalysisError(f"{name} is {arrays[name].dtype} of {arrays[name].shape}, not float32 of {shape}")
        if not (np.isfinite(arrays[name]) | (name == "scale")).all() or np.isnan(arrays[name]).any():
            raise AnalysisError(f"{name} is not finite")
    return FittedProbe(
        column=about.column,
        pool=about.pool,
        checkpoint=about.checkpoint,
        target=about.target,
        classes=classes,
        **arrays,
        c=about.c,
        accuracy=Interval(*about.accuracy),
    )


def fit_probe(table: Embeddings, options: Options) -> FittedProbe:
    """Fit a logistic probe for the label on the table's code column, C chosen on validation rows.

    More than 1,024 columns are fitted through a PCA of train rows, which is then folded into the weights.
    """
    column = table.column()
    sample = draw_sample(table, options, validation_rows=SEARCH)
    rng = options.rng("probes")
    parts = [rows_with_values(column, table.matrix(table.code, rows), rows) for rows in sample.parts]
    if len(np.unique(parts[0].y)) < 2 or len(parts[1].y) < 2 or len(parts[2].y) < 2:
        raise AnalysisError("a probe needs train rows of two classes, and validation and test rows with a label")
    mask = table.encoded if table.code == "code" else None
    mean, scale, weights, bias, c = fit_rows(parts[0], parts[1], len(column.categories), mask=mask, rng=rng)
    metadata = table.metadata
    result = FittedProbe(
        column=table.code,
        pool=int(metadata.get("preprocessing", {}).get("pool", 0)),
        checkpoint=str(metadata.get("checkpoint", "")),
        target=table.label,
        classes=column.categories,
        mean=mean,
        scale=scale,
        weights=weights,
        bias=bias,
        c=c,
        accuracy=Interval(0, 0, 0, 0),
    )
    right = result.scores(parts[2].x).argmax(1) == parts[2].y
    return FittedProbe(**{**result.__dict__, "accuracy": proportion(right)})


def fit_rows(
    train: Rows,
    validation: Rows,
    classes: int,
    *,
    rng: np.random.Generator,
    mask: Bools | None = None,
    common: bool = False,
) -> tuple[Singles, Singles, Singles, Singles, float]:
    """Mean, scale, weights, bias of a softmax probe in the columns as they are, and its C.

    Args:
        mask: (d,) columns that are used, by default all.
        common: divide all columns by one number, not each by its own deviation.
    """
    mask = np.ones(train.x.shape[1], np.bool_) if mask is None else mask
    whole = fit_pca(train.x, WIDEST, rng=rng) if train.x.shape[1] > WIDEST else None
    pca = whole and whole.first(whole.sound)
    x, held = (pca.project(rows.x) if pca else rows.x for rows in (train, validation))
    scaler = fit_scalers(x)[common]
    mean, scale = scaler.mean.astype(np.float32), scaler.scale.astype(np.float32)
    scale = scale if pca else np.where(mask, scale, np.float32(np.inf))
    standard, standard_held = (Scaler(mean, scale)(part) for part in (x, held))
    search: Ints = subsample(np.arange(len(train.y)), SEARCH, rng=rng)
    c, start = choose_c(
        Rows(np.asarray(standard[search]), train.y[search]),
        Rows(np.asarray(standard_held), validation.y),
        classes,
        softmax_loss,
    )
    classifier = fit_linear(standard, train.y, classes, loss=softmax_loss, c=c, start=start)
    if pca is None:
        return mean, scale, classifier.weights, classifier.bias, c
    inner = classifier.weights / scale[:, None]
    bias = classifier.bias - mean @ inner
    ones = np.ones(train.x.shape[1], np.float32)
    return pca.mean.astype(np.float32), ones, (pca.axes.T @ inner).astype(np.float32), bias.astype(np.float32), c
