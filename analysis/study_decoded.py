"""The studies that decode: paths between images, and reconstructions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import AnalysisError, Ints, to_pixels
from .embeddings import Embeddings
from .interpolation import Interpolations, choose_along, lerp, pairs_of_classes, slerp
from .model import Model
from .neighbours import nearest
from .plan import Options, Progress, decoder, held_out, labels_of, needs_model, sample, silent
from .reconstruction import Reconstruction, decode_all, pca_ratio, reconstruction_result, shrink
from .statistics import Baseline, mean_interval


def study_interpolation(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> Interpolations:
    """Walk between images of different classes, and measure whether the middle looks like an image."""
    rng = options.rng("interpolation")
    decode = _decoding("interpolation", table, model)
    rows, words = held_out(table, options.test_rows, options)
    labels = labels_of(table)
    known = labels[0][rows] if labels else np.full(len(rows), -1)
    along, reason = choose_along(table.prior) if options.along == "auto" else (options.along, "asked for")
    measured = pairs_of_classes(known, rows, count=max(200, options.shown), rng=rng)
    pairs = measured[: options.shown]
    at = np.linspace(0, 1, options.steps)
    walk = slerp if along == "slerp" else lerp
    progress("decoding paths")
    start, end = (table.vectors(table.code, pairs[:, i]) for i in (0, 1))
    codes = _walk_continuous(table, walk, start, end, at)
    images = decode(codes.reshape(-1, codes.shape[-1]))
    frames = to_pixels(images).reshape(len(pairs), len(at), *images.shape[1:])
    names = np.array([[_name(labels, row) for row in pair] for pair in pairs], dtype=np.str_)
    midpoint, baselines, notes = _realism(table, decode, walk, measured, images.shape[1:], options, rng)
    return Interpolations(along, reason, at, pairs, names, frames, midpoint, baselines, (f"pairs of {words}", *notes))


def _decoding(name: str, table: Embeddings, model: Model | None) -> Any:
    decode = decoder(table, model)
    if decode is None:
        raise AnalysisError(f"{name} decodes codes: {needs_model(table)}")
    return decode


def _name(labels: Any, row: int) -> str:
    return labels[1][labels[0][row]] if labels and labels[0][row] >= 0 else ""


def _walk_continuous(table: Embeddings, walk: Any, start: Any, end: Any, at: Any) -> Any:
    """Walk the continuous columns on `walk` and the others straight: (p, steps, d) float32."""
    codes = lerp(start, end, at)
    codes[..., table.continuous] = walk(start[:, table.continuous], end[:, table.continuous], at)
    return codes.astype(np.float32)


def _realism(
    table: Embeddings, decode: Any, walk: Any, pairs: Ints, shape: Any, options: Options, rng: np.random.Generator
) -> tuple[Any, tuple[Baseline, ...], list[str]]:
    """Distance to the nearest other image, of decoded midpoints, of blends, and of real images."""
    small = table.pixels_shape
    if small is None:
        return None, (), ["midpoints are not judged: the table has no pixels with a shape"]
    start, end = (table.vectors(table.code, pairs[:, i]) for i in (0, 1))
    middle = _walk_continuous(table, walk, start, end, np.array([0.5]))[:, 0]
    ends = [table.vectors("pixels", pairs[:, i]) for i in (0, 1)]
    made = shrink(decode(middle), small).reshape(len(pairs), -1)
    others = np.setdiff1d(sample(table, None, 10_000, options), pairs)
    if len(others) < 2:
        return None, (), ["midpoints are not judged: there are no other images to compare them with"]
    real = table.vectors("pixels", others)
    figures = [mean_interval(nearest(x, real)[1][:, 0]) for x in (made, (ends[0] + ends[1]) / 2, ends[0])]
    note = f"L2 distance to the nearest of {len(others):,} real images, pixels in [0, 1]"
    blend = Baseline("pixel-wise blend", figures[1], "the mean of the two images")
    return figures[0], (blend, Baseline("real images", figures[2], "the pairs' own first images")), [note]


def study_reconstruction(
    table: Embeddings, model: Model | None, options: Options, progress: Progress = silent
) -> Reconstruction:
    """Decode the codes of held-out images, where there are 20, and compare with the images."""
    rng = options.rng("reconstruction")
    decode = _decoding("reconstruction", table, model)
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
    rows, words = held_out(table, options.test_rows, options, least=20)
    images = table.vectors("pixels", rows).reshape(-1, *shape)
    progress(f"decoding {len(rows)} codes")
    made = decode_all(decode, table.vectors(table.code, rows), shape)
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
