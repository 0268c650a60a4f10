"""Uncertainty of an encoder: several draws from q(z|x) of one image, in pictures and in numbers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from analysis.io.writing import replace_text
from latentgan.devices import seeded
from latentgan.families.base import Decodes, Draws, Explains, Family

IMAGES, SHOWN, DRAWS = 8, 7, 200


FILE = "posteriors.json"


@torch.no_grad()
def drawn(family: Family, x: Tensor, *, seed: int = 0) -> Tensor | None:
    """Return draws from q(z|x) of each image, (DRAWS, n, d); None where the encoder says one thing about an image.

    Args:
        family: in evaluation mode.
        x: images, (n, c, h, w) in [-1, 1].
        seed: of the draws.
    """
    if not isinstance(family, Draws):
        return None
    shown = family.likelihood.settled(x) if isinstance(family, Explains) else x
    with seeded(x.device, seed):
        first, second = family.draw(shown), family.draw(shown)
        if torch.equal(first, second):
            return None
        return torch.stack([first, second, *(family.draw(shown) for _ in range(DRAWS - 2))])


def rows_of_draws(family: Decodes, x: Tensor, z: Tensor) -> Tensor:
    """Return each image followed by decoded draws from its posterior, row by row: (n · (1 + SHOWN), c, h, w).

    Args:
        family: decodes.
        x: images, (n, c, h, w).
        z: their draws, (draws, n, d).
    """
    made = family.decode(z[:SHOWN].flatten(0, 1)).view(SHOWN, *x.shape)
    return torch.cat([x[None], made]).transpose(0, 1).flatten(0, 1)


def write_draws(folder: Path, images: int, z: Tensor) -> None:
    """Write draws (draws, n, d) in the two dimensions in which the images' means lie farthest apart.

    Args:
        folder: where to.
        images: seen so far.
        z: draws, in which labels, where the code holds any, do not vary.
    """
    leading = z.mean(0).var(0).topk(min(2, z.shape[2])).indices.sort().values
    points = [[[round(float(v), 4) for v in point] for point in image] for image in z[:, :, leading].transpose(0, 1)]
    replace_text(folder / FILE, json.dumps({"images": images, "dimensions": leading.tolist(), "draws": points}))
