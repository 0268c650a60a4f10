"""Games on points: the loop without pictures, and the families of ALI's toy of 25 Gaussians."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from latentgan.data.synthetic import ring_of_gaussians
from latentgan.families.base import Family
from latentgan.reproduction.protocols.ali_gaussians import configured, covered, rebuilt
from latentgan.training.toy_loop import play, sampled

SMALL = {"hidden": 16, "discriminator_hidden": 16}
RECIPES = ["ours", "paper", "gan", "gan-ours"]


def played(recipe: str, *, marks: int = 1, **training: Any) -> list[tuple[int, Family]]:
    fixed = {"total_images": 400, "batch_size": 40, "device": "cpu"}
    config = configured(recipe, {"family": SMALL, "training": {**fixed, **training}})
    return list(play(config, ring_of_gaussians(200).source, marks=marks))


def weights(family: Family) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in family.parameters()])


@pytest.mark.parametrize("recipe", RECIPES)
def test_play_yields_untrained_marks_and_finished(recipe):
    states = played(recipe, marks=3)
    assert [images for images, _ in states] == [
        0,
        160,
        280,
        400,
    ]  # a mark is passed by the first iteration that reaches it
    for (_, before), (_, after) in pairwise(states):
        assert not torch.equal(weights(before), weights(after))
    assert not any(family.training for _, family in states)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_seed_fixes_the_game(recipe):
    first, repeated, other = (played(recipe, seed=seed)[-1][1] for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(repeated)) and not torch.equal(weights(first), weights(other))
    assert np.array_equal(sampled(first, 50), sampled(repeated, 50))
    assert not np.array_equal(sampled(first, 50), sampled(first, 50, seed=1))


def test_looking_at_marks_does_not_change_the_game():
    assert torch.equal(weights(played("ours", marks=5)[-1][1]), weights(played("ours")[-1][1]))


def test_the_averaged_weights_are_yielded_not_the_last_ones():
    last, mean = (played("ours", average_halflife_images=halflife)[-1][1] for halflife in (0, 1_000_000))
    assert not torch.equal(weights(last), weights(mean))
    assert torch.allclose(weights(last), weights(mean), atol=0.05)


def test_encode_of_a_toy_ignores_the_noise():
    (_, family), *_ = played("paper")
    x = ring_of_gaussians(200).source.tensor(range(20))
    assert torch.equal(family.encode(x), family.encode(x))
    assert not torch.equal(family.draw(x), family.draw(x))
    assert np.array_equal(rebuilt(family, x, seed=3), rebuilt(family, x, seed=3))


def test_the_discriminator_of_pairs_looks_at_both_of_them():
    (_, family), *_ = played("ours")
    x, z = torch.randn(6, 2, 1, 1), torch.randn(6, 2)
    logits = family.discriminator(x, z)
    assert logits.shape == (6,)
    assert (family.discriminator(x.flip(0), z) - logits).abs().max() > 0
    assert (family.discriminator(x, z.flip(0)) - logits).abs().max() > 0


def test_the_authors_networks_have_the_sizes_of_their_code():
    """Weights by hand, and beside them the last layers' biases, batch norm's gains and offsets, maxout's biases."""
    training = {"total_images": 40, "batch_size": 40, "device": "cpu"}
    (_, family), _ = play(configured("paper", {"training": training}), ring_of_gaussians(200).source)
    sizes = {name: sum(p.numel() for p in child.parameters()) for name, child in family.named_children()}
    assert sizes["encoder"] == 4 * 400 + 400 * 400 + 400 * 2 + 2 + 2 * 2 * 400
    assert sizes["generator"] == 2 * 400 + 3 * 400 * 400 + 400 * 2 + 2 + 4 * 2 * 400
    assert sizes["discriminator"] == 5 * (5 * 200 + 2 * 201 * 200) + 201


def test_points_on_modes_are_counted():
    ring = ring_of_gaussians(2_000)
    coverage = covered(ring.source.images.reshape(-1, 2)[ring.source.labels < 6], ring, seed=0)
    assert coverage["modes covered"].value == coverage["modes reached"].value == 6
    assert coverage["modes covered"].low <= 6 <= coverage["modes covered"].high
    assert coverage["samples near a mode"].value > 0.99
