"""The section on edits: what moving along each concept does to images, as judged by what never saw the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import (
    Block,
    Choice,
    Comparison,
    Disclosure,
    Estimate,
    Line,
    Lines,
    Mark,
    Prose,
    Section,
    Strip,
    Strips,
    Table,
    missing,
    one_of,
)
from ..report.estimate_rows import brackets, estimate, figure
from ..report.formatting import count, number, percent, plural, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, percent_interval, plain
from .study import edit_directions

if TYPE_CHECKING:
    from ..base.statistics import Interval
    from .verification import Response, Score, Verification


RANDOM = "random directions"


def section(context: ReportContext) -> Section:
    """Whether edits do what they say, and what else they do."""
    result: Verification | None = context.results.get("editing")
    if result is None:
        note = "None yet: latentgan verify RUN --results RESULTS has edited images judged."
        return missing("editing", "Edits verified", context.refusal("editing") or note)
    options = tuple((one.name, tuple(_response(result, i))) for i, one in enumerate(result.responses))
    blocks: list[Block] = [
        *one_of("verified", "Edited along", options),
        *_figures(result),
        _leakage(result),
        Disclosure("The judges, and how good they are on real images", (_judges(result),)),
    ]
    notes = [*([_earlier(context, result)] if _earlier(context, result) else []), *result.notes]
    return Section(
        id="editing",
        title="Edits verified",
        finding=_finding(result),
        blocks=(*blocks, *(Prose(sentence(one)) for one in notes)),
    )


def _finding(found: Verification) -> str:
    if not found.judged:
        return (
            "Nobody judges these concepts: there is neither a label nor an attribute of theirs, nor a measure; what "
            "encode was given by --attributes FILE, latentgan verify takes too."
        )
    proven, tests = found.proven, len(found.judged)
    change = "changes edited images as it says" if tests == 1 else "change edited images as they say"
    what = "concept" if all(_judge(found, one) == one.name for one in found.judged) else "direction"
    what, others = (f"judged {what}", f"; {others}") if (others := _others(found)) else (what, "")
    beyond = "directions of shuffled labels do" if found.shuffles else "random directions of equal length do"
    text = (
        f"{count(len(proven))} of {plural(tests, what)} {change}, more than {beyond} (p ≤ 0.05, corrected for "
        f"{plural(tests, 'concept')}), and {'holds' if tests == 1 else 'hold'} on test images{others}"
    )
    if not proven:
        return f"{text}: n = {count(found.n)} images, {plural(found.nulls, 'such direction')} beside each."
    best = max(proven, key=lambda one: (one.kind != "class", one.effect.value))
    it = "it" if _judge(found, best) == best.name else _judge(found, best)
    stays = ""
    if best.kind != "class" and math.isfinite(best.kept_one.value):
        beside = f" (random directions {percent(best.kept_one_random.value)})"
        stays = f", while the judged class stays in {figure(best.kept_one)}{beside} of images"
    return (
        f"{text}; one standard deviation along {best.name} changes {it} by {brackets(best.effect)} of real images' "
        f"standard deviations (random directions {number(best.effect_random.value)}), with a rank correlation of "
        f"{brackets(best.spearman)} over doses{stays} (n = {count(best.effect.n)})."
    )


def _others(found: Verification) -> str:
    """Say how many more there are that nobody judges, or that were left out."""
    alone, left = len(found.responses) - len(found.judged), found.left_out
    said = [f"nobody judges {count(alone)} more"] if alone else []
    return " and ".join([*said, *([f"{count(left)} {'was' if left == 1 else 'were'} left out"] if left else [])])


def _judge(found: Verification, one: Response) -> str:
    return found.scores[one.score].name if one.score >= 0 else one.name


def _earlier(context: ReportContext, found: Verification) -> str:
    """Say that the concepts are others by now than those that were verified."""
    table = context.results.get("concepts")
    now = {} if table is None else {one.name: one.length for one in reversed(edit_directions(table))}
    changed = [
        response.name
        for response in found.responses
        if response.name in now and not np.isclose(response.length, now[response.name])
    ]
    if not changed:
        return ""
    return f"the concepts were found anew since ({changed[0]!r} has another scale): run latentgan verify again"


def _response(found: Verification, i: int) -> list[Block]:
    """One concept's dose-response curve, what stays, and some images."""
    one = found.responses[i]
    blocks: list[Block] = []
    if one.score >= 0:
        score = found.scores[one.score]
        to = "" if score.name == one.name else f" to {score.name}"
        caption = (
            f"Mean score of images edited along “{one.name}”, with its 95 % interval over "
            f"{plural(one.effect.n, 'image')}, by dose in standard deviations of the code's position along it. The "
            f"grey band holds 95 % of {plural(found.draws, 'random direction')} of equal length, each turned to rise."
        )
        lines = (_line(one.name, found, one.curve), _band(found, one.curve_random))
        blocks.append(
            Lines(
                id=f"dose-{i}",
                title=f"What “{one.name}” does{to}",
                x_title="dose",
                y_title=score.about,
                lines=lines,
                caption=caption,
            )
        )
    if np.isfinite(one.kept).all():
        caption = "Share of edited images whose judged class is that at dose 0, and the same of random directions."
        random = Line(RANDOM, found.doses, one.kept_random, role="chance")
        lines = (_line(one.name, found, one.kept), random)
        blocks.append(
            Lines(
                id=f"kept-{i}",
                title="Images that keep their class",
                x_title="dose",
                y_title="share",
                lines=lines,
                caption=caption,
                y_scale="percent",
            )
        )
    return [*blocks, _strip(found, i)]


