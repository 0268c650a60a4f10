"""Runs side by side: alike ones are not told apart, a better one is found, what is missing is a dash with a note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
from equal_results import same

from analysis import AnalysisError, Embeddings
from analysis.base.linear_models import Rows
from analysis.model_comparison.ranking import (
    CODE,
    CODE_FEW,
    DIMENSION,
    ERROR,
    FEATURES,
    ComparedModel,
    Entry,
    best_by_metric,
    ranked_models,
)
from analysis.model_comparison.ranking_study import study_runs
from analysis.model_comparison.ranking_views import finding
from analysis.model_comparison.ranking_views import ranking_tables as printed
from analysis.model_comparison.ranking_views import side_by_side as section
from analysis.model_comparison.study import study_comparison
from analysis.model_comparison.views import section as comparison
from analysis.probes.few_labels import paired_draws_and_rows
from analysis.probes.linear_probe import linear_probe, logistic_hits
from analysis.report.context import ReportContext
from analysis.report.document import Table, all_blocks
from analysis.results import load_one, save
from analysis.table.alignment import common_rows
from analysis.table.study_options import Options

WIDTH = 6
OPTIONS = Options()


def columns(*baselines: str, **changes: Any) -> dict[str, Any]:
    """Digits by a PCA, of which only what a test reads is kept, and columns of its own."""
    digits = table_maker.digits_columns(WIDTH)
    names = ("id", "split", "label", "code", *baselines)
    return {name: digits[name] for name in names} | changes


def table(folder: Path, name: str, values: dict[str, Any], **about: Any) -> Embeddings:
    metadata = table_maker.digits_metadata(WIDTH) | about
    return Embeddings(table_maker.write_table(folder / f"{name}.parquet", values, metadata))


def clean(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Embeddings]:
    """A code, the same turned and in another order of rows, and the same under noise."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    columns_of_one = columns("pixels", "untrained.code")
    code = columns_of_one["code"]
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    order = rng.permutation(len(code))
    turned = {
        name: values[order]
        if isinstance(values, np.ndarray)
        else [values[i] for i in order]
        if isinstance(values, list)
        else values.take(order)
        for name, values in {**columns_of_one, "code": code @ turn}.items()
    }
    noisy = {**columns_of_one, "code": code + rng.normal(size=code.shape).astype(np.float32)}
    return {
        "one": table(folder, "one", columns_of_one, family="bigan", images_seen=500),
        "turned": table(folder, "turned", turned),
        "noisy": table(folder, "noisy", noisy, n_labels_used=30),
    }


def test_a_code_and_the_same_turned_do_not_differ(tables: dict[str, Embeddings]) -> None:
    ranking, _ = study_runs([tables["one"], tables["turned"]], ["one", "turned"], OPTIONS, draws=2)
    assert ranking.best_by_metric and not any(lead.clear for lead in ranking.best_by_metric)
    first, turned = ranking.runs
    assert first.figure(DIMENSION).value.value == pytest.approx(turned.figure(DIMENSION).value.value, rel=1e-4)
    assert abs(turned.figure(CODE).difference.value) < 0.02
    sentence = clean(finding(ranking))
    assert "are not clearly different: a probe on the code of “one” classifies" in sentence
    assert sentence.endswith("no run is ahead by the code with 10 labels a class.")


def test_a_planted_better_code_is_found_wherever_it_stands(tables: dict[str, Embeddings]) -> None:
    names = ("noisy", "one", "turned")
    ranking, notes = study_runs([tables[name] for name in names[:2]], names[:2], OPTIONS, draws=2)
    assert all(lead.clear and lead.best == 1 for lead in ranking.best_by_metric)
    gap, lead = ranking.runs[1].figure(CODE).difference, ranking.best_by_metric[0]
    assert (gap.low, gap.value) == (lead.difference.low, lead.difference.value) and gap.low > 0.1
    sentence = clean(finding(ranking))
    value = ranking.runs[1].figure(CODE).value
    assert sentence.startswith(f"“one” is ahead: a linear probe of its code classifies {100 * value.value:.1f} % [")
    assert (
        "; “one” is also ahead by the code with 10 labels a class." in sentence
        and "more than “noisy”'s; baselines: raw pixels" in sentence
    )
    assert "noisy used 30 labels in training" in notes
    three, _ = study_runs([tables[name] for name in names], names, OPTIONS, draws=2)
    assert not three.best_by_metric[0].clear and {three.best_by_metric[0].best, three.best_by_metric[0].rival} == {1, 2}
    assert clean(finding(three)).startswith("No run is ahead: ")


