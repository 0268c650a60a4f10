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
def result() -> Verification:
    return samples.verification(200, NAMES)


@pytest.fixture(scope="module")
def section(result: Verification) -> Section:
    return edits(ReportContext({"editing": result, "concepts": samples.concepts(200, NAMES)}))


def inside(section: Section, kind: type) -> list[Any]:
    return [block for block in all_blocks(section.blocks) if isinstance(block, kind)]


def test_the_finding_counts_verified_concepts(result: Verification, section: Section) -> None:
    assert f"{len(result.verified)} of 2 concepts" in section.finding
    assert len(section.finding.split()) <= 40, section.finding
    assert "n = 40" in section.finding and "random directions" in section.finding


def test_a_concept_has_its_curve_and_a_strip(result: Verification, section: Section) -> None:
    choice = section.blocks[0]
    assert isinstance(choice, Choice) and [name for name, _ in choice.options] == ["ink", "label: 3"]
    for i, (name, blocks) in enumerate(choice.options):
        response, preserved, strip = blocks
        assert isinstance(response, Lines) and isinstance(preserved, Lines) and isinstance(strip, Strips)
        curve, random = response.lines
        np.testing.assert_array_equal(curve.y, result.responses[i].curve[0])
        assert curve.low is not None and random.role == "chance" and random.high is not None
        assert (random.high >= random.low).all() and random.y.shape == (7,)
        assert strip.steps[3] == "0 sd" and strip.start == 3 and len(strip.strips) == 3
        np.testing.assert_array_equal(strip.strips[1].pixels, result.frames[i, 1])
        assert name in strip.caption and preserved.y_scale == "percent"


def test_figures_have_random_directions(result: Verification, section: Section) -> None:
    shown = inside(section, Comparison)
    assert len(shown) == 4
    for block in shown:
        assert [row.label for row in block.rows] == ["ink", "label: 3"]
        assert all(row.n > 0 and row.marks[0].role == "chance" for row in block.rows)
    assert [row.value for row in shown[0].rows] == [response.effect.value for response in result.responses]
    assert "corrected for 2 concepts" in shown[0].rows[0].note and "half are by chance" in shown[2].rows[0].note


def test_leakage_is_a_table_shaded_by_size(result: Verification, section: Section) -> None:
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.columns == ("edited along", "ink", "label: 3") and len(table.rows) == 2
    assert table.rows[0][1] == f"{result.leakage[0, 0]:+.2f}".replace("-", "−")
    assert table.shades[0][0] == min(1, abs(result.leakage[0, 0]))
    evaluators = next(block for block in section.blocks if isinstance(block, Disclosure)).blocks[0]
    assert (
        isinstance(evaluators, Table) and evaluators.rows[1][3].startswith("AUC 0.97") and evaluators.rows[0][3] == "–"
    )
    assert "90.0" in evaluators.caption


def test_concepts_computed_again_are_noted(result: Verification, section: Section) -> None:
    notes = [block for block in section.blocks if "computed again" in str(block)]
    assert not notes
    table = samples.concepts(200, NAMES)
    other = replace(table, concepts=tuple(replace(concept, scale=2 * concept.scale) for concept in table.concepts))
    changed = edits(ReportContext({"editing": result, "concepts": other}))
    assert (
        "latentgan verify again" in str(changed.blocks[-2])
        and "only two of the concepts" in str(changed.blocks[-1]).lower()
    )


def test_nothing_verified_and_nothing_scored(result: Verification) -> None:
    null = replace(result, responses=tuple(replace(response, p_value=0.5) for response in result.responses))
    assert edits(ReportContext({"editing": null})).finding.startswith("Edits along 0 of 2 concepts")
    nan = np.full((3, 7), np.nan)
    alone = replace(result, responses=tuple(replace(response, score=-1, curve=nan) for response in result.responses))
    section = edits(ReportContext({"editing": alone}))
    assert section.finding.startswith("No evaluator") and not inside(section, Comparison)


def test_omitted_directions_are_counted(result: Verification) -> None:
    from analysis.editing.views import tables as printed

    first, other = result.responses
    partly = replace(result, responses=(replace(first, score=-1), replace(other, p_value=0.01)), left_out=11)
    shown = edits(ReportContext({"editing": partly}))
    assert "1 of 1 concept" in shown.finding and "label: 3 by" in shown.finding
    assert "1 direction without an evaluator; 11 directions left out" in str(shown.blocks)
    title = next(iter(printed(partly)))[0]
    assert title.endswith("; 1 without an evaluator; 11 left out")
    unscored = tuple(replace(response, score=-1) for response in result.responses)
    alone = edits(ReportContext({"editing": replace(partly, responses=unscored)})).finding
    assert "--attributes FILE" in alone


def test_a_floored_p_is_an_upper_bound(result: Verification) -> None:
    from analysis.editing.views import tables as printed

    least = 1 / (1 + result.draws)
    bounded = replace(
        result, responses=(replace(result.responses[0], p_value=least), replace(result.responses[1], p_value=3 * least))
    )
    rows = inside(edits(ReportContext({"editing": bounded})), Comparison)[0].rows
    assert [row.note[:9] for row in rows] == ["p ≤ 0.048", "p = 0.143"]
    assert [row[2] for row in next(iter(printed(bounded)))[2][::2]] == ["≤ 0.048", "0.143"]


def test_missing_results_name_their_command() -> None:
    section = edits(ReportContext())
    assert section.missing and "latentgan verify RUN" in section.finding
