"""A report without absolute paths: what stands in it is for others to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..io.paths import without_paths
from ..io.writing import consent
from .context import ReportContext
from .document import Report

T = TypeVar("T")


def without_private_paths(report: Report, context: ReportContext, *places: Path | None) -> Report:
    """Return the report with every absolute path in its texts shortened, unless the user keeps paths.

    Args:
        report: as it was built.
        context: from which, with the paths that it names.
        places: folders and files that were read or written.
    """
    if consent().keep_paths:
        return report
    named = [str(place.absolute()) for place in places if place is not None]
    if context.run is not None:
        named += [*_texts(context.run.config.get("data", {})), *_texts(context.run.summary_value("provenance") or {})]
    named += [*_texts(context.metadata.get("run", ""))]
    return _cleaned(report, tuple(dict.fromkeys(path for path in named if "/" in path)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _cleaned(value: T, paths: tuple[str, ...]) -> T:
    result: Any = value
    if isinstance(result, str):
        result = without_paths(result, paths)
    elif isinstance(result, tuple):
        result = tuple(_cleaned(item, paths) for item in result)
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        old = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        new = {name: _cleaned(item, paths) for name, item in old.items()}
        changed = {name: item for name, item in new.items() if item is not old[name]}
        result = dataclasses.replace(result, **changed) if changed else result
    cleaned: T = result
    return cleaned
