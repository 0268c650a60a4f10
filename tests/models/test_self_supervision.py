"""Terms on two views: each loss against a second formula, and what a network learns from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from latentgan import from_arrays
from latentgan.config import AugmentConfig, ViewsConfig
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families.base import configure, load_family
from latentgan.game import Update
from latentgan.losses import joint_embedding, view_contrast
from latentgan.self_supervision import TwoViews
from latentgan.training.loop import iterations


@pytest.fixture
def pair():
    torch.manual_seed(0)
    first = torch.randn(6, 4, dtype=torch.float64)
    return first, first + 0.3 * torch.randn(6, 4, dtype=torch.float64)


def test_contrast_is_a_plain_loop_over_views(pair):
    views, tau, total = [*pair[0].numpy(), *pair[1].numpy()], 0.3, 0.0
    for i, view in enumerate(views):
        scores = [v @ view / np.linalg.norm(v) / np.linalg.norm(view) / tau for v in views]
        others = [score for j, score in enumerate(scores) if j != i]
        total -= scores[(i + 6) % 12] - math.log(sum(math.exp(score) for score in others))
    assert view_contrast(*pair, temperature=tau).item() == pytest.approx(total / 12, abs=1e-5)


def test_contrast_of_alike_views_is_log_of_the_others():
    ones = torch.ones(5, 3)
    assert view_contrast(ones, ones, temperature=0.1).item() == pytest.approx(math.log(9), abs=1e-5)


def test_contrast_has_no_unit(pair):
    scaled = view_contrast(5 * pair[0], 0.1 * pair[1], temperature=0.2)
    assert scaled.item() == pytest.approx(view_contrast(*pair, temperature=0.2).item(), abs=1e-5)


def test_vicreg_is_its_three_terms(pair):
    first, second = (view.numpy() for view in pair)
    invariance = np.mean((first - second) ** 2)
    variance = covariance = 0.0
    for view in (first, second):
        matrix = np.cov(view.T)
        variance += np.mean(np.maximum(0, 1 - np.sqrt(np.diag(matrix) + 1e-4))) / 2
        covariance += sum(matrix[i, j] ** 2 for i in range(4) for j in range(4) if i != j) / 4
    assert joint_embedding(*pair).item() == pytest.approx(25 * invariance + 25 * variance + covariance, rel=1e-5)


def test_vicreg_asks_collapsed_views_to_spread():
    views = torch.zeros(8, 3, requires_grad=True)
    assert joint_embedding(views, views).item() == pytest.approx(25 * 0.99, abs=1e-4)


def test_vicreg_is_least_for_uncorrelated_equal_views():
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert joint_embedding(signs, signs).item() == pytest.approx(0.0, abs=1e-6)


def test_views_that_do_not_differ_are_refused():
    with pytest.raises(ConfigError, match="they are the same"):
        TwoViews(ViewsConfig(weight=1.0, augment=AugmentConfig()), 8)


def test_planes_are_averaged_over_the_image():
    torch.manual_seed(0)
    views = TwoViews(ViewsConfig(weight=2.0, augment=AugmentConfig(flip=1.0)), 3)
    x = torch.rand(5, 3, 6, 6)
    term = views(nn.Identity(), x)
    means = x.mean((2, 3))
    expected = 2 * view_contrast(views.project(means), views.project(means), temperature=0.2)
    assert term.item() == pytest.approx(expected.item(), abs=1e-5), "a flip does not change means"


def shapes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares, crosses and stripes anywhere on noise, (n, 16, 16, 3), and which one."""
    rng = np.random.default_rng(0)
    kinds = np.arange(n) % 3
    images = rng.integers(0, 90, (n, 16, 16, 3))
    for image, kind in zip(images, kinds, strict=True):
        top, left = rng.integers(1, 8, 2)
        part = image[top : top + 7, left : left + 7]
        light = rng.integers(110, 160)
        if kind == 0:
            part[1:6, 1:6] += light
        elif kind == 1:
            part[3] += light
            part[:, 3] += light
        else:
            part[::2] += light
    return np.minimum(images, 255).astype(np.uint8), kinds


