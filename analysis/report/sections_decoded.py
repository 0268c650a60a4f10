"""Sections that show decoded pictures: reconstructions, concept edits, interpolations, mixture components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .document import (
    Block,
    Choice,
    Comparison,
    Disclosure,
    Estimate,
    Gallery,
    Group,
    Line,
    Lines,
    Picture,
    Prose,
    Role,
    Section,
    Strip,
    Strips,
    Table,
    missing,
)  # fmt: skip
from .images import as_uint8
from .material import Material, estimate, marks, readable, role_of
from .sections_run import slides
from .wording import count, listed, number, p_value, percent, plural, sentence

if TYPE_CHECKING:
    from ..concepts import Concept, ConceptTable, Edits
    from ..interpolation import Interpolations
    from ..mixtures import Agreement, Mixture
    from ..reconstruction import Reconstruction
    from ..statistics import Interval

SIGNIFICANT = 0.05
SHOWN_PAIRS = 8
SHOWN_MEMBERS = 8


def brackets(interval: Interval, digits: int = 2) -> str:
    """Write "0.41 [0.40, 0.42]"."""
    return (
        f"{number(interval.value, digits)} [{number(interval.low, digits)}, {number(interval.high, digits)}]"
    )


def reconstructions(material: Material) -> Section:
    """How much of its own image a code keeps."""
    found: Reconstruction | None = material.results.get("reconstruction")
    run = material.run
    caption = (
        "Rows come in twos: held-out images, and below each row what the generator makes of their codes."
    )
    grids = run.reconstructions if run is not None else ()
    during: tuple[Block, ...] = (
        (slides("reconstructions-over", grids, "Reconstructions", caption),) if grids else ()
    )
    if found is None:
        note = "Not measured: latentgan reconstruction TABLE --out RESULTS does, where a model decodes."
        if not during:
            return missing("reconstructions", "Reconstructions", note)
        return Section("reconstructions", "Reconstructions", note, during)
    rows = [estimate("this model", found.ratio)]
    rows += [estimate(b.name, b.figure, role_of(b.name), note=b.note) for b in found.baselines]
    said = (
        "Reconstruction ratio: mean error ‖x − G(E(x))‖ over the mean error against another image's reconstruction. "
        "0 is perfect, 1 says nothing about the image."
    )
    blocks: list[Block] = [_pairs(found), Comparison(tuple(rows), said, "number"), _histogram(found)]
    if len(found.by_class) and np.isfinite(found.by_class).any():
        cells = tuple((name, number(float(r))) for name, r in zip(found.classes, found.by_class, strict=True))
        blocks.append(Disclosure("Ratio by class", (Table(("class", "ratio"), cells),)))
    if during:
        blocks.append(Disclosure("The same images over training", during))
    blocks += [Prose(sentence(note)) for note in found.notes]
    return Section("reconstructions", "Reconstructions", _ratio_finding(found), tuple(blocks))


def _ratio_finding(found: Reconstruction) -> str:
    others = [f"{b.name} {number(b.figure.value)}" for b in found.baselines]
    beside = f" ({', '.join(others)})" if others else ""
    return (
        f"A code keeps {percent(1 - found.ratio.value, 0)} of what tells its image from another: the reconstruction ratio "
        f"is {brackets(found.ratio)} over {count(found.ratio.n)} images{beside}."
    )


def _pairs(found: Reconstruction) -> Gallery:
    groups = []
    for g, name in enumerate(found.groups):
        pictures: list[Picture] = []
        for i, row in enumerate(found.shown[g]):
            error = number(float(found.shown_errors[g, i]))
            pictures.append(Picture(as_uint8(found.originals[g, i]), f"original, row {row}", "", int(row)))
            alt = f"reconstruction of row {row}, error {error}"
            pictures.append(Picture(as_uint8(found.reconstructions[g, i]), alt, error, int(row)))
        groups.append(Group(str(name).capitalize(), "", tuple(pictures), pairs=True))
    caption = (
        "Above the image, below its reconstruction and the error (L2 norm, pixels in [0, 1]). Best and worst are the "
        "extremes of all, typical are around the median, so nothing here was picked by eye."
    )
    return Gallery(tuple(groups), caption)


def _histogram(found: Reconstruction) -> Lines:
    both = np.concatenate([found.errors, found.shuffled]).astype(np.float64)
    edges = np.linspace(0, float(both.max(initial=1e-9)), 41)
    centres = (edges[1:] + edges[:-1]) / 2
    own = np.histogram(found.errors, edges)[0] / max(len(found.errors), 1)
    other = np.histogram(found.shuffled, edges)[0] / max(len(found.shuffled), 1)
    lines = (
        Line("against its own image", centres, own, role="ours"),
        Line("against another image", centres, other, role="chance"),
    )
    caption = f"Share of {count(len(found.errors))} images by error. The further apart the curves, the more a code says."
    return Lines(
        "errors", "Errors of reconstructions", "error", "share of images", lines, caption, y_scale="percent"
    )


def concepts(material: Material) -> Section:
    """Directions in the code along which something changes."""
    table: ConceptTable | None = material.results.get("concepts")
    if table is None or not table.concepts:
        note = "None yet: latentgan concepts TABLE --out RESULTS finds one for each label and attribute."
        return missing("concepts", "Concept directions", note)
    rows = tuple(_concept_row(one) for one in table.concepts)
    caption = (
        "How well the position along a direction, found on the train split, ranks test images with the concept above "
        "those without: 1 always, 0.5 by chance (AUC with its 95 % interval). Small marks are the same for a direction "
        "in raw pixels, in the untrained network, for shuffled labels and for random directions."
    )
    lowest = min([0.5, *(mark.value for row in rows for mark in row.marks), *(row.low for row in rows)])
    blocks: list[Block] = [
        *_edits(material, table),
        Comparison(rows, caption, "number", (round(lowest - 0.05, 1), 1.0)),
    ]
    if len(table.concepts) > 1:
        blocks.append(Disclosure("Cosines between directions", (_cosines(table),)))
    blocks += [Prose(sentence(note)) for note in table.notes]
    return Section("concepts", "Concept directions", _concept_finding(table), tuple(blocks))


def _concept_row(one: Concept) -> Estimate:
    note = f"{one.method}; {p_value(one.p_value, one.permutations)}"
    if np.isfinite(one.agreement):
        note += f"; cosine with the other method {number(one.agreement)}"
    return estimate(one.name, one.auc, group=one.column, note=note + (f"; {one.note}" if one.note else ""),
                    marks=marks(one.baselines))  # fmt: skip


def _concept_finding(table: ConceptTable) -> str:
    real = [one for one in table.concepts if one.p_value <= SIGNIFICANT]
    best = max(table.concepts, key=lambda one: one.auc.value)
    pixels = next((b.figure for b in best.baselines if role_of(b.name) == "pixels"), None)
    beside = f"; raw pixels {number(pixels.value, 3)}" if pixels is not None else ""
    return (
        f"{count(len(real))} of {plural(len(table.concepts), 'direction')} rank held-out images better than chance "
        f"(p ≤ {SIGNIFICANT}); the clearest is {best.name}, AUC {brackets(best.auc, 3)} (n = {count(best.auc.n)}){beside}."
    )


def _edits(material: Material, table: ConceptTable) -> list[Block]:
    edits = table.edits
    if edits is None or not len(edits.concepts):
        return [Prose("No edited images: they need a model that decodes (--model RUN).")]
    options = tuple(
        (table.concepts[int(c)].name, (_edit(material, table.concepts[int(c)], edits, i),))
        for i, c in enumerate(edits.concepts)
    )
    return [Choice("edit", "Edit along", options)] if len(options) > 1 else list(options[0][1])


def _edit(material: Material, concept: Concept, edits: Edits, index: int) -> Strips:
    steps = tuple(f"{number(float(s), 1).rstrip('0').rstrip('.')} sd" for s in edits.strengths)
    steps = tuple(step if step.startswith(("−", "0")) else f"+{step}" for step in steps)
    frames = as_uint8(edits.frames[index])
    strips = tuple(
        Strip(material.label(int(row)) or material.describe(int(row)), frames[i],
              f"{material.describe(int(row))} edited along {concept.name}", int(row))
        for i, row in enumerate(edits.rows)
    )  # fmt: skip
    caption = (
        f"Codes moved along “{concept.name}” by the slider's number of standard deviations of all images' positions, then "
        "decoded; 0 is the plain reconstruction. Hover a picture for its original."
    )
    start = int(np.argmin(np.abs(edits.strengths)))
    return Strips(f"edit-{index}", strips, steps, start, "Strength", caption)


def _cosines(table: ConceptTable) -> Table:
    names = [
        one.name if len({c.method for c in table.concepts}) == 1 else f"{one.name} ({one.method})"
        for one in table.concepts
    ]
    values = np.nan_to_num(np.asarray(table.cosines, float))
    rows = tuple((name, *(number(float(v)) for v in row)) for name, row in zip(names, values, strict=True))
    shades = tuple(tuple(min(abs(float(v)), 1.0) for v in row) for row in values)
    caption = "1 is the same direction, 0 none in common, −1 the opposite: concepts that are not free of each other."
    return Table(("direction", *names), rows, caption, shades)


def interpolations(material: Material) -> Section:
    """Paths between codes."""
    found: Interpolations | None = material.results.get("interpolation")
    if found is None or not len(found.pairs):
        note = "None yet: latentgan interpolate TABLE --out RESULTS draws paths, where a model decodes."
        return missing("interpolations", "Interpolations", note)
    steps = tuple(percent(float(t), 0) for t in found.at)
    frames = as_uint8(found.frames)
    strips = tuple(
        Strip(
            _ends(material, found, i),
            frames[i],
            f"path from {_ends(material, found, i)}",
            int(found.pairs[i, 0]),
        )
        for i in range(min(len(found.pairs), SHOWN_PAIRS))
    )
    why = f" ({found.reason})" if found.reason else ""
    caption = (
        f"Decoded codes on the way from one image to another, along {found.along}{why}. A good path shows an image at "
        "every step; a poor one fades from one picture into the other. Click a strip to go there."
    )
    shown = Strips("paths", strips, steps, len(steps) // 2, "Along the path", caption, "films")
    blocks: list[Block] = [shown]
    if found.midpoint is not None:
        rows = [estimate("decoded midpoints", found.midpoint)]
        rows += [estimate(b.name, b.figure, _blend(b.name), note=b.note) for b in found.baselines]
        said = "Distance of the images halfway to the nearest real image (L2, pixels in [0, 1]); less is more like data."
        blocks.append(Comparison(tuple(rows), said, "number"))
    blocks += [Prose(sentence(note)) for note in found.notes]
    return Section("interpolations", "Interpolations", _path_finding(found), tuple(blocks))


def _blend(name: str) -> Role:
    return "pixels" if "blend" in name.lower() or "pixel" in name.lower() else "chance"


def _ends(material: Material, found: Interpolations, i: int) -> str:
    names = [str(found.labels[i, j]) or material.describe(int(found.pairs[i, j])) for j in (0, 1)]
    return f"{names[0]} → {names[1]}"


def _path_finding(found: Interpolations) -> str:
    if found.midpoint is None:
        return f"{plural(len(found.pairs), 'path')} between images of different classes, along {found.along}."
    others = [f"{b.name} {number(b.figure.value)}" for b in found.baselines]
    beside = f"; {listed(others)}" if others else ""
    return (
        f"Halfway between two images, decoded pictures lie {brackets(found.midpoint)} from the nearest real image "
        f"(n = {plural(found.midpoint.n, 'pair')}){beside}."
    )


def mixture(material: Material) -> Section:
    """How many groups the codes form, and whether they are the labels."""
    found: Mixture | None = material.results.get("mixture")
    if found is None:
        return missing(
            "mixture", "Mixture", "None yet: latentgan mixture TABLE --out RESULTS fits Gaussian mixtures."
        )
    groups = tuple(_component(material, found, k) for k in range(found.components))
    caption = (
        "Each component of the mixture: the real images nearest to its mean, then, where a model decodes, new images "
        "drawn from it. A component that is one thing shows one thing."
    )
    blocks: list[Block] = [Gallery(groups, caption), *_bic(found)]
    if found.agreement is not None:
        blocks += [
            _agreement(found.agreement),
            Disclosure("Components by label", (_counts(found.agreement),)),
        ]
    blocks += [Prose(sentence(note)) for note in found.notes]
    return Section("mixture", "Mixture", _mixture_finding(found), tuple(blocks))


def _mixture_finding(found: Mixture) -> str:
    said = f"By BIC the codes form {plural(found.components, 'Gaussian component')} ({found.covariance} covariances)"
    if found.agreement is None:
        return said + "."
    nmi = found.agreement.nmi
    return (
        f"{said}; they agree with the labels with a mutual information of {brackets(nmi)} (n = {count(nmi.n)}), "
        f"shuffled labels {number(found.agreement.shuffled_nmi)}."
    )


def _component(material: Material, found: Mixture, k: int) -> Group:
    near = [material.picture(int(row)) for row in found.nearest[k][:SHOWN_MEMBERS] if row >= 0]
    pictures = [picture for picture in near if picture is not None]
    if found.samples is not None:
        drawn = as_uint8(found.samples[k])[:SHOWN_MEMBERS]
        pictures += [Picture(one, f"sample of component {k + 1}", "sample") for one in drawn]
    detail = f"weight {percent(float(found.weights[k]))}"
    if found.agreement is not None:
        row = np.asarray(found.agreement.counts[k])
        if row.sum():
            top = int(row.argmax())
            detail += f"; {percent(row[top] / row.sum(), 0)} of {count(int(row.sum()))} are {found.agreement.classes[top]}"
    return Group(f"Component {k + 1}", detail, tuple(pictures))


def _bic(found: Mixture) -> list[Block]:
    lines = []
    for kind in dict.fromkeys(one.covariance for one in found.candidates):
        tried = sorted(
            (one for one in found.candidates if one.covariance == kind), key=lambda one: one.components
        )
        x = np.array([one.components for one in tried], float)
        lines.append(Line(f"{kind} covariances", x, np.array([one.bic for one in tried]), markers=True))
    caption = (
        "Bayesian information criterion by number of components; the least wins. n of the fit: "
        + count(found.fitted_on)
    )
    return (
        [Lines("bic", "How many components", "components", "BIC", tuple(lines), caption + ".", x_scale="log")]
        if lines
        else []
    )


def _agreement(found: Agreement) -> Comparison:
    rows: list[Estimate] = []
    for name, figure, shuffled in (
        ("mutual information (NMI)", found.nmi, found.shuffled_nmi),
        ("adjusted Rand index", found.ari, found.shuffled_ari),
        ("purity", found.purity, found.shuffled_purity),
    ):
        rows.append(estimate(name, figure, group=name))
        rows.append(Estimate("labels shuffled", shuffled, np.nan, np.nan, figure.n, "chance", name))
        if name.startswith("mutual"):
            rows += [
                estimate(readable(b.name), b.figure, role_of(b.name), group=name, note=b.note)
                for b in found.baselines
            ]
    return Comparison(
        tuple(rows), "Agreement of components with labels: 1 is the same grouping.", "number", (0.0, 1.0)
    )


def _counts(found: Agreement) -> Table:
    counts = np.asarray(found.counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((f"component {k + 1}", *map(count, row.tolist())) for k, row in enumerate(counts))
    return Table(
        ("", *found.classes), rows, "Rows of each label in each component.", tuple(map(tuple, share.tolist()))
    )
