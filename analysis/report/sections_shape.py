"""Sections on where codes lie: the dimensions that they fill, and whether they are distributed as the prior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .document import Block, Disclosure, Estimate, Line, Lines, Prose, Section, Table, missing, one_of
from .material import Material
from .rows import brackets, by_group, estimate, readable, role_of, stated, trained_on
from .wording import SIGNIFICANT, count, listed, number, p_value, plural, sentence

if TYPE_CHECKING:
    from ..geometry import Geometry, Shape
    from ..prior import PartOfPrior, PriorComparison
    from ..twosample import TwoSample

FIGURES = (
    ("two_nn", "intrinsic dimension, TwoNN"),
    ("mle", "intrinsic dimension, maximum likelihood"),
    ("participation", "participation ratio"),
    ("hubness", "hubness"),
)


def geometry(material: Material) -> Section:
    """How many dimensions the codes fill."""
    found: Geometry | None = material.results.get("geometry")
    if found is None or not found.shapes:
        note = "Not measured yet: latentgan geometry TABLE --out RESULTS does."
        return missing("geometry", "Geometry", material.refusal("geometry") or note)
    rows = tuple(row for key, name in FIGURES for row in _figures(found, key, name))
    caption = (
        "Intrinsic dimension says how many numbers a row's near neighbours differ in; the participation ratio how many "
        "directions hold the variance; hubness, the skewness of how often a row is among the 10 nearest of others, "
        "is 0 where none is favoured. “Independent numbers” are normal columns with the code's variances: codes below "
        "them lie on something thinner than their columns. Near the edges of a cloud both dimensions are estimated "
        "too low; their intervals reach up as far as edges like a cube's or a normal cloud's tails explain, and do not "
        "allow for noise and curvature."
    )
    blocks: list[Block] = [by_group("shape", "Figure", rows, caption, "number", digits=1)]
    blocks += [Prose(sentence(note)) for note in found.notes]
    return stated("geometry", "Geometry", (_shape_finding(found), trained_on(found.notes)), blocks)


def _figures(found: Geometry, key: str, group: str) -> list[Estimate]:
    rows = []
    for i, one in enumerate(found.shapes):
        role = role_of(one.representation) if one.baseline else "ours"
        rows.append(estimate(readable(one.representation), getattr(one, key), role, group=group))
        if i == 0:
            rows += [
                estimate("independent numbers", b.figure, "chance", group=group) for b in found.null if b.name == key
            ]
    return rows


def _shape_finding(found: Geometry) -> str:
    one = found.shapes[0]
    beside = {b.name: b.figure for b in found.null}
    said = (
        f"The {one.width} numbers of the {one.representation} have an intrinsic dimension of {brackets(one.two_nn, 1)}"
    )
    others = [f"independent numbers {number(beside['two_nn'].value, 1)}"] if "two_nn" in beside else []
    others += [f"{name} {number(s.two_nn.value, 1)}" for s, name in _yardsticks(found)]
    said += f" (TwoNN, n = {count(one.rows)}{'; ' * bool(others)}{listed(others)})"
    return f"{said}, and their variance fills {brackets(one.participation, 1)} directions."


def _yardsticks(found: Geometry) -> list[tuple[Shape, str]]:
    names = {"pixels": "raw pixels", "untrained": "the same network untrained"}
    code = found.shapes[0].representation
    wanted = {"pixels": "pixels", f"untrained.{code}": "untrained"}
    return [(one, names[wanted[one.representation]]) for one in found.shapes if one.representation in wanted]


def prior(material: Material) -> Section:
    """Whether codes are distributed as the prior."""
    found: PriorComparison | None = material.results.get("prior")
    if found is None or not found.parts:
        note = "Not compared yet: latentgan prior TABLE --out RESULTS does, for tables that name their prior."
        return missing("prior", "Codes and prior", material.refusal("prior") or note)
    shown = tuple((part.name, tuple(_part(part, i))) for i, part in enumerate(found.parts))
    blocks: list[Block] = [*one_of("prior-part", "Part", shown)]
    blocks += [Prose(sentence(note)) for note in found.notes]
    said = [_prior_finding(part) for part in found.parts]
    several = [_parts_finding(found)] if len(said) > 1 else []
    return stated("prior", "Codes and prior", (*several, *said, trained_on(found.notes)), blocks)


def _differs(part: PartOfPrior) -> bool:
    return min(part.codes.wasserstein_p, part.codes.mmd_p) <= SIGNIFICANT / 2  # two tests of one question


def _parts_finding(found: PriorComparison) -> str:
    """Say of several parts which differ from their priors."""
    differ = [part.name for part in found.parts if _differs(part)]
    same = [part.name for part in found.parts if not _differs(part)]
    one = found.parts[0].codes
    tested = f"sliced Wasserstein and kernel tests, n = {count(one.n)}"
    if not differ:
        return f"No difference shows between the codes of {listed(same)} and their priors ({tested})."
    alike = f"; no difference shows in those of {listed(same)}" if same else ""
    whose = "their priors" if len(differ) > 1 else "the prior"
    return f"The codes of {listed(differ)} are not distributed as {whose} ({tested}){alike}."


def _prior_finding(part: PartOfPrior) -> str:
    one = part.codes
    distance = (
        f"sliced Wasserstein distance {number(one.wasserstein, 3)}, {p_value(one.wasserstein_p, one.permutations)}; "
        f"two sets of draws from the prior {number(part.null.wasserstein, 3)}; kernel test "
        f"{p_value(one.mmd_p, one.permutations)}; n = {count(one.n)}"
    )
    if not _differs(part):
        return f"No difference shows between the codes of {part.name} and the {part.kind} prior ({distance})."
    columns = f"{count(len(one.rejected))} of {plural(len(one.ks), 'number')}"
    return (
        f"The codes of {part.name} are not distributed as the {part.kind} prior ({distance}); {columns} differ by "
        "themselves, at a false discovery rate of 5\u00a0%."
    )


def _part(part: PartOfPrior, index: int) -> list[Block]:
    rows = tuple(_tests(name, one) for name, one in (("codes and prior", part.codes), ("prior and prior", part.null)))
    caption = (
        "The sliced Wasserstein distance is in units of the code, over random directions; MMD² is about 0, or below, "
        "where the two are one. p is the share of exchanges of codes and draws that lie as far apart. The last column "
        "counts numbers whose Kolmogorov–Smirnov tests are discoveries (Benjamini and Hochberg, 5\u00a0%)."
    )
    table = Table(("compared", "sliced Wasserstein", "test", "MMD²", "test", "numbers that differ"), rows, caption)
    return [_deviations(part, index), table, Disclosure("Every number", (_columns(part),))]


def _tests(name: str, one: TwoSample) -> tuple[str, ...]:
    return (
        name, number(one.wasserstein, 3), p_value(one.wasserstein_p, one.permutations), f"{one.mmd:.1e}",
        p_value(one.mmd_p, one.permutations), f"{count(len(one.rejected))} of {count(len(one.ks))}",
    )  # fmt: skip


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
        f"prior-deviations-{index}", f"Spread of {part.name}", "number, by rank", "deviation over the prior's", (line,),
        caption, y_scale="from zero", level=(1.0, "prior"),
    )  # fmt: skip


def _columns(part: PartOfPrior) -> Table:
    rejected = set(part.codes.rejected.tolist())
    rows = tuple(
        (str(i + 1), number(float(part.means[i])), number(float(part.deviations[i])), number(float(ks), 3),
         p_value(float(p)) if math.isfinite(p) else "–", "differs" if i in rejected else "")
        for i, (ks, p) in enumerate(zip(part.codes.ks, part.codes.ks_p, strict=True))
    )  # fmt: skip
    caption = "Mean and deviation (over the prior's) of each number, with its Kolmogorov–Smirnov test."
    return Table(("number", "mean", "deviation", "KS", "test", ""), rows, caption)
