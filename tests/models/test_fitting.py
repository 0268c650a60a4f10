"""The latent regressor: its terms, what moves and what stands still, and the fit to a finished run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from latentgan import NumpyModel, configure, fit_encoder, from_arrays, load_family, resume, train
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.errors import CheckpointError, ConfigError
from latentgan.game import Update
from latentgan.run_folder import read_model, read_untrained
from latentgan.training.loop import iterations
from latentgan.training.state import open_state

BASE = {"latent": 3, "width": 4}
TINY = {"training": {"total_images": 256, "batch_size": 16, "log_images": 128, "checkpoint_images": 128}}


@pytest.fixture(scope="module")
def source() -> ImageSource:
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 256, (80, 8, 8), dtype=np.uint8), np.arange(80) % 4)


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "dcgan"
    return train(configure("dcgan", TINY, family=BASE), out, source=source, show_progress=False)


def game(source: ImageSource, **settings: object):
    torch.manual_seed(0)
    family = load_family("latent_regressor")(configure("latent_regressor", family=settings).family, source.spec).train()
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    return family, iterations(family, batches, Update(family.players()), seed=0, total_images=1000)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_terms_of_continuous_codes_are_the_closed_form(source, prior):
    family, _ = game(source, of="gan", base={"latent": 3, "hidden": 8, "prior": prior})
    raw, z = torch.randn(5, 3), family.prior.sample(5)
    t, r = (z.double() + 1) / 2, raw.double()
    expected = -(t * logsigmoid(r) + (1 - t) * logsigmoid(-r)) if prior == "uniform" else 0.5 * (r - z.double()) ** 2
    assert abs(float(family._regression(raw, z)["z"]) - float(expected.mean())) < 1e-6


@pytest.mark.parametrize("frozen", [False, True])
def test_the_other_family_starts_from_data(source, frozen):
    base = {"latent": 3, "network": "mlp", "hidden": 16, "layers": (12, 8)}
    settings = {"of": "improved_gan", "base": base, "frozen": frozen, "width": 4, "hidden": 8}
    family = open_state(configure("latent_regressor", family=settings), source).family
    calls = []
    family.base.discriminator.trunk.dense1[1].register_forward_hook(
        lambda _, __, out: calls.append(out.detach().clone())
    )
    family.base.represent(source.tensor(range(80)).repeat(20, 1, 1, 1))
    standard = calls[0].mean(0).abs().max() < 0.3 and (calls[0].std(0) - 1).abs().max() < 0.3
    assert standard != frozen


def test_each_part_of_a_mixed_code_has_its_own_term_and_range(source):
    family, _ = game(source, of="infogan", base={"noise": 2, "width": 4, "hidden": 8, "categorical": (3,)})
    raw, z = torch.randn(5, family.prior.width), family.prior.sample(5)
    terms = family._regression(raw, z)
    chosen = raw[:, 2:5].log_softmax(1)[torch.arange(5), z[:, 2:5].argmax(1)]
    assert list(terms) == ["noise", "class", "style"]
    assert torch.allclose(terms["class"], -chosen.mean())
    code = family.eval().encode(source.tensor(range(6)))
    assert torch.allclose(code[:, 2:5].sum(1), torch.ones(6)) and code.abs().max() <= 1
    assert all(part.encoded for part in family.prior.parts)


@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_the_regression_reaches_the_generator_only_with_a_weight(source, weight):
    """One iteration beside the plain game's: the generator's weights agree exactly where the regression has no say."""
    joint, play = game(source, base=BASE, generator_weight=weight)
    plain = load_family("dcgan")(configure("dcgan", family=BASE).family, source.spec).train()
    plain.load_state_dict(joint.base.state_dict())
    batches, update = Batches(source, batch_size=16, seed=0, device="cpu"), Update(plain.players())
    next(iterations(plain, batches, update, seed=0, total_images=1000))
    next(play)
    same = [torch.equal(value, joint.base.get_parameter(name)) for name, value in plain.named_parameters()]
    assert all(same) == (weight == 0)
    judge = joint.base.discriminator
    assert all(torch.equal(v, judge.get_parameter(name)) for name, v in plain.discriminator.named_parameters())


def test_a_frozen_game_changes_nothing_but_the_encoder(source):
    family, play = game(source, base=BASE, frozen=True)
    before = {k: v.clone() for k, v in family.base.state_dict().items()}
    encoder = [p.clone() for p in family.encoder.parameters()]
    for _ in range(3):
        next(play)
    assert all(torch.equal(before[k], v) for k, v in family.base.state_dict().items())
    assert not any(torch.equal(a, b) for a, b in zip(encoder, family.encoder.parameters(), strict=True) if a.ndim > 1)


def test_fitting_keeps_the_runs_networks(run, source, tmp_path):
    fitted = fit_encoder(run, tmp_path / "fit", settings=TINY, source=source, show_progress=False)
    ours, theirs = read_model(fitted)[0], read_model(run)[0]
    assert all(torch.equal(ours[f"base.{name}"], value) for name, value in theirs.items())
    before = read_untrained(fitted)
    assert all(torch.equal(before[f"base.{name}"], value) for name, value in read_untrained(run).items())
    model = NumpyModel.load(fitted)
    assert model.encode(source.images[:4]).shape == (4, 3)
    codes = model.family.prior.sample(4).numpy()
    assert np.abs(model.decode(codes) - NumpyModel.load(run).decode(codes)).max() < 1e-5


def test_a_killed_fit_starts_the_same_again(run, source, tmp_path):
    whole = fit_encoder(run, tmp_path / "whole", settings=TINY, source=source, show_progress=False)
    half = fit_encoder(run, tmp_path / "half", settings=TINY, source=source, show_progress=False)
    for name in ("latest", "summary.json", "metrics.jsonl"):
        (half / name).unlink()
    resume(half, source=source, show_progress=False)
    whole_weights, half_weights = read_model(whole)[0], read_model(half)[0]
    assert all(torch.equal(whole_weights[name], half_weights[name]) for name in whole_weights)


def test_a_fitted_encoder_undoes_a_generator_of_three_numbers(source, tmp_path):
    """Codes of generated images, R²: 0.953 to 0.972 over seeds 0 to 4, asserted with a margin."""
    run = train(
        configure("gan", TINY, family={"latent": 3, "hidden": 32}), tmp_path / "gan", source=source, show_progress=False
    )
    more = {"training": {"total_images": 32_000, "log_images": 32_000}, "family": {"network": "mlp", "hidden": 64}}
    model = NumpyModel.load(fit_encoder(run, tmp_path / "fit", settings=more, source=source, show_progress=False))
    z = model.family.prior.sample(500).numpy()
    error = model.encode(model.decode(z)) - z
    assert 1 - (error**2).sum() / (z**2).sum() > 0.8


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        ("bigan", "has an encoder of its whole code already"),
        ("dcgna", "did you mean dcgan"),
        ("os:x", "file never names code"),
    ],
)
def test_families_that_cannot_be_fitted_are_refused(source, of, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_family("latent_regressor")(configure("latent_regressor", family={"of": of}).family, source.spec)


def test_a_setting_of_the_other_family_is_checked_like_any(source):
    with pytest.raises(ConfigError, match=r"unknown setting family\.base\.latnet; did you mean family\.base\.latent"):
        configure("latent_regressor", family={"base": {"latnet": 3}})


def test_a_model_folder_that_names_foreign_code_is_refused(run, source, tmp_path):
    about = json.loads((run / "model" / "config.json").read_text())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(about | {"name": "os:path"}))
    (tmp_path / "model" / "model.safetensors").write_bytes((run / "model" / "model.safetensors").read_bytes())
    with pytest.raises(ConfigError, match="foreign family"):
        fit_encoder(tmp_path, tmp_path / "fit", source=source)


def test_other_images_are_refused(run, source, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "latentgan.training.encoder_fitting.open_source", lambda config: from_arrays(source.images[::-1].copy())
    )
    with pytest.raises(CheckpointError, match="not those that"):
        fit_encoder(run, tmp_path / "fit")


def test_networks_that_stand_still_are_not_left_random(tmp_path, source):
    config = configure("latent_regressor", TINY, family={"of": "dcgan", "base": BASE, "frozen": True})
    with pytest.raises(ConfigError, match="fit-encoder"):
        train(config, tmp_path / "run", source=source, show_progress=False)
    assert not (tmp_path / "run").exists()
