"""A run folder as plain files: what was configured, what was logged, what the samples looked like.

Nothing of latentgan is imported: `run.toml`, `metrics.jsonl`, `health.json`, `summary.json` and PNG grids are all
there is to know. Each may be missing (a run in progress, one that was copied in part); then its part is empty.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import AnalysisError, Doubles

GRIDS = 16
"""Most grids of one kind that go into a report: the first, the last, and others evenly between them."""


@dataclass(frozen=True, eq=False)
class Series:
    """One logged quantity: `group` is "terms", "gradient_norm", "notes", "health" or "speed"."""

    group: str
    name: str
    images: Doubles  # (n,) images seen
    values: Doubles  # (n,)


@dataclass(frozen=True)
class Warned:
    """One warning of the health checks; `images` had been seen when it last held, -1 where not said."""

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

    of: str  # "class" or "component"
    count: int  # how many there are, of which the first ones are shown
    names: tuple[str, ...]  # from the top


@dataclass(frozen=True, eq=False)
class Run:
    """What a run folder says. `config` and `summary` are as read; use `said` and `configured` to ask them."""

    name: str
    config: dict[str, Any]
    config_text: str
    summary: dict[str, Any]
    series: tuple[Series, ...]
    status: str  # "ok", "warning", "diverged", "" where there is no health.json
    warnings: tuple[Warned, ...]
    samples: tuple[Grid, ...]
    reconstructions: tuple[Grid, ...]
    rows: Rows | None = None  # of `samples`, where classes or components were asked for
    posteriors: tuple[Grid, ...] = ()
    draws: dict[str, Any] = field(default_factory=dict)  # posteriors.json: images, dimensions, draws of each image
    evidence: dict[str, Any] = field(default_factory=dict)  # evidence.json

    def said(self, *names: str) -> Any:
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
    """Read what there is. Raises: AnalysisError where `folder` is no folder, or a file is damaged."""
    if not folder.is_dir():
        raise AnalysisError(f"no run folder {str(folder)!r}: name the folder that latentgan train wrote with --run")
    text = _text(folder / "run.toml")
    health = _json(folder / "health.json")
    warnings = tuple(
        Warned(
            str(one.get("name", "")),
            str(one.get("sentence", "")),
            int(one.get("images", -1)),
            bool(one.get("resolved", False)),
        )
        for one in health.get("warnings", [])
    )
    return Run(
        name=folder.resolve().name,
        config=_toml(folder / "run.toml", text),
        config_text=text,
        summary=_json(folder / "summary.json"),
        series=_series(_text(folder / "metrics.jsonl")),
        status=str(health.get("status", "")),
        warnings=warnings,
        samples=_grids(folder / "samples", "samples"),
        reconstructions=_grids(folder / "samples", "reconstructions"),
        rows=_rows(folder / "samples" / "rows.json"),
        posteriors=_grids(folder / "samples", "posteriors"),
        draws=_json(folder / "samples" / "posteriors.json"),
        evidence=_json(folder / "evidence.json"),
    )


def _rows(file: Path) -> Rows | None:
    """Read what the rows of sample grids are of, if it is said; a list of names is of classes."""
    try:
        found = json.loads(_text(file) or "{}")
        if isinstance(found, list):
            found = {"of": "class", "count": len(found), "names": found}
        rows = Rows(str(found["of"]), int(found["count"]), tuple(map(str, found["names"])))
    except (ValueError, TypeError, KeyError):
        return None
    return rows if rows.names else None


def _series(text: str) -> tuple[Series, ...]:
    """Turn log lines into series; a line cut off by a killed process is skipped."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line in text.splitlines():
        mark = _object(line)
        images = _float(mark.get("images", mark.get("turn")))
        for key, value in _quantities(mark):
            points.setdefault(key, []).append((images, value))
    return tuple(
        Series(group, name, np.array([x for x, _ in pairs]), np.array([y for _, y in pairs]))
        for (group, name), pairs in points.items()
    )


def _quantities(mark: dict[str, Any]) -> list[tuple[tuple[str, str], float]]:
    found = []
    for group in ("terms", "gradient_norm", "notes", "health"):
        inside = mark.get(group)
        if isinstance(inside, dict):
            found += [((group, str(name)), _float(value)) for name, value in inside.items()]
    if "images_per_second" in mark:
        found.append((("speed", "images per second"), _float(mark["images_per_second"])))
    return found


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _grids(folder: Path, kind: str) -> tuple[Grid, ...]:
    """Read grids named by the images seen, at most GRIDS of them."""
    found = []
    for path in folder.glob(f"*-{kind}.png") if folder.is_dir() else ():
        digits = re.fullmatch(rf"(\d+)-{kind}\.png", path.name)
        if digits:
            found.append((int(digits[1]), path))
    found.sort()
    keep = np.linspace(0, len(found) - 1, min(GRIDS, len(found))).round().astype(int).tolist()
    return tuple(Grid(found[i][0], found[i][1].read_bytes()) for i in dict.fromkeys(keep))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AnalysisError(f"cannot read {path.name} of the run {path.parent.name!r}: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise AnalysisError(f"cannot read {path.name} of the run {path.parent.name!r}: {error}") from error
    return found if isinstance(found, dict) else {}
