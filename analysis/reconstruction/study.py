"""The study of reconstructions: what decoded codes keep of their images."""

from __future__ import annotations

from dataclasses import replace

from ..base.model import Model
from ..table.embeddings import Embeddings
from ..table.selection import held_out, labels_of, sample_rows
from ..table.study_options import Options, Progress, reconstruct, silent
from .reconstruction import Reconstruction, pca_ratio, reconstruction_result


def study(table: Embeddings, model: Model | None, options: Options, progress: Progress = silent) -> Reconstruction:
    """Decode the codes of held-out images, where there are 20, and compare with the images."""
    rng = options.rng("reconstruction")
    rows, words, with_training = held_out(table, options.test_rows, options, least=20)
    progress(f"decoding {len(rows)} codes")
    images, made = reconstruct(table, model, rows)
    shape = images.shape[1:]
    train = sample_rows(table, "train" if table.has_split and not with_training else None, 10_000, options)
    progress("PCA of equal width")
    baseline = pca_ratio(table.vectors("pixels", train), images, table.width(table.code), rng=rng)
    labels = labels_of(table)
    size = table.metadata.get("image", {})
    notes = [f"{len(rows):,} {words}"]
    if size and (size.get("height"), size.get("width")) != shape[:2]:
        notes.append(f"compared at {shape[0]} × {shape[1]} pixels, to which the table has reduced its images")
    result = reconstruction_result(
        images,
        made,
        rows,
        rng=rng,
        labels=labels[0][rows] if labels else None,
        classes=labels[1] if labels else (),
        baselines=(baseline,),
        shown=options.shown,
        notes=notes,
    )
    return replace(result, training_rows_note=notes[0] if with_training else "")
