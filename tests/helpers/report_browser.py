"""A headless browser for the report's tests, and a report to open in it."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_samples as samples
from PIL import Image
from report_run import write_run

from analysis.report.theme import CATEGORIES
from analysis.report_builder import write_report
from analysis.results import save

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
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


def map_pixels(page: Any, selector: str = "#latent-map .points") -> np.ndarray:
    """Pixels (h, w, 3) of the map's canvas as drawn."""
    url = page.evaluate("selector => document.querySelector(selector).toDataURL()", selector)
    return np.asarray(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def category_colour(k: int) -> tuple[int, int, int]:
    """Red, green and blue of the k-th category in light colours."""
    return tuple(bytes.fromhex(CATEGORIES[k][1:]))


def coloured(pixels: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Where (h, w) pixels have just this colour."""
    return (pixels == np.array(colour, np.uint8)).all(-1)


def point_on_screen(page: Any, k: int = 0) -> tuple[float, float]:
    """Client position of the middle of a point of the map's k-th category, found by its colour."""
    full = coloured(map_pixels(page), category_colour(k))
    inside = full[1:-1, 1:-1] & full[:-2, 1:-1] & full[2:, 1:-1] & full[1:-1, :-2] & full[1:-1, 2:]
    box = page.locator("#latent-map .points").bounding_box()
    for y, x in np.argwhere(inside) + 1:
        place = box["x"] + float(x) + 0.5, box["y"] + float(y) + 0.5
        shown = "([x, y]) => document.elementFromPoint(x, y)?.closest('.surface') !== null"
        if page.evaluate(shown, list(place)):
            return place
    pytest.fail(f"no point of category {k} is on the screen")


def without_browser(reason: str) -> None:
    """Skip on a developer's machine; fail where CI promised a browser."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason}, and CI must have it")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((place for name in BROWSERS if (place := shutil.which(name))), None)
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
class OpenReport:
    """An open page, with its messages on the console and the addresses that it requested."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        assert self.messages == []
        assert [url for url in self.requests if not url.startswith(("data:", "blob:"))] == [self.page.url.split("#")[0]]


def open_report(browser: Any, path: Path, **options: Any) -> OpenReport:
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error(`forbidden: ${e.violatedDirective}`))"
    )
    opened = OpenReport(page)
    page.on("console", lambda message: opened.messages.append(message.text))
    page.on("pageerror", lambda error: opened.messages.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(path.as_uri())
    return opened


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
    """Scroll to a chart, choosing what its menu must stand at for it to be there, and wait until it is drawn."""
    page.evaluate(
        """id => {
          const panel = document.getElementById(id).closest(".panel[hidden]");
          if (!panel) return;
          const menu = panel.parentElement.querySelector("select");
          menu.selectedIndex = [...panel.parentElement.querySelectorAll(":scope > .panel")].indexOf(panel);
          menu.dispatchEvent(new Event("change"));
        }""",
        id,
    )
    scroll_to(page, f"#{id}")
    page.wait_for_selector(f"#{id}[data-state=drawn]", timeout=15000)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    for result in samples.results(500).values():
        save(result, folder / "results", command="latentgan analyze t.parquet --out results")
    return write_report(folder / "results", folder / "report.html", run=write_run(folder / "run"))
