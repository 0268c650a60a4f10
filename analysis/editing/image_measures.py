"""Properties of images that are measured without a network: thickness, slant, width, height, brightness.

They are moments of the ink, the absolute difference between an image and its plain background, so that they suit one
light or dark object on an even ground, as digits and letters are. Coordinates are in pixels, y downwards; with m the
ink and ⟨·⟩ the mean weighted by m,

    thickness   2 Σ m / Σ |∇m|            of a long bar of width t: area L·t over half its outline, L
    slant       arctan(−μ_xy / μ_yy)      in degrees, positive where the top leans to the right
    height      √(12 μ_yy)                of an even bar its own height: μ_yy = height² / 12
    width       √(12 (μ_xx − μ_xy² / μ_yy))   across, after the slant is taken away by a shear
    brightness  the mean of the image, in [0, 1]

μ are central second moments of pixels as squares, which adds 1/12 to μ_xx and μ_yy. All but brightness do not change
when the ink is made paler or moved; an image without ink has none of them (NaN).

Source of the quantities: Castro, Tan, Kainz, Konukoglu, Glocker: Morpho-MNIST, JMLR 20 (2019), arXiv:1809.10780, §2,
which takes slant from the same moments, but thickness from distances along a skeleton and lengths from a bounding
parallelogram. Moments are smooth in the pixels, so that small edits are seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.arrays import AnyArray, Doubles, Singles
from ..errors import AnalysisError

MEASURES = ("thickness", "slant", "width", "height", "brightness")


INK = 1e-3
"""Mean ink below which an image is blank."""


EVEN = 0.03
"""Largest difference from the background's brightness that still counts as background."""


PLAIN = 0.6
"""Least share of the border that is background where there is a plain one."""


AT_ONCE = 1 << 22
"""Pixels that are held as doubles at once."""


def background(images: AnyArray) -> float:
    """Return the brightness of the plain ground of images (n, h, w, c), uint8 or in [0, 1]: the median at the border.

    Raises:
        AnalysisError: the border is not plain, so that ink and background cannot be told apart.
    """
    edge = _grey(_border(images))
    level = float(np.median(edge))
    if float((np.abs(edge - level) <= EVEN).mean()) < PLAIN:
        raise AnalysisError(
            "the images have no plain background, so thickness, slant, width and height cannot be measured on them"
        )
    return level


def measure(images: AnyArray, *, ground: float = 0.0, names: Sequence[str] = MEASURES) -> Doubles:
    """Measure images (n, h, w, c), uint8 or floats in [0, 1].

    Args:
        images: one object each on a plain background.
        ground: brightness of the background, see `background`.
        names: which of MEASURES.

    Returns:
        (n, len(names)), in pixels, degrees and shares; NaN for an image without ink.

    Raises:
        AnalysisError: a name is none of MEASURES.
    """
    if unknown := [name for name in names if name not in MEASURES]:
        raise AnalysisError(f"no measure is called {unknown[0]!r}: known are {', '.join(MEASURES)}")
    columns = [MEASURES.index(name) for name in names]
    step = max(1, AT_ONCE // max(1, int(np.prod(images.shape[1:3]))))
    parts = [_measured(_grey(images[i : i + step]), ground)[:, columns] for i in range(0, len(images), step)]
    return np.concatenate(parts) if parts else np.zeros((0, len(columns)))


def _grey(images: AnyArray) -> Doubles:
    """Brightness (n, ...) in [0, 1] of (n, ..., c)."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    grey: Doubles = images.mean(-1, dtype=np.float64) / scale
    return grey


def _border(images: AnyArray) -> Singles:
    """Border pixels (n, 2h + 2w − 4, c), of a thousand images spread over the set where there are more."""
    sample = images[:: max(1, len(images) // 1000)]
    sides = (sample[:, 0], sample[:, -1], sample[:, 1:-1, 0], sample[:, 1:-1, -1])
    return np.concatenate(sides, axis=1)


def _measured(grey: Doubles, ground: float) -> Doubles:
    """All of MEASURES of (n, h, w)."""
    ink = np.abs(grey - ground)
    mass = ink.sum((1, 2))
    blank = mass < INK * grey[0].size
    mass = np.where(blank, 1.0, mass)
    y, x = (np.arange(side, dtype=np.float64) for side in grey.shape[1:])
    down, across = ink.sum(2), ink.sum(1)
    mean_y, mean_x = down @ y / mass, across @ x / mass
    yy = down @ y**2 / mass - mean_y**2 + 1 / 12
    xx = across @ x**2 / mass - mean_x**2 + 1 / 12
    xy = np.einsum("nyx,y,x->n", ink, y, x, optimize=True) / mass - mean_y * mean_x
    result = np.stack(
        [
            2 * mass / np.maximum(_outline(ink), 1e-12),
            np.degrees(np.arctan(-xy / yy)),
            np.sqrt(12 * np.maximum(xx - xy**2 / yy, 0)),
            np.sqrt(12 * yy),
            grey.mean((1, 2)),
        ],
        axis=1,
    )
    result[blank, :-1] = np.nan
    return result


def _outline(ink: Doubles) -> Doubles:
    """Total variation Σ |∇m| of (n, h, w), the outline's length times the ink's height: (n,).

    The gradient is taken in the middle of each square of four pixels, on a ground of one pixel around the image, so
    that both its parts belong to the same point and a slanted outline counts as long as an upright one.
    """
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    along, over = np.diff(padded, axis=2), np.diff(padded, axis=1)
    x = (along[:, 1:] + along[:, :-1]) / 2
    y = (over[:, :, 1:] + over[:, :, :-1]) / 2
    length: Doubles = np.hypot(x, y).sum((1, 2))
    return length
