"""The section on few labels: what probes get out of frozen features, against the labels they were trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..base.baselines import MEAN, Role, representation_role
from ..base.statistics import Interval
from ..report.context import ReportContext
from ..report.document import (
    Block,
    Comparison,
    Disclosure,
    Estimate,
    Line,
    Lines,
    Prose,
    Section,
    Table,
    missing,
    one_of,
)
from ..report.estimate_rows import (
    brackets,
    by_group,
    estimate,
    figure,
    labels_used_note,
    readable,
    stated,
)
from ..report.formatting import best_of, count, number, percent, plural, sentence
from ..terminal import _named, percent_interval, plain, points

if TYPE_CHECKING:
    from ..probes.few_labels import FewLabels
    from ..terminal import TextTable
    from .curves import Efficiency


Scale = Literal["percent", "number"]


def section(context: ReportContext) -> Section:
    """What remains when labels are scarce: accuracy against labels a class."""
    result: Efficiency | None = context.results.get("label_efficiency")
    if result is None or not result.curve:
        note = context.refusal("label_efficiency") or (
            "Not measured: latentgan efficiency TABLE --out RESULTS draws few labels a class and many, where there are "
            "labels."
        )
        return missing("label_efficiency", "Few labels", note)
    at = headline(result.curve)
    blocks = _blocks(result, "label")
    blocks += [Prose(sentence(note)) for note in _notes(result)]
    if result.attributes:
        attribute_texts = "".join(map(_in_short, result.attributes))
        blocks += [Prose(f"Numbers are predicted by ridge regression.{attribute_texts}")]
        options = [
            (efficiency.target, tuple(_blocks(efficiency, f"number-{i}")))
            for i, efficiency in enumerate(result.attributes)
        ]
        blocks += one_of("numbers", "Number", options)
        blocks += [
            Prose(sentence(note))
            for note in dict.fromkeys(n for attribute in result.attributes for n in _notes(attribute))
        ]
    finding = _few_finding(result, at, _few_needed(result), context.noun)
    return stated(
        "label_efficiency",
        "Few labels",
        (finding, _covered(at), labels_used_note(result.n_labels_used)),
        blocks,
    )


def _notes(efficiency: Efficiency) -> list[str]:
    return [note for note in dict.fromkeys([few.note for few in efficiency.curve] + list(efficiency.notes)) if note]


def _blocks(efficiency: Efficiency, id: str) -> list[Block]:
    """The curve, the figures of each size, what baselines need, and paired differences."""
    curve, at = efficiency.curve, headline(efficiency.curve)
    rows = [row for few in curve for row in _few_rows(few)]
    caption = (
        f"{_capital(_figure_name(efficiency))} of {_probe_name(at)} trained on so few labels, mean over "
        f"{'' if _is_number(at) else 'balanced '}draws with its 95 % interval and the standard deviation over draws. "
        f"All representations see the same draws and the same test rows.{_networks(at)} {_covered(at)}".rstrip()
    )
    scale: Scale = "number" if _is_number(at) else "percent"
    blocks: list[Block] = [_curve(efficiency, f"{id}-curve")] if len(curve) > 1 else []
    blocks.append(by_group(f"{id}s", "Trained on", tuple(rows), caption, scale, start=trained_on_labels(at)))
    return blocks + _needed(efficiency) + _differences(curve)


def _is_number(few: FewLabels) -> bool:
    return few.metric == "R2"


def _probe_name(few: FewLabels) -> str:
    return "ridge regression" if _is_number(few) else "a logistic probe"


def _networks(few: FewLabels) -> str:
    """Say what networks are, where there are some."""
    draws = {
        score.n
        for name, score in zip(few.representations, few.scores, strict=True)
        if representation_role(name) == "supervised"
    }
    if not draws:
        return ""
    return f" Networks learned from the labelled images of the first {plural(max(draws), 'draw')} alone."


def _figure_name(efficiency: Efficiency) -> str:
    """What the curve shows: of numbers R² and their name, as several stand side by side."""
    return f"test R² of {efficiency.target}" if efficiency.metric == "R2" else "test accuracy"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def headline(few: tuple[FewLabels, ...]) -> FewLabels:
    """Choose the number of labels to speak of: 10 a class, or 100 rows with a number, or the nearest to it."""
    return min(few, key=lambda few_labels: abs(np.log(few_labels.per_class / (100 if _is_number(few_labels) else 10))))


def trained_on_labels(few: FewLabels) -> str:
    """Say how many labels a probe was trained on: of a balanced draw a class, else all, as classes then differ."""
    if few.everything:
        return f"all {plural(few.labels, 'label')}"
    return plural(few.per_class, "labelled row") if _is_number(few) else f"{plural(few.per_class, 'label')} a class"


def _few_rows(few: FewLabels) -> list[Estimate]:
    order = sorted(zip(few.representations, few.scores, few.deviations, strict=True), key=lambda row: -row[1].value)
    rows = [
        estimate(
            readable(name),
            score,
            representation_role(name),
            group=trained_on_labels(few),
            note=f"sd {_deviation(few, deviation)}" if score.n > 1 else "one draw",
        )
        for name, score, deviation in order
    ]
    if few.shuffled is not None:
        name = f"{readable(few.representations[0])}, labels shuffled"
        rows.append(estimate(name, few.shuffled, "chance", group=trained_on_labels(few)))
    return rows


def _deviation(few: FewLabels, value: float) -> str:
    return number(value, 2) if _is_number(few) else f"{100 * value:.1f}"


def _covered(few: FewLabels) -> str:
    """Quote from the result's own protocol what its intervals cover."""
    sentences = [part.strip() for part in few.note.split(";") if "interval" in part]
    return " ".join(map(sentence, sentences))


