"""A run folder as plain files: what was configured, what was logged, what the samples looked like.

Nothing of latentgan is imported: `run.toml`, `metrics.jsonl`, `diagnostics.json`, `summary.json` and PNG grids are all
there is to know. Each may be missing (a run in progress, one that was copied in part); then its part is empty.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..base.arrays import Doubles
from ..errors import AnalysisError
from ..io.file_models import DiagnosticsFile, DrawsFile, LikelihoodFile, LogLine, RowsFile, SummaryFile
from ..io.reading import MAX_IMAGE_BYTES, irregular, parse_json, parse_toml, read_bytes, read_text, validated
from .document import Frame, Slideshow
from .formatting import count

T = TypeVar("T")

GRIDS = 16
"""Most grids of one kind that go into a report: the first, the last, and others evenly between them."""

NO_RUN = "No run folder was given: latentgan report RESULTS --run RUN reads one."


@dataclass(frozen=True, eq=False)
class Series:
    """One logged quantity: `group` is "terms", "gradient_norm", "notes", "indicators" or "speed"."""

    group: str
    name: str
    images: Doubles
    """(n,) images seen."""
    values: Doubles
    """(n,)."""


@dataclass(frozen=True)
class Warned:
    """One warning of the diagnostics; `images` had been seen when it last held, -1 where not said."""

    name: str
    sentence: str
    images: int
    resolved: bool = False


@dataclass(frozen=True)
class Grid:
    """A picture of samples or reconstructions after so many images."""

    images: int
    png: bytes


@dataclass(frozen=True)
class Rows:
    """What the rows of sample grids are of."""

    of: str
    """"class" or "component"."""
    count: int
    """How many there are, of which the first ones are shown."""
    names: tuple[str, ...]
    """From the top."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """What a run folder says. `config` and `summary` are as read; use `said` and `configured` to ask them."""

    name: str
    config: dict[str, Any]
    config_text: str
    summary: dict[str, Any]
    series: tuple[Series, ...]
    status: str
    """"ok", "warning", "diverged", "" where there is no diagnostics.json."""
    warnings: tuple[Warned, ...]
    samples: tuple[Grid, ...]
    reconstructions: tuple[Grid, ...]
    rows: Rows | None = None
    """Of `samples`, where classes or components were asked for."""
    posteriors: tuple[Grid, ...] = ()
    draws: dict[str, Any] = field(default_factory=dict)
    """Posteriors.json: images, dimensions, draws of each image."""
    likelihood: dict[str, Any] = field(default_factory=dict)
    """Likelihood.json."""

    def summary_value(self, *names: str) -> Any:
        """Give the summary's value under the first of `names` that it has, else None."""
        return next((self.summary[name] for name in names if self.summary.get(name) is not None), None)

    def configured(self, path: str) -> Any:
        """Give the configuration's value at a dotted path, else None."""
        value: Any = self.config
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def group(self, group: str) -> tuple[Series, ...]:
        """List the series of one group, in the order they were first logged."""
        return tuple(series for series in self.series if series.group == group)


def read_run(folder: Path) -> Run:
    """Read what there is.

    Raises:
        AnalysisError: `folder` is no folder, or a file is damaged.
    """
    if not folder.is_dir():
        raise AnalysisError(f"no run folder {str(folder)!r}: name the folder that latentgan train wrote with --run")
    path = folder / "run.toml"
    text = _text(path)
    diagnostics = _read(folder / "diagnostics.json", DiagnosticsFile)
    warnings = tuple(
        Warned(warning.name, warning.sentence, warning.images, warning.resolved) for warning in diagnostics.warnings
    )
    return Run(
        name=folder.resolve().name,
        config=parse_toml(text, path),
        config_text=text,
        summary=_read(folder / "summary.json", SummaryFile).model_dump(exclude_none=True),
        series=_series(folder / "metrics.jsonl"),
        status=diagnostics.status,
        warnings=warnings,
        samples=_grids(folder / "samples", "samples"),
        reconstructions=_grids(folder / "samples", "reconstructions"),
        rows=_rows(folder / "samples" / "rows.json"),
        posteriors=_grids(folder / "samples", "posteriors"),
        draws=_read(folder / "samples" / "posteriors.json", DrawsFile).model_dump(),
        likelihood=_read(folder / "likelihood.json", LikelihoodFile).model_dump(exclude_none=True),
    )


def _rows(file: Path) -> Rows | None:
    """Read what the rows of sample grids are of, if it is said; a list of names is of classes."""
    if irregular(file) == "missing":
        return None
    result = parse_json(_text(file), file)
    if isinstance(result, list):
        result = {"of": "class", "count": len(result), "names": result}
    rows_file = validated(result, RowsFile, file)
    rows = Rows(rows_file.of, rows_file.count, tuple(rows_file.names))
    return rows if rows.names else None


def _series(path: Path) -> tuple[Series, ...]:
    """Turn log lines into series; a line cut off by a killed process is skipped."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    lines = _text(path).split("\n")
    for number, text in enumerate(lines, 1):
        place = f"{path}, line {number}"
        try:
            line = validated(parse_json(text, place), LogLine, place)
        except AnalysisError:
            if number == len(lines):  # no line break ends it
                break
            raise
        images = _float(line.iteration if line.images is None else line.images)
        for key, value in _quantities(line):
            points.setdefault(key, []).append((images, value))
    return tuple(
        Series(group, name, np.array([x for x, _ in pairs]), np.array([y for _, y in pairs]))
        for (group, name), pairs in points.items()
    )


def _quantities(line: LogLine) -> list[tuple[tuple[str, str], float]]:
    quantities = []
    for group in ("terms", "gradient_norm", "notes", "indicators"):
        quantities += [((group, name), _float(value)) for name, value in getattr(line, group).items()]
    if line.images_per_second is not None:
        quantities.append((("speed", "images per second"), line.images_per_second))
    return quantities


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _grids(folder: Path, kind: str) -> tuple[Grid, ...]:
    """Read grids named by the images seen, at most GRIDS of them."""
    grids = []
    for path in folder.glob(f"*-{kind}.png") if folder.is_dir() else ():
        digits = re.fullmatch(rf"([0-9]{{1,18}})-{kind}\.png", path.name)
        if digits:
            grids.append((int(digits[1]), path))
    grids.sort()
    keep = np.linspace(0, len(grids) - 1, min(GRIDS, len(grids))).round().astype(int).tolist()
    return tuple(Grid(grids[i][0], read_bytes(grids[i][1], most=MAX_IMAGE_BYTES)) for i in dict.fromkeys(keep))


def _text(path: Path) -> str:
    """A file's text, "" where there is none."""
    return "" if irregular(path) == "missing" else read_text(path)


def _read(path: Path, model: type[T]) -> T:
    """A JSON file, or what `model` has where there is none."""
    return validated(parse_json(_text(path) or "{}", path), model, path)


def slides(id: str, grids: tuple[Grid, ...], subject: str, caption: str, title: str = "") -> Slideshow:
    """Grids over training, under a slider."""
    frames = tuple(Frame(grid.png, f"{count(grid.images)} images") for grid in grids)
    return Slideshow(
        id=id, frames=frames, control="Seen so far", alt=f"{subject} after training", caption=caption, title=title
    )
