"""The report's section on the parts of a code: what it says, what it shows, and what it does without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples

from analysis.base.statistics import UNKNOWN, Baseline, wilson
from analysis.code_parts.categorical import Categories, Matching
from analysis.code_parts.code_parts import Codes, Sweep
from analysis.code_parts.views import section as parts
from analysis.report.context import ReportContext
from analysis.report.document import (
    Block,
    Choice,
    Comparison,
    Disclosure,
    Facts,
    Gallery,
    Lines,
    Prose,
    Report,
    Section,
    Strips,
    Table,
    all_blocks,
)
from analysis.report.html import render
from analysis.report_builder import build

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def codes() -> Codes:
    return samples.codes(DIGITS)


@pytest.fixture(scope="module")
def shown(codes: Codes) -> Section:
    return section(codes)


def report(codes: Codes) -> Report:
    return build(ReportContext({"overview": samples.overview(60, DIGITS), "code_parts": codes}))


def section(codes: Codes) -> Section:
    return parts(ReportContext({"overview": samples.overview(60, DIGITS), "code_parts": codes}))


def text(value: str) -> str:
    return value.replace("\u00a0", " ")


def only(one: Section, kind: type[Block]) -> list[Any]:
    return [block for block in all_blocks(one.blocks) if isinstance(block, kind)]


def renamed(codes: Codes, **changes: Any) -> Codes:
    return replace(codes, categories=(replace(codes.categories[0], **changes),))


def numbers(codes: Codes, n: int) -> Codes:
    """A code of n continuous numbers and no categories, as a BiGAN's, of which 8 have films."""
    film = codes.sweeps[0].frames
    effects = [samples.near(0.9 * 0.9**k, 0.02, 100) for k in range(n)]
    swept = tuple(
        Sweep(part="z", dimension=n - 1 - k, effect=one, ends=(-2.0, 2.0), frames=film if k < 8 else None)
        for k, one in enumerate(effects)
    )
    return replace(codes, categories=(), sweeps=swept, notes=())


def test_finding_gives_accuracy_and_baselines(shown: Section) -> None:
    assert text(shown.finding) == (
        "The 10 categories of “class” name 91.4 % [88.4, 94.4] of test images right, each matched to a label on "
        "validation images (n = 360); k-means on pixels 76.0 %, the same network untrained 25.0 % and shuffled labels "
        "11.0 %; 9.9 of 10 categories are effectively in use."
    )
    assert text(only(shown, Prose)[0].text) == (
        "Of 2 numbers, style 2 changes images most: by 0.83 [0.78, 0.88] of the distance between unrelated "
        "ones; a random direction 0.14 (n = 100 codes)."
    )


def test_the_lead_names_the_categories_and_their_baseline(codes: Codes) -> None:
    assert text(report(codes).lead) == (
        "The 10 categories of “class” name 91.4 % [88.4, 94.4] of 360 test images right; k-means on pixels 76.0 % "
        "[72.0, 80.0]."
    )
    assert (
        text(report(renamed(codes, matching=None)).lead)
        == "9.9 of the 10 categories of “class” are effectively in use."
    )
    assert "categor" not in report(numbers(codes, 50)).lead and "categor" not in build(ReportContext()).lead


def test_categories_no_better_than_pixels_gain_nothing(codes: Codes) -> None:
    matching = replace(codes.categories[0].matching, accuracy=samples.near(0.77, 0.03, 360))
    assert "; the intervals of categories and pixels overlap." in section(renamed(codes, matching=matching)).finding
    matching = replace(codes.categories[0].matching, accuracy=samples.near(0.5, 0.03, 360))
    assert "; k-means on pixels does better." in section(renamed(codes, matching=matching)).finding


