"""The study of reconstructions: what decoded codes keep of their images."""

from __future__ import annotations

from .arrays import AnalysisError, Ints, Singles
from .embeddings import Embeddings
from .model import Model
from .plan import Options, Progress, decoder, held_out, labels_of, needs_model, sample, silent
from .reconstruction import Reconstruction, decode_all, pca_ratio, reconstruction_result


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


def study_reconstruction(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> Reconstruction:
    """Decode the codes of held-out images, where there are 20, and compare with the images."""
    rng = options.rng("reconstruction")
    rows, words = held_out(table, options.test_rows, options, least=20)
    progress(f"decoding {len(rows)} codes")
    images, made = reconstruct(table, model, rows)
    shape = images.shape[1:]
    train = sample(table, "train" if table.has_split and "all splits" not in words else None, 10_000, options)
    progress("PCA of equal width")
    baseline = pca_ratio(table.vectors("pixels", train), images, table.width(table.code), rng=rng)
    labels = labels_of(table)
    size = table.metadata.get("image", {})
    notes = [f"{len(rows):,} {words}"]
    if size and (size.get("height"), size.get("width")) != shape[:2]:
        notes.append(f"compared at {shape[0]} × {shape[1]} pixels, to which the table has reduced its images")
    return reconstruction_result(
        images, made, rows, rng=rng, labels=labels[0][rows] if labels else None,
        classes=labels[1] if labels else (), baselines=(baseline,), shown=options.shown, notes=notes,
    )  # fmt: skip
