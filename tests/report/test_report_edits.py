"""The section on verified edits: what its finding claims, and the figures it stands on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples

from analysis.editing.verification import Verification
from analysis.editing.views import section as edits
from analysis.report.context import ReportContext
from analysis.report.document import Choice, Comparison, Disclosure, Lines, Section, Strips, Table, all_blocks

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def found() -> Verification:
    return samples.verification(200, NAMES)


@pytest.fixture(scope="module")
def section(found: Verification) -> Section:
    return edits(ReportContext({"editing": found, "concepts": samples.concepts(200, NAMES)}))


def inside(section: Section, kind: type) -> list[Any]:
    return [block for block in all_blocks(section.blocks) if isinstance(block, kind)]


def test_the_finding_counts_what_was_proven_and_gives_n(found: Verification, section: Section) -> None:
    assert f"{len(found.verified)} of 2 concepts" in section.finding
    assert len(section.finding.split()) <= 40, section.finding
    assert "n = 40" in section.finding and "random directions" in section.finding


def test_a_concept_has_its_curve_over_random_directions_and_a_strip(found: Verification, section: Section) -> None:
    choice = section.blocks[0]
    assert isinstance(choice, Choice) and [name for name, _ in choice.options] == ["ink", "label: 3"]
    for i, (name, blocks) in enumerate(choice.options):
        response, kept, strip = blocks
        assert isinstance(response, Lines) and isinstance(kept, Lines) and isinstance(strip, Strips)
        own, random = response.lines
        np.testing.assert_array_equal(own.y, found.responses[i].curve[0])
        assert own.low is not None and random.role == "chance" and random.high is not None
        assert (random.high >= random.low).all() and random.y.shape == (7,)
        assert strip.steps[3] == "0 sd" and strip.start == 3 and len(strip.strips) == 3
        np.testing.assert_array_equal(strip.strips[1].pixels, found.frames[i, 1])
        assert name in strip.caption and kept.y_scale == "percent"


def test_every_figure_stands_beside_random_directions(found: Verification, section: Section) -> None:
    shown = inside(section, Comparison)
    assert len(shown) == 4
    for block in shown:
        assert [row.label for row in block.rows] == ["ink", "label: 3"]
        assert all(row.n > 0 and row.marks[0].role == "chance" for row in block.rows)
    assert [row.value for row in shown[0].rows] == [one.effect.value for one in found.responses]
    assert "corrected for 2 concepts" in shown[0].rows[0].note and "half are by chance" in shown[2].rows[0].note


def test_leakage_is_a_table_shaded_by_size(found: Verification, section: Section) -> None:
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.columns == ("edited along", "ink", "label: 3") and len(table.rows) == 2
    assert table.rows[0][1] == f"{found.leakage[0, 0]:+.2f}".replace("-", "−")
    assert table.shades[0][0] == min(1, abs(found.leakage[0, 0]))
    judges = next(block for block in section.blocks if isinstance(block, Disclosure)).blocks[0]
    assert isinstance(judges, Table) and judges.rows[1][3].startswith("AUC 0.97") and judges.rows[0][3] == "–"
    assert "90.0" in judges.caption


def test_concepts_that_were_found_anew_are_said_to_be_others(found: Verification, section: Section) -> None:
    said = [block for block in section.blocks if "computed again" in str(block)]
    assert not said
    table = samples.concepts(200, NAMES)
    other = replace(table, concepts=tuple(replace(one, scale=2 * one.scale) for one in table.concepts))
    again = edits(ReportContext({"editing": found, "concepts": other}))
    assert (
        "latentgan verify again" in str(again.blocks[-2])
        and "only two of the concepts" in str(again.blocks[-1]).lower()
    )


def test_nothing_proven_and_nothing_judged_are_said(found: Verification) -> None:
    null = replace(found, responses=tuple(replace(one, p_value=0.5) for one in found.responses))
    assert edits(ReportContext({"editing": null})).finding.startswith("Edits along 0 of 2 concepts")
    nan = np.full((3, 7), np.nan)
    alone = replace(found, responses=tuple(replace(one, score=-1, curve=nan) for one in found.responses))
    section = edits(ReportContext({"editing": alone}))
    assert section.finding.startswith("No evaluator") and not inside(section, Comparison)


def test_what_nobody_judges_and_what_was_left_out_is_counted_in_the_finding(found: Verification) -> None:
    from analysis.editing.views import tables as printed

    first, other = found.responses
    some = replace(found, responses=(replace(first, score=-1), replace(other, p_value=0.01)), left_out=11)
    shown = edits(ReportContext({"editing": some}))
    assert "1 of 1 concept" in shown.finding and "label: 3 by" in shown.finding
    assert "1 direction without an evaluator; 11 directions left out" in str(shown.blocks)
    title = next(iter(printed(some)))[0]
    assert title.endswith("; 1 without an evaluator; 11 left out")
    nobody = tuple(replace(one, score=-1) for one in found.responses)
    alone = edits(ReportContext({"editing": replace(some, responses=nobody)})).finding
    assert "--attributes FILE" in alone


def test_a_p_that_random_directions_could_not_make_smaller_is_an_upper_bound(found: Verification) -> None:
    from analysis.editing.views import tables as printed

    least = 1 / (1 + found.draws)
    some = replace(
        found, responses=(replace(found.responses[0], p_value=least), replace(found.responses[1], p_value=3 * least))
    )
    rows = inside(edits(ReportContext({"editing": some})), Comparison)[0].rows
    assert [row.note[:9] for row in rows] == ["p ≤ 0.048", "p = 0.143"]
    assert [row[2] for row in next(iter(printed(some)))[2][::2]] == ["≤ 0.048", "0.143"]


def test_a_verification_that_is_missing_names_its_command() -> None:
    section = edits(ReportContext())
    assert section.missing and "latentgan verify RUN" in section.finding
