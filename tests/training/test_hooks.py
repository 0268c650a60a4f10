"""Which linear layers read a code as it is, for the directions of a generator's first layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis.base.model import ReadsLinearly
from latentgan.data.source import ImageSpec
from latentgan.families.base import configure, load_family
from latentgan.inference.hooks import reading_weights
from latentgan.inference.numpy_model import NumpyModel
from latentgan.networks.blocks import fold_batch_norm

SPEC = ImageSpec(channels=1, height=8, width=8, classes=("a", "b", "c"))


class Again(nn.Module):
    """A network that is given its code twice, the second time between other numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 5), nn.Linear(5 + 3 + 1, 4), nn.Linear(4, 2)

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z).relu()
        h = self.second(torch.cat([h, z, h[:, :1]], dim=1)).relu()
        out: Tensor = self.last(h)
        return out


def test_every_layer_that_reads_the_code_is_found_and_no_other() -> None:
    network, z = Again(), torch.randn(3, 3)
    weights = reading_weights(network, network, z)
    assert weights is not None
    assert torch.equal(weights, torch.cat([network.first.weight, network.second.weight[:, 5:8]]))
    assert not any(layer._forward_pre_hooks for layer in network.modules()), "hooks are gone"


def test_a_changed_code_has_no_reading_layer() -> None:
    network = nn.Sequential(nn.Tanh(), nn.Linear(3, 5))
    assert reading_weights(network, network, torch.randn(3, 3)) is None


def model(name: str, **settings: object) -> NumpyModel:
    torch.manual_seed(0)
    config = configure(name, family=settings)
    return NumpyModel(load_family(name)(config.family, SPEC))


@pytest.mark.parametrize(
    ("name", "settings", "rows"),
    [
        ("bigan", {"latent": 4, "width": 4, "hidden": 16}, 16),
        ("bigan", {"latent": 4, "network": "mlp", "hidden": 16}, 32),  # the paper's second layer reads z again
        ("aae", {"latent": 4, "network": "mlp", "hidden": 16}, 32),
        ("gan", {"latent": 4, "hidden": 16, "spectral": True}, 32),
    ],
)
def test_families_with_a_linear_door_offer_its_weights(name: str, settings: dict[str, object], rows: int) -> None:
    built = model(name, **settings)
    weights = built.first_layer()
    assert isinstance(built, ReadsLinearly)
    assert weights is not None and weights.shape == (rows, built.code_width) and np.isfinite(weights).all()


def test_a_family_that_embeds_part_of_its_code_offers_none() -> None:
    assert model("cgan", latent=4, width=4, hidden=16, condition="embedding").first_layer() is None


def test_batch_norm_behind_the_layer_is_part_of_it() -> None:
    built = model("bigan", latent=4, width=4, hidden=16)
    norm = next(m for m in built.family.generator.modules() if isinstance(m, nn.BatchNorm1d))
    norm.running_var.fill_(4.0)
    scale = norm.weight.numpy()[:, None] / np.sqrt(4 + norm.eps)
    plain = built.first_layer()
    fold_batch_norm(built.family)
    folded = built.first_layer()
    assert plain is not None and folded is not None
    assert folded == pytest.approx(plain * scale, rel=1e-5)