def _few_finding(efficiency: Efficiency, few: FewLabels, needed: str, noun: str) -> str:
    learned = [i for i, baseline in enumerate(few.baselines) if not baseline]
    if not learned:
        return "Only baselines were measured."
    best = max(learned, key=lambda i: few.scores[i].value)
    name, score = few.representations[best], few.scores[best]
    chosen = f"{name}{best_of(len(learned))}"
    tested = plural(few.n_test, f"test {noun}")
    text = f"With {trained_on_labels(few)}, {chosen} predicts {figure(score)} of {tested} correctly"
    if _is_number(few):
        text = (
            f"With {trained_on_labels(few)}, {chosen} predicts {efficiency.target} of {tested} with R² "
            f"{brackets(score)}"
        )
    compared = _compared(few, name)
    counted = f"; measured on {plural(few.accuracy.shape[1], 'draw')} of labels{', the same for both' * bool(compared)}"
    return f"{text}{compared and ', '}{compared}{_no_more_than_the_mean(few, name)}{counted}{needed}."


def _compared(few: FewLabels, name: str) -> str:
    """Write "13.1 points more than raw pixels on the same draws [11, 15]", or of numbers by R²; "" without pixels."""
    paired = next((d for d in few.differences if (d.representation, d.baseline) == (name, "pixels")), None)
    if paired is None and few.shuffled is not None and not _is_number(few):
        return f"where shuffled labels give {percent(few.shuffled.value)}"
    if paired is None:
        return ""
    gap = paired.difference
    sure = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    if _is_number(few):
        relation = "more" if gap.value >= 0 else "less"
        size, ends = number(abs(gap.value), 2), f"[{number(gap.low, 2)}, {number(gap.high, 2)}]"
    else:
        relation = "points more" if gap.value >= 0 else "points fewer"
        size, ends = f"{abs(100 * gap.value):.1f}", f"[{number(100 * gap.low, 1)}, {number(100 * gap.high, 1)}]"
    return f"{size} {relation} than raw pixels {ends}{sure}"


def _no_more_than_the_mean(few: FewLabels, name: str) -> str:
    """Say so where a number is predicted no better than by its mean, which needs no image."""
    gap = next((d.difference for d in few.differences if (d.representation, d.baseline) == (name, MEAN)), None)
    return ", no more than predicting the labels' mean gives" if gap is not None and not gap.low > 0 else ""


def _in_short(efficiency: Efficiency) -> str:
    """One sentence on a number beside the label."""
    few = headline(efficiency.curve)
    best = _best(few)
    if not best:
        return ""
    score = few.scores[few.representations.index(best)]
    compared = _compared(few, best)
    return (
        f" {_capital(efficiency.target)}: R² {brackets(score)} from {best} with {trained_on_labels(few)}"
        f"{compared and ', '}{compared}{_no_more_than_the_mean(few, best)}."
    )


