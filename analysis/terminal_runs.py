"""Tables for a terminal of runs side by side: a row a run, then differences from the first, then who is ahead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .side_by_side import CODE, CODE_FEW, DIMENSION, ERROR, FEATURES, FEATURES_FEW, MEASURES, SideBySide, Standing

if TYPE_CHECKING:
    from .side_by_side import Figure
    from .statistics import Interval
    from .terminal import Block


def side_by_side(result: SideBySide) -> Iterator[Block]:
    """Yield every figure of each run and yardstick, then paired differences."""
    names = _names(result)
    rows = [
        (_label(one), one.who.family or "–", f"{one.who.images_seen:,}" if one.who.images_seen else "–",
         str(one.who.width or "–"), *(_figure(measure, one.figure(measure).value) for measure in names))
        for one in result.standings
    ]  # fmt: skip
    read = f"accuracy of {result.target} on {result.test_rows:,} test rows, " if result.target else ""
    title = f"side by side: {read}mean error of reconstructions, intrinsic dimension, each with its 95 % interval"
    yield title, ("run", "family", "seen", "width", *names.values()), rows
    paired = [
        one for one in MEASURES if any(math.isfinite(row.figure(one).difference.value) for row in result.standings)
    ]
    if paired:
        rows = [(_label(row), *(_starred(one, row.figure(one)) for one in paired)) for row in result.standings[1:]]
        title = (
            f"minus {result.standings[0].who.name}, paired by row and draw; accuracies in points; * differs, with all "
            "of these counted (Holm)"
        )
        yield title, ("run", *(names[one] for one in paired)), rows
    leads = [
        (names[one.measure], _label(result.standings[one.best]), _label(result.standings[one.rival]),
         _difference(one.measure, one.difference), "ahead" if one.clear else "no clear difference",
         "–" if math.isnan(one.p_value) else f"{one.p_value:.2g}")
        for one in result.leads
    ]  # fmt: skip
    if leads:
        title = "the best run by each figure, and the one that is hardest to tell from it"
        yield title, ("figure", "best", "beside", "difference", "verdict", "p, Holm"), leads


def _names(result: SideBySide) -> dict[str, str]:
    few = f"{result.per_class} a class" if result.per_class else "few labels"
    named = {
        CODE: "code", FEATURES: "best features", CODE_FEW: f"code, {few}", FEATURES_FEW: f"best features, {few}",
        ERROR: "error", DIMENSION: "dimension",
    }  # fmt: skip
    return {one: named[one] for one in MEASURES}


def _label(one: Standing) -> str:
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
