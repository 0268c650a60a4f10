"""The section on samples beside real images: how near they are, whether they repeat, and how many differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.statistics import SIGNIFICANT, Interval, difference_p, holm, unpaired
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Gallery, Group, Notice, Picture, Prose, Section, Table, missing
from ..report.estimate_rows import brackets, estimate, figure, stated
from ..report.formatting import count, listed, number, percent, sentence
from ..report.images import as_uint8
from ..terminal import TextTable, percent_interval, plain
from .distances import warnings_of

if TYPE_CHECKING:
    from .distances import Copying, Distances, Fidelity


SHARES = {
    "precision": "precision: samples among real images",
    "recall": "recall: real images among samples",
    "coverage": "coverage: real images that have a sample near",
}


INSTEAD = "training images in their place"


def section(context: ReportContext) -> Section:
    """Samples beside held-out images in named features, with real training images as the baseline."""
    result: Fidelity | None = context.results.get("fidelity")
    if result is None:
        note = "Not measured yet: latentgan fidelity TABLE SAMPLES --features NAME --out RESULTS does."
        return missing("fidelity", "Samples beside real images", context.refusal("fidelity") or note)
    few = warnings_of(result.samples)
    blocks: list[Block] = [Notice("warning", "Few rows", " ".join(map(sentence, few)))] if few else []
    blocks += [_shares(result), _distances(result)]
    if result.copying is not None:
        blocks += [*_pictures(context, result, result.copying), _copies(result.copying)]
    blocks.append(_modes(result))
    blocks += [Prose(sentence(note)) for note in result.notes if note not in few]
    findings = (_finding(result), _details(result), sentence(result.training_rows_note))
    return stated("fidelity", "Samples beside real images", findings, blocks)


def _shares(fidelity: Fidelity) -> Comparison:
    rows = []
    for key, name in SHARES.items():
        rows.append(estimate("samples", getattr(fidelity.samples, key), group=name))
        if fidelity.baseline is not None:
            rows.append(estimate(INSTEAD, getattr(fidelity.baseline, key), "real", group=name))
    at = fidelity.samples
    caption = (
        f"In {fidelity.features}. An image lies among others where it is nearer to one of them than that one is to "
        f"number {at.k} of its own kind's nearest, {count(at.manifold_rows)} of either side. Real training images in "
        "the samples' place show what a perfect model would reach. Intervals are for other images and samples, as "
        "many: of more of them all these shares change."
    )
    return Comparison(rows=tuple(rows), caption=caption, scale="percent", axis=(0.0, 1.0))


def _distances(fidelity: Fidelity) -> Table:
    columns = [fidelity.samples, *([fidelity.baseline] if fidelity.baseline is not None else [])]
    rows = (
        ("Fréchet distance, at infinitely many rows", *(brackets(column.frechet, 3) for column in columns)),
        ("Fréchet distance, as it is", *(number(distances.frechet_plain, 3) for distances in columns)),
        (
            f"kernel distance, subsets of {count(fidelity.samples.subset)}",
            *(brackets(distances.kernel, 4) for distances in columns),
        ),
        ("density", *(brackets(distances.density) for distances in columns)),
        ("rows", *(f"{count(distances.real)} real, {count(distances.fake)} beside" for distances in columns)),
    )
    caption = (
        f"Distances in {fidelity.features}, {count(fidelity.samples.width)} numbers; 0 where both are one "
        "distribution, and comparable on the same images and features only. They are no FID, which has Inception's "
        "features. Density counts the real neighbourhoods that a sample lies in, 1 as real images do."
    )
    return Table(columns=("figure", "samples", INSTEAD)[: 1 + len(columns)], rows=rows, caption=caption)


def _pictures(context: ReportContext, fidelity: Fidelity, copies: Copying) -> list[Gallery]:
    """Samples beside their nearest training images, and held-out images beside theirs; pairs, nearest first."""
    groups = []
    if fidelity.shown is not None:
        tiles, sample_groups = as_uint8(fidelity.shown), []
        for i, (row, distance) in enumerate(zip(copies.nearest, copies.distances, strict=True)):
            train = context.picture(int(row), number(float(distance)))
            if train is not None:
                sample_groups += [Picture(tiles[i], f"sample {i + 1}"), train]
        groups.append(Group(title="Samples", detail="", pictures=tuple(sample_groups), pairs=True))
    if fidelity.real_pairs is not None and fidelity.real_distances is not None:
        real = []
        for (row, near), distance in zip(fidelity.real_pairs, fidelity.real_distances, strict=True):
            both = context.picture(int(row)), context.picture(int(near), number(float(distance)))
            real += [picture for picture in both if picture is not None and None not in both]
        groups.append(Group(title="Held-out images", detail="", pictures=tuple(real), pairs=True))
    shown = tuple(group for group in groups if group.pictures)
    caption = (
        f"Below each its nearest training image in {fidelity.features}, and their distance; of all pairs the nearest. "
        "A model that copies has samples nearer to training images than new real images come by chance."
    )
    return [Gallery(shown, caption)] if shown else []


def _copies(copying: Copying) -> Table:
    share = copying.copies / copying.samples if copying.samples else math.nan
    rows = (
        ("P(a held-out image is farther from training images than a sample)", brackets(copying.closer), "0.50"),
        (
            "median distance to the nearest training image, over that of held-out images",
            brackets(copying.ratio),
            "1.00",
        ),
        (
            "samples nearer than 99\u00a0% of held-out images",
            f"{percent(share)} ({count(copying.copies)} of {count(copying.samples)})",
            "1.0\u00a0%",
        ),
    )
    caption = (
        "P above 0.50, a ratio below 1.00 and a share above 1\u00a0% speak for copies; P far below 0.50 for samples "
        "that lie off the data."
    )
    return Table(columns=("copies of training images", "samples", "new real images"), rows=rows, caption=caption)


def _modes(fidelity: Fidelity) -> Table:
    modes, other = fidelity.modes, fidelity.real_duplicates
    rows = (
        ("samples", _different(fidelity), count(modes.pairs), count(modes.rows)),
        (_others(fidelity), "–", count(other.pairs), count(other.rows)),
    )
    caption = (
        "How many different samples there are, by the share of pairs that are duplicates (birthday paradox): nearer "
        f"than {number(modes.threshold, 3)}, as 1\u00a0% of held-out images are to their nearest other. Samples that "
        "are drawn unequally often count for fewer. Duplicates of real images show how many pairs come by chance: "
        "how many different ones there are they do not tell, since the distance is chosen by such images, and "
        "samples that are duplicates no more often have a lower end only."
    )
    return Table(columns=("different images", "estimate", "duplicate pairs", "rows"), rows=rows, caption=caption)


def _others(fidelity: Fidelity) -> str:
    return "held-out images" if fidelity.baseline is None else "training images"


def _different(fidelity: Fidelity) -> str:
    """Write "1,234 [900, 1,800]"; where samples are duplicates no more often than real images, the lower end alone."""
    number = fidelity.modes.number
    if not fidelity.repeats:
        return f"more than {count(round(number.low))}"
    return f"{count(round(number.value))} [{count(round(number.low))}, {count(round(number.high))}]"


def _finding(fidelity: Fidelity) -> str:
    ours, real = fidelity.samples, fidelity.baseline
    sizes = f"n = {count(ours.fake)} samples, {count(ours.real)} held-out images"
    text = (
        f"In {fidelity.features}, samples lie at a Fréchet distance of {brackets(ours.frechet, 3)} from held-out images"
    )
    if real is None:
        return f"{text}, of which {figure(ours.coverage)} have a sample near ({sizes}); there is no baseline."
    return f"{text}, where training images lie at {brackets(real.frechet, 3)}{_verdict(fidelity, real)} ({sizes})."


def _details(fidelity: Fidelity) -> str:
    """Say by how much, whether samples are copies, and whether they repeat themselves."""
    if fidelity.baseline is None:
        return ""
    covered = f"{figure(fidelity.samples.coverage)} of held-out images have a sample near"
    baseline_text = f"of training images {percent(fidelity.baseline.coverage.value)}"
    both = [f"{name} {values}" for name, values in apart(fidelity.samples, fidelity.baseline) if values]
    differ = f"; clearly different {'is' if len(both) == 1 else 'are'} {listed(both)}" if both else ""
    return f"{covered} ({baseline_text}){_copied(fidelity.copying)}{_repeated(fidelity)}{differ}."


def _verdict(fidelity: Fidelity, real: Distances) -> str:
    """Name the figures that differ from those of real images; no clear difference shows where none does."""
    if differ := [name for name, _ in apart(fidelity.samples, real)]:
        those = "differs clearly from that" if len(differ) == 1 else "differ clearly from those"
        return f"; {listed(differ)} {those} of training images"
    off = fidelity.copying is not None and not fidelity.copying.closer.low <= 0.5 <= fidelity.copying.closer.high
    return "" if off or _repeated(fidelity) else ", and other figures are alike too, so no clear difference shows"


def apart(ours: Distances, real: Distances) -> list[tuple[str, str]]:
    """Figures that differ, with all of them counted (Holm), and both values where no other sentence says them."""
    named: tuple[tuple[str, Interval, Interval, Callable[[Interval], str] | None], ...] = (
        ("the Fréchet distance", ours.frechet, real.frechet, None),
        ("the kernel distance", ours.kernel, real.kernel, lambda interval: brackets(interval, 4)),
        ("precision", ours.precision, real.precision, figure),
        ("recall", ours.recall, real.recall, figure),
        ("density", ours.density, real.density, brackets),
        ("coverage", ours.coverage, real.coverage, None),
    )
    p = holm(np.array([difference_p(unpaired(first_interval, theirs)) for _, first_interval, theirs, _ in named]))
    return [
        (name, "" if write is None else f"({write(first_interval)}, training images {write(theirs)})")
        for (name, first_interval, theirs, write), value in zip(named, p, strict=True)
        if value <= SIGNIFICANT
    ]


def _copied(copying: Copying | None) -> str:
    if copying is None:
        return ""
    if copying.closer.high < 0.5:
        off = f"P = {brackets(copying.closer)}, 0.5 by chance"
        return f", and samples lie farther from training images than new images do ({off})"
    if copying.closer.low <= 0.5:
        return ", and samples lie no nearer to training images than new images do"
    return (
        f", and samples lie nearer to training images than new images do (P = {brackets(copying.closer)}, 0.5 by "
        f"chance; {count(copying.copies)} of {count(copying.samples)} nearer than 99\u00a0% of these)"
    )


def _repeated(fidelity: Fidelity) -> str:
    """Say that samples repeat themselves, where duplicates show it."""
    if not fidelity.repeats:
        return ""
    modes, other = fidelity.modes, fidelity.real_duplicates
    return (
        f"; duplicates tell of about {_different(fidelity)} different samples ({count(modes.pairs)} pairs of "
        f"{count(modes.rows)}, of {count(other.rows)} {_others(fidelity)} {count(other.pairs)})"
    )


def tables(result: Any) -> Iterator[TextTable]:
    """Distances and shares beside real rows, then repetition."""
    columns = [("samples", result.samples), *([("real train rows", result.baseline)] if result.baseline else [])]
    names = (
        ("Fréchet distance, at infinitely many rows", "frechet", plain),
        ("kernel distance", "kernel", plain),
        ("precision", "precision", percent_interval),
        ("recall", "recall", percent_interval),
        ("density", "density", plain),
        ("coverage", "coverage", percent_interval),
    )
    rows = [(name, *(show(getattr(distances, key)) for _, distances in columns)) for name, key, show in names]
    rows.append(("Fréchet distance, as it is", *(f"{distances.frechet_plain:.3f}" for _, distances in columns)))
    rows.append(("rows, real and compared", *(f"{distances.real:,}, {distances.fake:,}" for _, distances in columns)))
    yield f"distances in {result.features} (not FID)", ("figure", *(name for name, _ in columns)), rows
    outcome = result.copying
    if outcome is not None:
        rows = [
            ("P(nearer to a train row than held-out rows are); 0.5 copies nothing", plain(outcome.closer)),
            ("median distance to train over that of held-out rows", plain(outcome.ratio)),
            ("samples nearer than 99 % of held-out rows (1 % expected)", f"{outcome.copies:,} of {outcome.samples:,}"),
        ]
        yield "copies of training images", ("figure", "value"), rows
    distances, other = result.modes, result.real_duplicates
    kind = "real train rows" if result.baseline else "held-out rows"
    counted = [
        ("samples", different(distances, result.repeats), f"{distances.pairs:,}", f"{distances.rows:,}"),
        (f"  {kind}", "–", f"{other.pairs:,}", f"{other.rows:,}"),
    ]
    title = f"different samples by duplicate pairs (nearer than {distances.threshold:.3g}, as 1 % of held-out rows are)"
    yield title, ("source", "number", "pairs", "rows"), counted


def different(modes: Any, repeats: bool) -> str:
    """'50  [41, 64]', or where samples are duplicates no more often than real rows, or never, the lower end alone."""
    return plain(modes.number, 0) if repeats else f"more than {modes.number.low:,.0f}"
