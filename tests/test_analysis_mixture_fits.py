"""Mixtures of awkward codes: no fit stops, and every covariance that comes out is positive definite."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.expectation import fit_gaussians
from analysis.gaussians import COVARIANCES


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