def _line(name: str, found: Verification, curve: np.ndarray) -> Line:
    return Line(name, found.doses, curve[0], curve[1], curve[2], role="ours", markers=True)


def _band(found: Verification, curves: np.ndarray) -> Line:
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return Line(RANDOM, found.doses, curves.mean(0), low, high, role="chance")


def _strip(found: Verification, i: int) -> Strips:
    one, frames = found.responses[i], as_uint8(found.frames[i])
    steps = tuple(f"{dose:+g} sd".replace("-", "\u2212") if dose else "0 sd" for dose in found.doses.tolist())
    strips = tuple(
        Strip(f"image {k + 1}", strip, f"held-out image {k + 1} edited along {one.name}")
        for k, strip in enumerate(frames)
    )
    moved = one.moved[found.doses == 1][0], one.moved_random[found.doses == 1][0]
    caption = (
        f"Held-out images edited along “{one.name}”; 0 is the plain reconstruction. One dose is {number(one.length)} "
        f"in the code and changes pixels by {number(float(moved[0]), 3)} (root mean square, of 1), a random direction "
        f"by {number(float(moved[1]), 3)}."
    )
    start = int(np.argmin(np.abs(found.doses)))
    return Strips(
        id=f"verified-{i}", strips=strips, steps=steps, start=start, control="Dose", caption=caption, layout="films"
    )


def _figures(found: Verification) -> tuple[Block, ...]:
    """Every concept's figures beside those of random directions, one kind of figure at a time."""
    if not found.judged:
        return ()
    tests = len(found.judged)
    effect = [
        _row(
            found,
            one,
            one.effect,
            one.effect_random,
            f"p {'≤' if found.floored(one) else '='} {number(one.p_value, 3)}, corrected for {plural(tests, 'concept')}"
            + ("" if one.holds else "; never counts: it does not hold on test images"),
        )
        for one in found.judged
    ]
    order = [_row(found, one, one.spearman, one.spearman_random) for one in found.judged]
    success = [_row(found, one, one.success, one.success_random, _aim(found.scores[one.score])) for one in found.judged]
    stays = [
        _row(found, response, response.kept_one, response.kept_one_random)
        for response in found.responses
        if _known(response.kept_one)
    ]
    beside = "Small marks are random directions of equal length."
    also = "Small marks are random directions of equal length, and directions of shuffled labels."
    words = (
        "Change of the concept's own score by one standard deviation along it, in standard deviations of real images. "
        f"{also if found.shuffles else beside}"
    )
    sizes = [end for one in found.judged for end in (one.effect.low, one.effect.high)]
    ends = min(0.0, np.floor(10 * min(sizes)) / 10), max(0.1, np.ceil(10 * max(sizes)) / 10)
    rising = (min(0.0, *(row.low for row in order)), 1.0)
    options: list[tuple[str, tuple[Block, ...]]] = [
        ("the effect", (Comparison(rows=tuple(effect), caption=words, scale="number", axis=ends),)),
        (
            "rank correlation",
            (
                Comparison(
                    rows=tuple(order),
                    caption=f"Rank correlation of dose and score, an image at a time, mean: "
                    f"1 is a score that always rises. {beside}",
                    scale="number",
                    axis=rising,
                ),
            ),
        ),
        (
            "success",
            (
                Comparison(
                    rows=tuple(success),
                    caption=f"Share of images that an edit makes what it says. {beside}",
                    axis=(0, 1),
                ),
            ),
        ),
    ]
    if stays:
        text = f"Share of images whose judged class stays at ±1; concepts that are classes are to change it. {beside}"
        options.append(("class kept", (Comparison(rows=tuple(stays), caption=text, axis=(0, 1)),)))
    return (Choice("verified-figures", "Figure", tuple(options)),)


def _known(figure_: Interval) -> bool:
    return math.isfinite(figure_.value)


def _row(found: Verification, one: Response, own: Interval, random: Interval, note: str = "") -> Estimate:
    marks = [Mark("chance", random.value, RANDOM)]
    if own is one.effect and _known(one.effect_shuffled):
        marks.append(Mark("chance", one.effect_shuffled.value, "directions of shuffled labels"))
    return estimate(found.told(one), own, note=note, marks=tuple(marks))


