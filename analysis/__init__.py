"""Statistics on tables of codes: numpy in, frozen results out; imports neither torch nor latentgan.

Every function takes arrays (or a callable `decode`) and returns a frozen dataclass of arrays, and every
figure comes with its yardsticks: n, a 95 % interval, raw pixels, PCA of equal width, the same network
untrained, shuffled labels. Names are resolved on first use (PEP 562): importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .codes import Codes
    from .concepts import Concept, ConceptTable, concept_vector
    from .efficiency import Efficiency
    from .embeddings import Embeddings, Overview
    from .errors import AnalysisError
    from .few import FewLabels, few_labels
    from .interpolation import Interpolations, Path, lerp, path, slerp
    from .maps import Map, Maps, latent_map
    from .mixtures import Mixture, fit_mixture
    from .model import Model
    from .neighbours import Neighbours, nearest
    from .probes import Probe, ProbeTable, linear_probe
    from .reconstruction import Reconstruction, reconstruction_error
    from .statistics import Baseline, Interval
    from .store import load, save

_HOME = {
    "AnalysisError": "errors",
    "Baseline": "statistics",
    "Codes": "codes",
    "Concept": "concepts",
    "ConceptTable": "concepts",
    "Efficiency": "efficiency",
    "Embeddings": "embeddings",
    "FewLabels": "few",
    "Interpolations": "interpolation",
    "Interval": "statistics",
    "Map": "maps",
    "Maps": "maps",
    "Mixture": "mixtures",
    "Model": "model",
    "Neighbours": "neighbours",
    "Overview": "embeddings",
    "Path": "interpolation",
    "Probe": "probes",
    "ProbeTable": "probes",
    "Reconstruction": "reconstruction",
    "concept_vector": "concepts",
    "few_labels": "few",
    "fit_mixture": "mixtures",
    "latent_map": "maps",
    "lerp": "interpolation",
    "linear_probe": "probes",
    "load": "store",
    "nearest": "neighbours",
    "path": "interpolation",
    "reconstruction_error": "reconstruction",
    "save": "store",
    "slerp": "interpolation",
}

__all__ = [
    "AnalysisError",
    "Baseline",
    "Codes",
    "Concept",
    "ConceptTable",
    "Efficiency",
    "Embeddings",
    "FewLabels",
    "Interpolations",
    "Interval",
    "Map",
    "Maps",
    "Mixture",
    "Model",
    "Neighbours",
    "Overview",
    "Path",
    "Probe",
    "ProbeTable",
    "Reconstruction",
    "concept_vector",
    "few_labels",
    "fit_mixture",
    "latent_map",
    "lerp",
    "linear_probe",
    "load",
    "nearest",
    "path",
    "reconstruction_error",
    "save",
    "slerp",
]


def __getattr__(name: str) -> object:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, resolved or not."""
    return sorted([*globals(), *__all__])
