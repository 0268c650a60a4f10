"""Components are groups only where there is a valley: tails, bends and hollows have none, separated clusters have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import report_samples as samples

from analysis.base.statistics import Interval
from analysis.mixtures.model_selection import fit_mixture
from analysis.mixtures.separation import Separation, separation
from analysis.mixtures.views import section as mixture
from analysis.report.context import ReportContext
from latentgan.selfcheck.claims.structure import CONNECTED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def ring(rng: np.random.Generator, n: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.normal(size=(n, 2))


def clusters(rng: np.random.Generator, n: int) -> np.ndarray:
    """Three of 60, 30 and 10 % of the rows, six standard deviations apart."""
    centres = 6 * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
    return np.asarray(centres[rng.choice(3, n, p=(0.6, 0.3, 0.1))] + rng.normal(size=(n, 3)))


def groups(draw: Callable[[np.random.Generator, int], np.ndarray], held: int, rng: np.random.Generator) -> Separation:
    train = draw(rng, 1000)
    fitted = fit_mixture(train, rng=rng, components=(2, 3, 4, 6), restarts=1)
    result = separation(fitted, train, draw(rng, held) if held else train[:0], rng=rng)
    assert result is not None
    assert result.members.shape == fitted.gaussians.weights.shape
    return result


@pytest.mark.parametrize("held", [1000, 0])
@pytest.mark.parametrize("draw", [*CONNECTED.values(), ring], ids=[*CONNECTED, "ring"])
def test_one_connected_cloud_is_one_group(draw: Any, held: int, rng: np.random.Generator) -> None:
    n_groups = [groups(draw, held, rng).groups for _ in range(4)]
    assert sum(each > 1 for each in n_groups) <= 1  # two or more at a rate of 5 % in 1.4 % of such tests


@pytest.mark.parametrize("held", [1000, 0])
def test_separated_clusters_are_as_many_groups(held: int, rng: np.random.Generator) -> None:
    result = groups(clusters, held, rng)
    assert (result.groups, result.refitted) == (3, not held)


def test_the_finding_counts_components_and_groups_apart() -> None:
    chosen = samples.mixture(600, tuple("0123456789"))
    members = np.zeros(chosen.components, np.int64)
    one_group = replace(chosen, separation=Separation(groups=1, members=members, rows=500, refitted=False))
    two_groups = replace(chosen, separation=Separation(groups=2, members=members, rows=500, refitted=True))
    contexts = [ReportContext({"mixtures": each}) for each in (one_group, two_groups)]
    findings = [mixture(context).finding.replace("\u00a0", " ") for context in contexts]
    assert "parts of one group: no valley is shown between them" in findings[0]
    assert "form 2 separate groups with valleys between them" in findings[1]


@pytest.mark.parametrize(
    ("value", "low", "words"),
    [
        (0.93, 0.9, "strongly"),
        (0.49, 0.45, "moderately"),
        (0.2, 0.1, "weakly"),
        (0.02, -0.01, "no more than by chance"),
    ],
)
def test_groups_come_with_split_half_agreement(value: float, low: float, words: str) -> None:
    chosen = samples.mixture(600, tuple("0123456789"))
    members = np.arange(chosen.components)
    split_half = Interval(value, low, value + 0.03, 400)
    result = replace(
        chosen, separation=Separation(groups=10, members=members, rows=500, refitted=False), split_half=split_half
    )
    finding = mixture(ReportContext({"mixtures": result})).finding.replace("\u00a0", " ")
    assert "10 separate groups with valleys between them (p ≤ 0.05, on rows it was not fitted to, n = 500); " in finding
    assert f"two halves of the rows agree {words} (adjusted Rand index {value:.2f} [" in finding
