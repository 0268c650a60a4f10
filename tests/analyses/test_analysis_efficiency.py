"""Label efficiency: nested and paired draws, planted structures, and nothing found where nothing is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings
from analysis.base.linear_models import Rows
from analysis.label_efficiency.curves import Curve, label_efficiency_curve, labels_needed, sizes
from analysis.label_efficiency.study import study as study_efficiency
from analysis.probes.few_labels import draw_labels, within
from analysis.table.study_options import Options

CLASSES, WIDTH = 4, 60


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def rows(rng: np.random.Generator, n: int, *, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Two of sixty columns are the class; the others are as wide and say nothing."""
    y = rng.integers(0, CLASSES, n)
    x = rng.normal(size=(n, WIDTH))
    x[:, :2] += gap * np.stack([y % 2, y // 2], axis=1)
    return x.astype(np.float32), y


def read(
    rng: np.random.Generator, views: dict[str, list[np.ndarray]], labels: list[np.ndarray], draws: int = 10
) -> Curve:
    curve = Curve(labels[0], (2, 10, 50), columns=CLASSES, draws=draws, rng=rng, all_labels=True)
    for name, parts in views.items():
        curve.add_probes(name, name != "code", *(Rows(x, y) for x, y in zip(parts, labels, strict=True)))
    curve.add_shuffled("code", Rows(views["code"][0], labels[0]), Rows(views["code"][2], labels[2]), rng)
    return curve


def planted(rng: np.random.Generator, gap: float, draws: int = 10) -> Curve:
    """Read a code that is the class's two directions alone, and pixels, those two among sixty."""
    parts = [rows(rng, n, gap=gap) for n in (800, 400, 600)]
    pixels, labels = [x for x, _ in parts], [y for _, y in parts]
    return read(rng, {"code": [x[:, :2] for x in pixels], "pixels": pixels}, labels, draws)


def test_sizes_are_one_two_five() -> None:
    assert sizes(np.repeat([0, 1], [900, 230])) == (1, 2, 5, 10, 20, 50, 100)
    assert sizes(np.arange(100_000) % 10)[-1] == 500  # of 5,000 rows
    assert sizes(np.repeat([0, 1], 20)) == (1, 2, 5, 10)
    assert sizes(np.repeat([0, 1, -1], [50, 1, 9])) == (1,)
    assert sizes(np.repeat([0, -1], 50)) == ()


def test_draws_are_nested_and_balanced(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, 300)
    large = draw_labels(labels, per_class=20, draws=4, rng=rng)
    small = within(large, of=20, per_class=5)
    assert all(set(few) <= set(many) for few, many in zip(small.tolist(), large.tolist(), strict=True))
    assert all(np.bincount(labels[draw]).tolist() == [5, 5, 5] for draw in small)


def test_large_draws_are_fewer_and_all_labels_are_drawn_once(rng: np.random.Generator) -> None:
    labels = np.arange(8000) % 4
    curve = Curve(labels, (1, 500, 1000), columns=4, draws=20, rng=rng, all_labels=True)
    assert [size.picked.shape for size in curve.sizes] == [(20, 4), (5, 2000), (5, 4000), (1, 8000)]
    assert curve.sizes[-1].per_class == 2000 and curve.sizes[-1].everything


def test_a_planted_direction_saves_the_labels_that_it_saves(rng: np.random.Generator) -> None:
    curve = planted(rng, 3.0)
    found = curve.results()
    assert [few.per_class for few in found] == [2, 10, 50, 200] and [few.labels for few in found] == [8, 40, 200, 800]
    code, pixels = (np.array([few.scores[i].value for few in found]) for i in (0, 1))
    assert (np.diff(pixels) > 0.01).all() and (code[:3] > pixels[:3] + 0.02).all()
    assert all(few.differences[0].difference.low > 0 for few in found[:3])
    (need,) = curve.needed()
    assert (need.representation, need.baseline, need.per_class) == ("code", "pixels", 10)
    assert need.needed.low > 30 and (math.isnan(need.needed.value) or need.needed.value > 50)
    assert found[-1].scores[0].n == 1 and np.isfinite(found[-1].scores[0].low) and math.isnan(found[-1].deviations[0])


def test_one_function_reads_the_whole_curve_of_arrays(rng: np.random.Generator) -> None:
    parts = [rows(rng, n, gap=3.0) for n in (400, 200, 300)]
    splits = [{"code": Rows(x[:, :2], y), "pixels": Rows(x, y)} for x, y in parts]
    found = label_efficiency_curve(*splits, rng=rng, per_class=(2, 10), draws=8, target="kind")
    assert (found.target, found.metric, [few.per_class for few in found.curve]) == ("kind", "accuracy", [2, 10, 100])
    assert found.curve[-1].everything and found.needed[0].representation == "code"
    for few in found.curve:
        assert few.baselines == (False, True) and few.shuffled is not None
        assert few.shuffled.high < few.scores[0].low and few.scores[0].value > few.scores[1].value
    with pytest.raises(AnalysisError, match="train rows of two classes"):
        label_efficiency_curve(*({"code": Rows(one["code"].x, 0 * one["code"].y)} for one in splits), rng=rng)


def test_at_no_gap_every_size_is_at_chance_inside_its_interval() -> None:
    inside, shuffled, apart = [], [], []
    for seed in range(6):
        found = planted(np.random.default_rng(seed), 0.0, draws=6).results()
        inside += [score.low <= 1 / CLASSES <= score.high for few in found for score in few.scores]
        apart += [gap.difference.low > 0 or gap.difference.high < 0 for few in found for gap in few.differences]
        shuffled += [few.shuffled.low <= 1 / CLASSES <= few.shuffled.high for few in found if few.shuffled]
    assert len(inside) == 48 and np.mean(inside) >= 0.9
    assert len(shuffled) == 24 and np.mean(shuffled) >= 0.9
    assert np.mean(apart) <= 0.1


def test_shuffled_labels_are_at_chance_where_right_ones_are_read(rng: np.random.Generator) -> None:
    for few in planted(rng, 3.0).results():
        assert few.shuffled is not None and few.shuffled.n >= 10
        assert few.shuffled.low < 1 / CLASSES < few.shuffled.high < few.scores[0].low


def test_the_order_of_test_rows_and_of_columns_does_not_matter() -> None:
    def figures(order: bool) -> list[float]:
        rng = np.random.default_rng(3)
        parts = [rows(rng, n, gap=2.0) for n in (400, 200, 300)]
        if order:
            mixed = np.random.default_rng(0).permutation(300)
            columns = np.random.default_rng(0).permutation(WIDTH)
            parts[2] = parts[2][0][mixed], parts[2][1][mixed]
            parts = [(x[:, columns], y) for x, y in parts]
        found = read(rng, {"code": [x for x, _ in parts]}, [y for _, y in parts]).results()
        return [score.value for few in found for score in few.scores]

    assert figures(True) == pytest.approx(figures(False), abs=0.01)


def test_crossing_is_linear_in_the_logarithm() -> None:
    def hits(share: float) -> np.ndarray:
        return np.tile(np.arange(1000) < 1000 * share, (6, 1))

    curve, places = [hits(0.5), hits(0.7), hits(0.9)], np.array([1.0, 10.0, 100.0])
    found = labels_needed(hits(0.8), curve, places)
    assert found.value == pytest.approx(10**1.5) and 10 < found.low < found.value < found.high < 100 and found.n == 6
    never = labels_needed(hits(0.95), curve, places)
    assert all(math.isnan(end) for end in (never.low, never.value, never.high))
    assert labels_needed(hits(0.4), curve, places).value == 1.0
    near = labels_needed(hits(0.902), curve, places)
    assert math.isnan(near.value) and math.isnan(near.high) and 50 < near.low < 100


def test_a_table_gets_its_curve_and_says_what_it_lacks(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    found = study_efficiency(table, None, Options(), draws=3)
    assert [few.per_class for few in found.curve[:-1]] == [1, 2, 5, 10, 20]
    assert found.curve[-1].everything and found.curve[-1].labels == np.count_nonzero(
        table.column().present[table.rows("train")]
    )
    assert found.n_labels_used == 0 and [(one.representation, one.baseline) for one in found.needed][:2] == [
        ("code", "pixels"),
        ("code", "untrained.code"),
    ]
    again = study_efficiency(table, None, Options(), draws=3)
    assert all((a.accuracy == b.accuracy).all() for a, b in zip(found.curve, again.curve, strict=True))
    some = study_efficiency(table, None, Options(), draws=3, per_class=(5, 5000))
    assert [few.per_class for few in some.curve] == [5] and some.notes[0].startswith("not drawn: 5000 labels a class")
    with pytest.raises(AnalysisError, match="5000 labels a class cannot be drawn: the smallest of 10 classes has"):
        study_efficiency(table, None, Options(), per_class=(5000,))
