"""Results as tables for a terminal. What comes from the data (names, labels) is text, never markup."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .statistics import Interval, wilson

if TYPE_CHECKING:
    from rich.console import Console

    from .statistics import Baseline

COLUMNS = 5  # of sizes that stand side by side
REFERENCE_ROWS = 100  # at which differences of numbers are shown
Block = tuple[str, Sequence[str], Sequence[Sequence[str]]]  # title, header, rows


def clean(text: object) -> str:
    """Replace what a terminal would act on (escape sequences, line breaks) by a dot."""
    return "".join(c if c.isprintable() else "·" for c in str(text))


def percent(figure: Interval | None) -> str:
    """'94.1 %  [93.6, 94.5]', or a dash."""
    if figure is None or math.isnan(figure.value):
        return "–"
    if math.isnan(figure.low):
        return f"{100 * figure.value:.1f} %{_none(figure)}"
    return f"{100 * figure.value:.1f} %  [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def plain(figure: Interval | None, digits: int = 3) -> str:
    """'0.941  [0.936, 0.945]', or a dash."""
    if figure is None or math.isnan(figure.value):
        return "–"
    if math.isnan(figure.low):
        return f"{figure.value:.{digits}f}{_none(figure)}"
    return f"{figure.value:.{digits}f}  [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _none(figure: Interval) -> str:
    """Mark a figure that has no interval for a reason, which stands below the tables."""
    return "  [none]" if figure.reason else ""


def reasons(result: Any) -> list[str]:
    """Why figures of a result have no interval, each reason once."""
    if isinstance(result, Interval):
        return [result.reason] if result.reason else []
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, list | tuple):
        return list(dict.fromkeys(reason for item in result for reason in reasons(item)))
    return []


def points(figure: Interval) -> str:
    """'+6.1  [+5.0, +7.2]' percentage points."""
    return f"{100 * figure.value:+.1f}  [{100 * figure.low:+.1f}, {100 * figure.high:+.1f}]"


def show(result: Any, console: Console) -> None:
    """Print a result's tables, each with n and 95 % intervals, then its notes."""
    for title, header, rows in _tables(result):
        console.print(_table(title, header, rows))
    for reason in reasons(result):
        console.print(f"[none] {clean(reason)}", style="dim", markup=False, highlight=False)
    for note in result.notes:
        console.print(f"note: {clean(note)}", style="dim", markup=False, highlight=False)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(clean(title)), title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for i, name in enumerate(header):
        title_cell = Text(clean(name))  # never markup
        table.add_column(title_cell, justify="left" if i == 0 else "right", overflow="fold" if i == 0 else "ellipsis")
    for row in rows:
        own = row[0].startswith("  ")  # yardsticks are indented and dim
        table.add_row(*(Text(clean(cell)) for cell in row), style="dim" if own else "")
    return table


def _tables(result: Any) -> Iterator[Block]:
    from . import terminal_more

    kind = type(result).__name__.lower()
    more = {"priorcomparison": "prior"}.get(kind, kind)
    yield from (globals().get(f"_{kind}") or getattr(terminal_more, more))(result)


def _named(name: str, baseline: bool) -> str:
    return f"  {name}" if baseline else name


def _probetable(result: Any) -> Iterator[Block]:
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


def _efficiency(result: Any) -> Iterator[Block]:
    told = f" beyond the {result.told:,} that the networks were told" if result.told else ""
    number = result.metric == "R2"
    write, by = (partial(plain, digits=2), "labelled rows") if number else (percent, "labels a class")
    for start in range(0, len(result.curve), COLUMNS):
        shown = result.curve[start : start + COLUMNS]
        names = dict.fromkeys(name for few in shown for name in few.representations)
        baseline = {name: base for few in shown for name, base in zip(few.representations, few.baselines, strict=True)}
        rows = [(_named(name, baseline[name]), *(write(_at(few, name)) for few in shown)) for name in names]
        if any(few.shuffled for few in shown):
            rows.append(("  labels shuffled", *(write(few.shuffled) for few in shown)))
        read = "R² of ridge" if number else "logistic accuracy"
        title = f"{result.target}: {read} on {shown[0].n_test:,} test rows by {by}{told}"
        yield title, ("representation", *map(_drawn, shown)), rows
    at = REFERENCE_ROWS if number else 10
    for few in result.curve:
        show = partial(plain, digits=2) if number else points
        paired = [(f"{d.representation} − {d.baseline}", show(d.difference)) for d in few.differences]
        if paired and few.per_class == min((one.per_class for one in result.curve), key=lambda k: abs(k - at)):
            drawn = f"all {few.labels:,} labels" if few.everything else f"{few.per_class} {by}"
            unit = f"of {result.target}, R²" if number else "in points"
            yield f"difference with {drawn}, {unit}, paired", ("pair", "mean"), paired
    most = result.curve[-1].per_class
    needs = [
        (f"{one.representation}, {one.per_class}{'' if number else ' a class'}", one.baseline,
         labels_a_class(one.needed, most))
        for one in result.needed
    ]  # fmt: skip
    if needs:
        of = f" of {result.target}" if number else ""
        yield f"{by}{of} that a yardstick needs to be read as well", ("read from", "yardstick", "needs"), needs
    for attribute in result.attributes:
        yield from _efficiency(attribute)


