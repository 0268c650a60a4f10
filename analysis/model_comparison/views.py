"""The section on other models: side by side, whether they arrange the same images alike, and share concepts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.baselines import representation_role
from ..base.statistics import SIGNIFICANT, Interval, at_floor, difference_p, false_discovery, unpaired
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Disclosure, Estimate, Mark, Prose, Section, Table, missing, one_of
from ..report.estimate_rows import brackets, by_group, estimate, readable, stated
from ..report.formatting import count, listed, number, p_value, plural, quoted, sentence
from ..terminal import TextTable, number_or_dash, plain
from . import ranking_views as runs
from .ranking_views import ranking_tables
from .similarity import SHUFFLED_MAPS

if TYPE_CHECKING:
    from .similarity import Comparison as Pair
    from .similarity import Comparisons, Similarity, Transfer


MEANING = {
    "linear CKA": "likeness of the arrangement up to rotation and scale, weighted towards directions of much variance, "
    "by the unbiased estimator: 0 in the mean for independent codes of any width",
    "RSA": "rank correlation of all distances between rows",
    "orthogonal Procrustes R²": "variance of the other that a rotation of this code explains on rows not fitted to",
    "linear map R²": "variance of the other that a linear map of this code explains on rows not fitted to",
}


def section(context: ReportContext) -> Section:
    """This model's code beside those of others, and beside pixels, PCA and the untrained network."""
    result: Comparisons | None = context.results.get("model_comparison")
    if result is None or not result.pairs:
        note = "None yet: latentgan compare TABLE OTHER… --out RESULTS compares codes of the same images."
        return missing("model_comparison", "Other models", context.refusal("model_comparison") or note)
    carried: list[tuple[str, tuple[Block, ...]]] = [
        (pair.names[1], (_transfers(pair, result.baselines), Disclosure("Every figure", (_details(pair),))))
        for pair in result.pairs
        if pair.transfers
    ]
    ranking_text, alike = runs.finding(result.runs) if result.runs is not None else "", _finding(result)
    blocks: list[Block] = runs.side_by_side(result.runs) if result.runs is not None else []
    blocks += [Prose(alike)] if ranking_text else []
    blocks += [_similarities(result), *one_of("carried", "Concepts carried over to", carried)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return stated(
        "model_comparison", "Other models", (ranking_text or alike, sentence(result.training_rows_note)), blocks
    )


def _similarities(comparisons: Comparisons) -> Block:
    """Every figure of alikeness, the other models above the baselines."""
    rows: list[Estimate] = []
    for name in [similarity.name for similarity in comparisons.pairs[0].similarities]:
        for pair in (*comparisons.pairs, *comparisons.baselines):
            similarity = next(each for each in pair.similarities if each.name == name)
            if math.isnan(similarity.value.value):
                continue
            role = representation_role(pair.names[1]) if pair in comparisons.baselines else "ours"
            marks = (Mark("chance", similarity.shuffled, "shuffled rows"),)
            label = readable(pair.names[1]) if pair in comparisons.baselines else pair.names[1]
            rows.append(estimate(label, similarity.value, role, group=name, marks=marks))
    meanings = "; ".join(f"{name}: {text}" for name, text in MEANING.items())
    caption = (
        f"How alike {comparisons.pairs[0].names[0]} and each of these arrange the same images, 1 for the same "
        f"arrangement. {sentence(meanings)} Small marks are shuffled rows. Raw pixels, their PCA and the untrained "
        "network show how much of it two models have in common because they saw the same images. Rotations and maps "
        "of wide codes are fitted to more numbers, and explain less of other rows than they would if they were "
        "fitted to more."
    )
    ends = min(0.0, *(row.value for row in rows)), 1.0
    return by_group("alike", "Figure", tuple(rows), caption, "number", "linear CKA", ends, 3)


def _transfers(pair: Pair, baselines: tuple[Pair, ...]) -> Comparison:
    baseline_aucs = [
        (each.names[1], {transfer.name: transfer.transferred_auc.value for transfer in each.transfers})
        for each in baselines
    ]
    marks = {
        transfer.name: (
            Mark("chance", transfer.shuffled.value, "shuffled maps"),
            *(
                Mark(representation_role(name), aucs[transfer.name], readable(name))
                for name, aucs in baseline_aucs
                if transfer.name in aucs
            ),
        )
        for transfer in pair.transfers
    }
    rows = tuple(
        estimate(
            transfer.name,
            transfer.transferred_auc,
            marks=marks[transfer.name],
            note=f"in its own code {number(transfer.source_auc.value, 3)}, {p_value(transfer.p_value, SHUFFLED_MAPS)}",
        )
        for transfer in pair.transfers
    )
    caption = (
        f"AUC of directions of {pair.names[0]} in {pair.names[1]}, carried over by a linear map that was fitted to the "
        "codes of other rows without a label: 0.5 is chance, and its AUC in its own code is the most to expect. "
        f"Small marks are the mean of {SHUFFLED_MAPS} maps fitted to shuffled rows; p counts those that carry as much."
    )
    if any(aucs for _, aucs in baseline_aucs):
        caption += (
            " Further marks are the same directions carried over to baselines in place of the other code: what the "
            "images alone share."
        )
    return Comparison(rows=rows, caption=caption, scale="number", axis=(0.0, 1.0), digits=3)


def _details(pair: Pair) -> Table:
    rows = tuple(
        (
            transfer.name,
            *(
                brackets(each, 3)
                for each in (transfer.transferred_auc, transfer.source_auc, transfer.target_auc, transfer.shuffled)
            ),
            count(transfer.transferred_auc.n),
        )
        for transfer in pair.transfers
    )
    caption = (
        "The same directions in their own code, directions fitted in the other code itself, and maps of shuffled rows."
    )
    return Table(
        columns=("concept", "transferred", "in its own code", "fitted in the other", "shuffled maps", "n"),
        rows=rows,
        caption=caption,
    )


def carries(transfers: Sequence[Transfer]) -> list[bool]:
    """Whether each direction predicts its concept in both codes, in the other one better than by shuffled maps.

    Corrected for the number of concepts: q by Benjamini–Hochberg.
    """
    q = false_discovery(np.array([transfer.p_value for transfer in transfers], np.float64))
    return [
        transfer.source_auc.low > 0.5 and transfer.transferred_auc.low > 0.5 and bool(value <= SIGNIFICANT)
        for transfer, value in zip(transfers, q, strict=True)
    ]


def _first(pair: Pair) -> Similarity:
    return pair.similarities[0]


def _finding(comparisons: Comparisons) -> str:
    """State the model that is most alike beside the baselines, the others, and how many concepts carry over."""
    best = max(comparisons.pairs, key=lambda pair: _first(pair).value.value)
    similarity, other_pairs = _first(best), [pair for pair in comparisons.pairs if pair is not best]
    chosen = f"best of {count(len(comparisons.pairs))}, " if other_pairs else ""
    listing = [f"with {quoted(pair.names[1])} {brackets(_first(pair).value)}" for pair in other_pairs]
    listing += [f"with shuffled rows {number(similarity.shuffled)}"]
    listing += [f"with {_baseline(pair)} {brackets(_first(pair).value)}" for pair in comparisons.baselines]
    first_name, name = best.names
    figures = f"{chosen}{similarity.name} {brackets(similarity.value)}, n = {count(similarity.value.n)}"
    verdict_text = verdict(similarity, comparisons.baselines, len(comparisons.pairs))
    return (
        f"The codes of {quoted(first_name)} and {quoted(name)} {verdict_text} ({figures}); "
        f"{quoted(first_name)} {listed(listing)}{_carried(comparisons)}."
    )


def verdict(similarity: Similarity, baselines: tuple[Pair, ...], models: int) -> str:
    """Say whether a pair is alike, and more than baselines are, where it is the most alike of several models.

    That it was chosen among so many is corrected for (Bonferroni); where no shuffle is as alike, which says no more
    than that p is small, by the p-value of its interval. It is closer than the baselines where it is so than each.
    """
    above = difference_p(
        Interval(
            similarity.value.value - similarity.shuffled,
            similarity.value.low - similarity.shuffled,
            math.inf,
            similarity.value.n,
        )
    )
    p = above if at_floor(similarity.p_value, similarity.shuffles) else max(similarity.p_value, above)
    if similarity.p_value > SIGNIFICANT or models * p > SIGNIFICANT or similarity.value.value <= similarity.shuffled:
        return "arrange the same images no more alike than shuffled rows"
    closer, level = [], []
    for pair in baselines:
        gap = unpaired(similarity.value, _first(pair).value)
        is_clear = models * difference_p(gap) <= SIGNIFICANT
        if gap.value <= 0 and is_clear:
            closer.append(_baseline(pair))
        elif not is_clear:
            level.append(_baseline(pair))
    if closer:
        return f"arrange the same images alike, but the first is closer to {listed(closer)}"
    if level:
        return f"arrange the same images alike, but the first is as close to {listed(level)}"
    return "arrange the same images alike" + (", closer than any baseline" if baselines else "")


def _baseline(pair: Pair) -> str:
    name = pair.names[1]
    return "its own network untrained" if representation_role(name) == "untrained" else readable(name)


def _carried(comparisons: Comparisons) -> str:
    transfers = [transfer for pair in comparisons.pairs for transfer in pair.transfers]
    if not transfers:
        return ""
    to = "" if len(comparisons.pairs) == 1 else f" to {plural(len(comparisons.pairs), 'model')}"
    carried = f"{count(sum(carries(transfers)))} of {plural(len(transfers), 'concept')}"
    sentences = [
        f"to {_baseline(baseline)} {count(sum(carries(baseline.transfers)))} of {count(len(baseline.transfers))}"
        for baseline in comparisons.baselines
        if baseline.transfers
    ]
    tried = f"q ≤ {SIGNIFICANT}, Benjamini–Hochberg over them"
    text = f"{tried}; {listed(sentences)}" if sentences else tried
    return f"; {carried} carry over{to} by a map that saw no label ({text})"


def tables(result: Any) -> Iterator[TextTable]:
    """Runs side by side, similarities beside baselines and shuffled rows, then concepts carried over."""
    if result.runs is not None:
        yield from ranking_tables(result.runs)
    baseline_similarities = {
        baseline.names[1]: {s.name: s.value for s in baseline.similarities} for baseline in result.baselines
    }
    baseline_transfers = {
        pair.names[1]: {t.name: t.transferred_auc.value for t in pair.transfers}
        for pair in result.baselines
        if pair.transfers
    }
    for pair in result.pairs:
        rows = [
            (
                s.name,
                plain(s.value),
                *(number_or_dash(figures[s.name].value) for figures in baseline_similarities.values()),
                number_or_dash(s.shuffled),
                _bound(s.p_value, s.shuffles),
                f"{s.value.n:,}",
            )
            for s in pair.similarities
        ]
        header = ("figure", "value", *baseline_similarities, "shuffled rows", "p", "n")
        yield f"{pair.names[0]} and {pair.names[1]}", header, rows
        carried = [
            (
                t.name,
                plain(t.transferred_auc),
                plain(t.source_auc),
                plain(t.target_auc),
                plain(t.shuffled),
                _bound(t.p_value, t.shuffled.n),
                *(
                    number_or_dash(figures[t.name]) if t.name in figures else "–"
                    for figures in baseline_transfers.values()
                ),
                f"{t.transferred_auc.n:,}",
            )
            for t in pair.transfers
        ]
        if carried:
            to = [f"to {name}" for name in baseline_transfers]
            header = (
                "concept",
                "transferred",
                "in its own code",
                "fitted in the other",
                "shuffled maps",
                "p",
                *to,
                "n",
            )
            yield "AUC of directions of the first in the second, on the other half of the rows", header, carried


def _bound(p: float, shuffles: int) -> str:
    """Write p; where none of so many shuffles did as well it may be less than is said."""
    return f"{'≤ ' if at_floor(p, shuffles) else ''}{number_or_dash(p)}"
