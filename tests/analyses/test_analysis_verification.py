"""Edits under decoders whose effects are known: found where they were planted, and not where none was."""

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


def moves(directions: np.ndarray, length: float = 1.0) -> list[EditDirection]:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return [
        EditDirection(name=name, column=name, kind="numeric", vector=v, length=length)
        for name, v in zip("abcd", unit, strict=False)
    ]


def verified(
    world: Bands, codes: np.ndarray, asked: list[EditDirection], *, seed: int = 1, **options: object
) -> Verification:
    rng = np.random.default_rng(seed)
    return verify_edits(world.decode, world.evaluate, scores(), codes, asked, rng=rng, **options)  # type: ignore[arg-type]


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, WIDTH))


def test_a_planted_decoder_is_found_with_a_diagonal_of_leakage(codes: np.ndarray) -> None:
    world = Bands(axes())
    found = verified(world, codes, moves(np.eye(WIDTH)[:4]))
    np.testing.assert_allclose(
        found.leakage, np.eye(4), atol=1e-5
    )  # 0.05 of brightness at strength 1, and 0.05 is the sd
    assert {one.name for one in found.verified} == set("abcd")
    assert not found.leaks.any()
    first = found.responses[0]
    assert first.spearman.value == first.spearman_curve == 1 and first.success.value == 1
    np.testing.assert_allclose(np.diff(first.curve[0]), 0.05, atol=1e-6)
    assert first.spearman.n == first.effect.n == found.n == 60
    assert first.p_value == pytest.approx(1 / 21), "none of 20 draws has a direction that does as well"
    assert first.spearman_random.n == found.draws == 20 and first.effect_random.value < 0.5
    reached = found.responses[3].success
    assert reached.value == np.mean(codes[codes[:, 3] <= 0, 3] > -3) and reached.n == np.sum(codes[:, 3] <= 0)


def test_what_stays_is_counted_beside_what_random_directions_leave(codes: np.ndarray) -> None:
    world = Bands(axes())
    found = verified(world, codes, moves(np.eye(WIDTH)[:4]))
    first, last = found.responses[0], found.responses[3]
    assert (first.class_preserved[0] == 1).all() and first.class_preserved_at_one.value == 1, (
        "band 0 says nothing of the class"
    )
    z = codes[:, 3].astype(np.float32)
    expected = [np.mean((z + strength > 0) == (z > 0)) for strength in STRENGTHS]
    np.testing.assert_allclose(last.class_preserved[0], expected)
    assert last.class_preserved_at_one.value == pytest.approx((expected[2] + expected[4]) / 2)
    assert last.class_preserved_at_one.value < last.class_preserved_at_one_random.value < 1
    np.testing.assert_allclose(first.pixel_change, 0.05 * np.abs(STRENGTHS) / 2, atol=1e-6)  # one of four bands
    assert (first.pixel_change_random[[0, -1]] > first.pixel_change_random[[2, 4]]).all() and first.pixel_change_random[
        3
    ] == 0
    real = np.asarray(z > 0, np.int64)
    told = verified(world, codes, moves(np.eye(WIDTH)[:1]), draws=2, real=real)
    assert told.reconstructed.value == 1 and np.isnan(found.reconstructed.value)


def test_leakage_is_found_where_it_was_planted_and_only_there() -> None:
    mixing = np.eye(60)[:, :4].copy()
    mixing[0, 1] = -0.8
    codes = np.random.default_rng(0).normal(size=(60, 60))
    found = verified(Bands(mixing), codes, moves(np.eye(60)[:4]), seed=2)
    expected = np.eye(4)
    expected[0, 1] = -0.8
    np.testing.assert_allclose(found.leakage, expected, atol=1e-5)
    assert np.argwhere(found.leaks).tolist() == [[0, 1]]


def test_random_directions_are_not_claimed_to_do_anything(codes: np.ndarray) -> None:
    """Of 40 concepts in 8 worlds with a wide code, all of them directions at random, none is proven."""
    world, wide = Bands(np.eye(40)[:, :4]), np.random.default_rng(3).normal(size=(40, 40))
    claimed = leaks = 0
    for seed in range(8):
        drawn = np.random.default_rng([seed, 9]).normal(size=(4, 40))
        found = verified(world, wide, moves(drawn), seed=seed)
        claimed += len(found.verified)
        leaks += int(found.leaks.sum())
        assert all(abs(one.spearman_curve) == 1 for one in found.responses), "each does move its score a little"
    assert claimed <= 1
    assert leaks <= 2, "in 5 % of the worlds an effect on another judge lies beyond chance"


