"""The table of codes: what it gives, and the sentence for each thing that it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings
from analysis import app as cli
from analysis.catalogue import ANALYZE
from analysis.neighbours.study import share_of_neighbours
from analysis.runner import run_all
from analysis.table.overview import summarise
from analysis.table.selection import held_out, sampling_notes
from analysis.table.study_options import Options, needs_model


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    return Embeddings(table_maker.digits_table(tmp_path_factory.mktemp("table")))


def write(folder: Path, **columns: Any) -> Path:
    return table_maker.write_table(folder / "foreign.parquet", columns)


def test_a_table_tells_what_it_holds(table: Embeddings) -> None:
    assert table.n == 1797
    assert table.representations == ("code", "encoder.hidden")
    assert table.untrained("code") == "untrained.code" and table.pixels_shape == (8, 8, 1)
    assert table.attributes == ("ink", "round", "parity")
    assert table.prior == "normal" and table.continuous.all()
    assert [len(table.rows(split)) for split in ("train", "validation", "test")] == [1079, 359, 359]


def test_rows_come_in_the_order_asked_for_over_row_groups(table: Embeddings) -> None:
    rows = np.array([1700, 3, 3, 701])
    assert np.array_equal(table.vectors("code", rows), table.vectors("code")[rows])
    assert table.ids(rows).tolist() == [f"digits/{row}" for row in rows]


def test_pixels_are_read_as_fractions(table: Embeddings) -> None:
    pixels = table.vectors("pixels", np.arange(20))
    assert pixels.dtype == np.float32 and pixels.min() >= 0 and pixels.max() == 1


def test_unlabelled_rows_and_missing_values_are_kept_apart(table: Embeddings) -> None:
    label, ink, parity = table.column(), table.column("ink"), table.column("parity")
    assert label.categories == tuple(map(str, range(10)))
    assert (label.codes[::50] == -1).all() and (label.codes[1:50] >= 0).all()
    assert ink.kind == "numeric" and np.isnan(ink.values[::40]).all() and ink.present.sum() == 1797 - 45
    assert parity.categories == ("<b>odd</b>", "even") and table.column("round").kind == "boolean"


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([3, -1, 10, 3], ("3", "10")),
        ([2.0, float("nan"), 1.0, 2.0], ("1", "2")),
        (["10", "", "9", None], ("9", "10")),
        ([True, False, None, True], ("0", "1")),
    ],
)
def test_labels_of_any_type_become_classes(tmp_path: Path, labels: list[Any], classes: tuple[str, ...]) -> None:
    label = Embeddings(write(tmp_path, code=np.eye(4, dtype=np.float32), label=labels)).column()
    assert label.categories == classes and label.kind == "class"
    assert (label.codes == -1).sum() == sum(v in (-1, "", None) or v != v for v in labels)


def test_a_folder_of_tables_is_one_table(tmp_path: Path) -> None:
    for i in range(3):
        table_maker.write_table(tmp_path / f"{i}.parquet", {"code": np.full((4, 2), i, np.float32)})
    table = Embeddings(tmp_path)
    assert table.n == 12
    assert table.vectors("code", np.array([0, 5, 11]))[:, 0].tolist() == [0, 1, 2]


def test_vectors_of_pandas_lists_and_other_numbers_are_read(tmp_path: Path) -> None:
    import pandas

    path = tmp_path / "pandas.parquet"
    pandas.DataFrame({"code": [np.arange(3.0), np.ones(3)]}).to_parquet(path)
    assert Embeddings(path).vectors("code").tolist() == [[0, 1, 2], [1, 1, 1]]
    half = write(tmp_path, half=np.eye(3, dtype=np.float16))
    assert Embeddings(half, code="half").vectors("half").dtype == np.float32


def test_pixels_survive_a_table_that_pandas_wrote_again(table: Embeddings, tmp_path: Path) -> None:
    import pandas

    path = tmp_path / "again.parquet"
    pandas.read_parquet(table.path).to_parquet(path, row_group_size=500)
    again, rows = Embeddings(path), np.array([5, 700, 1700])
    assert again.has_pixels and again.width("pixels") == 64
    assert np.array_equal(again.vectors("pixels", rows), table.vectors("pixels", rows))
    uneven = write(tmp_path, code=np.eye(2, dtype=np.float32), pixels=[b"12", b"123"])
    assert not Embeddings(uneven).has_pixels, "encoded pictures are of any length"


def test_missing_things_are_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"no table .*nowhere.*latentgan encode"):
        Embeddings(tmp_path / "nowhere.parquet")
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"not parquet at all")
    with pytest.raises(AnalysisError, match="not a readable Parquet file"):
        Embeddings(bad)
    path = write(tmp_path, codes=np.eye(3, dtype=np.float32), more=np.eye(3, dtype=np.float32), digit=[1, 2, 3])
    with pytest.raises(AnalysisError, match=r"no vector column 'code' \(the nearest is 'codes'\).*--code"):
        Embeddings(path)
    with pytest.raises(AnalysisError, match=r"no column 'digits'.*'digit'.*--label"):
        Embeddings(path, code="codes", label="digits")
    table = Embeddings(path, code="codes")
    with pytest.raises(AnalysisError, match="no column 'label'"):
        table.column()
    with pytest.raises(AnalysisError, match=r"no column 'split'.*--split"):
        table.rows("test")
    with pytest.raises(AnalysisError, match="no rows"):
        Embeddings(write(tmp_path, code=np.zeros((0, 2), np.float32)))


def test_strange_splits_and_values_are_refused(tmp_path: Path) -> None:
    eye = np.eye(3, dtype=np.float32)
    with pytest.raises(AnalysisError, match="holds 'holdout'"):
        Embeddings(write(tmp_path, code=eye, split=["train", "test", "holdout"])).rows("test")
    assert Embeddings(write(tmp_path, code=eye, split=["train", "val", None])).rows("validation").tolist() == [1]
    with pytest.raises(AnalysisError, match=r"'code' .* missing or not finite in 1 of 3 rows, first inf in row 1"):
        Embeddings(write(tmp_path, code=np.where(eye > 0, np.array([1, np.inf, 1]), 0))).vectors("code")
    with pytest.raises(AnalysisError, match="'code' is empty in 1 rows, first in row 1"):
        Embeddings(write(tmp_path, code=[[1.0], None, [2.0]])).vectors("code")
    with pytest.raises(AnalysisError, match="different lengths, 1 to 2"):
        Embeddings(write(tmp_path, code=[[1.0], [1.0, 2.0]])).vectors("code")
    with pytest.raises(AnalysisError, match=r"no row of .* has a label"):
        Embeddings(write(tmp_path, code=eye, label=[-1, -1, -1])).column()


def test_parts_that_the_encoder_does_not_give_are_masked(tmp_path: Path) -> None:
    metadata = table_maker.digits_metadata(6) | {
        "parts": [
            {"name": "noise", "kind": "normal", "start": 0, "width": 2, "encoded": False},
            {"name": "class", "kind": "categorical", "start": 2, "width": 3, "encoded": True},
            {"name": "style", "kind": "uniform", "start": 5, "width": 1, "encoded": True},
        ]
    }
    columns = {"code": np.eye(6, dtype=np.float32)}
    table = Embeddings(table_maker.write_table(tmp_path / "parts.parquet", columns, metadata))
    assert table.encoded.tolist() == [False, False, True, True, True, True]
    assert np.flatnonzero(table.continuous).tolist() == [5] and table.prior == "uniform"


def test_the_overview_carries_the_shown_rows(table: Embeddings) -> None:
    overview = summarise(table, np.array([9, 4, 9, 50]))
    assert overview.rows.tolist() == [4, 9, 50] and overview.ids[0] == "digits/4"
    assert overview.thumbnails is not None and overview.thumbnails.shape == (3, 8, 8, 1)
    images = table_maker.digits()[0]
    assert np.array_equal(overview.thumbnails[1], np.rint(images[9] * 255).astype(np.uint8))
    label = overview.columns[0]
    assert label.codes.tolist() == [4, 9, -1]
    assert overview.summaries[0].missing == 36 and sum(overview.summaries[0].counts) == 1761
    assert dict(overview.splits)["train"] == 1079


def test_a_bare_table_has_an_overview_too(tmp_path: Path) -> None:
    overview = summarise(Embeddings(write(tmp_path, code=np.eye(4, dtype=np.float32))), np.arange(4))
    assert overview.thumbnails is None and overview.columns == () and overview.split.tolist() == [""] * 4
    assert any("no pictures" in note for note in overview.notes)


def test_broken_thumbnails_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    picture = pa.array([b"no image", None, b""], pa.binary())
    path = write(tmp_path, code=np.eye(3, dtype=np.float32), thumbnail=picture)
    with pytest.raises(AnalysisError, match="thumbnails is no readable image"):
        summarise(Embeddings(path), np.arange(3))


@pytest.mark.parametrize(
    ("test", "validation", "rows", "said"),
    [
        (30, 10, 30, "test rows"),
        (15, 10, 25, "test and validation rows, since only 15 test rows exist"),
        (9, 6, 100, "rows of all splits, which includes training rows, since only 9 test rows exist"),
    ],
)
def test_training_rows_are_looked_at_only_where_it_is_said(
    test: int, validation: int, rows: int, said: str, tmp_path: Path
) -> None:
    split = ["test"] * test + ["validation"] * validation + ["train"] * (100 - test - validation)
    path = write(tmp_path, code=np.ones((100, 2), np.float32), split=split)
    found, words, _ = held_out(Embeddings(path), None, Options(), least=20)
    assert (len(found), words) == (rows, said) and found.max() == rows - 1


def test_the_agreement_of_neighbours_stays_within_0_and_1() -> None:
    hits, counted = np.array([[True] * 4, [False] * 4]), np.ones((2, 4), bool)
    found = share_of_neighbours(hits, counted)
    assert found is not None and (found.value, found.n) == (0.5, 2) and 0 <= found.low < found.high <= 1
    perfect = share_of_neighbours(np.ones((27, 8), bool), np.ones((27, 8), bool))
    assert perfect is not None and perfect.high == 1 and 0.8 < perfect.low < 0.9
    assert share_of_neighbours(hits, ~counted) is None


@pytest.mark.parametrize(("value", "said"), [(1e30, r"beyond ±1e\+15"), (np.nan, "not finite"), (None, "missing")])
def test_unusable_values_are_named_by_their_row_in_the_table(value: float | None, said: str, tmp_path: Path) -> None:
    codes: list[Any] = [[float(i), 1.0] for i in range(20)]
    codes[13] = [value, 1.0]
    table = Embeddings(write(tmp_path, code=codes))
    with pytest.raises(AnalysisError, match=f"'code'.*{said}.*row 13"):
        table.vectors("code", np.array([15, 13, 2]))
    assert len(table.vectors("code", np.array([15, 2]))) == 2


def test_analyze_refuses_huge_codes_one_analysis_at_a_time(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    codes[7] = 1e30
    path = write(tmp_path, code=codes, split=["train", "train", "test"] * 20, label=[0, 1] * 30)
    done = dict(
        run_all(Embeddings(path), None, Options(), out=tmp_path / "out", settings={"projection": {"methods": ("pca",)}})
    )
    assert set(done) == set(ANALYZE) and all(isinstance(error, AnalysisError) for error in done.values())
    assert "row 7" in str(done["mixtures"])
    assert not (tmp_path / "out").exists()  # where nothing could be done nothing stays, not even an overview of it
    with pytest.raises(AnalysisError, match="is no folder, into which results go: choose another"):
        list(run_all(Embeddings(path), None, Options(), out=path))


def test_a_command_that_can_do_no_analysis_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, code=np.full((60, 3), 1e30, np.float32), label=[0, 1] * 30)
    monkeypatch.setattr("sys.argv", ["analysis", "analyze", str(path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "no analysis could be done" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_numbers_in_a_label_column_are_attributes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=200)
    table = Embeddings(write(tmp_path, code=np.ones((200, 2), np.float32), label=values))
    assert not table.labelled and table.attributes == ("label",) and table.column("label").kind == "numeric"
    with pytest.raises(AnalysisError, match=r"200 different numbers, which are no classes.*--label COLUMN"):
        table.column()
    assert any("numeric attribute" in note for note in summarise(table, np.arange(3)).notes)
    halves = Embeddings(write(tmp_path, code=np.ones((200, 2), np.float32), label=np.rint(values * 2) / 2))
    assert halves.labelled


def test_a_table_without_codes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"no column of vectors.*--code COLUMN"):
        Embeddings(write(tmp_path, label=[1, 2]))


def test_deepest_features_replace_a_missing_code(tmp_path):
    """As `latentgan encode` writes it for a family without an encoder; a foreign table must name one of several."""
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=(40, 3)) for name in ("discriminator.conv1", "discriminator.conv2")}
    beside = {f"untrained.{name}": values for name, values in vectors.items()}
    encoded = Embeddings(table_maker.write_table(tmp_path / "encoded.parquet", vectors | beside, {"family": "dcgan"}))
    assert encoded.code == "discriminator.conv2" and encoded.stands_in
    assert "fit-encoder" in needs_model(encoded)
    assert sampling_notes(Options(), encoded) == [
        "the table has no codes, so 'discriminator.conv2' is read in their place"
    ]
    assert not Embeddings(encoded.path, code="discriminator.conv1").stands_in
    with pytest.raises(AnalysisError, match="--code COLUMN"):
        Embeddings(write(tmp_path, **vectors))


def test_a_foreign_table_is_read_as_it_is(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((60, 11)).astype(np.float32)
    wide = {f"dim_{i}": x[:, i] for i in range(11)}
    path = write(tmp_path, **wide, group=["a", "b"] * 30, **{"dim_name": ["x"] * 60})
    with pytest.raises(AnalysisError, match=r"no column of vectors.*give --code 'dim_\*'"):
        Embeddings(path)
    table = Embeddings(path, code="dim_*", label="group")
    assert np.array_equal(table.vectors("dim_*"), x)  # dim_2 before dim_10
    assert np.array_equal(table.vectors("dim_*", np.array([41, 3])), x[[41, 3]])
    assert table.width("dim_*") == 11
    assert table.attributes == ("dim_name",)
    assert table.vector_columns == ("dim_*",)
    sizes = {name: len(table.rows(name)) for name in ("train", "validation", "test")}
    assert sizes == {"train": 42, "validation": 6, "test": 12}
    assert table.has_drawn_split
    assert not table.has_split
    assert any("drawn at random" in note for note in sampling_notes(Options(), table, train=42))
    only = Embeddings(write(tmp_path, vectors=x))
    assert only.code == "vectors"
    assert not only.stands_in


def test_a_pattern_takes_neither_label_nor_split_nor_rows(tmp_path: Path) -> None:
    numbers = {"dim_²": np.ones(60), "dim_1²": np.ones(60), "dim_10": np.ones(60), "dim_9": np.zeros(60)}
    own = {"row": range(60), "split": [0, 1] * 30, "fold": [1, 0] * 30}
    path = write(tmp_path, **numbers, **own, dim_class=[0, 1, 2] * 20)
    table = Embeddings(path, code="*", label="dim_class", split="fold")
    assert table.labelled, "a label that fits the pattern stays a label"
    assert table.width("*") == 4
    assert not Embeddings(path, code="*", label="dim_class").has_drawn_split, "there is a column 'split'"
    assert Embeddings(path, code="dim_*", label="dim_class").vectors("dim_*")[0].tolist() == [1, 0, 1, 1]


def test_an_empty_pattern_names_what_is_there(tmp_path: Path) -> None:
    numbers = {f"d{i}": np.ones(60) for i in range(5)}
    alike = write(tmp_path, **numbers, dim_class=[0, 1] * 30)
    with pytest.raises(AnalysisError) as caught:
        Embeddings(alike, code="dim_*", label="dim_class")
    assert str(caught.value) == (
        "no column of numbers in the table 'foreign.parquet' fits 'dim_*', label and split apart; it has numbers in "
        "columns like 'd*': choose with --code COLUMN"
    )
    both = write(tmp_path, **numbers, code=np.eye(60, dtype=np.float32))
    with pytest.raises(
        AnalysisError, match=r"fits 'e\*', .* it has vectors in 'code' and numbers in columns like 'd\*':"
    ):
        Embeddings(both, code="e*")
    with pytest.raises(AnalysisError, match="has neither vectors nor columns of numbers that are named alike:"):
        Embeddings(write(tmp_path, one=[1, 2]), code="dim_*")


def test_a_split_of_numbers_is_called_so_and_not_missing(tmp_path: Path) -> None:
    codes = np.eye(60, dtype=np.float32)
    numbered = Embeddings(write(tmp_path, code=codes, split=[0, 1] * 30))
    said = "column 'split' of the table 'foreign.parquet' holds numbers, not train, validation and test"
    with pytest.raises(AnalysisError) as caught:
        numbered.rows("train")
    assert str(caught.value) == f"{said}, so nothing can be held out: add one, or name it with --split COLUMN"
    assert f"no split: {said}" in summarise(numbered, np.arange(3)).notes
    flags = Embeddings(write(tmp_path, code=codes, held=[True, False] * 30), split="held")
    with pytest.raises(AnalysisError, match=r"column 'held' of the table 'foreign\.parquet' holds true and false, not"):
        flags.rows("test")


def test_numbers_missing_in_one_of_many_columns_are_named(tmp_path: Path) -> None:
    columns = {f"d{i}": np.ones(60) for i in range(5)}
    columns["d3"][7] = np.nan
    with pytest.raises(AnalysisError, match=r"missing or not finite in 1 of 60 rows, first nan in row 7"):
        Embeddings(write(tmp_path, **columns), code="d*").vectors("d*")


def test_a_split_that_is_named_and_not_there_is_not_drawn(tmp_path: Path) -> None:
    table = Embeddings(write(tmp_path, code=np.eye(60, dtype=np.float32)), split="part")
    with pytest.raises(AnalysisError, match=r"no column 'part'"):
        table.rows("test")


@pytest.mark.parametrize(
    ("values", "codes"),
    [([-1, 1, -1, 1], [0, 1, 0, 1]), ([-1, 0, 1, 1], [-1, 0, 1, 1]), ([-1, 1, None, 1], [0, 1, -1, 1])],
)
def test_labels_of_minus_1_and_1_alone_are_two_classes(values: list[Any], codes: list[int], tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"code": [[0.0, 1.0]] * 4, "label": values}).to_parquet(tmp_path / "t.parquet")
    assert Embeddings(tmp_path / "t.parquet").column("label").codes.tolist() == codes
