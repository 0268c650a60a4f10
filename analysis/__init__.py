"""Statistics on tables of codes: numpy in, frozen results out; imports neither torch nor latentgan.

Every function takes arrays (or a callable `decode`) and returns a frozen dataclass of arrays, its options are keywords,
and every figure comes with its yardsticks: n, a 95 % interval, raw pixels, PCA of equal width, the same network
untrained, shuffled labels. Names are resolved on first use (PEP 562): importing the package costs nothing.

tables        Embeddings of a Parquet file; independent_rows, one of each group; `load` and `save` of results
probes        linear_probe; few_labels, and whole curves: label_efficiency, number_efficiency, labels_needed; nearest;
              robustness against fgsm and pgd of any reader with a gradient, of a linear_target
concepts      concept_vector for one, concept_table for many, with decode_edits; find_directions, orthogonalise and
              keep_fixed; first_layer_directions
edits         verify_edits by any judge; verify_concepts of held-out images; moves_of lists what a table can be moved
              along
paths         lerp, slerp, norm_preserving, geodesic_path; path decodes one
mixtures      fit_mixture; fit_class_mixtures, by_class judges them; outlier_scores
shape         shape_of, disentangle, compare_with_prior, two_sample, latent_map, reconstruction_error
other models  similarities, transfers; standings of runs side by side, and leads where one is ahead
samples       compare_samples, frechet_distance, kernel_distance; copying, count_modes; inception_score,
              modified_inception_score
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base.decoding import reconstruction_error
    from .base.groups import independent_rows
    from .base.linear_models import Rows
    from .base.model import Model
    from .base.nearest import nearest
    from .base.statistics import Baseline, Interval
    from .code_parts.code_parts import Codes
    from .concepts.concept_table import Concept, ConceptTable, concept_table, concept_vector, decode_edits
    from .concepts.directions import find_directions
    from .concepts.orthogonalization import keep_fixed, orthogonalise
    from .concepts.targets import Question
    from .concepts.unsupervised import first_layer_directions
    from .disentanglement.evaluate import Disentanglement, disentangle
    from .disentanglement.metrics import Factor
    from .editing.study import HeldOut, moves_of, verify_concepts
    from .editing.verification import Move, Score, Verification, verify_edits
    from .errors import AnalysisError
    from .fidelity.distances import (
        Copying,
        Distances,
        Duplicates,
        Fidelity,
        Modes,
        compare_samples,
        frechet_distance,
        kernel_distance,
    )
    from .fidelity.inception_score import inception_score, modified_inception_score
    from .fidelity.memorization import copying, count_modes
    from .geometry.intrinsic_dimension import Geometry, shape_of
    from .interpolation.geodesics import Geodesic, geodesic_path
    from .interpolation.interpolate import Interpolations, Path, path
    from .interpolation.paths import lerp, norm_preserving, slerp
    from .label_efficiency.curves import Efficiency, LabelsNeeded, few_labels, label_efficiency, labels_needed
    from .label_efficiency.regression import number_efficiency
    from .mixtures.class_conditional import ByClass, ClassMixtures, by_class, fit_class_mixtures
    from .mixtures.mixture import Mixture
    from .mixtures.model_selection import fit_mixture
    from .mixtures.outliers import outlier_scores
    from .model_comparison.ranking import Contender, Entry, SideBySide, leads, standings
    from .model_comparison.similarity import Comparison, Comparisons, similarities, transfers
    from .neighbours.neighbours import Neighbours
    from .prior_match.prior_comparison import PriorComparison, compare_with_prior
    from .prior_match.two_sample import two_sample
    from .probes.few_labels import FewLabels
    from .probes.linear_probe import Probe, ProbeTable, linear_probe
    from .projection.projection import Map, Maps, latent_map
    from .reconstruction.reconstruction import Reconstruction
    from .results import load, save
    from .robustness.attacks import Robustness, Target, fgsm, linear_target, pgd, robustness
    from .table.embeddings import Embeddings
    from .table.overview import Overview


_HOME = {
    "AnalysisError": "errors",
    "Baseline": "statistics",
    "ByClass": "class_mixtures",
    "ClassMixtures": "class_mixtures",
    "Codes": "codes",
    "Comparison": "similarity",
    "Comparisons": "similarity",
    "Concept": "concepts",
    "ConceptTable": "concepts",
    "Contender": "side_by_side",
    "Copying": "fidelity",
    "Disentanglement": "disentanglement",
    "Distances": "fidelity",
    "Duplicates": "fidelity",
    "Efficiency": "efficiency",
    "Embeddings": "embeddings",
    "Entry": "side_by_side",
    "Factor": "dci",
    "FewLabels": "few",
    "Fidelity": "fidelity",
    "Geodesic": "geodesic",
    "Geometry": "geometry",
    "HeldOut": "study_edits",
    "Interpolations": "interpolation",
    "Interval": "statistics",
    "LabelsNeeded": "efficiency",
    "Map": "maps",
    "Maps": "maps",
    "Mixture": "mixtures",
    "Model": "model",
    "Modes": "fidelity",
    "Move": "verification",
    "Neighbours": "neighbours",
    "Overview": "overview",
    "Path": "interpolation",
    "PriorComparison": "prior",
    "Probe": "probes",
    "ProbeTable": "probes",
    "Question": "questions",
    "Reconstruction": "reconstruction",
    "Robustness": "adversarial",
    "Rows": "probes",
    "Score": "verification",
    "SideBySide": "side_by_side",
    "Target": "adversarial",
    "Verification": "verification",
    "by_class": "class_mixtures",
    "compare_samples": "fidelity",
    "compare_with_prior": "prior",
    "concept_table": "concepts",
    "concept_vector": "concepts",
    "copying": "memory",
    "count_modes": "memory",
    "decode_edits": "concepts",
    "disentangle": "disentanglement",
    "few_labels": "few",
    "fgsm": "adversarial",
    "find_directions": "directions",
    "first_layer_directions": "unsupervised",
    "fit_class_mixtures": "class_mixtures",
    "fit_mixture": "mixture_fits",
    "frechet_distance": "fidelity",
    "geodesic_path": "geodesic",
    "inception_score": "inception",
    "independent_rows": "groups",
    "keep_fixed": "keeping",
    "kernel_distance": "fidelity",
    "label_efficiency": "efficiency",
    "labels_needed": "efficiency",
    "latent_map": "maps",
    "leads": "side_by_side",
    "lerp": "interpolation",
    "linear_probe": "probes",
    "linear_target": "adversarial",
    "load": "store",
    "modified_inception_score": "inception",
    "moves_of": "study_edits",
    "nearest": "neighbours",
    "norm_preserving": "interpolation",
    "number_efficiency": "few_numbers",
    "orthogonalise": "conditional",
    "outlier_scores": "outliers",
    "path": "interpolation",
    "pgd": "adversarial",
    "reconstruction_error": "reconstruction",
    "robustness": "adversarial",
    "save": "store",
    "shape_of": "geometry",
    "similarities": "similarity",
    "slerp": "interpolation",
    "standings": "side_by_side",
    "transfers": "similarity",
    "two_sample": "twosample",
    "verify_concepts": "study_edits",
    "verify_edits": "verification",
}

__all__ = [
    "AnalysisError",
    "Baseline",
    "ByClass",
    "ClassMixtures",
    "Codes",
    "Comparison",
    "Comparisons",
    "Concept",
    "ConceptTable",
    "Contender",
    "Copying",
    "Disentanglement",
    "Distances",
    "Duplicates",
    "Efficiency",
    "Embeddings",
    "Entry",
    "Factor",
    "FewLabels",
    "Fidelity",
    "Geodesic",
    "Geometry",
    "HeldOut",
    "Interpolations",
    "Interval",
    "LabelsNeeded",
    "Map",
    "Maps",
    "Mixture",
    "Model",
    "Modes",
    "Move",
    "Neighbours",
    "Overview",
    "Path",
    "PriorComparison",
    "Probe",
    "ProbeTable",
    "Question",
    "Reconstruction",
    "Robustness",
    "Rows",
    "Score",
    "SideBySide",
    "Target",
    "Verification",
    "by_class",
    "compare_samples",
    "compare_with_prior",
    "concept_table",
    "concept_vector",
    "copying",
    "count_modes",
    "decode_edits",
    "disentangle",
    "few_labels",
    "fgsm",
    "find_directions",
    "first_layer_directions",
    "fit_class_mixtures",
    "fit_mixture",
    "frechet_distance",
    "geodesic_path",
    "inception_score",
    "independent_rows",
    "keep_fixed",
    "kernel_distance",
    "label_efficiency",
    "labels_needed",
    "latent_map",
    "leads",
    "lerp",
    "linear_probe",
    "linear_target",
    "load",
    "modified_inception_score",
    "moves_of",
    "nearest",
    "norm_preserving",
    "number_efficiency",
    "orthogonalise",
    "outlier_scores",
    "path",
    "pgd",
    "reconstruction_error",
    "robustness",
    "save",
    "shape_of",
    "similarities",
    "slerp",
    "standings",
    "transfers",
    "two_sample",
    "verify_concepts",
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
