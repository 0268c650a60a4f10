"""From the columns that a mixture groups back to whole codes, as a decoder takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Singles, to_pixels
from ..base.pca import PCA
from ..errors import AnalysisError

ROWS_PER_GROUP = 64  # draws of a group take their other columns from so many of its rows


REPEAT_STUDY = "these results were written before codes could be drawn from them: run `latentgan mixture` again"


@dataclass(frozen=True, kw_only=True)
class CodeTransform:
    """How draws of a group, a component or a class, become codes of D columns.

    Other columns than the grouped ones (categories, what the encoder does not give) are those of a row of the group.
    Draws are clipped to the range of the codes, column by column: a prior on a cube has no mass outside.
    """

    columns: Ints
    """(d,) of the code that are grouped, ascending."""
    low: Doubles
    """(d,) least of each among the codes."""
    high: Doubles
    """(d,)."""
    other_columns: Singles
    """(groups, r, D − d) of r rows of each group."""
    pca: PCA | None
    """From d columns to those u that the mixture sees."""

    @property
    def width(self) -> int:
        """D."""
        return len(self.columns) + int(self.other_columns.shape[2])

    def inner(self, codes: Floats) -> Doubles:
        """Codes (n, D) as the mixture sees them: (n, u)."""
        used = codes[:, self.columns].astype(np.float64)
        return used if self.pca is None else (used - self.pca.mean) @ self.pca.axes.T

    def whole(self, inner: Doubles, group: int, *, rng: np.random.Generator) -> Singles:
        """Codes (n, D) of draws (n, u) of a group."""
        used = inner if self.pca is None else self.pca.restore(inner)
        codes = np.empty((len(inner), self.width), np.float32)
        codes[:, self.columns] = np.clip(used, self.low, self.high)
        if len(self.columns) < self.width:
            rest = np.setdiff1d(np.arange(self.width), self.columns)
            codes[:, rest] = self.other_columns[group][rng.integers(self.other_columns.shape[1], size=len(codes))]
        return codes


def code_transform(
    codes: Floats, keep: Bools, pca: PCA | None, members: Sequence[Ints], *, rng: np.random.Generator
) -> CodeTransform:
    """The way back to codes like (n, D) `codes`, of which the columns `keep` (D,) are grouped.

    Args:
        members: rows of each group; of all codes where it has none.
    """
    used = codes if keep.all() else codes[:, keep]
    other_columns = np.zeros((len(members), 1, 0), np.float32)
    if not keep.all():
        every = np.arange(len(codes))
        picked = np.stack([rng.choice(rows if len(rows) else every, ROWS_PER_GROUP) for rows in members])
        wanted, back = np.unique(picked, return_inverse=True)
        values = np.asarray(codes[wanted], np.float32)[:, ~keep]  # a stream reads ascending rows once
        other_columns = values[back.reshape(picked.shape)]
    low, high = (np.asarray(end, np.float64) for end in (used.min(0), used.max(0)))
    return CodeTransform(columns=np.flatnonzero(keep), low=low, high=high, other_columns=other_columns, pca=pca)


def decoded(drawn: Sequence[Singles], decode: Callable[[Singles], Singles]) -> Pixels:
    """Images (groups, s, h, w, c) of the codes (s, D) of each group."""
    images = decode(np.concatenate(drawn))
    return to_pixels(images).reshape(len(drawn), len(drawn[0]), *images.shape[1:])


def must(back: CodeTransform | None) -> CodeTransform:
    """The way back.

    Raises:
        AnalysisError: results are too old to have one.
    """
    if back is None:
        raise AnalysisError(REPEAT_STUDY)
    return back
