"""The story: which sections, in which order, and the sentence that stands above them all.

A new analysis gets one function from `Material` to `Section`, and its name in ORDER.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .document import Report, Section
from .material import Material
from .sections_codes import few_labels, figure, latent_map, neighbours, probes
from .sections_curves import curves
from .sections_decoded import concepts, interpolations, mixture, reconstructions
from .sections_run import configuration, health, made, overview, samples
from .wording import count, number, percent

if TYPE_CHECKING:
    from ..probes import ProbeTable

ORDER: tuple[Callable[[Material], Section], ...] = (
    overview,
    health,
    curves,
    samples,
    reconstructions,
    latent_map,
    probes,
    few_labels,
    neighbours,
    concepts,
    interpolations,
    mixture,
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
        return f"{family} on {data}"
    return str(data or family or "Latent space")


def _lead(material: Material) -> str:
    """Say in two or three sentences what came out."""
    parts = [_features(material), _codes(material)]
    warned = [one for one in material.run.warnings if not one.resolved] if material.run else []
    if warned:
        parts.append(f"Training ended with a health warning: {warned[0].name.replace('_', ' ')}.")
    return " ".join(part for part in parts if part) or "What was found stands below, section by section."


def _features(material: Material) -> str:
    table: ProbeTable | None = material.results.get("probes")
    few = table.few[0] if table is not None and table.few else None
    own = [i for i, yardstick in enumerate(few.baselines) if not yardstick] if few else []
    if few is None or not own:
        return ""
    best = max(own, key=lambda i: few.scores[i].value)
    name = few.representations[best]
    said = (
        f"From {count(few.per_class)} labels a class, {name} tells {figure(few.scores[best])} of test images"
    )
    for gap in few.differences:
        if (gap.representation, gap.baseline) == (name, "pixels"):
            points, low, high = 100 * gap.difference.value, gap.difference.low, gap.difference.high
            if low > 0:
                return f"{said}, {points:.1f} points more than raw pixels allow."
            if high < 0:
                return f"{said}, {-points:.1f} points fewer than raw pixels allow: as a feature it gains nothing here."
            return f"{said}, no clear difference from raw pixels ({number(points, 1)} points)."
    return said + "."


def _codes(material: Material) -> str:
    found = material.results.get("reconstruction")
    mixture_ = material.results.get("mixture")
    said = []
    if found is not None:
        kept = percent(1 - found.ratio.value, 0)
        said.append(f"a code keeps {kept} of what tells its image from another")
    if mixture_ is not None and mixture_.agreement is not None:
        said.append(
            f"the codes form {mixture_.components} groups that match the labels to {number(mixture_.agreement.nmi.value)}"
        )
    text = ", and ".join(said)
    return text[:1].upper() + text[1:] + "." if text else ""
