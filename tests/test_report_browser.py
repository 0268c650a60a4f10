"""The report in a real browser: it asks nobody, complains of nothing, and does what it promises."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write_report
from analysis.store import save

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

_spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("report_samples.py"))
assert _spec is not None and _spec.loader is not None
samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(samples)


def without_browser(reason: str) -> None:
    """Skip on a developer's machine; fail where CI promised a browser."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason}, and CI must have it")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        without_browser("no Chromium or Chrome on this machine")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without_browser("the Python package playwright is not installed")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@dataclass
class Seen:
    """A page, with what it said and what it asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("data:", "blob:"))] == [self.page.url.split("#")[0]]


def open_report(browser: Any, path: Path, **options: Any) -> Seen:
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    seen = Seen(page)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda request: seen.asked.append(request.url))
    page.goto(path.as_uri())
    return seen


def until(page: Any, condition: str) -> None:
    """Wait for a condition from outside: the page's own policy forbids the driver's polling, which evaluates text."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(30)
    pytest.fail(f"never became true: {condition}")


def scroll_to(page: Any, selector: str) -> None:
    page.evaluate("s => document.querySelector(s).scrollIntoView({behavior: 'instant', block: 'center'})", selector)


def drawn(page: Any, id: str) -> None:
    scroll_to(page, f"#{id}")
    page.wait_for_selector(f"#{id}[data-state=drawn]", timeout=15000)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    for result in samples.results(500).values():
        save(result, folder / "results", command="latentgan analyze t.parquet --out results")
    return write_report(folder / "results", folder / "report.html", run=samples.write_run(folder / "run"))


@pytest.fixture(scope="module")
def seen(browser: Any, written: Path) -> Iterator[Seen]:
    seen = open_report(browser, written)
    yield seen
    seen.page.close()


CARD = "document.querySelector('#card')"
PIXELS = """selector => {
  const shown = document.querySelector(selector), copy = document.createElement('canvas');
  [copy.width, copy.height] = [shown.width, shown.height];
  const pen = copy.getContext('2d', {willReadFrequently: true});
  pen.drawImage(shown, 0, 0);
  return [copy.width, ...pen.getImageData(0, 0, copy.width, copy.height).data];
}"""


def grey(pixels: list[int]) -> list[int]:
    return pixels[1::4]


def point_on_screen(page: Any, place: int) -> tuple[float, float, int]:
    """Client position and thumbnail number of a point of the map's first trace."""
    found = page.evaluate(
        """place => {
          const map = document.querySelector('#latent-map'), trace = map.data[0];
          const box = map.getBoundingClientRect(), {xaxis, yaxis} = map._fullLayout;
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[place]),
                  box.top + yaxis._offset + yaxis.d2p(trace.y[place]), trace.customdata[place]];
        }""",
        place,
    )
    return found[0], found[1], int(found[2])


def test_every_chart_draws_as_the_reader_comes_by(seen: Seen) -> None:
    page = seen.page
    assert page.evaluate("!window.Plotly || document.querySelectorAll('.chart[data-state=drawn]').length") is not None
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for id in page.evaluate("[...document.querySelectorAll('.chart')].map(c => c.id)"):
        drawn(page, id)
        assert page.locator(f"#{id} svg.main-svg").count() > 0
    seen.assert_quiet()


def test_no_chart_offers_to_send_itself_away(seen: Seen) -> None:
    drawn(seen.page, "latent-map")
    titles = seen.page.eval_on_selector_all(".modebar-btn", "all => all.map(b => b.dataset.title || '')")
    assert titles and not any(word in title.lower() for title in titles for word in ("share", "cloud", "plotly"))


def test_hovering_a_point_shows_its_image(seen: Seen) -> None:
    page = seen.page
    drawn(page, "latent-map")
    x, y, tile = point_on_screen(page, 3)
    page.mouse.move(x, y)
    until(page, f"!{CARD}.hidden && {CARD}.querySelector('canvas').dataset.tile !== undefined")
    shown = int(page.evaluate(f"{CARD}.querySelector('canvas').dataset.tile"))
    until(page, f"{CARD}.querySelector('canvas').width === 8")
    expected = samples.pixels(samples.digits()[0][shown, ..., 0]).ravel().tolist()
    assert grey(page.evaluate(PIXELS, "#card canvas")) == expected
    assert f"scan-{shown:04d}" in page.inner_text("#card")
    if shown != tile:  # another point may lie on top
        assert abs(shown - tile) < 500
    page.mouse.move(2, 2)
    until(page, f"{CARD}.hidden")
    seen.assert_quiet()


