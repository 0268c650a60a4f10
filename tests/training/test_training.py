"""Training: the same bits with and without a death in between, what a run writes, and how it ends."""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import CASES, CONVOLUTIONAL, MLP, TWO_MOVES, differences, metrics, read_json, stripes, tiny

import latentgan.training.loop as module
from latentgan.compiling import compile_network
from latentgan.config import RunConfig
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DivergedError, LatentganError
from latentgan.families.base import configure
from latentgan.families.bigan import BiGAN
from latentgan.families.gan import GAN
from latentgan.inference.numpy_model import NumpyModel
from latentgan.run_folder import latest_name, read_checkpoint, read_model
from latentgan.training.logger import read_summary
from latentgan.training.loop import iterations, resume, train
from latentgan.training.state import TrainingState, held_out, open_state


class Killed(BaseException):
    """What ends a run as abruptly as the same process can."""


def play(config: RunConfig, out: Path, **changes: Any) -> Path:
    return train(config, out, **{"source": stripes(), "show_progress": False, **changes})


def go_on(run: Path, **changes: Any) -> Path:
    return resume(run, **{"source": stripes(), "show_progress": False, **changes})


@pytest.fixture(scope="module", params=CASES)
def straight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A case, and a run of it that nothing interrupted."""
    return request.param, play(tiny(request.param), tmp_path_factory.mktemp("straight") / "run")


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tiny(), tmp_path_factory.mktemp("convolutional") / "run", command="latentgan train bigan")


def die_in_turn(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run die in the middle of iteration `number`, counted from the next one."""
    counter = itertools.count(1)
    for family in (BiGAN, GAN):
        step = family.step

        def dying(self: Any, batches: Any, update: Any, step: Any = step) -> None:
            step(self, batches, update)
            if next(counter) == number:
                raise Killed

        monkeypatch.setattr(family, "step", dying)


