"""Categorical parts of a code: are their categories the labels, how often is each used, what does each look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base.statistics import wilson
from ..report.document import Block, Comparison, Disclosure, Estimate, Facts, Gallery, Group, Picture, Prose, Table
from ..report.estimate_rows import axis, brackets, estimate, figure, role_of, trained_on
from ..report.formatting import best_of, count, listed, number, percent
from ..report.images import as_uint8

if TYPE_CHECKING:
    from ..base.statistics import Baseline, Interval
    from .categorical import Categories
    from .code_parts import Codes


SHOWN = 20  # categories; more open on request


WIDE = 24  # labels; a wider table opens on request


BASELINES = {
    "pixels": "k-means on pixels",
    "probe of pixels": "as many labels on pixels",
    "untrained": "the same network untrained",
    "shuffled": "shuffled labels",
}


def categories_in_short(found: Codes | None) -> str:
    """Say in one sentence whether the categories are the labels, "" where there are none."""
    one = _best(found) if found is not None else None
    if one is None or found is None:
        return ""
    if one.matching is None:
        used = number(one.effective.value, 1)
        return f"{used} of the {len(one.counts)} {one.nouns} of “{one.part}” are effectively in use."
    pixels = next((b.figure for b in one.baselines if role_of(b.name) == "pixels"), None)
    beside = f"; {BASELINES['pixels']} {figure(pixels)}" if pixels is not None else ""
    chosen = best_of(len(found.categories), "part") or ","
    return (
        f"The {len(one.counts)} {one.nouns} of “{one.part}”{chosen} {_how(one)}, name "
        f"{figure(one.matching.accuracy)} of {_images(found, one)} right "
        f"(n = {count(one.matching.accuracy.n)}){beside}."
    )


def _best(found: Codes) -> Categories | None:
    """Choose the part to speak of: the one whose names are right most often, else the first."""
    matched = [
        (category.matching.accuracy.value, category) for category in found.categories if category.matching is not None
    ]
    if matched:
        return max(matched, key=lambda pair: pair[0])[1]
    return found.categories[0] if found.categories else None


def categories_said(found: Codes) -> tuple[str, ...]:
    """One sentence on the best part of categories, and what else is to be said of it."""
    one = _best(found)
    return () if one is None else (_finding(one, found), *_by_one_image(one))


def _finding(one: Categories, found: Codes) -> str:
    k = len(one.counts)
    if one.matching is None:
        used = number(one.effective.value, 1)
        text = f"{used} of the {k} {one.nouns} of “{one.part}” are effectively in use (n = {count(found.rows)})"
        if one.shared is None:
            return text + "."
        shared = f"they share a normalised mutual information of {brackets(one.shared)} with the labels"
        return f"{text}; {shared}, shuffled labels {number(one.shuffled)}."
    right = one.matching.accuracy
    others = [f"{_baseline(b)} {percent(b.figure.value)}" for b in _ordered(one.baselines)]
    return (
        f"The {k} {one.nouns} of “{one.part}”{best_of(len(found.categories), 'part')} name {figure(right)} of "
        f"{_images(found, one)} right, {_how(one)} (n = {count(right.n)}){'; ' * bool(others)}{listed(others)}; "
        f"{number(one.effective.value, 1)} of {k} {one.nouns} are effectively in use{_beside_pixels(one)}."
    )


def _beside_pixels(one: Categories) -> str:
    pixels = next((b.figure for b in one.baselines if role_of(b.name) == "pixels"), None)
    if one.matching is None or pixels is None or one.matching.accuracy.low > pixels.high:
        return ""
    if one.matching.accuracy.apart(pixels):
        return "; k-means on pixels does better"
    return f"; the intervals of {one.nouns} and pixels overlap"


def _by_one_image(one: Categories) -> tuple[str, ...]:
    """Say what is right where one label a category is told; not where each is one label and both rules agree."""
    if one.confident is None or one.matching is None or one.matching.rule == "one to one":
        return ()
    alone = one.assigned
    single = f"With one {one.noun} a label, the others wrong, {figure(alone.accuracy)} are right." if alone else ""
    right = figure(one.confident.accuracy)
    return single, f"Named by the label of a single image each, the most confident one, {right} are."


def _how(one: Categories) -> str:
    if one.told:
        return f"class k judged against label k, of which the network was told {count(one.told)}"
    if one.matching is not None and one.matching.rule == "one to one":
        return "each matched to a label on validation images"
    return "each named by its commonest label among validation images"


def _images(found: Codes, judged: Categories | None = None) -> str:
    """Name what was looked at, or whose labels judge categories: none that taught the network."""
    return ("held-out " * bool(judged and judged.told) if trained_on(found.notes) else "test ") + "images"


def category_blocks(one: Categories, found: Codes) -> list[Block]:
    order = _order(one)
    blocks: list[Block] = [_facts(one)]
    if one.samples is None:
        blocks.append(Prose("No decoded samples: they need a model that decodes (--model RUN)."))
    else:
        blocks += _galleries(one, found, order)
    if one.exemplars is not None:
        blocks += _exemplars(one, found, order)
    if one.matching is not None:
        caption = (
            f"Share of {_images(found)} whose {one.noun} has their label's name, with its 95 % interval over images; "
            f"the names were chosen on {count(one.matching.n_matched)} other images and are held fixed. The baselines "
            "are named and judged on the same."
        )
        if one.told:
            caption = (
                f"Share of {_images(found, one)} whose class is their label, with its 95 % interval over images. The "
                f"network was told {count(one.told)} labels, and which class is which, so that nothing is matched; "
                "k-means was told those of the validation images alone, to match its groups."
            )
        blocks.append(_beside_others(one, one.matching.accuracy, one.baselines, caption))
    if one.assigned is not None:
        caption = (
            f"The same one to one: each label is given one {one.noun} at most, and images of the {one.nouns} that are "
            f"left over count as wrong, which a name of its own for each {one.noun} hides."
        )
        blocks.append(_beside_others(one, one.assigned.accuracy, one.assigned_baselines, caption))
    if one.confident is not None:
        caption = (
            f"The same where each {one.noun} has the label of one validation image, the one that is of it most surely "
            f"(of {count(one.confident.n_matched)}), so that as many labels are told as there are {one.nouns}: the "
            "protocol of adversarial autoencoders."
        )
        blocks.append(_beside_others(one, one.confident.accuracy, one.confident_baselines, caption))
    blocks += _usage(one, found, order)
    if one.purity is not None:
        blocks += _purity(one, found, one.purity, order)
    if one.table.shape[1]:
        table = _by_label(one, found, order)
        blocks.append(
            Disclosure(f"{one.nouns.capitalize()} by label", (table,)) if one.table.shape[1] > WIDE else table
        )
    return blocks


def _beside_others(one: Categories, found: Interval, baselines: tuple[Baseline, ...], caption: str) -> Comparison:
    rows = [estimate(one.nouns, found)]
    rows += [estimate(_baseline(b), b.figure, role_of(b.name), note=b.note) for b in _ordered(baselines)]
    return Comparison(rows=tuple(rows), caption=caption, axis=(0.0, 1.0))


def _ordered(baselines: tuple[Baseline, ...]) -> list[Baseline]:
    """The baselines, pixels first."""
    known = list(BASELINES)
    return sorted(baselines, key=lambda b: known.index(b.name) if b.name in known else len(known))


def _baseline(one: Baseline) -> str:
    return BASELINES.get(one.name, one.name)


def _order(one: Categories) -> list[int]:
    """Categories by the label that they stand for, so that a heat map has its diagonal; else by usage."""
    names = one.matching.names.tolist() if one.matching is not None else [-1] * len(one.counts)
    return sorted(range(len(names)), key=lambda k: (names[k] < 0, names[k], -int(one.counts[k]), k))


def _name(one: Categories, found: Codes, k: int) -> str:
    """Name a category by its label, "" where it stands for none."""
    label = int(one.matching.names[k]) if one.matching is not None else -1
    return found.classes[label] if 0 <= label < len(found.classes) else ""


def _both(one: Categories, name: str, k: int) -> str:
    return f"{name} ({one.noun} {k + 1})" if name else f"{one.noun} {k + 1}"


def _facts(one: Categories) -> Facts:
    use = f"{brackets(one.effective)} of {len(one.counts)}"
    items = [(f"effective number of {one.nouns}", use), ("mean probability of the choice", figure(one.confidence))]
    if one.shared is not None:
        shared = f"{brackets(one.shared)}; shuffled {number(one.shuffled)}"
        items.append(("mutual information with labels (NMI)", shared))
    return Facts(tuple(items))


def _galleries(one: Categories, found: Codes, order: list[int]) -> list[Block]:
    assert one.samples is not None
    caption = (
        f"New images of each {one.noun}, a row each, with the share of images that have it. Down a column all but the "
        f"{one.noun} is the same draw from the prior, so that what stays the same there is not the {one.noun}'s doing. "
        "Nothing was picked by eye."
    )
    pixels = as_uint8(one.samples)
    alt = {k: "sample of " + _known(one, found, k) for k in order}
    pictures = {k: tuple(Picture(image, alt[k]) for image in pixels[k]) for k in order}
    return _rows_of_pictures(one, "Samples", _headed(one, found, order, pictures), caption)


def _exemplars(one: Categories, found: Codes, order: list[int]) -> list[Block]:
    """Show the images that are of each category most surely."""
    assert one.exemplars is not None and one.exemplar_rows is not None
    caption = (
        f"The {_images(found)} that are of each {one.noun} most surely, the surest first; where a row is short, no "
        f"other image is of that {one.noun}. The {one.noun} of a row is what these have in common."
    )
    pixels, rows = as_uint8(one.exemplars), one.exemplar_rows
    alt = {k: "image of " + _known(one, found, k) for k in order}
    pictures = {
        k: tuple(
            Picture(image, alt[k], "", int(row)) for image, row in zip(pixels[k], rows[k], strict=True) if row >= 0
        )
        for k in order
    }
    filled = [k for k in order if pictures[k]]
    return _rows_of_pictures(one, "Images", _headed(one, found, filled, pictures), caption)


def _known(one: Categories, found: Codes, k: int) -> str:
    name = _name(one, found, k)
    return f"{one.noun} {k + 1}" + (f", {name}" if name else "")


def _headed(
    one: Categories, found: Codes, order: list[int], pictures: dict[int, tuple[Picture, ...]]
) -> tuple[Group, ...]:
    """Put each category's pictures under its name and the share of images that have it."""
    share, groups = one.counts / max(int(one.counts.sum()), 1), []
    for k in order:
        name = _name(one, found, k)
        title, detail = (name, f"{one.noun} {k + 1}, ") if name else (f"{one.noun.capitalize()} {k + 1}", "")
        groups.append(
            Group(
                title=title, detail=f"{detail}{percent(float(share[k]))}", pictures=pictures[k], across=len(pictures[k])
            )
        )
    return tuple(groups)


