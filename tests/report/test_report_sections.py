"""Sections over results: what the findings say, what is missing, what a run folder tells."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_samples as samples
from report_run import write_run

from analysis.base.baselines import MEAN
from analysis.base.columns import Column
from analysis.base.statistics import Baseline, Interval, wilson
from analysis.catalogue import STORY
from analysis.concepts.views import concept_finding
from analysis.concepts.views import tables as concept_tables
from analysis.errors import AnalysisError
from analysis.probes.few_labels import Difference
from analysis.report.context import ReportContext
from analysis.report.document import (
    Choice,
    Comparison,
    Gallery,
    Lines,
    Map,
    Prose,
    Report,
    Section,
    Slideshow,
    Strips,
    Table,
    all_blocks,
)
from analysis.report.estimate_rows import brackets, figure, readable
from analysis.report.html import page
from analysis.report.run_folder import GRIDS, Series, Warned, read_run
from analysis.report_builder import build, write_report
from analysis.results import KINDS, load, save
from analysis.table.overview import summary
from analysis.training_run.curve_views import curves
from analysis.training_run.views import _summary_row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return samples.results(200)


@pytest.fixture(scope="module")
def report(results: dict[str, Any], folder: Path) -> Report:
    commands = dict.fromkeys(results, "latentgan analyze t.parquet --out results")
    return build(ReportContext(results, commands, dict.fromkeys(results, "0.1.0"), read_run(folder)))


def test_a_table_without_pictures_speaks_of_examples(results: dict[str, Any]) -> None:
    bare = results | {"overview": replace(results["overview"], thumbnails=None)}
    made = build(ReportContext(bare, dict.fromkeys(bare, ""), dict.fromkeys(bare, "0.1.0")))
    for name in ("projection", "probes", "label_efficiency", "neighbours", "concepts", "mixtures"):
        found = section(made, name)
        said = [found.finding, *(block.text for block in all_blocks(found.blocks) if isinstance(block, Prose))]
        assert not re.search(r"\bimages?\b", " ".join(said)), f"{name}: {said}"
        assert name == "mixtures" or "example" in found.finding or "trustworthiness" in found.finding


def section(report: Report, id: str) -> Section:
    return next(one for one in report.sections if one.id == id)


def below(one: Section) -> str:
    """What is said right below the finding."""
    (first, *_) = one.blocks
    assert isinstance(first, Prose)
    return first.text


def kinds(one: Section) -> set[type]:
    return {type(block) for block in all_blocks(one.blocks)}


def text(value: str) -> str:
    return value.replace("\u00a0", " ")


def test_sections_come_in_the_order_of_the_story(report: Report) -> None:
    assert [one.id for one in report.sections] == [
        "overview",
        "diagnostics",
        "curves",
        "samples",
        "fidelity",
        "reconstruction",
        "code_parts",
        "disentanglement",
        "projection",
        "probes",
        "label_efficiency",
        "robustness",
        "neighbours",
        "concepts",
        "editing",
        "interpolation",
        "mixtures",
        "geometry",
        "prior_match",
        "model_comparison",
        "configuration",
        "made",
    ]
    assert len(report.sections) == len(STORY) and not any(one.missing for one in report.sections)


def test_every_section_has_a_figure_first(report: Report) -> None:
    for one in report.sections:
        assert one.finding.endswith(".") and one.finding[0] == one.finding[0].upper(), one.id
        assert re.search(r"\d", one.finding) or one.id == "diagnostics", one.id


def sentences(finding: str) -> list[str]:
    """Sentences of a text: a full stop ends one before a space or the end, but for abbreviations."""
    return [
        one for one in re.split(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!al\.)(?:\s+|$)", text(finding)) if one
    ]


LONGEST_FINDING = 30
"""Words of what is large in a section."""


def one_each(report: Report) -> None:
    for one in report.sections:
        assert len(sentences(one.finding)) == 1, (one.id, one.finding)
        assert not re.search(r"[.;,:]{2}|\.[A-Z]| [.;,:]", one.finding), (one.id, one.finding)


def test_sentences_are_told_from_decimals_and_abbreviations() -> None:
    assert len(sentences("It is 0.5 [0.4, 0.6] in run.toml, e.g. of encoder.dense1 (p = 0.01).")) == 1
    assert len(sentences("It is 0.5. It was 0.4.")) == 2


def test_every_finding_of_a_folder_with_every_analysis_is_one_sentence(
    results: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    for one in results.values():
        save(one, tmp_path)
    found = load(tmp_path)
    assert set(found) == set(KINDS), "a kind of result that the report does not show here"
    report = build(ReportContext(found, run=read_run(folder)))
    assert len(report.sections) == len(STORY)
    assert not any(one.missing for one in report.sections)
    one_each(report)
    headlines = re.findall(r'<span class="finding">(.*?)</span>', page(report))
    assert len(headlines) == len(STORY)
    assert {text(one): words for one in headlines if (words := len(text(one).split())) > LONGEST_FINDING} == {}


def test_every_long_finding_is_one_sentence(results: dict[str, Any], folder: Path) -> None:
    """It stands below."""
    one_each(build(ReportContext()))
    one_each(build(ReportContext(run=read_run(folder))))
    training = "200 rows of all splits, which includes training rows"
    noted = {
        kind: replace(one, training_rows_note=training)
        for kind, one in results.items()
        if hasattr(one, "training_rows_note")
    }
    told = {kind: replace(results[kind], n_labels_used=100) for kind in ("label_efficiency", "probes")}
    more = build(ReportContext({**results, **noted, **told}, run=read_run(folder)))
    one_each(more)
    for id in noted:
        assert "which includes training rows." in below(section(more, id)), id
    assert "n = 360" in section(more, "probes").finding or "360 test images" in section(more, "probes").finding


def test_findings_of_other_outcomes_are_one_sentence_too(results: dict[str, Any], folder: Path) -> None:
    pixels = (Baseline(name="pixels", figure=samples.near(0.914, 0.03, 360)),)
    one = results["code_parts"].categories[0]
    right = one.matching
    assert right is not None
    same = replace(one, baselines=pixels, matching=replace(right, rule="majority"), confident=right, assigned=right)
    few = results["label_efficiency"].curve[-1]
    number = replace(
        few,
        metric="R2",
        differences=(
            Difference(representation="discriminator.conv2", baseline=MEAN, difference=samples.near(0, 0.1, 20)),
        ),
    )
    prior = results["prior_match"]
    stopped = replace(
        read_run(folder),
        status="diverged",
        warnings=(
            Warned("diverged", "A gradient of the generator was not finite (0.5 before). Lower the rate.", 100, False),
        ),
    )
    changed = {
        "code_parts": replace(results["code_parts"], categories=(same,)),
        "label_efficiency": replace(results["label_efficiency"], curve=(number,)),
        "prior_match": replace(prior, parts=prior.parts[:1]),
        "projection": replace(
            results["projection"], maps=tuple(replace(m, accuracy=None) for m in results["projection"].maps)
        ),
        "fidelity": replace(results["fidelity"], baseline=None),
        "concepts": replace(
            results["concepts"], concepts=tuple(replace(c, q_value=0.5) for c in results["concepts"].concepts)
        ),
    }
    for context in (
        ReportContext({**results, **changed}, run=stopped),
        ReportContext({"code_parts": changed["code_parts"]}),
    ):
        one_each(build(context))
    shown = build(ReportContext({**results, **changed}, run=stopped))
    assert section(shown, "diagnostics").finding == (
        "Training stopped: A gradient of the generator was not finite (0.5 before)."
    )
    assert "; the intervals of categories and pixels overlap." in section(shown, "code_parts").finding
    assert "Named by the label of a single image each" in below(section(shown, "code_parts"))
    assert "no more than predicting the labels' mean gives" in section(shown, "label_efficiency").finding


def test_every_chart_says_how_to_read_it(report: Report) -> None:
    for one in report.sections:
        for block in all_blocks(one.blocks):
            if isinstance(block, Lines | Map | Comparison | Gallery | Slideshow | Strips):
                assert len(block.caption) > 20, (one.id, block)


def test_identifiers_are_unique(report: Report) -> None:
    ids = [one.id for one in report.sections]
    for one in report.sections:
        ids += [b.id for b in all_blocks(one.blocks) if isinstance(b, Lines | Map | Slideshow | Strips | Choice)]
    assert len(ids) == len(set(ids))


def test_the_title_and_lead_name_model_data_and_result(report: Report) -> None:
    assert report.title == "BiGAN on digits"
    lead = text(report.lead)
    assert lead.startswith(
        "From 10 labels a class, discriminator.conv2 (best of 3) names 87.1 % [86.1, 88.1] of 360 test "
    )
    assert "1.4 points [0.8, 2.0] more than raw pixels" in lead
    assert "The 10 categories of" in lead
    assert len(lead.split()) <= 50


def test_groups_that_baselines_find_too_are_no_better(results: dict[str, Any]) -> None:
    mixture = results["mixtures"]
    untrained = Baseline(name="untrained.code", figure=samples.near(0.77, 0.02, 360))
    even = (Baseline(name="pixels", figure=samples.near(0.79, 0.02, 360)), untrained)
    agreement = replace(mixture.agreement, baselines=even)
    report = build(ReportContext({"mixtures": replace(mixture, agreement=agreement)}))
    said = "no better than raw pixels 0.79 [0.77, 0.81] and the same network untrained 0.77 [0.75, 0.79]"
    assert said in report.lead and said in section(report, "mixtures").finding
    assert "more than" not in report.lead


def test_a_single_group_says_nothing_of_labels(results: dict[str, Any]) -> None:
    one = build(ReportContext({**results, "mixtures": replace(results["mixtures"], components=1)}))
    assert (
        section(one, "mixtures").finding
        == "By BIC a density of 1 Gaussian component (full covariances) fits the codes best."
    )
    assert "group" not in one.lead


def test_findings_name_chance_without_pixels(results: dict[str, Any]) -> None:
    rare, high = Interval(0.997, 0.984, 0.9995, 359), Interval(0.997, 0.99, 0.9995, 359)
    probe, table = results["probes"].probes[0], results["neighbours"].tables[0]
    for score, chance, verdict in ((rare, 0.997, ", no better than chance"), (high, 0.5, "")):
        own = replace(probe, score=score, shuffled=Interval(chance, chance, chance, 10), baseline=False)
        near = replace(results["neighbours"], chance=chance, tables=(replace(table, agreement=score),))
        place = replace(results["projection"].maps[0], accuracy=score, full_accuracy=score, chance=chance)
        found = {
            "probes": replace(results["probes"], probes=(own,)),
            "neighbours": near,
            "projection": replace(results["projection"], maps=(place,)),
        }
        report, share = build(ReportContext(found)), f"{100 * chance:.1f} %"
        said = {
            name: section(report, name).finding.replace("\u00a0", " ")
            for name in ("probes", "neighbours", "projection")
        }
        assert said["probes"].endswith(f"on 359 test images{verdict}; shuffled labels give {share}."), said
        assert said["neighbours"].endswith(f"label (n = 359){verdict}; of random ones {share}."), said
        assert f"359 images{verdict} (" in said["projection"] and f"{share} for random pairs" in said["projection"], (
            said
        )
    numbers = replace(probe, metric="R2", score=Interval(-0.01, -0.02, 0.1, 99), shuffled=Interval(-0.03, -0.1, 0, 9))
    said = section(build(ReportContext({"probes": replace(results["probes"], probes=(numbers,))})), "probes").finding
    assert "test images, no better than chance; shuffled labels give −0.03" in said


def test_the_overview_counts_all_values_that_it_does_not_name() -> None:
    for different, rest in ((1797, " and 1,785 more"), (13, " and 1 more"), (12, "")):
        names = tuple(f"name {i:04d}" for i in range(different))
        column = Column(name="name", kind="text", values=np.arange(different, dtype=float), categories=names)
        said = _summary_row(summary(column))[-1]
        assert said.endswith(f"name 0011 (1){rest}"), said


def test_the_overview_says_what_was_trained_on_what(report: Report) -> None:
    finding = section(report, "overview").finding
    assert finding == "BiGAN with 16-dimensional codes saw 320,000 images of digits in 2 min 13 s on cpu (2 threads)."


def test_probe_finding_names_the_best_features(report: Report) -> None:
    finding = text(section(report, "probes").finding)
    assert finding.startswith(
        "Logistic regression on discriminator.conv2 (best of 3) predicts the "
        "label with an accuracy of 97.2 % [95.6, 98.8] on 360 test images; "
    )
    assert "raw pixels reach 95.8 %" in finding and "untrained 94.2 %" in finding
    assert finding.endswith("; the intervals of features and pixels overlap.")


@pytest.mark.parametrize(("width", "named"), [(64, "PCA 50 of pixels"), (512, "PCA 640 of pixels")])
def test_probe_finding_names_pca_of_its_width(results: dict[str, Any], width: int, named: str) -> None:
    table = results["probes"]
    first = [one for one in table.probes if one.method == table.probes[0].method]
    features = [replace(one, width=width) for one in first if "PCA" not in one.representation]
    pcas = [replace(first[0], representation=f"PCA {w} of pixels", baseline=True, width=w) for w in (50, 640)]
    one = build(ReportContext({"probes": replace(table, probes=(*features, *pcas))}))
    finding = section(one, "probes").finding
    assert finding.count("PCA") == 1 and named in finding


def test_probe_finding_matches_the_chart(results: dict[str, Any]) -> None:
    table = results["probes"]
    tuned = tuple(replace(p, score=samples.near(0.99, 0.01, 360)) if p.method == "svm" else p for p in table.probes)
    one = section(build(ReportContext({"probes": replace(table, probes=tuned)})), "probes")
    assert one.finding.startswith("Logistic regression on ")
    assert isinstance(one.blocks[0], Choice)
    assert one.blocks[0].options[one.blocks[0].start][0] == "Logistic regression"


def test_an_interval_at_the_edge_is_written_by_its_ends() -> None:
    assert text(figure(Interval(1.0, 0.875, 1.0, 27))) == "100.0 % [87.5, 100.0]"
    assert text(figure(Interval(0.5, np.nan, np.nan, 1))) == "50.0 %"
    assert brackets(Interval(0.5, np.nan, np.nan, 1)) == "0.50"


def test_probe_groups_have_their_baselines(report: Report) -> None:
    choice = next(b for b in section(report, "probes").blocks if isinstance(b, Choice))
    for _, (inside, *_) in choice.options:
        assert isinstance(inside, Comparison)
        assert {row.role for row in inside.rows} == {"ours", "pixels", "pca", "untrained", "chance"}
        assert all(row.n == 360 for row in inside.rows)


def test_few_labels_states_the_paired_difference_and_the_draws(report: Report) -> None:
    assert text(section(report, "label_efficiency").finding) == (
        "With 10 labels a class, discriminator.conv2 (best of 3) predicts "
        "87.1 % [86.1, 88.1] of 360 test images correctly, 1.4 points more than raw pixels [0.8, 2.0]; measured on "
        "20 draws of labels, the same for both; for as much, raw pixels need about 14 labels a class [12, 19]."
    )


def test_curve_has_all_sizes_and_labels_needed(report: Report) -> None:
    blocks = all_blocks(section(report, "label_efficiency").blocks)
    (chart,) = [b for b in blocks if isinstance(b, Lines)]
    assert chart.x_scale == "log" and all(line.x.tolist() == [1, 2, 5, 10] for line in chart.lines)
    assert {line.role for line in chart.lines} == {None, "pixels", "pca", "untrained"}
    (needs,) = [b for b in blocks if isinstance(b, Table)]
    assert needs.rows == (("discriminator.conv2", "10", "raw pixels", "need about 14 labels a class [12, 19]"),)


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (Interval(np.nan, np.nan, np.nan, 20), "raw pixels do not suffice with all 1,294 labels."),
        (Interval(np.nan, 40.0, np.nan, 20), "with all 1,294 labels (the interval begins at 40 a class)."),
        (Interval(50.0, 40.0, np.nan, 20), "need about 50 labels a class [40, more than all 1,294 labels]."),
        (Interval(1.0, 1.0, 1.5, 20), "raw pixels need 1 a class or fewer."),
    ],
)
def test_what_baselines_need_is_said_beyond_the_ends_too(results: dict[str, Any], needed: Interval, said: str) -> None:
    found = results["label_efficiency"]
    last = replace(found.curve[-1], per_class=129, everything=True, labels=1294)
    found = replace(found, curve=(*found.curve, last), needed=(replace(found.needed[0], needed=needed),))
    one = section(build(ReportContext({"label_efficiency": found})), "label_efficiency")
    assert text(one.finding).endswith(said)
    (choice,) = [b for b in one.blocks if isinstance(b, Choice)]
    assert choice.options[-1][0] == "all 1,294 labels"


def test_label_trained_networks_are_marked(results: dict[str, Any]) -> None:
    told = {kind: replace(results[kind], n_labels_used=100) for kind in ("label_efficiency", "probes")}
    report = build(ReportContext({**results, **told}))
    for one in (report.lead, below(section(report, "label_efficiency")), below(section(report, "probes"))):
        assert "The networks themselves were trained with 100 labels, which these figures do not count" in one
    (chart,) = [b for b in section(report, "label_efficiency").blocks if isinstance(b, Lines)]
    assert "trained with 100 labels" in chart.caption


def test_few_labels_quotes_what_its_intervals_cover(results: dict[str, Any]) -> None:
    note = "20 draws; intervals over draws, with the test rows held fixed; differences are paired by draw."
    few = replace(results["label_efficiency"].curve[-1], note=note)
    curve = replace(results["label_efficiency"], curve=(few,), needed=())
    one = section(build(ReportContext({"label_efficiency": curve})), "label_efficiency")
    assert below(one) == "Intervals over draws, with the test rows held fixed."
    assert not any("luck" in getattr(block, "caption", "") for block in all_blocks(one.blocks))


def test_few_labels_without_pixels_stand_beside_shuffled_ones(results: dict[str, Any]) -> None:
    few = replace(results["label_efficiency"].curve[-1], differences=(), shuffled=samples.near(0.1, 0.02, 10))
    one = build(ReportContext({"label_efficiency": replace(results["label_efficiency"], curve=(few,))}))
    assert "where shuffled labels give 10.0 %" in text(section(one, "label_efficiency").finding)
    assert "shuffled labels give 10.0 %" in text(one.lead)


def test_paired_differences_of_accuracies_are_in_points(report: Report) -> None:
    (pairs,) = [
        b for b in all_blocks(section(report, "label_efficiency").blocks) if getattr(b, "caption", "")[:6] == "Paired"
    ]
    assert isinstance(pairs, Comparison) and pairs.scale == "number" and "in points" in pairs.caption
    assert max(abs(row.value) for row in pairs.rows) > 1


def test_a_difference_that_may_be_chance_is_called_so(results: dict[str, Any]) -> None:
    few = results["label_efficiency"].curve[-1]
    gap = replace(few.differences[0], difference=samples.near(0.004, 0.01, 20))
    curve = replace(results["label_efficiency"], curve=(replace(few, differences=(gap,)),))
    report = build(ReportContext({**results, "label_efficiency": curve}))
    assert "which may be chance" in section(report, "label_efficiency").finding
    assert "no clear difference from raw pixels" in report.lead


def test_features_that_lose_to_pixels_are_said_to_lose(results: dict[str, Any]) -> None:
    few = results["label_efficiency"].curve[-1]
    gap = replace(few.differences[0], difference=samples.near(-0.05, 0.01, 20))
    curve = replace(results["label_efficiency"], curve=(replace(few, differences=(gap,)),))
    report = build(ReportContext({**results, "label_efficiency": curve}))
    assert "5.0 points fewer than raw pixels" in section(report, "label_efficiency").finding
    assert "gain nothing" in report.lead


def test_concepts_count_what_beats_chance_and_what_beats_pixels(report: Report) -> None:
    finding = section(report, "concepts").finding
    assert finding.startswith("9 of 10 concepts") and "n = 360" in finding and "q ≤ 0.05" in finding
    assert "0 of 9 clearly better than raw pixels" in finding
    assert "at least 0.81 [0.50, 0.99] (cosine, label: 8)" in finding
    assert Strips in kinds(section(report, "concepts"))


def test_concepts_are_corrected_for_their_number(results: dict[str, Any]) -> None:
    table = results["concepts"]
    weak = replace(table, concepts=tuple(replace(one, p_value=0.02, q_value=0.2) for one in table.concepts))
    finding = section(build(ReportContext({"concepts": weak})), "concepts").finding
    assert finding.startswith("0 of 10 concepts") and "raw pixels" not in finding and "stability" not in finding


def test_a_small_q_at_chance_claims_nothing(results: dict[str, Any]) -> None:
    table = results["concepts"]
    one = replace(table.best[0], q_value=0.001)
    reaching = replace(one, name="reaching", r2=Interval(-0.010, -0.060, 0.046, 360), kind="numeric")
    level = replace(one, name="level", auc=Interval(0.53, 0.49, 0.57, 360))
    told = replace(one, name="told", r2=Interval(0.2, 0.1, 0.3, 360), kind="numeric")
    tried = replace(table, concepts=(reaching, level, told), conditional=(), unsupervised=(), edits=None)
    assert concept_finding(tried).startswith("1 of 3 concepts has a significant direction")
    titles = [title for title, *_ in concept_tables(tried)]
    assert any(
        "1 of 3 concepts significant at q <= 0.05 with a 95 % interval above chance" in title for title in titles
    )


def test_concepts_without_a_model_say_what_edits_need(results: dict[str, Any]) -> None:
    table = replace(results["concepts"], edits=None)
    one = section(build(ReportContext({**results, "concepts": table})), "concepts")
    assert Strips not in kinds(one) and "need a model" in str(one.blocks[0])


def test_edits_start_at_the_plain_reconstruction(report: Report) -> None:
    strips = next(b for b in all_blocks(section(report, "concepts").blocks) if isinstance(b, Strips))
    assert strips.steps[strips.start] == "0 sd"
    assert strips.steps[0] == "−3 sd" and strips.steps[-1] == "+3 sd"


def test_the_map_can_be_coloured_by_everything_known_of_its_rows(report: Report) -> None:
    assert report.thumbnails is not None
    names = [column.name for column in report.thumbnails.columns]
    assert names == ["label", "ink", "split", "mixture component", "reconstruction error"]
    assert all(len(column.values) == len(report.thumbnails.rows) for column in report.thumbnails.columns)


def test_values_of_other_results_stand_at_their_own_rows(results: dict[str, Any]) -> None:
    found = results["reconstruction"]
    shuffled = replace(found, rows=found.rows[::-1][:50].copy(), errors=found.errors[::-1][:50].copy())
    thumbnails = ReportContext({**results, "reconstruction": shuffled}).thumbnails
    assert thumbnails is not None
    errors = thumbnails.columns[-1].values
    np.testing.assert_allclose(errors[-50:], found.errors[-50:], rtol=1e-6)
    assert np.isnan(errors[:-50]).all()


def test_points_without_a_thumbnail_are_left_off_the_map(results: dict[str, Any]) -> None:
    overview = results["overview"]
    few = replace(
        overview,
        rows=overview.rows[:90],
        ids=overview.ids[:90],
        split=overview.split[:90],
        thumbnails=overview.thumbnails[:90],
        columns=tuple(c.take(np.arange(90)) for c in overview.columns),
    )
    one = section(build(ReportContext({**results, "overview": few})), "projection")
    chart = next(b for b in one.blocks if isinstance(b, Map))
    assert len(chart.rows) == 90 and all(len(view.points) == 90 for view in chart.views)


@pytest.mark.parametrize(
    "kind",
    [
        *("code_parts", "probes", "label_efficiency", "neighbours", "concepts", "interpolation", "mixtures"),
        *("geometry", "prior_match", "projection", "overview"),
    ],
)
def test_a_result_that_is_missing_leaves_a_line_and_no_hole(results: dict[str, Any], kind: str) -> None:
    report = build(ReportContext({name: value for name, value in results.items() if name != kind}))
    one = section(report, kind)
    assert len(report.sections) == len(STORY)
    if kind != "overview":
        assert one.missing and not one.blocks and "latentgan" in one.finding


def test_nothing_at_all_still_makes_a_report() -> None:
    report = build(ReportContext())
    assert len(report.sections) == len(STORY) and report.title == "Latent space"
    assert "--run RUN" in section(report, "curves").finding


def test_a_bare_table_makes_a_report(results: dict[str, Any]) -> None:
    overview = replace(
        results["overview"], columns=(), summaries=(), thumbnails=None, splits=(), metadata="{}", split=np.full(200, "")
    )
    mixture = replace(results["mixtures"], agreement=None, samples=None)
    report = build(ReportContext({"overview": overview, "mixtures": mixture, "projection": results["projection"]}))
    assert report.title == "digits.parquet"
    assert (
        section(report, "mixtures").finding
        == "By BIC a density of 10 Gaussian components (full covariances) fits the codes best."
    )
    assert report.thumbnails is not None and report.thumbnails.pixels is None


@pytest.mark.parametrize(
    ("name", "role", "shown"),
    [
        ("pixels", "pixels", "raw pixels"),
        ("PCA 50 of pixels", "pca", "PCA 50 of pixels"),
        ("untrained.encoder.dense1", "untrained", "encoder.dense1, untrained"),
        ("shuffled", "chance", "shuffled"),
        ("random direction", "chance", "random direction"),
        ("mean image", "chance", "mean image"),
        ("discriminator.conv2", "chance", "discriminator.conv2"),
    ],
)
def test_baselines_are_known_by_their_names(name: str, role: str, shown: str) -> None:
    assert Baseline(name=name, figure=samples.near(0.5, 0.1, 100)).role == role
    assert readable(name) == shown


def test_a_run_folder_is_read_as_plain_files(folder: Path) -> None:
    run = read_run(folder)
    assert run.configured("family.latent") == 16 and run.configured("family.none.deeper") is None
    assert [one.name for one in run.group("gradient_norm")] == ["discriminator", "encoder_generator"]
    ratio = next(one for one in run.group("indicators") if one.name == "reconstruction_ratio")
    assert len(ratio.values) == 12 and ratio.images[-1] == 320000
    assert run.warnings[0].resolved and run.samples[-1].images == 320000


def test_few_label_families_lead_with_accuracy(folder: Path) -> None:
    plain = read_run(folder)
    at = np.array([100.0, 200.0])
    named = Series("indicators", "validation_accuracy", at, np.array([0.5, 0.75]))
    judged = Series("indicators", "validation_labels", at, np.array([4.0, 4.0]))
    run = replace(plain, series=(*plain.series, named, judged), summary={**plain.summary, "labels": 50})
    found = curves(ReportContext(run=run))
    assert found.finding == (
        f"After 200 images the network, trained with 50 labels, names {wilson(3, 4).percent()} of 4 validation "
        "images right."
    )
    charts = {block.id: block for block in found.blocks if isinstance(block, Lines)}
    assert [line.name for line in charts["named"].lines] == ["accuracy"]
    assert all(
        line.name.split()[-1] != "accuracy" or "validation" not in line.name for line in charts["indicators"].lines
    )
    assert "labels" not in curves(ReportContext(run=replace(run, summary=plain.summary))).finding


def test_a_line_that_was_being_written_is_skipped(folder: Path) -> None:
    assert (folder / "metrics.jsonl").read_text().endswith('"ima')
    assert all(np.isfinite(one.values).all() for one in read_run(folder).series)


def test_many_grids_are_thinned_to_first_last_and_between(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "long", marks=60))
    assert len(run.samples) == GRIDS and run.samples[-1].images == 320000
    assert run.samples[0].images == round(320000 / 60)


def test_samples_of_classes_say_which_row_is_which(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    plain = section(build(ReportContext(run=read_run(folder))), "samples")
    assert "a row a class" not in plain.finding
    (folder / "samples" / "rows.json").write_text('["cat", "<i>dog</i>"]')
    told = section(build(ReportContext(run=read_run(folder))), "samples")
    assert " images, a row a class; " in told.finding
    assert "From the top, a row each of cat and <i>dog</i>" in told.blocks[0].caption  # escaped where it is drawn
    components = {"of": "component", "count": 50, "names": ["component 1", "component 2"]}
    (folder / "samples" / "rows.json").write_text(json.dumps(components))
    told = section(build(ReportContext(run=read_run(folder))), "samples")
    assert " images, a row a component; " in told.finding
    assert "of component 1 and component 2, the first of 50; a column has one random code" in told.blocks[0].caption
    (folder / "samples" / "rows.json").write_text("[]")
    assert section(build(ReportContext(run=read_run(folder))), "samples").finding == plain.finding
    for damaged in ("{damaged", "3", '{"of": "class", "count": "x", "names": ["a"]}'):
        (folder / "samples" / "rows.json").write_text(damaged)
        with pytest.raises(AnalysisError, match=r"rows\.json"):
            read_run(folder)


def test_an_empty_run_folder_leaves_notes(tmp_path: Path) -> None:
    report = build(ReportContext(run=read_run(tmp_path)))
    assert all(section(report, id).missing for id in ("diagnostics", "curves", "samples", "configuration"))


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"no run folder .*nowhere"):
        read_run(tmp_path / "nowhere")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "diagnostics.json").write_text("{")
    with pytest.raises(AnalysisError, match=r"diagnostics\.json is not JSON"):
        read_run(tmp_path)


def test_a_run_that_diverged_says_so_first(folder: Path, tmp_path: Path) -> None:
    warning = {"name": "diverged", "sentence": "the gradient of encoder was not finite at iteration 7", "images": 896}
    (tmp_path / "diagnostics.json").write_text(json.dumps({"status": "diverged", "warnings": [warning]}))
    one = section(build(ReportContext(run=read_run(tmp_path))), "diagnostics")
    assert one.finding == "Training stopped: the gradient of encoder was not finite at iteration 7."
    assert one.blocks[0].level == "failure"  # type: ignore[union-attr]


def test_the_file_of_2000_rows_is_small_and_quickly_written(folder: Path, tmp_path: Path) -> None:
    for result in samples.results(1797).values():
        save(result, tmp_path / "results", command="latentgan analyze")
    start = time.perf_counter()
    out = write_report(tmp_path / "results", tmp_path / "out" / "report.html", run=folder)
    assert time.perf_counter() - start < 3 * 3  # 3 s is the aim (0.4 s measured); other work may share the machine
    assert 2_000_000 < out.stat().st_size < 8_000_000
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_a_folder_as_target_gets_a_report_html(tmp_path: Path) -> None:
    save(samples.maps(50), tmp_path, command="")
    assert write_report(tmp_path, tmp_path).name == "report.html"


def test_names_that_hold_markup_come_through_as_text(tmp_path: Path) -> None:
    names = tuple(f"{samples.HOSTILE[i % 5]}{i}" for i in range(10))
    report = build(ReportContext(samples.results(60, names)))
    assert report.thumbnails is not None
    assert report.thumbnails.columns[0].categories == names


def test_a_note_on_training_rows_stands_beside_the_finding(results: dict[str, Any]) -> None:
    noted = {
        kind: replace(results[kind], training_rows_note="200 rows of all splits, which includes training rows")
        for kind in ("code_parts", "mixtures", "projection", "reconstruction", "interpolation")
    }
    report = build(ReportContext({**results, **noted}))
    for id in noted:
        assert below(section(report, id)).endswith("200 rows of all splits, which includes training rows."), id
    for kind in ("reconstruction", "mixtures"):
        assert build(ReportContext({kind: noted[kind]})).lead.count("training images included") == 1


def test_a_refused_analysis_says_why(results: dict[str, Any]) -> None:
    kinds = ("probes", "projection", "concepts", "reconstruction", "interpolation", "mixtures", "label_efficiency")
    refused = tuple((kind, f"{kind} need 10 rows, there are 7") for kind in kinds)
    report = build(ReportContext({"overview": replace(results["overview"], refused=refused)}))
    for kind in kinds:
        assert section(report, kind).finding == f"Left out: {kind.capitalize()} need 10 rows, there are 7.", kind


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"holds no results; run latentgan analyze .* first"):
        write_report(tmp_path, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_an_unwritable_report_is_refused(tmp_path: Path) -> None:
    save(samples.maps(50), tmp_path, command="")
    (tmp_path / "file").write_text("")
    with pytest.raises(AnalysisError, match=r"cannot write the report .*name another file"):
        write_report(tmp_path, tmp_path / "file" / "report.html")


def test_infogan_information_has_its_maximum(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "run.toml").write_text('name = "infogan"\n[family]\ncategorical = [10, 4]\n')
    lines = (folder / "metrics.jsonl").read_text().splitlines()[:-1]
    marks = [json.loads(line) for line in lines]
    for i, mark in enumerate(marks):
        mark["notes"] |= {"class_information": 0.1 * i, "style_information": -0.2 * i}
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, marks)))
    (chart,) = [
        b
        for b in section(build(ReportContext(run=read_run(folder))), "curves").blocks
        if getattr(b, "id", "") == "information"
    ]
    seen = f"After {marks[-1]['images']:,} images, a generated image tells"
    indicators = [mark.pop("indicators") for mark in marks]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, marks)))
    assert indicators and section(build(ReportContext(run=read_run(folder))), "curves").finding.startswith(seen)
    assert [line.name for line in chart.lines] == ["class", "style"]
    assert chart.level is not None and chart.level[0] == pytest.approx(np.log(10) + np.log(4))
    assert "log 10 + log 4 = 3.69" in chart.caption and chart.lines[1].y[-1] == pytest.approx(-0.2 * (len(marks) - 1))


def test_provenance_promises_only_recorded_commands() -> None:
    """A command such as fidelity reads samples that another made, which no result knows of."""
    results = {"overview": samples.overview(60, tuple("0123456789")), "projection": samples.maps(60)}
    results |= {"geometry": samples.geometry()}
    commands = {
        "overview": "latentgan analyze t.parquet --out res",
        "projection": "latentgan analyze t.parquet --out res",
    }
    finding = build(ReportContext(results, commands)).sections[-1].finding
    assert finding.startswith("2 commands made what is shown here but geometry; files that they read and that none of")
    assert "every figure can be made again" not in finding
