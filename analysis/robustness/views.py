"""The section on adversarial examples: how accurate a probe is after a small change of every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.baselines import Role, representation_role
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
from ..report.estimate_rows import estimate, figure, readable
from ..report.formatting import count, listed, number, percent, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, percent_interval

if TYPE_CHECKING:
    from .attacks import AttackedProbe, Robustness


METHODS = {"pgd": "PGD", "fgsm": "FGSM", "noise": "random noise"}
"""Attack -> how charts call it."""


def section(context: ReportContext) -> Section:
    """Accuracy by the size of the change, and the images."""
    result: Robustness | None = context.results.get("robustness")
    if result is None or not result.attacked:
        note = "None yet: latentgan adversarial RUN --probe FILE --out RESULTS attacks a saved probe."
        return missing("robustness", "Adversarial examples", note)
    blocks: list[Block] = [*_curves(result), _images(result), *_figures(result)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return Section(id="robustness", title="Adversarial examples", finding=_finding(result), blocks=tuple(blocks))


def _under(result: Robustness, method: str) -> list[AttackedProbe]:
    """The probe and its baselines under one attack."""
    return [probe for probe in (*result.attacked, *result.under_noise) if probe.method == method]


def _role(probe: AttackedProbe) -> Role:
    """Role of a probe's marks in charts."""
    return representation_role(probe.name) if probe.baseline else "ours"


def _curves(result: Robustness) -> tuple[Block, ...]:
    """Accuracy by ε, a chart an attack."""
    options: list[tuple[str, tuple[Block, ...]]] = []
    for method, name in METHODS.items():
        lines = tuple(
            Line(
                readable(probe.name), np.asarray(result.epsilons, float), *_band(probe), markers=True, role=_role(probe)
            )
            for probe in _under(result, method)
        )
        if lines:
            caption = (
                f"Accuracy on test images of which every pixel moves by at most ε under {name}, with 95 % intervals. "
                "Each probe is attacked through its own gradient; noise of the same size is the baseline of an attack."
            )
            chart = Lines(
                id=f"robust-{method}",
                title=f"Accuracy under {name}",
                x_title="ε, largest change of a pixel in [0, 1]",
                y_title="accuracy on test images",
                lines=lines,
                caption=caption,
                y_scale="percent",
            )
            options.append((name, (chart,)))
    return one_of("robust", "Change pixels by", options)


def _band(probe: AttackedProbe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy at each ε and the ends of its interval, (e,) each."""
    rows = np.array([(accuracy.value, accuracy.low, accuracy.high) for accuracy in probe.accuracy])
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _images(result: Robustness) -> Gallery:
    """One row an image: as it is, then under PGD at each ε, with the class that the probe predicts."""
    frames, groups = as_uint8(result.shown), []
    for shown, predicted in zip(frames, np.asarray(result.predicted), strict=True):
        pictures, truth = [], _class_name(result, int(predicted[0]))
        for epsilon, pixels, k in zip(result.epsilons, shown[1:], predicted[1:], strict=True):
            name = _class_name(result, int(k))
            alt = f"{truth}, ε = {float(epsilon):g}, predicted {name}"
            pictures.append(Picture(pixels, alt, name if k == predicted[0] else f"predicted {name}"))
        groups.append(Group(title=truth, detail="", pictures=tuple(pictures)))
    sizes = listed([f"{float(epsilon):g}" for epsilon in result.epsilons])
    caption = (
        f"Test images under PGD against the probe of {result.attacked[0].name}, from left to right ε = {sizes}; the "
        "heading is the true class, and below each picture is the class that the probe predicts."
    )
    return Gallery(tuple(groups), caption, rows=True)


def _class_name(result: Robustness, k: int) -> str:
    """Name of class k; its number without names."""
    return result.classes[k] if k < len(result.classes) else str(k)


def _figures(result: Robustness) -> tuple[Block, ...]:
    """All figures, one ε at a time."""
    options: list[tuple[str, tuple[Block, ...]]] = []
    caption = f"Accuracy on the same {count(result.attacked[0].accuracy[0].n)} test images."
    for i, epsilon in enumerate(result.epsilons):
        rows: list[Estimate] = [
            estimate(readable(probe.name), probe.accuracy[i], _role(probe), group=name)
            for method, name in METHODS.items()
            for probe in _under(result, method)
        ]
        options.append(
            (
                f"ε = {float(epsilon):g}",
                (Comparison(rows=tuple(rows), caption=caption, scale="percent", axis=(0.0, 1.0)),),
            )
        )
    return (Choice("robust-figures", "Figures at", tuple(options), _middle(result)),)


def _middle(result: Robustness) -> int:
    """Position of the ε that the finding is about."""
    return len(result.epsilons) // 2


def _finding(result: Robustness) -> str:
    """Accuracy of the probe at the middle ε, that under noise, and that of the best baseline under the same attack."""
    at = _middle(result)
    attacked = _under(result, "pgd")
    probe = next(probe for probe in attacked if not probe.baseline)
    accuracy = probe.accuracy[at]
    under_noise = next((other.accuracy[at] for other in _under(result, "noise") if other.name == probe.name), None)
    noise = f", under noise {percent(under_noise.value)}" if under_noise is not None else ""
    unattacked = f"unattacked {percent(probe.accuracy[0].value)}{noise}"
    text = (
        f"The {probe.name} probe is {figure(accuracy)} accurate under PGD, "
        f"ε = {number(float(result.epsilons[at]), 2)} (n = {count(accuracy.n)})"
    )
    baselines = [(readable(other.name), other.accuracy[at]) for other in attacked if other.baseline]
    if not baselines:
        return f"{text}; {unattacked}."
    name, best = max(baselines, key=lambda baseline: baseline[1].value)
    verdict = "no clear difference to"
    if accuracy.apart(best):
        verdict = "more robust than" if accuracy.value > best.value else "less robust than"
    return f"{text}, {verdict} the best baseline, {name} {figure(best)}; {unattacked}."


def tables(result: Any) -> Iterator[TextTable]:
    """Accuracy at each ε, a probe and an attack a row."""
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": "PGD"}
    for method, name in names.items():
        rows = [
            (
                f"  {probe.name}" if probe.baseline else probe.name,
                *(percent_interval(accuracy) for accuracy in probe.accuracy),
                f"{probe.accuracy[0].n:,}",
            )
            for probe in _under(result, method)
        ]
        if rows:
            header = ("probe of", *(f"ε = {float(epsilon):g}" for epsilon in result.epsilons), "n")
            yield f"accuracy under {name} by the largest change of a pixel, 95 % interval", header, rows
