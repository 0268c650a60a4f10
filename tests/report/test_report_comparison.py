"""The section on other models: what it claims of the same code turned, of one like pixels, and of noise."""

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
from analysis.model_comparison.similarity import Comparisons
from analysis.model_comparison.views import carries
from analysis.model_comparison.views import section as comparison
from analysis.report.context import ReportContext
from analysis.report.document import Choice, Comparison, Report, Table, all_blocks
from analysis.report.html import page
from analysis.results import load_one, save

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def found() -> Comparisons:
    return asked.comparison(NAMES)


def finding(found: Comparisons) -> str:
    return comparison(ReportContext({"model_comparison": found})).finding.replace("\u00a0", " ")


def inside(found: Comparisons, kind: type) -> list[Any]:
    return [b for b in all_blocks(comparison(ReportContext({"model_comparison": found})).blocks) if isinstance(b, kind)]


def test_the_same_code_turned_is_said_to_be_alike_and_more_than_the_baselines(found: Comparisons) -> None:
    said, cka = finding(found), found.pairs[0].similarities[0].value
    assert said.startswith(
        "The codes of pca.parquet and turned 0 arrange the same images alike, closer than the first is to any baseline"
        f" (the most alike of 2 other models, linear CKA {cka.value:.2f} [{cka.low:.2f}, {cka.high:.2f}]; the first "
        "with noise "
    )
    for words in ("with shuffled rows 0.0", "with raw pixels 0.", "with its own network untrained 0.", "; n = 500); "):
        assert words in said
    carried = sum(carries([one for pair in found.pairs for one in pair.transfers]))
    assert said.endswith(
        f"; {carried} of 4 concepts carry over to 2 models by a "
        "map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )


def test_a_code_no_more_alike_than_pixels_is_said_to_be_so(found: Comparisons) -> None:
    near = replace(found.baselines[0], similarities=found.pairs[0].similarities)
    said = finding(replace(found, pairs=found.pairs[:1], baselines=(near, found.baselines[1])))
    assert "alike, but the first is as close to raw pixels (linear CKA" in said
    assert said.endswith(
        "; 2 of 2 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )
    assert "alike (linear CKA" in finding(replace(found, pairs=found.pairs[:1], baselines=()))


def test_noise_is_said_to_be_no_more_alike_than_shuffled_rows_and_carries_nothing(found: Comparisons) -> None:
    said = finding(replace(found, pairs=found.pairs[1:]))
    assert said.startswith(
        "The codes of pca.parquet and noise arrange the same images no more alike than shuffled rows ("
    )
    assert said.endswith(
        "; 0 of 2 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )
    assert all(carries(found.pairs[0].transfers)) and not any(carries(found.pairs[1].transfers))
    assert carries([replace(found.pairs[0].transfers[0], p_value=0.1)]) == [False]


def test_concepts_that_carry_over_are_corrected_for_their_number(found: Comparisons) -> None:
    one = found.pairs[0].transfers[0]
    tried = [replace(one, p_value=0.04), *(replace(one, name=str(i), p_value=0.5) for i in range(3))]
    assert carries(tried[:1]) == [True] and carries(tried) == [False] * 4
    said = finding(replace(found, pairs=(replace(found.pairs[0], transfers=tuple(tried)),)))
    assert "; 0 of 4 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them" in said


def test_concepts_carried_over_to_baselines_stand_beside(found: Comparisons) -> None:
    told = found.pairs[0].transfers
    weak = tuple(replace(one, there=Interval(0.55, 0.45, 0.65, 100)) for one in told)
    pixels, untrained = found.baselines
    beside = (replace(pixels, transfers=told), replace(untrained, transfers=weak))
    one = replace(found, pairs=found.pairs[:1], baselines=beside)
    assert finding(one).endswith("over them; to raw pixels 2 of 2 and to its own network untrained 0 of 2).")
    [chart] = [b for b in inside(one, Comparison) if b.rows[0].label == told[0].name]
    assert [(mark.role, mark.name) for mark in chart.rows[0].marks] == [
        ("chance", "shuffled maps"),
        ("pixels", "raw pixels"),
        ("untrained", "code, untrained"),
    ]
    assert chart.rows[0].marks[1].value == told[0].there.value and "what the images alone share" in chart.caption


def test_models_stand_side_by_side_with_baselines_and_shuffled_rows(found: Comparisons) -> None:
    alike, carried = inside(found, Choice)
    assert [name for name, _ in alike.options] == [one.name for one in found.pairs[0].similarities]
    for i, (_, (block,)) in enumerate(alike.options):
        assert isinstance(block, Comparison) and [row.role for row in block.rows] == [
            "ours",
            "ours",
            "pixels",
            "untrained",
        ]
        assert block.rows[1].value == found.pairs[1].similarities[i].value.value
        assert all(row.n >= 100 and row.marks[0].name == "shuffled rows" for row in block.rows)
    assert [name for name, _ in carried.options] == ["turned 0", "noise"]
    first, second = inside(found, Table)
    assert len(first.rows) == len(second.rows) == 2 and first.columns[1:4] == ("carried over", "at home", "found there")


def test_what_was_compared_comes_back_from_disk(found: Comparisons, tmp_path: Path) -> None:
    save(found, tmp_path)
    assert same(load_one(tmp_path, "model_comparison"), found)


def test_hostile_names_of_tables_and_concepts_are_text_and_a_missing_result_names_its_command() -> None:
    text = page(
        Report(
            title="t",
            lead="l",
            sections=(comparison(ReportContext({"model_comparison": asked.comparison(samples.HOSTILE)})),),
        )
    )
    assert "<img src=x" not in text and "<script>window" not in text and "&lt;img src=x" in text
    plain = comparison(ReportContext())
    assert plain.missing and "latentgan compare TABLE OTHER" in plain.finding


def test_a_terminal_says_of_a_p_that_shuffles_could_not_make_smaller_that_it_is_a_bound(
    found: Comparisons,
) -> None:
    from analysis.model_comparison.views import tables as comparisons

    pair = found.pairs[0]
    least = 1 / (1 + pair.transfers[0].shuffled.n)
    for p, said in ((least, f"≤ {least:.3f}"), (2 * least, f"{2 * least:.3f}"), (np.nan, "–")):
        some = replace(pair, transfers=(replace(pair.transfers[0], p_value=p),))
        *_, (_, _, rows) = comparisons(replace(found, pairs=(some,)))
        assert [row[5] for row in rows] == [said]
    (_, _, rows), *_ = comparisons(replace(found, pairs=(pair,)))
    assert [row[-2] for row in rows] == ["≤ 0.050"] * 5, "of 19 shuffles none is as alike"
