"""A folder as a registry: its files are themes, and their public functions are what a theme holds."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import FunctionType


def themes(package: str) -> list[str]:
    """Return the names of a package's modules but base, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__) if m.name != "base")


def functions(package: str, theme: str) -> Mapping[str, FunctionType]:
    """Return the public functions that a package's module defines, by name, in the file's order."""
    module = importlib.import_module(f"{package}.{theme}")
    defined = {name: value for name, value in vars(module).items() if isinstance(value, FunctionType)}
    return {k: f for k, f in defined.items() if f.__module__ == module.__name__ and not k.startswith("_")}
