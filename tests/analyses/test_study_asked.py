"""Studies of factors, of two tables and of samples, as a user asks for them on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
import typer
from typer.testing import CliRunner

from analysis import AnalysisError, Embeddings, load
from analysis import app as cli
from analysis.base.columns import Column
from analysis.disentanglement import study as study_factors
from analysis.disentanglement.study import study as study_disentanglement
from analysis.fidelity.study import study_fidelity
from analysis.model_comparison.study import compare_tables, study_comparison
from analysis.model_comparison.views import section as comparison
from analysis.model_comparison.views import tables as comparison_tables
from analysis.report.context import ReportContext
from analysis.table.overview import summarise
from analysis.table.selection import labelled_columns
from analysis.table.study_options import Options

WIDTH = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits by a PCA, the same turned, other images, and samples: train rows copied, and noise."""
    where = tmp_path_factory.mktemp("asked")
    columns, about = table_maker.digits_columns(WIDTH), table_maker.digits_metadata(WIDTH)
    table_maker.write_table(where / "one.parquet", columns, about)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    turned = {**columns, "code": columns["code"] @ turn}
    order = rng.permutation(len(turned["code"]))
    mixed = {name: _taken(values, order) for name, values in turned.items()}
    table_maker.write_table(where / "turned.parquet", mixed, about)
    table_maker.write_table(where / "other.parquet", columns, about | {"fingerprint": "0" * 64})
    train = np.flatnonzero(table_maker.digits()[2] == "train")[:400]
    copies = columns["code"][train] + 1e-3 * rng.normal(size=(400, WIDTH)).astype(np.float32)
    table_maker.write_table(where / "copies.parquet", {"code": copies})
    table_maker.write_table(where / "noise.parquet", {"code": 3 * rng.normal(size=(400, WIDTH)).astype(np.float32)})
    return where


def _taken(values: Any, order: np.ndarray) -> Any:
    if isinstance(values, np.ndarray):
        return values[order]
    return [values[i] for i in order] if isinstance(values, list) else values.take(order)


def run(*arguments: object) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    cli.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_turned_code_is_the_same_code(folder: Path) -> None:
    found = compare_tables(Embeddings(folder / "one.parquet"), Embeddings(folder / "turned.parquet"), Options())
    assert found.rows == 359 and any("359 common test rows" in note for note in found.notes)
    assert all(one.value.value > 0.999 and one.shuffled < 0.1 for one in found.similarities)
    assert all(one.transferred_auc.value == pytest.approx(one.source_auc.value, abs=0.02) for one in found.transfers)
    assert {"label: 3", "ink", "round"} <= {one.name for one in found.transfers}


def test_models_are_compared_with_all_baselines(folder: Path) -> None:
    first, turned = Embeddings(folder / "one.parquet"), Embeddings(folder / "turned.parquet")
    untrained = Embeddings(folder / "one.parquet", code="untrained.code")
    found = study_comparison(first, [turned, untrained], Options(test_rows=200), draws=2)
    names = [str(folder / "one.parquet"), "turned.parquet", f"{folder / 'one.parquet'}: untrained.code"]
    assert [one.names for one in found.pairs] == [(names[0], names[1]), (names[0], names[2])]
    assert [one.names[1] for one in found.baselines] == ["pixels", f"PCA {WIDTH} of pixels", "untrained.code"]
    cka = [one.similarities[0].value.value for one in (*found.pairs, *found.baselines)]
    assert cka[0] == pytest.approx(1) and cka[1] == pytest.approx(cka[4], abs=0.1) and cka[2] < 0.99
    assert all(one.rows == 200 and len(one.similarities) == 5 for one in (*found.pairs, *found.baselines))
    ink = [
        {t.name: t.transferred_auc.value for t in one.transfers}["ink"] for one in (found.pairs[0], *found.baselines)
    ]
    assert ink[1] == pytest.approx(ink[0], abs=0.1), "pixels hold what a PCA of them tells"
    [*_, (_, header, _)] = comparison_tables(found)
    assert header[6:] == ("to pixels", f"to PCA {WIDTH} of pixels", "to untrained.code", "n")


