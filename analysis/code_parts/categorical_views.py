"""Categorical parts of a code: are their categories the labels, how often is each used, what does each look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base.statistics import wilson
from ..report.document import Block, Comparison, Disclosure, Estimate, Facts, Gallery, Group, Picture, Prose, Table
from ..report.estimate_rows import axis, brackets, estimate, figure
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
    "probe of pixels": "a probe on pixels with as many labels",
    "untrained": "the same network untrained",
    "shuffled": "shuffled labels",
}


def categories_in_short(codes: Codes | None) -> str:
    """Say in one sentence whether the categories are the labels, "" where there are none."""
    best = _best(codes) if codes is not None else None
    if best is None or codes is None:
        return ""
    if best.matching is None:
        used = number(best.effective.value, 1)
        return f"{used} of the {len(best.counts)} {best.nouns} of “{best.part}” are effectively in use."
    pixels = next((b.figure for b in best.baselines if b.role == "pixels"), None)
    pixel_text = f"; {BASELINES['pixels']} {figure(pixels)}" if pixels is not None else ""
    chosen = best_of(len(codes.categories))
    return (
        f"The {len(best.counts)} {best.nouns} of “{best.part}”{chosen} name {figure(best.matching.accuracy)} of "
        f"{count(best.matching.accuracy.n)} {_images(codes, best)} right{pixel_text}."
    )


def _best(codes: Codes) -> Categories | None:
    """Choose the part to speak of: the one whose names are right most often, else the first."""
    matched = [
        (category.matching.accuracy.value, category) for category in codes.categories if category.matching is not None
    ]
    if matched:
        return max(matched, key=lambda pair: pair[0])[1]
    return codes.categories[0] if codes.categories else None


def categories_sentence(codes: Codes) -> tuple[str, ...]:
    """One sentence on the best part of categories, and what else is to be said of it."""
    best = _best(codes)
    return () if best is None else (_finding(best, codes), *_by_one_image(best))


def _finding(categories: Categories, codes: Codes) -> str:
    k = len(categories.counts)
    if categories.matching is None:
        used = number(categories.effective.value, 1)
        text = (
            f"{used} of the {k} {categories.nouns} of “{categories.part}” are effectively in use (n = "
            f"{count(codes.rows)})"
        )
        if categories.shared is None:
            return text + "."
        shared = f"they share a normalised mutual information of {brackets(categories.shared)} with the labels"
        return f"{text}; {shared}, shuffled labels {number(categories.shuffled)}."
    right = categories.matching.accuracy
    baseline_texts = [f"{_baseline(b)} {percent(b.figure.value)}" for b in _ordered(categories.baselines)]
    return (
        f"The {k} {categories.nouns} of “{categories.part}”{best_of(len(codes.categories))} name {figure(right)} of "
        f"{_images(codes, categories)} right, {_how(categories)} (n = "
        f"{count(right.n)}){'; ' * bool(baseline_texts)}{listed(baseline_texts)}; "
        f"{number(categories.effective.value, 1)} of {k} {categories.nouns} are effectively in "
        f"use{_beside_pixels(categories)}."
    )


def _beside_pixels(categories: Categories) -> str:
    pixels = next((b.figure for b in categories.baselines if b.role == "pixels"), None)
    if categories.matching is None or pixels is None or categories.matching.accuracy.low > pixels.high:
        return ""
    if categories.matching.accuracy.apart(pixels):
        return "; k-means on pixels does better"
    return f"; the intervals of {categories.nouns} and pixels overlap"


def _by_one_image(categories: Categories) -> tuple[str, ...]:
    """Accuracy where one label a category is used; not where each is one label and both rules agree."""
    if categories.confident is None or categories.matching is None or categories.matching.rule == "one to one":
        return ()
    alone = categories.assigned
    single = (
        f"With one {categories.noun} a label, the others wrong, {figure(alone.accuracy)} are right." if alone else ""
    )
    right = figure(categories.confident.accuracy)
    return single, f"Named by the label of a single image each, the most confident one, {right} are."


def _how(categories: Categories) -> str:
    if categories.n_labels_used:
        return f"class k scored against label k; the network was trained with {count(categories.n_labels_used)} labels"
    if categories.matching is not None and categories.matching.rule == "one to one":
        return "each matched to a label on validation images"
    return "each named by its commonest label among validation images"


def _images(codes: Codes, scored: Categories | None = None) -> str:
    """Name what was looked at, or whose labels score categories: none that the network was trained on."""
    return ("held-out " * bool(scored and scored.n_labels_used) if codes.training_rows_note else "test ") + "images"


def category_blocks(categories: Categories, codes: Codes) -> list[Block]:
    order = _order(categories)
    blocks: list[Block] = [_facts(categories)]
    if categories.samples is None:
        blocks.append(Prose("No decoded samples: they need a model that decodes (--model RUN)."))
    else:
        blocks += _galleries(categories, codes, order)
    if categories.exemplars is not None:
        blocks += _exemplars(categories, codes, order)
    if categories.matching is not None:
        caption = (
            f"Share of {_images(codes)} whose {categories.noun} has their label's name, with its 95 % interval over "
            f"images; the names were chosen on {count(categories.matching.n_matched)} other images and are held "
            "fixed. The baselines are named and scored on the same."
        )
        if categories.n_labels_used:
            caption = (
                f"Share of {_images(codes, categories)} whose class is their label, with its 95 % interval over "
                f"images. The network was trained with {count(categories.n_labels_used)} labels, which say which "
                "class is which, so that nothing is matched; groups of k-means are matched to labels of validation "
                "images."
            )
        blocks.append(_beside_others(categories, categories.matching.accuracy, categories.baselines, caption))
    if categories.assigned is not None:
        caption = (
            f"The same one to one: each label is given one {categories.noun} at most, and images of the "
            f"{categories.nouns} that are left over count as wrong, which a name of its own for each "
            f"{categories.noun} hides."
        )
        blocks.append(_beside_others(categories, categories.assigned.accuracy, categories.assigned_baselines, caption))
    if categories.confident is not None:
        caption = (
            f"The same where each {categories.noun} has the label of one validation image, the one that is of it most "
            f"surely (of {count(categories.confident.n_matched)}), so that as many labels are used as there are "
            f"{categories.nouns}: the protocol of adversarial autoencoders."
        )
        blocks.append(
            _beside_others(categories, categories.confident.accuracy, categories.confident_baselines, caption)
        )
    blocks += _usage(categories, codes, order)
    if categories.purity is not None:
        blocks += _purity(categories, codes, categories.purity, order)
    if categories.table.shape[1]:
        table = _by_label(categories, codes, order)
        blocks.append(
            Disclosure(f"{categories.nouns.capitalize()} by label", (table,))
            if categories.table.shape[1] > WIDE
            else table
        )
    return blocks


def _beside_others(
    categories: Categories, interval: Interval, baselines: tuple[Baseline, ...], caption: str
) -> Comparison:
    rows = [estimate(categories.nouns, interval)]
    rows += [estimate(_baseline(b), b.figure, b.role, note=b.note) for b in _ordered(baselines)]
    return Comparison(rows=tuple(rows), caption=caption, axis=(0.0, 1.0))


def _ordered(baselines: tuple[Baseline, ...]) -> list[Baseline]:
    """The baselines, pixels first."""
    names = list(BASELINES)
    return sorted(baselines, key=lambda b: names.index(b.name) if b.name in names else len(names))


def _baseline(baseline: Baseline) -> str:
    return BASELINES.get(baseline.name, baseline.name)


def _order(categories: Categories) -> list[int]:
    """Categories by the label that they stand for, so that a heat map has its diagonal; else by usage."""
    names = categories.matching.names.tolist() if categories.matching is not None else [-1] * len(categories.counts)
    return sorted(range(len(names)), key=lambda k: (names[k] < 0, names[k], -int(categories.counts[k]), k))


def _name(categories: Categories, codes: Codes, k: int) -> str:
    """Name a category by its label, "" where it stands for none."""
    label = int(categories.matching.names[k]) if categories.matching is not None else -1
    return codes.classes[label] if 0 <= label < len(codes.classes) else ""


def _both(categories: Categories, name: str, k: int) -> str:
    return f"{name} ({categories.noun} {k + 1})" if name else f"{categories.noun} {k + 1}"


def _facts(categories: Categories) -> Facts:
    use = f"{brackets(categories.effective)} of {len(categories.counts)}"
    items = [
        (f"effective number of {categories.nouns}", use),
        ("mean probability of the choice", figure(categories.confidence)),
    ]
    if categories.shared is not None:
        shared = f"{brackets(categories.shared)}; shuffled {number(categories.shuffled)}"
        items.append(("mutual information with labels (NMI)", shared))
    return Facts(tuple(items))


def _galleries(categories: Categories, codes: Codes, order: list[int]) -> list[Block]:
    assert categories.samples is not None
    caption = (
        f"New images of each {categories.noun}, a row each, with the share of images that have it. Down a column all "
        f"but the {categories.noun} is the same draw from the prior, so that what stays the same there is not the "
        f"{categories.noun}'s doing. Nothing was picked by eye."
    )
    pixels = as_uint8(categories.samples)
    alt = {k: "sample of " + _known(categories, codes, k) for k in order}
    pictures = {k: tuple(Picture(image, alt[k]) for image in pixels[k]) for k in order}
    return _rows_of_pictures(categories, "Samples", _headed(categories, codes, order, pictures), caption)


def _exemplars(categories: Categories, codes: Codes, order: list[int]) -> list[Block]:
    """Show the images that are of each category most surely."""
    assert categories.exemplars is not None and categories.exemplar_rows is not None
    caption = (
        f"The {_images(codes)} that are of each {categories.noun} most surely, the surest first; where a row is "
        f"short, no other image is of that {categories.noun}. The {categories.noun} of a row is what these have in "
        "common."
    )
    pixels, rows = as_uint8(categories.exemplars), categories.exemplar_rows
    alt = {k: "image of " + _known(categories, codes, k) for k in order}
    pictures = {
        k: tuple(
            Picture(image, alt[k], "", int(row)) for image, row in zip(pixels[k], rows[k], strict=True) if row >= 0
        )
        for k in order
    }
    filled = [k for k in order if pictures[k]]
    return _rows_of_pictures(categories, "Images", _headed(categories, codes, filled, pictures), caption)


def _known(categories: Categories, codes: Codes, k: int) -> str:
    name = _name(categories, codes, k)
    return f"{categories.noun} {k + 1}" + (f", {name}" if name else "")


def _headed(
    categories: Categories, codes: Codes, order: list[int], pictures: dict[int, tuple[Picture, ...]]
) -> tuple[Group, ...]:
    """Put each category's pictures under its name and the share of images that have it."""
    share, groups = categories.counts / max(int(categories.counts.sum()), 1), []
    for k in order:
        name = _name(categories, codes, k)
        title, detail = (
            (name, f"{categories.noun} {k + 1}, ") if name else (f"{categories.noun.capitalize()} {k + 1}", "")
        )
        groups.append(
            Group(
                title=title, detail=f"{detail}{percent(float(share[k]))}", pictures=pictures[k], across=len(pictures[k])
            )
        )
    return tuple(groups)


