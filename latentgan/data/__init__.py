"""Images from anywhere, as uint8 rows with labels, attributes, splits and a fingerprint.

`load_source` reads a named set or a path; `Batches` draws minibatches from it. Names that need torch are
resolved on first use, so that importing this package stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentgan.data.columns import AttributeKind
from latentgan.data.formats.arrays import from_arrays, from_dataset, from_points
from latentgan.data.load import load_source
from latentgan.data.source import ImageSource, ImageSpec
from latentgan.data.synthetic import (
    Coverage,
    Gaussians,
    grid_of_gaussians,
    modes_covered,
    one_gaussian,
    ring_of_gaussians,
    shapes,
    two_gaussians,
)

if TYPE_CHECKING:
    from latentgan.data.batches import Batch, Batches
    from latentgan.data.tensors import from_model, to_model, to_unit


__all__ = [
    "AttributeKind",
    "Batch",
    "Batches",
    "Coverage",
    "Gaussians",
    "ImageSource",
    "ImageSpec",
    "from_arrays",
    "from_dataset",
    "from_model",
    "from_points",
    "grid_of_gaussians",
    "load_source",
    "modes_covered",
    "one_gaussian",
    "ring_of_gaussians",
    "shapes",
    "to_model",
    "to_unit",
    "two_gaussians",
]

_NEED_TORCH = ("Batch", "Batches", "from_model", "to_model", "to_unit")


def __getattr__(name: str) -> Any:
    if name in _NEED_TORCH:
        return getattr(import_module(".batches", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
