"""The sections on geometry and prior, and what the mixture's section says of unusual images and classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples

from analysis.base.statistics import Interval
from analysis.geometry.views import section as geometry
from analysis.mixtures.class_conditional import ByClass
from analysis.mixtures.model_selection import Candidate
from analysis.mixtures.outliers import Outliers
from analysis.mixtures.views import section as mixture
from analysis.prior_match.views import section as prior
from analysis.report.context import ReportContext
from analysis.report.document import Comparison, Gallery, Lines, Table, all_blocks


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return samples.results(200)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_geometry_states_the_dimension_beside_its_baselines(results: dict[str, Any]) -> None:
    found = geometry(ReportContext(results))
    shape = results["geometry"].shapes[0]
    assert plain(found.finding).startswith(
        f"The 16 numbers of the code have an intrinsic dimension of {shape.two_nn.value:.1f} [{shape.two_nn.low:.1f}, "
    )
    for word in ("n = 1,797", "independent numbers", "raw pixels", "the same network untrained"):
        assert word in plain(found.finding)
    rows = [row for block in all_blocks(found.blocks) if isinstance(block, Comparison) for row in block.rows]
    assert {row.label for row in rows} == {"code", "independent numbers", "raw pixels", "code, untrained"}
    assert {row.role for row in rows} == {"ours", "chance", "pixels", "untrained"} and len(rows) == 24


def test_prior_fits_where_it_does(results: dict[str, Any]) -> None:
    section = prior(ReportContext(results))
    assert plain(section.finding) == (
        "The codes of z are not distributed as the prior (sliced Wasserstein and kernel tests, n = 200); no difference "
        "shows in those of noise."
    )
    found = plain(str(section.blocks[0]))
    assert "The codes of z are not distributed as the normal prior: sliced Wasserstein distance" in found
    assert "No difference shows between the codes of noise and the normal prior" in found
    assert "n = 200" in found and "of 16 numbers differ by themselves" in found
    tables = [block for block in all_blocks(prior(ReportContext(results)).blocks) if isinstance(block, Table)]
    assert [len(table.rows) for table in tables] == [2, 16, 2, 3]


def test_each_outcome_of_several_parts_has_its_sentence(results: dict[str, Any]) -> None:
    z, noise = results["prior_match"].parts
    for parts, said in (
        ((z,), "The codes of z are not distributed as the normal prior: sliced Wasserstein distance"),
        ((z, replace(z, name="w")), "The codes of z and w are not distributed as their priors (sliced Wasserstein and"),
        ((noise, replace(noise, name="w")), "No difference shows between the codes of noise and w and their priors ("),
    ):
        finding = plain(prior(ReportContext({"prior_match": replace(results["prior_match"], parts=parts)})).finding)
        assert finding.startswith(said) and "n = 200" in finding


def test_training_rows_are_owned_up_to(results: dict[str, Any]) -> None:
    note = "900 rows of all splits, which includes training rows, since only 9 test rows exist"
    for kind, section in (("geometry", geometry), ("prior_match", prior)):
        changed = replace(results[kind], training_rows_note=note)
        assert "includes training rows" in str(section(ReportContext({**results, kind: changed})).blocks[0])


def test_mixture_shows_aic_beside_bic(results: dict[str, Any]) -> None:
    tried = (
        Candidate(components=2, covariance="full", bic=900.0, held_out=-4.0, degenerate=0, aic=850.0),
        Candidate(components=1, covariance="full", bic=950.0, held_out=-5.0, degenerate=0, aic=930.0),
        Candidate(components=4, covariance="full", bic=910.0, held_out=-3.5, degenerate=0, aic=820.0),
        Candidate(components=8, covariance="diag", bic=700.0, held_out=np.nan, degenerate=3, aic=500.0),
    )
    changed = replace(results["mixtures"], candidates=tried)
    blocks = all_blocks(mixture(ReportContext({**results, "mixtures": changed})).blocks)
    charts = {b.id: b for b in blocks if isinstance(b, Lines)}
    assert {key: chart.lines[0].y.tolist() for key, chart in charts.items()} == {
        "bic": [950, 900, 910],
        "aic": [930, 850, 820],
        "held_out": [-5, -4, -3.5],
    }
    assert [len(chart.lines) for chart in charts.values()] == [2, 2, 1], "what is not known is not drawn"
    (table,) = [b for b in blocks if isinstance(b, Table) and b.columns[0] == "candidate"]
    assert table.rows[1] == ("2 full", "0", "30", "−4.00", "")
    assert table.rows[3][3:] == ("–", "3 of 8 degenerate")
    assert "BIC 2 components (full), AIC 4 components (full) and held-out log-likelihood 4" in plain(table.caption)
    older = replace(changed, candidates=tuple(replace(one, aic=np.nan) for one in tried))
    ids = [
        b.id for b in all_blocks(mixture(ReportContext({**results, "mixtures": older})).blocks) if isinstance(b, Lines)
    ]
    assert ids == ["bic", "held_out"]


def test_mixture_shows_unusual_images(results: dict[str, Any]) -> None:
    rows = np.arange(12)
    scores = np.linspace(-30, -20, 12)
    outliers = Outliers(
        rows=rows,
        log_density=scores,
        mahalanobis=-scores,
        density_quantile=np.full(12, 0.5),
        mahalanobis_quantile=np.full(12, 0.5),
        references=400,
        unusual=rows[:2],
    )
    drawn = np.zeros((2, 3, 8, 8, 1), np.uint8)
    classes = ByClass(
        classes=("a", "<b>"),
        components=np.array([1, 4]),
        covariances=("full", "diag"),
        rows=np.array([90, 80]),
        accuracy=Interval(0.9, 0.85, 0.94, 200),
        shuffled=0.5,
        samples=drawn,
        notes=(),
    )
    changed = replace(results["mixtures"], outliers=outliers, by_class=classes)
    found = mixture(ReportContext({**results, "mixtures": changed}))
    galleries = [block for block in found.blocks if isinstance(block, Gallery)]
    assert galleries[1].groups[0].title == "Most unusual" and "2 of 12 images" in galleries[1].groups[0].detail
    assert [group.title for group in galleries[2].groups] == ["a", "<b>"]
    (table,) = [b for b in all_blocks(found.blocks) if isinstance(b, Table) and b.columns[0] == "class"]
    assert table.rows[1] == ("<b>", "4 diag", "80") and "90.0 % [85.0, 94.0]" in plain(table.caption)