def test_rank_correlations_have_intervals_that_end_at_one(codes: np.ndarray) -> None:
    """One image of many does not follow, as it is white at every strength: Student's interval would reach beyond 1."""
    world, codes = Bands(axes()), codes.copy()
    codes[0, 0] = 1e4

    def decode(z: np.ndarray) -> np.ndarray:
        return np.clip(world.decode(z), 0, 1)

    asked, rng = moves(np.eye(WIDTH)[:1]), np.random.default_rng(1)
    found = verify_edits(decode, world.evaluate, scores(), codes, asked, rng=rng, draws=2).responses[0].spearman
    assert found.value == pytest.approx(59 / 60) and found.low < found.value and found.high == 1


def test_a_direction_that_lowers_its_score_is_not_proven(codes: np.ndarray) -> None:
    world = Bands(axes())
    found = verified(world, codes, moves(-np.eye(WIDTH)[:1]))
    one = found.responses[0]
    assert found.verified == () and one.effect.value == pytest.approx(-1, abs=1e-5)
    assert one.spearman.value == -1 and one.success.value == 0
    assert one.effect_random.value > 0 and one.spearman_random.value > 0, "random ones are turned to rise"


def test_random_directions_have_the_concept_s_length_and_stay_in_the_mask(codes: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    def decode(z: np.ndarray) -> np.ndarray:
        seen.append(z.astype(np.float64))
        return Bands(axes()).decode(z)

    mask = np.arange(WIDTH) < 8
    verify_edits(
        decode,
        Bands(axes()).evaluate,
        scores(),
        codes[:5],
        moves(np.eye(WIDTH)[:2], 0.7),
        draws=3,
        mask=mask,
        rng=np.random.default_rng(1),
    )
    strengths = [z.reshape(5, 7, -1) for z in seen if len(z) == 35]
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


def test_images_without_a_score_are_left_out_and_a_concept_without_a_judge_is_kept_without(codes: np.ndarray) -> None:
    world = Bands(axes())

    def judge(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, _ = world.evaluate(images)
        return np.where(found > 0.6, np.nan, found), np.full(len(images), -1)

    asked = [
        *moves(np.eye(WIDTH)[:1]),
        EditDirection(name="nobody's", column="x", kind="boolean", vector=np.eye(WIDTH)[5], length=1.0),
    ]
    found = verify_edits(world.decode, judge, scores(), codes, asked, draws=3, rng=np.random.default_rng(1))
    first, other = found.responses
    assert first.spearman.n == np.sum(codes[:, 0] + 3 <= 2) < 60 and first.spearman.value == 1
    assert other.score == -1 and np.isnan(other.p_value) and np.isnan(other.curve).all()
    assert np.isnan(first.class_preserved).all() and found.scored == (first,)
    np.testing.assert_allclose(found.leakage[1], 0, atol=1e-5)


def test_a_decoder_of_blank_images_proves_nothing(codes: np.ndarray) -> None:
    world = Bands(axes())
    found = verify_edits(
        world.decode,
        lambda x: (np.full((len(x), 4), np.nan), np.full(len(x), -1)),
        scores(),
        codes,
        moves(np.eye(WIDTH)[:2]),
        draws=3,
        rng=np.random.default_rng(1),
    )
    assert found.verified == () and not found.leaks.any()
    assert all(np.isnan(one.p_value) and one.spearman.n == one.success.n == 0 for one in found.responses)


def test_rank_correlation_is_scipy_s_and_flat_rows_count_as_none() -> None:
    from scipy.stats import spearmanr

    rows = np.random.default_rng(0).normal(size=(5, 7)).round(1)
    expected = [spearmanr(STRENGTHS, row).statistic for row in rows]
    np.testing.assert_allclose(spearman(rows, STRENGTHS), expected)
    assert spearman(np.ones((1, 7)), STRENGTHS) == 0


def test_small_matters_of_counting() -> None:
    rising = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.0, 0, 0, 0.1, 0, 0, 0.2], [1, 1, 1, 1, 0.5, 1, 1.0]])
    assert succeeded(rising, STRENGTHS, 0.5).tolist() == [True, False], "the third has it already"
    assert succeeded(rising, STRENGTHS, np.nan).tolist() == [True, False, False]
    same = class_preserved(np.array([[1, 1, 1, 1, 2, 2, 2], [0] * 7]), STRENGTHS)
    assert (
        same is not None
        and class_preserved_at_one(same, STRENGTHS).value == 0.75
        and class_preserved_at_one(same, STRENGTHS).n == 2
    )
    assert class_preserved(np.full((2, 7), -1), STRENGTHS) is None
    for strengths in ([0, 1, 2], [-1, 0], [-2, 0, 2], [1, 0, -1]):
        with pytest.raises(AnalysisError, match="strengths"):
            check_strengths(np.array(strengths))


