"""Edits under decoders whose effects are known: result where they were planted, and not where none was."""

from __future__ import annotations

import numpy as np
import pytest
from bands import WIDTH, Bands, axes, scores

from analysis.editing.edits import (
    check_strengths,
    class_preserved,
    class_preserved_at_one,
    score_edits,
    spearman,
    succeeded,
)
from analysis.editing.evaluators import (
    classifier_scores,
    combined_evaluator,
    measured_columns,
    measured_scores,
    suitable_measures,
)
from analysis.editing.image_measures import measure
from analysis.editing.verification import EditDirection, Verification, verify_edits
from analysis.errors import AnalysisError
from analysis.results import load_one, save

STRENGTHS = np.array([-3.0, -2, -1, 0, 1, 2, 3])


def along(vectors: np.ndarray, length: float = 1.0) -> list[EditDirection]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        EditDirection(name=name, column=name, kind="numeric", vector=v, length=length)
        for name, v in zip("abcd", unit, strict=False)
    ]


def verified(
    world: Bands, codes: np.ndarray, directions: list[EditDirection], *, seed: int = 1, **options: object
) -> Verification:
    rng = np.random.default_rng(seed)
    return verify_edits(world.decode, world.evaluate, scores(), codes, directions, rng=rng, **options)  # type: ignore[arg-type]


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, WIDTH))


def test_planted_effects_make_a_diagonal(codes: np.ndarray) -> None:
    world = Bands(axes())
    result = verified(world, codes, along(np.eye(WIDTH)[:4]))
    # A strength of 1 is 0.05 of brightness, as is the standard deviation.
    np.testing.assert_allclose(result.leakage, np.eye(4), atol=1e-5)
    assert {response.name for response in result.verified} == set("abcd")
    assert not result.leaks.any()
    first = result.responses[0]
    assert first.spearman.value == first.spearman_curve == 1 and first.success.value == 1
    np.testing.assert_allclose(np.diff(first.curve[0]), 0.05, atol=1e-6)
    assert first.spearman.n == first.effect.n == result.n == 60
    assert first.p_value == pytest.approx(1 / 21), "none of 20 draws has a direction that does as well"
    assert first.spearman_random.n == result.draws == 20 and first.effect_random.value < 0.5
    reached = result.responses[3].success
    assert reached.value == np.mean(codes[codes[:, 3] <= 0, 3] > -3) and reached.n == np.sum(codes[:, 3] <= 0)


def test_preserved_classes_are_counted(codes: np.ndarray) -> None:
    world = Bands(axes())
    result = verified(world, codes, along(np.eye(WIDTH)[:4]))
    first, last = result.responses[0], result.responses[3]
    assert (first.class_preserved[0] == 1).all(), "band 0 does not change the class"
    assert first.class_preserved_at_one.value == 1
    z = codes[:, 3].astype(np.float32)
    expected = [np.mean((z + strength > 0) == (z > 0)) for strength in STRENGTHS]
    np.testing.assert_allclose(last.class_preserved[0], expected)
    assert last.class_preserved_at_one.value == pytest.approx((expected[2] + expected[4]) / 2)
    assert last.class_preserved_at_one.value < last.class_preserved_at_one_random.value < 1
    np.testing.assert_allclose(first.pixel_change, 0.05 * np.abs(STRENGTHS) / 2, atol=1e-6)  # one of four bands
    assert (first.pixel_change_random[[0, -1]] > first.pixel_change_random[[2, 4]]).all()
    assert first.pixel_change_random[3] == 0
    real = np.asarray(z > 0, np.int64)
    with_classes = verified(world, codes, along(np.eye(WIDTH)[:1]), draws=2, real=real)
    assert with_classes.reconstructed.value == 1 and np.isnan(result.reconstructed.value)


def test_leakage_is_found_where_planted() -> None:
    mixing = np.eye(60)[:, :4].copy()
    mixing[0, 1] = -0.8
    codes = np.random.default_rng(0).normal(size=(60, 60))
    result = verified(Bands(mixing), codes, along(np.eye(60)[:4]), seed=2)
    expected = np.eye(4)
    expected[0, 1] = -0.8
    np.testing.assert_allclose(result.leakage, expected, atol=1e-5)
    assert np.argwhere(result.leaks).tolist() == [[0, 1]]


def test_random_directions_are_not_verified(codes: np.ndarray) -> None:
    """Of 40 concepts in 8 worlds with a wide code, all of them directions at random, none is verified."""
    world, wide = Bands(np.eye(40)[:, :4]), np.random.default_rng(3).normal(size=(40, 40))
    claimed = leaks = 0
    for seed in range(8):
        drawn = np.random.default_rng([seed, 9]).normal(size=(4, 40))
        result = verified(world, wide, along(drawn), seed=seed)
        claimed += len(result.verified)
        leaks += int(result.leaks.sum())
        assert all(abs(response.spearman_curve) == 1 for response in result.responses), (
            "each does move its score a little"
        )
    assert claimed <= 1
    assert leaks <= 2, "in 5 % of the worlds an effect on another score lies beyond chance"


