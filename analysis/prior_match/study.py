"""The codes of images beside draws from the prior."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np

from ..base.arrays import Floats
from ..base.model import Model, Samples
from ..errors import AnalysisError
from ..table.code_layout import columns, drawn, is_continuous, is_learned
from ..table.embeddings import Embeddings
from ..table.selection import held_out
from ..table.study_options import Options, Progress, silent
from .prior_comparison import PRIORS, Draw, PriorComparison, compare_with_prior


def study(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> PriorComparison:
    """Compare the codes of held-out images with draws from the prior, part by part.

    What the table does not let one draw is drawn by the model, and so is the whole code of a table that names no parts.
    """
    rng = options.rng("prior")
    rows, words, with_training = held_out(table, options.test_rows, options)
    parts = continuous_parts(table)
    if not table.parts and isinstance(model, Samples):
        parts = [{"name": table.code, "kind": "model's", "start": 0, "width": table.width(table.code)}]
    draws = [_draws(table, part, model, rng) for part in parts]
    has_prior = [part.get("kind") in PRIORS or draw is not None for part, draw in zip(parts, draws, strict=True)]
    if not any(has_prior):
        raise AnalysisError(f"codes are compared with draws from their prior, and {_why_none(table, parts)}")
    if len(rows) < 10:
        raise AnalysisError(f"a comparison with the prior needs at least 10 rows, and there are {len(rows)}")
    codes, result = table.vectors(table.code, rows), []
    for part, draw in compress(zip(parts, draws, strict=True), has_prior):
        progress(str(part["name"]))
        part_codes = np.ascontiguousarray(codes[:, columns(part)])
        result.append(
            compare_with_prior(part_codes, kind=str(part["kind"]), rng=rng, name=str(part["name"]), draws=draw)
        )
    notes = [f"{len(rows):,} {words}"]
    if result[0].codes.n < len(rows):
        notes.append(f"tests look at a sample of {result[0].codes.n:,} of {len(rows):,} rows, and as many draws")
    left = [part for part, drawable in zip(parts, has_prior, strict=True) if not drawable]
    names = ", ".join(str(part["name"]) for part in left)
    notes += [f"{names}: not compared, as {_why_none(table, left)}"] if left else []
    training_rows_note = notes[0] if with_training else ""
    return PriorComparison(
        parts=tuple(result), rows=len(rows), notes=tuple(notes), training_rows_note=training_rows_note
    )


def continuous_parts(table: Embeddings) -> list[dict[str, Any]]:
    """Parts of the code that the encoder gives and that have a density."""
    return [part for part in table.parts if part.get("encoded", True) and is_continuous(part)]


def draws_need_model(table: Embeddings) -> bool:
    """Whether some part's prior is one that only the model draws from."""
    return any(part.get("kind") not in PRIORS and not is_learned(part) for part in continuous_parts(table))


def _draws(table: Embeddings, part: dict[str, Any], model: Model | None, rng: np.random.Generator) -> Draw | None:
    """A function that draws from a part's prior; None where it needs none, or there is none."""
    if is_learned(part):
        return lambda n: drawn(part, n, rng)
    if part.get("kind") in PRIORS or not isinstance(model, Samples):
        return None

    def draw(n: int) -> Floats:
        codes = np.asarray(model.draw(n, seed=int(rng.integers(2**31))))
        if codes.shape != (n, table.width(table.code)):
            raise AnalysisError(
                f"the model draws codes of shape {codes.shape}, and those of {table.path.name!r} have "
                f"{table.width(table.code)} numbers"
            )
        return codes[:, columns(part)]

    return draw


def _why_none(table: Embeddings, parts: list[dict[str, Any]]) -> str:
    """What is missing where none of the parts can be compared."""
    if not table.parts:
        return "the table does not say which prior the codes have; their model draws from it (--model RUN)"
    if not parts:
        return "the encoder gives none of its continuous parts"
    kinds = ", ".join(sorted({str(part.get("kind")) for part in parts}))
    return f"only the model draws from a prior of kind {kinds} (--model RUN)"
