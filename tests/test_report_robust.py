"""The report under other circumstances: dark, narrow, without scripts, damaged, hostile, large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_samples as samples
from report_browser import CARD, browser, drawn, open_report, point_on_screen, scroll_to, until, written
from report_run import write_run

from analysis.report.document import Column, Map, Prose, Report, Section, Thumbnails, View
from analysis.report.html import render
from analysis.report.material import Material
from analysis.report.run import read_run
from analysis.report.sections import ORDER, build

__all__ = ["browser", "written"]  # fixtures
pytestmark = pytest.mark.browser


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
    assert page.locator("h2 .finding").count() == len(ORDER)
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
    run = write_run(tmp_path / "run", command=f"latentgan train {evil[0]} {evil[1]}")

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
    assert "</script><script>window…" in page.text_content("#map")  # long names are cut, never read as markup
    assert evil[0] in page.text_content("#made")
    assert page.locator("img[onerror], main a[href^=javascript], #card img").count() == 0
    seen.assert_quiet()
    page.close()


def test_many_points_are_drawn_by_webgl_and_freed_out_of_sight(browser: Any, tmp_path: Path) -> None:

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
