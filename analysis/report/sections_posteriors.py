"""What an encoder leaves open about an image: draws from q(z|x) of one image, decoded and as points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .document import Block, Line, Lines, Prose
from .run import Run
from .sections_run import slides
from .wording import count, number


def left_open(run: Run) -> tuple[Block, ...]:
    """Draws of some held-out images in pictures and in two dimensions; nothing where the encoder does not draw."""
    if not run.posteriors:
        return ()
    caption = (
        "Each row is one held-out image, at the left, and decoded draws from q(z|x) of it: what they share the encoder "
        "has made up its mind about."
    )
    what = "Draws from the encoder"
    blocks: list[Block] = [slides("posteriors-over", run.posteriors, what, caption, what)]
    points = _points(run.draws)
    if points is not None:
        blocks += [Prose(_spread(points)), _cloud(points, run.draws)]
    return tuple(blocks)


def _points(said: dict[str, Any]) -> np.ndarray | None:
    """Draws of each image, (images, draws, 2); None where the file holds none."""
    try:
        points = np.asarray(said.get("draws"), np.float64)
    except (TypeError, ValueError):
        return None
    return points if points.ndim == 3 and points.shape[2] == 2 and np.isfinite(points).all() else None


def _spread(points: np.ndarray) -> str:
    within = float(points.var(axis=1).mean())
    between = float(points.mean(axis=1).var(axis=0).mean())
    share = within / (within + between) if within + between else math.nan
    images, draws, _ = points.shape
    return (
        f"In these two dimensions draws of one image have {number(100 * share, 0)} % of the variance of all "
        f"(n = {count(images)} images of {count(draws)} draws): 0 % is an encoder that is certain, 100 % one whose "
        "codes say nothing."
    )


def _cloud(points: np.ndarray, said: dict[str, Any]) -> Lines:
    gap = np.full((len(points), points.shape[1], 1), np.nan)  # a gap after each point: points alone, no line
    spaced = np.stack([np.concatenate([points[:, :, i : i + 1], gap], 2).reshape(len(points), -1) for i in (0, 1)])
    lines = [Line(f"image {i + 1}", spaced[0, i], spaced[1, i], markers=True) for i in range(len(points))]
    first, second = [f"z, dimension {d + 1}" for d in said.get("dimensions", (0, 1))]
    circle = np.linspace(0, 2 * np.pi, 121)
    lines += [Line("the prior's deviation", np.cos(circle), np.sin(circle))]
    caption = (
        "Draws of each image in the two dimensions in which the images' means lie farthest apart, rows from top to "
        "bottom as image 1, 2, …; the circle is one standard deviation of a Gaussian prior."
    )
    return Lines("posteriors", "Draws from q(z|x) in two dimensions", first, second, tuple(lines), caption)
