"""What a command line may be given to load: models, networks to train, tables of run folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

LoadModel = Callable[[Path], Any]


LoadSupervised = Callable[..., Any]
"""From a model or None, names of classes, n_labels_used= (by the model) and seed= to a list of `SupervisedBaseline`."""


EncodeRuns = Callable[..., list[Path]]
"""From run folders and a folder to write into to their tables.

Keywords: rows= (of a split, at most; None is all), seed=, data=, mirror=, device=; and, to be checked first, results=,
the folder into which results of the first run's table go, or None, columns= that options name, by option, and
fingerprints= of the tables that the runs are compared with, by the table's name.
"""


@dataclass(frozen=True, kw_only=True)
class Loaders:
    """How this command line loads what numpy cannot; None is what it cannot do."""

    model: LoadModel | None = None
    supervised: LoadSupervised | None = None
    tables: EncodeRuns | None = None


NO_LOADERS = Loaders()
"""Of `python -m analysis`, which neither decodes nor trains nor encodes."""


def loaders_of(context: typer.Context) -> Loaders:
    """Return what the application was given."""
    return context.find_object(Loaders) or NO_LOADERS
