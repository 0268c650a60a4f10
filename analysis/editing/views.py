"""The section on edits: what moving along each concept does to images, as independent evaluators score them."""

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
"""Name of the baseline in charts."""


def section(context: ReportContext) -> Section:
    """Whether edits change their concept, and what else they change."""
    result: Verification | None = context.results.get("editing")
    if result is None:
        note = "None yet: latentgan verify RUN --results RESULTS edits held-out images and scores them."
        return missing("editing", "Edits verified", context.refusal("editing") or note)
    options = tuple((response.name, tuple(_response(result, i))) for i, response in enumerate(result.responses))
    blocks: list[Block] = [
        *one_of("verified", "Edited along", options),
        *_figures(result),
        _leakage(result),
        Disclosure("The evaluators, and how good they are on real images", (_evaluators(result),)),
    ]
    notes = [*_best_edit(result), *_changed_since(context, result), *result.notes]
    return Section(
        id="editing",
        title="Edits verified",
        finding=_finding(result),
        blocks=(*blocks, *(Prose(sentence(note)) for note in notes)),
    )


def _finding(result: Verification) -> str:
    """How many edits are verified, the largest effect, and the baselines."""
    if not result.scored:
        return (
            "No evaluator scores these concepts: the images have no label or attribute of theirs and no measure; give "
            "latentgan verify the --attributes FILE that encode was given."
        )
    tests = len(result.scored)
    names_differ = any(_score_name(result, response) != response.name for response in result.scored)
    noun = "direction" if names_differ else "concept"
    verb = "changes its" if tests == 1 else "change their"
    null = "those of shuffled labels" if result.shuffles else "random directions"
    text = f"Edits along {count(len(result.verified))} of {plural(tests, noun)} {verb} concept more than {null} do"
    best = _best(result)
    if best is None:
        return f"{text} (corrected p ≤ 0.05; n = {count(result.n)} images)."
    return (
        f"{text} (corrected p ≤ 0.05); {best.name} by {brackets(best.effect)} standard deviations, random directions "
        f"by {number(best.effect_random.value)} (n = {count(best.effect.n)})."
    )


def _best(result: Verification) -> Response | None:
    """The verified edit with the largest effect, of concepts that are no classes if there are such."""
    return max(result.verified, key=lambda response: (response.kind != "class", response.effect.value), default=None)


def _best_edit(result: Verification) -> list[str]:
    """Sentences on the verified edit with the largest effect, and on the concepts that the figures leave out."""
    sentences = []
    best = _best(result)
    if best is not None:
        score = _score_name(result, best)
        text = (
            f"one standard deviation along {best.name} changes {'its score' if score == best.name else score} by "
            f"{brackets(best.effect)} standard deviations of real images (random directions "
            f"{number(best.effect_random.value)}); rank correlation of edit strength and score "
            f"{brackets(best.spearman)}"
        )
        if best.kind != "class" and math.isfinite(best.class_preserved_at_one.value):
            text += (
                f"; the predicted class is preserved in {figure(best.class_preserved_at_one)} of images (random "
                f"directions {percent(best.class_preserved_at_one_random.value)})"
            )
        sentences.append(f"{text}, n = {count(best.effect.n)}")
    if omitted := _omitted(result):
        sentences.append(omitted)
    return sentences


def _omitted(result: Verification) -> str:
    """How many directions have no evaluator, and how many were left out; "" for none."""
    unscored, left_out = len(result.responses) - len(result.scored), result.left_out
    parts = [f"{plural(unscored, 'direction')} without an evaluator"] if unscored else []
    parts += [f"{plural(left_out, 'direction')} left out, as only the first are verified"] if left_out else []
    return "; ".join(parts)


def _score_name(result: Verification, response: Response) -> str:
    """Name of a direction's own score; the direction's name without one."""
    return result.scores[response.score].name if response.score >= 0 else response.name


