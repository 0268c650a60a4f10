"""The studies of where codes lie: their geometry, and whether they are distributed as the prior."""

from __future__ import annotations

from ..base.model import Model
from ..base.statistics import Baseline
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.representations import missing_baselines, representations
from ..table.selection import held_out
from ..table.study_options import Options, Progress, silent
from .intrinsic_dimension import Geometry, null_shape, shape_of

MAX_ROWS = 5000  # rows whose neighbours are searched


MIN_ROWS = 50


def study(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Geometry:
    """Measure the dimensions and hubs of the codes, beside features, pixels and the untrained network."""
    rng = options.rng("geometry")
    limit = MAX_ROWS if options.test_rows is None else min(options.test_rows, MAX_ROWS)
    rows, words, with_training = held_out(table, limit, options, least=1000)
    if len(rows) < MIN_ROWS:
        raise AnalysisError(f"the shape of a cloud needs at least {MIN_ROWS} rows, and there are {len(rows)}")
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
    return Geometry(
        shapes=tuple(shapes),
        null=null,
        notes=(*notes, *missing_baselines(table)),
        training_rows_note=notes[0] if with_training else "",
    )