def _at(few: Any, name: str) -> Interval | None:
    return few.scores[few.representations.index(name)] if name in few.representations else None


def _drawn(few: Any) -> str:
    if few.everything:
        return f"all {few.labels:,}"
    return f"{few.per_class:,} ({len(few.accuracy[0])} draws)"


def labels_a_class(needed: Interval, most: int) -> str:
    """'62  [45, 80]' labels a class; what lies beyond `most`, all labels, is said so."""
    low, value, high = (
        f"{end:.3g}" if not math.isnan(end) else f"more than {most:,}"
        for end in (needed.low, needed.value, needed.high)
    )
    return value if low == value == high else f"{value}  [{low}, {high}]"


def _score(probe: Any) -> str:
    if probe is None:
        return "–"
    return plain(probe.score, 2) if probe.metric == "R2" else percent(probe.score)


def _short(figure: Interval) -> str:
    return f"{100 * figure.value:.1f} %"


def _neighbours(result: Any) -> Iterator[Block]:
    rows = [
        (_named(t.representation, t.baseline), percent(t.agreement), str(t.agreement.n if t.agreement else 0))
        for t in result.tables
    ]
    chance = "" if math.isnan(result.chance) else f" (chance {100 * result.chance:.1f} %)"
    title = f"share of the {result.k} nearest train images that have the label{chance}"
    yield title, ("representation", "agreement", "n"), rows


def _mixture(result: Any) -> Iterator[Block]:
    own = [c.bic for c in result.candidates if (c.components, c.covariance) == (result.components, result.covariance)]
    best = own[0] if own else min(c.bic for c in result.candidates)
    sound = [c for c in result.candidates if c.sound] or result.candidates
    akaike = min(c.aic for c in sound)
    rows = [
        (
            f"{c.components} {c.covariance}", f"{c.bic - best:.0f}", f"{c.aic - akaike:.0f}",
            "–" if math.isnan(c.held_out) else f"{c.held_out:.2f}",
            f"{c.floored} of {c.components}: {'confirmed' if c.confirmed else 'not to be chosen'}" if c.floored else "",
        )
        for c in sorted(result.candidates, key=lambda c: (c.components, c.covariance))
    ]  # fmt: skip
    chosen = f"{result.components} component{'s' * (result.components > 1)}"
    title = f"chosen: {chosen}, {result.covariance} covariance, on {result.fitted_on:,} rows"
    yield (
        title,
        ("candidate", "BIC above the chosen", "AIC above the least sound one's", "held-out log p a row", "degenerate"),
        rows,
    )
    if result.separation is not None and result.components > 1:
        rows_of = "of a half, by a mixture of the other" if result.separation.refitted else "not fitted to"
        separate = (f"{result.separation.groups}", f"{result.separation.rows:,}")
        yield f"groups of components with a valley between them, in rows {rows_of}", ("groups", "n"), [separate]
    if result.again is not None:
        again = ("adjusted Rand index (by chance 0)", plain(result.again), f"{result.again.n:,}")
        yield "the same on two halves of the rows, agreement on others", ("score", "value", "n"), [again]
    if result.by_class is not None:
        yield _by_class(result.by_class)
    found = result.agreement
    if found is None:
        return
    scores = [
        ("NMI", plain(found.nmi), f"{found.shuffled_nmi:.3f}", f"{found.nmi.n:,}"),
        ("adjusted Rand index", plain(found.ari), f"{found.shuffled_ari:.3f}", f"{found.ari.n:,}"),
        ("purity", plain(found.purity), f"{found.shuffled_purity:.3f}", f"{found.purity.n:,}"),
    ]
    scores += [(f"  NMI on {b.name}", plain(b.figure), "", f"{b.figure.n:,}") for b in found.baselines]
    yield "agreement of components with labels", ("score", "value", "shuffled labels", "n"), scores