def _changed_since(context: ReportContext, result: Verification) -> list[str]:
    """Say that the concepts were computed again after their edits were verified."""
    table = context.results.get("concepts")
    now = {} if table is None else {edit.name: edit.length for edit in reversed(edit_directions(table))}
    changed = [
        response.name
        for response in result.responses
        if response.name in now and not np.isclose(response.length, now[response.name])
    ]
    if not changed:
        return []
    return [f"the concepts were computed again since ({changed[0]!r} has another scale): run latentgan verify again"]


def _response(result: Verification, i: int) -> list[Block]:
    """One concept's dose–response curve, how often the class is preserved, and some images."""
    response = result.responses[i]
    blocks: list[Block] = []
    if response.score >= 0:
        score = result.scores[response.score]
        of = "" if score.name == response.name else f" of {score.name}"
        caption = (
            f"Mean score of images edited along “{response.name}”, with its 95 % interval over "
            f"{plural(response.effect.n, 'image')}, by edit strength in standard deviations of the code's position "
            f"along it. The grey band holds 95 % of {plural(result.draws, 'random direction')} of equal length, each "
            "turned to rise."
        )
        lines = (_line(response.name, result, response.curve), _band(result, response.curve_random))
        blocks.append(
            Lines(
                id=f"dose-{i}",
                title=f"Dose–response curve{of}: “{response.name}”",
                x_title="edit strength",
                y_title=score.about,
                lines=lines,
                caption=caption,
            )
        )
    if np.isfinite(response.class_preserved).all():
        caption = (
            "Share of edited images whose predicted class is that at strength 0, and the same of random directions."
        )
        random = Line(RANDOM, result.strengths, response.class_preserved_random, role="chance")
        lines = (_line(response.name, result, response.class_preserved), random)
        blocks.append(
            Lines(
                id=f"preserved-{i}",
                title="Images whose class is preserved",
                x_title="edit strength",
                y_title="share",
                lines=lines,
                caption=caption,
                y_scale="percent",
            )
        )
    return [*blocks, _strip(result, i)]


def _line(name: str, result: Verification, curve: np.ndarray) -> Line:
    """A curve (3, s) with its interval."""
    return Line(name, result.strengths, curve[0], curve[1], curve[2], role="ours", markers=True)


def _band(result: Verification, curves: np.ndarray) -> Line:
    """The mean of random directions' curves (r, s), with the band that holds 95 % of them."""
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return Line(RANDOM, result.strengths, curves.mean(0), low, high, role="chance")


def _strip(result: Verification, i: int) -> Strips:
    """Held-out images edited along direction i, under a slider of edit strengths."""
    response, frames = result.responses[i], as_uint8(result.frames[i])
    steps = tuple(
        f"{strength:+g} sd".replace("-", "\u2212") if strength else "0 sd" for strength in result.strengths.tolist()
    )
    strips = tuple(
        Strip(f"image {k + 1}", strip, f"held-out image {k + 1} edited along {response.name}")
        for k, strip in enumerate(frames)
    )
    at_one = result.strengths == 1
    change, change_random = float(response.pixel_change[at_one][0]), float(response.pixel_change_random[at_one][0])
    caption = (
        f"Held-out images edited along “{response.name}”; 0 is the plain reconstruction. A strength of 1 is "
        f"{number(response.length)} in the code and changes pixels by {number(change, 3)} (root mean square, of 1), a "
        f"random direction by {number(change_random, 3)}."
    )
    start = int(np.argmin(np.abs(result.strengths)))
    return Strips(
        id=f"verified-{i}",
        strips=strips,
        steps=steps,
        start=start,
        control="Edit strength",
        caption=caption,
        layout="traversals",
    )


