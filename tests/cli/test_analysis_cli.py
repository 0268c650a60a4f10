"""The command line alone: on a foreign table, with nothing of latentgan or torch, and with hostile names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import table_maker
import typer
from typer.testing import CliRunner

from analysis import AnalysisError
from analysis import app as cli
from analysis.cli.loaders import Loaders
from analysis.projection.projection import latent_map
from analysis.results import load

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script>[red]x[/red]\x1b[2J\n"


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=env, cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table that latentgan did not make: other names, integer labels, lists, no metadata, no split."""
    images, labels, _ = table_maker.digits()
    images, labels = images[:700], labels[:700]
    columns = {
        "emb": images[:, ::2, ::2].reshape(len(images), -1),
        "digit": labels,
        "kind": [HOSTILE if v < 5 else "b" for v in labels],
    }
    return table_maker.write_table(tmp_path_factory.mktemp("foreign") / "foreign.parquet", columns)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_maker.digits_table(tmp_path_factory.mktemp("cli"))


def run(*arguments: str, load_model: Any = None) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    cli.register(app, Loaders(model=load_model))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def analyzed(foreign: Path, folder: Path, *more: str) -> Any:
    done = python(
        "-m", "analysis", "analyze", str(foreign), "--label", "digit", "--map", "pca", "--out", "res", *more, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "needs a model" in done.stderr and "Traceback" not in done.stderr
    assert "trustworthiness" in done.stdout and "NMI" in done.stdout
    return done


def test_a_foreign_table_gets_what_it_can_and_is_told_the_rest(foreign: Path, tmp_path: Path) -> None:
    done = analyzed(foreign, tmp_path, "--code", "emb", "--split", "part")
    assert set(load(tmp_path / "res")) == {"overview", "disentanglement", "mixtures", "geometry", "projection"}
    assert "left out: probes" in done.stderr and "--split COLUMN" in done.stderr


def test_a_foreign_table_without_a_split_gets_one_that_is_said(foreign: Path, tmp_path: Path) -> None:
    done = analyzed(foreign, tmp_path)
    wanted = {"probes", "label_efficiency", "neighbours", "concepts", "disentanglement", "mixtures"}
    assert wanted <= set(load(tmp_path / "res"))
    assert "drawn at random, as the table has no column 'split'" in " ".join(done.stdout.split())


def test_analysis_imports_nothing_heavy(table: Path) -> None:
    code = (
        "import sys, pkgutil, importlib, analysis\n"
        "for m in pkgutil.walk_packages(analysis.__path__, 'analysis.'):\n"
        "    if m.name != 'analysis.__main__' and 'report' not in m.name and 'views' not in m.name:\n"
        "        importlib.import_module(m.name)\n"
        "heavy = {'sklearn', 'scipy', 'umap', 'pandas', 'pyarrow', 'plotly', 'analysis.report.html'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from analysis.runner import run_study\n"
        "from analysis.table.study_options import Options\n"
        "own = {'mixtures': {'components': (1, 2)}}\n"
        "for kind in ('probes', 'concepts', 'mixtures'):\n"
        f"    run_study(kind, analysis.Embeddings({str(table)!r}), None, Options(), **own.get(kind, {{}}))\n"
        "assert not {'torch', 'latentgan', 'plotly', 'sklearn'} & set(sys.modules)\n"
        "print(*sorted(analysis.__all__))\n"
        "assert all(getattr(analysis, name) is not None for name in analysis.__all__)\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_the_command_line_is_light() -> None:
    done = python("-c", "import sys, analysis.app; print('numpy' in sys.modules, 'rich.table' in sys.modules)")
    assert done.stdout.split()[0] == "False", done.stdout + done.stderr


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = python("-m", "analysis", "probe", "nowhere.parquet", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("analysis: no table 'nowhere.parquet'") and done.stderr.count("\n") == 1


def test_probe_prints_figures_with_n_and_intervals(table: Path, tmp_path: Path) -> None:
    shown = run("probe", table, "--out", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert "untrained.code" in shown.stdout and "352" in shown.stdout and "[" in shown.stdout
    assert set(load(tmp_path)) == {"overview", "probes"}


def test_json_is_json_and_nothing_else(table: Path) -> None:
    for arguments in (
        ("efficiency", "--draws", "2", "--few", "3"),
        ("mixture", "--components", "2"),
        ("map", "--method", "pca"),
        ("neighbours",),
    ):
        shown = run(arguments[0], table, "--json", *arguments[1:])
        body = json.loads(shown.stdout)
        assert shown.exit_code == 0 and body["kind"] in ("label_efficiency", "mixtures", "projection", "neighbours")


def test_hostile_names_are_text_in_a_terminal(foreign: Path, tmp_path: Path) -> None:
    columns = {
        "code": np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32),
        HOSTILE: [bool(i % 2) for i in range(300)],
        "label": [HOSTILE if i % 3 else "[/]" for i in range(300)],
        "split": [["train", "train", "test"][i % 3] for i in range(300)],
    }
    path = table_maker.write_table(tmp_path / "hostile.parquet", columns)
    for command in ("concepts", "probe"):
        shown = run(
            command, path, "--out", tmp_path / "out", *(["--permutations", "19"] if command == "concepts" else [])
        )
        assert shown.exit_code == 0, shown.output
        assert "\x1b[2J" not in shown.stdout and "<script>alert(1)</script>[red]x[/red]" in shown.stdout
    load(tmp_path / "out")


def test_hostile_labels_of_categories_are_text_in_a_terminal(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "code": np.eye(2, dtype=np.float32)[rng.integers(2, size=500)],
        "label": [HOSTILE if i % 3 else "[/]" for i in range(500)],
        "split": [["train", "validation", "test"][i % 3 if i % 7 else 2] for i in range(500)],
    }
    parts = [{"name": HOSTILE, "kind": "categorical", "width": 2, "encoded": True, "start": 0}]
    path = table_maker.write_table(tmp_path / "hostile.parquet", columns, {"format": 1, "parts": parts})
    shown = run("codes", path, "--out", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert "\x1b[2J" not in shown.stdout and "<script>alert(1)</script>[red]x[/red]" in shown.stdout
    assert "no raw-pixel baseline" in shown.stdout and "NMI" in shown.stdout
    load(tmp_path / "out")


def test_a_loader_decodes_and_its_absence_is_said(table: Path, tmp_path: Path) -> None:
    done = run("reconstruction", table, "--model", tmp_path, load_model=lambda _: table_maker.digits_model())
    assert done.exit_code == 0 and "PCA 10 of pixels" in done.stdout
    done = run(
        "interpolate", table, "--model", tmp_path, "--along", "lerp", load_model=lambda _: table_maker.digits_model()
    )
    assert done.exit_code == 0 and "asked for" in done.stdout
    lacking = run("interpolate", table)
    assert isinstance(lacking.exception, AnalysisError) and "--model RUN" in str(lacking.exception)
    refused = run("reconstruction", table, "--model", tmp_path)
    assert isinstance(refused.exception, AnalysisError) and "cannot load a model" in str(refused.exception)


def test_remedies_name_the_option_and_the_run_that_is_missing(table: Path) -> None:
    done = run("disentanglement", table, "--factor", "nope")
    assert isinstance(done.exception, AnalysisError)
    assert "no column 'nope'" in str(done.exception) and str(done.exception).endswith("with --factor COLUMN")
    columns = pq.read_table(table)
    about = {**json.loads(columns.schema.metadata[b"latentgan"]), "run": "runs/elsewhere"}
    moved = table.with_name("moved.parquet")
    pq.write_table(columns.replace_schema_metadata({b"latentgan": json.dumps(about).encode()}), moved)
    refused = run("reconstruction", moved)
    assert isinstance(refused.exception, AnalysisError) and "only `latentgan`" not in str(refused.exception)
    assert "the run 'runs/elsewhere' that the table names is not there: name its folder (--model RUN)" in str(
        refused.exception
    )


def test_a_model_that_decodes_badly_is_refused(table: Path, tmp_path: Path) -> None:
    class Broken:
        def decode(self, codes: np.ndarray) -> np.ndarray:
            return np.full((len(codes), 8, 8, 1), np.nan)

    done = run("reconstruction", table, "--model", tmp_path, load_model=lambda _: Broken())
    assert isinstance(done.exception, AnalysisError) and "not finite" in str(done.exception)


@pytest.mark.parametrize(
    "command",
    [
        "probe",
        "efficiency",
        "neighbours",
        "concepts",
        "interpolate",
        "mixture",
        "map",
        "reconstruction",
        "codes",
        "analyze",
        "report",
    ],
)
def test_every_help_has_an_example(command: str) -> None:
    shown = run(command, "--help")
    assert shown.exit_code == 0 and f"latentgan {command} " in shown.stdout


def test_analyze_table_returns_results_and_refusals(table: Path, tmp_path: Path) -> None:
    settings = {
        "projection": {"methods": ("pca",)},
        "mixtures": {"components": (1, 2)},
        "concepts": {"permutations": 19},
        "label_efficiency": {"draws": 2},
        "probes": {"methods": ("knn",)},
    }
    done = cli.analyze_table(table, tmp_path / "out", settings=settings, command="test", quiet=True)
    assert isinstance(done["interpolation"], AnalysisError) and done["probes"].target == "label"


def test_a_map_says_which_rows_it_shows_and_full_shows_all(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "res"
    assert run("map", table, "--method", "pca", "--rows", "200", "--out", out).exit_code == 0
    sampled = load(out)["projection"]
    assert len(sampled.rows) == 200
    assert sampled.notes[0].startswith("200 of 1,797 rows of all splits")
    assert "the table has 1,797 rows, and latentgan map TABLE --full places all of them" in sampled.notes[0]
    assert run("map", table, "--method", "pca", "--full", "--out", out).exit_code == 0
    whole = load(out)
    assert len(whole["projection"].rows) == len(whole["overview"].rows) == 1797
    assert whole["projection"].notes[0] == "all 1,797 rows of the table, training rows included"


def test_a_large_map_is_measured_on_a_sample_and_says_so() -> None:
    codes = np.random.default_rng(0).normal(size=(6_000, 3)).astype(np.float32)
    placed = latent_map(codes, rng=np.random.default_rng(0), method="pca")
    assert placed.xy.shape == (6_000, 2)
    assert placed.trustworthiness.n == 5_000
    assert "of 5,000 of the 6,000 points" in placed.note
