"""Typed models of the files that latentgan writes and reads again: an error names a wrong type or a missing key.

Keys that a model does not name are kept and not looked at, so that a run of a later version is not refused for them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from analysis.io.file_models import Count, FileModel, Names, Tree

Side = Annotated[int, Field(ge=1, lt=2**31)]


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SettingsFile(FileModel):
    """A TOML file of settings; `config.resolve` checks what is in its tables."""

    name: str = ""
    family: Tree = Field(default_factory=dict)
    data: Tree = Field(default_factory=dict)
    training: Tree = Field(default_factory=dict)


class RunFile(SettingsFile):
    """run.toml."""

    name: Annotated[str, Field(min_length=1)]
    fingerprint: str = ""


class WarningFile(FileModel):
    """One warning of diagnostics.json."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str
    sentence: str
    images: int
    resolved: bool = False


class DiagnosticsFile(FileModel):
    """diagnostics.json, and the same in state.json."""

    status: str
    warnings: list[WarningFile]


class StateFile(FileModel):
    """state.json of a checkpoint."""

    sha256: Digest
    iteration: Count
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    counters: dict[str, Count]
    moves: dict[str, Count]
    diagnostics: DiagnosticsFile


class ListFile(FileModel):
    """checkpoints.json: names of the checkpoints that are the run's own."""

    names: list[str]


class ConditionFile(FileModel):
    """A conditioning attribute, as config.json describes it; `latentgan.data.conditioning.Condition` encodes it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str
    kind: Literal["numeric", "boolean", "categorical"]
    mean: float = 0.0
    deviation: float = 1.0
    low: float = 0.0
    high: float = 0.0
    values: Names


class SpecFile(FileModel):
    """Shape of the images and names of the classes in config.json."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    channels: Annotated[int, Field(ge=1, le=2**16)]
    height: Side
    width: Side
    classes: list[str]
    attributes: list[ConditionFile] = Field(default_factory=list)


class ModelFile(FileModel):
    """config.json of a model folder."""

    name: Annotated[str, Field(min_length=1)]
    family: Tree
    spec: SpecFile
    sha256: Digest
    data: Tree = Field(default_factory=dict)
    training: Tree = Field(default_factory=dict)
    fingerprint: str = ""
    images_seen: Count = 0
    n_labels_used: Count = 0
    labels_told: Count = 0  # its name in runs of earlier versions
    parts: list[Tree] = Field(default_factory=list)


class SummaryFile(FileModel):
    """Keys of summary.json that are read again."""

    status: str = ""
    command: str = ""
    images: Count = 0
    seconds: float = 0.0


class LogLine(FileModel):
    """Keys of a line of metrics.jsonl that are read again."""

    images: Count


class OverviewFile(FileModel):
    """Keys of overview.json in a results folder that latentgan reads."""

    metadata: str


class HubFeature(FileModel):
    """One column in the metadata of an image hub."""

    names: list[str] = Field(default_factory=list)


class HubInfo(FileModel):
    """An image hub's description of a table."""

    features: Tree = Field(default_factory=dict)


class HubFile(FileModel):
    """The entry "huggingface" of a Parquet file's metadata."""

    info: HubInfo = Field(default_factory=HubInfo)


class DecodedFacts(FileModel):
    """Facts that are stored with images that were decoded before."""

    kept: Count
    bad: list[tuple[Count, str]]
    notes: list[str]


class Figure(FileModel):
    """A measured value with its interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: float | None = None


class RecordFile(FileModel):
    """A record of `latentgan reproduce`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal[1]
    protocol: str
    recipe: str
    seed: Count
    status: str
    reason: str
    command: str
    seconds: dict[str, float]
    figures: dict[str, Figure]
    baselines: dict[str, Figure]
    settings: Tree
    hardware: Tree
    version: str
    date: str
