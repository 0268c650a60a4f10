"""What is done to networks: spectral norm, folded batch norms, maxout."""

from __future__ import annotations

import copy

import torch
from torch import nn

from latentgan.networks import blocks
from latentgan.selfcheck.checks.base import Check, Checks


def spectral_norm(device: torch.device) -> Checks:
    """Largest singular values of layers under spectral norm."""
    layers: dict[str, nn.Linear | nn.Conv2d] = {"convolution": nn.Conv2d(3, 8, 4), "dense layer": nn.Linear(40, 12)}
    for name, layer in layers.items():
        blocks.add_spectral_norm(layer.to(device))
        blocks.settle(layer)
        weight = layer.eval().weight.detach().cpu().double().flatten(1)
        value = float(torch.linalg.svdvals(weight)[0])
        yield Check(
            name=f"largest singular value of a {name}",
            source="Miyato et al. 2018, eq. 8",
            value=value,
            expected=1.0,
            tolerance=1e-4,
        )


@torch.no_grad()
def folded_batch_norm(device: torch.device) -> Checks:
    """Layers into which batch norm was folded, and the two layers one after the other."""
    for name, layer, norm, shape in (
        ("convolution", nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), (4, 3, 9, 9)),
        ("transposed convolution", nn.ConvTranspose2d(3, 5, 3), nn.BatchNorm2d(5), (4, 3, 9, 9)),
        ("dense layer", nn.Linear(7, 5, bias=False), nn.BatchNorm1d(5), (4, 7)),
    ):
        for tensor in (*norm.parameters(), norm.running_mean, norm.running_var):
            nn.init.uniform_(tensor, 0.5, 2.0)  # type: ignore[arg-type]
        plain = nn.Sequential(layer, norm, nn.ReLU()).to(device).eval()
        folded, x = copy.deepcopy(plain), torch.randn(shape, device=device)
        blocks.fold_batch_norm(folded)
        off = float((plain(x) - folded(x)).abs().max())
        yield Check(
            name=f"batch norm folded into a {name}: largest difference",
            source="Ioffe & Szegedy 2015",
            value=off,
            expected=0.0,
            tolerance=1e-5,
        )
        yield Check(
            name=f"batch norm folded into a {name}: norms left",
            source="none",
            value=float(_norms(folded)),
            expected=0.0,
            tolerance=0.0,
        )


def maxout(device: torch.device) -> Checks:
    """Maxout units of three pieces, by hand."""
    x = torch.tensor([[1.0, 4.0, 2.0, -3.0, -7.0, -5.0]], device=device)
    value = blocks.Maxout(3).to(device)(x)
    for i, expected in enumerate((4.0, -3.0)):
        name = f"maxout, unit {i + 1} of three pieces"
        yield Check(
            name=name, source="Goodfellow et al. 2013, §3", value=float(value[0, i]), expected=expected, tolerance=0.0
        )


def _norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
