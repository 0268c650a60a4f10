"""Which images a path goes between: of different classes, any two, or those that were asked for by class or id."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Ints, Strings
from ..errors import AnalysisError
from ..io.messages import listed
from ..table.embeddings import Embeddings
from ..table.selection import labels_of
from .interpolate import pairs_of_classes

CLASSES, IMAGES = "classes", "images"


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of images, and what they are."""

    pairs: Ints
    """(p, 2) positions in the table; the first ones hold one of everything that was asked for."""
    words: str
    """"images of different classes"."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""


def drawn_pairs(
    table: Embeddings, wanted_pairs: Sequence[str], rows: Ints, *, count: int, rng: np.random.Generator
) -> Pairs:
    """Draw at most `count` pairs of `rows`, (p, 2) positions.

    Args:
        table: of codes.
        wanted_pairs: "classes" (the default) for images of different classes, "images" for any two, "A:B" for images
            of class A and class B, or for the two images of these ids, of whatever split.
        rows: (n,) positions in the table that pairs are drawn from.
        count: number of pairs.
        rng: draws the pairs.
    """
    labels = labels_of(table)
    known_labels = labels[0][rows] if labels else np.full(len(rows), -1)
    names = labels[1] if labels else ()
    wanted = tuple(dict.fromkeys(wanted_pairs)) or (CLASSES,)
    result, words, ids = [], [], None
    for pair in wanted:
        if pair in (CLASSES, IMAGES):
            group_labels = known_labels if pair == CLASSES else np.full(len(rows), -1)
            result.append(pairs_of_classes(group_labels, rows, count=count, rng=rng))
            classes = pair == CLASSES and len(np.unique(known_labels[known_labels >= 0])) > 1
            words.append("images of different classes" if classes else "any two images")
            continue
        ends = _split(pair, names)
        if ends is not None:
            members = [rows[known_labels == names.index(end)] for end in ends]
            result.append(_between(members[0], members[1], ends, count, rng))
            words.append(f"images of {ends[0]} and {ends[1]}")
            continue
        ids = table.ids(np.arange(table.n)) if ids is None else ids
        result.append(_by_id(pair, ids, names))
        words.append(f"images {' and '.join(ids[result[-1][0]])}")
    alternating = [pairs[i] for i in range(count) for pairs in result if i < len(pairs)]
    notes = ("images that were named by their ids may be of any split",) if ids is not None else ()
    return Pairs(pairs=np.array(alternating[: max(count, len(result))], np.int64), words="; ".join(words), notes=notes)


def _split(pair: str, names: Sequence[str]) -> tuple[str, str] | None:
    """The two sides of "A:B" where both are among `names`; a name may hold colons itself."""
    places = [i for i, letter in enumerate(pair) if letter == ":"]
    for i in places:
        ends = pair[:i], pair[i + 1 :]
        if ends[0] in names and ends[1] in names:
            return ends
    return None


def _between(first: Ints, second: Ints, ends: tuple[str, str], count: int, rng: np.random.Generator) -> Ints:
    """Pairs of a row of each of two classes, or of two rows of one."""
    for members, end in ((first, ends[0]), (second, ends[1])):
        if len(members) < 1 + (ends[0] == ends[1]):
            raise AnalysisError(f"no pair of {ends[0]!r} and {ends[1]!r}: too few held-out images are {end!r}")
    if ends[0] == ends[1]:
        return pairs_of_classes(np.full(len(first), -1), first, count=count, rng=rng)
    return np.stack([rng.choice(first, count), rng.choice(second, count)], axis=1).astype(np.int64)


def _by_id(pair: str, ids: Strings, names: Sequence[str]) -> Ints:
    ends = _split(pair, set(ids.tolist()))  # type: ignore[arg-type]
    if ends is None:
        sides = pair.partition(":")
        known_ids = [*names, *ids[:100_000].tolist()]
        unknown = next((side for side in sides[::2] if side not in known_ids), pair)
        near = difflib.get_close_matches(unknown, known_ids, n=1, cutoff=0.5)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise AnalysisError(
            f"no two classes or ids are called {pair!r}{hint}: --between takes classes, images, or A:B, two classes "
            f"({listed(names, quote=True) or 'there are none'}) or two ids"
        )
    return np.array([[int(np.argmax(ids == end)) for end in ends]], np.int64)
