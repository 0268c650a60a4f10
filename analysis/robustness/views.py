"""The section on adversarial examples: what a small change of every pixel leaves of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import (
    Block,
    Choice,
    Comparison,
    Estimate,
    Gallery,
    Group,
    Line,
    Lines,
    Picture,
    Prose,
    Section,
    missing,
    one_of,
)
from ..report.estimate_rows import estimate, figure, readable, role_of
from ..report.formatting import count, listed, number, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, percent_interval

if TYPE_CHECKING:
    from .attacks import Attacked, Robustness


METHODS = {"pgd": "PGD", "fgsm": "FGSM", "noise": "random noise"}


def section(context: ReportContext) -> Section:
    """Robust accuracy against the size of the change, and the images."""
    result: Robustness | None = context.results.get("robustness")
    if result is None or not result.readers:
        note = "None yet: latentgan adversarial RUN --probe FILE --out RESULTS attacks a saved probe."
        return missing("robustness", "Adversarial examples", note)
    blocks: list[Block] = [*_curves(result), _images(result), *_figures(result)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return Section(id="robustness", title="Adversarial examples", finding=_finding(result), blocks=tuple(blocks))


def _under(robustness: Robustness, method: str) -> list[Attacked]:
    return [reader for reader in (*robustness.readers, *robustness.disturbed) if reader.method == method]


def _curves(robustness: Robustness) -> tuple[Block, ...]:
    options: list[tuple[str, tuple[Block, ...]]] = []
    for method, name in METHODS.items():
        lines = tuple(
            Line(
                readable(attacked.name),
                np.asarray(robustness.epsilons, float),
                *_band(attacked),
                markers=True,
                role=role_of(attacked.name) if attacked.baseline else "ours",
            )
            for attacked in _under(robustness, method)
        )
        if lines:
            caption = (
                f"Test images still read right when every pixel moves by at most ε under {name}, with 95 % intervals. "
                "Each probe is attacked through its own slope; noise of the same size shows what the aim adds."
            )
            chart = Lines(
                id=f"robust-{method}",
                title=f"Accuracy under {name}",
                x_title="ε, largest change of a pixel in [0, 1]",
                y_title="test images right",
                lines=lines,
                caption=caption,
                y_scale="percent",
            )
            options.append((name, (chart,)))
    return one_of("robust", "Change pixels by", options)


def _band(attacked: Attacked) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([(a.value, a.low, a.high) for a in attacked.accuracy])
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _images(robustness: Robustness) -> Gallery:
    """One row an image: as it is, then under PGD at each ε, with the class that the probe reads."""
    frames, groups = as_uint8(robustness.shown), []
    for shown, read in zip(frames, np.asarray(robustness.read_as), strict=True):
        pictures, truth = [], _named(robustness, int(read[0]))
        for epsilon, pixels, k in zip(robustness.epsilons, shown[1:], read[1:], strict=True):
            name = _named(robustness, int(k))
            alt = f"{truth}, ε = {float(epsilon):g}, read as {name}"
            pictures.append(Picture(pixels, alt, name if k == read[0] else f"read as {name}"))
        groups.append(Group(title=truth, detail="", pictures=tuple(pictures)))
    sizes = listed([f"{float(epsilon):g}" for epsilon in robustness.epsilons])
    caption = (
        f"Test images under PGD against the probe of {robustness.readers[0].name}, from left to right ε = {sizes}; the "
        "heading is the truth, and below a picture stands what the probe reads."
    )
    return Gallery(tuple(groups), caption, rows=True)


def _named(robustness: Robustness, k: int) -> str:
    return robustness.classes[k] if k < len(robustness.classes) else str(k)


def _figures(robustness: Robustness) -> tuple[Block, ...]:
    """All figures, one ε at a time."""
    options: list[tuple[str, tuple[Block, ...]]] = []
    caption = f"Accuracy on the same {count(robustness.readers[0].accuracy[0].n)} test images."
    for i, epsilon in enumerate(robustness.epsilons):
        rows: list[Estimate] = [
            estimate(
                readable(attacked.name),
                attacked.accuracy[i],
                role_of(attacked.name) if attacked.baseline else "ours",
                group=name,
            )
            for method, name in METHODS.items()
            for attacked in _under(robustness, method)
        ]
        options.append(
            (
                f"ε = {float(epsilon):g}",
                (Comparison(rows=tuple(rows), caption=caption, scale="percent", axis=(0.0, 1.0)),),
            )
        )
    return (Choice("robust-figures", "Figures at", tuple(options), _middle(robustness)),)


def _middle(robustness: Robustness) -> int:
    return len(robustness.epsilons) // 2


def _finding(robustness: Robustness) -> str:
    """State the probe beside the best of its baselines at the middle ε, and whether it withstands more."""
    at = _middle(robustness)
    attacked = _under(robustness, "pgd")
    ours = next(row for row in attacked if not row.baseline)
    left, before = ours.accuracy[at], ours.accuracy[0]
    text = (
        f"Moving every pixel by at most {number(float(robustness.epsilons[at]), 2)} where it hurts most (PGD) leaves "
        f"the "
        f"probe of {ours.name} {figure(left)} of {count(left.n)} test images right, from {figure(before)}"
    )
    still = next((row.accuracy[at] for row in _under(robustness, "noise") if row.name == ours.name), None)
    text += f"; noise of that size leaves {figure(still)}" if still is not None else ""
    baseline_accuracies = [(readable(row.name), row.accuracy[at]) for row in attacked if row.baseline]
    if not baseline_accuracies:
        return text + "."
    name, best = max(baseline_accuracies, key=lambda row: row[1].value)
    verdict = "no clear difference"
    if left.apart(best):
        verdict = f"so the probe withstands {'more' if left.value > best.value else 'less'}"
    most = f"the most that a baseline keeps under the same attack is {figure(best)} ({name})"
    return f"{text}; {most}, {verdict}."


def tables(result: Any) -> Iterator[TextTable]:
    """Accuracy at each ε, a reader and an attack a row."""
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": "PGD"}
    for method, name in names.items():
        rows = [
            (
                f"  {attacked.name}" if attacked.baseline else attacked.name,
                *(percent_interval(figure) for figure in attacked.accuracy),
                f"{attacked.accuracy[0].n:,}",
            )
            for attacked in (*result.disturbed, *result.readers)
            if attacked.method == method
        ]
        if rows:
            header = ("probe of", *(f"ε = {float(epsilon):g}" for epsilon in result.epsilons), "n")
            yield f"accuracy under {name} by the largest change of a pixel, 95 % interval", header, rows