def _rows_of_pictures(categories: Categories, title: str, groups: tuple[Group, ...], caption: str) -> list[Block]:
    first, rest = Gallery(groups[:SHOWN], caption, rows=True), groups[SHOWN:]
    return (
        [first, Disclosure(f"{title} of {_others(categories, rest)}", (Gallery(rest, caption, rows=True),))]
        if rest
        else [first]
    )


def _others(categories: Categories, rest: tuple[object, ...]) -> str:
    return f"{count(len(rest))} more " + (categories.noun if len(rest) == 1 else categories.nouns)


def _usage(categories: Categories, codes: Codes, order: list[int]) -> list[Block]:
    """Show how often each category is used, beside how often its label occurs."""
    n, n_labelled = int(categories.counts.sum()), categories.table.sum()
    rows = []
    for k in order:
        name, note = _name(categories, codes, k), ""
        if name:
            label = int(categories.matching.names[k]) if categories.matching is not None else -1
            share_text = percent(float(categories.table[:, label].sum() / max(n_labelled, 1)))
            note = f"label: {share_text}"
        rows.append(estimate(_both(categories, name, k), wilson(int(categories.counts[k]), n), note=note))
    even = percent(1 / len(categories.counts))
    caption = (
        f"Share of images that have each {categories.noun}, with its 95 % interval; {_evenly(categories)} {even} "
        "each. Beside the name, the share of labelled images that have the label."
    )
    return _each(categories, "Usage", rows, caption, (0.0, axis(Comparison(rows=tuple(rows), caption=caption))[1]))


