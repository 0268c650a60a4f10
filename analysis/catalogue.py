"""Which analyses there are: a folder each, in the order in which they run and in that in which a report tells them.

A new analysis is a folder and a line here. The folder's name is the kind of its result, the name of the result's files
and the id of its section. Nothing of the folders is imported before it is asked for, so that `--help` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

RESULTS = {
    # what `analyze` runs, quick and telling ones first
    "reconstruction": "reconstruction:Reconstruction",
    "interpolation": "interpolate:Interpolations",
    "code_parts": "code_parts:Codes",
    "probes": "linear_probe:ProbeTable",
    "label_efficiency": "curves:Efficiency",
    "neighbours": "neighbours:Neighbours",
    "concepts": "concept_table:ConceptTable",
    "disentanglement": "evaluate:Disentanglement",
    "mixtures": "mixture:Mixture",
    "geometry": "intrinsic_dimension:Geometry",
    "prior_match": "prior_comparison:PriorComparison",
    "projection": "projection:Maps",
    # what needs another table, samples, or the images themselves
    "robustness": "attacks:Robustness",
    "model_comparison": "similarity:Comparisons",
    "fidelity": "distances:Fidelity",
    "editing": "verification:Verification",
}
"""Analysis -> where in its folder the class of its result stands, as MODULE:CLASS."""

ON_REQUEST = ("robustness", "model_comparison", "fidelity", "editing")
"""Analyses that `analyze` leaves out."""

ANALYZE = tuple(name for name in RESULTS if name not in ON_REQUEST)
"""Analyses that `analyze` runs, in this order: each has a `study.study`."""

STORY = (
    "training_run:overview",
    "training_run:diagnostics",
    "training_run:curves",
    "training_run:samples",
    "fidelity",
    "reconstruction",
    "code_parts",
    "disentanglement",
    "projection",
    "probes",
    "label_efficiency",
    "robustness",
    "neighbours",
    "concepts",
    "editing",
    "interpolation",
    "mixtures",
    "geometry",
    "prior_match",
    "model_comparison",
    "training_run:configuration",
    "training_run:made",
)
"""Sections of a report, in order: FOLDER or FOLDER:FUNCTION of its `views`; `section` is the function's usual name."""

COMMANDS = {
    "probes": "probe",
    "label_efficiency": "efficiency",
    "neighbours": "neighbours",
    "concepts": "concepts",
    "interpolation": "interpolate",
    "mixtures": "mixture",
    "geometry": "geometry",
    "prior_match": "prior",
    "projection": "map",
    "reconstruction": "reconstruction",
    "code_parts": "codes",
    "disentanglement": "disentanglement",
    "model_comparison": "compare",
    "fidelity": "fidelity",
}
"""Analysis -> its command, a function of its `command.py`, in the order of `--help`."""


def load(name: str, part: str) -> Any:
    """Return a module of an analysis' folder: "study", "views", "command", ….

    Raises:
        ModuleNotFoundError: it has none.
    """
    return import_module(f"analysis.{name}.{part}")


def result_class(name: str) -> type[Any]:
    """Return the class of an analysis' result."""
    module, _, class_name = RESULTS[name].partition(":")
    result: type[Any] = getattr(load(name, module), class_name)
    return result
