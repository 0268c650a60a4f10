"""The section on training: what every player minimised, and the diagnostics."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..base.statistics import wilson_share
from ..report.context import ReportContext
from ..report.document import Block, Disclosure, Line, Lines, Section, missing
from ..report.formatting import count, listed, number, plural
from ..report.run_folder import NO_RUN, Run, Series

ACCURACY, N_SCORED = "validation_accuracy", "validation_labels"
"""Series of metrics.jsonl: the share of validation images classified correctly, and how many were scored."""


INFORMATION = "_information"
"""How the names of logged information end, as InfoGAN's."""


def curves(context: ReportContext) -> Section:
    """Terms by player, gradient norms, reconstruction ratio, speed."""
    run = context.run
    if run is None:
        return missing("curves", "Training", NO_RUN)
    if not run.series:
        return missing("curves", "Training", "The run has no metrics.jsonl yet.")
    charts: list[Block] = [*_indicators(run), *_information(run), *_terms(run), *_rest(run)]
    return Section(id="curves", title="Training", finding=_course(run), blocks=tuple(charts))


def _terms(run: Run) -> list[Lines]:
    """One chart a player: what it minimises, term by term."""
    caption = (
        "Each curve is one term of this player's objective, weight included, averaged between log marks. Players "
        "work against each other, so level curves, not falling ones, are the sign of a balanced game."
    )
    charts = []
    for i, player in enumerate(dict.fromkeys(series.name.split("/")[0] for series in run.group("terms"))):
        inside = [series for series in run.group("terms") if series.name.split("/")[0] == player]
        title = f"What the {player.replace('_', ' + ')} minimises"
        charts.append(_chart(f"terms-{i}", title, "term", inside, caption, strip=f"{player}/"))
        caption = "The terms of this player's objective, weight included."
    return charts


def _course(run: Run) -> str:
    named, n_scored = (_named(run, "indicators", name) for name in (ACCURACY, N_SCORED))
    if named is not None and n_scored is not None and len(named.values):
        n_labels = run.summary_value("labels")
        by = f", trained with {count(int(n_labels))} labels," if isinstance(n_labels, int) and n_labels else ""
        share = wilson_share(float(named.values[-1]), int(n_scored.values[-1])).percent()
        return (
            f"After {count(int(named.images[-1]))} images the network{by} names {share} of "
            f"{plural(int(n_scored.values[-1]), 'validation image', 'validation images')} right."
        )
    ratio = _named(run, "indicators", "reconstruction_ratio")
    if ratio is not None and len(ratio.values) > 1:
        first, last = float(ratio.values[0]), float(ratio.values[-1])
        moved = f"fell from {number(first)} to" if last < first else f"rose from {number(first)} to"
        if number(first) == number(last):
            moved = "stayed at"
        return (
            f"The reconstruction ratio {moved} {number(last)} over "
            f"{count(int(ratio.images[-1]))} images: 1 means that a code says nothing about its image, 0 is perfect."
        )
    result = [information for information in _informations(run) if len(information.values)]
    if result:
        information_text = listed(
            [f"{number(float(series.values[-1]))} nats of {series.name.removesuffix(INFORMATION)}" for series in result]
        )
        sizes = _categories(run)
        entropy_text = f"; its categories can tell {number(sum(map(math.log, sizes)))}" if sizes else ""
        return (
            f"After {count(int(result[0].images[-1]))} images, a generated image tells "
            f"{information_text}{entropy_text}."
        )
    terms = run.group("terms")
    if not terms:
        return f"{plural(len(run.series), 'quantity', 'quantities')} logged."
    ends = listed([f"{term.name.replace('_', ' ')} {number(float(term.values[-1]))}" for term in terms[:3]])
    return f"After {count(int(terms[0].images[-1]))} images the terms stood at: {ends}."


