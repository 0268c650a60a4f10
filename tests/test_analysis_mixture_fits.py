"""Fits of mixtures: awkward codes stop none, and none ends far below the best of many."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from analysis.expectation import fit_gaussians
from analysis.gaussians import COVARIANCES
from analysis.mixture_fits import fit_mixture


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


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
                again, _ = fit_gaussians(x[::2], k, covariance=covariance, rng=rng, start=fitted, iterations=5)
                for one in (fitted, again):
                    np.linalg.cholesky(one.covariances)  # raises where one is not
                    assert np.isfinite(one.responsibilities(x)[1]).all(), name


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


@pytest.mark.parametrize("name", ["stretched", "rings", "unequal"])
def test_no_fit_is_worse_than_ten_of_scikit_learn(name: str, rng: np.random.Generator) -> None:
    codes, k = planted(rng, name)
    fitted = fit_gaussians(codes, k, covariance="full", rng=rng)[0]
    theirs = GaussianMixture(k, n_init=10, random_state=0).fit(codes)
    assert 2 * len(codes) * (theirs.score(codes) - fitted.responsibilities(codes)[1].mean()) < 10


def test_a_chosen_candidate_is_fitted_thoroughly(rng: np.random.Generator) -> None:
    codes, k = planted(rng, "stretched")
    fitted = fit_mixture(codes, rng=rng, components=(k,), covariances=("full",)).gaussians
    theirs = GaussianMixture(k, n_init=10, random_state=0).fit(codes)
    assert 2 * len(codes) * (theirs.score(codes) - fitted.responsibilities(codes)[1].mean()) < 15