def _rows_of_pictures(one: Categories, what: str, groups: tuple[Group, ...], caption: str) -> list[Block]:
    first, rest = Gallery(groups[:SHOWN], caption, rows=True), groups[SHOWN:]
    return (
        [first, Disclosure(f"{what} of {_others(one, rest)}", (Gallery(rest, caption, rows=True),))]
        if rest
        else [first]
    )


def _others(one: Categories, rest: tuple[object, ...]) -> str:
    return f"{count(len(rest))} more " + (one.noun if len(rest) == 1 else one.nouns)


def _usage(one: Categories, found: Codes, order: list[int]) -> list[Block]:
    """Show how often each category is used, beside how often its label occurs."""
    n, known = int(one.counts.sum()), one.table.sum()
    rows = []
    for k in order:
        name, note = _name(one, found, k), ""
        if name:
            label = int(one.matching.names[k]) if one.matching is not None else -1
            there = percent(float(one.table[:, label].sum() / max(known, 1)))
            note = f"label: {there}"
        rows.append(estimate(_both(one, name, k), wilson(int(one.counts[k]), n), note=note))
    even = percent(1 / len(one.counts))
    caption = (
        f"Share of images that have each {one.noun}, with its 95 % interval; {_evenly(one)} {even} each. Beside the "
        "name, the share of labelled images that have the label."
    )
    return _each(one, "Usage", rows, caption, (0.0, axis(Comparison(rows=tuple(rows), caption=caption))[1]))


