"""Views of concept directions: the best one of each concept, then all methods, for report and terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.statistics import SIGNIFICANT, difference_p, holm, unpaired
from ..report.context import ReportContext
from ..report.document import (
    Block,
    Comparison,
    Disclosure,
    Estimate,
    Prose,
    Section,
    Strip,
    Strips,
    Table,
    missing,
    one_of,
)
from ..report.estimate_rows import brackets, estimate, marks, readable, stated
from ..report.formatting import chance_of, count, listed, number, percent, plural, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, number_or_dash, p_as_text, plain
from .orthogonalization import PROJECTION

if TYPE_CHECKING:
    from ..base.statistics import Interval
    from .concept_table import Concept, ConceptTable, Edits
    from .unsupervised import Axis, Unsupervised


MAX_PAIRS_IN_REPORT = 20  # of correlated concepts


MAX_OPEN_ROWS = 12  # rows above which a table waits to be opened


def section(context: ReportContext) -> Section:
    """Directions in the code along which something changes."""
    table: ConceptTable | None = context.results.get("concepts")
    if table is None or not table.concepts:
        note = "None yet: latentgan concepts TABLE --out RESULTS finds one for each label and attribute."
        return missing("concepts", "Concept directions", context.refusal("concepts") or note)
    blocks: list[Block] = [
        *_edits(context, table),
        *_comparisons(table.best),
        _evidence(table.best),
        *_correlated_pairs(table),
        *_conditional(table),
        *_unsupervised(context, table),
        Disclosure("Every method for every concept", (_figures(table), _agreement(table))),
        Disclosure("Cosines between the concepts", (_cosines(table),)),
    ]
    blocks += [Prose(sentence(note)) for note in table.notes]
    findings = (concept_finding(table, context.noun),)
    return stated("concepts", "Concept directions", findings, blocks)


def concept_finding(table: ConceptTable, noun: str = "image") -> str:
    """Say how many concepts have a direction, whether pixels have it too, and how stable it is."""
    best = table.best
    real = [concept for concept in best if concept.significant]
    text = (
        f"{count(len(real))} of {plural(len(best), 'concept')} {'has' if len(real) == 1 else 'have'} a significant "
        f"direction on test {noun}s (n = {count(max(concept.score.n for concept in best))}, q ≤ {SIGNIFICANT}, "
        "intervals above chance)"
    )
    if not real:
        return f"{text}."
    pixel_figures = [(concept, b.figure) for concept in real for b in concept.baselines if b.role == "pixels"]
    # Holm's correction for as many concepts.
    p = holm(np.array([difference_p(unpaired(concept.score, pixels)) for concept, pixels in pixel_figures]))
    ahead = sum(
        concept.score.value > pixels.value and concept.score.apart(pixels) and value <= SIGNIFICANT
        for (concept, pixels), value in zip(pixel_figures, p.tolist(), strict=True)
    )
    if pixel_figures:
        text += f", {count(ahead)} of {count(len(pixel_figures))} clearly better than raw pixels"
    worst = min(real, key=lambda concept: concept.stability.value)
    least = "at least " if len(real) > 1 else ""
    return f"{text}; their stability is {least}{brackets(worst.stability)} (cosine, {worst.name})."


def _comparisons(best: Sequence[Concept]) -> list[Block]:
    """The best direction of each concept as dots: AUCs, then R² of numbers."""
    names = list(dict.fromkeys(readable(b.name) for concept in best for b in concept.baselines))
    marks = f"Small marks are the same for {listed(names)}. The method is chosen on train rows alone."
    sides = (
        "How well the position along a direction fitted on the train split ranks held-out rows with the concept above "
        f"those without: 1 always, 0.5 by chance (AUC with its 95 % interval). {marks}"
    )
    numbers = (
        "How much of a number's variance the position along a direction explains on held-out rows: 1 all of it, 0 as "
        f"little as the train rows' mean (R² with its 95 % interval). {marks}"
    )
    result: list[Block] = []
    for numeric, caption, chance in ((False, sides, 0.5), (True, numbers, 0.0)):
        rows = tuple(_row(concept) for concept in best if (concept.r2 is not None) == numeric)
        if rows:
            lowest = np.floor(10 * min(row.low for row in rows)) / 10
            result.append(
                Comparison(rows=rows, caption=caption, scale="number", axis=(min(lowest, chance), 1.0), digits=3)
            )
    return result


def _short(value: float) -> str:
    """Two decimals whatever the size, and never −0.00."""
    return number(round(value, 2) + 0.0)


def _cosine(interval: Interval) -> str:
    """The same of a cosine and its bounds, where a third decimal says nothing."""
    value, low, high = (round(end, 2) + 0.0 for end in (interval.value, interval.low, interval.high))
    return brackets(replace(interval, value=value, low=low, high=high))


def _row(concept: Concept) -> Estimate:
    note = f"by {concept.method}" + (f"; {concept.note}" if concept.note else "")
    return estimate(concept.name, concept.score, group=concept.column, note=note, marks=marks(concept.baselines))


def _evidence(best: Sequence[Concept]) -> Table:
    """For and against the best direction of each concept, a column each."""
    rows = tuple(
        (
            concept.name,
            concept.method,
            chance_of(concept.p_value),
            chance_of(concept.q_value),
            _cosine(concept.stability),
            _cosine(concept.shuffled_stability),
            _short(concept.agreement),
            f"{count(concept.positive)} / {count(concept.negative)}",
        )
        for concept in best
    )
    columns = ("concept", "method", "p", "q", "stability", "of shuffled labels", "other methods", "train rows")
    resamples = max(concept.stability.n for concept in best)
    caption = (
        "The evidence for each concept's best direction. p: how rarely chance predicts test rows as well (AUC: Mann "
        f"and Whitney's test; R²: {plural(best[0].permutations, 'shuffle')}, and Spearman's test where none does as "
        "well); q: after Benjamini–Hochberg over all concepts, whose methods train rows chose. Stability: "
        "median cosine, and the middle 95 %, of the direction fitted on a resample of the train rows with that "
        f"of the rows left out, {plural(resamples, 'resample')}: 1 is always the same, 0 unrelated; then the same for "
        "shuffled labels. Other methods: mean cosine with their directions. Cosines are taken where every column of "
        "the code has unit variance, so that units do not count. Last: train rows with the concept / without it."
    )
    return Table(columns=columns, rows=rows, caption=caption)


def _figures(table: ConceptTable) -> Table:
    names = list(dict.fromkeys(b.name for concept in table.concepts for b in concept.baselines))
    rows, has_r2 = [], any(concept.r2 for concept in table.concepts)
    for concept in table.concepts:
        baseline_cells = {b.name: number(b.figure.value, 3) for b in concept.baselines}
        cells = [chance_of(concept.p_value), chance_of(concept.q_value), number(concept.stability.value)]
        cells += [baseline_cells.get(name, "–") for name in names]
        r2 = [number(concept.r2.value, 3) if concept.r2 else "–"] * has_r2
        rows.append((concept.name, concept.method, number(concept.auc.value, 3), *r2, *cells))
    columns = ("direction", "method", "AUC", *["R²"] * has_r2, "p", "q", "stability", *map(readable, names))
    caption = (
        "Every direction with its baselines. Where the concept is a number, p, q and the baselines are of R², and "
        "AUC is that of rows above the train median. q of a method that was not chosen is as if it had been for all "
        "concepts."
    )
    return Table(columns=columns, rows=tuple(rows), caption=caption)


def _agreement(table: ConceptTable) -> Table:
    """Mean cosine of each method's direction with the others', a concept a row."""
    plain = [concept for concept in table.concepts if not np.isnan(concept.agreement)]
    methods = list(dict.fromkeys(concept.method for concept in plain))
    result = {(concept.name, concept.method): concept.agreement for concept in plain}
    names = list(dict.fromkeys(concept.name for concept in plain))
    values = [[result.get((name, method), float("nan")) for method in methods] for name in names]
    rows = tuple((name, *map(number, row)) for name, row in zip(names, values, strict=True))
    shades = tuple(tuple(float(np.clip(np.nan_to_num(v), 0, 1)) for v in row) for row in values)
    caption = (
        "Mean cosine of each method's direction with those of the other methods for the same concept, where every "
        "column of the code has unit variance."
    )
    return Table(columns=("concept", *methods), rows=rows, caption=caption, shades=shades)


def _correlated_pairs(table: ConceptTable) -> list[Block]:
    """Correlated concepts: the direction of one holds part of the other's."""
    pairs = [pair for pair in table.joint.together() if pair.unbalanced] if table.joint is not None else []
    if not pairs:
        return []
    rows = tuple((*pair.names, _signed(pair.correlation), count(pair.rows)) for pair in pairs[:MAX_PAIRS_IN_REPORT])
    most = f" The {count(MAX_PAIRS_IN_REPORT)} strongest are shown." if len(pairs) > MAX_PAIRS_IN_REPORT else ""
    caption = (
        f"{plural(len(pairs), 'pair')} of concepts are correlated in the train rows (beyond 0.1 and "
        "beyond chance). The direction of one holds part of the other's, and an edit moves both; --preserve finds "
        f"directions that leave the other unchanged.{most}"
    )
    shown = Table(columns=("concept", "with", "correlation", "rows"), rows=rows, caption=caption)
    return [Disclosure("How concepts are correlated in the rows", (shown,))]


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "\u2212") if np.isfinite(value) else "–"


