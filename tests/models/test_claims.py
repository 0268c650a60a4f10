"""Simulated claims: a rate beside its bound, one that raises fails, and every function of the folder runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from latentgan.cli.app import app
from latentgan.selfcheck import runner as selfcheck
from latentgan.selfcheck.claims import base, editing

FUNCTIONS = [(theme, name) for theme in base.themes() for name in base.functions(theme)]
FEW = 3


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "name"), FUNCTIONS, ids=[f"{theme}-{name}" for theme, name in FUNCTIONS])
def test_every_simulation_runs(theme, name):
    claims = base.run(theme, name, FEW)
    assert claims and all(claim.trials > 0 for claim in claims), claims


@pytest.mark.parametrize(
    ("claim", "ok"),
    [
        (base.null_rate("", "", 10, 200), True),
        (base.null_rate("", "", 30, 200), False),
        (base.coverage("", "", 190, 200), True),
        (base.coverage("", "", 160, 200), False),
        (base.power("", "", 150, 200, bound=0.8), True),
        (base.power("", "", 100, 200, bound=0.8), False),
    ],
)
def test_a_rate_is_held_against_its_bound(claim, ok):
    assert claim.ok is ok


@pytest.mark.parametrize(
    ("kind", "bound"), [(base.null_rate, 1.0), (base.coverage, 0.0), (base.power, 0.0), (base.power, -0.1)]
)
def test_a_claim_that_cannot_fail_is_refused(kind, bound):
    with pytest.raises(ValueError, match="give one that can fail"):
        kind("noise stands", "coin flips", 0, 200, bound=bound)


def test_the_interval_is_wilsons():
    low, high = base.null_rate("", "", 10, 200).interval
    assert (round(low, 4), round(high, 4)) == (0.0274, 0.0896)


DETERMINED = 6547
"""A seed with which a equals b in all 200 fitted rows, though 5 % of rows differ in the population."""


def test_an_edit_that_b_determines_states_nothing():
    edit = editing._preserving_edit(np.random.default_rng(DETERMINED), 0.9, False)
    assert not edit.exists
    assert not edit.has_interval
    assert not edit.significant


def test_a_trial_without_an_edit_leaves_the_others_alone():
    without = np.random.default_rng(DETERMINED)
    editing._preserving_edit(without, 0.9, False)
    draws = np.random.default_rng(DETERMINED)
    for effect in (1.0, 0.0):
        editing._together(draws, 400, 0.9, False, effect=effect)
    assert without.random() == draws.random()


def test_trials_without_an_edit_are_not_significant(monkeypatch):
    whole = editing.PreservingEdit(
        exists=True, preserves=True, has_interval=True, interval_holds=True, significant=True
    )
    edits = iter([whole, editing.PreservingEdit()] * 12)
    monkeypatch.setattr(editing, "_preserving_edit", lambda *_: next(edits))
    claims = list(editing.keeping_what_goes_together(np.random.default_rng(0), 4))
    assert {(claim.kind, claim.hits, claim.trials) for claim in claims} == {
        ("coverage", 2, 2),
        ("power", 2, 4),
        ("null rate", 0, 4),
    }


def broken(rng: np.random.Generator, trials: int) -> base.Claims:
    yield base.null_rate("before", "", 0, trials)
    raise ZeroDivisionError("by zero")


def test_a_simulation_that_raises_fails(monkeypatch):
    monkeypatch.setattr(base, "functions", lambda theme: {"broken": broken})
    done, stopped = base.run("theme", "broken", 5)
    assert done.ok
    assert not stopped.ok
    assert stopped.planted == "ZeroDivisionError: by zero"


@pytest.mark.parametrize(("rate", "ok"), [(0.05, True), (0.12, False)])
def test_a_missed_bound_is_simulated_again(monkeypatch, rate, ok):
    def unlucky(rng: np.random.Generator, trials: int) -> base.Claims:
        hits = 30 if trials == 200 else int(np.count_nonzero(rng.random(trials) < rate))
        yield base.null_rate("noise stands", "coin flips", hits, trials)

    monkeypatch.setattr(base, "functions", lambda theme: {"unlucky": unlucky})
    [claim] = base.run("theme", "unlucky")
    assert claim.trials == 1_000
    assert claim.ok is ok


@pytest.mark.parametrize("hits", [10, 60])
def test_the_command_exits_with_1_where_a_bound_is_missed(monkeypatch, hits):
    counted = np.arange(200).searchsorted(hits)  # an integer of numpy, which JSON does not know
    claims = [base.null_rate("noise stands", "coin flips", counted, 200)]
    result = base.Simulated(theme="concepts", name="noise", claims=claims, seconds=1.0)
    monkeypatch.setattr(selfcheck.claims_base, "run_all", lambda trials, workers: iter([result]))
    monkeypatch.setattr(selfcheck.claims_base, "functions", lambda theme: {"noise": broken})
    done = CliRunner().invoke(app, ["selfcheck", "--statistics", "--json"])
    assert done.exit_code == (hits > 10)
    assert json.loads(done.stdout)["claims"][0]["rate"] == hits / 200


def test_the_table_shows_rate_interval_and_bound(monkeypatch):
    claims = [base.null_rate("noise stands", "coin flips", 10, 200)]
    result = base.Simulated(theme="concepts", name="noise", claims=claims, seconds=1.0)
    monkeypatch.setattr(selfcheck.claims_base, "run_all", lambda trials, workers: iter([result]))
    monkeypatch.setattr(selfcheck.claims_base, "functions", lambda theme: {"noise": broken})
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["selfcheck", "--statistics"])
    assert "5.0 % [2.7, 9.0] ≤ 5 % 200 ok" in " ".join(done.stdout.split())
