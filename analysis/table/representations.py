"""Which representations of a table an analysis looks at: the model's own, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..base.arrays import Bools, Ints, Singles
from ..base.chunked import Stream
from ..base.pca import PCA, SAMPLE, fit_pca
from .embeddings import Embeddings


@dataclass(frozen=True, kw_only=True)
class Representation:
    """A vector column, perhaps of selected columns or seen through a PCA of pixels."""

    name: str
    """Of the column."""
    baseline: bool
    """Whether it is a baseline."""
    column: str
    mask: Bools | None = None
    """Columns that are kept."""
    width: int = 0
    """> 0: components of a PCA fitted on train."""
    joined: tuple[str, ...] = ()
    """Further columns, side by side with the first."""

    def read(
        self,
        table: Embeddings,
        *parts: Ints,
        rng: np.random.Generator,
        stream: bool = False,
        every: bool = False,
        components: Callable[[int], PCA] | None = None,
    ) -> list[Singles]:
        """Read `parts`, the first of which is the train rows: one (n, d) array each.

        Args:
            stream: what does not fit in memory may come as a `Stream`.
            every: a PCA looks at all train rows.
            components: gives a PCA of a width in place of a fit.
        """
        matrices = [(table.matrix if stream else table.vectors)(self.column, rows) for rows in parts]
        if self.joined:
            joined = [[table.vectors(name, rows) for name in self.joined] for rows in parts]
            matrices = [np.hstack([np.asarray(x), *more]) for x, more in zip(matrices, joined, strict=True)]
        if self.mask is not None and not self.mask.all():
            matrices = [x[:, self.mask] for x in matrices]
            matrices = [x if isinstance(x, Stream) else np.ascontiguousarray(x) for x in matrices]
        if self.width:
            fit = partial(fit_pca, matrices[0], rng=rng, sample=None if every else SAMPLE)
            pca = (components or fit)(self.width)
            matrices = [pca.project(x) for x in matrices]
        return matrices


def representations(table: Embeddings) -> Iterator[Representation]:
    """Yield the model's own representations, then the baselines."""
    for name in table.representations:
        yield Representation(name=name, baseline=False, column=name, mask=table.encoded if name == table.code else None)
    if table.has_pixels:
        width = int(table.encoded.sum())
        yield Representation(name="pixels", baseline=True, column="pixels")
        if width < table.width("pixels"):
            yield Representation(name=f"PCA {width} of pixels", baseline=True, column="pixels", width=width)
    for name in table.representations:
        column = table.untrained(name)
        if column is not None:
            yield Representation(
                name=column, baseline=True, column=column, mask=table.encoded if name == table.code else None
            )


def code_baselines(table: Embeddings) -> list[Representation]:
    """What stands beside the code where features do not: pixels, their PCA, the code of the untrained network."""
    features = {table.untrained(name) for name in table.representations if name != table.code}
    return [
        representation
        for representation in representations(table)
        if representation.baseline and representation.name not in features
    ]


def missing_baselines(table: Embeddings) -> list[str]:
    """Say which baselines the table cannot give, and what its label column is not."""
    notes = [table.continuous_label] if table.continuous_label else []
    if not table.has_pixels:
        notes.append("no raw-pixel baseline: the table has no column 'pixels'")
    if table.untrained(table.code) is None:
        notes.append(no_untrained(table.code))
    return notes


def no_untrained(column: str) -> str:
    """Say that the untrained network's values of a column are not there."""
    return f"no untrained network: the table has no column 'untrained.{column}'"
