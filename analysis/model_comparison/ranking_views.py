"""Runs side by side, for the section on other models: a row a run, a chart a figure, and who is ahead, if anybody."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from ..report.document import Block, Choice, Comparison, Role, Table
from ..report.estimate_rows import brackets, estimate, figure, readable, role_of
from ..report.formatting import count, family_name, listed, number, percent, plural
from .ranking import CODE, CODE_FEW, DIMENSION, ERROR, FEATURES, FEATURES_FEW, MEASURES, ModelRanking, RankedModel

if TYPE_CHECKING:
    from ..base.statistics import Interval
    from ..terminal import TextTable
    from .ranking import BestByMetric, Figure


Scale = Literal["percent", "number"]


def side_by_side(found: ModelRanking) -> list[Block]:
    """The table of all figures, and one figure at a time as a chart."""
    return [_table(found), *([_charts(found)] if _titles(found) else [])]


def _titles(found: ModelRanking) -> dict[str, str]:
    """Name the measures that somebody has."""
    few = f"{plural(found.per_class, 'label')} a class"
    named = {
        CODE: "code",
        FEATURES: "best feature layer",
        CODE_FEW: f"code, {few}",
        FEATURES_FEW: f"best layer, {few}",
        ERROR: "reconstruction error",
        DIMENSION: "dimension",
    }
    there = {one.measure for row in found.ranked_models for one in row.figures}
    return {measure: named[measure] for measure in MEASURES if measure in there}


def _table(found: ModelRanking) -> Table:
    titles, first = _titles(found), found.ranked_models[0].who.name
    cells = [_row(standing, titles) for standing in found.ranked_models]
    read = (
        f"Accuracies are those of a logistic probe for the {found.target}, taught {count(found.train_rows)} train rows "
        f"and judged on {count(found.test_rows)} test rows, of raw pixels and their PCA in place of a code. The "
        "feature layer, named below the run, is its best on validation rows. "
        if found.target
        else ""
    )
    few = f"Few labels are {plural(found.draws, 'balanced draw')}, the same for all. " if found.draws else ""
    held = plural(found.held_rows, "held-out image")
    errors = f"Errors are mean distances ‖x − G(E(x))‖ of {held} in [0, 1]. " if ERROR in titles else ""
    dimensions = "Dimensions are TwoNN's. " if DIMENSION in titles else ""
    several = len(found.best_by_metric) > 1
    ahead = (
        f" Who is said to be ahead is so with {count(len(found.best_by_metric))} figures counted." if several else ""
    )
    caption = (
        f"{read}{few}{errors}{dimensions}Below each figure stand its 95 % interval and, after Δ, what it has more than "
        f"{first}'s, paired by row and by draw, accuracies in points; a star marks those that differ with all of them "
        f"counted (Holm).{ahead} Intervals cover rows and draws, not what another "
        "seed of training would give. A dash stands where there is nothing to measure."
    )
    names = ("", "width", *titles.values())
    quiet = tuple(one.who.baseline for one in found.ranked_models)
    return Table(
        columns=names,
        rows=tuple(row for row, _ in cells),
        caption=caption,
        quiet=quiet,
        below=tuple(small for _, small in cells),
    )


def _row(one: RankedModel, measures: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Cells, and the small lines below each."""
    result = [_cell(one, measure) for measure in measures]
    width = count(one.who.width) if one.who.width else "–"
    return (_label(one), width, *(cell[0] for cell in result)), (_facts(one), (), *(cell[1:] for cell in result))


def _facts(one: RankedModel) -> tuple[str, ...]:
    """Family, images seen, labels told, the chosen layer, each on a line."""
    who = one.who
    lines = [family_name(who.family)] if who.family else []
    lines += [f"{plural(who.images_seen, 'image')} seen"] if who.images_seen else []
    lines += [f"told {plural(who.told, 'label')}"] if who.told else []
    return (*lines, *([who.layer] if who.layer and not who.baseline else []))


def _label(one: RankedModel) -> str:
    return readable(one.who.name) if one.who.baseline else one.who.name


def _cell(one: RankedModel, measure: str) -> tuple[str, ...]:
    """The figure, its interval, its difference from the first run's; a dash where there is none."""
    result = one.figure(measure)
    if math.isnan(result.value.value):
        return ("–",)
    gap = (
        []
        if math.isnan(result.difference.value)
        else [f"Δ\u00a0{_gap(measure, result.difference)}{'*' * result.differs}"]
    )
    return (*_written(measure, result.value), *gap)


def _written(measure: str, value: Interval) -> list[str]:
    """The figure, and its interval in brackets where it has one."""
    said = figure(value) if _scale(measure) == "percent" else brackets(value, _digits(measure))
    head, _, rest = said.partition(" [")
    return [head, *(["[" + rest.replace(" ", "\u00a0")] if rest else [])]


def _scale(measure: str) -> Scale:
    return "number" if measure in (ERROR, DIMENSION) else "percent"


def _digits(measure: str) -> int:
    return 1 if measure == DIMENSION else 2


