"""The examples run as their first lines say, and their configurations can be trained from."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
CONFIGS = sorted((EXAMPLES / "configs").glob("*.toml"))
RUN_FILES = ("run.toml", "metrics.jsonl", "summary.json", "untrained.safetensors", "latest", "model/config.json")


def play(name: str, out: Path) -> str:
    """Run an example with --quick in a folder of its own and return what it printed."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--quick", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::DeprecationWarning:latentgan"}
    done = subprocess.run(command, cwd=out.parent, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout


def assert_trained(run: Path) -> None:
    for name in RUN_FILES:
        assert (run / name).is_file(), name
    assert json.loads((run / "summary.json").read_text())["status"] == "finished"


def assert_report(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert len(text) > 100_000


@pytest.mark.slow
def test_bigan_digits_goes_from_images_to_the_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("bigan_digits", out)
    assert "codes (5, 16), images again (5, 8, 8, 1), new ones (3, 8, 8, 1)" in printed
    assert re.search(r"^code +\d+\.\d %  ?(± \d|\[\d)", printed, re.MULTILINE)
    assert re.search(r"^pixels +\d+\.\d %  ?(± \d|\[\d)", printed, re.MULTILINE)
    assert_trained(out / "run")
    assert {"probes.json", "concepts.json", "projection.npz"} <= {file.name for file in (out / "results").iterdir()}
    assert_report(out / "report.html")


@pytest.mark.slow
def test_own_folder_finds_the_columns_and_edits_images(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("own_folder", out)
    assert "'ink': 'numeric', 'slant': 'numeric', 'bold': 'boolean', 'writer': 'text'" in printed
    assert float(re.search(r"^bold +AUC (\d\.\d+)", printed, re.MULTILINE)[1]) > 0.9  # type: ignore[index]
    assert float(re.search(r"^writer: Carl +AUC (\d\.\d+)", printed, re.MULTILINE)[1]) < 0.65  # type: ignore[index]
    assert_trained(out / "run")
    edits = np.asarray(Image.open(out / "edits.png"))
    assert edits.shape == (384, 512)
    assert edits.std() > 10


@pytest.mark.slow
def test_foreign_model_needs_no_torch(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("foreign_model", out)
    assert "torch was imported: False" in printed
    for kind in ("reconstruction", "interpolation", "probes", "neighbours", "concepts", "mixtures", "projection"):
        assert f"{kind}: done" in printed
    assert float(re.search(r"digit +from embedding +by knn +accuracy (\d\.\d+)", printed)[1]) > 0.9  # type: ignore[index]
    assert_report(out / "report.html")


@pytest.mark.slow
def test_own_family_plays_and_trains_from_one_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("own_family", out)
    assert "iteration 100: {'discriminator/real': " in printed
    assert "64 samples of (1, 8, 8)" in printed
    assert_trained(out)
    assert 'name = "own_family:MyGAN"' in (out / "run.toml").read_text()
    assert list((out / "samples").glob("*-samples.png"))


@pytest.mark.slow
def test_gaussians_counts_modes_and_draws_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("gaussians", out)
    rows = re.findall(r"^ *([\d,]+) +(\d+) +(\d+) +(\d+\.\d)%$", printed, re.MULTILINE)
    assert rows[0][0] == "0" and len(rows) == 6
    assert int(rows[0][1]) <= 1, "an untrained generator covers nothing but the middle"
    assert all(int(covered) <= int(reached) <= 25 for _, covered, reached, _ in rows)
    assert int(rows[-1][2]) > int(rows[0][2]), "samples spread"
    picture = np.asarray(Image.open(out / "gaussians.png"))
    assert picture.shape == (328, 984)
    assert all(panel.std() > 10 for panel in np.split(picture[4:-4], 3, axis=1))


@pytest.mark.slow
def test_few_labels_prints_a_table_with_intervals(tmp_path: Path) -> None:
    printed = play("few_labels", tmp_path / "out")
    cell = r"-?\d+\.\d %  ?(?:± \d+\.\d|\[-?\d+\.\d, -?\d+\.\d\])"
    assert re.search(rf"^discriminator\.dense1 +{cell} +{cell} +{cell}$", printed, re.MULTILINE)
    for baseline in ("pixels", "untrained.discriminator.dense1"):
        assert re.search(rf"^{re.escape(baseline)} +{cell} *$", printed, re.MULTILINE)
    assert "Balanced draws of train rows, the same for every representation" in printed


@pytest.mark.slow
def test_measured_mnist_measures_edits_and_prints_baselines(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = play("measured_mnist", out)
    for name in ("thickness", "slant", "width", "height"):
        assert re.search(
            rf"^{name}: Spearman -?\d\.\d\d .*\(random .*digit preserved at ±1 sd .* n = 20$", printed, re.MULTILINE
        )
    assert "$ latentgan verify" in printed and "edits of 20 held-out images" in printed
    assert_trained(out / "run")
    assert {"attribute_classifier.safetensors", "editing.json"} <= {file.name for file in (out / "results").iterdir()}
    with np.load(out / "measured.npz") as held:
        assert held["thickness"].shape == held["labels"].shape == (1797,)
    assert_report(out / "report.html")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_opens_with_what_it_shows(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith('"""')
    head = text.split('"""')[1]
    assert f"python examples/{script.name} --out " in head
    assert "--quick" in head
    assert "Expect: " in head


def test_every_example_is_run_by_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert SCRIPTS
    for script in SCRIPTS:
        assert f'play("{script.stem}"' in tests, f"no test runs {script.name}"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_resolves(config: Path) -> None:
    from latentgan.cli.settings import resolve_run, settings_tree

    run = resolve_run(None, settings_tree(config, data={}, training={}, assignments=[]))
    assert config.stem.startswith(run.name)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_configurations_have_complete_headers(config: Path) -> None:
    lines = config.read_text(encoding="utf-8").splitlines()
    head = "\n".join(lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])
    assert f"--config examples/configs/{config.name}" in head, "the command"
    assert "latentgan train" in head, "the command"
    assert re.search(r"\bcores?\b|\bCPU\b|\bGPU\b|\bH100\b|\bT4\b", head), "the hardware"
    assert re.search(r"\d+(\.\d+)? (s|seconds|min|minutes|h|hours)\b", head), "the duration"
    assert re.search(r"\d\.\d+( ?%)?|\d+ ?%", head), "the figure to expect"
