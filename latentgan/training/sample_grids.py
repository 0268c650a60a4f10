"""Sample and reconstruction grids: pictures of how a run goes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from analysis.io.writing import png_bytes, replace_bytes, replace_text
from latentgan.data.tensors import from_model
from latentgan.families.base import Decodes, Encodes, Family
from latentgan.sampling import attribute_columns, codes_of_each_class, label_columns, vary_first_attribute
from latentgan.training.posterior_draws import IMAGES, SHOWN, drawn, rows_of_draws, write_draws

TILE = 32
"""Images smaller than this are enlarged by whole factors."""


SAMPLES = 64


RECONSTRUCTIONS = 32


CLASSES = 16
"""Rows of a samples grid that has a row a class or a component of the prior, at most."""


ROWS_FILE = "rows.json"
"""What the rows are of, "class" or "component", how many there are of them, and the rows' names from the top."""


@torch.no_grad()
def write_grids(family: Family, folder: Path, images: int, x: Tensor) -> None:
    """Write what a run's pictures are at one mark.

    <images>-samples.png, and rows.json where each row is of a class or component; with an encoder
    <images>-reconstructions.png; with one that draws <images>-posteriors.png and posteriors.json.

    Args:
        family: in evaluation mode.
        folder: where to.
        images: images seen; names the files.
        x: images to reconstruct, (n, c, h, w) in [-1, 1]; the first 32 are shown.
    """
    folder.mkdir(exist_ok=True)
    if isinstance(family, Decodes):
        z, rows = sample_codes(family)
        _save(grid(family.decode(z), columns=8), folder / f"{images:09d}-samples.png")
        if rows:
            replace_text(folder / ROWS_FILE, json.dumps(rows))
    if isinstance(family, Decodes) and isinstance(family, Encodes):
        pairs = alternate(x[:RECONSTRUCTIONS], family.decode(family.encode(x[:RECONSTRUCTIONS])), columns=8)
        _save(grid(pairs, columns=8), folder / f"{images:09d}-reconstructions.png")
        if (codes := drawn(family, x[:IMAGES])) is not None:
            pictures = rows_of_draws(family, x[:IMAGES], codes)
            _save(grid(pictures, columns=1 + SHOWN), folder / f"{images:09d}-posteriors.png")
            write_draws(folder, images, codes)


def sample_codes(family: Family) -> tuple[Tensor, dict[str, Any]]:
    """Return the codes of a samples grid, rows of 8, and what each row asks for, where a class or component can be.

    They are the same at every mark, so that the pictures of a run can be compared. Rows of classes have one code but
    for the class in each column, and rows of a mixture's components one noise; where networks are conditioned on
    attributes alone, the images of a row differ in the first one.
    """
    generator, columns = torch.Generator().manual_seed(1), label_columns(family)
    if columns is None and attribute_columns(family):
        each = min(8, len(family.spec.attributes[0].steps(8)))
        z = family.prior.sample(SAMPLES // each, generator=generator)
        return torch.from_numpy(vary_first_attribute(family, z.cpu().numpy(), each)).to(z), {}
    if columns is None and (components := family.prior.components) > 1:
        rows = [
            family.prior.sample(8, generator=torch.Generator().manual_seed(1), component=torch.full((8,), k))
            for k in range(min(CLASSES, components))
        ]
        names = [f"component {k + 1}" for k in range(len(rows))]
        return torch.cat(rows), {"of": "component", "count": components, "names": names}
    if columns is None:
        return family.prior.sample(SAMPLES, generator=generator), {}
    classes = list(family.spec.classes[:CLASSES])
    z = family.prior.sample(8, generator=generator)
    return torch.from_numpy(codes_of_each_class(family, z.cpu().numpy(), len(classes))).to(z), {
        "of": "class",
        "count": len(family.spec.classes),
        "names": classes,
    }


def alternate(x: Tensor, reconstructed: Tensor, *, columns: int) -> Tensor:
    """Return rows of `columns` images, each followed by the row of their reconstructions: (2n, c, h, w).

    Args:
        x: (n, c, h, w) images.
        reconstructed: (n, c, h, w), row by row of the same.
        columns: images a row.
    """
    rows = [
        part
        for start in range(0, len(x), columns)
        for part in (_row(x, start, columns), _row(reconstructed, start, columns))
    ]
    return torch.cat(rows)


def grid(x: Tensor, *, columns: int) -> Image.Image:
    """Return images (n, c, h, w) in [-1, 1] as one picture, left to right, top to bottom, a pixel between them."""
    tiles = from_model(x)
    factor = max(1, math.ceil(TILE / max(tiles.shape[1:3])))
    tiles = tiles.repeat(factor, 1).repeat(factor, 2)
    n, height, width, channels = tiles.shape
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        canvas[top : top + height, left : left + width] = tile
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def sheet(images: np.ndarray, *, columns: int) -> Image.Image:
    """Return images (n, h, w, c) in [0, 1] as one picture, see `grid`."""
    return grid(torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1, columns=columns)


def _row(x: Tensor, start: int, columns: int) -> Tensor:
    row = x[start : start + columns]
    if len(row) < columns:
        row = torch.cat([row, -torch.ones_like(x[:1]).expand(columns - len(row), *x.shape[1:])])
    return row


def _save(image: Image.Image, path: Path) -> None:
    replace_bytes(path, png_bytes(image), durable=False)