def test_correlation_intervals_end_at_one(codes: np.ndarray) -> None:
    """One image of many does not follow, as it is white at every strength: Student's interval would reach beyond 1."""
    world, codes = Bands(axes()), codes.copy()
    codes[0, 0] = 1e4

    def decode(z: np.ndarray) -> np.ndarray:
        return np.clip(world.decode(z), 0, 1)

    directions, rng = along(np.eye(WIDTH)[:1]), np.random.default_rng(1)
    result = verify_edits(decode, world.evaluate, scores(), codes, directions, rng=rng, draws=2).responses[0].spearman
    assert result.value == pytest.approx(59 / 60) and result.low < result.value and result.high == 1


def test_lowering_the_score_is_not_verified(codes: np.ndarray) -> None:
    world = Bands(axes())
    result = verified(world, codes, along(-np.eye(WIDTH)[:1]))
    response = result.responses[0]
    assert result.verified == () and response.effect.value == pytest.approx(-1, abs=1e-5)
    assert response.spearman.value == -1 and response.success.value == 0
    assert response.effect_random.value > 0 and response.spearman_random.value > 0, "random ones are turned to rise"


def test_random_directions_stay_in_the_mask(codes: np.ndarray) -> None:
    decoded: list[np.ndarray] = []

    def decode(z: np.ndarray) -> np.ndarray:
        decoded.append(z.astype(np.float64))
        return Bands(axes()).decode(z)

    mask = np.arange(WIDTH) < 8
    verify_edits(
        decode,
        Bands(axes()).evaluate,
        scores(),
        codes[:5],
        along(np.eye(WIDTH)[:2], 0.7),
        draws=3,
        mask=mask,
        rng=np.random.default_rng(1),
    )
    strengths = [z.reshape(5, 7, -1) for z in decoded if len(z) == 35]
    steps = [z[:, 4] - z[:, 3] for z in strengths]
    assert len(steps) >= 8
    for step in steps:
        np.testing.assert_allclose(np.linalg.norm(step, axis=1), 0.7, atol=1e-6)
        assert np.abs(step[:, 8:]).max() < 1e-6


def test_images_are_decoded_in_slices_alike(codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    world, sizes = Bands(axes(0.3)), []
    whole = score_edits(world.decode, world.evaluate, codes, np.eye(WIDTH)[0], STRENGTHS)
    monkeypatch.setattr("analysis.editing.edits.AT_ONCE", 7 * 12 * 8)

    def decode(z: np.ndarray) -> np.ndarray:
        sizes.append(len(z))
        return world.decode(z)

    parts = score_edits(decode, world.evaluate, codes, np.eye(WIDTH)[0], STRENGTHS)
    assert max(sizes) == 7 * 8
    np.testing.assert_array_equal(parts.scores, whole.scores)
    np.testing.assert_array_equal(parts.classes, whole.classes)
    np.testing.assert_array_equal(parts.pixel_change, whole.pixel_change)


def test_images_without_a_score_are_left_out(codes: np.ndarray) -> None:
    world = Bands(axes())

    def evaluate(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, _ = world.evaluate(images)
        return np.where(values > 0.6, np.nan, values), np.full(len(images), -1)

    directions = [
        *along(np.eye(WIDTH)[:1]),
        EditDirection(name="nobody's", column="x", kind="boolean", vector=np.eye(WIDTH)[5], length=1.0),
    ]
    result = verify_edits(world.decode, evaluate, scores(), codes, directions, draws=3, rng=np.random.default_rng(1))
    first, other = result.responses
    assert first.spearman.n == np.sum(codes[:, 0] + 3 <= 2) < 60 and first.spearman.value == 1
    assert other.score == -1 and np.isnan(other.p_value) and np.isnan(other.curve).all()
    assert np.isnan(first.class_preserved).all() and result.scored == (first,)
    np.testing.assert_allclose(result.leakage[1], 0, atol=1e-5)


def test_blank_images_verify_nothing(codes: np.ndarray) -> None:
    world = Bands(axes())
    result = verify_edits(
        world.decode,
        lambda x: (np.full((len(x), 4), np.nan), np.full(len(x), -1)),
        scores(),
        codes,
        along(np.eye(WIDTH)[:2]),
        draws=3,
        rng=np.random.default_rng(1),
    )
    assert result.verified == () and not result.leaks.any()
    assert all(
        np.isnan(response.p_value) and response.spearman.n == response.success.n == 0 for response in result.responses
    )


def test_rank_correlation_is_scipy_s() -> None:
    from scipy.stats import spearmanr

    rows = np.random.default_rng(0).normal(size=(5, 7)).round(1)
    expected = [spearmanr(STRENGTHS, row).statistic for row in rows]
    np.testing.assert_allclose(spearman(rows, STRENGTHS), expected)
    assert spearman(np.ones((1, 7)), STRENGTHS) == 0


def test_success_and_classes_are_counted() -> None:
    rising = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.0, 0, 0, 0.1, 0, 0, 0.2], [1, 1, 1, 1, 0.5, 1, 1.0]])
    assert succeeded(rising, STRENGTHS, 0.5).tolist() == [True, False], "the third has it already"
    assert succeeded(rising, STRENGTHS, np.nan).tolist() == [True, False, False]
    preserved = class_preserved(np.array([[1, 1, 1, 1, 2, 2, 2], [0] * 7]), STRENGTHS)
    at_one = class_preserved_at_one(preserved, STRENGTHS)
    assert (at_one.value, at_one.n) == (0.75, 2)
    assert class_preserved(np.full((2, 7), -1), STRENGTHS) is None
    for strengths in ([0, 1, 2], [-1, 0], [-2, 0, 2], [1, 0, -1]):
        with pytest.raises(AnalysisError, match="strengths"):
            check_strengths(np.array(strengths))


