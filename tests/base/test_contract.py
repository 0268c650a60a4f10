"""One contract for every public function: inputs as scikit-learn takes them, and one sentence for what is wrong.

Arrays, lists and data frames give the same results, as do labels of every kind; rng may be a seed, None, a generator or
left out; no rows, rows of no width, NaN, texts, and lengths or widths that differ raise AnalysisError.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.errors import AnalysisError

N, D = 120, 4
DRAW = np.random.default_rng(0)
SIDES = DRAW.integers(0, 2, N)
CODES = DRAW.normal(size=(N, D)) + 1.5 * SIDES[:, None]
OTHERS = DRAW.normal(size=(N, D))
NUMBERS = CODES[:, 0] + 0.3 * DRAW.normal(size=N)
IMAGES = DRAW.random((N, 3, 2, 1))
SHARES = DRAW.dirichlet(np.ones(3), N)
HALF = slice(0, N // 2), slice(N // 2, N)
ASKED = [analysis.ConceptTarget(name="side", column="side", kind="boolean", signs=np.where(SIDES > 0, 1, -1))]


def decode(codes: np.ndarray) -> np.ndarray:
    """Images (n, 2, 2, 1) of codes (n, 4)."""
    return (1 / (1 + np.exp(-np.asarray(codes, np.float64)))).reshape(-1, 2, 2, 1)


@dataclass(frozen=True)
class Case:
    """How a function is called, and which of its arguments are what."""

    call: Callable[..., Any]
    given: Mapping[str, Any]
    tables: Sequence[str] = ()  # (rows, columns) of numbers
    sides: Sequence[str] = ()  # (rows,) of two classes
    numbers: Sequence[str] = ()  # (rows,)
    together: Sequence[tuple[str, str]] = ()  # arguments that must have as many rows
    one_class: bool = True  # whether labels of one class are refused


ROLES = ("tables", "sides", "numbers", "together", "one_class")


def case(call: Callable[..., Any], *names: str, **given: Any) -> Case:
    """A case whose positional arguments are called by `names`."""

    def called(**now: Any) -> Any:
        first = [now.pop(name) for name in names]
        return call(*first, **now)

    return Case(called, given, **{role: given.pop(role) for role in ROLES if role in given})


def rows_of(call: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A function of {"code": (X, y)} thrice as one of train, validation and test rows and labels."""

    def called(x: Any, y: Any, held: Any, kept: Any, test: Any, truth: Any, **more: Any) -> Any:
        return call({"code": (x, y)}, {"code": (held, kept)}, {"code": (test, truth)}, **options, **more)

    return called


SPLITS = {"x": CODES, "y": SIDES, "held": CODES[:60], "kept": SIDES[:60], "test": CODES[60:], "truth": SIDES[60:]}
PAIRS = (("x", "y"), ("held", "kept"), ("test", "truth"))
MIXTURE = analysis.fit_mixture(CODES, rng=np.random.default_rng(0), components=(2,), restarts=1)
TARGET = analysis.linear_target("pixels", DRAW.normal(size=(6, 2)), np.zeros(2))


def tables() -> analysis.ConceptTable:
    """Concepts of the codes, for what takes a table of them."""
    return analysis.concept_table(
        CODES[:80],
        CODES[80:],
        ASKED,
        np.arange(80),
        np.arange(80, N),
        draws=2,
        resamples=2,
        permutations=19,
        rng=np.random.default_rng(0),
    )


