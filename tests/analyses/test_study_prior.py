"""Codes beside draws from any prior: nothing is found where there is nothing, and shifts and other shapes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
from scipy.stats import kstest
from typer import Typer
from typer.testing import CliRunner

import analysis.app
from analysis import AnalysisError, Embeddings, load
from analysis.cli.loaders import Loaders
from analysis.prior_match.prior_comparison import PriorComparison, compare_with_prior
from analysis.prior_match.study import study as study_prior
from analysis.prior_match.views import section
from analysis.report.context import ReportContext
from analysis.table.code_layout import drawn
from analysis.table.study_options import Options

ROWS = 200
LEARNED: dict[str, Any] = {
    "name": "z",
    "kind": "learned-mixture",
    "width": 2,
    "encoded": True,
    "start": 0,
    "components": 3,
    "means": [[-2.0, 0], [2, 0], [0, 3]],
    "deviations": [[0.3, 0.5], [0.4, 0.4], [0.5, 0.2]],
}
ROLL: dict[str, Any] = {"name": "z", "kind": "swiss-roll", "width": 2, "encoded": True, "start": 0}


def roll(n: int, rng: np.random.Generator) -> np.ndarray:
    t = np.sqrt(rng.random(n))
    return (3 * t[:, None] * np.stack([np.cos(9 * t), np.sin(9 * t)], axis=1)).astype(np.float32)


class Roller:
    """A model whose prior is a roll, beside a class that codes tell; it remembers its seeds."""

    def __init__(self, width: int = 2) -> None:
        self.width, self.seeds = width, list[int]()

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        return np.zeros((len(codes), 1, 1, 1), np.float32)

    def draw(self, n: int, /, *, seed: int = 0) -> np.ndarray:
        self.seeds.append(seed)
        z = roll(n, np.random.default_rng(seed))
        return np.hstack([z, np.ones((n, self.width - 2), np.float32)])


def table(folder: Path, codes: np.ndarray, *parts: dict[str, Any], name: str = "t") -> Embeddings:
    about = {"format": 1, "parts": list(parts)} if parts else None
    columns = {"code": codes.astype(np.float32), "split": ["test"] * len(codes)}
    return Embeddings(table_maker.write_table(folder / f"{name}.parquet", columns, about))


@pytest.fixture(autouse=True)
def one_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.prior_match.prior_comparison.NULLS", 1)


def test_p_values_are_uniform_where_codes_are_draws_of_any_prior() -> None:
    rng = np.random.default_rng(0)
    priors = (lambda n: drawn(LEARNED, n, rng), lambda n: roll(n, rng))
    found = [
        compare_with_prior(priors[i % 2](50), kind="another", rng=rng, draws=priors[i % 2]).codes for i in range(60)
    ]
    for p in ([one.mmd_p for one in found], [one.wasserstein_p for one in found]):
        assert kstest(p, "uniform").pvalue > 0.01 and min(p) > 0
    assert np.mean([len(one.rejected) > 0 for one in found]) <= 0.15


def test_rows_of_draws_stand_for_a_function() -> None:
    rng = np.random.default_rng(1)
    some = roll(4000, rng)
    same = compare_with_prior(roll(ROWS, rng), kind="another", rng=rng, draws=some, rows=200)
    assert same.codes.wasserstein_p > 0.01 and same.null.wasserstein_p > 0.01 and same.null.mmd_p < 1
    assert same.means == pytest.approx(0, abs=0.3) and same.deviations == pytest.approx(1, abs=0.15)
    moved = compare_with_prior(roll(ROWS, rng) + [1, 0], kind="another", rng=rng, draws=some, rows=200)
    assert moved.codes.wasserstein_p == moved.codes.mmd_p == 1 / 200 and 0 in moved.codes.rejected
    assert moved.means == pytest.approx([1, 0], abs=0.3)


def test_a_learned_mixture_is_drawn_from(tmp_path: Path) -> None:
    codes = drawn(LEARNED, ROWS, np.random.default_rng(0))
    (same,) = study_prior(table(tmp_path, codes, LEARNED), None, Options()).parts
    assert same.kind == "learned-mixture" and min(same.codes.wasserstein_p, same.codes.mmd_p) > 0.025
    normal = np.random.default_rng(0).normal(codes.mean(0), codes.std(0), codes.shape)
    (other,) = study_prior(table(tmp_path, normal, LEARNED, name="n"), None, Options()).parts
    assert other.deviations == pytest.approx(1, abs=0.15), "of another shape alone"
    assert other.codes.wasserstein_p == 1 / 200 and 1 in other.codes.rejected


def test_other_priors_are_drawn_from_by_the_model_part_by_part(tmp_path: Path) -> None:
    codes = np.hstack([roll(ROWS, np.random.default_rng(0)), np.ones((ROWS, 1))])
    told = {"name": "class", "kind": "categorical", "width": 1, "encoded": True, "start": 2}
    opened, model = table(tmp_path, codes, ROLL, told), Roller(3)
    (same,) = study_prior(opened, model, Options()).parts
    assert (same.name, same.kind, len(same.codes.ks)) == ("z", "swiss-roll", 2) and same.codes.wasserstein_p > 0.025
    assert len(set(model.seeds)) == len(model.seeds) == 4, "draws are never the same twice"
    codes[:, 0] += 0.8
    (moved,) = study_prior(table(tmp_path, codes, ROLL, told, name="m"), model, Options()).parts
    assert moved.codes.wasserstein_p == 1 / 200 and moved.codes.rejected.tolist() == [0]
    with pytest.raises(AnalysisError, match=r"only the model draws from a prior of kind swiss-roll \(--model RUN\)"):
        study_prior(opened, None, Options())
    with pytest.raises(AnalysisError, match=r"draws codes of shape \(200, 2\), and those of 't.parquet' have 3"):
        study_prior(opened, Roller(2), Options())


def test_a_part_without_draws_is_left_out(tmp_path: Path) -> None:
    codes = np.hstack([roll(ROWS, np.random.default_rng(0)), np.random.default_rng(1).normal(size=(ROWS, 2))])
    both = table(tmp_path, codes, ROLL, {"name": "w", "kind": "normal", "width": 2, "encoded": True, "start": 2})
    found = study_prior(both, None, Options())
    assert [part.name for part in found.parts] == ["w"] and "z: not compared, as only the model" in found.notes[-1]
    assert [part.kind for part in study_prior(both, Roller(4), Options()).parts] == ["swiss-roll", "normal"]
    whole = study_prior(table(tmp_path, codes[:, :2], name="w"), Roller(), Options())
    said = section(ReportContext({"prior_match": whole})).finding.replace("\u00a0", " ")
    assert said.startswith("No difference shows between the codes of code and the model's prior: ")
    hidden = table(tmp_path, codes[:, :2], ROLL | {"encoded": False}, name="h")
    with pytest.raises(AnalysisError, match="the encoder gives none of its continuous parts"):
        study_prior(hidden, Roller(), Options())


def test_the_command_loads_a_model_where_one_is_needed(tmp_path: Path) -> None:
    rng, loaded = np.random.default_rng(0), list[Path]()
    app = Typer()
    analysis.app.register(app, Loaders(model=lambda path: loaded.append(path) or Roller()))
    for name, codes, part in (("roll", roll(ROWS, rng), ROLL), ("plain", rng.normal(size=(ROWS, 2)), None)):
        parts = [part or ROLL | {"kind": "normal"}]
        about = {"format": 1, "run": str(tmp_path), "parts": parts}
        columns = {"code": codes.astype(np.float32), "split": ["test"] * ROWS}
        path = table_maker.write_table(tmp_path / f"{name}.parquet", columns, about)
        done = CliRunner().invoke(app, ["prior", str(path), "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        found: PriorComparison = load(tmp_path / name)["prior_match"]
        assert len(found.parts) == 1 and len(loaded) == 1, "only the roll needs it"
