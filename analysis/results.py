"""Results on disk: NAME.json is what a person reads, NAME.npz holds the arrays. Nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import catalogue
from .base.arrays import AnyArray
from .errors import AnalysisError
from .io.file_models import ArrayFile, ResultFile
from .io.messages import listed
from .io.reading import irregular, parse_json, read_arrays, read_json, read_text, shown, validated
from .io.writing import Writing, check_outputs, npz_bytes, wrote
from .table.overview import Overview

OVERVIEW = "overview"
"""The result that every folder has: what the table holds. It is no analysis."""

KINDS = (OVERVIEW, *catalogue.RESULTS)
"""Kinds of results. A file names its kind, and only classes of the catalogue are ever loaded."""


def version() -> str:
    """Return the installed distribution's version."""
    from importlib import metadata

    try:
        return metadata.version("latentgan")
    except metadata.PackageNotFoundError:
        return "not installed"


def kind_of(result: object) -> str:
    """Return the kind of a result, which is also its file's name."""
    kind = getattr(type(result), "kind", None)
    if kind not in KINDS:
        raise AnalysisError(f"{type(result).__name__} is not a result: known are {listed(KINDS)}")
    return str(kind)


def _class_of(kind: str) -> type[Any]:
    return Overview if kind == OVERVIEW else catalogue.result_class(kind)


def save(result: object, folder: str | Path, *, command: str = "") -> Path:
    """Write a result as folder/KIND.json and .npz, both or none.

    Args:
        result: of an analysis.
        folder: created if missing.
        command: what the user typed, for the records.

    Returns:
        The JSON file's path.

    Raises:
        AnalysisError: they cannot be written, or would replace files that are no results.
    """
    return save_all([result], folder, command=command)[0]


