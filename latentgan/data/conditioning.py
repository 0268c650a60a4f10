"""Conditioning attributes: how a column becomes numbers beside the code, and how a user asks for a value.

An image whose value is missing is left out where networks are conditioned on that attribute, as an unlabelled image is
where they use labels: a stand-in value would teach the generator something that no image showed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from latentgan.data.columns import AttributeKind
from latentgan.errors import ConfigError, DataError, known_names
from latentgan.io.file_models import ConditionFile

Singles = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


MAX_CATEGORIES = 1_000
"""A categorical attribute has at most this many values."""


DOUBTFUL_DEVIATIONS = 3.0
"""Beyond this many standard deviations from the mean, a value that a user asks for is called doubtful."""


_YES, _NO = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0", "-1")


_KINDS: dict[AttributeKind, Literal["numeric", "boolean", "categorical"]] = {
    "numeric": "numeric",
    "boolean": "boolean",
    "text": "categorical",
}


class Condition(ConditionFile):
    """One attribute that networks are conditioned on.

    Args:
        name: name of the column.
        kind: "numeric" is standardised, "boolean" becomes -1 or 1, "categorical" becomes one-hot.
        mean: mean of a numeric attribute over the training rows, in its own unit.
        deviation: its standard deviation there.
        low: its 5th percentile there.
        high: its 95th percentile there.
        values: values of a categorical attribute, sorted.
    """

    @property
    def width(self) -> int:
        """Number of columns of the encoded attribute."""
        return len(self.values) if self.kind == "categorical" else 1

    @property
    def neutral(self) -> tuple[float, ...]:
        """Encoded value where nothing is known, (width,): the mean, halfway, or 1/K for each of K values."""
        return (1 / self.width,) * self.width if self.kind == "categorical" else (0.0,)

    def encode(self, column: np.ndarray) -> Singles:
        """Return the encoded values, (n, width) float32, of values (n,); NaN where one is missing or unknown."""
        if self.kind == "categorical":
            places = {value: place for place, value in enumerate(self.values)}
            result = np.array([places.get(value, -1) for value in column.tolist()], dtype=np.int64)
            one_hot = np.eye(self.width, dtype=np.float32)[result]
            one_hot[result < 0] = np.nan
            return one_hot
        scaled = column * 2 - 1 if self.kind == "boolean" else (column - self.mean) / self.deviation
        return np.asarray(scaled, dtype=np.float32)[:, None]

    def decode(self, encoded: np.ndarray) -> list[Any]:
        """Return the values (n) of encoded ones (n, width): numbers in their own unit, booleans or texts."""
        if self.kind == "categorical":
            return [self.values[place] for place in encoded.argmax(1)]
        if self.kind == "boolean":
            return [bool(value > 0) for value in encoded[:, 0]]
        return [float(f"{value:.6g}") for value in encoded[:, 0].astype(np.float64) * self.deviation + self.mean]

    def read(self, text: str) -> Singles:
        """Return the encoded value, (width,) float32, that a user asks for as `text`.

        Raises:
            ConfigError: it is no value of this attribute.
        """
        if self.kind == "categorical":
            if text not in self.values:
                raise ConfigError(f"attribute {self.name!r} is never {text!r}; {known_names(text, self.values)}")
            return self._encoded_value(np.array([text], dtype=object))
        if self.kind == "boolean":
            word = text.strip().lower()
            if word not in _YES + _NO:
                raise ConfigError(f"attribute {self.name!r} is true or false, not {text!r}")
            return self._encoded_value(np.array([float(word in _YES)]))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"attribute {self.name!r} is a number, as {self.mean:.4g}, not {text!r}")
        return self._encoded_value(np.array([number]))

    def doubt(self, text: str) -> str | None:
        """Return a sentence where `text` asks for a number far from those of the training images, else None."""
        if self.kind != "numeric" or abs(away := float(self.read(text)[0])) <= DOUBTFUL_DEVIATIONS:
            return None
        return (
            f"{self.name}={text} is {abs(away):.3g} standard deviations from the mean of the training images (5th to "
            f"95th percentile: {self.low:.4g} to {self.high:.4g}): hardly one showed the generator what that looks like"
        )

    def _encoded_value(self, value: np.ndarray) -> Singles:
        row: Singles = self.encode(value)[0]
        return row

    def steps(self, n: int) -> Singles:
        """Return encoded values of a row of about n pictures that differ in this attribute alone, (m, width) float32.

        A numeric one goes evenly from the 5th to the 95th percentile; others take each of their (first n) values.
        """
        if self.kind == "categorical":
            return np.eye(self.width, dtype=np.float32)[:n]
        if self.kind == "boolean":
            return np.array([[-1.0], [1.0]], dtype=np.float32)
        return self.encode(np.linspace(self.low, self.high, n))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self.model_dump(), "values": list(self.values)}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Return what `as_dict` gave.

        Raises:
            TypeError: it is damaged.
        """
        try:
            return cls(**tree)
        except ValueError as error:
            raise TypeError(f"no conditioning attribute: {error}") from error


def fit_conditions(
    names: Sequence[str],
    columns: Mapping[str, np.ndarray],
    kinds: Mapping[str, AttributeKind],
    train: np.ndarray,
    description: str,
) -> tuple[Condition, ...]:
    """Return how each named attribute is encoded.

    Args:
        names: names of columns.
        columns: values (n,) of all attributes, see `Columns`.
        kinds: kind of each attribute.
        train: rows (m,) over which mean, deviation, percentiles and values are taken.
        description: name of the images, for messages.

    Raises:
        DataError: there is no such attribute, it is the same on all training rows, or it has too many values.
    """
    return tuple(_condition(name, columns, kinds, train, description) for name in names)


def _condition(
    name: str,
    columns: Mapping[str, np.ndarray],
    kinds: Mapping[str, AttributeKind],
    train: np.ndarray,
    description: str,
) -> Condition:
    if not columns:
        raise DataError(
            f"{description} has no attributes, so networks cannot be conditioned on {name!r}: a CSV (--attributes), "
            "Parquet or .npz file has them as columns"
        )
    if name not in columns:
        raise DataError(
            f"{description} has no attribute {name!r}; {known_names(name, tuple(columns))} "
            "(family.label=true conditions on its label)"
        )
    kind, column = _KINDS[kinds[name]], columns[name][train]
    present = np.array([value for value in column.tolist() if value is not None and value == value])
    different = np.unique(present)
    if len(different) < 2:
        constant = f"{different[0]} wherever it is known" if len(different) else "unknown"
        raise DataError(
            f"{description}: attribute {name!r} is {constant} in the training images, so it is no condition"
        )
    if kind == "boolean":
        return Condition(name=name, kind=kind, values=())
    if kind == "categorical":
        if len(different) > min(MAX_CATEGORIES, max(2, len(present) // 2)):
            raise DataError(
                f"{description}: attribute {name!r} has {len(different):,} different texts in {len(present):,} "
                "training images: they are no categories, so they are no condition"
            )
        return Condition(name=name, kind=kind, values=tuple(map(str, different)))
    low, high = np.percentile(present, (5, 95))
    return Condition(
        name=name,
        kind=kind,
        mean=float(present.mean()),
        deviation=float(present.std()),
        low=float(low),
        high=float(high),
        values=(),
    )