def test_equal_runs_differ_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(0)
    for runs, most in ((2, 0.07), (4, 0.05)):
        named = [
            best_by_metric(
                [
                    Entry(compared=ComparedModel(name=str(i)), values={CODE: rng.random((1, 300)) < 0.8})
                    for i in range(runs)
                ],
                rng=rng,
            )[0].clear
            for _ in range(600)
        ]
        assert np.mean(named) < most
    assert paired_draws_and_rows(np.ones((1, 50), bool), np.ones((1, 50), bool)).low < 0


def test_less_is_better_of_errors_and_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    hard = rng.gamma(9, 1, size=200)
    entries = [
        Entry(compared=ComparedModel(name="worse"), values={ERROR: hard + 0.1 + 0.01 * rng.normal(size=200)}),
        Entry(compared=ComparedModel(name="better"), values={ERROR: hard}),
    ]
    (lead,) = best_by_metric(entries, rng=rng)
    table = ranked_models(entries, rng=rng)
    assert lead.clear and (lead.best, lead.rival) == (1, 0) and lead.difference.value == pytest.approx(-0.1, abs=0.01)
    assert not table[0].figure(ERROR).value.apart(table[1].figure(ERROR).value)
    assert table[1].figure(ERROR).difference.high < -0.09 and np.isnan(table[0].figure(ERROR).difference.value)


def test_hits_are_those_of_the_linear_probe(tables: dict[str, Embeddings]) -> None:
    digits, labels = tables["one"], table_maker.digits()[1]
    train, held, test = (
        Rows(digits.vectors("code", rows), labels[rows]) for rows in map(digits.rows, ("train", "validation", "test"))
    )
    hits, _ = logistic_hits(train, held, test, rng=np.random.default_rng(0))
    (probe,) = linear_probe(train, test, validation=held, rng=np.random.default_rng(0), shuffled=False)
    assert hits.mean() == probe.score.value


def test_feature_layer_is_chosen_on_validation(tmp_path: Path) -> None:
    rng, (_, labels, split) = np.random.default_rng(0), table_maker.digits()
    truth = np.eye(10, dtype=np.float32)[labels]
    noise = rng.normal(size=truth.shape).astype(np.float32)
    lucky = np.where((split == "validation")[:, None], noise, truth)  # says all but to validation rows
    layers = {"net.lucky": lucky, "net.honest": (truth + noise / 3).astype(np.float32)}
    with_layers = table(tmp_path, "one", columns(**layers))
    ranking, notes = study_runs([with_layers, table(tmp_path, "other", columns())], ["one", "other"], OPTIONS, draws=2)
    assert ranking.runs[0].compared.layer == "net.honest" and ranking.runs[0].figure(FEATURES).value.value > 0.8
    assert np.isnan(ranking.runs[1].figure(FEATURES).value.value)
    assert "no feature layers in the table: other" in notes


