"""The section on known factors: what it claims of axes, of axes that a rotation has too, and of nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_asked as asked
import report_samples as samples
from equal_results import same

from analysis.base.statistics import Interval
from analysis.disentanglement.evaluate import Disentanglement
from analysis.disentanglement.views import N_SHOWN_NUMBERS
from analysis.disentanglement.views import section as disentanglement
from analysis.report.context import ReportContext
from analysis.report.document import Choice, Comparison, Report, Table, all_blocks
from analysis.report.html import page
from analysis.results import load_one, save

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def result() -> Disentanglement:
    return asked.disentanglement(NAMES)


def finding(result: Disentanglement, **changes: Any) -> str:
    first = replace(result.scores[0], **changes)
    section = disentanglement(ReportContext({"disentanglement": replace(result, scores=(first, *result.scores[1:]))}))
    return section.finding.replace("\u00a0", " ")


def inside(result: Disentanglement, kind: type) -> list[Any]:
    return [
        b for b in all_blocks(disentanglement(ReportContext({"disentanglement": result})).blocks) if isinstance(b, kind)
    ]


def test_axes_of_factors_beat_random_rotations(result: Disentanglement) -> None:
    sentence, score = finding(result), result.scores[0]
    assert sentence.startswith("Single numbers of the code stand for factors more than ")
    assert f"(MIG {score.value.value:.3f} [{score.value.low:.3f}, {score.value.high:.3f}], n = 200); " in sentence
    for words in (
        "shuffled factors 0.0",
        "its random rotations 0.",
        "PCA 4 of pixels 0.",
        "network untrained 0.",
    ):
        assert words in sentence


def test_axes_like_rotations_mean_nothing(result: Disentanglement) -> None:
    sentence = finding(result, rotated_p=0.4)
    assert sentence.startswith("Single numbers of the code stand for factors no more than ")
    assert "; its axes mean nothing by themselves; " in sentence


def test_nothing_beyond_shuffled_factors_is_said_to_be_chance(result: Disentanglement) -> None:
    for changes in ({"value": Interval(0.01, -0.01, 0.03, 200), "shuffled": 0.005}, {"p_value": 0.3}):
        assert finding(result, **changes).startswith(
            "No single number of the code stands for a single factor beyond ch"
        )


def test_importances_are_a_shaded_table(result: Disentanglement) -> None:
    importance, information = inside(result, Table)
    assert importance.columns == information.columns == ("number", "label", "ink 1")
    assert [row[0] for row in importance.rows][-2:] == ["0 5", "all numbers together"]  # the number that is the ink
    assert importance.shades[-2][1] == pytest.approx(result.importance[4, 1]) and importance.shades[-2][1] > 0.9
    assert information.shades[-1][1] == pytest.approx(result.information[4, 1] / result.entropies[1])
    many = replace(result, importance=np.tile(result.importance, (20, 1)), numbers=())
    first = inside(many, Table)[0]
    assert len(first.rows) == N_SHOWN_NUMBERS + 1 and "The 24 of 100 numbers" in first.caption


def test_scores_are_reported_beside_rotations(result: Disentanglement) -> None:
    choice = next(block for block in inside(result, Choice) if block.id == "factor-scores")
    assert [name for name, _ in choice.options] == [each_score.name for each_score in result.scores] and len(
        choice.options
    ) == 7
    for score, block in zip(result.scores, inside(result, Comparison), strict=True):
        assert [row.role for row in block.rows] == ["ours", "chance", "pca", "untrained", "chance"]
        assert block.rows[0].value == score.value.value and all(row.n > 0 for row in block.rows)
        assert block.rows[0].note.endswith("beside shuffled factors") and len(block.caption) > 200


def test_what_was_measured_comes_back_from_disk(result: Disentanglement, tmp_path: Path) -> None:
    save(result, tmp_path)
    assert same(load_one(tmp_path, "disentanglement"), result)


def test_a_table_without_factors_is_told_why_or_what_to_do() -> None:
    plain = disentanglement(ReportContext())
    assert plain.missing and "latentgan disentanglement TABLE" in plain.finding
    overview = replace(samples.overview(20, NAMES), refused=(("disentanglement", "two known factors are needed"),))
    assert disentanglement(ReportContext({"overview": overview})).finding == "Left out: Two known factors are needed."


def test_hostile_names_of_factors_and_numbers_are_text() -> None:
    section = disentanglement(ReportContext({"disentanglement": asked.disentanglement(samples.HOSTILE[:2])}))
    text = page(Report(title="t", lead="l", sections=(section,)))
    assert "<img src=x" not in text and "<script>window" not in text and "&lt;img src=x" in text
