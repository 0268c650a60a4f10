"""A folder of images and a table in which most labels are empty, as a new user has it, and what is said of them."""

from __future__ import annotations

import csv
import html
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tiny_runs import read_json
from typer.testing import CliRunner

from analysis.report.context import ReportContext
from analysis.report.document import Facts
from analysis.report.run_folder import read_run
from analysis.training_run.views import overview
from latentgan import configure, from_arrays, train
from latentgan.cli import app as cli
from latentgan.data.source import ImageSource

NAMES = ("zero", "one", "two")
NETWORKS = (
    "family.width=4",
    "family.hidden=16",
    "family.latent=2",
    "training.total_images=480",
    "training.batch_size=16",
)


@dataclass(frozen=True)
class Made:
    """What a user has after train, encode, two analyses and a report."""

    folder: Path
    log: str  # of the training, on one line

    def trained_on(self) -> tuple[int, int]:
        """Training images with a label, and all of them, counted in the table of codes."""
        table = pq.read_table(self.folder / "codes.parquet", columns=["split", "label"]).to_pylist()
        labels = [row["label"] for row in table if row["split"] == "train"]
        return sum(label is not None for label in labels), len(labels)

    def section(self, id: str) -> str:
        """The words of one section of the report."""
        page = (self.folder / "report.html").read_text(encoding="utf-8")
        (inside,) = re.findall(rf'<section id="{id}".*?</section>', page, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", inside, flags=re.DOTALL)).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: ImageSource) -> Made:
    """Of 240 pictures of three digits 72 have a label."""
    folder = tmp_path_factory.mktemp("few")
    photos, run, codes, results = (folder / name for name in ("photos", "run", "codes.parquet", "results"))
    photos.mkdir()
    rows = np.concatenate([np.flatnonzero(digits.labels == k)[:80] for k in range(3)])
    with (photos / "labels.csv").open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["file", "digit"])
        for place, row in enumerate(rows):
            Image.fromarray(digits.images[row, ..., 0]).save(photos / f"{place:03d}.png")
            sheet.writerow([f"{place:03d}.png", NAMES[place // 80] if place % 80 < 24 else ""])
    said = [
        typed("train", "aae_semi", "--data", photos, "--out", run, *(f"--set={one}" for one in NETWORKS)),
        typed("encode", run, "--out", codes),
        typed("efficiency", codes, "--few", 2, "--few", 5, "--draws", 2, "--out", results),
        typed("codes", codes, "--model", run, "--out", results),
        typed("report", results, "--run", run, "--out", folder / "report.html"),
    ]
    return Made(folder, said[0])


def typed(*arguments: object) -> str:
    """Type a command and return what it says on standard error, on one line."""
    done = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return " ".join(done.stderr.split())


def test_labels_used_are_reported_everywhere(made: Made) -> None:
    told, images = made.trained_on()
    assert 40 < told < 60 and 150 < images < 190
    assert f"labels: the networks use those of {told} of {images} train images" in made.log
    assert "warning: no train image" not in made.log
    summary = read_json(made.folder / "run", "summary.json")
    assert summary["labels"] == told and "3 classes (72 labelled)" in summary["data_summary"]
    assert f"labels in training {told}" in made.section("overview")
    assert "class 72 168 one (24), two (24), zero (24)" in made.section("overview")
    for id in ("curves", "label_efficiency", "code_parts"):
        assert re.search(rf"(trained with|used|of) {told}\b", made.section(id)), id


def test_few_labels_report_has_its_sections(made: Made) -> None:
    few = made.section("label_efficiency")
    assert "With 5 labels a class" in few and "Accuracy by number of labels" in few
    assert all(name in few for name in ("raw pixels", "encoder.dense1, untrained", "code, labels shuffled"))
    assert "a row each of one, two and zero; a column has one random code, but for the class" in made.section("samples")
    codes = made.section("code_parts")
    assert f"(n = {72 - made.trained_on()[0]})" in codes, "no label that was told is judged"
    assert "class k scored against label k" in codes and "New images of each category, a row each" in codes


def pictures() -> ImageSource:
    """Eighty images, no training image among them of the class "owl"."""
    rng, label = np.random.default_rng(0), np.repeat([0, 1, 0, 1, 2], [30, 30, 5, 5, 10])
    x = rng.integers(0, 256, (80, 8, 8), dtype=np.uint8)
    return from_arrays(
        x, label, classes=("ant", "bee", "owl"), split=["train"] * 60 + ["validation"] * 10 + ["test"] * 10
    )


def trained(out: Path, **settings: Any) -> Path:
    """A run of two iterations of an autoencoder."""
    training = {"total_images": 32, "batch_size": 16, "device": "cpu", "labels": settings.pop("told", None)}
    config = configure("aae", family={"latent": 2, "width": 4, "hidden": 8, **settings}, training=training)
    return train(config, out, source=pictures(), show_progress=False)


def test_log_counts_labels_and_classes_without(tmp_path, capsys) -> None:
    trained(tmp_path / "told", labels="decoder", told=8)
    said = " ".join(capsys.readouterr().err.split())
    assert "labels: the networks use those of 8 of 60 train images" in said
    assert "warning: no train image is labelled 'owl', so the networks cannot learn that class" in said
    trained(tmp_path / "silent")
    assert "label" not in capsys.readouterr().err


def test_the_report_counts_labels_in_training(tmp_path) -> None:
    run = read_run(trained(tmp_path / "run", labels="decoder", told=8))

    def facts(**summary: Any) -> dict[str, str]:
        blocks = overview(ReportContext(run=replace(run, summary={**run.summary, **summary}))).blocks
        return dict(next(block for block in blocks if isinstance(block, Facts)).items)

    assert facts()["labels in training"] == "8"
    assert facts(labels=1234)["labels in training"] == "1,234"
    assert facts(labels=0)["labels in training"] == "none"
    assert "labels in training" not in facts(labels=None)