def _moved(before: Interval, after: Interval) -> str:
    """How far an edit of strength 1 moves a concept before, and after with its interval."""
    return f"{_signed(before.value)} → {brackets(after, 2) if np.isfinite(after.value) else '–'}"


def _conditional(table: ConceptTable) -> list[Block]:
    """Each conditional direction before and after the preserved concepts are taken into account."""
    rows = []
    for conditional in table.conditional:
        before, after = table.concepts[conditional.source], table.concepts[conditional.concept]
        displacement = _moved(*conditional.moved)
        for other in conditional.preserved:
            rows.append(
                (
                    after.name,
                    other.name + (" (not taken out)" if other.dependent else ""),
                    displacement,
                    _moved(*other.moved),
                    *(f"{_short(a)} → {_short(b)}" for a, b in ((before.score.value, after.score.value), other.cosine)),
                    number(conditional.left),
                    chance_of(after.q_value),
                )
            )
    if not rows:
        return []
    columns = (
        "direction",
        "preserved",
        "one sd moves it by",
        "and the preserved by",
        "own score",
        "cosine",
        "left",
        "q",
    )
    dependent = any(other.dependent for conditional in table.conditional for other in conditional.preserved)
    first = table.concepts[table.conditional[0].concept].score.n
    caption = (
        "Directions that preserve other concepts, before → after. How far one standard deviation along the direction "
        "moves the concept and the preserved one, in standard deviations, by least squares of held-out codes on all of "
        "them together. Own score: AUC (R² of a number) of the direction for its own concept, afterwards among rows "
        "alike in the preserved ones (partial R²). Cosine with the preserved one's direction. Left: the share that the "
        f"preserved ones do not determine; n = {count(first)}."
    )
    if any(conditional.by == PROJECTION for conditional in table.conditional):
        caption += (
            " By projection the preserved directions are taken out; where concepts are correlated in the rows, that "
            "moves the preserved ones backwards."
        )
    if dependent:
        caption += " Left out: preserved concepts that earlier ones nearly imply, which would amplify noise."
    shown = Table(columns=columns, rows=tuple(rows), caption=caption)
    return (
        [shown]
        if len(rows) <= MAX_OPEN_ROWS
        else [Disclosure("Directions that preserve others, before and after", (shown,))]
    )


