"""The study of adversarial examples: planted robustness is found, none is claimed where there is none."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import Embeddings
from analysis.base.statistics import Interval
from analysis.errors import AnalysisError
from analysis.probes.saved_probe import FittedProbe, fit_probe
from analysis.report.context import ReportContext
from analysis.results import load_one, save
from analysis.robustness.attacks import Robustness, linear_target, softmax
from analysis.robustness.study import LabelledImages, Network, ScoresAndGradient, study_adversarial
from analysis.robustness.views import section as adversarial
from analysis.table.study_options import Options
from latentgan import NumpyModel
from latentgan.cli import app as cli

SIDE = 6


class Brightness:
    """A network whose one feature is the difference of brightness between the left and the right half."""

    def __init__(self, seed: int | None = None) -> None:
        halves = np.repeat([1.0, -1.0], SIDE // 2)[None, :] / (SIDE * SIDE / 2) * np.ones((SIDE, 1))
        rough = np.random.default_rng(seed).normal(size=(SIDE, SIDE)) / SIDE
        self.weights = (halves if seed is None else rough).reshape(-1, 1)

    def features(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ self.weights

    def scores_and_gradient(self, probe: FittedProbe) -> ScoresAndGradient:
        inner, bias = probe.in_the_columns
        target = linear_target("", self.weights @ inner, bias)
        return target.scores, target.gradient


class Contrast(Brightness):
    """One whose feature is that difference without its sign, which no linear classifier of pixels sees."""

    def features(self, images: np.ndarray) -> np.ndarray:
        return np.abs(super().features(images))

    def scores_and_gradient(self, probe: FittedProbe) -> ScoresAndGradient:
        inner, bias = probe.in_the_columns

        def gradient(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            slope = softmax(self.features(images) @ inner + bias)
            slope[np.arange(len(labels)), labels] -= 1
            signs = np.sign(Brightness.features(self, images))
            return (signs * (slope @ inner.T) @ self.weights.T).reshape(images.shape)

        return lambda images: self.features(images) @ inner + bias, gradient


def planted(n: int, seed: int, gap: float = 0.2, *, signed: bool = True) -> LabelledImages:
    """Noise in which one half is brighter than the other by `gap`, and one pixel that says it too, but for little.

    Unsigned ones: either half is brighter than the other, or neither.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    turn = np.where(labels == 0, 1, -1) if signed else labels * rng.choice([-1, 1], n)
    images = rng.uniform(0.25, 0.75, (n, SIDE, SIDE, 1))
    images[:, :, : SIDE // 2] += (gap / 2 * turn)[:, None, None, None]
    images[:, :, SIDE // 2 :] -= (gap / 2 * turn)[:, None, None, None]
    images[:, 0, 0, 0] = 0.5 + 0.004 * turn
    return LabelledImages(np.clip(images, 0, 1), labels.astype(np.int64))


def probe_of(weights: tuple[float, float], bias: tuple[float, float]) -> FittedProbe:
    """A probe of one column, as if it had been fitted and saved."""
    ones, w, b = np.ones(1, np.float32), np.array([weights], np.float32), np.array(bias, np.float32)
    return FittedProbe(
        column="halves",
        pool=0,
        checkpoint="",
        target="label",
        classes=("left", "right"),
        mean=0 * ones,
        scale=ones,
        weights=w,
        bias=b,
        c=1.0,
        accuracy=Interval(1, 0, 1, 9),
    )


def study(network: Brightness, untrained: Brightness | None, probe: FittedProbe, *, signed: bool = True) -> Robustness:
    sets = [planted(300, seed, signed=signed) for seed in (1, 2, 3)]
    trained, baseline = (net and Network(net.features, net.scores_and_gradient) for net in (network, untrained))
    assert trained is not None
    return study_adversarial(probe, trained, baseline, *sets, epsilons=(0.02, 0.05), steps=5)


LINEAR = probe_of((40, -40), (0, 0))
UNSIGNED = probe_of((-40, 40), (4, -4))  # the middle between no difference and 0.2


@pytest.fixture(scope="module")
def linear() -> Robustness:
    return study(Brightness(), Brightness(seed=4), LINEAR)


@pytest.fixture(scope="module")
def contrast() -> Robustness:
    return study(Contrast(), Contrast(seed=4), UNSIGNED, signed=False)


def accuracy(result: Robustness, name: str, method: str = "pgd") -> tuple[Interval, ...]:
    probes = (*result.attacked, *result.under_noise)
    return next(probe.accuracy for probe in probes if (probe.name, probe.method) == (name, method))


def test_a_planted_robust_feature_is_found(linear: Robustness) -> None:
    """The halves differ by 0.2: ε = 0.05 moves that by 0.1. The pixel that pixels lean on needs 0.004."""
    ours, pixels, rough = (accuracy(linear, name) for name in ("halves", "pixels", "untrained.halves"))
    margins = np.abs(Brightness().features(planted(300, 3).images)[:, 0])
    assert ours[0].value > 0.97 and ours[2].value == pytest.approx(np.mean(margins > 0.1), abs=0.01)
    assert pixels[0].value > 0.97 and pixels[1].apart(pixels[0]) and pixels[2].high < 0.2 < ours[2].low
    assert rough[0].high < ours[0].low and all(interval.n == 300 for interval in ours)
    assert accuracy(linear, "halves", "noise")[2].value > 0.97


def test_linear_features_claim_no_robustness(linear: Robustness) -> None:
    """The null: a linear feature is no better than pixels that are read well."""
    ours, pixels = (accuracy(linear, name)[2] for name in ("halves", "pixels, all at one scale"))
    assert pixels.value == pytest.approx(ours.value, abs=0.05)
    finding = adversarial(ReportContext({"robustness": linear})).finding
    assert "no clear difference" in finding and "robust" not in finding


def test_pgd_accuracy_falls_with_epsilon(contrast: Robustness, linear: Robustness) -> None:
    for probe in (*contrast.attacked, *linear.attacked):
        if probe.method == "pgd":
            values = [interval.value for interval in probe.accuracy]
            assert values == sorted(values, reverse=True)


def test_the_report_shows_attacked_images(contrast: Robustness, tmp_path: Path) -> None:
    save(contrast, tmp_path)
    section = adversarial(ReportContext({"robustness": load_one(tmp_path, "robustness")}))
    assert "ε = 0.02" in section.finding and "more robust" in section.finding and "n = 300" in section.finding
    assert len(section.finding.split(" ")) <= 40, section.finding
    kinds = [type(block).__name__ for block in section.blocks]
    assert kinds[:3] == ["Choice", "Gallery", "Choice"]
    gallery: Any = section.blocks[1]
    assert len(gallery.groups) == 8 and all(len(group.pictures) == 3 for group in gallery.groups)
    assert {group.title for group in gallery.groups} == {"left", "right"}
    assert any(picture.label.startswith("predicted") for group in gallery.groups for picture in group.pictures)


def test_without_baselines_none_are_named(contrast: Robustness) -> None:
    bare = study(Brightness(), None, LINEAR)
    assert any("no untrained network" in note for note in bare.notes)
    alone = replace(
        contrast, attacked=tuple(probe for probe in contrast.attacked if not probe.baseline), under_noise=()
    )
    assert "baseline" not in adversarial(ReportContext({"robustness": alone})).finding


def test_too_few_labels_are_refused() -> None:
    pictures, network = planted(300, 1), Brightness()
    single = LabelledImages(pictures.images[:1], pictures.labels[:1])
    with pytest.raises(AnalysisError, match="need train images of two classes"):
        study_adversarial(
            LINEAR,
            Network(network.features, network.scores_and_gradient),
            None,
            single,
            single,
            single,
            epsilons=(0.1,),
            steps=1,
        )


@pytest.fixture(scope="module")
def probed(trained: tuple[NumpyModel, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run that all tests share, and a probe of its code."""
    table = trained[1]
    probe = fit_probe(Embeddings(table), Options())
    return table.parent / "run", probe.save(tmp_path_factory.mktemp("attacked") / "probe.npz")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["latentgan", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
        raise SystemExit(0)
    return int(stop.value.code or 0)


def test_the_command_attacks_a_saved_probe(
    probed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, probe = probed
    asked = ("adversarial", run, "--probe", probe, "--epsilon", 0.02, "--epsilon", 0.1, "-n", 80, "--steps", 4)
    assert call(monkeypatch, *asked, "--out", tmp_path, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["kind"] == "robustness" and [probe["name"] for probe in printed["attacked"]][::2] == [
        "code",
        "pixels",
        "pixels, all at one scale",
        "untrained.code",
    ]
    result = load_one(tmp_path, "robustness")
    assert accuracy(result, "code")[2].high < accuracy(result, "code")[0].low and result.shown.shape == (8, 4, 8, 8, 1)
    assert call(monkeypatch, *asked) == 0 and "accuracy under PGD" in capsys.readouterr().out

    (tmp_path / "overview.json").write_text(json.dumps({"metadata": json.dumps({"checkpoint": "0" * 64})}))
    assert call(monkeypatch, *asked, "--out", tmp_path) == 2
    assert "of another model" in capsys.readouterr().err
    assert call(monkeypatch, *asked, "--epsilon", 0.05) == 2 and "must ascend" in capsys.readouterr().err
    assert call(monkeypatch, "adversarial", run, "--probe", probe, "--data", tmp_path / "none") == 2
    assert "Traceback" not in capsys.readouterr().err
