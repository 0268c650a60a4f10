"""The table of codes, one row an image: what every analysis reads, column by column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..base.arrays import Bools, Doubles, Ints, Singles, Strings
from ..base.chunked import fits
from ..base.columns import Column, class_order
from ..base.groups import blocks_of, drawn_order, middle_order, on_one_side, own_group, split_whole, straddling
from ..base.serial_correlation import long_enough
from ..errors import AnalysisError, TooLargeError
from ..io.memory import room
from ..io.reading import size, table_metadata
from .code_layout import is_continuous
from .external import MIN_SPLIT_ROWS, SHARES, bundle, drawn_split, no_classes, no_split, refuse
from .overview import Overview, Summary
from .parquet import ParquetRows, read_vectors, streamed_vectors

__all__ = ["Column", "Embeddings", "Overview", "Summary"]

OWN = ("id", "row", "split", "label", "thumbnail", "image", "")  # columns with a meaning of their own, or no name


SCALAR = ("boolean", "numeric", "text")


MAX_NUMBERS = 50  # different numbers, not whole, that are still taken for classes


SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}


class Embeddings:
    """A table of codes on disk. Vectors are read when asked for; nothing is held but labels and splits.

    Args:
        path: a Parquet file, or a folder of them.
        code: the vector column that is the code, or a pattern such as "dim_*" of the columns that hold its numbers; by
            default "code", or the only one, or where a model without an encoder wrote none, its deepest features
            (`stands_in`).
        label: the column that is the label; a table without it is unlabelled.
        split: the column with train, validation, test.
        group: the column that names what rows belong to, such as a clip or a person; by default the one that `latentgan
            encode --group` wrote down.
        blocks: in its place, cut the rows in their order into so many groups.

    Raises:
        AnalysisError: for what is missing.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        code: str | None = None,
        label: str = "label",
        split: str = "split",
        group: str | None = None,
        blocks: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.label = label
        self.split_name = split
        self._table = ParquetRows(self.path)
        self.blocks = blocks
        if code and (names := bundle(self._table.kinds, code, leave={*OWN, label, split})):
            self._table = ParquetRows(self.path, {code: names})
        self.has_ids = "id" in self._table.kinds  # else rows go by their position
        self.nameless = "" in self._table.kinds  # a column without a name, which is left out
        self.code = code or self._default_code()
        self.stands_in = code is None and self.code != "code" and bool(self.metadata)
        self.n = self._table.n
        if self.n == 0:
            raise AnalysisError(f"the table {self.path.name!r} has no rows")
        if self._table.kinds.get(self.code) != "vector":
            self._refuse(self.code, self.vector_columns, "--code COLUMN")
        if label != "label" and label not in self._table.kinds:
            self._refuse(label, self._table.kinds, "--label COLUMN")
        self.group_name = self._group_column(group, blocks)

    def _group_column(self, group: str | None, blocks: int | None) -> str:
        """The column of groups: what was asked for, else what `latentgan encode` wrote down; "" for none."""
        if blocks is not None:
            if group is not None:
                raise AnalysisError(f"rows belong together by --group {group!r} or by --blocks {blocks}: give one")
            blocks_of(self.n, blocks)  # refuses a number that is too small or too large
            return ""
        name = str(self.metadata.get("group", "")) if group is None else group
        if name and name in (self.label, self.split_name):
            role = "label" if name == self.label else "split"
            raise AnalysisError(
                f"column {name!r} is the {role}, so it cannot say which rows belong together: name another with --group"
            )
        if name and self._table.kinds.get(name) not in SCALAR:
            scalars = [column for column, kind in self._table.kinds.items() if kind in SCALAR and column]
            self._refuse(name, scalars, "--group COLUMN")
        return name

    def _default_code(self) -> str:
        """The column "code"; without one the only vectors, or the last feature layer of `latentgan encode`."""
        vectors = [n for n in self.vector_columns if n != "pixels" and not n.startswith("untrained.")]
        return vectors[-1] if "code" not in vectors and vectors and (self.metadata or not vectors[1:]) else "code"

    def _refuse(self, name: str, available: Iterable[str], option: str) -> NoReturn:
        raise refuse(self.path.name, name, available, option, self._table.kinds)

    # What the table is ------------------------------------------------------------------------------

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What `latentgan encode` says about itself; empty for a foreign table."""
        return table_metadata(self._table.metadata.get("latentgan", ""), self.path.name)

    @cached_property
    def identity(self) -> str:
        """A hash of what results depend on: model, images, columns, their roles, and the codes of some rows."""
        about = {key: self.metadata.get(key) for key in ("checkpoint", "fingerprint", "preprocessing")}
        columns = [(name, kind) for name, kind in self._table.kinds.items()]
        facts = [self.n, about, columns, self.code, self.label, self.split_name]
        facts += [["groups", self.group_name, self.blocks]] if self.grouped else []
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        first_rows = np.arange(min(8, self.n))
        for name in self.vector_columns:
            digest.update(np.ascontiguousarray(self._table.vectors(name, first_rows)).tobytes())
        return digest.hexdigest()

    @property
    def n_labels_used(self) -> int:
        """Number of labels that the networks used in training, as `latentgan encode` wrote; 0 where none or unknown.

        Tables of earlier versions have it under another key.
        """
        return int(self.metadata.get("n_labels_used", self.metadata.get("labels_told", 0)))

    @property
    def vector_columns(self) -> tuple[str, ...]:
        """Every column of vectors."""
        return tuple(name for name, kind in self._table.kinds.items() if kind == "vector")

    @property
    def representations(self) -> tuple[str, ...]:
        """The model's own vector columns: the code, then feature layers."""
        layers = [
            name
            for name in self.vector_columns
            if name not in (self.code, "pixels") and not name.startswith("untrained.")
        ]
        return (self.code, *layers)

    def untrained(self, name: str) -> str | None:
        """Name the column of the untrained network's values.

        Args:
            name: of a representation.

        Returns:
            The column, or None where the table has none.
        """
        column = f"untrained.{name}"
        return column if column in self.vector_columns else None

    @property
    def has_pixels(self) -> bool:
        """Whether the raw-pixel baseline is there."""
        return "pixels" in self.vector_columns

    @property
    def pixels_shape(self) -> tuple[int, int, int] | None:
        """(h, w, c) of the pixels column, where the metadata gives it and it fits."""
        shape = self.metadata.get("pixels_shape")
        if not self.has_pixels or not isinstance(shape, list) or len(shape) not in (2, 3):
            return None
        h, w, c = (*map(int, shape), 1)[:3]
        return (h, w, c) if h * w * c == self.width("pixels") else None

    def width(self, name: str) -> int:
        """Count the values in each row of a vector column.

        Args:
            name: of the column.

        Returns:
            d.
        """
        if name not in self.vector_columns:
            self._refuse(name, self.vector_columns, "--code COLUMN")
        return self._table.width(name)

    # Parts of the code ------------------------------------------------------------------------------

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The code's parts as `latentgan encode` wrote them: name, kind, width, encoded, start; none if foreign."""
        parts = self.metadata.get("parts", []) if self.code == "code" else []
        return [part for part in parts if isinstance(part, dict)]

    def _mask(self, keep: Any) -> Bools:
        mask = np.ones(self.width(self.code), np.bool_)
        for part in self.parts:
            mask[int(part["start"]) : int(part["start"]) + int(part["width"])] = keep(part)
        if not mask.any():
            raise AnalysisError(f"the encoder of {self.path.name!r} gives no continuous part of the code")
        return mask

    @cached_property
    def encoded(self) -> Bools:
        """Columns of the code that the encoder gives: (d,)."""
        return self._mask(lambda part: part.get("encoded", True))

    @cached_property
    def continuous(self) -> Bools:
        """Columns of the code that are encoded and continuous: (d,)."""
        return self._mask(lambda part: part.get("encoded", True) and is_continuous(part))

    @property
    def prior(self) -> str:
        """Kind of the continuous parts' prior: "normal", "uniform", "mixed" or "" where unknown."""
        kinds = {str(part.get("kind")) for part in self.parts if part.get("encoded", True) and is_continuous(part)}
        return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else ""

    # Columns ----------------------------------------------------------------------------------------

    def vectors(self, name: str, rows: Ints | None = None) -> Singles:
        """Read a vector column; uint8 becomes [0, 1].

        Args:
            name: of the column.
            rows: (m,) positions in any order; all unless given.

        Returns:
            (m, d) float32.

        Raises:
            AnalysisError: the column is missing, or holds values that are missing, not finite or huge.
        """
        if name not in self.vector_columns:
            self._refuse(name, self.vector_columns, "--code COLUMN")
        count = self.n if rows is None else len(rows)
        if (needed := 8.0 * count * self.width(name)) > (free := room()):
            raise TooLargeError(
                f"{count:,} rows of {self.width(name):,} columns of {name!r} do not fit in memory ({size(needed)}, of "
                f"which {size(free)} are free), and this analysis holds them: leave out --full, or give fewer --rows"
            )
        return read_vectors(self._table, name, rows)

    def matrix(self, name: str, rows: Ints) -> Singles:
        """Read `vectors` where they fit in memory, else a `Stream` for those that go through rows in blocks.

        Args:
            name: of the column.
            rows: (m,) positions, ascending.

        Returns:
            (m, d) float32, in memory or streamed.
        """
        if name not in self.vector_columns or fits(len(rows), self.width(name)):
            return self.vectors(name, rows)
        return streamed_vectors(self._table, name, rows)

    # Rows that belong together ----------------------------------------------------------------------

    @property
    def grouped(self) -> bool:
        """Whether rows belong together, by a column or by blocks."""
        return bool(self.group_name) or self.blocks is not None

    @cached_property
    def groups(self) -> Ints | None:
        """Group of every row, from 0: (n,); None where each row is one by itself. A row without a value is, too."""
        if self.blocks is not None:
            return blocks_of(self.n, self.n_blocks)
        if not self.group_name:
            return None
        if self._table.kinds[self.group_name] == "text":
            return own_group(np.asarray(self._table.texts(self.group_name)[0], np.int64))
        numbers = self._table.numbers(self.group_name)
        distinct = np.unique(numbers[~np.isnan(numbers)])
        return own_group(np.where(np.isnan(numbers), -1, np.searchsorted(distinct, numbers)).astype(np.int64))

    @cached_property
    def n_blocks(self) -> int:
        """Number of blocks: as many as were asked for, or fewer, longer ones where these are not independent."""
        return long_enough(self.n, self.blocks or 1, self.continuous_code, self.values_in_order)

    def continuous_code(self, rows: Ints) -> Singles:
        """Read the code's continuous columns.

        Args:
            rows: (m,) positions.

        Returns:
            (m, d) float32.
        """
        return self.vectors(self.code, rows)[:, self.continuous]

    @property
    def values_in_order(self) -> list[Doubles]:
        """The label and every attribute as numbers, categories as 0 and 1: (n,) each, NaN = unknown."""
        columns: list[Doubles] = []
        for name in [*([self.label] if self.labelled else []), *self.attributes]:
            try:
                columns += self.column(name).as_numbers()
            except AnalysisError:
                continue
        return columns

    def representatives(self, seed: int) -> Ints:
        """Rank all rows; the first of a group's rows stands for it: a drawn one, or the middle one of a block.

        Args:
            seed: of the draw.

        Returns:
            (n,) ranks.
        """
        if self.blocks is not None and self.groups is not None:
            return middle_order(self.groups)
        return drawn_order(self.n, seed)

    @property
    def straddling(self) -> int:
        """Number of groups that the table's own split column tears apart; each is then kept in one split only."""
        return 0 if self.groups is None or not self.has_split else straddling(self._written_split, self.groups)

    # Splits -----------------------------------------------------------------------------------------

    @cached_property
    def split(self) -> Strings:
        """Split of every row: (n,), "" where missing; drawn at random where a foreign table of some size has none.

        No group is in two: one that the split column tears apart stays where one of its rows is, without the others.

        Raises:
            AnalysisError without a split column otherwise.
        """
        if self.has_drawn_split:
            if self.groups is None:
                return drawn_split(self.n)
            try:
                strata = self.column().codes
            except AnalysisError:
                strata = np.zeros(self.n, np.int64)
            return split_whole(self.groups, strata, SHARES, rng=np.random.default_rng(0))
        return self._written_split if self.groups is None else on_one_side(self._written_split, self.groups)

    @cached_property
    def _written_split(self) -> Strings:
        """Split of every row as the column says: (n,), "" where missing."""
        if not self.has_split:
            raise AnalysisError(f"{self.no_split}, so nothing can be held out: add one, or name it with --split COLUMN")
        index, names = self._table.texts(self.split_name)
        named = [SPLITS.get(value, value) for value in (name.strip().lower() for name in names)]
        strange = sorted(set(named) - {"train", "validation", "test", ""})
        if strange:
            raise AnalysisError(
                f"column {self.split_name!r} of {self.path.name!r} holds {strange[0]!r}: "
                "only train, validation and test are known"
            )
        split: Strings = np.array([*named, ""], dtype="U10")[index]  # index -1 picks the last entry
        return split

    @property
    def has_split(self) -> bool:
        """Whether there is a split column."""
        return self._table.kinds.get(self.split_name) == "text"

    @property
    def no_split(self) -> str:
        """The sentence about the split where there is none, which is also where its column is not of text."""
        return no_split(self.path.name, self.split_name, self._table.kinds.get(self.split_name))

    @property
    def has_drawn_split(self) -> bool:
        """Whether a split is drawn, as there is none: it holds rows out from readers, not from the model."""
        lacking = self.split_name == "split" and "split" not in self._table.kinds
        return lacking and not self.metadata and self.n >= MIN_SPLIT_ROWS

    def rows(self, split: str | None = None) -> Ints:
        """Return the rows of a split.

        Args:
            split: its name; None is all rows.

        Returns:
            (m,) positions, ascending.
        """
        return np.arange(self.n) if split is None else np.flatnonzero(self.split == split)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Scalar columns that are neither the label nor the table's own."""
        reserved = {*OWN, self.label, self.split_name, self.group_name}
        reserved -= {self.label} if self.continuous_label else set()
        return tuple(name for name, kind in self._table.kinds.items() if kind in SCALAR and name not in reserved)

    @cached_property
    def continuous_label(self) -> str:
        """The sentence about a label column of measurements, which is read as an attribute; "" for classes."""
        if self._table.kinds.get(self.label) != "numeric":
            return ""
        numbers = np.unique(self._table.numbers(self.label))
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) <= MAX_NUMBERS or bool((numbers == np.rint(numbers)).all()):
            return ""
        return no_classes(self.label, len(numbers))

    @property
    def labelled(self) -> bool:
        """Whether there is a label column that holds classes."""
        return self._table.kinds.get(self.label) in SCALAR and not self.continuous_label

    def column(self, name: str = "", *, option: str = "--label COLUMN") -> Column:
        """Read a label or attribute column of all rows.

        Args:
            name: of the column; "" is the label.
            option: what the user named it by, for messages.

        Returns:
            The column.

        Raises:
            AnalysisError: there is no such column, or it is a label column without a single label.
        """
        if not name and self.continuous_label:
            raise AnalysisError(self.continuous_label)
        name = name or self.label
        if (kind := self._table.kinds.get(name)) not in SCALAR:
            self._refuse(name, [self.label, *self.attributes] if self.labelled else self.attributes, option)
        is_label = name == self.label and not self.continuous_label
        column = self._label(kind) if is_label else self._attribute(name, str(kind))
        if is_label and not column.present.any():
            raise AnalysisError(f"no row of {self.path.name!r} has a label in column {name!r}")
        return column

    def _label(self, kind: str | None) -> Column:
        """Classes as text; empty, missing, NaN and, unless labels are -1 and 1 alone, -1 mean unlabelled."""
        if kind == "text":
            index, names = self._table.texts(self.label)
        else:
            numbers = self._table.numbers(self.label)
            if set(np.unique(numbers[~np.isnan(numbers)]).tolist()) != {-1, 1}:
                numbers = np.where(numbers == -1, np.nan, numbers)
            distinct = np.unique(numbers[~np.isnan(numbers)])
            index = np.where(np.isnan(numbers), -1, np.searchsorted(distinct, numbers)).astype(np.int64)
            names = [f"{number:g}" for number in distinct]
        order = class_order(names, self.metadata.get("classes"))
        place = np.array([order.index(value) for value in names] + [-1], np.int64)
        values = place[index].astype(np.float64)  # index -1 picks the last entry, -1
        return Column(
            name=self.label, kind="class", values=np.where(values < 0, np.nan, values), categories=tuple(order)
        )

    def _attribute(self, name: str, kind: str) -> Column:
        declared = self.metadata.get("attributes", {}).get(name)
        if kind == "text":
            index, names = self._table.texts(name)
            return Column(
                name=name,
                kind="text",
                values=np.where(index < 0, np.nan, index.astype(np.float64)),
                categories=tuple(names),
            )
        values = self._table.numbers(name)
        values = np.where(np.isfinite(values), values, np.nan)
        if kind == "boolean" or declared == "boolean":
            return Column(name=name, kind="boolean", values=values, categories=("false", "true"))
        return Column(name=name, kind="numeric", values=values, categories=())

    def ids(self, rows: Ints) -> Strings:
        """Read the table's ids, or positions where it has none.

        Args:
            rows: (m,) positions.

        Returns:
            (m,) texts.
        """
        if not self.has_ids:
            return np.array([str(row) for row in rows], dtype=np.str_)
        wanted, back = np.unique(rows, return_inverse=True)
        values = ["" if v is None else str(v) for v in self._table.values("id", wanted)]
        return np.array(values, dtype=np.str_)[back]

    def picture_bytes(self, rows: Ints) -> list[bytes] | None:
        """Read encoded thumbnails.

        Args:
            rows: (m,) positions, ascending.

        Returns:
            m encoded pictures, or None where the table has none.
        """
        for name in ("thumbnail", "image"):
            if self._table.kinds.get(name) == "picture":
                values = self._table.values(name, rows)
                return [v.get("bytes") or b"" if isinstance(v, dict) else v or b"" for v in values]
        return None