def interrupt_in_turn(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of iteration `number`."""
    import signal

    counter, step = itertools.count(1), BiGAN.step

    def interrupted(self: Any, batches: Any, update: Any) -> None:
        step(self, batches, update)
        if next(counter) == number:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(BiGAN, "step", interrupted)


# The same bits


def test_a_resumed_run_leaves_the_same_files(
    straight: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, averages, optimisers, counters, metrics, grids, model: all but the clock."""
    case, expected = straight
    config = tiny(case)
    for number in (5, 2):  # of 12 (or 6) iterations: after a checkpoint, and soon after the resumption
        with monkeypatch.context() as patch:
            die_in_turn(number, patch)
            with pytest.raises(Killed):
                go_on(tmp_path / "run") if (tmp_path / "run").exists() else play(config, tmp_path / "run")
    go_on(tmp_path / "run")
    assert differences(tmp_path / "run", expected) == []


def test_runs_follow_the_seed(convolutional: Path, tmp_path: Path) -> None:
    assert differences(play(tiny(), tmp_path / "a"), convolutional) == []
    other = differences(play(tiny(seed=4), tmp_path / "b"), convolutional)
    assert "tensor/family/encoder.conv1.0.weight" in other and "untrained.safetensors" in other


@pytest.mark.parametrize(
    ("kind", "more"), [("rmsprop", {}), ("rmsprop", {"momentum": 0.5}), ("sgd", {}), ("sgd", {"momentum": 0.9})]
)
def test_every_optimiser_goes_on_where_it_stopped(
    kind: str, more: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizer = {"kind": kind, "learning_rate": 1e-3, "schedule": "linear", "decay_from": 0.0, **more}
    config = tiny(TWO_MOVES, family={"discriminator": optimizer, "generator": optimizer}, log_images=96)
    expected = play(config, tmp_path / "straight")
    with monkeypatch.context() as patch:
        die_in_turn(4, patch)
        with pytest.raises(Killed):
            play(config, tmp_path / "run")
    assert latest_name(tmp_path / "run") == "000000000032"
    assert differences(go_on(tmp_path / "run"), expected) == []


def test_a_checkpoint_holds_every_weight_average_and_moment(straight: tuple[str, Path]) -> None:
    case, run = straight
    checkpoint, state = read_checkpoint(run), open_state(tiny(case), stripes())
    assert checkpoint is not None
    parameters = [name for name, _ in state.family.named_parameters()]
    moved = sum(len(player.parameters) for player in state.update.players.values())
    assert {f"family/{name}" for name in state.family.state_dict()} <= checkpoint.tensors.keys()
    assert {f"average/{name}" for name in parameters} <= checkpoint.tensors.keys()
    assert sum(name.endswith("/exp_avg_sq") for name in checkpoint.tensors) == moved == len(parameters)
    assert checkpoint.state["counters"] == {"main": 12} and checkpoint.state["images"] == 96


def test_restoring_gives_back_all_that_a_checkpoint_took(straight: tuple[str, Path]) -> None:
    case, run = straight
    checkpoint, state = read_checkpoint(run), open_state(tiny(case), stripes())
    assert checkpoint is not None
    state.restore(checkpoint)
    restored = state.checkpoint()
    assert restored.tensors.keys() == checkpoint.tensors.keys()
    assert all(torch.equal(restored.tensors[k], checkpoint.tensors[k]) for k in restored.tensors)
    assert restored.state == {k: checkpoint.state[k] for k in restored.state}


def test_an_early_death_starts_again(convolutional: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        die_in_turn(3, patch)
        with pytest.raises(Killed):
            play(tiny(), tmp_path / "run", command="latentgan train bigan")
    assert latest_name(tmp_path / "run") is None and len(metrics(tmp_path / "run")) == 1
    go_on(tmp_path / "run", command="latentgan train --resume run")
    assert differences(tmp_path / "run", convolutional) == []
    assert read_json(tmp_path / "run", "summary.json")["command"] == "latentgan train bigan"


def test_resuming_a_finished_run_does_nothing(convolutional: Path) -> None:
    def stamps() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in convolutional.rglob("*") if p.name != "lock"}

    before = stamps()
    assert go_on(convolutional) == convolutional
    assert stamps() == before


def test_a_killed_run_still_gets_its_model(
    convolutional: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(state: TrainingState, *_: object) -> None:
        if state.images == 96:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "_commit_model", killed)
        with pytest.raises(Killed):
            play(tiny(), tmp_path / "run")
    assert latest_name(tmp_path / "run") == "000000000096" and not (tmp_path / "run" / "model").exists()
    assert differences(go_on(tmp_path / "run"), convolutional) == []


def test_lines_and_grids_after_the_checkpoint_are_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        die_in_turn(7, patch)
        with pytest.raises(Killed):
            play(tiny(), tmp_path / "run")
    run = tmp_path / "run"
    assert [line["images"] for line in metrics(run)] == [16, 32, 48]
    with (run / "metrics.jsonl").open("a") as handle:
        handle.write('{"iteration": 8, "ima')  # a line that was being written
    (run / "samples" / ".000000064-samples.png.tmp").write_bytes(b"half")
    die_in_turn(1, monkeypatch)
    with pytest.raises(Killed):
        go_on(run)
    assert [line["images"] for line in metrics(run)] == [16, 32]
    assert sorted({p.name[:9] for p in (run / "samples").iterdir()}) == ["000000016", "000000032"]


# Ctrl-C


def test_ctrl_c_writes_a_checkpoint(convolutional: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_in_turn(7, patch)
        with pytest.raises(LatentganError) as raised:
            play(tiny(), run)
    assert str(raised.value) == f"stopped at 56 images; continue with --resume {run}"
    assert latest_name(run) == "000000000056"
    assert read_json(run, "summary.json")["status"] == "stopped"
    assert read_json(run, "model/config.json")["images_seen"] == 56
    go_on(run)
    extra = {"metrics", "diagnostics.json", "samples/000000056-samples.png", "samples/000000056-reconstructions.png"}
    assert set(differences(run, convolutional)) <= extra | {"state/diagnostics"}


def test_ctrl_c_writes_no_checkpoint_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convolutional: Path
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_in_turn(8, patch)
        with pytest.raises(LatentganError, match="stopped at 64 images"):
            play(tiny(), run)
    assert [line["images"] for line in metrics(run)] == [16, 32, 48, 64]
    assert differences(go_on(run), convolutional) == []


def test_ctrl_c_in_the_last_iteration_is_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convolutional: Path
) -> None:
    interrupt_in_turn(12, monkeypatch)
    assert differences(play(tiny(), tmp_path / "run"), convolutional) == []


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_in_turn(2, monkeypatch)
    interrupt_in_turn(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        play(tiny(), tmp_path / "run")


def test_training_works_outside_the_main_thread(tmp_path: Path, convolutional: Path) -> None:
    thread = threading.Thread(target=play, args=(tiny(), tmp_path / "run"))
    thread.start()
    thread.join()
    assert differences(tmp_path / "run", convolutional) == []


# Divergence


def poison_turn(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the generator's term have a gradient of NaN in iteration `number` and later."""
    counter, step = itertools.count(1), GAN.step

    def poisoned(self: Any, batches: Any, update: Any) -> None:
        if next(counter) >= number:
            objective = self.objective
            nan = torch.tensor(math.nan)
            monkeypatch.setattr(type(objective), "as_real", lambda _, logits: (logits * nan).mean())
        step(self, batches, update)

    monkeypatch.setattr(GAN, "step", poisoned)


def test_a_nan_gradient_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    config = tiny(TWO_MOVES, family={"discriminator_moves": 1})
    with monkeypatch.context() as patch:
        poison_turn(6, patch)
        with pytest.raises(DivergedError) as raised:
            play(config, run)
    sentence = str(raised.value)
    assert sentence.startswith("iteration 6: a gradient is not finite (player generator, term fake")
    assert sentence.endswith(f"{run} keeps the checkpoint at 32 images") and "\n" not in sentence
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None and all(torch.isfinite(t).all() for t in checkpoint.tensors.values())
    diagnostics = read_json(run, "diagnostics.json")
    assert diagnostics["status"] == "diverged"
    assert diagnostics["warnings"][0]["name"] == "diverged" and "iteration 6" in diagnostics["warnings"][0]["sentence"]
    assert read_json(run, "summary.json")["status"] == "diverged"
    # Once the cause is gone it goes on from there, and ends as if nothing had been.
    go_on(run)
    assert differences(run, play(config, tmp_path / "straight")) == []


def test_early_divergence_has_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison_turn(1, monkeypatch)
    with pytest.raises(DivergedError, match=r"iteration 1: .*; there was no checkpoint yet$"):
        play(tiny(TWO_MOVES), tmp_path / "run")


# The generator of iterations


def fresh(config: RunConfig, source: ImageSource | None = None) -> TrainingState:
    return open_state(config, source or stripes())


def game(state: TrainingState, **changes: Any) -> Iterator[int]:
    t = state.config.training
    settings = {"seed": t.seed, "total_images": t.total_images, **changes}
    return iterations(state.family, state.batches, state.update, **settings)


def test_early_stopping_is_a_break_in_a_loop() -> None:
    state, gaps = fresh(tiny(MLP)), []
    for iteration in game(state):
        gaps.append(state.update.drain()["notes"]["discriminator_accuracy"])
        if iteration == 5:
            break
    assert len(gaps) == 5 and state.images == 40 and all(0 <= gap <= 1 for gap in gaps)


def test_the_game_has_no_end_of_its_own() -> None:
    state = fresh(tiny(MLP, total_images=16))
    assert list(itertools.islice(game(state), 6)) == [1, 2, 3, 4, 5, 6]


def test_iterations_ignore_the_default_generator() -> None:
    states = fresh(tiny(MLP)), fresh(tiny(MLP))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(itertools.islice(game(states[0]), 3))
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(2)
    for _ in itertools.islice(game(states[1]), 3):
        torch.rand(7)  # a reader of the loop may draw as he likes
    a, b = (state.family.state_dict() for state in states)
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_learning_rates_follow_the_images_seen() -> None:
    schedule = {"schedule": "linear", "decay_from": 0.0, "decay_to": 0.1, "learning_rate": 1e-3}
    state = fresh(tiny(MLP, family={"discriminator": schedule}, total_images=32))
    rates = []
    for _ in itertools.islice(game(state), 5):
        rates.append(state.update.players["discriminator"].optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 7.75e-4, 5.5e-4, 3.25e-4, 1e-4])


@pytest.mark.parametrize("case", CASES)
def test_an_iteration_in_bf16_has_finite_terms_in_float32(case: str) -> None:
    state = fresh(tiny(case))
    for _ in itertools.islice(game(state, precision="bf16"), 2):
        pass
    means = state.update.drain()
    assert all(math.isfinite(value) for kind in means.values() for value in kind.values())
    assert all(p.dtype == torch.float32 for p in state.family.parameters())
    exact = fresh(tiny(case))
    list(itertools.islice(game(exact), 2))
    for name, value in exact.update.drain()["terms"].items():
        assert means["terms"][name] == pytest.approx(value, abs=0.05)


def test_fp32_holds_in_any_scope() -> None:
    plain, within = fresh(tiny(MLP)), fresh(tiny(MLP))
    next(game(plain))
    with torch.autocast("cpu", torch.bfloat16):
        next(game(within))
    a, b = (state.family.state_dict() for state in (plain, within))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_in_bf16_finishes(tmp_path: Path) -> None:
    run = play(tiny(total_images=16, precision="bf16"), tmp_path / "run")
    assert read_json(run, "summary.json")["status"] == "finished"


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile by tracing alone: the C++ compiler would take most of a minute for these few layers."""
    by_tracing = functools.partial(compile_network, backend="aot_eager")
    monkeypatch.setattr("latentgan.training.state.compile_network", by_tracing)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "tricks"), [(CONVOLUTIONAL, {"r1": 1.0, "instance_noise": 0.1}), (MLP, {})])
def test_a_compiled_iteration_is_the_iteration_that_it_compiles(
    case: str, tricks: dict[str, float], traced: None
) -> None:
    """With SGD: Adam's first steps are ± the learning rate, whatever the last digits of a gradient."""
    sgd = {"kind": "sgd", "learning_rate": 0.1}
    family = {"discriminator": sgd, "encoder_generator": sgd, **tricks}
    plain, compiled = fresh(tiny(case, family=family)), fresh(tiny(case, family=family, compile=True))
    for state in (plain, compiled):
        list(itertools.islice(game(state), 2))
    expected, logged = plain.update.drain(), compiled.update.drain()
    for kind in ("terms", "gradient_norm"):
        assert logged[kind] == pytest.approx(expected[kind], rel=1e-4, abs=1e-5)
    weights = compiled.family.state_dict()
    for name, value in plain.family.state_dict().items():
        torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.slow
def test_a_compiled_run_writes_a_model_and_resumes(
    traced: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(compile=True, total_images=48, log_images=48)
    with monkeypatch.context() as patch:
        die_in_turn(5, patch)
        with pytest.raises(Killed):
            play(config, tmp_path / "run")
    model = NumpyModel.load(go_on(tmp_path / "run"), device="cpu")
    assert model.sample(3).shape == (3, 8, 8, 1)


# What a run writes


def test_a_line_of_metrics_has_these_fields(straight: tuple[str, Path]) -> None:
    case, run = straight
    players = ("discriminator", "generator") if case == TWO_MOVES else ("discriminator", "encoder_generator")
    lines = metrics(run)
    for line in lines:
        assert list(line) == [
            "iteration",
            "images",
            "seconds",
            "images_per_second",
            "terms",
            "gradient_norm",
            "notes",
            "indicators",
        ]
        assert {name.split("/")[0] for name in line["terms"]} == set(players) == set(line["gradient_norm"])
        assert all(
            math.isfinite(v) for k in ("terms", "gradient_norm", "notes", "indicators") for v in line[k].values()
        )
        assert all(norm > 0 for norm in line["gradient_norm"].values())
    iteration_images = 16 if case == TWO_MOVES else 8
    assert [line["images"] for line in lines] == [16, 32, 48, 64, 80, 96]
    assert [line["iteration"] for line in lines] == [line["images"] // iteration_images for line in lines]


def test_speed_is_since_the_last_log_line(convolutional: Path) -> None:
    lines = metrics(convolutional)
    for before, line in itertools.pairwise(lines):
        seconds = line["seconds"] - before["seconds"]
        assert seconds > 0
        assert line["images_per_second"] == pytest.approx(16 / seconds, abs=16 / seconds**2 * 0.0015 + 0.1)
    assert lines[0]["images_per_second"] == pytest.approx(16 / lines[0]["seconds"], rel=0.1)


def test_terms_are_means_over_the_stretch(tmp_path: Path) -> None:
    fine = play(tiny(log_images=8, total_images=32), tmp_path / "fine")
    coarse = play(tiny(log_images=32, total_images=32), tmp_path / "coarse")
    parts, (whole,) = metrics(fine), metrics(coarse)
    for name, value in whole["terms"].items():
        assert value == pytest.approx(sum(line["terms"][name] for line in parts) / 4, rel=1e-5)


def test_the_summary_says_what_was_done(convolutional: Path) -> None:
    summary = read_json(convolutional, "summary.json")
    state = open_state(tiny(), stripes())
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in state.family.named_children()}
    assert summary["parameters"] == {name: count for name, count in counts.items() if count}
    assert (summary["status"], summary["command"]) == ("finished", "latentgan train bigan")
    assert (summary["family"], summary["data"]) == ("bigan", "stripes")
    assert (summary["images"], summary["iterations"]) == (96, 12)
    assert (summary["device"], summary["threads"]) == ("cpu", 1)
    assert summary["versions"]["torch"] == torch.__version__
    assert 0 < summary["seconds"] < 60 and summary["notes"] == []


def test_a_run_that_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    die_in_turn(1, monkeypatch)
    with pytest.raises(Killed):
        play(tiny(MLP), tmp_path / "run")
    assert read_json(tmp_path / "run", "summary.json")["status"] == "running"


def test_the_run_folder_holds_what_it_should_and_nothing_else(convolutional: Path) -> None:
    assert sorted(p.name for p in convolutional.iterdir()) == [
        "checkpoints",
        "checkpoints.json",
        "diagnostics.json",
        "latest",
        "lock",
        "metrics.jsonl",
        "model",
        "run.toml",
        "samples",
        "summary.json",
        "training_images.npy",
        "untrained.safetensors",
    ]
    assert sorted(p.name for p in (convolutional / "model").iterdir()) == ["config.json", "model.safetensors"]
    assert len(list((convolutional / "samples").iterdir())) == 12
    for file in ("model/model.safetensors", "untrained.safetensors"):
        assert (convolutional / file).stat().st_mode & 0o044 == (convolutional / "latest").stat().st_mode & 0o044


def test_the_model_on_disk_has_the_averaged_weights(convolutional: Path) -> None:
    checkpoint = read_checkpoint(convolutional)
    assert checkpoint is not None
    tensors, _ = read_model(convolutional)
    averaged = {name: value for name, value in checkpoint.tensors.items() if name.startswith("average/")}
    weights = [name for name in tensors if f"average/{name}" in averaged]
    assert len(weights) > 10 and all(torch.equal(tensors[name], averaged[f"average/{name}"]) for name in weights)


def test_a_run_shorter_than_a_batch_is_one_turn(tmp_path: Path) -> None:
    run = play(tiny(total_images=3), tmp_path / "run")
    summary = read_json(run, "summary.json")
    assert (summary["iterations"], summary["images"], summary["status"]) == (1, 8, "finished")
    assert go_on(run) == run


def test_held_out_images_are_mixed_and_from_the_validation_split() -> None:
    state = open_state(tiny(), stripes(900))
    x, source = held_out(state).images, state.source
    expected = {image.numpy().tobytes() for image in source.tensor(source.rows("validation"))}
    assert len(x) == len(source.rows("validation")) and {image.numpy().tobytes() for image in x} == expected
    assert not torch.equal(x, source.tensor(source.rows("validation")))


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'cuda:77' is not available here; use auto, cpu, cuda or mps"):
        play(tiny(device="cuda:77"), tmp_path / "run")
    assert play(tiny(total_images=8), tmp_path / "run") == tmp_path / "run"


def test_labels_are_counted_where_they_are_used(tmp_path):
    source = from_arrays(np.random.default_rng(0).integers(0, 256, (80, 8, 8), dtype=np.uint8), np.arange(80) % 4)
    sizes = {"total_images": 32, "batch_size": 16, "device": "cpu"}
    labelled = {"latent": 2, "width": 4, "hidden": 8, "labels": "decoder"}
    run = train(
        configure("aae", family=labelled, training={**sizes, "labels": 8}),
        tmp_path / "labelled",
        source=source,
        show_progress=False,
    )
    assert read_summary(run)["labels"] == 8
    silent = configure("aae", family={**labelled, "labels": "none"}, training={**sizes, "labels": 8})
    with pytest.raises(ConfigError, match=r"training\.labels.*uses no labels"):
        train(silent, tmp_path / "silent", source=source, show_progress=False)
