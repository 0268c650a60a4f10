"""Directions by their names, as users type them: `smiling`, `3`, `pca1`, `thickness=2`, `label` for all of a column."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from ..errors import AnalysisError
from ..io.messages import listed
from .verification import EditDirection


def select_directions(directions: Sequence[EditDirection], wanted: Sequence[str]) -> list[int]:
    """Return the positions of directions that are named, or whose column is: one for each concept, each once.

    Args:
        directions: what a table's codes can be moved along, see `edit_directions`.
        wanted: full names, values that only one concept has, or columns for all of their concepts.

    Returns:
        Positions in `directions`, in the order of `wanted`.

    Raises:
        AnalysisError: no direction has such a name; the sentence names the nearest.
    """
    names, columns = [direction.name for direction in directions], [direction.column for direction in directions]
    positions: list[int] = []
    for text in wanted:
        if _position(names, text) is None and text in columns:
            inside = [name for name, column in zip(names, columns, strict=True) if column == text]
            positions += [names.index(name) for name in dict.fromkeys(inside)]
        else:
            positions.append(_find(names, text))
    return list(dict.fromkeys(positions))


def select_with_strength(directions: Sequence[EditDirection], wanted: str) -> tuple[int, float | None]:
    """Return the position of a direction and the strength of `NAME` or `NAME=STRENGTH`; a name may hold an = itself.

    Raises:
        AnalysisError: no direction has such a name, or the strength is no finite number.
    """
    names = [direction.name for direction in directions]
    name, equals, number = wanted.rpartition("=")
    if not equals or _position(names, wanted) is not None:
        return _find(names, wanted), None
    try:
        strength = float(number)
    except ValueError as error:
        if _position(names, name) is None:
            return _find(names, wanted), None
        raise AnalysisError(
            f"--concept {wanted}: after = comes a strength in standard deviations, and {number!r} is no number; give "
            f"one, for example {name}=2"
        ) from error
    if not math.isfinite(strength):
        raise AnalysisError(f"--concept {wanted}: the strength must be a finite number, for example {name}=2")
    return _find(names, name), strength


def _find(names: Sequence[str], wanted: str) -> int:
    """Return the position of a concept by its full name, or by its value alone where that is unique."""
    if (result := _position(names, wanted)) is not None:
        return result
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise AnalysisError(f"no concept is called {wanted!r}; {hint}known are: {listed(dict.fromkeys(names))}")


def _position(names: Sequence[str], wanted: str) -> int | None:
    exact = [i for i, name in enumerate(names) if name == wanted]
    loose = [i for i, name in enumerate(names) if name.split(": ", 1)[-1] == wanted]
    for result in (exact, loose):
        if len({names[i] for i in result}) == 1:  # one concept has a direction a method; the first is the default
            return result[0]
    return None
