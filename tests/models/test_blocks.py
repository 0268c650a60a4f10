"""Maxout and dropout against loops; what a network built of them does in training and in evaluation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from latentgan.networks.blocks import Affine, Maxout, PixelDropout, conv, dense, has_batch_statistics
from latentgan.networks.dcgan import conv_trunk
from latentgan.networks.mlp import mlp_trunk


def test_dense_maxout_is_the_largest_of_each_units_affine_maps():
    torch.manual_seed(0)
    block = dense(4, 3, pieces=5).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    output, (layer, _) = block(x), block
    for n in range(6):
        for i in range(3):
            rows = range(5 * i, 5 * i + 5)
            by_hand = max(sum(layer.weight[j, c] * x[n, c] for c in range(4)) + layer.bias[j] for j in rows)
            assert output[n, i].item() == pytest.approx(by_hand.item(), rel=1e-12)


def test_convolutional_maxout_is_a_maximum():
    torch.manual_seed(0)
    block = conv(2, 3, pieces=4).double()
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    layer = block[0]
    for i in range(3):
        pieces = [conv2d(x, layer.weight[j : j + 1], layer.bias[j : j + 1], 2, 1) for j in range(4 * i, 4 * i + 4)]
        assert torch.allclose(block(x)[:, i : i + 1], torch.stack(pieces).amax(0), rtol=1e-12)
    assert block(x).shape == (2, 3, 4, 4)


def test_the_gradient_of_maxout_goes_to_the_largest_piece_alone():
    x = torch.tensor([[1.0, 3.0, 2.0, -1.0, -5.0, -2.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(Maxout(3)(x).sum(), x)
    assert gradient.tolist() == [[0, 1, 0, 1, 0, 0]]


def test_maxout_with_batch_norm_normalises_every_piece():
    block = dense(4, 3, norm="batch", pieces=2)
    assert block[1].num_features == 6 and block(torch.randn(5, 4)).shape == (5, 3)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_keeps_the_mean(share):
    torch.manual_seed(0)
    block = dense(1, 200_000, drop=share)
    nn.init.zeros_(block[0].weight)
    nn.init.ones_(block[0].bias)
    out = block(torch.ones(1, 1))
    dropped = (out == 0).float().mean().item()
    assert dropped == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 200_000))
    assert out[out != 0].unique().item() == pytest.approx(1 / (1 - share))
    assert (block.eval()(torch.ones(1, 1)) == 1).all()


def test_a_dropped_pixel_is_black_and_black_stays_black():
    torch.manual_seed(0)
    x = torch.cat([torch.full((1, 50_000), -1.0), torch.full((1, 50_000), 0.5)])
    out = PixelDropout(0.2)(x)
    assert (out[0] == -1).all()
    assert out[1].unique().tolist() == pytest.approx([-1.0, 1.5 / 0.8 - 1])
    assert out[1].mean().item() == pytest.approx(0.5, abs=0.02)
    assert PixelDropout(0.2).eval()(x) is x


@pytest.mark.parametrize("trunk", [mlp_trunk, conv_trunk])
def test_maxout_and_dropout_keep_the_shapes(trunk):
    x = torch.rand(3, 1, 8, 8)
    plain, other = trunk((1, 8, 8), hidden=6), trunk((1, 8, 8), hidden=6, pieces=5, drop=0.5, drop_input=0.2)
    assert [name for name, _ in other.named_children()] == [name for name, _ in plain.named_children()]
    assert other(x).shape == plain(x).shape
    widths = [[m.weight.shape[0] for m in network.modules() if isinstance(m, Affine)] for network in (plain, other)]
    assert widths[1] == [5 * width for width in widths[0]]
    assert not has_batch_statistics(other)
    assert not torch.equal(other(x), other(x)), "training draws"
    other.eval()
    assert torch.equal(other(x), other(x))
    kinds = [type(m).__name__ for m in other.modules()]
    assert kinds.count("Dropout") == kinds.count("Maxout") == len(widths[1]) and kinds.count("PixelDropout") == 1
    assert not any(isinstance(m, nn.LeakyReLU) for m in other.modules())