def few_label_accuracy(family, source) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    with torch.no_grad():
        family.eval()
        planes = family.discriminator.trunk(source.tensor(source.rows()))
    features = StandardScaler().fit_transform(planes.mean((2, 3)).numpy() if planes.ndim == 4 else planes.numpy())
    labels = np.asarray(source.labels)
    return float(
        LogisticRegression(C=0.1, max_iter=500).fit(features[:30], labels[:30]).score(features[30:], labels[30:])
    )


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["contrastive", "vicreg"])
def test_views_teach_the_discriminator_shapes(loss):
    """Ten labels a class on 510 other images, 0.46 untrained and 0.78 to 0.98 after 300 iterations without a label."""
    images, labels = shapes(540)
    source = from_arrays(images, labels, split=["train"] * 540)
    torch.manual_seed(0)
    augment = {"crop": 0.4, "flip": 0.5, "brightness": 0.3, "shift": 0.1}
    fields = {
        "latent": 8,
        "width": 8,
        "hidden": 64,
        "spectral": True,
        "views": {"weight": 1.0, "loss": loss, "stop_adversarial": True, "augment": augment},
        "discriminator": {"learning_rate": 1e-3},
    }
    family = load_family("bigan")(configure("bigan", family=fields).family, source.spec).train()
    before = few_label_accuracy(family, source)
    family.train()
    batches = Batches(source, batch_size=64, seed=0, device="cpu")
    turns = iterations(family, batches, Update(family.players()), seed=0, total_images=300 * 64)
    for _ in range(300):
        next(turns)
    after = few_label_accuracy(family, source)
    assert after > before + 0.2, f"{before:.3f} untrained, {after:.3f} trained"


@pytest.mark.parametrize("network", ["discriminator", "encoder"])
def test_only_the_network_with_the_views_learns_from_them(network):
    images, labels = shapes(30)
    source = from_arrays(images, labels, split=["train"] * 30)
    torch.manual_seed(0)
    views = {"weight": 1.0, "network": network, "augment": {"flip": 0.5, "crop": 0.3}}
    fields = {"latent": 4, "network": "resnet", "width": 4, "hidden": 16, "views": views}
    family = load_family("bigan")(configure("bigan", family=fields).family, source.spec).train()
    player = "discriminator" if network == "discriminator" else "encoder_generator"
    update = Update(family.players())
    next(iterations(family, Batches(source, batch_size=8, seed=0, device="cpu"), update, seed=0, total_images=800))
    assert [key for key in update.drain()["terms"] if "views" in key] == [f"{player}/views"]


def test_stopped_features_hear_nothing_of_the_game():
    """ContraD: with the views' weight next to nothing, the trunk stands still though the discriminator moves."""
    images, labels = shapes(30)
    source = from_arrays(images, labels, split=["train"] * 30)
    torch.manual_seed(0)
    views = {"weight": 1e-30, "stop_adversarial": True, "augment": {"flip": 0.5}}
    penalties = {"r1": 1.0, "r2": 1.0, "objective": "relativistic"}
    sgd = {"kind": "sgd", "learning_rate": 0.1}
    fields = {
        "latent": 4,
        "network": "resnet",
        "width": 4,
        "hidden": 16,
        "views": views,
        "discriminator": sgd,
        **penalties,
    }
    family = load_family("bigan")(configure("bigan", family=fields).family, source.spec).train()
    before = {key: value.clone() for key, value in family.discriminator.state_dict().items()}
    update = Update(family.players())
    next(iterations(family, Batches(source, batch_size=8, seed=0, device="cpu"), update, seed=0, total_images=800))
    after = family.discriminator.state_dict()
    moved = {key for key, value in after.items() if not torch.allclose(value, before[key], rtol=0, atol=1e-20)}
    assert moved
    assert not any(key.startswith("trunk") for key in moved)