def test_useless_evaluators_are_refused(codes: np.ndarray) -> None:
    world, rng = Bands(axes()), np.random.default_rng(1)
    with pytest.raises(AnalysisError, match="all real images have the same score of 'a'"):
        verify_edits(world.decode, world.evaluate, scores(0.0), codes, along(np.eye(WIDTH)[:1]), rng=rng)
    with pytest.raises(AnalysisError, match="no evaluator"):
        verify_edits(world.decode, world.evaluate, [], codes, along(np.eye(WIDTH)[:1]), rng=rng)
    with pytest.raises(AnalysisError, match="do not vary along 'a'"):
        verify_edits(world.decode, world.evaluate, scores(), codes, along(np.eye(WIDTH)[:1], 0.0), rng=rng)


def test_a_verification_is_saved_and_loaded(codes: np.ndarray, tmp_path) -> None:
    world = Bands(axes())
    result = verified(world, codes, along(np.eye(WIDTH)[:2]), draws=2, notes=["said"])
    save(result, tmp_path)
    loaded = load_one(tmp_path, "editing")
    np.testing.assert_array_equal(loaded.leakage, result.leakage)
    np.testing.assert_array_equal(loaded.responses[1].curve_random, result.responses[1].curve_random)
    assert loaded.responses[1].effect == result.responses[1].effect and loaded.notes == ("said",)
    assert loaded.frames.shape == (2, 4, 7, 4, 3, 1) and loaded.scores[0].quality is None


def test_a_column_may_be_a_measure() -> None:
    rng = np.random.default_rng(0)
    pages = np.zeros((50, 16, 16, 1))
    for page, wide, high in zip(pages, rng.integers(1, 9, 50), rng.integers(2, 13, 50), strict=True):
        page[2 : 2 + high, 3 : 3 + wide] = 0.8
    measured = suitable_measures(pages)
    values = measured(pages)
    columns = {"width": values[:, 2] + 0.01 * rng.normal(size=50), "height": rng.normal(size=50), "age": values[:, 2]}
    assert measured_columns(values, measured.names, columns) == ["width"]
    names = [score.name for score in measured_scores(measured, values, taken=["height"])]
    assert names == ["thickness", "slant", "width", "measured height", "brightness"]
    busy = suitable_measures(rng.random((50, 8, 8, 3)))
    assert busy.names == ("brightness",) and "no plain background" in busy.notes[0]
    evaluate = combined_evaluator(lambda x: (np.ones((len(x), 2)), np.arange(len(x))), measured)
    both, classes = evaluate(pages.astype(np.float32))
    assert both.shape == (50, 7) and classes.tolist() == list(range(50))
    np.testing.assert_allclose(both[:, 2:], measure(pages), atol=1e-4)


def test_classifier_scores_have_their_quality() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([rng.random(300) < 0.4, rng.random(300) < 0.5, rng.normal(size=300)], axis=1).astype(float)
    given = np.stack([0.8 * truth[:, 0] + 0.1, rng.random(300), truth[:, 2] + 0.1 * rng.normal(size=300)], axis=1)
    truth[:10, 0] = np.nan
    about = ["probability by a network", "probability by a network", "value by a network"]
    described, notes = classifier_scores(["good", "bad", "size"], about, given, truth, rng=rng)
    assert described[0].quality is not None and described[0].quality.value == 1 and described[0].quality.n == 290
    assert described[2].metric == "R2" and described[2].quality is not None and described[2].quality.value > 0.98
    assert np.isnan(described[2].threshold) and described[0].threshold == 0.5
    assert len(notes) == 1 and "'bad' is weak" in notes[0]