def _figures(result: Verification) -> tuple[Block, ...]:
    """Every concept's figures with those of random directions, one kind of figure at a time."""
    if not result.scored:
        return ()
    tests = len(result.scored)
    effects = [
        _row(
            result,
            response,
            response.effect,
            response.effect_random,
            f"p {'≤' if result.p_is_upper_bound(response) else '='} {number(response.p_value, 3)}, corrected for "
            f"{plural(tests, 'concept')}"
            + ("" if response.concept_significant else "; never verified: not significant on test images"),
        )
        for response in result.scored
    ]
    correlations = [_row(result, response, response.spearman, response.spearman_random) for response in result.scored]
    success = [
        _row(result, response, response.success, response.success_random, _success_note(result.scores[response.score]))
        for response in result.scored
    ]
    preserved = [
        _row(result, response, response.class_preserved_at_one, response.class_preserved_at_one_random)
        for response in result.responses
        if _is_known(response.class_preserved_at_one)
    ]
    random = "Small marks are random directions of equal length."
    both = "Small marks are random directions of equal length, and directions of shuffled labels."
    effect_caption = (
        "Change of the concept's own score by one standard deviation along it, in standard deviations of real images. "
        f"{both if result.shuffles else random}"
    )
    sizes = [end for response in result.scored for end in (response.effect.low, response.effect.high)]
    ends = min(0.0, np.floor(10 * min(sizes)) / 10), max(0.1, np.ceil(10 * max(sizes)) / 10)
    rising = (min(0.0, *(row.low for row in correlations)), 1.0)
    options: list[tuple[str, tuple[Block, ...]]] = [
        ("the effect", (Comparison(rows=tuple(effects), caption=effect_caption, scale="number", axis=ends),)),
        (
            "rank correlation",
            (
                Comparison(
                    rows=tuple(correlations),
                    caption=f"Mean over images of the rank correlation of edit strength and score: "
                    f"1 is a score that always rises. {random}",
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
                    caption=f"Share of images that get the concept by the edit. {random}",
                    axis=(0, 1),
                ),
            ),
        ),
    ]
    if preserved:
        text = (
            "Share of images whose predicted class is preserved at strength ±1; edits along a class are meant to "
            f"change it. {random}"
        )
        options.append(("class preserved", (Comparison(rows=tuple(preserved), caption=text, axis=(0, 1)),)))
    return (Choice("verified-figures", "Figure", tuple(options)),)


def _is_known(interval: Interval) -> bool:
    """Whether there is such a figure."""
    return math.isfinite(interval.value)


def _row(result: Verification, response: Response, interval: Interval, random: Interval, note: str = "") -> Estimate:
    """A concept's figure with its baselines."""
    marks = [Mark("chance", random.value, RANDOM)]
    if interval is response.effect and _is_known(response.effect_shuffled):
        marks.append(Mark("chance", response.effect_shuffled.value, "directions of shuffled labels"))
    return estimate(result.label(response), interval, note=note, marks=tuple(marks))


def _success_note(score: Score) -> str:
    """What counts as success of an edit that is to raise this score."""
    if math.isnan(score.threshold):
        return "more at +1 than at −1; half are by chance"
    return "of those that lack it, at the largest edit strength"


def _leakage(result: Verification) -> Table:
    """Edit concept i, change in score j, shaded by size: a heat map that reads as a table."""
    values = np.nan_to_num(result.leakage)
    leaks = result.leaks
    rows = tuple(
        (
            result.label(response),
            *(_change(float(v)) + ("\u00a0*" if leak else "") for v, leak in zip(row, marked, strict=True)),
        )
        for response, row, marked in zip(result.responses, values, leaks, strict=True)
    )
    shades = tuple(tuple(min(abs(float(v)), 1.0) for v in row) for row in values)
    total = leaks.size - len(result.scored)
    caption = (
        "Edited along (row), change of each score (column) by one standard deviation along the concept, in standard "
        "deviations of real images. A concept's own score has its name, or stands in brackets; everything else is "
        f"leakage. * marks the {count(int(leaks.sum()))} of {count(total)} that are more than directions of "
        f"{'shuffled labels' if result.shuffles else 'no concept'} change, false discovery rate of the rows 5 %."
    )
    return Table(
        columns=("edited along", *(score.name for score in result.scores)), rows=rows, caption=caption, shades=shades
    )