def test_tables_of_different_images_are_not_compared(folder: Path) -> None:
    with pytest.raises(AnalysisError, match="different images"):
        compare_tables(Embeddings(folder / "one.parquet"), Embeddings(folder / "other.parquet"), Options())


def test_copies_and_noise_differ_from_real_rows(folder: Path) -> None:
    real = Embeddings(folder / "one.parquet")
    copies = study_fidelity(real, Embeddings(folder / "copies.parquet"), Options())
    noise = study_fidelity(real, Embeddings(folder / "noise.parquet"), Options())
    assert copies.copying is not None and copies.copying.closer.low > 0.95 and copies.copying.copies > 380
    assert noise.copying is not None and noise.copying.closer.high < 0.1
    assert copies.samples.precision.low > 0.9 > 0.3 > noise.samples.precision.high
    assert noise.samples.frechet.low > 5 and copies.baseline is not None and copies.baseline.frechet.low < 0.3
    assert any("subsets of" in note for note in copies.notes)
    assert copies.shown is None  # the samples' table has no pictures
    rows = np.flatnonzero(table_maker.digits()[2] == "train")[:400]
    np.testing.assert_array_equal(copies.copying.nearest, rows[copies.copying.sample_rows])


def test_copies_of_any_train_row_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(13_000, 5)).astype(np.float32)
    table_maker.write_table(tmp_path / "real.parquet", {"code": rows, "split": ["train"] * 12_000 + ["test"] * 1000})
    taken = rng.choice(12_000, 400, replace=False)
    table_maker.write_table(tmp_path / "copies.parquet", {"code": rows[taken]})
    real, fake = Embeddings(tmp_path / "real.parquet"), Embeddings(tmp_path / "copies.parquet")
    found = study_fidelity(real, fake, Options(train_rows=500, test_rows=300))
    assert found.copying is not None and found.copying.copies == found.copying.samples == 300
    np.testing.assert_array_equal(rows[found.copying.nearest], rows[taken][found.copying.sample_rows])
    assert found.real_pairs is not None and found.real_distances is not None
    apart = np.linalg.norm(rows[12_000:, None] - rows[None, :12_000], axis=2).min(1)
    assert found.real_distances == pytest.approx(apart[found.real_pairs[:, 0] - 12_000], rel=1e-5)
    assert "real: 300 of 1,000 test rows; samples: 300 of 400 rows of copies.parquet" in found.notes
    assert "the nearest training images are those of all 12,000 train rows" in found.notes
    assert "the baseline: 300 of 12,000 train rows in the samples' place" in found.notes


def test_results_say_what_duplicates_and_balls_were_measured_on(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(16_000, 2)).astype(np.float32)
    split = ["train"] * 10_000 + ["test"] * 6000
    table_maker.write_table(tmp_path / "real.parquet", {"code": rows, "split": split})
    table_maker.write_table(tmp_path / "made.parquet", {"code": rows[::2] + 1e-3})
    found = study_fidelity(Embeddings(tmp_path / "real.parquet"), Embeddings(tmp_path / "made.parquet"), Options())
    said = (
        "distances are those of 6,000 real rows and 8,000 samples, precision, recall, density and coverage those of "
        "4,000 of either, duplicates of 5,000 samples and 5,000 real rows"
    )
    assert said in found.notes and found.modes.rows == 5000


