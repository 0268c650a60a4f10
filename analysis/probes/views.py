"""The section on probes: what simple classifiers get out of frozen features with all labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..base.baselines import representation_role
from ..base.statistics import Interval
from ..report.context import ReportContext
from ..report.document import Block, Disclosure, Estimate, Prose, Section, Table, missing
from ..report.estimate_rows import (
    brackets,
    by_group,
    estimate,
    figure,
    labels_used_note,
    readable,
    stated,
)
from ..report.formatting import best_of, count, listed, no_better, number, percent, sentence
from ..terminal import _named, percent_interval, plain

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .grid import Choice, GridSearch
    from .linear_probe import Probe, ProbeTable


METHODS = {
    "logistic": "Logistic regression",
    "svm": "Linear support vector machine",
    "knn": "Nearest neighbours",
    "cosine-20": "Votes by cosine, k = 20",
    "cosine-200": "Votes by cosine, k = 200",
    "ridge": "Ridge regression",
}


def section(context: ReportContext) -> Section:
    """How well simple classifiers get labels out of each representation."""
    table: ProbeTable | None = context.results.get("probes")
    if table is None or not table.probes:
        note = context.refusal("probes") or "No probes yet: latentgan probe TABLE --out RESULTS trains them."
        return missing("probes", "Probes", note)
    main = [probe for probe in table.probes if probe.target == table.target]
    attribute_probes = [probe for probe in table.probes if probe.target != table.target]
    caption = (
        "A probe is trained on frozen features of the train split and scored on the test split; dots are test "
        "figures, bars their 95 % intervals. The dashed line is what the same probe gets from raw pixels: "
        "only what stands to the right of it was gained."
    )
    blocks: list[Block] = [by_group("probe", "Probe", _probe_rows(main, table.target), caption)]
    for metric, caption in (
        ("accuracy", "Accuracy on attributes."),
        ("R2", "R² on numeric attributes; 0 is the mean value."),
    ):
        rows = _probe_rows([probe for probe in attribute_probes if probe.metric == metric], table.target)
        if rows:
            scale: Literal["percent", "number"] = "percent" if metric == "accuracy" else "number"
            blocks.append(by_group(f"attribute-{metric}", "Attribute", rows, caption, scale))
    if table.search is not None:
        blocks += [_choices(table.search), Disclosure("The whole grid", (_grid(table.search),))]
    blocks.append(Disclosure("Settings, widths, and what is confused with what", _probe_details(table, main)))
    findings = (
        _probe_finding(main or attribute_probes, context.noun),
        labels_used_note(table.n_labels_used),
    )
    return stated("probes", "Probes", findings, blocks)


def _setting(search: GridSearch, choice: Choice) -> tuple[str, str, str]:
    """Column, scale and C of a choice, as texts."""
    point = search.points[choice.point]
    return readable(point.representation), "common" if point.common else "per column", f"{point.c:g}"


def _choices(search: GridSearch) -> Table:
    """What was chosen within each group, and what that is worth."""
    rows = tuple(
        (
            choice.group,
            *_setting(search, choice),
            count(choice.tried),
            percent(choice.validation.value),
            _percent(choice.nested),
            _percent(choice.test),
            "–" if choice.difference is None else points(choice.difference),
        )
        for choice in search.choices
    )
    optimism = search.choices[0].optimism
    caption = (
        f"The best setting of each group, chosen on {count(search.choices[0].validation.n)} validation rows. Choosing "
        f"among the model's {count(search.choices[0].tried)} settings makes its validation figure {points(optimism)} "
        "points too good: nested is what the choice is worth on rows that took no part in it. Shuffled labels give "
        f"{percent(search.shuffled.value)} on test rows. The last column is the model's choice minus the row's, in "
        "points, paired over test rows."
    )
    columns = ("group", "column", "scale", "C", "tried", "validation", "nested", "test", "ahead of it")
    return Table(columns=columns, rows=rows, caption=caption)


def _grid(search: GridSearch) -> Table:
    """Accuracy on validation rows at every point."""
    values = list(dict.fromkeys(point.c for point in search.points))
    keys = dict.fromkeys((point.representation, point.common) for point in search.points)
    cells = {(point.representation, point.common, point.c): point.validation for point in search.points}
    rows = tuple(
        (readable(name), "common" if common else "per column", *(percent(cells[name, common, c]) for c in values))
        for name, common in keys
    )
    columns = ("column", "scale", *(f"C = {c:g}" for c in values))
    return Table(columns=columns, rows=rows, caption="Accuracy on the validation rows that settings were chosen on.")


def _percent(share: Interval) -> str:
    """Write "81.2 % [80.1, 82.3]"."""
    return f"{percent(share.value)} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def points(difference: Interval) -> str:
    """Write a difference of shares in points with its interval: "+3.1 [+1.2, +5.0]"."""
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * x for x in (difference.value, difference.low, difference.high)))


def _first_method(probes: list[Probe]) -> list[Probe]:
    """Keep the probe that the chart opens with, whichever is best: a choice made before looking."""
    return [probe for probe in probes if (probe.method, probe.target) == (probes[0].method, probes[0].target)]


def _probe_rows(probes: list[Probe], target: str) -> tuple[Estimate, ...]:
    """Rows by method, best first; the best one's shuffled figure last."""
    rows: list[Estimate] = []
    for key in dict.fromkeys((probe.target, probe.method) for probe in probes):
        members = [probe for probe in probes if (probe.target, probe.method) == key]
        members.sort(key=lambda probe: -probe.score.value)
        name = METHODS.get(key[1], key[1])
        name += f" (k = {number(members[0].setting, 0)})" if key[1] == "knn" else ""
        group = name if key[0] == target else f"{key[0]}: {name.lower()}"
        rows += [
            estimate(
                readable(member.representation),
                member.score,
                representation_role(member.representation),
                group=group,
                note=member.note,
            )
            for member in members
        ]
        shuffled = [probe for probe in members if not probe.baseline and probe.shuffled is not None]
        if shuffled and shuffled[0].shuffled is not None:
            label = f"{readable(shuffled[0].representation)}, labels shuffled"
            rows.append(estimate(label, shuffled[0].shuffled, "chance", group=group))
    return tuple(rows)