CASES: dict[str, Case] = {
    "by_class": case(
        lambda x, y, test, truth, **more: analysis.by_class((x, y), (test, truth), components=(1,), **more),
        "x",
        "y",
        "test",
        "truth",
        x=CODES,
        y=SIDES,
        test=CODES[:70],
        truth=SIDES[:70],
        tables=("x", "test"),
        sides=("y", "truth"),
        together=(("x", "y"), ("test", "truth")),
    ),
    "compare_samples": case(analysis.compare_samples, "real", "fake", real=CODES, fake=OTHERS, tables=("real", "fake")),
    "compare_with_prior": case(
        analysis.compare_with_prior, "codes", codes=CODES, kind="normal", rows=60, tables=("codes",)
    ),
    "concept_table": case(
        analysis.concept_table,
        "train",
        "test",
        "asked",
        "train_rows",
        "test_rows",
        train=CODES[:80],
        test=CODES[80:],
        asked=ASKED,
        train_rows=np.arange(80),
        test_rows=np.arange(80, N),
        draws=2,
        resamples=2,
        permutations=19,
        methods=("LDA",),
        tables=("train", "test"),
        numbers=("train_rows", "test_rows"),
        together=(("train", "train_rows"), ("test", "test_rows")),
    ),
    "concept_vector": case(
        analysis.concept_vector,
        "codes",
        "positive",
        codes=CODES,
        positive=SIDES,
        permutations=19,
        tables=("codes",),
        sides=("positive",),
        together=(("codes", "positive"),),
    ),
    "copying": case(
        analysis.copying,
        "samples",
        "train",
        "held_out",
        samples=OTHERS,
        train=CODES[:60],
        held_out=CODES[60:],
        tables=("samples", "train", "held_out"),
    ),
    "count_modes": case(analysis.count_modes, "x", x=CODES, threshold=0.5, tables=("x",)),
    "decode_edits": case(
        lambda codes, rows: analysis.decode_edits(decode, tables(), codes, rows),
        "codes",
        "rows",
        codes=CODES[:5],
        rows=np.arange(5),
        tables=("codes",),
        numbers=("rows",),
        together=(("codes", "rows"),),
    ),
    "disentangle": case(
        lambda codes, side, number, **more: analysis.disentangle(
            codes,
            [
                analysis.Factor(name="side", values=side, discrete=True),
                analysis.Factor(name="number", values=number, discrete=False),
            ],
            **more,
        ),
        "codes",
        "side",
        "number",
        codes=CODES,
        side=SIDES,
        number=NUMBERS,
        tables=("codes",),
        sides=("side",),
        numbers=("number",),
        together=(("codes", "side"), ("codes", "number")),
    ),
    "few_labels": case(
        rows_of(analysis.few_labels, per_class=5, draws=3),
        *SPLITS,
        **SPLITS,
        tables=("x", "held", "test"),
        sides=("y", "kept", "truth"),
        together=PAIRS,
    ),
    "fgsm": case(
        lambda images, labels: analysis.fgsm(TARGET, images, labels, epsilon=0.1),
        "images",
        "labels",
        images=IMAGES,
        labels=SIDES,
        together=(("images", "labels"),),
    ),
    "find_directions": case(
        analysis.find_directions,
        "codes",
        "targets",
        codes=CODES,
        targets=np.where(SIDES > 0, 1, -1),
        method="LDA",
        tables=("codes",),
        sides=("targets",),
        together=(("codes", "targets"),),
    ),
    "first_layer_directions": case(analysis.first_layer_directions, "weights", weights=OTHERS, tables=("weights",)),
    "fit_class_mixtures": Case(
        lambda codes, labels, **more: analysis.fit_class_mixtures(codes, labels, components=(1,), **more),
        {"codes": CODES, "labels": SIDES},
        ("codes",),
        ("labels",),
        (),
        (("codes", "labels"),),
    ),
    "fit_mixture": case(analysis.fit_mixture, "codes", codes=CODES, components=(1, 2), restarts=1, tables=("codes",)),
    "frechet_distance": case(analysis.frechet_distance, "x", "y", x=CODES, y=OTHERS, tables=("x", "y")),
    "geodesic_path": case(
        lambda start, end: analysis.geodesic_path(decode, start, end, steps=4, rounds=2),
        "start",
        "end",
        start=CODES[0],
        end=CODES[1],
        numbers=("start", "end"),
        together=(("start", "end"),),
    ),
    "inception_score": case(analysis.inception_score, "shares", shares=SHARES, repeats=50, tables=("shares",)),
    "independent_rows": case(
        analysis.independent_rows,
        "groups",
        groups=SIDES,
        sides=("groups",),
        one_class=False,
    ),
    "conditional_directions": case(
        lambda directions, conditions: analysis.conditional_directions(
            directions, conditions, names=["a"], preserved=["b"]
        ),
        "directions",
        "conditions",
        directions=CODES[:1],
        conditions=OTHERS[:1],
        tables=("directions", "conditions"),
    ),
    "kernel_distance": case(analysis.kernel_distance, "x", "y", x=CODES, y=OTHERS, tables=("x", "y")),
    "label_efficiency_curve": case(
        rows_of(analysis.label_efficiency_curve, per_class=(2, 5), draws=3),
        *SPLITS,
        **SPLITS,
        tables=("x", "held", "test"),
        sides=("y", "kept", "truth"),
        together=PAIRS,
    ),
    "latent_map": Case(
        lambda codes, labels, **more: analysis.latent_map(codes, labels=labels, method="pca", **more),
        {"codes": CODES, "labels": SIDES},
        ("codes",),
        ("labels",),
        (),
        (("codes", "labels"),),
        one_class=False,
    ),
    "lerp": case(
        analysis.lerp,
        "start",
        "end",
        "at",
        start=CODES[0],
        end=CODES[1],
        at=np.array([0, 0.5, 1]),
        numbers=("start", "end", "at"),
        together=(("start", "end"),),
    ),
    "linear_probe": case(
        lambda x, y, held, kept, test, truth, **more: analysis.linear_probe(
            (x, y), (test, truth), validation=(held, kept), **more
        ),
        *SPLITS,
        **SPLITS,
        tables=("x", "held", "test"),
        sides=("y", "kept", "truth"),
        together=PAIRS,
    ),
    "linear_target": case(
        lambda weights, bias: analysis.linear_target("pixels", weights, bias).scores(IMAGES),
        "weights",
        "bias",
        weights=DRAW.normal(size=(6, 2)),
        bias=np.zeros(2),
        tables=("weights",),
        numbers=("bias",),
    ),
    "modified_inception_score": case(
        analysis.modified_inception_score, "shares", shares=SHARES, repeats=50, tables=("shares",)
    ),
    "nearest": case(
        analysis.nearest,
        "queries",
        "references",
        queries=CODES,
        references=OTHERS,
        k=2,
        tables=("queries", "references"),
    ),
    "norm_preserving": case(
        analysis.norm_preserving,
        "start",
        "end",
        "at",
        start=CODES[0],
        end=CODES[1],
        at=np.array([0, 0.5, 1]),
        numbers=("start", "end", "at"),
        together=(("start", "end"),),
    ),
    "number_efficiency": case(
        rows_of(analysis.number_efficiency, rows=(10, 20), draws=3),
        *SPLITS,
        **(SPLITS | {"y": NUMBERS, "kept": NUMBERS[:60], "truth": NUMBERS[60:]}),
        tables=("x", "held", "test"),
        numbers=("y", "kept", "truth"),
        together=PAIRS,
    ),
    "orthogonalise": case(
        analysis.orthogonalise,
        "direction",
        "conditions",
        direction=CODES[0],
        conditions=OTHERS[:2],
        tables=("conditions",),
        numbers=("direction",),
    ),
    "outlier_scores": case(
        lambda codes, references: analysis.outlier_scores(MIXTURE, codes, references),
        "codes",
        "references",
        codes=CODES[:60],
        references=CODES[60:],
        tables=("codes", "references"),
    ),
    "path": case(
        lambda start, end: analysis.path(decode, start, end, steps=4),
        "start",
        "end",
        start=CODES[0],
        end=CODES[1],
        numbers=("start", "end"),
        together=(("start", "end"),),
    ),
    "pgd": case(
        lambda images, labels, **more: analysis.pgd(TARGET, images, labels, epsilon=0.1, steps=2, **more),
        "images",
        "labels",
        images=IMAGES,
        labels=SIDES,
        together=(("images", "labels"),),
    ),
    "reconstruction_error": case(
        analysis.reconstruction_error,
        "images",
        "reconstructions",
        images=IMAGES,
        reconstructions=IMAGES[::-1],
        together=(("images", "reconstructions"),),
    ),
    "accuracy_under_attack": case(
        lambda images, labels, **more: analysis.accuracy_under_attack(
            [TARGET], images, labels, epsilons=(0.1,), steps=2, **more
        ),
        "images",
        "labels",
        images=IMAGES,
        labels=SIDES,
        together=(("images", "labels"),),
    ),
    "shape_of": case(analysis.shape_of, "x", x=CODES, tables=("x",)),
    "rank_me": case(analysis.rank_me, "x", x=CODES, tables=("x",)),
    "spectral_decay": case(analysis.spectral_decay, "x", x=CODES, tables=("x",)),
    "similarities": case(
        analysis.similarities, "x", "y", x=CODES, y=OTHERS, shuffles=5, tables=("x", "y"), together=(("x", "y"),)
    ),
    "slerp": case(
        analysis.slerp,
        "start",
        "end",
        "at",
        start=CODES[0],
        end=CODES[1],
        at=np.array([0, 0.5, 1]),
        numbers=("start", "end", "at"),
        together=(("start", "end"),),
    ),
    "transfers": case(
        analysis.transfers,
        "x",
        "y",
        "asked",
        x=CODES,
        y=OTHERS,
        asked=ASKED,
        shuffles=5,
        tables=("x", "y"),
        together=(("x", "y"),),
    ),
    "two_sample": case(analysis.two_sample, "x", "y", x=CODES, y=OTHERS, repeats=9, tables=("x", "y")),
}
NO_ROWS_ARE_FINE = {
    ("orthogonalise", "conditions"),
    ("inception_score", "shares"),
    ("modified_inception_score", "shares"),
}
SLOW = {"disentangle"}
# Functions whose arguments are results of other functions or files alone.
OF_RESULTS = {
    "labels_needed",
    "best_by_metric",
    "load",
    "edit_directions",
    "save",
    "select_directions",
    "ranked_models",
    "verify_concepts",
    "verify_edits",
}


