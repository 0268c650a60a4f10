"""Sections on probes: what simple readers get out of frozen features, with many labels and with few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from .document import Block, Comparison, Disclosure, Estimate, Line, Lines, Prose, Section, Table, missing
from .material import Material
from .rows import brackets, by_group, estimate, figure, readable, role_of, trained_on
from .wording import best_of, count, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..probes import FewLabels, Probe, ProbeTable

METHODS = {
    "logistic": "Logistic regression",
    "svm": "Linear support vector machine",
    "knn": "Nearest neighbours",
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
    return Section("probes", "Probes", _probe_finding(main or others) + trained_on(table.notes), tuple(blocks))


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
    """What remains when labels are scarce."""
    table: ProbeTable | None = material.results.get("probes")
    if table is None or not table.few:
        why = [note for note in (table.notes if table is not None else ()) if "few-label" in note]
        note = (
            " ".join(map(sentence, why))
            or material.refusal("probes")
            or ("Not measured: latentgan probe TABLE --out RESULTS draws a few labels a class where there are labels.")
        )
        return missing("few-labels", "Few labels", note)
    blocks: list[Block] = [_curve(table.few)] if len(table.few) > 1 else []
    rows = [
        estimate(readable(name), score, role_of(name), group=f"{plural(few.per_class, 'label')} a class",
                 note=f"sd {100 * deviation:.1f}")
        for few in table.few
        for name, score, deviation in sorted(
            zip(few.representations, few.scores, few.deviations, strict=True), key=lambda one: -one[1].value)
    ]  # fmt: skip
    caption = (
        "Test accuracy of a logistic probe trained on so few labels, mean over balanced draws with its 95 % interval "
        "and the standard deviation over draws. All representations see the same draws and the same test rows."
        + _covered(headline(table.few))
    )
    start = f"{plural(headline(table.few).per_class, 'label')} a class"
    blocks.append(by_group("labels", "Trained on", tuple(rows), caption, start=start))
    blocks += _differences(table.few)
    blocks += [Prose(sentence(note)) for note in dict.fromkeys(few.note for few in table.few) if note]
    finding = _few_finding(headline(table.few)) + trained_on(table.notes)
    return Section("few-labels", "Few labels", finding, tuple(blocks))


def headline(few: tuple[FewLabels, ...]) -> FewLabels:
    """Choose the number of labels to speak of: 10 a class, or the nearest to it."""
    return min(few, key=lambda one: abs(np.log(one.per_class / 10)))


def _covered(few: FewLabels) -> str:
    """Quote from the result's own protocol what its intervals cover."""
    said = [part.strip() for part in few.note.split(";") if "interval" in part]
    return "".join(f" {sentence(part)}" for part in said)


def _few_finding(few: FewLabels) -> str:
    own = [i for i, baseline in enumerate(few.baselines) if not baseline]
    if not own:
        return "Only yardsticks were measured."
    best = max(own, key=lambda i: few.scores[i].value)
    name, score = few.representations[best], few.scores[best]
    chosen = f"{name}{best_of(len(own))}"
    said = f"With {plural(few.per_class, 'label')} a class, {chosen} reads {figure(score)} of test images right"
    counted = f"(n = {plural(few.accuracy.shape[1], 'draw')}, {plural(few.n_test, 'test image')})"
    paired = next((d for d in few.differences if (d.representation, d.baseline) == (name, "pixels")), None)
    if paired is None:
        return f"{said} {counted}.{_covered(few)}"
    gap = paired.difference
    relation = "more" if gap.value >= 0 else "fewer"
    sure = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    return (
        f"{said}, {abs(100 * gap.value):.1f} points {relation} than raw pixels on the same draws "
        f"[{number(100 * gap.low, 1)}, {number(100 * gap.high, 1)}]{sure} {counted}.{_covered(few)}"
    )


def _curve(few: tuple[FewLabels, ...]) -> Lines:
    names = dict.fromkeys(name for one in few for name in one.representations)
    lines = []
    for name in names:
        at = [
            (one.per_class, one.scores[one.representations.index(name)]) for one in few if name in one.representations
        ]
        role = role_of(name)
        lines.append(Line(
            readable(name), np.array([x for x, _ in at], float), np.array([y.value for _, y in at]),
            np.array([y.low for _, y in at]), np.array([y.high for _, y in at]),
            role=None if role == "ours" else role, markers=True,
        ))  # fmt: skip
    caption = (
        "Accuracy against labels a class; bands are 95 % intervals. A curve above pixels' saves labels."
        + _covered(headline(few))
    )
    title = "Accuracy by number of labels"
    return Lines(
        "label-curve", title, "labels a class", "test accuracy", tuple(lines), caption, y_scale="percent", x_scale="log"
    )


def _differences(few: tuple[FewLabels, ...]) -> list[Block]:
    rows = [
        estimate(f"{d.representation} minus {readable(d.baseline)}", d.difference,
                 group=f"{plural(one.per_class, 'label')} a class")
        for one in few for d in one.differences
    ]  # fmt: skip
    caption = (
        "Paired differences over the same draws and test rows, with their 95 % intervals: one that holds zero shows "
        "no difference." + _covered(headline(few))
    )
    return [Disclosure("Paired differences", (Comparison(tuple(rows), caption),))] if rows else []
