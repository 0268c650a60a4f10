"""Numeric attributes as yes or no: below a threshold, above it, and in a margin between the two unknown.

Attributes that another model predicted are probabilities. What it is unsure of teaches little and is scored at random,
so a margin leaves such images out of that attribute, and of nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.io.messages import listed
from latentgan.data.columns import AttributeKind
from latentgan.data.source import ImageSource
from latentgan.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Where an attribute begins to hold, and where it has ceased to."""

    name: str
    """Of the attribute."""
    low: float
    """Up to it the attribute does not hold."""
    high: float
    """From it on the attribute holds; between the two it is unknown. At low = high nothing is unknown."""


def parse_threshold(text: str) -> Threshold:
    """Read "Smiling=0.5" or, with a margin, "Smiling=0.1:0.9".

    Args:
        text: name, then one number or two.

    Returns:
        The threshold.

    Raises:
        DataError: the text is not of this form, or the first number is larger than the second.
    """
    name, equals, numbers = text.rpartition("=")
    low, colon, high = numbers.partition(":")
    try:
        bounds = float(low), float(high if colon else low)
    except ValueError:
        bounds = math.nan, math.nan
    if not equals or not name or not all(map(math.isfinite, bounds)):
        raise DataError(f"--boolean {text!r} is not of the form NAME=0.5 or, with a margin, NAME=0.1:0.9")
    if bounds[0] > bounds[1]:
        raise DataError(f"--boolean {text!r}: {low} should not be above {high}, between which {name} is unknown")
    return Threshold(name=name, low=bounds[0], high=bounds[1])


def with_booleans(source: ImageSource, texts: Sequence[str]) -> ImageSource:
    """Return a source whose numeric attributes are yes or no by their thresholds.

    Args:
        source: with numeric attributes.
        texts: as of `parse_threshold`, one an attribute.

    Returns:
        The source, with a note on how many images each margin leaves out.

    Raises:
        DataError: there is no such attribute, it holds no numbers, is named twice, or is the same on all images.
    """
    if not texts:
        return source
    attributes, kinds = dict(source.attributes), dict(source.attribute_kinds)
    notes, done = [], set[str]()
    for threshold in map(parse_threshold, texts):
        name = threshold.name
        if name not in attributes:
            has = listed(sorted(attributes)) if attributes else "none"
            raise DataError(f"--boolean names {name!r}, which is no attribute of {source.name}; it has: {has}")
        if kinds[name] != "numeric" or name in done:
            reason = "was named before" if name in done else f"holds no numbers but is {kinds[name]}"
            raise DataError(f"--boolean {name}: the attribute {reason}")
        values = np.asarray(attributes[name], np.float64)
        holds, fails = values >= threshold.high, values <= threshold.low
        if threshold.low == threshold.high:
            fails = values < threshold.high
        if not holds.any() or not fails.any():
            side = "at or above" if not holds.any() else "below"
            raise DataError(
                f"--boolean {name}: no image lies {side} {threshold.high:g}; values are from {np.nanmin(values):g} to "
                f"{np.nanmax(values):g}"
            )
        attributes[name] = np.where(holds, 1.0, np.where(fails, 0.0, np.nan))
        kind: AttributeKind = "boolean"
        kinds[name] = kind
        done.add(name)
        unknown = int((~holds & ~fails & ~np.isnan(values)).sum())
        notes.append(
            f"{name!r} holds in {int(holds.sum()):,} images and does not in {int(fails.sum()):,}; {unknown:,} between "
            f"{threshold.low:g} and {threshold.high:g} count as unknown"
            if unknown
            else f"{name!r} holds in {int(holds.sum()):,} images and does not in {int(fails.sum()):,}"
        )
    return replace(source, attributes=attributes, attribute_kinds=kinds, notes=(*source.notes, *notes))