def test_baselines_stand_once_and_errors_are_of_what_decodes(tables: dict[str, Embeddings]) -> None:
    model = table_maker.digits_model(WIDTH)
    ranking, notes = study_runs(
        [tables["one"], tables["noisy"]],
        ["one", "noisy"],
        OPTIONS,
        draws=2,
        find_model=lambda table: model if table is tables["one"] else None,
    )
    assert [row.compared.name for row in ranking.ranked_models] == [
        "one",
        "noisy",
        "pixels",
        f"PCA {WIDTH} of pixels",
        "untrained.one",
        "untrained.noisy",
    ]
    first, noisy, pixels, pca, *_ = ranking.ranked_models
    assert first.figure(ERROR).value.value == pytest.approx(pca.figure(ERROR).value.value, rel=0.02)
    assert np.isnan(noisy.figure(ERROR).value.value) and "no model at hand that decodes: noisy" in " ".join(notes)
    assert pixels.figure(CODE).value.n == ranking.test_rows == 352 and first.compared.images_seen == 500
    assert (first.compared.family, first.compared.width, noisy.compared.n_labels_used) == ("bigan", WIDTH, 30)
    figures, gaps, ahead = printed(ranking)
    assert [row[0] for row in figures[2]][:3] == ["one", "noisy", "  pixels"] and "–" in figures[2][1]
    assert len(gaps[2]) == 5 and {row[4] for row in ahead[2]} == {"ahead"}
    blocks = [block for block in all_blocks(section(ranking)) if isinstance(block, Table)]
    assert len(blocks[0].rows) == 6 and blocks[0].quiet == (False, False, True, True, True, True)
    assert "trained with 30 labels" in blocks[0].below[1][0] and blocks[0].rows[2][4] == "–"


def test_what_tables_cannot_give_is_said(tmp_path: Path) -> None:
    bare_columns = {name: values for name, values in columns().items() if name in ("id", "split", "code")}
    first, second = (table(tmp_path, name, bare_columns) for name in ("one", "other"))
    result, notes = study_runs([first, second], ["one", "other"], OPTIONS, draws=2)
    assert result.best_by_metric == () and finding(result) == "" and result.target == ""
    assert [len(row.figures) for row in result.ranked_models] == [1, 1]
    note_text = " ".join(notes)
    for words in ("no probe is fitted: ", "no raw pixels and no PCA", "no untrained network in the table: one, other"):
        assert words in note_text
    few = columns(label=["0" if i % 200 else "1" for i in range(1797)])
    result, notes = study_runs([table(tmp_path, "a", few), table(tmp_path, "b", few)], ["a", "b"], OPTIONS, draws=2)
    assert result.per_class == 0 and any("10 labels a class cannot be drawn" in note for note in notes)
    assert np.isnan(result.runs[0].figure(CODE_FEW).value.value) and result.runs[0].figure(CODE).value.value > 0.9


def test_rows_of_another_split_are_left_out(tmp_path: Path) -> None:
    split = table_maker.digits()[2].copy()
    test = np.flatnonzero(split == "test")
    split[test[:100]] = "train"  # as one model has seen them
    whole = table(tmp_path, "one", columns())
    ranking, notes = study_runs(
        [whole, table(tmp_path, "other", columns(split=split.tolist()))], ["one", "other"], OPTIONS, draws=2
    )
    assert ranking.test_rows == 352 - np.count_nonzero(test[:100] % 50)  # every 50th row has no label
    assert "100 rows are left out, as their split differs between tables" in notes
    with pytest.raises(AnalysisError, match="different images"):
        study_runs(
            [whole, table(tmp_path, "strange", columns(), fingerprint="0" * 64)], ["one", "strange"], OPTIONS, draws=2
        )


def test_ranking_leads_and_survives_the_disk(tables: dict[str, Embeddings], tmp_path: Path) -> None:
    comparisons = study_comparison(
        tables["noisy"], [tables["one"]], replace(OPTIONS, test_rows=150), names=("<b>", "b"), draws=2
    )
    save(comparisons, tmp_path)
    assert same(load_one(tmp_path, "model_comparison"), comparisons) and comparisons.runs is not None
    written = comparison(ReportContext({"model_comparison": comparisons}))
    assert clean(written.finding).startswith("“b” is ahead: ")
    assert any("arrange the same images" in getattr(block, "text", "") for block in written.blocks)


def test_tables_without_ids_match_by_place(tmp_path: Path) -> None:
    without_ids = columns()
    del without_ids["id"]
    bare, whole = table(tmp_path, "bare", without_ids), table(tmp_path, "whole", columns())
    note = "no column 'id' in bare.parquet and bare.parquet: rows are matched by their place"
    assert common_rows(bare, bare)[2] == [note] and common_rows(whole, whole)[2] == []
    fewer = table(tmp_path, "fewer", {name: values[:300] for name, values in without_ids.items()})
    with pytest.raises(AnalysisError, match=r"'fewer.parquet' has no column 'id'.* ids"):
        common_rows(whole, fewer)