def test_samples_are_a_row_a_category(shown: Section, codes: Codes) -> None:
    (gallery,) = only(shown, Gallery)
    assert gallery.rows and [group.title for group in gallery.groups] == list(DIGITS)
    assert text(gallery.groups[4].detail) == "category 3, 10.0 %"  # the third category stands for 4
    drawn = codes.categories[0].samples
    assert drawn is not None and all(len(group.pictures) == group.across == 8 for group in gallery.groups)
    np.testing.assert_array_equal(gallery.groups[4].pictures[5].pixels, drawn[2, 5])
    assert gallery.groups[4].pictures[0].alt == "sample of category 3, 4"


def test_accuracy_stands_beside_its_baselines_with_intervals(shown: Section) -> None:
    accuracy = only(shown, Comparison)[0]
    assert [row.label for row in accuracy.rows] == [
        "categories",
        "k-means on pixels",
        "the same network untrained",
        "shuffled labels",
    ]
    assert [row.role for row in accuracy.rows] == ["ours", "pixels", "untrained", "chance"]
    assert all(row.low < row.value < row.high and row.n == 360 for row in accuracy.rows)
    assert "chosen on 143 other images" in accuracy.caption


def test_usage_has_an_interval_and_the_share_of_its_label(shown: Section) -> None:
    usage = only(shown, Comparison)[1]
    assert [row.label for row in usage.rows[:2]] == ["0 (category 4)", "1 (category 2)"]
    truth = wilson(36, 360)
    assert (usage.rows[0].value, usage.rows[0].low, usage.rows[0].n) == (truth.value, truth.low, 360)
    assert text(usage.rows[0].note) == "label: 9.2 %" and text(usage.rows[5].note) == "label: 17.5 %"
    assert "even usage would be 10.0" in usage.caption


def test_the_heat_map_has_the_matched_labels_on_its_diagonal(shown: Section) -> None:
    (table,) = only(shown, Table)
    assert table.columns == ("class", *DIGITS) and [row[0] for row in table.rows] == list(DIGITS)
    assert [row[1 + k] for k, row in enumerate(table.rows)] == ["33"] * 5 + ["36"] + ["33"] * 4
    assert table.shades[0][0] == pytest.approx(33 / 36) and table.shades[0][5] == pytest.approx(3 / 36)
    assert "n = 360" in table.caption


def test_facts_give_effective_number_confidence_and_information(shown: Section) -> None:
    (facts,) = only(shown, Facts)
    assert [text(value) for _, value in facts.items] == [
        "9.90 [9.80, 10.00] of 10",
        "98.0 % [97.0, 99.0]",
        "0.90 [0.88, 0.92]; shuffled 0.06",
    ]


def test_each_number_has_its_films_and_begins_in_the_middle(shown: Section, codes: Codes) -> None:
    choice = next(block for block in shown.blocks if isinstance(block, Choice))
    assert [name for name, _ in choice.options] == ["style 2, effect 0.83", "style 1, effect 0.66"]
    films = only(shown, Strips)
    assert [one.id for one in films] == ["number-0", "number-1"] and films[0].layout == "traversals"
    assert films[0].steps[:2] == ("−1.00", "−0.75") and films[0].steps[films[0].start] == "0.00"
    assert films[0].steps[-1] == "+1.00"
    for film, sweep in zip(films, codes.sweeps, strict=True):
        assert sweep.frames is not None
        np.testing.assert_array_equal(film.strips[3].pixels, sweep.frames[3])
    assert [strip.row for strip in films[0].strips] == list(range(8)) and films[0].strips[3].label == "3"


def test_effects_stand_beside_a_random_direction(shown: Section) -> None:
    effects = only(shown, Comparison)[-1]
    assert [(row.label, row.value, row.role) for row in effects.rows] == [
        ("style 2", 0.83, "ours"),
        ("style 1", 0.66, "ours"),
        ("random direction", 0.14, "chance"),
    ]
    assert effects.axis == (0.0, 1.0) and not only(shown, Lines)


