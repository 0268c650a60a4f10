"""Typed models of the files that analyses and the report read: a wrong type or a missing key is named at the door.

Keys that a model does not name are kept and not looked at.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]


Tree = dict[str, Any]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class FileModel(BaseModel):
    """Base of all: frozen, nothing is converted from one type to another."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


class ProbeFile(FileModel):
    """The entry "about" of a fitted probe."""

    format: Literal[1]
    column: str
    pool: Annotated[int, Field(ge=0, lt=2**31)]
    checkpoint: str
    target: str
    classes: Annotated[Names, Field(min_length=1)]
    c: Annotated[float, Field(gt=0)]
    accuracy: Annotated[tuple[float, float, float, int], BeforeValidator(_as_tuple)]


class PartFile(FileModel):
    """One part of a code, as `latentgan encode` describes it."""

    name: str = ""
    kind: str = ""
    start: Count
    width: Count
    encoded: bool = True


class Preprocessing(FileModel):
    """How features were made."""

    pool: Annotated[int, Field(ge=0, lt=2**31)] = 0


class TableFile(FileModel):
    """The entry "latentgan" of a table's metadata; all of it may be missing, as in a foreign table."""

    run: str = ""
    command: str = ""
    family: str = ""
    data: str = ""
    checkpoint: str = ""
    fingerprint: str = ""
    preprocessing: Preprocessing = Field(default_factory=lambda: Preprocessing())
    parts: list[PartFile] = Field(default_factory=list)
    classes: list[str] | dict[str, str] = Field(default_factory=list)
    layers: list[str] = Field(default_factory=list)
    image: dict[str, Count] = Field(default_factory=dict)
    images_seen: Count = 0
    attributes: dict[str, str] = Field(default_factory=dict)
    pixels_shape: Annotated[list[Count], Field(max_length=3)] | None = None
    n_labels_used: Count = 0
    labels_told: Count = 0  # its name in tables of earlier versions
    group: str = ""


class ResultFile(FileModel):
    """What every result's JSON begins with."""

    kind: str
    command: str = ""
    version: str = ""
    sha256: str | None = None


class ArrayFile(FileModel):
    """An array in a result's JSON, which stands in its .npz."""

    array: str
    dtype: str
    shape: str


class WarningFile(FileModel):
    """One warning of diagnostics.json."""

    name: str = ""
    sentence: str = ""
    images: int = -1
    resolved: bool = False


class DiagnosticsFile(FileModel):
    """diagnostics.json of a run folder."""

    status: str = ""
    warnings: list[WarningFile] = Field(default_factory=list)


class SummaryFile(FileModel):
    """summary.json of a run folder."""

    status: str | None = None
    command: str | None = None
    family: str | None = None
    source: str | None = None
    data: str | None = None
    notes: list[str] | None = None
    images: Count | None = None
    iterations: Count | None = None
    labels: Count | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    device: str | None = None
    threads: Count | None = None
    parameters: dict[str, Count] | None = None
    versions: dict[str, str] | None = None


class EstimateFile(FileModel):
    """One figure of likelihood.json; a single image has no standard error."""

    value: float | None
    standard_error: float | None
    n: Count


class LikelihoodFile(FileModel):
    """likelihood.json of a run folder."""

    split: str = "test"
    pixels: str = ""
    importance: EstimateFile | None = None
    annealed: EstimateFile | None = None
    paired: EstimateFile | None = None
    bound: EstimateFile | None = None
    criterion: EstimateFile | None = None
    independent: EstimateFile | None = None


class DrawsFile(FileModel):
    """samples/posteriors.json of a run folder."""

    draws: list[list[list[float]]] = Field(default_factory=list)
    dimensions: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(default_factory=lambda: [0, 1])


class LogLine(FileModel):
    """One line of metrics.jsonl."""

    images: float | None = None
    iteration: float | None = None
    terms: dict[str, float | None] = Field(default_factory=dict)
    gradient_norm: dict[str, float | None] = Field(default_factory=dict)
    notes: dict[str, float | None] = Field(default_factory=dict)
    indicators: dict[str, float | None] = Field(default_factory=dict)
    images_per_second: float | None = None


class RowsFile(FileModel):
    """samples/rows.json of a run folder: what the rows of sample grids are of."""

    of: str
    count: Count
    names: list[str]