def _purity(categories: Categories, codes: Codes, pure: Interval, order: list[int]) -> list[Block]:
    """Show how far images of each category have one label, and of all beside what chance gives."""
    overall = (
        f"Purity: share of labelled {_images(codes, categories)} that have the commonest label of their "
        f"{categories.noun}. It is the commonest of these same images, from which many small {categories.nouns} gain "
        "by chance: see shuffled labels. The interval is for very many images, and reaches down for that gain."
    )
    rows = [
        estimate(
            _both(categories, _name(categories, codes, k), k),
            categories.purities[k],
            note=codes.classes[int(categories.table[k].argmax())],
        )
        for k in order
        if categories.purities[k].n
    ]
    caption = (
        f"Purity of each {categories.noun}: the share of its labelled {_images(codes, categories)} that have its "
        "commonest label, which stands beside, with its 95 % interval."
    )
    ends = (0.0, 1.0)
    return [
        _beside_others(categories, pure, categories.purity_baselines, overall),
        *_each(categories, "Purity", rows, caption, ends),
    ]


def _each(
    categories: Categories, title: str, rows: list[Estimate], caption: str, ends: tuple[float, float]
) -> list[Block]:
    """Show a row for each category; where there are many, the others open on request."""
    top, rest = (Comparison(rows=tuple(part), caption=caption, axis=ends) for part in (rows[:SHOWN], rows[SHOWN:]))
    return [top, Disclosure(f"{title} of {_others(categories, rest.rows)}", (rest,))] if rest.rows else [top]


def _evenly(categories: Categories) -> str:
    return "even usage would be" if categories.noun == "category" else "samples, by the prior's fixed weights, have"


def _by_label(categories: Categories, codes: Codes, order: list[int]) -> Table:
    counts = categories.table[order]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    category_names = [_name(categories, codes, k) for k in order]
    twins = len(set(category_names)) < len(category_names)
    names = [
        name if name and not twins else _both(categories, name, k)
        for name, k in zip(category_names, order, strict=True)
    ]
    rows = tuple((name, *map(count, row.tolist())) for name, row in zip(names, counts, strict=True))
    caption = (
        f"Labelled images of each {categories.noun} (rows, by the label that it stands for) and their labels "
        f"(columns), n = {count(int(counts.sum()))}. The shade is the share within the {categories.noun}: one that is "
        "one thing has one shaded cell."
    )
    return Table(
        columns=(categories.part, *codes.classes), rows=rows, caption=caption, shades=tuple(map(tuple, share.tolist()))
    )
