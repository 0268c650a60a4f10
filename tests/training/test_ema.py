"""Averages by half-life, and what makes averaged weights a model to use."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_runs import CONVOLUTIONAL, MLP, TWO_MOVES, stripes, tiny
from torch import Tensor, nn
from torch.nn.utils import parametrize

from latentgan.families.bigan import BiGAN
from latentgan.run_folder import read_model
from latentgan.training.ema import RAMP, STRIDE, ExponentialMovingAverage, make_usable, shadow_of
from latentgan.training.loop import STATISTICS_IMAGES, iterations, train
from latentgan.training.state import TrainingState, open_state, statistics_images


class Dial(nn.Module):
    """One parameter and one buffer, to be set by hand."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.needle = nn.Parameter(torch.full((2,), value, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(2))

    def turn_to(self, value: float) -> None:
        with torch.no_grad():
            self.needle.fill_(value)


def played(case: str, n_iterations: int = 6, **training: Any) -> TrainingState:
    """A game after some iterations, its average kept as in training."""
    state = open_state(tiny(case, **training), stripes())
    game = iterations(state.family, state.batches, state.update, seed=3, total_images=96)
    for state.iteration in range(1, n_iterations + 1):
        before = state.images
        next(game)
        state.ema.follow(state.images - before, state.images)
    return state


def averaged(state: TrainingState) -> Any:
    shadow = shadow_of(state.family)
    state.ema.write_to(shadow, state.family)
    return shadow


def test_after_a_half_life_half_of_a_change_has_arrived() -> None:
    dial = Dial(0.0)
    average = ExponentialMovingAverage(dial, 100)  # type: ignore[arg-type]
    dial.turn_to(1.0)
    for _ in range(25):
        average.update(4, 1_000_000)
    assert average.values[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-12)


def test_the_average_is_the_sum_of_the_closed_form() -> None:
    dial, halflife, images = Dial(2.0), 30.0, 8
    average = ExponentialMovingAverage(dial, halflife)  # type: ignore[arg-type]
    values = [2.0, 5.0, -1.0, 0.5, 7.0]
    for value in values[1:]:
        dial.turn_to(value)
        average.update(images, 10**9)
    keep = 0.5 ** (images / halflife)
    # The start keeps k^n, the value of iteration i weighs (1 - k) k^(n - i).
    n = len(values) - 1
    expected = keep**n * values[0] + sum((1 - keep) * keep ** (n - i) * values[i] for i in range(1, n + 1))
    assert average.values[0].tolist() == pytest.approx([expected] * 2, abs=1e-12)


def test_early_half_life_is_a_twentieth() -> None:
    dial = Dial(0.0)
    average = ExponentialMovingAverage(dial, 10_000)  # type: ignore[arg-type]
    dial.turn_to(1.0)
    average.update(10, 200)  # half-life 10
    assert average.values[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-12)
    assert RAMP * 200 == 10


def test_a_half_life_of_zero_keeps_the_last_weights() -> None:
    dial = Dial(0.0)
    average = ExponentialMovingAverage(dial, 0)  # type: ignore[arg-type]
    dial.turn_to(3.0)
    average.update(8, 8)
    assert average.values[0].tolist() == [3.0, 3.0]


def test_an_average_does_not_follow_its_source_between_updates() -> None:
    dial = Dial(1.0)
    average = ExponentialMovingAverage(dial, 10)  # type: ignore[arg-type]
    dial.turn_to(9.0)
    assert average.values[0].tolist() == [1.0, 1.0]


def test_buffers_are_copied_and_never_averaged() -> None:
    shadow = shadow_of(open_state(tiny(MLP), stripes()).family)
    state = played(MLP)
    state.ema.write_to(shadow, state.family)
    assert any(name.endswith("running_mean") for name, _ in state.family.named_buffers())
    for (name, copied), original in zip(shadow.named_buffers(), state.family.buffers(), strict=True):
        assert torch.equal(copied, original), name
    moved = [not torch.equal(a, b) for a, b in zip(shadow.parameters(), state.family.parameters(), strict=True)]
    assert all(moved)


def test_an_average_survives_its_state() -> None:
    state = played(CONVOLUTIONAL)
    other = open_state(tiny(), stripes()).ema
    other.load({name: value.clone() for name, value in state.ema.state().items()})
    assert all(torch.equal(a, b) for a, b in zip(other.values, state.ema.values, strict=True))


