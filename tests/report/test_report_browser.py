"""The report in a real browser: it asks nobody, complains of nothing, and does what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report_samples as samples
from report_browser import (
    CARD,
    PIXELS,
    OpenReport,
    browser,
    category_colour,
    coloured,
    drawn,
    grey,
    map_pixels,
    open_report,
    point_on_screen,
    scroll_to,
    until,
    written,
)

__all__ = ["browser", "written"]  # fixtures
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def seen(browser: Any, written: Path) -> Iterator[OpenReport]:
    seen = open_report(browser, written)
    yield seen
    seen.page.close()


def test_every_chart_draws_as_the_reader_comes_by(seen: OpenReport) -> None:
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for id in page.evaluate("[...document.querySelectorAll('.chart')].map(c => c.id)"):
        drawn(page, id)
        assert page.locator(f"#{id} svg.main-svg, #{id} canvas.points").count() > 0
    seen.assert_quiet()


def test_no_chart_offers_to_send_itself_away(seen: OpenReport) -> None:
    drawn(seen.page, "ratio")
    seen.page.hover("#ratio")
    titles = seen.page.eval_on_selector_all(".modebar-btn", "all => all.map(b => b.dataset.title || '')")
    assert not any(word in title.lower() for title in titles for word in ("share", "cloud", "plotly"))


def hovered(page: Any, k: int) -> int:
    """Point at something of the k-th category's colour, and return the thumbnail that the card shows."""
    drawn(page, "latent-map")
    page.mouse.move(2, 2)
    until(page, f"{CARD}.hidden")
    page.mouse.move(*point_on_screen(page, k))
    until(page, f"!{CARD}.hidden && {CARD}.querySelector('canvas').width === 8")
    return int(page.evaluate(f"{CARD}.querySelector('canvas').dataset.tile"))


def test_hovering_a_point_shows_its_image(seen: OpenReport) -> None:
    page = seen.page
    for k in (0, 7):
        tile = hovered(page, k)
        assert samples.digits()[1][tile] == k
        expected = samples.pixels(samples.digits()[0][tile, ..., 0]).ravel().tolist()
        until(
            page,
            f"({PIXELS})('#card canvas').filter((v, i) => i % 4 === 1).join() === '{','.join(map(str, expected))}'",
        )
        assert f"scan-{tile:04d}" in page.inner_text("#card")
    page.mouse.move(2, 2)
    until(page, f"{CARD}.hidden")
    seen.assert_quiet()


def test_hovering_a_picture_elsewhere_shows_the_same_image(seen: OpenReport) -> None:
    page = seen.page
    scroll_to(page, "#mixtures img[data-row]")
    picture = page.locator("#mixtures img[data-row]").first
    row = int(picture.get_attribute("data-row"))
    picture.hover()
    until(page, f"!{CARD}.hidden")
    assert f"scan-{row:04d}" in page.inner_text("#card")
    page.mouse.move(2, 2)


def legend(page: Any) -> list[str]:
    return page.locator("#projection .legend button").all_inner_texts()


def visible(page: Any, k: int) -> int:
    """Number of pixels in the k-th category's colour."""
    return int(coloured(map_pixels(page), category_colour(k)).sum())


