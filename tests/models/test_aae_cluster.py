"""The clustering adversarial autoencoder: its terms, the heads' penalty, and that no label is ever seen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import one_iteration
import pytest
import torch
from one_iteration import CODE_NETWORKS, pictures, small
from torch import Tensor
from torch.nn.functional import softplus

from latentgan.data.batches import Batch, Batches
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError
from latentgan.families.aae_cluster import ClusterHeads, head_penalty

VIEWS = {"consistency_weight": 0.5, "consistency_balance": 2.0, "augment": {"rotation": 20.0}}


def made(source: ImageSource, **settings: Any) -> Any:
    return small("aae_cluster", source, **{"clusters": 4, "latent": 2, **settings})


def iteration(family: Any, batches: Any) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    torch.manual_seed(1)
    return one_iteration.iteration(family, batches, CODE_NETWORKS)


def batches_of(source: ImageSource) -> Batches:
    return Batches(source, batch_size=16, seed=0, device="cpu")


def information(first: Tensor, second: Tensor, balance: float) -> float:
    """balance · (H_j + H_k) − H_jk of the symmetric joint of two views' clusters, (n, m) probabilities each."""
    joint = first.T @ second / len(first)
    joint = (joint + joint.T) / 2
    entropy = [-(p * p.log()).sum() for p in (joint.sum(0), joint.sum(1), joint)]
    return float(balance * (entropy[0] + entropy[1]) - entropy[2])


@pytest.mark.parametrize("reduction", [False, True], ids=["clusters", "reduction"])
def test_the_terms_are_the_papers_computed_anew_in_float64(reduction):
    source = pictures()
    family = made(source, reduction=reduction, head_weight=0.3, **VIEWS)
    objectives, given = iteration(family, batches_of(source))
    x = next(batches_of(source)).image
    assert torch.equal(given["encoder"][:16], x) and given["encoder"].shape == (32, 1, 8, 8)
    assert (given["encoder"][16:] - x).abs().mean() > 0.05  # another view, of the same images
    family.double()
    with torch.no_grad():
        out = family.head(family.encoder(given["encoder"].double()))
        p, z = out[:, :4].softmax(1), out[:16, 4:]
        code = torch.cat([p[:16], z], 1)
        decoded = code
        expected = {}
        if reduction:
            (heads,) = family.reduction.parameters()
            decoded = p[:16] @ heads + z
            pairs = [(i, j) for i in range(4) for j in range(i)]
            gaps = [max(0.0, 6.0 - math.dist(heads[i].tolist(), heads[j].tolist())) for i, j in pairs]
            expected["autoencoder", "heads"] = 0.3 * sum(gaps)
        style, classes = (family.get_submodule(n)(given[n].double()) for n in ("discriminator", "class_discriminator"))
        expected |= {
            ("autoencoder", "reconstruction"): (x.double() - family.decoder(decoded)).square().mean(),
            ("discriminator", "real"): softplus(-style[:16]).mean(),
            ("discriminator", "fake"): softplus(style[16:]).mean(),
            ("discriminator", "class_real"): softplus(-classes[:16]).mean(),
            ("discriminator", "class_fake"): softplus(classes[16:]).mean(),
            ("encoder", "fake"): softplus(-style[16:]).mean(),
            ("encoder", "class_fake"): softplus(-classes[16:]).mean(),
            ("autoencoder", "consistency"): -0.5 * information(p[:16], p[16:], 2.0),
        }
    assert {(player, term) for player, terms in objectives.items() for term in terms} == set(expected)
    for (player, term), value in expected.items():
        assert float(objectives[player][term].detach()) == pytest.approx(float(value), abs=5e-6), (player, term)
    drawn = given["class_discriminator"][:16]
    assert torch.equal(drawn.sort(1).values, torch.tensor([[0.0, 0.0, 0.0, 1.0]]).expand(16, 4))
    assert torch.allclose(given["class_discriminator"][16:].double(), p[:16], atol=1e-5)
    assert torch.allclose(given["decoder"].double(), decoded, atol=1e-5)


