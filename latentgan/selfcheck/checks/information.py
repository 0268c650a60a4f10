"""Information in nats, contrastive and reconstruction terms, where their values are known."""

from __future__ import annotations

import math

import torch

from latentgan import losses
from latentgan.selfcheck.checks.base import Check, Checks

CHEN, JI = "Chen et al. 2016, eq. 5", "Ji et al. 2019, eq. 3"


def categorical(device: torch.device) -> Checks:
    """The lower bound of information about a categorical code."""
    code = torch.eye(10, device=device)
    value = float(losses.categorical_information(60 * code, code))
    yield Check(
        name="categorical code of 10, certain Q: log 10",
        source=CHEN,
        value=value,
        expected=math.log(10),
        tolerance=1e-6,
    )
    value = float(losses.categorical_information(torch.zeros_like(code), code))
    yield Check(
        name="categorical code, Q independent of the image: 0", source=CHEN, value=value, expected=0.0, tolerance=1e-6
    )
    table = torch.full((4, 4), 0.1) + 0.6 * torch.eye(4)
    value = float(losses.categorical_information(table.log().to(device), torch.eye(4, device=device)))
    yield Check(
        name="categorical code of 4, Q right with 0.7: log 4 + log 0.7",
        source=CHEN,
        value=value,
        expected=math.log(2.8),
        tolerance=1e-6,
    )


def continuous(device: torch.device) -> Checks:
    """The lower bound of information about uniform codes."""
    code = torch.rand(1000, 2, device=device) * 2 - 1
    value = float(losses.uniform_information(code + torch.tensor([0.1, -0.2], device=device), code))
    true = sum(math.log(2) - 0.5 * math.log(2 * math.pi * math.e * error**2) for error in (0.1, 0.2))
    yield Check(
        name="uniform codes, errors 0.1 and 0.2: Σ log 2 − ½ log(2πe·MSE)",
        source=CHEN,
        value=value,
        expected=true,
        tolerance=1e-4,
    )
    value = float(losses.gaussian_error(code + torch.tensor([0.1, -0.2], device=device), code))
    yield Check(
        name="Gaussian Q of deviation 1: ½ Σ (c − μ)²", source=CHEN, value=value, expected=0.025, tolerance=1e-6
    )


def paired(device: torch.device) -> Checks:
    """Information between the classes that two views give."""
    certain = 60 * torch.eye(5, device=device)
    value = float(losses.paired_information(certain, certain))
    yield Check(
        name="two views agree for certain on 5: log 5", source=JI, value=value, expected=math.log(5), tolerance=1e-5
    )
    same = torch.randn(1, 5, device=device).expand(8, 5)
    yield Check(
        name="classes blind to the image: 0",
        source=JI,
        value=float(losses.paired_information(same, same)),
        expected=0.0,
        tolerance=1e-5,
    )
    first = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]], dtype=torch.float64)
    second = torch.tensor([[1.0, 0.0, 0.0], [-2.0, 3.0, 1.0]], dtype=torch.float64)
    p, q = first.softmax(1).tolist(), second.softmax(1).tolist()
    joint = [[sum(p[n][i] * q[n][j] + q[n][i] * p[n][j] for n in (0, 1)) / 4 for j in range(3)] for i in range(3)]
    margin = [sum(row) for row in joint]
    true = sum(joint[i][j] * math.log(joint[i][j] / margin[i] / margin[j]) for i in range(3) for j in range(3))
    value = float(losses.paired_information(first.float().to(device), second.float().to(device)))
    yield Check(
        name="two soft tables of 3 classes, summed by hand", source=JI, value=value, expected=true, tolerance=1e-6
    )
    value = float(losses.paired_information(certain, certain, balance=2.0))
    yield Check(
        name="two views agree for certain on 5, balance 2: 3 log 5",
        source=JI,
        value=value,
        expected=3 * math.log(5),
        tolerance=1e-5,
    )


def contrastive(device: torch.device) -> Checks:
    """The contrastive term, of equal partners and of a 2 × 2 table by hand."""
    source = "van den Oord et al. 2018, eq. 4"
    value = float(losses.contrastive(torch.zeros(16, 16, device=device)))
    yield Check(
        name="contrastive, 16 partners all alike: log 16",
        source=source,
        value=value,
        expected=math.log(16),
        tolerance=1e-6,
    )
    value = float(losses.contrastive(torch.tensor([[1.0, 2.0], [3.0, 5.0]], device=device)))
    rows = math.log1p(math.e), math.log1p(math.exp(-2))  # row 1 lets the wrong one win by 1
    columns = math.log1p(math.exp(2)), math.log1p(math.exp(-3))
    yield Check(
        name="contrastive, 2 × 2 by hand",
        source=source,
        value=value,
        expected=(sum(rows) + sum(columns)) / 4,
        tolerance=1e-6,
    )


def conditional_entropy(device: torch.device) -> Checks:
    """The bound of conditional entropy at two sizes of images, which it does not depend on."""
    source = "Li et al. 2017 (ALICE), eq. 7"
    for side in (8, 16):
        x = torch.rand(6, 3, side, side, device=device)
        value = float(losses.conditional_entropy_bound(x, x + 0.3))
        yield Check(
            name=f"E ‖x − G(E(x))‖² a pixel, off by 0.3 at {side} × {side}",
            source=source,
            value=value,
            expected=0.09,
            tolerance=1e-6,
        )