def _indicators(run: Run) -> list[Lines]:
    ratio = _named(run, "indicators", "reconstruction_ratio")
    charts = []
    if ratio is not None:
        line = Line("ratio", ratio.images, ratio.values, role="ours")
        caption = (
            "Mean error of reconstructions over their error against other images, on held-out images. Lower is better; "
            "at the dashed line the code carries nothing of its image."
        )
        charts.append(
            Lines(
                id="ratio",
                title="Reconstruction ratio",
                x_title="images seen",
                y_title="ratio",
                lines=(line,),
                caption=caption,
                level=(1.0, "says nothing"),
            )
        )
    named = _named(run, "indicators", ACCURACY)
    if named is not None:
        line = Line("accuracy", named.images, named.values, role="ours")
        caption = (
            "Share of the validation images with a label, at most 256, that the averaged weights classify correctly. "
            "No network is trained on these labels."
        )
        charts.append(
            Lines(
                id="named",
                title="Validation images named right",
                x_title="images seen",
                y_title="share",
                lines=(line,),
                caption=caption,
                y_scale="percent",
            )
        )
    other_series = [
        series for series in run.group("indicators") if series.name not in ("reconstruction_ratio", ACCURACY, N_SCORED)
    ]
    if other_series:
        caption = (
            "Shares between 0 and 1 that the diagnostics watch: the discriminator's accuracy (near 100 % it has won) "
            "and samples with a near-duplicate (a collapse)."
        )
        charts.append(
            _chart("indicators", "What the diagnostics watch", "share", other_series, caption, y_scale="percent")
        )
    return charts


def _information(run: Run) -> list[Lines]:
    """InfoGAN's information in nats, against log K of its categorical parts where the configuration names them."""
    result = _informations(run)
    if not result:
        return []
    sizes = _categories(run)
    bound = sum(math.log(size) for size in sizes)
    caption = "Lower bounds on how much an image tells of the code that made it, in nats; below 0 they say nothing."
    if bound:
        of = " + ".join(f"log {size}" for size in sizes)
        caption += f" Categories reach at most {of} = {number(bound)}; continuous codes have no such limit."
    level = (bound, "all that categories can say") if bound else None
    lines = tuple(Line(series.name.removesuffix(INFORMATION), series.images, series.values) for series in result)
    return [
        Lines(
            id="information",
            title="Information between codes and images",
            x_title="images seen",
            y_title="nats",
            lines=lines,
            caption=caption,
            level=level,
        )
    ]


def _informations(run: Run) -> list[Series]:
    return [series for series in run.group("notes") if series.name.endswith(INFORMATION)]


def _categories(run: Run) -> list[int]:
    """Sizes of the categorical parts that the configuration names, each of which can tell log K."""
    sizes = run.configured("family.categorical")
    return [size for size in sizes if isinstance(size, int) and size > 0] if isinstance(sizes, list) else []


def _rest(run: Run) -> list[Block]:
    inside: list[Block] = []
    norms = run.group("gradient_norm")
    if norms:
        caption = (
            "Length of each player's gradient. A norm that explodes or dies away shows trouble before the terms do."
        )
        inside.append(_chart("gradients", "Gradient norms", "norm", norms, caption, y_scale="log"))
    shown = ("discriminator_accuracy", *(information.name for information in _informations(run)))
    notes = [series for series in run.group("notes") if series.name not in shown]
    if notes:
        inside.append(_chart("notes", "Other logged quantities", "value", notes, "Logged, but nobody's objective."))
    speed = run.group("speed")
    if speed:
        caption = "Images a second between log marks; dips are other work on the machine or checkpoints."
        inside.append(_chart("speed", "Speed", "images per second", speed, caption))
    return [Disclosure("Gradient norms, speed and the rest", tuple(inside))] if inside else []


def _chart(
    id: str,
    title: str,
    y_title: str,
    series: list[Series] | tuple[Series, ...],
    caption: str,
    *,
    y_scale: Literal["linear", "log", "percent"] = "linear",
    strip: str = "",
) -> Lines:
    lines = tuple(Line(line.name.removeprefix(strip).replace("_", " "), line.images, line.values) for line in series)
    if y_scale == "log" and not all(np.nanmin(line.values, initial=np.inf) > 0 for line in series):
        y_scale = "linear"
    return Lines(
        id=id, title=title, x_title="images seen", y_title=y_title, lines=lines, caption=caption, y_scale=y_scale
    )


def _named(run: Run, group: str, name: str) -> Series | None:
    return next((series for series in run.group(group) if series.name == name), None)
