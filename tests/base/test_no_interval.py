"""A figure without an interval says so, and why, wherever it is shown."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from analysis.base.statistics import without_interval
from analysis.geometry.intrinsic_dimension import Geometry, shape_of
from analysis.report.document import Comparison
from analysis.report.estimate_rows import estimate
from analysis.report.estimates import comparison
from analysis.results import to_json
from analysis.terminal import show

WHY = "no interval: 20 neighbours of 60 rows"


@pytest.fixture
def geometry() -> Geometry:
    rng = np.random.default_rng(0)
    return Geometry(shapes=(shape_of(rng.normal(size=(60, 3)), rng=rng),), null=(), notes=())


def test_the_terminal_says_why(geometry):
    out = io.StringIO()
    show(geometry, Console(file=out, width=160))
    assert f"[none] {WHY}" in out.getvalue()


def test_the_terminal_prints_no_nan(geometry):
    out = io.StringIO()
    show(geometry, Console(file=out, width=160))
    assert "nan" not in out.getvalue()


def test_json_says_why(geometry):
    (shape,) = json.loads(json.dumps(to_json(geometry)))["shapes"]
    assert shape["mle"]["low"] is None
    assert shape["mle"]["reason"].startswith(WHY)


@pytest.mark.parametrize("scale", ["number", "percent"])
def test_the_report_says_why(scale):
    row = estimate("code", without_interval(0.5, 60, "20 neighbours of 60 rows"))
    drawn = str(comparison(Comparison(rows=(row,), caption="A caption.", scale=scale)))
    assert f"“none”: {WHY}." in drawn.replace("\u00a0", " ")
    assert '<td class="number">none</td>' in drawn
