"""The studies of where codes lie: their geometry, and whether they are distributed as the prior."""

from __future__ import annotations

import numpy as np

from .arrays import AnalysisError
from .embeddings import Embeddings, is_continuous
from .geometry import Geometry, null_shape, shape_of
from .model import Model
from .plan import Options, Progress, held_out, missing_yardsticks, representations, silent
from .prior import PRIORS, PriorComparison, compare_with_prior
from .statistics import Baseline
from .study_categories import columns

LOOKED_AT = 5000  # rows whose neighbours are found
FEWEST = 50


def study_geometry(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Geometry:
    """Measure the dimensions and hubs of the codes, beside features, pixels and the untrained network."""
    rng = options.rng("geometry")
    limit = LOOKED_AT if options.test_rows is None else min(options.test_rows, LOOKED_AT)
    rows, words = held_out(table, limit, options, least=1000)
    if len(rows) < FEWEST:
        raise AnalysisError(f"the shape of a cloud needs at least {FEWEST} rows, and there are {len(rows)}")
    shapes, notes = [], [f"{len(rows):,} {words}"]
    null: tuple[Baseline, ...] = ()
    for wanted in representations(table):
        progress(wanted.name)
        (x,) = wanted.read(table, rows, rng=rng)
        try:
            shapes.append(shape_of(x, rng=rng, representation=wanted.name, baseline=wanted.baseline))
        except AnalysisError as error:
            if wanted.name == table.code:
                raise
            notes.append(f"{wanted.name}: {error}")
            continue
        if wanted.name == table.code:
            null = null_shape(x, rng=rng)
    if shapes[0].duplicates:
        notes.append(f"{shapes[0].duplicates:,} rows have the code of another row and are left out of the dimensions")
    return Geometry(tuple(shapes), null, (*notes, *missing_yardsticks(table)))


def study_prior(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> PriorComparison:
    """Compare the codes of held-out images with draws from the prior, part by part."""
    rng = options.rng("prior")
    rows, words = held_out(table, options.test_rows, options)
    parts = [part for part in table.parts if part.get("encoded", True) and is_continuous(part)]
    known = [part for part in parts if part.get("kind") in PRIORS]
    if not known:
        kinds = ", ".join(sorted({str(part.get("kind")) for part in parts}))
        why = f"its priors are of kind {kinds}" if kinds else "the table does not say which prior the codes have"
        raise AnalysisError(f"codes are compared with a normal or uniform prior, and {why}")
    if len(rows) < 10:
        raise AnalysisError(f"a comparison with the prior needs at least 10 rows, and there are {len(rows)}")
    codes, found = table.vectors(table.code, rows), []
    for part in known:
        progress(str(part["name"]))
        own = np.ascontiguousarray(codes[:, columns(part)])
        found.append(compare_with_prior(own, kind=str(part["kind"]), rng=rng, name=str(part["name"])))
    notes = [f"{len(rows):,} {words}"]
    if found[0].codes.n < len(rows):
        notes.append(f"tests look at a sample of {found[0].codes.n:,} of {len(rows):,} rows, and as many draws")
    left = [str(part["name"]) for part in parts if part not in known]
    notes += [f"{', '.join(left)}: no draws from that kind of prior, so not compared"] if left else []
    return PriorComparison(tuple(found), len(rows), tuple(notes))
