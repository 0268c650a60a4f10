"""Runs side by side, for the section on other models: a row a run, a chart a figure, and who is ahead, if anybody."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from ..base.baselines import Role, representation_role
from ..report.document import Block, Choice, Comparison, Table
from ..report.estimate_rows import brackets, estimate, figure, readable
from ..report.formatting import count, family_name, listed, number, percent, plural, quoted
from .ranking import CODE, CODE_FEW, DIMENSION, ERROR, FEATURES, FEATURES_FEW, MEASURES, ModelRanking, RankedModel

if TYPE_CHECKING:
    from ..base.statistics import Interval
    from ..terminal import TextTable
    from .ranking import BestByMetric, Figure


Scale = Literal["percent", "number"]


def side_by_side(ranking: ModelRanking) -> list[Block]:
    """The table of all figures, and one figure at a time as a chart."""
    return [_table(ranking), *([_charts(ranking)] if _titles(ranking) else [])]


def _titles(ranking: ModelRanking) -> dict[str, str]:
    """Name the measures that somebody has."""
    few = f"{plural(ranking.per_class, 'label')} a class"
    named = {
        CODE: "code",
        FEATURES: "best feature layer",
        CODE_FEW: f"code, {few}",
        FEATURES_FEW: f"best layer, {few}",
        ERROR: "reconstruction error",
        DIMENSION: "dimension",
    }
    measures = {figure.measure for row in ranking.ranked_models for figure in row.figures}
    return {measure: named[measure] for measure in MEASURES if measure in measures}


def _table(ranking: ModelRanking) -> Table:
    titles, first = _titles(ranking), ranking.ranked_models[0].compared.name
    cells = [_row(standing, titles) for standing in ranking.ranked_models]
    read = (
        f"Accuracies are those of a logistic probe for the {ranking.target}, trained on {count(ranking.train_rows)} "
        f"train rows and scored on {count(ranking.test_rows)} test rows, of raw pixels and their PCA in place of a "
        "code. The feature layer, named below the run, is its best on validation rows. "
        if ranking.target
        else ""
    )
    few = f"Few labels are {plural(ranking.draws, 'balanced draw')}, the same for all. " if ranking.draws else ""
    held = plural(ranking.held_rows, "held-out image")
    errors = f"Errors are mean distances ‖x − G(E(x))‖ of {held} in [0, 1]. " if ERROR in titles else ""
    dimensions = "Dimensions are TwoNN's. " if DIMENSION in titles else ""
    several = len(ranking.best_by_metric) > 1
    ahead = (
        f" Who is said to be ahead is so with {count(len(ranking.best_by_metric))} figures counted." if several else ""
    )
    caption = (
        f"{read}{few}{errors}{dimensions}Below each figure stand its 95 % interval and, after Δ, what it has more than "
        f"{first}'s, paired by row and by draw, accuracies in points; a star marks those that differ with all of them "
        f"counted (Holm).{ahead} Intervals cover rows and draws, not what another "
        "seed of training would give. A dash stands where there is nothing to measure."
    )
    names = ("", "width", *titles.values())
    quiet = tuple(model.compared.baseline for model in ranking.ranked_models)
    return Table(
        columns=names,
        rows=tuple(row for row, _ in cells),
        caption=caption,
        quiet=quiet,
        below=tuple(small for _, small in cells),
    )


def _row(model: RankedModel, measures: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Cells, and the small lines below each."""
    result = [_cell(model, measure) for measure in measures]
    width = count(model.compared.width) if model.compared.width else "–"
    return (_label(model), width, *(cell[0] for cell in result)), (_facts(model), (), *(cell[1:] for cell in result))


def _facts(model: RankedModel) -> tuple[str, ...]:
    """Family, images seen, labels used, the chosen layer, each on a line."""
    compared = model.compared
    lines = [family_name(compared.family)] if compared.family else []
    lines += [f"{plural(compared.images_seen, 'image')} seen"] if compared.images_seen else []
    lines += [f"trained with {plural(compared.n_labels_used, 'label')}"] if compared.n_labels_used else []
    return (*lines, *([compared.layer] if compared.layer and not compared.baseline else []))


