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
def comparisons() -> Comparisons:
    return asked.comparison(NAMES)


def finding(comparisons: Comparisons) -> str:
    return comparison(ReportContext({"model_comparison": comparisons})).finding.replace("\u00a0", " ")


def inside(comparisons: Comparisons, kind: type) -> list[Any]:
    return [
        b
        for b in all_blocks(comparison(ReportContext({"model_comparison": comparisons})).blocks)
        if isinstance(b, kind)
    ]


def test_a_turned_code_is_reported_alike(comparisons: Comparisons) -> None:
    sentence, cka = finding(comparisons), comparisons.pairs[0].similarities[0].value
    assert sentence.startswith(
        "The codes of “pca.parquet” and “turned 0” arrange the same images alike, closer than any baseline"
        f" (best of 2, linear CKA {cka.value:.2f} [{cka.low:.2f}, {cka.high:.2f}], n = 500); “pca.parquet” "
        "with “noise” "
    )
    for words in ("with shuffled rows 0.0", "with raw pixels 0.", "with its own network untrained 0.", ", n = 500); "):
        assert words in sentence
    carried = sum(carries([transfer for pair in comparisons.pairs for transfer in pair.transfers]))
    assert sentence.endswith(
        f"; {carried} of 4 concepts carry over to 2 models by a "
        "map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )


def test_a_code_no_more_alike_than_pixels_is_said_to_be_so(comparisons: Comparisons) -> None:
    near = replace(comparisons.baselines[0], similarities=comparisons.pairs[0].similarities)
    sentence = finding(replace(comparisons, pairs=comparisons.pairs[:1], baselines=(near, comparisons.baselines[1])))
    assert "alike, but the first is as close to raw pixels (linear CKA" in sentence
    assert sentence.endswith(
        "; 2 of 2 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )
    assert "alike (linear CKA" in finding(replace(comparisons, pairs=comparisons.pairs[:1], baselines=()))


def test_noise_is_reported_unlike(comparisons: Comparisons) -> None:
    sentence = finding(replace(comparisons, pairs=comparisons.pairs[1:]))
    assert sentence.startswith(
        "The codes of “pca.parquet” and “noise” arrange the same images no more alike than shuffled rows ("
    )
    assert sentence.endswith(
        "; 0 of 2 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them)."
    )
    assert all(carries(comparisons.pairs[0].transfers)) and not any(carries(comparisons.pairs[1].transfers))
    assert carries([replace(comparisons.pairs[0].transfers[0], p_value=0.1)]) == [False]


def test_concepts_that_carry_over_are_corrected_for_their_number(comparisons: Comparisons) -> None:
    transfer = comparisons.pairs[0].transfers[0]
    tried = [replace(transfer, p_value=0.04), *(replace(transfer, name=str(i), p_value=0.5) for i in range(3))]
    assert carries(tried[:1]) == [True] and carries(tried) == [False] * 4
    sentence = finding(replace(comparisons, pairs=(replace(comparisons.pairs[0], transfers=tuple(tried)),)))
    assert "; 0 of 4 concepts carry over by a map that saw no label (q ≤ 0.05, Benjamini–Hochberg over them" in sentence


def test_concepts_carried_over_to_baselines_stand_beside(comparisons: Comparisons) -> None:
    transfers = comparisons.pairs[0].transfers
    weak = tuple(replace(transfer, transferred_auc=Interval(0.55, 0.45, 0.65, 100)) for transfer in transfers)
    pixels, untrained = comparisons.baselines
    baselines = (replace(pixels, transfers=transfers), replace(untrained, transfers=weak))
    with_baselines = replace(comparisons, pairs=comparisons.pairs[:1], baselines=baselines)
    assert finding(with_baselines).endswith("over them; to raw pixels 2 of 2 and to its own network untrained 0 of 2).")
    [chart] = [b for b in inside(with_baselines, Comparison) if b.rows[0].label == transfers[0].name]
    assert [(mark.role, mark.name) for mark in chart.rows[0].marks] == [
        ("chance", "shuffled maps"),
        ("pixels", "raw pixels"),
        ("untrained", "code, untrained"),
    ]
    assert (
        chart.rows[0].marks[1].value == transfers[0].transferred_auc.value
        and "what the images alone share" in chart.caption
    )


def test_models_are_reported_beside_baselines(comparisons: Comparisons) -> None:
    alike, carried = inside(comparisons, Choice)
    assert [name for name, _ in alike.options] == [similarity.name for similarity in comparisons.pairs[0].similarities]
    for i, (_, (block,)) in enumerate(alike.options):
        assert isinstance(block, Comparison) and [row.role for row in block.rows] == [
            "ours",
            "ours",
            "pixels",
            "untrained",
        ]
        assert block.rows[1].value == comparisons.pairs[1].similarities[i].value.value
        assert all(row.n >= 100 and row.marks[0].name == "shuffled rows" for row in block.rows)
    assert [name for name, _ in carried.options] == ["turned 0", "noise"]
    first, second = inside(comparisons, Table)
    assert len(first.rows) == len(second.rows) == 2 and first.columns[1:4] == (
        "transferred",
        "in its own code",
        "fitted in the other",
    )


def test_what_was_compared_comes_back_from_disk(comparisons: Comparisons, tmp_path: Path) -> None:
    save(comparisons, tmp_path)
    assert same(load_one(tmp_path, "model_comparison"), comparisons)


def test_hostile_names_of_tables_are_text() -> None:
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


def test_terminal_says_when_p_is_a_bound(
    comparisons: Comparisons,
) -> None:
    from analysis.model_comparison.views import tables as comparison_tables

    pair = comparisons.pairs[0]
    least = 1 / (1 + pair.transfers[0].shuffled.n)
    for p, text in ((least, f"≤ {least:.3f}"), (2 * least, f"{2 * least:.3f}"), (np.nan, "–")):
        changed_pair = replace(pair, transfers=(replace(pair.transfers[0], p_value=p),))
        *_, (_, _, rows) = comparison_tables(replace(comparisons, pairs=(changed_pair,)))
        assert [row[5] for row in rows] == [text]
    (_, _, rows), *_ = comparison_tables(replace(comparisons, pairs=(pair,)))
    assert [row[-2] for row in rows] == ["≤ 0.050"] * 5, "of 19 shuffles none is as alike"