@pytest.mark.parametrize("clusters", [20, 100, 0])
def test_samples_repeat_where_real_rows_of_any_shape_do_not(clusters: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    centres = 10 * rng.normal(size=(max(1, clusters), 8))

    def drawn(count: int) -> np.ndarray:
        return (centres[rng.integers(len(centres), size=count)] + rng.normal(size=(count, 8))).astype(np.float32)

    columns = {"code": drawn(3000), "split": ["train"] * 2000 + ["test"] * 1000}
    table_maker.write_table(tmp_path / "real.parquet", columns)
    real = Embeddings(tmp_path / "real.parquet")
    for name, rows in (("new", drawn(1000)), ("few", drawn(50)[rng.integers(50, size=1000)])):
        table_maker.write_table(tmp_path / f"{name}.parquet", {"code": rows})
        found = study_fidelity(real, Embeddings(tmp_path / f"{name}.parquet"), Options())
        assert found.repeats == (name == "few") and found.real_duplicates.pairs < 30
        printed = run("fidelity", tmp_path / "real.parquet", tmp_path / f"{name}.parquet").stdout
        if found.repeats:
            assert found.modes.number.low <= 50 <= found.modes.number.high
            assert f"samples {found.modes.number.value:.0f} [" in " ".join(printed.split())
        else:
            assert f"samples more than {found.modes.number.low:,.0f}" in " ".join(printed.split())
        assert f"real train rows – {found.real_duplicates.pairs} 1,000" in " ".join(printed.split())


def test_samples_are_shown_with_the_results(folder: Path, tmp_path: Path) -> None:
    images, _, split = table_maker.digits()
    columns = table_maker.digits_columns(WIDTH)
    train = np.flatnonzero(split == "train")[100:300]
    about = table_maker.digits_metadata(WIDTH)
    table_maker.write_table(tmp_path / "s.parquet", {name: _taken(z, train) for name, z in columns.items()}, about)
    said = (
        "fidelity",
        folder / "one.parquet",
        tmp_path / "s.parquet",
        "--features",
        "encoder.hidden",
        "--out",
        tmp_path,
    )
    assert run("prior", folder / "one.parquet", "--out", tmp_path).exit_code == 0
    assert run(*said).exit_code == 0
    found = load(tmp_path)
    result, overview = found["fidelity"], found["overview"]
    assert result.features == "encoder.hidden" and set(found) == {"overview", "prior_match", "fidelity"}
    np.testing.assert_array_equal(result.copying.nearest, train[result.copying.sample_rows])
    expected = np.rint(images[result.copying.nearest] * 255)
    np.testing.assert_array_equal(result.shown, expected)
    assert np.isin(result.copying.nearest, overview.rows).all() and np.isin(result.real_pairs, overview.rows).all()
    assert (split[result.real_pairs[:, 0]] == "test").all() and (split[result.real_pairs[:, 1]] == "train").all()
    other = table_maker.write_table(tmp_path / "o.parquet", columns, about | {"checkpoint": "1" * 64})
    refused = run("fidelity", folder / "one.parquet", other).exception
    assert isinstance(refused, AnalysisError) and "encoded with different models" in str(refused)
    wrong = run(*said[:3], "--features", "wrong")
    assert isinstance(wrong.exception, AnalysisError) and "no vector column 'wrong'" in str(wrong.exception)
    assert "--features" in str(wrong.exception)


def test_a_collapsed_code_is_compared_by_a_sentence_and_not_by_p(folder: Path, tmp_path: Path) -> None:
    columns = table_maker.digits_columns(WIDTH, rows=300) | {"code": np.full((300, WIDTH), 0.1, np.float32)}
    table_maker.write_table(tmp_path / "still.parquet", columns, table_maker.digits_metadata(WIDTH))
    done = run("compare", folder / "one.parquet", tmp_path / "still.parquet", "--out", tmp_path / "out")
    assert done.exit_code == 0 and "nan" not in done.stdout, done.stdout
    assert "all codes of still.parquet are the same: neighbours and maps of them cannot be compared" in done.output
    said = comparison(ReportContext({"model_comparison": load(tmp_path / "out")["model_comparison"]}))
    assert "no more alike than shuffled rows" in str(said.blocks)


def test_factors_are_the_columns_that_are_named(folder: Path) -> None:
    table = Embeddings(folder / "one.parquet")
    found = study_disentanglement(table, None, Options(), factors=("ink", "round"))
    assert found.factors == ("ink", "round") and any("every factor known" in note for note in found.notes)
    with pytest.raises(AnalysisError, match="no column 'wrong'"):
        study_disentanglement(table, None, Options(), factors=("ink", "wrong"))


def test_factors_default_to_shared_columns(tmp_path: Path) -> None:
    columns = table_maker.digits_columns(WIDTH, rows=800)
    columns["name"] = [f"<b>{i}" for i in range(800)]
    columns["rare"] = [float(i) if i % 3 == 0 else None for i in range(800)]
    path = table_maker.write_table(tmp_path / "named.parquet", columns, table_maker.digits_metadata(WIDTH))
    found = study_disentanglement(Embeddings(path), None, Options(test_rows=120))
    assert found.factors == ("label", "ink", "round", "parity") and found.numbers[0] == "z 1"
    assert any("no factors of these rows: 'name', 'rare'" in note for note in found.notes)
    assert [b.name for b in found.scores[0].baselines] == ["random rotations", "PCA 6 of pixels", "untrained.code"]
    few = {name: columns[name] for name in ("split", "label", "code")}
    table_maker.write_table(tmp_path / "few.parquet", few)
    with pytest.raises(AnalysisError, match=r"two known factors that vary, and the table 'few.parquet' has 'label'"):
        study_disentanglement(Embeddings(tmp_path / "few.parquet"), None, Options())


def test_a_column_without_a_name_is_left_out_and_no_second_label(tmp_path: Path) -> None:
    columns = table_maker.digits_columns(WIDTH, rows=800) | {"": np.arange(800), "still": np.ones(800)}
    table = Embeddings(table_maker.write_table(tmp_path / "index.parquet", columns, table_maker.digits_metadata(WIDTH)))
    assert [c.name for c in labelled_columns(table)] == ["label", "ink", "round", "parity", "still"]
    found = study_disentanglement(table, None, Options(test_rows=120))
    assert found.factors == ("label", "ink", "round", "parity")
    assert any("no factors of these rows: 'still'" in note for note in found.notes)
    assert any("a column without a name" in note for note in summarise(table, np.arange(3)).notes)
    wide = {f"dim_{i}": np.ones(60) for i in range(3)} | {"": np.arange(60)}
    assert Embeddings(table_maker.write_table(tmp_path / "wide.parquet", wide), code="*").width("*") == 3


def test_what_is_no_factor_is_named(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, width=WIDTH, rows=800))
    twice = [
        Column(name="ink", kind="numeric", values=values, categories=())
        for values in (np.ones(800), np.arange(800.0), np.arange(800.0))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_factors, "labelled_columns", lambda _: twice)
        kept, notes = study_factors._factors(table, np.arange(800), ())
    assert len(kept) == 2 and "no factors of these rows: 'ink' (" in notes[0]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("geometry", "one.parquet"), "geometry"),
        (("prior", "one.parquet"), "prior_match"),
        (("compare", "one.parquet", "turned.parquet", "one.parquet", "--rows", "100"), "model_comparison"),
        (("fidelity", "one.parquet", "noise.parquet"), "fidelity"),
        (("disentanglement", "one.parquet", "--factor", "ink", "--factor", "round"), "disentanglement"),
    ],
)
def test_every_command_prints_saves_and_gives_json(
    arguments: tuple[str, ...], kind: str, folder: Path, tmp_path: Path
) -> None:
    said = [str(folder / one) if one.endswith(".parquet") else one for one in arguments]
    shown = run(*said, "--out", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert ("[" in shown.stdout or kind == "prior_match") and set(load(tmp_path)) == {"overview", kind}
    body = json.loads(run(*said, "--json").stdout)
    assert body["kind"] == kind


def test_a_table_without_a_known_prior_is_told_so(folder: Path) -> None:
    done = run("prior", folder / "noise.parquet")
    assert isinstance(done.exception, AnalysisError) and "does not say which prior" in str(done.exception)