def _label(model: RankedModel) -> str:
    return readable(model.compared.name) if model.compared.baseline else model.compared.name


def _cell(model: RankedModel, measure: str) -> tuple[str, ...]:
    """The figure, its interval, its difference from the first run's; a dash where there is none."""
    result = model.figure(measure)
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
    text = figure(value) if _scale(measure) == "percent" else brackets(value, _digits(measure))
    head, _, rest = text.partition(" [")
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


def _charts(ranking: ModelRanking) -> Choice:
    options = []
    for measure, title in _titles(ranking).items():
        shown = [standing for standing in ranking.ranked_models if not math.isnan(standing.figure(measure).value.value)]
        rows = tuple(
            estimate(_label(model), model.figure(measure).value, _role(model), note=_note(model, measure))
            for model in shown
        )
        ends = None if _scale(measure) == "percent" else (0.0, _round_up(max(row.high for row in rows)))
        block = Comparison(
            rows=rows, caption=_caption(ranking, measure), scale=_scale(measure), axis=ends, digits=_digits(measure)
        )
        options.append((title, (block,)))
    return Choice("side-by-side", "Figure", tuple(options))


def _round_up(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(value)) if value > 0 and math.isfinite(value) else 1.0
    return step * math.ceil(value / step) if math.isfinite(value) else 1.0


def _role(model: RankedModel) -> Role:
    return representation_role(model.compared.name) if model.compared.baseline else "ours"


def _note(model: RankedModel, measure: str) -> str:
    result = model.figure(measure)
    gap = result.difference
    return "" if math.isnan(gap.value) else f"Δ {_gap(measure, gap)}{'*' * result.differs}"


def _caption(ranking: ModelRanking, measure: str) -> str:
    if measure == DIMENSION:
        return "Intrinsic dimension of the code by TwoNN, with its 95 % interval."
    unit = "" if measure == ERROR else " in points"
    return (
        f"Dots with 95 % intervals; Δ is the paired difference from {ranking.ranked_models[0].compared.name}{unit}, "
        "with a star where it differs after correction for all differences of the table (Holm)."
    )


# The finding -----------------------------------------------------------------------------------------------


def finding(ranking: ModelRanking) -> str:
    """Name the best run where it differs from every other, else say that they are not clearly different.

    "" where no figure that has a better side is of two runs.
    """
    if not ranking.best_by_metric:
        return ""
    first, rest = ranking.best_by_metric[0], ranking.best_by_metric[1:]
    ahead: dict[str, list[str]] = {}
    for lead in rest:
        if lead.clear and lead.measure == ERROR:
            ahead[f"{_name(ranking, lead.best)} reconstructs best"] = []
        elif lead.clear:
            also = "also " if first.clear and lead.best == first.best else ""
            ahead.setdefault(f"{_name(ranking, lead.best)} is {also}ahead by ", []).append(_noun(ranking, lead.measure))
    level = [_noun(ranking, lead.measure) for lead in rest if not lead.clear]
    parts = [_opening(ranking, first) + _baselines(ranking, first)]
    parts += [start + listed(nouns) for start, nouns in ahead.items()]
    parts += [f"no run is ahead by {' or '.join(level)}"] if level else []
    return "; ".join(parts) + "."


def _name(ranking: ModelRanking, at: int) -> str:
    """The run's name in quotation marks, as a sentence may begin with it."""
    return quoted(ranking.ranked_models[at].compared.name)


def _noun(ranking: ModelRanking, measure: str) -> str:
    few = f"with {plural(ranking.per_class, 'label')} a class"
    return {
        CODE: "the code",
        FEATURES: "the best feature layer",
        CODE_FEW: f"the code {few}",
        FEATURES_FEW: f"the best layer {few}",
        ERROR: "reconstruction error",
    }[measure]


