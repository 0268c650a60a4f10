"""Sections on probes: what simple readers get out of frozen features, with many labels and with few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from .document import Block, Comparison, Disclosure, Estimate, Line, Lines, Prose, Role, Section, Table, missing
from .material import Material
from .rows import brackets, by_group, estimate, figure, readable, role_of, trained_on
from .wording import best_of, count, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..efficiency import Efficiency
    from ..few import FewLabels
    from ..probes import Probe, ProbeTable
    from ..statistics import Interval

METHODS = {
    "logistic": "Logistic regression",
    "svm": "Linear support vector machine",
    "knn": "Nearest neighbours",
    "cosine-20": "Votes by cosine, k = 20",
    "cosine-200": "Votes by cosine, k = 200",
    "ridge": "Ridge regression",
}


def probes(material: Material) -> Section:
    """How well simple readers get labels out of each representation."""
    table: ProbeTable | None = material.results.get("probes")
    if table is None or not table.probes:
        note = material.refusal("probes") or "No probes yet: latentgan probe TABLE --out RESULTS trains them."
        return missing("probes", "Probes", note)
    main = [probe for probe in table.probes if probe.target == table.target]
    others = [probe for probe in table.probes if probe.target != table.target]
    caption = (
        "A reader is trained on frozen features of the train split and scored on the test split; dots are test "
        "figures, bars their 95 % intervals. The dashed line is what the same reader gets from raw pixels: "
        "only what stands to the right of it was gained."
    )
    blocks: list[Block] = [by_group("reader", "Reader", _probe_rows(main, table.target), caption)]
    for metric, said in (
        ("accuracy", "Accuracy on attributes."),
        ("R2", "R² on numeric attributes; 0 is the mean value."),
    ):
        rows = _probe_rows([probe for probe in others if probe.metric == metric], table.target)
        if rows:
            scale: Literal["percent", "number"] = "percent" if metric == "accuracy" else "number"
            blocks.append(by_group(f"attribute-{metric}", "Attribute", rows, said, scale))
    blocks.append(Disclosure("Settings, widths, and what is confused with what", _probe_details(table, main)))
    finding = _probe_finding(main or others) + told_labels(table.told) + trained_on(table.notes)
    return Section("probes", "Probes", finding, tuple(blocks))


def _first_reader(found: list[Probe]) -> list[Probe]:
    """Keep the reader that the chart opens with, whichever is best: a choice made before looking."""
    return [one for one in found if (one.method, one.target) == (found[0].method, found[0].target)]


def _probe_rows(found: list[Probe], target: str) -> tuple[Estimate, ...]:
    """Rows by method, best first; the best one's shuffled figure last."""
    rows: list[Estimate] = []
    for key in dict.fromkeys((probe.target, probe.method) for probe in found):
        members = [probe for probe in found if (probe.target, probe.method) == key]
        members.sort(key=lambda probe: -probe.score.value)
        name = METHODS.get(key[1], key[1])
        name += f" (k = {number(members[0].setting, 0)})" if key[1] == "knn" else ""
        group = name if key[0] == target else f"{key[0]}: {name.lower()}"
        rows += [
            estimate(
                readable(one.representation),
                one.score,
                role_of(one.representation),
                group=group,
                note=one.note,
            )
            for one in members
        ]
        shuffled = [one for one in members if not one.baseline and one.shuffled is not None]
        if shuffled and shuffled[0].shuffled is not None:
            label = f"{readable(shuffled[0].representation)}, labels shuffled"
            rows.append(estimate(label, shuffled[0].shuffled, "chance", group=group))
    return tuple(rows)


def _probe_finding(found: list[Probe]) -> str:
    found = _first_reader(found)
    own = [probe for probe in found if not probe.baseline]
    if not own:
        return "Only yardsticks were probed."
    best = max(own, key=lambda probe: probe.score.value)
    rivals = [one for one in found if one.baseline]
    score = figure(best.score) if best.metric == "accuracy" else f"R² {brackets(best.score)}"
    what = f"{METHODS.get(best.method, best.method)} on {best.representation}{best_of(len(own))}"
    said = f"{what} reads the {best.target} right in {score} of {count(best.score.n)} test images"
    if best.metric != "accuracy":
        said = f"{what} reads the {best.target} with {score} on {count(best.score.n)} test images"
    show = percent if best.metric == "accuracy" else number
    others = [f"{readable(one.representation)} reach {show(one.score.value)}" for one in rivals if role_of(
        one.representation) in ("pixels", "pca")] + [
        f"the same network untrained {show(one.score.value)}"
        for one in rivals if one.representation == f"untrained.{best.representation}"
    ]  # fmt: skip
    pixels = next((one for one in rivals if one.representation == "pixels"), None)
    verdict = ""
    if pixels is not None and not best.score.apart(pixels.score):
        verdict = " The intervals of features and pixels overlap."
    return f"{said}; {listed(others)}.{verdict}" if others else f"{said}."


