"""Held-out log-likelihood: both estimates where it is known, what is left on the disk, and mistakes in one sentence."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear_gaussian import CORRELATED, DEVIATION, VAE, Model, family_of
from torch import Tensor
from typer.testing import CliRunner

from latentgan import NumpyModel, configure, from_arrays, train
from latentgan.cli.app import app
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DataError
from latentgan.inference import importance_sampling as annealing
from latentgan.inference.importance_sampling import Annealing, annealed, importance_weights, temperatures
from latentgan.inference.log_likelihood import Estimate, Plan, evaluated, held_out_likelihood
from latentgan.likelihoods import Likelihood, log_normal

MODEL = Model(CORRELATED)


def points(n: int = 40) -> Tensor:
    source = MODEL.points(n)
    return source.tensor(range(n)).double()


def log_likelihood(x: Tensor) -> Any:
    return lambda z: log_normal(x.flatten(1), z @ MODEL.weight.T, DEVIATION)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_exact_posterior_needs_one_sample():
    x = points()
    root = torch.linalg.cholesky(MODEL.covariance).expand(len(x), 2, 2)
    weights = importance_weights(
        log_likelihood(x), MODEL.posterior(x).mean, root, samples=7, generator=generator(), at_once=80
    )
    assert torch.allclose(weights.log_marginal, MODEL.log_marginal(x), atol=1e-9)
    assert torch.allclose(weights.bound, weights.log_marginal, atol=1e-9) and torch.allclose(
        weights.effective, torch.tensor(7.0).double()
    )


def test_importance_sampling_agrees_with_log_p():
    """From diagonal Gaussians: the mean of log w is below log p(x) by the divergence, which has a closed form.

    They are twice as wide as the best ones, whose weights have no variance here (their correlation is above ½), so that
    no standard error holds.
    """
    x = points()
    deviation = 2 * MODEL.precision.diagonal().rsqrt()
    root = torch.diag(deviation).expand(len(x), 2, 2)
    weights = importance_weights(
        log_likelihood(x), MODEL.posterior(x).mean, root, samples=20_000, generator=generator()
    )
    error = weights.log_marginal - MODEL.log_marginal(x)
    # The variance of log p̂ is 1/ESS − 1/K by the delta method.
    scale = (1 / weights.effective - 1 / 20_000).sqrt()
    assert float((error / scale).square().mean()) < 2.5
    assert abs(float(error.mean())) < 4 * float(scale.square().mean().sqrt()) / math.sqrt(len(x))
    assert float((MODEL.log_marginal(x) - weights.bound).mean()) == pytest.approx(MODEL.gap + 3 - math.log(4), abs=0.01)


def test_fewer_samples_give_a_lower_bound():
    x = points(400)
    root = (3 * torch.linalg.cholesky(MODEL.covariance)).expand(len(x), 2, 2)
    proposal = log_likelihood(x), MODEL.posterior(x).mean, root
    few, many = (importance_weights(*proposal, samples=k, generator=generator()).log_marginal for k in (2, 50))
    few_bias, many_bias = (float((estimates - MODEL.log_marginal(x)).mean()) for estimates in (few, many))
    assert few_bias < many_bias - 0.1 < 0.1


def test_temperatures_rise_from_0_to_1_and_are_symmetric():
    betas = temperatures(10)
    assert betas[0] == 0 and betas[-1] == 1 and len(betas) == 11
    assert all(a < b for a, b in itertools.pairwise(betas))
    assert betas[3] == pytest.approx(1 - betas[7]) and betas[1] < betas[6] - betas[5]


def test_annealing_agrees_with_the_known_log_p():
    x = points()
    plan = Annealing(temperatures=200, chains=20, leapfrog=5)
    log_p, accepted = annealed(log_likelihood(x), len(x), 2, plan, like=x, generator=generator())
    error = log_p - MODEL.log_marginal(x)
    assert abs(float(error.mean())) < 4 * float(error.std()) / math.sqrt(len(x)) < 0.1
    assert accepted == pytest.approx(0.65, abs=0.08)


def test_a_hamiltonian_move_keeps_its_target_by_what_it_rejects():
    """Draws of p(z) p(x|z)^½, which is a Gaussian here, are draws of it after a move of coarse steps; all that were
    taken would not be."""
    x, beta, n = points(2)[:1], 0.5, 40_000
    precision = torch.eye(2).double() + beta * MODEL.weight.T @ MODEL.weight / DEVIATION**2
    root = torch.linalg.cholesky(torch.linalg.inv(precision))
    mean = beta / DEVIATION**2 * x.flatten(1) @ MODEL.weight @ root @ root.T
    rng = generator()
    z, momentum = torch.randn(2, n, 1, 2, generator=rng).double()
    z, chance = mean + z @ root.T, torch.rand(n, 1, generator=rng).double()
    state = z, *annealing._slope(log_likelihood(x), z)
    for threshold, accepted in ((chance, True), (torch.zeros_like(chance), False)):
        size = torch.tensor([0.8]).double()
        (moved, value, slope), rate = annealing._transition(
            log_likelihood(x), state, beta, size, 3, momentum, threshold
        )
        white = torch.linalg.solve_triangular(root, (moved[:, 0] - mean).T, upper=False)
        away = (white @ white.T / n - torch.eye(2)).abs().max() / math.sqrt(2 / n)
        assert (float(away) < 4 and float((white.mean(1) * n**0.5).abs().max()) < 4) if accepted else float(away) > 20
        assert 0.3 < float(rate.mean()) < 0.9
        recomputed = annealing._slope(log_likelihood(x), moved)
        assert torch.allclose(value, recomputed[0]) and torch.allclose(slope, recomputed[1])


def test_two_temperatures_are_importance_sampling_from_the_prior():
    """Far too few: the estimate is still unbiased for p(x), so that its mean over many chains is right."""
    x = points(5)
    plan = Annealing(temperatures=2, chains=40_000, leapfrog=1, pilot=1)
    log_p, _ = annealed(log_likelihood(x), len(x), 2, plan, like=x, generator=generator())
    assert torch.allclose(log_p, MODEL.log_marginal(x), atol=0.25)


def stripes(n: int = 90) -> ImageSource:
    """Half black, half white images in three ways, of 8×8."""
    images = np.zeros((n, 8, 8, 1), np.uint8)
    for i in range(n):
        images[i, : 2 + 2 * (i % 3)] = 255
    return from_arrays(images, split=(["train"] * 2 + ["test"]) * (n // 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    family = {"latent": 2, "network": "mlp", "hidden": 16, "likelihood": "bernoulli"}
    training = {"total_images": 640, "batch_size": 32, "device": "cpu"}
    out = tmp_path_factory.mktemp("runs") / "vae"
    path = tmp_path_factory.mktemp("images") / "stripes.npz"
    np.savez(path, x=stripes().images, split=stripes().split)
    config = configure("vae", family=family, training=training, data={"source": str(path)})
    return train(config, out, show_progress=False)


SMALL = Plan(images=20, samples=30, annealed_images=6, annealing=Annealing(temperatures=20, chains=2, leapfrog=2))


def test_every_figure_has_its_standard_error_over_images(run):
    result = held_out_likelihood(NumpyModel.load(run), stripes(), SMALL)
    assert [e.n for e in (result.importance, result.bound, result.criterion, result.independent)] == [20] * 4
    assert result.annealed is not None and result.annealed.n == 6 and result.paired is not None and result.paired.n == 6
    assert result.bound.value <= result.importance.value <= 0
    assert result.criterion.value == pytest.approx(result.bound.value, abs=1.0)  # q(z|x) is the proposal
    assert 1 <= result.effective <= 30 and 0 < float(result.acceptance or 0) <= 1
    repeated = held_out_likelihood(NumpyModel.load(run), stripes(), SMALL)
    assert repeated == result


def test_an_estimate_is_a_mean_and_its_standard_error():
    estimate = Estimate.of(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert estimate.value == 3 and estimate.n == 4
    assert estimate.standard_error == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 3 / 4))
    assert estimate.interval == (3 - 1.96 * estimate.standard_error, 3 + 1.96 * estimate.standard_error)


def test_independent_pixels_are_laplaces_rule_by_hand(run):
    """40 of 60 training images have a white third row, 20 a white fifth: (k + 1) / (n + 2)."""
    result = held_out_likelihood(NumpyModel.load(run), stripes(), SMALL)
    train_rows, test_rows = stripes().rows("train"), stripes().rows("test")
    white = (stripes().images[train_rows] > 0).sum(0)
    share = (white + 1) / (len(train_rows) + 2)
    chosen = np.random.default_rng(0).permutation(test_rows)[:20]
    x = stripes().images[chosen] > 0
    expected = np.where(x, np.log(share), np.log(1 - share)).sum((1, 2, 3))
    assert result.independent.value == pytest.approx(expected.mean(), abs=1e-4)


def test_images_are_binarised_as_in_training():
    assert evaluated(Likelihood("bernoulli", "threshold"), None).binarise == "threshold"
    assert evaluated(Likelihood("bernoulli", "none"), None).binarise == "stochastic"
    assert evaluated(Likelihood("bernoulli", "threshold"), "none").binarise == "none"
    assert evaluated(Likelihood("gaussian"), None) == Likelihood("gaussian")
    with pytest.raises(ConfigError, match="bernoulli"):
        evaluated(Likelihood("gaussian"), "threshold")


def test_a_family_without_a_likelihood_is_refused():
    from latentgan import load_family

    family = load_family("aae")(configure("aae", family={"width": 4, "hidden": 8}).family, stripes().spec)
    with pytest.raises(ConfigError, match=r"'aae' has no likelihood.*avb and vae"):
        held_out_likelihood(NumpyModel(family, about={"name": "aae"}), stripes(), SMALL)


def test_images_without_a_test_split_are_refused(run):
    source = replace(stripes(), split=np.array(["train"] * 90))
    with pytest.raises(DataError, match="no test images"):
        held_out_likelihood(NumpyModel.load(run), source, SMALL)


@pytest.mark.parametrize(
    ("family", "content", "options", "sentence"),
    [
        ("bigan", None, [], "'bigan' has no likelihood of images"),
        ("vae", "my notes", [], "is not what latentgan writes there"),
        ("vae", None, ["--binarise", "threshold"], "is for Bernoulli pixels"),
    ],
)
def test_the_command_refuses_before_it_reads_images(family, content, options, sentence, call, capsys, tmp_path):
    images = tmp_path / "stripes.npz"
    np.savez(images, x=stripes().images, split=stripes().split)
    config = configure(
        family,
        family={"latent": 2, "network": "mlp", "hidden": 8},
        training={"total_images": 32, "batch_size": 32, "device": "cpu"},
        data={"source": str(images)},
    )
    run = train(config, tmp_path / "run", show_progress=False)
    images.unlink()
    capsys.readouterr()  # of training
    if content is not None:
        (run / "likelihood.json").write_text(content)
    code, printed, err = call("likelihood", run, *options)
    assert code == 2
    assert printed == ""
    assert sentence in err
    assert err.count("\n") == 1


def test_the_command_prints_a_table_and_leaves_json(run):
    command = ["likelihood", str(run), "--images", "20", "--samples", "30", "--annealed", "6", "--chains", "2"]
    done = CliRunner().invoke(app, [*command, "--temperatures", "20", "--leapfrog", "2"])
    assert done.exit_code == 0, done.output
    assert "importance sampling" in done.output and "independent pixels" in done.output
    left = json.loads((run / "likelihood.json").read_text())
    assert left["unit"] == "nats an image" and left["split"] == "test" and "binarised by a draw" in left["pixels"]
    assert left["importance"]["n"] == 20 and left["annealed"]["n"] == 6
    assert left["checkpoint"] == NumpyModel.load(run).about["sha256"]
    done = CliRunner().invoke(app, [*command, "--annealed", "0", "--json"])
    printed = json.loads(done.stdout)
    assert printed["annealed"] is None and printed["plan"]["samples"] == 30
    alone = ["likelihood", str(run), "--images", "1", "--samples", "2", "--annealed", "0"]
    done = CliRunner().invoke(app, alone)
    left = (run / "likelihood.json").read_text()
    assert "–" in done.output and "nan" not in done.output  # one image has no standard error
    assert json.loads(left)["importance"]["standard_error"] is None and "NaN" not in left


def test_a_known_family_has_its_known_log_p():
    """The whole way, on points: the decoder is the linear model's, the encoder is not trained."""
    source = MODEL.points(2000)
    torch.manual_seed(0)
    config = configure("vae", family={"latent": 2, "network": "mlp", "hidden": 16, "deviation": DEVIATION}).family
    family = family_of(VAE, MODEL)(config, source.spec)
    plan = Plan(
        images=100, samples=4000, annealed_images=50, annealing=Annealing(temperatures=200, chains=10, leapfrog=5)
    )
    result = held_out_likelihood(NumpyModel(family), source, plan)
    rows = np.random.default_rng(0).permutation(source.rows("test"))[:100]
    true = MODEL.log_marginal(source.tensor(rows))
    assert result.importance.value == pytest.approx(float(true.mean()), abs=0.05)
    assert result.annealed is not None and result.annealed.value == pytest.approx(float(true[:50].mean()), abs=0.08)
