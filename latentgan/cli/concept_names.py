"""Concepts as they are named on the command line: `smiling`, `3`, `pca1`, `thickness=2`, `label` for all of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from analysis.io.messages import listed
from latentgan.errors import ConfigError


def find_concept(names: Sequence[str], wanted: str) -> int:
    """Return the position of a concept by its full name, or by its value alone where that is unique."""
    if (result := _position(names, wanted)) is not None:
        return result
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"no concept is called {wanted!r}; {hint}known are: {listed(dict.fromkeys(names))}")


def _position(names: Sequence[str], wanted: str) -> int | None:
    exact = [i for i, name in enumerate(names) if name == wanted]
    loose = [i for i, name in enumerate(names) if name.split(": ", 1)[-1] == wanted]
    for result in (exact, loose):
        if len({names[i] for i in result}) == 1:  # one concept has a direction a method; the first is the default
            return result[0]
    return None


def find_weighted(names: Sequence[str], wanted: str) -> tuple[int, float | None]:
    """Return the position and the strength of `NAME` or `NAME=STRENGTH`, whose name may hold an = itself."""
    name, equals, number = wanted.rpartition("=")
    if not equals or _position(names, wanted) is not None:
        return find_concept(names, wanted), None
    try:
        strength = float(number)
    except ValueError as error:
        if _position(names, name) is None:
            return find_concept(names, wanted), None
        raise ConfigError(
            f"--concept {wanted}: after = comes a strength in standard deviations, and {number!r} is no number; give "
            f"one, for example {name}=2"
        ) from error
    if not math.isfinite(strength):
        raise ConfigError(f"--concept {wanted}: the strength must be a finite number, for example {name}=2")
    return find_concept(names, name), strength


def find_all(names: Sequence[str], columns: Sequence[str], wanted: str) -> list[int]:
    """Return the positions of a concept, or of all concepts of a column, one direction each."""
    if _position(names, wanted) is None and wanted in columns:
        inside = [name for name, column in zip(names, columns, strict=True) if column == wanted]
        return [names.index(name) for name in dict.fromkeys(inside)]
    return [find_concept(names, wanted)]