def _gap(measure: str, gap: Interval) -> str:
    """Write "−10.6 [−14.5, −6.7]", accuracies in points."""
    show = partial(_signed, scale=1 if measure == ERROR else 100, digits=2 if measure == ERROR else 1)
    return f"{show(gap.value)} [{show(gap.low)},\u00a0{show(gap.high)}]"


def _signed(value: float, *, scale: int, digits: int) -> str:
    shown = round(scale * value, digits) + 0.0  # beside an interval of two digits a gap has no more; and no −0.00
    return f"+{number(shown, digits)}" if shown > 0 else number(shown, digits)


def _charts(found: ModelRanking) -> Choice:
    options = []
    for measure, title in _titles(found).items():
        shown = [standing for standing in found.ranked_models if not math.isnan(standing.figure(measure).value.value)]
        rows = tuple(
            estimate(_label(one), one.figure(measure).value, _role(one), note=_note(one, measure)) for one in shown
        )
        ends = None if _scale(measure) == "percent" else (0.0, _round_up(max(row.high for row in rows)))
        block = Comparison(
            rows=rows, caption=_caption(found, measure), scale=_scale(measure), axis=ends, digits=_digits(measure)
        )
        options.append((title, (block,)))
    return Choice("side-by-side", "Figure", tuple(options))


def _round_up(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(value)) if value > 0 and math.isfinite(value) else 1.0
    return step * math.ceil(value / step) if math.isfinite(value) else 1.0


def _role(one: RankedModel) -> Role:
    return role_of(one.who.name) if one.who.baseline else "ours"


def _note(one: RankedModel, measure: str) -> str:
    result = one.figure(measure)
    gap = result.difference
    return "" if math.isnan(gap.value) else f"Δ {_gap(measure, gap)}{'*' * result.differs}"


def _caption(found: ModelRanking, measure: str) -> str:
    if measure == DIMENSION:
        return "Intrinsic dimension of the code by TwoNN, with its 95 % interval."
    unit = "" if measure == ERROR else " in points"
    return (
        f"Dots with 95 % intervals; Δ is the paired difference from {found.ranked_models[0].who.name}{unit}, with a "
        "star where it differs with all differences of the table counted (Holm)."
    )


# The finding -----------------------------------------------------------------------------------------------


def finding(found: ModelRanking) -> str:
    """Name the best run where it differs from every other, else say that they are not told apart.

    "" where no figure that has a better side is of two runs.
    """
    if not found.best_by_metric:
        return ""
    first, rest = found.best_by_metric[0], found.best_by_metric[1:]
    ahead: dict[str, list[str]] = {}
    for one in rest:
        if one.clear and one.measure == ERROR:
            ahead[f"{_name(found, one.best)} reconstructs best"] = []
        elif one.clear:
            also = "also " if first.clear and one.best == first.best else ""
            ahead.setdefault(f"{_name(found, one.best)} is {also}ahead by ", []).append(_noun(found, one.measure))
    level = [_noun(found, one.measure) for one in rest if not one.clear]
    parts = [_opening(found, first) + _baselines(found, first)]
    parts += [start + listed(nouns) for start, nouns in ahead.items()]
    parts += [f"no run is ahead by {' or '.join(level)}"] if level else []
    return "; ".join(parts) + "."


def _name(found: ModelRanking, at: int) -> str:
    return found.ranked_models[at].who.name


def _noun(found: ModelRanking, measure: str) -> str:
    few = f"with {plural(found.per_class, 'label')} a class"
    return {
        CODE: "the code",
        FEATURES: "the best feature layer",
        CODE_FEW: f"the code {few}",
        FEATURES_FEW: f"the best layer {few}",
        ERROR: "reconstruction error",
    }[measure]


def _opening(found: ModelRanking, lead: BestByMetric) -> str:
    """State the first measure: who is ahead and by how much, or who is not told apart."""
    best, rival = _name(found, lead.best), _name(found, lead.rival)
    value = found.ranked_models[lead.best].figure(lead.measure).value
    what = {CODE: "code", CODE_FEW: "code", ERROR: "reconstruction"}.get(lead.measure, "best feature layer")
    start = f"Of {plural(lead.runs, 'run')} that have a {what}, " if lead.runs < len(found.runs) else ""
    nearest = ", the nearest of the others" if lead.runs > 2 else ""
    if lead.measure == ERROR and lead.clear:
        return f"{start}{best} reconstructs best: error {brackets(value)}, {_more(lead)} less than {rival}{nearest}"
    right = f"{figure(value)} of {count(value.n)} test images right"
    if lead.clear:
        read = f"a linear probe of its {what} names {right}"
        return f"{start}{best} is read best: {read}, {_more(lead)} more than {rival}'s{nearest}"
    level = f"{start}{best} and {rival} are not told apart"
    if lead.runs > 2:
        level = f"{start}no run is ahead: {best} and {rival} are not told apart"
        level = level[0].upper() + level[1:]
    gap = _gap(lead.measure, lead.difference)
    if lead.measure == ERROR:
        return f"{level} by their reconstructions (errors apart by {gap}, n = {count(value.n)})"
    return f"{level} by what a linear probe reads from their {what}s ({best} {right}, {gap} points beside {rival})"