def _by_class(result: Any) -> Block:
    rows = [
        (name, f"{k} {shape}", f"{n:,}")
        for name, k, shape, n in zip(
            result.classes, result.components.tolist(), result.covariances, result.rows.tolist(), strict=True
        )
    ]
    named = f"Bayes' rule names {percent(result.accuracy)} of {result.accuracy.n:,} other rows right"
    beside = "".join(f", on {one.name} {percent(one.figure)}" for one in result.baselines)
    title = f"a mixture for each class; {named}{beside}, of shuffled labels {100 * result.shuffled:.1f} %"
    return title, ("class", "components", "train rows"), rows


def _maps(result: Any) -> Iterator[Block]:
    rows = [
        (m.method, plain(m.trustworthiness), f"{m.random:.3f}", percent(m.accuracy), percent(m.full_accuracy),
         f"{m.trustworthiness.n:,}")
        for m in result.maps
    ]  # fmt: skip
    header = ("map", "trustworthiness", "shuffled", "1-NN on the map", "1-NN in the code", "n")
    chance = next((m.chance for m in result.maps), math.nan)
    random = "" if math.isnan(chance) else f" (1-NN by chance {100 * chance:.1f} %)"
    yield f"maps of the code{random}", header, rows


def _reconstruction(result: Any) -> Iterator[Block]:
    rows = [("this model", plain(result.ratio), f"{result.ratio.n:,}")]
    rows += [(f"  {b.name}", plain(b.figure), f"{b.figure.n:,}") for b in result.baselines]
    title = "reconstruction error / error against another image (0 perfect, 1 useless)"
    yield title, ("reconstruction", "ratio", "n"), rows


def _codes(result: Any) -> Iterator[Block]:
    for one in result.categories:
        title = f"{one.part}: {plain(one.effective, 2)} of {len(one.counts)} {one.nouns} in use, {result.rows:,} rows"
        named = one.matching.names if one.matching else [-1] * len(one.counts)
        rows = [
            (str(k + 1), result.classes[name] if name >= 0 else "–", percent(wilson(int(n), result.rows)), f"{n:,}",
             f"{percent(pure)} of {pure.n:,}" if pure.n else "–", _made_of(one.table[k], result.classes))
            for k, (n, name, pure) in enumerate(zip(one.counts, named, one.purities, strict=True))
        ]  # fmt: skip
        yield title, (one.noun, "stands for", "usage", "n", "purity", "its labels"), rows
        judged = (
            ("accuracy", one.matching, one.baselines),
            ("accuracy, named by one image each, the most confident", one.confident, one.confident_baselines),
            ("accuracy, one category a label, the others wrong", one.assigned, one.assigned_baselines),
        )
        figures = [(name, matching.accuracy, beside) for name, matching, beside in judged if matching]
        if one.purity:
            figures.append(("purity", one.purity, one.purity_baselines))
        scores = [row for name, figure, beside in figures for row in _beside(name, figure, beside)]
        if one.shared:
            scores += [("mutual information (NMI)", plain(one.shared), f"{one.shared.n:,}")]
            scores += [("  shuffled", f"{one.shuffled:.3f}", f"{one.shared.n:,}")]
        how = ""
        if one.matching:
            rule = "by majority" if one.matching.rule == "majority" else one.matching.rule
            how = f", matched {rule} on {one.matching.n_matched:,} other rows"
            if one.told:
                how = f", class k against label k: the network was told {one.told:,} labels"
        if scores:
            yield f"{one.part} and labels{how}", ("score", "value", "n"), scores
    if result.sweeps:
        swept = [(f"{s.part} {s.dimension + 1}", plain(s.effect), f"{s.effect.n}") for s in result.sweeps[:16]]
        swept += [(f"  {b.name}", plain(b.figure), f"{b.figure.n}") for b in result.baselines]
        shown, there = min(16, len(result.sweeps)), len(result.sweeps)
        of = f"the {shown} largest of {there} continuous numbers" if there > shown else "each continuous number"
        yield f"effect of {of} on the image (1: as unrelated codes)", ("number", "effect", "codes"), swept


def _beside(name: str, figure: Interval, baselines: Sequence[Baseline]) -> Iterator[tuple[str, str, str]]:
    names = {"pixels": "k-means on pixels"}
    yield name, percent(figure), f"{figure.n:,}"
    for b in baselines:
        yield f"  {names.get(b.name, b.name)}", percent(b.figure), f"{b.figure.n:,}"


def _made_of(counts: Any, classes: Sequence[str]) -> str:
    """'3: 97 %, 5: 2 %': the commonest labels of a category, at most three."""
    total = max(1, int(counts.sum()))
    top = sorted(range(len(counts)), key=lambda c: -int(counts[c]))[:3]
    return ", ".join(f"{classes[c]}: {100 * counts[c] / total:.0f} %" for c in top if counts[c]) or "–"
