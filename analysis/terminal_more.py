"""Tables for a terminal of concepts, paths, geometry, prior, disentanglement, comparison, fidelity, edits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .statistics import at_floor
from .terminal import Block, percent, plain
from .terminal_runs import side_by_side

LEAKS = 10  # judges side by side
PAIRS = 12  # concepts that go together


def concepttable(result: Any) -> Iterator[Block]:
    """The best direction of each concept, the evidence for it, every method, what was freed, what no label told."""
    best = result.best
    for metric in dict.fromkeys(one.metric for one in best):
        mine = [one for one in best if one.metric == metric]
        names = list(dict.fromkeys(b.name for one in mine for b in one.baselines))
        rows = []
        for one in mine:
            beside = {b.name: f"{b.figure.value:.3f}" for b in one.baselines}
            rows.append((one.name, one.method, plain(one.score), *(beside.get(n, "–") for n in names),
                         f"{one.score.n:,}"))  # fmt: skip
        header = ("concept", "found by", metric, *names, "n")
        yield f"the best direction of each concept: {metric} on test rows, 95 % interval", header, rows
    evidence = [
        (one.name, _chance(one.p_value), _chance(one.q_value), plain(one.stability, 2),
         plain(one.shuffled_stability, 2), f"{one.agreement:.2f}")
        for one in best
    ]  # fmt: skip
    real = sum(one.stands for one in best)
    title = (
        f"{real} of {len(best)} concepts stand at q <= 0.05 with a 95 % interval above chance, Benjamini–Hochberg over "
        f"{len(best)} concepts"
    )
    yield title, ("concept", "p", "q", "found again", "shuffled labels", "other methods"), evidence
    methods = list(dict.fromkeys(one.method for one in result.concepts))
    each = {(one.name, one.method): f"{one.score.value:.3f}" for one in result.concepts}
    if len(methods) > 1:
        title = "AUC by method, R² of numbers"
        yield title, ("concept", *methods), [(c.name, *(each.get((c.name, m), "–") for m in methods)) for c in best]
    yield from _together(result)
    yield from _freed(result)
    yield from map(_blind, result.unsupervised)


def _together(result: Any) -> Iterator[Block]:
    """Concepts that go together in the rows, so that directions of one hold part of the other's."""
    pairs = [one for one in result.joint.together() if one.unbalanced] if result.joint is not None else []
    if pairs:
        rows = [(*one.names, f"{one.correlation:+.2f}", f"{one.rows:,}") for one in pairs[:PAIRS]]
        many = "1 pair of concepts goes" if len(pairs) == 1 else f"{len(pairs):,} pairs of concepts go"
        title = f"{many} together in the train rows: an edit of one moves the other, but for --keep"
        title += f"; the {PAIRS} strongest" if len(pairs) > PAIRS else ""
        yield title, ("concept", "goes with", "correlation", "n"), rows


def _blind(found: Any) -> Block:
    rows = [
        (name, f"{100 * axis.share:.1f} %", plain(axis.stability, 2), plain(axis.effect, 2),
         axis.concept, plain(axis.auc), _chance(axis.q_value), f"{axis.auc.n:,}")
        for name, axis in zip(found.names, found.axes, strict=True)
    ]  # fmt: skip
    header = ("direction", "share", "found again", "moves the image", "tells best", "AUC", "q", "n")
    title = f"{found.method}, without labels; equal shares would be {100 * found.even:.1f} %"
    if found.axes[0].stability.n:  # mean |cosine| of random directions
        title += f", a cosine of {math.sqrt(2 / math.pi * found.even):.2f} is chance"
    return title, header, rows


def _freed(result: Any) -> Iterator[Block]:
    rows = []
    for free in result.freed:
        before, after = result.concepts[free.source], result.concepts[free.concept]
        own = _moved(*free.moved)
        for kept in free.kept:
            name = kept.name + (" (left out: nearly depends on those before)" if kept.dependent else "")
            told = [f"{round(one.score.value, 2) + 0:.2f}" for one in (before, after)]
            cosine = [f"{round(one, 2) + 0:.2f}" for one in kept.cosine]
            rows.append(
                (after.name, name, own, _moved(*kept.moved), " → ".join(told), " → ".join(cosine), f"{after.score.n:,}")
            )
    if rows:
        header = ("direction", "kept", "a dose moves it by", "and the kept by", "tells its own", "cosine", "n")
        title = (
            "directions that keep others, before → after: change by a dose, in sd on test rows; AUC, of numbers R², "
        )
        yield title + "afterwards within strata of the kept", header, rows


def _moved(before: Any, after: Any) -> str:
    """How far a dose moves a concept before, and after with its interval."""
    return f"{_or_dash(before.value, 2)} → {plain(after, 2) if math.isfinite(after.value) else '–'}"


