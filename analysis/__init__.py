"""Statistics on tables of codes: numpy in, frozen results out; imports neither torch nor latentgan.

Every function takes arrays (or a callable `decode`) and returns a frozen dataclass of arrays, and every
figure comes with its yardsticks: n, a 95 % interval, raw pixels, PCA of equal width, the same network
untrained, shuffled labels. Names are resolved on first use (PEP 562): importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .class_mixtures import ByClass, by_class
    from .codes import Codes
    from .concepts import Concept, ConceptTable, concept_vector
    from .conditional import orthogonalise
    from .dci import Factor
    from .directions import find_directions
    from .disentanglement import Disentanglement, disentangle
    from .efficiency import Efficiency
    from .embeddings import Embeddings, Overview
    from .errors import AnalysisError
    from .few import FewLabels, few_labels
    from .fidelity import Fidelity, frechet_distance, kernel_distance
    from .geometry import Geometry, shape_of
    from .interpolation import Interpolations, Path, lerp, path, slerp
    from .keeping import keep_fixed
    from .maps import Map, Maps, latent_map
    from .memory import copying, count_modes
    from .mixture_fits import fit_mixture
    from .mixtures import Mixture
    from .model import Model
    from .neighbours import Neighbours, nearest
    from .outliers import outlier_scores
    from .prior import PriorComparison, compare_with_prior
    from .probes import Probe, ProbeTable, linear_probe
    from .reconstruction import Reconstruction, reconstruction_error
    from .similarity import Comparison, Comparisons, similarities, transfers
    from .statistics import Baseline, Interval
    from .store import load, save
    from .twosample import two_sample
    from .unsupervised import first_layer_directions
    from .verification import Verification, verify_edits

_HOME = {
    "AnalysisError": "errors",
    "Baseline": "statistics",
    "ByClass": "class_mixtures",
    "Codes": "codes",
    "Comparison": "similarity",
    "Comparisons": "similarity",
    "Concept": "concepts",
    "ConceptTable": "concepts",
    "Disentanglement": "disentanglement",
    "Efficiency": "efficiency",
    "Embeddings": "embeddings",
    "Factor": "dci",
    "FewLabels": "few",
    "Fidelity": "fidelity",
    "Geometry": "geometry",
    "Interpolations": "interpolation",
    "Interval": "statistics",
    "Map": "maps",
    "Maps": "maps",
    "Mixture": "mixtures",
    "Model": "model",
    "Neighbours": "neighbours",
    "Overview": "embeddings",
    "Path": "interpolation",
    "PriorComparison": "prior",
    "Probe": "probes",
    "ProbeTable": "probes",
    "Reconstruction": "reconstruction",
    "Verification": "verification",
    "by_class": "class_mixtures",
    "compare_with_prior": "prior",
    "concept_vector": "concepts",
    "copying": "memory",
    "count_modes": "memory",
    "disentangle": "disentanglement",
    "few_labels": "few",
    "find_directions": "directions",
    "first_layer_directions": "unsupervised",
    "fit_mixture": "mixture_fits",
    "frechet_distance": "fidelity",
    "keep_fixed": "keeping",
    "kernel_distance": "fidelity",
    "latent_map": "maps",
    "lerp": "interpolation",
    "linear_probe": "probes",
    "load": "store",
    "nearest": "neighbours",
    "orthogonalise": "conditional",
    "outlier_scores": "outliers",
    "path": "interpolation",
    "reconstruction_error": "reconstruction",
    "save": "store",
    "shape_of": "geometry",
    "similarities": "similarity",
    "slerp": "interpolation",
    "transfers": "similarity",
    "two_sample": "twosample",
    "verify_edits": "verification",
}

__all__ = [
    "AnalysisError",
    "Baseline",
    "ByClass",
    "Codes",
    "Comparison",
    "Comparisons",
    "Concept",
    "ConceptTable",
    "Disentanglement",
    "Efficiency",
    "Embeddings",
    "Factor",
    "FewLabels",
    "Fidelity",
    "Geometry",
    "Interpolations",
    "Interval",
    "Map",
    "Maps",
    "Mixture",
    "Model",
    "Neighbours",
    "Overview",
    "Path",
    "PriorComparison",
    "Probe",
    "ProbeTable",
    "Reconstruction",
    "Verification",
    "by_class",
    "compare_with_prior",
    "concept_vector",
    "copying",
    "count_modes",
    "disentangle",
    "few_labels",
    "find_directions",
    "first_layer_directions",
    "fit_mixture",
    "frechet_distance",
    "keep_fixed",
    "kernel_distance",
    "latent_map",
    "lerp",
    "linear_probe",
    "load",
    "nearest",
    "orthogonalise",
    "outlier_scores",
    "path",
    "reconstruction_error",
    "save",
    "shape_of",
    "similarities",
    "slerp",
    "transfers",
    "two_sample",
    "verify_edits",
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
