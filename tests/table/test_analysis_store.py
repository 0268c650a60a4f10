"""Results on disk: what is saved comes back, readable, without pickle, and damage is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import table_maker
from equal_results import same

from analysis import AnalysisError, Embeddings, load, save
from analysis.base.statistics import Interval
from analysis.catalogue import ANALYZE
from analysis.cli.job import find_model
from analysis.results import load_command, load_one
from analysis.runner import run_all, run_study
from analysis.table.study_options import Options

QUICK = Options(train_rows=600)
SETTINGS: dict[str, dict[str, Any]] = {
    "projection": {"methods": ("pca",)},
    "mixtures": {"components": (1, 4)},
    "concepts": {"permutations": 19},
    "label_efficiency": {"draws": 3},
    "probes": {"methods": ("logistic", "knn")},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("results")
    table = Embeddings(table_maker.digits_table(folder))
    done = dict(
        run_all(
            table, table_maker.digits_model(), QUICK, out=folder / "results", command="analyze it", settings=SETTINGS
        )
    )
    return folder / "results", done


def test_every_analysis_of_a_table_is_saved_and_comes_back(results: tuple[Path, dict[str, Any]]) -> None:
    folder, done = results
    found = load(folder)
    assert set(found) == {"overview", *ANALYZE} and not any(isinstance(one, Exception) for one in done.values())
    assert all(same(found[kind], one) for kind, one in done.items())
    assert load_command(folder, "probes") == "analyze it"


def test_json_is_valid_and_arrays_need_no_pickle(results: tuple[Path, dict[str, Any]]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    for path in results[0].glob("*.json"):
        body = json.loads(path.read_text(), parse_constant=refuse)
        assert body["kind"] == path.stem and body["version"]
    for path in results[0].glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)
    assert not list(results[0].glob("*.tmp"))


def test_the_overview_has_every_row_that_a_result_shows(results: tuple[Path, dict[str, Any]]) -> None:
    folder, done = results
    rows = load(folder)["overview"].rows
    assert np.isin(done["projection"].rows, rows).all() and np.isin(done["reconstruction"].shown, rows).all()
    assert np.isin(done["mixtures"].nearest[done["mixtures"].nearest >= 0], rows).all()
    assert np.isin(done["interpolation"].pairs, rows).all() and np.isin(done["neighbours"].queries, rows).all()


def test_figures_are_the_same_alone_and_among_others(results: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    alone = run_study("concepts", table, table_maker.digits_model(), QUICK, **SETTINGS["concepts"])
    assert same(alone, results[1]["concepts"])


def test_figures_on_digits_are_what_they_should_be(results: tuple[Path, dict[str, Any]]) -> None:
    done = results[1]
    score = {(p.representation, p.method): p.score for p in done["probes"].probes if p.target == "label"}
    assert score["code", "logistic"].n == 352  # the unlabelled are left out
    assert (
        score["pixels", "knn"].value > 0.97
        and score["code", "logistic"].value > score["untrained.code", "logistic"].high
    )
    ink = {p.representation: p for p in done["probes"].probes if p.target == "ink"}
    assert ink["pixels"].score.value > 0.99 and ink["pixels"].metric == "R2"
    assert done["label_efficiency"].curve[0].representations[0] == "code"
    assert done["reconstruction"].ratio.value == pytest.approx(
        done["reconstruction"].baselines[0].figure.value, abs=0.03
    )
    assert done["interpolation"].along == "slerp" and done["interpolation"].midpoint is not None
    assert done["mixtures"].agreement.nmi.low > done["mixtures"].agreement.shuffled_nmi
    assert done["concepts"].edits.frames.shape[1:] == (8, 7, 8, 8, 1)
    assert {t.representation for t in done["neighbours"].tables} >= {"code", "pixels", "untrained.code"}


def test_a_refused_analysis_leaves_no_older_result_behind(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, rows=400))
    out = tmp_path / "results"
    run_study("reconstruction", table, table_maker.digits_model(), QUICK, out=out)
    done = dict(run_all(table, None, QUICK, out=out, settings=SETTINGS))
    assert isinstance(done["reconstruction"], AnalysisError) and "reconstruction" not in load(out)
    assert dict(load(out)["overview"].refused)["reconstruction"] == str(done["reconstruction"])
    run_study("reconstruction", table, table_maker.digits_model(), QUICK, out=out)
    refused = dict(load(out)["overview"].refused)
    assert "reconstruction" not in refused and "interpolation" in refused


def test_results_of_two_tables_do_not_mix_in_a_folder(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, rows=400))
    out = tmp_path / "results"
    run_study("probes", table, None, QUICK, out=out, **SETTINGS["probes"])
    other = Embeddings(table_maker.digits_table(tmp_path, rows=300))
    with pytest.raises(AnalysisError, match=r"holds results of another table or of other columns \(.*400 rows, code"):
        run_study("projection", other, None, QUICK, out=out, **SETTINGS["projection"])
    assert set(load(out)) == {"overview", "probes"}
    steps = run_all(other, None, QUICK, out=out, settings=SETTINGS)
    while next(steps)[0] != "probes":
        pass
    steps.close()  # as by Ctrl-C
    found = load(out)
    assert found["overview"].n == 300 and set(found) == {"overview", "probes"}
    run_study("projection", other, None, QUICK, out=out, **SETTINGS["projection"])
    labelled = Embeddings(other.path, label="round")
    with pytest.raises(AnalysisError, match="of other columns"):
        run_study("projection", labelled, None, QUICK, out=out, **SETTINGS["projection"])


def test_a_model_that_did_not_make_the_table_decodes_nothing(tmp_path: Path) -> None:
    class Other:
        about: ClassVar = {"sha256": "2" * 64}
        decode = staticmethod(len)

    path = table_maker.digits_table(tmp_path, rows=100)
    rows = pq.read_table(path)
    about = {**json.loads((rows.schema.metadata or {}).get(b"latentgan", b"{}")), "checkpoint": "1" * 64}
    pq.write_table(rows.replace_schema_metadata({b"latentgan": json.dumps(about).encode()}), path)
    with pytest.raises(AnalysisError, match=r"is not the one that .* was encoded with .* encode again"):
        find_model(Embeddings(path), tmp_path, lambda _: Other())
    other_column = Embeddings(path, code="untrained.code")
    assert find_model(other_column, None, lambda _: Other()) is None
    with pytest.raises(AnalysisError, match=r"a model decodes the column 'code', not 'untrained\.code'"):
        find_model(other_column, tmp_path, lambda _: Other())


def test_identifiers_of_one_length_are_no_representation(tmp_path: Path) -> None:
    import pyarrow as pa

    codes = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(40, dtype=np.float32)), 4)
    uuid = pa.array([bytes([i] * 16) for i in range(10)], pa.binary(16))
    pq.write_table(pa.table({"code": codes, "uuid": uuid, "pixels": uuid}), tmp_path / "t.parquet")
    table = Embeddings(tmp_path / "t.parquet")
    assert table.vector_columns == ("code", "pixels") and table.representations == ("code",)
    assert np.allclose(table.vectors("pixels", np.array([3, 1]))[:, 0], [3 / 255, 1 / 255])


def test_damage_and_strangers_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="no results folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(AnalysisError, match="Interval is not a result"):
        save(Interval(1, 1, 1, 1), tmp_path)
    with pytest.raises(AnalysisError, match="unknown kind of result 'os'"):
        load_one(tmp_path, "os")
    (tmp_path / "projection.json").write_text(
        '{"kind": "projection", "rows": {"array": "projection.rows", "dtype": "int64"}}'
    )
    with pytest.raises(AnalysisError, match=r"cannot read the result .*run the analysis again"):
        load(tmp_path)
    np.savez(tmp_path / "projection.npz", **{"projection.rows": np.array([{}], dtype=object)})
    with pytest.raises(AnalysisError, match="cannot read the result"):
        load(tmp_path)
