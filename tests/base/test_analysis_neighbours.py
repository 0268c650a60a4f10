"""Nearest neighbours are exact where float32 is not, and rows at exactly a distance are within it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from analysis.base.distances import at_most, squared_gaps
from analysis.base.nearest import nearest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def clusters(apart: float) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.normal(size=(2000, 3)) + apart * rng.integers(0, 2, size=(2000, 1))


def one_wide_column(rng: np.random.Generator) -> np.ndarray:
    return np.column_stack([1000 * rng.normal(size=3000), rng.normal(size=(3000, 8))]).astype(np.float32)


def one_row_far_off(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.normal(size=(1999, 6)), np.full((1, 6), 1e9)])


TABLES = {f"{apart:g} deviations apart": clusters(apart) for apart in (1e2, 1e3, 1e4, 1e6)} | {
    "one wide column": one_wide_column,
    "one row far off": one_row_far_off,
    "tiny numbers": lambda rng: 1e-25 * rng.normal(size=(1000, 4)),
    "large numbers": lambda rng: 1e25 * rng.normal(size=(1000, 4)),
    "on a grid": lambda rng: rng.integers(0, 4, size=(1500, 5)).astype(np.float32),
}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("table", TABLES)
def test_neighbours_are_exact(table: str, k: int, rng: np.random.Generator) -> None:
    x = TABLES[table](rng)
    index, distance = nearest(x, x, k=k, exclude_self=True)
    expected = cKDTree(x.astype(np.float64)).query(x, k=k + 1)[0][:, 1:]
    np.testing.assert_allclose(distance, expected, rtol=1e-9)
    assert (index != np.arange(len(x))[:, None]).all() and all(len(set(row)) == k for row in index.tolist())
    asked = x[:300] + rng.normal(size=(300, x.shape[1])) * x[1:].std(0)
    index, distance = nearest(asked, x, k=k)
    np.testing.assert_allclose(distance, cKDTree(x.astype(np.float64)).query(asked, k=[*range(1, k + 1)])[0], rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(asked[:, None] - x[index].astype(np.float64), axis=2), distance)


def test_all_rows_alike_are_at_no_distance() -> None:
    index, distance = nearest(np.full((5000, 16), 0.3), np.full((5000, 16), 0.3), k=3, exclude_self=True)
    assert (distance == 0).all() and (index != np.arange(5000)[:, None]).all()


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_pairs_at_exactly_a_distance_are_within_it(offset: float, rng: np.random.Generator) -> None:
    x, y = (rng.integers(0, 3, size=(n, 7)) / 10 + offset * rng.integers(0, 2, size=(n, 1)) for n in (300, 200))
    direct = cdist(x, y, "sqeuclidean")
    for limit in np.unique(direct[direct < 100])[:5]:
        inside = at_most(squared_gaps(x, y), np.float64(limit * (1 + 1e-12)), x, y)
        np.testing.assert_array_equal(inside, direct <= limit * (1 + 1e-12))
