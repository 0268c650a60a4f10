"""A report without absolute paths: what stands in it is for others to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..io.paths import without_paths
from ..io.writing import consent
from .context import Material
from .document import Report

T = TypeVar("T")


def without_private_paths(report: Report, material: Material, *places: Path | None) -> Report:
    """Return the report with every absolute path in its texts shortened, unless the user keeps paths.

    Args:
        report: as it was built.
        material: from which, with the paths that it names.
        places: folders and files that were read or written.
    """
    if consent().keep_paths:
        return report
    named = [str(place.absolute()) for place in places if place is not None]
    if material.run is not None:
        named += [*_texts(material.run.config.get("data", {})), *_texts(material.run.said("provenance") or {})]
    named += [*_texts(material.metadata.get("run", ""))]
    return _cleaned(report, tuple(dict.fromkeys(one for one in named if "/" in one)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)


def _cleaned(value: T, known: tuple[str, ...]) -> T:
    found: Any = value
    if isinstance(found, str):
        found = without_paths(found, known)
    elif isinstance(found, tuple):
        found = tuple(_cleaned(one, known) for one in found)
    elif dataclasses.is_dataclass(found) and not isinstance(found, type):
        old = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
        new = {name: _cleaned(one, known) for name, one in old.items()}
        changed = {name: one for name, one in new.items() if one is not old[name]}
        found = dataclasses.replace(found, **changed) if changed else found
    cleaned: T = found
    return cleaned
