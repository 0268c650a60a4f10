"""Training and encoding on a CUDA device. `make test` has none; run these with: pytest -m gpu tests/test_gpu.py

Every test is written for any device: LATENTGAN_TEST_DEVICE=cpu plays the same bodies on the CPU.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import CASES, metrics, read_json, stripes, tiny
from torch import Tensor

from latentgan.data.batches import Batches
from latentgan.devices import pick_device, pick_precision
from latentgan.errors import DivergedError, LatentganError
from latentgan.families.bigan import BiGAN
from latentgan.game import Update
from latentgan.inference.numpy_model import NumpyModel
from latentgan.run_folder import read_checkpoint
from latentgan.selfcheck.checks import base
from latentgan.training.loop import resume, train
from latentgan.training.state import load_config, open_state

DEVICE = os.environ.get("LATENTGAN_TEST_DEVICE", "cuda")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def assert_finite(run: Path) -> None:
    """All logged figures and all weights of the finished model are finite."""
    for line in metrics(run):
        for kind in ("terms", "gradient_norm", "indicators"):
            assert all(math.isfinite(value) for value in line[kind].values()), (kind, line["images"])
    assert np.isfinite(NumpyModel.load(run, device="cpu").sample(8)).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
@pytest.mark.parametrize("case", CASES)
def test_a_run_trains_to_its_end(case: str, precision: str, tmp_path: Path) -> None:
    run = train(tiny(case, device=DEVICE, precision=precision), tmp_path / "run", source=stripes(), show_progress=False)
    summary = read_json(run, "summary.json")
    assert (summary["status"], summary["images"]) == ("finished", 96)
    assert torch.device(summary["device"]).type == torch.device(DEVICE).type
    assert_finite(run)


def test_auto_takes_the_accelerator_and_its_own_precision() -> None:
    if DEVICE == "cpu":
        assert pick_precision("auto", torch.device("cpu")) == "fp32"
        return
    assert pick_device("auto").type == "cuda"
    expected = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    assert pick_precision("auto", torch.device("cuda")) == expected


def test_bf16_leaves_parameters_and_terms_in_single_precision() -> None:
    source = stripes()
    state = open_state(tiny(device=DEVICE), source)
    device = state.batches.device
    with torch.autocast(device.type, torch.bfloat16), state.update.iteration(1, 0.0):
        state.family.step(state.batches, state.update)
    assert {p.dtype for p in state.family.parameters()} == {torch.float32}
    means = state.update.drain()
    assert all(math.isfinite(v) for kind in ("terms", "gradient_norm") for v in means[kind].values())


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_continues_from_its_checkpoint(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, source = tiny(case, device=DEVICE), stripes()
    whole = train(config, tmp_path / "whole", source=source, show_progress=False)
    cut = tmp_path / "cut"
    stop_after(monkeypatch, iterations=5)
    with pytest.raises(GoneError):
        train(config, cut, source=source, show_progress=False)
    monkeypatch.undo()
    checkpoint = read_checkpoint(cut)
    assert checkpoint is not None and 0 < checkpoint.state["images"] < 96
    resume(cut, source=source, show_progress=False)
    ends = [read_checkpoint(run) for run in (whole, cut)]
    for key in ("iteration", "images", "counters", "moves"):
        assert ends[0].state[key] == ends[1].state[key], key  # type: ignore[union-attr]
    assert [line["images"] for line in metrics(cut)] == [line["images"] for line in metrics(whole)]
    assert_finite(cut)


def test_a_run_of_this_device_goes_on_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, iterations=5)
    with pytest.raises(GoneError):
        train(tiny(device=DEVICE), tmp_path / "run", source=stripes(), show_progress=False)
    monkeypatch.undo()
    settings, _ = load_config(tmp_path / "run")
    moved = settings.model_copy(update={"training": settings.training.model_copy(update={"device": "cpu"})})
    state, checkpoint = open_state(moved, stripes()), read_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    state.restore(checkpoint)
    state.family.step(state.batches, state.update)
    assert {p.device.type for p in state.family.parameters()} == {"cpu"}


@pytest.mark.parametrize("case", CASES)
def test_maps_and_features_equal_the_cpus(case: str, tmp_path: Path) -> None:
    source = stripes()
    run = train(tiny(case, device="cpu"), tmp_path / "run", source=source, show_progress=False)
    on_cpu, on_gpu = NumpyModel.load(run, device="cpu"), NumpyModel.load(run, device=DEVICE)
    assert on_gpu.device.type == torch.device(DEVICE).type
    # Convolutions of 32-bit floats run in TF32 on CUDA (10 bits of mantissa), so 1e-6 is out of reach there.
    close = {"rtol": 2e-2, "atol": 2e-2}
    np.testing.assert_allclose(on_gpu.sample(16, seed=3), on_cpu.sample(16, seed=3), **close)
    names = on_cpu.feature_names
    expected, features = on_cpu.features(source.images, names), on_gpu.features(source.images, names)
    for name in names:
        np.testing.assert_allclose(features[name], expected[name], err_msg=name, **close)
    if CASES[case][0] == "bigan":
        np.testing.assert_allclose(on_gpu.encode(source.images), on_cpu.encode(source.images), **close)


def test_the_table_of_codes_equals_the_cpus(tmp_path: Path) -> None:
    from analysis import Embeddings
    from latentgan.inference.encode import Plan, default_features, encode_table

    source = stripes()
    run = train(tiny(device="cpu"), tmp_path / "run", source=source, show_progress=False)
    plan = Plan(default_features(NumpyModel.load(run, device="cpu")))
    cpu_table, gpu_table = (
        Embeddings(encode_table(run, source, tmp_path / f"{name}.parquet", plan, device=device))
        for name, device in (("here", "cpu"), ("there", DEVICE))
    )
    assert cpu_table.vector_columns == gpu_table.vector_columns
    for name in cpu_table.vector_columns:
        np.testing.assert_allclose(gpu_table.vectors(name), cpu_table.vectors(name), rtol=2e-2, atol=2e-2, err_msg=name)


def test_batches_live_on_the_device() -> None:
    source = stripes()
    batches = Batches(source, batch_size=16, seed=0, device=DEVICE)
    gpu_batch, cpu_batch = next(batches), next(Batches(source, batch_size=16, seed=0, device="cpu"))
    for name in ("image", "label", "index"):
        assert getattr(gpu_batch, name).device.type == torch.device(DEVICE).type, name
        torch.testing.assert_close(getattr(gpu_batch, name).cpu(), getattr(cpu_batch, name))
    labelled = next(batches.labelled)
    assert labelled.image.device.type == torch.device(DEVICE).type
    assert labelled.label is not None and int(labelled.label.min()) >= 0


def test_an_infinite_gradient_stops_the_run_at_a_log_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is asked once a log mark, so that iterations need not wait for it; on the CPU each iteration asks."""
    played: list[int] = []
    explode_at(monkeypatch, iteration=5, played=played)
    run = tmp_path / "run"
    with pytest.raises(DivergedError, match=r"a gradient is not finite .*player encoder_generator"):
        train(tiny(device=DEVICE), run, source=stripes(), show_progress=False)  # log marks after iterations 2, 4, 6, …
    assert played[-1] == (5 if DEVICE == "cpu" else 6)
    assert read_json(run, "summary.json")["status"] == "diverged"
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None and checkpoint.state["iteration"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in checkpoint.tensors.values() if value.is_floating_point())


