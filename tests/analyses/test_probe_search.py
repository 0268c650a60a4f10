"""The search for a probe's settings: what it finds, what it is worth, and what it claims where there is nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import Embeddings
from analysis.base.linear_models import Rows
from analysis.errors import AnalysisError
from analysis.probes.search import OWN, nested_hits, search_probes
from analysis.results import load_one, save
from analysis.runner import run_study
from analysis.table.study_options import Options


def split(x: np.ndarray, y: np.ndarray, train: int, held: int) -> tuple[Rows, Rows, Rows]:
    ends = np.split(np.arange(len(y)), [train, train + held])
    return tuple(Rows(x[rows].astype(np.float32), y[rows]) for rows in ends)


def noise_tables(columns: int, seed: int, *, train: int = 60, held: int = 60, test: int = 400):
    """Columns that know nothing of two classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, train + held + test)
    return {f"layer{i}": split(rng.normal(size=(len(y), 4)), y, train, held) for i in range(columns)}


def test_the_layer_that_knows_is_chosen():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    know = np.eye(3)[y] * 1.5 + rng.normal(size=(900, 3))
    parts = {
        "layer1": split(rng.normal(size=(900, 3)), y, 300, 200),
        "layer2": split(know, y, 300, 200),
        "pixels": split(rng.normal(size=(900, 5)), y, 300, 200),
        "untrained.layer2": split(rng.normal(size=(900, 3)), y, 300, 200),
        "foreign.net": split(np.eye(3)[y] * 6 + rng.normal(size=(900, 3)), y, 300, 200),
    }
    found = search_probes(parts)
    by_group = {choice.group: choice for choice in found.choices}
    assert next(iter(by_group)) == OWN
    assert found.points[by_group[OWN].point].representation == "layer2"
    assert by_group[OWN].test.value > 0.6
    assert by_group["untrained network"].difference.low > 0.1, "paired difference over test rows"
    assert by_group["foreign.net"].difference.high < 0
    assert by_group["foreign.net"].baseline is False
    assert by_group["pixels and their PCA"].baseline is True
    assert abs(found.shuffled.value - 1 / 3) < 0.1


def test_scale_is_part_of_the_grid():
    """One wide column of signal beside twenty narrow ones of noise: a common scale leaves noise small."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 800)
    x = np.column_stack([(2 * y - 1) * 3 + rng.normal(size=800), 0.01 * rng.normal(size=(800, 60))])
    found = search_probes({"code": split(x, y, 40, 360)}, grid=(1e-2, 1.0))
    best = {
        common: max(point.validation for point in found.points if point.common is common) for common in (False, True)
    }
    assert best[True] > best[False] + 0.02


def test_nested_choice_is_a_plain_loop():
    rng = np.random.default_rng(1)
    hits, fold = rng.random((7, 50)) < 0.5, np.arange(50) % 5
    expected = np.zeros(50, bool)
    for k in range(5):
        means = [row[fold != k].mean() for row in hits]
        best = [i for i, mean in enumerate(means) if mean == max(means)]
        middle = min(best, key=lambda i: abs(i - 3))
        expected[fold == k] = hits[middle][fold == k]
    np.testing.assert_array_equal(nested_hits(hits, fold), expected)


def test_the_best_of_noise_flatters_itself_and_nested_choice_does_not():
    """40 columns of noise: the chosen validation figure is far above chance, nested and test figures are not."""
    chosen, nested, test = [], [], []
    for seed in range(12):
        own = search_probes(noise_tables(40, seed), grid=(1.0,)).choices[0]
        chosen.append(own.validation.value)
        nested.append(own.nested.value)
        test.append(own.test.value)
    assert np.mean(chosen) > 0.58
    assert abs(np.mean(nested) - 0.5) < 0.05
    assert abs(np.mean(test) - 0.5) < 0.02


def test_noise_is_not_said_to_be_ahead():
    """The lead over pixels, in tables where neither knows anything: at most one in ten of 40."""
    claimed = 0
    for seed in range(40):
        parts = noise_tables(6, seed)
        parts["pixels"] = parts.pop("layer5")
        difference = search_probes(parts, grid=(1e-2, 1.0)).choices[1].difference
        claimed += difference.low > 0
    assert claimed <= 4, claimed


def test_a_small_lead_is_found():
    """0.75 against 0.65 correct by construction, 500 test rows: ahead in most of ten tables."""
    ahead = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 900)
        signs = (2 * y - 1)[:, None]
        parts = {
            "code": split(signs * 0.67 + rng.normal(size=(900, 1)), y, 200, 200),
            "pixels": split(signs * 0.39 + rng.normal(size=(900, 1)), y, 200, 200),
        }
        ahead += search_probes(parts, grid=(1e-1,)).choices[1].difference.low > 0
    assert ahead >= 7, ahead


def test_few_validation_rows_are_refused():
    with pytest.raises(AnalysisError, match="a search chooses on validation rows, and there are 12 with a label"):
        search_probes(noise_tables(2, 0, held=12))


def test_baselines_alone_are_refused():
    parts = {"pixels": noise_tables(1, 0)["layer0"]}
    with pytest.raises(AnalysisError, match="a column of the model's own"):
        search_probes(parts)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_maker.digits_table(tmp_path_factory.mktemp("search"), rows=900)


def test_a_table_is_searched_and_its_result_comes_back(table: Path, tmp_path: Path):
    result = run_study("probes", Embeddings(table), None, Options(), methods=("logistic",), search=True)
    assert result.search.choices[0].group == OWN
    assert {point.representation for point in result.search.points} >= {"code", "pixels"}
    save(result, tmp_path)
    assert load_one(tmp_path, "probes").search == result.search


def test_a_protocol_has_settings_of_its_own(table: Path):
    with pytest.raises(AnalysisError, match="--search chooses settings, which --protocol linear has of its own"):
        run_study("probes", Embeddings(table), None, Options(), protocol="linear", search=True)


def test_terminal_and_report_show_grid_and_choice(table: Path, tmp_path: Path, call):
    code, out, err = call("probe", table, "--search", "--out", tmp_path / "results")
    assert code == 0, err
    assert "accuracy on validation rows at every setting" in out
    assert "the best setting of each group" in out
    code, _, err = call("report", tmp_path / "results", "--out", tmp_path / "report.html")
    assert code == 0, err
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The whole grid" in html
    assert "own columns" in html
    assert "untrained network" in html
