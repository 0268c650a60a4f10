"""Concept vectors: planted directions come back, chance stays chance, and the evidence is honest."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.base.columns import Column
from analysis.concepts.concept_table import concept_table, concept_vector, decode_edits
from analysis.concepts.directions import find_directions
from analysis.concepts.targets import ConceptTarget, concept_targets, with_enough_rows
from analysis.errors import AnalysisError


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def planted(rng: np.random.Generator, n: int = 800, d: int = 12, gap: float = 2.0) -> tuple[np.ndarray, ...]:
    """Codes with one concept along a random unit direction, the other columns of unequal scale."""
    direction = rng.normal(size=d)
    direction /= np.linalg.norm(direction)
    positive = rng.random(n) < 0.4
    codes = rng.normal(size=(n, d)) + gap * positive[:, None] * direction
    return codes.astype(np.float32), positive, direction


@pytest.mark.parametrize("method", ["mean difference", "LDA", "logistic", "SVM"])
def test_a_planted_direction_is_recovered(method: str, rng: np.random.Generator) -> None:
    codes, positive, truth = planted(rng, 4000)
    concept, direction = concept_vector(codes, positive, rng=rng, method=method)
    assert np.linalg.norm(direction) == pytest.approx(1) and direction @ truth > 0.97
    assert concept.auc.low > 0.85 and concept.p_value < 1e-9
    assert concept.scale == pytest.approx(np.std(codes @ truth), rel=0.03)


@pytest.mark.parametrize("offset", [1e4, 1e5])
def test_an_offset_keeps_mean_differences(offset: float, rng: np.random.Generator) -> None:
    codes = rng.normal(size=(20_000, 12))
    signs = np.where(0.1 * codes[:, 0] + rng.normal(size=20_000) > 0, 1, -1)[:, None]
    moved = (codes + offset).astype(np.float32)
    direction, same = (
        find_directions(z, signs, method="mean difference")[0] for z in (moved, moved - np.float32(offset))
    )
    assert direction @ same > 0.99999 and same[0] > 0.95


def test_logistic_normal_sees_through_correlation(
    rng: np.random.Generator,
) -> None:
    codes, positive, _ = planted(rng, 4000, d=2, gap=0.0)
    codes[:, 1] = codes[:, 0] * 3 + 0.3 * rng.normal(size=4000) + positive
    signs = np.where(positive, 1, -1)[:, None]
    mean, logistic = (find_directions(codes, signs, method=m)[0] for m in ("mean difference", "logistic"))
    normal = np.array([-3, 1]) / np.sqrt(10)
    assert logistic @ normal > 0.99 and abs(mean @ normal) < 0.7


def test_p_values_under_the_null_are_uniform(rng: np.random.Generator) -> None:
    from scipy.stats import kstest

    p = []
    for _ in range(100):
        codes, positive, _ = planted(rng, 200, gap=0)
        p.append(concept_vector(codes, positive, rng=rng, permutations=99)[0].p_value)
    assert kstest(p, "uniform").pvalue > 0.01


def test_shuffled_labels_predict_nothing(rng: np.random.Generator) -> None:
    codes, positive, _ = planted(rng, 1500, gap=3)
    rows = np.arange(1500)
    train, test = rows[:1000], rows[1000:]
    ask = ConceptTarget(name="it", column="it", kind="boolean", signs=np.where(positive, 1, -1))
    noise = rng.normal(size=codes.shape).astype(np.float32)
    table = concept_table(
        codes[train], codes[test], [ask], train, test, rng=rng, baselines={"pixels": (noise[train], noise[test])}
    )
    assert [c.method for c in table.concepts] == ["mean difference", "LDA", "logistic", "SVM"]
    for concept in table.concepts:
        figures = {b.name: b.figure for b in concept.baselines}
        assert concept.auc.value > 0.95 and concept.agreement > 0.95 and concept.auc.n == 500
        assert figures["pixels"].low < 0.5 < figures["pixels"].high
        assert figures["shuffled"].low < 0.5 < figures["shuffled"].high
        assert 0.5 < figures["random direction"].value < concept.auc.value
    assert np.allclose(np.diag(table.cosines), 1)


def test_masked_columns_take_no_part(rng: np.random.Generator) -> None:
    codes, positive, _ = planted(rng, 600, gap=3)
    rows = np.arange(600)
    mask = np.arange(12) >= 5
    leak = codes.copy()
    leak[:, 0] = positive * 50
    ask = ConceptTarget(name="it", column="it", kind="boolean", signs=np.where(positive, 1, -1))
    table = concept_table(leak[:400], leak[400:], [ask], rows[:400], rows[400:], rng=rng, mask=mask)
    assert table.directions.shape == (4, 12) and (table.directions[:, :5] == 0).all()


def test_rows_with_an_unknown_value_count_on_neither_side(rng: np.random.Generator) -> None:
    codes, positive, _ = planted(rng)
    signs = np.where(positive, 1, -1)
    signs[::3] = 0
    wild = codes.copy()
    wild[::3] = 1000
    for method in ("mean difference",):
        left = find_directions(wild, signs[:, None], method=method)
        complete = find_directions(codes[signs != 0], signs[signs != 0][:, None], method=method)
        assert left == pytest.approx(complete, abs=1e-5)


def test_columns_become_concept_targets() -> None:
    train = np.arange(8)
    digit = Column(
        name="digit",
        kind="class",
        values=np.array([0, 1, 2, 0, 1, 2, np.nan, 0, 0.0]),
        categories=("<a>", "b", "[red]"),
    )
    targets = concept_targets(digit, train)
    assert [q.name for q in targets] == ["digit: <a>", "digit: b", "digit: [red]"]
    assert targets[0].signs.tolist() == [1, -1, -1, 1, -1, -1, 0, 1, 1]
    [number] = concept_targets(
        Column(name="size", kind="numeric", values=np.array([1, 2, 3, np.nan, 9.0]), categories=()), np.arange(5)
    )
    assert number.signs.tolist() == [-1, -1, 1, 0, 1] and "median, 2.5" in number.note
    [yes] = concept_targets(
        Column(name="bold", kind="boolean", values=np.array([1, 0, np.nan]), categories=("false", "true")), np.arange(3)
    )
    assert yes.signs.tolist() == [1, -1, 0]
    assert (
        concept_targets(Column(name="empty", kind="numeric", values=np.full(3, np.nan), categories=()), np.arange(3))
        == []
    )


def test_rare_values_are_left_out_by_name() -> None:
    signs = np.where(np.arange(100) < 3, 1, -1)
    usable, notes = with_enough_rows(
        [ConceptTarget(name="rare", column="x", kind="text", signs=signs)], np.arange(50), np.arange(50, 100)
    )
    assert usable == [] and "'rare' (3 train, 0 test)" in notes[0]


def test_unusable_targets_are_refused(rng: np.random.Generator) -> None:
    codes, positive, _ = planted(rng, 100)
    signs = np.where(positive, 1, -1)
    with pytest.raises(AnalysisError, match="permutations must be a whole number of 1 or more, not 0"):
        concept_vector(codes, positive, rng=rng, permutations=0)
    for method in ("mean difference", "LDA", "logistic", "ridge"):
        for x, targets, message in (
            (codes, signs[:, None, None], r"a column a concept, not \(100, 1, 1\)"),
            (codes, signs[:5, None], "codes 100, targets 5"),
            (codes, np.ones((100, 1)), "one side alone|no two different"),
            (np.where(codes > 2, np.nan, codes), signs[:, None], "not finite"),
            (codes[:, 0], signs[:, None], r"codes must be \(rows, columns\)"),
        ):
            with pytest.raises(AnalysisError, match=message):
                find_directions(x, targets, method=method)


def test_classes_are_no_signs(rng: np.random.Generator) -> None:
    codes, positive, _ = planted(rng, 100)
    for targets, message in (
        (positive.astype(int), "0 and 1 must be written as booleans"),
        (positive + 2, "labels == class"),
    ):
        with pytest.raises(AnalysisError, match=message):
            find_directions(codes, targets, method="mean difference")


def test_too_few_rows_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="left out"):
        concept_vector(rng.normal(size=(20, 3)), np.arange(20) < 2, rng=rng)
    with pytest.raises(AnalysisError, match="unknown method 'forest'"):
        find_directions(rng.normal(size=(20, 3)), np.ones((20, 1), np.int64), method="forest")


def test_strengths_are_standard_deviations(
    rng: np.random.Generator,
) -> None:
    codes, positive, _ = planted(rng, 600, gap=3)
    rows = np.arange(600)
    ask = ConceptTarget(name="it", column="it", kind="boolean", signs=np.where(positive, 1, -1))
    table = concept_table(codes[:400], codes[400:], [ask], rows[:400], rows[400:], rng=rng)
    decoded = []

    def decode(moved: np.ndarray) -> np.ndarray:
        decoded.append(moved)
        return np.clip(moved[:, :4].reshape(-1, 2, 2, 1) / 10 + 0.5, 0, 1)

    edits = decode_edits(decode, table, codes[400:403], rows[400:403], strengths=(-1, 0, 2))
    assert edits.frames.shape == (1, 3, 3, 2, 2, 1) and edits.concepts == (0,)
    moved = decoded[0].reshape(3, 3, -1)
    assert moved[:, 1] == pytest.approx(codes[400:403])
    along = (moved[:, 2] - moved[:, 1]) @ table.directions[0]
    assert along == pytest.approx(np.full(3, 2 * table.concepts[0].scale), rel=1e-4)
