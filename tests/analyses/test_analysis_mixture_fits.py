"""Fits of mixtures: awkward codes stop none, and none ends far below the best of many."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from analysis.mixtures.em import fit_gaussians
from analysis.mixtures.gaussians import COVARIANCES, Gaussians
from analysis.mixtures.model_selection import fit_mixture


def awkward(rng: np.random.Generator, n: int, d: int) -> dict[str, np.ndarray]:
    codes = rng.normal(size=(n, d))
    return {
        "heavy tails": rng.standard_cauchy((n, d)),
        "unequal scales": codes * np.geomspace(1e-12, 1e12, d),
        "large": codes * 1e15,
        "repeated": np.repeat(codes[: n // 10], 10, axis=0),
        "constant columns": np.where(np.arange(d) < d // 2, 1e6, codes),
        "dependent columns": np.hstack([codes, codes @ rng.normal(size=(d, d))]),
        "far from 0": codes + 1e5,
        "zeros and ones": rng.integers(0, 2, (n, d)).astype(np.float64),
        "one row far out": np.vstack([codes[:-1], np.full((1, d), 1e12)]),
        "mostly zero": codes * (rng.random((n, d)) < 0.02),
    }


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.filterwarnings("error")
def test_covariances_of_awkward_codes_stay_definite(covariance: str) -> None:
    rng = np.random.default_rng(2)
    for n, d, k in ((60, 20, 8), (300, 8, 16)):
        for name, codes in awkward(rng, n, d).items():
            for kind in (np.float32, np.float64):
                x = codes.astype(kind)
                fitted, _ = fit_gaussians(x, k, covariance=covariance, rng=rng, restarts=2, iterations=10)
                refitted, _ = fit_gaussians(x[::2], k, covariance=covariance, rng=rng, start=fitted, iterations=5)
                for gaussians in (fitted, refitted):
                    np.linalg.cholesky(gaussians.covariances)  # raises where one is not
                    assert np.isfinite(gaussians.responsibilities(x)[1]).all(), name


def planted(rng: np.random.Generator, name: str) -> tuple[np.ndarray, int]:
    """Rows of which few runs of EM find the best mixture, and a number of components."""
    if name == "stretched":
        centres, shapes = 1.5 * rng.normal(size=(10, 4)), rng.normal(size=(10, 4, 4)) / 2
        member = rng.choice(10, 2000, p=rng.dirichlet(np.full(10, 2.0)))
        return centres[member] + np.einsum("nij,nj->ni", shapes[member], rng.normal(size=(2000, 4))), 10
    if name == "rings":
        angle, radius = rng.uniform(0, 2 * np.pi, 1500), rng.choice([1, 3], 1500)
        codes = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.3 * rng.normal(size=1500)], axis=1)
        codes[:, :2] += 0.1 * rng.normal(size=(1500, 2))
        return codes, 12
    share = 0.6 ** np.arange(8)
    member = rng.choice(8, 2000, p=share / share.sum())
    spread = np.geomspace(0.3, 2, 8)[member][:, None]
    return 4 * rng.normal(size=(8, 3))[member] + spread * rng.normal(size=(2000, 3)), 8


def worse(theirs: GaussianMixture, codes: np.ndarray, log_likelihood: float) -> float:
    """BIC beyond that of scikit-learn's mixture of the same form; less than 0 is better."""
    return float(2 * len(codes) * (theirs.score(codes) - log_likelihood))


@functools.cache
def best_of_ten(name: str, seed: int) -> float:
    """Mean log-likelihood of a planted set under the best of ten fits of scikit-learn's."""
    codes, k = planted(np.random.default_rng(seed), name)
    return float(GaussianMixture(k, n_init=10, random_state=0).fit(codes).score(codes))


def behind(fit: Callable[..., Gaussians], name: str) -> list[float]:
    """BIC of a fit beyond the best of ten of scikit-learn's in five planted sets; less than 0 is better."""
    shortfalls = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        codes, k = planted(rng, name)
        ours = fit(codes, k, rng).responsibilities(codes)[1].mean()
        shortfalls.append(float(2 * len(codes) * (best_of_ten(name, seed) - ours)))
    return shortfalls


@pytest.mark.parametrize("name", ["stretched", "rings", "unequal"])
def test_fits_keep_up_with_ten_of_scikit_learn(name: str) -> None:
    """Another draw of scikit-learn's own ten runs ends up to 390 higher in these sets."""
    shortfalls = behind(lambda codes, k, rng: fit_gaussians(codes, k, covariance="full", rng=rng)[0], name)
    assert max(shortfalls) < 25
    assert np.median(shortfalls) < 1


@pytest.mark.parametrize("name", ["stretched", "rings", "unequal"])
def test_chosen_mixtures_keep_up_with_ten_of_scikit_learn(name: str) -> None:
    def chosen(codes: np.ndarray, k: int, rng: np.random.Generator) -> Gaussians:
        return fit_mixture(codes, rng=rng, components=(k,), covariances=("full",)).gaussians

    shortfalls = behind(chosen, name)
    assert max(shortfalls) < 75
    assert np.median(shortfalls) < 1