def save_all(results: Sequence[object], folder: str | Path, *, command: str = "") -> list[Path]:
    """Write results as `save` does, all of them or none; return the JSON files' paths."""
    folder, written = Path(folder), []
    kinds = [kind_of(result) for result in results]
    check_results(folder, kinds)
    try:
        with Writing() as files:
            for kind, result in zip(kinds, results, strict=True):
                arrays: dict[str, AnyArray] = {}
                body = {"kind": kind, "command": command, "version": version(), **_pack(result, kind, arrays)}
                packed = npz_bytes(arrays)
                files.write(folder / f"{kind}.npz", packed)
                written.append(folder / f"{kind}.json")
                whole = {**body, "sha256": _digest(body, packed)}
                files.write(written[-1], (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise AnalysisError(
            f"cannot write into {str(folder)!r} ({error.strerror or error}): choose another folder, or make room"
        ) from error
    return written


def check_results(folder: Path, kinds: Iterable[str], *, inputs: Iterable[Path] = ()) -> None:
    """Raise AnalysisError where results of these kinds cannot take their place in `folder`.

    Args:
        folder: where to.
        kinds: of results.
        inputs: what is read, over which nothing is written.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise AnalysisError(f"{str(folder)!r} is no folder, into which results go: choose another")
    inputs = tuple(inputs)
    for kind in kinds:
        check_outputs([folder / f"{kind}.json"], f"result {kind}", inputs=inputs)
        check_outputs([folder / f"{kind}.npz"], f"arrays {kind}", inputs=inputs)


def remove(folder: Path, kind: str) -> None:
    """Remove the result of a kind, if latentgan wrote what lies there.

    Raises:
        AnalysisError: it cannot be removed.
    """
    for path, role in ((folder / f"{kind}.json", "result"), (folder / f"{kind}.npz", "arrays")):
        try:
            if path.is_file() and wrote(path, f"{role} {kind}"):
                path.unlink()
        except OSError as error:
            raise AnalysisError(
                f"cannot write into {str(folder)!r} ({error.strerror}): choose another folder"
            ) from error


def load(folder: str | Path) -> dict[str, Any]:
    """Read every result in a folder.

    Args:
        folder: that results were written into.

    Returns:
        Kind -> result, in the order of `KINDS`.

    Raises:
        AnalysisError: the folder is missing, or a file is not a result of this version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnalysisError(f"no results folder {str(folder)!r}: write one with latentgan analyze TABLE --out {folder}")
    return {kind: load_one(folder, kind) for kind in KINDS if irregular(folder / f"{kind}.json") != "missing"}


def load_one(folder: str | Path, kind: str) -> Any:
    """Read one result of `kind` from `folder`."""
    path = Path(folder) / f"{kind}.json"
    if kind not in KINDS:
        raise AnalysisError(f"unknown kind of result {kind!r}: known are {listed(KINDS)}")
    try:
        body = parse_json(read_text(path), path)
        digest = validated(body, ResultFile, path).sha256
        arrays = read_arrays(path.with_suffix(".npz"))
        result = _unpack(body, _class_of(kind), arrays, kind)
        if digest is not None and digest != _digest(body, path.with_suffix(".npz").read_bytes()):
            raise AnalysisError("its figures are not those that were written")
    except AnalysisError as error:
        raise AnalysisError(f"cannot read the result {str(path)!r} ({error}): run the analysis again") from error
    return result


def _digest(body: Mapping[str, Any], packed: bytes) -> str:
    """SHA-256 of a result: of its JSON values but this one, and of the bytes of its .npz."""
    values = {key: value for key, value in body.items() if key != "sha256"}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode() + hashlib.sha256(packed).digest()).hexdigest()


def load_command(folder: str | Path, kind: str) -> str:
    """Return the command that made a result."""
    return read_json(Path(folder) / f"{kind}.json", ResultFile).command


def to_json(value: object) -> Any:
    """Return a result as plain JSON values: arrays of up to 64 numbers in full, else their shape."""
    if isinstance(value, np.ndarray):
        if value.size <= 64:
            return to_json(tuple(value.tolist()))
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in _stored(value)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return _plain(value)


def _stored(value: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a result that files hold."""
    return [field for field in dataclasses.fields(value) if field.metadata.get("stored", True)]


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
            field.name: _pack(getattr(value, field.name), f"{key}.{field.name}", arrays) for field in _stored(value)
        }
    if isinstance(value, list | tuple):
        return [_pack(item, f"{key}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"  # as text, which float() reads back
    return _plain(value)


def _unpack(value: Any, hint: Any, arrays: typing.Mapping[str, AnyArray], key: str) -> Any:
    """Turn JSON values back into what the type `hint` says.

    Raises:
        AnalysisError: a value is of another type, or a field is missing; the sentence names the key.
    """
    options = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        return _unpack(value, next(option for option in options if option is not type(None)), arrays, key)
    if typing.get_origin(hint) is np.ndarray:
        return _array(value, hint, arrays, key)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        fields = validated(value, dict[str, Any], key)
        hints = typing.get_type_hints(hint)
        init_fields = [field for field in dataclasses.fields(hint) if field.init]
        if missing := [field.name for field in init_fields if field.name not in fields and _is_needed(field)]:
            raise AnalysisError(f"{key} lacks {listed(missing)}")
        given = [field.name for field in init_fields if field.name in fields]
        return hint(**{name: _unpack(fields[name], hints[name], arrays, f"{key}.{name}") for name in given})
    if typing.get_origin(hint) is tuple:
        items = validated(value, list[Any], key)
        inner = [options[0]] * len(items) if options[-1] is Ellipsis else options
        if len(inner) != len(items):
            raise AnalysisError(f"{key} has {len(items)} values, not {len(inner)}")
        pairs = enumerate(zip(items, inner, strict=True))
        return tuple(_unpack(item, kind, arrays, f"{key}.{i}") for i, (item, kind) in pairs)
    if hint is float:
        return math.nan if value is None else _number(value, key)
    if hint is int and isinstance(value, int) and abs(value) >= 2**63:
        raise AnalysisError(f"{key} is no 64-bit integer")
    if hint is Any or typing.get_origin(hint) is typing.Literal:
        return validated(value, hint, key)
    return _exact(value, hint, key)


def _array(value: Any, hint: Any, arrays: typing.Mapping[str, AnyArray], key: str) -> AnyArray:
    """The array that the JSON names, of the shape and number type that it says and that `hint` takes."""
    reference = validated(value, ArrayFile, key)
    if reference.array not in arrays:
        raise AnalysisError(f"{key} names the array {shown(reference.array)}, which the .npz has not")
    array = arrays[reference.array]
    shape = "×".join(map(str, array.shape))
    if str(array.dtype) != reference.dtype or shape != reference.shape:
        raise AnalysisError(f"{key} is {array.dtype} of {shape}, and should be {reference.dtype} of {reference.shape}")
    kind = typing.get_args(typing.get_args(hint)[1])
    wanted = kind[0] if kind and isinstance(kind[0], type) else np.generic
    family = next(base for base in (np.floating, np.integer, np.generic) if issubclass(wanted, base))
    if not np.issubdtype(array.dtype, wanted if family is np.generic else family):
        raise AnalysisError(f"{key} is {array.dtype}, and should be {wanted.__name__}")
    return array


def _is_needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _number(value: Any, key: str) -> float:
    if value in ("Infinity", "-Infinity"):
        return float(value)
    return float(_exact(value, float, key))


def _exact(value: Any, hint: Any, key: str) -> Any:
    """A value of a plain type, not converted from another."""
    from pydantic import Strict

    return validated(value, typing.Annotated[hint, Strict()], key)  # type: ignore[arg-type]
