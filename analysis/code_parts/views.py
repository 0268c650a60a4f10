"""The section on what is particular to a family's code: its categories, and what each continuous number changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.statistics import Interval, wilson
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Estimate, Line, Lines, Prose, Section, Strip, Strips, missing, one_of
from ..report.estimate_rows import brackets, estimate, stated
from ..report.formatting import count, listed, number, plural, sentence
from ..report.images import as_uint8
from ..terminal import percent_interval, plain
from .categorical_views import categories_sentence, category_blocks

if TYPE_CHECKING:
    from ..base.statistics import Baseline
    from ..terminal import TextTable
    from .code_parts import Codes, Sweep


SHOWN_NUMBERS = 8


SHOWN_TRAVERSALS = 5  # continuous numbers


def section(context: ReportContext) -> Section:
    """What the parts of the code do."""
    result: Codes | None = context.results.get("code_parts")
    if result is None:
        note = "Not looked at: latentgan codes TABLE --out RESULTS does, where a model decodes or there are categories."
        return missing("code_parts", "Parts of the code", context.refusal("code_parts") or note)
    shown = tuple((category.part, tuple(category_blocks(category, result))) for category in result.categories)
    blocks: list[Block] = [*one_of("part", "Part", shown)]
    if result.sweeps:
        blocks += [*_traversals(context, result), *_effects(result)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    sentences = [text for text in (*categories_sentence(result), _numbers_finding(result)) if text]
    sentences = [
        *(sentences or ["There was nothing to count and nothing to move."]),
        sentence(result.training_rows_note),
    ]
    return stated("code_parts", "Parts of the code", sentences, blocks)


def _number(sweep: Sweep, codes: Codes) -> str:
    """Name a number: "style 2", or "style" where the part has one alone."""
    alone = sum(other.part == sweep.part for other in codes.sweeps) == 1
    return sweep.part if alone else f"{sweep.part} {sweep.dimension + 1}"


def _numbers_finding(codes: Codes) -> str:
    if not codes.sweeps:
        return ""
    first, n = codes.sweeps[0], len(codes.sweeps)
    if not np.isfinite(first.effect.value):
        return f"All codes decode to the same image: {plural(n, 'continuous number')} and no effect."
    baseline_texts = [f"{_along(b.name)} {number(b.figure.value)}" for b in codes.baselines]
    if n > 2:
        baseline_texts.append(
            f"the median number {number(float(np.median([sweep.effect.value for sweep in codes.sweeps])))}"
        )
    several = f"Of {count(n)} numbers, {_number(first, codes)} changes images most"
    single = f"The only number, {_number(first, codes)}, changes images"
    return (
        f"{several if n > 1 else single}: by {brackets(first.effect)} of the distance between unrelated ones"
        f"{'; ' * bool(baseline_texts)}{listed(baseline_texts)} (n = {plural(first.effect.n, 'code')})."
    )


def _along(name: str) -> str:
    return "a random direction" if name == "random direction" else name


def _traversals(context: ReportContext, codes: Codes) -> list[Block]:
    with_frames = [sweep for sweep in codes.sweeps if sweep.frames is not None][:SHOWN_TRAVERSALS]
    options = tuple(
        (f"{_number(sweep, codes)}, effect {number(sweep.effect.value)}", (_traversal(context, codes, sweep, i),))
        for i, sweep in enumerate(with_frames)
    )
    return list(one_of("number", "Move", options))


def _traversal(context: ReportContext, codes: Codes, sweep: Sweep, index: int) -> Strips:
    assert sweep.frames is not None
    name, frames = _number(sweep, codes), as_uint8(sweep.frames)
    steps = tuple("+" * (value > 0) + number(value) for value in np.linspace(*sweep.ends, frames.shape[1]).tolist())
    strips = tuple(
        Strip(
            context.label(int(row)) or context.describe(int(row)),
            frames[i],
            f"{context.describe(int(row))}, {name} moved",
            int(row),
        )
        for i, row in enumerate(codes.bases)
    )
    caption = (
        f"Codes of held-out images in which {name} alone is moved over its range and everything else stays, decoded. "
        "A number that means one thing does the same to every row. Click a strip to go there; hover the picture at "
        "its left for the image that the code is of."
    )
    start = frames.shape[1] // 2
    return Strips(
        id=f"number-{index}",
        strips=strips,
        steps=steps,
        start=start,
        control=name,
        caption=caption,
        layout="traversals",
    )


def _effects(codes: Codes) -> list[Block]:
    top = codes.sweeps[:SHOWN_NUMBERS]
    rows: list[Estimate] = [estimate(_number(sweep, codes), sweep.effect) for sweep in top]
    rows += [estimate(b.name, b.figure, b.role, note=b.note) for b in codes.baselines]
    n_numbers = len(codes.sweeps)
    many = f"The {len(top)} largest of {count(n_numbers)} on these codes: " if n_numbers > len(top) else ""
    caption = (
        f"{many}mean change of the image (L2) when a number goes from end to end of its range, over the distance "
        "between images of unrelated codes: 0 is a number without use, 1 a change as large as between two images."
    )
    caption = caption[0].upper() + caption[1:]
    most = max([1.0, *(row.high for row in rows if np.isfinite(row.high))])
    block = Comparison(rows=tuple(rows), caption=caption, scale="number", axis=(0.0, np.ceil(10 * most) / 10))
    return [block, _spectrum(codes)] if many else [block]


def _spectrum(codes: Codes) -> Lines:
    """Draw the effects of all numbers, so that one sees whether the code is spread or lies in a few."""
    x = np.arange(1, len(codes.sweeps) + 1, dtype=float)
    value, low, high = np.array([(sweep.effect.value, sweep.effect.low, sweep.effect.high) for sweep in codes.sweeps]).T
    line = Line("numbers", x, value, low, high, role="ours", markers=len(x) <= 64)
    caption = (
        f"Effects of all {count(len(x))} numbers, the largest first, with their 95 % intervals. A flat curve spreads "
        "the image over all numbers; where it falls to zero, numbers lie idle."
    )
    level = next(((b.figure.value, b.name) for b in codes.baselines if np.isfinite(b.figure.value)), None)
    return Lines(
        id="effects",
        title="Effect by rank",
        x_title="number, by rank",
        y_title="effect",
        lines=(line,),
        caption=caption,
        y_scale="from zero",
        level=level,
    )


def tables(result: Any) -> Iterator[TextTable]:
    for category in result.categories:
        used = f"{plain(category.effective, 2)} of {len(category.counts)} {category.nouns} in use"
        title = f"{category.part}: {used}, {result.rows:,} rows"
        named = category.matching.names if category.matching else [-1] * len(category.counts)
        rows = [
            (
                str(k + 1),
                result.classes[name] if name >= 0 else "–",
                percent_interval(wilson(int(n), result.rows)),
                f"{n:,}",
                f"{percent_interval(pure)} of {pure.n:,}" if pure.n else "–",
                _made_of(category.table[k], result.classes),
            )
            for k, (n, name, pure) in enumerate(zip(category.counts, named, category.purities, strict=True))
        ]
        yield title, (category.noun, "stands for", "usage", "n", "purity", "its labels"), rows
        scored = (
            ("accuracy", category.matching, category.baselines),
            ("accuracy, named by one image each, the most confident", category.confident, category.confident_baselines),
            ("accuracy, one category a label, the others wrong", category.assigned, category.assigned_baselines),
        )
        figures = [(name, matching.accuracy, baselines) for name, matching, baselines in scored if matching]
        if category.purity:
            figures.append(("purity", category.purity, category.purity_baselines))
        scores = [row for name, figure, baselines in figures for row in _beside(name, figure, baselines)]
        if category.shared:
            scores += [("mutual information (NMI)", plain(category.shared), f"{category.shared.n:,}")]
            scores += [("  shuffled", f"{category.shuffled:.3f}", f"{category.shared.n:,}")]
        how = ""
        if category.matching:
            rule = "by majority" if category.matching.rule == "majority" else category.matching.rule
            how = f", matched {rule} on {category.matching.n_matched:,} other rows"
            if category.n_labels_used:
                how = f", class k against label k: the network was trained with {category.n_labels_used:,} labels"
        if scores:
            yield f"{category.part} and labels{how}", ("score", "value", "n"), scores
    if result.sweeps:
        swept = [(f"{s.part} {s.dimension + 1}", plain(s.effect), f"{s.effect.n}") for s in result.sweeps[:16]]
        swept += [(f"  {b.name}", plain(b.figure), f"{b.figure.n}") for b in result.baselines]
        shown, n_numbers = min(16, len(result.sweeps)), len(result.sweeps)
        of = f"the {shown} largest of {n_numbers} continuous numbers" if n_numbers > shown else "each continuous number"
        yield f"effect of {of} on the image (1: as unrelated codes)", ("number", "effect", "codes"), swept


def _beside(name: str, figure: Interval, baselines: Sequence[Baseline]) -> Iterator[tuple[str, str, str]]:
    names = {"pixels": "k-means on pixels"}
    yield name, percent_interval(figure), f"{figure.n:,}"
    for b in baselines:
        yield f"  {names.get(b.name, b.name)}", percent_interval(b.figure), f"{b.figure.n:,}"


def _made_of(counts: Any, classes: Sequence[str]) -> str:
    """'3: 97 %, 5: 2 %': the commonest labels of a category, at most three."""
    total = max(1, int(counts.sum()))
    top = sorted(range(len(counts)), key=lambda c: -int(counts[c]))[:3]
    return ", ".join(f"{classes[c]}: {100 * counts[c] / total:.0f} %" for c in top if counts[c]) or "–"