def _opening(ranking: ModelRanking, lead: BestByMetric) -> str:
    """State the first measure: who is ahead and by how much, or who is not clearly different."""
    best, rival = _name(ranking, lead.best), _name(ranking, lead.rival)
    value = ranking.ranked_models[lead.best].figure(lead.measure).value
    noun = {CODE: "code", CODE_FEW: "code", ERROR: "reconstruction"}.get(lead.measure, "best feature layer")
    start = f"Of {plural(lead.runs, 'run')} that have a {noun}, " if lead.runs < len(ranking.runs) else ""
    nearest = ", the nearest of the others" if lead.runs > 2 else ""
    if lead.measure == ERROR and lead.clear:
        return f"{start}{best} reconstructs best: error {brackets(value)}, {_more(lead)} less than {rival}{nearest}"
    correct = f"{figure(value)} of {count(value.n)} test images"
    if lead.clear:
        probe = f"a linear probe of its {noun} classifies {correct} correctly"
        return f"{start}{best} is ahead: {probe}, {_more(lead)} more than {rival}'s{nearest}"
    level = f"{start}{best} and {rival} are not clearly different"
    if lead.runs > 2:
        level = f"{start}no run is ahead: {best} and {rival} are not clearly different"
        level = level[0].upper() + level[1:]
    gap = _gap(lead.measure, lead.difference)
    if lead.measure == ERROR:
        return f"{level} in reconstruction (errors differ by {gap}, n = {count(value.n)})"
    return f"{level}: a probe on the {noun} of {best} classifies {correct} correctly, {gap} points from {rival}'s"


def _more(lead: BestByMetric) -> str:
    """Write "10.6 points [6.7, 14.5]", without a sign."""
    scale, digits, unit = (1, 2, "") if lead.measure == ERROR else (100, 1, " points")
    gap = lead.difference
    low, value, high = (number(scale * end, digits) for end in sorted(map(abs, (gap.low, gap.value, gap.high))))
    return f"{value}{unit} [{low},\u00a0{high}]"


def _baselines(ranking: ModelRanking, lead: BestByMetric) -> str:
    """What raw pixels and the best run's own network give untrained."""
    if lead.measure == ERROR:
        return ""
    whole = {FEATURES: CODE, FEATURES_FEW: CODE_FEW}.get(lead.measure, lead.measure)  # pixels have no layers
    sentences_by_name = {
        "pixels": (whole, "raw pixels"),
        f"untrained.{ranking.ranked_models[lead.best].compared.name}": (lead.measure, "its network untrained"),
    }
    rows = {standing.compared.name: standing for standing in ranking.ranked_models if standing.compared.baseline}
    figures = {
        words: rows[name].figure(measure).value.value
        for name, (measure, words) in sentences_by_name.items()
        if name in rows
    }
    sentences = [f"{words} {percent(value)}" for words, value in figures.items() if math.isfinite(value)]
    return f"; baselines: {listed(sentences)}" if sentences else ""


def ranking_tables(result: ModelRanking) -> Iterator[TextTable]:
    """Yield every figure of each run and baseline, then paired differences."""
    names = _names(result)
    rows = [
        (
            _run_label(standing),
            standing.compared.family or "–",
            f"{standing.compared.images_seen:,}" if standing.compared.images_seen else "–",
            str(standing.compared.width or "–"),
            *(_figure(measure, standing.figure(measure).value) for measure in names),
        )
        for standing in result.ranked_models
    ]
    read = f"accuracy of probes for {result.target} on {result.test_rows:,} test rows, " if result.target else ""
    title = f"side by side: {read}mean error of reconstructions, intrinsic dimension, each with its 95 % interval"
    yield title, ("run", "family", "seen", "width", *names.values()), rows
    paired = [
        measure
        for measure in MEASURES
        if any(math.isfinite(row.figure(measure).difference.value) for row in result.ranked_models)
    ]
    if paired:
        rows = [
            (_run_label(row), *(_starred(measure, row.figure(measure)) for measure in paired))
            for row in result.ranked_models[1:]
        ]
        title = (
            f"minus {result.ranked_models[0].compared.name}, paired by row and draw; accuracies in points; "
            "* differs, with all of these counted (Holm)"
        )
        yield title, ("run", *(names[measure] for measure in paired)), rows
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
    return {measure: named[measure] for measure in MEASURES}


def _run_label(model: RankedModel) -> str:
    name = model.compared.name
    if not model.compared.baseline:
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
