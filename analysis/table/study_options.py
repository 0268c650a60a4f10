"""What every study is given: how many rows, the seed, a decoder, somebody to tell of progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Ints, Singles
from ..base.decoding import checked_decode, decode_all
from ..base.model import Model
from ..errors import AnalysisError
from ..io.paths import find_named
from .embeddings import Embeddings

Progress = Callable[[str], None]


def needs_model(table: Embeddings) -> str:
    """Say what is missing where nothing can be decoded."""
    if table.stands_in:
        return "the table has no codes, as its model has no encoder; `latentgan fit-encoder RUN` gives it one"
    run = table.metadata.get("run")
    if run and isinstance(run, str) and find_named(run, table.path.parent) is None:
        why = f"the run {run!r} that the table names is not there: name its folder (--model RUN)"
        return f"that needs a model, and {why}, or pass a model from Python"
    return "that needs a model, and only `latentgan` decodes (--model RUN), or a model passed from Python"


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """How much an analysis looks at; None means every row. The defaults take minutes, not hours."""

    train_rows: int | None = 10_000  # fitted on
    test_rows: int | None = 10_000  # scored on
    map_rows: int | None = 5_000
    seed: int = 0
    methods: tuple[str, ...] = ("logistic", "svm", "knn")
    per_class: tuple[int, ...] | None = None  # few labels a class; None: from 1 to all
    draws: int = 20
    networks: int = 0  # draws that networks are taught
    neighbours: int = 1  # k of the k-NN probe
    protocol: str = ""  # a named way of reading, see analysis.probes.protocols; "" for every column by `methods`
    permutations: int = 999
    keep: tuple[str, ...] = ()  # concepts, or columns, that directions of the others keep
    keep_by: str = "regression"  # how, one of conditional.WAYS
    factors: tuple[str, ...] = ()  # columns that are known factors; none means the label and attributes
    maps: tuple[str, ...] = ("umap", "pca")
    components: tuple[int, ...] = ()  # of the mixture; none means 1 2 4 8 16 32 and the neighbours of the best
    along: str = "auto"  # or lerp, slerp, norm, geodesic
    between: tuple[
        str, ...
    ] = ()  # "classes", "images" or "A:B": which pairs, see analysis.interpolation.pairs; none means classes
    steps: int = 11
    shown: int = 8  # images, pairs or codes in a gallery

    def full(self) -> Options:
        """Look at every row; maps keep a sample."""
        return replace(self, train_rows=None, test_rows=None)

    def rng(self, name: str) -> np.random.Generator:
        """A generator of the analysis' own, so that it finds the same alone and among others."""
        return np.random.default_rng([self.seed, *name.encode()])


def decoder(table: Embeddings, model: Model | None) -> Callable[[Singles], Singles] | None:
    """The model's decode, checked for shape and finite values; None without a model."""
    return None if model is None else checked_decode(model)


def reconstruct(table: Embeddings, model: Model | None, rows: Ints) -> tuple[Singles, Singles]:
    """The images of `rows` as the table has them, and what the model makes of their codes, each (n, h, w, c).

    Raises: AnalysisError where there is no decoder, or not the whole code, or no pixels.
    """
    decode = decoder(table, model)
    if decode is None:
        raise AnalysisError(f"reconstruction decodes codes: {needs_model(table)}")
    if not table.encoded.all():
        raise AnalysisError(
            "the decoder needs parts of the code that the encoder does not give; `latentgan fit-encoder RUN` fits an "
            "encoder of all of them"
        )
    shape = table.pixels_shape
    if shape is None:
        raise AnalysisError(
            f"the table {table.path.name!r} has no column 'pixels' with a shape to compare reconstructions with"
        )
    images = table.vectors("pixels", rows).reshape(-1, *shape)
    return images, decode_all(decode, table.vectors(table.code, rows), shape)
