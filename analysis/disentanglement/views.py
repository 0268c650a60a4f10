"""The section on known factors: whether single numbers of the code are single columns of the table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.baselines import representation_role
from ..base.statistics import SIGNIFICANT
from ..report.context import ReportContext
from ..report.document import Block, Comparison, Estimate, Prose, Section, Table, missing, one_of
from ..report.estimate_rows import brackets, estimate, readable, stated
from ..report.formatting import count, listed, number, p_value, percent, plural, sentence
from ..terminal import TextTable, plain
from .evaluate import RANDOM_ROTATIONS

if TYPE_CHECKING:
    from ..base.arrays import Doubles
    from .evaluate import Disentanglement, Score


INFORMATIVENESS = "DCI informativeness"


N_SHOWN_NUMBERS = 24  # numbers of the code in the picture of importances


MEANING = {
    "MIG": "the information on a factor in the number that holds most of it, less that in the next, over the factor's "
    "entropy (mean over factors)",
    "modularity": "how little a number tells of other factors than its first (mean over the numbers that tell anything "
    "beyond chance; 0 where none does)",
    "SAP": "how much better the best number alone predicts a factor than the second best (R²; of classes the held-out "
    "balanced accuracy of the nearest class mean, where the second best is at least near chance)",
    "DCI disentanglement": "how few factors a number matters for, by the importances in random forests",
    "DCI completeness": "how few numbers matter for a factor, by the importances in random forests",
    INFORMATIVENESS: "how well random forests predict a factor from all numbers together, held out (R², or accuracy "
    "above chance; mean over factors)",
    "FactorVAE score": "how often the number that varies least among images that share a factor names that factor",
}


def section(context: ReportContext) -> Section:
    """Whether single numbers are single factors, beside codes whose axes mean nothing."""
    result: Disentanglement | None = context.results.get("disentanglement")
    if result is None or not result.scores:
        note = "Not measured yet: latentgan disentanglement TABLE --out RESULTS does, for tables with attributes."
        return missing("disentanglement", "Known factors", context.refusal("disentanglement") or note)
    figures = [(score.name, tuple(_figures(score))) for score in result.scores]
    ends = min(0.0, *(row.low for _, rows in figures for row in rows)), 1.0
    scores: list[tuple[str, tuple[Block, ...]]] = [
        (name, (Comparison(rows=rows, caption=_caption(name), scale="number", axis=ends, digits=3),))
        for name, rows in figures
    ]
    shown: list[tuple[str, tuple[Block, ...]]] = [
        ("importance", (_importances(result),)),
        ("information", (_information(result),)),
    ]
    blocks: list[Block] = [
        *one_of("factors", "Numbers and factors by", shown),
        *one_of("factor-scores", "Score", scores),
    ]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return stated("disentanglement", "Known factors", (_finding(result), sentence(result.training_rows_note)), blocks)


def _caption(name: str) -> str:
    best = "all factors predicted without error" if name == INFORMATIVENESS else "one number a factor"
    best += " (1 − 1 / k for k classes)" if name == "SAP" else ""
    return (
        f"{name}: {MEANING.get(name, 'a score')}. 1 is {best}. Random rotations of the numbers that tell of any factor "
        "(numbers that tell of none stay as they are) tell as much of the factors as the code does, in axes that mean "
        "nothing: what the code has beyond them is its axes'. Of rotations at unit variance and in the code's own "
        "scales, of more numbers and of fewer, those that come closest to the code are shown; their interval holds "
        "95\u00a0% of them."
    )


def _figures(score: Score) -> list[Estimate]:
    rows = [estimate("code", score.value, note=f"{p_value(score.p_value, score.shuffles)} beside shuffled factors")]
    rows += [estimate(readable(b.name), b.figure, b.role) for b in score.baselines]
    return [
        *rows,
        Estimate(
            label="shuffled factors", value=score.shuffled, low=math.nan, high=math.nan, n=score.shuffles, role="chance"
        ),
    ]


def _importances(disentanglement: Disentanglement) -> Table:
    caption = (
        "How much each number of the code (row) matters to a random forest that predicts a factor (column), as a share "
        "of its held-out score, which the last row gives (R², or accuracy above chance): one dark cell in a column is "
        "a factor in one number, one in a row a number with one factor."
    )
    return _heatmap(
        disentanglement,
        disentanglement.importance,
        caption,
        ("all numbers together", disentanglement.importance.sum(0)),
    )


def _information(disentanglement: Disentanglement) -> Table:
    caption = (
        "Information of each number of the code (row) on each factor (column), as a share of the factor's entropy; "
        f"n = {count(disentanglement.rows)}. Few rows and many values give some to numbers that have none."
    )
    entropies = np.maximum(disentanglement.entropies, 1e-12)
    return _heatmap(disentanglement, disentanglement.information / entropies, caption)


def _heatmap(
    disentanglement: Disentanglement, values: Doubles, caption: str, last: tuple[str, Doubles] | None = None
) -> Table:
    """The numbers that tell most of any factor, sorted by the factor that they tell most of, shaded by size."""
    first = values.argmax(1)
    strongest = np.argsort(-values.max(1), kind="stable")[:N_SHOWN_NUMBERS]
    order = strongest[np.argsort(first[strongest], kind="stable")]
    names = disentanglement.numbers or tuple(str(i + 1) for i in range(len(values)))
    rows = [(names[i], *(percent(float(v), 0) for v in values[i])) for i in order]
    shades = [tuple(min(float(v), 1.0) for v in values[i]) for i in order]
    if last is not None:
        rows.append((last[0], *(percent(float(v), 0) for v in last[1])))
        shades.append((0.0,) * len(last[1]))
    if len(order) < len(values):
        caption += f" The {len(order)} of {count(len(values))} numbers that tell most of any one are shown."
    return Table(columns=("number", *disentanglement.factors), rows=tuple(rows), caption=caption, shades=tuple(shades))


def _finding(disentanglement: Disentanglement) -> str:
    score = disentanglement.scores[0]
    chance = score.value.low <= score.shuffled or score.p_value > SIGNIFICANT
    baseline_texts = [f"{_baseline_name(b.name)} {number(b.figure.value, 3)}" for b in score.baselines]
    measured = f"({score.name} {brackets(score.value, 3)}, n = {count(score.value.n)})"
    factors = f"over {plural(len(disentanglement.factors), 'factor')}"
    baselines = f"{listed([f'shuffled factors {number(score.shuffled, 3)}', *baseline_texts])}, {factors}"
    if chance:
        return f"No single number of the code stands for a single factor beyond chance {measured}; {baselines}."
    if not score.rotated_p <= SIGNIFICANT:
        return (
            f"Single numbers of the code stand for factors no more than those of its random rotations {measured}; "
            f"its axes mean nothing by themselves; {baselines}."
        )
    return (
        f"Single numbers of the code stand for factors more than those of its random rotations {measured}; {baselines}."
    )


def _baseline_name(name: str) -> str:
    if name == RANDOM_ROTATIONS:
        return "its random rotations"
    return "the same network untrained" if representation_role(name) == "untrained" else name


def tables(result: Any) -> Iterator[TextTable]:
    """Scores beside shuffled factors, random rotations, and other codes."""
    names = list(dict.fromkeys(b.name for s in result.scores for b in s.baselines))
    rows = []
    for score in result.scores:
        baseline_cells = {b.name: f"{b.figure.value:.3f}" for b in score.baselines}
        rows.append(
            (
                score.name,
                plain(score.value),
                f"{score.shuffled:.3f}",
                f"{score.p_value:.3f}",
                *(baseline_cells.get(name, "–") for name in names),
                f"{score.value.n:,}",
            )
        )
    title = f"single numbers and single factors ({', '.join(result.factors)}), {result.rows:,} rows"
    yield title, ("score", "value", "shuffled factors", "p", *names, "n"), rows
