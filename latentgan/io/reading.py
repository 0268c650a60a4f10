"""Where latentgan's files come in: readers of `analysis.io.reading`; `file_models` has the models.

The only module of the core that imports `analysis`, of which it takes files, JSON, TOML and images, so that both
packages open them by one function each. Callers name the error that a user meets.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis.io.messages import listed, masked, message, printable
from analysis.io.reading import (
    IMAGE_FORMATS,
    MAX_PIXELS,
    BadImageError,
    check_file,
    check_memory,
    irregular,
    map_array,
    npy_header,
    open_image,
    parse_json,
    parse_toml,
    quiet,
    read_array,
    read_arrays,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    shown,
    size,
    validated,
)

if TYPE_CHECKING:
    from torch import Tensor


__all__ = [
    "IMAGE_FORMATS",
    "MAX_PIXELS",
    "BadImageError",
    "check_file",
    "check_memory",
    "irregular",
    "listed",
    "map_array",
    "masked",
    "message",
    "npy_header",
    "open_image",
    "parse_json",
    "parse_toml",
    "printable",
    "quiet",
    "read_array",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_tensors",
    "read_text",
    "read_toml",
    "shown",
    "size",
    "validated",
]


def read_tensors(path: Path, *, error: type[Exception]) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; raises `error` for anything else, or more than memory holds."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_file(path, error=error)
    check_memory(path.stat().st_size, f"{path}", error=error)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, TypeError, RuntimeError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise error(f"{path} is damaged or no safetensors file: {reason}") from problem