def test_largest_of_fifty_numbers_are_shown(codes: Codes) -> None:
    found = section(numbers(codes, 50))
    assert text(found.finding) == (
        "Of 50 numbers, z 50 changes images most: by 0.90 [0.88, 0.92] of the distance between unrelated ones; "
        "a random direction 0.14 and the median number 0.07 (n = 100 codes)."
    )
    (effects,) = only(found, Comparison)
    assert len(effects.rows) == 9 and effects.caption.startswith("The 8 largest of 50 on these codes: mean change")
    assert len(only(found, Strips)) == 5 and not only(found, Table) and not only(found, Gallery)
    (curve,) = only(found, Lines)
    assert len(curve.lines[0].y) == 50 and (np.diff(curve.lines[0].y) < 0).all()
    assert curve.level == (0.14, "random direction")


def test_the_only_number_of_a_part_goes_by_the_name_of_the_part(codes: Codes) -> None:
    found = section(replace(numbers(codes, 1), baselines=()))
    assert text(found.finding).startswith("The only number, z, changes images: by 0.90 [")
    assert len(only(found, Strips)) == 1 and not only(found, Choice)


def test_the_choice_among_parts_is_stated(codes: Codes) -> None:
    worse = replace(codes.categories[0].matching, accuracy=samples.near(0.3, 0.03, 360))
    second = replace(codes.categories[0], part="class2", matching=worse)
    found = section(replace(codes, categories=(second, codes.categories[0])))
    choice = found.blocks[1]  # below the sentence on numbers
    assert isinstance(choice, Choice) and [name for name, _ in choice.options] == ["class2", "class"]
    assert found.finding.startswith("The 10 categories of “class” (best of 2) name 91.4")


def test_categories_of_one_label_are_numbered(codes: Codes) -> None:
    one: Categories = codes.categories[0]
    names = np.array([3, 3, *range(7), -1])
    found = section(
        renamed(
            codes, matching=Matching(names=names, rule="majority", accuracy=samples.near(0.8, 0.03, 360), n_matched=143)
        )
    )
    assert "each named by its commonest label among validation images" in found.finding
    (table,) = only(found, Table)
    assert [row[0] for row in table.rows][3:6] == ["3 (category 1)", "3 (category 2)", "3 (category 6)"]
    assert table.rows[-1][0] == "category 10" == only(found, Comparison)[1].rows[-1].label
    assert only(found, Gallery)[0].groups[-1].title == "Category 10" and one.part == "class"


def test_without_labels_usage_is_all_there_is(codes: Codes) -> None:
    bare = renamed(codes, matching=None, shared=None, table=np.zeros((10, 0), np.int64), baselines=())
    found = section(replace(bare, sweeps=()))
    assert text(found.finding) == "9.9 of the 10 categories of “class” are effectively in use (n = 360)."
    assert not only(found, Table) and len(only(found, Comparison)) == 1
    assert [group.title for group in only(found, Gallery)[0].groups][:2] == ["Category 1", "Category 2"]


def test_labels_without_names_leave_the_mutual_information(codes: Codes) -> None:
    found = section(renamed(codes, matching=None, baselines=()))
    said = "a normalised mutual information of 0.90 [0.88, 0.92] with the labels, shuffled labels 0.06."
    assert said in found.finding


def test_without_a_model_there_are_no_pictures_and_it_is_said(codes: Codes) -> None:
    found = section(replace(renamed(codes, samples=None), sweeps=(), bases=codes.bases[:0]))
    assert not only(found, Gallery) and not only(found, Strips)
    assert any("--model RUN" in prose.text for prose in only(found, Prose))


def test_many_categories_and_labels_open_on_request(codes: Codes) -> None:
    k = 30
    one = replace(
        codes.categories[0],
        counts=np.full(k, 12),
        table=np.eye(k, dtype=np.int64) * 12,
        baselines=(),
        matching=Matching(names=np.arange(k), rule="one to one", accuracy=samples.near(0.9, 0.02, 360), n_matched=143),
        samples=np.zeros((k, 4, 8, 8, 1), np.uint8),
    )
    found = section(replace(codes, categories=(one,), classes=tuple(f"class {i}" for i in range(k))))
    closed = [block.summary for block in found.blocks if isinstance(block, Disclosure)]
    assert closed == ["Samples of 10 more categories", "Usage of 10 more categories", "Categories by label"]
    assert len(only(found, Gallery)[0].groups) == 20  # type: ignore[union-attr]


