"""The section on samples beside real images: how near they are, whether they repeat, and how many differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.statistics import SIGNIFICANT, Interval, difference_p, holm, unpaired
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Gallery, Group, Notice, Picture, Prose, Section, Table, missing
from ..report.estimate_rows import brackets, estimate, figure, stated, trained_on
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
    said = (_finding(result), _details(result), trained_on(result.notes))
    return stated("fidelity", "Samples beside real images", said, blocks)


def _shares(found: Fidelity) -> Comparison:
    rows = []
    for key, name in SHARES.items():
        rows.append(estimate("samples", getattr(found.samples, key), group=name))
        if found.baseline is not None:
            rows.append(estimate(INSTEAD, getattr(found.baseline, key), "real", group=name))
    at = found.samples
    caption = (
        f"In {found.features}. An image lies among others where it is nearer to one of them than that one is to number "
        f"{at.k} of its own kind's nearest, {count(at.manifold_rows)} of either side. Real training images in the "
        "samples' place show what a perfect model would reach. Intervals are for other images and samples, as many: of "
        "more of them all these shares change."
    )
    return Comparison(rows=tuple(rows), caption=caption, scale="percent", axis=(0.0, 1.0))


def _distances(found: Fidelity) -> Table:
    columns = [found.samples, *([found.baseline] if found.baseline is not None else [])]
    rows = (
        ("Fréchet distance, at infinitely many rows", *(brackets(column.frechet, 3) for column in columns)),
        ("Fréchet distance, as it is", *(number(one.frechet_plain, 3) for one in columns)),
        (f"kernel distance, subsets of {count(found.samples.subset)}", *(brackets(one.kernel, 4) for one in columns)),
        ("density", *(brackets(one.density) for one in columns)),
        ("rows", *(f"{count(one.real)} real, {count(one.fake)} beside" for one in columns)),
    )
    caption = (
        f"Distances in {found.features}, {count(found.samples.width)} numbers; 0 where both are one distribution, and "
        "comparable on the same images and features only. They are no FID, which has Inception's features. Density "
        "counts the real neighbourhoods that a sample lies in, 1 as real images do."
    )
    return Table(columns=("figure", "samples", INSTEAD)[: 1 + len(columns)], rows=rows, caption=caption)


def _pictures(context: ReportContext, found: Fidelity, copies: Copying) -> list[Gallery]:
    """Samples beside their nearest training images, and held-out images beside theirs; pairs, nearest first."""
    groups = []
    if found.shown is not None:
        tiles, own = as_uint8(found.shown), []
        for i, (row, distance) in enumerate(zip(copies.nearest, copies.distances, strict=True)):
            train = context.picture(int(row), number(float(distance)))
            if train is not None:
                own += [Picture(tiles[i], f"sample {i + 1}"), train]
        groups.append(Group(title="Samples", detail="", pictures=tuple(own), pairs=True))
    if found.real_pairs is not None and found.real_distances is not None:
        real = []
        for (row, near), distance in zip(found.real_pairs, found.real_distances, strict=True):
            both = context.picture(int(row)), context.picture(int(near), number(float(distance)))
            real += [one for one in both if one is not None and None not in both]
        groups.append(Group(title="Held-out images", detail="", pictures=tuple(real), pairs=True))
    shown = tuple(group for group in groups if group.pictures)
    caption = (
        f"Below each its nearest training image in {found.features}, and their distance; of all pairs the nearest. A "
        "model that copies has samples nearer to training images than new real images come by chance."
    )
    return [Gallery(shown, caption)] if shown else []


def _copies(found: Copying) -> Table:
    share = found.copies / found.samples if found.samples else math.nan
    rows = (
        ("P(a held-out image is farther from training images than a sample)", brackets(found.closer), "0.50"),
        ("median distance to the nearest training image, over that of held-out images", brackets(found.ratio), "1.00"),
        (
            "samples nearer than 99\u00a0% of held-out images",
            f"{percent(share)} ({count(found.copies)} of {count(found.samples)})",
            "1.0\u00a0%",
        ),
    )
    caption = (
        "P above 0.50, a ratio below 1.00 and a share above 1\u00a0% speak for copies; P far below 0.50 for samples "
        "that lie off the data."
    )
    return Table(columns=("copies of training images", "samples", "new real images"), rows=rows, caption=caption)


def _modes(found: Fidelity) -> Table:
    one, other = found.modes, found.real_duplicates
    rows = (
        ("samples", _different(found), count(one.pairs), count(one.rows)),
        (_others(found), "–", count(other.pairs), count(other.rows)),
    )
    caption = (
        "How many different samples there are, by the share of pairs that are duplicates (birthday paradox): nearer "
        f"than {number(one.threshold, 3)}, as 1\u00a0% of held-out images are to their nearest other. Samples that are "
        "drawn unequally often count for fewer. Duplicates of real images show how many pairs come by chance: how many "
        "different ones there are they do not tell, since the distance is chosen by such images, and samples that are "
        "duplicates no more often have a lower end only."
    )
    return Table(columns=("different images", "estimate", "duplicate pairs", "rows"), rows=rows, caption=caption)


def _others(found: Fidelity) -> str:
    return "held-out images" if found.baseline is None else "training images"


def _different(found: Fidelity) -> str:
    """Write "1,234 [900, 1,800]"; where samples are duplicates no more often than real images, the lower end alone."""
    one = found.modes.number
    if not found.repeats:
        return f"more than {count(round(one.low))}"
    return f"{count(round(one.value))} [{count(round(one.low))}, {count(round(one.high))}]"


def _finding(found: Fidelity) -> str:
    ours, real = found.samples, found.baseline
    sizes = f"n = {count(ours.fake)} samples, {count(ours.real)} held-out images"
    text = f"In {found.features}, samples lie at a Fréchet distance of {brackets(ours.frechet, 3)} from held-out images"
    if real is None:
        return f"{text}, of which {figure(ours.coverage)} have a sample near ({sizes}); nothing stands beside it."
    return f"{text}, where training images lie at {brackets(real.frechet, 3)}{_verdict(found, real)} ({sizes})."


def _details(found: Fidelity) -> str:
    """Say by how much, whether samples are copies, and whether they repeat themselves."""
    if found.baseline is None:
        return ""
    covered = f"{figure(found.samples.coverage)} of held-out images have a sample near"
    beside = f"of training images {percent(found.baseline.coverage.value)}"
    both = [f"{name} {values}" for name, values in apart(found.samples, found.baseline) if values]
    differ = f"; apart {'is' if len(both) == 1 else 'are'} {listed(both)}" if both else ""
    return f"{covered} ({beside}){_copied(found.copying)}{_repeated(found)}{differ}."


def _verdict(found: Fidelity, real: Distances) -> str:
    """Name the figures that differ from those of real images; no clear difference shows where none does."""
    if differ := [name for name, _ in apart(found.samples, real)]:
        those = "differs clearly from that" if len(differ) == 1 else "differ clearly from those"
        return f"; {listed(differ)} {those} of training images"
    off = found.copying is not None and not found.copying.closer.low <= 0.5 <= found.copying.closer.high
    return "" if off or _repeated(found) else ", and other figures are alike too, so no clear difference shows"


def apart(ours: Distances, real: Distances) -> list[tuple[str, str]]:
    """Figures that differ, with all of them counted (Holm), and both values where no other sentence says them."""
    named: tuple[tuple[str, Interval, Interval, Callable[[Interval], str] | None], ...] = (
        ("the Fréchet distance", ours.frechet, real.frechet, None),
        ("the kernel distance", ours.kernel, real.kernel, lambda one: brackets(one, 4)),
        ("precision", ours.precision, real.precision, figure),
        ("recall", ours.recall, real.recall, figure),
        ("density", ours.density, real.density, brackets),
        ("coverage", ours.coverage, real.coverage, None),
    )
    p = holm(np.array([difference_p(unpaired(mine, theirs)) for _, mine, theirs, _ in named]))
    return [
        (name, "" if write is None else f"({write(mine)}, training images {write(theirs)})")
        for (name, mine, theirs, write), value in zip(named, p, strict=True)
        if value <= SIGNIFICANT
    ]


def _copied(found: Copying | None) -> str:
    if found is None:
        return ""
    if found.closer.high < 0.5:
        off = f"P = {brackets(found.closer)}, 0.5 by chance"
        return f", and samples lie farther from training images than new images do ({off})"
    if found.closer.low <= 0.5:
        return ", and samples lie no nearer to training images than new images do"
    return (
        f", and samples lie nearer to training images than new images do (P = {brackets(found.closer)}, 0.5 by chance; "
        f"{count(found.copies)} of {count(found.samples)} nearer than 99\u00a0% of these)"
    )


def _repeated(found: Fidelity) -> str:
    """Say that samples repeat themselves, where duplicates show it."""
    if not found.repeats:
        return ""
    one, other = found.modes, found.real_duplicates
    return (
        f"; duplicates tell of about {_different(found)} different samples ({count(one.pairs)} pairs of "
        f"{count(one.rows)}, of {count(other.rows)} {_others(found)} {count(other.pairs)})"
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
    rows = [(name, *(show(getattr(one, key)) for _, one in columns)) for name, key, show in names]
    rows.append(("Fréchet distance, as it is", *(f"{one.frechet_plain:.3f}" for _, one in columns)))
    rows.append(("rows, real and compared", *(f"{one.real:,}, {one.fake:,}" for _, one in columns)))
    yield f"distances in {result.features} (not FID)", ("figure", *(name for name, _ in columns)), rows
    outcome = result.copying
    if outcome is not None:
        rows = [
            ("P(nearer to a train row than held-out rows are); 0.5 copies nothing", plain(outcome.closer)),
            ("median distance to train over that of held-out rows", plain(outcome.ratio)),
            ("samples nearer than 99 % of held-out rows (1 % expected)", f"{outcome.copies:,} of {outcome.samples:,}"),
        ]
        yield "copies of training images", ("figure", "value"), rows
    one, other = result.modes, result.real_duplicates
    kind = "real train rows" if result.baseline else "held-out rows"
    counted = [
        ("samples", different(one, result.repeats), f"{one.pairs:,}", f"{one.rows:,}"),
        (f"  {kind}", "–", f"{other.pairs:,}", f"{other.rows:,}"),
    ]
    title = f"different samples by duplicate pairs (nearer than {one.threshold:.3g}, as 1 % of held-out rows are)"
    yield title, ("source", "number", "pairs", "rows"), counted


def different(one: Any, repeats: bool) -> str:
    """'50  [41, 64]', or where samples are duplicates no more often than real rows, or never, the lower end alone."""
    return plain(one.number, 0) if repeats else f"more than {one.number.low:,.0f}"