def _best(few: FewLabels) -> str:
    """The model's own representation with the best probe, "" without one."""
    learned = [i for i, baseline in enumerate(few.baselines) if not baseline]
    return few.representations[max(learned, key=lambda i: few.scores[i].value)] if learned else ""


def _few_needed(efficiency: Efficiency) -> str:
    """How many labels a class raw pixels need for what the finding names."""
    best = _best(headline(efficiency.curve))
    for needed in efficiency.needed:
        if (needed.representation, needed.baseline) == (best, "pixels"):
            return f"; for as much, raw pixels {_needs(needed.needed, efficiency.curve)}"
    return ""


def _needs(needed: Interval, curve: tuple[FewLabels, ...]) -> str:
    """Write "need about 60 labels a class [45, 80]"; a bound beyond all labels is said in words."""
    first, last = curve[0].per_class, curve[-1]
    each, labels = ("", "labelled rows") if _is_number(last) else (" a class", "labels a class")
    most = f"all {plural(last.labels, 'label')}" if last.everything else f"{count(last.per_class)}{each}"
    if np.isnan(needed.value):
        least = "" if np.isnan(needed.low) else f" (the interval begins at {_labels(needed.low)}{each})"
        return f"do not suffice with {most}{least}"
    if needed.value <= first:
        return f"need {count(first)}{each} or fewer"
    high = f"more than {most}" if np.isnan(needed.high) else _labels(needed.high)
    return f"need about {_labels(needed.value)} {labels} [{_labels(needed.low)}, {high}]"


def _labels(value: float) -> str:
    return number(value, 0 if value >= 10 else 1)


def _curve(efficiency: Efficiency, id: str) -> Lines:
    few = efficiency.curve
    names = dict.fromkeys(name for point in few for name in point.representations)
    lines = []
    best = _best(headline(few))
    for name in names:
        if name.startswith("untrained.") and name != f"untrained.{best}":
            continue  # one of them is enough to look at; the others stand below
        at = [
            (point.per_class, point.scores[point.representations.index(name)])
            for point in few
            if name in point.representations
        ]
        role = representation_role(name)
        lines.append(_line(readable(name), at, None if role == "ours" else role))
    shuffled = [(point.per_class, point.shuffled) for point in few if point.shuffled is not None]
    if shuffled:
        lines.append(_line(f"{readable(few[0].representations[0])}, labels shuffled", shuffled, "chance"))
    last = few[-1]
    end = f" The last point is all {plural(last.labels, 'label')}." if last.everything else ""
    labels_note = (
        f" The networks themselves were trained with {plural(efficiency.n_labels_used, 'label')}, not counted here."
        if efficiency.n_labels_used
        else ""
    )
    title_of_axis, by = ("R²", "labelled rows") if _is_number(last) else ("Accuracy", "labels a class")
    caption = (
        f"{title_of_axis} against the {by} that the {'regression' if _is_number(last) else 'probe'} is trained on; "
        f"bands "
        f"are 95 % "
        "intervals. How far a curve lies to the left of pixels' is how many labels it saves. Of the untrained network "
        "the layer that leads is drawn." + _networks(headline(few)) + end + labels_note + f" {_covered(headline(few))}"
    ).rstrip()
    title = f"{title_of_axis} {f'of {efficiency.target} ' if _is_number(last) else ''}by number of labels"
    return Lines(
        id=id,
        title=title,
        x_title=by,
        y_title=_figure_name(efficiency),
        lines=tuple(lines),
        caption=caption,
        y_scale="linear" if _is_number(last) else "percent",
        x_scale="log",
    )


def _line(name: str, at: list[tuple[int, Interval]], role: Role | None) -> Line:
    return Line(
        name,
        np.array([x for x, _ in at], float),
        np.array([y.value for _, y in at]),
        np.array([y.low for _, y in at]),
        np.array([y.high for _, y in at]),
        role=role,
        markers=True,
    )


