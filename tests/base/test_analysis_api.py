"""What `import analysis` offers: every analysis of arrays by a name, its options as keywords."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil

import numpy as np
import pytest

import analysis

FUNCTIONS = sorted(name for name in analysis.__all__ if inspect.isfunction(getattr(analysis, name)))
ANALYSES = {
    "by_class",
    "compare_samples",
    "compare_with_prior",
    "concept_table",
    "concept_vector",
    "copying",
    "count_modes",
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
    "conditional_directions",
    "kernel_distance",
    "label_efficiency_curve",
    "labels_needed",
    "latent_map",
    "lerp",
    "linear_probe",
    "modified_inception_score",
    "edit_directions",
    "nearest",
    "norm_preserving",
    "number_efficiency",
    "orthogonalise",
    "outlier_scores",
    "path",
    "pgd",
    "reconstruction_error",
    "accuracy_under_attack",
    "rank_me",
    "shape_of",
    "spectral_decay",
    "similarities",
    "slerp",
    "transfers",
    "two_sample",
    "verify_concepts",
    "verify_edits",
}


def test_every_analysis_of_arrays_has_a_name() -> None:
    assert set(FUNCTIONS) >= ANALYSES


def test_no_name_hides_a_module() -> None:
    modules = {one.name for one in pkgutil.iter_modules(analysis.__path__)}
    assert not modules & set(analysis.__all__), "`analysis.NAME` would be the module once it is imported"


def test_every_public_name_resolves() -> None:
    assert set(analysis.__all__) <= set(dir(analysis))
    assert all(getattr(analysis, name).__name__ == name for name in analysis.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No analysis attribute robustnes"):
        getattr(analysis, "robustnes")  # noqa: B009


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_keywords(name: str) -> None:
    function = getattr(analysis, name)
    parameters = inspect.signature(function).parameters.values()
    positional = [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY]
    optional = [one.name for one in parameters if one.default is not one.empty]
    assert not set(positional) & set(optional), "what may be left out is named"
    assert "rng" not in positional and function.__doc__, name
    assert not any(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) for one in parameters), name


def test_the_docstring_names_every_function() -> None:
    missing = [name for name in FUNCTIONS if name not in str(analysis.__doc__)]
    assert not missing


def test_results_are_frozen() -> None:
    types = [one for name in analysis.__all__ if inspect.isclass(one := getattr(analysis, name))]
    records = [one for one in types if dataclasses.is_dataclass(one)]
    assert len(records) > 20 and all(one.__dataclass_params__.frozen for one in records)


ROWS = np.random.default_rng(0).normal(size=(60, 4))
COUNTS = {
    "similarities": ("shuffles", "rows"),
    "transfers": ("shuffles",),
    "two_sample": ("repeats", "projections", "rows"),
    "compare_samples": ("k", "rows"),
    "nearest": ("k",),
    "fit_mixture": ("restarts", "search"),
    "shape_of": ("rows",),
    "latent_map": ("k", "epochs"),
    "compare_with_prior": ("rows",),
    "concept_vector": ("permutations",),
}


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, options in COUNTS.items() for option in options])
def test_what_counts_nothing_is_refused_in_a_sentence(name: str, option: str) -> None:
    pairs = {"similarities", "two_sample", "compare_samples", "nearest"}
    given = {"concept_vector": (ROWS, ROWS[:, 0] > 0), "transfers": (ROWS, ROWS, ())}
    arrays = given.get(name, (ROWS, ROWS) if name in pairs else (ROWS,))
    more = {"kind": "normal"} if name == "compare_with_prior" else {}
    for value in (-1, 2.5, "many", True):
        with pytest.raises(analysis.AnalysisError, match=f"{option} must be a whole number of"):
            getattr(analysis, name)(*arrays, **more, **{option: value})


def test_factors_that_are_bare_arrays_are_a_sentence() -> None:
    with pytest.raises(analysis.AnalysisError, match="list of Factor"):
        analysis.disentangle(ROWS, [ROWS[:, 0], ROWS[:, 1]])
