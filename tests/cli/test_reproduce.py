"""`latentgan reproduce`: every protocol runs, a seed is recorded once, the documented table is the records'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis import Interval
from latentgan.cli.app import app
from latentgan.config import read_toml
from latentgan.errors import ConfigError, DataError, DivergedError
from latentgan.reproduction.protocols import base
from latentgan.reproduction.records import Record, read_record, record_path, summarise, write_record
from latentgan.reproduction.scoreboard import as_markdown, rows_of

ROOT = Path(__file__).resolve().parents[2]
CONFIGS, RESULTS = ROOT / "examples" / "configs", ROOT / "examples" / "reproduce" / "results"
CASES = [(name, recipe) for name in base.protocol_names() for recipe in base.load_protocol(name).recipes]


def job(folder: Path, name: str, recipe: str, **changes: object) -> base.Job:
    made = base.Job(
        protocol=base.load_protocol(name),
        name=name,
        recipe=recipe,
        seed=0,
        work=folder / "work",
        configs=CONFIGS,
        quick=True,
    )
    return replace(made, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "recipe"), CASES)
def test_every_recipe_gives_its_figures(name, recipe, tmp_path):
    protocol = base.load_protocol(name)
    record = base.perform(job(tmp_path, name, recipe))
    assert record.status == "finished", record.reason
    assert {headline.figure for headline in protocol.shown(recipe)} <= set(record.figures)
    assert {baseline for headline in protocol.shown(recipe) for baseline in headline.baselines} <= set(record.baselines)
    for figure in [*record.figures.values(), *record.baselines.values()]:
        assert np.isfinite(figure["value"]) and figure["n"] > 0
    read_again = read_record(write_record(tmp_path / "results", record))
    pair = (record, read_again)
    plain, read_back = (json.dumps(item.__dict__, sort_keys=True).replace("NaN", "null") for item in pair)
    assert json.loads(read_back) == json.loads(plain)  # a figure without an interval has NaN ends
    assert str(tmp_path) not in json.dumps(record.__dict__)


@pytest.mark.parametrize(("name", "recipe"), CASES)
def test_every_recipe_has_its_configuration_and_names_its_source(name, recipe):
    protocol = base.load_protocol(name)
    file = protocol.recipes[recipe].config
    if file:
        assert read_toml(CONFIGS / file)["name"]
    assert protocol.source and protocol.shown(recipe)


def fake(seed: int = 0, value: float = 0.9, **changes: object) -> Record:
    figure = {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 100}
    figures = {"1-NN, encoder.dense2": figure}
    made = Record(
        protocol="bigan-permutation",
        recipe="ours",
        seed=seed,
        status="finished",
        reason="",
        command="",
        seconds={"total": 60.0},
        figures=figures,
        baselines={},
        settings={},
        hardware={},
        version="1",
        date="2026-01-01",
    )
    return replace(made, **changes)


def test_a_figure_over_seeds_is_its_mean_and_standard_deviation():
    summary = summarise([fake(0, 0.9), fake(1, 0.94)], "1-NN, encoder.dense2")
    assert summary is not None
    assert summary.text(percent=True) == "92.0 % ± 2.8" and summary.seeds(percent=True) == "90.0, 94.0"
    assert summarise([fake()], "no such figure") is None


def test_the_table_keeps_failures_and_says_what_is_missing(tmp_path):
    write_record(tmp_path, fake(0, 0.9))
    write_record(tmp_path, fake(1, status="failed", reason="diverged", figures={}))
    text = as_markdown(list(rows_of("bigan-permutation", tmp_path)))
    assert "90.0 %; failed: seed 1" in text and "not recorded yet" in text and "97.39 %" in text


def test_documented_table_equals_records():
    rows = [row for name in base.protocol_names() for row in rows_of(name, RESULTS)]
    _, table, rest = (
        (ROOT / "docs" / "reproduction.md")
        .read_text(encoding="utf-8")
        .partition("<!-- latentgan reproduce --table -->\n")
    )
    assert table and rest.partition("\n<!-- end of the table -->")[0] == as_markdown(rows)


def test_a_game_that_diverges_is_recorded_as_failed(tmp_path):
    def diverge(job: base.Job) -> base.Outcome:
        raise DivergedError(f"iteration 3: a gradient is not finite; {job.work} keeps nothing")

    made = job(tmp_path, "bigan-permutation", "paper")
    record = base.perform(replace(made, protocol=replace(made.protocol, measure=diverge)))
    assert record.status == "failed" and "not finite" in record.reason and str(tmp_path) not in record.reason


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["reproduce", *map(str, arguments)])
    return done.exit_code, done.output + str(done.exception or "")


def test_minutes_are_the_processor_s_where_the_machine_was_busy():
    quick = Record(
        protocol="p",
        recipe="r",
        seed=0,
        status="finished",
        reason="",
        command="",
        seconds={"total": 90.0},
        figures={},
        baselines={},
        settings={},
        hardware={"processor_seconds": 60.0},
        version="1",
        date="",
    )
    assert quick.minutes == 1 and replace(quick, hardware={}).minutes == 1.5
    assert replace(quick, hardware={"processor_seconds": 170.0}).minutes == 1.5  # of two threads


def test_a_seed_that_is_recorded_is_not_done_again(tmp_path, monkeypatch):
    done: list[tuple[str, int]] = []

    def measure(job: base.Job) -> base.Outcome:
        done.append((job.recipe, job.seed))
        return base.Outcome({"1-NN, encoder.dense2": Interval(0.5, 0.4, 0.6, 10)})

    protocol = replace(base.load_protocol("bigan-permutation"), measure=measure)
    monkeypatch.setattr(base, "load_protocol", lambda name: protocol)
    chosen = ["bigan-permutation", "--recipe", "ours", "--results", tmp_path, "--configs", CONFIGS]
    assert run(*chosen, "--seed", 1)[0] == 0
    assert run(*chosen)[0] == 0
    assert done == [("ours", 1), ("ours", 0), ("ours", 2)]
    assert record_path(tmp_path, "bigan-permutation", "ours", 2).is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bigan-permutatoin"], "did you mean bigan-permutation?"),
        (["bigan-permutation", "--recipe", "x"], "it has: ours, paper"),
        (["bigan-permutation", "--quick"], "--results FOLDER"),
        (["bigan-permutation", "--configs", "nowhere", "--results", "r"], "run the command in a checkout"),
    ],
)
def test_mistakes_get_one_sentence(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments)
    assert code != 0 and sentence in output


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    first = job(tmp_path, "bigan-permutation", "paper")
    first.trained()
    with pytest.raises(ConfigError, match="was begun with other settings"):
        first.trained(family={"latent": 7})
    assert replace(first, seed=1).trained().name == "bigan_mnist_mlp-1"


def test_quick_figures_do_not_pass_for_real_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, output = run("few-labels", "--recipe", "pixels", "--quick", "--results", RESULTS.resolve())
    assert code != 0 and "mean nothing" in output
    quick = ["few-labels", "--recipe", "pixels", "--seed", 0, "--results", tmp_path, "--work", tmp_path / "work"]
    assert run(*quick, "--quick")[0] == 0
    record = read_record(record_path(tmp_path, "few-labels", "pixels", 0))
    assert record is not None and record.command.endswith(" --quick")
    assert "; of --quick, a few iterations on other images" in run("--results", tmp_path, "--table")[1]
    code, output = run(*quick)
    assert code != 0 and "--quick" in output and "another --results" in output
    assert run("--quick")[0] != 0


def test_a_damaged_record_is_named(tmp_path):
    path = record_path(tmp_path, "bigan-permutation", "ours", 0)
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    with pytest.raises(DataError, match="is not a record"):
        read_record(path)
