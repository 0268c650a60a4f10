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

# Threads that wait for each other should sleep, not spin: beside another busy process, spinning made a turn six times
# slower (40 s against 7 s for 60 turns on two cores). Has its effect if torch is not imported yet; yours wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from latentgan.adapter import NumpyModel
    from latentgan.data import Batches, ImageSource, from_arrays, load_source
    from latentgan.encoding import Plan, encode_table
    from latentgan.families.base import Family, configure, load_family
    from latentgan.fitting import fit_encoder
    from latentgan.game import Player, Update
    from latentgan.training import resume, train, turns

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
