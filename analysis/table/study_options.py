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
    """How much a study looks at; None means every row. What one study alone is told are keywords of its own."""

    train_rows: int | None = 10_000
    """Rows that are fitted on, at most."""
    test_rows: int | None = 10_000
    """Rows that are scored, at most."""
    seed: int = 0
    """The same seed gives the same figures."""
    shown: int = 8
    """Images, pairs or codes in a gallery."""

    def full(self) -> Options:
        """Look at every row."""
        return replace(self, train_rows=None, test_rows=None)

    def rng(self, name: str) -> np.random.Generator:
        """A generator of the analysis' own, so that it finds the same alone and among others."""
        return np.random.default_rng([self.seed, *name.encode()])


def decoder(table: Embeddings, model: Model | None) -> Callable[[Singles], Singles] | None:
    """The model's decode, checked for shape and finite values; None without a model."""
    return None if model is None else checked_decode(model)


def reconstruct(table: Embeddings, model: Model | None, rows: Ints) -> tuple[Singles, Singles]:
    """The images of `rows` as the table has them, and what the model makes of their codes, each (n, h, w, c).

    Raises:
        AnalysisError: there is no decoder, or not the whole code, or no pixels.
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
