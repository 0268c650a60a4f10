"""The story: which sections, in which order, and the sentence that stands above them all.

A new analysis gets one function from `Material` to `Section`, and its name in ORDER.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .document import Report, Section
from .material import Material
from .rows import figure, trained_on
from .sections_adversarial import adversarial
from .sections_categories import categories_in_short
from .sections_codes import latent_map, neighbours
from .sections_comparison import comparison
from .sections_concepts import concepts
from .sections_curves import curves
from .sections_decoded import reconstructions
from .sections_edits import edits
from .sections_factors import disentanglement
from .sections_few import few_labels, headline, trained_on_labels
from .sections_fidelity import fidelity
from .sections_parts import parts
from .sections_paths import interpolations
from .sections_probes import probes, told_labels
from .sections_run import configuration, health, made, overview, samples
from .sections_shape import geometry, prior
from .sections_structure import components, mixture, shared_with_labels
from .wording import best_of, family_name, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from ..efficiency import Efficiency

ORDER: tuple[Callable[[Material], Section], ...] = (
    overview,
    health,
    curves,
    samples,
    fidelity,
    reconstructions,
    parts,
    disentanglement,
    latent_map,
    probes,
    few_labels,
    adversarial,
    neighbours,
    concepts,
    edits,
    interpolations,
    mixture,
    geometry,
    prior,
    comparison,
    configuration,
    made,
)


def build(material: Material) -> Report:
    """Write the whole report as data."""
    return Report(
        title=_title(material),
        lead=_lead(material),
        sections=tuple(section(material) for section in ORDER),
        thumbnails=material.thumbnails,
        footer="One file: no server, no network. Figures are means with 95 % intervals unless they say otherwise.",
    )


def _title(material: Material) -> str:
    run, said, table = material.run, material.metadata, material.overview
    family = (run and (run.said("family") or run.configured("name"))) or said.get("family")
    data = (run and run.said("data")) or said.get("data") or (table.table if table else None)
    if family and data:
        return f"{family_name(str(family))} on {data}"
    return str(data or family or "Latent space")


def _lead(material: Material) -> str:
    """Say in two or three sentences what came out."""
    said = [_features(material), categories_in_short(material.results.get("codes")), _codes(material)]
    said = [*(sentence(one) for one in (material.overview.warnings if material.overview else ())), *said]
    warned = [one for one in material.run.warnings if not one.resolved] if material.run else []
    if warned:
        names = listed(list(dict.fromkeys(one.name.replace("_", " ") for one in warned)))
        several = "a health warning" if len(warned) == 1 else f"{len(warned)} health warnings"
        said.append(f"Training ended with {several}: {names}.")
    return " ".join(text for text in said if text) or "What was found stands below, section by section."


def _features(material: Material) -> str:
    found: Efficiency | None = material.results.get("efficiency")
    few = headline(found.curve) if found is not None and found.curve else None
    own = [i for i, yardstick in enumerate(few.baselines) if not yardstick] if few else []
    if few is None or found is None or not own or found.metric == "R2":
        return ""  # the section itself speaks of numbers
    best = max(own, key=lambda i: few.scores[i].value)
    name = few.representations[best]
    reader = f"{name}{best_of(len(own))}"
    said = f"From {trained_on_labels(few)}, {reader} names {figure(few.scores[best])} of test {material.noun}s right"
    said += f" ({plural(few.accuracy.shape[1], 'draw')}, {plural(few.n_test, f'test {material.noun}')})"
    told = f" {told_labels(found.told)}".rstrip()
    for gap in few.differences:
        if (gap.representation, gap.baseline) == (name, "pixels"):
            points, low, high = 100 * gap.difference.value, gap.difference.low, gap.difference.high
            ends = f"[{number(100 * low, 1)}, {number(100 * high, 1)}]"
            if low > 0:
                return f"{said}, {points:.1f} points {ends} more than raw pixels.{told}"
            if high < 0:
                fewer = f"{-points:.1f} points fewer than raw pixels {ends}"
                return f"{said}, {fewer}: here these features gain nothing.{told}"
            return f"{said}, no clear difference from raw pixels ({number(points, 1)} points {ends}).{told}"
    chance = f"; shuffled labels give {percent(few.shuffled.value)}" if few.shuffled is not None else ""
    return f"{said}{chance}.{told}"


def _among(notes: tuple[str, ...]) -> str:
    return ", training images included" if trained_on(notes) else ""


def _codes(material: Material) -> str:
    found = material.results.get("reconstruction")
    mixture_ = material.results.get("mixture")
    said = []
    if found is not None:
        closer = number(1 / max(found.ratio.value, 1e-9), 1)
        useless = "reconstructions lie no closer to their own image than to another's"
        useful = f"reconstructions lie {closer} times closer to their own image than to another's"
        said.append((useful if found.ratio.value < 0.95 else useless) + _among(found.notes))
    if mixture_ is not None and mixture_.agreement is not None and mixture_.components > 1:
        said.append(f"by BIC {components(mixture_)}; {shared_with_labels(mixture_.agreement)}{_among(mixture_.notes)}")
    return " ".join(sentence(text) for text in said)
