"""Information in nats, contrastive and reconstruction terms, where their values are known."""

from __future__ import annotations

import math

import torch

from latentgan import losses
from latentgan.selfcheck.checks.base import Check, Checks

CHEN, JI = "Chen et al. 2016, eq. 5", "Ji et al. 2019, eq. 3"


def categorical(device: torch.device) -> Checks:
    code = torch.eye(10, device=device)
    value = float(losses.categorical_information(60 * code, code))
    yield Check("categorical code of 10, certain Q: log 10", CHEN, value, math.log(10), 1e-6)
    value = float(losses.categorical_information(torch.zeros_like(code), code))
    yield Check("categorical code, Q that knows nothing: 0", CHEN, value, 0.0, 1e-6)
    table = torch.full((4, 4), 0.1) + 0.6 * torch.eye(4)
    value = float(losses.categorical_information(table.log().to(device), torch.eye(4, device=device)))
    yield Check("categorical code of 4, Q right with 0.7: log 4 + log 0.7", CHEN, value, math.log(2.8), 1e-6)


def continuous(device: torch.device) -> Checks:
    code = torch.rand(1000, 2, device=device) * 2 - 1
    value = float(losses.uniform_information(code + torch.tensor([0.1, -0.2], device=device), code))
    true = sum(math.log(2) - 0.5 * math.log(2 * math.pi * math.e * error**2) for error in (0.1, 0.2))
    yield Check("uniform codes, errors 0.1 and 0.2: Σ log 2 − ½ log(2πe·MSE)", CHEN, value, true, 1e-4)
    value = float(losses.gaussian_error(code + torch.tensor([0.1, -0.2], device=device), code))
    yield Check("Gaussian Q of deviation 1: ½ Σ (c − μ)²", CHEN, value, 0.025, 1e-6)


def paired(device: torch.device) -> Checks:
    certain = 60 * torch.eye(5, device=device)
    value = float(losses.paired_information(certain, certain))
    yield Check("two views agree for certain on 5: log 5", JI, value, math.log(5), 1e-5)
    same = torch.randn(1, 5, device=device).expand(8, 5)
    yield Check("classes blind to the image: 0", JI, float(losses.paired_information(same, same)), 0.0, 1e-5)
    first = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]], dtype=torch.float64)
    second = torch.tensor([[1.0, 0.0, 0.0], [-2.0, 3.0, 1.0]], dtype=torch.float64)
    p, q = first.softmax(1).tolist(), second.softmax(1).tolist()
    joint = [[sum(p[n][i] * q[n][j] + q[n][i] * p[n][j] for n in (0, 1)) / 4 for j in range(3)] for i in range(3)]
    margin = [sum(row) for row in joint]
    true = sum(joint[i][j] * math.log(joint[i][j] / margin[i] / margin[j]) for i in range(3) for j in range(3))
    value = float(losses.paired_information(first.float().to(device), second.float().to(device)))
    yield Check("two soft tables of 3 classes, summed by hand", JI, value, true, 1e-6)
    value = float(losses.paired_information(certain, certain, balance=2.0))
    yield Check("two views agree for certain on 5, balance 2: 3 log 5", JI, value, 3 * math.log(5), 1e-5)


def contrastive(device: torch.device) -> Checks:
    source = "van den Oord et al. 2018, eq. 4"
    value = float(losses.contrastive(torch.zeros(16, 16, device=device)))
    yield Check("contrastive, 16 partners all alike: log 16", source, value, math.log(16), 1e-6)
    value = float(losses.contrastive(torch.tensor([[1.0, 2.0], [3.0, 5.0]], device=device)))
    rows = math.log1p(math.e), math.log1p(math.exp(-2))  # row 1 lets the wrong one win by 1
    columns = math.log1p(math.exp(2)), math.log1p(math.exp(-3))
    yield Check("contrastive, 2 × 2 by hand", source, value, (sum(rows) + sum(columns)) / 4, 1e-6)


def conditional_entropy(device: torch.device) -> Checks:
    source = "Li et al. 2017 (ALICE), eq. 7"
    for side in (8, 16):
        x = torch.rand(6, 3, side, side, device=device)
        value = float(losses.conditional_entropy_bound(x, x + 0.3))
        yield Check(f"E ‖x − G(E(x))‖² a pixel, off by 0.3 at {side} × {side}", source, value, 0.09, 1e-6)
