"""The benchmarks print each figure as soon as it is measured, and their mixtures start where scikit-learn can."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from analysis.mixtures.em import fit_gaussians

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "reproduce"


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("bench", "mixture_bench", "table_bench", "loops", "pythae_loop"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_figure_is_printed_before_the_next(benches: None, capsys: pytest.CaptureFixture[str]) -> None:
    from bench import print_rows

    def rows() -> Iterator[tuple[str, float, float, str]]:
        yield "the first", 0.5, 1.0, "×"
        printed.append(capsys.readouterr().out)
        yield "the second", 2.5, 1.0, "×"

    printed: list[str] = []
    assert print_rows(rows()) == 1
    assert "0s the first" in printed[0]


def test_a_crash_keeps_the_figures_before_it(benches: None, capsys: pytest.CaptureFixture[str]) -> None:
    from bench import print_rows

    def rows() -> Iterator[tuple[str, float, float, str]]:
        yield "the first", 0.5, 1.0, "×"
        raise ValueError("too few rows")

    with pytest.raises(ValueError, match="too few"):
        print_rows(rows())
    assert "the first" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "status"), [(1.5, 0), (2.5, 1), (float("nan"), 1)])
def test_a_quick_run_fails_beyond_twice_a_bound(value: float, status: int, benches: None) -> None:
    from bench import print_rows

    assert print_rows(iter([("a ratio", value, 1.0, "×")]), quick=True) == status


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nearly_flat_gaussians_start_scikit_learn(benches: None) -> None:
    """31 rows a component leave it flat in half of 64 directions: the inverse as of any matrix is refused."""
    from mixture_bench import overlapping_codes, precisions

    codes = overlapping_codes(1_000, 0)
    begun, _ = fit_gaussians(codes, 32, covariance="full", rng=np.random.default_rng(0), iterations=5)
    for kind in (np.float64, np.float32):
        given = precisions(begun.covariances).astype(kind)
        model = GaussianMixture(32, init_params="random_from_data", precisions_init=given, max_iter=1, tol=1.0)
        assert np.isfinite(model.fit(codes.astype(kind)).lower_bound_)