def interpolations(result: Any) -> Iterator[Block]:
    """Midpoints, and kinds of path on the same pairs."""
    paths = "1 path" if len(result.pairs) == 1 else f"{len(result.pairs)} paths"
    title = f"{paths} by {result.along} ({result.reason}) between {result.between}"
    if result.midpoint is None:
        yield title, ("path",), [(" → ".join(pair),) for pair in result.labels.tolist()]
    else:
        rows = [("decoded midpoints", plain(result.midpoint), f"{result.midpoint.n:,}")]
        rows += [(f"  {b.name}", plain(b.figure), f"{b.figure.n:,}") for b in result.baselines]
        yield title, ("distance to the nearest real image", "mean", "n"), rows
    if result.kinds:
        kinds = [
            (f"  {k.name}" if k.baseline else k.name, plain(k.length, 2), plain(k.ratio), plain(k.straightness),
             plain(k.off_norm, 2), plain(k.score, 2), f"{k.length.n:,}")
            for k in result.kinds
        ]  # fmt: skip
        header = ("kind of path", "length in images", "/ lerp", "straightness", "off the norm", "discriminator", "n")
        yield "the same pairs along each kind of path", header, kinds


def robustness(result: Any) -> Iterator[Block]:
    """Accuracy at each ε, a reader and an attack a row."""
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": "PGD"}
    for method, name in names.items():
        rows = [
            (f"  {one.name}" if one.baseline else one.name, *(percent(figure) for figure in one.accuracy),
             f"{one.accuracy[0].n:,}")
            for one in (*result.disturbed, *result.readers) if one.method == method
        ]  # fmt: skip
        if rows:
            header = ("probe of", *(f"ε = {float(epsilon):g}" for epsilon in result.epsilons), "n")
            yield f"accuracy under {name} by the largest change of a pixel, 95 % interval", header, rows


def geometry(result: Any) -> Iterator[Block]:
    """Dimensions and hubs, a representation a row."""
    rows: list[tuple[str, ...]] = [
        (f"  {s.representation}" if s.baseline else s.representation, str(s.width), plain(s.two_nn, 1), plain(s.mle, 1),
         plain(s.participation, 1), plain(s.hubness, 2), f"{s.rows:,}")
        for s in result.shapes
    ]  # fmt: skip
    if result.null:
        figures = [plain(b.figure, 2 if b.name == "hubness" else 1) for b in result.null]
        rows.insert(1, ("  independent numbers", rows[0][1], *figures, f"{result.null[0].figure.n:,}"))
    header = ("representation", "width", "dimension, TwoNN", "dimension, MLE", "participation", "hubness", "n")
    yield "the shape of the codes, 95 % interval", header, rows


def prior(result: Any) -> Iterator[Block]:
    """Codes beside draws, a part after the other."""
    for part in result.parts:
        rows = [
            ("codes and draws", f"{part.codes.wasserstein:.3f}", f"{part.codes.wasserstein_p:.3f}",
             f"{part.codes.mmd:.2e}", f"{part.codes.mmd_p:.3f}", f"{len(part.codes.rejected)} of {len(part.codes.ks)}",
             f"{part.codes.n:,}"),
            ("  draws and draws", f"{part.null.wasserstein:.3f}", f"{part.null.wasserstein_p:.3f}",
             f"{part.null.mmd:.2e}", f"{part.null.mmd_p:.3f}", f"{len(part.null.rejected)} of {len(part.null.ks)}",
             f"{part.null.n:,}"),
        ]  # fmt: skip
        header = ("compared", "sliced Wasserstein", "p", "MMD²", "p", "numbers that differ", "n")
        yield f"{part.name} beside its {part.kind} prior", header, rows


def disentanglement(result: Any) -> Iterator[Block]:
    """Scores beside shuffled factors, random rotations, and other codes."""
    names = list(dict.fromkeys(b.name for s in result.scores for b in s.baselines))
    rows = []
    for one in result.scores:
        beside = {b.name: f"{b.figure.value:.3f}" for b in one.baselines}
        rows.append((one.name, plain(one.value), f"{one.shuffled:.3f}", f"{one.p_value:.3f}",
                     *(beside.get(name, "–") for name in names), f"{one.value.n:,}"))  # fmt: skip
    title = f"single numbers and single factors ({', '.join(result.factors)}), {result.rows:,} rows"
    yield title, ("score", "value", "shuffled factors", "p", *names, "n"), rows


def comparisons(result: Any) -> Iterator[Block]:
    """Runs side by side, similarities beside yardsticks and shuffled rows, then concepts carried over."""
    if result.runs is not None:
        yield from side_by_side(result.runs)
    beside = {one.names[1]: {s.name: s.value for s in one.similarities} for one in result.yardsticks}
    told = {one.names[1]: {t.name: t.there.value for t in one.transfers} for one in result.yardsticks if one.transfers}
    for one in result.pairs:
        rows = [
            (s.name, plain(s.value), *(_or_dash(known[s.name].value) for known in beside.values()),
             _or_dash(s.shuffled), _bound(s.p_value, s.shuffles), f"{s.value.n:,}")
            for s in one.similarities
        ]  # fmt: skip
        header = ("figure", "value", *beside, "shuffled rows", "p", "n")
        yield f"{one.names[0]} and {one.names[1]}", header, rows
        carried = [
            (
                t.name,
                plain(t.there),
                plain(t.here),
                plain(t.own),
                plain(t.shuffled),
                _bound(t.p_value, t.shuffled.n),
                *(_or_dash(known[t.name]) if t.name in known else "–" for known in told.values()),
                f"{t.there.n:,}",
            )
            for t in one.transfers
        ]
        if carried:
            to = [f"to {name}" for name in told]
            header = ("concept", "carried over", "at home", "found there", "shuffled maps", "p", *to, "n")
            yield "AUC of directions of the first in the second, on the other half of the rows", header, carried