HITS = DRAW.random((3, 40)) < 0.8
WHO = analysis.ComparedModel(name="a"), analysis.ComparedModel(name="b")
ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "no runs": (lambda: analysis.ranked_models([]), "one entry"),
    "no runs to lead": (lambda: analysis.best_by_metric([]), "one entry"),
    "runs on other rows": (
        lambda: analysis.best_by_metric(
            [analysis.Entry(compared=who, values={"code": HITS[:, : 40 - i]}) for i, who in enumerate(WHO)]
        ),
        "same rows",
    ),
    "a curve of other rows": (lambda: analysis.labels_needed(HITS, [HITS[:, :9]], np.ones(1)), "same test rows"),
    "a curve without places": (lambda: analysis.labels_needed(HITS, [HITS, HITS], np.ones(1)), "lengths differ"),
    "what is no result": (lambda: analysis.save(HITS, "nowhere"), "not a result"),
    "no folder": (lambda: analysis.load("no/such/folder"), "no results folder"),
    "signs that are classes": (
        lambda: analysis.concept_table(
            CODES[:60],
            CODES[60:],
            [analysis.ConceptTarget(name="side", column="side", kind="boolean", signs=SIDES)],
            np.arange(60),
            np.arange(60, N),
        ),
        "needs both sides",
    ),
    "other signs": (
        lambda: analysis.concept_table(
            CODES[:60],
            CODES[60:],
            [analysis.ConceptTarget(name="side", column="side", kind="boolean", signs=SIDES + 1)],
            np.arange(60),
            np.arange(60, N),
        ),
        "must be 1",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_else_is_wrong_is_a_sentence(name: str) -> None:
    call, said = ODD[name]
    with pytest.raises(AnalysisError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function."""
    members = {name: getattr(analysis, name) for name in analysis.__all__}
    return {name: member for name, member in members.items() if inspect.isfunction(member)}


def test_every_function_has_a_case() -> None:
    assert set(CASES) | OF_RESULTS == set(functions())


def run(name: str, **changes: Any) -> Any:
    """Call a function with its case's arguments, some changed."""
    return CASES[name].call(**(dict(CASES[name].given) | changes))


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, arrays and NaN included."""
    if dataclasses.is_dataclass(one):
        names = [part.name for part in dataclasses.fields(one) if part.compare]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) and one.dtype.kind in "fc":
        return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, float):
        return bool(np.isclose(one, other, rtol=1e-6, equal_nan=True))
    return callable(one) or bool(one == other)


def sentence(name: str, **changes: Any) -> str:
    """What a call that must fail says."""
    with pytest.raises(AnalysisError) as caught:
        run(name, **changes)
    text = str(caught.value)
    assert text and "\n" not in text
    return text


def roles(*kinds: str) -> list[tuple[str, str]]:
    """(function, argument) of every argument of some kinds."""
    return [(name, one) for name, its in CASES.items() for kind in kinds for one in getattr(its, kind)]


ARRAYS = roles("tables", "sides", "numbers")


@pytest.mark.parametrize("name", CASES)
def test_lists_and_frames_are_arrays(name: str) -> None:
    plain, its = run(name), CASES[name]
    of = {one: its.given[one] for one in (*its.tables, *its.sides, *its.numbers)}
    assert same(plain, run(name, **{one: values.tolist() for one, values in of.items()}))
    if name in SLOW:
        return
    frames = {
        one: pd.DataFrame(v) if one in its.tables else pd.Series(v, index=range(3, 3 + len(v))) for one, v in of.items()
    }
    assert same(plain, run(name, **frames))


@pytest.mark.parametrize("name", [name for name, its in CASES.items() if its.sides])
@pytest.mark.parametrize("kind", ["texts", "booleans", "-1 and 1", "1.0 and 2.0", "column"])
def test_labels_of_every_kind_are_equal(name: str, kind: str) -> None:
    write = {
        "texts": lambda y: np.where(y > 0, "b", "a"),
        "booleans": lambda y: y > 0,
        "-1 and 1": lambda y: np.where(y > 0, 1, -1),
        "1.0 and 2.0": lambda y: np.where(y > 0, 2.0, 1.0),
        "column": lambda y: y[:, None],
    }[kind]
    if name in ("find_directions", "concept_vector") and kind == "1.0 and 2.0":
        pytest.skip("floats are numbers there")
    if name in SLOW and kind != "texts":
        pytest.skip("slow")
    changed = run(name, **{one: write(CASES[name].given[one]) for one in CASES[name].sides})
    assert same(figures(run(name)), figures(changed))


def figures(result: Any) -> Any:
    """A result without the labels' own names."""
    if dataclasses.is_dataclass(result):
        skipped = {"classes", "names", "notes", "note"}
        return [
            figures(getattr(result, f.name)) for f in dataclasses.fields(result) if f.compare and f.name not in skipped
        ]
    return [figures(one) for one in result] if isinstance(result, list | tuple) else result


RANDOM = [name for name, function in functions().items() if "rng" in inspect.signature(function).parameters]


@pytest.mark.parametrize("name", [name for name in RANDOM if name in CASES])
def test_a_seed_a_generator_or_none_is_taken(name: str) -> None:
    first, seeds = run(name), (0, None, np.random.default_rng(0), np.int64(0))
    assert all(same(first, run(name, rng=rng)) for rng in seeds[: 1 if name in SLOW else 4])


@pytest.mark.parametrize("name", RANDOM)
def test_rng_may_be_left_out(name: str) -> None:
    assert inspect.signature(functions()[name]).parameters["rng"].default in (0, None)


@pytest.mark.parametrize("name", [name for name in RANDOM if name in CASES])
def test_a_seed_that_is_none_is_a_sentence(name: str) -> None:
    assert "rng" in sentence(name, rng="dice")


@pytest.mark.parametrize(("name", "one"), ARRAYS)
def test_no_rows_are_a_sentence(name: str, one: str) -> None:
    if (name, one) in NO_ROWS_ARE_FINE:
        pytest.skip("there is an answer without rows")
    sentence(name, **{one: CASES[name].given[one][:0]})


@pytest.mark.parametrize(("name", "one"), roles("tables", "numbers"))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_a_sentence(name: str, one: str, value: float) -> None:
    wild = np.array(CASES[name].given[one], np.float64)
    wild.flat[1] = value
    sentence(name, **{one: wild})


@pytest.mark.parametrize(("name", "one"), roles("sides"))
def test_rows_without_a_label_are_said_or_left_out(name: str, one: str) -> None:
    labels = CASES[name].given[one].astype(object)
    labels[[0, 7]] = None
    try:
        run(name, **{one: labels})
    except AnalysisError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(("name", "one"), roles("tables"))
@pytest.mark.parametrize("kind", ["one axis", "no columns", "texts", "ragged"])
def test_what_is_no_table_is_a_sentence(name: str, one: str, kind: str) -> None:
    table = CASES[name].given[one]
    wrong = {
        "one axis": table[:, 0],
        "no columns": table[:, :0],
        "texts": table.astype(str),
        "ragged": [*table.tolist()[:-1], [1.0]] if len(table) > 1 else [[1.0, "x"]],
    }[kind]
    sentence(name, **{one: wrong})


@pytest.mark.parametrize(("name", "pair"), [(name, pair) for name, its in CASES.items() for pair in its.together])
@pytest.mark.parametrize("which", [0, 1])
def test_lengths_that_differ_are_a_sentence(name: str, pair: tuple[str, str], which: int) -> None:
    sentence(name, **{pair[which]: CASES[name].given[pair[which]][:-1]})


@pytest.mark.parametrize(
    ("name", "one"), [(n, i) for n, i in roles("sides") if CASES[n].one_class and i not in ("truth", "kept")]
)
def test_one_class_is_a_sentence(name: str, one: str) -> None:
    sentence(name, **{one: np.ones_like(CASES[name].given[one])})
