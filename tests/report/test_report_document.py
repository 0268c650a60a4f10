"""The report as data, and the words and figures in it, by value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import report_samples as samples

from analysis.report.charts import _apart, label, lines_figure, strokes
from analysis.report.document import Choice, Comparison, Disclosure, Estimate, Line, Lines, Mark, Prose, all_blocks
from analysis.report.estimate_rows import axis
from analysis.report.formatting import count, duration, family_name, listed, number, p_value, percent, plural, sentence
from analysis.report.images import PAGE_TILES, as_uint8, frame_strip, pages, png
from analysis.report.theme import CATEGORIES, CATEGORIES_DARK, DARK, LIGHT, palettes


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (percent(0.9412), "94.1\u00a0%"),
        (percent(math.nan), "–"),
        (number(-0.5), "−0.50"),
        (number(2399.2, 0), "2,399"),
        (number(60000), "60,000"),
        (number(0.00012), "0.00012"),
        (number(math.inf), "–"),
        (number(0.0), "0.00"),
        (count(60000), "60,000"),
        (plural(1, "image"), "1 image"),
        (plural(2, "quantity", "quantities"), "2 quantities"),
        (duration(3.14), "3.1 s"),
        (duration(437), "7 min 17 s"),
        (duration(7322), "2 h 2 min"),
        (p_value(0.001, 999), "p ≤ 0.001"),
        (p_value(0.21, 999), "p = 0.21"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (sentence("so it is"), "So it is."),
        (family_name("bigan"), "BiGAN"),
        (family_name("my_own"), "my_own"),
    ],
)
def test_numbers_are_written_as_people_read_them(said: str, expected: str) -> None:
    assert said == expected


def test_blocks_inside_disclosures_and_choices_are_found() -> None:
    inner = Prose("inner")
    blocks = (Prose("a"), Disclosure("more", (Choice("c", "pick", (("one", (inner,)),)),)))
    assert inner in all_blocks(blocks)
    assert len(all_blocks(blocks)) == 4


def test_the_axis_spans_figures_and_baselines_but_not_chance() -> None:
    rows = (
        Estimate(label="ours", value=0.92, low=0.90, high=0.94, n=100),
        Estimate(label="pixels", value=0.81, low=0.79, high=0.83, n=100, role="pixels"),
        Estimate(label="shuffled", value=0.10, low=0.07, high=0.13, n=100, role="chance"),
    )
    assert axis(Comparison(rows=rows, caption="")) == pytest.approx((0.7, 1.0))


def test_the_axis_of_shares_stays_within_0_and_1() -> None:
    rows = (Estimate(label="a", value=0.999, low=0.99, high=1.0, n=9, marks=(Mark("pixels", 0.02, "pixels"),)),)
    assert axis(Comparison(rows=rows, caption="")) == (0.0, 1.0)


def test_an_axis_without_figures_is_still_an_axis() -> None:
    assert axis(
        Comparison(rows=(Estimate(label="a", value=math.nan, low=math.nan, high=math.nan, n=0),), caption="")
    ) == (0.0, 1.0)


def curve(name: str, role: str | None = None) -> Line:
    return Line(name, np.arange(3.0), np.arange(3.0) ** 2, role=role)  # type: ignore[arg-type]


def test_a_role_has_its_colour_and_repeats_differ_in_the_dash() -> None:
    found = strokes((curve("a"), curve("u1", "untrained"), curve("u2", "untrained"), curve("b")))
    assert found == [("ours", "solid"), ("untrained", "solid"), ("untrained", "dash"), ("c2", "solid")]


def test_an_interval_is_drawn_as_a_band_under_its_curve() -> None:
    line = Line("a", np.arange(3.0), np.ones(3), np.zeros(3), np.full(3, 2.0))
    figure = lines_figure(
        Lines(
            id="i",
            title="t",
            x_title="x",
            y_title="y",
            lines=(line,),
            caption="c",
            y_scale="percent",
            level=(1.0, "one"),
        )
    )
    assert [trace.get("fill") for trace in figure["data"]] == [None, "tonexty", None]
    assert figure["layout"]["yaxis"]["tickformat"] == ".0%"
    assert figure["layout"]["annotations"][0]["text"] == "one"


def test_chart_labels_are_text_and_no_markup() -> None:
    assert label("<b>a</b> & c\nd") == "&lt;b&gt;a&lt;/b&gt; &amp; c d"


def test_both_palettes_define_the_same_tokens() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert len(CATEGORIES) == len(CATEGORIES_DARK) == 10
    config = palettes()["config"]
    assert config == {"displaylogo": False, "showSendToCloud": False, "responsive": True}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("ink", ["ink", "muted", "accent", "warning", "failure", "ok"])
def test_text_has_a_contrast_of_4_5_on_every_ground_it_stands_on(palette: dict[str, str], ink: str) -> None:
    grounds = ["page", "panel", "sunk"] if ink in ("ink", "muted", "accent") else [f"{ink}-soft"]
    for ground in grounds:
        light, dark = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_thumbnails_come_back_from_their_page() -> None:
    from io import BytesIO

    from PIL import Image

    images, _ = samples.digits()
    tiles = samples.pixels(images[: PAGE_TILES + 5])
    sheets = pages(tiles)
    assert [sheet.mime for sheet in sheets] == ["image/png", "image/png"]
    page = np.asarray(Image.open(BytesIO(sheets[0].data)))
    row, column = divmod(70, sheets[0].across)
    np.testing.assert_array_equal(page[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8], tiles[70, ..., 0])


def test_larger_thumbnails_are_webp_and_small() -> None:
    tiles = np.zeros((40, 28, 28, 3), np.uint8)
    (sheet,) = pages(tiles)
    assert sheet.mime == "image/webp" and len(sheet.data) < 2000


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_of_any_channel_count_encode(channels: int) -> None:
    pictures = as_uint8(np.random.default_rng(0).random((3, 5, 4, channels)))
    assert pictures.shape[-1] == (3 if channels >= 3 else 1)
    assert png(pictures[0]).startswith(b"\x89PNG") and frame_strip(pictures).startswith(b"\x89PNG")


def test_floats_outside_the_unit_interval_are_clipped() -> None:
    pixels = as_uint8(np.array([[[[-1.0], [2.0], [np.nan], [0.5]]]]))
    assert pixels.ravel().tolist() == [0, 255, 0, 128]


def test_marks_of_a_logarithmic_axis_do_not_overlap() -> None:
    marks = _apart([1.0, 2, 4, 8, 12, 14, 16, 17, 18, 19, 20, 22, 32])
    assert marks == [1, 2, 4, 8, 12, 16, 22, 32] and _apart([5.0]) == [5] and _apart([]) == []
    assert _apart([1.0, 10, 100]) == [1, 10, 100]
