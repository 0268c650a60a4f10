"""Conditional directions, directions without labels, and those of a model's first layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
from scipy.stats import kstest
from typer.testing import CliRunner

from analysis.base.statistics import Interval
from analysis.concepts.concept_table import ConceptTable, concept_table
from analysis.concepts.orthogonalization import MAX_CONDITION_NUMBER, MIN_LENGTH_LEFT, orthogonalise, span_of
from analysis.concepts.scoring import Task
from analysis.concepts.study import study as study_concepts
from analysis.concepts.targets import ConceptTarget, places_of_names
from analysis.concepts.unsupervised import FIRST_LAYER, PCA_OF_CODES, effects_of, first_layer_directions, unsupervised
from analysis.concepts.views import section
from analysis.errors import AnalysisError
from analysis.report.context import ReportContext
from analysis.report.document import all_blocks
from analysis.report.html import render
from analysis.report_builder import build
from analysis.results import load, save
from analysis.table.embeddings import Embeddings
from analysis.table.study_options import Options

QUICK = Options(shown=2)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(21)


def test_one_condition_follows_interfacegan(rng: np.random.Generator) -> None:
    v, c = rng.normal(size=6), rng.normal(size=6)
    v, c = v / np.linalg.norm(v), c / np.linalg.norm(c)
    free = orthogonalise(3 * v, 7 * c[None])
    by_hand = v - (v @ c) * c
    assert free.direction == pytest.approx(by_hand / np.linalg.norm(by_hand))
    assert free.left == pytest.approx(np.linalg.norm(by_hand)) and free.used.all() and not free.gone


def test_any_number_of_conditions_is_projected_out(rng: np.random.Generator) -> None:
    v, conditions = rng.normal(size=12), rng.normal(size=(7, 12))
    free = orthogonalise(v, conditions)
    assert conditions @ free.direction == pytest.approx(np.zeros(7), abs=1e-12)
    basis = np.linalg.qr(conditions.T)[0]
    rest = v - basis @ (basis.T @ v)
    assert free.direction == pytest.approx(rest / np.linalg.norm(rest)) and free.condition > 1
    assert orthogonalise(v, np.zeros((0, 12))).direction == pytest.approx(v / np.linalg.norm(v))


def test_a_span_is_taken_out_as_by_pinv(rng: np.random.Generator) -> None:
    v, conditions = rng.normal(size=(3, 2, 9)), rng.normal(size=(4, 9))
    expected = v - v @ (np.linalg.pinv(conditions) @ conditions)
    assert span_of(conditions).taken_out(v) == pytest.approx(expected, abs=1e-12)
    twice = span_of(np.vstack([conditions, conditions, np.zeros((1, 9))]), bar=1 / MIN_LENGTH_LEFT)
    assert twice.used.sum() == 4 and twice.taken_out(v) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-5, 1e-2])
def test_dependent_conditions_are_left_out(noise: float, rng: np.random.Generator) -> None:
    v, first, second = rng.normal(size=(3, 8))
    third = first - 2 * second + noise * rng.normal(size=8)
    free = orthogonalise(v, np.stack([first, second, third]))
    assert free.used.tolist() == [True, True, False] and free.condition <= MAX_CONDITION_NUMBER
    assert free.direction == pytest.approx(orthogonalise(v, np.stack([first, second])).direction)
    assert abs(free.direction @ third) <= 10 * noise + 1e-12
    assert not orthogonalise(v, np.zeros((1, 8))).used.any()


def test_a_direction_in_the_span_is_gone(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=(2, 8))
    free = orthogonalise(first + second, np.stack([first, second]))
    assert free.gone and not free.direction.any() and free.left < 1e-12
    with pytest.raises(AnalysisError, match="length 0"):
        orthogonalise(np.zeros(3), np.eye(3))
    with pytest.raises(AnalysisError, match="do not fit"):
        orthogonalise(np.ones(3), np.eye(4))


def entangled(rng: np.random.Generator, n: int = 1500, by: str = "projection") -> ConceptTable:
    """ "smile" and "hat" move the code along directions with a cosine of 0.6; "wet" moves nothing."""
    smile, hat, wet = (np.where(rng.random(n) < 0.5, 1, -1) for _ in range(3))
    codes = rng.normal(size=(n, 6))
    codes[:, 0] += 1.5 * smile + 0.9 * hat
    codes[:, 1] += 1.2 * hat
    targets = [
        ConceptTarget(name=k, column=k, kind="boolean", signs=v)
        for k, v in (("smile", smile), ("hat", hat), ("wet", wet))
    ]
    rows = np.arange(n)
    return concept_table(
        codes[:1000],
        codes[1000:],
        targets,
        rows[:1000],
        rows[1000:],
        rng=rng,
        preserve=["hat"],
        draws=3,
        preserve_by=by,
        permutations=99,
        resamples=10,
    )


def test_projection_keeps_its_own_concept(rng: np.random.Generator) -> None:
    table = entangled(rng)
    by = {table.concepts[free.concept].name: free for free in table.conditional}
    assert list(by) == ["smile, preserving hat by projection", "wet, preserving hat by projection"]
    free = by["smile, preserving hat by projection"]
    made, source, [other] = table.concepts[free.concept], table.concepts[free.source], free.preserved
    assert (source.name, source.method, made.method) == ("smile", "mean difference", "mean difference")
    assert other.cosine[0] == pytest.approx(0.6, abs=0.1) and other.cosine[1] == pytest.approx(0, abs=1e-9)
    assert other.correlation[0].low > 0.3 and other.correlation[1].low < 0.35 < 0.4 < other.correlation[0].value
    assert other.ranked[0].low > 0.6 and abs(other.ranked[1].value - 0.5) < abs(other.ranked[0].value - 0.5)
    assert made.auc.value > 0.8 and made.q_value < 0.05 and made.stability.low > 0.8
    assert free.left == pytest.approx(np.sqrt(1 - other.cosine[0] ** 2), abs=1e-6)
    assert not made.chosen and made.name not in [concept.name for concept in table.best]
    null = table.concepts[by["wet, preserving hat by projection"].concept]
    assert null.q_value > 0.05 and null.stability.low < 0.5


def test_regression_keeps_independent_effects(rng: np.random.Generator) -> None:
    """Nothing goes together in the rows, so that the plain direction keeps the other already."""
    table = entangled(rng, by="regression")
    names = [table.concepts[conditional.concept].name for conditional in table.conditional]
    free = table.conditional[names.index("smile, preserving hat")]
    assert abs(table.directions[free.concept][0]) > 0.99 and free.left == pytest.approx(1, abs=0.01)
    moved, [other] = free.moved[1], free.preserved
    assert other.moved[1].low < 0 < other.moved[1].high and moved.low > 0.5
    assert table.concepts[free.concept].significant and table.concepts[free.concept].stability.low > 0.8
    null = next(table.concepts[conditional.concept] for conditional in table.conditional if conditional is not free)
    assert null.name == "wet, preserving hat" and not null.significant and null.stability.low < 0.5


def test_what_cannot_be_preserved_is_noted(rng: np.random.Generator) -> None:
    a, b = (np.where(rng.random(600) < 0.5, 1, -1) for _ in range(2))
    codes, rows = np.column_stack([3 * a, 3 * b]) + rng.normal(size=(600, 2)), np.arange(600)
    targets = [
        ConceptTarget(name=k, column=k, kind="boolean", signs=v)
        for k, v in (("a", a), ("b", b), ("both", a * (a == b)))
    ]
    few: dict[str, Any] = {"draws": 2, "permutations": 19, "resamples": 2, "methods": ["mean difference"]}

    def preserving(*names: str) -> ConceptTable:
        return concept_table(codes[:400], codes[400:], targets, rows[:400], rows[400:], rng=rng, preserve=names, **few)

    spanned = preserving("a", "b")
    note = "nothing is left of 'both' where a and b are preserved, which determine it"
    assert spanned.conditional == () and spanned.notes == (note,)
    assert preserving("a", "b", "both").notes == (
        "no direction preserves a and b and both: every concept is among them",
    )
    few["preserve_by"] = "projection"
    assert preserving("a", "b").notes == ("nothing is left of 'both' without a and b: it lies in their span",)


def test_names_call_targets_or_a_column(rng: np.random.Generator) -> None:
    targets = [
        ConceptTarget(name=f"label: {k}", column="label", kind="class", signs=np.zeros(3, np.int64)) for k in "abc"
    ]
    assert places_of_names(targets, ["label: b"]) == [1] and places_of_names(targets, ["label: c", "label"]) == [
        2,
        0,
        1,
    ]
    assert places_of_names(targets, ["c", "a"]) == [2, 0]
    with pytest.raises(AnalysisError, match="no concept is called 'lable'; did you mean 'label'"):
        places_of_names(targets, ["lable"])


def test_first_layer_gives_singular_vectors(rng: np.random.Generator) -> None:
    weights = rng.normal(size=(30, 6)) * [5, 1, 1, 1, 1, 0.1]
    axes, shares = first_layer_directions(weights)
    _, sizes, right = np.linalg.svd(weights)
    assert np.abs(np.sum(axes * right, axis=1)) == pytest.approx(np.ones(6))
    assert shares == pytest.approx(sizes**2 / np.sum(sizes**2))
    for wrong in (np.zeros((3, 2)), np.full((2, 2), np.nan), np.ones(3)):
        with pytest.raises(AnalysisError, match="finite matrix"):
            first_layer_directions(wrong)


def test_a_planted_component_is_stable(rng: np.random.Generator) -> None:
    signs = np.where(rng.random(1200) < 0.5, 1, -1)
    noise = np.where(rng.random(1200) < 0.5, 1, -1)
    rows = np.arange(1200)
    tasks = [
        Task(target=ConceptTarget(name=k, column=k, kind="boolean", signs=v), train=rows[:800], test=rows[800:])
        for k, v in (("it", signs), ("not", noise))
    ]
    round_cloud = rng.normal(size=(1200, 10)).astype(np.float32)
    planted = round_cloud + 2 * signs[:, None] * np.eye(10, dtype=np.float32)[0]
    [components] = unsupervised(planted[:800], planted[800:], tasks, rng=rng, permutations=199)
    first, second = components.axes[:2]
    assert components.method == PCA_OF_CODES and components.directions[0, 0] > 0.97, "the sign is the concept's"
    assert first.share > 3 * components.even and first.stability.low > 0.95 and first.concept == "it"
    assert first.auc.low > 0.9 and first.q_value < 0.05 and second.stability.value < 0.9
    [none] = unsupervised(round_cloud[:800], round_cloud[800:], tasks, rng=rng, permutations=199)
    assert all(axis.q_value > 0.05 and axis.stability.value < 0.8 for axis in none.axes)
    assert all(axis.share < 1.5 * none.even for axis in none.axes)
    [unnamed] = unsupervised(round_cloud[:800], round_cloud[800:], [], rng=rng)
    assert all(axis.concept == "" and np.isnan(axis.p_value) for axis in unnamed.axes)


def test_an_axis_without_variance_is_no_direction(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(200, 3)).astype(np.float32)
    codes[:, 1] = 4
    [components] = unsupervised(codes[:120], codes[120:], [], rng=rng)
    assert len(components.axes) == 2 and np.allclose(components.directions[:, 1], 0, atol=1e-6)
    assert unsupervised(np.zeros((50, 3)), np.zeros((20, 3)), [], rng=rng) == ()


def test_axes_of_noise_have_uniform_p_values(rng: np.random.Generator) -> None:
    p, rows = [], np.arange(200)
    for _ in range(8):
        signs = np.where(rng.random((200, 5)) < 0.5, 1, -1)
        tasks = [
            Task(
                target=ConceptTarget(name=str(i), column="", kind="boolean", signs=v), train=rows[:120], test=rows[120:]
            )
            for i, v in enumerate(signs.T)
        ]
        codes = rng.normal(size=(200, 8))
        [components] = unsupervised(codes[:120], codes[120:], tasks, rng=rng, permutations=99)
        p += [axis.p_value for axis in components.axes]
    assert kstest(p, "uniform").pvalue > 0.01, "the concept is chosen on train rows, and scored on others"


def test_the_effect_of_an_axis_is_that_of_the_decoder(rng: np.random.Generator) -> None:
    gains = np.array([4, 2, 1, 1.0])
    codes = rng.normal(size=(300, 4)).astype(np.float32)
    [_, first_layer] = unsupervised(codes[:200], codes[200:], [], weights=np.diag(gains), rng=rng)
    assert first_layer.method == FIRST_LAYER and first_layer.axes[0].share == pytest.approx(16 / 22)
    moved = effects_of(
        first_layer, lambda z: (z * gains).reshape(-1, 2, 2, 1).astype(np.float32), codes, np.ones(4, bool), rng=rng
    )
    effects = [axis.effect.value for axis in moved.axes if axis.effect]
    assert effects[0] / np.array(effects) == pytest.approx([1, 2, 4, 4], rel=1e-3)


class Reading:
    """The digits' PCA as a model that says what its first layer is."""

    def __init__(self, width: int = 10) -> None:
        self.model, self.width = table_maker.digits_model(), width

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        return self.model.decode(codes)

    def first_layer(self) -> np.ndarray:
        return np.eye(10, self.width, dtype=np.float32)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = table_maker.digits_columns(rows=700)
    return table_maker.write_table(tmp_path_factory.mktemp("t") / "t.parquet", columns)