def test_hovering_a_picture_elsewhere_shows_the_same_image(seen: Seen) -> None:
    page = seen.page
    scroll_to(page, "#mixture img[data-row]")
    picture = page.locator("#mixture img[data-row]").first
    row = int(picture.get_attribute("data-row"))
    picture.hover()
    until(page, f"!{CARD}.hidden")
    assert f"scan-{row:04d}" in page.inner_text("#card")
    page.mouse.move(2, 2)


def test_the_menu_recolours_the_map(seen: Seen) -> None:
    page = seen.page
    drawn(page, "latent-map")
    traces = "document.querySelector('#latent-map').data.map(t => t.name)"
    assert page.evaluate(traces) == [str(k) for k in range(10)]
    assert page.evaluate("document.querySelector('#latent-map').layout.annotations.length") == 10
    page.select_option("#map .colour", label="ink")
    until(page, "document.querySelector('#latent-map').data[0].name === 'unknown'")
    assert page.evaluate("document.querySelector('#latent-map').data[1].marker.colorscale.length") == 10
    page.select_option("#map .colour", label="split")
    until(page, "document.querySelector('#latent-map').data.length === 3")
    assert page.evaluate(traces) == ["train", "validation", "test"]
    page.select_option("#map .colour", label="label")
    seen.assert_quiet()


def test_the_switch_changes_the_arrangement(seen: Seen) -> None:
    page = seen.page
    drawn(page, "latent-map")
    first = "document.querySelector('#latent-map').data[0].x[0]"
    before = page.evaluate(first)
    page.click("#map [data-view='1']")
    until(page, f"{first} !== {before}")
    assert "variance" in page.inner_text("#map .view-note")
    page.click("#map [data-view='0']")
    until(page, f"{first} === {before}")


def test_drawing_around_points_shows_their_images(seen: Seen) -> None:
    page = seen.page
    drawn(page, "latent-map")
    box = page.locator("#latent-map").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    for dx, dy in ((0.95, 0.03), (0.95, 0.85), (0.03, 0.85), (0.03, 0.03)):
        page.mouse.move(box["x"] + dx * box["width"], box["y"] + dy * box["height"], steps=3)
    page.mouse.up()
    page.wait_for_selector("#map .selection canvas")
    assert page.locator("#map .selection canvas").count() == 60
    assert "images selected, the first 60 shown" in page.inner_text("#map .selection")
    seen.assert_quiet()


def test_a_slider_moves_edits_by_keyboard_and_says_its_value(seen: Seen) -> None:
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


def test_another_concept_can_be_chosen(seen: Seen) -> None:
    page = seen.page
    assert page.is_visible("#edit-0") and not page.is_visible("#edit-3")
    page.select_option("#edit > .menu select", label="label: 3")
    assert page.is_visible("#edit-3") and not page.is_visible("#edit-0")
    page.select_option("#edit > .menu select", label="label: 0")


def test_interpolation_strips_follow_the_slider_and_a_click(seen: Seen) -> None:
    page = seen.page
    scroll_to(page, "#paths")
    assert page.inner_text("#paths output") == "50\u00a0%"
    page.locator("#paths img.film").first.click(position={"x": 3, "y": 3})
    until(page, "document.querySelector('#paths output').textContent.startsWith('0')")
    assert page.evaluate("document.querySelector('#paths .marker').style.left") == "0%"


def test_samples_go_through_training(seen: Seen) -> None:
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


def test_light_and_dark_follow_the_system_and_the_reader(browser: Any, written: Path) -> None:
    seen = open_report(browser, written, color_scheme="dark")
    page = seen.page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(19, 20, 24)"
    drawn(page, "ratio")
    line = "document.querySelector('#ratio').data[0].line.color"
    assert page.evaluate(line) == "#7ea8ff"
    page.click("#scheme")
    assert page.evaluate(ground) == "rgb(252, 252, 250)"
    until(page, f"{line} === '#2457c5'")
    seen.assert_quiet()
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways_but_tables(browser: Any, written: Path, width: int) -> None:
    seen = open_report(browser, written, viewport={"width": width, "height": 844})
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    drawn(page, "latent-map")
    drawn(page, "label-curve")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        """width => [...document.querySelectorAll('main *')].filter(e => {
          const box = e.getBoundingClientRect();
          return box.right > width + 1 && !e.closest('.scroll, pre, svg, .js-plotly-plot');
        }).map(e => e.outerHTML.slice(0, 120))""",
        width,
    )
    assert wide == []
    seen.assert_quiet()
    page.close()