def _probe_finding(probes: list[Probe], noun: str) -> str:
    probes = _first_method(probes)
    learned = [probe for probe in probes if not probe.baseline]
    if not learned:
        return "Only baselines were probed."
    best = max(learned, key=lambda probe: probe.score.value)
    rivals = _beside(best, probes)
    score = figure(best.score) if best.metric == "accuracy" else f"R² {brackets(best.score)}"
    title = f"{METHODS.get(best.method, best.method)} on {best.representation}{best_of(len(learned))}"
    text = f"{title} predicts the {best.target} with an accuracy of {score} on {count(best.score.n)} test {noun}s"
    if best.metric != "accuracy":
        text = f"{title} predicts the {best.target} with {score} on {count(best.score.n)} test {noun}s"
    show = percent if best.metric == "accuracy" else number
    by_role = {role: [r for r in rivals if representation_role(r.representation) == role] for role in ("pixels", "pca")}
    baseline_texts = [f"raw pixels reach {show(rival.score.value)}" for rival in by_role["pixels"]] + [
        f"the same network untrained {show(rival.score.value)}"
        for rival in rivals
        if rival.representation == f"untrained.{best.representation}"
    ]
    further = [f"{rival.representation} reach {show(rival.score.value)}" for rival in by_role["pca"]]
    if best.shuffled is not None:
        further.append(f"shuffled labels give {show(best.shuffled.value)}")
        text += no_better(best.score, max(best.shuffled.value, 0.0))
    pixels = next((rival for rival in rivals if rival.representation == "pixels"), None)
    verdict = ""
    if pixels is not None and not best.score.apart(pixels.score):
        verdict = "; the intervals of features and pixels overlap"
    return "; ".join([text, *(listed(texts) for texts in (baseline_texts, further) if texts)]) + f"{verdict}."


def _beside(best: Probe, probes: list[Probe]) -> list[Probe]:
    """The baselines, of several PCAs of pixels the one that is nearest in width."""
    pcas = [probe for probe in probes if probe.baseline and representation_role(probe.representation) == "pca"]
    nearest = min(pcas, key=lambda probe: abs(probe.width - best.width), default=None)
    return [
        probe
        for probe in probes
        if probe.baseline and (probe is nearest or representation_role(probe.representation) != "pca")
    ]