def test_the_menu_recolours_the_map(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    assert legend(page) == [str(k) for k in range(10)]
    assert page.locator("#projection .names span").all_inner_texts() == [str(k) for k in range(10)]
    assert all(visible(page, k) > 20 for k in range(10))
    page.select_option("#projection .colour", label="ink")
    assert legend(page) == ["unknown"]
    assert "ink" in page.inner_text("#projection .legend .shades")
    assert visible(page, 4) == 0
    page.select_option("#projection .colour", label="split")
    assert legend(page) == ["train", "validation", "test"]
    page.select_option("#projection .colour", label="label")
    assert visible(page, 4) > 20
    seen.assert_quiet()


def test_the_legend_hides_a_category_of_its_own_colouring_only(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    before = visible(page, 0)
    page.click("#projection .legend button >> nth=0")
    assert visible(page, 0) == 0
    page.select_option("#projection .colour", label="split")
    assert page.locator("#projection .legend button[aria-pressed=false]").count() == 0
    assert visible(page, 0) > 20
    page.select_option("#projection .colour", label="label")
    assert visible(page, 0) == 0
    page.click("#projection .legend button >> nth=0")
    assert visible(page, 0) == before


def test_the_switch_changes_the_arrangement(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    before = map_pixels(page)
    page.click("#projection [data-view='1']")
    assert (map_pixels(page) != before).any()
    assert "variance" in page.inner_text("#projection .view-note")
    page.click("#projection [data-view='0']")
    assert (map_pixels(page) == before).all()


def test_wheel_buttons_and_keys_zoom_and_reset_shows_all(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    before, top = map_pixels(page), page.evaluate("scrollY")
    box = page.locator("#latent-map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == top
    wheeled = map_pixels(page)
    assert (wheeled != before).any()
    page.click("#projection .tools button:has-text('+')")
    page.wait_for_timeout(100)
    assert (map_pixels(page) != wheeled).any()
    page.click("#projection .tools button:has-text('Reset')")
    page.wait_for_timeout(100)
    assert (map_pixels(page) == before).all()
    page.focus("#projection .surface")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(100)
    assert (map_pixels(page) != before).any()
    page.keyboard.press("0")
    page.wait_for_timeout(100)
    assert (map_pixels(page) == before).all()
    seen.assert_quiet()


def test_a_page_that_scrolls_is_not_caught_by_the_map(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    page.evaluate("scrollBy({top: -700, behavior: 'instant'})")
    page.mouse.move(640, 450)
    before = map_pixels(page)
    for _ in range(5):
        page.mouse.wheel(0, 150)
        page.wait_for_timeout(60)
    assert (map_pixels(page) == before).all()


def test_drawing_around_points_shows_their_images(seen: OpenReport) -> None:
    page = seen.page
    drawn(page, "latent-map")
    box = page.locator("#latent-map").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    for dx, dy in ((0.95, 0.03), (0.95, 0.85), (0.03, 0.85), (0.03, 0.03)):
        page.mouse.move(box["x"] + dx * box["width"], box["y"] + dy * box["height"], steps=3)
    page.mouse.up()
    page.wait_for_selector("#projection .selection canvas")
    assert page.locator("#projection .selection canvas").count() == 60
    assert "images selected, 60 of them shown" in page.inner_text("#projection .selection")
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 5)
    until(page, "!document.querySelector('#projection .selection canvas')")
    seen.assert_quiet()


def test_a_slider_moves_edits_by_keyboard_and_says_its_value(seen: OpenReport) -> None:
    page = seen.page
    scroll_to(page, "#edit-0")
    slider, canvas = page.locator("#edit-0-slider"), "#edit-0 canvas.big"
    until(page, f"document.querySelector('{canvas}').width === 8")
    before = page.evaluate(PIXELS, canvas)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('{canvas}').dataset.step === '6'")
    assert page.evaluate(PIXELS, canvas) != before
    assert page.inner_text("#edit-0 output") == "+1.5 sd" == slider.get_attribute("aria-valuetext")
    expected = samples.concepts(500, tuple("0123456789")).edits.frames[0, 0, 6, ..., 0].ravel().tolist()
    assert grey(page.evaluate(PIXELS, canvas)) == expected
    assert "+1.5 sd" in page.get_attribute(canvas, "aria-label")
    seen.assert_quiet()


def test_a_slider_moves_a_number_of_the_code(seen: OpenReport) -> None:
    page = seen.page
    scroll_to(page, "#number-0")
    canvas = "#number-0 canvas.big"
    until(page, f"document.querySelector('{canvas}').width === 8")
    assert page.inner_text("#number-0 output") == "0.00"
    page.locator("#number-0-slider").focus()
    page.keyboard.press("End")
    until(page, f"document.querySelector('{canvas}').dataset.step === '8'")
    frames = samples.codes(tuple("0123456789")).sweeps[0].frames
    assert frames is not None and grey(page.evaluate(PIXELS, canvas)) == frames[0, 8, ..., 0].ravel().tolist()
    assert page.inner_text("#number-0 output") == "+1.00"
    scroll_to(page, canvas)
    page.locator(canvas).first.hover()
    until(page, f"!{CARD}.hidden")
    assert "scan-0000" in page.inner_text("#card")
    page.mouse.move(2, 2)
    assert not page.is_visible("#number-1")
    page.select_option("#number > .menu select", index=1)
    assert page.is_visible("#number-1") and not page.is_visible("#number-0")
    page.select_option("#number > .menu select", index=0)
    seen.assert_quiet()


@pytest.mark.parametrize("width", [390, 1280])
def test_samples_of_a_category_stand_in_one_row_with_its_name(browser: Any, written: Path, width: int) -> None:
    seen = open_report(browser, written, viewport={"width": width, "height": 844})
    group = seen.page.locator("#code_parts .gallery.rows .group").nth(4)
    name, pictures = group.locator("h3").bounding_box(), group.locator("img")
    boxes = [pictures.nth(i).bounding_box() for i in range(pictures.count())]
    assert group.locator("h3").inner_text() == "4" and len(boxes) == 8
    assert len({box["y"] for box in boxes}) == 1 and max(box["x"] + box["width"] for box in boxes) <= width
    beside = boxes[0]["x"] >= name["x"] + name["width"]
    assert beside if width > 640 else boxes[0]["y"] >= name["y"] + name["height"]
    seen.page.close()


def test_another_concept_can_be_chosen(seen: OpenReport) -> None:
    page = seen.page
    assert page.is_visible("#edit-0") and not page.is_visible("#edit-3")
    page.select_option("#edit > .menu select", label="label: 3")
    assert page.is_visible("#edit-3") and not page.is_visible("#edit-0")
    page.select_option("#edit > .menu select", label="label: 0")


def test_interpolation_strips_follow_the_slider_and_a_click(seen: OpenReport) -> None:
    page = seen.page
    scroll_to(page, "#paths")
    assert page.inner_text("#paths output") == "50\u00a0%"
    page.locator("#paths img.frames").first.click(position={"x": 3, "y": 3})
    until(page, "document.querySelector('#paths output').textContent.startsWith('0')")
    assert page.evaluate("document.querySelector('#paths .marker').style.left") == "0%"


def test_samples_go_through_training(seen: OpenReport) -> None:
    page = seen.page
    scroll_to(page, "#samples-over")
    source = "document.querySelector('#samples-over img').src"
    last = page.evaluate(source)
    page.focus("#samples-over-slider")
    page.keyboard.press("Home")
    until(page, f"{source}.length !== {len(last)}")
    assert page.locator("#samples output").first.inner_text() == "26,667 images"
    assert "26,667 images" in page.get_attribute("#samples-over img", "alt")
    page.keyboard.press("End")
    assert page.evaluate(source) == last
    seen.assert_quiet()
