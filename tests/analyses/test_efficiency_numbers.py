"""Label efficiency of numbers: a planted slope is read up to its known R², and nothing is claimed where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import report_samples
import table_maker
import typer
from typer.testing import CliRunner

from analysis import AnalysisError, Embeddings, load
from analysis.app import register, write_report
from analysis.base.baselines import MEAN
from analysis.base.linear_models import Rows
from analysis.base.statistics import r2_score
from analysis.label_efficiency.regression import NumberCurves, amounts, explained, number_efficiency
from analysis.label_efficiency.study import study as study_efficiency
from analysis.label_efficiency.views import section as few_labels
from analysis.probes.few_labels import FewLabels
from analysis.report.context import ReportContext
from analysis.report.document import Lines, Prose, all_blocks
from analysis.results import save
from analysis.table.study_options import Options

WIDTH, NOISE = 20, 0.5
SIZES = (10, 50, 200)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def read(rng: np.random.Generator, *, unit: float = 1.0, draws: int = 10, n_test: int = 800) -> NumberCurves:
    """Two numbers: one is a slope of the code behind noise, the other of nothing; pixels hide the code among others."""
    counts = (800, 400, n_test)
    codes = [rng.normal(size=(n, 4)).astype(np.float32) for n in counts]
    pixels = [np.hstack([x, 3 * rng.normal(size=(len(x), WIDTH))]).astype(np.float32) for x in codes]
    slope = np.array([0.5, -0.5, 0.5, 0.5])
    told = [np.stack([x @ slope + NOISE * rng.normal(size=len(x)), rng.normal(size=len(x))], axis=1) for x in codes]
    values = [1000 + unit * one for one in told]
    curves = NumberCurves(values[0], values[2], SIZES, draws=draws, rng=rng, all_labels=True)
    for name, parts in (("code", codes), ("pixels", pixels)):
        curves.add_probes(name, name != "code", *parts, values[1])
    curves.add_mean()
    curves.add_shuffled(*codes, values[1], rng)
    return curves


def figures(curve: tuple[FewLabels, ...], name: str) -> np.ndarray:
    return np.array([few.scores[few.representations.index(name)].value for few in curve])


def difference(few: FewLabels, baseline: str) -> tuple[float, float]:
    (gap,) = [d.difference for d in few.differences if (d.representation, d.baseline) == ("code", baseline)]
    return gap.low, gap.high


def test_amounts_go_up_by_one_two_five_to_half_of_the_rows() -> None:
    assert amounts(1000) == (10, 20, 50, 100, 200, 500)
    assert amounts(999)[-1] == 200 and amounts(60_000)[-1] == 5000
    assert amounts(20) == (10,) and amounts(19) == amounts(0) == ()


def test_one_function_reads_the_whole_curve_of_arrays(rng: np.random.Generator) -> None:
    codes = [rng.normal(size=(n, 4)).astype(np.float32) for n in (300, 150, 300)]
    wide = [np.hstack([x, rng.normal(size=(len(x), WIDTH))]).astype(np.float32) for x in codes]
    told = [x.sum(1, dtype=np.float64) / 2 + NOISE * rng.normal(size=len(x)) for x in codes]
    splits = [{"code": Rows(x, y), "pixels": Rows(w, y)} for x, w, y in zip(codes, wide, told, strict=True)]
    found = number_efficiency(*splits, rng=rng, rows=(10, 50), draws=8, target="slant")
    assert (found.target, found.metric, [few.labels for few in found.curve]) == ("slant", "R2", [10, 50, 300])
    assert (figures(found.curve, "code") > figures(found.curve, "pixels")).all() and found.curve[-1].everything
    last = found.curve[-1]
    assert last.scores[0].value == pytest.approx(0.8, abs=0.06) and last.shuffled is not None
    assert last.shuffled.value < 0.1 and MEAN in last.representations and found.needed[0].baseline == "pixels"
    with pytest.raises(AnalysisError, match="needs 20 train rows, and there are 19"):
        number_efficiency({"code": Rows(codes[0][:19], told[0][:19])}, splits[1], splits[2], rng=rng)


def test_a_planted_slope_reaches_its_r2(rng: np.random.Generator) -> None:
    curve = read(rng).curves[0].results()
    code, pixels = figures(curve, "code"), figures(curve, "pixels")
    known = 1 / (1 + NOISE**2)  # variance 1 of the slope, 0.25 of the noise
    last = curve[-1].scores[0]
    assert [few.labels for few in curve] == [*SIZES, 800] and curve[-1].everything and last.n == 1
    assert code[0] < code[1] - 0.02 and code[1] < code[2]
    assert last.value == pytest.approx(known, abs=0.03) and last.low < known < last.high
    assert (code[:3] > pixels[:3] + 0.02).all()
    for few in curve[:3]:
        assert difference(few, "pixels")[0] > 0 and difference(few, MEAN)[0] > 0


def test_labels_needed_by_pixels_are_exact(rng: np.random.Generator) -> None:
    first, nothing = read(rng).curves
    (need,) = first.needed(10)
    assert (need.representation, need.baseline, need.per_class) == ("code", "pixels", 10)
    curve = first.results()
    crossing = np.interp(figures(curve, "code")[0], figures(curve, "pixels"), np.log([*SIZES, 800]))
    assert np.log(need.needed.value) == pytest.approx(crossing, abs=1e-4) and 10 < need.needed.low < need.needed.high
    assert nothing.needed(10) == ()  # what is no better than the mean needs no labels


def test_a_number_of_nothing_is_claimed_nowhere(rng: np.random.Generator) -> None:
    for few in read(rng).curves[1].results():
        assert abs(few.scores[0].value - few.scores[2].value) < 0.06
        assert difference(few, MEAN)[0] <= 0


def test_shuffled_values_and_the_mean_are_near_nothing(rng: np.random.Generator) -> None:
    curve = read(rng).curves[0].results()
    for few in curve:
        assert few.shuffled is not None and few.shuffled.n >= 10
        assert -0.25 < few.shuffled.value < 0.02 and few.shuffled.high < few.scores[0].high
    mean = figures(curve, MEAN)
    assert mean[0] == pytest.approx(-1 / 10, abs=0.08) and abs(mean[2:]).max() < 0.03


def test_units_do_not_matter() -> None:
    one, other = (
        figures(read(np.random.default_rng(5), unit=unit).curves[0].results(), "code") for unit in (1.0, 1e-3)
    )
    assert one == pytest.approx(other, abs=1e-3)


def test_the_figure_of_a_draw_is_r2(rng: np.random.Generator) -> None:
    truth, predicted = rng.normal(size=300), rng.normal(size=(2, 300))
    parts = 1 - (truth - predicted) ** 2 / np.var(truth)
    wanted = [r2_score(truth, one) for one in predicted]
    assert parts.mean(1) == pytest.approx(wanted, abs=1e-9)
    assert explained(truth).score(parts).value == pytest.approx(np.mean(wanted))


def test_intervals_hold_the_truth_as_often_as_they_say(rng: np.random.Generator) -> None:
    """One fixed reader, so that its R² over endless test rows is known; and the difference of two such."""
    inside, between = [], []
    for _ in range(400):
        x, noise = rng.exponential(size=200), rng.normal(size=200)
        truth = x + 0.5 * noise
        parts = [(1 - (truth - predicted) ** 2 / np.var(truth))[None] for predicted in (0.8 * x, 0.5 * x + 0.5)]
        metric = explained(truth)
        # E(y − a x − b)² over Var y = 1.25: x has mean 1, variance 1, second moment 2
        errors = (0.04 * 2 + 0.25, 0.25 * 1 + 0.25)
        score, gap = metric.score(parts[0]), metric.paired(*parts)
        inside.append(score.low < 1 - errors[0] / 1.25 < score.high)
        between.append(gap.low < (errors[1] - errors[0]) / 1.25 < gap.high)
    assert 0.9 <= np.mean(inside) <= 0.98 and 0.88 <= np.mean(between) <= 0.98


def test_numeric_labels_get_their_own_curve(tmp_path: Path) -> None:
    path = table_maker.digits_table(tmp_path, rows=600)
    beside = study_efficiency(Embeddings(path), None, Options(), draws=3)
    assert (beside.target, beside.metric) == ("label", "accuracy")
    (ink,) = beside.attributes
    assert (ink.target, ink.metric, ink.curve[0].metric) == ("ink", "R2", "R2")
    assert figures(ink.curve, "pixels")[-1] > 0.999  # ink is their mean
    alone = study_efficiency(Embeddings(path, label="ink"), None, Options(), draws=3)
    assert alone.target == "ink" and all(
        np.array_equal(a.accuracy, b.accuracy, equal_nan=True) for a, b in zip(ink.curve, alone.curve, strict=True)
    )
    few = study_efficiency(Embeddings(path, label="ink"), None, Options(), draws=3, per_class=(5, 20))
    assert [one.labels for one in few.curve] == [20] and few.notes[0].startswith("not drawn: 5 labelled rows")
    assert study_efficiency(Embeddings(path), None, Options(), draws=3, per_class=(5,)).attributes == ()
    with pytest.raises(AnalysisError, match="5 labelled rows cannot be drawn: a draw of 'ink' holds 10 to"):
        study_efficiency(Embeddings(path, label="ink"), None, Options(), per_class=(5,))


def test_unknown_validation_numbers_are_left_out(tmp_path: Path) -> None:
    import pyarrow as pa

    columns = table_maker.digits_columns(rows=600)
    split = table_maker.digits()[2][:600]
    ink = columns["pixels"].mean(1)
    columns["ink"] = pa.array([None if s == "validation" else v for v, s in zip(ink, split, strict=True)])
    path = table_maker.write_table(tmp_path / "t.parquet", columns, table_maker.digits_metadata())
    found = study_efficiency(Embeddings(path), None, Options(), draws=2)
    assert found.attributes == () and any("'ink' is not probed: ridge chooses" in note for note in found.notes)
    with pytest.raises(AnalysisError, match="'ink' cannot be predicted with few labels"):
        study_efficiency(Embeddings(path, label="ink"), None, Options(), draws=2)


def test_results_survive_hostile_names(tmp_path: Path) -> None:
    hostile = report_samples.HOSTILE[1]
    columns = table_maker.digits_columns(rows=600)
    columns[hostile] = columns.pop("ink")
    path = table_maker.write_table(tmp_path / "t.parquet", columns)
    app = typer.Typer()
    register(app)
    done = CliRunner().invoke(app, ["efficiency", str(path), "--draws", "3", "--out", str(tmp_path / "results")])
    assert done.exit_code == 0 and "R² of ridge on" in done.stdout and "mean of labels" in done.stdout
    found = load(tmp_path / "results")["label_efficiency"]
    assert [one.target for one in found.attributes] == [hostile]
    section = few_labels(ReportContext({"label_efficiency": found}))
    charts = [block for block in all_blocks(section.blocks) if isinstance(block, Lines)]
    assert [chart.y_scale for chart in charts] == ["percent", "linear"]
    assert {line.name for line in charts[1].lines} >= {"code", "raw pixels", MEAN, "code, labels shuffled"}
    said = " ".join(block.text for block in section.blocks if isinstance(block, Prose))
    assert "with 100 labelled rows" in said and "labelled rows" not in section.finding
    save(found.attributes[0], tmp_path / "alone")
    alone = few_labels(ReportContext(load(tmp_path / "alone")))
    assert alone.finding.startswith("With 100 labelled rows,") and "R² 0." in alone.finding
    written = write_report(tmp_path / "results", tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img src=x onerror" not in written