def _purity(one: Categories, found: Codes, pure: Interval, order: list[int]) -> list[Block]:
    """Show how far images of each category have one label, and of all beside what chance gives."""
    overall = (
        f"Purity: share of labelled {_images(found, one)} that have the commonest label of their {one.noun}. It is the "
        f"commonest of these same images, from which many small {one.nouns} gain by chance: see shuffled labels. The "
        "interval is for very many images, and reaches down for that gain."
    )
    rows = [
        estimate(_both(one, _name(one, found, k), k), one.purities[k], note=found.classes[int(one.table[k].argmax())])
        for k in order
        if one.purities[k].n
    ]
    caption = (
        f"Purity of each {one.noun}: the share of its labelled {_images(found, one)} that have its commonest label, "
        "which stands beside, with its 95 % interval."
    )
    ends = (0.0, 1.0)
    return [_beside_others(one, pure, one.purity_baselines, overall), *_each(one, "Purity", rows, caption, ends)]


def _each(one: Categories, what: str, rows: list[Estimate], caption: str, ends: tuple[float, float]) -> list[Block]:
    """Show a row for each category; where there are many, the others open on request."""
    top, rest = (Comparison(rows=tuple(some), caption=caption, axis=ends) for some in (rows[:SHOWN], rows[SHOWN:]))
    return [top, Disclosure(f"{what} of {_others(one, rest.rows)}", (rest,))] if rest.rows else [top]


def _evenly(one: Categories) -> str:
    return "even usage would be" if one.noun == "category" else "samples, by the prior's fixed weights, have"


def _by_label(one: Categories, found: Codes, order: list[int]) -> Table:
    counts = one.table[order]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    known = [_name(one, found, k) for k in order]
    twins = len(set(known)) < len(known)
    names = [name if name and not twins else _both(one, name, k) for name, k in zip(known, order, strict=True)]
    rows = tuple((name, *map(count, row.tolist())) for name, row in zip(names, counts, strict=True))
    caption = (
        f"Labelled images of each {one.noun} (rows, by the label that it stands for) and their labels (columns), "
        f"n = {count(int(counts.sum()))}. The shade is the share within the {one.noun}: one that is one thing has one "
        "shaded cell."
    )
    return Table(
        columns=(one.part, *found.classes), rows=rows, caption=caption, shades=tuple(map(tuple, share.tolist()))
    )
