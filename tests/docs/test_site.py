"""The site builds from nothing without a warning, and a browser that opens its pages requests nothing but files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from report_browser import browser

__all__ = ["browser"]  # a fixture

ROOT = Path(__file__).parents[2]
PAGES = ("index.html", "concepts/formalism.html", "generated/analyses/editing.html", "generated/families/bigan.html")
LOADS = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?https?:|<link[^>]*href=["']?https?:[^>]*stylesheet"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs"), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.slow
def test_site_has_page_of_each_thing(site: Path) -> None:
    from analysis import catalogue
    from latentgan.families.base import family_names

    assert [name for name in family_names() if not (site / f"generated/families/{name}.html").is_file()] == []
    assert [name for name in catalogue.RESULTS if not (site / f"generated/analyses/{name}.html").is_file()] == []


@pytest.mark.slow
def test_no_page_loads_from_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    assert [str(page) for page in pages if LOADS.search(page.read_text(encoding="utf-8"))] == []
    sheets = [*site.rglob("*.css")]
    assert [str(sheet) for sheet in sheets if re.search(r"(url\(|@import).{0,3}https?:", sheet.read_text())] == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_browser_requests_files_only(site: Path, browser: Any, name: str) -> None:
    requested: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.goto((site / name).as_uri(), wait_until="load")
    page.close()
    assert requested
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []


@pytest.mark.slow
@pytest.mark.browser
def test_browser_draws_formulas(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "concepts/formalism.html").as_uri(), wait_until="load")
    heights = page.eval_on_selector_all("math", "all => all.map(m => m.getBoundingClientRect().height)")
    page.close()
    assert len(heights) >= 5
    assert min(heights) > 5
