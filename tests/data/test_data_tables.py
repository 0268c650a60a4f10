"""The CSV beside a folder of images: joining, typing, the label, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentgan.data.columns import codes_from_texts, column_from_texts
from latentgan.data.load import load_source
from latentgan.errors import DataError

ROWS = 12


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve images, the odd ones in a sub-folder."""
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number in range(ROWS):
        path = tmp_path / "set" / name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8)).save(path)
    return tmp_path / "set"


def name(number: int) -> str:
    return f"sub/{number:02d}.png" if number % 2 else f"{number:02d}.png"


def table(folder: Path, *columns: tuple[str, list[Any]], file: str = "file", path: str = "attributes.csv") -> Path:
    header = ",".join([file, *(column for column, _ in columns)])
    lines = [",".join([name(row), *(str(values[row]) for _, values in columns)]) for row in range(ROWS)]
    (folder / path).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder / path


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_source(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


KIND = ["serif", "sans"] * 6
WEIGHT = [str(100 * row) for row in range(12)]


@pytest.mark.parametrize("file", ["file", "filename", "image", "path", "Filename", "file_name"])
def test_rows_join_by_any_of_the_usual_column_names(folder: Path, file: str) -> None:
    table(folder, ("label", KIND), ("weight", WEIGHT), file=file)
    source = load_source(folder)
    for row, identity in enumerate(source.ids):
        number = int(Path(identity).stem)
        assert source.spec.classes[source.labels[row]] == KIND[number]
        assert source.attributes["weight"][row] == 100 * number
    assert source.attribute_kinds == {"weight": "numeric"}


def test_columns_are_numeric_boolean_or_text_with_missing_values(folder: Path) -> None:
    table(
        folder,
        ("bold", ["yes", "no", ""] * 4),
        ("smiling", ["1", "-1"] * 6),
        ("size", ["1.5", "NaN", "2"] * 4),
        ("font", ["a", "", "none"] * 4),
        ("void", [""] * 12),
    )
    source = load_source(folder)
    assert source.attribute_kinds == {"bold": "boolean", "smiling": "boolean", "size": "numeric", "font": "text"}
    by_file = dict(zip(source.ids.tolist(), range(12), strict=True))
    first = [by_file[name(number)] for number in range(3)]
    np.testing.assert_array_equal(source.attributes["bold"][first], [1, 0, np.nan])
    np.testing.assert_array_equal(source.attributes["smiling"][first], [1, 0, 1])
    np.testing.assert_array_equal(source.attributes["size"][first], [1.5, np.nan, 2])
    assert source.attributes["font"][first].tolist() == ["a", None, "none"]
    assert any("'void' is empty" in note for note in source.notes)


def test_the_label_column_is_chosen_in_order(folder: Path) -> None:
    columns = (("note", [f"n{row}" for row in range(12)]), ("weight", WEIGHT), ("kind", KIND), ("bold", [0, 1] * 6))
    table(folder, *columns)
    source = load_source(folder)
    assert source.spec.classes == ("sans", "serif") and "kind" not in source.attributes
    assert (
        "label: column 'kind' of attributes.csv, the first categorical one; --label chooses another, such as bold"
        in source.notes
    )
    chosen = load_source(folder, label="bold")
    assert chosen.spec.classes == ("0", "1") and chosen.attribute_kinds["bold"] == "boolean", "a concept as well"
    table(folder, *columns, ("Label", ["x", "y", "z"] * 4))
    assert load_source(folder).spec.classes == ("x", "y", "z")


def test_without_a_categorical_column_no_labels(folder: Path) -> None:
    table(folder, ("weight", WEIGHT))
    source = load_source(folder)
    assert (source.labels == -1).all() and any("--label chooses one" in note for note in source.notes)


def test_empty_and_minus_one_mean_unlabelled(folder: Path) -> None:
    table(folder, ("label", ["3.0", "7.0", "", "-1"] * 3))
    source = load_source(folder)
    assert source.spec.classes == ("3", "7") and (source.labels == -1).sum() == 6


def test_images_without_a_row_are_unlabelled(folder: Path) -> None:
    path = table(folder, ("label", KIND))
    path.write_text("\n".join(path.read_text().splitlines()[:-4]))
    source = load_source(folder)
    assert (source.labels == -1).sum() == 4
    assert any("no row for 4 of 12 images" in note for note in source.notes)


def test_a_column_called_split_is_the_official_split(folder: Path) -> None:
    table(folder, ("split", ["train", "train", "test"] * 4), ("label", KIND))
    source = load_source(folder)
    assert {int(Path(i).stem) % 3 for i in source.ids[source.split == "test"]} == {2}
    assert "split" not in source.attributes


def test_reserved_column_names_are_changed(folder: Path) -> None:
    table(folder, ("label", KIND), ("id", WEIGHT), ("code", WEIGHT))
    source = load_source(folder)
    assert set(source.attributes) == {"attribute_id", "attribute_code"}
    assert any("'id' is called 'attribute_id'" in note for note in source.notes)


def test_paths_of_other_systems_and_bare_names_find_their_files(folder: Path) -> None:
    cells = [f".\\sub\\{row:02d}.png" if row % 4 == 1 else Path(name(row)).name for row in range(12)]
    lines = [f"{cell},{KIND[row]}" for row, cell in enumerate(cells)]
    (folder / "a.csv").write_text("path,label\n" + "\n".join(lines))
    source = load_source(folder)
    assert (source.labels >= 0).all()
    assert any("without their sub-folder" in note for note in source.notes)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8")])
def test_tables_of_spreadsheet_programs_are_read(folder: Path, separator: str, encoding: str) -> None:
    path = table(folder, ("Größe", WEIGHT), ("label", KIND))
    path.write_text(path.read_text(encoding="utf-8").replace(",", separator), encoding=encoding)
    assert list(load_source(folder).attributes) == ["Größe"]


def test_quoted_cells_may_hold_separators_and_line_breaks(folder: Path) -> None:
    path = table(folder, ("label", KIND), ("text", ['"a, b\nc"'] * 12))
    assert load_source(folder, attributes=path).attributes["text"][0] == "a, b\nc"


def test_the_index_that_a_table_program_writes_is_left_out(folder: Path) -> None:
    lines = table(folder, ("label", KIND)).read_text().splitlines()
    (folder / "attributes.csv").write_text(
        "\n".join(f"{'' if i == 0 else i - 1},{line}" for i, line in enumerate(lines))
    )
    source = load_source(folder)
    assert source.attributes == {} and any("without a name" in note for note in source.notes)


def test_two_tables_need_a_choice(folder: Path, tmp_path: Path) -> None:
    first, second = table(folder, ("label", KIND)), table(folder, ("label", KIND[::-1]), path="other.csv")
    message = refused(folder)
    assert "attributes.csv, other.csv" in message and "--attributes" in message
    assert load_source(folder, attributes=second).labels[0] != load_source(folder, attributes=first).labels[0]
    assert "is no file" in refused(folder, attributes=tmp_path / "gone.csv")


def test_unknown_file_names_are_refused_or_skipped(folder: Path) -> None:
    path = table(folder, ("label", KIND))
    path.write_text(path.read_text().replace("sub/03.png", "sub/03.jpg").replace("04.png", "99.png"))
    message = refused(folder)
    assert "line 5" in message and "'sub/03.jpg'" in message and "1 further" in message and "sub/03.png" in message
    source = load_source(folder, skip_bad=True)
    assert any("sub/03.jpg, 99.png" in note for note in source.notes)


def cells(text: str) -> bytes:
    return text.encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (cells("file,a,a\n00.png,1,2\n"), "column 'a' occurs twice"),
        (cells("file,a\n00.png,1\n02.png\n"), "line 3: 1 cells where the header has 2"),
        (cells("file,a\n00.png,1\n00.png,2\n"), "'00.png' is named twice, in lines 2 and 3"),
        (
            cells("name,a\n00.png,1\n"),
            "no column of file names: call it one of file, filename, image, path; it has 'name', 'a'",
        ),
        (cells("file,a\n,1\n"), "line 2: the cell of column 'file' is empty"),
        (cells("file,a\n"), "no rows"),
        (cells("\n"), "is empty"),
        (cells('file,a\n"00.png,1\n'), "line"),
        (b"file,a\n00.png,caf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (cells("file,a\n00.png,inf\n02.png,2\n"), "'inf' in row 0"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(folder: Path, content: bytes, says: str) -> None:
    (folder / "a.csv").write_bytes(content)
    message = refused(folder)
    assert says in message and "a.csv" in message


def test_a_label_that_is_no_class_is_refused(folder: Path) -> None:
    table(folder, ("label", KIND), ("weight", WEIGHT))
    assert "12 different values in 12 rows" in refused(folder, label="weight")
    assert "no column 'size' for the label; it has label, weight" in refused(folder, label="size")
    table(folder, ("label", ["a"] * 11 + ["b"]))
    assert "class 'b' has a single image (sub/11.png)" in refused(folder)
    table(folder, ("kind", ["a", "b", "c"] + [""] * 9))
    assert "class 'a' has a single image" in refused(folder, label="kind")
    table(folder, ("kind", ["a", "a", "b", "b", "c"] + [""] * 7))
    assert "class 'c' has a single image (04.png); a class needs two" in refused(folder, label="kind")
    table(folder, ("kind", ["a", "a", "b", "c"] + [""] * 8))
    assert "and so has another class" in refused(folder, label="kind")


def test_label_needs_a_table(folder: Path) -> None:
    assert "needs a table" in refused(folder, label="kind")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["True", "false", ""], "boolean"),
        (["Y", "n"], "boolean"),
        (["1", "0"], "boolean"),
        (["1", "1"], "numeric"),
        (["yes", "yes"], "boolean"),
        (["0", "1", "2"], "numeric"),
        (["-1", "0", "1"], "numeric"),
        (["1e3", "NA"], "numeric"),
        (["1,5", "2"], "text"),
        (["", ""], "numeric"),
    ],
)
def test_kinds_of_columns(texts: list[str | None], kind: str) -> None:
    assert column_from_texts(texts, "x")[1] == kind


def test_classes_are_in_natural_order() -> None:
    assert codes_from_texts(["10", "2", "-1", "b", None])[1] == ("2", "10", "b")
    assert codes_from_texts(["10.0", "2.0", "+3"])[1] == ("2", "+3", "10")