def test_a_shadow_shares_nothing_and_no_player_moves_it() -> None:
    state = played(CONVOLUTIONAL, 1)
    shadow = shadow_of(state.family)
    addresses = {t.data_ptr() for t in state.family.state_dict().values() if t.numel()}
    assert addresses.isdisjoint(t.data_ptr() for t in shadow.state_dict().values() if t.numel())
    assert not shadow.training and not any(p.requires_grad for p in shadow.parameters())
    assert state.family.training


def used_weights(family: nn.Module) -> list[Tensor]:
    """Every weight under a parametrization, as a matrix, as a forward pass uses it."""
    return [
        module.weight.detach().flatten(1)
        for module in family.modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and parametrize.is_parametrized(module, "weight")
    ]


@pytest.mark.parametrize("case", [CONVOLUTIONAL, TWO_MOVES])
def test_averaged_spectral_norms_are_one(case: str) -> None:
    shadow = averaged(played(case))
    make_usable(shadow, [])
    values = [float(torch.linalg.svdvals(weight.double())[0]) for weight in used_weights(shadow)]
    assert len(values) >= 3
    assert values == pytest.approx([1.0] * len(values), abs=1e-3)


def test_statistics_are_the_averaged_weights() -> None:
    state = played(MLP)
    shadow = averaged(state)
    x = state.source.tensor(state.source.rows("train"))
    stale = shadow.encoder.dense2[1].running_mean.clone()
    make_usable(shadow, [x])
    encoder = shadow.encoder
    before_norm = encoder.dense2[0](encoder.dense1(x)).double()  # (n, hidden)
    norm = encoder.dense2[1]
    torch.testing.assert_close(norm.running_mean.double(), before_norm.mean(0), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(norm.running_var.double(), before_norm.var(0), atol=1e-8, rtol=1e-5)
    assert not torch.allclose(norm.running_mean, stale, atol=1e-6)


def test_statistics_are_means_over_batches() -> None:
    state = played(MLP)
    shadow = averaged(state)
    parts = list(state.source.tensor(state.source.rows("train")[:48]).split(16))
    make_usable(shadow, parts)
    outputs = [shadow.encoder.dense2[0](shadow.encoder.dense1(x)).double() for x in parts]
    norm = shadow.encoder.dense2[1]
    torch.testing.assert_close(
        norm.running_mean.double(), torch.stack([h.mean(0) for h in outputs]).mean(0), atol=1e-6, rtol=1e-5
    )
    torch.testing.assert_close(
        norm.running_var.double(), torch.stack([h.var(0) for h in outputs]).mean(0), atol=1e-8, rtol=1e-4
    )


def test_joint_statistics_see_both_kinds_of_pairs() -> None:
    state = played(MLP)
    shadow = averaged(state)
    x = state.source.tensor(state.source.rows("train"))
    make_usable(shadow, [x])
    joint, norm = shadow.discriminator.joint[0], shadow.discriminator.joint[1]
    assert int(norm.num_batches_tracked) == 2
    encoder = shadow.encoder.train()  # as while the statistics were taken
    encoded = joint(torch.cat([shadow.discriminator.trunk(x).flatten(1), shadow.encode(x)], dim=1))
    generator = shadow.generator.train()
    torch.manual_seed(0)
    z = shadow.prior.sample(len(x))
    generated = joint(torch.cat([shadow.discriminator.trunk(generator(z)).flatten(1), z], dim=1))
    assert encoder.training
    expected = (encoded.mean(0) + generated.mean(0)) / 2
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-5, rtol=1e-4)


def test_making_usable_moves_no_parameter() -> None:
    state = played(MLP)
    shadow = averaged(state)
    parameters = [p.clone() for p in shadow.parameters()]
    momenta = [m.momentum for m in shadow.modules() if isinstance(m, nn.BatchNorm1d)]
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    make_usable(shadow, [state.source.tensor([0, 1, 2, 3])])
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(parameters, shadow.parameters(), strict=True))
    assert [m.momentum for m in shadow.modules() if isinstance(m, nn.BatchNorm1d)] == momenta
    assert not any(m.training for m in shadow.modules())