class GoneError(LatentganError):
    """A machine that went away in the middle of a run."""


def stop_after(monkeypatch: pytest.MonkeyPatch, *, iterations: int) -> None:
    """Let a run die at the start of the iteration after `iterations`."""
    from latentgan.training import loop as training

    play, count = training._run_iteration, iter(range(10**6))

    def dying(*arguments: object) -> None:
        if next(count) == iterations:
            raise GoneError("gone")
        play(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_run_iteration", dying)


def explode_at(monkeypatch: pytest.MonkeyPatch, *, iteration: int, played: list[int]) -> None:
    """Give the generator an infinite gradient in one iteration, behind finite images; append iterations to `played`."""
    play = BiGAN.step

    def explode(_module: torch.nn.Module, _inputs: object, image: Tensor) -> None:
        image.register_hook(lambda gradient: torch.full_like(gradient, math.inf))

    def step(self: BiGAN, batches: Batches, update: Update) -> None:
        played.append(len(played) + 1)
        handle = self.generator.register_forward_hook(explode) if played[-1] == iteration else None
        play(self, batches, update)
        if handle is not None:
            handle.remove()

    monkeypatch.setattr(BiGAN, "step", step)


@pytest.mark.parametrize("name", [f"{theme}.{name}" for theme in base.themes() for name in base.functions(theme)])
def test_every_closed_form_holds_on_the_device(name: str) -> None:
    theme, _, function = name.partition(".")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        checks = base.run(base.functions(theme)[function], torch.device(DEVICE))
    assert checks and not [check for check in checks if not check.ok]


def test_noise_and_penalty_play_on_the_device(tmp_path: Path) -> None:
    tricks = {"r1": 1.0, "r1_every": 2, "instance_noise": 0.1, "smoothing": 0.1, "augment": {"rotation": 10.0}}
    config = tiny(device=DEVICE, family=tricks, precision="auto")
    assert_finite(train(config, tmp_path / "run", source=stripes(), show_progress=False))