def _unsupervised(context: ReportContext, table: ConceptTable) -> list[Block]:
    options = [
        (directions.method, tuple(_axes(context, table, directions, i)))
        for i, directions in enumerate(table.unsupervised)
    ]
    shown = one_of("unsupervised", "Directions without labels, by", options)
    if not shown:
        return []
    return [Disclosure("Directions without labels", shown)]


def _axes(context: ReportContext, table: ConceptTable, unsupervised: Unsupervised, index: int) -> list[Block]:
    """Sliders along a method's axes, then what is known of each."""
    resampled = unsupervised.axes[0].stability.n > 0
    rows = tuple(_axis(name, axis, resampled) for name, axis in zip(unsupervised.names, unsupervised.axes, strict=True))
    columns = ("direction", "share", *["stability"] * resampled, "moves the image", "concept", "AUC", "p", "q")
    caption = f"Share of {'the variance of codes' if resampled else 'the squared gains of the first layer'}; all alike "
    caption += f"would have {percent(unsupervised.even)} each. "
    if resampled:
        by_chance = number(float(np.sqrt(2 / np.pi * unsupervised.even)))  # mean |cosine| of random directions
        caption += f"Stability: as above, of either sign; random directions have about {by_chance}. "
    caption += (
        "Moves the image: its change by a step along the direction over that by steps along random directions. The "
        "concept that a direction predicts best is chosen on train rows, its AUC is of test rows. latentgan edit and "
        f"verify take its name, --concept {unsupervised.names[0]}."
    )
    blocks: list[Block] = [Table(columns=columns, rows=rows, caption=caption)]
    if unsupervised.frames is not None and table.edits is not None:
        options = tuple(
            (
                unsupervised.names[i],
                (_strips(context, table.edits, frames, unsupervised.names[i], f"axis-{index}-{i}"),),
            )
            for i, frames in enumerate(as_uint8(unsupervised.frames))
        )
        blocks = [*one_of(f"axis-{index}", "Edit along", options), *blocks]
    return blocks