def _more(lead: BestByMetric) -> str:
    """Write "10.6 points [6.7, 14.5]", without a sign."""
    scale, digits, unit = (1, 2, "") if lead.measure == ERROR else (100, 1, " points")
    gap = lead.difference
    low, value, high = (number(scale * end, digits) for end in sorted(map(abs, (gap.low, gap.value, gap.high))))
    return f"{value}{unit} [{low},\u00a0{high}]"


def _baselines(found: ModelRanking, lead: BestByMetric) -> str:
    """What raw pixels and the best run's own network give untrained."""
    if lead.measure == ERROR:
        return ""
    whole = {FEATURES: CODE, FEATURES_FEW: CODE_FEW}.get(lead.measure, lead.measure)  # pixels have no layers
    beside = {
        "pixels": (whole, "raw pixels"),
        f"untrained.{_name(found, lead.best)}": (lead.measure, "its network untrained"),
    }
    rows = {standing.who.name: standing for standing in found.ranked_models if standing.who.baseline}
    figures = {
        words: rows[name].figure(measure).value.value for name, (measure, words) in beside.items() if name in rows
    }
    sentences = [f"{words} {percent(value)}" for words, value in figures.items() if math.isfinite(value)]
    return f"; baselines: {listed(sentences)}" if sentences else ""


def ranking_tables(result: ModelRanking) -> Iterator[TextTable]:
    """Yield every figure of each run and baseline, then paired differences."""
    names = _names(result)
    rows = [
        (
            _run_label(standing),
            standing.who.family or "–",
            f"{standing.who.images_seen:,}" if standing.who.images_seen else "–",
            str(standing.who.width or "–"),
            *(_figure(measure, standing.figure(measure).value) for measure in names),
        )
        for standing in result.ranked_models
    ]
    read = f"accuracy of {result.target} on {result.test_rows:,} test rows, " if result.target else ""
    title = f"side by side: {read}mean error of reconstructions, intrinsic dimension, each with its 95 % interval"
    yield title, ("run", "family", "seen", "width", *names.values()), rows
    paired = [
        one for one in MEASURES if any(math.isfinite(row.figure(one).difference.value) for row in result.ranked_models)
    ]
    if paired:
        rows = [
            (_run_label(row), *(_starred(one, row.figure(one)) for one in paired)) for row in result.ranked_models[1:]
        ]
        title = (
            f"minus {result.ranked_models[0].who.name}, paired by row and draw; accuracies in points; "
            "* differs, with all of these counted (Holm)"
        )
        yield title, ("run", *(names[one] for one in paired)), rows
    best_by_metric = [
        (
            names[lead.measure],
            _run_label(result.ranked_models[lead.best]),
            _run_label(result.ranked_models[lead.rival]),
            _difference(lead.measure, lead.difference),
            "ahead" if lead.clear else "no clear difference",
            "–" if math.isnan(lead.p_value) else f"{lead.p_value:.2g}",
        )
        for lead in result.best_by_metric
    ]
    if best_by_metric:
        title = "the best run by each figure, and the one that is hardest to tell from it"
        yield title, ("figure", "best", "beside", "difference", "verdict", "p, Holm"), best_by_metric


def _names(result: ModelRanking) -> dict[str, str]:
    few = f"{result.per_class} a class" if result.per_class else "few labels"
    named = {
        CODE: "code",
        FEATURES: "best features",
        CODE_FEW: f"code, {few}",
        FEATURES_FEW: f"best features, {few}",
        ERROR: "error",
        DIMENSION: "dimension",
    }
    return {one: named[one] for one in MEASURES}


def _run_label(one: RankedModel) -> str:
    name = one.who.name
    if not one.who.baseline:
        return name
    return f"  {name.removeprefix('untrained.')}, untrained" if name.startswith("untrained.") else f"  {name}"


def _figure(measure: str, figure: Interval) -> str:
    """Write "94.1 % [93.6,94.5]", which breaks in one place only where columns are narrow."""
    if math.isnan(figure.value):
        return "–"
    scale, digits, unit = {ERROR: (1, 2, ""), DIMENSION: (1, 1, "")}.get(measure, (100, 1, " %"))
    if math.isnan(figure.low):
        return f"{scale * figure.value:.{digits}f}{unit}"
    low, high = (f"{scale * end:.{digits}f}" for end in (figure.low, figure.high))
    return f"{scale * figure.value:.{digits}f}{unit} [{low},{high}]"


def _starred(measure: str, figure: Figure) -> str:
    return _difference(measure, figure.difference) + (" *" if figure.differs else "")


def _difference(measure: str, gap: Interval) -> str:
    if math.isnan(gap.value):
        return "–"
    scale, digits = (1, 2) if measure == ERROR else (100, 1)
    value, low, high = (f"{scale * end:+.{digits}f}" for end in (gap.value, gap.low, gap.high))
    return f"{value} [{low},{high}]"