def test_a_decoder_that_gives_one_image_makes_a_report(codes: Codes) -> None:
    still = tuple(replace(one, effect=UNKNOWN) for one in codes.sweeps)
    found = report(replace(codes, sweeps=still, baselines=()))
    said = only(next(one for one in found.sections if one.id == "code_parts"), Prose)[0].text
    assert said.endswith("All codes decode to the same image: 2 continuous numbers and no effect.")
    assert "<section" in render(found)


def test_hostile_labels_and_parts_come_through_as_text(codes: Codes) -> None:
    names = tuple(f"{samples.HOSTILE[i % 5]}{i}" for i in range(10))
    evil = replace(renamed(codes, part=samples.HOSTILE[0]), classes=names)
    html = render(build(ReportContext({"overview": samples.overview(60, names), "code_parts": evil})))
    assert "<img src=x" not in html and "&lt;img src=x onerror=" in html
    assert "<script>window" not in html and "&lt;/script&gt;&lt;script&gt;window.pwned=1" in html


@pytest.fixture(scope="module")
def clusters(codes: Codes) -> Codes:
    """The ten categories named by the majority, as where there are more of them than labels, with images of each."""
    one = codes.categories[0]
    matching = replace(one.matching, rule="majority")
    confident = Matching(
        names=one.matching.names, rule="most confident", accuracy=samples.near(0.84, 0.03, 360), n_matched=143
    )
    beside = (
        Baseline(name="pixels", figure=samples.near(0.61, 0.04, 360)),
        Baseline(name="untrained", figure=samples.near(0.2, 0.04, 360)),
    )
    rows = np.arange(40).reshape(10, 4)
    rows[7, 1:], rows[3] = -1, -1
    pictures = np.repeat(np.arange(40, dtype=np.uint8), 64).reshape(10, 4, 8, 8, 1)
    return renamed(
        codes,
        matching=matching,
        confident=confident,
        confident_baselines=beside,
        exemplars=pictures,
        exemplar_rows=rows,
    )


def test_both_accuracies_have_their_baselines(clusters: Codes) -> None:
    found = section(clusters)
    said = "Named by the label of a single image each, the most confident one, 84.0 % [81.0, 87.0] are."
    assert text(found.blocks[0].text).startswith(said)  # type: ignore[union-attr]
    assert "each named by its commonest label" in found.finding
    first, second = only(found, Comparison)[:2]
    assert [row.label for row in second.rows] == ["categories", "k-means on pixels", "the same network untrained"]
    assert [row.value for row in second.rows] == [0.84, 0.61, 0.2] and first.rows[0].value == 0.914
    assert "the one that is of it most surely (of 143)" in text(second.caption)


def test_second_rule_is_silent_where_equal(codes: Codes) -> None:
    confident = Matching(
        names=codes.categories[0].matching.names,
        rule="most confident",
        accuracy=samples.near(0.84, 0.03, 360),
        n_matched=143,
    )
    found = section(renamed(codes, confident=confident))
    assert "most confident" not in found.finding and "most confident" not in only(found, Prose)[0].text


def test_surest_images_link_to_themselves(clusters: Codes) -> None:
    drawn, images = only(section(clusters), Gallery)
    assert drawn.rows and images.rows and "most surely" in images.caption
    groups = {text(group.detail).split(",")[0]: group for group in images.groups}
    assert len(groups) == 9 and "category 4" not in groups  # a category without an image has no row
    assert [picture.row for picture in groups["category 8"].pictures] == [28]
    assert [picture.row for picture in groups["category 2"].pictures] == [4, 5, 6, 7]
    assert (groups["category 2"].pictures[1].pixels == 5).all()
    assert groups["category 2"].title == "1" and text(groups["category 2"].pictures[0].alt) == "image of category 2, 1"
    assert 'data-row="28"' in render(report(clusters))
