"""The semi-supervised adversarial autoencoder: its terms, who sees labels, and what moves whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import one_iteration
import pytest
import torch
from one_iteration import CODE_NETWORKS, pictures, small
from torch import Tensor
from torch.nn.functional import softplus

from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError


def made(source: ImageSource, **settings: Any) -> Any:
    return small("aae_semi", source, **{"latent": 2, **settings})


def iteration(family: Any, batches: Any) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    return one_iteration.iteration(family, batches, CODE_NETWORKS)


def test_the_terms_are_the_papers_computed_anew_in_float64():
    source = pictures()
    family = made(source)
    objectives, given = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    x, labelled = next(batches).image, next(batches.labelled)
    assert torch.equal(given["encoder"], torch.cat([x, labelled.image]))
    family.double()
    with torch.no_grad():
        out = family.head(family.encoder(given["encoder"].double()))
        p = out[:, :3].softmax(1)
        code = torch.cat([p[:16], out[:16, 3:]], 1)
        style, classes = (family.get_submodule(n)(given[n].double()) for n in ("discriminator", "class_discriminator"))
        expected = {
            ("autoencoder", "reconstruction"): (x.double() - family.decode(code)).square().mean(),
            ("classifier", "cross_entropy"): -p[16:].gather(1, labelled.label[:, None]).log().mean(),
            ("discriminator", "real"): softplus(-style[:16]).mean(),
            ("discriminator", "fake"): softplus(style[16:]).mean(),
            ("discriminator", "class_real"): softplus(-classes[:16]).mean(),
            ("discriminator", "class_fake"): softplus(classes[16:]).mean(),
            ("encoder", "fake"): softplus(-style[16:]).mean(),
            ("encoder", "class_fake"): softplus(-classes[16:]).mean(),
        }
    assert {(player, term) for player, terms in objectives.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(objectives[player][term].detach()) == pytest.approx(float(value), abs=2e-6), (player, term)
    drawn = given["class_discriminator"][:16]
    assert torch.equal(drawn.sort(1).values, torch.tensor([[0.0, 0.0, 1.0]]).expand(16, 3))
    assert torch.allclose(given["class_discriminator"][16:].double(), p[:16], atol=1e-5)
    assert torch.allclose(given["decoder"].double(), code, atol=1e-5)


def test_consistency_is_shared_information():
    source = pictures()
    family = made(source, consistency_weight=0.5, consistency_balance=2.0, augment={"rotation": 20.0})
    terms, given = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))
    encoder_inputs = given["encoder"]
    assert len(encoder_inputs) == 48
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    x, labelled = next(batches).image, next(batches.labelled)
    assert torch.equal(encoder_inputs[:16], x) and not torch.allclose(
        encoder_inputs[16:32], labelled.image, atol=0.1
    )  # a view of each
    family.double()
    with torch.no_grad():
        p = family.head(family.encoder(encoder_inputs.double()))[:, :3].softmax(1)
        joint = p[:16].T @ p[32:] / 16
        joint = (joint + joint.T) / 2
        expected = (joint * (joint.log() - 2 * joint.sum(1, keepdim=True).log() - 2 * joint.sum(0).log())).sum()
        error = -p[16:32].gather(1, labelled.label[:, None]).log().mean()
    assert float(terms["autoencoder"]["consistency"].detach()) == pytest.approx(-0.5 * float(expected), abs=1e-5)
    assert float(terms["classifier"]["cross_entropy"].detach()) == pytest.approx(float(error), abs=1e-5)


def test_exactly_the_told_labels_reach_the_cross_entropy():
    source = pictures()
    family = made(source)
    batches, rows = Batches(source, batch_size=16, seed=0, device="cpu", labels=6), set()
    x = source.tensor(source.rows())
    for _ in range(20):
        _, given = iteration(family, batches)
        for image in given["encoder"][16:]:
            rows |= {int((x - image).flatten(1).abs().sum(1).argmin())}
    assert len(rows) == 6 and np.bincount(source.labels[sorted(rows)]).tolist() == [2, 2, 2]


def test_cross_entropy_moves_the_encoder_and_not_the_style():
    source = pictures()
    family = made(source)
    terms, _ = iteration(family, Batches(source, batch_size=16, seed=0, device="cpu"))
    head, trunk = torch.autograd.grad(
        terms["classifier"]["cross_entropy"], [family.head.weight, family.encoder.conv1[0].weight]
    )
    assert trunk.abs().max() > 0 and head[:3].abs().max() > 0 and head[3:].abs().max() == 0


def test_a_code_is_probabilities_and_a_style():
    source = pictures()
    family = made(source).eval()
    x = source.tensor(range(5))
    code = family.encode(x)
    assert code.shape == (5, 5) and torch.allclose(code[:, :3].sum(1), torch.ones(5))
    assert torch.equal(code[:, :3], family.classify(x))


@pytest.mark.parametrize(
    ("labels", "settings", "sentence"),
    [
        (False, {}, "learns classes from labels.*--label.*aae"),
        (True, {"augment": {"rotation": 10.0}}, r"set family\.consistency_weight=1, or leave it out"),
    ],
)
def test_what_it_cannot_play_is_refused(labels, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        made(pictures(labels=labels), **settings)
