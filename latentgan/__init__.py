"""latentgan: GANs that come with an encoder, and what their latent spaces are good for.

    import latentgan

    source = latentgan.load_source("digits")
    run = latentgan.train(latentgan.configure("bigan"), "run", source=source)
    codes = latentgan.NumpyModel.load(run).encode(source.images)

Names are resolved on first use, so that importing this package does not import torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentgan.version import __version__

if TYPE_CHECKING:
    from latentgan.data.batches import Batches
    from latentgan.data.formats.arrays import from_arrays
    from latentgan.data.load import load_source
    from latentgan.data.source import ImageSource
    from latentgan.families.base import Family, configure, load_family
    from latentgan.game import Player, Update
    from latentgan.inference.encode import Plan, encode_table
    from latentgan.inference.numpy_model import NumpyModel
    from latentgan.training.encoder_fitting import fit_encoder
    from latentgan.training.loop import resume, train, turns


# Threads that wait for each other should sleep, not spin: beside another busy process, spinning made a turn six times
# slower (40 s against 7 s for 60 turns on two cores). Has its effect if torch is not imported yet; yours wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "Batches": "data",
    "Family": "families.base",
    "ImageSource": "data",
    "NumpyModel": "adapter",
    "Plan": "encoding",
    "Player": "game",
    "Update": "game",
    "configure": "families.base",
    "encode_table": "encoding",
    "fit_encoder": "fitting",
    "from_arrays": "data",
    "load_family": "families.base",
    "load_source": "data",
    "resume": "training",
    "train": "training",
    "turns": "training",
}

__all__ = [
    "Batches",
    "Family",
    "ImageSource",
    "NumpyModel",
    "Plan",
    "Player",
    "Update",
    "__version__",
    "configure",
    "encode_table",
    "fit_encoder",
    "from_arrays",
    "load_family",
    "load_source",
    "resume",
    "train",
    "turns",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"latentgan.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'latentgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