def _probe_details(table: ProbeTable, main: list[Probe]) -> tuple[Block, ...]:
    rows = tuple(
        (readable(one.representation), one.target, one.method, number(one.setting, 4).rstrip("0").rstrip("."),
         count(one.width), count(one.used), count(one.n_train), count(one.score.n))
        for one in table.probes
    )  # fmt: skip
    names = ("representation", "target", "reader", "C, α or k", "width", "used", "n train", "n test")
    blocks: list[Block] = [Prose(sentence(table.protocol))] if table.protocol else []
    blocks.append(Table(names, rows, "Widths above what the reader takes were reduced by PCA of the train split."))
    own = [one for one in _first_reader(main) if not one.baseline and one.confusion is not None] if main else []
    if own:
        blocks.append(_confusion(max(own, key=lambda one: one.score.value)))
    return (*blocks, *(Prose(sentence(note)) for note in table.notes))


def _confusion(best: Probe) -> Table:
    assert best.confusion is not None
    counts = np.asarray(best.confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((name, *map(count, row.tolist())) for name, row in zip(best.classes, counts, strict=True))
    caption = f"Test images by truth (rows) and by what {best.method} on {best.representation} reads (columns)."
    return Table(("truth", *best.classes), rows, caption, tuple(map(tuple, share.tolist())))


def few_labels(material: Material) -> Section:
    """What remains when labels are scarce: accuracy against labels a class."""
    found: Efficiency | None = material.results.get("efficiency")
    if found is None or not found.curve:
        note = material.refusal("efficiency") or (
            "Not measured: latentgan efficiency TABLE --out RESULTS draws few labels a class and many, where there are "
            "labels."
        )
        return missing("few-labels", "Few labels", note)
    curve, at = found.curve, headline(found.curve)
    blocks: list[Block] = [_curve(found)] if len(curve) > 1 else []
    rows = [row for few in curve for row in _few_rows(few)]
    caption = (
        "Test accuracy of a logistic probe trained on so few labels, mean over balanced draws with its 95 % interval "
        "and the standard deviation over draws. All representations see the same draws and the same test rows."
        + _covered(at)
    )
    blocks.append(by_group("labels", "Trained on", tuple(rows), caption, start=trained_on_labels(at)))
    blocks += _needed(found) + _differences(curve)
    blocks += [Prose(sentence(note)) for note in dict.fromkeys([few.note for few in curve] + list(found.notes)) if note]
    finding = _few_finding(at, _few_needed(found)) + told_labels(found.told) + trained_on(found.notes)
    return Section("few-labels", "Few labels", finding, tuple(blocks))


def headline(few: tuple[FewLabels, ...]) -> FewLabels:
    """Choose the number of labels to speak of: 10 a class, or the nearest to it."""
    return min(few, key=lambda one: abs(np.log(one.per_class / 10)))


def told_labels(told: int) -> str:
    """Say that the networks learned from labels themselves, which probes' figures then do not count."""
    if not told:
        return ""
    return (
        f" The networks were themselves told {plural(told, 'label')} in training, which these figures do not count: "
        "yardsticks were told none, so that no difference from them shows what was gained without labels."
    )


def trained_on_labels(few: FewLabels) -> str:
    """Say how many labels a probe was taught: of a balanced draw a class, else all, as classes then differ."""
    return f"all {plural(few.labels, 'label')}" if few.everything else f"{plural(few.per_class, 'label')} a class"


def _few_rows(few: FewLabels) -> list[Estimate]:
    order = sorted(zip(few.representations, few.scores, few.deviations, strict=True), key=lambda one: -one[1].value)
    rows = [
        estimate(readable(name), score, role_of(name), group=trained_on_labels(few),
                 note=f"sd {100 * deviation:.1f}" if score.n > 1 else "one draw")
        for name, score, deviation in order
    ]  # fmt: skip
    if few.shuffled is not None:
        name = f"{readable(few.representations[0])}, labels shuffled"
        rows.append(estimate(name, few.shuffled, "chance", group=trained_on_labels(few)))
    return rows


def _covered(few: FewLabels) -> str:
    """Quote from the result's own protocol what its intervals cover."""
    said = [part.strip() for part in few.note.split(";") if "interval" in part]
    return "".join(f" {sentence(part)}" for part in said)


def _few_finding(few: FewLabels, needed: str) -> str:
    own = [i for i, baseline in enumerate(few.baselines) if not baseline]
    if not own:
        return "Only yardsticks were measured."
    best = max(own, key=lambda i: few.scores[i].value)
    name, score = few.representations[best], few.scores[best]
    chosen = f"{name}{best_of(len(own))}"
    said = f"With {trained_on_labels(few)}, {chosen} reads {figure(score)} of test images right"
    counted = f"(n = {plural(few.accuracy.shape[1], 'draw')}, {plural(few.n_test, 'test image')})"
    paired = next((d for d in few.differences if (d.representation, d.baseline) == (name, "pixels")), None)
    if paired is None:
        return f"{said} {counted}.{needed}{_covered(few)}"
    gap = paired.difference
    relation = "more" if gap.value >= 0 else "fewer"
    sure = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    return (
        f"{said}, {abs(100 * gap.value):.1f} points {relation} than raw pixels on the same draws "
        f"[{number(100 * gap.low, 1)}, {number(100 * gap.high, 1)}]{sure} {counted}.{needed}{_covered(few)}"
    )


def _best(few: FewLabels) -> str:
    """The model's own representation that is read best, "" without one."""
    own = [i for i, baseline in enumerate(few.baselines) if not baseline]
    return few.representations[max(own, key=lambda i: few.scores[i].value)] if own else ""


def _few_needed(found: Efficiency) -> str:
    """How many labels a class raw pixels need for what the finding names."""
    best = _best(headline(found.curve))
    for one in found.needed:
        if (one.representation, one.baseline) == (best, "pixels"):
            return f" For that, raw pixels {_needs(one.needed, found.curve)}."
    return ""


def _needs(needed: Interval, curve: tuple[FewLabels, ...]) -> str:
    """Write "need about 60 labels a class [45, 80]"; a bound beyond all labels is said in words."""
    first, last = curve[0].per_class, curve[-1]
    most = f"all {plural(last.labels, 'label')}" if last.everything else f"{count(last.per_class)} a class"
    if np.isnan(needed.value):
        least = "" if np.isnan(needed.low) else f" (the interval begins at {_labels(needed.low)} a class)"
        return f"do not suffice with {most}{least}"
    if needed.value <= first:
        return f"need {count(first)} a class or fewer"
    high = f"more than {most}" if np.isnan(needed.high) else _labels(needed.high)
    return f"need about {_labels(needed.value)} labels a class [{_labels(needed.low)}, {high}]"


def _labels(value: float) -> str:
    return number(value, 0 if value >= 10 else 1)


def _curve(found: Efficiency) -> Lines:
    few = found.curve
    names = dict.fromkeys(name for one in few for name in one.representations)
    lines = []
    best = _best(headline(few))
    for name in names:
        if name.startswith("untrained.") and name != f"untrained.{best}":
            continue  # one of them is enough to look at; the others stand below
        at = [
            (one.per_class, one.scores[one.representations.index(name)]) for one in few if name in one.representations
        ]
        role = role_of(name)
        lines.append(_line(readable(name), at, None if role == "ours" else role))
    shuffled = [(one.per_class, one.shuffled) for one in few if one.shuffled is not None]
    if shuffled:
        lines.append(_line(f"{readable(few[0].representations[0])}, labels shuffled", shuffled, "chance"))
    last = few[-1]
    end = f" The last point is all {plural(last.labels, 'label')}." if last.everything else ""
    told = f" The networks were told {plural(found.told, 'label')} more." if found.told else ""
    caption = (
        "Accuracy against the labels a class that the probe is taught; bands are 95 % intervals. How far a curve lies "
        "to the left of pixels' is how many labels it saves. Of the untrained network the layer that leads is drawn."
        + end
        + told
        + _covered(headline(few))
    )
    title = "Accuracy by number of labels"
    return Lines(
        "label-curve", title, "labels a class", "test accuracy", tuple(lines), caption, y_scale="percent", x_scale="log"
    )


def _line(name: str, at: list[tuple[int, Interval]], role: Role | None) -> Line:
    return Line(
        name, np.array([x for x, _ in at], float), np.array([y.value for _, y in at]),
        np.array([y.low for _, y in at]), np.array([y.high for _, y in at]), role=role, markers=True,
    )  # fmt: skip


def _needed(found: Efficiency) -> list[Block]:
    """A table of how many labels each yardstick needs."""
    if not found.needed:
        return []
    rows = tuple(
        (one.representation, count(one.per_class), readable(one.baseline), _needs(one.needed, found.curve))
        for one in found.needed
    )
    caption = (
        "Where the yardstick's curve reaches what the representation gives; in brackets the sizes at which their "
        "paired difference is not clear of zero."
    )
    names = ("representation", "labels a class", "yardstick", "for as much it must")
    return [Disclosure("How many labels the yardsticks need", (Table(names, rows, caption),))]


def _differences(few: tuple[FewLabels, ...]) -> list[Block]:
    rows = [
        estimate(f"{d.representation} minus {readable(d.baseline)}", d.difference,
                 group=trained_on_labels(one))
        for one in few for d in one.differences
    ]  # fmt: skip
    caption = (
        "Paired differences over the same draws and test rows, with their 95 % intervals: one that holds zero shows "
        "no difference." + _covered(headline(few))
    )
    return [Disclosure("Paired differences", (Comparison(tuple(rows), caption),))] if rows else []