def _change(value: float) -> str:
    """A signed number with two decimals."""
    return f"{value:+.2f}".replace("-", "\u2212")


def _evaluators(result: Verification) -> Table:
    """What each score is, and how well it predicts its attribute of real images."""
    rows = []
    for score in result.scores:
        quality = "–" if score.quality is None else f"{score.metric.replace('R2', 'R²')} {brackets(score.quality, 3)}"
        rows.append(
            (
                score.name,
                score.about,
                number(score.spread, 3),
                quality,
                "–" if score.quality is None else count(score.quality.n),
            )
        )
    accuracy = f" It predicts the class of {figure(result.accuracy)} correctly" if _is_known(result.accuracy) else ""
    accuracy += f" (n = {count(result.accuracy.n)})." if accuracy else ""
    reconstructed = (
        f" {figure(result.reconstructed)} of plain reconstructions (n = {count(result.reconstructed.n)}) are predicted "
        "to be of the class of their image."
        if _is_known(result.reconstructed)
        else ""
    )
    caption = (
        "What scores edits. The classifier was trained on real images that no direction was fitted to and shares "
        f"nothing with the model; its figures are on other real images, as are all standard deviations.{accuracy}"
        f"{reconstructed}"
    )
    return Table(
        columns=("score", "what it is", "standard deviation", "on real images", "n"), rows=tuple(rows), caption=caption
    )


COLUMNS_AT_ONCE = 10
"""Columns of scores in one table of the terminal."""


def tables(result: Any) -> Iterator[TextTable]:
    """What each concept does with random directions as baseline, then what else changes."""
    tests = len(result.scored)
    rows: list[tuple[str, ...]] = []
    verified = {response.name for response in result.verified}
    for response in result.scored:
        p = f"{'≤ ' if result.p_is_upper_bound(response) else ''}{response.p_value:.3f}"
        no = "no" if response.concept_significant else "no: concept not significant"
        rows.append(
            (
                result.label(response),
                plain(response.effect, 2),
                p,
                "yes" if response.name in verified else no,
                plain(response.spearman, 2),
                percent_interval(response.success),
                percent_interval(response.class_preserved_at_one),
                f"{response.effect.n:,}",
            )
        )
        if result.shuffles:
            shuffled = plain(response.effect_shuffled, 2)
            rows.append(("  of shuffled labels", shuffled, "", "", "", "", "", f"{result.shuffles:,}"))
        rows.append(
            (
                "  random directions",
                plain(response.effect_random, 2),
                "",
                "",
                plain(response.spearman_random, 2),
                percent_interval(response.success_random),
                percent_interval(response.class_preserved_at_one_random),
                f"{result.draws:,}",
            )
        )
    header = ("edited along", "effect", "p", "verified", "rank correlation", "success", "same class at ±1", "n")
    title = f"edits of {result.n:,} held-out images, effects in sd of real images by one sd along the concept"
    title += f"; p is corrected for {tests:,} concept{'s' * (tests != 1)}; {len(verified):,} of {tests:,} verified"
    unscored = len(result.responses) - tests
    title += f"; {unscored:,} without an evaluator" if unscored else ""
    title += f"; {result.left_out:,} left out" if result.left_out else ""
    yield title, header, rows
    for start in range(0, len(result.scores), COLUMNS_AT_ONCE):
        columns = range(start, min(start + COLUMNS_AT_ONCE, len(result.scores)))
        cells = [
            (response.name, *(_leak(result, i, j, own=j == response.score) for j in columns))
            for i, response in enumerate(result.responses)
        ]
        title = "change of each score (* more than directions of shuffled labels do, false discovery rate 5 %)"
        yield title, ("edited along", *(result.scores[j].name for j in columns)), cells


def _leak(result: Any, i: int, j: int, *, own: bool) -> str:
    """Change of score j by edit i: in brackets its own, marked by a star where it leaks."""
    value = f"{result.leakage[i, j]:+.2f}"
    return f"[{value}]" if own else f"{value} *" if result.leaks[i, j] else f"{value}  "
