"""Details of papers and of what a run says: noise, weight decay, what R1 has a slope in, whose samples are shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from one_iteration import pictures, small
from tiny_runs import MLP, metrics, stripes, tiny
from torch import Tensor, nn

from latentgan import regularization as tricks
from latentgan.config import OptimizerConfig, read_toml
from latentgan.data.batches import Batches
from latentgan.families.bigan import BiGAN
from latentgan.game import Player, Update
from latentgan.networks.weight_norm import GaussianNoise
from latentgan.run_folder import read_model
from latentgan.training.diagnostics import measure
from latentgan.training.loop import train
from latentgan.training.sample_grids import write_grids
from latentgan.training.state import held_out, open_state

CONFIGS = Path(__file__).resolve().parents[2] / "examples" / "configs"

# R1


@pytest.fixture
def penalised(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, ...]]]:
    """Shapes of the inputs that R1 takes slopes in, call by call."""
    calls: list[list[tuple[int, ...]]] = []
    exact = tricks.squared_gradients

    def spy(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        calls.append([tuple(x.shape) for x in inputs])
        return exact(function, *inputs)

    monkeypatch.setattr(tricks, "squared_gradients", spy)
    return calls


def play(name: str, **settings: Any) -> Any:
    source = pictures()
    family = small(name, source, r1=1.0, **settings)
    family.step(Batches(source, batch_size=6, seed=0, device="cpu"), Update(family.players()))
    return family


@pytest.mark.parametrize(
    ("name", "settings", "inputs"),
    [
        ("aae", {"labels": "decoder", "latent": 5}, [(6, 5)]),
        ("aae", {"labels": "prior", "prior": "mixture", "latent": 2}, [(6, 2)]),
        ("aae", {"latent": 5}, [(6, 5)]),
        ("ali", {"conditional": True, "spectral": True, "latent": 5}, [(6, 1, 8, 8), (6, 5)]),
        ("ali", {"spectral": True, "latent": 5}, [(6, 1, 8, 8), (6, 5)]),
        ("cgan", {"latent": 5}, [(6, 1, 8, 8)]),
    ],
)
def test_r1_has_no_slope_in_labels(name: str, settings: dict[str, Any], inputs: Any, penalised: list[Any]) -> None:
    play(name, **settings)
    assert penalised == [inputs]


def test_a_label_that_decides_all_costs_no_penalty() -> None:
    """Of a discriminator that looks at the label alone the slope in z is 0."""
    family = small("aae", pictures(), r1=1.0, labels="decoder", latent=5)
    with torch.no_grad():
        family.discriminator.trunk.dense1[0].weight[:, :5] = 0
    z, label = torch.randn(6, 5), torch.eye(4)[torch.arange(6) % 4]
    assert family.r1(1, z, given=(label,))["r1"].item() == 0
    assert family.discriminator(z, label).std() > 0


# Noise


def test_improved_gan_has_noise_before_each_of_six_layers() -> None:
    family = small("improved_gan", pictures(), network="mlp", layers=(12, 11, 10, 9, 8))
    deviations = [m.deviation for m in family.discriminator.modules() if isinstance(m, GaussianNoise) and m.deviation]
    assert sorted(deviations) == [0.5] * 5 + [0.6]


def test_the_class_layer_sees_noise_in_training_alone() -> None:
    family = small("improved_gan", pictures(), network="mlp")
    given: list[Tensor] = []
    family.discriminator.logit.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].detach()))
    features = torch.randn(200, 250)
    family.discriminator.classes(features)
    family.eval().discriminator.classes(features)
    assert (given[0] - features).std().item() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(given[1], features)


# Weight decay


@pytest.mark.parametrize("player", ["discriminator", "encoder_generator"])
def test_bigans_weight_decay_is_that_of_its_halved_losses(player: str) -> None:
    """A step down L is the authors' down L/2 + 2.5e-5 θ²/2, since Adam does not mind a factor on both."""
    settings = read_toml(CONFIGS / "bigan_mnist_mlp.toml")["family"][player]
    weight = nn.Parameter(torch.linspace(-1, 1, 9))
    theirs = nn.Parameter(weight.detach().clone())
    small_slopes = torch.linspace(-1e-4, 1e-4, 9).roll(3)  # of the decay's size
    mover = Update({"p": Player({"w": weight}, OptimizerConfig(**{**settings, "schedule": "constant"}))})
    adam = torch.optim.Adam([theirs], 2e-4, (0.5, 0.999), 1e-8, weight_decay=2.5e-5)
    for _ in range(5):
        mover(p={"line": (small_slopes * weight).sum()})
        theirs.grad = small_slopes / 2
        adam.step()
    torch.testing.assert_close(weight, theirs, atol=2e-6, rtol=0)


# Samples and diagnostics


class Killed(BaseException):
    """What ends a run as abruptly as the same process can."""


def die_in_turn(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counter, step = itertools.count(1), BiGAN.step

    def dying(self: Any, batches: Any, update: Any) -> None:
        step(self, batches, update)
        if next(counter) == number:
            raise Killed

    monkeypatch.setattr(BiGAN, "step", dying)


@pytest.mark.parametrize(("death", "mark"), [(None, 96), (9, 64)])
def test_samples_and_diagnostics_are_of_the_written_model(
    death: int | None, mark: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch statistics of the moving weights would belong to none of the averaged ones."""
    config, source, run = tiny(MLP), stripes(), tmp_path / "run"
    if death is None:
        train(config, run, source=source, show_progress=False)
    else:
        die_in_turn(death, monkeypatch)
        with pytest.raises(Killed):
            train(config, run, source=source, show_progress=False)
    watched = held_out(open_state(config, source))
    state = open_state(config, source)
    state.family.load_state_dict(read_model(run)[0])
    model = state.family.eval()
    write_grids(model, tmp_path / "again", mark, watched.images)
    for kind in ("samples", "reconstructions"):
        name = f"{mark:09d}-{kind}.png"
        assert (run / "samples" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    (line,) = [line for line in metrics(run) if line["images"] == mark]
    expected = measure(model, watched.images, watched.labels)
    assert {name: line["indicators"][name] for name in expected} == pytest.approx(expected, abs=1e-6)