@pytest.fixture(scope="module")
def result(table: Path) -> ConceptTable:
    preserved = ("label: 3", "parity")
    return study_concepts(Embeddings(table), Reading(), QUICK, permutations=59, preserve=preserved)  # type: ignore[arg-type]


def test_a_study_has_every_kind_of_direction(result: ConceptTable) -> None:
    [ink] = [concept for concept in result.best if concept.name == "ink"]
    assert ink.metric == "R²" and ink.score.low > 0.3
    assert {concept.method for concept in result.concepts if concept.name == "ink"} >= {"ridge", "LDA", "SVM"}
    assert {concept.name for concept in result.concepts if concept.name.endswith("preserving label: 3 and parity")} >= {
        "ink, preserving label: 3 and parity",
        "label: 8, preserving label: 3 and parity",
    }
    assert [concept.method for concept in result.unsupervised] == [PCA_OF_CODES, FIRST_LAYER]
    assert result.edits is not None and all(concept.frames is not None for concept in result.unsupervised)
    shape = result.unsupervised[0].frames.shape  # type: ignore[union-attr]
    assert shape[1:] == result.edits.frames.shape[1:]
    white = result.unsupervised[0].axes
    assert all(axis.stability.value < 0.8 for axis in white), "these codes are white: no axis is one"