def _probe_details(table: ProbeTable, main: list[Probe]) -> tuple[Block, ...]:
    rows = tuple(
        (
            readable(probe.representation),
            probe.target,
            probe.method,
            number(probe.setting, 4).rstrip("0").rstrip("."),
            count(probe.width),
            count(probe.used),
            count(probe.n_train),
            count(probe.score.n),
        )
        for probe in table.probes
    )
    names = ("representation", "target", "probe", "C, α or k", "width", "used", "n train", "n test")
    blocks: list[Block] = [Prose(sentence(table.protocol))] if table.protocol else []
    blocks.append(
        Table(
            columns=names,
            rows=rows,
            caption="Widths above what the probe takes were reduced by PCA of the train split.",
        )
    )
    learned = (
        [probe for probe in _first_method(main) if not probe.baseline and probe.confusion is not None] if main else []
    )
    if learned:
        blocks.append(_confusion(max(learned, key=lambda probe: probe.score.value)))
    return (*blocks, *(Prose(sentence(note)) for note in table.notes))


def _confusion(best: Probe) -> Table:
    assert best.confusion is not None
    counts = np.asarray(best.confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((name, *map(count, row.tolist())) for name, row in zip(best.classes, counts, strict=True))
    caption = f"Test rows by truth (rows) and by what {best.method} on {best.representation} predicts (columns)."
    return Table(columns=("truth", *best.classes), rows=rows, caption=caption, shades=tuple(map(tuple, share.tolist())))


def tables(result: Any) -> Iterator[TextTable]:
    for target in dict.fromkeys(probe.target for probe in result.probes):
        chosen = [probe for probe in result.probes if probe.target == target]
        methods = list(dict.fromkeys(probe.method for probe in chosen))
        rows = []
        for name in dict.fromkeys(probe.representation for probe in chosen):
            of = {probe.method: probe for probe in chosen if probe.representation == name}
            first = next(iter(of.values()))
            cells = [_score(of.get(method)) for method in methods]
            null = next((p.shuffled for p in of.values() if p.shuffled), None)
            cells.append("–" if null is None else f"{null.value:.2f}" if first.metric == "R2" else _short(null))
            rows.append((_named(name, first.baseline), str(first.width), *cells, f"{first.score.n:,}"))
        metric = "R²" if chosen[0].metric == "R2" else "accuracy"
        header = ("representation", "width", *methods, "shuffled", "n")
        yield f"{target}: {metric} on test rows, 95 % interval", header, rows

    if result.search is not None:
        yield from _search_tables(result.search)


def _search_tables(search: GridSearch) -> Iterator[TextTable]:
    values = list(dict.fromkeys(point.c for point in search.points))
    grid = []
    for name, common in dict.fromkeys((point.representation, point.common) for point in search.points):
        of = {point.c: point for point in search.points if (point.representation, point.common) == (name, common)}
        shares = [f"{100 * of[c].validation:.1f} %" for c in values]
        grid.append((_named(name, of[values[0]].baseline), "common" if common else "per column", *shares))
    yield (
        f"{search.target}: accuracy on validation rows at every setting",
        ("column", "scale", *(f"C = {c:g}" for c in values)),
        grid,
    )
    rows = []
    for choice in search.choices:
        point = search.points[choice.point]
        rows.append(
            (
                _named(choice.group, choice.baseline),
                point.representation,
                "common" if point.common else "per column",
                f"{point.c:g}",
                f"{100 * choice.validation.value:.1f} %",
                f"{100 * choice.nested.value:.1f} %",
                percent_interval(choice.test),
                "–" if choice.difference is None else points(choice.difference),
            )
        )
    header = ("chosen in", "column", "scale", "C", "validation", "nested", "test", "own ahead by")
    yield f"{search.target}: the best setting of each group on test rows; lead in points, 95 % interval", header, rows


def _score(probe: Any) -> str:
    if probe is None:
        return "–"
    return plain(probe.score, 2) if probe.metric == "R2" else percent_interval(probe.score)


def _short(figure: Interval) -> str:
    return f"{100 * figure.value:.1f} %"