def _axis(name: str, axis: Axis, resampled: bool) -> tuple[str, ...]:
    has_concept = bool(axis.concept)
    return (
        name,
        percent(axis.share),
        *[brackets(axis.stability)] * resampled,
        brackets(axis.effect) if axis.effect else "–",
        axis.concept or "–",
        brackets(axis.auc, 3) if has_concept else "–",
        chance_of(axis.p_value),
        chance_of(axis.q_value),
    )


def _edits(context: ReportContext, table: ConceptTable) -> list[Block]:
    edits = table.edits
    if edits is None or not len(edits.concepts):
        return [Prose("No edited images: they need a model that decodes (--model RUN).")]
    frames = as_uint8(edits.frames)
    options = tuple(
        (table.concepts[int(c)].name, (_strips(context, edits, frames[i], table.concepts[int(c)].name, f"edit-{i}"),))
        for i, c in enumerate(edits.concepts)
    )
    return list(one_of("edit", "Edit along", options))


def _strips(context: ReportContext, edits: Edits, frames: np.ndarray, name: str, id: str) -> Strips:
    """A slider over frames (r, s, h, w, c) of the edits' rows and strengths."""
    steps = tuple(f"{number(float(s), 1).rstrip('0').rstrip('.')} sd" for s in edits.strengths)
    steps = tuple(step if step.startswith(("−", "0")) else f"+{step}" for step in steps)
    strips = tuple(
        Strip(
            context.label(int(row)) or context.describe(int(row)),
            frames[i],
            f"{context.describe(int(row))} edited along {name}",
            int(row),
        )
        for i, row in enumerate(edits.rows)
    )
    caption = (
        f"Codes moved along “{name}” by the slider's number of standard deviations of all images' positions, "
        "then decoded; 0 is the plain reconstruction. Hover a picture for its original."
    )
    start = int(np.argmin(np.abs(edits.strengths)))
    return Strips(id=id, strips=strips, steps=steps, start=start, control="Strength", caption=caption)


def _cosines(table: ConceptTable) -> Table:
    names = [concept.name for concept in table.best]
    places = [table.concepts.index(concept) for concept in table.best]
    values = np.nan_to_num(np.asarray(table.cosines, float))[np.ix_(places, places)]
    rows = tuple((name, *(_short(float(v)) for v in row)) for name, row in zip(names, values, strict=True))
    shades = tuple(tuple(min(abs(float(v)), 1.0) for v in row) for row in values)
    caption = (
        "Between the best directions: 1 is the same, 0 none in common, −1 the opposite: concepts whose edits change "
        "each other. latentgan concepts TABLE --preserve CONCEPT finds directions of the others that preserve one."
    )
    return Table(columns=("direction", *names), rows=rows, caption=caption, shades=shades)


MAX_PAIRS_IN_TERMINAL = 12  # of correlated concepts


