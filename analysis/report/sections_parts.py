"""The section on what is particular to a family's code: its categories, and what each continuous number changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .document import Block, Comparison, Estimate, Line, Lines, Prose, Section, Strip, Strips, missing, one_of
from .images import as_uint8
from .material import Material
from .rows import brackets, estimate, role_of, stated, trained_on
from .sections_categories import categories_said, category_blocks
from .wording import count, listed, number, plural, sentence

if TYPE_CHECKING:
    from ..codes import Codes, Sweep

SHOWN_NUMBERS = 8
SHOWN_FILMS = 5  # continuous numbers


def parts(material: Material) -> Section:
    """What the parts of the code do."""
    found: Codes | None = material.results.get("codes")
    if found is None:
        note = "Not looked at: latentgan codes TABLE --out RESULTS does, where a model decodes or there are categories."
        return missing("parts", "Parts of the code", material.refusal("codes") or note)
    shown = tuple((one.part, tuple(category_blocks(one, found))) for one in found.categories)
    blocks: list[Block] = [*one_of("part", "Part", shown)]
    if found.sweeps:
        blocks += [*_films(material, found), *_effects(found)]
    blocks += [Prose(sentence(note)) for note in found.notes]
    said = [text for text in (*categories_said(found), _numbers_finding(found)) if text]
    said = [*(said or ["There was nothing to count and nothing to move."]), trained_on(found.notes)]
    return stated("parts", "Parts of the code", said, blocks)


def _number(one: Sweep, found: Codes) -> str:
    """Name a number: "style 2", or "style" where the part has one alone."""
    alone = sum(other.part == one.part for other in found.sweeps) == 1
    return one.part if alone else f"{one.part} {one.dimension + 1}"


def _numbers_finding(found: Codes) -> str:
    if not found.sweeps:
        return ""
    first, n = found.sweeps[0], len(found.sweeps)
    if not np.isfinite(first.effect.value):
        return f"All codes decode to the same image: {plural(n, 'continuous number')} and no effect."
    others = [f"{_along(b.name)} {number(b.figure.value)}" for b in found.baselines]
    if n > 2:
        others.append(f"the median number {number(float(np.median([one.effect.value for one in found.sweeps])))}")
    whose = f"Of {count(n)} continuous numbers, {_number(first, found)} changes the image most"
    alone = f"One continuous number, {_number(first, found)}, changes the image"
    return (
        f"{whose if n > 1 else alone}: from end to end by {brackets(first.effect)} times the distance between images "
        f"of unrelated codes (n = {plural(first.effect.n, 'code')}){'; ' * bool(others)}{listed(others)}."
    )


def _along(name: str) -> str:
    return "a random direction" if name == "random direction" else name


def _films(material: Material, found: Codes) -> list[Block]:
    filmed = [one for one in found.sweeps if one.frames is not None][:SHOWN_FILMS]
    options = tuple(
        (f"{_number(one, found)}, effect {number(one.effect.value)}", (_film(material, found, one, i),))
        for i, one in enumerate(filmed)
    )
    return list(one_of("number", "Move", options))


def _film(material: Material, found: Codes, one: Sweep, index: int) -> Strips:
    assert one.frames is not None
    name, frames = _number(one, found), as_uint8(one.frames)
    steps = tuple("+" * (value > 0) + number(value) for value in np.linspace(*one.ends, frames.shape[1]).tolist())
    strips = tuple(
        Strip(material.label(int(row)) or material.describe(int(row)), frames[i],
              f"{material.describe(int(row))}, {name} moved", int(row))
        for i, row in enumerate(found.bases)
    )  # fmt: skip
    caption = (
        f"Codes of held-out images in which {name} alone is moved over its range and everything else stays, decoded. "
        "A number that means one thing does the same to every row. Click a strip to go there; hover the picture at "
        "its left for the image that the code is of."
    )
    start = frames.shape[1] // 2
    return Strips(f"number-{index}", strips, steps, start, name, caption, "films")


def _effects(found: Codes) -> list[Block]:
    top = found.sweeps[:SHOWN_NUMBERS]
    rows: list[Estimate] = [estimate(_number(one, found), one.effect) for one in top]
    rows += [estimate(b.name, b.figure, role_of(b.name), note=b.note) for b in found.baselines]
    there = len(found.sweeps)
    many = f"The {len(top)} largest of {count(there)} on these codes: " if there > len(top) else ""
    caption = (
        f"{many}mean change of the image (L2) when a number goes from end to end of its range, over the distance "
        "between images of unrelated codes: 0 is a number without use, 1 a change as large as between two images."
    )
    caption = caption[0].upper() + caption[1:]
    most = max([1.0, *(row.high for row in rows if np.isfinite(row.high))])
    block = Comparison(tuple(rows), caption, "number", (0.0, np.ceil(10 * most) / 10))
    return [block, _spectrum(found)] if many else [block]


def _spectrum(found: Codes) -> Lines:
    """Draw the effects of all numbers, so that one sees whether the code is spread or lies in a few."""
    x = np.arange(1, len(found.sweeps) + 1, dtype=float)
    value, low, high = np.array([(one.effect.value, one.effect.low, one.effect.high) for one in found.sweeps]).T
    line = Line("numbers", x, value, low, high, role="ours", markers=len(x) <= 64)
    caption = (
        f"Effects of all {count(len(x))} numbers, the largest first, with their 95 % intervals. A flat curve spreads "
        "the image over all numbers; where it falls to zero, numbers lie idle."
    )
    level = next(((b.figure.value, b.name) for b in found.baselines if np.isfinite(b.figure.value)), None)
    return Lines(
        "effects", "Effect by rank", "number, by rank", "effect", (line,), caption, y_scale="from zero", level=level
    )