def test_results_come_back_from_disk(result: ConceptTable, tmp_path: Path) -> None:
    save(result, tmp_path)
    loaded = load(tmp_path)["concepts"]
    assert loaded.concepts[0] == result.concepts[0] and loaded.conditional == result.conditional
    assert (loaded.unsupervised[0].directions == result.unsupervised[0].directions).all()
    assert isinstance(loaded.conditional[0].preserved[0].correlation[0], Interval)


def test_the_report_escapes_names(result: ConceptTable) -> None:
    conditional = tuple(
        replace(f, preserved=tuple(replace(k, name="<i>" + k.name) for k in f.preserved)) for f in result.conditional
    )
    blind = tuple(
        replace(concept, axes=tuple(replace(axis, concept="<u>" + axis.concept) for axis in concept.axes))
        for concept in result.unsupervised
    )
    called = tuple(replace(concept, name="<b>" + concept.name, note="<s>") for concept in result.concepts)
    hostile = ReportContext({"concepts": replace(result, concepts=called, conditional=conditional, unsupervised=blind)})
    words = str(all_blocks(section(hostile).blocks))
    for text in (
        "preserving label: 3",
        "first layer (SeFa)",
        "sefa1",
        "--concept pca1",
        "of shuffled labels",
        "R²",
        "<b>label: 3",
        "train rows",
    ):
        assert text in words, text
    page = render(build(hostile))
    for tag in ("b", "i", "u", "s"):
        assert f"&lt;{tag}&gt;" in page and f"<{tag}>label" not in page and f"<{tag}>ink" not in page


def test_a_first_layer_of_other_width_fails(table: Path) -> None:
    with pytest.raises(AnalysisError, match=r"first_layer gave \(10, 7\), not \(rows, 10\)"):
        study_concepts(Embeddings(table), Reading(7), QUICK, permutations=59)  # type: ignore[arg-type]
    plain: Any = table_maker.digits_model()
    done = study_concepts(Embeddings(table), plain, QUICK, permutations=59)
    assert [method.method for method in done.unsupervised] == [PCA_OF_CODES]
    assert any("no linear layer of the model reads the code" in note for note in done.notes)


def test_the_command_refuses_unknown_names(table: Path) -> None:
    import typer

    from analysis.app import register

    app = typer.Typer()
    register(app)
    arguments = ["concepts", str(table), "--permutations", "19", "--preserve", "round"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "ink, preserving round" in done.output and "of 13 concepts significant at q <= 0.05" in done.output
    refused = CliRunner().invoke(app, [*arguments[:-1], "rond"])
    assert isinstance(refused.exception, AnalysisError) and "did you mean 'round'" in str(refused.exception)
