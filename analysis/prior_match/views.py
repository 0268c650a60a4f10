"""The match of codes and prior for a terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.statistics import SIGNIFICANT
from ..report.context import ReportContext
from ..report.document import Block, Disclosure, Line, Lines, Prose, Section, Table, missing, one_of
from ..report.estimate_rows import stated
from ..report.formatting import count, listed, number, p_value, plural, sentence
from ..terminal import TextTable

if TYPE_CHECKING:
    from .prior_comparison import PartOfPrior, PriorComparison
    from .two_sample import TwoSample


def section(context: ReportContext) -> Section:
    """Whether codes are distributed as the prior."""
    result: PriorComparison | None = context.results.get("prior_match")
    if result is None or not result.parts:
        note = "Not compared yet: latentgan prior TABLE --out RESULTS does, for tables that name their prior."
        return missing("prior_match", "Codes and prior", context.refusal("prior_match") or note)
    shown = tuple((part.name, tuple(_part(part, i))) for i, part in enumerate(result.parts))
    blocks: list[Block] = [*one_of("prior-part", "Part", shown)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    findings = [_prior_finding(part) for part in result.parts]
    if len(findings) > 1:
        findings.insert(0, _parts_finding(result))
    other_tests = [_other_tests(part) for part in result.parts]
    return stated(
        "prior_match", "Codes and prior", (*findings, *other_tests, sentence(result.training_rows_note)), blocks
    )


def _differs(part: PartOfPrior) -> bool:
    return min(part.codes.wasserstein_p, part.codes.mmd_p) <= SIGNIFICANT / 2  # two tests of one question


def _parts_finding(comparison: PriorComparison) -> str:
    """Say of several parts which differ from their priors."""
    differ = [part.name for part in comparison.parts if _differs(part)]
    same = [part.name for part in comparison.parts if not _differs(part)]
    test = comparison.parts[0].codes
    tested = f"sliced Wasserstein and kernel tests, n = {count(test.n)}"
    if not differ:
        return f"No difference shows between the codes of {listed(same)} and their priors ({tested})."
    alike = f"; no difference shows in those of {listed(same)}" if same else ""
    whose = "their priors" if len(differ) > 1 else "the prior"
    return f"The codes of {listed(differ)} are not distributed as {whose} ({tested}){alike}."


def _prior_finding(part: PartOfPrior) -> str:
    test = part.codes
    distance = (
        f"sliced Wasserstein distance {number(test.wasserstein, 3)} "
        f"({p_value(test.wasserstein_p, test.permutations)}, n = {count(test.n)}); "
        f"two sets of draws from the prior {number(part.null.wasserstein, 3)}."
    )
    if not _differs(part):
        return f"No difference shows between the codes of {part.name} and the {part.kind} prior: {distance}"
    return f"The codes of {part.name} are not distributed as the {part.kind} prior: {distance}"


def _other_tests(part: PartOfPrior) -> str:
    """The kernel test of a part, and how many of its numbers differ where it does."""
    test = part.codes
    text = f"The kernel test of {part.name} gives {p_value(test.mmd_p, test.permutations)}"
    if not _differs(part):
        return f"{text}."
    columns = f"{count(len(test.rejected))} of {plural(len(test.ks), 'number')}"
    return f"{text}; {columns} differ by themselves, at a false discovery rate of 5\u00a0%."


def _part(part: PartOfPrior, index: int) -> list[Block]:
    rows = tuple(_tests(name, test) for name, test in (("codes and prior", part.codes), ("prior and prior", part.null)))
    caption = (
        "The sliced Wasserstein distance is in units of the code, over random directions; MMD² is about 0, or below, "
        "where the two are one. p is the share of exchanges of codes and draws that lie as far apart. The last column "
        "counts numbers whose Kolmogorov–Smirnov tests are discoveries (Benjamini and Hochberg, 5\u00a0%)."
    )
    table = Table(
        columns=("compared", "sliced Wasserstein", "test", "MMD²", "test", "numbers that differ"),
        rows=rows,
        caption=caption,
    )
    return [_deviations(part, index), table, Disclosure("Every number", (_columns(part),))]


def _tests(name: str, test: TwoSample) -> tuple[str, ...]:
    return (
        name,
        number(test.wasserstein, 3),
        p_value(test.wasserstein_p, test.permutations),
        f"{test.mmd:.1e}",
        p_value(test.mmd_p, test.permutations),
        f"{count(len(test.rejected))} of {count(len(test.ks))}",
    )


def _deviations(part: PartOfPrior, index: int) -> Lines:
    """Draw the spread of every number over the prior's, from the widest to the narrowest."""
    order = np.argsort(-part.deviations, kind="stable")
    x = np.arange(1, len(order) + 1, dtype=float)
    caption = (
        "Standard deviation of each number of the codes over that of the prior, the widest first: 1 throughout where "
        "codes fill the prior; far below 1 where samples of the prior lie outside of what the encoder uses. "
        "Where an encoder draws, its codes are the means of these draws and narrower than they are: such codes differ "
        "from the prior, and stay below 1, even where the draws fill it."
    )
    line = Line("deviation", x, part.deviations[order], role="ours", markers=len(x) <= 64)
    return Lines(
        id=f"prior-deviations-{index}",
        title=f"Spread of {part.name}",
        x_title="number, by rank",
        y_title="deviation over the prior's",
        lines=(line,),
        caption=caption,
        y_scale="from zero",
        level=(1.0, "prior"),
    )


def _columns(part: PartOfPrior) -> Table:
    rejected = set(part.codes.rejected.tolist())
    rows = tuple(
        (
            str(i + 1),
            number(float(part.means[i])),
            number(float(part.deviations[i])),
            number(float(ks), 3),
            p_value(float(p)) if math.isfinite(p) else "–",
            "differs" if i in rejected else "",
        )
        for i, (ks, p) in enumerate(zip(part.codes.ks, part.codes.ks_p, strict=True))
    )
    caption = "Mean and deviation (over the prior's) of each number, with its Kolmogorov–Smirnov test."
    return Table(columns=("number", "mean", "deviation", "KS", "test", ""), rows=rows, caption=caption)


def tables(result: Any) -> Iterator[TextTable]:
    """Codes beside draws, a part after the other."""
    for part in result.parts:
        rows = [
            (
                "codes and draws",
                f"{part.codes.wasserstein:.3f}",
                f"{part.codes.wasserstein_p:.3f}",
                f"{part.codes.mmd:.2e}",
                f"{part.codes.mmd_p:.3f}",
                f"{len(part.codes.rejected)} of {len(part.codes.ks)}",
                f"{part.codes.n:,}",
            ),
            (
                "  draws and draws",
                f"{part.null.wasserstein:.3f}",
                f"{part.null.wasserstein_p:.3f}",
                f"{part.null.mmd:.2e}",
                f"{part.null.mmd_p:.3f}",
                f"{len(part.null.rejected)} of {len(part.null.ks)}",
                f"{part.null.n:,}",
            ),
        ]
        header = ("compared", "sliced Wasserstein", "p", "MMD²", "p", "numbers that differ", "n")
        yield f"{part.name} beside its {part.kind} prior", header, rows