def tables(result: Any) -> Iterator[TextTable]:
    """Each concept's best direction with its evidence, every method, conditional directions, those without labels."""
    best = result.best
    for metric in dict.fromkeys(concept.metric for concept in best):
        of_metric = [concept for concept in best if concept.metric == metric]
        names = list(dict.fromkeys(b.name for concept in of_metric for b in concept.baselines))
        rows = []
        for concept in of_metric:
            baseline_cells = {b.name: f"{b.figure.value:.3f}" for b in concept.baselines}
            rows.append(
                (
                    concept.name,
                    concept.method,
                    plain(concept.score),
                    *(baseline_cells.get(n, "–") for n in names),
                    f"{concept.score.n:,}",
                )
            )
        header = ("concept", "method", metric, *names, "n")
        yield f"the best direction of each concept: {metric} on test rows, 95 % interval", header, rows
    evidence = [
        (
            concept.name,
            p_as_text(concept.p_value),
            p_as_text(concept.q_value),
            plain(concept.stability, 2),
            plain(concept.shuffled_stability, 2),
            f"{concept.agreement:.2f}",
        )
        for concept in best
    ]
    real = sum(concept.significant for concept in best)
    title = (
        f"{real} of {len(best)} concepts significant at q <= 0.05 with a 95 % interval above chance, "
        f"Benjamini–Hochberg over {len(best)} concepts"
    )
    yield title, ("concept", "p", "q", "stability", "shuffled labels", "other methods"), evidence
    methods = list(dict.fromkeys(concept.method for concept in result.concepts))
    each = {(concept.name, concept.method): f"{concept.score.value:.3f}" for concept in result.concepts}
    if len(methods) > 1:
        title = "AUC by method, R² of numbers"
        yield title, ("concept", *methods), [(c.name, *(each.get((c.name, m), "–") for m in methods)) for c in best]
    yield from _pair_tables(result)
    yield from _conditional_tables(result)
    yield from map(_unsupervised_table, result.unsupervised)


def _pair_tables(result: Any) -> Iterator[TextTable]:
    """Correlated concepts: the direction of one holds part of the other's."""
    pairs = [pair for pair in result.joint.together() if pair.unbalanced] if result.joint is not None else []
    if pairs:
        rows = [(*pair.names, f"{pair.correlation:+.2f}", f"{pair.rows:,}") for pair in pairs[:MAX_PAIRS_IN_TERMINAL]]
        many = "1 pair of concepts is" if len(pairs) == 1 else f"{len(pairs):,} pairs of concepts are"
        title = f"{many} correlated in the train rows: an edit of one moves the other without --preserve"
        title += f"; the {MAX_PAIRS_IN_TERMINAL} strongest" if len(pairs) > MAX_PAIRS_IN_TERMINAL else ""
        yield title, ("concept", "with", "correlation", "n"), rows


def _unsupervised_table(unsupervised: Any) -> TextTable:
    rows = [
        (
            name,
            f"{100 * axis.share:.1f} %",
            plain(axis.stability, 2),
            plain(axis.effect, 2),
            axis.concept,
            plain(axis.auc),
            p_as_text(axis.q_value),
            f"{axis.auc.n:,}",
        )
        for name, axis in zip(unsupervised.names, unsupervised.axes, strict=True)
    ]
    header = ("direction", "share", "stability", "moves the image", "concept", "AUC", "q", "n")
    title = f"{unsupervised.method}, without labels; equal shares would be {100 * unsupervised.even:.1f} %"
    if unsupervised.axes[0].stability.n:  # mean |cosine| of random directions
        title += f", a cosine of {math.sqrt(2 / math.pi * unsupervised.even):.2f} is chance"
    return title, header, rows


def _conditional_tables(result: Any) -> Iterator[TextTable]:
    rows = []
    for conditional in result.conditional:
        before, after = result.concepts[conditional.source], result.concepts[conditional.concept]
        displacement = _moved_text(*conditional.moved)
        for other in conditional.preserved:
            name = other.name + (" (left out: nearly depends on those before)" if other.dependent else "")
            scores = [f"{round(concept.score.value, 2) + 0:.2f}" for concept in (before, after)]
            cosine = [f"{round(concept, 2) + 0:.2f}" for concept in other.cosine]
            rows.append(
                (
                    after.name,
                    name,
                    displacement,
                    _moved_text(*other.moved),
                    " → ".join(scores),
                    " → ".join(cosine),
                    f"{after.score.n:,}",
                )
            )
    if rows:
        header = ("direction", "preserved", "one sd moves it by", "and the preserved by", "own score", "cosine", "n")
        title = "directions that preserve others, before → after: change by one sd along them, in sd on test rows; "
        yield title + "AUC, of numbers R², afterwards within strata of the preserved", header, rows


def _moved_text(before: Any, after: Any) -> str:
    """How far an edit of strength 1 moves a concept before, and after with its interval."""
    return f"{number_or_dash(before.value, 2)} → {plain(after, 2) if math.isfinite(after.value) else '–'}"