class Unlabelled:
    """A stream of the same images without their labels, and no stream of labelled ones."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __next__(self) -> Batch:
        return replace(next(self.batches), label=None)


def test_it_learns_the_same_where_there_is_no_label():
    source = pictures()
    objectives, _ = iteration(made(source, **VIEWS), batches_of(source))
    unlabelled, _ = iteration(made(source, **VIEWS), Unlabelled(batches_of(source)))
    for player, terms in objectives.items():
        for term, value in terms.items():
            assert torch.equal(value, unlabelled[player][term]), (player, term)
    assert not made(source).uses_labels
    made(pictures(labels=False))


def test_without_a_weight_no_view_is_made():
    source = pictures()
    terms, given = iteration(made(source), batches_of(source))
    assert given["encoder"].shape[0] == 16 and set(terms["autoencoder"]) == {"reconstruction"}


def test_consistency_moves_the_clusters_and_not_the_style():
    source = pictures()
    family = made(source, **VIEWS)
    terms, _ = iteration(family, batches_of(source))
    head, trunk = torch.autograd.grad(
        terms["autoencoder"]["consistency"], [family.head.weight, family.encoder.conv1[0].weight]
    )
    assert trunk.abs().max() > 0 and head[:4].abs().max() > 0 and head[4:].abs().max() == 0


def test_heads_that_are_close_are_pushed_apart_linearly():
    heads = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    # Distances 5, 2 and √13; η = 4.
    penalty = head_penalty(heads, 4.0)
    assert float(penalty.detach()) == pytest.approx((4 - 2) + (4 - math.sqrt(13)), abs=1e-6)
    (gradient,) = torch.autograd.grad(penalty, heads)
    along = torch.tensor([3.0, 2.0], dtype=torch.float64) / math.sqrt(13)  # from the third head to the second
    expected = torch.stack([torch.tensor([0.0, 1.0], dtype=torch.float64), -along, along - torch.tensor([0.0, 1.0])])
    assert torch.allclose(gradient, expected, atol=1e-6)


def test_coinciding_heads_give_no_nan():
    far = (10 * torch.eye(4)).requires_grad_()
    penalty = head_penalty(far, 6.0)
    assert float(penalty.detach()) == 0 and torch.autograd.grad(penalty, far)[0].abs().max() == 0
    same = torch.zeros(2, 3, requires_grad=True)
    penalty = head_penalty(same, 6.0)
    assert float(penalty.detach()) == 6 and torch.isfinite(torch.autograd.grad(penalty, same)[0]).all()


def test_heads_start_as_far_apart_as_they_are_asked_to_be():
    torch.manual_seed(0)
    heads = ClusterHeads(400, 5, distance=6.0).weight.detach()
    assert float(torch.pdist(heads).square().mean().sqrt()) == pytest.approx(6, rel=0.05)


def test_the_representation_decides_the_image():
    source = pictures()
    family = made(source, reduction=True, latent=3).eval()
    (heads,) = family.reduction.parameters()
    first, second = torch.zeros(1, 7), torch.zeros(1, 7)
    first[0, 1], first[0, 4:] = 1, torch.tensor([0.3, -0.2, 0.1])
    second[0, 2], second[0, 4:] = 1, first[0, 4:] + heads[1].detach() - heads[2].detach()
    with torch.no_grad():
        assert torch.allclose(family.decode(first), family.decode(second), atol=1e-5)
        x, outputs = source.tensor(range(5)), []
        layer = family.feature_layers()["reduction.representation"]
        layer.register_forward_hook(lambda *given: outputs.append(given[2]))
        code = family.represent(x)
        assert code.shape == (5, 7) and torch.allclose(outputs[0], code[:, :4] @ heads + code[:, 4:], atol=1e-6)


def test_heads_belong_to_the_autoencoder_alone():
    players = made(pictures(), reduction=True).players()
    heads = {name for name, player in players.items() if any("representation" in key for key in player.names)}
    assert heads == {"autoencoder"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"consistency_weight": 1.0}, r"random view.*family\.augment\.rotation=15"),
        ({"augment": {"rotation": 10.0}}, r"set family\.consistency_weight=1, or leave it out"),
    ],
)
def test_what_it_cannot_play_is_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        made(pictures(), **settings)