def test_without_scripts_findings_tables_and_pictures_are_there(browser: Any, written: Path) -> None:
    seen = open_report(browser, written, java_script_enabled=False)
    page = seen.page
    assert page.locator("h2 .finding").count() == 14
    assert page.locator("table").first.is_visible() and page.locator("#samples-over img").is_visible()
    assert not page.locator("#samples-over-slider").is_visible()
    assert "need JavaScript" in page.locator("noscript").first.inner_text()
    page.close()


def test_a_chart_that_cannot_be_drawn_says_so(browser: Any, written: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    text = written.read_text(encoding="utf-8")
    start = text.index('id="library">') + len('id="library">')
    broken.write_text(text[:start] + "AAAA" + text[start + 4 :], encoding="utf-8")
    page = open_report(browser, broken).page
    scroll_to(page, "#ratio")
    page.wait_for_selector("#ratio[data-state=failed]")
    assert "could not draw" in page.inner_text("#ratio")
    page.close()


def test_hostile_names_are_shown_and_never_run(browser: Any, tmp_path: Path) -> None:
    evil = samples.HOSTILE
    names = tuple(f"{evil[i % 5]}{i}" for i in range(10))
    found = samples.results(120, names)
    overview = found["overview"]
    ids = [f"{evil[i % 5]}-{i}.png" for i in range(120)]
    object.__setattr__(overview, "ids", [text.encode("utf-8", "replace").decode() for text in ids])
    run = samples.write_run(tmp_path / "run", command=f"latentgan train {evil[0]} {evil[1]}")
    from analysis.report.html import render
    from analysis.report.material import Material
    from analysis.report.run import read_run
    from analysis.report.sections import build

    out = tmp_path / "hostile.html"
    commands = dict.fromkeys(found, evil[0])
    out.write_text(render(build(Material(found, commands, {}, read_run(run)))), encoding="utf-8")
    seen = open_report(browser, out)
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for id in page.evaluate("[...document.querySelectorAll('.chart')].map(c => c.id)"):
        drawn(page, id)
    x, y, _ = point_on_screen(page, 0)
    drawn(page, "latent-map")
    x, y, _ = point_on_screen(page, 0)
    page.mouse.move(x, y)
    until(page, f"!{CARD}.hidden")
    assert page.evaluate("window.pwned") is None
    assert "</script><script>window.pwned=1</script>0" in page.text_content("#map")
    assert evil[0] in page.text_content("#made")
    assert page.locator("img[onerror], main a[href^=javascript], #card img").count() == 0
    seen.assert_quiet()
    page.close()


def test_many_points_are_drawn_by_webgl_and_freed_out_of_sight(browser: Any, tmp_path: Path) -> None:
    import numpy as np

    from analysis.report.document import Column, Map, Prose, Report, Section, Thumbnails, View
    from analysis.report.html import render

    n = 6000
    rng = np.random.default_rng(0)
    thumbnails = Thumbnails(
        np.arange(n), tuple(map(str, range(n))), np.zeros((n, 4, 4, 1), np.uint8),
        (Column("label", rng.integers(0, 30, n), tuple(f"class {k}" for k in range(30))),),
    )  # fmt: skip
    chart = Map("latent-map", np.arange(n), (View("PCA", rng.normal(size=(n, 2))),), "Many points.", "label")
    far = Section("far", "Far", "Far away.", tuple(Prose("text " * 200) for _ in range(40)))
    out = tmp_path / "many.html"
    out.write_text(render(Report("t", "l", (Section("s", "n", "f", (chart,)), far), thumbnails)), encoding="utf-8")
    seen = open_report(browser, out)
    page = seen.page
    drawn(page, "latent-map")
    assert page.evaluate("document.querySelector('#latent-map').data.map(t => t.type)[0]") == "scattergl"
    assert page.evaluate("document.querySelector('#latent-map').data.length") == 13
    page.evaluate("scrollTo({top: 1e6, behavior: 'instant'})")
    until(page, "!document.querySelector('#latent-map').data")
    drawn(page, "latent-map")
    until(page, "document.querySelector('#latent-map').data")
    said = [line for line in seen.said if "GPU stall due to ReadPixels" not in line]
    assert said == []
    page.close()
