"""The conditional GAN: who is told which label, the terms and the projection computed anew, and what labels change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from latentgan import configure, from_arrays, load_family
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError, DataError
from latentgan.families.base import Family
from latentgan.selfcheck.checks.base import Recorder
from latentgan.training.state import open_state

CONDITIONS = ("concatenation", "embedding", "projection")
NETWORKS = ("dcgan", "mlp")
K, LATENT = 3, 4
UNLABELLED = 7
"""Every seventh image has no label."""


def pictures() -> ImageSource:
    """Images of one grey level a class, told apart by their mean; the unlabelled are brighter than all others."""
    rng, label = np.random.default_rng(0), np.arange(84) % K
    label[::UNLABELLED] = -1
    level = np.where(label < 0, 220, 20 + 60 * label)
    x = level[:, None, None, None] + rng.integers(0, 20, (84, 8, 8, 1))
    return from_arrays(x.astype(np.uint8), label, classes=("a", "b", "c"), split=["train"] * 84)


def classes_of(x: Tensor) -> Tensor:
    """The class of each picture by its grey level, (n,); -1 for the unlabelled."""
    level = ((x.flatten(1).mean(1) + 1) * 127.5 - 20).div(60).floor().long()
    return torch.where(level >= K, -1, level)


def made(source: ImageSource | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = configure("cgan", family={"latent": LATENT, "width": 4, "hidden": 16, "embedding": 5, **settings})
    return load_family("cgan")(config.family, (source or pictures()).spec).train()


class Watched:
    """One iteration: the objectives, and every call of the generator and of the discriminator with what came out."""

    def __init__(self, family: Any, batches: Batches | None = None, *, apart: bool = True) -> None:
        family.together = not apart
        batches = batches or Batches(pictures(), batch_size=16, seed=0, device="cpu")
        recorder = Recorder()
        self.codes: list[Tensor] = []
        self.images: list[Tensor] = []
        self.judged: list[tuple[Tensor, Tensor]] = []
        self.logits: list[Tensor] = []
        hooks = [
            family.generator.register_forward_hook(lambda _, given, image: self._generated(given[0], image)),
            family.discriminator.register_forward_hook(lambda _, given, logits: self._judged(given, logits)),
        ]
        torch.manual_seed(3)
        family.step(batches, recorder.as_update())
        for hook in hooks:
            hook.remove()
        self.terms = {player: dict(terms) for player, terms in recorder.objectives.items()}

    def _generated(self, code: Tensor, image: Tensor) -> None:
        self.codes.append(code.detach())
        self.images.append(image.detach())

    def _judged(self, given: tuple[Tensor, Tensor], logits: Tensor) -> None:
        self.judged.append((given[0].detach(), given[1].detach()))
        self.logits.append(logits.detach())


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_image_comes_with_its_label(network, condition):
    iteration = Watched(made(network=network, condition=condition, discriminator_moves=2))
    for move in range(2):
        (x, y), (fake, fake_y) = iteration.judged[2 * move : 2 * move + 2]
        assert torch.equal(y, one_hot(classes_of(x), K).float()), "a real image: its true label"
        assert y.argmax(1).unique().tolist() == [0, 1, 2]
        assert torch.equal(fake, iteration.images[move]) and torch.equal(fake_y, iteration.codes[move][:, LATENT:])
    fooling, fake_y = iteration.judged[4]
    assert torch.equal(fooling, iteration.images[2]), "the generator's move: the label that it was given"
    assert torch.equal(fake_y, iteration.codes[2][:, LATENT:])
    z = torch.cat([code[:, :LATENT] for code in iteration.codes])
    assert len(z.unique(dim=0)) == len(z), "every image has noise of its own"


def test_in_one_pass_for_both_each_image_keeps_its_label():
    family = made()
    apart, together = Watched(family, apart=True), Watched(family, apart=False)
    (x, y), (fake, fake_y) = apart.judged[:2]
    assert torch.equal(together.judged[0][0], torch.cat([x, fake]))
    assert torch.equal(together.judged[0][1], torch.cat([y, fake_y]))


@pytest.mark.parametrize("told", [None, 6])
def test_exactly_the_used_labels_take_part(told):
    source = pictures()
    batches, seen = Batches(source, batch_size=16, seed=0, device="cpu", labels=told), set()
    x = source.tensor(source.rows())
    family = made(source)
    for _ in range(12):
        for image in Watched(family, batches).judged[0][0]:
            seen.add(int((x - image).flatten(1).abs().sum(1).argmin()))
    train = source.rows("train")
    assert seen <= set(train[source.labels[train] >= 0].tolist())
    assert len(seen) == (6 if told else int((source.labels[train] >= 0).sum()))
    assert "main" not in batches.counters


def test_generated_labels_are_as_frequent():
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    source = from_arrays(x, [0] * 45 + [1] * 5, split=["train"] * 50)
    batches = Batches(source, batch_size=40, seed=0, device="cpu")
    iterations = [Watched(made(source), batches) for _ in range(5)]
    real = torch.cat([iteration.judged[0][1] for iteration in iterations]).mean(0)
    fake = torch.cat([code[:, LATENT:] for iteration in iterations for code in iteration.codes]).mean(0)
    assert torch.allclose(real, fake) and real[0] > 0.8


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_another_label_changes_every_logit_and_every_image(network, condition):
    family = made(network=network, condition=condition).eval()
    x, y = pictures().tensor(range(12)), one_hot(torch.arange(12) % K, K).float()
    other = y.roll(1, 1)
    with torch.no_grad():
        change = family.discriminator(x, y) - family.discriminator(x, other)
        z = family.codes(y)
        moved = family.decode(z) - family.decode(torch.cat([z[:, :LATENT], other], 1))
    assert change.abs().min() > 1e-6
    assert moved.abs().flatten(1).max(1).values.min() > 1e-6


def test_the_terms_are_the_papers_computed_anew_in_float64():
    iteration = Watched(made(condition="concatenation", spectral=False))
    real, fake, fooled = (logits.double() for logits in iteration.logits)
    expected = {
        ("discriminator", "real"): softplus(-real).mean(),
        ("discriminator", "fake"): softplus(fake).mean(),
        ("generator", "fake"): softplus(-fooled).mean(),
    }
    assert {(player, term) for player, terms in iteration.terms.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(iteration.terms[player][term].detach()) == pytest.approx(float(value), abs=1e-6), (player, term)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_projections_logit_is_the_papers_formula_in_float64(network):
    family = made(network=network, spectral=False).double().eval().requires_grad_(False)
    with torch.no_grad():
        family.discriminator.logit.psi.bias.fill_(0.3)
        x = torch.rand(9, 1, 8, 8, dtype=torch.float64) * 2 - 1
        label = torch.arange(9) % K
        phi = family.discriminator.trunk(x).flatten(1).numpy()
        v = family.discriminator.logit.embedding.weight.numpy()  # (features, K): a column a class
        psi = family.discriminator.logit.psi
        logits = family.discriminator(x, one_hot(label, K).double()).numpy()
    w, b = psi.weight.numpy()[0], float(psi.bias)
    expected = [v[:, k] @ f + w @ f + b for k, f in zip(label.tolist(), phi, strict=True)]
    assert np.abs(logits - expected).max() < 1e-12
    scale = np.abs([v[:, k] @ f for k, f in zip(label.tolist(), phi, strict=True)]).max()
    assert scale > 1e-6, "the class's part is no rounding error"


@pytest.mark.parametrize("condition", ["concatenation", "embedding"])
def test_a_label_at_dense_features_by_hand(condition):
    d = made(network="mlp", condition=condition, spectral=False).double().eval().discriminator.requires_grad_(False)
    x, y = torch.rand(9, 1, 8, 8, dtype=torch.float64) * 2 - 1, rows_of_y()
    d.joint[0].bias.fill_(0.2)
    d.logit.bias.fill_(0.3)
    condition_columns = y @ d.code.weight.T if condition == "embedding" else y  # (9, K), or a column of E a class
    w, features = d.joint[0].weight, d.trunk(x)
    before = features @ w[:, : features.shape[1]].T + condition_columns @ w[:, features.shape[1] :].T + 0.2
    expected = torch.where(before > 0, before, 0.2 * before) @ d.logit.weight[0] + 0.3
    assert (d(x, y) - expected).abs().max() < 1e-12
    assert (condition_columns @ w[:, features.shape[1] :].T).abs().max() > 1e-3, "the label's part is no rounding error"


@pytest.mark.parametrize("condition", ["concatenation", "embedding"])
def test_a_label_beside_the_image_by_hand(condition):
    d = made(condition=condition, spectral=False).double().eval().discriminator.requires_grad_(False)
    x, y = torch.rand(9, 1, 8, 8, dtype=torch.float64) * 2 - 1, rows_of_y()
    d.logit.bias.fill_(0.3)
    condition_columns = y @ d.code.weight.T if condition == "embedding" else y
    layers = dict(d.trunk.named_children())
    w, b = layers.pop("conv1")[0].weight, 0.1
    d.trunk.conv1[0].bias.fill_(b)
    padded = torch.zeros(
        9, 1 + condition_columns.shape[1], 10, 10, dtype=torch.float64
    )  # the border is 0 in every plane
    padded[:, :1, 1:9, 1:9], padded[:, 1:, 1:9, 1:9] = x, condition_columns[:, :, None, None]
    windows = padded.unfold(2, 4, 2).unfold(3, 4, 2)  # (9, channels, 4, 4, 4, 4): a window of 4×4 at every other pixel
    h = torch.einsum("nchwij,ocij->nohw", windows, w) + b
    h = torch.where(h > 0, h, 0.2 * h)
    for layer in layers.values():
        h = layer(h)
    expected = h.flatten(1) @ d.logit.weight[0] + 0.3
    assert (d(x, y) - expected).abs().max() < 1e-12
    change = (d(x, y) - d(x, y.roll(1, 1))).abs()
    assert change.max() > 1e-6, "the label's part is no rounding error"


def rows_of_y() -> Tensor:
    """What is told of nine images: each class twice, and numbers of attributes."""
    numbers = torch.randn(9 - 2 * K, K, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([torch.eye(K).double(), torch.eye(K).double(), numbers])


def test_spectral_norm_covers_the_classes_too():
    family = made(spectral=True)
    head = family.discriminator.logit
    with torch.no_grad():
        head.embedding.parametrizations.weight.original.mul_(100)
        for _ in range(50):
            weight = head.embedding.weight
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=1e-3)


def test_an_embeddings_generator_sees_the_column_of_its_class():
    family = made(condition="embedding").eval()
    inputs: list[Tensor] = []
    family.generator.generator.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    y = torch.eye(K)[[2, 0]]
    code = family.codes(y)
    family.decode(code)
    assert torch.equal(inputs[0][:, :LATENT], code[:, :LATENT])
    assert torch.equal(inputs[0][:, LATENT:], family.generator.embedding.weight.T[[2, 0]])


def test_r1_is_the_slope_in_the_image_alone():
    family = made(condition="concatenation", network="mlp", r1=2.0, spectral=False)
    iteration = Watched(family)
    x, y = iteration.judged[0]
    family.double()
    points = x.double().requires_grad_()
    (slope,) = torch.autograd.grad(family.discriminator(points, y.double()).sum(), points)
    expected = float(slope.flatten(1).square().sum(1).mean())
    assert float(iteration.terms["discriminator"]["r1"].detach()) == pytest.approx(expected, rel=1e-4)
    assert expected > 1e-12


def test_features_are_had_without_a_label_and_the_code_has_one():
    family = made().eval()
    names = list(family.feature_layers())
    assert names[-1] == "discriminator.dense1"
    assert family.represent(pictures().tensor(range(3))) is None
    assert [(p.name, p.kind, p.width, p.encoded) for p in family.prior.parts] == [
        ("z", "normal", LATENT, True),
        ("label", "categorical", K, False),
    ]


def test_classes_without_labels_are_named():
    config = configure("cgan", family={"latent": 4, "width": 4, "hidden": 16}, training={"device": "cpu"})
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    split = ["train"] * 10 + ["validation"] * 4 + ["test"] * 6
    with pytest.raises(DataError, match=r"no labelled images in its train split.*a column split"):
        open_state(config, from_arrays(x, [-1] * 14 + [0, 1] * 3, classes=("a", "b"), split=split))
    state = open_state(config, from_arrays(x, [0] * 14 + [0, 1] * 3, classes=("a", "b"), split=split))
    assert state.labels == 10 and state.classes_without_labels == ["b"]


def test_the_run_advances_by_labelled_images():
    source = pictures()
    config = configure(
        "cgan", family={"latent": 4, "width": 4, "hidden": 16}, training={"batch_size": 8, "labels": 6, "device": "cpu"}
    )
    state = open_state(config, source)
    state.family.step(state.batches, state.update)
    assert state.labels == 6 and state.images == 8


def test_a_score_is_the_logit_given_the_class_that_was_asked_for():
    family: Family = made().eval()
    x, z = pictures().tensor(range(5)), family.prior.sample(5)
    with torch.no_grad():
        assert torch.equal(family.score(x, z), family.discriminator(x, z[:, LATENT:]))


def test_images_without_classes_are_refused_with_the_way_out():
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    with pytest.raises(ConfigError, match=r"conditioned on classes.*--label.*gan and dcgan"):
        made(from_arrays(x))
    unlabelled = from_arrays(x, [-1] * 20, classes=("a", "b"))
    batches = Batches(unlabelled, batch_size=4, seed=0, device="cpu")
    with pytest.raises(DataError, match="no labelled images"):
        made(unlabelled).step(batches, Recorder().as_update())


def test_images_of_a_single_class_are_refused_by_its_name():
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    with pytest.raises(ConfigError, match=r"a single one, 'cat'.*another column with --label"):
        made(from_arrays(x, [0] * 20, classes=("cat",)))