def _or_dash(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _bound(p: float, shuffles: int) -> str:
    """Write p; where none of so many shuffles did as well it may be less than is said."""
    return f"{'≤ ' if at_floor(p, shuffles) else ''}{_or_dash(p)}"


def fidelity(result: Any) -> Iterator[Block]:
    """Distances and shares beside real rows, then repetition."""
    columns = [("samples", result.samples), *([("real train rows", result.yardstick)] if result.yardstick else [])]
    names = (
        ("Fréchet distance, at infinitely many rows", "frechet", plain), ("kernel distance", "kernel", plain),
        ("precision", "precision", percent), ("recall", "recall", percent), ("density", "density", plain),
        ("coverage", "coverage", percent),
    )  # fmt: skip
    rows = [(name, *(show(getattr(one, key)) for _, one in columns)) for name, key, show in names]
    rows.append(("Fréchet distance, as it is", *(f"{one.frechet_plain:.3f}" for _, one in columns)))
    rows.append(("rows, real and compared", *(f"{one.real:,}, {one.fake:,}" for _, one in columns)))
    yield f"distances in {result.features} (not FID)", ("figure", *(name for name, _ in columns)), rows
    found = result.copying
    if found is not None:
        rows = [
            ("P(nearer to a train row than held-out rows are); 0.5 copies nothing", plain(found.closer)),
            ("median distance to train over that of held-out rows", plain(found.ratio)),
            ("samples nearer than 99 % of held-out rows (1 % expected)", f"{found.copies:,} of {found.samples:,}"),
        ]
        yield "copies of training images", ("figure", "value"), rows
    one, other = result.modes, result.real_duplicates
    kind = "real train rows" if result.yardstick else "held-out rows"
    counted = [
        ("samples", different(one, result.repeats), f"{one.pairs:,}", f"{one.rows:,}"),
        (f"  {kind}", "–", f"{other.pairs:,}", f"{other.rows:,}"),
    ]
    title = f"different samples by duplicate pairs (nearer than {one.threshold:.3g}, as 1 % of held-out rows are)"
    yield title, ("source", "number", "pairs", "rows"), counted


def different(one: Any, repeats: bool) -> str:
    """'50  [41, 64]', or where samples are duplicates no more often than real rows, or never, the lower end alone."""
    return plain(one.number, 0) if repeats else f"more than {one.number.low:,.0f}"


def verification(result: Any) -> Iterator[Block]:
    """What each concept does beside random directions, then what else changes."""
    tests = len(result.judged)
    rows: list[tuple[str, ...]] = []
    proven = {one.name for one in result.proven}
    for one in result.judged:
        p = f"{'≤ ' if result.floored(one) else ''}{one.p_value:.3f}"
        counts = "yes" if one.name in proven else "no: does not hold" if not one.holds else "no"
        figures = (plain(one.spearman, 2), percent(one.success), percent(one.kept_one), f"{one.effect.n:,}")
        rows.append((result.told(one), plain(one.effect, 2), p, counts, *figures))
        if result.shuffles:
            beside = plain(one.effect_shuffled, 2)
            rows.append(("  of shuffled labels", beside, "", "", "", "", "", f"{result.shuffles:,}"))
        rows.append(("  random directions", plain(one.effect_random, 2), "", "", plain(one.spearman_random, 2),
                     percent(one.success_random), percent(one.kept_one_random), f"{result.draws:,}"))  # fmt: skip
    header = ("edited along", "effect", "p", "proven", "rank correlation", "success", "class kept at ±1", "n")
    title = f"edits of {result.n:,} held-out images, effects in sd of real images by one sd along the concept"
    title += f"; p is corrected for {tests:,} concepts, {len(proven):,} proven"
    alone = len(result.responses) - tests
    title += f"; nobody judges {alone:,} more" if alone else ""
    title += f"; {result.left_out:,} left out" if result.left_out else ""
    yield title, header, rows
    for start in range(0, len(result.scores), LEAKS):
        part = range(start, min(start + LEAKS, len(result.scores)))
        cells = [
            (one.name, *(_leak(result, i, j, j == one.score) for j in part)) for i, one in enumerate(result.responses)
        ]
        title = "change of each judge (· more than directions of shuffled labels do, false discovery rate 5 %)"
        yield title, ("edited along", *(result.scores[j].name for j in part)), cells


def _leak(result: Any, i: int, j: int, own: bool) -> str:
    value = f"{result.leakage[i, j]:+.2f}"
    return f"[{value}]" if own else f"{value} ·" if result.leaks[i, j] else f"{value}  "
