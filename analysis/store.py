"""Results on disk: NAME.json is what a person reads, NAME.npz holds the arrays. Nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import AnalysisError, AnyArray

# A file names its kind, and only these kinds are ever loaded: kind -> (module, class).
KINDS = {
    "overview": ("analysis.overview", "Overview"),
    "codes": ("analysis.codes", "Codes"),
    "probes": ("analysis.probes", "ProbeTable"),
    "efficiency": ("analysis.efficiency", "Efficiency"),
    "neighbours": ("analysis.neighbours", "Neighbours"),
    "concepts": ("analysis.concepts", "ConceptTable"),
    "interpolation": ("analysis.interpolation", "Interpolations"),
    "disentanglement": ("analysis.disentanglement", "Disentanglement"),
    "mixture": ("analysis.mixtures", "Mixture"),
    "geometry": ("analysis.geometry", "Geometry"),
    "prior": ("analysis.prior", "PriorComparison"),
    "maps": ("analysis.maps", "Maps"),
    "reconstruction": ("analysis.reconstruction", "Reconstruction"),
}
# What one must ask for by name, as it needs another table, samples, or the images themselves.
ASKED = {
    "adversarial": ("analysis.adversarial", "Robustness"),
    "comparison": ("analysis.similarity", "Comparisons"),
    "fidelity": ("analysis.fidelity", "Fidelity"),
    "verification": ("analysis.verification", "Verification"),
}
HOMES = KINDS | ASKED
ORDER = tuple(HOMES)


def version() -> str:
    """Return the installed distribution's version."""
    from importlib import metadata

    try:
        return metadata.version("latentgan")
    except metadata.PackageNotFoundError:
        return "not installed"


def kind_of(result: object) -> str:
    """Return the kind of a result, which is also its file's name."""
    for kind, home in HOMES.items():
        if (type(result).__module__, type(result).__name__) == home:
            return kind
    raise AnalysisError(f"{type(result).__name__} is not a result: known are {', '.join(HOMES)}")


def save(result: object, folder: str | Path, *, command: str = "") -> Path:
    """Write `result` as folder/KIND.json and .npz, each replaced at once; return the JSON's path."""
    kind = kind_of(result)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnalysisError(f"cannot make the folder {str(folder)!r} ({error.strerror}): choose another") from error
    arrays: dict[str, AnyArray] = {}
    body = _pack(result, kind, arrays)
    text = json.dumps({"kind": kind, "command": command, "version": version(), **body}, indent=1, ensure_ascii=False)
    partial = folder / f"{kind}.npz.tmp"
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.replace(folder / f"{kind}.npz")
    partial = folder / f"{kind}.json.tmp"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / f"{kind}.json")
    return folder / f"{kind}.json"


def load(folder: str | Path) -> dict[str, Any]:
    """Read every result in `folder`: kind -> result, in the order of `ORDER`.

    Raises: AnalysisError for a missing folder, or a file that is not a result of this version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnalysisError(f"no results folder {str(folder)!r}: write one with latentgan analyze TABLE --out {folder}")
    return {kind: load_one(folder, kind) for kind in ORDER if (folder / f"{kind}.json").is_file()}


def load_one(folder: str | Path, kind: str) -> Any:
    """Read one result of `kind` from `folder`."""
    path = Path(folder) / f"{kind}.json"
    if kind not in HOMES:
        raise AnalysisError(f"unknown kind of result {kind!r}: known are {', '.join(HOMES)}")
    module, name = HOMES[kind]
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            return _unpack(body, getattr(importlib.import_module(module), name), arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnalysisError(f"cannot read the result {str(path)!r} ({error}): run the analysis again") from error


def load_command(folder: str | Path, kind: str) -> str:
    """Return the command that made a result."""
    body = json.loads((Path(folder) / f"{kind}.json").read_text(encoding="utf-8"))
    return str(body.get("command", ""))


def to_json(value: object) -> Any:
    """Return a result as plain JSON values: arrays of up to 64 numbers in full, else their shape."""
    if isinstance(value, np.ndarray):
        if value.size <= 64:
            return to_json(tuple(value.tolist()))
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return _plain(value)


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN
    return value


def _pack(value: object, key: str, arrays: dict[str, AnyArray]) -> Any:
    """Turn a result into JSON values, putting its arrays aside under dotted keys."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise AnalysisError(f"{key} is an array of objects, which cannot be stored without pickle")
        arrays[key] = value
        return {"array": key, "dtype": str(value.dtype), "shape": "×".join(map(str, value.shape))}
    if dataclasses.is_dataclass(value):
        return {
            field.name: _pack(getattr(value, field.name), f"{key}.{field.name}", arrays)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, list | tuple):
        return [_pack(item, f"{key}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"  # as text, which float() reads back
    return _plain(value)


def _unpack(value: Any, hint: Any, arrays: typing.Mapping[str, AnyArray]) -> Any:
    """Turn JSON values back into what the type `hint` says."""
    if isinstance(value, dict) and "array" in value and "dtype" in value:
        return arrays[value["array"]]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        known = [field.name for field in dataclasses.fields(hint) if field.name in value]
        return hint(**{name: _unpack(value[name], hints[name], arrays) for name in known})
    options = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _unpack(value, next(option for option in options if option is not type(None)), arrays)
    if typing.get_origin(hint) is tuple:
        inner = [options[0]] * len(value) if options[-1] is Ellipsis else options
        return tuple(_unpack(item, kind, arrays) for item, kind in zip(value, inner, strict=True))
    if hint is float:
        return math.nan if value is None else float(value)
    return value
