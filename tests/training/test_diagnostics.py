"""Warnings: each fires on a planted fault, stays silent on a healthy game, and goes when its cause has gone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import CONVOLUTIONAL, MLP, TWO_MOVES, metrics, read_json, stripes, tiny
from torch import Tensor

from latentgan.data.source import ImageSource
from latentgan.families.base import configure
from latentgan.priors import Part, Prior
from latentgan.training.diagnostics import (
    Diagnostics,
    TrainingWarning,
    duplicate_share,
    find_warnings,
    measure,
    reconstruction_ratio,
)
from latentgan.training.loop import train


class Planted:
    """A family whose encoder and decoder are what a test makes them."""

    def __init__(self, encode: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor]) -> None:
        self.prior = Prior([Part(name="z", kind="uniform", width=4)])
        self.encode, self.decode = encode, decode


def look(family: Planted, x: Tensor) -> dict[str, float]:
    return measure(family, x)  # type: ignore[arg-type]


def first_pixels(x: Tensor) -> Tensor:
    return x.flatten(1)[:, 20:24]


def names(indicators: dict[str, float]) -> list[str]:
    return [warning.name for warning in find_warnings(100, indicators)]


@pytest.fixture(scope="module")
def x(digits: ImageSource) -> Tensor:
    return digits.tensor(np.arange(200))


@pytest.fixture(scope="module")
def others(digits: ImageSource) -> Tensor:
    return digits.tensor(np.arange(600, 1000))


def pick(images: Tensor) -> Callable[[Tensor], Tensor]:
    """A decoder that gives one of `images`, which one by the code, with a breath of noise."""

    def decode(z: Tensor) -> Tensor:
        chosen = images[((z[:, 0] + 1) / 2 * len(images)).long().clamp(0, len(images) - 1)]
        return chosen + 0.01 * z[:, 1].view(-1, 1, 1, 1)

    return decode


def test_the_ratio_of_a_case_solved_by_hand() -> None:
    x = torch.eye(5)  # rows at distance √2; reconstructions shrunk to half
    assert reconstruction_ratio(x, x / 2) == pytest.approx(0.5 / math.sqrt(1.25), abs=1e-6)


def test_the_ratio_is_zero_for_perfect_images(x: Tensor) -> None:
    assert reconstruction_ratio(x, x) == 0
    assert reconstruction_ratio(x, x.mean(0, keepdim=True).expand_as(x)) == pytest.approx(1, abs=1e-6)
    assert reconstruction_ratio(torch.zeros(3, 4), torch.zeros(3, 4)) == 0


def test_an_encoder_that_ignores_its_input_is_found(x: Tensor, others: Tensor) -> None:
    indicators = look(Planted(lambda x: torch.zeros(len(x), 4), pick(others)), x)
    assert indicators["reconstruction_ratio"] == pytest.approx(1, abs=1e-6)
    assert "encoder_not_learning" in names(indicators)


def test_a_discriminator_that_is_always_right_is_found() -> None:
    assert names({"discriminator_accuracy": 1.0}) == ["discriminator_has_won"]
    assert names({"discriminator_accuracy": 0.99}) == []


@pytest.mark.parametrize("modes", [1, 10, 100])
def test_a_generator_of_few_modes_is_found(x: Tensor, others: Tensor, modes: int) -> None:
    indicators = look(Planted(first_pixels, pick(others[:modes])), x)
    assert indicators["duplicate_share"] > 0.5
    assert "samples_collapsed" in names(indicators)


def test_a_generator_that_hardly_moves_is_found(x: Tensor) -> None:
    still = Planted(lambda x: x, lambda z: 0.05 * z[:, :1, None, None] + x[:1])
    assert look(still, x)["duplicate_share"] == 1


def test_half_a_collapse_is_found(x: Tensor, others: Tensor) -> None:
    half = Planted(lambda x: x, lambda z: torch.cat([others[:1].expand(100, 1, 8, 8), others[100:200]])[: len(z)])
    assert look(half, x)["duplicate_share"] == pytest.approx(0.5, abs=0.02)


def test_a_healthy_family_gets_no_warning(x: Tensor, others: Tensor) -> None:
    healthy = Planted(lambda x: x, lambda z: others[: len(z)] if z.ndim == 2 else 0.8 * z)
    indicators = look(healthy, x)
    assert indicators["duplicate_share"] < 0.02
    assert indicators["reconstruction_ratio"] < 0.5
    assert names({**indicators, "discriminator_accuracy": 0.8}) == []


def test_images_have_no_duplicates_among_themselves(x: Tensor, others: Tensor) -> None:
    assert duplicate_share(others[:200], x) < 0.02


def test_a_family_without_an_encoder_has_no_ratio(x: Tensor, others: Tensor) -> None:
    family = Planted(lambda x: x, pick(others))
    del family.encode
    assert look(family, x).keys() == {"duplicate_share"}


def test_a_partial_encoder_has_no_ratio(x: Tensor, others: Tensor) -> None:
    family = Planted(lambda x: x, pick(others))
    family.prior.parts = (
        Part(name="z", kind="normal", width=4),
        Part(name="noise", kind="normal", width=2, encoded=False),
    )
    assert look(family, x).keys() == {"duplicate_share"}


def test_nothing_is_judged_before_a_tenth_of_the_run() -> None:
    diagnostics = Diagnostics(1000)
    assert diagnostics.observe(99, {"discriminator_accuracy": 1.0}) == []
    assert diagnostics.state() == {"status": "ok", "warnings": []}
    assert [w.name for w in diagnostics.observe(100, {"discriminator_accuracy": 1.0})] == ["discriminator_has_won"]
    assert diagnostics.status == "warning"


def test_a_warning_is_resolved_and_returns() -> None:
    diagnostics, bad, good = Diagnostics(1000), {"reconstruction_ratio": 1.0}, {"reconstruction_ratio": 0.5}
    assert len(diagnostics.observe(200, bad)) == 1
    assert diagnostics.observe(300, bad) == []
    assert diagnostics.warnings["encoder_not_learning"].images == 300
    assert diagnostics.observe(400, good) == []
    assert diagnostics.warnings["encoder_not_learning"].resolved and diagnostics.status == "ok"
    assert diagnostics.warnings["encoder_not_learning"].images == 300
    assert len(diagnostics.observe(500, bad)) == 1
    assert diagnostics.status == "warning"


def test_diagnostics_survive_their_state() -> None:
    diagnostics, other = Diagnostics(1000), Diagnostics(1000)
    diagnostics.observe(200, {"reconstruction_ratio": 1.0, "duplicate_share": 0.9})
    diagnostics.observe(300, {"reconstruction_ratio": 1.0})
    other.load(diagnostics.state())
    assert other.state() == diagnostics.state()
    assert other.observe(400, {"reconstruction_ratio": 1.0}) == []


def test_an_adversary_worse_than_a_guess_has_lost_the_encoder() -> None:
    assert names({"adversary_loss": 2.0}) == ["adversary_lost_the_encoder"]
    assert names({"adversary_loss": 2 * math.log(2) + 0.1}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("reconstruction_ratio", 1.0), ("discriminator_accuracy", 1.0), ("duplicate_share", 1.0), ("adversary_loss", 2.0)],
)
def test_a_warning_says_the_number_and_what_to_try(name: str, value: float) -> None:
    (warning,) = find_warnings(100, {name: value})
    assert isinstance(warning, TrainingWarning)
    assert any(number in warning.sentence for number in (f"{value:.2f}", "100"))
    assert "family." in warning.sentence or "learning rate" in warning.sentence


@pytest.mark.parametrize("case", [CONVOLUTIONAL, MLP, TWO_MOVES])
def test_every_line_of_a_run_holds_its_indicators(case: str, tmp_path: Path) -> None:
    run = train(tiny(case, total_images=32), tmp_path / "run", source=stripes(), show_progress=False)
    expected = {"duplicate_share", "discriminator_accuracy"} | (
        {"reconstruction_ratio"} if case != TWO_MOVES else set()
    )
    assert all(line["indicators"].keys() == expected for line in metrics(run))


def test_a_run_writes_its_warnings_to_a_file(tmp_path: Path) -> None:
    """An untrained generator gives nearly one image, and an untrained encoder nearly one code."""
    run = train(tiny(total_images=32), tmp_path / "run", source=stripes(), show_progress=False)
    diagnostics = read_json(run, "diagnostics.json")
    assert diagnostics["status"] == "warning"
    assert "samples_collapsed" in [warning["name"] for warning in diagnostics["warnings"]]
    for warning in diagnostics["warnings"]:
        assert warning.keys() == {"name", "sentence", "images", "resolved"}
        assert 0 < warning["images"] <= 32


@pytest.mark.slow
def test_a_game_that_goes_well_has_no_warning_from_start_to_end(tmp_path: Path, digits: ImageSource) -> None:
    config = configure(
        "bigan",
        family={
            "network": "mlp",
            "latent": 8,
            "hidden": 64,
            "spectral": False,
            "reconstruction_weight": 1.0,
            "discriminator": {"learning_rate": 1e-3},
            "encoder_generator": {"learning_rate": 2e-3},
        },
        training={
            "total_images": 25_600,
            "batch_size": 64,
            "log_images": 6_400,
            "checkpoint_images": 25_600,
            "average_halflife_images": 4_000,
            "device": "cpu",
        },
    )
    run = train(config, tmp_path / "run", source=digits, show_progress=False)
    assert read_json(run, "diagnostics.json") == {"status": "ok", "warnings": []}
    assert metrics(run)[-1]["indicators"]["reconstruction_ratio"] < 0.6


class Naming:
    """A family that names class 1 whatever it sees."""

    prior, uses_labels = Prior([Part(name="z", kind="uniform", width=4)]), True

    def classify(self, x: Tensor) -> Tensor:
        return torch.tensor([[0.2, 0.7, 0.1]]).expand(len(x), 3)


def test_accuracy_counts_labelled_validation_images():
    x = torch.zeros(5, 1, 2, 2)
    labels = torch.tensor([1, -1, 0, 1, -1])
    indicators = measure(Naming(), x, labels)  # type: ignore[arg-type]
    assert indicators == {"validation_accuracy": pytest.approx(2 / 3), "validation_labels": 3}
    assert "validation_accuracy" not in measure(Naming(), x)  # type: ignore[arg-type]
    assert "validation_accuracy" not in measure(Naming(), x, torch.full((5,), -1))  # type: ignore[arg-type]
    clusters = Naming()
    clusters.uses_labels = False  # numbers of clusters are no labels
    assert "validation_accuracy" not in measure(clusters, x, labels)  # type: ignore[arg-type]
