"""Pictures of a report's sections, for the pages of analyses: docs/_static/analyses/NAME.png.

    python docs/section_pictures.py REPORT.html

Each picture is the top of a section as a browser draws it: its title, what was found, and its first figure or table.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Collection
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from analysis import catalogue

PICTURES = Path(__file__).parent / "_static" / "analyses"
WIDTH, MIN_HEIGHT, MAX_HEIGHT = 1000, 150, 760  # of a picture, in CSS pixels
COLOURS = 128  # of its palette, which keeps a file below some 60 KB
SECTIONS = {"training_run": "diagnostics"}  # where an analysis has several sections
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

UP_TO_FIRST_FIGURE = """section => {
  const box = section.getBoundingClientRect();
  const drawn = [...section.querySelectorAll('table, .js-plotly-plot, svg, canvas')];
  const bottom = drawn.map(figure => figure.getBoundingClientRect()).find(place => place.height > 60)?.bottom;
  return [box.left + scrollX, box.top + scrollY, box.width, (bottom ?? box.bottom) - box.top + 12];
}"""


def take_pictures(report: Path, folder: Path, *, without: Collection[str] = ()) -> list[str]:
    """Write a picture of each analysis that a report holds.

    Args:
        report: the HTML file.
        folder: where the pictures go, created if missing.
        without: analyses to leave out.

    Returns:
        The analyses that a picture was taken of: those that the report has results of.

    Raises:
        SystemExit: there is no Chromium or Chrome.
    """
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit("pictures of sections need Chromium or Chrome on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 1600}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_load_state("networkidle")
        for name in (name for name in (*catalogue.RESULTS, "training_run") if name not in without):
            section = page.locator(f"section#{SECTIONS.get(name, name)}")
            if not section.count():
                continue
            section.scroll_into_view_if_needed()
            page.wait_for_timeout(700)  # charts are drawn when they come into view
            left, top, width, height = section.evaluate(UP_TO_FIRST_FIGURE)
            if height < MIN_HEIGHT:
                continue  # the analysis was not run: a sentence says how to run it
            clip = {"x": left, "y": top, "width": min(width, WIDTH), "height": min(height, MAX_HEIGHT)}
            image = Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True)))
            image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)
            taken.append(name)
        browser.close()
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("report", type=Path, help="a finished report")
    print("pictures of:", ", ".join(take_pictures(parser.parse_args().report, PICTURES)))