def _aim(score: Score) -> str:
    if math.isnan(score.threshold):
        return "more at +1 than at −1; half are by chance"
    return "of those that lack it, at the largest dose"


def _leakage(found: Verification) -> Table:
    """Edit concept i, change in judge j, shaded by size: a heat map that reads as a table."""
    values = np.nan_to_num(found.leakage)
    leaks = found.leaks
    rows = tuple(
        (
            found.told(one),
            *(_change(float(v)) + ("\u00a0*" if leak else "") for v, leak in zip(row, marked, strict=True)),
        )
        for one, row, marked in zip(found.responses, values, leaks, strict=True)
    )
    shades = tuple(tuple(min(abs(float(v)), 1.0) for v in row) for row in values)
    total = leaks.size - len(found.judged)
    caption = (
        "Edited along (row), change of each judge (column) by one standard deviation along the concept, in standard "
        "deviations of real images. A concept's own judge has its name, or stands in brackets; everything else is "
        "leakage. * marks the "
        f"{count(int(leaks.sum()))} of {count(total)} that are more than directions of "
        f"{'shuffled labels' if found.shuffles else 'no concept'} change, false discovery rate of the rows 5 %."
    )
    return Table(
        columns=("edited along", *(score.name for score in found.scores)), rows=rows, caption=caption, shades=shades
    )


def _change(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def _judges(found: Verification) -> Table:
    rows = []
    for score in found.scores:
        good = "–" if score.quality is None else f"{score.metric.replace('R2', 'R²')} {brackets(score.quality, 3)}"
        rows.append(
            (
                score.name,
                score.about,
                number(score.spread, 3),
                good,
                "–" if score.quality is None else count(score.quality.n),
            )
        )
    right = f" It names the class of {figure(found.accuracy)} right" if _known(found.accuracy) else ""
    right += f" (n = {count(found.accuracy.n)})." if right else ""
    same = (
        f" {figure(found.reconstructed)} of undosed reconstructions (n = {count(found.reconstructed.n)}) are given the "
        "class of their image."
        if _known(found.reconstructed)
        else ""
    )
    caption = (
        "What judges edits. The network was trained on real images that no direction was fitted to and shares nothing "
        f"with the model; its figures are on other real images, as are all standard deviations.{right}{same}"
    )
    return Table(
        columns=("judge", "what it is", "standard deviation", "on real images", "n"), rows=tuple(rows), caption=caption
    )


LEAKS = 10  # judges side by side


def tables(result: Any) -> Iterator[TextTable]:
    """What each concept does beside random directions, then what else changes."""
    tests = len(result.judged)
    rows: list[tuple[str, ...]] = []
    proven = {one.name for one in result.proven}
    for one in result.judged:
        p = f"{'≤ ' if result.floored(one) else ''}{one.p_value:.3f}"
        counts = "yes" if one.name in proven else "no: does not hold" if not one.holds else "no"
        figures = (
            plain(one.spearman, 2),
            percent_interval(one.success),
            percent_interval(one.kept_one),
            f"{one.effect.n:,}",
        )
        rows.append((result.told(one), plain(one.effect, 2), p, counts, *figures))
        if result.shuffles:
            beside = plain(one.effect_shuffled, 2)
            rows.append(("  of shuffled labels", beside, "", "", "", "", "", f"{result.shuffles:,}"))
        rows.append(
            (
                "  random directions",
                plain(one.effect_random, 2),
                "",
                "",
                plain(one.spearman_random, 2),
                percent_interval(one.success_random),
                percent_interval(one.kept_one_random),
                f"{result.draws:,}",
            )
        )
    header = ("edited along", "effect", "p", "proven", "rank correlation", "success", "class kept at ±1", "n")
    title = f"edits of {result.n:,} held-out images, effects in sd of real images by one sd along the concept"
    title += f"; p is corrected for {tests:,} concepts, {len(proven):,} proven"
    alone = len(result.responses) - tests
    title += f"; nobody judges {alone:,} more" if alone else ""
    title += f"; {result.left_out:,} left out" if result.left_out else ""
    yield title, header, rows
    for start in range(0, len(result.scores), LEAKS):
        part = range(start, min(start + LEAKS, len(result.scores)))
        cells = [
            (one.name, *(_leak(result, i, j, j == one.score) for j in part)) for i, one in enumerate(result.responses)
        ]
        title = "change of each judge (· more than directions of shuffled labels do, false discovery rate 5 %)"
        yield title, ("edited along", *(result.scores[j].name for j in part)), cells


def _leak(result: Any, i: int, j: int, own: bool) -> str:
    value = f"{result.leakage[i, j]:+.2f}"
    return f"[{value}]" if own else f"{value} ·" if result.leaks[i, j] else f"{value}  "
