"""What is made up for a table that latentgan did not write: vectors of many columns, a split, the way out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..base.arrays import Strings
from ..errors import AnalysisError
from ..io.messages import listed

MIN_SPLIT_ROWS = 50  # rows from which a split is drawn


SHARES = {"test": 0.2, "validation": 0.1}


HELD = {"numeric": "numbers", "boolean": "true and false", "vector": "vectors", "picture": "pictures"}


MANY = 4  # columns named alike that are taken for the numbers of a vector


def bundle(kinds: Mapping[str, str], pattern: str, *, leave: Iterable[str] = ()) -> tuple[str, ...]:
    """Columns of numbers whose names fit `pattern`, in which * stands for anything; dim_2 comes before dim_10.

    None without a *, or where one column is named so.

    Args:
        leave: columns that are no part of a code though they fit, such as the label, which would give itself away.
    """
    if "*" not in pattern or pattern in kinds:
        return ()
    wanted = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
    numbers = [name for name, kind in kinds.items() if kind in ("numeric", "boolean") and name not in {*leave}]
    names = [name for name in numbers if wanted.fullmatch(name)]
    return tuple(sorted(names, key=lambda name: [(int(p), "") if p.isdecimal() else (-1, p) for p in _cut(name)]))


def drawn_split(n: int) -> Strings:
    """A split of n rows at random, always the same: (n,)."""
    split = np.full(n, "train", dtype="U10")
    mixed, start = np.random.default_rng(0).permutation(n), 0
    for name, share in SHARES.items():
        stop = start + round(n * share)
        split[mixed[start:stop]] = name
        start = stop
    return split


def refuse(table: str, name: str, vectors: Iterable[str], option: str, kinds: Mapping[str, str]) -> AnalysisError:
    """The error for a column that is not there: what is near it, and the option that names another.

    Args:
        table: the file's name.
        name: what was asked for.
        known: columns that would do.
        option: the option that names one.
        kinds: kind of every column.
    """
    vectors = list(vectors)
    if "code" in option and "*" in name:
        alike = _alike(kinds)
        present = [f"vectors in {listed(vectors, quote=True)}"] * bool(vectors)
        present += [f"numbers in columns like {alike!r}"] * bool(alike)
        has = " and ".join(present) or "neither vectors nor columns of numbers that are named alike"
        return AnalysisError(
            f"no column of numbers in the table {table!r} fits {name!r}, label and split apart; it has {has}: "
            f"choose with {option}"
        )
    if "code" in option and not vectors:
        pattern = _alike(kinds)
        way = (
            f"if columns like {pattern!r} hold them, give --code {pattern!r}"
            if pattern
            else "encode with a model that has an encoder, or add a list column and name it with --code COLUMN"
        )
        return AnalysisError(f"the table {table!r} has no column of vectors, so no codes to analyse: {way}")
    near = difflib.get_close_matches(name, vectors, n=1)
    hint = f"the nearest is {near[0]!r}" if near else f"it has {listed(vectors, quote=True) or 'none'}"
    kind = "vector column" if "code" in option else "column"
    return AnalysisError(f"the table {table!r} has no {kind} {name!r} ({hint}): choose one with {option}")


def no_split(table: str, name: str, kind: str | None) -> str:
    """Say why column `name` of a table is no split: it is not there, or is of another `kind` than text."""
    if kind is None:
        return f"the table {table!r} has no column {name!r} with the values train, validation and test"
    return f"column {name!r} of the table {table!r} holds {HELD.get(kind, kind)}, not train, validation and test"


def no_classes(label: str, different: int) -> str:
    """Say that a label column of so many different numbers is read as an attribute."""
    return (
        f"column {label!r} holds {different} different numbers, which are no classes: it is read as a numeric "
        "attribute, and --label COLUMN names another label"
    )


def _alike(kinds: Mapping[str, str]) -> str:
    """The pattern of the most columns of numbers that differ by a number at the end; "" where they are few."""
    stems = [re.sub(r"\d+$", "", name) for name, kind in kinds.items() if kind == "numeric" and name[-1:].isdigit()]
    most = max(set(stems), key=stems.count, default="")
    return f"{most}*" if stems.count(most) >= MANY else ""


def _cut(name: str) -> list[str]:
    return re.split(r"(\d+)", name)