def _needed(efficiency: Efficiency) -> list[Block]:
    """A table of how many labels each baseline needs."""
    if not efficiency.needed:
        return []
    rows = tuple(
        (
            needed.representation,
            count(needed.per_class),
            readable(needed.baseline),
            _needs(needed.needed, efficiency.curve),
        )
        for needed in efficiency.needed
    )
    caption = (
        "Where the baseline's curve reaches what the representation gives; in brackets the sizes at which their "
        "paired difference is not clear of zero."
    )
    labels = "labelled rows" if efficiency.metric == "R2" else "labels a class"
    names = ("representation", labels, "baseline", "for as much it must")
    return [Disclosure("How many labels the baselines need", (Table(columns=names, rows=rows, caption=caption),))]


def _differences(few: tuple[FewLabels, ...]) -> list[Block]:
    unit = 1 if _is_number(few[0]) else 100  # accuracies differ by points, not by a share of each other
    rows = [
        Estimate(
            label=f"{d.representation} minus {readable(d.baseline)}",
            value=unit * d.difference.value,
            low=unit * d.difference.low,
            high=unit * d.difference.high,
            n=d.difference.n,
            role="ours",
            group=trained_on_labels(difference),
        )
        for difference in few
        for d in difference.differences
    ]
    caption = (
        f"Paired differences{', in points,' if unit > 1 else ''} over the same draws and test rows, with their 95 % "
        f"intervals: one that holds zero shows no difference. {_covered(headline(few))}".rstrip()
    )
    digits = 1 if unit > 1 else 2
    return (
        [
            Disclosure(
                "Paired differences", (Comparison(rows=tuple(rows), caption=caption, scale="number", digits=digits),)
            )
        ]
        if rows
        else []
    )


COLUMNS = 5  # of sizes that stand side by side


REFERENCE_ROWS = 100  # at which differences of numbers are shown


def tables(result: Any) -> Iterator[TextTable]:
    labels_note = f" (the networks used {result.n_labels_used:,} labels, not counted)" if result.n_labels_used else ""
    number = result.metric == "R2"
    write, by = (partial(plain, digits=2), "labelled rows") if number else (percent_interval, "labels a class")
    for start in range(0, len(result.curve), COLUMNS):
        shown = result.curve[start : start + COLUMNS]
        names = dict.fromkeys(name for few in shown for name in few.representations)
        baseline = {name: base for few in shown for name, base in zip(few.representations, few.baselines, strict=True)}
        rows = [(_named(name, baseline[name]), *(write(_at(few, name)) for few in shown)) for name in names]
        if any(few.shuffled for few in shown):
            rows.append(("  labels shuffled", *(write(few.shuffled) for few in shown)))
        metric_name = "R² of ridge" if number else "logistic accuracy"
        title = f"{result.target}: {metric_name} on {shown[0].n_test:,} test rows by {by}{labels_note}"
        yield title, ("representation", *map(_drawn, shown)), rows
    at = REFERENCE_ROWS if number else 10
    for few in result.curve:
        show = partial(plain, digits=2) if number else points
        paired = [(f"{d.representation} − {d.baseline}", show(d.difference)) for d in few.differences]
        if paired and few.per_class == min((point.per_class for point in result.curve), key=lambda k: abs(k - at)):
            drawn = f"all {few.labels:,} labels" if few.everything else f"{few.per_class} {by}"
            unit = f"of {result.target}, R²" if number else "in points"
            yield f"difference with {drawn}, {unit}, paired", ("pair", "mean"), paired
    most = result.curve[-1].per_class
    needs = [
        (
            f"{point.representation}, {point.per_class}{'' if number else ' a class'}",
            point.baseline,
            labels_a_class(point.needed, most),
        )
        for point in result.needed
    ]
    if needs:
        of = f" of {result.target}" if number else ""
        yield f"{by}{of} that a baseline needs for as good a probe", ("representation", "baseline", "needs"), needs
    for attribute in result.attributes:
        yield from tables(attribute)


def _at(few: Any, name: str) -> Interval | None:
    return few.scores[few.representations.index(name)] if name in few.representations else None


def _drawn(few: Any) -> str:
    if few.everything:
        return f"all {few.labels:,}"
    return f"{few.per_class:,} ({len(few.accuracy[0])} draws)"


def labels_a_class(needed: Interval, most: int) -> str:
    """'62  [45, 80]' labels a class; what lies beyond `most`, all labels, is said so."""
    low, value, high = (
        f"{end:.3g}" if not math.isnan(end) else f"more than {most:,}"
        for end in (needed.low, needed.value, needed.high)
    )
    return value if low == value == high else f"{value}  [{low}, {high}]"