def test_judges_of_constant_scores_and_no_judges_are_refused(codes: np.ndarray) -> None:
    world, rng = Bands(axes()), np.random.default_rng(1)
    with pytest.raises(AnalysisError, match="all real images have the same score of 'a'"):
        verify_edits(world.decode, world.evaluate, scores(0.0), codes, moves(np.eye(WIDTH)[:1]), rng=rng)
    with pytest.raises(AnalysisError, match="no evaluator"):
        verify_edits(world.decode, world.evaluate, [], codes, moves(np.eye(WIDTH)[:1]), rng=rng)
    with pytest.raises(AnalysisError, match="do not vary along 'a'"):
        verify_edits(world.decode, world.evaluate, scores(), codes, moves(np.eye(WIDTH)[:1], 0.0), rng=rng)


def test_a_verification_is_saved_and_read_again(codes: np.ndarray, tmp_path) -> None:
    world = Bands(axes())
    found = verified(world, codes, moves(np.eye(WIDTH)[:2]), draws=2, notes=["said"])
    save(found, tmp_path)
    again = load_one(tmp_path, "editing")
    np.testing.assert_array_equal(again.leakage, found.leakage)
    np.testing.assert_array_equal(again.responses[1].curve_random, found.responses[1].curve_random)
    assert again.responses[1].effect == found.responses[1].effect and again.notes == ("said",)
    assert again.frames.shape == (2, 4, 7, 4, 3, 1) and again.scores[0].quality is None


def test_a_column_is_a_measure_where_the_two_go_together() -> None:
    rng = np.random.default_rng(0)
    pages = np.zeros((50, 16, 16, 1))
    for page, wide, high in zip(pages, rng.integers(1, 9, 50), rng.integers(2, 13, 50), strict=True):
        page[2 : 2 + high, 3 : 3 + wide] = 0.8
    measured = suitable_measures(pages)
    values = measured(pages)
    columns = {"width": values[:, 2] + 0.01 * rng.normal(size=50), "height": rng.normal(size=50), "age": values[:, 2]}
    assert measured_columns(values, measured.names, columns) == ["width"]
    said = [one.name for one in measured_scores(measured, values, taken=["height"])]
    assert said == ["thickness", "slant", "width", "measured height", "brightness"]
    busy = suitable_measures(rng.random((50, 8, 8, 3)))
    assert busy.names == ("brightness",) and "no plain background" in busy.notes[0]
    judge = combined_evaluator(lambda x: (np.ones((len(x), 2)), np.arange(len(x))), measured)
    both, classes = judge(pages.astype(np.float32))
    assert both.shape == (50, 7) and classes.tolist() == list(range(50))
    np.testing.assert_allclose(both[:, 2:], measure(pages), atol=1e-4)


def test_a_network_s_scores_come_with_how_good_they_are() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([rng.random(300) < 0.4, rng.random(300) < 0.5, rng.normal(size=300)], axis=1).astype(float)
    given = np.stack([0.8 * truth[:, 0] + 0.1, rng.random(300), truth[:, 2] + 0.1 * rng.normal(size=300)], axis=1)
    truth[:10, 0] = np.nan
    about = ["probability by a network", "probability by a network", "value by a network"]
    found, notes = classifier_scores(["good", "bad", "size"], about, given, truth, rng=rng)
    assert found[0].quality is not None and found[0].quality.value == 1 and found[0].quality.n == 290
    assert found[2].metric == "R2" and found[2].quality is not None and found[2].quality.value > 0.98
    assert np.isnan(found[2].threshold) and found[0].threshold == 0.5
    assert len(notes) == 1 and "'bad' is weak" in notes[0]
