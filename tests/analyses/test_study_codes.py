"""Parts of a code on planted tables: known usage, known names, a linear decoder whose effects can be computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings, load, save
from analysis.base.arrays import Doubles
from analysis.base.clustering_scores import effective_number
from analysis.code_parts.categorical import purity_of, shared_information
from analysis.code_parts.code_parts import Codes, sweep_effect
from analysis.code_parts.study import N_BASE_CODES
from analysis.code_parts.study import study as study_codes
from analysis.runner import run_study
from analysis.table.study_options import Options

NOISE, CLASS, STYLE = slice(0, 2), slice(2, 5), slice(5, 7)
PARTS: list[dict[str, Any]] = [
    {"name": "noise", "kind": "uniform", "width": 2, "encoded": False, "start": 0},
    {"name": "class", "kind": "categorical", "width": 3, "encoded": True, "start": 2},
    {"name": "style", "kind": "uniform", "width": 2, "encoded": True, "start": 5},
]


@dataclass
class Linear:
    """Images (n, 1, 3, 1) = codes · weights (7, 3); remembers what it was given."""

    weights: np.ndarray
    given: list[np.ndarray] = field(default_factory=list)

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        self.given.append(codes.copy())
        return (codes @ self.weights).reshape(len(codes), 1, 3, 1).astype(np.float32)


def weights(**rows: list[float]) -> np.ndarray:
    out = np.zeros((7, 3))
    for name, row in rows.items():
        out[{"noise1": 0, "class1": 2, "class2": 3, "class3": 4, "style1": 5, "style2": 6}[name]] = row
    return out


def columns(n: int = 1000, *, wrong: float = 0.1) -> dict[str, Any]:
    """Rows sorted by label 0, 1, 2; category 2, 0, 1 but for `wrong` of them; style U(-1, 1); the noise is 0."""
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(n) % 3)
    shown = np.where(rng.random(n) < wrong, (labels + 1) % 3, labels)
    category = np.array([2, 0, 1])[shown]
    code = np.zeros((n, 7), np.float32)
    code[:, CLASS] = 0.1
    code[np.arange(n), 2 + category] = 0.8
    code[:, STYLE] = rng.uniform(-1, 1, (n, 2))
    pixels = np.clip(120 * labels[:, None] + rng.normal(0, 8, (n, 3)), 0, 255).astype(np.uint8)
    return {
        "code": code,
        "untrained.code": rng.normal(size=(n, 7)).astype(np.float32),
        "pixels": pixels,
        "label": labels,
        "split": np.array(["train", "validation", "test", "test", "test"])[np.arange(n) % 5].tolist(),
    }


def planted(folder: Path, parts: list[dict[str, Any]] = PARTS, **changes: Any) -> Embeddings:
    found = {name: values for name, values in (columns() | changes).items() if values is not None}
    return Embeddings(table_maker.write_table(folder / "planted.parquet", found, {"format": 1, "parts": parts}))


def study(table: Embeddings, model: Any = None, **options: Any) -> Codes:
    return study_codes(table, model, Options(**options))


def test_usage_is_counted() -> None:
    rng = np.random.default_rng(0)
    assert effective_number(np.array([50, 0, 0]), rng=rng).value == 1
    assert effective_number(np.array([20, 20, 20, 0]), rng=rng).value == pytest.approx(3)
    assert effective_number(np.array([106, 1, 0, 0]), rng=rng).low >= 1


@pytest.mark.parametrize(
    "shares", [np.full(10, 0.1), np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.04, 0.03, 0.02, 5e-3, 5e-3])]
)
def test_effective_number_holds_the_truth(shares: Doubles) -> None:
    rng = np.random.default_rng(0)
    truth = np.exp(-np.sum(shares * np.log(shares)))
    found = [effective_number(rng.multinomial(360, shares), rng=rng) for _ in range(150)]
    assert np.mean([one.low <= truth + 1e-9 and truth - 1e-9 <= one.high for one in found]) >= 0.93
    assert all(1 <= one.low <= one.value <= one.high <= 10 for one in found)


def test_purity_of_a_few_rows_is_not_certain() -> None:
    rng = np.random.default_rng(0)
    assert purity_of(np.array([[6, 2], [1, 1], [0, 0]]), rng=rng).value == 0.7
    pure = purity_of(np.diag([2, 1, 1]), rng=rng)
    assert pure.value == pure.high == 1
    assert pure.low < 0.6


def test_shared_information_of_equal_parts_is_1() -> None:
    assert shared_information(np.diag([5, 5, 5]), rng=np.random.default_rng(0)).value == pytest.approx(1)


def test_categories_are_scored_on_test(tmp_path: Path) -> None:
    table = planted(tmp_path)
    (one,) = study(table).categories
    test = table.rows("test")
    codes, labels = columns()["code"][test], columns()["label"][test]
    right = np.mean(np.array([1, 2, 0])[codes[:, CLASS].argmax(1)] == labels)
    assert one.matching is not None and one.matching.names.tolist() == [1, 2, 0]
    assert (one.matching.rule, one.matching.accuracy.value, one.matching.n_matched) == ("one to one", right, 200)
    beside = {b.name: b.figure for b in one.baselines}
    assert set(beside) == {"untrained", "pixels", "shuffled"} and all(b.n == 600 for b in beside.values())
    assert beside["pixels"].value > 0.99  # the pixels were planted to be told apart
    assert beside["shuffled"].value == pytest.approx(1 / 3, abs=0.06) and beside["untrained"].value < 0.45
    assert one.shared is not None and one.shared.low > one.shuffled
    assert one.counts.sum() == one.table.sum() == 600 and one.effective.value > 2.9
    assert one.confidence.value == pytest.approx(0.8)


def test_surest_validation_row_names_a_category(tmp_path: Path) -> None:
    code, rng = columns()["code"], np.random.default_rng(1)
    code[:, CLASS] += 0.05 * rng.random((len(code), 3), np.float32)  # no two rows are as sure
    table = planted(tmp_path, code=code)
    (one,) = study(table).categories
    held, test = table.rows("validation"), table.rows("test")
    codes, labels = code[:, CLASS], columns()["label"]
    names = labels[held][codes[held].argmax(0)]
    right = np.mean(names[codes[test].argmax(1)] == labels[test])
    assert one.confident is not None and one.confident.names.tolist() == names.tolist()
    assert (one.confident.rule, one.confident.accuracy.value) == ("most confident", right)
    assert one.confident.n_matched == 200 and one.confident.accuracy.n == 600
    beside = {b.name: b.figure for b in one.confident_baselines}
    assert set(beside) == {"untrained", "pixels", "shuffled"} and all(b.n == 600 for b in beside.values())
    assert beside["pixels"].value > 0.99 and beside["shuffled"].value < 0.45


def test_category_images_are_the_surest(tmp_path: Path) -> None:
    about = {"format": 1, "parts": PARTS, "pixels_shape": [1, 3, 1]}
    table = Embeddings(table_maker.write_table(tmp_path / "pictures.parquet", columns(), about))
    (one,) = study(table).categories
    test, codes = table.rows("test"), columns()["code"][:, CLASS]
    assert one.exemplars is not None and one.exemplar_rows is not None
    assert one.exemplars.shape[:2] == one.exemplar_rows.shape == (3, 10) and one.exemplars.dtype == np.uint8
    for k, rows in enumerate(one.exemplar_rows):
        mine = test[codes[test].argmax(1) == k]
        assert set(rows.tolist()) <= set(mine.tolist())
        assert codes[rows, k].min() >= np.sort(codes[mine, k])[-10] - 1e-6
    (bare,) = study(planted(tmp_path, pixels=None)).categories
    assert bare.exemplars is None and bare.exemplar_rows is None


def test_categories_need_other_labelled_rows(tmp_path: Path) -> None:
    found = study(planted(tmp_path, split=None))
    assert found.categories[0].matching is None and found.categories[0].table.sum() == 1000
    assert "nothing is held out" in found.notes[0]
    assert any("no other labelled rows to choose names on" in note for note in found.notes)
    bare = study(planted(tmp_path, label=None, pixels=None))
    assert bare.categories[0].matching is None and bare.categories[0].table.shape == (3, 0) and bare.classes == ()


def test_no_train_rows_leave_out_pixel_groups(tmp_path: Path) -> None:
    split = ["validation" if i % 2 else "test" for i in range(1000)]
    (one,) = study(planted(tmp_path, split=split)).categories
    assert {b.name for b in one.baselines} == {"untrained", "shuffled"}


def test_effect_is_relative_to_unrelated_codes(tmp_path: Path) -> None:
    found = study(planted(tmp_path), Linear(weights(style1=[3, 0, 0])))
    first, second = found.sweeps
    assert (first.part, first.dimension, first.ends) == ("style", 0, (-1.0, 1.0))
    # |1 − (−1)| = 2 over E|u − v| = 2/3 of independent U(-1, 1).
    assert first.effect.low < 3 < first.effect.high and first.effect.n == N_BASE_CODES
    assert (second.dimension, second.effect.value) == (1, 0)


def test_linear_effects_are_as_the_weights(tmp_path: Path) -> None:
    model = Linear(weights(noise1=[1, 0, 0], class1=[0, 2, 0], style1=[0, 0, 0.5], style2=[0, 2, 0]))
    found = study(planted(tmp_path), model)
    assert [one.dimension for one in found.sweeps] == [1, 0]
    assert found.sweeps[0].effect.value == pytest.approx(4 * found.sweeps[1].effect.value)


def test_equal_numbers_equal_a_random_direction(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    parts = [{"name": "z", "kind": "normal", "width": 7, "encoded": True, "start": 0}]
    codes = rng.normal(size=(1000, 7)).astype(np.float32)
    turned = np.linalg.qr(rng.normal(size=(7, 7)))[0]

    class Turned:
        def decode(self, codes: np.ndarray, /) -> np.ndarray:
            return (codes @ turned).reshape(len(codes), 1, 7, 1).astype(np.float32)

    found = study(planted(tmp_path, parts, code=codes), Turned())
    (random,) = found.baselines
    assert random.name == "random direction" and "10 directions through all 7" in random.note
    effects = [one.effect.value for one in found.sweeps]
    assert np.allclose(effects, random.figure.value, rtol=1e-4) and found.sweeps[0].ends == (-2.0, 2.0)


def test_parts_not_encoded_come_from_the_prior(tmp_path: Path) -> None:
    model = Linear(weights(style1=[1, 0, 0]))
    found = study(planted(tmp_path), model)
    given = next(codes for codes in model.given if len(codes) == N_BASE_CODES)
    assert np.abs(given[:, NOISE]).max() <= 1 and given[:, NOISE].std() == pytest.approx(3**-0.5, abs=0.06)
    assert set(np.unique(given[:, CLASS])) == {0, 1} and (given[:, CLASS].sum(1) == 1).all()
    assert "noise: not given by the encoder, so drawn from the prior" in found.notes


def test_conditions_not_encoded_become_a_class(tmp_path: Path) -> None:
    parts = [PARTS[0], PARTS[1] | {"encoded": False}, PARTS[2]]
    model = Linear(weights(style1=[1, 0, 0]))
    found = study(planted(tmp_path, parts), model)
    given = next(codes for codes in model.given if len(codes) == N_BASE_CODES)
    assert found.categories == () and set(np.unique(given[:, CLASS])) == {0, 1} and (given[:, CLASS].sum(1) == 1).all()
    assert {one.part for one in found.sweeps} == {"style"}


def test_effects_use_codes_from_the_whole_table(tmp_path: Path) -> None:
    model = Linear(weights(class1=[1, 0, 0], class2=[0, 1, 0], class3=[0, 0, 1], style1=[1, 1, 1]))
    found = study(planted(tmp_path), model)
    given = next(codes for codes in model.given if len(codes) == N_BASE_CODES)
    assert given[:, CLASS].sum(0).min() > 20
    labels = columns()["label"][found.bases]
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2]


def test_down_a_column_of_samples_only_the_category_differs(tmp_path: Path) -> None:
    model = Linear(weights(style1=[1, 0, 0]))
    found = study(planted(tmp_path), model)
    given = model.given[0].reshape(3, 10, 7)
    assert (given[:, :, CLASS] == np.eye(3)[:, None]).all()
    assert (given[:, :, [0, 1, 5, 6]] == given[:1, :, [0, 1, 5, 6]]).all()
    assert len(np.unique(given[0, :, 5])) == 10 and found.categories[0].samples is not None
    assert found.categories[0].samples.shape == (3, 10, 1, 3, 1)


def test_films_move_one_number_of_the_same_codes(tmp_path: Path) -> None:
    found = study(planted(tmp_path), Linear(weights(style1=[0.5, 0, 0], noise1=[0, 0.3, 0])), shown=4)
    frames = found.sweeps[0].frames
    assert frames is not None and frames.shape == (4, 9, 1, 3, 1)
    assert (frames[:, :, 0, 0, 0] == np.rint(255 * np.clip(0.5 * np.linspace(-1, 1, 9), 0, 1))).all()
    assert (frames[:, :, 0, 1, 0] == frames[:, :1, 0, 1, 0]).all()


def test_codes_that_are_narrower_than_the_prior_are_said_to_be(tmp_path: Path) -> None:
    model = Linear(weights(style1=[1, 0, 0]))
    assert not any("as wide as the prior" in note for note in study(planted(tmp_path), model).notes)
    code = columns()["code"]
    code[:, STYLE] *= 0.2
    assert any("codes spread 0.20 times as wide" in n for n in study(planted(tmp_path, code=code), model).notes)


def test_a_decoder_that_gives_one_image_has_no_effects(tmp_path: Path) -> None:
    found = study(planted(tmp_path), Linear(weights()))
    assert all(np.isnan(one.effect.value) for one in found.sweeps) and np.isnan(found.baselines[0].figure.value)
    save(found, tmp_path / "out")
    assert np.isnan(load(tmp_path / "out")["code_parts"].sweeps[0].effect.value)


def test_a_foreign_code_is_one_part_between_its_own_quantiles(tmp_path: Path) -> None:
    table = planted(tmp_path, [])
    found = study(table, Linear(weights(style1=[1, 0, 0])))
    assert found.categories == () and len(found.sweeps) == 7 and found.sweeps[0].dimension == 5
    values = table.vectors("code", table.rows("test"))[:, 5]
    assert found.sweeps[0].ends == pytest.approx(tuple(np.quantile(values, [0.01, 0.99])))
    with pytest.raises(AnalysisError, match=r"no categorical part, .* that needs a model"):
        study(table)


def test_start_images_are_stored_for_the_report(tmp_path: Path) -> None:
    found = run_study(
        "code_parts", planted(tmp_path), Linear(weights(style1=[1, 0, 0])), Options(), out=tmp_path / "out"
    )
    assert np.isin(found.bases, load(tmp_path / "out")["overview"].rows).all()


def test_an_effect_is_a_ratio_of_means() -> None:
    low, high = np.zeros((3, 1, 2, 1), np.float32), np.full((3, 1, 2, 1), 3 / np.sqrt(2), np.float32)
    found = sweep_effect(low, high, np.array([1.0, 2.0, 3.0]), rng=np.random.default_rng(0))
    assert found.value == pytest.approx(1.5) and found.n == 3


def told(folder: Path, **changes: Any) -> Embeddings:
    """The planted table of a network that was told 30 labels: its class k stands for label k, but for some rows."""
    about = {"format": 1, "parts": PARTS, "n_labels_used": 30, "classes": ["0", "1", "2"]}
    return Embeddings(table_maker.write_table(folder / "told.parquet", columns() | changes, about))


def test_label_trained_classes_are_not_matched(tmp_path: Path) -> None:
    permuted = told(tmp_path)
    (one,) = study(permuted).categories
    test = permuted.rows("test")
    chosen, labels = columns()["code"][test][:, CLASS].argmax(1), columns()["label"][test]
    assert one.matching is not None and (one.matching.rule, one.n_labels_used) == ("labels used", 30)
    assert one.matching.accuracy.value == np.mean(chosen == labels) < 0.2
    code = columns()["code"]
    code[:, CLASS] = code[:, CLASS][:, [2, 0, 1]]  # class k is label k
    (right,) = study(told(tmp_path, code=code)).categories
    assert right.matching is not None and right.matching.accuracy.value > 0.85
    beside = {b.name: b.figure for b in right.baselines}
    assert set(beside) == {"untrained", "pixels", "probe of pixels", "shuffled"}
    assert beside["probe of pixels"].value > 0.95 and beside["pixels"].value > 0.95
    assert beside["shuffled"].value == pytest.approx(1 / 3, abs=0.06) and beside["untrained"].value < 0.45
    assert right.confident is None and right.assigned is None


def test_labels_used_in_training_score_nothing(tmp_path: Path) -> None:
    split = np.array(["train"] * 38 + ["validation", "test"])[np.arange(1000) % 40].tolist()
    train = np.array(split) == "train"
    code = columns(wrong=0)["code"][:, [0, 1, 4, 2, 3, 5, 6]]  # class k is label k
    code[~train, CLASS] = code[~train, CLASS][:, [1, 2, 0]]  # and never outside of training
    found = study(told(tmp_path, split=split, code=code, label=np.where(np.arange(1000) % 2, -1, columns()["label"])))
    (one,) = found.categories
    assert one.matching is not None and one.matching.accuracy.value == 0
    assert one.matching.accuracy.n == one.table.sum() == 25 and one.purity is not None and one.purity.n == 25
    assert found.rows == 1000 and "labels on the others alone" in found.notes[0]


def test_more_categories_than_labels_are_also_judged_one_to_one(tmp_path: Path) -> None:
    label = np.minimum(columns()["label"], 1)  # labels 1 and 2 become one: two categories share it
    (one,) = study(planted(tmp_path, label=label)).categories
    assert one.matching is not None and one.matching.rule == "majority" and one.assigned is not None
    assert sorted(one.assigned.names.tolist()) == [-1, 0, 1]
    assert one.matching.accuracy.value > 0.85 > 0.7 > one.assigned.accuracy.value > 0.5
    assert {b.name for b in one.assigned_baselines} == {"untrained", "pixels", "shuffled"}