def test_statistics_images_are_mixed() -> None:
    state = open_state(tiny(batch_size=16), stripes())
    source = state.source
    parts = list(statistics_images(state, 40))
    assert [len(part) for part in parts] == [16, 16]
    train_rows = {source.tensor([row]).numpy().tobytes() for row in source.rows("train")}
    drawn = {image.numpy().tobytes() for part in parts for image in part}
    assert len(drawn) == 32 and drawn <= train_rows
    repeated = list(statistics_images(state, 40))
    assert all(torch.equal(a, b) for a, b in zip(parts, repeated, strict=True))
    sizes = [len(part) for part in statistics_images(open_state(tiny(batch_size=512), source), STATISTICS_IMAGES)]
    assert sizes == [len(source.rows("train"))]


def test_the_untrained_weights_on_disk_are_the_initial_ones(tmp_path: Any) -> None:
    from safetensors.torch import load_file

    config, source = tiny(), stripes()
    run = train(config, tmp_path / "run", source=source, show_progress=False)
    initial = dict(open_state(config, source).family.named_parameters())
    untrained = load_file(run / "untrained.safetensors")
    assert initial.keys() <= untrained.keys()
    assert all(torch.equal(untrained[name], value) for name, value in initial.items())


def test_the_average_follows_every_fourth_iteration_for_all_four() -> None:
    dial, images, halflife = Dial(0.0), 5, 400.0
    every, followed = ExponentialMovingAverage(dial, halflife), ExponentialMovingAverage(dial, halflife)  # type: ignore[arg-type]
    dial.turn_to(1.0)
    for iteration in range(1, 81):
        before = followed.values[0].tolist()
        every.update(images, 10**9)
        followed.follow(images, 10**9 + iteration * images)
        assert (followed.values[0].tolist() != before) == (iteration % STRIDE == 0)
    assert followed.values[0].tolist() == pytest.approx(every.values[0].tolist(), abs=1e-12)
    assert followed.values[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-12)


@pytest.mark.parametrize(("halflife", "stride"), [(0, 1), (10, 1), (80, 2), (10_000, STRIDE)])
def test_a_short_half_life_is_followed_more_often(halflife: float, stride: int) -> None:
    dial = Dial(0.0)
    average = ExponentialMovingAverage(dial, halflife)  # type: ignore[arg-type]
    moved = []
    for iteration in range(1, 9):
        dial.turn_to(float(iteration))
        before = average.values[0].tolist()
        average.follow(5, 10**9 + iteration * 5)
        moved += [iteration] * (average.values[0].tolist() != before)
    assert moved == list(range(stride, 9, stride))


@pytest.mark.parametrize("drawing", [0, 1, 3])
def test_iterations_without_images_hide_no_update(drawing: int) -> None:
    """Of four iterations the same one draws images; an update that waited for the fourth never came or counted four."""
    dial, images = Dial(0.0), 5
    every, followed = ExponentialMovingAverage(dial, 400.0), ExponentialMovingAverage(dial, 400.0)  # type: ignore[arg-type]
    dial.turn_to(1.0)
    n_images = 10**9
    for iteration in range(1, 81):
        given = images if iteration % 4 == drawing else 0
        n_images += given
        followed.follow(given, n_images)
        if given:
            every.update(given, n_images)
    assert followed.values[0].tolist() == pytest.approx(every.values[0].tolist(), abs=1e-12)


def test_a_model_of_every_second_iteration_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A family that draws images in odd iterations alone: what is written are not the weights it began with."""
    step = BiGAN.step

    def odd(self: Any, batches: Any, update: Any) -> None:
        if update.iteration_number % 2:
            step(self, batches, update)

    monkeypatch.setattr(BiGAN, "step", odd)
    config, source = tiny(average_halflife_images=1_000), stripes()
    run = train(config, tmp_path / "run", source=source, show_progress=False)
    initial = dict(open_state(config, source).family.named_parameters())
    model, _ = read_model(run)
    still = [name for name, value in initial.items() if torch.equal(model[name], value) and value.ndim > 1]
    assert not still


def test_a_stream_that_begins_to_count_moves_no_average() -> None:
    """The main stream counts from its first minibatch on, also behind many of another: the count then falls."""
    dial = Dial(0.0)
    average = ExponentialMovingAverage(dial, 40.0)  # type: ignore[arg-type]
    dial.turn_to(1.0)
    average.follow(-35, 5)
    assert average.values[0].tolist() == [0.0, 0.0]
