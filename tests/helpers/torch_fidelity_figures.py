"""What torch-fidelity says of features that anybody can draw again; run as a script it prints torch_fidelity.json.

    pip install --no-deps --target DIR torch-fidelity==0.4.0
    PYTHONPATH=DIR python tests/torch_fidelity_figures.py > tests/torch_fidelity.json

Its metrics of plain features need no torchvision, which its modules import for images: an empty one stands in where
there is none.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import numpy as np

NEIGHBOURS = (3, 5)
SUBSET, SUBSETS, SEED = 100, 10, 2020


def features() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Real and generated rows, float32 as networks give them: few columns, many that are never negative, few rows."""
    rng = np.random.RandomState(6)  # its stream is the same in every version of numpy
    mix = rng.normal(size=(8, 64))
    relu = [np.maximum(0, rng.normal(size=(400, 8)) @ mix * s + rng.normal(size=(400, 64)) + 0.3) for s in (1.0, 0.8)]
    cases = {
        "8 columns": (rng.normal(size=(500, 8)), rng.normal(size=(500, 8)) * 1.2 + 0.3),
        "64 columns, rectified": (relu[0], relu[1]),
        "fewer rows than columns": (rng.normal(size=(120, 200)), rng.normal(size=(120, 200)) + 0.2),
    }
    return {name: (x.astype(np.float32), y.astype(np.float32)) for name, (x, y) in cases.items()}


def subsets(rows: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows that torch-fidelity draws for its kernel distances, of the first and of the second set."""
    rng = np.random.RandomState(SEED)
    return [tuple(rng.choice(rows, SUBSET, replace=False) for _ in range(2)) for _ in range(SUBSETS)]


class _Empty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an empty module for torchvision and all below it."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.startswith("torchvision") else None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = lambda name: type(name, (), {})  # type: ignore[method-assign]


def figures() -> dict[str, dict[str, float]]:
    """Return every figure of every case, by torch-fidelity.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
    """
    finders = () if importlib.util.find_spec("torchvision") else (_Empty(),)
    sys.meta_path.extend(finders)
    try:
        from torch_fidelity import metric_fid, metric_kid, metric_prc
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
    import torch

    figures_by_case = {}
    for name, arrays in features().items():
        real, fake = map(torch.from_numpy, arrays)
        statistics = [metric_fid.fid_features_to_statistics(sample) for sample in (real, fake)]
        figure = {"frechet": metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]}
        for size, count in ((len(real), 1), (SUBSET, SUBSETS)):
            kid = metric_kid.kid_features_to_metric(
                real, fake, kid_subset_size=size, kid_subsets=count, rng_seed=SEED, verbose=False
            )
            figure[f"kernel, {count} × {size}"] = kid[metric_kid.KEY_METRIC_KID_MEAN]
        for k in NEIGHBOURS:
            prc = metric_prc.prc_features_to_metric(fake, real, prc_neighborhood=k, verbose=False)
            figure |= {f"{key}, k = {k}": prc[key] for key in ("precision", "recall")}
        figures_by_case[name] = figure
    return figures_by_case


if __name__ == "__main__":
    printed = figures()
    from torch_fidelity import __version__

    print(json.dumps({"torch-fidelity": __version__, "figures": printed}, indent=1, ensure_ascii=False))
